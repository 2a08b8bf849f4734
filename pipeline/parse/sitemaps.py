"""Sitemaps: pages of a site with their dates, news sitemaps with titles, and indexes that name other sitemaps."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from pipeline.parse import dates
from pipeline.parse.entries import FeedDocument, RawEntry, absolute

MAX_PARTS = 1_000  # sitemaps of an index that are looked at

_NAME = r"(?:[A-Za-z_][\w.-]{0,40}:)?"
_ADDRESS, _PART = re.compile(rf"<{_NAME}url(?=[\s>/])"), re.compile(rf"<{_NAME}sitemap(?=[\s>/])")
_ELEMENT = re.compile(rf"<{_NAME}(loc|lastmod|title|publication_date|keywords)>([^<]{{0,5000}}|<!\[CDATA\[[^]]{{0,5000}}\]\]>)</")
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def sitemap(text: str, url: str, max_entries: int) -> FeedDocument:
    """The pages that a sitemap names, the newest first where it has dates. `published` is a news sitemap's date of
    publication, `updated` the last change, which is no date of publication."""
    entries = [
        RawEntry(
            guid=link, link=link, title=html.escape(fields.get("title", ""), quote=False),
            published=dates.parse(fields.get("publication_date")), updated=dates.parse(fields.get("lastmod")),
        )
        for link, fields in _blocks(_ADDRESS, text, url)
    ]  # fmt: skip
    entries.sort(key=lambda entry: _comparable(entry.published or entry.updated), reverse=True)
    return FeedDocument(
        url, kind="sitemap", entries=_some(entries, max_entries), n_cut=max(0, len(entries) - max_entries)
    )  # fmt: skip


def index(text: str, url: str) -> FeedDocument:
    """The sitemaps that an index names: those for news first, then the last changed."""
    parts = [(is_news(link), _comparable(dates.parse(fields.get("lastmod"))), link) for link, fields in _blocks(_PART, text, url)]
    parts.sort(key=lambda part: part[:2], reverse=True)
    links = tuple(dict.fromkeys(link for *_, link in parts))[:MAX_PARTS]
    return FeedDocument(url, kind="sitemapindex", error="this is an index of sitemaps, not a feed", parts=links)


def is_news(url: str) -> bool:
    """Is this sitemap named for news?"""
    return re.search(r"news|vijesti|vesti|lajme|novosti", url.rpartition("://")[2].partition("/")[2], re.IGNORECASE) is not None


def _blocks(start: re.Pattern[str], text: str, url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(address, fields) of each block."""
    for part in start.split(text)[1:]:
        fields: dict[str, str] = {}
        for name, value in _ELEMENT.findall(part):
            fields.setdefault(name, html.unescape(value.removeprefix("<![CDATA[").removesuffix("]]>").strip()))
        if link := absolute(fields.get("loc"), url):
            yield link, fields


def _some(entries: list[RawEntry], n: int) -> list[RawEntry]:
    """At most `n`: the newest; of a sitemap without dates the first and the last ones, for it grows at either end."""
    if len(entries) <= n or entries[0].published or entries[0].updated:
        return entries[:n]
    return entries[: n - n // 2] + entries[-(n // 2) :] if n > 1 else entries[:n]


def _comparable(at: datetime | None) -> datetime:
    return _LONG_AGO if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)
