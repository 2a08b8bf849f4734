"""Bursts: how many are false on time without events, and how many planted ones are found on their day.

    python benchmarks/bursts.py [--days 90] [--seeds 1 2 3] [--data FOLDER]

Counts of cells (country and topic, and the totals of each) that fall off in size as in life, with weekends of 60 % and a spread
(variance = mean + spread x mean²; 0 is pure chance): each country, topic and pair has moods of its own, some more than others.
Some worlds have 41 cells, most of them large; the others 1,376, most of them small.

- *simulated*: drawn as said, without events, so that every burst is false;
- *stories shuffled*: drawn with a slow swing and with events that last for days, then every story gets a date at random, each
  day keeping its number of stories: all time is gone, and every burst is false;
- *days shuffled*: the same, but whole days are put in random order, so that the counts are as uneven as before. Every burst is
  counted as false there too, though the days of events still stick out, one a cell in 1,000 days.

A planted burst replaces the count of one cell on one day and adds its stories to the day, in any cell of which at least 3 are
expected, each as likely. It is three times of what table burst said was expected; three times the true mean; or a draw (Poisson)
around three times the true mean. *Could be* is what a rule finds that knows all true means and spreads and is right about each
likelihood (Neyman and Pearson), at one false burst in 1,000 cell-days: the most that anybody could. A cell-day is a row of
relation burst.

With `--data` the stories of an archive get dates at random instead, from feed and country to burst as in a run, and bursts are
planted as stories of a steady feed.
"""

import argparse
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table

from pipeline import trends
from pipeline.warehouse import Store, marts

Floats = npt.NDArray[np.float64]
WAYS = ("of expected", "of true mean", "drawn")
MANY, FEW = (50, 26), (6, 5)  # countries, topics
WORLDS = (
    *(("simulated", FEW, volume, spread) for volume, spread in ((60, 0.0), (100, 0.0), (250, 0.0), (100, 0.05))),
    *(("simulated", MANY, volume, spread) for volume in (100, 300, 1000) for spread in (0.0, 0.05, 0.15)),
    *(("stories shuffled", size, volume, 0.05) for size, volume in ((FEW, 100), (MANY, 100), (MANY, 300), (MANY, 1000))),
    *(("days shuffled", MANY, volume, spread) for volume in (300, 1000) for spread in (0.0, 0.05)),
)
WEEKEND = 0.6
N_PLANTED = 5  # a day and way


class World:
    """What was counted of each cell on each day, and what was to be expected of it. `volume`: stories on a weekday.

    Two stories in three have a country and a topic, which fall off with their rank; the cells are these pairs and their totals.
    """

    def __init__(self, seed: int, n_days: int, time: str, size: tuple[int, int], volume: int, spread: float) -> None:
        self.draw, self.n_days, self.size = np.random.default_rng(seed), n_days, size
        weight = np.outer(1 / np.arange(2, size[0] + 2), 1 / np.arange(2, size[1] + 2)) * np.exp(self.draw.normal(0, 0.7, size))
        mean = (2 / 3 * volume * weight / weight.sum()).ravel()
        moody = [np.minimum(self.draw.gamma(1.0, spread / 2, shape), 1.5) for shape in (size, (size[0], 1), (1, size[1]))]
        week = np.where(np.arange(n_days) % 7 >= 5, WEEKEND, 1.0) * np.exp(self.draw.normal(0, 0.05, n_days))
        usual = week[:, None] * mean
        truth = usual * (1.0 if time == "simulated" else self._events(len(mean)))
        mood = np.ones((n_days, *size))
        for each in moody if spread else ():  # of pairs, countries and topics
            mood *= self.draw.gamma(1 / each, each, (n_days, *each.shape))
        pairs = self.draw.poisson(truth * mood.reshape(truth.shape))
        rest = self.draw.poisson(volume * week / 3)
        if time == "stories shuffled":
            share = (pairs.sum(axis=1) + rest) / (pairs.sum() + rest.sum())
            rest = pairs.sum(axis=1) + rest
            usual, spread = share[:, None] * pairs.sum(axis=0), 0.0
            pairs = np.stack([self.draw.multinomial(n, share) for n in pairs.sum(axis=0)], axis=1)
            rest = np.maximum(rest - pairs.sum(axis=1), 0)
        order = self.draw.permutation(n_days) if time == "days shuffled" else np.arange(n_days)
        self.weekday = np.arange(n_days) % 7
        self.counts, self.usual = self._cells(pairs)[order], self._cells(usual)[order]
        self.exposure = (pairs.sum(axis=1) + rest)[order].astype(np.float64)
        self.spread = self._spread(mean.reshape(size), *moody) if spread else np.zeros(self.counts.shape[1])

    def _spread(self, mean: Floats, pair: Floats, country: Floats, topic: Floats) -> Floats:
        """Of the pairs and of the totals of each country and topic."""
        parts = [(1 + pair) * (1 + country) * (1 + topic) - 1]
        for axis, own, other in ((1, country, topic), (0, topic, country)):
            within = (mean**2 * ((1 + pair) * (1 + other) - 1)).sum(axis=axis) / mean.sum(axis=axis) ** 2
            parts.append((1 + own.ravel()) * (1 + within) - 1)
        return np.concatenate([part.ravel() for part in parts])

    def _cells(self, pairs: Floats) -> Floats:
        """The pairs and the totals of each country and topic, a row a day."""
        grid = pairs.reshape(len(pairs), *self.size)
        return np.concatenate((pairs, grid.sum(axis=2), grid.sum(axis=1)), axis=1).astype(np.float64)

    def _events(self, n_cells: int) -> Floats:
        """A slow swing of every cell, and now and then some days of two to eight times as much that fade away."""
        swing = np.cumsum(self.draw.normal(0, 0.03, (self.n_days, n_cells)), axis=0)
        factor = np.exp(swing - swing.mean(axis=0))
        for cell, day in zip(*np.nonzero(self.draw.random((n_cells, self.n_days)) < 0.001), strict=True):
            length = min(int(self.draw.integers(1, 6)), self.n_days - day)
            factor[day : day + length, cell] *= 1 + self.draw.uniform(1, 7) * 0.6 ** np.arange(length)
        return factor

    def of_day(self, day: int) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        window = slice(day - trends.BASELINE_DAYS, day + 1)
        return self.counts[window].copy(), self.exposure[window].copy(), self.weekday[window]


@dataclass
class Found:
    """Of one or more worlds alike."""

    n_false: int = 0
    n_told: int = 0
    found: dict[str, list[bool]] = field(default_factory=lambda: {way: [] for way in WAYS})
    expected: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    chance: list[float] = field(default_factory=list)  # evidence of every cell by true mean and spread,
    could: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})  # and of what is planted

    def measure(self, world: World) -> None:
        for day in range(trends.BASELINE_DAYS, world.n_days):
            counts, exposure, weekday = world.of_day(day)
            result = trends.surprise(counts, exposure, weekday)
            self.n_false += int(result["is_burst"].sum())
            self.n_told += int(((result["observed"] > 0) | (result["expected"] >= trends.KEPT_EXPECTED)).sum())
            usual, shape = world.usual[day], 1 / np.maximum(world.spread, 1e-7)
            large = usual >= trends.LARGE
            self.chance += trends._evidence(counts[-1], usual, shape)[large].tolist()
            for way in WAYS:
                mean = result["expected"] if way == "of expected" else usual
                cells = np.flatnonzero(mean >= trends.LARGE)
                for cell in world.draw.choice(cells, min(N_PLANTED, len(cells)), replace=False):
                    planted, more = counts.copy(), exposure.copy()
                    planted[-1, cell] = world.draw.poisson(3 * mean[cell]) if way == "drawn" else round(3 * mean[cell])
                    more[-1] += planted[-1, cell] - counts[-1, cell]
                    self.found[way].append(bool(trends.surprise(planted, more, weekday)["is_burst"][cell]))
                    self.expected[way].append(mean[cell])
                    self.could[way].append(float(trends._evidence(planted[-1], usual, shape)[cell]))

    def share(self, way: str, low: float = 0, high: float = np.inf) -> float:
        expected = np.array(self.expected[way])
        return float(np.array(self.found[way])[(expected >= low) & (expected < high)].mean())

    def share_of_best(self, way: str) -> float:
        enough = np.sort(self.chance)[::-1][self.n_told // 1000]  # the evidence that chance exceeds once in 1,000
        return float((np.array(self.could[way]) > enough).mean())


class Archive:
    """The articles of a warehouse as `trends.bursts` takes them; every story has a date at random, each day as many as before."""

    def __init__(self, folder: Path, n_days: int, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        with Store.reader(folder) as store:
            days = store.read("select distinct day from mart_article order by day")["day"].to_list()[:n_days]
            self.frames = marts._frames(store, days)
        self.days = days[trends.BASELINE_DAYS :]
        articles = self.frames["articles"].select("article_id", "day", "story_id")
        stories = articles.group_by("story_id", maintain_order=True).agg(pl.col("day").min())
        stories = stories.with_columns(stories["day"].sample(fraction=1, shuffle=True, seed=seed))
        self.frames["articles"] = articles.drop("day").join(stories, on="story_id").select(articles.columns)

    def row(self) -> list[str]:
        found = trends.bursts(**self.frames, days=self.days)
        shares: dict[bool, list[bool]] = {True: [], False: []}
        large = found.filter(pl.col("expected") >= trends.LARGE)
        for cell in large.sample(min(300, large.height), seed=1).iter_rows(named=True):
            shares[cell["expected"] < 5].append(self._is_found(cell))
        n_false, both = int(found["is_burst"].sum()), shares[True] + shares[False]
        means = (f"{np.mean(some):.2f}" if some else "-" for some in (both, shares[True], shares[False]))
        return [f"{found.height:,}", f"{n_false}", f"{1000 * n_false / found.height:.2f}", f"{len(both)}", *means]

    def _is_found(self, cell: dict[str, object]) -> bool:
        day, n_more = cell["day"], round(3 * float(str(cell["expected"]))) - int(str(cell["observed"]))
        assert isinstance(day, date)
        if n_more <= 0:
            return bool(cell["is_burst"])
        window = self.frames["articles"].filter(pl.col("day").is_between(day - timedelta(days=trends.BASELINE_DAYS), day))
        before = window.filter(pl.col("day") < day)
        feeds = self.frames["carriers"].join(before, on="article_id").group_by("feed_id").agg(pl.col("day").n_unique())
        ids = pl.Series("article_id", range(2**31, 2**31 + n_more), self.frames["articles"]["article_id"].dtype)
        new = pl.DataFrame({"article_id": ids}).with_columns(
            day=pl.lit(day), story_id=pl.format("planted {}", "article_id"), is_focus=pl.lit(True),
            feed_id=pl.lit(feeds.sort("day", "feed_id")["feed_id"][-1]),
            country_code=pl.lit(cell["country_code"]), topic_id=pl.lit(cell["topic_id"]),
        )  # fmt: skip
        frames = {"articles": pl.concat([window, new.select(window.columns)])}
        for name in ("carriers", "focus", "tags"):
            old = self.frames[name].join(window.select("article_id"), on="article_id", how="semi")
            some = new.select(pl.col(column).cast(dtype) for column, dtype in old.schema.items())
            frames[name] = pl.concat([old, some.filter(some[:, 1] != "*")])  # in a total they have no country, or no topic
        key = [pl.col(column) == cell[column] for column in ("country_code", "topic_id")]
        return bool(trends.bursts(**frames, days=[day]).filter(*key)["is_burst"][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90, help="of each world, of which 28 are the first baseline")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--data", type=Path, help="shuffle the stories of this archive instead")
    args = parser.parse_args()
    if args.data:
        table = Table(
            "cell-days", "false", "per 1,000", "planted", "found", "of 3-5", "of 5 and more", title=f"Bursts of {args.data}"
        )
        for seed in args.seeds:
            table.add_row(*Archive(args.data, args.days, seed).row())
        Console(width=160).print(table)
        return
    table = Table(title="Bursts: aims are 1.00 false per 1,000 cell-days, and .90 of the planted ones found")
    for name in ("time", "cells", "stories a day", "spread", "false", "3 x expected", "of 3-5", "of 5 and more", "3 x true mean",
                 "could be", "drawn", "could be"):  # fmt: skip
        table.add_column(name, justify="right")
    for time, size, volume, spread in WORLDS:
        found = Found()
        for seed in args.seeds:
            found.measure(World(seed, args.days, time, size, volume, spread))
        shares = (
            found.share("of expected"), found.share("of expected", 3, 5), found.share("of expected", 5),
            found.share("of true mean"), found.share_of_best("of true mean"), found.share("drawn"), found.share_of_best("drawn"),
        )  # fmt: skip
        told = (f"{1000 * found.n_false / found.n_told:.2f}", *(f"{share:.2f}" for share in shares))
        table.add_row(time, str(size[0] * size[1] + sum(size)), str(volume), f"{spread:.2f}", *told)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
