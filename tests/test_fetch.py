"""The network door against a real server on loopback: manners, validators, permission, time, recorded files."""

import asyncio
import datetime as dt
import email.utils
import gzip
import itertools
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from loopback import Loopback, answer, head, in_turn, raw, redirect, validated
from yarl import URL

from pipeline import schemas
from pipeline.fetch import (
    LEFT_ALONE,
    OUT_OF_TIME,
    Policy,
    Request,
    Result,
    RobotsCache,
    door,
    fetch,
    fetched,
    is_global,
    n_states,
    permissions,
    robots,
    robots_fetched,
)

FEED = b"<rss><channel><title>x</title></channel></rss>"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        server.on("*/feed", answer(FEED))
        yield server


def quick(server: Loopback, **more: object) -> Policy:
    known = {"resolver": server.resolver, "pause_s": 0.0, "read_timeout_s": 1.0, "total_timeout_s": 2.0} | more
    return Policy(**known)  # type: ignore[arg-type]


def ask(*urls: str, kind: str = "feed") -> list[Request]:
    return [Request(f"r{i}", kind, url) for i, url in enumerate(urls)]


def one(request: Request, policy: Policy, cache: RobotsCache | None = None) -> Result:
    (result,) = fetch([request], policy, cache)
    return result


# -- results --


def test_one_result_a_request_as_a_frame(server: Loopback) -> None:
    done: list[Result] = []
    requests = ask(*[f"http://h{i % 7}.example/feed" for i in range(50)], "nonsense", "http://")
    results = list(fetch(requests, quick(server), on_done=done.append))
    assert results == done
    assert sorted(result.request_id for result in results) == sorted(request.request_id for request in requests)
    frame = fetched(results)
    assert frame.schema == schemas.FETCHED
    assert frame["body"].drop_nulls().to_list() == [FEED] * 50
    assert frame["error"].null_count() == 50
    assert permissions(results).schema == schemas.RELATIONS["robots_log"]
    assert robots_fetched(results)["request_id"].n_unique() == robots_fetched(results).height == 7
    assert fetched([]).schema == schemas.FETCHED


def test_no_requests_no_results() -> None:
    assert list(fetch([], Policy())) == []


def test_conditional_get(server: Loopback) -> None:
    server.on("http://a.example/v", validated(FEED, '"one"'))
    first = one(Request("a", "feed", "http://a.example/v"), quick(server))
    assert (first.http_status, first.body, first.etag, first.n_bytes) == (200, FEED, '"one"', len(FEED))
    second = one(Request("a", "feed", "http://a.example/v", etag=first.etag, body_hash=first.body_hash), quick(server))
    assert (second.http_status, second.body, second.error) == (304, None, None)
    assert (second.etag, second.body_hash) == ('"one"', first.body_hash)


def test_last_modified_is_sent_back(server: Loopback) -> None:
    stamp = "Mon, 20 Nov 2023 10:00:00 GMT"
    one(Request("a", "feed", "http://a.example/feed", last_modified=stamp), quick(server))
    assert server.hits("a.example", "/feed")[0].headers["If-Modified-Since"] == stamp


@pytest.mark.parametrize("etag", ['"a\r\nX-Evil: 1"', '"\udcff"', '"č"', "x" * 600])
def test_a_broken_etag_is_never_sent(server: Loopback, etag: str) -> None:
    assert one(Request("a", "feed", "http://a.example/feed", etag=etag), quick(server)).error is None
    assert "If-None-Match" not in server.hits("a.example", "/feed")[0].headers


def test_the_same_body_is_not_handed_over_again(server: Loopback) -> None:
    first = one(Request("a", "feed", "http://a.example/feed"), quick(server))
    again = one(Request("a", "feed", "http://a.example/feed", body_hash=first.body_hash), quick(server))
    assert (again.http_status, again.body, again.body_hash, again.error) == (200, None, first.body_hash, None)


def test_user_agent_names_a_contact_and_the_environment_has_no_say(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert one(Request("a", "feed", "http://a.example/feed"), quick(server)).error is None
    assert server.hits("a.example", "/feed")[0].headers["User-Agent"].startswith("balkanwatch/0.1 (+https://")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(FEED, mtime=0)),
        ("gzip", gzip.compress(FEED[:10], mtime=0) + gzip.compress(FEED[10:], mtime=0)),
        ("x-gzip", gzip.compress(FEED, mtime=0) + b"\0" * 20),
        ("deflate", zlib.compress(FEED)),
        ("deflate", zlib.compress(FEED, wbits=-15)),
        ("br", brotli.compress(FEED)),
        ("gzip, br", brotli.compress(gzip.compress(FEED, mtime=0))),
        ("identity", FEED),
        ("identity", gzip.compress(FEED, mtime=0)),
    ],
)  # fmt: skip
def test_compression(server: Loopback, coding: str, body: bytes) -> None:
    server.on("http://a.example/z", answer(body, headers={"Content-Encoding": coding}))
    result = one(Request("a", "feed", "http://a.example/z"), quick(server))
    assert (result.error, result.body) == (None, FEED)


# -- redirects --


def test_permanent_redirects_say_moved_and_others_do_not(server: Loopback) -> None:
    server.on("http://a.example/1", redirect("/2", 301))
    server.on("http://a.example/2", redirect("http://b.example/feed", 308))
    server.on("http://a.example/t", redirect("/1", 302))
    moved, temporary, straight = fetch(ask("http://a.example/1", "http://a.example/t", "http://a.example/feed"), quick(server))
    assert (moved.is_moved, moved.final_url, moved.body) == (True, "http://b.example/feed", FEED)
    assert (temporary.is_moved, temporary.final_url) == (False, "http://b.example/feed")
    assert (straight.is_moved, straight.final_url) == (False, "http://a.example/feed")


def test_a_redirect_needs_the_permission_of_the_host_it_leads_to(server: Loopback) -> None:
    server.on("http://a.example/go", redirect("http://b.example/secret"))
    server.on("http://b.example/robots.txt", answer("User-agent: *\nDisallow: /secret"))
    server.on("http://b.example/secret", answer(FEED))
    result = one(Request("a", "feed", "http://a.example/go"), quick(server))
    assert result.error == "robots.txt of b.example forbids /secret"
    assert server.hits("b.example", "/secret") == []


def test_two_hosts_that_redirect_to_each_other_do_not_block(server: Loopback) -> None:
    server.on("http://a.example/x", redirect("http://b.example/feed"))
    server.on("http://b.example/x", redirect("http://a.example/feed"))
    requests = ask(*["http://a.example/x", "http://b.example/x"] * 20)
    assert all(result.body == FEED for result in fetch(requests, quick(server, concurrency=2)))
    assert server.most_at_once("a.example") == server.most_at_once("b.example") == 1


# -- permission --


def test_no_request_that_robots_txt_forbids(server: Loopback) -> None:
    rules = "User-agent: *\nDisallow: /\n\nUser-agent: balkanwatch\nDisallow: /private\nAllow: /private/open\n"
    server.on("http://a.example/robots.txt", answer(rules))
    server.on("http://a.example/*", answer(FEED))
    paths = ["/feed", "/private", "/private/x?y=1", "/private/open"]
    results = {r.url: r for r in fetch(ask(*[f"http://a.example{path}" for path in paths]), quick(server))}
    asked = [hit.path for hit in server.hits("a.example")]
    assert asked == ["/robots.txt", "/feed", "/private/open"]
    ledger = permissions(results.values())
    assert dict(zip(ledger["path"], ledger["is_allowed"], strict=True)) == {
        "/feed": True, "/private": False, "/private/x?y=1": False, "/private/open": True,
    }  # fmt: skip
    assert ledger["reason"].to_list()[0] == "robots.txt allows it"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_robots_txt_of_4xx_allows(server: Loopback, status: int) -> None:
    server.on("http://a.example/robots.txt", answer("Disallow", status))
    assert one(Request("a", "feed", "http://a.example/feed"), quick(server)).body == FEED


@pytest.mark.parametrize(
    "behaviour",
    [
        answer("", 500), answer("", 503), answer("", 429), raw(b"", "hang"), raw(b"", "reset"),
        raw(b"nonsense\r\n\r\n"),
        redirect("/robots.txt"), redirect("http://10.0.0.1/robots.txt"), answer("", 301),
    ],
)  # fmt: skip
def test_a_robots_txt_that_does_not_answer_forbids_until_it_does(server: Loopback, behaviour: object) -> None:
    server.on("http://a.example/robots.txt", behaviour)  # type: ignore[arg-type]
    cache = RobotsCache()
    result = one(Request("a", "feed", "http://a.example/feed"), quick(server), cache)
    assert result.error is not None
    assert result.error.startswith("robots.txt of a.example did not answer, so nothing is fetched there")
    assert not result.verdicts[0].is_allowed
    assert server.hits("a.example", "/feed") == []
    server.on("http://a.example/robots.txt", answer("", 404))
    known = cache.robots["http://a.example"]
    cache.robots["http://a.example"] = robots.Robots(known.checked_at - dt.timedelta(hours=1), silence=known.silence)
    assert one(Request("a", "feed", "http://a.example/feed"), quick(server), cache).body == FEED


def test_robots_txt_is_fetched_once_a_day(server: Loopback) -> None:
    server.on("http://a.example/robots.txt", answer("User-agent: *\nDisallow: /x\nSitemap: http://a.example/news.xml"))
    cache = RobotsCache()
    list(fetch(ask(*["http://a.example/feed"] * 5), quick(server), cache))
    now = dt.datetime.now(dt.UTC)
    rows = cache.changes(now)
    assert [row["host"] for row in rows] == ["http://a.example"] and cache.changes(now) == []
    cache = RobotsCache.load(rows, now)
    assert one(Request("a", "feed", "http://a.example/x"), quick(server), cache).error is not None
    assert len(server.hits("a.example", "/robots.txt")) == 1
    assert cache.sitemaps("http://a.example/feed") == ["http://a.example/news.xml"]
    known = cache.robots["http://a.example"]
    cache.robots["http://a.example"] = robots.Robots(known.checked_at - dt.timedelta(hours=25), 200, known.text)
    list(fetch(ask("http://a.example/feed"), quick(server), cache))
    assert len(server.hits("a.example", "/robots.txt")) == 2


def test_obedience_can_be_switched_off_and_the_ledger_says_so(server: Loopback) -> None:
    server.on("http://a.example/robots.txt", answer("User-agent: *\nDisallow: /"))
    result = one(Request("a", "feed", "http://a.example/feed"), quick(server, obey_robots=False))
    assert (result.body, result.verdicts[0].reason) == (FEED, "robots.txt is not obeyed (setting)")


def test_a_hostile_robots_txt_costs_neither_time_nor_memory() -> None:
    agents = "\n".join(f"User-agent: a{i}" for i in range(15_000))
    rules = "\n".join(f"Disallow: /{i}*{i}*$" for i in range(20_000))
    began = time.monotonic()
    text = robots.ours(f"{agents}\n{rules}".encode(), "balkanwatch")
    found = robots.Robots(dt.datetime.now(dt.UTC), 200, text)
    assert found.verdict(URL("http://a.example/" + "1" * 2000), "balkanwatch", found.checked_at).is_allowed
    assert time.monotonic() - began < 3


def test_groups_of_other_robots_stay_apart() -> None:
    body = b"\xef\xbb\xbfUser-agent: other\nDisallow: /\n\nUser-Agent: BalkanWatch/2.0\nDisallow: /x #\nCrawl-delay: 900"
    found = robots.Robots(dt.datetime.now(dt.UTC), 200, robots.ours(body, "balkanwatch"))
    allowed = [found.verdict(URL(f"http://a.example{path}"), "balkanwatch", found.checked_at).is_allowed for path in ("/", "/x")]
    assert allowed == [True, False]
    assert found.delay_s("balkanwatch") == 60


@pytest.mark.parametrize(
    ("kind", "header", "is_kept"),
    [
        ("page", "noindex", False), ("page", "NONE", False), ("page", "noarchive", False), ("page", "noai", True),
        ("feed", "noindex, follow", True),
        ("page", "googlebot: noindex, none", True), ("page", "balkanwatch: noindex", False),
        ("page", "unavailable_after: 25 Jun 2010", True),
    ],
)  # fmt: skip
def test_x_robots_tag(server: Loopback, kind: str, header: str, is_kept: bool) -> None:
    server.on("http://a.example/p", answer(FEED, headers={"X-Robots-Tag": header}))
    result = one(Request("a", kind, "http://a.example/p"), quick(server))
    assert (result.body is not None, result.error is None, result.verdicts[0].is_allowed) == (is_kept,) * 3
    if "googlebot" not in header:
        assert "X-Robots-Tag" in result.verdicts[0].reason


@pytest.mark.parametrize(
    ("kind", "markup", "is_kept"),
    [
        ("page", '<meta name="robots" content="noindex, follow">', False),
        ("page", "<META CONTENT=noarchive NAME=ROBOTS />", False),
        ("page", "<meta name='balkanwatch' content='none'>", False), ("page", '<meta name="googlebot" content="noindex">', True),
        ("page", '<meta name="robots" content="index, max-image-preview:large">', True),
        ("page", '<!-- <meta name="robots" content="noindex"> -->', True), ("page", '<meta property="robots">', True),
        ("feed", '<meta name="robots" content="noindex">', True),
    ],
)  # fmt: skip
def test_what_a_page_says_to_robots(server: Loopback, kind: str, markup: str, is_kept: bool) -> None:
    server.on("http://a.example/p", answer(f"<html><head>{markup}</head><body>Text</body></html>"))
    result = one(Request("a", kind, "http://a.example/p"), quick(server))
    assert (result.body is not None, result.error is None, result.verdicts[0].is_allowed) == (is_kept,) * 3
    assert is_kept or "meta robots: " in result.verdicts[0].reason
    assert is_kept or result.is_unwanted


@pytest.mark.parametrize("body", [b"<!--" * 60_000, b"<meta " * 40_000, b"<meta name=" + b"'" * 100_000])
def test_a_page_that_never_comes_to_its_point_holds_nobody_up(body: bytes) -> None:
    assert robots.meta_robots(body, "balkanwatch") == set()


# -- manners --


def test_one_connection_a_host_with_a_pause_and_hosts_side_by_side(server: Loopback) -> None:
    server.on("*/slow", answer(FEED, after_s=0.05))
    requests = ask(*[f"http://h{i % 4}.example/slow" for i in range(16)], kind="page")
    began = time.monotonic()
    assert all(result.error is None for result in fetch(requests, quick(server, pause_s=0.15)))
    assert time.monotonic() - began < 1.5
    for host in ("h0.example", "h1.example", "h2.example", "h3.example"):
        assert server.most_at_once(host) == 1
        times = [hit.began_at for hit in server.hits(host, "/slow")]
        assert min(b - a for a, b in itertools.pairwise(times)) >= 0.15 + 0.05 - 0.01


def test_the_pause_holds_from_call_to_call_and_a_request_may_have_its_own(server: Loopback) -> None:
    cache = RobotsCache()
    for pause_s in (None, None, 0.1):
        one(Request("a", "feed", "http://a.example/feed", pause_s=pause_s), quick(server, pause_s=0.3), cache)
    first, second, third = [hit.began_at for hit in server.hits("a.example", "/feed")]
    assert second - first >= 0.29
    assert 0.09 <= third - second < 0.25


def test_crawl_delay_is_honoured(server: Loopback) -> None:
    server.on("http://a.example/robots.txt", answer("User-agent: *\nCrawl-delay: 0.3"))
    list(fetch(ask("http://a.example/feed", "http://a.example/feed"), quick(server)))
    first, second = [hit.began_at for hit in server.hits("a.example", "/feed")]
    assert second - first >= 0.29


def test_a_big_host_does_not_hold_up_the_small_ones(server: Loopback) -> None:
    requests = ask(*["http://big.example/feed"] * 30, *[f"http://h{i}.example/feed" for i in range(5)])
    urls = [result.url for result in fetch(requests, quick(server, concurrency=1))]
    assert all("big" not in urls[i] or i < 15 for i in range(15))
    assert sum("big" in url for url in urls[:12]) <= 8


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_to_be_left_alone_is(server: Loopback, status: int) -> None:
    server.on("http://a.example/busy", answer("", status, {"Retry-After": "120"}))
    cache = RobotsCache()
    first, second = fetch(ask("http://a.example/busy", "http://a.example/feed"), quick(server), cache)
    assert (first.http_status, first.retry_after_s, first.is_postponed) == (status, 120, False)
    assert (second.error, second.is_postponed) == (f"a.example {LEFT_ALONE}", True)
    assert second.retry_after_s is not None
    assert 110 <= second.retry_after_s <= 120
    later = one(Request("a", "page", "http://a.example/feed"), quick(server), cache)
    assert later.is_postponed
    assert server.hits("a.example", "/feed") == []


def test_who_wants_to_be_left_alone_is_remembered_by_the_next_run(server: Loopback) -> None:
    server.on("http://a.example/busy", answer("", 429, {"Retry-After": "600"}))
    cache, now = RobotsCache(), dt.datetime.now(dt.UTC)
    one(Request("a", "feed", "http://a.example/busy"), quick(server), cache)
    rows = {row["host"]: row for row in cache.changes(now)}
    assert set(rows) == {"a.example", "http://a.example"}
    assert 590 <= (rows["a.example"]["left_alone_until"] - now).total_seconds() <= 610
    n_asked = len(server.log)
    soon = RobotsCache.load(rows.values(), now + dt.timedelta(minutes=5))
    assert one(Request("a", "page", "http://a.example/feed"), quick(server), soon).is_postponed
    assert len(server.log) == n_asked
    later = RobotsCache.load(rows.values(), now + dt.timedelta(minutes=11))
    assert one(Request("a", "page", "http://a.example/feed"), quick(server), later).body == FEED
    assert later.refusals == {} and [row["n_refusals"] for row in later.changes(now)] == [0]


def test_the_pause_of_a_host_outlasts_the_run(server: Loopback) -> None:
    now = dt.datetime.now(dt.UTC)
    cache = RobotsCache.load(
        [], now, [("http://a.example/feed", now), ("http://a.example/older", now - dt.timedelta(seconds=60))]
    )
    begun = time.monotonic()
    results = {r.request_id: r for r in fetch([
        Request("a", "feed", "http://a.example/feed"), Request("b", "feed", "http://b.example/feed")
    ], quick(server, pause_s=0.8), cache)}  # fmt: skip
    assert all(result.body == FEED for result in results.values())
    assert time.monotonic() - begun > 0.7
    assert server.hits("b.example", "/feed")[0].began_at < server.hits("a.example", "/feed")[0].began_at


def test_refusals_in_a_row_close_a_host_for_longer_and_longer(server: Loopback) -> None:
    server.on("http://a.example/busy", answer("", 503))
    cache, waits = RobotsCache(), []
    for _ in range(4):
        one(Request("a", "feed", "http://a.example/busy"), quick(server), cache)
        waits.append(round(cache.closed_until["a.example"] - time.monotonic()))
        cache.closed_until.clear()
    assert [round(wait / 30) * 30 for wait in waits] == [0, 60, 120, 240]


def test_without_retry_after_the_next_call_asks_again(server: Loopback) -> None:
    server.on("http://a.example/busy", in_turn(answer("", 503), answer(FEED)))
    cache, request = RobotsCache(), Request("a", "feed", "http://a.example/busy")
    assert [result.is_postponed for result in fetch([request, request], quick(server), cache)] == [False, True]
    assert one(request, quick(server), cache).body == FEED


def test_retry_after_as_number_and_date() -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    then = email.utils.format_datetime(now + dt.timedelta(hours=2), usegmt=True)
    wanted = {"7": 7, " 60 ": 60, then: 7200, "Mon, 20 Nov 2023 10:00:00 GMT": 0, "9" * 50: robots.MAX_RETRY_S}
    assert {text: robots.retry_after_s(text, now) for text in wanted} == wanted
    for text in ("", "soon", "-5", "Mon, 99 Foo 2023 10:00:00 GMT", "²", None):
        assert robots.retry_after_s(text, now) is None


def test_the_deadline_ends_everything_without_blame(server: Loopback) -> None:
    server.on("http://slow.example/x", answer(FEED, after_s=30))
    requests = ask("http://slow.example/x", *["http://a.example/feed"] * 10, "http://slow.example/y")
    policy = quick(server, pause_s=0.4, read_timeout_s=20.0, total_timeout_s=20.0, deadline=time.monotonic() + 1)
    began = time.monotonic()
    results = list(fetch(requests, policy))
    assert 0.5 < time.monotonic() - began < 1.5
    assert len(results) == len(requests)
    late = [result for result in results if result.error]
    assert {result.error for result in late} == {OUT_OF_TIME}
    assert all(result.is_postponed for result in late)
    assert 1 <= len(results) - len(late) <= 3
    n_asked = len(server.log)
    assert one(requests[0], policy).error == OUT_OF_TIME
    assert len(server.log) == n_asked


def test_closing_the_iterator_stops_the_work(server: Loopback) -> None:
    server.on("*/slow", answer(FEED, after_s=0.2))
    running = fetch(ask("http://a.example/feed", *[f"http://h{i}.example/slow" for i in range(200)]), quick(server))
    next(running)
    began = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 1
    assert len(server.hits(path="/slow")) < 200


def test_bodies_do_not_pile_up_before_a_slow_caller(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_HELD_BYTES", 1_000_000)
    server.on("*/big", answer(b"x" * 300_000))
    running = fetch(ask(*[f"http://h{i}.example/big" for i in range(40)]), quick(server, concurrency=2))
    results = [next(running)]
    time.sleep(0.5)
    assert len(server.hits(path="/big")) <= 10
    results += running
    assert sum(result.n_bytes or 0 for result in results) == 12_000_000


def test_works_inside_a_running_event_loop(server: Loopback) -> None:
    async def inside() -> Result:
        return one(Request("a", "feed", "http://a.example/feed"), quick(server))

    assert asyncio.run(inside()).body == FEED


# -- the guard --


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.0.8", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1",
        "ff02::1",
        "fec0::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::", "2001:db8::1", "::127.0.0.1", "100::1", "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_that_are_never_dialled(address: str) -> None:
    assert not is_global(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"])
def test_addresses_of_the_open_internet(address: str) -> None:
    assert is_global(address)


def test_private_addresses_only_when_allowed(server: Loopback) -> None:
    request = Request("a", "feed", f"{server.url}/feed")
    assert "private network" in (one(request, Policy()).error or "")
    assert server.log == []
    assert one(request, Policy(allow_private=True)).body == FEED


def test_nobody_listens() -> None:
    with Loopback() as server:
        url = f"{server.url}/feed"
    error = one(Request("a", "feed", url), Policy(allow_private=True)).error
    assert error == (
        "robots.txt of 127.0.0.1 did not answer, so nothing is fetched there "
        "(127.0.0.1 could not be reached (Connection refused))"
    )


def test_a_name_that_does_not_exist() -> None:
    result = one(Request("a", "feed", "http://no-such-host.invalid/feed"), Policy())
    assert result.error == "no-such-host.invalid could not be found (no network or no such host)"
    assert result.http_status is None


def test_a_name_server_that_hangs_holds_up_nobody(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> list[object]:
        time.sleep(3)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    policy = quick(server, connect_timeout_s=0.3)
    began = time.monotonic()
    good, bad = fetch(ask("http://hangs.invalid/feed", "http://a.example/feed"), policy)
    assert (good.body, "could not be reached in time" in (bad.error or "")) == (FEED, True)
    assert time.monotonic() - began < 1


def test_a_server_without_tls(server: Loopback) -> None:
    error = one(Request("a", "feed", "https://a.example/feed"), quick(server)).error
    assert error is not None
    assert "a.example has no valid certificate or speaks no TLS" in error


def test_a_server_that_never_ends_its_headers(server: Loopback) -> None:
    server.on("http://a.example/x", raw(head()[:-2], "drip", 0.01, b"X-A: 1\r\n"))
    result = one(Request("a", "feed", "http://a.example/x"), quick(server))
    assert result.error is not None


# -- recorded files --


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    folder = tmp_path / "seeds" / "sample"
    (folder / "pages").mkdir(parents=True)
    for name, text in {"s.xml": "one", "s-2.xml": "two", "s-3.xml": "three", "pages/a page.html": "page"}.items():
        (folder / name).write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.xml").symlink_to(tmp_path / "secret.txt")
    (folder / "empty.xml").touch()
    return tmp_path / "seeds"


@pytest.mark.parametrize(("n_state", "body"), [(0, b"one"), (1, b"one"), (2, b"two"), (3, b"three"), (9, b"three")])
def test_states_of_a_recorded_feed(seeds: Path, n_state: int, body: bytes) -> None:
    policy = Policy(file_root=seeds)
    result = one(Request("s", "feed", "file:sample/s.xml", n_state=n_state), policy)
    assert (result.http_status, result.body, result.error) == (200, body, None)
    again = one(Request("s", "feed", "file:sample/s.xml", n_state=n_state, body_hash=result.body_hash), policy)
    assert (again.http_status, again.body) == (200, None)


@pytest.mark.parametrize(
    "url",
    [
        "file:sample/s.xml",
        "file:///sample/s.xml",
        "file:seeds/sample/s.xml",
        "FILE:sample/s.xml",
        "{root}/sample/s.xml",
    ],
)
def test_ways_to_write_a_file_address(seeds: Path, url: str) -> None:
    url = url.replace("{root}", seeds.as_uri())
    assert n_states(url, seeds) == 3
    assert one(Request("s", "feed", url), Policy(file_root=seeds)).body == b"one"


def test_a_recorded_page_has_a_media_type(seeds: Path) -> None:
    result = one(Request("p", "page", "file:sample/pages/a%20page.html", n_state=2), Policy(file_root=seeds))
    assert (result.body, result.content_type) == (b"page", "text/html")


@pytest.mark.parametrize(
    "url",
    [
        "file:../secret.txt", "file:sample/../../secret.txt", "file:sample/%2e%2e/%2e%2e/secret.txt",
        "file:sample/link.xml",
        "file:///etc/passwd", "file://other/sample/s.xml", "file:sample", "file:", "file:sample/none.xml",
        "file:sample/%00",
        "file:sample/empty.xml", "file:///dev/zero", "file:" + "a/" * 4000,
    ],
)  # fmt: skip
def test_files_that_are_not_read(seeds: Path, url: str) -> None:
    result = one(Request("s", "feed", url), Policy(file_root=seeds))
    assert result.error is not None
    assert (result.body, n_states(url, seeds)) == (None, 1 if "empty" in url else 0)


def test_files_need_a_root_and_have_the_same_limit(seeds: Path) -> None:
    request = Request("s", "feed", "file:sample/s.xml")
    assert one(request, Policy()).error == "file: addresses are not fetched here"
    assert one(request, Policy(file_root=seeds, max_bytes=2)).error == "s.xml is larger than the limit"
