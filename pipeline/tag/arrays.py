"""What all of the tagger shares: lists of lists as two arrays, marks in a buffer, and how a function becomes machine code."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from pipeline.tag import tagger_version

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]  # positions in a batch, where there are many
Positions = Ints | Places
Bools = npt.NDArray[np.bool_]
Function = TypeVar("Function", bound=Callable[..., Any])


_njit: Any = numba.njit


def _keep_apart() -> None:
    """Keep machine code in a folder of this version: numba by itself would overlook a constant changed in another file."""
    folder = Path(__file__).parent / "__pycache__" / f"native-{tagger_version()}"
    with contextlib.suppress(OSError):  # nothing can be written there: numba looks for another place
        if not folder.exists():
            for old in folder.parent.glob("native-*"):
                shutil.rmtree(old, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        config: Any = numba.config
        config.CACHE_DIR = str(folder)


_keep_apart()


def native(function: Function) -> Function:
    """A function over arrays as machine code, made when it is first called and kept on disk until the tagger's code changes."""
    made: Function
    try:
        made = _njit(cache=True, nogil=True, no_cfunc_wrapper=True)(function)
    except RuntimeError:  # no folder to keep it in can be written to: that only costs time
        made = _njit(nogil=True, no_cfunc_wrapper=True)(function)
    return made


def inner(function: Function) -> Function:
    """The same for a function that only native ones of its file call: half the work to make."""
    made: Function = _njit(nogil=True, no_cfunc_wrapper=True, no_cpython_wrapper=True)(function)
    return made


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
    """Some positions of a buffer, and how many of them lie before any other."""

    def __init__(self, at: Places) -> None:
        """`at` ascending and without repeats."""
        self.at = at

    def before(self, position: Positions) -> Ints:
        """How many marks lie before each position: fast where the positions ascend, more or less."""
        count: Ints = _before(self.at, position.astype(np.int64, copy=False))
        return count

    def next(self, position: Positions) -> Places:
        """The first mark at or after each position."""
        return self.at.take(self.before(position))


@native
def _before(at: Any, position: Any) -> Any:
    out = np.empty(len(position), np.int64)
    k = 0
    for n in range(len(position)):
        wanted = position[n]
        step = 1
        if k < len(at) and at[k] < wanted:  # forwards in growing steps
            while k + step < len(at) and at[k + step] < wanted:
                k, step = k + step, 2 * step
            low, high = k + 1, min(k + step, len(at))
        else:
            while k - step >= 0 and at[k - step] >= wanted:
                k, step = k - step, 2 * step
            low, high = max(k - step + 1, 0), k
        while low < high:
            middle = (low + high) >> 1
            if at[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        out[n] = k = low
    return out


def ranges(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """All numbers of the ranges [low, high): (index of the range, number)."""
    counts = high - low
    which = np.repeat(np.arange(len(low)), counts)
    return which, np.arange(len(which)) + (low - np.cumsum(counts) + counts).take(which)


def ordered(keys: Positions) -> Ints:
    """The stable order of some keys, none below 0: sorting keys with their places in the low bits is several times faster."""
    keys, n_bits = keys.astype(np.int64), len(keys).bit_length()
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
