"""Lists of lists as two arrays, the one data structure that all of the tagger shares."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Csr(NamedTuple):
    """A list of lists of numbers: the values of key k are values[start[k]:start[k + 1]]."""

    start: Ints
    values: Ints

    def expand(self, keys: Ints) -> tuple[Ints, Ints]:
        """For each key all its values: (index into `keys`, value), both as long as there are values."""
        which, at = ranges(self.start[keys], self.start[keys + 1])
        return which, self.values[at]


def csr(pairs: npt.ArrayLike, n_keys: int) -> Csr:
    """A Csr from (key, value) pairs, values in the given order."""
    array = np.asarray(pairs, np.int64).reshape(-1, 2)
    order = np.argsort(array[:, 0], kind="stable")
    start = np.searchsorted(array[order, 0], np.arange(n_keys + 1))
    return Csr(start.astype(np.int64), array[order, 1])


def ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the ranges [low, high): (index of the range, number)."""
    counts = high - low
    which = np.repeat(np.arange(len(low)), counts)
    return which, low[which] + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def lines(texts: list[bytes]) -> npt.NDArray[np.uint8]:
    """Texts without line breaks as one array of bytes."""
    return np.frombuffer(b"\n".join(texts), np.uint8)


def unlined(array: npt.NDArray[np.uint8]) -> list[bytes]:
    """What `lines` was given."""
    return array.tobytes().split(b"\n") if len(array) else []
