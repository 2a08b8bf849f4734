"""The compiled parts of the tagger against the plain way of doing the same."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tag.arrays import Marks
from pipeline.tag.texts import batch
from pipeline.tag.trie import Trie, begun, trie
from pipeline.text import fold

LETTERS = st.text("ab z.\u00ad\u0301-–\n\u00a0ŽЉ😀\uf8ff5", max_size=30)


def found(whole: Trie, word: bytes) -> int:
    """The number of a string of the trie, -1 for any other."""
    state, base = whole.root, int(whole.state["base"][whole.root]) >> 1
    for letter in word:
        child = base + letter
        if whole.state["check"][child] != state:
            return -1
        state, base = child, int(whole.state["base"][child]) >> 1
    number = int(whole.number[state])
    assert (number >= 0) == (whole.state["base"][state] & 1)
    return number


@settings(deadline=None)  # the first call compiles
@given(st.sets(st.binary(max_size=6), min_size=1, max_size=60), st.lists(st.binary(max_size=7)))
def test_a_trie_knows_its_strings_and_no_others(strings: set[bytes], others: list[bytes]) -> None:
    words = list(strings)
    whole = trie(words)
    assert [found(whole, word) for word in words] == list(range(len(words)))
    assert all(found(whole, word) == -1 for word in others if word not in strings)


def test_a_trie_is_seen_from_behind_a_prefix() -> None:
    inside = begun(trie([b" ab", b" b "]), b" ")
    assert [found(inside, word) for word in (b"ab", b"b ", b"b", b" ab")] == [0, 1, -1, -1]


@settings(deadline=None)  # the first call compiles
@given(st.sets(st.integers(0, 500)), st.lists(st.integers(0, 600)))
def test_marks_before_a_position_are_counted_in_any_order(marks: set[int], positions: list[int]) -> None:
    at = np.array(sorted(marks), np.int32)
    counted = Marks(at).before(np.array(positions, np.int64))
    assert counted.tolist() == np.searchsorted(at, positions).tolist()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=4))
def test_every_letter_of_the_buffer_leads_back_to_the_text(fields: list[tuple[str, str]]) -> None:
    titles, bodies = ([field[i] for field in fields] for i in (0, 1))
    texts = batch(pl.Series(titles, dtype=pl.String), pl.Series(bodies, dtype=pl.String))
    given_ = [text for pair in zip(titles, bodies, strict=True) for text in pair]
    position = np.flatnonzero(texts.folded > 0x20)
    field, start, end = texts.offsets(position, position + 1)
    surfaces = texts.surfaces(position, position + 1).to_list()
    for which, low, high, surface, byte in zip(field, start, end, surfaces, texts.folded[position], strict=True):
        assert surface == given_[which][low:high]
        assert fold(surface) == fold(surface[0]) == bytes([byte]).decode("latin-1") or byte >= 0x80
    letters = sum(sign not in " \u00ad\uf8ff" for text in given_ for sign in fold(text))
    assert letters == len(position)
