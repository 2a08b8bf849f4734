"""Pages: those that wait fetched, read, decided and landed."""

import collections
import dataclasses
import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.answers import answer_files, by_host, forget, heads, log_row, read_ahead, write_log
from flows.reading import PAGE_S, PageJob, Part, Reading
from pipeline import normalise, versions
from pipeline.fetch import Request, Result
from pipeline.schemas import PAGE, conform
from pipeline.warehouse import inbox, landing

if TYPE_CHECKING:
    from flows.run import Run

MAX_TRIES = 8  # of a page
PAGE_TASKS = 4  # at the same time


def read_pages(run: "Run") -> None:
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
        batches = list(by_host(waiting, run.settings.page_batch))
        requests = [
            [Request(row["article_id"], "page", row["url"], pause_s=row["pause_s"]) for row in b.iter_rows(named=True)]
            for b in batches
        ]
        run.readers.expect(waiting.height * PAGE_S)
        policy = dataclasses.replace(run.policy, deadline=None) if recorded.height else run.policy
        fetched = run.fetch(requests, policy, run.robots, run.spool)
        for number, stem, readings in read_ahead(fetched, batches, functools.partial(_read_pages, run)):
            _land_pages(run, batches[number], stem, readings)


def _read_pages(run: "Run", waiting: pl.DataFrame, stem: Path) -> dict[str, Reading]:
    """What the pages of a batch gave, by article; a page of which a part is still to be fetched is left for another time."""
    now, readings = datetime.now(UTC), dict[str, Reading]()
    zones = dict(waiting.select("article_id", "time_zone").iter_rows())
    answers = heads(stem)
    left = collections.Counter(answer.request_id for answer in answers)
    postponed = {answer.request_id for answer in answers if answer.is_postponed}
    parts: dict[str, list[Part]] = {}
    for answers in answer_files(stem):
        for answer in answers:
            left[answer.request_id] -= 1
            if answer.body is not None and answer.request_id not in postponed:
                parts.setdefault(answer.request_id, []).append(Part(answer.body, answer.final_url, answer.content_type))
        whole = [id_ for id_ in parts if not left[id_]]
        jobs = [PageJob(id_, tuple(parts.pop(id_)), zones[id_], now) for id_ in whole]
        readings |= {reading.key: reading for reading in run.readers.read(jobs)}
    return readings


def _land_pages(run: "Run", waiting: pl.DataFrame, stem: Path, readings: dict[str, Reading]) -> None:
    now = datetime.now(UTC)
    rows = {row["article_id"]: row for row in waiting.iter_rows(named=True)}
    pages = pl.DataFrame([row for reading in readings.values() for row in reading.rows], schema=PAGE)
    pages = _judged(pages, {id_: row["url"] for id_, row in rows.items()})
    changes = versions.page_changes(pages, landing.known_for_pages(run.store, pages), now, run.settings.time_zone)
    tagged = run.tagger.tag(changes.documents())
    entries: dict[str, dict[str, Any]] = {}
    log, answers = [], heads(stem)
    postponed = {answer.request_id for answer in answers if answer.is_postponed}
    for answer in answers:
        article_id, reading = answer.request_id, readings.get(answer.request_id)
        row, is_first = rows[article_id], article_id not in entries
        error = answer.error or (reading.error if reading and is_first else None)
        log.append(log_row(run, answer, row["feed_id"], error))
        if is_first and article_id not in postponed:
            entries[article_id] = row | _page_state(row, answer, error, now)
    with run.store.transaction():
        landing.land(run.store, changes, tagged, run.tagged_by, now)
        states = pl.DataFrame(list(entries.values()), infer_schema_length=None)
        landing.set_page_state(run.store, states)
        told = write_log(run, log, stem, now)
        run.courier.keep("pages", now, told | {"page_state": conform(states, inbox.PAGE_STATE)}, pages=pages)
    forget(stem)
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


def _page_state(row: dict[str, Any], answer: Result, error: str | None, now: datetime) -> dict[str, Any]:
    """What becomes of a waiting entry: done, tried again later, or given up."""
    n_tries = row["n_tries"] + 1
    gone = answer.http_status in {401, 403, 404, 410, 451} or answer.is_unwanted or n_tries >= MAX_TRIES
    state = "done" if error is None else "failed" if gone else "waiting"
    again = versions.page_retry(n_tries, now, answer.retry_after_s)
    return {"page_state": state, "n_tries": n_tries, "next_try_at": again, "error": error}
