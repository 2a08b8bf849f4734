"""Coverage and bursts: counts against a slow and plain count, the count model against exact sums, and what is and is no burst."""

import itertools
import math
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import trends
from pipeline.schemas import RELATIONS

DAY = date(2023, 11, 20)


def frame(schema: dict[str, Any], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


FOCUS = {"article_id": pl.String, "country_code": pl.String, "is_focus": pl.Boolean}
TAGS = {"article_id": pl.String, "topic_id": pl.String}


# -- coverage ---------------------------------------------------------------------------------------------------------


def slowly(articles: pl.DataFrame, focus: pl.DataFrame, tags: pl.DataFrame) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What the grain of coverage says, cell by cell."""
    cells: dict[tuple[Any, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for a in articles.iter_rows(named=True):
        for basis in ("focus", "mention"):
            countries = {c for i, c, f in focus.iter_rows() if i == a["article_id"] and (f or basis == "mention")} | {"*"}
            topics = {t for i, t in tags.iter_rows() if i == a["article_id"]} | {"*"}
            for key in itertools.product([a["day"]], countries, topics, (a["side"], "*"), (a["lang"], "*"), [basis]):
                for column in ("article_id", "story_id", "outlet", "owner"):
                    cells[key][column].add(a[column])
    out = {}
    for key, sets in cells.items():
        total = cells[(key[0], "*", "*", *key[3:])]
        counts = tuple(len(sets[column]) for column in ("article_id", "story_id", "outlet", "owner"))
        out[key] = (*counts, counts[1] / len(total["story_id"]))
    return out


NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def archives(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    n = draw(st.integers(1, 12))
    ids = [f"i{k}" for k in range(n)]
    articles = [
        (i, DAY + timedelta(days=draw(st.integers(0, 2))), *(draw(NAMES) for _ in range(4)), draw(st.sampled_from(ids)))
        for i in ids
    ]
    focus = [(i, c, draw(st.booleans())) for i in ids for c in draw(st.sets(st.sampled_from(["XK", "RS", "BA"])))]
    tags = [(i, t) for i in ids for t in draw(st.sets(st.sampled_from(["border", "arms"])))]
    return frame(dict(trends.ARTICLE), articles), frame(FOCUS, focus), frame(TAGS, tags)


@given(archives())
@settings(max_examples=60, deadline=None)
def test_coverage_is_what_a_slow_count_gives(archive: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> None:
    found = trends.coverage(*archive)
    assert found.schema == RELATIONS["coverage"]
    assert found.select("day", "country_code", "topic_id", "side", "lang", "basis").is_duplicated().sum() == 0
    assert {row[:6]: row[6:] for row in found.iter_rows()} == slowly(*archive)


def test_copies_are_counted_once_and_totals_are_not_sums() -> None:
    articles = frame(dict(trends.ARTICLE), [
        ("a", DAY, "belgrade", "hbs", "One", "Owner", "a"), ("b", DAY, "belgrade", "hbs", "Two", "Owner", "a"),
        ("c", DAY, "pristina", "sq", "Three", "Three", "a"), ("d", DAY, "pristina", "sq", "Three", "Three", "d"),
    ])  # fmt: skip
    focus = frame(FOCUS, [("a", "XK", True), ("a", "RS", True), ("b", "XK", True), ("c", "XK", True), ("d", "AL", False)])
    tags = frame(TAGS, [("a", "border"), ("b", "border"), ("c", "border"), ("c", "arms")])
    found = {row[1:6]: row[6:] for row in trends.coverage(articles, focus, tags).iter_rows()}
    assert found["XK", "border", "*", "*", "focus"] == (3, 1, 3, 2, 0.5)
    assert found["XK", "border", "belgrade", "*", "focus"] == (2, 1, 2, 1, 1.0)
    assert found["*", "*", "*", "*", "focus"] == (4, 2, 3, 2, 1.0)
    assert found["AL", "*", "pristina", "sq", "mention"] == (1, 1, 1, 1, 0.5)
    assert ("AL", "*", "*", "*", "focus") not in found


def test_nothing_gives_nothing() -> None:
    nothing = (pl.DataFrame(schema=trends.ARTICLE), frame(FOCUS, []), frame(TAGS, []))
    assert trends.coverage(*nothing).is_empty() and trends.coverage(*nothing).schema == RELATIONS["coverage"]
    carriers = pl.DataFrame(schema={"article_id": pl.String, "feed_id": pl.String})
    assert trends.bursts(nothing[0], carriers, *nothing[1:], [DAY]).schema == RELATIONS["burst"]


# -- the count model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("observed", "mean", "shape"), [
    (9, 3, 1e9), (9, 3, 5), (1, 0.01, 0.5), (30, 10, 20), (500, 300, 30), (3, 50, 10), (1, 1, 1), (40, 0.5, 2),
])  # fmt: skip
def test_the_tail_is_the_sum_of_its_terms(observed: int, mean: float, shape: float) -> None:
    shape = min(shape, 1e7)
    log = [
        math.lgamma(k + shape) - math.lgamma(shape) - math.lgamma(k + 1)
        + shape * math.log(shape / (shape + mean)) + k * math.log(mean / (mean + shape))
        for k in range(observed, observed + 4000)
    ]  # fmt: skip
    found = trends._upper_tail(np.array([float(observed)]), np.array([mean]), np.array([shape]))
    assert found[0] == pytest.approx(math.fsum(map(math.exp, log)), rel=1e-6)


def test_what_is_certain_and_what_is_impossible() -> None:
    zero, five = np.array([0.0]), np.array([5.0])
    assert trends._upper_tail(zero, five, five)[0] == 1.0
    assert trends._upper_tail(five, zero, five)[0] == 0.0


@given(st.integers(0, 60), st.floats(3, 30), st.floats(1, 1e5))
@settings(max_examples=100, deadline=None)
def test_evidence_is_the_ratio_of_two_likelihoods(observed: int, mean: float, shape: float) -> None:
    def log_likelihood(mean: float) -> float:
        return shape * math.log(shape / (shape + mean)) + observed * math.log(mean / (mean + shape))

    found = trends._evidence(np.array([float(observed)]), np.array([mean]), np.array([shape]))
    assert found[0] == pytest.approx(log_likelihood(3 * mean) - log_likelihood(mean), rel=1e-6, abs=1e-6)


def test_how_many_cells_chance_makes_as_evident_is_a_sum_over_all_counts() -> None:
    mean, shape = np.array([3.0, 5.0, 20.0]), np.array([8.0, 1e6, 15.0])
    wanted = np.array([-50.0, 0.0, 2.0, 4.0])
    slowly = np.zeros(4)
    for m, r in zip(mean, shape, strict=True):
        for k in range(2000):
            log = math.lgamma(k + r) - math.lgamma(r) - math.lgamma(k + 1)
            chance = math.exp(log + r * math.log(r / (r + m)) + k * math.log(m / (m + r)))
            slowly += chance * (trends._evidence(np.array([float(k)]), np.array([m]), np.array([r]))[0] >= wanted)
    assert trends._n_as_evident(wanted, mean, shape) == pytest.approx(slowly, rel=1e-6)


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    assert trends._q_values(p) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])
    assert trends._q_values(np.array([])).size == 0


# -- what bursts ------------------------------------------------------------------------------------------------------


def chance(seed: int, n_days: int = 80) -> tuple[Any, Any]:
    """Counts of 10 countries and topics each (pairs, then totals) drawn without any event, and the stories of each day."""
    draw = np.random.default_rng(seed)
    mean = np.outer(1 / np.arange(1, 11), 1 / np.arange(1, 11)) * 30
    week = np.where(np.arange(n_days) % 7 >= 5, 0.6, 1.0)
    pairs = draw.poisson(week[:, None, None] * mean)
    counts = np.concatenate((pairs.reshape(n_days, -1), pairs.sum(axis=2), pairs.sum(axis=1)), axis=1).astype(float)
    return counts, pairs.sum(axis=(1, 2)) + draw.poisson(100 * week)


def judged(counts: Any, exposure: Any, day: int) -> dict[str, Any]:
    window = slice(day - trends.BASELINE_DAYS, day + 1)
    return trends.surprise(counts[window], exposure[window].astype(float), np.arange(day + 1)[window] % 7)


def test_chance_makes_one_burst_in_1000_cells_and_three_times_as_much_is_found() -> None:
    n_cells, n_false, found = 0, 0, []
    for seed in range(6):
        counts, exposure = chance(seed)
        for day in range(trends.BASELINE_DAYS, len(counts)):
            usual = judged(counts, exposure, day)
            n_cells += int(((usual["observed"] > 0) | (usual["expected"] >= 1)).sum())
            n_false += int(usual["is_burst"].sum())
            for cell in np.flatnonzero(usual["expected"] >= 3)[day % 3 :: 3]:
                planted, more = counts.copy(), exposure.copy()
                planted[day, cell] = round(3 * usual["expected"][cell])
                more[day] += planted[day, cell] - counts[day, cell]
                found.append(bool(judged(planted, more, day)["is_burst"][cell]))
    assert n_cells > 15_000 and len(found) > 2_000
    assert 1000 * n_false / n_cells <= 1.0
    assert np.mean(found) >= 0.9


@given(st.integers(0, 200), st.integers(0, 119), st.integers(0, 60), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_burst_stays_one_when_there_is_more_of_it(seed: int, cell: int, observed: int, more: int) -> None:
    counts, exposure = chance(seed, 29)
    exposure[-1] += observed - counts[-1, cell]
    counts[-1, cell] = observed
    before = judged(counts, exposure, 28)
    exposure[-1] += more
    counts[-1, cell] += more
    after = judged(counts, exposure, 28)
    assert after["p_value"][cell] <= before["p_value"][cell]
    assert after["is_burst"][cell] or not before["is_burst"][cell]


def test_half_as_much_again_is_no_burst_however_many_stories_that_are() -> None:
    counts, exposure = chance(1, 29)
    total = 100  # of the largest country
    usual = judged(counts, exposure, 28)["expected"][total]
    counts[-1, total], exposure[-1] = round(1.5 * usual), exposure[-1] - counts[-1, total] + round(1.5 * usual)
    found = judged(counts, exposure, 28)
    assert found["p_value"][total] < 1e-3 and not found["is_burst"][total]


def test_counts_of_pure_chance_are_given_no_spread_and_restless_ones_theirs() -> None:
    draw = np.random.default_rng(3)
    mean = np.tile(np.linspace(3, 40, 60), (28, 1))
    assert np.median(trends._spread(draw.poisson(mean).astype(float), mean)) < 0.01
    restless = draw.poisson(mean * draw.gamma(5, 1 / 5, mean.shape)).astype(float)
    assert 0.15 < np.median(trends._spread(restless, mean)) < 0.35


def test_weekdays_matter_where_cells_differ_in_them() -> None:
    draw, weekday = np.random.default_rng(4), np.arange(28) % 7
    mean = np.full((28, 40), 10.0)
    usual, none = draw.poisson(mean).astype(float), np.zeros(40)
    assert trends._weekday_effect(usual, mean, none, weekday, 2) == pytest.approx(np.ones(40), abs=0.1)
    courts = usual.copy()
    courts[weekday == 2, :20] *= 2  # twenty cells have much to tell on this weekday
    effect = trends._weekday_effect(courts, mean, none, weekday, 2)
    assert 1.6 < effect[:20].mean() < 2.1 and 0.9 < effect[20:].mean() < 1.1


# -- bursts -----------------------------------------------------------------------------------------------------------


class World:
    """Articles of some weeks, day by day, from day 0 on; what stands out is put in by the tests. TODAY is judged."""

    TODAY = 35

    def __init__(self, seed: int = 7) -> None:
        self.draw = np.random.default_rng(seed)
        self.articles: list[tuple[str, date, str]] = []
        self.carriers: list[tuple[str, str]] = []
        self.focus: list[tuple[str, str, bool]] = []
        self.tags: list[tuple[str, str]] = []

    def add(self, day: int, country: str, topic: str, n: int = 1, feeds: tuple[str, ...] = ("f0",), story: str = "") -> None:
        for _ in range(n):
            id_ = f"a{len(self.articles)}"
            self.articles.append((id_, DAY + timedelta(days=day), story or id_))
            self.carriers += [(id_, feed) for feed in feeds]
            self.focus.append((id_, country, True))
            self.tags.append((id_, topic))

    def usual(self, days: range, weekend: float = 0.5, n_feeds: int = 6, prefix: str = "f") -> "World":
        for day, feed in itertools.product(days, range(n_feeds)):
            volume = weekend if day % 7 in (5, 6) else 1.0
            for country, topic, mean in (("XK", "border", 1.0), ("RS", "arms", 2.0), ("BA", "border", 0.5), ("MK", "arms", 0.1)):
                self.add(day, country, topic, int(self.draw.poisson(mean * volume)), (f"{prefix}{feed}",))
            self.add(day, "AL", "cyber", 1, (f"{prefix}{feed}",))  # a feed that is active every day
        return self

    def found(self, day: int = TODAY) -> dict[tuple[str, str], dict[str, Any]]:
        articles = frame({"article_id": pl.String, "day": pl.Date, "story_id": pl.String}, self.articles)
        carriers = frame({"article_id": pl.String, "feed_id": pl.String}, self.carriers)
        rows = trends.bursts(articles, carriers, frame(FOCUS, self.focus), frame(TAGS, self.tags), [DAY + timedelta(days=day)])
        return {(row["country_code"], row["topic_id"]): row for row in rows.iter_rows(named=True)}

    def bursts(self, day: int = TODAY) -> set[tuple[str, str]]:
        return {key for key, row in self.found(day).items() if row["is_burst"]}


def test_an_ordinary_day_has_no_burst() -> None:
    assert World().usual(range(36)).bursts() == set()
    found = World().usual(range(36)).found()
    assert 3 < found["XK", "border"]["expected"] < 9


def test_three_times_as_much_is_a_burst_with_its_country_and_topic() -> None:
    world = World().usual(range(36))
    before = world.found()["XK", "border"]
    world.add(world.TODAY, "XK", "border", 20)
    after = world.found()["XK", "border"]
    assert after["is_burst"] and after["observed"] == before["observed"] + 20
    assert after["expected"] == pytest.approx(before["expected"], rel=0.01)  # a burst does not excuse itself
    assert after["p_value"] <= after["q_value"] < 1e-3
    assert ("RS", "arms") not in world.bursts()


def test_copies_of_one_text_are_no_burst() -> None:
    world = World().usual(range(36))
    world.add(world.TODAY, "XK", "border", 40, story="wire")
    assert world.bursts() == set()


def test_a_story_of_several_feeds_counts_once_and_as_soon_as_one_of_them_is_steady() -> None:
    world = World().usual(range(36))
    world.add(world.TODAY, "ME", "cyber", 1, ("f1", "f2", "new"))
    world.add(world.TODAY, "ME", "cyber", 1, ("new",))
    assert world.found()["ME", "cyber"]["observed"] == 1


def test_two_stories_out_of_nowhere_are_too_few() -> None:
    world = World().usual(range(36))
    world.add(world.TODAY, "SI", "cyber", 2)
    assert world.found()["SI", "cyber"]["p_value"] < 0.01 and world.bursts() == set()
    world.add(world.TODAY, "SI", "cyber", 4)
    assert ("SI", "cyber") in world.bursts()


def test_an_added_feed_is_no_burst() -> None:
    world = World().usual(range(36))
    world.usual(range(30, 36), n_feeds=30, prefix="new")
    assert world.bursts() == set()
    assert world.found()["XK", "border"]["observed"] < 15  # what the new feeds bring is not counted yet


def test_a_silent_feed_is_no_burst_of_the_others() -> None:
    world = World().usual(range(36), n_feeds=2)
    world.usual(range(28), n_feeds=8, prefix="gone")  # quiet since a week: not active on enough days
    assert world.bursts() == set()
    steady = World().usual(range(36), n_feeds=2)
    steady.usual(range(33), n_feeds=8, prefix="gone")  # quiet since two days: less is published, less is expected
    assert steady.bursts() == set()
    assert steady.found()["RS", "arms"]["expected"] < 8


def test_weekends_and_holes_make_no_bursts() -> None:
    world = World().usual(range(60), weekend=0.3)
    holed = {10, 11, 20, 33}
    world.articles = [row for row in world.articles if (row[1] - DAY).days not in holed]
    kept = {row[0] for row in world.articles}
    world.carriers = [row for row in world.carriers if row[0] in kept]
    world.focus, world.tags = ([row for row in rows if row[0] in kept] for rows in (world.focus, world.tags))
    assert {day: bursts for day in range(32, 60) if (bursts := world.bursts(day))} == {}


def test_without_a_baseline_nothing_is_said() -> None:
    assert World().usual(range(36)).found(20) == {} != World().usual(range(36)).found(21)
    assert World().usual(range(16, 36)).found() == {}  # only 19 days of it
    assert World().usual(range(35)).found() == {}  # nothing today


def test_what_else_the_archive_holds_changes_nothing() -> None:
    world = World().usual(range(36))
    alone = world.found(25)
    world.add(-400, "AL", "cyber")
    world.add(60, "AL", "cyber")
    assert world.found(25) == alone != {}


def test_the_second_burst_is_found_after_the_first() -> None:
    world = World().usual(range(36))
    world.add(20, "XK", "border", 40)
    world.add(world.TODAY, "XK", "border", 25)
    assert ("XK", "border") in world.bursts()


def test_cells_are_told_where_something_was_or_was_expected() -> None:
    world = World().usual(range(35))
    world.add(world.TODAY, "AL", "cyber", 3)
    found = world.found()
    assert found["RS", "arms"]["observed"] == 0 and found["RS", "arms"]["p_value"] == 1.0
    assert all(row["observed"] or row["expected"] >= 1 for row in found.values())
    assert ("*", "*") not in found and ("*", "cyber") in found and ("AL", "*") in found


def test_nothing_depends_on_the_order_of_rows() -> None:
    world = World().usual(range(36))
    world.add(world.TODAY, "XK", "border", 20, ("f1", "f2"))
    expected = world.found()
    for rows in (world.articles, world.carriers, world.focus, world.tags):
        world.draw.shuffle(rows)  # type: ignore[arg-type]
    assert world.found() == expected
