"""The laws of polling: bounds, back-off, moves, hints."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import schedule, schemas
from pipeline.schedule import MAX_S, MIN_S, FeedState, next_poll

NOW = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True)
class Answer:
    http_status: int | None = 200
    final_url: str = "http://a.example/feed"
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = "h"
    retry_after_s: int | None = None
    error: str | None = None
    is_moved: bool = False
    is_postponed: bool = False


def state(**fields: object) -> FeedState:
    known = {"feed_id": "a", "url": "http://a.example/feed", "last_success_at": NOW - dt.timedelta(days=1)} | fields
    return FeedState(**known)  # type: ignore[arg-type]


def wait_s(new: FeedState) -> float:
    assert new.next_fetch_at is not None
    return (new.next_fetch_at - NOW).total_seconds()


answers = st.builds(
    Answer,
    http_status=st.sampled_from([None, 200, 304, 404, 429, 500, 503]),
    final_url=st.sampled_from(["http://a.example/feed", "http://b.example/feed"]),
    retry_after_s=st.none() | st.integers(0, 10**8),
    error=st.none() | st.just("broke"),
    is_moved=st.booleans(),
)
states = st.builds(
    state,
    interval_s=st.integers(0, 10**6),
    n_failures=st.integers(0, 10**4),
    n_moved=st.integers(0, 5),
    last_success_at=st.none() | st.just(NOW),
)


@given(
    states, answers, st.integers(0, 50), st.integers(0, 50), st.booleans(), st.none() | st.integers(0, 10**7),
    st.sets(st.integers(0, 23)),
)  # fmt: skip
def test_a_feed_never_gets_stuck(
    old: FeedState, answer: Answer, n_new: int, more: int, is_gap: bool, ttl_s: int | None, skip: set[int]
) -> None:
    new = next_poll(old, answer, n_new, n_new + more, NOW, is_gap=is_gap, ttl_s=ttl_s, skip_hours=skip)
    assert MIN_S <= wait_s(new) <= MAX_S
    assert new.retired_at is None
    assert new.n_polls == old.n_polls + 1


@given(st.integers(MIN_S, MAX_S), st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))
def test_more_news_never_means_a_longer_interval(before: int, one: int, other: int, n_entries: int) -> None:
    few, many = sorted([min(one, n_entries), min(other, n_entries)])
    assert schedule.interval(before, many, n_entries) <= schedule.interval(before, few, n_entries)


@given(st.integers(MIN_S, MAX_S), st.integers(1, 100))
def test_back_off_grows_and_ends_at_a_day(interval_s: int, n: int) -> None:
    assert interval_s < schedule.back_off_s(interval_s, n) <= schedule.back_off_s(interval_s, n + 1) <= MAX_S or (
        schedule.back_off_s(interval_s, n) == MAX_S
    )


def test_state_is_the_row_of_feed_state() -> None:
    assert [field.name for field in dataclasses.fields(FeedState)] == list(schemas.RELATIONS["feed_state"])


def test_a_quiet_feed_slows_down_to_a_day_and_a_busy_one_speeds_up_to_ten_minutes() -> None:
    quiet = busy = state()
    for _ in range(30):
        quiet, busy = (next_poll(quiet, Answer(), 0, 20, NOW), next_poll(busy, Answer(), 20, 20, NOW))
    assert (quiet.interval_s, busy.interval_s) == (MAX_S, MIN_S)


def test_the_first_answer_tells_nothing_about_the_rhythm() -> None:
    assert next_poll(state(last_success_at=None), Answer(), 40, 40, NOW).interval_s == schedule.FIRST_S


def test_a_gap_shortens_at_once_whatever_ttl_says() -> None:
    new = next_poll(state(interval_s=MAX_S), Answer(), 40, 40, NOW, is_gap=True, ttl_s=36_000)
    assert (new.interval_s, wait_s(new)) == (MIN_S, MIN_S)


def test_success_stores_what_the_next_request_needs() -> None:
    new = next_poll(state(n_failures=4, note="broke"), Answer(etag='"1"', last_modified="x"), 1, 10, NOW)
    assert (new.etag, new.last_modified, new.body_hash, new.n_failures, new.note) == ('"1"', "x", "h", 0, None)
    assert new.last_new_at == new.last_success_at == NOW


def test_failure_keeps_the_rhythm_and_the_validators() -> None:
    new = next_poll(state(etag='"1"', interval_s=1200), Answer(http_status=500, error="a answered 500"), 0, 0, NOW)
    assert (new.etag, new.interval_s, new.n_failures, wait_s(new), new.note) == ('"1"', 1200, 1, 2400, "a answered 500")


def test_a_body_that_is_no_feed_is_a_failure_and_is_fetched_whole_the_next_time() -> None:
    new = next_poll(state(body_hash="old"), Answer(etag='"login"', is_moved=True), 0, 0, NOW, problem="no feed")
    assert (new.n_failures, new.etag, new.body_hash, new.n_moved) == (1, None, "old", 0)


def test_retry_after_is_obeyed_up_to_a_day() -> None:
    assert wait_s(next_poll(state(), Answer(429, error="e", retry_after_s=20_000), 0, 0, NOW)) == 20_000
    assert wait_s(next_poll(state(), Answer(429, error="e", retry_after_s=10**7), 0, 0, NOW)) == MAX_S


def test_410_retires_with_a_note() -> None:
    new = next_poll(state(), Answer(410, error="a answered 410 Gone"), 0, 0, NOW)
    assert (new.retired_at, new.next_fetch_at, new.note) == (NOW, None, "gone for good (410) on 2026-03-01")


def test_the_address_changes_when_a_permanent_redirect_repeats_three_times_in_a_row() -> None:
    moved, there = Answer(final_url="http://b.example/feed", is_moved=True), Answer()
    new = state()
    for answer in (moved, moved, there, moved, moved):
        new = next_poll(new, answer, 0, 10, NOW)
    assert new.url == "http://a.example/feed"
    new = next_poll(new, moved, 0, 10, NOW)
    assert (new.url, new.n_moved) == ("http://b.example/feed", 0)


def test_what_was_not_asked_counts_for_nothing() -> None:
    old = state(n_failures=2, next_fetch_at=NOW)
    assert next_poll(old, Answer(None, error="time budget used up", is_postponed=True), 0, 0, NOW) == old
    later = next_poll(old, Answer(None, error="left alone", is_postponed=True, retry_after_s=900), 0, 0, NOW)
    assert later == dataclasses.replace(old, next_fetch_at=NOW + dt.timedelta(seconds=900))


@pytest.mark.parametrize(("skip", "hour"), [({13}, 14), ({13, 14, 15}, 16), (set(range(24)), 13), (set(), 13)])
def test_hours_to_skip(skip: set[int], hour: int) -> None:
    new = next_poll(state(interval_s=1800), Answer(), 2, 10, NOW, skip_hours=skip)
    assert new.next_fetch_at is not None
    assert new.next_fetch_at.hour == hour


def test_ttl_is_a_lower_bound() -> None:
    assert wait_s(next_poll(state(interval_s=1800), Answer(), 2, 10, NOW, ttl_s=7200)) == 7200
