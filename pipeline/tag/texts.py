"""The texts of a batch, laid end to end and folded in one pass: words, sentences, and the way back to the text as it was given.

The buffer holds a folded byte a code point. Invisible characters and repeated blanks are left out of it, and `Batch.origin`
counts them back in.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.errors import InputError
from pipeline.tag.arrays import Ints, Marks, Places, Positions, inner, native
from pipeline.text import BREAK, DROPPED, SPACE, Bytes, fold_bytes, fold_table, upper_table

# What a code point is, beyond its folded byte, as flags in one table.
UPPER, BLANK, LINE, END, OPEN, DASH, DOT, PLAIN = 1, 2, 4, 8, 16, 32, 64, 128
_STEP = 6  # of 64 code points the first one's place in the UTF-8 bytes is noted
# fmt: off
_ABBREVIATIONS = (
    "tzv", "npr", "odn", "prof", "god", "gosp", "gen", "tj", "br", "st", "str", "ing", "mag", "тзв", "нпр", "проф", "год",
)
# fmt: on


@functools.cache
def _signs() -> np.ndarray:
    """65,537 numbers: the folded byte and, above it, the flags of each code point; the last stands for all beyond the plane."""
    flags = upper_table().astype(np.uint16)
    flags[[9, 11, 12, 13, 32, 0xA0, 0x2002, 0x2003, 0x2009, 0x202F]] |= BLANK
    flags[10] |= LINE
    flags[[ord(c) for c in ".!?…;"]] |= END
    flags[[ord(c) for c in "-–—"]] |= DASH
    flags[ord(".")] |= DOT
    flags[ord(" ")] |= PLAIN
    flags[[ord(c) for c in "\"'„“”»«‘’‚(–—-0123456789"]] |= OPEN
    return (flags.astype(np.int32) << 8) | fold_table()


@functools.cache
def _packed_abbreviations() -> Ints:
    return np.sort(np.array([int.from_bytes(fold_bytes(word), "big") for word in _ABBREVIATIONS], np.int64))


@dataclass(frozen=True)
class Batch:
    """The buffer of a batch. Field 2d is the title of document d, field 2d + 1 its body.

    Think of all fields joined with a blank, a break and a blank between: `field_start` and `dropped` count code points of that.
    """

    folded: Bytes
    flags: Bytes  # what each position of `folded` is
    gaps: Marks  # spaces and breaks in `folded`
    fields: Marks  # starts of fields in `folded`
    sentences: Marks  # starts of sentences in `folded`; a field begins a sentence
    field_start: Positions
    dropped: Marks  # what is not in `folded`, each less the number of those before it
    utf8: tuple[Bytes, Places, Bytes, Places]  # letters of all titles, where each begins, the same of all bodies
    noted: Places  # where every 64th code point of the joined texts is in them

    def origin(self, position: Positions) -> Ints:
        """Positions of the buffer as code points of the joined texts."""
        return position + self.dropped.before(position + 1)

    def document(self, position: Positions) -> Ints:
        """The document of each position of the buffer."""
        return self.field(position) // 2

    def field(self, position: Positions) -> Ints:
        """The field of each position of the buffer."""
        return self.fields.before(position + 1) - 1

    def sentence(self, position: Positions) -> Ints:
        """The sentence of each position of the buffer."""
        return self.sentences.before(position + 1) - 1

    def offsets(self, start: Positions, end: Positions) -> tuple[Ints, Ints, Ints]:
        """(field, char_start, char_end) of spans of the buffer."""
        which = self.field(start)
        base = self.field_start.take(which)
        return which, self.origin(start) - base, self.origin(end - 1) + 1 - base

    def surfaces(self, start: Positions, end: Positions) -> pl.Series:
        """The text of spans of the buffer, as it was given."""
        at, letters = _cut(
            *self.utf8, self.noted, self.field_start, self.field(start), self.origin(start), self.origin(end - 1) + 1
        )
        cut = pa.LargeStringArray.from_buffers(len(start), pa.py_buffer(at), pa.py_buffer(letters))
        return pl.Series(pl.from_arrow(cut), dtype=pl.String)


def batch(titles: pl.Series, bodies: pl.Series) -> Batch:
    """Lay texts end to end, fold them, find gaps and sentences. Neither column may hold nulls."""
    utf8 = (*_utf8(titles), *_utf8(bodies))
    folded, flags, gaps, dropped, noted, field_start, starts = _laid(*utf8, _signs())
    sentences = _sentences(folded, flags, gaps, starts, _packed_abbreviations())
    return Batch(folded, flags, Marks(gaps), Marks(starts), Marks(sentences), field_start, Marks(dropped), utf8, noted)


def _utf8(texts: pl.Series) -> tuple[Bytes, Places]:
    """The bytes of some texts one after the other, and where each begins and the last one ends."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = (memoryview(buffer or b"") for buffer in array.buffers())
    if len(data) >= 2**31:
        raise InputError("A text of more than 2 GB can not be tagged; cut it in pieces.")
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1].astype(np.int32)
    return np.frombuffer(data, np.uint8), at


@native
def _laid(titles: Any, title_at: Any, bodies: Any, body_at: Any, signs: Any) -> Any:
    """(folded, flags, gaps, dropped, noted, start of each field in the joined texts, and in the buffer).

    What says nothing is dropped: invisible characters, blanks after a blank or a line break or around a dash, a line break
    after a blank, the blank after a very short word with a full stop (`St. Lucia`). The blanks around a field stay.
    """
    n_fields = 2 * (len(title_at) - 1)
    size = title_at[-1] - title_at[0] + body_at[-1] - body_at[0] + 3 * n_fields + 3
    folded, flags = np.empty(size, np.uint8), np.empty(size, np.uint8)
    gaps, dropped = np.empty(size, np.int32), np.empty(size, np.int32)
    noted = np.zeros((size >> _STEP) + 1, np.int32)
    field_start, starts = np.empty(n_fields, np.int64), np.empty(n_fields, np.int32)
    folded[0], folded[1], flags[0], flags[1], gaps[0], gaps[1] = BREAK, SPACE, 0, BLANK | PLAIN, 0, 1
    at = out = n_gaps = 2
    n_dropped, gap, gap_before, flag_before = 0, 1, 0, BLANK | PLAIN
    for field in range(n_fields):
        data, offset = (titles, title_at) if field % 2 == 0 else (bodies, body_at)
        i, end = offset[field // 2], offset[field // 2 + 1]
        field_start[field], starts[field] = at, out
        is_dropped = True  # no dash takes the blank before the field away
        while i < end:
            if not at & (1 << _STEP) - 1:
                noted[at >> _STEP] = i
            byte = data[i]
            if byte < 0x80:
                code, i = np.int64(byte), i + 1
            elif byte < 0xE0:
                code, i = (byte & 0x1F) << 6 | data[i + 1] & 0x3F, i + 2
            elif byte < 0xF0:
                code, i = (byte & 0x0F) << 12 | (data[i + 1] & 0x3F) << 6 | data[i + 2] & 0x3F, i + 3
            else:
                code, i = np.int64(0x10000), i + 4
            sign = signs[code]
            letter, flag = sign & 0xFF, sign >> 8
            if letter > SPACE:
                folded[out], flags[out] = letter, flag
                out += 1
            else:
                drop = letter == DROPPED
                if gap == at - 1:
                    if flag & DASH and flag_before & BLANK and not is_dropped:
                        out, n_gaps = out - 1, n_gaps - 1
                        dropped[n_dropped] = at - 1 - n_dropped
                        n_dropped += 1
                    if (flag & BLANK and flag_before & (BLANK | LINE | DASH)) or (flag & LINE and flag_before & BLANK):
                        drop = True
                    if flag & BLANK and flag_before & DOT and gap - gap_before <= 3:
                        drop = True
                gap_before, gap, is_dropped = gap, at, drop
                if drop:
                    dropped[n_dropped] = at - n_dropped
                    n_dropped += 1
                else:
                    folded[out], flags[out], gaps[n_gaps] = letter, flag, out
                    out, n_gaps = out + 1, n_gaps + 1
            flag_before = flag
            at += 1
        for letter, flag in ((SPACE, BLANK | PLAIN), (BREAK, 0), (SPACE, BLANK | PLAIN)):
            if not at & (1 << _STEP) - 1:
                noted[at >> _STEP] = i
            folded[out], flags[out], gaps[n_gaps] = letter, flag, out
            gap_before, gap, flag_before = gap, at, flag
            at, out, n_gaps = at + 1, out + 1, n_gaps + 1
    out, n_gaps = out - (n_fields > 0), n_gaps - (n_fields > 0)  # nothing follows the last break
    return folded[:out], flags[:out], gaps[:n_gaps], dropped[:n_dropped], noted, field_start, starts


@native
def _sentences(folded: Any, flags: Any, gaps: Any, starts: Any, abbreviations: Any) -> Any:
    """Where sentences begin: at fields, after a full stop or a line break that a capital, digit or quotation follows."""
    last = len(folded) - 1
    found = np.empty(len(gaps) + len(starts) + 1, np.int32)
    n, field = 0, 0
    for k in range(1, len(gaps)):
        end = gaps[k]
        kind = flags[end]
        if not kind & (END | LINE):
            continue
        is_next_gap = k + 1 < len(gaps) and gaps[k + 1] == end + 1
        if not kind & LINE:
            word = end - gaps[k - 1] - 1
            if not is_next_gap or _is_short(folded, flags, end, word, abbreviations):
                continue
        begin = end + 1
        if is_next_gap and not flags[begin] & OPEN:
            begin += 1
        if begin < last and flags[begin] & (UPPER | OPEN):
            while field < len(starts) and starts[field] <= begin:
                if n == 0 or found[n - 1] < starts[field]:
                    found[n] = starts[field]
                    n += 1
                field += 1
            if n == 0 or found[n - 1] < begin:
                found[n] = begin
                n += 1
    while field < len(starts):
        if n == 0 or found[n - 1] < starts[field]:
            found[n] = starts[field]
            n += 1
        field += 1
    if n == 0:
        found[n] = last
        n += 1
    return found[:n]


@inner
def _is_short(folded: Any, flags: Any, end: Any, word: Any, abbreviations: Any) -> Any:
    """Is it an abbreviation that stands before the full stop at `end`? `word` is its length."""
    if word == 1 or (word == 2 and not flags[end - 2] & UPPER):
        return True
    if word > 4:
        return False
    packed = np.int64(0)
    for i in range(end - word, end):
        packed = packed << 8 | folded[i]
    return packed in abbreviations


@native
def _cut(
    titles: Any, title_at: Any, bodies: Any, body_at: Any, noted: Any, field_start: Any, fields: Any, starts: Any, ends: Any
) -> Any:
    """(where each span begins and the last one ends, letters of all spans) in UTF-8."""
    at, begins = np.empty(len(starts) + 1, np.int64), np.empty(len(starts), np.int64)
    at[0] = 0
    for n in range(len(starts)):
        field = fields[n]
        data, offset = (titles, title_at) if field % 2 == 0 else (bodies, body_at)
        place, i = field_start[field], offset[field // 2]
        near = starts[n] >> _STEP << _STEP
        if near > place:
            place, i = near, noted[near >> _STEP]
        i = _moved(data, i, starts[n] - place)
        begins[n] = i
        at[n + 1] = at[n] + _moved(data, i, ends[n] - starts[n]) - i
    letters = np.empty(at[-1], np.uint8)
    for n in range(len(starts)):
        data = titles if fields[n] % 2 == 0 else bodies
        for i in range(at[n + 1] - at[n]):
            letters[at[n] + i] = data[begins[n] + i]
    return at, letters


@inner
def _moved(data: Any, i: Any, n_chars: Any) -> Any:
    """The place in UTF-8 bytes so many characters on."""
    for _ in range(n_chars):
        byte = data[i]
        i += 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    return i
