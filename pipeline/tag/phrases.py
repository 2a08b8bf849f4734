"""Patterns with a star inside (`vojn* vežb*`): found by their longest part, the others compared in place.

The trie holds one part of each phrase only, its anchor. From there `match` compares the parts to the right and then those to the
left with the buffer: short parts (`u`, `nov*`) cost nothing where no anchor stands.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.patterns import Part
from pipeline.tag.arrays import Places, lines, unlined
from pipeline.text import Bytes


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
        """A phrase whose anchor is the trie's `string`."""
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


# The row of a phrase, how many letters may follow its anchor, and, so that most need only a glance, the first letter of the
# part after the anchor, that of the part before it (0: no part), and how many words that has.
LOOK = np.dtype(
    [("row", np.int32), ("n_more", np.int16), ("after", np.uint8), ("before", np.uint8), ("n_before", np.int16)], align=True
)


class Phrases(NamedTuple):
    """All phrases of a Lexis: those of string s have the numbers from start[s] to start[s + 1]."""

    start: Places
    look: npt.NDArray[np.void]  # dtype LOOK
    right: Places  # (phrases, most parts): the parts after the anchor, nearest first, then -1
    left: Places
    part_letters: Bytes
    part_at: Places  # in `part_letters`
    part_n_more: Places
    part_n_words: Places


def phrases(state: Mapping[str, npt.NDArray[Any]], n_strings: int) -> Phrases:
    """What `PhraseLists.state` gave, by string."""
    string, row, n_more = state["phrases"].T
    order = np.argsort(string, kind="stable")
    right, left = state["right"][order], state["left"][order]
    texts = unlined(state["part_texts"])
    first = np.array([*(text[0] for text in texts), 0], np.uint8)
    n_words = np.array([*(text.count(b" ") + 1 for text in texts), 0], np.int32)
    look = np.zeros(len(order), LOOK)
    look["row"], look["n_more"] = row[order], n_more[order]
    look["after"], look["before"], look["n_before"] = first[right[:, 0]], first[left[:, 0]], n_words[left[:, 0]]
    start = np.searchsorted(string[order], np.arange(n_strings + 1)).astype(np.int32)
    at = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    return Phrases(start, look, right, left, np.array(bytearray(b"".join(texts)), np.uint8), at, state["part_n_more"], n_words)


def _padded(lists: list[list[int]]) -> npt.NDArray[np.int32]:
    """Rows of equal length, filled up with -1."""
    width = max(1, *map(len, lists)) if lists else 1  # where no phrase has a part on this side, one column of -1
    return np.array([one + [-1] * (width - len(one)) for one in lists], np.int32).reshape(len(lists), width)
