"""The day of publication that a reader sees on a page: beside the headline, never in a margin, in the text or in the masthead."""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.parse import dates
from pipeline.parse.blocks import Blocks, Frame, Unit

MAX_LINE = 250  # characters of a line of facts; a longer one is text
ABOVE, BELOW, AFTER = 300, 1_500, 250  # characters of other text between the headline (or the end of the text) and a date
MAX_BESIDE = 90  # characters that may stand in one line with a date that is not called the publication's
LINKS_ABOVE, LINKS_BELOW = 4, 14  # links between them: more are a menu

_PUBLISHED = re.compile(
    r"publi|objav|posted|datum|postav|pubdate|објав|датум|опублик|veröffent|entry-date|post-date|kreiran|created",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"updat|modif|i[zs]m[ije]*[ei]n|a[zž]ur|posodob|përditës|perdites|обновл|промен|измен|ажур|aktualis|last change|zadnj[aie]"
    r"|poslednj|последњ",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(
    r"©|copyright|\ball rights\b|\bdanas je\b|данас је|денес е|danes je|sot është|today is|komentar|koment|коментар|comment",
    re.IGNORECASE,
)
_PICTURES = frozenset({"figure", "figcaption", "caption"})
_YEAR = re.compile(r"(?<!\d)(?:19[89]|20[0-4])\d(?!\d)")


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    rank: int  # 3 said to be the publication's, 2 in a <time> or the like, 1 plain
    number: int  # of its unit


def visible(blocks: Blocks, title: int | None, article: Frame, day_first: bool) -> datetime | None:
    """The date beside the headline, when it is certain which one that is. `title` is the number of the headline's unit."""
    if title is None:
        return _agreed([seen for seen in _dated(blocks, range(len(blocks.units)), day_first) if seen.rank > 1])
    units, head = blocks.units, blocks.units[title]
    numbers = [n for n in range(article.first, article.last) if units[n].is_running]
    end = units[title].start + len(head.text)
    long = [units[n].start for n in numbers if n > title and len(units[n].text) > 80]
    begin_text = long[1] if len(long) > 1 else end + BELOW  # the first may be a lead
    below = [
        n
        for n in range(title + 1, min(len(units), title + 60))
        if units[n].start <= min(begin_text, end + BELOW) and units[n].n_links - head.n_links <= LINKS_BELOW
    ]
    above = [
        n
        for n in range(max(0, title - 25), title)
        if head.start - units[n].start <= ABOVE and head.n_links - units[n].n_links <= LINKS_ABOVE
    ]
    for zone in (below, above):
        if at := _chosen(list(_dated(blocks, zone, day_first))):
            return at
    if numbers:
        last = units[numbers[-1]]
        after = [
            n
            for n in range(numbers[-1] + 1, min(len(units), numbers[-1] + 15))
            if units[n].start - last.start - len(last.text) <= AFTER and units[n].n_links - last.n_links <= LINKS_ABOVE
        ]
        if at := _agreed(list(_dated(blocks, after, day_first))):
            return at
    return _agreed([seen for seen in _dated(blocks, range(len(units)), day_first) if seen.rank > 2])


def _dated(blocks: Blocks, numbers: Iterable[int], day_first: bool) -> Iterator[_Seen]:
    for n in numbers:
        unit = blocks.units[n]
        if (
            unit.frame.is_other
            or unit.is_card
            or unit.frame.tag in _PICTURES
            or (not unit.times and not _YEAR.search(unit.text[:MAX_LINE]))
        ):
            continue
        yield from _of_elements(unit, n, day_first)
        if len(unit.text) <= MAX_LINE and not unit.is_heading and not _NOT_OURS.search(unit.text):
            yield from _of_text(unit, n, unit.text, day_first)
        if _YEAR.fullmatch(unit.text.strip(" .")) and n >= 1:  # day, month and year in blocks of their own
            text = " ".join(other.text for other in blocks.units[max(0, n - 2) : n + 1])
            if len(text) <= 30:
                yield from _of_text(unit, n, text, day_first)


def _of_elements(unit: Unit, n: int, day_first: bool) -> Iterator[_Seen]:
    for element in unit.times[:20]:
        own = "".join(itertools.islice(element.itertext(), 12))[: dates.MAX_LENGTH]
        names = f"{element.get('itemprop') or ''} {element.get('class') or ''}"
        if _NOT_OURS.search(own):
            continue
        is_changed = "datemodified" in names.lower() or (
            _CHANGED.search(own) or (_CHANGED.search(names) and not _PUBLISHED.search(names))
        )
        at = dates.parse(element.get("datetime")) or dates.parse(element.get("content")) or dates.parse(own, day_first)
        if at and not is_changed:
            said = "pubdate" in element.attrib or _PUBLISHED.search(names) or _PUBLISHED.search(own)
            yield _Seen(at, 3 if said else 2, n)


def _of_text(unit: Unit, n: int, text: str, day_first: bool) -> Iterator[_Seen]:
    end = 0
    for at, start, stop in dates.find(text, day_first):
        label = text[max(end, start - 40) : start]
        end = stop
        if _CHANGED.search(label):
            continue
        names = f"{unit.frame.element.get('class') or ''} {unit.frame.element.get('id') or ''}"
        if not label.strip() and _CHANGED.search(names) and not _PUBLISHED.search(names):
            continue
        if _PUBLISHED.search(label) or _PUBLISHED.search(names):
            yield _Seen(at, 3, n)
        elif len(text) - (stop - start) <= MAX_BESIDE:  # in a longer line it may be what the line is about
            yield _Seen(at, 1, n)


def _chosen(found: list[_Seen]) -> datetime | None:
    """Of several dates beside a headline: what says it is the publication's, else what all agree on, else the first of a
    pair in which the second is later (published, changed)."""
    for rank in (3, 2, 1):
        best = [seen for seen in found if seen.rank >= rank]
        if not best:
            continue
        if at := _agreed(best):
            return at
        days = list(dict.fromkeys(seen.at.date() for seen in best))
        if len(days) == 2 and days[0] < days[1]:
            return _agreed([seen for seen in best if seen.at.date() == days[0]])
        return None
    return None


def _agreed(found: list[_Seen]) -> datetime | None:
    """Their day when they have one in common; with the time of day where one has it."""
    if len({seen.at.date() for seen in found}) != 1:
        return None
    return next((seen.at for seen in found if (seen.at.hour, seen.at.minute) != (0, 0)), found[0].at)
