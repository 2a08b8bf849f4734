# ruff: noqa: E501  (markup stands in one piece)
"""Any file as a feed or a page: never an exception, always the right types, no date in the future, no HTML in a text.

The quick form runs with the other tests, the long one in `make soak`. For coverage-guided fuzzing, with atheris in a virtual
environment that also has the project's dependencies:

    pip install atheris
    PYTHONPATH=. python tests/test_parse_fuzz.py [CORPUS_FOLDER] -max_total_time=600 -timeout=20 -max_len=20000
"""

import gzip
import importlib
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import newspages
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import language, normalise, parse
from pipeline.schemas import ENTRY, PAGE

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2024, 1, 1, tzinfo=UTC)
FEED = {"feed_id": "fuzz", "url": "https://outlet.example/feed", "time_zone": "Europe/Belgrade"}
CHARSETS = (
    None, "text/html; charset=utf-8", "text/xml; charset=windows-1251", "text/html; charset=utf-16", "x; charset=idna",
    "text/html; charset=base64", "application/json", "text/html; charset=undefined", "\x00;=",
)  # fmt: skip
ADDRESSES = (
    "https://outlet.example/a",
    "http://[x",
    "",
    "file:sample/x.html",
    "javascript:1",
    "https://u:p@h.example/2023/11/20/x",
)
HTML = re.compile(r"</?(?:p|div|a|span|script|style|b|br|li|ul|td|tr|table|h[1-6]|img|iframe)(?:\s[^<>]*)?/?>", re.IGNORECASE)
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def seeds() -> list[bytes]:
    files = [path.read_bytes() for folder in ("feeds", "pages") for path in sorted((GOLDEN / folder).glob("*.*ml"))]
    pages = [page.html for page in newspages.pages()[::2]]
    return [*files, *pages, *OTHER_FILES]


OTHER_FILES = (
    b"", b"\0" * 100, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj <</Type /Catalog>> endobj", b'{"version": "https://jsonfeed.org/version/1"}',
    b'{"items": [1, null, {"id": {}}]}', b"[]", b"GIF89a\x01\0\x01\0", b"PK\x03\x04\x14\0",
    gzip.compress(b"<html><p>text</p></html>" * 50),
    "<html><p>текст</p></html>".encode("utf-16"),
    "<rss version='2.0'><channel><item><title>ч</title></item></channel></rss>".encode("utf-32"),
)  # fmt: skip
# what hostile or broken software puts in
INSERTS = (
    b"<div>" * 500, b"</div>" * 500, b"&" * 500, b'<a b="', b"<!--", b"-->", b"<![CDATA[", b"]]>", b"\0", b"&#0;", b"&#xD800;",
    b"&#55555;",
    b"&#x110000;", b"<table>" * 200, b"<script>", b"<svg><p>x", b"<template><p>x", b"&lt;script&gt;x&lt;/script&gt;", b"<item>" * 50,
    b"&amp;lt;p&amp;gt;",
    b'<?xml version="1.0" encoding="utf-16"?>', b"\xef\xbb\xbf", b"\xff\xfe", b'<base href="javascript:x">',
    b'<link rel=canonical href="http://[">', b'<time datetime="9999-12-31T23:59:59-23:59">',
    b"<pubDate>Fri, 31 Dec 9999 23:59:59 -2359</pubDate>",
    b"<pubDate>0001-01-01T00:00:00+23:59</pubDate>", b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>', b"&b;",
    b'<meta property="article:published_time" content="99999999999">',
    b'<script type="application/ld+json">{"@type":"NewsArticle","datePublished":',
    b'<meta charset="utf-7">', b"+ADw-script+AD4-", "\u202e\u2028\x85\ufffe".encode(),
)  # fmt: skip


def check(data: bytes, content_type: str | None = None, url: str = ADDRESSES[0]) -> None:
    """The laws that hold for any bytes."""
    page = parse.page(data, url, content_type)
    record = normalise.page_record(page, NOW, language.languages, "Europe/Belgrade")
    _check_record(record)
    assert pl.DataFrame(normalise.page_rows([("a", page)], NOW, language.languages), schema=PAGE).schema == PAGE
    assert page.error is None or page.error.count("\n") == 0
    assert record["canonical_url"] is None or record["canonical_url"].startswith(("http://", "https://", "file:"))

    feed = parse.feed(data, FEED["url"], content_type)
    entries = normalise.entry_records(feed, FEED, NOW, language.languages)
    for entry in entries:
        _check_record(entry)
        assert entry["url"] is None or entry["url"].startswith(("http://", "https://"))
    assert len({entry["guid"] for entry in entries}) == len(entries)
    assert pl.DataFrame(normalise.entry_rows(feed, FEED, NOW, language.languages), schema=ENTRY).schema == ENTRY


def _check_record(record: dict[str, Any]) -> None:
    for name in ("title", "body"):
        text = record[name]
        assert isinstance(text, str)
        assert not HTML.search(text), (name, HTML.search(text))
        assert not CONTROL.search(text), (name, CONTROL.search(text))
    assert len(record["title"]) <= normalise.MAX_TITLE and "\n" not in record["title"]
    assert len(record["body"]) <= normalise.MAX_BODY
    assert record["author"] is None or not HTML.search(record["author"])
    at = record["published_at"]
    assert at is None or datetime(1990, 1, 1, tzinfo=UTC) <= datetime.fromisoformat(at) <= NOW + timedelta(hours=1)
    assert (at is None) == (record["date_source"] is None)
    assert isinstance(record["lang"], str) and isinstance(record["script"], str)


SEEDS = seeds()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real page, feed or other file with bits turned, pieces cut out, doubled, swapped with another file's, or cut short."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 8, 80, 800])))
        kind = draw(st.sampled_from(["cut", "noise", "splice", "double", "bit", "insert", "short", "replace"]))
        if kind == "cut":
            del data[start:end]
        elif kind == "noise":
            data[start:end] = draw(st.binary(max_size=40))
        elif kind == "splice":
            other = draw(st.sampled_from(SEEDS))
            place = draw(st.integers(0, len(other)))
            data[start:end] = other[place : place + draw(st.sampled_from([10, 200, 3000]))]
        elif kind == "double":
            data[start:start] = bytes(data[start:end]) * draw(st.sampled_from([1, 3, 30]))
        elif kind == "bit" and start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            data[start:start] = draw(st.sampled_from(INSERTS))
        elif kind == "short":
            del data[max(start, len(data) // 2) :]
        elif kind == "replace":
            old = draw(st.sampled_from([b">", b"<", b'"', b" ", b"/", b"http"]))
            data = data.replace(old, draw(st.sampled_from([b"", b"<", b">>", b"\xa0", b"&"])), draw(st.sampled_from([1, 5, 50])))
    return bytes(data)


said = st.tuples(st.sampled_from(CHARSETS), st.sampled_from(ADDRESSES))


@settings(max_examples=120, deadline=None)
@given(damaged(), said)
def test_any_damage(data: bytes, says: tuple[str | None, str]) -> None:
    check(data, *says)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500), said)
def test_any_bytes(data: bytes, says: tuple[str | None, str]) -> None:
    check(data, *says)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(st.one_of(damaged(), damaged(), st.binary(max_size=3_000)), said)
def test_any_damage_long(data: bytes, says: tuple[str | None, str]) -> None:
    check(data, *says)


@pytest.mark.parametrize("data", OTHER_FILES, ids=range(len(OTHER_FILES)))
def test_other_files_give_a_sentence(data: bytes) -> None:
    check(data)


# One document each that made, or could make, work grow with the square of its size. The timeout of pytest ends a hang.
SHAPES = {
    "deep": b"<div>", "deep inline": b"<b><i>x", "paragraphs": b"<p>Text of a paragraph. ", "headlines": b"<h1>Title of this</h1>",
    "breaks": b"text is here.<br><br>", "times": b'<time datetime="2023-01-01"><p>abc', "links": b'<a href="x">y', "attributes": b' a="b"',
    "teasers": b'<div><h3><a href="/x">Some other article</a></h3><p>Some words about it.</p></div>', "headers": b"<header><p>a",
    "json": b'<script type="application/ld+json">{"@type":"NewsArticle","datePublished":"2023-01-01"}</script>',
    "bars": b"a | ",
    "metas": b'<meta property="og:title" content="a | b - c">', "digits": b"1.1.", "nothing": b"&nbsp;", "high": b"\xe6\xe8\x9e ",
    "unclosed": b'<a b="', "references": b"&#1;", "options": b"<select><option>x", "tables": b"<table><tr><td>x",
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "head", [b"<html><body><article><h1>Title of this</h1>", b"<html><head><title>", b'<html><meta name="date" content="']
)
def test_big_pages_end(shape: str, head: bytes) -> None:
    data = head + SHAPES[shape] * (200_000 // len(SHAPES[shape]))
    record = normalise.page_record(parse.page(data, ADDRESSES[0]), NOW, language.languages)
    _check_record(record)


if __name__ == "__main__":
    import atheris

    with atheris.instrument_imports(include=["pipeline.parse", "pipeline.normalise"]):
        import importlib

        for name in [name for name in sys.modules if name.startswith(("pipeline.parse", "pipeline.normalise"))]:
            del sys.modules[name]
        parse, normalise = importlib.import_module("pipeline.parse"), importlib.import_module("pipeline.normalise")

    def one(data: bytes) -> None:
        """The last two bytes choose what the server said of it."""
        says = data[-2:].ljust(2, b"\0")
        check(data[:-2], CHARSETS[says[0] % len(CHARSETS)], ADDRESSES[says[1] % len(ADDRESSES)])

    folder = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None) or tempfile.mkdtemp()
    for number, seed in enumerate(seeds()):
        Path(folder, f"seed-{number}").write_bytes(seed + b"\0\0")
    atheris.Setup([sys.argv[0], *[a for a in sys.argv[1:] if a.startswith("-")], folder], one)
    atheris.Fuzz()
