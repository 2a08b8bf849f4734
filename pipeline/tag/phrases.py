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
from pipeline.tag.arrays import Bools, Csr, Ints, csr, lines, unlined

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
        texts = unlined(state["part_texts"])
        self.part_length = np.array([len(text) for text in texts], np.int64)
        self.part_n_more = state["part_n_more"].astype(np.int64)
        self.part_n_words = np.array([text.count(b" ") + 1 for text in texts], np.int64)
        width = max((-(-len(text) // _CHUNK) for text in texts), default=1)
        chunks = b"".join(text.ljust(width * _CHUNK, b"\0") for text in texts)
        masks = b"".join((b"\xff" * len(text)).ljust(width * _CHUNK, b"\0") for text in texts)
        self.part_chunks = np.frombuffer(chunks, np.uint64).reshape(-1, width)
        self.part_masks = np.frombuffer(masks, np.uint64).reshape(-1, width)

    def matches(self, folded: bytes, gaps: Ints, string: Ints, start: Ints, end: Ints, word_end: Ints) -> tuple[Ints, Ints, Ints]:
        """(start, end, row) of every phrase around the anchors found (end of the match, end of its word)."""
        which, phrase = self.anchored.expand(string)
        fits = self.n_more[phrase] >= (word_end - end)[which]
        which, phrase = which[fits], phrase[fits]
        begin, finish = start[which], word_end[which]
        letters = np.frombuffer(folded + b"\0" * (self.part_chunks.shape[1] + 1) * _CHUNK, np.uint8)
        chunks = np.ndarray(len(letters) - _CHUNK + 1, np.uint64, letters, strides=(1,))  # the eight letters from each position
        for parts, is_right in ((self.right, True), (self.left, False)):
            for column in parts.T:
                part = column[phrase]
                if is_right:
                    good, edge = self._after(chunks, gaps, part, finish)
                    finish = np.where(part >= 0, edge, finish)
                else:
                    good, edge = self._before(chunks, gaps, part, begin)
                    begin = np.where(part >= 0, edge, begin)
                good |= part < 0
                phrase, begin, finish = phrase[good], begin[good], finish[good]
        return begin, finish, self.row[phrase]

    def _after(self, chunks: np.ndarray, gaps: Ints, part: Ints, finish: Ints) -> tuple[Bools, Ints]:
        """Does the part stand right after each end, and where does its word end?"""
        start = finish + 1
        good = self._stands(chunks, part, start)
        end = start + self.part_length[part]
        word_end = end.copy()
        word_end[good] = gaps[np.searchsorted(gaps, end[good])]
        return good & (word_end - end <= self.part_n_more[part]), word_end

    def _before(self, chunks: np.ndarray, gaps: Ints, part: Ints, begin: Ints) -> tuple[Bools, Ints]:
        """Does the part stand right before each start, and where does it begin?"""
        at = np.searchsorted(gaps, begin - 1) - self.part_n_words[part]
        start = gaps[np.maximum(at, 0)] + 1
        rest = begin - 1 - (start + self.part_length[part])
        good = (at >= 0) & (rest >= 0) & (rest <= self.part_n_more[part])
        return good & self._stands(chunks, part, np.where(good, start, 0)), start

    def _stands(self, chunks: np.ndarray, part: Ints, start: Ints) -> Bools:
        good = part >= 0
        start = np.minimum(start, len(chunks) - self.part_chunks.shape[1] * _CHUNK)
        for i in range(self.part_chunks.shape[1]):
            todo = np.flatnonzero(good & (self.part_length[part] > i * _CHUNK))
            have = chunks[start[todo] + i * _CHUNK] & self.part_masks[part[todo], i]
            good[todo[have != self.part_chunks[part[todo], i]]] = False
        return good


def _padded(lists: list[list[int]]) -> npt.NDArray[np.int32]:
    """Rows of equal length, filled up with -1."""
    width = max((len(one) for one in lists), default=0)
    return np.array([one + [-1] * (width - len(one)) for one in lists], np.int32).reshape(len(lists), width)
