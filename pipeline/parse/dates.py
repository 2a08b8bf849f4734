"""Dates as outlets write them. A date is certain or None; nothing is guessed.

An aware datetime had a zone, a naive one had none (the caller reads it in the outlet's zone). A bare day is midnight
UTC, which is
the same calendar day in all of Europe. `03/04/2023` may be March or April, so it is None.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

MAX_LENGTH = 80

_ISO = re.compile(
    r"(\d{4})-?(\d{2})-?(\d{2})(?:(?:T|\s{1,3}|\s?,\s?)(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,]\d{1,9})?)?"
    r"\s{0,2}(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d.])(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d{1,6})?\s{0,2}(?:([ap])\.?m\b)?(?![\d/])", re.IGNORECASE
)
_ZONE = re.compile(
    r"(?<![\w+-])(?:(?:UTC|GMT)\s?)?([+-])(\d{2}):?(\d{2})(?!\d)|\b(UTC|GMT|UT|Z|CET|CEST|MSK|EET|EEST|EST|EDT|CST|CDT|PST|PDT|BST)\b"
)
_HOURS = {
    "CET": 1, "CEST": 2, "BST": 1, "EET": 2, "EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5,
    "PST": -8, "PDT": -7,
}  # fmt: skip
_NUMERIC = re.compile(r"(?<![\d.,/:-])(\d{1,4})(\s?[./-]\s?)(\d{1,2})\s?[./-]\s?(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(
    r"(?<![\d:])(\d{1,2})(?:st|nd|rd|th)?[\s.,/-]{1,3}(?:de\s|of\s)?([^\W\d_]{3,12})[\s.,/-]{1,3}(?:de\s)?(\d{4})(?!\d)"
)
_MONTH_FIRST = re.compile(r"\b([^\W\d_]{3,12})\.?\s{1,2}(\d{1,2})(?:st|nd|rd|th)?,?\s{1,2}(\d{4})(?!\d)")
_ISO_DAY = re.compile(r"(?<![\d-])\d{4}-\d{2}-\d{2}(?!\d)")
_SHORT_YEAR = re.compile(r"^(?:[^\W\d_]{2,10},\s)?(\d{1,2})[\s-]([^\W\d_]{3})[\s-](\d{2})(?=\s\d{1,2}:)")  # RFC 822 itself

# Month names begin so in en, hbs, sl, sq, de, fr, it, es, ro, tr, hu, pl (Latin) and sr, mk, bg, ru, uk (Cyrillic),
# without marks.
# `listopad` is October in Croatian and November in Czech and Polish: read as Croatian. The longest beginning wins.
_LATIN = (
    "jan sije gen ene ian ocak|feb velj shk fev sub luty|mars mart marc mare marz ozu|apr trav pri avr abr nis"
    " kwi|maj svib mag mai mayi"
    "|jun lip qer giu juin haz iun czer|jul srpn kor lug juil temm iul|avg kolo gus aug ago aou|sep ruj sht sett eyl"
    " wrz"
    "|okt list tet oct ott out ekim paz|nov stu nen noi kas|dec pros dhj dez dic des dek aral gru"
)
_CYRILLIC = (
    "јан янв яну січ|фев лют|мар бер|апр кві|мај май мая тра|јун июн юни чер|јул июл юли лип|авг сер|сеп сен вер|окт"
    " жов|нов ное ноя лис"
    "|дек дец гру"
)
_MONTHS = {
    stem: number
    for table in (_LATIN, _CYRILLIC)
    for number, stems in enumerate(table.split("|"), start=1)
    for stem in stems.split()
}
# short forms that begin many other words, so they must be the whole word
_WHOLE = {
    "sij": 1, "oca": 1, "vel": 2, "sub": 2, "mar": 3, "tra": 4, "svi": 5, "may": 5, "srp": 7, "tem": 7, "kol": 8,
    "agu": 8, "set": 9,
    "lis": 10, "eki": 10, "pro": 12, "ara": 12,
}  # fmt: skip
_EPOCH = re.compile(r"1[0-9]\d{8}(?:\d{3})?", re.ASCII)  # seconds or milliseconds since 1970, from 2001 to 2033
_URL = re.compile(r"(?<![\d])((?:19|20)\d{2})([/_.-])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?!\d)")
_URL_PACKED = re.compile(r"(?<![\d])(20[0-3]\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")


def parse(text: str | None, day_first: bool = False) -> datetime | None:
    """A date from a feed or from a page's metadata; `day_first` when the language is known to write 3/4 for the 3rd of April."""
    text = " ".join((text or "")[: 2 * MAX_LENGTH].split())[:MAX_LENGTH]
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups()
        return _build(int(year), int(month), int(day), (hour, minute, second), _offset(zone))
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    return _written(text, day_first) if any(c.isdigit() for c in text) else None


def find(text: str, day_first: bool = False) -> Iterator[tuple[datetime, int, int]]:
    """Every certain date in a line of text with its place; with the time of day after it (or before the only one)."""
    spans: list[tuple[int, int]] = []
    for match in sorted(
        (m for p in (_ISO_DAY, _DAY_FIRST, _MONTH_FIRST, _NUMERIC) for m in p.finditer(text)), key=lambda m: m.start()
    ):
        if not spans or match.start() >= spans[-1][1]:
            spans.append(match.span())
    for n, (start, end) in enumerate(spans[:20]):
        stop = spans[n + 1][0] if n + 1 < len(spans) else len(text)
        pieces = (
            (text, text[start : min(stop, start + 45)], text[start:end])
            if len(spans) == 1
            else (text[start : min(stop, start + 45)], text[start:end])
        )
        if at := next((at for piece in pieces if len(piece) <= MAX_LENGTH and (at := parse(piece, day_first))), None):
            yield at, start, end


def from_url(path: str) -> datetime | None:
    """A day that stands in the path of an address (`/2023/11/20/`, `-20231120`)."""
    found = {(m[1], int(m[3]), int(m[4])) for m in _URL.finditer(path)} or {
        (m[1], int(m[2]), int(m[3])) for m in _URL_PACKED.finditer(path)
    }
    if len(found) != 1:
        return None
    year, month, day = found.pop()
    return _build(int(year), month, day, None, None)


def _build(
    year: int, month: int, day: int, time: tuple[str | None, str | None, str | None] | None, zone: timezone | None
) -> datetime | None:
    try:
        if time is None or time[0] is None:
            return datetime(year, month, day, tzinfo=UTC)
        hour, minute, second = (int(part or 0) for part in time)
        extra = timedelta(days=1) if (hour, minute, second) == (24, 0, 0) else timedelta()
        return datetime(year, month, day, hour % 24 if extra else hour, minute, min(second, 59), tzinfo=zone) + extra
    except (ValueError, OverflowError):
        return None


def _written(text: str, day_first: bool) -> datetime | None:
    day = _day(text, day_first)
    if day is None:
        return None
    (year, month, date), rest = day
    time = _TIME.search(rest)
    if time is None:
        return _build(year, month, date, None, None)
    hour = int(time[1])
    if time[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if time[4] in "pP" else 0)
    zone = _ZONE.search(rest, time.end())
    offset = None
    if zone and zone[4]:
        offset = timezone(timedelta(hours=_HOURS.get(zone[4], 0)))
    elif zone:
        offset = _offset(f"{zone[1]}{zone[2]}{zone[3]}")
    return _build(year, month, date, (str(hour), time[2], time[3]), offset)


def _day(text: str, day_first: bool) -> tuple[tuple[int, int, int], str] | None:
    """(year, month, day) and the rest of the text, when exactly one day is named."""
    found: dict[tuple[int, int, int], str] = {}
    for pattern, order in ((_DAY_FIRST, (3, 2, 1)), (_MONTH_FIRST, (3, 1, 2)), (_SHORT_YEAR, (3, 2, 1))):
        for match in pattern.finditer(text):
            month = _month(match[order[1]])
            if month:
                year = int(match[order[0]])
                year += 0 if year > 99 else 2000 if year < 70 else 1900
                found.setdefault((year, month, int(match[order[2]])), text[: match.start()] + " " + text[match.end() :])
    if not found:
        for match in _NUMERIC.finditer(text):
            if (day := _numeric(match[1], match[2].strip(), match[3], match[4], day_first)) is None:
                return None
            found.setdefault(day, text[: match.start()] + " " + text[match.end() :])
    return next(iter(found.items())) if len(found) == 1 else None


def _numeric(first: str, sign: str, second: str, third: str, day_first: bool) -> tuple[int, int, int] | None:
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4:
        return (a, b, c) if len(third) == 2 else None
    if len(first) == 3 or len(third) != 4:
        return None
    if sign == "/" and a <= 12 and b <= 12 and a != b and not day_first:
        return None
    return (c, a, b) if sign == "/" and b > 12 else (c, b, a)


def _month(word: str) -> int | None:
    folded = word.lower()
    if "й" not in folded:  # a letter of its own, not a marked one
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c)).replace("ı", "i")
    return _WHOLE.get(folded) or next((_MONTHS[folded[:n]] for n in (4, 3) if folded[:n] in _MONTHS), None)


def _offset(zone: str | None) -> timezone | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return UTC
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes)) if minutes < 24 * 60 else None
