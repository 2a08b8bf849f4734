"""The quick reader of feeds gives what feedparser gives, or leaves the feed to it; sitemaps; articles in parts."""

import dataclasses
import datetime as dt
from html import escape
from unittest import mock

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.parse import FeedDocument, PageDocument, feed, feeds, following, joined

SPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:slash="http://x.example/slash"'
)
TEXTS = [
    "",
    "Vlada",
    "Člen o Šidu",
    "A & B",
    "<p>tako je</p>",
    "5 < 6",
    "a <b>c</b>",
    "&lt;i&gt;x&lt;/i&gt;",
    "Влада",
    "  x \n y ",
    "ÄÖ\x93x\x94",
]
text = st.sampled_from(TEXTS)
date = st.sampled_from(["Mon, 20 Nov 2023 10:00:00 GMT", "2023-11-20T10:00:00+01:00", "20.11.2023", "never", ""])
link = st.sampled_from(["http://a.example/1", "/2", "http://a.example/?a=1&b=2", "", "javascript:x"])


def element(name: str, value: st.SearchStrategy[str], attributes: str = "") -> st.SearchStrategy[str]:
    shut = name.split()[0]
    return value.map(lambda said: f"<{name}{attributes}>{escape(said, quote=False)}</{shut}>") | value.map(
        lambda said: f"<{name}{attributes}><![CDATA[{said}]]></{shut}>"
    )


RSS = st.lists(
    st.one_of(
        element("title", text), element("link", link), element("guid", link), element("guid", link, ' isPermaLink="false"'),
        element("description", text), element("content:encoded", text), element("pubDate", date), element("dc:date", date),
        element("dc:creator", st.sampled_from(["Ana", "Редакција", "ana@a.example (Ana)"])), element("category", text),
        element("slash:comments", text), st.just('<media:thumbnail url="http://a.example/x.jpg"/>'),
        st.just('<enclosure url="http://a.example/x.mp3" length="1" type="audio/mpeg"/>'), element("media:title", text),
        element("source", text, ' url="http://a.example/"'), element("comments", link), element("unknown", text),
    ),
    max_size=9, unique_by=lambda markup: markup.split(">")[0].split()[0] if "<category" not in markup else markup,
)  # fmt: skip
ATOM = st.lists(
    st.one_of(
        element("title", text), element("title", text, ' type="html"'), element("id", link), element("summary", text),
        element("content", text, ' type="html"'), element("published", date), element("updated", date),
        st.just('<link href="http://a.example/3"/>'), st.just('<link rel="self" href="http://a.example/4"/>'),
        st.just("<author><name>Ana</name></author>"), st.just('<category term="vesti"/>'),
        st.just('<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div></content>'),
    ),
    max_size=8, unique_by=lambda markup: markup.split(">")[0].split()[0] if "<link" not in markup else markup,
)  # fmt: skip
HEADS = st.lists(
    st.sampled_from(["<title>A paper</title>", "<link>http://a.example/</link>", "<language>sr</language>", "<ttl>60</ttl>"]),
    max_size=4, unique=True,
)  # fmt: skip


def both(body: str) -> tuple[FeedDocument, FeedDocument]:
    """The feed as it is read, and as feedparser reads it."""
    ours = feed(body.encode(), "http://a.example/feed")
    with mock.patch.object(feeds, "quick", return_value=None):
        return ours, feed(body.encode(), "http://a.example/feed")


def same(body: str) -> None:
    ours, theirs = both(body)
    without = [dataclasses.replace(entry, summary_html="", tags=()) for entry in theirs.entries]
    assert [dataclasses.replace(entry, summary_html="", tags=()) for entry in ours.entries] == without
    assert dataclasses.replace(ours, entries=[], terms="") == dataclasses.replace(theirs, entries=[], terms="")


@settings(max_examples=150, deadline=None)
@given(HEADS, st.lists(RSS, max_size=4))
def test_rss_as_feedparser_reads_it(head: list[str], items: list[list[str]]) -> None:
    entries = "".join(f"<item>{''.join(item)}</item>" for item in items)
    same(f"<rss version='2.0' {SPACES}><channel>{''.join(head)}{entries}</channel></rss>")


@settings(max_examples=100, deadline=None)
@given(st.lists(ATOM, max_size=4))
def test_atom_as_feedparser_reads_it(items: list[list[str]]) -> None:
    entries = "".join(f"<entry>{''.join(item)}</entry>" for item in items)
    same(f"<feed xmlns='http://www.w3.org/2005/Atom'><title>A</title>{entries}</feed>")


def test_ordinary_feeds_need_no_feedparser() -> None:
    body = f"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {SPACES}><channel><title>A</title>
    <copyright>(c) A</copyright><skipHours><hour>3</hour></skipHours><item><title>Vest</title><link>http://a.example/1</link>
    <dc:creator><![CDATA[Ana]]></dc:creator><category><![CDATA[Svet]]></category><content:encoded><![CDATA[<p>x</p>]]>
    </content:encoded><pubDate>Mon, 20 Nov 2023 10:00:00 +0100</pubDate></item></channel></rss>"""
    with mock.patch.object(feedparser, "parse", side_effect=AssertionError):
        document = feed(body.encode(), "http://a.example/feed")
    (entry,) = document.entries
    assert (document.error, document.terms, document.skip_hours) == (None, "(c) A", (3,))
    assert (entry.title, entry.author, entry.tags, entry.content_html) == ("Vest", "Ana", ("Svet",), "<p>x</p>")


# -- sitemaps ---------------------------------------------------------------------------------------------------------


def urlset(*dates: str | None) -> bytes:
    rows = (f"<url><loc>/{n}</loc>{f'<lastmod>{at}</lastmod>' if at else ''}</url>" for n, at in enumerate(dates))
    return f"<urlset>{''.join(rows)}</urlset>".encode()


def test_the_newest_pages_of_a_sitemap_are_kept() -> None:
    document = feed(
        urlset("2026-01-02", None, "2026-01-03T10:00:00+01:00", "2026-01-01"), "http://a.example/s.xml", max_entries=2
    )
    assert [entry.link for entry in document.entries] == ["http://a.example/2", "http://a.example/0"]
    assert (document.n_cut, document.entries[0].published) == (2, None)
    assert document.entries[1].updated is not None and document.entries[1].updated.date() == dt.date(2026, 1, 2)


def test_of_a_sitemap_without_dates_both_ends_are_kept() -> None:
    document = feed(urlset(*[None] * 10), "http://a.example/s.xml", max_entries=4)
    assert [entry.link[-1] for entry in document.entries if entry.link] == ["0", "1", "8", "9"]


def test_an_index_names_news_first_and_then_the_last_changed() -> None:
    rows = "".join(
        f"<sitemap><loc>http://a.example/{name}.xml</loc><lastmod>{at}</lastmod></sitemap>"
        for name, at in (("old", "2020-01-01"), ("new", "2026-01-01"), ("news", "2019-01-01"), ("new", "2026-01-01"))
    )
    document = feed(f"<sitemapindex>{rows}</sitemapindex>".encode(), "http://a.example/s.xml")
    assert [part[17:-4] for part in document.parts] == ["news", "new", "old"]
    assert document.entries == [] and document.error is not None


# -- articles in parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "link", "is_next"),
    [
        ("http://a.example/2026/story", "/2026/story/2", True), ("http://a.example/2026/story/", "/2026/story/page/3/", True),
        ("http://a.example/story.html", "story-2.html", True), ("http://a.example/story.html", "/story_2.html", True),
        ("http://a.example/story?id=7", "?id=7&page=2", True), ("http://a.example/story", "/story?strana=2", True),
        ("http://a.example/story", "/story/1", False), ("http://a.example/story", "/story?id=2", False),
        ("http://a.example/story", "/2027/story-two", False), ("http://a.example/", "/page/2", False),
        ("http://a.example/story", "https://a.example/story/2", False), ("http://a.example/story", "//b.example/story/2", False),
        ("http://a.example/story?id=7", "/story/2", False), ("http://a.example/story", "http://[x/story/2", False),
        ("http://a.example/story", "/story/2/comments", False), ("http://a.example/story", "javascript:next()", False),
    ],
)  # fmt: skip
def test_what_is_a_next_page(first: str, link: str, is_next: bool) -> None:
    for markup in (f'<link rel="next" href="{link}">', f"<a class=x href='{link}' rel='nofollow next'>2</a>"):
        body = f"<html><body>{markup}<p>{'text ' * 200}</p></body></html>".encode()
        assert (following(body, first, first) is not None) == is_next


def test_the_amp_form_is_asked_for_only_by_a_shell() -> None:
    url, amp = "http://a.example/story", '<link rel="amphtml" href="/amp/story">'
    assert (
        following(f"<html><head>{amp}</head><body><div id=root></div></body></html>".encode(), url, url)
        == "http://a.example/amp/story"
    )
    assert following(f"<html><head>{amp}</head><body><p>{'text ' * 200}</p></body></html>".encode(), url, url) is None


def test_parts_are_joined_without_repeated_paragraphs() -> None:
    first = PageDocument("http://a.example/s", "T", "lead\none")
    more = [PageDocument("http://a.example/s/2", "T", "lead\ntwo"), PageDocument("http://a.example/s/3", error="broken")]
    assert joined(first, more).body == "lead\none\ntwo"
    assert joined(PageDocument("http://a.example/s", error="empty"), more[:1]).body == "lead\ntwo"
