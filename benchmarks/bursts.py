"""Bursts: how many are false on time without events, and how many planted ones are found on their day.

    python benchmarks/bursts.py [--days 150] [--seed 1]

Counts of some 1,600 cells (country and topic, and the totals of each) that fall off in size as in life, with weekends of 60 %
and a spread that differs from cell to cell (variance = mean + spread x mean²; 0 is pure chance):

- *simulated*: drawn as said, without events, so that every burst is false;
- *shuffled*: drawn with a slow swing and with events that last for days, then the days are put in random order, so that all
  time is gone but the counts are as uneven as before; every burst there is false, though the days of events still stick out.

A planted burst replaces the count of one cell by a draw around three times its true mean (in one column: by exactly that), and
adds its stories to the day. Beside it stands what could be found at one false alarm in 1,000 by somebody who knows the true mean
and spread: with few stories nobody can do much better. A cell-day is a row of relation burst.
"""

import argparse

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from pipeline import trends

Floats = npt.NDArray[np.float64]
BANDS = ((3, 5), (5, 8), (8, 15), (15, 1e9))
MIX = (3, 1e9)  # planted in any cell of which at least 3 stories are expected, each as likely
EXACT = (3, float("inf"))  # the same, by exactly three times the mean
WEEKEND = 0.6


class World:
    """True means of all cells and what was counted. `volume`: stories on a weekday."""

    def __init__(self, draw: np.random.Generator, n_days: int, volume: int, spread: float, *, events: bool = False) -> None:
        pairs = 1.8 * volume / np.arange(1, 1501) / 7.7
        countries = 1.35 * volume / np.arange(2, 62) / 4.7
        topics = 1.1 * volume / np.arange(2, 28) / 3.9
        self.draw, self.n_days = draw, n_days
        self.mean = np.concatenate((pairs, countries, topics))
        self.spread = np.minimum(draw.gamma(1.0, spread, len(self.mean)), 1.5) if spread else np.zeros(len(self.mean))
        week = np.where(np.arange(n_days) % 7 >= 5, WEEKEND, 1.0) * np.exp(draw.normal(0, 0.05, n_days))
        self.truth = week[:, None] * self.mean * (self._events() if events else 1.0)
        self.counts = self.around(self.truth)
        rest = draw.poisson(np.maximum(volume * week - self.truth[:, :1500].sum(axis=1) / 1.8, 0.1 * volume * week))
        self.exposure = np.round(self.counts[:, :1500].sum(axis=1) / 1.8) + rest

    def _events(self) -> Floats:
        """A slow swing of every cell, and now and then some days of two to eight times as much that fade away."""
        swing = np.cumsum(self.draw.normal(0, 0.03, (self.n_days, len(self.mean))), axis=0)
        factor = np.exp(swing - swing.mean(axis=0))
        for cell, day in zip(*np.nonzero(self.draw.random((len(self.mean), self.n_days)) < 0.001), strict=True):
            length = min(int(self.draw.integers(1, 6)), self.n_days - day)
            factor[day : day + length, cell] *= 1 + self.draw.uniform(1, 7) * 0.6 ** np.arange(length)
        return factor

    def around(self, mean: Floats) -> Floats:
        size = 1 / np.maximum(np.broadcast_to(self.spread, mean.shape), 1e-9)
        wide = np.where(size < 1e8, mean * self.draw.gamma(size, 1 / size), mean)
        return self.draw.poisson(wide).astype(np.float64)

    def shuffle(self) -> None:
        order = self.draw.permutation(self.n_days)
        self.truth, self.counts, self.exposure = self.truth[order], self.counts[order], self.exposure[order]

    def of_day(self, day: int) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        window = np.arange(day - trends.BASELINE_DAYS, day + 1)
        return self.counts[window].copy(), self.exposure[window].copy(), window % 7


Band = tuple[float, float]


def measured(world: World) -> tuple[float, dict[Band, tuple[float, float]]]:
    """False bursts per 1,000 cell-days; by band of expected stories the share found and the share that could be."""
    n_false = n_told = 0
    found: dict[Band, list[bool]] = {band: [] for band in (*BANDS, MIX, EXACT)}
    could: dict[Band, list[float]] = {band: [] for band in (*BANDS, MIX, EXACT)}
    for day in range(trends.BASELINE_DAYS, world.n_days):
        counts, exposure, weekday = world.of_day(day)
        result = trends.surprise(counts, exposure, weekday)
        n_false += int(result["is_burst"].sum())
        n_told += int(((result["observed"] > 0) | (result["expected"] >= trends.KEPT_EXPECTED)).sum())
        week = WEEKEND if day % 7 >= 5 else 1.0
        usual = world.mean * week
        for band in (*BANDS, MIX, EXACT):
            cells = np.flatnonzero((usual >= band[0]) & (usual < band[1]))
            if not len(cells):
                continue
            cell = int(world.draw.choice(cells))
            planted, more = counts.copy(), exposure.copy()
            planted[-1, cell] = round(3 * usual[cell]) if band == EXACT else world.draw.poisson(3 * usual[cell])
            more[-1] += planted[-1, cell] - counts[-1, cell]
            found[band].append(bool(trends.surprise(planted, more, weekday)["is_burst"][cell]))
            could[band].append(_oracle(world, cell, usual[cell]))
    shares = {band: (float(np.mean(found[band])), float(np.mean(could[band]))) for band in found if found[band]}
    return 1000 * n_false / n_told, shares


def _oracle(world: World, cell: int, usual: float) -> float:
    """Chance that a count around three times the true mean is one that comes once in 1,000 days otherwise."""
    counts = np.arange(1.0, 3 * usual + 10 * np.sqrt(3 * usual) + 20)
    shape = np.full(len(counts), min(1 / max(world.spread[cell], 1e-9), 1e7))
    alarm = counts[np.argmax(trends._upper_tail(counts, np.full(len(counts), usual), shape) <= 0.001)]
    return float(trends._upper_tail(np.array([alarm]), np.array([3 * usual]), np.array([1e7]))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    table = Table(title="Bursts: aims are 1.00 false per 1,000 cell-days, and .90 of the planted ones found")
    for name in ("time", "stories a day", "spread", "false per 1,000", "3 and more, as they come", "exactly 3 x"):
        table.add_column(name, justify="right")
    for low, high in BANDS:
        table.add_column(f"{low}-{high:.0f} expected" if high < 1e9 else f"{low} and more", justify="right")
    for kind, volume, spread in (
        *(("simulated", volume, spread) for volume in (100, 300, 1000) for spread in (0.0, 0.05, 0.15)),
        *(("shuffled", volume, spread) for volume in (300, 1000) for spread in (0.0, 0.05)),
    ):
        world = World(np.random.default_rng(args.seed), args.days, volume, spread, events=kind == "shuffled")
        if kind == "shuffled":
            world.shuffle()
        n_false, shares = measured(world)
        told = [f"{shares[band][0]:.2f} (of {shares[band][1]:.2f})" if band in shares else "-" for band in (MIX, *BANDS)]
        exact = f"{shares[EXACT][0]:.2f}" if EXACT in shares else "-"
        table.add_row(kind, str(volume), f"{spread:.2f}", f"{n_false:.2f}", told[0], exact, *told[1:])
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
