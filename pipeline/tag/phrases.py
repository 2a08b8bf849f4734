"""Patterns with a star inside (`vojn* vežb*`): found by their longest part, the others compared in place.

The automaton looks for one part of each phrase only, its anchor. From there the parts to the right and then those to the left
are compared with the buffer, eight letters at a time for all phrases at once: short parts (`u`, `nov*`) cost nothing where no
anchor stands.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.patterns import Part
from pipeline.tag.arrays import Bools, Csr, Ints, csr

_CHUNK = 8


class Phrases:
    """All phrases of a Lexis; each knows its anchor string, its row, and its other parts from the anchor outwards."""

    def __init__(self) -> None:
        self._parts: dict[Part, int] = {}
        self._anchored: list[tuple[int, int]] = []
        self._rows: list[int] = []
        self._n_more: list[int] = []
        self._sides: tuple[list[list[int]], list[list[int]]] = ([], [])  # right, left

    @staticmethod
    def anchor(parts: Sequence[Part]) -> int:
        """Which part of a phrase to look for."""
        return max(range(len(parts)), key=lambda i: len(parts[i].text))

    def add(self, parts: Sequence[Part], string: int, row: int) -> None:
        """A phrase whose anchor is the automaton's `string`."""
        at = self.anchor(parts)
        numbers = [self._parts.setdefault(part._replace(capitals=()), len(self._parts)) for part in parts]
        self._anchored.append((string, len(self._rows)))
        self._rows.append(row)
        self._n_more.append(parts[at].n_more)
        self._sides[0].append(numbers[at + 1 :])
        self._sides[1].append(numbers[:at][::-1])

    def freeze(self, n_strings: int) -> None:
        """Turn lists into arrays; nothing can be added afterwards."""
        self.anchored: Csr = csr(self._anchored, n_strings)
        self.row = np.array(self._rows, np.int64)
        self.n_more = np.array(self._n_more, np.int64)
        self.right, self.left = (_padded(side) for side in self._sides)
        parts = list(self._parts)
        self.part_length = np.array([len(part.text) for part in parts], np.int64)
        self.part_n_more = np.array([part.n_more for part in parts], np.int64)
        self.part_n_words = np.array([part.text.count(b" ") + 1 for part in parts], np.int64)
        width = max((-(-len(part.text) // _CHUNK) for part in parts), default=1)
        texts = b"".join(part.text.ljust(width * _CHUNK, b"\0") for part in parts)
        masks = b"".join((b"\xff" * len(part.text)).ljust(width * _CHUNK, b"\0") for part in parts)
        self.part_chunks = np.frombuffer(texts, np.uint64).reshape(-1, width)
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


def _padded(lists: list[list[int]]) -> Ints:
    """Rows of equal length, filled up with -1; at least one column."""
    width = max((len(one) for one in lists), default=0)
    return np.array([one + [-1] * (width - len(one)) for one in lists], np.int64).reshape(len(lists), width)
