"""Feeds: RSS, Atom, RDF, JSON Feed and news sitemaps, from bytes to one shape. Nothing here raises; what is wrong
stands in `error`."""

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import feedparser

from pipeline.parse import dates
from pipeline.parse.charset import decode

MAX_CHARS = 16_000_000  # more of a feed is not read
MAX_TITLE = 10_000  # characters of a raw title, guid, link or author that are kept
MAX_CONTENT = 2_000_000  # characters of a raw text that are kept
MAX_ELEMENTS = 400_000  # tags outside CDATA; beyond that a document is no feed but an attack

NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RawEntry:
    """An entry as published: titles and texts may hold HTML, `link` is absolute, dates are naive when they had no zone.
    An entry as published: titles and texts may hold HTML, `link` is absolute, dates are naive when they had no zone."""

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
    kind: str = ""  # rss20, atom10, json, sitemap ...
    title: str = ""
    link: str | None = None
    lang: str | None = None
    ttl_minutes: int | None = None
    skip_hours: tuple[int, ...] = ()
    self_url: str | None = None
    error: str | None = None
    entries: list[RawEntry] = field(default_factory=list)
    n_cut: int = 0  # entries beyond the limit


_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?(rss|feed|RDF|urlset|sitemapindex)(?=[\s>/])")
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|meta|title|div|p)(?=[\s>/])", re.IGNORECASE)
_ENTRY = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)(?=[\s>/])")
_ENTRY_END = re.compile(r"</(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)\s{0,9}>")
_ADDRESS = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?url(?=[\s>/])")
_DECLARATION = re.compile(r"<\?xml[^<>]{0,400}\?>")
_ENTITY = re.compile(r"<!(?:ENTITY|ELEMENT|ATTLIST|NOTATION|DOCTYPE)[^<>]*>?", re.IGNORECASE)
_BAD_REFERENCE = re.compile(
    r"&#(?:0{0,9}(?:[0-8]|1[1246-9]|2\d|3[01])|[xX]0{0,9}(?:[0-8bcefBCEF]|1[0-9a-fA-F])|\d{8,}|[xX][0-9a-fA-F]{7,});"
)
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def feed(body: bytes, url: str, content_type: str | None = None, max_entries: int = 10_000) -> FeedDocument:
    """A parsed feed from the bytes of an answer. `url` is where they came from and resolves relative links.

    Entries beyond `max_entries` are counted in `n_cut`. Never raises.
    """
    if not body.strip(b" \t\r\n\0"):
        return FeedDocument(url, error="the feed is empty")
    try:
        return _read(NOT_XML.sub("", decode(body, content_type)[:MAX_CHARS]).lstrip("\ufeff \t\r\n"), url, max_entries)
    except Exception as error:  # feedparser and its helpers raise almost anything on hostile input
        return FeedDocument(url, error=f"the feed can not be read ({type(error).__name__})")


def _read(text: str, url: str, max_entries: int) -> FeedDocument:
    if text.startswith(("{", "[")):
        return _json_feed(text, url, max_entries)
    root = _ROOT.search(text[:100_000])
    page = _HTML.search(text[: root.start() if root else 100_000])
    if root is None or (page and page[0][1:].lower().startswith(("!doctype", "html", "head", "body"))):
        return FeedDocument(url, error="this is a web page, not a feed" if page else "this is not a feed")
    if root[1] == "sitemapindex":
        return FeedDocument(url, kind="sitemapindex", error="this is an index of sitemaps, not a feed")
    text = text[root.start() :]  # without declaration, document type (and the entities in it) and whatever stood before
    if root[1] == "urlset":
        return _sitemap(text, url, max_entries)
    text, n_cut = _shortened(text, max_entries)
    if sum(part.count("<", part.find("]]>") + 1) for part in text.split("<![CDATA[")) > MAX_ELEMENTS:
        return FeedDocument(url, error="the feed has too many elements")
    text = _BAD_REFERENCE.sub("", _ENTITY.sub("", text) if "<!" in text.replace("<![CDATA[", "").replace("<!--", "") else text)
    return _xml_feed(_NAMED.sub(_character, text), url, n_cut)


def _character(match: re.Match[str]) -> str:
    """Entities of HTML are none of XML; as characters they do no harm. Those that are in both stay."""
    name = match[1]
    return match[0] if name in _XML_NAMES else html.unescape(match[0])


def _shortened(text: str, max_entries: int) -> tuple[str, int]:
    """The feed with its first entries only, still well-formed, and how many were cut."""
    starts = [match.start() for match in _ENTRY.finditer(text)]
    if len(starts) <= max_entries:
        return text, 0
    tail = 0
    for match in _ENTRY_END.finditer(text, starts[-1]):
        tail = match.end()
    return text[: starts[max_entries]] + (text[tail:] if tail else ""), len(starts) - max_entries


# -- RSS and Atom -----------------------------------------------------------------------------------------------------

_KNOWN_TAG = re.compile(
    r"</?(?:a|b|blockquote|br|div|em|figure|h[1-6]|hr|i|iframe|img|li|ol|p|span|strong|table|u|ul)(?=[\s/>])",
    re.IGNORECASE,
)
_SKIP_HOURS = re.compile(r"<skipHours>(.{0,2000}?)</skipHours>", re.DOTALL)
_HOUR = re.compile(r"<hour>\s*(\d{1,2})\s*</hour>")


def _xml_feed(text: str, url: str, n_cut: int) -> FeedDocument:
    parsed = feedparser.parse(
        io.BytesIO(text.encode()),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,  # text is all we keep of it
        resolve_relative_uris=False,
    )
    head: Mapping[str, Any] = parsed.get("feed", {})
    entries = [_entry(raw, url) for raw in parsed.get("entries", [])]
    error = None
    if not entries and parsed.get("bozo"):
        error = "the feed is broken: " + " ".join(str(parsed.get("bozo_exception")).split())[:200]
    elif not entries and not parsed.get("version"):
        error = "this is not a feed"
    skip = _SKIP_HOURS.search(text[:100_000])
    return FeedDocument(
        url=url,
        kind=str(parsed.get("version") or ""),
        title=_cut(_get(head, "title")),
        link=_absolute(_get(head, "link"), url),
        lang=_get(head, "language") or None,
        ttl_minutes=_number(_get(head, "ttl")),
        skip_hours=tuple(sorted({int(hour) % 24 for hour in _HOUR.findall(skip[1])})) if skip else (),
        self_url=next((_absolute(link.get("href"), url) for link in _links(head) if link.get("rel") == "self"), None),
        error=error,
        entries=entries,
        n_cut=n_cut,
    )


def _get(mapping: Mapping[str, Any], name: str) -> str:
    value = _raw(mapping, name)
    return value if isinstance(value, str) else ""


def _list(mapping: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = _raw(mapping, name)
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _raw(mapping: Mapping[str, Any], name: str) -> Any:
    """A field past feedparser's own substitutions (which answer `updated` with `published`, and warn)."""
    return dict.get(mapping, name) if isinstance(mapping, dict) else None


def _links(mapping: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _list(mapping, "links")


def _entry(raw: Mapping[str, Any], url: str) -> RawEntry:
    contents = [_markup(item) for item in _list(raw, "content")]
    summary = _markup(_raw(raw, "summary_detail") or {"value": _get(raw, "summary")})
    title = _markup(_raw(raw, "title_detail") or {"value": _get(raw, "title")})
    link = _get(raw, "feedburner_origlink") or _get(raw, "link")
    if not link:
        link = next((str(item.get("href") or "") for item in _links(raw) if item.get("rel") in {None, "alternate"}), "")
    authors = [_get(author, "name") for author in _list(raw, "authors")]
    return RawEntry(
        guid=_cut(_get(raw, "id")) or None,
        link=_absolute(link, url),
        title=title[:MAX_TITLE],
        content_html=max([summary, *contents], key=len)[:MAX_CONTENT],
        summary_html=summary[:MAX_CONTENT],
        author=_cut(", ".join(dict.fromkeys(name for name in authors if name)) or _get(raw, "author")) or None,
        published=dates.parse(_get(raw, "published")) or dates.parse(_get(raw, "created")),
        updated=dates.parse(_get(raw, "updated")),
        tags=tuple(_cut(tag.get("term")) for tag in _list(raw, "tags")[:50] if tag.get("term")),
    )


def _markup(detail: Mapping[str, Any]) -> str:
    """HTML, whatever the feed called it: plain text is escaped unless it is HTML by another name."""
    value = str(detail.get("value") or "")
    if detail.get("type") == "text/plain" and "<" in value and not _KNOWN_TAG.search(value):
        return html.escape(value, quote=False)
    return value


def _cut(value: object) -> str:
    return " ".join(str(value)[:MAX_TITLE].split()) if isinstance(value, str) else ""


def _absolute(link: object, base: str) -> str | None:
    link = _cut(link)
    if not link or base.startswith("file:"):  # relative to the seeds: `normalise.canonical_url` knows that form
        return link or None
    try:
        return urljoin(base, link)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,6}", text.strip()) else None


# -- other forms ------------------------------------------------------------------------------------------------------

_ELEMENT = re.compile(
    r"<(?:[A-Za-z_][\w.-]{0,40}:)?(loc|lastmod|title|publication_date|keywords)>([^<]{0,5000}|<!\[CDATA\[[^]]{0,5000}\]\]>)</"
)


def _sitemap(text: str, url: str, max_entries: int) -> FeedDocument:
    entries = []
    parts = _ADDRESS.split(text)[1:]
    for part in parts[:max_entries]:
        fields: dict[str, str] = {}
        for name, value in _ELEMENT.findall(part):
            fields.setdefault(name, html.unescape(value.removeprefix("<![CDATA[").removesuffix("]]>").strip()))
        if link := _absolute(fields.get("loc"), url):
            entries.append(
                RawEntry(
                    guid=link,
                    link=link,
                    title=html.escape(fields.get("title", ""), quote=False),
                    published=dates.parse(fields.get("publication_date")),
                    updated=dates.parse(fields.get("lastmod")),
                )
            )
    return FeedDocument(url, kind="sitemap", entries=entries, n_cut=max(0, len(parts) - max_entries))


def _json_feed(text: str, url: str, max_entries: int) -> FeedDocument:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        return FeedDocument(url, error="this is neither a feed nor readable JSON")
    items = head.get("items") if isinstance(head, dict) else None
    if not isinstance(items, list) or "jsonfeed" not in str(head.get("version", "")):
        return FeedDocument(url, error="this is JSON, but not a JSON Feed")
    entries = [_json_entry(item, url) for item in items[:max_entries] if isinstance(item, dict)]
    return FeedDocument(
        url=url,
        kind="json",
        title=html.escape(_cut(head.get("title")), quote=False),
        link=_absolute(head.get("home_page_url"), url),
        lang=_cut(head.get("language")) or None,
        self_url=_absolute(head.get("feed_url"), url),
        entries=entries,
        n_cut=max(0, len(items) - max_entries),
    )


def _json_entry(item: dict[str, Any], url: str) -> RawEntry:
    def texts() -> Iterator[str]:
        yield str(item.get("content_html") or "")
        yield html.escape(str(item.get("content_text") or ""), quote=False)
        yield html.escape(str(item.get("summary") or ""), quote=False)

    authors = item.get("authors") if isinstance(item.get("authors"), list) else [item.get("author")]
    names = [_cut(author.get("name")) for author in authors or [] if isinstance(author, dict)]
    tags = item.get("tags")
    return RawEntry(
        guid=_cut(str(item.get("id") or "")) or None,
        link=_absolute(item.get("url") or item.get("external_url"), url),
        title=html.escape(str(item.get("title") or ""), quote=False)[:MAX_TITLE],
        content_html=max(texts(), key=len)[:MAX_CONTENT],
        summary_html=html.escape(str(item.get("summary") or ""), quote=False)[:MAX_CONTENT],
        author=", ".join(name for name in names if name) or None,
        published=dates.parse(_cut(item.get("date_published"))),
        updated=dates.parse(_cut(item.get("date_modified"))),
        tags=tuple(_cut(tag) for tag in tags[:50] if isinstance(tag, str)) if isinstance(tags, list) else (),
    )
