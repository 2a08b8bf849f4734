"""The words of the brief in four languages: labels from the seeds, plurals, numbers, dates."""

from datetime import date
from pathlib import Path

import polars as pl

from pipeline.errors import InputError, SeedError
from pipeline.report.figures import Period

LANGS = ("en", "sr", "sq", "mk")
_THOUSANDS = {"en": ",", "sr": ".", "sq": "\u00a0", "mk": "."}
_TAGS = {"sr": "sr-Latn"}


class Words:
    """Labels in one language. `words("title")` gives a label, `words.count(3, "story")` a number with its noun."""

    def __init__(self, seeds: Path, lang: str) -> None:
        if lang not in LANGS:
            raise InputError(f"The brief is written in {', '.join(LANGS)}, not in `{lang}`.")
        self.lang = lang
        self.tag = _TAGS.get(lang, lang)  # for the lang attribute of the page
        self._labels = _table(seeds / "label.csv", "key", lang)
        self.countries = _table(seeds / "country.csv", "code", f"name_{lang}")
        self.topics = _table(seeds / "topic.csv", "topic_id", f"label_{lang}")
        self.sides = _table(seeds / "side.csv", "side", f"name_{lang}")

    def __call__(self, key: str) -> str:
        return self._labels[key]

    def country(self, code: str) -> str:
        """Its name; the code when there is none."""
        return self.countries.get(code, code)

    def topic(self, topic_id: str) -> str:
        """Its label."""
        return self.topics.get(topic_id, topic_id)

    def side(self, side: str) -> str:
        """Its name."""
        return self.sides.get(side, self._labels["unknown_side"] if side == "unknown" else side)

    def number(self, n: float, digits: int = 0) -> str:
        """`1,234` and `2.5` in English, `1.234` and `2,5` in Serbian."""
        text = f"{n:,.{digits}f}"
        point = "." if self.lang == "en" else ","
        return text.replace(",", "\0").replace(".", point).replace("\0", _THOUSANDS[self.lang])

    def share(self, part: float) -> str:
        """A share as per cent; small ones with a digit."""
        digits = 1 if 0 < part < 0.0995 else 0
        return f"{self.number(100 * part, digits)}{chr(0xA0) if self.lang == 'mk' else ''}%"

    def noun(self, n: int, noun: str) -> str:
        """The form of a noun that goes with a number: one, few (Serbian 2, 3, 4, 22 ...) or other."""
        one = n == 1 if self.lang in ("en", "sq") else n % 10 == 1 and n % 100 != 11
        few = self.lang == "sr" and n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14)
        return self._labels[f"{noun}_{'one' if one else 'few' if few else 'other'}"]

    def count(self, n: int, noun: str) -> str:
        """`3 stories`."""
        return f"{self.number(n)}\u00a0{self.noun(n, noun)}"

    def day(self, day: date, with_year: bool = False) -> str:
        """`3 November`, with its year if asked for."""
        dot = "." if self.lang == "sr" else ""
        text = f"{day.day}{dot}\u00a0{self._labels[f'month_{day.month}']}"
        return f"{text} {day.year}{dot}" if with_year else text

    def period(self, period: Period) -> str:
        """`24-30 November 2023` with a dash, as short as it can be."""
        since, until = period.since, period.until
        if since == until:
            return self.day(until, True)
        if since.year != until.year:
            return f"{self.day(since, True)} – {self.day(until, True)}"
        if since.month != until.month:
            return f"{self.day(since)} – {self.day(until, True)}"
        return f"{since.day}–{self.day(until, True)}"


def _table(path: Path, key: str, value: str) -> dict[str, str]:
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SeedError(f"{path} can not be read: {str(error).splitlines()[0]}") from None
    for column in (key, value):
        if column not in frame.columns:
            raise SeedError(f"{path}:1: column `{column}` is missing.")
    return dict(frame.select(key, pl.col(value).fill_null("")).iter_rows())
