"""A trie of byte strings in one array ("double array"), walked by compiled code a letter at a time.

From state s the letter c leads to state t = (state[s].base >> 1) + c, if state[t].check == s: states lie between one another. The
lowest bit of `base` says that a string ends there. Unsigned numbers spare compiled code the thought of negative places.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.tag.arrays import Places, native

STATE = np.dtype([("base", np.uint32), ("check", np.uint32)])


class Trie(NamedTuple):
    """The walk begins at `root`."""

    state: npt.NDArray[np.void]  # dtype STATE
    number: Places  # of the string that ends in a state, or -1
    root: int = 0


def trie(strings: Sequence[bytes]) -> Trie:
    """The trie of different strings; a string's number is its place."""
    order = sorted(range(len(strings)), key=strings.__getitem__)
    lengths = np.array([len(strings[n]) for n in order], np.int64)
    ends = np.cumsum(lengths)
    letters = np.frombuffer(b"".join(strings[n] for n in order) + b"\0", np.uint8)
    base, check, number = _built(letters, ends - lengths, ends, np.array(order, np.int32))
    state = np.zeros(len(base), STATE)
    state["base"], state["check"] = base << 1 | (number >= 0), check
    return Trie(state, number)


def begun(whole: Trie, prefix: bytes) -> Trie:
    """The trie seen from behind a prefix of its strings."""
    state = whole.root
    for letter in prefix:
        state = (int(whole.state["base"][state]) >> 1) + letter
    return whole._replace(root=state)


@native
def _built(letters: Any, starts: Any, ends: Any, numbers: Any) -> Any:
    """(base, check, number): states from the shortest prefix to the longest, each put where its letters are free."""
    n_states = 1
    for n in range(len(starts)):  # sorted strings: a state for each letter behind the prefix shared with the one before
        shared = 0
        if n:
            while (
                starts[n - 1] + shared < ends[n - 1]
                and starts[n] + shared < ends[n]
                and letters[starts[n - 1] + shared] == letters[starts[n] + shared]
            ):
                shared += 1
        n_states += ends[n] - starts[n] - shared
    size = 2 * n_states + 1024
    base, check, number = np.zeros(size, np.int32), np.full(size, -1, np.int32), np.full(size, -1, np.int32)
    states, depths = np.zeros(n_states, np.int32), np.zeros(n_states, np.int32)  # still to be done, with
    lows, highs = np.zeros(n_states, np.int32), np.full(n_states, len(starts), np.int32)  # the strings behind them
    n_todo, free, last = 1, 1, 0
    check[0] = 0
    letter_of, low_of = np.empty(256, np.int64), np.empty(257, np.int64)
    for done in range(n_states):
        state, depth, low, high = states[done], depths[done], lows[done], highs[done]
        if low < high and starts[low] + depth == ends[low]:
            number[state] = numbers[low]
            low += 1
        n = 0
        for k in range(low, high):
            letter = np.int64(letters[starts[k] + depth])
            if n == 0 or letter_of[n - 1] != letter:
                letter_of[n], low_of[n] = letter, k
                n += 1
        if n == 0:
            continue  # its base of 0 leads to states of others only
        low_of[n] = high
        while check[free] >= 0:
            free += 1
        place, n_taken, fits = max(free, letter_of[0]), 0, False
        while not fits:
            if place + 1024 > len(check):
                base = np.concatenate((base, np.zeros(size, np.int32)))
                check, number = (
                    np.concatenate((check, np.full(size, -1, np.int32))),
                    np.concatenate((number, np.full(size, -1, np.int32))),
                )
            fits = True
            for k in range(n):
                if check[place - letter_of[0] + letter_of[k]] >= 0:
                    fits = False
                    break
            n_taken += check[place] >= 0
            place += not fits
        if n_taken * 20 > (place - free) * 19:  # nearly full up to here: look there no more
            free = place
        base[state] = place - letter_of[0]
        for k in range(n):
            child = base[state] + letter_of[k]
            check[child] = state
            states[n_todo], depths[n_todo], lows[n_todo], highs[n_todo] = child, depth + 1, low_of[k], low_of[k + 1]
            n_todo += 1
            last = max(last, child)
    check[0] = -1  # the root was only kept free: no letter leads to it
    size = last + 257  # whatever letter follows, `check` can be asked
    return base[:size].copy(), check[:size].copy(), number[:size].copy()
