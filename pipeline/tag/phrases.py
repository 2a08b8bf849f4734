"""Patterns with a star inside (`vojn* vežb*`): found by their longest part, the others compared in place.

The automaton looks for one part of each phrase only, its anchor. From there the parts to the right and then those to the left
are compared with the buffer, eight letters at a time for all phrases at once: short parts (`u`, `nov*`) cost nothing where no
anchor stands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.patterns import Part
from pipeline.tag.arrays import Csr, Ints, Marks, csr, lines, unlined

_CHUNK = 8


def anchor(parts: Sequence[Part]) -> int:
    """Which part of a phrase to look for."""
    return max(range(len(parts)), key=lambda i: len(parts[i].text))


class PhraseLists:
    """Phrases being collected; each knows its anchor string, its row, and its other parts from the anchor outwards."""

    def __init__(self) -> None:
        self._parts: dict[Part, int] = {}
        self._phrases: list[tuple[int, int, int]] = []  # string, row, n_more of the anchor
        self._right: list[list[int]] = []
        self._left: list[list[int]] = []

    def add(self, parts: Sequence[Part], string: int, row: int) -> None:
        """A phrase whose anchor is the automaton's `string`."""
        at = anchor(parts)
        numbers = [self._parts.setdefault(part._replace(capitals=()), len(self._parts)) for part in parts]
        self._phrases.append((string, row, parts[at].n_more))
        self._right.append(numbers[at + 1 :])
        self._left.append(numbers[:at][::-1])

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for `Phrases`."""
        return {
            "phrases": np.array(self._phrases, np.int32).reshape(-1, 3),
            "right": _padded(self._right),
            "left": _padded(self._left),
            "part_texts": lines([part.text for part in self._parts]),
            "part_n_more": np.array([part.n_more for part in self._parts], np.int32),
        }


class Phrases:
    """All phrases of a Lexis."""

    def __init__(self, state: Mapping[str, npt.NDArray[Any]], n_strings: int) -> None:
        string, self.row, self.n_more = state["phrases"].astype(np.int64).T
        self.anchored: Csr = csr(np.column_stack((string, np.arange(len(string)))), n_strings)
        self.right, self.left = state["right"].astype(np.int64), state["left"].astype(np.int64)
        texts = [*unlined(state["part_texts"]), b""]  # number -1 is the empty part, which stands everywhere
        self.part_length = np.array([len(text) for text in texts], np.int64)
        self.part_n_more = np.append(state["part_n_more"].astype(np.int64), 0)
        self.part_n_words = np.array([text.count(b" ") + 1 for text in texts], np.int64)
        width = max(-(-len(text) // _CHUNK) for text in texts) or 1
        chunks = b"".join(text.ljust(width * _CHUNK, b"\0") for text in texts)
        masks = b"".join((b"\xff" * len(text)).ljust(width * _CHUNK, b"\0") for text in texts)
        self.part_chunks = np.frombuffer(chunks, np.uint64).reshape(-1, width).T.copy()
        self.part_masks = np.frombuffer(masks, np.uint64).reshape(-1, width).T.copy()

    def matches(
        self, folded: bytes, gaps: Marks, string: Ints, start: Ints, end: Ints, word_end: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """(start, end, row) of every phrase around the anchors found (end of the match, end of its word)."""
        which, phrase = self.anchored.expand(string)
        fits = np.flatnonzero(self.n_more.take(phrase) >= (word_end - end).take(which))
        which, phrase = which.take(fits), phrase.take(fits)
        begin, finish = start.take(which), word_end.take(which)
        letters = np.frombuffer(folded + b"\0" * (len(self.part_chunks) + 1) * _CHUNK, np.uint8)
        eights = np.ndarray(len(letters) - _CHUNK + 1, np.uint64, letters, strides=(1,))  # the eight letters from each position
        for column in self.right.T:
            good, finish = self._after(eights, gaps, column.take(phrase), finish)
            phrase, begin, finish = phrase.take(good), begin.take(good), finish.take(good)
        for column in self.left.T:
            good, begin = self._before(eights, gaps, column.take(phrase), begin)
            phrase, begin, finish = phrase.take(good), begin.take(good), finish.take(good)
        return begin, finish, self.row.take(phrase)

    def _after(self, eights: np.ndarray, gaps: Marks, part: Ints, finish: Ints) -> tuple[Ints, Ints]:
        """Behind which ends does the part stand (or is there none), and the ends then, moved on where it does."""
        good = self._stands(eights, part, finish + 1)
        longer = good[part.take(good) >= 0]
        end = finish.take(longer) + 1 + self.part_length.take(part.take(longer))
        word_end = gaps.next(end)
        finish = finish.copy()
        finish[longer] = np.where(word_end - end <= self.part_n_more.take(part.take(longer)), word_end, -1)
        return good[finish.take(good) >= 0], finish

    def _before(self, eights: np.ndarray, gaps: Marks, part: Ints, begin: Ints) -> tuple[Ints, Ints]:
        """Before which starts does the part stand (or is there none), and the starts then, moved back where it does."""
        longer = np.flatnonzero(part >= 0)
        part_there, old = part.take(longer), begin.take(longer)
        at = gaps.before(old - 1) - self.part_n_words.take(part_there)
        start = gaps.at.take(np.maximum(at, 0)) + 1
        rest = old - 1 - (start + self.part_length.take(part_there))
        good = np.flatnonzero((at >= 0) & (rest >= 0) & (rest <= self.part_n_more.take(part_there)))
        good = good.take(self._stands(eights, part_there.take(good), start.take(good)))
        begin = begin.copy()
        begin[longer] = -1
        begin[longer.take(good)] = start.take(good)
        return np.flatnonzero(begin >= 0), begin

    def _stands(self, eights: np.ndarray, part: Ints, start: Ints) -> Ints:
        """Which of the parts stand right at their start."""
        good = np.arange(len(part))
        for i, (chunk, mask) in enumerate(zip(self.part_chunks, self.part_masks, strict=True)):
            have = eights[start.take(good) + i * _CHUNK]
            longer = part.take(good)
            good = good[have & mask.take(longer) == chunk.take(longer)]
        return good


def _padded(lists: list[list[int]]) -> npt.NDArray[np.int32]:
    """Rows of equal length, filled up with -1."""
    width = max((len(one) for one in lists), default=0)
    return np.array([one + [-1] * (width - len(one)) for one in lists], np.int32).reshape(len(lists), width)
