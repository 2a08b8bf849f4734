"""Addresses, identity, clean text and dates: examples and the laws that they must keep."""

import unicodedata
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import language, normalise, parse
from pipeline.normalise import accepts_canonical, canonical_url, clean_body, clean_title, content_hash
from pipeline.schemas import ENTRY, PAGE

NOW = datetime(2023, 11, 20, 12, tzinfo=UTC)
FEED = {"feed_id": "f", "url": "https://x.example/feed", "time_zone": "Europe/Belgrade"}

# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "want"),
    [
        (
            "HTTPS://WWW.B92.net:443/a/../b/%7euser/čačak?utm_source=x&id=3&amp;fbclid=1#top",
            "https://www.b92.net/b/~user/%C4%8Da%C4%8Dak?id=3",
        ),
        ("http://x.com:8080", "http://x.com:8080/"),
        ("https://x.com/?b=2&a=1&gclid=7&&", "https://x.com/?b=2&a=1"),
        ("https://x.com/story/amp/?amp=1", "https://x.com/story/"),
        ("https://amp.x.com/story?outputType=amp", "https://x.com/story"),
        ("https://x.com/story.amp.html", "https://x.com/story.html"),
        ("https://x.com/champ", "https://x.com/champ"),
        ("https://www.google.com/amp/s/www.x.com/story", "https://www.x.com/story"),
        ("https://www-x-com.cdn.ampproject.org/c/s/www.x.com/story", "https://www.x.com/story"),
        ("https://www.google.com/url?rct=j&url=https%3A%2F%2Fx.com%2Fa%3Fb%3D1", "https://x.com/a?b=1"),
        ("https://вести.срб/а", "https://xn--b1agj9af.xn--90a3ac/%D0%B0"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("https://x.com/a;jsessionid=12AB?x=1", "https://x.com/a?x=1"),
        (" https://x.com/a b ", "https://x.com/a%20b"),
        ("file:sample/pages/a.html", "file:sample/pages/a.html"),
    ],
)
def test_canonical_url(url: str, want: str) -> None:
    assert canonical_url(url) == want


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "/a", "javascript:alert(1)", "data:text/html,x", "mailto:a@b.c", "ftp://x.com/a", "https://", "https:///a"),
        *(
            "https://user:pass@x.com/",
            "https://user@x.com/",
            "https://x..com/",
            "https://a b.com/",
            "https://x.com:99999/",
            "https://[::1",
        ),
        *("https://x.com/" + "a" * 5000, "https://\ud800.com/", "https://-x.com/"),
    ],
)
def test_what_is_no_address(url: str) -> None:
    assert canonical_url(url) is None


@pytest.mark.parametrize(
    ("url", "base", "want"),
    [
        ("/a?x=1", "https://y.com/b/c", "https://y.com/a?x=1"),
        ("../a", "https://y.com/b/c/d", "https://y.com/b/a"),
        ("//x.com/a", "https://y.com/", "https://x.com/a"),
        ("pages/a.html", "file:sample/s.xml", "file:sample/pages/a.html"),
        ("https://x.com/a", "file:sample/s.xml", "https://x.com/a"),
        ("file:sample/a.html", "https://x.com/", None),  # only a file may lead to files
        ("javascript:void(0)", "https://x.com/", None),
    ],
)
def test_relative_addresses(url: str, base: str, want: str | None) -> None:
    assert canonical_url(url, base) == want


PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "file:",
            "//",
            "/",
            ".",
            "..",
            "?",
            "&",
            "=",
            "#",
            "%",
            "%2e",
            "%41",
            "@",
            ":80",
            "\\",
            "[",
            "]",
            " ",
        ),
        *("amp", ".amp", "amp.", "amp;", ".html", "utm_source", "x.com", "www.google.com", "xn--", ";jsessionid=1"),
        *("é", "e\u0301", "ß", "。", "ﬀ", "\ud800"),
    ]
)
ADDRESSES = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40))


@settings(max_examples=600, deadline=None)
@given(ADDRESSES)
def test_canonical_url_is_idempotent(text: str) -> None:
    for found in (canonical_url(text), canonical_url(text, "https://x.com/a/b"), canonical_url(f"http://x.com/{text}")):
        assert found is None or canonical_url(found) == found


def test_registered_domain() -> None:
    assert normalise.registered_domain("https://www.a.b92.co.rs/x") == "b92.co.rs"
    assert normalise.registered_domain("http://127.0.0.1/x") == "127.0.0.1"
    assert normalise.registered_domain("http://localhost:80/x") == "localhost"
    assert normalise.registered_domain("file:sample/a.html") == ""


@pytest.mark.parametrize(
    ("canonical", "want"),
    [
        ("https://x.rs/other", "alias"),
        ("/other", "alias"),
        ("https://m.x.rs/a", "alias"),
        ("https://agency.rs/a", "syndicated"),
        ("https://www.x.rs/a?utm_source=y", None),  # itself
        ("https://x.rs/", None),  # the front page is nobody's identity
        ("javascript:x", None),
        (None, None),
    ],
)
def test_accepts_canonical(canonical: str | None, want: str | None) -> None:
    assert accepts_canonical("https://www.x.rs/a", canonical) == want


def test_article_id() -> None:
    one = normalise.article_id("https://www.x.rs/a", "f", "g", "c")
    assert one == normalise.article_id("http://x.rs/a", "other", None, "")
    assert len(one) == 16
    assert int(one, 16) >= 0
    assert normalise.article_id(None, "f", "g", "c") == normalise.article_id(None, "f", "g", "d")
    assert normalise.article_id(None, "f", None, "c") != normalise.article_id(None, "g", None, "c")


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        ("<p>One&nbsp;<b>two</b>.</p><p>Three<br>four</p>", "One two.\nThree\nfour"),
        ("<ul><li>a</li><li>b</li></ul>text<script>x()</script><style>y{}</style>", "a\nb\ntext"),
        ("&lt;p&gt;hidden&lt;/p&gt; markup", "hidden\nmarkup"),
        ("a < b and c > d", "a < b and c > d"),
        ("if x<y then", "if x<y then"),
        ("so\u00adft zero\u200bwidth \ufeffC\u030c\x07", "soft zerowidth Č"),
        ("line one\n\n  line   two\r\nthree", "line one\nline two\nthree"),
        ("<!-- note --><p>x</p>", "x"),
        ("Text.\nThe post Title appeared first on Outlet.", "Text."),
        ("", ""),
    ],
)
def test_clean_body(raw: str, want: str) -> None:
    assert clean_body(raw) == want


def test_clean_title() -> None:
    assert clean_title(" A &amp;amp; B\n<i>c</i>  ") == "A & B c"
    assert len(clean_title("x " * 10_000)) == normalise.MAX_TITLE


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b", ">", "&lt;", "&amp;lt;", "<script>", "</script>", "&#60;p&#62;", "x", " ", "\n", "<!--"]
        )
    ).map("".join)
)
def test_no_markup_is_left(raw: str) -> None:
    text = clean_body(raw)
    assert "<p>" not in text
    assert "</p>" not in text
    assert text == unicodedata.normalize("NFC", text)
    assert all(line == " ".join(line.split()) and line for line in text.split("\n") if text)


WORDS = st.lists(st.sampled_from(["Čačak", "škola", "Ђорђе", "12", "é", "Vlada", "?"]), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(WORDS, st.sampled_from([" ", "  ", "\n", "\t\n "]))
def test_content_hash_ignores_spacing_case_and_composition(words: list[str], space: str) -> None:
    text = " ".join(words)
    same = content_hash(text, text)
    assert content_hash(text, space.join(words)) == same
    assert content_hash(text, unicodedata.normalize("NFD", text)) == same
    assert content_hash(text.upper(), text) == same
    assert content_hash(text, text + " more") != same


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("Text. 15 komentara", "Text. 1.216 komentara", True),
        ("Text. Komentari (15)", "Text. Komentari (16)", True),
        ("Views: 321", "Views: 322", True),
        ("Прегледа: 12 коментара 3", "Прегледа: 12 коментара 4", True),
        ("updated 5 minutes ago", "updated 9 minutes ago", True),
        ("12 killed", "15 killed", False),
        ("u 2023. godini", "u 2024. godini", False),
        ("სიტყვა", "სიტვვა", False),  # a script the fold does not know
    ],
)
def test_counters_do_not_make_a_version(before: str, after: str, is_same: bool) -> None:
    assert (content_hash("", before) == content_hash("", after)) is is_same


# -- dates and frames -------------------------------------------------------------------------------------------------


def test_moment() -> None:
    naive = datetime.fromisoformat("2023-11-20T10:00:00")
    assert normalise.moment(naive, "Europe/Belgrade", NOW) == datetime(2023, 11, 20, 9, tzinfo=UTC)
    assert normalise.moment(naive, "No/Such_Zone", NOW) == datetime(2023, 11, 20, 10, tzinfo=UTC)
    assert normalise.moment(NOW + timedelta(minutes=59), "UTC", NOW) is not None
    assert normalise.moment(NOW + timedelta(minutes=61), "UTC", NOW) is None
    assert normalise.moment(datetime(1989, 12, 31, tzinfo=UTC), "UTC", NOW) is None
    assert normalise.moment(datetime.max.replace(tzinfo=UTC), "UTC", NOW) is None
    assert normalise.moment(None, "UTC", NOW) is None


def test_entries_conform() -> None:
    raw = parse.RawEntry(
        guid="1", link="/a?utm_source=x", title="<b>Vlada</b> i skupština", content_html="<p>Tekst o odluci je tu.</p>"
    )
    frame = pl.DataFrame(
        normalise.entry_rows(parse.FeedDocument(entries=[raw, raw]), FEED, NOW, language.languages), schema=ENTRY
    )
    assert frame.schema == ENTRY
    assert frame.height == 1
    row = frame.row(0, named=True)
    assert row["url"] == "https://x.example/a"
    assert row["article_id"] == normalise.article_id("https://x.example/a", "f", "1", "")
    assert (row["title"], row["body"], row["lang"], row["script"]) == (
        "Vlada i skupština",
        "Tekst o odluci je tu.",
        "hbs",
        "Latn",
    )
    assert (row["published_at"], row["date_source"]) == (None, None)
    assert pl.DataFrame(normalise.entry_rows(parse.FeedDocument(), FEED, NOW, language.languages), schema=ENTRY).schema == ENTRY


def test_pages_conform_and_leave_errors_out() -> None:
    dates = (("json-ld", NOW + timedelta(days=9)), ("meta", datetime.fromisoformat("2023-11-20T10:00:00")))
    good = parse.PageDocument(url="https://x.example/a", title="Naslov", body="Tekst & <znak>", dates=dates, canonical="/b")
    bad = parse.PageDocument(url="https://x.example/c", error="the page is empty")
    frame = pl.DataFrame(
        normalise.page_rows([("a" * 16, good), ("b" * 16, bad)], NOW, language.languages, {"a" * 16: "Europe/Belgrade"}),
        schema=PAGE,
    )
    assert frame.schema == PAGE
    assert frame.height == 1
    row = frame.row(0, named=True)
    assert row["body"] == "Tekst & <znak>"
    assert row["canonical_url"] == "https://x.example/b"
    assert (row["published_at"], row["date_source"]) == (datetime(2023, 11, 20, 9, tzinfo=UTC), "meta")
    assert pl.DataFrame(normalise.page_rows([], NOW, language.languages), schema=PAGE).equals(pl.DataFrame(schema=PAGE))


def test_the_fuller_witness_wins() -> None:
    assert normalise.fuller("page " * 100, "feed " * 90) == ("page " * 100, False)
    assert normalise.fuller("Log in.", "The whole text of the article, as the feed gave it.") == (
        "The whole text of the article, as the feed gave it.",
        True,
    )
