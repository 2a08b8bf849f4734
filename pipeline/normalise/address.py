"""One form for every address, and what addresses say about identity."""

import ipaddress
import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qs, quote, unquote_plus, urljoin, urlsplit, urlunsplit

import idna
from tld import get_fld

MAX_URL = 4_096

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
# an address in its one form already: nothing to decode, no query, no dots or AMP in the path
_PLAIN = re.compile(
    r"https?://(?!amp\.|(?:www\.)?google\.|[^/]*\.cdn\.ampproject\.org/)(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63}){1,8}"
    r"(?:/(?!amp/?$)(?!\.{1,2}(?:/|$))(?:(?!\.amp(?:\.html?)?$)[A-Za-z0-9_.~-])*)+"
)
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
    if _PLAIN.fullmatch(url) and len(url) <= MAX_URL:
        return url
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
