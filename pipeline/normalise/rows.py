"""Parsed feeds and pages as rows of ENTRY and PAGE: dates in UTC, one row a guid, languages from the detector given."""

import html
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pipeline.normalise.address import canonical_url, registered_domain
from pipeline.normalise.content import article_id, clean_body, clean_title, content_hash
from pipeline.text import digest

Detect = Callable[[Sequence[str]], tuple[list[str], list[str]]]

MAX_GUID = 500
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # before the web; such a date is a default value of some software
AHEAD = timedelta(hours=1)


class Entry(Protocol):
    """What this room reads of an entry (`pipeline.parse.RawEntry`)."""

    @property
    def guid(self) -> str | None: ...
    @property
    def link(self) -> str | None: ...
    @property
    def title(self) -> str: ...
    @property
    def content_html(self) -> str: ...
    @property
    def author(self) -> str | None: ...
    @property
    def published(self) -> datetime | None: ...
    @property
    def updated(self) -> datetime | None: ...


class Feed(Protocol):
    """What this room reads of a feed (`pipeline.parse.FeedDocument`)."""

    @property
    def kind(self) -> str: ...
    @property
    def link(self) -> str | None: ...

    @property
    def entries(self) -> Sequence[Entry]: ...


class Page(Protocol):
    """What this room reads of a page (`pipeline.parse.PageDocument`)."""

    @property
    def url(self) -> str: ...
    @property
    def canonical(self) -> str | None: ...
    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def article_body(self) -> str: ...
    @property
    def author(self) -> str | None: ...
    @property
    def dates(self) -> Sequence[tuple[str, datetime]]: ...
    @property
    def error(self) -> str | None: ...


# -- dates ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=200)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def moment(value: datetime | None, time_zone: str, now: datetime) -> datetime | None:
    """The date in UTC; without a zone it is read in `time_zone`. None before 1990 and more than an hour ahead of `now`."""
    if value is None or not 1990 <= value.year <= 2200:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=_zone(time_zone))
    value = value.astimezone(UTC)
    return value if EARLIEST <= value <= now + AHEAD else None


# -- rows -----------------------------------------------------------------------------------------------


def entry_rows(document: Feed, feed: Mapping[str, Any], now: datetime, detect: Detect) -> list[dict[str, Any]]:
    """The entries of a parsed feed as rows of schema ENTRY, in their order, one row a guid (the first counts).

    `feed` is a row of `feed` (feed_id, url and time_zone are read). An entry without a link, a title and a text is left out.
    """
    feed_id, zone = str(feed.get("feed_id") or ""), str(feed.get("time_zone") or "UTC")
    rows: dict[str, dict[str, Any]] = {}
    for entry in document.entries:
        title, body = clean_title(entry.title), clean_body(entry.content_html)
        url = canonical_url(entry.link, feed.get("url") or None) if entry.link else None
        if not (url or title or body):
            continue
        guid = (entry.guid or "").strip() or url or digest(title, body)
        guid = guid if len(guid) <= MAX_GUID else digest(guid)
        if guid in rows:
            continue
        published = moment(entry.published, zone, now)
        if published is None and document.kind != "sitemap":  # there it is the last change of the page
            published = moment(entry.updated, zone, now)
        rows[guid] = {
            "feed_id": feed_id,
            "guid": guid,
            "url": url,
            "article_id": article_id(url, feed_id, entry.guid and guid, f"{title}\n{body}"),
            "title": title,
            "body": body,
            "author": clean_title(entry.author or "") or None,
            "published_at": published,
            "date_source": "feed" if published else None,
            "content_hash": content_hash(title, body),
        }
    return _with_language(list(rows.values()), detect)


def _with_language(rows: list[dict[str, Any]], detect: Detect) -> list[dict[str, Any]]:
    langs, scripts = detect([f"{row['title']}\n{row['body']}" for row in rows]) if rows else ([], [])
    return [row | {"lang": lang, "script": script} for row, lang, script in zip(rows, langs, scripts, strict=True)]


def entry_records(document: Feed, feed: Mapping[str, Any], now: datetime, detect: Detect) -> list[dict[str, Any]]:
    """As `entry_rows`, fit for JSON: times are ISO 8601 strings in UTC."""
    return [row | {"published_at": _iso(row["published_at"])} for row in entry_rows(document, feed, now, detect)]


def _page_row(document: Page, now: datetime, time_zone: str) -> dict[str, Any]:
    title = clean_title(document.title)
    body = fuller(clean_body(html.escape(document.body)), clean_body(document.article_body))[0]
    dates = ((source, moment(value, time_zone, now)) for source, value in document.dates)
    source, published = next(((source, at) for source, at in dates if at), (None, None))
    return {
        "url": canonical_url(document.url) if document.url else None,
        "canonical_url": canonical_url(document.canonical, document.url or None) if document.canonical else None,
        "title": title,
        "body": body,
        "author": clean_title(document.author or "") or None,
        "published_at": published,
        "date_source": source,
        "content_hash": content_hash(title, body),
    }


def fuller(first: str, second: str) -> tuple[str, bool]:
    """The text to keep of two witnesses of one article, and whether it is the second: only when that has clearly more."""
    return (second, True) if len(second) > 1.25 * len(first) + 40 else (first, False)


def page_rows(
    documents: Iterable[tuple[str, Page]], now: datetime, detect: Detect, time_zones: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """The pages fetched for some articles (article_id, document) as rows of schema PAGE; those with an error are left out.

    `time_zones` gives the zone of an article's outlet by article_id, for dates without a zone (otherwise UTC).
    """
    zones = time_zones or {}
    rows = [{"article_id": id_} | _page_row(page, now, zones.get(id_, "UTC")) for id_, page in documents if page.error is None]
    return _with_language(rows, detect)


def sites(document: Feed) -> list[str]:
    """The registered domains that a feed points to: its own link's first, then those of its entries, the most frequent first."""
    links = Counter(registered_domain(entry.link) for entry in document.entries if entry.link)
    home = registered_domain(document.link) if document.link else ""
    return [site for site in dict.fromkeys((home, *(site for site, _ in links.most_common()))) if site]


def page_record(document: Page, now: datetime, detect: Detect, time_zone: str = "UTC") -> dict[str, Any]:
    """A page as a plain dictionary fit for JSON: title, body, author, published_at, date_source, canonical_url, lang,
    script."""
    row = _with_language([_page_row(document, now, time_zone)], detect)[0]
    row["published_at"] = _iso(row["published_at"])
    row["canonical_url"] = row["canonical_url"] or row["url"]
    return {
        name: row[name] for name in ("title", "body", "author", "published_at", "date_source", "canonical_url", "lang", "script")
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
