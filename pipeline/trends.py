"""Counts and what stands out of them: coverage by day, country, topic, side and language; bursts against the 28 days before.

    articles, focus, tags -> coverage(...)                     distinct articles, stories, outlets, owners of every cell
    articles, carriers, focus, tags -> bursts(...) -> surprise(...)    stories of a day against a count model

Both count in whole numbers packed into one integer a row (cell and what is counted in it), so that sorting is all the work. A `*`
is the total over a dimension, counted and not summed. Pure: frames in, frames out.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.schemas import RELATIONS, conform

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]

ALL = "*"
BASELINE_DAYS = 28
ACTIVE_DAYS = 21  # of them, on which a feed must have brought something to count
MIN_STORIES = 3  # fewer are no burst
BURST = 3.0  # times what was expected: how large the bursts are that are looked for
MIN_LIKELIER = 10.0  # times: how much better that must explain a count than the usual (Jeffreys: strong evidence)
LARGE = 3.0  # expected stories; cells with fewer are a family of their own, which chance moves most
MAX_FALSE = {True: 0.8e-3, False: 0.04e-3}  # false bursts a told cell of the day that each family, large or not, may cost
MAX_Q = {True: 0.5, False: 0.2}  # Benjamini-Hochberg, in each of the two
SPREAD_CUT = 6.0  # standard deviations beyond which a day tells nothing about the spread of a cell
MAX_SHARE = 0.5  # a cell with more of the stories is measured by all of them, not by the others
KEPT_EXPECTED = 1.0  # a cell without a story that day is told only where at least so many were expected

# what `coverage` and `bursts` read: articles with the day they count for, and who they count for
ARTICLE = pl.Schema(
    {
        "article_id": pl.String(),
        "day": pl.Date(),
        "side": pl.String(),
        "lang": pl.String(),
        "outlet": pl.String(),
        "owner": pl.String(),
        "story_id": pl.String(),
    }
)


# -- coverage ---------------------------------------------------------------------------------------------------------


def coverage(articles: pl.DataFrame, focus: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Relation `coverage` of all days in `articles` (ARTICLE, whole days).

    `focus`: article_id, country_code, is_focus; `tags`: article_id, topic_id, of these articles, each pair once.
    """
    if not articles.height:
        return conform(pl.DataFrame(), RELATIONS["coverage"])
    coded, names = _coded(articles)
    topics = _with_all(coded, tags, "topic_id", names)
    parts = []
    for basis, countries in (("focus", focus.filter("is_focus")), ("mention", focus)):
        rows = _with_all(coded, countries, "country_code", names).join(topics, on="n")
        parts.append(_counted(coded, rows, names).with_columns(basis=pl.lit(basis)))
    return conform(pl.concat(parts).sort("day", "basis", maintain_order=True), RELATIONS["coverage"])


Names = dict[str, pl.Series]  # of each dimension, by code; 0 is ALL


def _coded(articles: pl.DataFrame) -> tuple[pl.DataFrame, Names]:
    """The articles numbered (`n`) and each column of names as whole numbers from 1; the names by number."""
    names = {c: pl.concat([pl.Series(c, [ALL]), articles[c].unique().sort()]) for c in ("side", "lang")}
    names["day"] = articles["day"].unique().sort()
    coded = articles.select(
        "article_id",
        n=pl.int_range(pl.len(), dtype=pl.Int64),
        day=_codes("day"), side=_codes("side") + 1, lang=_codes("lang") + 1,
        outlet=_codes("outlet"), owner=_codes("owner"), story=_codes("story_id"),
    )  # fmt: skip
    return coded, names


def _codes(name: str) -> pl.Expr:
    """Whole numbers from 0 in the order of the values."""
    return pl.col(name).rank("dense").cast(pl.Int64) - 1


def _with_all(coded: pl.DataFrame, labels: pl.DataFrame, column: str, names: Names) -> pl.DataFrame:
    """A row for each article and label, and one with 0 (ALL) for each article: n, and the label's number as `column`."""
    found = coded.select("article_id", "n").join(labels.select("article_id", column).drop_nulls(), on="article_id").unique()
    names[column] = pl.concat([pl.Series(column, [ALL]), found[column].unique().sort()])
    found = found.select("n", _codes(column) + 1)
    return pl.concat([coded.select("n", pl.lit(0, pl.Int64).alias(column)), found])


def _counted(coded: pl.DataFrame, rows: pl.DataFrame, names: Names) -> pl.DataFrame:
    """The cells of `rows` (n, country_code, topic_id) under all sides and languages, with and without these."""
    dimensions = ("day", "side", "lang", "country_code", "topic_id")
    sizes = [len(names[name]) for name in dimensions]
    at = rows["n"].to_numpy()
    column = {name: coded[name].to_numpy()[at] for name in ("day", "side", "lang", "story", "outlet", "owner")}
    label = rows["country_code"].to_numpy() * sizes[4] + rows["topic_id"].to_numpy()
    zero = np.zeros(1, np.int64)
    cell = np.concatenate([
        ((column["day"] * sizes[1] + side) * sizes[2] + lang) * (sizes[3] * sizes[4]) + label
        for side in (column["side"], zero) for lang in (column["lang"], zero)
    ])  # fmt: skip
    cells, n_articles, n_stories = _distinct(cell, column["story"])
    code = dict(zip(dimensions, np.unravel_index(cells, sizes), strict=True))
    totals = cells // (sizes[3] * sizes[4]) * (sizes[3] * sizes[4])
    return pl.DataFrame({name: names[name].gather(code[name]) for name in dimensions}).with_columns(
        n_articles=n_articles,
        n_stories=n_stories,
        n_outlets=_distinct(cell, column["outlet"])[2],
        n_owners=_distinct(cell, column["owner"])[2],
        share=n_stories / n_stories[np.searchsorted(cells, totals)],
    )


def _distinct(cell: Ints, value: Ints) -> tuple[Ints, Ints, Ints]:
    """The cells in order, how many rows each has, and how many different values; `value` repeats as often as it must."""
    bits = int(value.max()).bit_length()
    if int(cell.max()).bit_length() + bits > 63:
        raise OverflowError("too many articles at once; give fewer days")
    packed = np.sort(cell << bits | np.tile(value, len(cell) // len(value)))
    is_new = np.append(True, packed[1:] != packed[:-1])
    cells = packed >> bits
    starts = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
    return cells[starts], np.diff(np.append(starts, len(cells))), np.add.reduceat(is_new, starts, dtype=np.int64)


# -- bursts -----------------------------------------------------------------------------------------------------------


def bursts(
    articles: pl.DataFrame, carriers: pl.DataFrame, focus: pl.DataFrame, tags: pl.DataFrame, days: Sequence[date]
) -> pl.DataFrame:
    """Relation `burst` of `days`; the frames hold these days and the 28 before each.

    `articles`: article_id, day, story_id; `carriers`: article_id, feed_id; `focus`: article_id, country_code, is_focus;
    `tags`: article_id, topic_id. A story counts on a day when a feed carried it that was active on 21 of the 28 days before.
    """
    if not articles.height or not days:
        return conform(pl.DataFrame(), RELATIONS["burst"])
    first = pl.concat([articles["day"], pl.Series("day", days, pl.Date)]).min()
    assert isinstance(first, date)
    first -= timedelta(days=BASELINE_DAYS)
    coded = articles.select("article_id", n=pl.int_range(pl.len(), dtype=pl.Int64))
    countries, codes = _numbered(coded, focus.filter("is_focus"), "country_code")
    topics, topic_ids = _numbered(coded, tags, "topic_id")
    carried, feeds = _numbered(coded, carriers, "feed_id", with_all=False)
    n, country, topic = _crossed(countries, topics, articles.height)
    n, cell, feed = _crossed((n, country * len(topic_ids) + topic), carried, articles.height)
    at = articles.select(day=(pl.col("day") - first).dt.total_days().cast(pl.Int64), story=_codes("story_id"))
    table = _Table(at["day"].to_numpy(), at["story"].to_numpy(), carried, (n, cell, feed), len(feeds))
    parts = []
    for day in days:
        found = table.of_day((day - first).days)
        if found is None:
            continue
        told, result = found
        country, topic = np.divmod(told, len(topic_ids))
        frame = pl.DataFrame({"country_code": codes.gather(country), "topic_id": topic_ids.gather(topic)})
        parts.append(frame.with_columns(pl.lit(day).alias("day"), **result))
    return conform(pl.concat(parts), RELATIONS["burst"]) if parts else conform(pl.DataFrame(), RELATIONS["burst"])


def _numbered(
    coded: pl.DataFrame, labels: pl.DataFrame, column: str, with_all: bool = True
) -> tuple[tuple[Ints, Ints], pl.Series]:
    """For each article (`n`, ascending) and label these two as numbers, and the labels by number; 0 is ALL, if wanted."""
    found = coded.join(labels.select("article_id", column).drop_nulls(), on="article_id")
    names = found[column].unique().sort()
    n, number = found["n"].to_numpy(), found[column].cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()
    if with_all:
        names = pl.concat([pl.Series(column, [ALL]), names])
        n = np.concatenate((coded["n"].to_numpy(), n))
        number = np.concatenate((np.zeros(coded.height, np.int64), number + 1))
    order = np.argsort(n, kind="stable")
    return (n[order], number[order]), names


def _crossed(left: tuple[Ints, Ints], right: tuple[Ints, Ints], n: int) -> tuple[Ints, Ints, Ints]:
    """Each row of the left with each of the right for the same article, by which both ascend: the article, and both numbers."""
    sizes = np.bincount(right[0], minlength=n)
    starts = np.cumsum(sizes) - sizes
    repeats = sizes[left[0]]
    within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    article = np.repeat(left[0], repeats)
    return article, np.repeat(left[1], repeats), right[1][starts[article] + within]


class _Table:
    """Stories by day, cell (country and topic) and feed, counted for any set of feeds without sorting again.

    A story that one feed carried is a row; those of several feeds are kept apart, to be counted once.
    """

    def __init__(self, day: Ints, story: Ints, carried: tuple[Ints, Ints], rows: tuple[Ints, Ints, Ints], n_feeds: int) -> None:
        """`day` and `story` of each article; `carried`: article and feed; `rows`: article, cell and feed."""
        self.n_days, self.n_feeds = int(day.max()) + 1, max(n_feeds, 1)
        self.active = np.zeros((self.n_days, self.n_feeds), np.bool_)
        self.active[day[carried[0]], carried[1]] = True
        n, cell, feed = rows
        sizes = [self.n_days, int(cell.max(initial=0)) + 1, int(story.max()) + 1, self.n_feeds]
        bits = [int(size - 1).bit_length() for size in sizes]
        if sum(bits) > 63:
            raise OverflowError("too many articles at once; give fewer days")
        packed = np.sort(((day[n] << bits[1] | cell) << bits[2] | story[n]) << bits[3] | feed)
        packed = packed[np.append(True, packed[1:] != packed[:-1])[: len(packed)]]
        told = packed >> bits[3]
        is_one = np.ones(len(packed), np.bool_)
        same = told[1:] == told[:-1]
        is_one[1:][same] = is_one[:-1][same] = False
        columns = dict(zip(("day", "cell", "story", "feed"), _unpacked(packed, bits), strict=True))
        self.one = {name: values[is_one] for name, values in columns.items()}
        self.many = {name: values[~is_one] for name, values in columns.items()}

    def of_day(self, day: int) -> tuple[Ints, dict[str, Values]] | None:
        """The cells worth telling on a day and the columns of relation burst for them; None when no feed has a baseline."""
        begin = day - BASELINE_DAYS
        if day >= self.n_days:
            return None
        steady = self.active[begin:day].sum(axis=0) >= ACTIVE_DAYS
        if not steady.any():
            return None
        cell, at = self._cells(begin, day, steady)
        cells, place = np.unique(cell, return_inverse=True)
        size = (BASELINE_DAYS + 1) * len(cells)
        counts = np.bincount((at - begin) * len(cells) + place, minlength=size).reshape(-1, len(cells)).astype(np.float64)
        if not len(cells) or cells[0] != 0 or not counts[-1, 0]:
            return None  # nothing was published by these feeds
        result = surprise(counts[:, 1:], counts[:, 0], (np.arange(begin, day + 1)) % 7)
        kept = (result["observed"] > 0) | (result["expected"] >= KEPT_EXPECTED)
        return cells[1:][kept], {name: values[kept] for name, values in result.items()}

    def _cells(self, begin: int, day: int, steady: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """The cell and the day of each story that these feeds carried."""
        low, high = np.searchsorted(self.one["day"], (begin, day + 1))
        one = {name: values[low:high] for name, values in self.one.items()}
        kept = steady[one["feed"]]
        low, high = np.searchsorted(self.many["day"], (begin, day + 1))
        many = {name: values[low:high] for name, values in self.many.items()}
        good = steady[many["feed"]]
        key = np.stack([many[name][good] for name in ("day", "cell", "story")])
        is_new = np.append(np.ones(min(key.shape[1], 1), np.bool_), (key[:, 1:] != key[:, :-1]).any(axis=0))
        return np.concatenate((one["cell"][kept], key[1][is_new])), np.concatenate((one["day"][kept], key[0][is_new]))


def _unpacked(packed: Ints, bits: list[int]) -> Iterator[Ints]:
    """The numbers that were packed into one, the first highest."""
    shift = sum(bits)
    for size in bits:
        shift -= size
        yield (packed >> shift) & ((1 << size) - 1)


def surprise(counts: Floats, exposure: Floats, weekday: Ints) -> dict[str, Values]:
    """How far the last day of `counts` (days, cells) stands out of the days before: columns of relation burst, an entry a cell.

    `exposure` (days): all stories of a day, 0 for a hole; `weekday` (days): 0 to 6. The count is taken as negative binomial.
    A large cell bursts when it is ten times likelier three times as strong than as usual, and by more than chance would show in
    one of 1,000 cells of the day (Neyman and Pearson: no rule with as few false bursts finds more); a small one by its tail.
    """
    expected, shape = _expected(counts, exposure, weekday)
    observed = counts[-1]
    p_value = _upper_tail(observed, expected, shape)
    is_told = (observed > 0) | (expected >= KEPT_EXPECTED)
    q_value, is_burst = np.ones_like(p_value), np.zeros(len(p_value), np.bool_)
    for is_large, cost in MAX_FALSE.items():
        family = np.flatnonzero((expected >= LARGE) == is_large)
        q_value[family] = _q_values(p_value[family])
        found = family[(q_value[family] <= MAX_Q[is_large]) & (observed[family] >= MIN_STORIES)]
        if is_large:
            evidence = _evidence(observed, expected, shape)
            found = found[evidence[found] >= np.log(MIN_LIKELIER)]
            n_false = _n_as_evident(evidence[found], expected[family], shape[family])
        else:
            n_false = p_value[found] * is_told[family].sum()
        is_burst[found] = n_false <= cost * is_told.sum()
    return {
        "observed": observed.astype(np.int64), "expected": expected, "p_value": p_value, "q_value": q_value, "is_burst": is_burst,
    }  # fmt: skip


def _expected(counts: Floats, exposure: Floats, weekday: Ints) -> tuple[Floats, Floats]:
    """Mean and shape (variance = mean + mean² / shape) of each cell on the last day: exposure x rate x weekday.

    The rate is one that earlier bursts do not move; weekday and spread of a cell lean on those of all cells.
    """
    share = counts[:-1].sum(axis=0) / max(exposure[:-1].sum(), 1.0)
    # what a cell is measured by is all other stories, so that a burst does not raise what is expected of itself
    others = np.maximum(exposure[:, None] - np.where(share <= MAX_SHARE, 1.0, 0.0) * counts, 0.0)
    is_open = exposure[:-1] > 0
    past, size = counts[:-1][is_open], others[:-1][is_open]
    total = np.maximum(size.sum(axis=0), 1.0)
    rate, spread = past.sum(axis=0) / total, np.zeros(counts.shape[1])
    for _ in range(3):  # days far above the rest are cut to what chance allows, and all is estimated again
        mean = size * rate
        chance = np.sqrt(mean + spread * mean**2)
        cut = np.minimum(past, mean + 3.0 * chance + 1.0)
        rate = cut.sum(axis=0) / total
        spread = _spread(np.minimum(past, mean + SPREAD_CUT * chance + 1.0), size * rate)
    effect = _weekday_effect(cut, size * rate, spread, weekday[:-1][is_open], int(weekday[-1]))
    # the rate is known from so many stories only: its own error widens the count (gamma prior of half a story)
    seen = cut.sum(axis=0) + 0.5
    return others[-1] * seen / total * effect, 1.0 / (spread + 1.0 / seen)


def _spread(counts: Floats, mean: Floats) -> Floats:
    """Overdispersion of each cell (variance = mean + spread x mean²), with half its standard error added.

    That of all cells together, moved towards the cell's own as far as this is known better than cells differ: by as much as
    they have on average (empirical Bayes). Counts of pure chance have none, and their cells then get none by bad luck either.
    """
    n_days = max(len(counts), 2)
    square = mean * mean
    first, second, third, fourth = (np.maximum(x.sum(axis=0), 1e-9) for x in (mean, square, mean * square, square * square))
    own = (((counts - mean) ** 2).sum(axis=0) * n_days / (n_days - 1) - first) / second
    pooled = 0.0
    for _ in range(3):  # of `own` the variance, where a count varies by v = mean + pooled x mean²: the sum of 2 v² + v
        error = (2 * (second + 2 * pooled * third + pooled**2 * fourth) + first + pooled * second) / second**2
        trust = 1.0 / (error + pooled**2)
        pooled = max(float((trust * own).sum() / trust.sum()), 0.0) if len(own) else 0.0
    known = pooled**2 / (pooled**2 + error)
    spread: Floats = np.maximum(pooled + known * (own - pooled), 0.0) + 0.5 * pooled * np.sqrt(1.0 - known)
    return spread


def _weekday_effect(counts: Floats, mean: Floats, spread: Floats, weekday: Ints, today: int) -> Floats:
    """What the weekday does to each cell beyond the stories of the day: its own ratio, as far as cells differ beyond chance."""
    days = np.equal.outer(np.arange(7), weekday).astype(np.float64)
    seen, usual = days @ counts, days @ mean
    beyond = (seen - usual) ** 2 - usual - spread * (days @ mean**2)
    differ = max(float((beyond / np.maximum(usual, 1e-9))[usual > 5].sum()), 0.0) / max(float(usual[usual > 5].sum()), 1e-9)
    effect: Floats = (1.0 + differ * seen[today]) / (1.0 + differ * usual[today])
    return effect


def _evidence(observed: Floats, mean: Floats, shape: Floats) -> Floats:
    """Log likelihood ratio of a count around BURST times the mean to one around the mean, both of this shape."""
    log_ratio = np.log((BURST * mean + shape) / (mean + shape))
    evidence: Floats = observed * (np.log(BURST) - log_ratio) - shape * log_ratio
    return evidence


def _n_as_evident(evidence: Floats, mean: Floats, shape: Floats) -> Floats:
    """How many cells of these means and shapes chance alone is expected to bring to each `evidence`."""
    log_ratio = np.log((BURST * mean + shape) / (mean + shape))
    least = np.maximum(np.ceil((evidence[:, None] + shape * log_ratio) / (np.log(BURST) - log_ratio) - 1e-9), 0.0)
    every = np.broadcast_arrays(least, mean, shape)
    n_cells: Floats = _upper_tail(*(values.ravel() for values in every)).reshape(least.shape).sum(axis=1)
    return n_cells


def _q_values(p: Floats) -> Floats:
    """Benjamini-Hochberg."""
    order = np.argsort(p, kind="stable")[::-1]
    steps = p[order] * len(p) / np.arange(len(p), 0, -1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return q


def _upper_tail(observed: Floats, mean: Floats, shape: Floats) -> Floats:
    """P(X >= observed) of a negative binomial with this mean and variance mean + mean² / shape."""
    shape = np.minimum(shape, 1e7)
    share = mean / (mean + shape)
    inside = (observed > 0) & (mean > 0)
    a, b, x = np.where(inside, observed, 1.0), shape, np.where(inside, share, 0.5)
    is_near = x < (a + 1) / (a + b + 2)
    tail = np.where(is_near, 1.0, 0.0)
    left = _beta_fraction(np.where(is_near, a, b), np.where(is_near, b, a), np.where(is_near, x, 1 - x))
    tail = np.where(is_near, left, 1 - left)
    return np.where(inside, np.clip(tail, 0.0, 1.0), np.where(observed > 0, 0.0, 1.0))


def _beta_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The regularised incomplete beta function by its continued fraction (DLMF 8.17.22), for x < (a + 1) / (a + b + 2)."""
    tiny = 1e-300
    c, d = np.ones_like(x), 1 / _apart(1 - (a + b) * x / (a + 1), tiny)
    value = d.copy()
    for m in range(1, 2000):
        at = a + 2 * m
        for top in (m * (b - m) * x / ((at - 1) * at), -(a + m) * (a + b + m) * x / (at * (at + 1))):
            d = 1 / _apart(1 + top * d, tiny)
            c = _apart(1 + top / c, tiny)
            value *= c * d
        if np.all(np.abs(c * d - 1) < 1e-12):
            break
    front = a * np.log(x) + b * np.log1p(-x) + _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b) - np.log(a)
    return np.exp(front) * value


def _apart(values: Floats, tiny: float) -> Floats:
    return np.where(np.abs(values) < tiny, tiny, values)


def _log_gamma(x: Floats) -> Floats:
    """Stirling's series, after stepping up to where it is exact to twelve digits."""
    shift = np.zeros_like(x)
    x = x.copy()
    for _ in range(10):
        low = x < 10
        if not low.any():
            break
        shift[low] += np.log(x[low])
        x[low] += 1
    inverse = 1 / (x * x)
    series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / x
    value: Floats = (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + series - shift
    return value
