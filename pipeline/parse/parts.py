"""Articles in several pieces: the next page of a page, its AMP form, and one document made of all."""

import dataclasses
import html
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from pipeline.parse.charset import decode
from pipeline.parse.pages import PageDocument

MAX_PARTS = 10
SHELL = 400  # characters; a page with less text is a shell that a script fills
HEAD = 2_000_000  # bytes of a page that are looked at

_LINK = re.compile(rb"<(?:link|a)\s[^<>]{0,3000}>", re.IGNORECASE)
_REL = re.compile(rb"\brel\s{0,9}=\s{0,9}[\"']?[^\"'<>]{0,99}?\b(next|amphtml)\b", re.IGNORECASE)
_HREF = re.compile(rb"\bhref\s{0,9}=\s{0,9}(?:\"([^\"<>]{1,2000})\"|'([^'<>]{1,2000})'|([^\s\"'<>]{1,2000}))", re.IGNORECASE)
_SILENT = re.compile(
    r"<(script|style|noscript|svg|head|nav|header|footer|form|template)\b.{0,500000}?</\1\s{0,9}>", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]{0,5000}>")
# what may follow the address of the first page
_PATH_END = re.compile(r"(?:[/_,-]|/(?:page|strana|stranica|stran|faqe|seite|p)[/_-]?)(\d{1,2})(?:\.\w{2,5})?/?", re.IGNORECASE)
_QUERY = re.compile(r"(?:page|p|pg|str|strana|stranica|stran|faqe|seite)=(\d{1,2})", re.IGNORECASE)


def following(body: bytes, first_url: str, url: str, content_type: str | None = None) -> str | None:
    """The address of the next page of the article that begins at `first_url`, or of its AMP form when this page is a shell.

    `url` is where the body came from. A next page is one that the page names (`rel=next`) on the same host and below the
    same path, with a number: everything else is another article.
    """
    links: dict[bytes, str | None] = {}
    for element in _LINK.findall(body[:HEAD]):
        if (rel := _REL.search(element)) and (href := _HREF.search(element)):
            text = next(part for part in href.groups() if part).decode("utf-8", "replace")
            links.setdefault(rel[1].lower(), _joined(url, html.unescape(text).strip()))
    if (link := links.get(b"next")) and _continues(first_url, link):
        return link
    amp = links.get(b"amphtml")
    return amp if amp and amp not in {url, first_url} and _is_shell(decode(body[:HEAD], content_type)) else None


def _joined(base: str, link: str) -> str | None:
    try:
        return urljoin(base, link)
    except ValueError:
        return None


def _continues(first: str, link: str) -> bool:
    """Is this a later page of the same article?"""
    try:
        ours, theirs = urlsplit(first), urlsplit(link)
    except ValueError:
        return False
    if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) or link == first:
        return False
    base = re.sub(r"\.\w{2,5}$", "", ours.path).rstrip("/")
    if theirs.path == ours.path:
        ours_said = set(ours.query.split("&"))
        said = [part for part in theirs.query.split("&") if part not in ours_said]
        return len(said) == 1 and (number := _QUERY.fullmatch(said[0])) is not None and int(number[1]) > 1
    if not base or not theirs.path.startswith(base):
        return False
    end = _PATH_END.fullmatch(theirs.path[len(base) :])
    return end is not None and int(end[1]) > 1 and theirs.query == ours.query


def _is_shell(text: str) -> bool:
    return len(" ".join(_TAG.sub(" ", _SILENT.sub(" ", text)).split())) < SHELL


def joined(first: PageDocument, more: Iterable[PageDocument]) -> PageDocument:
    """One document of a page and what was fetched after it: the texts of later pages in order, no paragraph twice; its AMP
    form instead of it where that has more text. What can not be read is left out."""
    for page in more:
        if page.error:
            continue
        if first.error or not _continues(first.url, page.url):
            if first.error or len(page.body) > len(first.body) + SHELL // 2:
                first = dataclasses.replace(page, url=first.url, canonical=first.canonical or page.canonical)
            continue
        known = set(first.body.split("\n"))
        fresh = [line for line in page.body.split("\n") if line not in known]
        first = dataclasses.replace(first, body="\n".join(filter(None, (first.body, *fresh))))
    return first
