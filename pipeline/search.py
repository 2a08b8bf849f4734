"""Full-text search, its pure half: words of a text, postings of documents, what a question asks for, where it stands in a text.

    documents -> postings            (kept by `pipeline.warehouse.index`)
    "vojne vežb*" -kosovo -> parts -> holds(parts, texts), snippet(text, parts)

Words are runs of letters and digits, folded and in Latin letters, so both scripts and texts without diacritics meet. There is
no stemming: an asterisk stands for any ending. A posting is one number: the document's, and four bits that say how often the
word stands in it, once in the title counting as `TITLE_WEIGHT` times in the body.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline import text
from pipeline.errors import InputError

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

VERSION = "1"  # of the words: an index of another version is made anew
MAX_LETTERS = 40  # of a word; what is longer is cut
MAX_DOC = 1 << 28
WEIGHT_BITS, MAX_WEIGHT, TITLE_WEIGHT = 4, 15, 4
MIN_PREFIX = 2
MAX_WORDS = 32  # of a question
POSTING = pl.Schema({"term": pl.String(), "postings": pl.List(pl.UInt32())})
_CHUNK = 2_000_000  # characters at a time
_BASE = 0x9E3779B97F4A7C15
_ODD = 0xD6E8FEB86659FD93
_SNIPPET = 220  # characters


class Word(NamedTuple):
    """A word of a question: it stands in any of these forms (đ is also written dj), or begins like one."""

    forms: tuple[str, ...]
    is_prefix: bool


class Part(NamedTuple):
    """One word, or several in a row; what is excluded must not be in the text."""

    words: tuple[Word, ...]
    is_excluded: bool


# -- words ------------------------------------------------------------------------------------------------------------


@functools.cache
def _powers(base: int, n: int) -> Hashes:
    return np.cumprod(np.array([1] + [base] * (n - 1), np.uint64), dtype=np.uint64)


class Words:
    """All words of some texts in one row: where each begins and ends in the letters, and which text it is of."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.letters, ends = text.latin_letters(texts)
        filled = self.letters > 0
        self.starts = np.flatnonzero(filled[1:] & ~filled[:-1]) + 1
        stops = np.flatnonzero(filled & np.append(~filled[1:], True)) + 1
        self.stops = np.minimum(stops, self.starts + MAX_LETTERS)
        self.text_nos = np.searchsorted(ends, self.starts, side="right")

    @functools.cached_property
    def _sums(self) -> Hashes:
        size = 1 << len(self.letters).bit_length()
        return np.cumsum(self.letters * _powers(_BASE, size)[: len(self.letters)], dtype=np.uint64)

    def hashes(self, stops: text.Indexes | None = None) -> Hashes:
        """A number a word, equal for equal letters; up to other ends than its own, if given."""
        stops = self.stops if stops is None else stops
        size = 1 << len(self.letters).bit_length()
        return (self._sums[stops - 1] - self._sums[self.starts - 1]) * _powers(pow(_BASE, -1, 1 << 64), size)[self.starts]

    def spelt(self, which: text.Indexes) -> list[str]:
        """The letters of some of the words."""
        if not len(which):
            return []
        lengths = self.stops[which] - self.starts[which] + 1  # and the sign between words
        begins = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(begins - self.starts[which], lengths)
        letters = self.letters[np.minimum(places, len(self.letters) - 1)].copy()
        letters[begins + lengths - 1] = ord(" ")
        spelt: str = letters.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        return spelt.split()

    def are(self, word: Word) -> Flags:
        """Which words are this one?"""
        found = np.zeros(len(self.starts), np.bool_)
        lengths = self.stops - self.starts
        for form in word.forms:
            long_enough = lengths >= len(form) if word.is_prefix else lengths == len(form)
            hashes = self.hashes(np.minimum(self.starts + len(form), self.stops))
            found |= long_enough & (hashes == Words([form]).hashes()[0])
        return found

    def begin(self, part: Part) -> Flags:
        """At which words does this part begin?"""
        n = len(self.starts)
        found = np.ones(n, np.bool_)
        for i, word in enumerate(part.words):
            here = np.zeros(n, np.bool_)
            here[: n - i] = self.are(word)[i:] & (self.text_nos[i:] == self.text_nos[: n - i])
            found &= here
        return found


def words(string: str) -> list[str]:
    """The words of a text as they are searched."""
    found = Words([string])
    return found.spelt(np.arange(len(found.starts)))


# -- postings ---------------------------------------------------------------------------------------------------------


def postings(documents: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """`POSTING` of documents (doc_no, title, body), sorted by term, and how many words each document has, in their order."""
    hits, terms, n_words = [], [], []
    for chunk in _chunks(documents):
        both = chunk.select(pl.col("title", "body").fill_null("")).rows()
        found = Words(list(itertools.chain.from_iterable(both)))
        doc_at, in_body = np.divmod(found.text_nos, 2)
        n_words.append(np.bincount(doc_at, minlength=chunk.height))
        hashes, weights = found.hashes(), np.where(in_body == 0, TITLE_WEIGHT, 1).astype(np.uint32)
        per_doc = pl.DataFrame({"key": hashes + doc_at.astype(np.uint64) * np.uint64(_ODD), "weight": weights})
        per_doc = per_doc.with_row_index("at").group_by("key").agg(pl.col("weight").sum(), pl.col("at").first())
        at = per_doc["at"].to_numpy()
        docs = chunk["doc_no"].cast(pl.UInt32).gather(doc_at[at])
        packed = docs * (1 << WEIGHT_BITS) + per_doc["weight"].clip(upper_bound=MAX_WEIGHT)
        hits.append(pl.DataFrame({"hash": hashes[at], "posting": packed}))
        firsts = at[hits[-1]["hash"].arg_unique().to_numpy()]
        terms.append(pl.DataFrame({"hash": hashes[firsts], "term": found.spelt(firsts)}))
    if not hits:
        return pl.DataFrame(schema=POSTING), pl.Series(dtype=pl.Int32)
    known = pl.concat(terms).unique("hash", keep="any").sort("term").with_row_index("term_no")
    joined = pl.concat(hits).join(known, on="hash")
    return lists(known["term"], joined["term_no"], joined["posting"]), pl.Series(np.concatenate(n_words), dtype=pl.Int32)


def lists(terms: pl.Series, term_nos: pl.Series, found: pl.Series) -> pl.DataFrame:
    """`POSTING` from a row a posting: the number of its term (sorted terms) and the posting; terms without any are left out."""
    keys = term_nos.to_numpy().astype(np.uint64) << np.uint64(32) | found.to_numpy().astype(np.uint64)
    keys.sort()
    numbers, counts = np.unique(keys >> np.uint64(32), return_counts=True)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    flat = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    values = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(flat, pa.uint32()))
    return pl.DataFrame({"term": terms.gather(numbers.astype(np.uint32)), "postings": pl.from_arrow(values)}, schema=POSTING)


def _chunks(documents: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Some documents at a time: the arrays of all at once would be large."""
    sizes = documents.select(pl.sum_horizontal(pl.col("title", "body").str.len_bytes().fill_null(0)))
    part = (sizes.to_series().cast(pl.Int64).cum_sum() // _CHUNK).rle_id()
    yield from documents.with_columns(_part=part).partition_by("_part", include_key=False, maintain_order=True)


# -- questions --------------------------------------------------------------------------------------------------------

_PIECE = re.compile(r'(?<!\S)(-?)(?:"([^"]*)"|(\S+))')


def parts(question: str) -> list[Part]:
    """What a question asks for: words (all of them), "words in a row", begin*, -not. InputError when there is no word to find."""
    plain = unicodedata.normalize("NFC", question).translate(dict.fromkeys(map(ord, "“”„«»"), '"'))
    found = [
        Part(some, bool(minus)) for minus, phrase, single in _PIECE.findall(plain) if (some := tuple(_asked(phrase or single)))
    ]
    if not any(not part.is_excluded for part in found):
        raise InputError("There is no word to search for.")
    if sum(len(part.words) for part in found) > MAX_WORDS:
        raise InputError(f"A question has at most {MAX_WORDS} words.")
    return list(dict.fromkeys(found))


def _asked(piece: str) -> Iterator[Word]:
    for run in re.findall(r"[^\s*]+\*?", piece):
        is_open = run.endswith("*")
        latin = text.to_latin(run).replace("đ", "dj").replace("Đ", "dj")
        spellings = list(zip(words(run), words(latin), strict=True))
        for i, both in enumerate(spellings):
            is_prefix = is_open and i == len(spellings) - 1
            if is_prefix and len(both[0]) < MIN_PREFIX:
                raise InputError(f"`{run}` would find nearly every word: give at least {MIN_PREFIX} letters before the asterisk.")
            forms = {*both, both[0].replace("dj", "d")}
            yield Word(tuple(sorted(form[:MAX_LETTERS] for form in forms)), is_prefix)


def holds(asked: Sequence[Part], texts: Sequence[tuple[str | None, str | None]]) -> list[bool]:
    """Which documents (title, body) have the words in a row that are asked for, and none of those that are excluded?

    A part of one word is not looked at: the index knows it.
    """
    verdict = np.ones(len(texts), np.bool_)
    found = Words([part or "" for both in texts for part in both])
    for part in asked:
        if len(part.words) > 1:
            has = np.zeros(len(texts), np.bool_)
            has[found.text_nos[found.begin(part)] // 2] = True
            verdict &= ~has if part.is_excluded else has
    return [bool(one) for one in verdict]


# -- what is shown ----------------------------------------------------------------------------------------------------


def spans(string: str, asked: Sequence[Part]) -> list[tuple[int, int, int]]:
    """Where the parts stand in a text: (start, end, number of the part) of each, in code points, by start."""
    found = Words([string])
    widths = text.latin_table()[2][text.code_points(f" {string}")]
    place = np.append(np.repeat(np.arange(len(string) + 1), widths) - 1, len(string))  # of each letter
    out = []
    for number, part in enumerate(asked):
        if not part.is_excluded:
            for i in np.flatnonzero(found.begin(part)).tolist():
                last = i + len(part.words) - 1
                out.append((int(place[found.starts[i]]), int(place[found.stops[last]]), number))
    return sorted(out)


def marked(string: str, asked: Sequence[Part], marks: tuple[str, str]) -> str:
    """The text in one line, with marks round what was asked for."""
    return " ".join(_put(string, spans(string, asked), marks).split())


def snippet(string: str, asked: Sequence[Part], marks: tuple[str, str], size: int = _SNIPPET) -> str:
    """The piece of a text in which most of the parts stand, in one line, with marks round them; the beginning if none does."""
    found = spans(string, asked)

    def n_parts(begin: int) -> int:
        return len({number for start, end, number in found if begin <= start and end <= begin + size})

    first = max((start for start, _, _ in found[:200]), key=lambda start: (n_parts(start), -start), default=0)
    begin = max(first - size // 4, 0)
    begin = string.find(" ", begin, first) + 1 or first if begin else 0
    end = min(begin + size, len(string))
    end = max(string.rfind(" ", begin, end), begin) if end < len(string) else end
    end = max([end, *(stop for start, stop, _ in found if start < end)]) if found else end or size
    inside = [(start - begin, stop - begin, number) for start, stop, number in found if begin <= start and stop <= end]
    shown = " ".join(_put(string[begin:end], inside, marks).split())
    return f"{'… ' if begin else ''}{shown}{' …' if end < len(string) else ''}"


def _put(string: str, found: list[tuple[int, int, int]], marks: tuple[str, str]) -> str:
    out, at = [], 0
    for start, end, _ in found:
        if start >= at:
            out += [string[at:start], marks[0], string[start:end], marks[1]]
            at = end
    return "".join([*out, string[at:]])
