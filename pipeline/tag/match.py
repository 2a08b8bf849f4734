"""What of the seeds stands in a batch: from each word's start down the trie, then word ends, capitals, phrases; the longest wins.

All of it is one pass of compiled code over the folded bytes, since there are some fifty matches a kilobyte, most of them topic
words that no rule will ask for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.tag.arrays import Bools, Ints, inner, native
from pipeline.tag.lexis import LEXICON, Lexis
from pipeline.tag.texts import PLAIN, UPPER, Batch
from pipeline.text import SPACE

__all__ = ["Matches", "candidates", "matches", "resolve"]

_ONE = np.uint32(1)


@dataclass(frozen=True)
class Matches:
    """Spans of a batch (positions in its buffer) and the row of the Lexis that each fulfils."""

    start: Ints
    end: Ints
    row: Ints

    def take(self, index: Ints | Bools) -> "Matches":
        """Some of them."""
        at = np.flatnonzero(index) if index.dtype == bool else index
        return Matches(self.start.take(at), self.end.take(at), self.row.take(at))


def matches(lexis: Lexis, texts: Batch) -> Matches:
    """What counts in each layer after word ends, capitals and the longest-match rule, by position and layer."""
    found = resolve(lexis, candidates(lexis, texts))
    return Matches(*_cores(found.start, found.end, found.row, lexis.fits))


def candidates(lexis: Lexis, texts: Batch) -> Matches:
    """Every row that fits at some place, before the longest-match rule (also for `seeds why`), by position, layer and rank."""
    return Matches(*_candidates(texts.folded, texts.flags, texts.gaps.at, lexis.trie, lexis.singles, lexis.phrases, lexis.fits))


def resolve(lexis: Lexis, found: Matches) -> Matches:
    """Leftmost-longest inside each layer; on one span the best priority wins, but topic words and shared surnames all stay."""
    return found.take(_resolved(found.start, found.end, found.row, lexis.fits))


@native
def _candidates(letters: Any, flags: Any, gaps: Any, trie: Any, singles: Any, phrases: Any, fits: Any) -> Any:
    """(start, end, row) of what fits, kept in order while it is found: nearly all comes in order anyway."""
    size = len(gaps) // 2 + 64
    order, start, end = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    row = np.empty(size, np.int64)
    n = 0
    for k in range(len(gaps) - 1):
        if letters[gaps[k]] != SPACE:
            continue
        at, gap = np.uint64(gaps[k] + 1), k + 1
        state = np.uint32(trie.root)
        base = trie.state[state].base
        while True:
            child = np.uint32((base >> _ONE) + letters[at])
            there = trie.state[child]
            if there.check != state:
                break
            state, base = child, there.base
            at += np.uint64(1)
            if not base & _ONE:
                continue
            string = trie.number[state]
            finish = np.int64(at) - (letters[at - np.uint64(1)] == SPACE)
            while gaps[gap] < finish:
                gap += 1
            more = gaps[gap] - finish
            n_singles = singles.start[string + 1] - singles.start[string]
            n_phrases = phrases.start[string + 1] - phrases.start[string]
            if n + n_singles + n_phrases > size:
                size = 2 * (n + n_singles + n_phrases)
                order, start, end, row = _grown(order, size), _grown(start, size), _grown(end, size), _grown(row, size)
            for which in range(n_singles + n_phrases):
                low, high = k, gap
                if which < n_singles:
                    one = singles.values[singles.start[string] + which]
                    if more > fits[one].n_more:
                        continue
                else:
                    phrase = phrases.start[string] + which - n_singles
                    look = phrases.look[phrase]
                    one = look.row
                    if more > look.n_more or (look.after and look.after != letters[gaps[high] + 1]):
                        continue
                    if look.before and (look.n_before > low or look.before != letters[gaps[low - look.n_before] + 1]):
                        continue
                    low, high = _widened(letters, gaps, phrases, phrase, low, high)
                    if low < 0:
                        continue
                fit = fits[one]
                first = gaps[low] + 1
                if fit.capital >= 0 and not flags[first + fit.capital] & UPPER:
                    continue
                if fit.capital2 >= 0 and not flags[first + fit.capital2] & UPPER:
                    continue
                if fit.before:  # a capitalised word before
                    if not flags[gaps[low]] & PLAIN or low == 0 or gaps[low] - gaps[low - 1] <= 3:
                        continue
                    low -= 1
                    if not flags[gaps[low] + 1] & UPPER:
                        continue
                if fit.after:
                    if high + 1 >= len(gaps) or not flags[gaps[high]] & PLAIN or gaps[high + 1] - gaps[high] <= 2:
                        continue
                    if not flags[gaps[high] + 1] & UPPER:
                        continue
                    high += 1
                first, last = np.int64(gaps[low] + 1), np.int64(gaps[high])
                rank = ((first << 2 | fit.layer) << 10 | max(1023 - (last - first), 0)) << 5
                rank |= fit.priority << 1 | (which >= n_singles)
                place = n
                while place and order[place - 1] > rank:
                    order[place], start[place], end[place] = order[place - 1], start[place - 1], end[place - 1]
                    row[place] = row[place - 1]
                    place -= 1
                order[place], start[place], end[place], row[place] = rank, first, last, one
                n += 1
    return start[:n], end[:n], row[:n]


@inner
def _grown(array: Any, size: Any) -> Any:
    """A longer array of numbers that begins with those of this one."""
    grown = np.empty(size, np.int64)
    for i in range(len(array)):  # a slice set to a slice takes seconds to compile
        grown[i] = array[i]
    return grown


@inner
def _widened(letters: Any, gaps: Any, phrases: Any, phrase: Any, low: Any, high: Any) -> Any:
    """The gaps around a phrase whose anchor stands between two gaps; -1 where its other parts do not stand beside it."""
    for nth in range(phrases.right.shape[1]):
        part = phrases.right[phrase, nth]
        if part < 0:
            break
        at = gaps[high] + 1
        if not _stands(letters, at, phrases, part):
            return -1, -1
        end = at + phrases.part_at[part + 1] - phrases.part_at[part]
        while gaps[high] < end:
            high += 1
        if gaps[high] - end > phrases.part_n_more[part]:
            return -1, -1
    for nth in range(phrases.left.shape[1]):
        part = phrases.left[phrase, nth]
        if part < 0:
            break
        gap = gaps[low]
        low -= phrases.part_n_words[part]
        if low < 0:
            return -1, -1
        at = gaps[low] + 1
        rest = gap - at - (phrases.part_at[part + 1] - phrases.part_at[part])
        if rest < 0 or rest > phrases.part_n_more[part] or not _stands(letters, at, phrases, part):
            return -1, -1
    return low, high


@inner
def _stands(letters: Any, at: Any, phrases: Any, part: Any) -> Any:
    for i in range(phrases.part_at[part], phrases.part_at[part + 1]):
        if at >= len(letters) or letters[at] != phrases.part_letters[i]:
            return False
        at += 1
    return True


@native
def _resolved(start: Any, end: Any, row: Any, fits: Any) -> Any:
    """Which of some candidates stay, given in order."""
    keep = np.zeros(len(start), np.bool_)
    reach = np.zeros(4, np.int64)
    layer, is_kept, is_guarded = -1, False, False
    for n in range(len(start)):
        fit = fits[row[n]]
        if fit.layer == layer and start[n] == start[n - 1] and end[n] == end[n - 1]:
            keep[n] = is_kept and not is_guarded and (layer == LEXICON or fit.needs_full)
            continue
        layer = fit.layer
        keep[n] = is_kept = start[n] >= reach[layer]
        is_guarded = fit.priority == 0
        if is_kept:
            reach[layer] = end[n]
    return keep


@native
def _cores(start: Any, end: Any, row: Any, fits: Any) -> Any:
    """The spans without their [context], in order again."""
    order, start, end, row = np.empty(len(row), np.int64), start.copy(), end.copy(), row.copy()
    for n in range(len(row)):
        fit, one, last = fits[row[n]], row[n], end[n]
        first = start[n] + fit.lead
        if fit.core:
            last = first + fit.core
        rank = first << 2 | fit.layer
        place = n
        while place and order[place - 1] > rank:
            order[place], start[place], end[place] = order[place - 1], start[place - 1], end[place - 1]
            row[place] = row[place - 1]
            place -= 1
        order[place], start[place], end[place], row[place] = rank, first, last, one
    return start, end, row
