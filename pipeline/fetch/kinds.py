"""What goes through the network door: requests in, results out, and the rules that hold in between."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipeline import schemas

OUT_OF_TIME = "time budget used up"
LEFT_ALONE = "asked to be left alone"
NOT_WANTED = "does not want this page to be kept"

PAUSE_S = 5.0
MAX_DECODED_BYTES = 10_000_000
USER_AGENT = "balkanwatch/0.1 (+https://github.com/balkanwatch/balkanwatch)"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One address to fetch, with what is known from the last time.

    `request_id` is the feed_id of a feed and the article_id of a page; `kind` is feed, page or sitemap. `etag`,
    `last_modified` and `body_hash` are those of the last good answer. `pause_s` is the pause in seconds before this
    request when its host was asked already (None: the policy's). `n_state` chooses the recorded state of a `file:`
    address.
    """

    request_id: str
    kind: str
    url: str
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    pause_s: float | None = None
    n_state: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """How to behave: times in seconds, sizes in bytes, `deadline` on `time.monotonic()`.

    `max_bytes` is the size of a body after decompression. `max_header_bytes` holds for one header line (and at most 128
    lines). `total_timeout_s` covers one request with its redirects, but not the polite pauses in between. `resolver`
    answers a host name with (address, port) or None; its answers are trusted, so it belongs to tests and benchmarks.
    `allow_private` lets requests reach addresses that are not global. `concurrency` is the number of hosts asked at the
    same time.
    """

    user_agent: str = USER_AGENT
    pause_s: float = PAUSE_S
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 15.0
    total_timeout_s: float = 30.0
    max_bytes: int = MAX_DECODED_BYTES
    max_header_bytes: int = 16_384
    max_redirects: int = 5
    allow_private: bool = False
    file_root: Path | None = None
    resolver: Callable[[str], tuple[str, int] | None] | None = None
    concurrency: int = 64
    obey_robots: bool = True
    deadline: float | None = None

    @property
    def agent(self) -> str:
        """The product token that robots.txt and X-Robots-Tag know us by."""
        return (self.user_agent.split("/")[0].split() or ["balkanwatch"])[0].lower()


class Verdict(NamedTuple):
    """May we fetch this path? One row of `robots_log`."""

    host: str
    path: str
    is_allowed: bool
    checked_at: dt.datetime
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What became of one request: the columns of `schemas.FETCHED`, the permissions it needed and the robots.txt it
    fetched.

    `body` is null on failure, on 304 and when the body is the one of `Request.body_hash`; `error` tells a failure from
    the others. `n_bytes` counts the decoded body, `elapsed_ms` the time on the network without polite pauses.
    """

    request_id: str
    kind: str
    url: str
    final_url: str
    fetched_at: dt.datetime
    http_status: int | None = None
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    retry_after_s: int | None = None
    body: bytes | None = None
    body_hash: str | None = None
    n_bytes: int | None = None
    elapsed_ms: int | None = None
    error: str | None = None
    is_moved: bool = False
    verdicts: tuple[Verdict, ...] = ()
    robots: tuple["Result", ...] = ()

    @property
    def is_postponed(self) -> bool:
        """The time was up, or the host had asked to be left alone before: to be tried again, no failure of the feed."""
        return self.error is not None and (self.error == OUT_OF_TIME or self.error.endswith(LEFT_ALONE))

    @property
    def is_unwanted(self) -> bool:
        """The answer itself forbids to keep it: asking again is of no use."""
        return self.error is not None and NOT_WANTED in self.error


def fetched(results: Iterable[Result]) -> pl.DataFrame:
    """The results as a frame with schema FETCHED, one row a request, in the order given."""
    rows = [[getattr(result, name) for name in schemas.FETCHED] for result in results]
    return pl.DataFrame(rows, schema=schemas.FETCHED, orient="row")


def robots_fetched(results: Iterable[Result]) -> pl.DataFrame:
    """The robots.txt requests that were made on the way, with schema FETCHED and kind `robots`."""
    return fetched(robots for result in results for robots in result.robots)


def permissions(results: Iterable[Result]) -> pl.DataFrame:
    """The permission ledger: rows for `robots_log`, one a host and path (the last verdict wins)."""
    last = {(verdict.host, verdict.path): verdict for result in results for verdict in result.verdicts}
    return pl.DataFrame(list(last.values()), schema=schemas.RELATIONS["robots_log"], orient="row")
