"""From what an outlet wrote to what we store: addresses, identity, clean text, dates, and the frames ENTRY and PAGE.

Pure: no clock, disk or network. `now` and the language detector (`pipeline.language.languages`) come in as arguments.
HTML never leaves this room: titles are one line of text, bodies are paragraphs separated by single line breaks.
"""

import html
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, unquote_plus, urljoin, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import idna
import lxml.html
import polars as pl
from lxml import etree
from tld import get_fld

from pipeline.schemas import ENTRY, PAGE
from pipeline.text import digest, fold

Detect = Callable[[Sequence[str]], tuple[list[str], list[str]]]

MAX_URL = 4_096
MAX_TITLE = 500  # characters; the longest real headline seen is below 400
MAX_BODY = 400_000
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


# -- addresses --------------------------------------------------------------------------------------------------------

# Parameters that say how a reader came, not what is read. Names as in the public lists that courlan cites (AdGuard
# TrackParamFilter, ClearURLs, Firefox query stripping), without their ambiguous ones (id, cid, source, session), and
# those that outlets put into their own feeds (maca: DW; at_: BBC; traffic_source: Al Jazeera).
_TRACKING = re.compile(
    r"(?:utm|ga|pk|piwik|mtm|matomo|itm|oly|vero|hsa|at|mc|mkt|ns|wt)_\w+"
    r"|(?:fb|g|d|tw|tt|y|ys|yc|ml|fbc|gc)clid|(?:g|d|tw|tt|y|ys|yc|fbc|gc)lid|msclkid|gbraid|wbraid|igshid|igsh|clickid"
    r"|cmpid|ocid|icid|_ga|_gl|_hsenc|_hsmi|__twitter_impression|hsctatracking|xtor|ftag|maca|cmp|ref|ref_src|ref_url"
    r"|referrer|referer|traffic_source|spm|smid|emc|fb_ref|fb_source|partner|replytocom|phpsessid|jsessionid"
    r"|amp|_amp|amp_js_v|amp_gsa|usqp",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_SESSION = re.compile(r";jsessionid=[^/;]*", re.IGNORECASE)
_AMP_END = re.compile(r"(?:/amp)+(/?)$|(?:\.amp)+((?:\.html?)?)$", re.IGNORECASE)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_PORTS = {"http": 80, "https": 443}


def canonical_url(url: str, base: str | None = None) -> str | None:
    """One form for all addresses of one page, or None when this is no address that could be fetched. Idempotent.

    `base` resolves relative links. `file:` addresses stay as written (relative to the seeds), and only a `file:`
    base may
    lead to them. Query order is kept, for it may matter.
    """
    url = unicodedata.normalize("NFC", "".join(c for c in url if c > " " or c == " ").strip())
    try:
        url.encode()
        if base:
            url = _resolve(url, base)
        if url.startswith("file:"):
            return url if base is None or base.startswith("file:") else None
        return _canonical(url) if len(url) <= MAX_URL else None
    except (ValueError, UnicodeError):
        return None


def _resolve(url: str, base: str) -> str:
    if base.startswith("file:") and not _SCHEME.match(url) and not url.startswith("//"):
        # urljoin would make `file:sample/x.xml` absolute
        return "file:" + urljoin("/" + base[5:], url)[0 if base.startswith("file:/") else 1 :]
    return urljoin(base, url)


def _canonical(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or "@" in parts.netloc:
        return None
    host = _host(parts.hostname or "")
    if host is None:
        return None
    path = _path(parts.path)
    if wrapped := _wrapped(host, path, parts.query):
        return canonical_url(wrapped)
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    canonical = urlunsplit((parts.scheme, host + port, path, _query(parts.query), ""))
    return canonical if len(canonical) <= MAX_URL else None


def _host(host: str) -> str | None:
    host = host.rstrip(".")
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host)}]" if "%" not in host else None
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode().rstrip(".")
    while host.startswith("amp.") and "." in host[4:]:
        host = host[4:]
    return host if len(host) <= 253 and _HOST.fullmatch(host) else None


def _path(path: str) -> str:
    path = _SESSION.sub("", _escape(path, "/!$&'()*+,;=:@"))
    while (shorter := _AMP_END.sub(lambda m: m[1] or m[2] or "", _undotted(path))) != path:
        path = shorter
    return path


def _undotted(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if path.endswith(("/.", "/..")):
        segments.append("")
    return "/" + "/".join(segments)


def _query(query: str) -> str:
    kept = []
    for piece in query.split("&"):
        piece = _escape(re.sub(r"^(?:amp;)+", "", piece), "/?!$'()*+,;=:@[]|")
        name, _, value = piece.partition("=")
        name = unquote_plus(name).lower()
        if piece and not _TRACKING.fullmatch(name) and not (name in {"outputtype", "output"} and value.lower() == "amp"):
            kept.append(piece)
    return "&".join(kept)


def _escape(part: str, safe: str) -> str:
    """Percent-encoding in one form: what needs none is decoded, the rest in capitals."""

    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%25"
        char = chr(int(match[1], 16))
        return char if char in _UNRESERVED else match[0].upper()

    return quote(_PERCENT.sub(one, part), safe=safe + "%")


def _wrapped(host: str, path: str, query: str) -> str | None:
    """The address inside an address of the AMP cache or of Google's redirector."""
    if host.startswith(("www.google.", "google.")):
        if path == "/url":
            values = parse_qs(query)
            return next(iter(values.get("url") or values.get("q") or []), None)
        if match := re.match(r"/amp/(s/)?(?=[^/]+\.)", path):
            return ("https://" if match[1] else "http://") + path[match.end() :]
    if host.endswith(".cdn.ampproject.org") and (match := re.match(r"/[cvi]/(s/)?(?=[^/]+\.)", path)):
        return ("https://" if match[1] else "http://") + path[match.end() :]
    return None


@lru_cache(maxsize=10_000)
def registered_domain(url: str) -> str:
    """The domain somebody registered (`b92.net`, `abc.co.rs`); the host itself where the public suffix list has no
    answer."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return get_fld(f"https://{host}/", fail_silently=True) or host if host else ""


def accepts_canonical(url: str, canonical: str | None) -> str | None:
    """What a page's `rel=canonical` means for its article: `alias`, `syndicated` (another domain), or None (ignore it).

    The caller still refuses an alias that another article with different text has claimed.
    """
    ours = canonical_url(url)
    theirs = canonical_url(canonical, ours) if canonical and ours else None
    if ours is None or theirs is None or theirs == ours or theirs.startswith("file:"):
        return None
    parts = urlsplit(theirs)
    if parts.path == "/":
        return None
    return "alias" if registered_domain(ours) == registered_domain(theirs) else "syndicated"


# -- identity ---------------------------------------------------------------------------------------------------------


def article_id(url: str | None, feed_id: str, guid: str | None, content: str) -> str:
    """16 hexadecimal digits: from the normalised address (without scheme and `www.`, which outlets change), else from
    feed and guid, else from feed and content."""
    if url:
        return digest("url", re.sub(r"^https?://(?:www\.)?", "", url))
    return digest("guid", feed_id, guid) if guid else digest("content", feed_id, _comparable(content))


_COUNTED = (
    r"(?:komentar\w*|koment\w{0,3}|pregled(?:a|i)|prikaz(?:a|i)|citanja|deljenja|dijeljenja|podela|lajkova|views?|comments?|shares?"
    r"|likes?|reads?|shikime?|klikime|ogledov|прегледа|прегледи|коментар\w*|комментар\w*|просмотр\w*|перегляд\w*)"
)
_COUNTER = re.compile(
    rf"\b\d[\d ]{{0,12}}(?= {_COUNTED}\b)|(?<=\b){_COUNTED} \d[\d ]{{0,12}}\b"
    r"|\b(?:pre|prije) \d{1,2} (?:min|sat)\w*|\b\d{1,2} (?:min|hour)\w* ago\b"
)


def _comparable(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    if "\ufffd" in folded:  # a script that the fold does not keep apart
        folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.replace("\u00ad", "").split())


def content_hash(title: str, body: str) -> str:
    """What decides whether an article has changed. Case, diacritics, punctuation and spacing do not count, nor do
    numbers next to a counter word (`15 komentara`, `views: 321`, `5 minutes ago`); any other number does."""
    return digest(*(_COUNTER.sub("#", _comparable(part)) for part in (title, body)))


# -- text -------------------------------------------------------------------------------------------------------------

_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|center|div|em|figcaption|figure|font|form|h[1-6]|hr|i|iframe|img|li|ol|p|pre|script|section|small|span"
    r"|strong|style|sub|sup|table|tbody|td|th|tr|u|ul|video)(?=[\s/>])[^<>]{0,2000}>|<!--",
    re.IGNORECASE,
)
_BLOCK = re.findall(
    r"\w+",
    "address article aside blockquote br dd details div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr"
    " li main nav ol option p pre section summary table tbody td tfoot th thead tr ul",
)
_BREAKING = re.compile(r"<(?:p|br|div|li|h[1-6]|tr|td)\b", re.IGNORECASE)
_SILENT = re.findall(r"\w+", "script style noscript iframe svg template object video audio button head select")
_PARSER = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]"
)
_LINE = re.compile(r"[\n\r\x0b\x0c\x85\u2028\u2029]+")
# the line that WordPress adds to every entry of a feed
_APPEARED = re.compile(r"\n?The post [^\n]{1,600} (?:appeared|first appeared) (?:first )?on [^\n]{1,200}$")


def clean_title(raw: str) -> str:
    """One line of text from a title that may hold HTML; at most MAX_TITLE characters (then it ends in …)."""
    title = " ".join(_text(raw[: 20 * MAX_TITLE]).split())
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…"


def clean_body(raw: str) -> str:
    """Text from HTML (or from text), one paragraph a line, at most MAX_BODY characters."""
    return _APPEARED.sub("", _text(raw[: 20 * MAX_BODY]))[:MAX_BODY].rstrip()


def _text(raw: str) -> str:
    text, unmarked = _INVISIBLE.sub("", raw), False
    for _ in range(3):  # entities escaped twice or thrice are common in feeds
        if "<![CDATA[" in text:
            text = text.replace("<![CDATA[", "").replace("]]>", "")
        if _TAG.search(text):
            # line breaks mean nothing in markup with breaking tags of its own
            text = _LINE.sub("<br>" if unmarked or not _BREAKING.search(text) else " ", text)
            text, unmarked = _INVISIBLE.sub("", _unmarked(text)), True
        elif "&" in text and (plain := html.unescape(text)) != text:
            text = _INVISIBLE.sub("", plain)
        else:
            break
    text = unicodedata.normalize("NFC", _TAG.sub(" ", text))
    lines = (" ".join(line.split()) for line in _LINE.split(text))
    return "\n".join(line for line in lines if line)


def _unmarked(markup: str) -> str:
    try:
        tree = lxml.html.fragment_fromstring(markup.encode(), create_parent="div", parser=_PARSER)
    except (etree.LxmlError, ValueError, AssertionError):
        return _TAG.sub("\n", markup)
    etree.strip_elements(tree, *_SILENT, with_tail=False)
    for element in tree.iter(*_BLOCK):
        element.text = "\n" + (element.text or "")
        element.tail = "\n" + (element.tail or "")
    return "".join(tree.itertext())


# -- dates ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=200)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return ZoneInfo("UTC")


def moment(value: datetime | None, time_zone: str, now: datetime) -> datetime | None:
    """The date in UTC; without a zone it is read in `time_zone`. None before 1990 and more than an hour ahead of `now`.
    The date in UTC; without a zone it is read in `time_zone`. None before 1990 and more than an hour ahead of `now`."""
    if value is None or not 1990 <= value.year <= 2200:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=_zone(time_zone))
    value = value.astimezone(UTC)
    return value if EARLIEST <= value <= now + AHEAD else None


# -- records and frames -----------------------------------------------------------------------------------------------


def _entry_rows(document: Feed, feed: Mapping[str, Any], now: datetime, detect: Detect) -> list[dict[str, Any]]:
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
        published = moment(entry.published, zone, now) or moment(entry.updated, zone, now)
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


def entries(document: Feed, feed: Mapping[str, Any], now: datetime, detect: Detect) -> pl.DataFrame:
    """The entries of a parsed feed, schema ENTRY, in their order, one row a guid (the first counts).

    `feed` is a row of `feed` (feed_id, url and time_zone are read). An entry without a link, a title and a text is
    left out.
    """
    return pl.DataFrame(_entry_rows(document, feed, now, detect), schema=ENTRY)


def entry_records(document: Feed, feed: Mapping[str, Any], now: datetime, detect: Detect) -> list[dict[str, Any]]:
    """As `entries`, as plain dictionaries fit for JSON: times are ISO 8601 strings in UTC."""
    return [row | {"published_at": _iso(row["published_at"])} for row in _entry_rows(document, feed, now, detect)]


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
    """The text to keep of two witnesses of one article, and whether it is the second: only when that has clearly more.
    The text to keep of two witnesses of one article, and whether it is the second: only when that has clearly more."""
    return (second, True) if len(second) > 1.25 * len(first) + 40 else (first, False)


def pages(
    documents: Iterable[tuple[str, Page]], now: datetime, detect: Detect, time_zones: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """The pages fetched for some articles (article_id, document), schema PAGE; those with an error are left out.

    `time_zones` gives the zone of an article's outlet by article_id, for dates without a zone (otherwise UTC).
    """
    zones = time_zones or {}
    rows = [{"article_id": id_} | _page_row(page, now, zones.get(id_, "UTC")) for id_, page in documents if page.error is None]
    return pl.DataFrame(_with_language(rows, detect), schema=PAGE)


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
