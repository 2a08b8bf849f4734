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


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    assert trends._q_values(p) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])
    assert trends._q_values(np.array([])).size == 0


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
    assert World().usual(range(36)).found(27) == {}
    assert World().usual(range(16, 36)).found() == {}  # only 19 days of it
    assert World().usual(range(35)).found() == {}  # nothing today


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
