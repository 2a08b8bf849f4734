"""Hostile servers, all in one run: each ends in one row with a clear sentence and delays nobody else."""

import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterator

import brotli  # type: ignore[import-untyped]
import pytest
from loopback import Behaviour, Loopback, answer, head, in_turn, raw, redirect, stream

from pipeline import schemas
from pipeline.fetch import Policy, Request, Result, fetch, fetched, permissions, robots_fetched

TOTAL_S = 2.0
POLICY = Policy(
    pause_s=0.0, connect_timeout_s=1.0, read_timeout_s=1.0, total_timeout_s=TOTAL_S, max_bytes=1_000_000, concurrency=64
)
FEED = b"<rss><channel><title>x</title></channel></rss>"
XML = "Content-Type: application/xml"
BROKEN = "broke off in the middle of its answer"
LARGE = "sent a body larger than the limit"


def bomb(n_bytes: int) -> bytes:
    """A gzip file of zeros, made without the zeros."""
    packer, block = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(n_bytes >> 20)) + packer.flush()


def endless(chunk: bytes) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        while True:
            yield chunk

    return chunks


def coded(coding: str, body: bytes) -> Behaviour:
    return answer(body, headers={"Content-Encoding": coding})


# behaviour, and what the error says (None: a good result all the same)
HOSTILE: dict[str, tuple[Behaviour, str | None]] = {
    # silence and broken connections
    "accepts and never answers": (raw(b"", "hang"), "stopped sending"),
    "closes at once": (raw(b""), "closed the connection without an answer"),
    "resets at once": (raw(b"", "reset"), "broke the connection"),
    "half a status line": (raw(b"HTTP/1.1 2"), "closed the connection without an answer"),
    "half the headers, then silence": (raw(b"HTTP/1.1 200 OK\r\nContent-", "hang"), "stopped sending"),
    "headers, then silence": (raw(head(XML, "Content-Length: 100"), "hang"), "stopped sending"),
    "half a body, then silence": (raw(head(XML, "Content-Length: 100") + b"<rss>", "hang"), "stopped sending"),
    "half a body, then closed": (raw(head(XML, "Content-Length: 100") + b"<rss>"), BROKEN),
    "half a body, then reset": (raw(head(XML, "Content-Length: 100") + b"<rss>", "reset"), "bro"),
    "endless slow body": (raw(head(XML), "drip", 0.1, b"x"), "took longer than 2 s"),
    "endless slow headers": (raw(b"HTTP/1.1 200 OK\r\n", "drip", 0.1, b"X: y\r\n"), "took longer than 2 s"),
    "endless fast body": (stream(endless(b"x" * 65536)), LARGE),
    "endless 100 Continue": (raw(b"", "drip", 0.05, b"HTTP/1.1 100 Continue\r\n\r\n"), "took longer than 2 s"),
    # lengths and framing
    "length says too much to take": (raw(head(XML, "Content-Length: 99999999") + FEED), LARGE),
    "length too short": (raw(head(XML, "Content-Length: 5") + FEED), "not valid HTTP"),
    "length negative": (raw(head(XML, "Content-Length: -5") + FEED), "not valid HTTP"),
    "length no number": (raw(head(XML, "Content-Length: many") + FEED), "not valid HTTP"),
    "two lengths": (raw(head(XML, "Content-Length: 5", "Content-Length: 6") + FEED), "not valid HTTP"),
    "length zero": (raw(head(XML, "Content-Length: 0")), "gave an empty answer"),
    "empty body": (answer(b""), "gave an empty answer"),
    "chunks that end too early": (raw(head(XML, "Transfer-Encoding: chunked") + b"5\r\n<rss>\r\n"), BROKEN),
    "chunk size no number": (raw(head(XML, "Transfer-Encoding: chunked") + b"zz\r\n<rss>\r\n"), "not valid HTTP"),
    "chunk size enormous": (raw(head(XML, "Transfer-Encoding: chunked") + b"f" * 40 + b"\r\n<rss>"), "not valid HTTP"),
    # compression
    "gzip cut off": (coded("gzip", gzip.compress(os.urandom(5000))[:2000]), "gzip body that ends too early"),
    "gzip that is none": (coded("gzip", FEED), "not valid gzip"),
    "gzip damaged": (coded("gzip", gzip.compress(FEED)[:-8] + b"12345678"), "not valid gzip"),
    "gzip bomb": (coded("gzip", bomb(200 << 20)), LARGE),
    "gzip bomb in gzip": (coded("gzip, gzip", gzip.compress(bomb(200 << 20))), LARGE),
    "gzip bomb that nobody declared": (answer(bomb(200 << 20)), LARGE),
    "deflate bomb": (coded("deflate", zlib.compress(bytes(50 << 20))), LARGE),
    "deflate cut off": (coded("deflate", zlib.compress(os.urandom(5000))[:2000]), "ends too early"),
    "br bomb": (coded("br", brotli.compress(bytes(50 << 20), quality=5)), LARGE),
    "br cut off": (coded("br", brotli.compress(os.urandom(5000))[:2000]), "br body that ends too early"),
    "br that is none": (coded("br", FEED), "br"),
    "a hundred thousand gzip members": (coded("gzip", gzip.compress(b"") * 40_000), "gave an empty answer"),
    "a coding nobody asked for": (coded("zstd", FEED), "in a coding that was not asked for (zstd)"),
    "codings stacked high": (coded(", ".join(["gzip"] * 50), FEED), "in a coding that was not asked for"),
    # headers
    "a header of 100 KB": (answer(FEED, headers={"X-Long": "x" * 100_000}), "not valid HTTP"),
    "ten thousand headers": (raw(head(XML, *[f"X-{i}: y" for i in range(10_000)]) + FEED), "not valid HTTP"),
    "not HTTP at all": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "not valid HTTP"),
    "a status of 99999": (raw(b"HTTP/1.1 99999 Huh\r\n\r\n"), "not valid HTTP"),
    "a status of 999": (raw(head(status="999 Denied")), "answered 999"),
    "bytes in headers": (raw(b"HTTP/1.1 200 OK\r\nETag: \xff\xfe\x01\r\nContent-Type: \xff\r\n\r\n" + FEED), None),
    "304 that nobody asked for": (raw(head(status="304 Not Modified")), "answered 304"),
    "204": (answer(b"", 204), "gave an empty answer"),
    "cookies by the hundred": (raw(head(XML, *[f"Set-Cookie: c{i}=v" for i in range(100)]) + FEED), None),
    "Retry-After of nonsense": (answer(b"", 503, {"Retry-After": "9" * 400}), "answered 503"),
    # redirects
    "redirect to itself": (redirect("/"), "redirects in a circle"),
    "redirects without end": (in_turn(*[redirect(f"/?{i}") for i in range(50)]), "redirects more than 5 times"),
    "redirect to the metadata service": (redirect("http://169.254.169.254/latest/"), "inside a private network"),
    "redirect to loopback": (redirect("http://127.0.0.1:22/"), "inside a private network"),
    "redirect to localhost": (redirect("http://localhost:22/"), "inside a private network"),
    "redirect to a mapped address": (redirect("http://[::ffff:10.0.0.1]/"), "inside a private network"),
    "redirect to NAT64": (redirect("http://[64:ff9b::a9fe:a9fe]/"), "inside a private network"),
    "redirect to a number": (redirect("http://2130706433/"), "is not a valid host name"),
    "redirect to a file": (redirect("file:///etc/passwd"), "addresses of the kind file are not fetched"),
    "redirect to javascript": (redirect("javascript:alert(1)"), "addresses of the kind javascript are not fetched"),
    "redirect to ftp": (redirect("ftp://a.example/"), "addresses of the kind ftp are not fetched"),
    "redirect with a password": (redirect("http://user:pass@a.example/"), "with a user name or password"),
    "redirect to nowhere": (answer(b"", 302), "redirects to nowhere"),
    "redirect to bytes": (raw(b"HTTP/1.1 302 X\r\nLocation: http://\xff\xfe/\r\n\r\n"), "not valid"),
    "redirect to no port": (redirect("http://a.example:999999/"), "an address that is not valid"),
    "redirect of 100,000 letters": (redirect("/" + "a" * 10_000), "is not a valid address"),
    # what the next room has to judge
    "HTML in place of XML": (answer(b"<!doctype html><p>sign in", headers={"Content-Type": "text/html"}), None),
    "NUL bytes": (answer(b"\0" * 1000), None),
    "a title of 900 KB": (answer(b"<rss><channel><title>" + b"x" * 900_000), None),
    "a wrong charset": (answer(FEED, headers={"Content-Type": "application/xml; charset=klingon"}), None),
    "an image": (answer(b"\x89PNG\r\n", headers={"Content-Type": "image/png"}), None),
}  # fmt: skip


def host(name: str) -> str:
    return f"h{list(HOSTILE).index(name)}.example"


@pytest.fixture(scope="module")
def run() -> Iterator[tuple[dict[str, Result], dict[str, float], list[Result]]]:
    """All hostile servers and ten good ones in one call; the results, and after how many seconds each came."""
    with Loopback() as server:
        for name, (behaviour, _) in HOSTILE.items():
            server.on(f"http://{host(name)}/*", behaviour)
            server.on(f"http://{host(name)}/robots.txt", answer(b"", 404))
        server.on("*/feed", answer(FEED))
        urls = {name: f"http://{host(name)}/" for name in HOSTILE} | {
            f"good {i}": f"http://good{i}.example/feed" for i in range(10)
        }
        requests = [Request(name, "feed", url) for name, url in urls.items()]
        policy = Policy(**{name: getattr(POLICY, name) for name in POLICY.__slots__} | {"resolver": server.resolver})
        began, arrived, results = time.monotonic(), {}, {}
        for result in fetch(requests, policy):
            results[result.request_id], arrived[result.request_id] = result, time.monotonic() - began
        yield results, arrived, list(results.values())


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_in_a_row_with_a_clear_sentence(run: tuple[dict[str, Result], dict[str, float], list[Result]], name: str) -> None:
    result, wanted = run[0][name], HOSTILE[name][1]
    if wanted is None:
        assert (result.error, result.http_status) == (None, 200)
        assert result.body
    else:
        assert result.error is not None
        assert wanted in result.error
        assert result.body is None
        assert result.error.isprintable()
        assert len(result.error) < 500
        assert "Traceback" not in result.error
        assert not result.is_postponed
    assert (result.elapsed_ms or 0) < TOTAL_S * 1000 + 700


def test_the_good_ones_are_not_delayed(run: tuple[dict[str, Result], dict[str, float], list[Result]]) -> None:
    results, arrived, _ = run
    assert all(results[f"good {i}"].body == FEED for i in range(10))
    assert max(arrived.values()) < 3 * TOTAL_S


def test_all_rows_fit_their_frames(run: tuple[dict[str, Result], dict[str, float], list[Result]]) -> None:
    frame = fetched(run[2])
    assert frame.schema == robots_fetched(run[2]).schema == schemas.FETCHED
    assert frame.height == len(HOSTILE) + 10
    assert permissions(run[2]).height >= len(HOSTILE)


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "http://", "http:///x", "//a.example/", "a.example", "javascript:alert(1)", "data:text/xml,<rss/>",
        "gopher://a.example/",
        "http://user@a.example/", "http://:secret@a.example/", "http://a.example:0x50/", "http://[::1", "http://a b/",
        "http://\udcff/",
        "http://a.example/\r\nX: y", "http://a.example/\0", "http://" + "a" * 300 + ".example/",
        "http://" + "a." * 2000, "http://..../",
        "http://0/", "http://127.1/", "http://0x7f.0.0.1/", "http://[fe80::1%25lo]/", "http://%31%32%37.0.0.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://xn--/", "file:///etc/passwd", "http://a.example/" + "a" * 5000, "\u202ehttp://a.example",
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere(url: str) -> None:
    (result,) = fetch([Request("x", "page", url)], POLICY)
    assert result.error is not None
    assert result.error.isprintable()
    assert result.body is None
