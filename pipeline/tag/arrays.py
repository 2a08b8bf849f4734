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
        which, at = ranges(self.start.take(keys), self.start.take(keys + 1))
        return which, self.values.take(at)


def csr(pairs: npt.ArrayLike, n_keys: int) -> Csr:
    """A Csr from (key, value) pairs, values in the given order."""
    array = np.asarray(pairs, np.int64).reshape(-1, 2)
    order = np.argsort(array[:, 0], kind="stable")
    start = np.searchsorted(array[order, 0], np.arange(n_keys + 1))
    return Csr(start.astype(np.int64), array[order, 1])


class Marks:
    """Some positions of a buffer, and quickly how many of them lie before any other: `searchsorted` by counting bits."""

    def __init__(self, at: Ints, size: int) -> None:
        """`at` ascending and without repeats, all below `size`."""
        self.at = at
        flags = np.zeros((size // 64 + 2) * 64, bool)  # positions right behind the buffer may be asked for
        flags[at] = True
        self._bits = np.packbits(flags, bitorder="little").view("<u8")
        self._before = np.concatenate(([0], np.cumsum(np.bitwise_count(self._bits), dtype=np.int64)))

    def before(self, position: Ints) -> Ints:
        """How many marks lie before each position."""
        block = position >> 6
        bits = self._bits.take(block) & _LOW.take(position & 63)
        count: Ints = self._before.take(block) + np.bitwise_count(bits)
        return count

    def next(self, position: Ints) -> Ints:
        """The first mark at or after each position."""
        return self.at.take(self.before(position))


_LOW = (np.uint64(1) << np.arange(64, dtype=np.uint64)) - np.uint64(1)


def ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the ranges [low, high): (index of the range, number)."""
    counts = high - low
    which = np.repeat(np.arange(len(low)), counts)
    return which, np.arange(len(which)) + (low - np.cumsum(counts) + counts).take(which)


def ordered(keys: Ints) -> Ints:
    """The stable order of some keys, none below 0: sorting keys with their places in the low bits is several times faster."""
    n_bits = len(keys).bit_length()
    if len(keys) and int(keys.max()).bit_length() + n_bits < 64:
        placed = keys << n_bits | np.arange(len(keys))
        placed.sort()
        return placed & (1 << n_bits) - 1
    return np.argsort(keys, kind="stable")


def lines(texts: list[bytes]) -> npt.NDArray[np.uint8]:
    """Texts without line breaks as one array of bytes."""
    return np.frombuffer(b"\n".join(texts), np.uint8)


def unlined(array: npt.NDArray[np.uint8]) -> list[bytes]:
    """What `lines` was given."""
    return array.tobytes().split(b"\n") if len(array) else []
