"""The text of an article: what trafilatura finds, checked against the blocks of the page and what the page says of itself."""

import logging
import re
from collections.abc import Sequence

from lxml.html import HtmlElement

from pipeline.parse import dates
from pipeline.parse.blocks import Blocks, Frame, Unit, plain

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it finds wrong with a page stands in `error`

MAX_ELEMENTS = 12_000  # beyond that trafilatura takes seconds; articles have some hundreds

_LETTERS = re.compile(r"[^\W\d_]+")
_LEAD = re.compile(
    r"lead|perex|podnaslov|sub-?title|standfirst|intro|excerpt|summary|deck|nadnaslov|uvod|description", re.IGNORECASE
)
# Lines that outlets of the region put into their articles and that are not text: a link to another article, a label of an
# advert or of a picture, buttons.
_MORE = (
    "pročitajte još|pročitajte i|pročitajte|procitajte jos|pročitaj još|pročitaj i|čitajte još|čitaj još|прочитајте још"
    "|прочитајте и|прочитајте|прочитај и|повеќе|lexo edhe|lexoni edhe|lexo më shumë|preberite tudi|preberi še|beri še"
    "|povezano|vezano|read more|read also|also read|see also|related|related stories|related articles"
)
_ADVERT = (
    "nastavak teksta|tekst se nastavlja|članak se nastavlja|наставак текста|текст се наставља|продолжува|lajmi vazhdon"
    "|vazhdon pas|besedilo se nadaljuje|story continues|article continues"
)
_BUTTON = "podeli|podijeli|подели|сподели|shpërndaje|shpërndaj|deli|share"
_NOISE = re.compile(
    rf"(?:{_MORE})(?:\s*:.{{0,250}})?|(?:{_ADVERT}).{{0,40}}(?:reklam|oglas|реклам|advert|below).{{0,20}}"
    r"|(?:foto|photo|фото|izvor fotografije|image)(?: (?:ilustracija|илустрација|credit))?\s*[:/].{0,120}"
    r"|advertisement|oglas|oglašavanje|reklama|реклама|reklamë|promo|(?:bonus )?video\s*:.{0,150}"
    rf"|(?:{_BUTTON})(?: (?:vest|vijest|članak|tekst|на .{{2,20}}|na .{{2,20}}|this|on .{{2,20}}))?\s*:?"
    r"|(?:tagovi|tags|тагови|ознаки|etiketat|oznake|ključne riječi)\s*:.{0,200}",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?:prijavite se na|pretplatite se|pratite nas|zapratite|preuzmite .{0,20}aplikacij|пратите нас|пријавите се на"
    r"|пријавете се на|следете н[еèѐ]|regjistrohu në|na ndiqni|ndiqni|abonohu|sledite nam|sign up|subscribe to|follow us"
    r"|download our app).{0,250}",
    re.IGNORECASE,
)


def body(tree: HtmlElement, blocks: Blocks, frame: Frame, headline: int | None, titles: set[str], said: Sequence[str]) -> str:
    """The text of the article, one paragraph a line.

    `frame` is the page's best block, `headline` the number of the headline's unit, `titles` the plain forms of headlines,
    `said` the descriptions the page gives of itself.
    """
    import trafilatura  # with the first page: who reads feeds only does without it

    own = "\n".join(unit.text for unit in blocks.text_of(frame))
    text = own if blocks.n_elements > MAX_ELEMENTS else trafilatura.extract(tree, fast=True, include_comments=False) or ""
    if len(own) > 400 and (len(text) < 0.6 * len(own) or _share(own, text) < 0.5):
        thorough = trafilatura.extract(tree, include_comments=False) or ""
        text = _judged(text, thorough, own, said, _is_under(blocks, frame, headline))
    elif text.count("|") > 5 and len(own) > 400:  # a layout of tables
        text = own
    if text is not own:
        text = _trimmed(text, blocks, frame, headline)
    lines = [line for line in text.split("\n") if line and not _is_noise(line)]
    lead = _lead(blocks, frame, headline, said)
    if lead and lines and plain(lead)[:60] not in plain("".join(lines[:6])):
        lines.insert(0, lead)
    return _without_head(lines, titles)


def _is_noise(line: str) -> bool:
    return len(line) < 300 and bool(_NOISE.fullmatch(line) or _CALL.fullmatch(line))


def _share(part: str, whole: str) -> float:
    """How much of the lines of one text stands in the other, by length."""
    joined, lines = plain(whole), [plain(line) for line in part.split("\n")[:400]]
    return sum(len(line) for line in lines if line[:80] in joined) / max(1, sum(map(len, lines)))


def _is_under(blocks: Blocks, frame: Frame, headline: int | None) -> bool:
    """Does the block stand under the headline, with no menu between?"""
    if headline is None or headline >= frame.last:
        return False
    return blocks.units[frame.first].n_links - blocks.units[min(headline, frame.first)].n_links <= 14


def _judged(fast: str, thorough: str, own: str, said: Sequence[str], is_under: bool) -> str:
    """One of three texts that differ: of trafilatura's fast and thorough ways, and of the page's best block."""
    if _share(own, thorough) > 0.8 and len(thorough) < 1.6 * len(own):
        return thorough
    for description in said:
        if len(start := plain(description)[:40]) > 25:
            found = [text for text in (own, thorough, fast) if start in plain(text)]
            if len(found) in {1, 2}:
                return found[0]
    return own if is_under else max(thorough, fast, key=len)


def _trimmed(text: str, blocks: Blocks, frame: Frame, headline: int | None) -> str:
    """Without lines from outside a block that holds nearly all running text, and without links in place of paragraphs."""
    inside = blocks.units[frame.first : frame.last]
    links = {plain(unit.text) for unit in inside if unit.text and unit.n_linked >= 0.85 * len(unit.text) and len(unit.text) < 250}
    lines = [line for line in text.split("\n") if plain(line) not in links]
    if frame.score < max(500, 0.6 * blocks.weight):
        return "\n".join(lines)
    joined = plain("".join(unit.text for unit in inside))
    within = [n for n, line in enumerate(lines) if plain(line)[:80] in joined]
    if not within or sum(len(lines[n]) for n in within) < 0.5 * frame.score:
        return "\n".join(lines)
    start = max(0, frame.first - 15) if headline is None else headline + 1
    leads = {
        plain(unit.text)[:80]
        for unit in blocks.units[start : frame.first]
        if len(unit.text) >= (120 if unit.frame.is_other else 40) and not unit.is_card and unit.n_linked < 0.5 * len(unit.text)
    }
    head = [line for line in lines[: within[0]] if plain(line)[:80] in leads]
    return "\n".join([*head, *lines[within[0] : within[-1] + 1]])


def _between(blocks: Blocks, frame: Frame, headline: int | None) -> list[Unit]:
    """The units between headline and block that could be a lead."""
    start = max(0, frame.first - 15) if headline is None else max(headline + 1, frame.first - 30)
    return [unit for unit in blocks.units[start : frame.first] if not unit.frame.is_other and not unit.is_card]


def _lead(blocks: Blocks, frame: Frame, headline: int | None, said: Sequence[str]) -> str:
    """The paragraph between headline and text that the page's own description, or the name of its element, calls the lead."""
    if headline is None:
        return ""
    starts = [start[:-4] for text in said if len(start := plain(text)) > 30]
    for unit in _between(blocks, frame, headline):
        if 60 <= len(unit.text) <= 1_500 and unit.n_linked <= 0.3 * len(unit.text):
            names = f"{unit.frame.element.get('class') or ''} {unit.frame.element.get('id') or ''}"
            text = plain(unit.text)
            if _LEAD.search(names) or any(text[: len(start)] == start[: len(text)] for start in starts):
                return unit.text
    return ""


def _without_head(lines: list[str], titles: set[str]) -> str:
    """The text without the title and the date line that stand above it."""
    for n, line in enumerate(lines[:4]):
        is_date = len(line) <= 60 and len(_LETTERS.findall(line)) <= 3 and dates.parse(line) is not None
        if not is_date and plain(line) not in titles:
            return "\n".join(lines[n:])
    return "\n".join(lines)
