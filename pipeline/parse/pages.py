"""Web pages: text by trafilatura; title, author and dates from what the page says of itself. One tree, parsed once."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree
from lxml.html import HtmlElement

from pipeline.parse import dates
from pipeline.parse.blocks import Blocks, Frame, plain
from pipeline.parse.body import body
from pipeline.parse.charset import decode
from pipeline.parse.feeds import NOT_XML
from pipeline.parse.published import visible

MAX_CHARS = 6_000_000  # more of a page is not read
MAX_ELEMENTS = 60_000  # beyond that a page is a data dump; extraction would take minutes
MAX_TITLE = 2_000
MAX_JSON = 1_000_000
MAX_META = 20_000


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


def page(data: bytes, url: str, content_type: str | None = None) -> PageDocument:
    """A parsed page from the bytes of an answer; `url` is where they came from. Never raises."""
    if not data.strip(b" \t\r\n\0"):
        return PageDocument(url, error="the page is empty")
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return PageDocument(url, error=f"this is {name}, not a web page")
    try:
        return _read(NOT_XML.sub("", decode(data[: 2 * MAX_CHARS], content_type)[:MAX_CHARS]), url)
    except Exception as error:  # lxml and trafilatura raise almost anything on hostile input
        return PageDocument(url, error=f"the page can not be read ({type(error).__name__})")


# what holds no text and no fact that is still wanted
_SILENT = ("script", "style", "svg", "noscript", "template", "iframe", "object", "embed", "select", "canvas", "picture", "link")


def _read(text: str, url: str) -> PageDocument:
    from trafilatura.utils import load_html  # with the first page

    if _FEED.match(text):
        return PageDocument(url, error="this is a feed, not a web page")
    if not _MARKUP.search(text):
        return PageDocument(url, error="this is not a web page")
    if text.count("<") > 2 * MAX_ELEMENTS:
        return PageDocument(url, error="the page has too many elements")
    tree = load_html(text)
    if tree is None:  # a fragment without head
        tree = load_html(f"<html>{text}")
    if tree is None:
        return PageDocument(url, error="the page can not be read (no HTML)")
    facts = _facts(tree, url)
    title = _title(facts)
    etree.strip_elements(tree, *_SILENT, with_tail=False)  # most of a page's weight, and nothing to read
    blocks = Blocks(tree)
    headline = _headline(blocks, title)
    if headline is not None and plain(title).startswith(start := plain(blocks.units[headline].text)) and len(start) > 15:
        title = blocks.units[headline].text  # without the name of the outlet
    frame = blocks.article(headline)
    when = tuple(_dates(facts, blocks, headline, frame, url))
    base = _join(url, facts.links.get("base")) or url
    return PageDocument(
        url=url,
        title=title[:MAX_TITLE],
        body=body(tree, blocks, frame, headline, {plain(title), *map(plain, facts.headings)}, _descriptions(facts)),
        article_body=_article_body(facts),
        author=_author(facts),
        dates=when,
        canonical=_join(base, facts.links.get("canonical")),
        amp=_join(base, facts.links.get("amphtml")),
        next_page=_join(base, facts.links.get("next")),
        lang=facts.lang or facts.first("og:locale", "content-language"),
    )


# -- what a page says about itself ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Facts:
    metas: dict[str, list[str]]
    links: dict[str, str]
    nodes: list[dict[str, Any]]  # objects of JSON-LD that are this article, or may be
    scripts: list[str]  # JSON-LD that is none
    site: list[str]  # names that the site gives itself
    headings: list[str]
    title: str
    lang: str | None

    def first(self, *names: str) -> str | None:
        return next((value for name in names for value in self.metas.get(name, ()) if value), None)


_ARTICLE = re.compile(r"Article|Posting|Report|WebPage|CreativeWork|VideoObject")
_BETTER = re.compile(r"Article|Posting|Report$")


def _facts(tree: HtmlElement, url: str) -> _Facts:
    facts = _Facts({}, {}, [], [], [], [], "", tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang"))
    nodes: list[dict[str, Any]] = []
    for element in tree.iter("meta", "link", "script", "h1", "title", "base"):
        tag = element.tag
        if tag == "meta":
            value = " ".join((element.get("content") or "")[:MAX_META].split())
            for attribute in ("property", "name", "itemprop", "http-equiv"):
                if value and (name := element.get(attribute)):
                    facts.metas.setdefault(name.strip().lower(), []).append(value)
        elif tag == "link":
            for rel in (element.get("rel") or "").lower().split()[:10]:
                facts.links.setdefault(rel, element.get("href") or "")
        elif tag == "script" and "ld+json" in (element.get("type") or "").lower():
            found = list(_json_nodes(element.text or ""))
            nodes.extend(found)
            if not found:
                facts.scripts.append((element.text or "")[:MAX_JSON])
        elif tag == "h1":
            facts.headings.append(_line(element))
        elif tag == "title" and not facts.title:
            facts.title = _line(element)
        elif tag == "base":
            facts.links.setdefault("base", element.get("href") or "")
    articles = sorted(
        (node for node in nodes if _ARTICLE.search(_types(node))), key=lambda node: not _BETTER.search(_types(node))
    )
    facts.nodes = _ours(articles, facts, url)
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
    text = re.sub(r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)|(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|;)\s*$", "", text)
    try:
        data = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        try:
            data = json.loads(re.sub(r",(\s{0,99}[}\]])", r"\1", text), strict=False)
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


def _ours(nodes: list[dict[str, Any]], facts: _Facts, url: str) -> list[dict[str, Any]]:
    """The nodes that speak of this page, by address or headline; without such the ones that do not say of which page they
    speak, or the only article there is."""
    addresses = {_place(link) for link in (url, facts.links.get("canonical") or "", facts.first("og:url") or "")} - {""}
    titles = {start for text in (*facts.headings, facts.title, facts.first("og:title") or "") if len(start := plain(text)) > 8}
    ours, unsaid = [], []
    for node in nodes:
        main = node.get("mainEntityOfPage")
        links = [node.get("url"), node.get("@id"), main.get("@id") if isinstance(main, dict) else main]
        places = {_place(_string(link)) for link in links} - {""}
        headline = plain(html.unescape(_string(node.get("headline")) or _string(node.get("name")))[:MAX_TITLE])
        if places & addresses or (len(headline) > 8 and any(t.startswith(headline) or headline.startswith(t) for t in titles)):
            ours.append(node)
        elif not (headline and titles) or not (places and addresses):
            unsaid.append(node)
    better = [node for node in nodes if _BETTER.search(_types(node))]
    return ours or unsaid or (better if len(better) == 1 else [])


def _place(url: str) -> str:
    """What of an address says which page is meant."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    path = re.sub(r"(?:/amp)?/*$", "", parts.path).lower()
    return f"{path}?{parts.query}" if len(path) > 1 else ""


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


def _title(facts: _Facts) -> str:
    """The headline: an h1 that another witness confirms, else JSON-LD, Open Graph, the only h1, the title of the
    window."""
    said = [_string(node.get("headline")) for node in facts.nodes if _BETTER.search(_types(node))]
    said += [facts.first("og:title") or "", facts.first("twitter:title") or ""]
    said = [" ".join(text[:MAX_TITLE].split()) for text in said if text.strip()]
    headings = [heading for heading in facts.headings if heading]
    for heading in headings:
        start = plain(heading)
        if len(start) > 8 and any(plain(text).startswith(start) for text in (*said, facts.title)):
            return heading
    if len(headings) == 1 and not said and len(headings[0]) > 15:
        return headings[0]
    names = {plain(name) for name in facts.site} | _host_names(facts.first("og:url") or facts.links.get("canonical") or "")
    return next((_without_site(text, names) for text in (*said, facts.title) if text), "") or "".join(headings[:1])


def _host_names(url: str) -> set[str]:
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return set()
    return {plain(host), *(plain(label) for label in host.split(".")[:-1] if len(label) > 2)} - {""}


def _without_site(title: str, names: set[str]) -> str:
    """`Headline - Outlet` and `Headline | Section | Outlet` without their tails; a headline of one part stays whole."""
    while True:
        ends = list(_SEPARATOR.finditer(title))
        if not ends or not ends[-1].start():
            return title
        tail = title[ends[-1].end() :]
        known = plain(tail) in names or any(len(name) > 3 and plain(tail).startswith(name) and len(tail) < 40 for name in names)
        if not (known or ("|" in ends[-1][0] and len(tail) < 40 and ends[-1].start() > 15)):
            return title
        title = title[: ends[-1].start()]


def _headline(blocks: Blocks, title: str) -> int | None:
    """The number of the unit that is the headline on the page."""
    wanted, whole, part = plain(title), [], []
    for n, unit in enumerate(blocks.units):
        if unit.text and len(unit.text) < 500 and not (unit.frame.in_link or unit.n_linked):
            text = plain(unit.text)
            if text == wanted:
                whole.append(n)
            elif len(text) > 15 and 2 * len(text) > len(wanted) and wanted.startswith(text):
                part.append(n)
    headings = [n for n, unit in enumerate(blocks.units) if unit.frame.tag == "h1" and unit.text]
    best = [n for n in (*whole, *part) if blocks.units[n].is_heading]
    return next(iter((*best, *headings, *whole, *part)), None)


def _descriptions(facts: _Facts) -> list[str]:
    said = [
        facts.first("og:description"),
        facts.first("description"),
        *(_string(node.get("description")) for node in facts.nodes[:5]),
    ]
    return [text[:MAX_TITLE] for text in said if text]


def _article_body(facts: _Facts) -> str:
    """The longest text that JSON-LD has for this article. Escaped markup is markup again."""
    text = max((_string(node.get("articleBody")) for node in facts.nodes), key=len, default="")
    return html.unescape(text) if "&lt;" in text[:2000] else text


def _author(facts: _Facts) -> str | None:
    names = [_name(node.get("author")) for node in facts.nodes]
    names += [
        value for key in ("author", "article:author", "dc.creator", "parsely-author", "byl") for value in facts.metas.get(key, ())
    ]
    site = {plain(name) for name in facts.site}
    for name in names:
        if name and len(name) <= 200 and "://" not in name and "@" not in name and plain(name) not in site:
            return re.sub(r"^(?:by|autor|piše|pise|nga)[:\s]\s*", "", name, flags=re.IGNORECASE).strip() or None
    return None


# -- dates ------------------------------------------------------------------------------------------------------------

_META_DATES = re.findall(
    r"\S+",
    "article:published_time article:published og:article:published_time og:published_time og:pubdate published_time"
    " article.published article:post_date datepublished published published_at publish_date publishdate publish-date"
    " publication_date publication-date pubdate pub_date date.published date_published dc.date.issued dcterms.issued"
    " dc.date.created dcterms.created parsely-pub-date sailthru.date cxenseparse:recs:publishtime cxenseparse:publishtime"
    " rnews:datepublished article_date_original article.created vr:published_time"
    " shareaholic:article_published_time bt:pubdate citation_publication_date citation_date datecreated dc.date dcterms.date"
    " iso-8601-publish-date originalpublicationdate date created creation_date",
)
_ITEM_DATES = frozenset({"datepublished", "datecreated", "date"})  # also names of itemprop
# languages that write 3/4 for the 3rd of April
_DAY_FIRST = frozenset(re.findall(r"\w+", "sr hr bs sh cn sq mk sl bg el de fr it es ro tr pl pt ru uk cs sk"))
_JSON_DATE = re.compile(r"""["']datePublished["']\s{0,9}:\s{0,9}["']([^"'<>]{6,40})["']""")
_META_JSON = re.compile(r'"pub_date"\s{0,9}:\s{0,9}"([^"]{6,40})"')


def _dates(facts: _Facts, blocks: Blocks, headline: int | None, frame: Frame, url: str) -> Sequence[tuple[str, datetime]]:
    """Every certain date of publication with its source, the most trustworthy first. A source that two others contradict
    on the same day comes after them: some outlets print the day of a change, or today, into their metadata."""
    found = [(source, _whole_day(at)) for source, at in _said(facts)]
    if at := visible(blocks, headline, frame, (facts.lang or "").lower()[:2] in _DAY_FIRST):
        found.append(("time", _whole_day(at)))
    for link in (url, facts.links.get("canonical"), facts.first("og:url")):
        try:
            there, here = urlsplit(link or ""), urlsplit(url)
        except ValueError:
            continue
        if there.hostname in {here.hostname, None} and (at := dates.from_url(there.path)):
            found.append(("url", at))
            break
    first: dict[str, datetime] = {}
    for source, at in found:
        first.setdefault(source, at)
    if len(first) > 2:
        (top, day), *others = ((source, at.date()) for source, at in first.items())
        days = [other for _, other in others]
        if all(abs((day - other).days) > 1 for other in days) and all(abs((days[0] - other).days) <= 1 for other in days):
            found.sort(key=lambda pair: pair[0] == top)
    return found


def _whole_day(at: datetime) -> datetime:
    """Midnight means that only the day is known; a bare day is midnight UTC, whatever the zone."""
    return at.replace(tzinfo=UTC) if (at.hour, at.minute, at.second) == (0, 0, 0) else at


def _said(facts: _Facts) -> Iterator[tuple[str, datetime]]:
    """Dates from metadata."""
    for key in ("datePublished", "dateCreated", "uploadDate"):
        for node in facts.nodes:
            if at := dates.parse(_string(node.get(key))):
                yield "json-ld", at
    broken = {at for script in facts.scripts[:20] for text in _JSON_DATE.findall(script)[:20] if (at := dates.parse(text))}
    if len({at.date() for at in broken}) == 1:
        yield "json-ld", broken.pop()
    for name in _META_DATES:
        values = facts.metas.get(name, ())
        ats = [at for value in values[:20] if (at := dates.parse(value))]
        if name in _ITEM_DATES and len({at.date() for at in ats}) > 1:  # those of other articles are among them
            continue
        for at in ats[:1]:
            yield "meta", at
    for value in facts.metas.get("parsely-page", ())[:1]:
        for text in _META_JSON.findall(value)[:1]:
            if at := dates.parse(text):
                yield "meta", at
