"""One pass over a batch of texts: scan, check word ends, languages and capitals, and let the longest match win.

Texts are laid end to end in one buffer of folded bytes, a byte a code point. Invisible characters and repeated blanks are taken
out before the scan and `Batch.origin` counts them back in, so offsets always refer to the text as it was given.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.tag.arrays import Bools, Ints, Marks, ordered
from pipeline.tag.lexis import LEXICON, Lexis
from pipeline.text import BREAK_CHAR, DROPPED, SPACE, Bytes, code_points, fold_bytes, fold_table, upper_table

# What a code point is, beyond its folded byte, as flags in one table.
_UPPER, _BLANK, _LINE, _END, _OPEN, _DASH, _DOT, _PLAIN = 1, 2, 4, 8, 16, 32, 64, 128
_PIECE = 1 << 15  # characters worked on at a time, so that what is made of them stays in the processor's cache
_ABBREVIATIONS = (
    "tzv",
    "npr",
    "odn",
    "prof",
    "god",
    "gosp",
    "gen",
    "tj",
    "br",
    "st",
    "str",
    "ing",
    "mag",
    "тзв",
    "нпр",
    "проф",
    "год",
)


@functools.cache
def _flags() -> Bytes:
    table = upper_table().astype(np.uint8)
    table[[9, 11, 12, 13, 32, 0xA0, 0x2002, 0x2003, 0x2009, 0x202F]] |= _BLANK
    table[10] |= _LINE
    table[[ord(c) for c in ".!?…;"]] |= _END
    table[[ord(c) for c in "-–—"]] |= _DASH
    table[ord(".")] |= _DOT
    table[ord(" ")] |= _PLAIN
    table[[ord(c) for c in "\"'„“”»«‘’‚(–—-0123456789"]] |= _OPEN
    return table


@functools.cache
def _packed_abbreviations() -> Ints:
    return np.sort(np.array([int.from_bytes(fold_bytes(word), "big") for word in _ABBREVIATIONS], np.int64))


@dataclass(frozen=True)
class Batch:
    """The buffer of a batch. Field 2d is the title of document d, field 2d + 1 its body.

    `joined` holds all fields with a break between; `folded` is it in bytes without the positions `dropped`.
    """

    joined: str
    folded: bytes
    flags: Bytes  # what each position of `folded` is
    field_start: Ints  # in `joined`
    dropped: Ints  # positions of `joined` that are not in `folded`, each less the number of those before it
    gaps: Marks  # spaces and breaks in `folded`
    fields: Marks  # starts of fields in `folded`
    sentences: Marks  # starts of sentences in `folded`; a field begins a sentence

    def origin(self, position: Ints) -> Ints:
        """Positions of the buffer as positions of `joined`."""
        return position + np.searchsorted(self.dropped, position, "right") if len(self.dropped) else position

    def document(self, position: Ints) -> Ints:
        """The document of each position of the buffer."""
        return self.field(position) // 2

    def field(self, position: Ints) -> Ints:
        """The field of each position of the buffer."""
        return self.fields.before(position + 1) - 1

    def sentence(self, position: Ints) -> Ints:
        """The sentence of each position of the buffer."""
        return self.sentences.before(position + 1) - 1

    def is_upper(self, position: Ints) -> Bools:
        """Does a capital stand at each position of the buffer?"""
        return self.flags[position] & _UPPER > 0

    def is_space(self, position: Ints) -> Bools:
        """Does a plain space stand there, not a full stop or a comma?"""
        return self.flags[position] & _PLAIN > 0

    def offsets(self, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        """(field, char_start, char_end) of spans of the buffer."""
        which = self.field(start)
        base = self.field_start[which]
        return which, self.origin(start) - base, self.origin(end - 1) + 1 - base

    def surfaces(self, start: Ints, end: Ints) -> list[str]:
        """The text of spans of the buffer, as it was given."""
        low, high = self.origin(start), self.origin(end - 1) + 1
        return [self.joined[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)]


def batch(titles: Sequence[str], bodies: Sequence[str]) -> Batch:
    """Lay texts end to end, fold them, find gaps and sentences."""
    fields = [text for pair in zip(titles, bodies, strict=True) for text in pair]
    joined = f"{BREAK_CHAR} " + f" {BREAK_CHAR} ".join(fields) + f" {BREAK_CHAR}"
    lengths = np.fromiter(map(len, fields), np.int64, len(fields))
    field_start = 2 + np.cumsum(lengths + 3) - (lengths + 3)
    folded, flags = _folded(joined)
    gaps = np.flatnonzero(folded <= SPACE)  # spaces, breaks, and what is to be dropped
    drop = _droppable(folded, flags.take(gaps), gaps, field_start, lengths)
    dropped = gaps[drop]
    if len(dropped):
        keep = np.ones(len(folded), bool)
        keep[dropped] = False
        folded, flags = folded[keep], flags[keep]
        dropped = dropped - np.arange(len(dropped))
        gaps = np.flatnonzero(folded <= SPACE)
    buffer_start = field_start - np.searchsorted(dropped + np.arange(len(dropped)), field_start)
    starts, size = Marks(buffer_start, len(folded)), len(folded)
    made = Batch(joined, folded.tobytes(), flags, field_start, dropped, Marks(gaps, size), starts, starts)
    return replace(made, sentences=Marks(_sentences(made), size))


def _folded(joined: str) -> tuple[Bytes, Bytes]:
    """The folded byte and the flags of each character."""
    folded, flags = np.empty(len(joined), np.uint8), np.empty(len(joined), np.uint8)
    for low in range(0, len(joined), _PIECE):
        piece = slice(low, low + _PIECE)
        codes = code_points(joined[piece]).astype(np.intp)
        folded[piece], flags[piece] = fold_table().take(codes), _flags().take(codes)
    return folded, flags


def _droppable(folded: Bytes, flags: Bytes, gaps: Ints, field_start: Ints, lengths: Ints) -> Bools:
    """Which gaps say nothing: invisible characters, blanks after a blank or a line break or around a dash, a line break after
    a blank, the blank after a very short word with a full stop (`St. Lucia`)."""
    drop = folded[gaps] == DROPPED
    touching = gaps[1:] == gaps[:-1] + 1
    before, after = flags[:-1], flags[1:]
    drop[1:] |= touching & (
        (after & _BLANK > 0) & (before & (_BLANK | _LINE | _DASH) > 0) | (after & _LINE > 0) & (before & _BLANK > 0)
    )
    drop[:-1] |= touching & (before & _BLANK > 0) & (after & _DASH > 0)
    after_short = touching[1:] & (gaps[1:-1] - gaps[:-2] <= 3) & (flags[1:-1] & _DOT > 0)  # `St. Lucia`, `U. S.`
    drop[2:] |= after_short & (flags[2:] & _BLANK > 0)
    edges = np.concatenate((field_start - 1, field_start + lengths))  # the spaces around a field stay
    drop[np.searchsorted(gaps, edges)] = False
    found: Bools = drop
    return found


def _sentences(texts: Batch) -> Ints:
    """Where sentences begin: at fields, after a full stop or a line break that a capital, digit or quotation follows."""
    gaps, last = texts.gaps.at, len(texts.folded) - 1
    flags = texts.flags
    kind = flags.take(gaps)
    at = np.flatnonzero(kind & (_END | _LINE))
    ends, kind = gaps.take(at), kind.take(at)
    word = ends - gaps.take(np.maximum(at - 1, 0)) - 1  # length of the word before the stop
    is_next_gap = (gaps.take(at + 1, mode="clip") == ends + 1) & (ends < last)
    short = np.zeros(len(at), bool)
    few = np.flatnonzero(word <= 4)
    short[few] = _is_short(texts, ends.take(few), word.take(few))
    good = (kind & _LINE > 0) | (is_next_gap & ~short)
    ends, is_next_gap = ends[good], is_next_gap[good]
    after = np.minimum(ends + 1, last)
    opens = flags[after] & _OPEN > 0
    begins = np.minimum(np.where(is_next_gap & ~opens, ends + 2, after), last)
    first = flags[begins] & (_UPPER | _OPEN) > 0
    starts = np.sort(np.concatenate((texts.fields.at, begins[first], [last])))
    return starts[np.diff(starts, prepend=-1) > 0]


def _is_short(texts: Batch, ends: Ints, word: Ints) -> Bools:
    """Is it an abbreviation that stands before each full stop? `word` is its length, at most 4."""
    letters = np.frombuffer(texts.folded, np.uint8)
    packed = np.zeros(len(ends), np.int64)
    for n in (1, 2, 3, 4):
        packed |= np.where(word >= n, letters.take(np.maximum(ends - n, 0)), 0).astype(np.int64) << 8 * (n - 1)
    known = _packed_abbreviations()
    is_known = known.take(known.searchsorted(packed), mode="clip") == packed
    short: Bools = is_known | (word == 1) | ((word == 2) & ~texts.is_upper(np.maximum(ends - 2, 0)))
    return short


@dataclass(frozen=True)
class Matches:
    """Spans of a batch (positions in its buffer) and the row of the Lexis that each fulfils."""

    start: Ints
    end: Ints
    row: Ints

    def take(self, index: Ints | Bools) -> "Matches":
        """Some of them."""
        at = np.flatnonzero(index) if index.dtype == bool else index
        return Matches(self.start.take(at), self.end.take(at), self.row.take(at))


def matches(lexis: Lexis, texts: Batch) -> Matches:
    """What counts in each layer after word ends, capitals and the longest-match rule, by position."""
    found = resolve(lexis, texts, candidates(lexis, texts))
    start, core = found.start + lexis.row_lead.take(found.row), lexis.row_core.take(found.row)
    end = np.where(core > 0, start + core, found.end)
    return Matches(start, end, found.row).take(ordered(start))


def candidates(lexis: Lexis, texts: Batch) -> Matches:
    """Every row that fits at some place, before the longest-match rule (also for `seeds why`)."""
    string, start, end, word_end = _scan(lexis, texts)
    which, row = lexis.singles.expand(string)
    fits = np.flatnonzero(lexis.row_n_more.take(row) >= (word_end - end).take(which))
    which = which.take(fits)
    single = Matches(start.take(which), word_end.take(which), row.take(fits))
    multi = Matches(*lexis.phrases.matches(texts.folded, texts.gaps, string, start, end, word_end))
    found = Matches(*(np.concatenate(pair) for pair in zip(
        (single.start, single.end, single.row), (multi.start, multi.end, multi.row), strict=True
    )))  # fmt: skip
    fits = np.ones(len(found.row), bool)
    for column in (lexis.row_capital, lexis.row_capital2):
        offset = column.take(found.row)
        demanding = np.flatnonzero(offset >= 0)
        fits[demanding] &= texts.is_upper(found.start.take(demanding) + offset.take(demanding))
    return _neighbours(lexis, texts, found.take(fits))


def _scan(lexis: Lexis, texts: Batch) -> tuple[Ints, Ints, Ints, Ints]:
    """(string, start of the word, end of the match, end of the word)."""
    breaks = texts.fields.at - 2  # no string reaches over one
    cuts = [0, *breaks[np.flatnonzero(np.diff(breaks // _PIECE)) + 1].tolist(), len(texts.folded)]
    found = np.concatenate([_scan_piece(lexis, texts, low, high) for low, high in itertools.pairwise(cuts)])
    string, start, end = found.T.copy()
    start += 1
    is_closed = lexis.string_is_closed.take(string)
    end -= is_closed
    word_end = end.copy()
    still_open = np.flatnonzero(~is_closed)
    word_end[still_open] = texts.gaps.next(end[still_open])
    return string, start, end, word_end


def _scan_piece(lexis: Lexis, texts: Batch, low: int, high: int) -> Ints:
    """Rows of (string, start, end) between two breaks; one list of all tuples would cost more to lay out than to find."""
    found = lexis.automaton.find_matches_as_indexes(texts.folded[low:high], overlapping=True)
    flat = np.fromiter(itertools.chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
    flat[:, 1:] += low
    return flat


def _neighbours(lexis: Lexis, texts: Batch, found: Matches) -> Matches:
    """Keep a `^` row only next to a capitalised word, and stretch its span over that word."""
    before = np.flatnonzero(lexis.row_before.take(found.row))
    after = np.flatnonzero(lexis.row_after.take(found.row))
    gaps = texts.gaps
    start, end, ok = found.start.copy(), found.end.copy(), np.ones(len(found.row), bool)
    old = start[before]
    start[before] = previous = gaps.at[np.maximum(gaps.before(old - 1) - 1, 0)] + 1
    ok[before] &= texts.is_space(old - 1) & (old - previous > 3) & texts.is_upper(previous)
    old = end[after]
    end[after] = following = gaps.at[np.minimum(gaps.before(old) + 1, len(gaps.at) - 1)]
    ok[after] &= texts.is_space(old) & (following - old > 2) & texts.is_upper(np.minimum(old + 1, gaps.at[-1]))
    return Matches(start, end, found.row).take(ok)


def resolve(lexis: Lexis, texts: Batch, found: Matches) -> Matches:
    """Leftmost-longest inside each layer; on one span the best priority wins, but topic words and shared surnames all stay."""
    layer = lexis.row_layer.take(found.row)
    width = np.minimum(found.end - found.start, 1023)
    size = len(texts.folded).bit_length()
    order = ordered((((layer << size | found.start) << 10) + 1023 - width) << 4 | lexis.row_priority.take(found.row))
    found, layer = found.take(order), layer.take(order)
    if not len(layer):
        return found
    shift = layer * (int(found.end.max()) + 1)
    start, end = found.start + shift, found.end + shift
    same = np.concatenate(([False], (start[1:] == start[:-1]) & (end[1:] == end[:-1])))
    first = np.flatnonzero(~same)
    kept = _leftmost(start[first], end[first])
    group = np.cumsum(~same) - 1
    guarded = (lexis.row_priority[found.row[first]] == 0)[group]
    together = (layer == LEXICON) | lexis.row_needs_full[found.row]
    keep = kept[group] & (~same | (together & ~guarded))
    return found.take(keep)


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
