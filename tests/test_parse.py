"""Feeds and pages: golden pairs, laws that hold for any bytes, and inputs that were made to hang a parser."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import language, normalise, parse
from pipeline.parse import charset, dates

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEED = {"feed_id": "golden", "url": "https://outlet.example/feed.xml", "time_zone": "Europe/Belgrade"}
FEED_FILES = sorted((GOLDEN / "feeds").glob("*.xml"))
PAGE_FILES = sorted((GOLDEN / "pages").glob("*.html"))
SECONDS = 20.0  # for one hostile document, on a busy machine


def expected(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_suffix(".json").read_text("utf-8")))


@pytest.mark.parametrize("path", FEED_FILES, ids=lambda path: path.stem)
def test_feed_golden(path: Path) -> None:
    """A quirk enters as a file `name.xml` and the `name.json` that it should give; absent fields are empty."""
    want = expected(path)
    document = parse.feed(path.read_bytes(), FEED["url"])
    got = normalise.entry_records(document, FEED, NOW, language.languages)
    assert len(got) == len(want["entries"])
    for record, entry in zip(got, want["entries"], strict=True):
        shown = {name: record[name] for name in ("guid", "url", "title", "body", "author", "published_at", "lang")}
        assert {name: value for name, value in shown.items() if value not in {None, ""}} == entry
    assert {
        name: list(value) if isinstance(value := getattr(document, name), tuple) else value for name in want if name != "entries"
    } == {name: value for name, value in want.items() if name != "entries"}


@pytest.mark.parametrize("path", PAGE_FILES, ids=lambda path: path.stem)
def test_page_golden(path: Path) -> None:
    want = expected(path)
    document = parse.page(path.read_bytes(), "https://outlet.example/vesti/plan")
    got: dict[str, Any] = {"error": document.error}
    if document.error is None:
        got = normalise.page_record(document, NOW, language.languages, "Europe/Belgrade")
        got.pop("script")
    assert got == want


# -- laws -------------------------------------------------------------------------------------------------------------

samples = st.sampled_from([path.read_bytes() for path in (*FEED_FILES, *PAGE_FILES)])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A golden file with pieces cut out, doubled, overwritten or put in."""
    data = bytearray(draw(samples))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 80)))
        data[start:end] = draw(
            st.one_of(st.binary(max_size=40), st.just(bytes(data[start:end]) * 3), samples.map(lambda s: s[:200]))
        )
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.binary(max_size=400), mutated()),
    st.sampled_from([None, "text/html; charset=utf-8", "text/xml; charset=windows-1251", "x"]),
)
def test_any_bytes_give_a_document(data: bytes, content_type: str | None) -> None:
    document = parse.feed(data, "https://outlet.example/feed", content_type)
    assert document.error is None or document.error
    normalise.entry_rows(document, FEED, NOW, language.languages)
    page = parse.page(data, "https://outlet.example/a", content_type)
    record = normalise.page_record(page, NOW, language.languages)
    assert record["published_at"] is None or record["published_at"] < "2026-01-02"
    assert "\0" not in json.dumps(record, ensure_ascii=False)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100))
def test_any_text_is_a_date_or_none(text: str) -> None:
    dates.parse(text)
    dates.from_url(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(631_152_000, 4_102_444_799))  # 1990 to 2099
def test_dates_round_trip(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    assert dates.parse(at.isoformat()) == at
    assert dates.parse(at.strftime("%d.%m.%Y. %H:%M:%S")) == at
    assert dates.parse(at.strftime("%a, %d %b %Y %H:%M:%S +0000")) == at.replace(tzinfo=UTC)


# -- hostile documents ------------------------------------------------------------------------------------------------

HOSTILE = {
    "open tags": b"<x>",
    "open divs": b"<div>",
    "less-than signs": b"<",
    "ampersands": b"& ",
    "declarations": b"<!",
    "comments": b"<!--",
    "CDATA": b"<![CDATA[",
    "entries": b"<item>",
    "titles": b"<item><title>x",
    "attributes": b'<a b="',
    "references": b"&#1",
    "authors": b"<author>a@b.c (x",
    "links": b'<link rel="x" href="y"/>',
    "spaces": b" ",
    "paragraphs": b"<p>Text of a paragraph. ",
    "scripts": b'<script type="application/ld+json">[',
    "dates": b'<span class="date">1.1.2023</span>',
    "tables": b"<table><tr><td>x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_end_soon(name: str) -> None:
    piece = HOSTILE[name]
    bulk = piece * (300_000 // len(piece))
    started = time.perf_counter()
    parse.feed(b'<rss version="2.0"><channel>' + bulk, "https://outlet.example/feed")
    parse.page(b"<html><body>" + bulk, "https://outlet.example/a")
    assert time.perf_counter() - started < SECONDS


def test_a_giant_title_is_cut() -> None:
    body = b"<rss version='2.0'><channel><item><title>" + b"long " * 2_000_000 + b"</title><guid>1</guid></item></channel></rss>"
    rows = normalise.entry_records(parse.feed(body, FEED["url"]), FEED, NOW, language.languages)
    assert len(rows[0]["title"]) == normalise.MAX_TITLE
    assert rows[0]["title"].endswith("…")


def test_entries_beyond_the_limit_are_counted() -> None:
    items = "".join(f"<item><title>Title {i}</title><guid>{i}</guid></item>" for i in range(500))
    document = parse.feed(
        f"<rss version='2.0'><channel>{items}<title>T</title></channel></rss>".encode(), FEED["url"], max_entries=20
    )
    assert [entry.guid for entry in document.entries] == [str(i) for i in range(20)]
    assert document.n_cut == 480
    assert document.title == "T"  # what follows the entries is still read


def test_json_bombs_are_refused() -> None:
    assert parse.feed(b"[" * 200_000, FEED["url"]).error == "this is neither a feed nor readable JSON"
    deep = b'<html><body><script type="application/ld+json">' + b'{"@graph":[' * 50_000 + b"</script><p>x</p></body></html>"
    assert parse.page(deep, FEED["url"]).error is None


# -- charsets ---------------------------------------------------------------------------------------------------------

TEXTS = {
    "hbs": "Policija je zatvorila četiri prelaza, što je izazvalo đačku šetnju i žestoke kritike građana; ćutanje vlasti traje.",
    "hbs-Cyrl": "Полиција је затворила четири прелаза, што је изазвало жестоке критике грађана и чуђење.",
    "mk": "Владата денеска ја усвои одлуката за нови мерки, изјави министерот по седницата.",
    "ru": "Правительство сегодня приняло решение о закрытии границы, заявил министр.",
    "sq": "Policia mbylli katër pika kufitare, çka shkaktoi kritika të ashpra për qeverinë.",
    "de": "Die Regierung hat über die Schließung der Grenze für Gäste beschlossen.",
}


def encodable(text: str, encoding: str) -> bool:
    return text.encode(encoding, "replace").decode(encoding) == text


ENCODED = [
    (lang, encoding)
    for lang, text in TEXTS.items()
    for encoding in ("utf-8", "utf-16", "cp1250", "cp1251", "iso8859-2", "iso8859-5", "koi8-r")
    if encodable(text, encoding)
]


@pytest.mark.parametrize("declared", [None, "utf-8", "iso-8859-1", "windows-1250", "windows-1251", "iso-8859-2"])
@pytest.mark.parametrize(("lang", "encoding"), ENCODED)
def test_charset_whatever_is_declared(lang: str, encoding: str, declared: str | None) -> None:
    body = f"<html><body><p>{TEXTS[lang]}</p></body></html>".encode(encoding)
    assert TEXTS[lang] in charset.decode(body, f"text/html; charset={declared}" if declared else None)


def test_charset_of_broken_utf8() -> None:
    body = TEXTS["hbs"].encode() * 20
    assert TEXTS["hbs"] in charset.decode(body[:-1] + b"\xc5", "text/html")


# -- dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Mon, 20 Nov 2023 14:05:00 +0100", "2023-11-20T14:05:00+01:00"),
        ("pon, 20 Nov 2023", "2023-11-20T00:00:00+00:00"),
        ("20. 11. 2023. u 14:05h", "2023-11-20T14:05:00"),
        ("20. studenoga 2023.", "2023-11-20T00:00:00+00:00"),
        ("20 листопада 2023", "2023-11-20T00:00:00+00:00"),
        ("5. svibnja 2021. 10:00", "2021-05-05T10:00:00"),
        ("12 shkurt 2024 10:11", "2024-02-12T10:11:00"),
        ("7 мая 2021", "2021-05-07T00:00:00+00:00"),
        ("November 20, 2023 2:05 PM", "2023-11-20T14:05:00"),
        ("20-Nov-2023 10:00:00 CET", "2023-11-20T10:00:00+01:00"),
        ("04/13/2023", "2023-04-13T00:00:00+00:00"),
        ("Sun, 06 Nov 94 08:49:37 GMT", "1994-11-06T08:49:37+00:00"),
        ("Tue, 21 Nov 2023 24:00:00 GMT", "2023-11-22T00:00:00+00:00"),
        *((text, None) for text in ("03/04/2023", "31.02.2023", "maj 2023", "20.11.2023 - 21.11.2023", "20.11.23")),
    ],
)
def test_a_date_is_certain_or_none(text: str, want: str | None) -> None:
    found = dates.parse(text)
    assert (found.isoformat() if found else None) == want


@pytest.mark.parametrize(
    ("path", "day"),
    [
        ("/vesti/2023/11/20/naslov", "2023-11-20"),
        ("/a-20231120-1", "2023-11-20"),
        ("/2023/11/", None),
        ("/2023/11/20/2023-11-19", None),
    ],
)
def test_dates_in_addresses(path: str, day: str | None) -> None:
    found = dates.from_url(path)
    assert (found.date().isoformat() if found else None) == day


def test_an_entry_with_a_source_reads_as_feedparser_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    item = "<item><title>Ours</title>{}<media:title>Theirs</media:title><link>http://a.example/1</link></item>"
    source = '<source url="http://b.example/rss">Elsewhere</source>'
    body = (
        '<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>A</title>'
        f"{item.format(source)}{item.format('')}</channel></rss>"
    ).encode()
    found = parse.feed(body, "http://a.example/rss")
    monkeypatch.setattr("pipeline.parse.feeds.quick", lambda *_: None)
    assert found == parse.feed(body, "http://a.example/rss") and len(found.entries) == 2
