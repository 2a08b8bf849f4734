"""The monitor: poll due feeds, fetch pages, tag, land, publish, export.

    due feeds -> [task] fetch feeds -> read -> decide -> tag -> land --+
    gaps -> [task] fetch sitemaps -> read -> decide -> tag -> land     |   one transaction a batch
    waiting pages -> [task] fetch pages -> read -> decide -> tag -> land
                                                                       +-> count -> alert -> publish -> export

Only fetching is a Prefect task (`flows.monitor`), a batch of feeds or pages at a time, and hands over the path of Parquet files.
Everything else is a plain call; reading (parse, normalise) of the next batches goes on in other processes while one is landed.
A killed run keeps its finished batches.
"""

import contextlib
import ctypes
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows import notify, status
from flows import retag as retagging
from flows.answers import Fetch, fetch_batches
from flows.loading import Courier, deliver
from flows.paging import read_pages
from flows.polling import fill_gaps, poll
from flows.reading import Readers
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import alerts, export
from pipeline.fetch import Policy, RobotsCache
from pipeline.tag import Tagger, tagger_version
from pipeline.warehouse import Store, erasure, landing, marts, queries

EXPORT_SECONDS = 3600.0  # for all marts together
LAST_ASKED = timedelta(minutes=10)  # no pause between two requests to a host is longer
M_ARENA_MAX = -8  # of mallopt(3)


@dataclass
class Summary:
    """What a run did, in numbers and per feed."""

    run_id: str
    data: Path
    n_feeds: int = 0
    n_failed: int = 0
    n_new: int = 0
    n_updated: int = 0
    n_pages: int = 0
    n_waiting: int = 0
    n_postponed: int = 0
    n_retagged: int = 0
    n_behind: int = 0  # articles that wait for `balkanwatch retag`
    n_articles: int = 0
    is_offline: bool = False
    seconds: float = 0.0
    feeds: list[dict[str, Any]] = field(default_factory=list)
    top: list[dict[str, Any]] = field(default_factory=list)
    n_missed: int = 0  # articles found in news sitemaps after a gap
    silent: list[str] = field(default_factory=list)  # feeds that have gone dark
    strangers: list[str] = field(default_factory=list)  # feeds that lead to another site than they used to
    drifting: list[str] = field(default_factory=list)  # outlets whose texts have become worse
    alerts: list[str] = field(default_factory=list)  # subjects of what the rules of seeds/alerts.csv said
    delivery: str = ""  # what became of it at the warehouse of several machines
    snapshot: Path | None = None
    exports: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing was landed, now or ever."""
        return self.n_articles == 0


def markdown(summary: Summary) -> str:
    """The summary as a few lines of Markdown."""
    lines = [
        f"Run `{summary.run_id}` took {summary.seconds:.0f} s.",
        "",
        f"- feeds polled: {summary.n_feeds}, of which {summary.n_failed} gave an error",
        f"- new articles: {summary.n_new}, new versions: {summary.n_updated}",
        f"- pages read: {summary.n_pages}, still waiting: {summary.n_waiting}",
        f"- articles in the warehouse: {summary.n_articles}",
        f"- {status.alert_line(summary.silent, summary.drifting, summary.strangers)}",
    ]
    if summary.n_missed:
        lines.append(f"- articles that feeds had skipped, found in news sitemaps: {summary.n_missed}")
    if summary.n_postponed:
        lines.append(f"- feeds not reached in the time, first next time: {summary.n_postponed}")
    if summary.n_retagged:
        lines.append(f"- articles tagged again, since the seeds had changed: {summary.n_retagged}")
    if summary.n_behind:
        lines.append(f"- the seeds have changed; `balkanwatch retag` will bring them to {summary.n_behind} articles")
    lines += [f"- alert: {subject}" for subject in summary.alerts]
    lines += [f"- {summary.delivery}"] if summary.delivery else []
    if summary.is_offline:
        lines.append("- no network: not one web feed could be reached")
    return "\n".join(lines)


@dataclass
class Run:
    """One run on an open warehouse: what all its batches share."""

    store: Store
    settings: Settings
    tagger: Tagger
    tagged_by: str
    policy: Policy
    robots: RobotsCache
    fetch: Fetch
    spool: Path
    summary: Summary
    begun: float  # time.monotonic()
    max_seconds: float
    report: Callable[[str], None]
    rules: pl.DataFrame  # of alerts
    send: Callable[[Store], object]
    courier: Courier
    readers: Readers = field(default_factory=Readers)
    gaps: list[dict[str, Any]] = field(default_factory=list)  # feeds whose last poll shared no entry with the one before

    def left(self) -> float:
        """Seconds left of the time budget."""
        return self.begun + self.max_seconds - time.monotonic()


def run_monitor(
    settings: Settings,
    max_seconds: float,
    fetch_feeds: Fetch = fetch_batches,
    fetch_pages: Fetch = fetch_batches,
    report: Callable[[str], None] = lambda _: None,
    begun: float | None = None,
    send: Callable[[Store], object] = notify.send_waiting,
) -> Summary:
    """Run the monitor once. What a user can mend raises BalkanwatchError.

    The fetchers and the sender of alerts are plain functions or Prefect tasks.

    The budget of `max_seconds` counts from `begun` (`time.monotonic()`; None: now).
    """
    begun = time.monotonic() if begun is None else begun
    share_heap()
    report("compiling seeds")
    tagger, tagged_by, tables = compiled(settings)
    with Store.writer(settings.data) as store:
        spool = settings.data / ".writer" / "spool"
        _clear(spool)
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        policy = Policy(
            user_agent=f"balkanwatch/0.1 (+{settings.contact})", pause_s=settings.pause_s, total_timeout_s=settings.timeout_s,
            max_bytes=settings.max_bytes, allow_private=settings.allow_private, concurrency=settings.concurrency,
            file_root=settings.seeds, deadline=begun + max_seconds,
        )  # fmt: skip
        known = retagging.active(settings, store, (tagger, tagged_by, tables))
        robots = _manners(store)
        run = Run(
            store, settings, known.tagger, known.tagged_by, policy, robots, fetch_feeds, spool, Summary(run_id, settings.data),
            begun, max_seconds, report, tables.tables["alerts"], send, Courier(settings, run_id),
        )  # fmt: skip
        with run.readers, store.in_small_batches():
            _begin(run, known)
            poll(run)
            fill_gaps(run)
            run.fetch = fetch_pages
            read_pages(run)
        summary = _finish(run)
    if settings.warehouse:
        summary.delivery = deliver(run.courier, (tagger, tagged_by, tables), max(run.left(), 60), report)
        summary.seconds = time.monotonic() - begun
    return summary


def share_heap() -> None:
    """Have all threads of this process take memory from one heap: what one of them frees, the others can use. (glibc only.)"""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _manners(store: Store) -> RobotsCache:
    """What is known of hosts from earlier runs: robots.txt, who wants to be left alone, and whom we asked a moment ago."""
    now = datetime.now(UTC)
    asked = store.read(
        """
        select url, fetched_at from fetch_log
        where fetched_at > $since and elapsed_ms is not null and kind <> 'robots' and url not like 'file:%'
        """,
        since=now - LAST_ASKED,
    )
    return RobotsCache.load(store.read("select * from host_state").iter_rows(named=True), now, asked.iter_rows())


def _clear(spool: Path) -> None:
    """What a killed run left behind is of no use: its batches will be fetched again."""
    spool.mkdir(parents=True, exist_ok=True)
    for path in spool.iterdir():
        path.unlink()


def _begin(run: Run, known: retagging.Active) -> None:
    run.summary.n_retagged, run.summary.n_behind = known.n_retagged, known.n_behind
    landing.apply_zone(run.store, run.settings.time_zone)
    row = {
        "run_id": run.summary.run_id, "started_at": datetime.now(UTC), "status": "running", "seeds_version": known.tables.version,
        "tagger_version": tagger_version(),
    }  # fmt: skip
    run.store.run("update run set status = 'killed' where status = 'running'")  # we hold the lock: it runs no more
    run.store.append("run", pl.DataFrame([row]))


# -- the end ----------------------------------------------------------------------------------------------------------


def _any_answer(run: Run) -> bool:
    """Did any host answer anything in this run, be it a refusal?"""
    sql = "select count(*) as n from fetch_log where run_id = $id and http_status is not null and url not like 'file:%'"
    return bool(run.store.read(sql, id=run.summary.run_id)["n"][0])


def _finish(run: Run) -> Summary:
    """Close the run's row, publish the snapshot, write the exports."""
    summary, store = run.summary, run.store
    summary.n_waiting = landing.count_waiting(store)
    summary.is_offline = any(feed["kind"] != "file" for feed in summary.feeds) and not _any_answer(run)
    counts = {name: getattr(summary, name) for name in ("n_feeds", "n_failed", "n_new", "n_updated", "n_pages", "n_waiting")}
    with store.transaction():
        row = store.read("select * from run where run_id = $id", id=summary.run_id)
        done = row.with_columns(
            status=pl.lit("complete"), finished_at=pl.lit(datetime.now(UTC)), **{k: pl.lit(v) for k, v in counts.items()}
        )
        store.replace("run", done, "run_id")
        marts.recount(store)
        run.courier.keep("run", datetime.now(UTC), {"run": done})
        new = alerts.raise_alerts(store, run.rules, summary.run_id, datetime.now(UTC), run.settings.time_zone)
    summary.alerts = new["subject"].to_list()
    _clear(run.spool)
    run.report("sending alerts")
    run.send(store)
    if run.settings.retention_days:
        erasure.expire(store, run.settings.retention_days, datetime.now(UTC))
    run.report("publishing")
    summary.snapshot = store.publish()
    with Store.reader(summary.data, run.settings.query_memory, EXPORT_SECONDS) as reader:
        summary.n_articles = int(reader.read("select count(*) as n from article")["n"][0])
        summary.top = queries.ask(reader, "top_topics", days="60", group="region").to_dicts()
        summary.silent, summary.drifting = status.alerts(reader)
        summary.strangers = status.strangers(reader)
        summary.exports = export.marts(reader, summary.data / "exports")
    summary.seconds = time.monotonic() - run.begun
    return summary
