"""What a record is, and which column of somebody's file holds which of its fields."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline import language
from pipeline.parse import dates

# Names seen in the exports of news-please, Media Cloud, GDELT, CC-NEWS sets and scrapers, without case and signs; the first that
# a file has is taken. `text` may hold HTML; `html` is a whole page.
_NAMES = {
    "url": "url link articleurl pageurl weburl sourceurl permalink canonicalurl href uri documentidentifier",
    "title": "title headline heading naslov titulli наслов name",
    "text": "text body maintext content articletext fulltext articlebody plaintext articlecontent article tekst текст",
    "html": "html rawhtml contenthtml pagehtml sourcehtml",
    "author": "author authors byline creator autor",
    "published_at": "publishedat datepublish datepublished publishdate publisheddate publicationdate pubdate published"
    " publishedtime date datetime timestamp time createdat datum data",
    "crawled_at": "crawledat datedownload downloaddate crawldate dateofcrawl fetchedat retrievedat collectedat indexeddate"
    " scrapedat seendate",
    "outlet": "outlet medianame outletname publication publisher sourcename newspaper site source",
    "feed": "feedid",
    "lang": "lang language detectedlanguage jezik",
    "id": "id guid uuid storiesid articleid",
}
GUESSES = {field: tuple(names.split()) for field, names in _NAMES.items()}
FIELDS = tuple(GUESSES)

# GDELT names languages in English
_LANGUAGES = {
    "english": "en", "serbian": "sr", "bosnian": "bs", "croatian": "hr", "montenegrin": "cnr", "albanian": "sq",
    "macedonian": "mk", "slovenian": "sl", "slovene": "sl", "russian": "ru", "ukrainian": "uk", "german": "de",
    "bulgarian": "bg", "greek": "el", "turkish": "tr", "hungarian": "hu", "romanian": "ro", "italian": "it",
    "french": "fr", "spanish": "es",
}  # fmt: skip


@dataclass(slots=True)
class Record:
    """One record of an archive. Exactly one of `text` and `html` is used; both empty is a record without text."""

    line: int  # line, row or record of the file, from 1
    url: str = ""
    title: str = ""
    text: str = ""
    is_plain: bool = False  # `text` holds no HTML for certain
    html: bytes | None = None
    content_type: str | None = None
    author: str = ""
    published: datetime | None = None  # naive when it had no zone
    crawled: datetime | None = None
    outlet: str = ""
    feed: str = ""
    lang: str = ""
    id: str = ""


def guessed(columns: Iterable[str]) -> dict[str, str]:
    """Which column holds which field, by its name; fields that no column seems to hold are left out."""
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(_plain(column), column)
    found: dict[str, str] = {}
    for field, names in GUESSES.items():
        candidates = [by_plain[name] for name in names if name in by_plain]
        if candidates and candidates[0] not in found.values():
            found[field] = candidates[0]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def mapped(line: int, values: Mapping[str, Any], mapping: Mapping[str, str]) -> Record:
    """A record from named values; ValueError says in a few words what is wrong with it."""

    def of(field: str) -> Any:
        return values.get(mapping[field]) if field in mapping else None

    html = _string(of("html"))
    return Record(
        line, url=_string(of("url")).strip(), title=_string(of("title")), text=_string(of("text")),
        html=html.encode("utf-8", "replace") if html else None, author=_string(of("author")), published=when(of("published_at")),
        crawled=when(of("crawled_at")), outlet=_string(of("outlet")).strip(), feed=_string(of("feed")).strip(),
        lang=lang_code(_string(of("lang"))), id=_string(of("id")).strip(),
    )  # fmt: skip


def _string(value: Any) -> str:
    """A text, a number as text, a list of names as one text; whatever else is no text."""
    if value is None or isinstance(value, bool) or value != value:  # NaN: an empty cell of a data frame
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_string, value)))
    if isinstance(value, Mapping):
        return _string(value.get("name"))
    return str(value)


def when(value: Any) -> datetime | None:
    """A date from a cell: a time, a number of seconds or milliseconds since 1970, or what `dates.parse` can read; else None."""
    if isinstance(value, datetime):
        return value
    if value is None or isinstance(value, bool):
        return None
    if hasattr(value, "year"):  # a bare day
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    text = str(value).strip()
    if re.fullmatch(r"\d{14}", text):  # GDELT
        return dates.parse(f"{text[:8]}T{text[8:]}Z")
    if re.fullmatch(r"\d{9,10}(?:\.\d+)?|1\d{12}", text):
        return datetime.fromtimestamp(float(text) / (1000 if len(text) == 13 and "." not in text else 1), UTC)
    return dates.parse(text)


def lang_code(name: str) -> str:
    """A language as our code, `und` when it is none we know."""
    return language.normalise_lang(_LANGUAGES.get(name.strip().lower(), name)) if name else language.UNKNOWN
