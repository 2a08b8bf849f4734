"""Feeds: RSS, Atom, RDF, JSON Feed, sitemaps, from bytes to one shape. Nothing here raises; what is wrong is in `error`."""

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.parse import dates
from pipeline.parse.charset import decode
from pipeline.parse.entries import MAX_CONTENT, MAX_TAGS, MAX_TITLE, FeedDocument, RawEntry, absolute, cut, number
from pipeline.parse.quick import looks_like_html, quick
from pipeline.parse.sitemaps import index, sitemap

MAX_CHARS = 16_000_000  # more of a feed is not read
MAX_ELEMENTS = 400_000  # tags outside CDATA; beyond that a document is no feed but an attack

NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")


_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?(rss|feed|RDF|urlset|sitemapindex)(?=[\s>/])")
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|meta|title|div|p)(?=[\s>/])", re.IGNORECASE)
_ENTRY = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)(?=[\s>/])")
_ENTRY_END = re.compile(r"</(?:[A-Za-z_][\w.-]{0,40}:)?(?:item|entry)\s{0,9}>")
_ADDRESS = re.compile(r"<(?:[A-Za-z_][\w.-]{0,40}:)?url(?=[\s>/])")
_DECLARATION = re.compile(r"<\?xml[^<>]{0,400}\?>")
_ENTITY = re.compile(r"<!(?:ENTITY|ELEMENT|ATTLIST|NOTATION|DOCTYPE)[^<>]*>?", re.IGNORECASE)
_BAD_REFERENCE = re.compile(
    r"&#(?:0{0,9}(?:[0-8]|1[1246-9]|2\d|3[01])|[xX]0{0,9}(?:[0-8bcefBCEF]|1[0-9a-fA-F]|[dD][89a-fA-F][0-9a-fA-F]{2})|5(?:529[6-9]|5[3-9]\d\d|6\d{3}|7[0-3]\d\d)|\d{8,}|[xX][0-9a-fA-F]{7,});"
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
    text = text[root.start() :]  # without declaration, document type (and the entities in it) and whatever stood before
    if root[1] in {"urlset", "sitemapindex"}:
        return sitemap(text, url, max_entries) if root[1] == "urlset" else index(text, url)
    text, n_entries, n_cut = _shortened(text, max_entries)
    if sum(part.count("<", part.find("]]>") + 1) for part in text.split("<![CDATA[")) > MAX_ELEMENTS:
        return FeedDocument(url, error="the feed has too many elements")
    text = _BAD_REFERENCE.sub("", _ENTITY.sub("", text) if "<!" in text.replace("<![CDATA[", "").replace("<!--", "") else text)
    text = _NAMED.sub(_character, text)
    return quick(text, url, n_entries, n_cut) or _xml_feed(text, url, n_cut)


def _character(match: re.Match[str]) -> str:
    """Entities of HTML are none of XML; as characters they do no harm. Those that are in both stay."""
    name = match[1]
    return match[0] if name in _XML_NAMES else html.unescape(match[0])


def _shortened(text: str, max_entries: int) -> tuple[str, int, int]:
    """The feed with its first entries only, still well-formed, how many these are, and how many were cut."""
    starts = [match.start() for match in _ENTRY.finditer(text)]
    if len(starts) <= max_entries:
        return text, len(starts), 0
    tail = 0
    for match in _ENTRY_END.finditer(text, starts[-1]):
        tail = match.end()
    return text[: starts[max_entries]] + (text[tail:] if tail else ""), max_entries, len(starts) - max_entries


# -- RSS and Atom -----------------------------------------------------------------------------------------------------

_SKIP_HOURS = re.compile(r"<skipHours>(.{0,2000}?)</skipHours>", re.DOTALL)
_HOUR = re.compile(r"<hour>\s*(\d{1,2})\s*</hour>")


def _xml_feed(text: str, url: str, n_cut: int) -> FeedDocument:
    import feedparser  # with the first feed that is not as most are

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
        title=cut(_get(head, "title")),
        link=absolute(_get(head, "link"), url),
        lang=_get(head, "language") or None,
        ttl_minutes=number(_get(head, "ttl")),
        skip_hours=tuple(sorted({int(hour) % 24 for hour in _HOUR.findall(skip[1])})) if skip else (),
        self_url=next((absolute(link.get("href"), url) for link in _links(head) if link.get("rel") == "self"), None),
        terms="; ".join(dict.fromkeys(filter(None, (cut(_get(head, name))[:300] for name in ("rights", "license"))))),
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
        guid=cut(_get(raw, "id")) or None,
        link=absolute(link, url),
        title=title[:MAX_TITLE],
        content_html=max([summary, *contents], key=len)[:MAX_CONTENT],
        summary_html=summary[:MAX_CONTENT],
        author=cut(", ".join(dict.fromkeys(name for name in authors if name)) or _get(raw, "author")) or None,
        published=dates.parse(_get(raw, "published")) or dates.parse(_get(raw, "created")),
        updated=dates.parse(_get(raw, "updated")),
        tags=tuple(cut(tag.get("term")) for tag in _list(raw, "tags")[:MAX_TAGS] if tag.get("term")),
    )


def _markup(detail: Mapping[str, Any]) -> str:
    """HTML, whatever the feed called it: plain text is escaped unless it is HTML by another name."""
    value = str(detail.get("value") or "")
    if detail.get("type") == "text/plain" and "<" in value and not looks_like_html(value):
        return html.escape(value, quote=False)
    return value


# -- other forms ------------------------------------------------------------------------------------------------------


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
        title=html.escape(cut(head.get("title")), quote=False),
        link=absolute(head.get("home_page_url"), url),
        lang=cut(head.get("language")) or None,
        self_url=absolute(head.get("feed_url"), url),
        entries=entries,
        n_cut=max(0, len(items) - max_entries),
    )


def _json_entry(item: dict[str, Any], url: str) -> RawEntry:
    def texts() -> Iterator[str]:
        yield str(item.get("content_html") or "")
        yield html.escape(str(item.get("content_text") or ""), quote=False)
        yield html.escape(str(item.get("summary") or ""), quote=False)

    authors = item.get("authors") if isinstance(item.get("authors"), list) else [item.get("author")]
    names = [cut(author.get("name")) for author in authors or [] if isinstance(author, dict)]
    tags = item.get("tags")
    return RawEntry(
        guid=cut(str(item.get("id") or "")) or None,
        link=absolute(item.get("url") or item.get("external_url"), url),
        title=html.escape(str(item.get("title") or ""), quote=False)[:MAX_TITLE],
        content_html=max(texts(), key=len)[:MAX_CONTENT],
        summary_html=html.escape(str(item.get("summary") or ""), quote=False)[:MAX_CONTENT],
        author=", ".join(name for name in names if name) or None,
        published=dates.parse(cut(item.get("date_published"))),
        updated=dates.parse(cut(item.get("date_modified"))),
        tags=tuple(cut(tag) for tag in tags[:MAX_TAGS] if isinstance(tag, str)) if isinstance(tags, list) else (),
    )
