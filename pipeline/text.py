"""Folding and scripts: how a text is made comparable without moving a single character.

The fold maps every code point to one byte, so an offset in the folded bytes *is* the offset in the text: case and diacritics
go, Cyrillic and Greek keep letters of their own, everything that is neither letter nor digit becomes a space.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint32]
Indexes = npt.NDArray[np.int64]

SPACE = 0x20
BREAK = 0x00  # ends a field; no pattern reaches over it
DROPPED = 0x01  # a combining mark or an invisible character
OTHER = 0xFF  # a letter of a script that no pattern uses
BREAK_CHAR = "\uf8ff"
OTHER_CHAR = "\u10d0"  # stands for all letters of other scripts in a folded string

_LETTERS = "абвгдежзиклмнопрстуфхцчшщъыьэюяђјљњћџѕієґ" + "αβγδεζηθικλμνξοπρσςτυφχψω"
_SPECIAL = {
    "đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "s", "æ": "a", "œ": "o", "þ": "t", "ħ": "h", "ŋ": "n", "ə": "e",
    "ς": "σ", "ґ": "г",
}  # fmt: skip
_BYTE = {letter: 0x80 + i for i, letter in enumerate(_LETTERS)} | {chr(c): c for c in b"abcdefghijklmnopqrstuvwxyz0123456789"}
_CHAR = {byte: letter for letter, byte in _BYTE.items()} | {SPACE: " ", BREAK: BREAK_CHAR, DROPPED: "\u00ad", OTHER: OTHER_CHAR}


def _folded_byte(char: str) -> int:
    if char == BREAK_CHAR:
        return BREAK
    category = unicodedata.category(char)
    if category in {"Mn", "Me", "Cf"}:
        return DROPPED
    if category[0] != "L" and category != "Nd":
        return SPACE
    if category == "Lm":
        return SPACE
    if category == "Nd":
        return 0x30 + unicodedata.digit(char)
    lower = char.lower()[0]
    base = _SPECIAL.get(lower) or unicodedata.normalize("NFKD", lower)[0].lower()
    return _BYTE.get(_SPECIAL.get(base, base), OTHER)


@functools.cache
def fold_table() -> Bytes:
    """65,537 bytes: the folded byte of each code point of the basic plane, and one (a space) for all others."""
    table = np.full(0x10001, SPACE, np.uint8)
    table[:0x10000] = [SPACE if 0xD800 <= c < 0xE000 else _folded_byte(chr(c)) for c in range(0x10000)]
    return table


@functools.cache
def upper_table() -> npt.NDArray[np.bool_]:
    """65,537 flags: is this code point a capital letter?"""
    table = np.zeros(0x10001, np.bool_)
    table[:0x10000] = [chr(c).isupper() or chr(c).istitle() for c in range(0x10000)]
    return table


def code_points(text: str) -> Codes:
    """The code points of a text, those beyond the basic plane as 0x10000; shape (len(text),)."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.minimum(codes, 0x10000)


class _FoldedChars(dict[int, str]):
    """For str.translate, which beats arrays on a word or two: code point to the character of its folded byte."""

    def __missing__(self, code: int) -> str:
        char = self[code] = chr(fold_table()[min(code, 0x10000)])
        return char


_FOLDED_CHARS = _FoldedChars()


def fold_bytes(text: str) -> bytes:
    """One byte a code point, as `fold`."""
    if len(text) < 100:
        return text.translate(_FOLDED_CHARS).encode("latin-1")
    return fold_table()[code_points(text)].tobytes()


@functools.cache
def _unfold_table() -> npt.NDArray[np.uint32]:
    table = np.zeros(256, np.uint32)
    for byte, letter in _CHAR.items():
        table[byte] = ord(letter)
    return table


def fold(text: str) -> str:
    """Lower case, no diacritics, every other sign a space; as long as the text itself, and idempotent."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _folded_table().take(codes, mode="clip").tobytes().decode("utf-32-le", "surrogatepass")


@functools.cache
def _folded_table() -> Codes:
    """For each code point of the basic plane, and for all others, the character that its folded byte stands for."""
    return _unfold_table()[fold_table()]


def unfold(folded: bytes) -> str:
    """Folded bytes as a string that one can read."""
    return _unfold_table()[np.frombuffer(folded, np.uint8)].tobytes().decode("utf-32-le", "surrogatepass")


_CYRILLIC = {
    "a": "а", "b": "б", "v": "в", "g": "г", "d": "д", "đ": "ђ", "e": "е", "ž": "ж", "z": "з", "i": "и", "j": "ј", "k": "к",
    "l": "л", "lj": "љ", "m": "м", "n": "н", "nj": "њ", "o": "о", "p": "п", "r": "р", "s": "с", "t": "т", "ć": "ћ", "u": "у",
    "f": "ф", "h": "х", "c": "ц", "č": "ч", "dž": "џ", "š": "ш",
}  # fmt: skip
_LATIN = {cyrillic: latin for latin, cyrillic in _CYRILLIC.items()} | {"ѓ": "đ", "ќ": "ć", "ѕ": "dz", "ѐ": "e", "ѝ": "i"}
_TO_LATIN = str.maketrans(_LATIN | {cyrillic.upper(): latin.capitalize() for cyrillic, latin in _LATIN.items()})


_DIGRAPHS = [
    (made, cyrillic if made.islower() else cyrillic.upper())
    for latin, cyrillic in _CYRILLIC.items()
    if len(latin) == 2
    for made in (latin, latin.capitalize(), latin.upper())
]
_TO_CYRILLIC = str.maketrans(
    {latin: cyrillic for latin, cyrillic in _CYRILLIC.items() if len(latin) == 1}
    | {latin.upper(): cyrillic.upper() for latin, cyrillic in _CYRILLIC.items() if len(latin) == 1}
    | {"|": ""}
)


def to_latin(text: str) -> str:
    """Serbian and Macedonian Cyrillic in Latin letters (љ becomes lj, so the length changes); other signs stay."""
    return text.translate(_TO_LATIN)


def to_cyrillic(text: str) -> str:
    """Serbian Latin in Cyrillic letters; `|` keeps two letters apart and is dropped; letters such as w and q stay."""
    for latin, cyrillic in _DIGRAPHS:
        if latin in text:
            text = text.replace(latin, cyrillic)
    return text.translate(_TO_CYRILLIC)


@functools.cache
def latin_table() -> tuple[Codes, Codes, npt.NDArray[np.int8]]:
    """By `code_points`: the first and second folded Latin letter of a sign (0 parts words), and how many there are."""
    chars = [" " if 0xD800 <= code < 0xE000 else chr(code) for code in range(0x10000)]
    made = [unicodedata.normalize("NFKC", char).replace(BREAK_CHAR, " ") for char in chars]
    for _ in range(2):  # й is a letter of its own until its breve is gone
        made = fold(BREAK_CHAR.join(to_latin(letters) for letters in made)).split(BREAK_CHAR)
    made = [
        letters.replace("\u00ad", "").replace(OTHER_CHAR, char.lower())[:2] for letters, char in zip(made, chars, strict=True)
    ]
    first, second, width = np.zeros(0x10001, np.uint32), np.zeros(0x10001, np.uint32), np.ones(0x10001, np.int8)
    for code, letters in enumerate(made):
        width[code] = len(letters)
        first[code], second[code] = (0 if sign == " " else ord(sign) for sign in letters.ljust(2))
    return first, second, width


def latin_letters(texts: Sequence[str]) -> tuple[Codes, Indexes]:
    """Folded Latin letters of all texts in one row, 0 before each text and between words, and where each text ends.

    Both scripts of one text give the same letters; lj and љ are two.
    """
    first, second, width = latin_table()
    codes = code_points("".join(f" {part}" for part in texts))
    letters, widths = first.take(codes, mode="clip"), width.take(codes, mode="clip")
    ends = np.cumsum([len(part) + 1 for part in texts], dtype=np.int64)
    odd = np.flatnonzero(widths != 1)
    if not len(odd):
        return letters, ends
    shifts = np.append(0, np.cumsum(widths[odd] - 1, dtype=np.int64))  # how far the letters after each odd sign have moved
    twos = odd[widths[odd] == 2]
    letters = np.repeat(letters, widths)
    letters[twos + 1 + shifts[np.searchsorted(odd, twos)]] = second[codes[twos]]
    return letters, ends + shifts[np.searchsorted(odd, ends)]


# where one sentence ends and the next begins, for showing; the tagger has rules of its own
_BREAK = re.compile(r"(?<=[.!?…])[”“\"»)]*\s+(?=[„“\"«(]?[^\W\d_a-zčćžšđëçа-яѓќљњџѕјђћ])|\s*\n+\s*")


def sentence_bounds(text: str, start: int, end: int, most: int = 2_000) -> tuple[int, int]:
    """Where the sentence around a span begins and ends (code points), at most `most` characters on either side of it."""
    low, high = max(0, start - most), min(len(text), end + most)
    left = max((found.end() for found in _BREAK.finditer(text, low, start + 1) if found.end() <= start), default=low)
    right = _BREAK.search(text, end)
    return left, min(high, right.start()) if right else high


def digest(*parts: str) -> str:
    """A stable 16-digit hexadecimal name for some strings."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
