"""Clean text from HTML, and the names that texts and addresses give to articles and their versions.

HTML never leaves this room: titles are one line of text, bodies are paragraphs separated by single line breaks.
"""

import html
import re
import string
import unicodedata

import lxml.html
from lxml import etree

from pipeline.text import OTHER_CHAR, digest, fold

MAX_TITLE = 500  # characters; the longest real headline seen is below 400
MAX_BODY = 400_000

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
# the line that WordPress adds to every entry of a feed
_APPEARED = re.compile(r"\n?The post [^\n]{1,600} (?:appeared|first appeared) (?:first )?on [^\n]{1,200}$")


def clean_title(raw: str) -> str:
    """One line of text from a title that may hold HTML; at most MAX_TITLE characters (then it ends in …)."""
    title = _spaced(_text(raw[: 20 * MAX_TITLE]))
    return title if len(title) <= MAX_TITLE else title[: MAX_TITLE - 1].rstrip() + "…"


def clean_body(raw: str) -> str:
    """Text from HTML (or from text), one paragraph a line, at most MAX_BODY characters."""
    text = _text(raw[: 20 * MAX_BODY])
    return (_APPEARED.sub("", text) if "The post " in text else text)[:MAX_BODY].rstrip()


# tags without a bracket in their attributes; markup of nothing else needs no parser
_SIMPLE_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)(?:\s[^<>]*)?/?>")
_INLINE = frozenset(re.findall(r"\w+", "a abbr b center em font i img small span strong sub sup u"))
_SIMPLE = _INLINE | frozenset(_BLOCK) - {"option", "summary", "details"}


def _replaced(tag: re.Match[str]) -> str:
    return "" if tag[1].lower() in _INLINE else "\n"


def _text(raw: str) -> str:
    text, unmarked = _INVISIBLE.sub("", raw), False
    for _ in range(3):  # entities escaped twice or thrice are common in feeds
        if "<![CDATA[" in text:
            text = text.replace("<![CDATA[", "").replace("]]>", "")
        if _TAG.search(text):
            # line breaks mean nothing in markup with breaking tags of its own
            text = ("<br>" if unmarked or not _BREAKING.search(text) else " ").join(text.splitlines())
            text, unmarked = _INVISIBLE.sub("", _unmarked(text)), True
        elif "&" in text and (plain := html.unescape(text)) != text:
            text = _INVISIBLE.sub("", plain)
        else:
            break
    text = unicodedata.normalize("NFC", _TAG.sub(" ", text))
    return "\n".join(filter(None, map(_spaced, text.splitlines())))


def _spaced(line: str) -> str:
    """The words of a line with one space between them."""
    if "  " not in line and line.isprintable():  # as most are: a space is the only blank that can be printed
        return line.strip(" ")
    return " ".join(line.split())


def _unmarked(markup: str) -> str:
    tags = _SIMPLE_TAG.findall(markup)
    if markup.count("<") == markup.count(">") == len(tags) and {name.lower() for name in tags} <= _SIMPLE:
        return html.unescape(_SIMPLE_TAG.sub(_replaced, markup))
    try:
        tree = lxml.html.fragment_fromstring(markup.encode(), create_parent="div", parser=_PARSER)
    except (etree.LxmlError, ValueError, AssertionError):
        return _TAG.sub("\n", markup)
    etree.strip_elements(tree, *_SILENT, with_tail=False)
    for element in tree.iter(*_BLOCK):
        element.text = "\n" + (element.text or "")
        element.tail = "\n" + (element.tail or "")
    return "".join(tree.itertext())


# -- identity ---------------------------------------------------------------------------------------------------------


def article_id(url: str | None, feed_id: str, guid: str | None, content: str) -> str:
    """16 hexadecimal digits: from the normalised address (without scheme and `www.`, which outlets change), else from
    feed and guid, else from feed and content."""
    if url:
        return digest("url", re.sub(r"^https?://(?:www\.)?", "", url))
    return digest("guid", feed_id, guid) if guid else digest("content", feed_id, _comparable(content))


_NUMBER = re.compile(r"\b\d[\d ]{0,12}(?<! )(?!\w)")
_COUNTED = (
    r"(?:komentar\w*|koment\w{0,3}|pregled(?:a|i)|prikaz(?:a|i)|citanja|deljenja|dijeljenja|podela|lajkova|views?|comments?|shares?"
    r"|likes?|reads?|shikime?|klikime|ogledov|прегледа|прегледи|коментар\w*|комментар\w*|просмотр\w*|перегляд\w*"
)
_BEFORE = re.compile(rf"\b{_COUNTED}|pre|prije) $")
_AFTER = re.compile(rf" {_COUNTED}|min\w* ago|hours? ago)\b")
_AGO = re.compile(r" (?:min|sat)\w*")


def _uncounted(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    before = _BEFORE.search(text, max(0, start - 24), start)
    is_ago = before is not None and before[0].startswith("pr") and not before[0].startswith(("preg", "prik"))
    is_counter = _AGO.match(text, end) if is_ago else before or _AFTER.match(text, end)
    return "#" if is_counter else match[0]


def _comparable(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    if OTHER_CHAR in folded:  # a script that the fold does not keep apart
        folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.replace("\u00ad", "").split())


def content_hash(title: str, body: str) -> str:
    """What decides whether an article has changed. Case, diacritics, punctuation and spacing do not count, nor do
    numbers next to a counter word (`15 komentara`, `views: 321`, `5 minutes ago`); any other number does."""
    parts = (_comparable(part) for part in (title, body))
    return digest(*(_NUMBER.sub(_uncounted, part) if any(map(part.__contains__, string.digits)) else part for part in parts))
