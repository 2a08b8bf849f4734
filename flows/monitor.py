"""The Prefect flow `monitor`: `flows.run` with its fetching as tasks, and its results as artifacts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import answers, notify, run
from flows.settings import Settings
from pipeline import alerts
from pipeline.errors import BalkanwatchError
from pipeline.fetch import Policy, Request, RobotsCache
from pipeline.warehouse import Store


@task(name="fetch feeds", cache_policy=NO_CACHE, persist_result=False)
def fetch_feeds(batch: list[Request], policy: Policy, robots: RobotsCache, folder: Path) -> Path:
    """Fetch a batch of feeds; returns the stem of the files that hold the answers."""
    return answers.fetch_to(batch, policy, robots, folder)


@task(name="fetch pages", cache_policy=NO_CACHE, persist_result=False)
def fetch_pages(batch: list[Request], policy: Policy, robots: RobotsCache, folder: Path) -> Path:
    """Fetch a batch of pages; returns the stem of the files that hold the answers."""
    return answers.fetch_to(batch, policy, robots, folder)


@task(name="send alerts", cache_policy=NO_CACHE, persist_result=False)
def send_alerts(store: Store) -> None:
    """Send what waits in the outbox."""
    notify.send_waiting(store)


def _send(store: Store) -> None:
    if alerts.waiting(store, datetime.now(UTC)):
        send_alerts(store)


def _submitted(fetcher: Any) -> answers.Fetch:
    """Run a fetch task for every batch at once and hand over each as it is done."""

    def fetch(batches: answers.Batches, policy: Policy, robots: RobotsCache, folder: Path) -> Iterator[tuple[int, Path]]:
        futures = {fetcher.submit(batch, policy, robots, folder): n for n, batch in enumerate(batches)}
        for future in as_completed(list(futures)):
            yield futures[future], future.result()

    return fetch


@flow(name="monitor", task_runner=ThreadPoolTaskRunner(max_workers=8), persist_result=False)  # type: ignore[arg-type]
def monitor(data: str | None = None, max_seconds: float = 480.0) -> None:
    """Poll due feeds, fetch pages, tag, land, publish, export. `data`: folder of the warehouse; `max_seconds`: time budget."""
    observed(Settings.read(data=data), max_seconds)


def observed(settings: Settings, max_seconds: float, report: Any = None, begun: float | None = None) -> run.Summary:
    """Run inside a flow: tasks for fetching, a table artifact of the feeds and a markdown artifact of the summary."""
    summary = run.run_monitor(
        settings, max_seconds, _submitted(fetch_feeds), _submitted(fetch_pages), report or (lambda _: None), begun, _send
    )
    rows = [{k: ("" if v is None else v) for k, v in feed.items()} for feed in summary.feeds]
    create_table_artifact(rows or [{"feed_id": "none was due"}], key="feeds", description="What each polled feed gave")
    create_markdown_artifact(run.markdown(summary), key="summary", description="What the run did")
    if summary.is_empty:
        raise BalkanwatchError("Nothing could be landed: no feed answered and the warehouse is empty.")
    return summary
