"""What servers answered: fetched in batches into files, read back a file at a time, and told in the ledgers.

A batch is known by the stem of its files: STEM-000.fetched (FETCHED), STEM-000.verdicts (`robots_log`), STEM-000.robots.
"""

import collections
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from flows.reading import Reading
from pipeline import fetch, parse
from pipeline.fetch import Policy, Request, Result, RobotsCache
from pipeline.schemas import FETCHED, RELATIONS

if TYPE_CHECKING:
    from flows.run import Run

SPOOLED_BYTES = 32_000_000  # of answers in one file
READ_AHEAD = 2  # batches that are read while one is landed
MAX_SITEMAPS = 6  # of an index, a poll

Batches = list[list[Request]]
Fetch = Callable[[Batches, Policy, RobotsCache, Path], Iterable[tuple[int, Path]]]


def fetch_batches(batches: Batches, policy: Policy, robots: RobotsCache, folder: Path) -> Iterator[tuple[int, Path]]:
    """Fetch batches at the same time, in threads; (number, path's stem) of each as it is done."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = {pool.submit(fetch_to, batch, policy, robots, folder): n for n, batch in enumerate(batches)}
        for future in as_completed(futures):
            yield futures[future], future.result()


def fetch_to(requests: list[Request], policy: Policy, robots: RobotsCache, folder: Path) -> Path:
    """Fetch a batch and write what came (FETCHED, verdicts, robots requests) below `folder`; returns the path's stem."""
    stem, waiting, n_bytes = folder / uuid.uuid4().hex, list[Result](), 0
    n_files = itertools.count()
    for result in itertools.chain(with_parts(requests, policy, robots), (None,)):
        if result is not None:
            waiting.append(result)
            n_bytes += len(result.body or b"")
        if result is None or n_bytes > SPOOLED_BYTES:
            number = next(n_files)
            fetch.fetched(waiting).write_parquet(f"{stem}-{number:03}.fetched", compression="lz4")
            fetch.permissions(waiting).write_parquet(f"{stem}-{number:03}.verdicts")
            fetch.robots_fetched(waiting).write_parquet(f"{stem}-{number:03}.robots")
            waiting, n_bytes = [], 0
    return stem


def with_parts(requests: list[Request], policy: Policy, robots: RobotsCache) -> Iterator[Result]:
    """The results, and those of what they lead to: later pages of an article, its AMP form, the sitemaps of an index. The parts
    of one request come after it, in order, with its request_id."""
    asked: dict[str, list[str]] = {request.request_id: [request.url] for request in requests}
    pauses = {request.request_id: request.pause_s for request in requests}
    for _ in range(parse.MAX_PARTS):
        more: list[Request] = []
        for result in fetch.fetch(requests, policy, robots):
            yield result
            urls = asked[result.request_id]
            for url in _parts(result, urls):
                urls.append(url)
                more.append(Request(result.request_id, result.kind, url, pause_s=pauses[result.request_id]))
        if not more:
            return
        requests = more


def _parts(result: Result, asked: Sequence[str]) -> list[str]:
    """The addresses to ask next, none of them twice."""
    if result.body is None:
        return []
    if result.kind == "page":
        link = parse.following(result.body, asked[0], result.final_url, result.content_type)
        return [link] if link and link not in asked and len(asked) < parse.MAX_PARTS else []
    if result.kind != "sitemap" or b"<sitemapindex" not in result.body[:10_000]:
        return []
    links = parse.feed(result.body, result.final_url, result.content_type).parts
    named = [link for link in links if parse.is_news(link)] or links
    return [link for link in named if link not in asked][: max(0, MAX_SITEMAPS - len(asked) + 1)]


def by_host(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Batches of about `size` rows; the rows of one host stay in one batch, and the order is kept otherwise."""
    hosts = [urlsplit(url).netloc for url in rows["url"]]
    first = {host: i for i, host in reversed(list(enumerate(hosts)))}
    order = sorted(range(len(hosts)), key=lambda i: (first[hosts[i]], i))
    batch: list[int] = []
    for _, group in itertools.groupby(order, key=lambda i: hosts[i]):
        batch += group
        if len(batch) >= size:
            yield rows[batch]
            batch = []
    if batch:
        yield rows[batch]


def read_ahead(
    fetched: Iterable[tuple[int, Path]], batches: Sequence[pl.DataFrame], read: Callable[[pl.DataFrame, Path], dict[str, Reading]]
) -> Iterator[tuple[int, Path, dict[str, Reading]]]:
    """(number, stem, what its answers gave) of each batch, in order; the next ones are read while the caller lands one."""
    ahead: collections.deque[tuple[int, Path, Future[dict[str, Reading]]]] = collections.deque()
    with ThreadPoolExecutor(1) as pool:
        for number, stem in fetched:
            ahead.append((number, stem, pool.submit(read, batches[number], stem)))
            while ahead and (len(ahead) > READ_AHEAD or ahead[0][2].done()):
                done, its_stem, future = ahead.popleft()
                yield done, its_stem, future.result()
        while ahead:
            done, its_stem, future = ahead.popleft()
            yield done, its_stem, future.result()


def answer_files(stem: Path, *, with_body: bool = True) -> Iterator[list[Result]]:
    """The answers of a batch, a file at a time."""
    names = [name for name in FETCHED if with_body or name != "body"]
    for path in sorted(stem.parent.glob(f"{stem.name}-*.fetched")):
        yield [Result(**row) for row in pl.read_parquet(path, columns=names).iter_rows(named=True)]


def heads(stem: Path) -> list[Result]:
    """All answers of a batch, without their bodies."""
    return list(itertools.chain.from_iterable(answer_files(stem, with_body=False)))


def log_row(run: "Run", answer: Result, feed_id: str, error: str | None) -> dict[str, Any]:
    """A row of `fetch_log`."""
    return {
        "run_id": run.summary.run_id, "kind": answer.kind, "url": answer.url, "feed_id": feed_id, "fetched_at": answer.fetched_at,
        "http_status": answer.http_status, "n_bytes": answer.n_bytes, "elapsed_ms": answer.elapsed_ms, "error": error,
    }  # fmt: skip


def write_log(
    run: "Run", rows: list[dict[str, Any]], stem: Path, now: datetime, terms: Sequence[tuple[Any, ...]] = ()
) -> dict[str, pl.DataFrame]:
    """Write the rows of fetch_log and robots_log of a batch, and what was learned of hosts; returned by relation."""
    verdicts = [pl.DataFrame(terms, schema=RELATIONS["robots_log"], orient="row")]
    for path in sorted(stem.parent.glob(f"{stem.name}-*.robots")):
        rows += [log_row(run, Result(**row), "", row["error"]) for row in pl.read_parquet(path).iter_rows(named=True)]
        verdicts.append(pl.read_parquet(path.with_suffix(".verdicts")))
    told = {
        "robots_log": pl.concat(verdicts), "fetch_log": frame(rows, "fetch_log"),
        "host_state": frame(run.robots.changes(now), "host_state"),
    }  # fmt: skip
    run.store.append("robots_log", told["robots_log"])
    run.store.append("fetch_log", told["fetch_log"])
    run.store.replace("host_state", told["host_state"], "host")
    return told


def forget(stem: Path) -> None:
    """The files of a batch are done with once its transaction is through."""
    for path in stem.parent.glob(f"{stem.name}-*"):
        path.unlink()


def frame(rows: list[dict[str, Any]], relation: str) -> pl.DataFrame:
    """Rows as a frame with the schema of a relation; what a row does not say is null."""
    schema = RELATIONS[relation]
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
