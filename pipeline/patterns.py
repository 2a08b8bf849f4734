"""The pattern language of the seeds: one written pattern -> all the forms a text may show (docs/seeds.md).

A form is a list of parts. A part is a piece of text without a star inside it, its words joined by one space, and the number
of letters that may follow it; parts of one form stand directly next to each other. Cyrillic twins and the `dj` spelling are
forms of their own.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.errors import SeedError
from pipeline.text import fold_bytes, to_cyrillic

LANGS = ("bg", "de", "el", "en", "fr", "hbs", "hu", "it", "mk", "ro", "ru", "sl", "sq", "tr", "uk")
WILD = 5  # letters that a bare star stands for
_WORD = re.compile(r"^(?P<text>[^\s~*^,]+)(?:(?:~(?P<cls>\w+))?(?P<comma>,?)|(?P<star>\*)(?P<n>\d*))$")


@dataclass(frozen=True)
class Declension:
    """Endings of one class of words: cut `ending`, add the endings of each slot."""

    lang: str
    name: str
    ending: str
    slots: tuple[tuple[str, ...], ...]

    def forms(self, word: str) -> list[tuple[str, ...]]:
        """The forms of `word`, slot by slot; a word that does not end in `ending` raises SeedError."""
        if not word.casefold().endswith(self.ending.casefold()):
            raise SeedError(f"`{word}~{self.name}`: the word does not end in `{self.ending}`")
        stem = word[: len(word) - len(self.ending)]
        return [tuple(stem + ("" if e == "0" else e) for e in slot) for slot in self.slots]


class Part(NamedTuple):
    """A piece of a form: its folded text, the letters that may follow, and where capitals are demanded."""

    text: bytes
    n_more: int
    capitals: tuple[int, ...]


class Form(NamedTuple):
    """One way a pattern may stand in a text; `before`/`after`: a capitalised word must stand there.

    The evidence begins `lead` characters after the match and is `core` characters long (0: to its end), since [context] is none.
    """

    parts: tuple[Part, ...]
    before: bool = False
    after: bool = False
    lead: int = 0
    core: int = 0


Declensions = Mapping[tuple[str, str], Declension]


def declensions(rows: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], Declension]:
    """Classes by (lang, class) from the rows of declension.csv."""
    return {
        (row["lang"], row["class"]): Declension(
            row["lang"], row["class"], row["ending"] or "", tuple(tuple(slot.split("/")) for slot in row["slots"].split())
        )
        for row in rows
    }


def split(patterns: str) -> list[str]:
    """The patterns of a `patterns` cell."""
    return [p for p in (" ".join(piece.split()) for piece in patterns.split(";")) if p]


def expand(pattern: str, lang: str, classes: Declensions) -> list[Form]:
    """All forms of one pattern in one language, without repeats; a mistake in it raises SeedError."""
    words = pattern.split(" ")
    before, after = words[0] == "^", words[-1] == "^" and len(words) > 1
    words = words[int(before) : len(words) - int(after)]
    words, n_lead, n_trail = _context(words, pattern)
    if not words:
        raise SeedError(f"`{pattern}`: a pattern needs a word")
    parsed = [_word(word, pattern, lang, classes) for word in words]
    n_slots = {len(slots) for slots, _ in parsed if len(slots) > 1}
    if len(n_slots) > 1:
        raise SeedError(f"`{pattern}`: its words have different numbers of cases ({sorted(n_slots)}) and can not agree")
    forms: dict[Form, None] = {}
    for slot in range(max(n_slots, default=1)):
        choices = [slots[slot] if len(slots) > 1 else slots[0] for slots, _ in parsed]
        for chosen in itertools.product(*choices):
            for spelled in _spellings(chosen, lang):
                sizes = [len(_folded(word)[0]) + 1 for word in spelled]
                core = sum(sizes[n_lead : len(sizes) - n_trail]) - 1 if n_trail else 0
                parts = _parts(spelled, [n for _, n in parsed])
                forms[Form(parts, before, after, sum(sizes[:n_lead]), core)] = None
    return list(forms)


def _context(words: list[str], pattern: str) -> tuple[list[str], int, int]:
    """The words without brackets, and how many of them at the beginning and at the end are [context]."""
    is_context = [word.startswith("[") and word.endswith("]") for word in words]
    if not any(is_context):
        return words, 0, 0
    n_lead = next((i for i, found in enumerate(is_context) if not found), len(words))
    n_trail = next((i for i, found in enumerate(reversed(is_context)) if not found), len(words))
    plain = [word[1:-1] if found else word for word, found in zip(words, is_context, strict=True)]
    stars = ["*" in word for word in plain]
    if n_lead + n_trail != sum(is_context) or any(stars[:n_lead]) or (n_trail and any(stars[: len(stars) - n_trail])):
        raise SeedError(f"`{pattern}`: [context] stands first or last, and no star before or inside what it surrounds")
    return plain, n_lead, n_trail


def _word(word: str, pattern: str, lang: str, classes: Declensions) -> tuple[list[tuple[str, ...]], int]:
    match = _WORD.match(word)
    if match is None:
        raise SeedError(f"`{pattern}`: `{word}` is not a word, word~class or word*")
    if match["cls"] is None:
        return [(match["text"] + (match["comma"] or ""),)], (int(match["n"] or WILD) if match["star"] else 0)
    declension = classes.get((lang, match["cls"]))
    if declension is None:
        raise SeedError(f"`{pattern}`: language `{lang}` has no declension class `{match['cls']}`")
    forms = declension.forms(match["text"])
    return [tuple(form + match["comma"] for form in slot) for slot in forms], 0


def _spellings(words: tuple[str, ...], lang: str) -> Iterable[tuple[str, ...]]:
    plain = tuple(word.replace("|", "") for word in words)
    yield plain
    if lang == "de" and any("ß" in word for word in plain):
        yield tuple(word.replace("ß", "ss") for word in plain)
    if lang != "hbs":
        return
    if any("đ" in word.lower() for word in plain):
        yield tuple(word.replace("đ", "dj").replace("Đ", "Dj") for word in plain)
    twins = tuple(to_cyrillic(word) for word in words)
    if twins != plain:
        yield twins


def _parts(words: tuple[str, ...], stars: list[int]) -> tuple[Part, ...]:
    parts: list[Part] = []
    text, capitals = b"", tuple[int, ...]()
    for word, n_more in zip(words, stars, strict=True):
        piece, at = _folded(word)
        if not piece:
            raise SeedError(f"`{' '.join(words)}`: `{word}` has no letter or digit")
        start = len(text) + 1 if text else 0
        text = text + b" " + piece if text else piece
        capitals += tuple(start + offset for offset in at) if start else at
        if n_more:
            parts.append(Part(text, n_more, capitals))
            text, capitals = b"", ()
    if text:
        parts.append(Part(text, 0, capitals))
    return tuple(parts)


@functools.lru_cache(1 << 16)
def _folded(word: str) -> tuple[bytes, tuple[int, ...]]:
    """The folded word and where the text must have a capital: wherever the pattern has one, if it begins with one."""
    piece = b" ".join(fold_bytes(word).split()) + (b" " if word.endswith(",") else b"")  # a comma is a gap of its own
    if not word[0].isupper():
        return piece, ()
    return piece, tuple(i for i, char in enumerate(word) if char.isupper())
