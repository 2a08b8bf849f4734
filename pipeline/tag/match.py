"""One pass over a batch of texts: scan, check word ends, languages and capitals, and let the longest match win.

Texts are laid end to end in one buffer of folded bytes; a position in it is a code point of the batch. Positions of invisible
characters and repeated blanks are taken out before the scan and `Batch.origin` puts them back, so offsets always refer to the
text as it was given.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.tag.lexis import LEXICON, Bools, Ints, Lexis
from pipeline.text import BREAK, BREAK_CHAR, DROPPED, SPACE, code_points, fold_table, upper_table

_BLANK = np.zeros(0x10001, bool)
_BLANK[[9, 11, 12, 13, 32, 0xA0, 0x2002, 0x2003, 0x2009, 0x202F]] = True
_ENDS = np.zeros(0x10001, bool)
_ENDS[[ord(c) for c in ".!?…;"]] = True
_OPENS = np.zeros(0x10001, bool)
_OPENS[[ord(c) for c in "\"'„“”»«‘’‚(–—-0123456789"]] = True


@dataclass(frozen=True)
class Batch:
    """The buffer of a batch. Field 2d is the title of document d, field 2d + 1 its body."""

    folded: bytes
    codes: np.ndarray  # code points at the kept positions
    origin: Ints | None  # kept position -> position in the joined text; None when nothing was dropped
    field_start: Ints  # in the joined text
    kept_start: Ints  # in the buffer
    gaps: Ints  # positions of spaces and breaks, ascending
    sentence_start: Ints  # ascending; a field begins a sentence

    def document(self, position: Ints) -> Ints:
        """The document of each position."""
        return (np.searchsorted(self.kept_start, position, "right") - 1) // 2

    def offsets(self, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        """(field, char_start, char_end) of spans of the buffer."""
        which = np.searchsorted(self.kept_start, start, "right") - 1
        if self.origin is not None:
            start, end = self.origin[start], self.origin[end - 1] + 1
        base = self.field_start[which]
        return which, start - base, end - base


def batch(titles: Sequence[str], bodies: Sequence[str]) -> Batch:
    """Lay texts end to end, fold them, find gaps and sentences."""
    fields = [text for pair in zip(titles, bodies, strict=True) for text in pair]
    joined = f"{BREAK_CHAR} " + f" {BREAK_CHAR} ".join(fields) + f" {BREAK_CHAR}"
    lengths = np.fromiter(map(len, fields), np.int64, len(fields))
    field_start = 2 + np.concatenate(([0], np.cumsum(lengths + 3)[:-1])) if fields else lengths
    codes = code_points(joined)
    folded = fold_table()[codes]
    blank = _BLANK[codes]
    drop = folded == DROPPED
    drop[1:] |= (blank[1:] | (codes[1:] == 10)) & blank[:-1]
    drop[1:] |= blank[1:] & (codes[:-1] == 10)
    drop[field_start - 1] = drop[np.minimum(field_start + lengths, len(drop) - 1)] = False
    origin = None
    kept_start = field_start
    if drop.any():
        origin = np.flatnonzero(~drop)
        codes, folded = codes[origin], folded[origin]
        kept_start = np.searchsorted(origin, field_start)
    gap = (folded == SPACE) | (folded == BREAK)
    gaps = np.flatnonzero(gap)
    return Batch(folded.tobytes(), codes, origin, field_start, kept_start, gaps, _sentences(codes, gap, gaps, kept_start))


def _sentences(codes: np.ndarray, gap: Bools, gaps: Ints, field_start: Ints) -> Ints:
    """Where sentences begin: at fields, after a full stop or a line break that a capital, digit or quotation follows."""
    upper = upper_table()
    last = len(codes) - 1
    lines = gaps[codes[gaps] == 10]
    stops = gaps[_ENDS[codes[gaps]]]
    stops = stops[gap[np.minimum(stops + 1, last)]]
    word = stops - gaps[np.maximum(np.searchsorted(gaps, stops) - 1, 0)] - 1  # length of the word before the stop
    stops = stops[(word != 1) & ((word != 2) | upper[codes[np.maximum(stops - 2, 0)]] | (codes[stops] != 46))]
    ends = np.concatenate((stops, lines))
    after = codes[np.minimum(ends + 1, last)]
    begins = np.where(gap[np.minimum(ends + 1, last)] & ~_OPENS[after], ends + 2, ends + 1)
    begins = np.minimum(begins, last)
    first = codes[begins]
    good = upper[first] | _OPENS[first]
    return np.unique(np.concatenate((field_start, begins[good], [last])))


@dataclass(frozen=True)
class Matches:
    """Spans of a batch (positions in its buffer) and the row of the Lexis that each fulfils."""

    start: Ints
    end: Ints
    row: Ints

    def take(self, index: Ints | Bools) -> "Matches":
        """Some of them."""
        return Matches(self.start[index], self.end[index], self.row[index])


def matches(lexis: Lexis, texts: Batch, doc_mask: Ints) -> Matches:
    """What counts in each layer after word ends, languages, capitals and the longest-match rule, by position."""
    return resolve(lexis, candidates(lexis, texts, doc_mask))


def candidates(lexis: Lexis, texts: Batch, doc_mask: Ints) -> Matches:
    """Every row that fits at some place, before the longest-match rule (also for `seeds why`)."""
    string, start, end, word_end = _scan(lexis, texts)
    which, row = lexis.singles.expand(string)
    fits = lexis.row_n_more[row] >= (word_end - end)[which]
    single = Matches(start[which[fits]], word_end[which[fits]], row[fits])
    multi = _phrases(lexis, string, start, end, word_end)
    found = Matches(*(np.concatenate(pair) for pair in zip(
        (single.start, single.end, single.row), (multi.start, multi.end, multi.row), strict=True
    )))  # fmt: skip
    found = found.take((lexis.row_mask[found.row] & doc_mask[texts.document(found.start)]) != 0)
    upper = upper_table()
    for column in (lexis.row_capital, lexis.row_capital2):
        offset = column[found.row]
        found = found.take((offset < 0) | upper[texts.codes[found.start + np.maximum(offset, 0)]])
    return _neighbours(lexis, texts, found)


def _scan(lexis: Lexis, texts: Batch) -> tuple[Ints, Ints, Ints, Ints]:
    """(string, start of the word, end of the match, end of the word), where the word ends soon enough; by position."""
    found = lexis.automaton.find_matches_as_indexes(texts.folded, overlapping=True)
    flat = np.fromiter(itertools.chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
    string, start, end = flat[:, 0], flat[:, 1] + 1, flat[:, 2]
    word_end = texts.gaps[np.searchsorted(texts.gaps, end)]
    near = word_end - end <= lexis.string_n_more[string]
    string, start, end, word_end = string[near], start[near], end[near], word_end[near]
    order = np.argsort(start, kind="stable")
    return string[order], start[order], end[order], word_end[order]


def _phrases(lexis: Lexis, string: Ints, start: Ints, end: Ints, word_end: Ints) -> Matches:
    """Patterns with a star before their last word: walk the trie of parts from each match to the ones right after it."""
    inner = lexis.string_in_trie[string]
    string, start, end, word_end = string[inner], start[inner], end[inner], word_end[inner]
    node, begin, here = np.zeros(len(string), np.int64), start, np.arange(len(string))
    out: list[tuple[Ints, Ints, Ints]] = []
    while len(here):
        key = node * lexis.n_strings + string[here]
        low, high = np.searchsorted(lexis.edge_key, key), np.searchsorted(lexis.edge_key, key, "right")
        which, edge = _ranges(low, high)
        fits = lexis.edge_n_more[edge] >= (word_end - end)[here[which]]
        which, edge = which[fits], edge[fits]
        node, begin, here = lexis.edge_child[edge], begin[which], here[which]
        done, row = lexis.node_rows.expand(node)
        out.append((begin[done], word_end[here[done]], row))
        after = word_end[here] + 1
        which, following = _ranges(np.searchsorted(start, after), np.searchsorted(start, after, "right"))
        node, begin, here = node[which], begin[which], following
    return Matches(*(np.concatenate([o[i] for o in out] or [np.zeros(0, np.int64)]) for i in range(3)))


def _ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the ranges [low, high): (index of the range, number)."""
    counts = high - low
    which = np.repeat(np.arange(len(low)), counts)
    return which, low[which] + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _neighbours(lexis: Lexis, texts: Batch, found: Matches) -> Matches:
    """Keep a `^` row only next to a capitalised word, and stretch its span over that word."""
    before, after = lexis.row_before[found.row], lexis.row_after[found.row]
    if not (before.any() or after.any()):
        return found
    upper, gaps, codes = upper_table(), texts.gaps, texts.codes
    start, end, ok = found.start.copy(), found.end.copy(), np.ones(len(found.row), bool)
    last = len(gaps) - 1
    at = np.searchsorted(gaps, start - 1)
    previous = gaps[np.maximum(at - 1, 0)] + 1
    ok &= ~before | ((codes[start - 1] == SPACE) & (start - previous > 3) & upper[codes[previous]])
    start[before] = previous[before]
    following = gaps[np.minimum(np.searchsorted(gaps, end) + 1, last)]
    ok &= ~after | ((codes[end] == SPACE) & (following - end > 2) & upper[codes[np.minimum(end + 1, len(codes) - 1)]])
    end[after] = following[after]
    return Matches(start, end, found.row).take(ok)


def resolve(lexis: Lexis, found: Matches) -> Matches:
    """Leftmost-longest inside each layer; on one span the best priority wins, topic words all stay."""
    layer = lexis.row_layer[found.row]
    order = np.lexsort((found.row, lexis.row_priority[found.row], -found.end, found.start, layer))
    found, layer = found.take(order), layer[order]
    if not len(layer):
        return found
    shift = layer * (int(found.end.max()) + 1)
    start, end = found.start + shift, found.end + shift
    same = np.concatenate(([False], (start[1:] == start[:-1]) & (end[1:] == end[:-1])))
    first = np.flatnonzero(~same)
    kept = _leftmost(start[first], end[first])
    group = np.cumsum(~same) - 1
    guarded = (lexis.row_priority[found.row[first]] == 0)[group]
    keep = kept[group] & (~same | ((layer == LEXICON) & ~guarded))
    found = found.take(keep)
    return found.take(np.argsort(found.start, kind="stable"))


def _leftmost(start: Ints, end: Ints) -> Bools:
    """Greedy choice over spans sorted by (start, longest first): true where no chosen span before it overlaps."""
    kept = np.zeros(len(start), bool)
    left = np.arange(len(start))
    while len(left):
        reach = np.concatenate(([-1], np.maximum.accumulate(end[left])[:-1]))
        heads = start[left] >= reach
        kept[left[heads]] = True
        chosen = left[heads]
        owner = chosen[np.searchsorted(start[chosen], start[left], "right") - 1]
        left = left[~heads & (start[left] >= end[owner])]
    return kept
