"""Polling: due feeds and sitemaps asked, read, decided, landed with their new state; and what they skipped looked for."""

import dataclasses
import functools
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import polars as pl

from flows.answers import answer_files, by_host, forget, frame, heads, log_row, read_ahead, write_log
from flows.reading import FEED_S, FeedJob, Part, Reading
from pipeline import fetch, normalise, parse, schedule, versions
from pipeline.fetch import Request, Result
from pipeline.schemas import ENTRY
from pipeline.text import digest
from pipeline.warehouse import landing, tombstones

if TYPE_CHECKING:
    from flows.run import Run, Summary

POLL_SHARE = 0.6  # of the time that is left; the rest is for pages
STRANGER = "the feed now belongs to"
MAX_LISTED = 1_000  # entries of a sitemap that is a feed, the newest; most sitemaps go back for years
MAX_MISSED = 2  # sitemaps that are looked into after a gap
NEWS_PATHS = ("/news-sitemap.xml", "/sitemap-news.xml")  # where most sites have them, if robots.txt names none
MARGIN = timedelta(hours=1)
STATE = tuple(field.name for field in dataclasses.fields(schedule.FeedState))


def poll(run: "Run") -> None:
    """Poll what is due: recorded feeds first, state after state and whatever the time, for they need no network; then the web."""
    while True:
        due = _share(landing.due_feeds(run.store, datetime.now(UTC)), run.settings.share)
        recorded = due.filter(pl.col("kind") == "file")
        deadline = None if recorded.height else time.monotonic() + max(run.left(), 0) * POLL_SHARE
        due = recorded if recorded.height else due
        if not due.height or (deadline and run.left() <= 0):
            return
        n_unread = due["body_hash"].null_count()  # most others will say that nothing has changed
        size = run.settings.feed_batch * (1 if n_unread > due.height / 2 else 2)  # then larger batches need no more memory
        batches = list(by_host(due, size))
        requests = [[_feed_request(row) for row in batch.iter_rows(named=True)] for batch in batches]
        run.report(f"polling {due.height} feeds")
        run.readers.expect(n_unread * FEED_S)
        policy = dataclasses.replace(run.policy, deadline=deadline)
        fetched = run.fetch(requests, policy, run.robots, run.spool)
        for number, stem, readings in read_ahead(fetched, batches, functools.partial(_read_feeds, run)):
            _land_feeds(run, batches[number], stem, readings)
        if not recorded.height:
            return


def _share(feeds: pl.DataFrame, share: str) -> pl.DataFrame:
    """The feeds of this monitor's hosts when several share the catalogue: a host is asked by one of them only."""
    number, of = map(int, share.split("/"))
    if of == 1:
        return feeds
    sites = [normalise.registered_domain(url) or url for url in feeds["url"]]
    return feeds.filter(pl.Series([int(digest(site)[:8], 16) % of == number - 1 for site in sites], dtype=pl.Boolean))


def _feed_request(row: dict[str, Any]) -> Request:
    return Request(
        row["feed_id"], "sitemap" if row["kind"] == "sitemap" else "feed", row["url"], row["etag"], row["last_modified"],
        row["body_hash"], row["pause_s"], (row["n_polls"] or 0) + 1,
    )  # fmt: skip


def _read_feeds(run: "Run", batch: pl.DataFrame, stem: Path) -> dict[str, Reading]:
    """What the answers of a batch of feeds gave, by feed; the sitemaps of an index together."""
    now, readings = datetime.now(UTC), dict[str, Reading]()
    feeds = {row["feed_id"]: row for row in batch.select("feed_id", "time_zone").iter_rows(named=True)}
    for answers in answer_files(stem):
        jobs = [
            FeedJob(a.request_id, Part(a.body, a.final_url, a.content_type), feeds[a.request_id], now)
            for a in answers if a.body is not None
        ]  # fmt: skip
        for reading in run.readers.read(jobs):
            readings[reading.key] = _together(readings.get(reading.key), reading)
    return readings


def _together(first: Reading | None, part: Reading) -> Reading:
    """An index of sitemaps with one more of its sitemaps."""
    if first is None or first.document is None or not (first.document.parts or first.document.kind == "sitemap"):
        return part
    if part.error and not (part.document and part.document.parts):
        return first
    rows = {row["guid"]: row for row in (*first.rows, *part.rows)}
    document = dataclasses.replace(first.document, error=None) if rows else first.document
    return dataclasses.replace(
        first, rows=list(rows.values()), error=None if rows else first.error, document=document,
        sites=tuple(dict.fromkeys(first.sites + part.sites)),
    )  # fmt: skip


def _land_feeds(run: "Run", batch: pl.DataFrame, stem: Path, readings: dict[str, Reading]) -> None:
    """Decide, tag and land what a batch of feeds gave, with the state of its feeds, in one transaction."""
    now = datetime.now(UTC)
    feeds = {row["feed_id"]: row for row in batch.iter_rows(named=True)}
    answers = heads(stem)
    moved = {answer.request_id: answer.final_url for answer in answers if answer.is_moved}
    problems = {feed_id: _problem(feeds[feed_id], reading, moved.get(feed_id)) for feed_id, reading in readings.items()}
    limit = {feed_id: MAX_LISTED if feed["kind"] == "sitemap" else None for feed_id, feed in feeds.items()}
    rows = [
        row
        for feed_id, reading in readings.items()
        if not _is_stranger(problems[feed_id])
        for row in reading.rows[: limit[feed_id]]
    ]
    entries = pl.DataFrame(rows, schema=ENTRY)
    changes, tagged = None, None
    count, fresh = dict[str, int](), dict[str, int]()
    if entries.height:  # mostly nothing has changed, and then nothing is asked of the warehouse
        entries = tombstones.admitted(run.store, entries)
        known = landing.known_for_entries(run.store, entries)
        changes = versions.entry_changes(entries, known, batch, now, run.settings.time_zone)
        tagged = run.tagger.tag(changes.documents())
        count = dict(entries.group_by("feed_id").len().iter_rows())
        fresh = dict(entries.join(known.entries, on=["feed_id", "guid"], how="anti").group_by("feed_id").len().iter_rows())
    states: dict[str, dict[str, Any]] = {}
    log, terms = [], []
    for answer in answers:
        feed_id = answer.request_id
        feed, reading = feeds[feed_id], readings.get(feed_id)
        if feed_id in states:  # a sitemap of an index
            log.append(log_row(run, answer, feed_id, answer.error))
            continue
        n_entries, n_new = count.get(feed_id, 0), fresh.get(feed_id, 0)
        is_gap = bool(feed["last_success_at"]) and 0 < n_entries == n_new
        state = _next_state(run, feed, answer, reading, problems.get(feed_id), n_new, n_entries, is_gap, now)
        states[feed_id] = {name: getattr(state, name) for name in STATE}
        error = answer.error or problems.get(feed_id)
        log.append(log_row(run, answer, feed_id, error) | {
            "n_entries": n_entries, "n_new": n_new, "is_gap": is_gap, "next_fetch_at": state.next_fetch_at,
        })  # fmt: skip
        if reading and reading.document and reading.document.terms:
            terms.append(_terms_row(answer, reading.document.terms))
        if is_gap and feed["kind"] == "rss":
            run.gaps.append(feed)
        if _is_stranger(error):
            run.summary.strangers.append(feed_id)
        if answer.is_postponed:
            run.summary.n_postponed += 1
        else:
            _count_poll(run.summary, feed, answer, error, n_entries, n_new)
    with run.store.transaction():
        if changes and tagged:
            landing.land(run.store, changes, tagged, run.tagged_by, now)
        polled = frame(list(states.values()), "feed_state")
        run.store.replace("feed_state", polled, "feed_id")
        told = write_log(run, log, stem, now, terms)
        run.courier.keep("feeds", now, told | {"feed_state": polled}, entries=entries, changes=changes, feeds=batch)
    forget(stem)
    run.summary.n_new += changes.n_new if changes else 0
    run.summary.n_updated += changes.n_updated if changes else 0


def _problem(feed: dict[str, Any], reading: Reading, moved_to: str | None) -> str | None:
    """What is wrong with a feed that could be fetched: it can not be read, or it has become another site's without a
    permanent redirect to there."""
    if reading.error or not reading.sites:
        return reading.error
    ours = {feed["site"], normalise.registered_domain(feed["url"]), normalise.registered_domain(moved_to or "")}
    if feed["site"] is None or not ours.isdisjoint(reading.sites):
        return None
    return f"{STRANGER} {reading.sites[0]} instead of {feed['site']}, so nothing is taken from it"


def _is_stranger(error: str | None) -> bool:
    return error is not None and error.startswith(STRANGER)


def _terms_row(answer: Result, terms: str) -> tuple[Any, ...]:
    """What the feed says of its rights, for the ledger."""
    parts = urlsplit(answer.final_url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return parts.netloc, path, True, answer.fetched_at, f"the feed's own terms: {terms}"[:1000]


def _next_state(
    run: "Run", feed: dict[str, Any], answer: Result, reading: Reading | None, problem: str | None, n_new: int, n_entries: int,
    is_gap: bool, now: datetime,
) -> schedule.FeedState:  # fmt: skip
    old = {name: feed[name] for name in STATE if name != "note" and feed.get(name) is not None}
    document = reading.document if reading else None
    if document and document.parts:  # an index says nothing of its sitemaps: it is read whole each time
        answer = dataclasses.replace(answer, etag=None, last_modified=None, body_hash="index")
    state = schedule.next_poll(
        schedule.FeedState(**old), answer, n_new, n_entries, now, is_gap=is_gap, problem=problem,
        ttl_s=document.ttl_minutes * 60 if document and document.ttl_minutes else None,
        skip_hours=document.skip_hours if document else (),
    )  # fmt: skip
    if feed["kind"] == "file" and state.n_polls < fetch.n_states(feed["url"], run.settings.seeds):
        return dataclasses.replace(state, next_fetch_at=now)  # the next recorded state of the feed is there already
    if reading and not problem and reading.sites and state.site not in reading.sites:
        return dataclasses.replace(state, site=reading.sites[0])
    return state


def _count_poll(summary: "Summary", feed: dict[str, Any], answer: Result, error: str | None, n_entries: int, n_new: int) -> None:
    summary.n_feeds += 1
    summary.n_failed += error is not None
    summary.feeds.append({
        "feed_id": feed["feed_id"], "outlet": feed["outlet"], "kind": feed["kind"], "status": answer.http_status,
        "entries": n_entries, "new": n_new, "error": error,
    })  # fmt: skip


# -- gaps -------------------------------------------------------------------------------------------------------------


def fill_gaps(run: "Run") -> None:
    """Look into the news sitemaps of sites whose feeds skipped entries; what they name becomes entries whose pages wait."""
    while run.gaps and run.left() > 1:
        gaps, run.gaps = run.gaps, []
        run.report(f"looking for what {len(gaps)} feeds have skipped")
        batches = list(by_host(pl.DataFrame(gaps, infer_schema_length=None), run.settings.feed_batch))
        requests = [[r for row in batch.iter_rows(named=True) for r in _sitemap_requests(run, row)] for batch in batches]
        for number, stem in run.fetch(requests, run.policy, run.robots, run.spool):
            _land_missed(run, batches[number], stem)


def _sitemap_requests(run: "Run", feed: dict[str, Any]) -> list[Request]:
    """The sitemaps that may know what a feed has skipped: those for news, else the first that robots.txt names."""
    named = [url for url in run.robots.sitemaps(feed["url"]) if url.startswith(("http://", "https://"))]
    news = [url for url in named if parse.is_news(url)] or [*(urljoin(feed["url"], path) for path in NEWS_PATHS[:1]), *named[:1]]
    if not named:
        news = [urljoin(feed["url"], path) for path in NEWS_PATHS]
    return [Request(feed["feed_id"], "sitemap", url, pause_s=feed["pause_s"]) for url in news[:MAX_MISSED]]


def _land_missed(run: "Run", batch: pl.DataFrame, stem: Path) -> None:
    """Land the addresses that sitemaps name, that nobody knows yet, and that are younger than the last poll but one."""
    now = datetime.now(UTC)
    feeds = {row["feed_id"]: row for row in batch.iter_rows(named=True)}
    some = {feed_id: {"feed_id": feed_id, "time_zone": feed["time_zone"]} for feed_id, feed in feeds.items()}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    log = []
    for answers in answer_files(stem):
        jobs = [
            FeedJob(str(n), Part(a.body, a.final_url, a.content_type), some[a.request_id], now)
            for n, a in enumerate(answers) if a.body is not None
        ]  # fmt: skip
        readings = {int(reading.key): reading for reading in run.readers.read(jobs)}
        for n, answer in enumerate(answers):
            feed, reading = feeds[answer.request_id], readings.get(n, Reading(""))
            rows = [row for row in reading.rows if _is_missed(feed, row, reading.changed.get(row["guid"]), answer, now)]
            found |= {(feed["feed_id"], row["guid"]): row for row in rows}
            is_index = reading.document is not None and bool(reading.document.parts)
            log.append(log_row(run, answer, feed["feed_id"], answer.error or (None if is_index else reading.error)) | {
                "n_entries": len(reading.rows), "n_new": len(rows),
            })  # fmt: skip
    entries = tombstones.admitted(run.store, pl.DataFrame(list(found.values()), schema=ENTRY))
    known = landing.known_for_entries(run.store, entries)
    entries = entries.join(known.urls, on="url", how="anti").join(known.articles, on="article_id", how="anti")
    changes = versions.entry_changes(entries, known, batch, now, run.settings.time_zone)
    tagged = run.tagger.tag(changes.documents())
    with run.store.transaction():
        landing.land(run.store, changes, tagged, run.tagged_by, now)
        run.courier.keep("missed", now, write_log(run, log, stem, now), entries=entries, feeds=batch)
    forget(stem)
    run.summary.n_new += changes.n_new
    run.summary.n_missed += changes.n_new


def _is_missed(feed: dict[str, Any], row: dict[str, Any], changed: datetime | None, answer: Result, now: datetime) -> bool:
    """Is it on the feed's site, and from the time since the poll before the gap? News sitemaps hold two days, dated or not."""
    if row["url"] is None or normalise.registered_domain(row["url"]) not in {
        feed["site"],
        normalise.registered_domain(feed["url"]),
    }:
        return False
    at = row["published_at"] or normalise.moment(changed, feed["time_zone"], now)
    return parse.is_news(answer.url) if at is None else at >= feed["last_success_at"] - MARGIN
