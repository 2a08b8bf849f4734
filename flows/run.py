"""The monitor: poll due feeds, fetch pages, tag, land, publish, export.

    due feeds -> [task] fetch feeds -> parse -> normalise -> decide -> tag -> land --+
         ^                                                                           |   one transaction a batch
    waiting pages -> [task] fetch pages -> parse -> normalise -> decide -> tag -> land
                                                                                     +-> publish -> export

Only fetching is a Prefect task (`flows.monitor`), a batch of feeds or pages at a time, and hands over the path of Parquet files.
Everything else is a plain call. A killed run keeps its finished batches.
"""

import dataclasses
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from flows import status
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import export, fetch, language, normalise, parse, schedule, seeds, versions
from pipeline.fetch import Policy, Request, RobotsCache
from pipeline.schemas import ENTRY, PAGE, RELATIONS, conform
from pipeline.tag import Tagger, tagger_version
from pipeline.warehouse import Store, landing, queries

MAX_TRIES = 8  # of a page

POLL_SHARE = 0.6  # of the time that is left; the rest is for pages
EXPORT_SECONDS = 3600.0  # for all marts together
PAGE_TASKS = 4  # at the same time

Batches = list[list[Request]]
Fetch = Callable[[Batches, Policy, RobotsCache, Path], Iterable[tuple[int, Path]]]


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
    n_articles: int = 0
    is_offline: bool = False
    seconds: float = 0.0
    feeds: list[dict[str, Any]] = field(default_factory=list)
    top: list[dict[str, Any]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)  # feeds that have gone dark
    drifting: list[str] = field(default_factory=list)  # outlets whose texts have become worse
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
        f"- {status.alert_line(summary.silent, summary.drifting)}",
    ]
    if summary.n_postponed:
        lines.append(f"- feeds not reached in the time, first next time: {summary.n_postponed}")
    if summary.n_retagged:
        lines.append(f"- articles tagged again, since the seeds had changed: {summary.n_retagged}")
    if summary.is_offline:
        lines.append("- no network: not one web feed could be reached")
    return "\n".join(lines)


def fetch_batches(batches: Batches, policy: Policy, robots: RobotsCache, folder: Path) -> Iterator[tuple[int, Path]]:
    """Fetch batches at the same time, in threads; (number, path's stem) of each as it is done."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = {pool.submit(fetch_to, batch, policy, robots, folder): n for n, batch in enumerate(batches)}
        for future in as_completed(futures):
            yield futures[future], future.result()


def fetch_to(requests: list[Request], policy: Policy, robots: RobotsCache, folder: Path) -> Path:
    """Fetch a batch and write what came (FETCHED, verdicts, robots requests) below `folder`; returns the path's stem."""
    results = list(fetch.fetch(requests, policy, robots))
    stem = folder / uuid.uuid4().hex
    fetch.fetched(results).write_parquet(stem.with_suffix(".fetched"))
    fetch.permissions(results).write_parquet(stem.with_suffix(".verdicts"))
    fetch.robots_fetched(results).write_parquet(stem.with_suffix(".robots"))
    return stem


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
) -> Summary:
    """Run the monitor once; the fetchers are plain functions or Prefect tasks. What a user can mend raises BalkanwatchError.

    The budget of `max_seconds` counts from `begun` (`time.monotonic()`; None: now).
    """
    begun = time.monotonic() if begun is None else begun
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
        run = Run(
            store, settings, tagger, tagged_by, policy, RobotsCache(), fetch_feeds, spool, Summary(run_id, settings.data),
            begun, max_seconds, report,
        )  # fmt: skip
        _begin(run, tables)
        _poll(run)
        run.fetch = fetch_pages
        _pages(run)
        return _finish(run)


def _clear(spool: Path) -> None:
    """What a killed run left behind is of no use: its batches will be fetched again."""
    spool.mkdir(parents=True, exist_ok=True)
    for path in spool.iterdir():
        path.unlink()


def _begin(run: Run, tables: seeds.Seeds) -> None:
    landing.sync_seeds(run.store, tables)
    if run.store.meta("tagged_by") != run.tagged_by:
        run.report("seeds changed: tagging the archive again")
        run.summary.n_retagged = landing.switch_tags(run.store, run.tagger.tag, run.tagged_by)
    row = {
        "run_id": run.summary.run_id, "started_at": datetime.now(UTC), "status": "running", "seeds_version": tables.version,
        "tagger_version": tagger_version(),
    }  # fmt: skip
    run.store.run("update run set status = 'killed' where status = 'running'")  # we hold the lock: it runs no more
    run.store.append("run", pl.DataFrame([row]))


# -- feeds ------------------------------------------------------------------------------------------------------------


def _poll(run: Run) -> None:
    """Poll what is due: recorded feeds first, state after state and whatever the time, for they need no network; then the web."""
    while True:
        due = landing.due_feeds(run.store, datetime.now(UTC))
        recorded = due.filter(pl.col("kind") == "file")
        deadline = None if recorded.height else time.monotonic() + max(run.left(), 0) * POLL_SHARE
        due = recorded if recorded.height else due
        if not due.height or (deadline and run.left() <= 0):
            return
        batches = list(_by_host(due, run.settings.feed_batch))
        requests = [[_feed_request(row) for row in batch.iter_rows(named=True)] for batch in batches]
        run.report(f"polling {due.height} feeds")
        policy = dataclasses.replace(run.policy, deadline=deadline)
        for number, stem in run.fetch(requests, policy, run.robots, run.spool):
            _land_feeds(run, batches[number], stem)
        if not recorded.height:
            return


def _by_host(frame: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Batches of about `size` rows; the rows of one host stay in one batch, and the order is kept otherwise."""
    hosts = [urlsplit(url).netloc for url in frame["url"]]
    first = {host: i for i, host in reversed(list(enumerate(hosts)))}
    order = sorted(range(len(hosts)), key=lambda i: (first[hosts[i]], i))
    batch: list[int] = []
    for _, group in itertools.groupby(order, key=lambda i: hosts[i]):
        batch += group
        if len(batch) >= size:
            yield frame[batch]
            batch = []
    if batch:
        yield frame[batch]


def _feed_request(row: dict[str, Any]) -> Request:
    return Request(
        row["feed_id"], "sitemap" if row["kind"] == "sitemap" else "feed", row["url"], row["etag"], row["last_modified"],
        row["body_hash"], n_state=(row["n_polls"] or 0) + 1,
    )  # fmt: skip


def _land_feeds(run: Run, batch: pl.DataFrame, stem: Path) -> None:
    """Parse, decide, tag and land what a batch of feeds gave, with the state of its feeds, in one transaction."""
    now = datetime.now(UTC)
    feeds = {row["feed_id"]: row for row in batch.iter_rows(named=True)}
    frames, polls = [conform(pl.DataFrame(), ENTRY)], []
    for answer in _answers(stem):
        feed = feeds[answer.request_id]
        document = parse.feed(answer.body, answer.final_url, answer.content_type) if answer.body is not None else None
        if document is not None:
            frames.append(normalise.entries(document, feed | {"url": answer.final_url}, now, language.languages))
        polls.append((feed, answer, document))
    entries = pl.concat(frames)
    known = landing.known_for_entries(run.store, entries)
    changes = versions.entry_changes(entries, known, batch, now, run.settings.time_zone)
    tagged = run.tagger.tag(changes.documents())
    count = dict(entries.group_by("feed_id").len().iter_rows())
    fresh = dict(entries.join(known.entries, on=["feed_id", "guid"], how="anti").group_by("feed_id").len().iter_rows())
    states, log = [], []
    for feed, answer, document in polls:
        n_entries, n_new = count.get(feed["feed_id"], 0), fresh.get(feed["feed_id"], 0)
        is_gap = bool(feed["last_success_at"]) and 0 < n_entries == n_new
        state = _next_state(run, feed, answer, document, n_new, n_entries, is_gap, now)
        error = answer.error or (document.error if document else None)
        states.append(dataclasses.asdict(state))
        log.append(_log_row(run, answer, feed["feed_id"], error) | {
            "n_entries": n_entries, "n_new": n_new, "is_gap": is_gap, "next_fetch_at": state.next_fetch_at,
        })  # fmt: skip
        if answer.is_postponed:
            run.summary.n_postponed += 1
        else:
            _count_poll(run.summary, feed, answer, error, n_entries, n_new)
    with run.store.transaction():
        landing.land(run.store, changes, tagged, run.tagged_by, now)
        run.store.replace("feed_state", _frame(states, "feed_state"), "feed_id")
        _write_log(run, log, stem)
    run.summary.n_new += changes.n_new
    run.summary.n_updated += changes.n_updated


def _answers(stem: Path, suffix: str = ".fetched") -> Iterator[fetch.Result]:
    for row in pl.read_parquet(stem.with_suffix(suffix)).iter_rows(named=True):
        yield fetch.Result(**row)


def _next_state(
    run: Run, feed: dict[str, Any], answer: fetch.Result, document: parse.FeedDocument | None, n_new: int, n_entries: int,
    is_gap: bool, now: datetime,
) -> schedule.FeedState:  # fmt: skip
    names = [f.name for f in dataclasses.fields(schedule.FeedState)]
    old = {name: feed[name] for name in names if name != "note" and feed.get(name) is not None}
    state = schedule.next_poll(
        schedule.FeedState(**old), answer, n_new, n_entries, now, is_gap=is_gap, problem=document.error if document else None,
        ttl_s=document.ttl_minutes * 60 if document and document.ttl_minutes else None,
        skip_hours=document.skip_hours if document else (),
    )  # fmt: skip
    if feed["kind"] == "file" and state.n_polls < fetch.n_states(feed["url"], run.settings.seeds):
        return dataclasses.replace(state, next_fetch_at=now)  # the next recorded state of the feed is there already
    return state


def _log_row(run: Run, answer: fetch.Result, feed_id: str, error: str | None) -> dict[str, Any]:
    return {
        "run_id": run.summary.run_id, "kind": answer.kind, "url": answer.url, "feed_id": feed_id, "fetched_at": answer.fetched_at,
        "http_status": answer.http_status, "n_bytes": answer.n_bytes, "elapsed_ms": answer.elapsed_ms, "error": error,
    }  # fmt: skip


def _count_poll(
    summary: Summary, feed: dict[str, Any], answer: fetch.Result, error: str | None, n_entries: int, n_new: int
) -> None:
    summary.n_feeds += 1
    summary.n_failed += error is not None
    summary.feeds.append({
        "feed_id": feed["feed_id"], "outlet": feed["outlet"], "kind": feed["kind"], "status": answer.http_status,
        "entries": n_entries, "new": n_new, "error": error,
    })  # fmt: skip


def _write_log(run: Run, rows: list[dict[str, Any]], stem: Path) -> None:
    """The rows of fetch_log and robots_log of a batch; its files are done with once the transaction is through."""
    robots = [_log_row(run, answer, "", answer.error) for answer in _answers(stem, ".robots")]
    run.store.append("fetch_log", _frame(rows + robots, "fetch_log"))
    run.store.append("robots_log", pl.read_parquet(stem.with_suffix(".verdicts")))


def _frame(rows: list[dict[str, Any]], relation: str) -> pl.DataFrame:
    schema = RELATIONS[relation]
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


# -- pages ------------------------------------------------------------------------------------------------------------


def _pages(run: Run) -> None:
    """Fetch waiting pages: recorded ones whatever the time, then the web's until none is due or the time is up."""
    done: set[str] = set()
    while True:
        waiting = landing.waiting_pages(run.store, datetime.now(UTC), run.settings.page_batch * PAGE_TASKS)
        waiting = waiting.unique("article_id", keep="first", maintain_order=True)
        recorded = waiting.filter(pl.col("url").str.starts_with("file:"))
        waiting = recorded if recorded.height else waiting
        if not waiting.height or done.issuperset(waiting["article_id"]) or (not recorded.height and run.left() <= 1):
            return
        run.report(f"fetching pages, {len(done)} done")
        done.update(waiting["article_id"])
        batches = list(_by_host(waiting, run.settings.page_batch))
        requests = [[Request(row["article_id"], "page", row["url"]) for row in b.iter_rows(named=True)] for b in batches]
        policy = dataclasses.replace(run.policy, deadline=None) if recorded.height else run.policy
        for number, stem in run.fetch(requests, policy, run.robots, run.spool):
            _land_pages(run, batches[number], stem)


def _land_pages(run: Run, waiting: pl.DataFrame, stem: Path) -> None:
    now = datetime.now(UTC)
    rows = {row["article_id"]: row for row in waiting.iter_rows(named=True)}
    answers = list(_answers(stem))
    documents = [(a.request_id, parse.page(a.body, a.final_url, a.content_type)) for a in answers if a.body is not None]
    problems = {id_: page.error for id_, page in documents if page.error}
    zones = {id_: row["time_zone"] for id_, row in rows.items()}
    pages = _judged(normalise.pages(documents, now, language.languages, zones), {id_: row["url"] for id_, row in rows.items()})
    changes = versions.page_changes(pages, landing.known_for_pages(run.store, pages), now, run.settings.time_zone)
    tagged = run.tagger.tag(changes.documents())
    entries, log = [], []
    for answer in answers:
        row, error = rows[answer.request_id], answer.error or problems.get(answer.request_id)
        log.append(_log_row(run, answer, row["feed_id"], error))
        if not answer.is_postponed:
            entries.append(row | _page_state(row, answer, error, now))
    with run.store.transaction():
        landing.land(run.store, changes, tagged, run.tagged_by, now)
        landing.set_page_state(run.store, pl.DataFrame(entries, infer_schema_length=None))
        _write_log(run, log, stem)
    run.summary.n_updated += changes.n_updated
    run.summary.n_pages += pages.height


def _judged(pages: pl.DataFrame, addresses: dict[str, str]) -> pl.DataFrame:
    """Add what the canonical link means: another address of the article, or the place it was taken over from."""
    alias, syndicated = [], []
    for article_id, canonical in pages.select("article_id", "canonical_url").iter_rows():
        verdict = normalise.accepts_canonical(addresses[article_id], canonical)
        alias.append(canonical if verdict == "alias" else None)
        syndicated.append(canonical if verdict == "syndicated" else None)
    return conform(pages, PAGE).with_columns(
        alias_url=pl.Series(alias, dtype=pl.String), syndicated_from=pl.Series(syndicated, dtype=pl.String)
    )


def _page_state(row: dict[str, Any], answer: fetch.Result, error: str | None, now: datetime) -> dict[str, Any]:
    """What becomes of a waiting entry: done, tried again later, or given up."""
    n_tries = row["n_tries"] + 1
    gone = answer.http_status in {401, 403, 404, 410, 451} or n_tries >= MAX_TRIES
    state = "done" if error is None else "failed" if gone else "waiting"
    again = versions.page_retry(n_tries, now, answer.retry_after_s)
    return {"page_state": state, "n_tries": n_tries, "next_try_at": again, "error": error}


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
    _clear(run.spool)
    run.report("publishing")
    summary.snapshot = store.publish()
    with Store.reader(summary.data, run.settings.query_memory, EXPORT_SECONDS) as reader:
        summary.n_articles = int(reader.read("select count(*) as n from article")["n"][0])
        summary.top = reader.read(queries.load("top_topics").sql, days="60", group="region").to_dicts()
        summary.silent, summary.drifting = status.alerts(reader)
        summary.exports = export.marts(reader, summary.data / "exports")
    summary.seconds = time.monotonic() - run.begun
    return summary
