"""RSS and Atom as nearly all feeds write them, read in a tenth of feedparser's time and with the same result.

Whatever is broken, rare or ambiguous is left to feedparser: `quick` answers None.
"""

import contextlib
import functools
import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from lxml import etree

from pipeline.parse import dates
from pipeline.parse.entries import MAX_CONTENT, MAX_TAGS, MAX_TITLE, FeedDocument, RawEntry, absolute, cut, number

_ATOM = "http://www.w3.org/2005/Atom"
_NAMES = {  # name spaces whose elements mean something here; of others (slash, sy, georss ...) nothing is read
    None: "", _ATOM: "", "http://purl.org/dc/elements/1.1/": "dc:", "http://purl.org/dc/terms/": "dcterms:",
    "http://purl.org/rss/1.0/modules/content/": "content:", "http://search.yahoo.com/mrss/": "media:",
    "http://search.yahoo.com/mrss": "media:", "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes:",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner:", "http://web.resource.org/cc/": "licence:",
    "http://backend.userland.com/creativecommonsrssmodule": "licence:", "http://creativecommons.org/ns#license": "licence:",
    "http://cyber.law.harvard.edu/rss/creativecommonsrssmodule.html": "licence:",
}  # fmt: skip
_MEDIA_TITLES = ("{http://search.yahoo.com/mrss/}title", "{http://search.yahoo.com/mrss}title")
_VERSIONS = {"0.91": "rss091u", "0.92": "rss092", "0.93": "rss093", "0.94": "rss094"}
_FIELD = {
    "id": "guid", "dc:title": "title", "summary": "description", "dc:description": "description",
    "media:description": "description", "itunes:summary": "description", "content:encoded": "content",
    "pubdate": "published", "issued": "published", "dcterms:issued": "published", "dc:date": "updated",
    "modified": "updated", "dcterms:modified": "updated", "dcterms:created": "created", "dc:creator": "author",
    "dc:author": "author", "itunes:author": "author", "dc:subject": "category", "keywords": "category",
    "media:category": "category", "itunes:category": "category", "media:keywords": "words", "itunes:keywords": "words",
}  # fmt: skip
# plain unless it looks like HTML; the others are HTML
_PLAIN = frozenset({"title", "dc:title", "media:title", "summary", "content", "itunes:summary"})
_STRANGE = frozenset(
    {"body", "fullitem", "abstract", "svg", "math", "div", "item", "entry", "name", "email", "managingeditor", "tags"}
)
_TYPES = {"": "", "text": "text/plain", "plain": "text/plain", "html": "text/html"}
_KNOWN_TAG = re.compile(
    r"</?(?:a|b|blockquote|br|div|em|figure|h[1-6]|hr|i|iframe|img|li|ol|p|span|strong|table|u|ul)(?=[\s/>])",
    re.IGNORECASE,
)
_CLOSES, _TAG_NAME = re.compile(r"</\w+>|&#?\w+;"), re.compile(r"</?(\w+)")
# the characters that Windows-1252 has where Unicode has controls
_WINDOWS = {n: text for n in range(0x80, 0xA0) if (text := bytes([n]).decode("cp1252", "ignore"))}


_CONTROL = re.compile("[\x80-\x9f]")
_RFC822 = re.compile(  # a date as nearly every RSS feed writes it; the many other ways are for `dates`
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ((?:19|20)\d\d)"
    r" ([01]\d|2[0-3]):([0-5]\d):([0-5]\d) (?:GMT|([+-])(0\d|1[0-4])([0-5]\d))",
    re.ASCII,
)
_MONTHS = {name: n for n, name in enumerate(re.findall(r"\w+", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), start=1)}


class _StrangeError(Exception):
    """Something that is better left to feedparser."""


def quick(text: str, url: str, n_entries: int, n_cut: int) -> FeedDocument | None:
    """The feed, when it is well-formed RSS 0.9x, RSS 2.0 or Atom 1.0 with `n_entries` entries; None for anything else."""
    if "xml:base" in text or "xml:lang" in text:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text.encode(), parser)
        if root.tag == "rss":
            head, name = root.find("channel"), "item"
            kind = _VERSIONS.get(root.get("version", ""), "rss20" if root.get("version", "").startswith("2.") else "rss")
        elif root.tag == f"{{{_ATOM}}}feed":
            head, name, kind = root, f"{{{_ATOM}}}entry", "atom10"
        else:
            return None
        if head is None or sum(1 for _ in head.iterchildren(name)) != n_entries:
            return None
        traits = kind == "atom10", "source" in text
        entries = [_entry(element, url, *traits) for element in head.iterchildren(name)]
        return _document(head, name, url, kind, entries, n_cut)
    except (etree.XMLSyntaxError, _StrangeError):
        return None


def looks_like_html(text: str) -> bool:
    """Is this HTML that was called plain text?"""
    return _KNOWN_TAG.search(text) is not None


@functools.lru_cache(maxsize=1_000)
def _name(tag: str) -> str | None:
    """The name of an element in lower case with the prefix of `_NAMES`; None: it is of a name space that says nothing here."""
    if tag[0] != "{":
        return tag.lower()
    space, _, local = tag[1:].partition("}")
    prefix = _NAMES.get(space if space == _ATOM else space.lower())
    return None if prefix is None else prefix + local.lower()


def _children(element: "etree._Element") -> list[tuple[str, "etree._Element"]]:
    """(name, element), named by `_name`; what that does not name is passed over."""
    found = []
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            raise _StrangeError  # an entity that nobody declared
        if name := _name(tag):
            found.append((name, child))
        elif child.prefix is None:
            raise _StrangeError
    return found


def _text(element: "etree._Element") -> str:
    """The text, without the two mistakes of encoding that are common in feeds."""
    if len(element):
        raise _StrangeError
    text = (element.text or "").strip()
    if not text.isascii():
        with contextlib.suppress(UnicodeError):
            text = text.encode("latin-1").decode()
        if not text.isprintable() and _CONTROL.search(text):
            text = text.translate(_WINDOWS)
    return text


def _markup(name: str, element: "etree._Element", is_atom: bool) -> str:
    """The text of an element as HTML: what calls itself plain is escaped, unless it is HTML by another name."""
    said = _TYPES.get(element.get("type", "").lower())
    if said is None or element.get("src") or element.get("mode"):
        raise _StrangeError
    text = _text(element)
    if "<" in text and (said or ("text/plain" if name in _PLAIN else "")) == "text/plain" and not looks_like_html(text):
        if not is_atom and _CLOSES.search(text):
            raise _StrangeError  # whether this is HTML is for feedparser to say
        return html.escape(text, quote=False)
    return text


def _linked(element: "etree._Element", before: str | None) -> str | None:
    """What an element `link` makes of the link so far (None: there was none)."""
    href = element.get("url") or element.get("uri") or element.get("href")
    if not href:
        return re.sub(r"&(\w+);", r"&\1", _text(element).replace("&amp;", "&"))
    is_page = element.get("type", "text/html").lower() in {"text/html", "html", "xhtml", "application/xhtml+xml"}
    return href if is_page and element.get("rel", "alternate").lower() == "alternate" else before


def _entry(item: "etree._Element", url: str, is_atom: bool, may_have_source: bool) -> RawEntry:
    link: str | None = None
    permalink, original, title, guid = "", "", "", ""
    summaries: list[str] = [""]
    contents: list[str] = []
    authors: list[str] = []
    tags: list[str] = []
    at = {"published": "", "updated": "", "created": ""}
    for name, element in _inside(item):
        field = _FIELD.get(name, name)
        if field == "link":
            link = _linked(element, link)
        elif field == "guid":
            guid = _text(element)
            permalink = permalink or (guid if element.get("isPermaLink", "true") == "true" else "")
        elif field == "title":
            title = title or _markup(name, element, is_atom)
        elif field == "description":
            summaries.append(_markup(name, element, is_atom))
        elif field == "content":
            contents.append(_markup(name, element, is_atom))
        elif field in at:
            at[field] = _text(element)
        elif field == "author":
            authors.append(_author(element))
        elif field == "category":
            tags += [tag for tag in (element.get("term") or element.get("text"), _text(element)) if tag]
        elif field == "words":
            tags += [word.strip() for word in _text(element).split(",") if word.strip()]
        elif field == "feedburner:origlink":
            original = _text(element)
        elif field in _STRANGE or (len(element) and field != "source" and not field.startswith("media:")):
            raise _StrangeError
    # what feedparser then makes of a media title
    is_unsure = not title or (may_have_source and item.find("{*}source") is not None)
    if is_unsure and next(item.iter(*_MEDIA_TITLES), None) is not None:
        raise _StrangeError
    return RawEntry(
        guid=cut(guid) or None,
        link=absolute(original or (permalink if link is None else link), url),
        title=title[:MAX_TITLE],
        content_html=max(summaries + contents, key=len)[:MAX_CONTENT],
        summary_html=next((text for text in summaries + contents if text), "")[:MAX_CONTENT],
        author=cut(", ".join(dict.fromkeys(name for name in authors if name))) or None,
        published=_date(at["published"]) or _date(at["created"]),
        updated=_date(at["updated"]),
        tags=tuple(cut(tag) for tag in dict.fromkeys(tags))[:MAX_TAGS],
    )


def _date(text: str) -> datetime | None:
    """As `dates.parse`, the usual form without its search."""
    if not text or not (match := _RFC822.fullmatch(text)):
        return dates.parse(text) if text else None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
    try:
        zone = timezone(-offset if sign == "-" else offset)
        return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone)
    except ValueError:  # the 31st of February
        return None


def _inside(item: "etree._Element") -> Iterator[tuple[str, "etree._Element"]]:
    """The elements of an entry, those inside media:group and media:content too, and without the titles of media."""
    for name, element in _children(item):
        if name in {"media:group", "media:content"}:
            yield from _inside(element)
        elif name != "media:title":
            yield name, element


def _author(element: "etree._Element") -> str:
    named = next((child for tag, child in _children(element) if tag == "name"), None) if len(element) else element
    name = "" if named is None else _text(named)
    if "@" in name or not name:
        raise _StrangeError  # which part of it is the name?
    return name


def _document(head: "etree._Element", entry: str, url: str, kind: str, entries: list[RawEntry], n_cut: int) -> FeedDocument:
    title, lang, ttl = "", "", ""
    link: str | None = None
    self_url: str | None = None
    skip: list[str] = []
    terms: list[str] = []
    for name, element in _children(head):
        if name in {"item", "entry"}:
            continue
        if name in {"title", "dc:title"}:
            title = title or _text(element)
            if element.get("mode") or element.get("type", "").lower() not in _TYPES:
                raise _StrangeError
        elif name == "link":
            link = _linked(element, link)
            if self_url is None and element.get("rel", "").lower() == "self":
                self_url = absolute(element.get("href"), url)
        elif name in {"language", "dc:language"}:
            lang = _text(element)
        elif name == "ttl":
            ttl = _text(element)
        elif name == "skiphours":
            skip = [hour.text or "" for hour in element if hour.tag == "hour"]
        elif name in {"copyright", "rights", "dc:rights"} or name.startswith("licence:"):
            terms.append(cut(element.text or "") or cut(next(iter(element.attrib.values()), "")))
    return FeedDocument(
        url=url, kind=kind, title=cut(title), link=absolute(link, url), lang=lang or None, ttl_minutes=number(ttl),
        skip_hours=tuple(sorted({int(hour) % 24 for hour in skip if number(hour) is not None})), self_url=self_url,
        terms="; ".join(dict.fromkeys(term[:300] for term in terms if term)), entries=entries, n_cut=n_cut,
    )  # fmt: skip
