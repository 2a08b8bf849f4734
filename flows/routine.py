"""The flows beside the monitor: briefs, the health check, and tagging again when the seeds have changed.

Each is one plain call on the warehouse; `flows.serving` and prefect.yaml give them their schedules, one at a time, for all share
one warehouse.
"""

from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows import brief, serving, status
from flows import retag as retagging
from flows.settings import Settings
from pipeline.errors import BalkanwatchError
from pipeline.warehouse import Store

LATE = timedelta(hours=6)  # without a finished run the monitor is not well
LAST = "select max(finished_at) as at from run where status = 'complete'"
FEEDS = "select count(*) as n, count(*) filter (where state = 'failing') as bad from feed_health where state <> 'inactive'"


@flow(name="daily brief", persist_result=False)
def daily_brief(data: str | None = None) -> None:
    """Write the report of the newest day."""
    _brief(data, "day")


@flow(name="weekly brief", persist_result=False)
def weekly_brief(data: str | None = None) -> None:
    """Write the report of the newest week."""
    _brief(data, "week")


def _brief(data: str | None, period: str) -> None:
    settings = Settings.read(data=data)
    path = brief.write_report(settings, period=period, lang=settings.brief_lang)
    create_markdown_artifact(f"The report is `{path}`.", key="brief", description="Where the brief lies")


@flow(name="health check", persist_result=False)
def health_check(data: str | None = None) -> None:
    """Say how the monitor and its feeds are; fails when no run has finished for hours or most feeds give errors."""
    serving.watch_for_crashes()  # on a team's own server nobody else sees to it
    settings = Settings.read(data=data)
    now = datetime.now(UTC)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
        last = store.read(LAST)["at"][0]
        n_feeds, n_bad = store.read(FEEDS).row(0)
        silent, drifting = status.alerts(store)
    lines = [
        f"- last finished run: {last:%Y-%m-%d %H:%M} UTC" if last else "- no run has finished yet",
        f"- feeds: {n_feeds}, of which {n_bad} fail",
        f"- {status.alert_line(silent, drifting)}",
    ]
    create_markdown_artifact("\n".join(lines), key="health", description="How the monitor and its feeds are")
    if last is None or now - last > LATE:
        raise BalkanwatchError(f"No run has finished for {LATE.total_seconds() / 3600:.0f} hours.")
    if 2 * n_bad > n_feeds:
        raise BalkanwatchError(f"{n_bad} of {n_feeds} feeds fail.")


@flow(name="retag", persist_result=False)
def retag(data: str | None = None) -> None:
    """Tag the archive again if the seeds have changed; writes nothing otherwise."""
    n = retagging.retag(Settings.read(data=data))
    create_markdown_artifact(f"{n} articles were tagged again.", key="retag", description="What re-tagging changed")
