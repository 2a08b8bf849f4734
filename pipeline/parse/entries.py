"""What every kind of feed is read into, and the small steps that all readers share."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urljoin

MAX_TITLE = 10_000  # characters of a raw title, guid, link or author that are kept
MAX_CONTENT = 2_000_000  # characters of a raw text that are kept
MAX_TAGS = 50


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry as published: titles and texts may hold HTML, `link` is absolute, dates are naive when they had no zone."""

    guid: str | None = None
    link: str | None = None
    title: str = ""
    content_html: str = ""  # the fullest text the entry has
    summary_html: str = ""
    author: str | None = None
    published: datetime | None = None
    updated: datetime | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """A feed as published. `error` is None or one sentence; entries that could be read are there even then."""

    url: str = ""
    kind: str = ""  # rss20, atom10, json, sitemap, sitemapindex ...
    title: str = ""
    link: str | None = None
    lang: str | None = None
    ttl_minutes: int | None = None
    skip_hours: tuple[int, ...] = ()
    self_url: str | None = None
    terms: str = ""  # what the feed says of its rights: copyright, licence
    error: str | None = None
    entries: list[RawEntry] = field(default_factory=list)
    n_cut: int = 0  # entries beyond the limit
    parts: tuple[str, ...] = ()  # of an index: the addresses of its sitemaps, the most promising first


def cut(value: object) -> str:
    """One line of at most MAX_TITLE characters; empty for what is no text."""
    return " ".join(value[:MAX_TITLE].split()) if isinstance(value, str) else ""


def absolute(link: object, base: str) -> str | None:
    """The link resolved against `base`; None when there is none or it can not be read."""
    link = cut(link)
    if not link or base.startswith("file:"):  # relative to the seeds: `normalise.canonical_url` knows that form
        return link or None
    if link.startswith(("https://", "http://")) and "/../" not in link and "/./" not in link:
        return link
    try:
        return urljoin(base, link)
    except ValueError:
        return None


def number(text: str) -> int | None:
    """A small whole number, or None."""
    return int(text) if re.fullmatch(r"\d{1,6}", text.strip()) else None
