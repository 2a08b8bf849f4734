"""When to ask a feed again, decided purely: the old state and an answer in, the new state out.

A feed that brings much is asked often, one that brings nothing less and less, between ten minutes and a day. Whatever
happens, a feed that is not retired is asked again within a day.
"""

import dataclasses
import datetime as dt
from collections.abc import Collection
from typing import Protocol

MIN_S = 600
MAX_S = 86_400
FIRST_S = 1_800  # of a feed that was never answered
SHARE_WANTED = 0.2  # of the entries are new: then the interval is right
SLOWER, FASTER = 1.3, 0.4  # the greatest changes of an interval from one poll to the next
N_MOVES = 3  # the same permanent redirect this often in a row changes the address


@dataclasses.dataclass(frozen=True, slots=True)
class FeedState:
    """One row of `feed_state`: the same fields; `interval_s` is the rhythm, `next_fetch_at` the next time after
    back-off and hints.

    `n_failures` and `n_moved` count in a row; `url` is the address to ask, `retired_at` is set once the feed is gone
    for good, `site` is the registered domain that the feed belongs to.
    """

    feed_id: str
    url: str
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    n_polls: int = 0
    n_failures: int = 0
    n_moved: int = 0
    interval_s: int = FIRST_S
    last_poll_at: dt.datetime | None = None
    last_success_at: dt.datetime | None = None
    last_new_at: dt.datetime | None = None
    next_fetch_at: dt.datetime | None = None
    retired_at: dt.datetime | None = None
    note: str | None = None
    site: str | None = None


class Answer(Protocol):
    """What is needed of a `fetch.Result`."""

    @property
    def http_status(self) -> int | None: ...
    @property
    def final_url(self) -> str: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def last_modified(self) -> str | None: ...
    @property
    def body_hash(self) -> str | None: ...
    @property
    def retry_after_s(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def is_moved(self) -> bool: ...
    @property
    def is_postponed(self) -> bool: ...


def next_poll(
    state: FeedState,
    answer: Answer,
    n_new: int,
    n_entries: int,
    now: dt.datetime,
    *,
    is_gap: bool = False,
    problem: str | None = None,
    ttl_s: int | None = None,
    skip_hours: Collection[int] = (),
) -> FeedState:
    """The state after a poll that brought `n_entries`, `n_new` of them unknown before.

    `is_gap`: the feed shares no entry with the poll before, so some were missed. `problem`: the body came but is no
    feed (counts as a failure). `ttl_s` (RSS ttl, in seconds) and `skip_hours` (hours of the day, UTC) are the feed's
    own wishes; a gap outweighs ttl. `now` is UTC.
    """
    if answer.is_postponed:
        wait_s = min(answer.retry_after_s or 0, MAX_S)
        return dataclasses.replace(state, next_fetch_at=now + dt.timedelta(seconds=wait_s)) if wait_s else state
    polled = dataclasses.replace(state, n_polls=state.n_polls + 1, last_poll_at=now)
    if answer.http_status == 410:
        return dataclasses.replace(
            polled, n_failures=state.n_failures + 1, retired_at=now, next_fetch_at=None,
            note=f"gone for good (410) on {now:%Y-%m-%d}",
        )  # fmt: skip
    error = answer.error or problem
    if error is not None:
        n_failures = state.n_failures + 1
        wait_s = max(back_off_s(state.interval_s, n_failures), min(answer.retry_after_s or 0, MAX_S))
        return dataclasses.replace(
            polled, n_failures=n_failures, n_moved=0, next_fetch_at=_after(now, wait_s, skip_hours), note=error
        )
    interval_s = interval(state.interval_s, n_new, n_entries, is_first=state.last_success_at is None, is_gap=is_gap)
    wait_s = interval_s if is_gap else max(interval_s, min(ttl_s or 0, MAX_S))
    url, n_moved, note = _moved(state, answer, now)
    return dataclasses.replace(
        polled, url=url, n_moved=n_moved, note=note, etag=answer.etag, last_modified=answer.last_modified,
        body_hash=answer.body_hash or state.body_hash, n_failures=0, interval_s=interval_s, last_success_at=now,
        last_new_at=now if n_new else state.last_new_at, next_fetch_at=_after(now, wait_s, skip_hours),
    )  # fmt: skip


def interval(interval_s: int, n_new: int, n_entries: int, *, is_first: bool = False, is_gap: bool = False) -> int:
    """The new rhythm in seconds: a fifth of the entries new is just right, more makes it faster, fewer slower.

    The first answer of a feed tells nothing, since all is new then; a gap goes to the minimum at once.
    """
    if is_gap:
        return MIN_S
    if is_first:
        return min(max(interval_s, MIN_S), MAX_S)
    share = n_new / n_entries if n_entries else 0.0
    change = SLOWER if share == 0 else min(max(SHARE_WANTED / share, FASTER), SLOWER)
    return min(max(round(interval_s * change), MIN_S), MAX_S)


def back_off_s(interval_s: int, n_failures: int) -> int:
    """How long to wait after so many failures in a row: twice the interval, four times ..., at most a day."""
    return min(max(interval_s, MIN_S) << min(n_failures, 10), MAX_S)


def _after(now: dt.datetime, wait_s: int, skip_hours: Collection[int]) -> dt.datetime:
    """`now` plus the wait, moved out of the hours to skip, but never more than a day from now."""
    latest = now + dt.timedelta(seconds=MAX_S)
    when = now + dt.timedelta(seconds=wait_s)
    skipped = set(skip_hours)
    if not skipped.issuperset(range(24)):
        while when.hour in skipped and when < latest:
            when = when.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
    return min(when, latest)


def _moved(state: FeedState, answer: Answer, now: dt.datetime) -> tuple[str, int, str | None]:
    if not answer.is_moved or answer.final_url == state.url:
        return state.url, 0, None
    if state.n_moved + 1 < N_MOVES:
        return state.url, state.n_moved + 1, f"redirected for good to {answer.final_url}"
    return answer.final_url, 0, f"moved from {state.url} on {now:%Y-%m-%d}"
