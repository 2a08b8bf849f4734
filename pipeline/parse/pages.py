"""Web pages: text by trafilatura; title, author and dates from what the page says of itself. One tree, parsed once."""

import itertools
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import trafilatura
from lxml import etree
from lxml.html import HtmlElement
from trafilatura.utils import load_html

from pipeline.parse import dates
from pipeline.parse.charset import decode
from pipeline.parse.feeds import NOT_XML

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it finds wrong with a page stands in `error`

MAX_CHARS = 6_000_000  # more of a page is not read
MAX_ELEMENTS = 60_000  # beyond that a page is a data dump; extraction would take minutes
MAX_TITLE = 2_000
MAX_JSON = 1_000_000


@dataclass(frozen=True, slots=True)
class PageDocument:
    """A page as published. Text is plain, links are absolute, dates are naive when they had no zone. `error` is None or
    a sentence."""

    url: str = ""
    title: str = ""
    body: str = ""  # extracted text, one paragraph a line
    article_body: str = ""  # what JSON-LD says is the text (may hold HTML): a witness where extraction fell short
    author: str | None = None
    dates: tuple[tuple[str, datetime], ...] = ()  # (date_source, when), the most trustworthy first
    canonical: str | None = None
    amp: str | None = None
    next_page: str | None = None
    lang: str | None = None
    error: str | None = None


_MAGIC = (
    (b"%PDF", "a PDF file"),
    (b"\xff\xd8\xff", "an image"),
    (b"\x89PNG", "an image"),
    (b"GIF8", "an image"),
    (b"RIFF", "a media file"),
    (b"PK\x03\x04", "an archive or an office document"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
)
_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|p|article|main|span|table|h[1-6]|br|title|meta)(?=[\s>/])", re.IGNORECASE)
_FEED = re.compile(r"\s{0,99}(?:<\?xml[^<>]{0,400}\?>\s{0,99})?<(?:rss|feed|rdf:RDF|urlset|sitemapindex)(?=[\s>])")


def page(html: bytes, url: str, content_type: str | None = None) -> PageDocument:
    """A parsed page from the bytes of an answer; `url` is where they came from. Never raises."""
    if not html.strip(b" \t\r\n\0"):
        return PageDocument(url, error="the page is empty")
    for magic, name in _MAGIC:
        if html.startswith(magic):
            return PageDocument(url, error=f"this is {name}, not a web page")
    try:
        return _read(NOT_XML.sub("", decode(html[: 2 * MAX_CHARS], content_type)[:MAX_CHARS]), url)
    except Exception as error:  # lxml and trafilatura raise almost anything on hostile input
        return PageDocument(url, error=f"the page can not be read ({type(error).__name__})")


def _read(text: str, url: str) -> PageDocument:
    if _FEED.match(text):
        return PageDocument(url, error="this is a feed, not a web page")
    if not _MARKUP.search(text):
        return PageDocument(url, error="this is not a web page")
    if text.count("<") > 2 * MAX_ELEMENTS:
        return PageDocument(url, error="the page has too many elements")
    tree = load_html(text)
    if tree is None:
        return PageDocument(url, error="the page can not be read (no HTML)")
    facts = _facts(tree)
    title = _title(facts)
    body = trafilatura.extract(tree, fast=True, include_comments=False) or ""
    base = _join(url, facts.links.get("base")) or url
    return PageDocument(
        url=url,
        title=title[:MAX_TITLE],
        body=_without_head(body, {_plain(title), *map(_plain, facts.headings)}),
        article_body=max((_string(node.get("articleBody")) for node in facts.nodes), key=len, default=""),
        author=_author(facts),
        dates=tuple(_dates(facts, tree, url)),
        canonical=_join(base, facts.links.get("canonical")),
        amp=_join(base, facts.links.get("amphtml")),
        next_page=_join(base, facts.links.get("next")),
        lang=tree.get("lang")
        or tree.get("{http://www.w3.org/XML/1998/namespace}lang")
        or facts.first("og:locale", "content-language"),
    )


# -- what a page says about itself ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Facts:
    metas: dict[str, list[str]]
    links: dict[str, str]
    nodes: list[dict[str, Any]]  # objects of JSON-LD that are articles
    site: list[str]  # names that the site gives itself
    times: list[HtmlElement]
    headings: list[str]
    h1: HtmlElement | None
    title: str

    def first(self, *names: str) -> str | None:
        return next((value for name in names for value in self.metas.get(name, ()) if value), None)


_ARTICLE = re.compile(r"Article|Posting|Report|WebPage|CreativeWork|VideoObject")
_BETTER = re.compile(r"Article|Posting|Report$")


def _facts(tree: HtmlElement) -> _Facts:
    facts = _Facts({}, {}, [], [], [], [], None, "")
    nodes: list[dict[str, Any]] = []
    for element in tree.iter("meta", "link", "script", "time", "h1", "title", "base"):
        tag = element.tag
        if tag == "meta":
            value = " ".join((element.get("content") or "").split())
            for attribute in ("property", "name", "itemprop", "http-equiv"):
                if value and (name := element.get(attribute)):
                    facts.metas.setdefault(name.strip().lower(), []).append(value)
        elif tag == "link":
            for rel in (element.get("rel") or "").lower().split():
                facts.links.setdefault(rel, element.get("href") or "")
        elif tag == "script" and "ld+json" in (element.get("type") or "").lower():
            nodes.extend(_json_nodes(element.text or ""))
        elif tag == "time":
            facts.times.append(element)
        elif tag == "h1":
            facts.headings.append(_line(element))
            facts.h1 = element if facts.h1 is None and facts.headings[-1] else facts.h1
        elif tag == "title" and not facts.title:
            facts.title = _line(element)
        elif tag == "base":
            facts.links.setdefault("base", element.get("href") or "")
    articles = [node for node in nodes if _ARTICLE.search(_types(node))]
    facts.nodes = sorted(articles, key=lambda node: not _BETTER.search(_types(node)))
    named = [_name(node.get("publisher")) for node in articles]
    named += [_string(node.get("name")) for node in nodes if re.search(r"WebSite|Organization", _types(node))]
    facts.site = [
        name for name in (*facts.metas.get("og:site_name", ()), *facts.metas.get("application-name", ()), *named) if name
    ]
    return facts


def _json_nodes(text: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-LD script that stand at its top, in a list or in a `@graph`."""
    if len(text) > MAX_JSON:
        return
    text = (
        text.strip()
        .removeprefix("<!--")
        .removeprefix("//<![CDATA[")
        .removesuffix("-->")
        .removesuffix("//]]>")
        .strip()
        .rstrip(";")
    )
    try:
        data = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return
    queue = [data]
    for item in queue:
        if isinstance(item, list):
            queue.extend(item[:200])
        elif isinstance(item, dict):
            yield item
            queue.extend(
                item[key] for key in ("@graph", "mainEntity", "mainEntityOfPage") if isinstance(item.get(key), (dict, list))
            )
        if len(queue) > 500:
            return


def _types(node: dict[str, Any]) -> str:
    types = node.get("@type")
    return " ".join(str(t) for t in types) if isinstance(types, list) else str(types or "")


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(name for name in map(_name, value[:10]) if name))
    return " ".join((_string(value.get("name")) if isinstance(value, dict) else _string(value)).split())


def _line(element: HtmlElement) -> str:
    return " ".join("".join(element.itertext()).split())[:MAX_TITLE]


def _join(base: str, link: str | None) -> str | None:
    if not link or not link.strip():
        return None
    if base.startswith("file:"):  # relative to the seeds: `normalise.canonical_url` knows that form
        return link.strip()
    try:
        return urljoin(base, link.strip())
    except ValueError:
        return None


# -- title and author -------------------------------------------------------------------------------------------------

_SEPARATOR = re.compile(r"\s+[|–—\-•·»:/~]+\s+|\s*\|\s*")


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _title(facts: _Facts) -> str:
    """The headline: an h1 that another witness confirms, else JSON-LD, Open Graph, the only h1, the title of the
    window."""
    said = [_string(node.get("headline")) for node in facts.nodes if _BETTER.search(_types(node))]
    said += [facts.first("og:title") or "", facts.first("twitter:title") or ""]
    said = [" ".join(text.split()) for text in said if text.strip()]
    headings = [heading for heading in facts.headings if heading]
    for heading in headings:
        plain = _plain(heading)
        if len(plain) > 8 and any(_plain(text).startswith(plain) for text in (*said, facts.title)):
            return heading
    if len(headings) == 1 and not said and len(headings[0]) > 15:
        return headings[0]
    names = {_plain(name) for name in facts.site} | _host_names(facts.first("og:url") or facts.links.get("canonical") or "")
    return next((_without_site(text, names) for text in (*said, facts.title) if text), "") or "".join(headings[:1])


def _host_names(url: str) -> set[str]:
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return set()
    return {_plain(host), *(_plain(label) for label in host.split(".")[:-1] if len(label) > 2)} - {""}


def _without_site(title: str, names: set[str]) -> str:
    """`Headline - Outlet` and `Headline | Section | Outlet` without their tails; a headline of one part stays whole."""
    while True:
        ends = list(_SEPARATOR.finditer(title))
        if not ends or not ends[-1].start():
            return title
        tail = title[ends[-1].end() :]
        known = _plain(tail) in names or any(len(name) > 3 and _plain(tail).startswith(name) and len(tail) < 40 for name in names)
        if not (known or ("|" in ends[-1][0] and len(tail) < 40 and ends[-1].start() > 15)):
            return title
        title = title[: ends[-1].start()]


_LETTERS = re.compile(r"[^\W\d_]+")


def _without_head(body: str, titles: set[str]) -> str:
    """The text without the title and the date line that stand above it."""
    lines = body.split("\n")
    for n, line in enumerate(lines[:4]):
        is_date = len(line) <= 60 and len(_LETTERS.findall(line)) <= 3 and dates.parse(line) is not None
        if line and not is_date and _plain(line) not in titles:
            return "\n".join(lines[n:])
    return body


def _author(facts: _Facts) -> str | None:
    names = [_name(node.get("author")) for node in facts.nodes]
    names += [
        value for key in ("author", "article:author", "dc.creator", "parsely-author", "byl") for value in facts.metas.get(key, ())
    ]
    site = {_plain(name) for name in facts.site}
    for name in names:
        if name and len(name) <= 200 and "://" not in name and "@" not in name and _plain(name) not in site:
            return re.sub(r"^(?:by|autor|piše|pise|nga)[:\s]\s*", "", name, flags=re.IGNORECASE).strip() or None
    return None


# -- dates ------------------------------------------------------------------------------------------------------------

_META_DATES = re.findall(
    r"\S+",
    "article:published_time og:article:published_time og:published_time published_time article.published datepublished"
    " publish_date publishdate publish-date publication_date pubdate date.published dc.date.issued dcterms.issued"
    " dc.date.created dcterms.created parsely-pub-date sailthru.date cxenseparse:recs:publishtime rnews:datepublished"
    " article_date_original citation_publication_date datecreated dc.date iso-8601-publish-date date created",
)
_PUBLISHED = re.compile(
    r"publish|pubdate|posted|entry-date|post-date|article-date|article__date|date-created|datum|objavljen",
    re.IGNORECASE,
)
# words and class names of dates that are not the publication's: later changes, other articles, today
_CHANGED = re.compile(
    r"updat|modif|i[zs]m[ei]n|a[zž]ur|обновл|промен|comment|koment|related|sidebar|footer|widget|teaser|recommend|latest"
    r"|current|today|danas",
    re.IGNORECASE,
)
_DATE_NAMES = ("date", "Date", "datum", "published", "posted-on", "post-meta", "article-meta", "time", "vreme")
_DATE_CLASS = etree.XPath(
    "//*[self::span or self::div or self::p or self::li or self::small or self::em or self::strong or self::b or self::i]"
    f"[@itemprop='datePublished' or {' or '.join(f'contains(@class, {name!r})' for name in _DATE_NAMES)}]"
)
_AROUND = etree.XPath("preceding::*[position() <= 8] | following::*[position() <= 25]")
_ASIDE = frozenset({"nav", "aside", "footer", "li"})


def _dates(facts: _Facts, tree: HtmlElement, url: str) -> Iterator[tuple[str, datetime]]:
    """Every certain date of publication with its source, the most trustworthy first."""
    for node in facts.nodes:
        if at := dates.parse(_string(node.get("datePublished"))) or dates.parse(_string(node.get("dateCreated"))):
            yield "json-ld", at
    for name in _META_DATES:
        for value in facts.metas.get(name, ()):
            if at := dates.parse(value):
                yield "meta", at
    if at := _marked_time(facts.times) or _near_heading(facts.h1) or _visible((*facts.times, *_DATE_CLASS(tree))):
        yield "time", at
    try:
        path = urlsplit(url or facts.links.get("canonical") or "").path
    except ValueError:
        return
    if at := dates.from_url(path):
        yield "url", at


def _marked_time(times: list[HtmlElement]) -> datetime | None:
    """The date of the <time> elements that say they are the publication's."""
    marked = [e for e in times[:100] if "pubdate" in e.attrib or _PUBLISHED.search(f"{e.get('itemprop')} {e.get('class')}")]
    return _visible(marked)


def _near_heading(heading: HtmlElement | None) -> datetime | None:
    """The date that stands a few elements before or after the headline."""
    return None if heading is None else _visible(_AROUND(heading))


def _visible(elements: Iterable[HtmlElement]) -> datetime | None:
    """The date of some elements, when all those outside lists and margins that hold one agree on a day."""
    found: list[datetime] = []
    for element in itertools.islice(elements, 80):
        if not isinstance(element.tag, str) or len(element) > 8 or element.tag in {"script", "style", "a"} or _aside(element):
            continue
        text = _line(element)
        at = dates.parse(element.get("datetime")) or dates.parse(element.get("content"))
        if at is None and len(text) <= dates.MAX_LENGTH:
            at = dates.parse(text)
        if at and not _CHANGED.search(text[: dates.MAX_LENGTH]):
            found.append(at)
    if len({at.date() for at in found}) != 1:
        return None
    return next((at for at in found if (at.hour, at.minute) != (0, 0)), found[0])


def _aside(element: HtmlElement) -> bool:
    """Does it stand in a margin, a list or a teaser, and so may date another article?"""
    for depth, parent in enumerate((element, *element.iterancestors())):
        if parent.tag in _ASIDE and not (parent.tag == "li" and depth > 6):
            return True
        if parent.tag == "header" and parent.find(".//h1") is None:  # the masthead
            return True
        if depth < 8 and _CHANGED.search(f"{parent.get('class') or ''} {parent.get('id') or ''}"):
            return bool(parent.tag != "body")
    return False
