"""How the monitor is doing, and what was edited: known answers from a warehouse that is written here."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import FEED
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from flows import cli, run, status
from pipeline.errors import InputError
from pipeline.warehouse import SQL, Store, queries

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEWEST = 69  # days after MONDAY: the Sunday of the tenth week
OWN_VIEWS = ["extraction_drift", "feed_health", "feed_silence"]


class Paper:
    """Rows for a warehouse: feeds, their states and their articles."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("run", "feed", "feed_state", "fetch_log", "entry", "sighting", "article", "article_version")
        }

    def feed(self, feed_id: str, **more: Any) -> None:
        """A feed with its state; what `more` names goes to whichever relation has that column."""
        state = {"n_failures": 0, "last_success_at": MONDAY, "next_fetch_at": MONDAY + timedelta(hours=1), "retired_at": None}
        url = f"https://{feed_id}.example/rss"
        self.rows["feed"].append(FEED | {"feed_id": feed_id, "url": url, "outlet": feed_id, "is_active": True} | more)
        self.rows["feed_state"].append({"feed_id": feed_id, "url": more.get("url_now", url), "n_polls": 1} | state | more)

    def poll(self, feed_id: str, hour: int, **more: Any) -> None:
        at = MONDAY + timedelta(hours=hour)
        row = {"run_id": "r", "kind": "feed", "feed_id": feed_id, "fetched_at": at, "n_entries": 10, "n_new": 1, "is_gap": False}
        self.rows["fetch_log"].append(row | more)

    def article(self, feed_id: str, day: int, body: str | None = None, *, n: int = 1, page_state: str = "done") -> None:
        """`n` articles of a day, each with a text of its own unless `body` is given."""
        for _ in range(n):
            number = len(self.rows["article"])
            at = MONDAY + timedelta(days=day)
            words = f"{number:06}" + "x" * 994 if body is None else body
            row = {
                "article_id": f"a{number}", "feed_id": feed_id, "outlet": self._outlet(feed_id), "version": 1, "n_versions": 1,
                "published_at": at, "published_day": at.date(), "first_seen_at": at, "seen_at": at, "title": f"Headline {number}",
                "body": words, "body_source": "page", "url": f"https://{feed_id}.example/{number}", "guid": str(number),
                "page_state": page_state, "next_try_at": at,
            }  # fmt: skip
            for name in ("article", "article_version", "entry", "sighting"):
                self.rows[name].append(row)

    def _outlet(self, feed_id: str) -> str:
        return next(row["outlet"] for row in self.rows["feed"] if row["feed_id"] == feed_id)

    def publish(self, data: Path) -> Path:
        with Store.writer(data) as store:
            for name, rows in self.rows.items():
                store.append(name, pl.DataFrame(rows, infer_schema_length=None))
            store.publish()
        return data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten weeks of a few feeds, each with a fate of its own; the newest article is of 10 May 2026."""
    paper = Paper()
    for feed_id in ("steady", "dark", "rare", "young", "short", "empty", "same", "waiting"):
        paper.feed(feed_id)
    paper.feed("dark2", outlet="dark")
    paper.feed("failing", n_failures=3, last_success_at=None, note="The host did not answer.")
    paper.feed("gone", retired_at=MONDAY, n_failures=1, note="gone for good (410) on 2026-03-02")
    paper.feed("off", is_active=False)
    paper.feed("recorded", kind="file")
    paper.feed("holed")
    paper.feed("moved", url_now="https://casino.example/rss")
    paper.rows["feed"].append(
        FEED | {"feed_id": "unasked", "url": "https://unasked.example", "outlet": "unasked", "is_active": True}
    )
    for day in range(NEWEST + 1):
        paper.article("steady", day)
    for day in range(0, 40):
        paper.article("dark", day)  # daily, then nothing for 30 days
        paper.article("recorded", day)
    for day in range(0, 66, 2):
        paper.article("dark2", day)  # every other day, last on day 64: 5 days are no silence
    for day in (0, 10, 20, 30, 40):
        paper.article("rare", day, n=2)  # every ten days, last on day 40: 29 days are less than four gaps
    for day in range(7):
        paper.article("young", day)  # seven articles are too few to know a rhythm
    for week in range(10):
        is_last = week == 9
        paper.article("short", 7 * week, "y" * (90 if is_last else 1000), n=1)
        for number in range(5):
            length = 400 if is_last else 1000
            paper.article("short", 7 * week + 1, f"{week}{number}".ljust(length, "z"))
        paper.article("empty", 7 * week, "" if is_last else None, n=4)
        paper.article("empty", 7 * week, n=2)
        paper.article("same", 7 * week, "We use cookies. " * 60 if is_last else None, n=6)
        paper.article("waiting", 7 * week, "Lead only." if is_last else None, n=6, page_state="waiting" if is_last else "done")
    paper.poll("holed", 0)
    paper.poll("holed", 30, is_gap=True, n_new=10)
    paper.poll("steady", 0, is_gap=True)
    paper.poll("steady", 1)
    paper.poll("failing", 0, error="Another reason.", n_entries=None)
    for number in range(7):
        begun = MONDAY + timedelta(hours=number)
        paper.rows["run"].append({
            "run_id": f"run{number}", "started_at": begun, "finished_at": begun + timedelta(seconds=65), "status": "complete",
            "n_feeds": 14, "n_failed": 1, "n_new": number, "n_updated": 0, "n_pages": 5, "n_waiting": 6,
        })  # fmt: skip
    return paper.publish(tmp_path_factory.mktemp("status"))


@pytest.fixture
def store(data: Path) -> Iterable[Store]:
    with Store.reader(data) as store:
        yield store


def invoke(*args: object) -> Any:
    return CliRunner().invoke(cli.app, [*map(str, args)], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


# -- views ------------------------------------------------------------------------------------------------------------


def test_silence_is_against_the_own_rhythm(store: Store) -> None:
    found = store.read("select outlet, feed_id, median_gap_days, silent_days, is_silent from feed_silence")
    rows = {(outlet, feed_id): rest for outlet, feed_id, *rest in found.rows()}
    assert rows["dark", "dark"] == [1.0, 30, True]
    assert rows["dark", "dark2"] == [2.0, 5, False]
    assert rows["dark", None] == [1.0, 5, True]  # every day for most of the time, and now five days of nothing
    assert rows["rare", "rare"] == [10.0, 29, False]
    assert rows["young", "young"] == [1.0, 63, False]
    assert rows["steady", "steady"] == [1.0, 0, False]
    assert rows["recorded", "recorded"] == [1.0, 30, False]  # a file is complete, not silent
    assert not {"gone", "off"} & {outlet for outlet, _ in rows}


def test_regular_pauses_are_no_silence(store: Store) -> None:
    """Two days a week, one after the other: usually one day apart, but the long gap is six days."""
    sql = "select median_gap_days, long_gap_days, silent_days, is_silent from feed_silence where feed_id = 'short'"
    assert store.read(sql).row(0) == (1, 6, 5, False)


def test_the_clock_of_the_warehouse_counts(tmp_path: Path) -> None:
    """Everything stopped on one day: nobody is silent, whenever that was."""
    paper = Paper()
    paper.feed("one")
    paper.feed("two")
    for day in range(20):
        paper.article("one", day)
        paper.article("two", day)
    with Store.reader(paper.publish(tmp_path)) as store:
        assert status.alerts(store) == ([], [])


def test_drift_is_against_the_weeks_before(store: Store) -> None:
    last = date(2026, 5, 4)
    rows = store.read("select * from extraction_drift where week = $week order by outlet", week=last).to_dicts()
    by_outlet = {row["outlet"]: row for row in rows}
    assert {name for name, row in by_outlet.items() if row["is_drifting"]} == {"short", "empty", "same"}
    assert (by_outlet["short"]["problem"], by_outlet["short"]["median_length"]) == ("short", 400)
    assert by_outlet["short"]["usual_length"] == 1000
    assert (by_outlet["empty"]["problem"], by_outlet["empty"]["usual_empty"]) == ("empty", 0)
    assert by_outlet["empty"]["share_empty"] == pytest.approx(4 / 6)
    assert (by_outlet["same"]["problem"], by_outlet["same"]["share_identical"]) == ("identical", 1)
    assert "waiting" not in by_outlet  # whose pages are not read yet
    assert by_outlet["steady"]["problem"] is None


def test_few_articles_and_first_weeks_are_not_judged(tmp_path: Path) -> None:
    paper = Paper()
    paper.feed("few")
    paper.feed("new")
    for week in range(4):
        paper.article("few", 7 * week, "" if week == 3 else None, n=4)
    for week in range(2):
        paper.article("new", 7 * (week + 2), "" if week else None, n=20)
    with Store.reader(paper.publish(tmp_path)) as store:
        assert store.read("select * from extraction_drift where problem is not null or is_drifting").height == 0
        assert store.read("select share_empty from extraction_drift where outlet = 'few' order by week")["share_empty"][-1] == 1


def test_every_feed_has_its_state(store: Store) -> None:
    states = dict(store.read("select feed_id, state from feed_health").iter_rows())
    fates = {"dark": "silent", "failing": "failing", "gone": "retired", "off": "inactive", "holed": "gap", "unasked": "new"}
    assert states == dict.fromkeys(states, "ok") | fates
    moved = store.read("select feed_id, moved_to from feed_health where moved_to is not null").rows()
    assert moved == [("moved", "https://casino.example/rss")]


def test_texts_of_a_feed(store: Store) -> None:
    sql = "select median_length, share_empty from feed_health where feed_id = $id"
    assert store.read(sql, id="steady").row(0) == (1000, 0)
    assert store.read(sql, id="empty").row(0) == (1000, pytest.approx(4 / 60))


def test_every_column_is_described(store: Store) -> None:
    columns = store.read("select table_name as t, column_name as c, comment as text from duckdb_columns() where not internal")
    spoken = set(columns.filter(pl.col("text").is_not_null())["c"])
    assert [row for row in columns.rows() if row[0] in OWN_VIEWS and row[1] not in spoken] == []


def test_queries(store: Store) -> None:
    dark = queries.ask(store, "feeds_dark").select("outlet", "feed_id").rows()
    assert dark == [("dark", "dark"), ("dark", None)]
    drift = queries.ask(store, "extraction_drift", days="30")
    assert drift.head(3)["outlet"].unique().to_list() == ["empty"] and drift["is_drifting"].sum() == 3
    gaps = queries.ask(store, "gaps").rows()
    assert [(row[0], row[4], row[5]) for row in gaps] == [("holed", 30.0, 10), ("steady", None, 10)]


@pytest.mark.parametrize("view", OWN_VIEWS)
def test_an_empty_warehouse_has_no_news(view: str, tmp_path: Path) -> None:
    assert (SQL / "views" / f"{view}.sql").exists()
    with Store.reader(Paper().publish(tmp_path)) as store:
        assert store.read(f"select * from {view}").height == 0
    assert invoke("status", "--data", tmp_path).exit_code == 0


# -- status -----------------------------------------------------------------------------------------------------------


def test_status(data: Path) -> None:
    done = invoke("status", "--data", data)
    assert done.exit_code == 0
    assert "2026-03-02 18:00" in done.output and "2026-03-02 13:00" not in done.output.split("Pages:")[0]  # five runs
    assert "Pages: 6 waiting" in done.output
    assert "Feeds: 10 ok, 1 gap, 1 silent, 1 failing, 1 retired, 1 new, 1 inactive." in done.output
    worst = done.output.split("Feeds that need a look")[1].split("Outlets that need a look")
    for text in ("The host did not answer.", "no article for 30 days", "gone for good (410)", "https://casino.example/rss"):
        assert text in worst[0]
    for text in ("texts of 400 characters; usually 1000", "67 % without text; usually 0 %", "100 % identical texts"):
        assert text in worst[1]


def test_status_for_machines(data: Path) -> None:
    done = invoke("status", "--csv", "--data", data)
    rows = list(csv.DictReader(io.StringIO(done.output)))
    assert list(rows[0]) == ["kind", "name", "state", "n", "reason", "last_at", "next_at"]
    assert [row["name"] for row in rows if row["kind"] == "run"] == ["run6", "run5", "run4", "run3", "run2"]
    assert {row["name"]: row["n"] for row in rows if row["kind"] == "pages"}["waiting"] == "6"
    assert next(row["n"] for row in rows if row["name"] == "failing") == "3"
    outlets = [(row["name"], row["state"]) for row in rows if row["kind"] == "outlet"]
    assert outlets == [("empty", "drifting"), ("same", "drifting"), ("short", "drifting"), ("dark", "silent")]


def test_status_of_an_older_snapshot_is_one_sentence(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        store.run("drop view extraction_drift")
        store.publish()
    done = invoke("status", "--data", tmp_path)
    assert str(done.exception).endswith("is of another release: run `balkanwatch run`.")


def test_a_run_says_what_is_silent_and_drifting(store: Store) -> None:
    summary = run.Summary("r", store.data)
    summary.silent, summary.drifting = status.alerts(store)
    line = "Silent feeds: 1 (dark); outlets with drifting texts: 3 (empty, same, short)"
    assert f"- {line}" in run.markdown(summary).splitlines()
    assert status.alert_line(list("abcdefg"), []) == ("Silent feeds: 7 (a, b, c, d, e, 2 more); outlets with drifting texts: 0")


# -- diff -------------------------------------------------------------------------------------------------------------

BEFORE = "KFOR sent three patrols to the bridge on Monday.\nNobody was hurt."
AFTER = "KFOR sent five patrols to the bridge on Monday.\nNobody was hurt.\nThe mayor asked for calm."


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    paper = Paper()
    paper.feed("portal")
    paper.article("portal", 0, BEFORE)
    paper.article("portal", 0)
    first = paper.rows["article_version"][0]
    second = {"version": 2, "body": AFTER, "title": "Calm", "seen_at": MONDAY + timedelta(hours=2), "published_at": None}
    paper.rows["article_version"].append(first | second)
    paper.rows["article_url"] = [{"url": "https://portal.example/amp/0", "article_id": "a0", "kind": "canonical"}]
    return paper.publish(tmp_path_factory.mktemp("edited"))


@pytest.mark.parametrize(
    "article", ["a0", "https://portal.example/0", "https://portal.example/amp/0", "HTTPS://portal.example/0?utm_source=rss#top"]
)
def test_diff(article: str, edited: Path) -> None:
    done = invoke("diff", article, "--plain", "--data", edited)
    assert done.exit_code == 0
    assert "version 1: seen_at 2026-03-02 12:00, published_at 2026-03-02 12:00" in done.output
    assert "version 2: seen_at 2026-03-02 14:00, published_at unknown" in done.output
    assert "title: [-Headline 0-]{+Calm+}" in done.output
    assert "KFOR sent [-three-]{+five+} patrols to the bridge" in done.output
    assert "The mayor asked for calm.+}" in done.output


def test_diff_of_one_version(edited: Path) -> None:
    assert "one version only" in invoke("diff", "a1", "--data", edited).output


@pytest.mark.parametrize("article", ["a9", "https://portal.example/9", "", "not an address", "%"])
def test_diff_of_an_unknown_article_is_one_sentence(article: str, edited: Path) -> None:
    done = invoke("diff", article, "--data", edited)
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == f"No article has the id or address `{article}`."


words = st.text(st.sampled_from("ab č.\n"), max_size=60)


@given(words, words)
def test_both_sides_come_back(old: str, new: str) -> None:
    pieces = status.changed(old, new)
    assert "".join(text for kind, text in pieces if kind != "insert") == old
    assert "".join(text for kind, text in pieces if kind != "delete") == new


def test_colours_and_marks() -> None:
    pieces = [("equal", "one "), ("delete", "two"), ("insert", "[red]three")]
    assert status.marked(pieces, is_plain=True).plain == "one [-two-]{+[red]three+}"
    coloured = status.marked(pieces, is_plain=False)
    assert coloured.plain == "one two[red]three"
    assert [str(span.style) for span in coloured.spans] == ["red strike", "green"]


def test_long_unchanged_stretches_are_cut() -> None:
    text = " ".join(map(str, range(100)))
    (_, head), *_, (_, tail) = status.shortened([("equal", text), ("insert", "new"), ("equal", text)], 3)
    assert head == "[…] 97 98 99" and tail == "0 1 2 […] "
    assert status.shortened([("equal", "a b"), ("insert", "c")], 3) == [("equal", "a b"), ("insert", "c")]
