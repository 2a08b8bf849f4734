"""The warehouse: its schema and what is said about it, one writer, snapshots, and readers who can do no harm."""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import hypothesis
import polars as pl
import pytest
from conftest import ROOT, SAMPLE, Prepare, contents, prepared
from hypothesis import strategies as st
from landed import published

from flows import run
from pipeline import versions
from pipeline.errors import InputError, WarehouseError
from pipeline.schemas import ENTRY, PAGE, RELATIONS, conform
from pipeline.seeds import Seeds
from pipeline.tag import Tagged
from pipeline.versions import Changes
from pipeline.warehouse import SCHEMA_VERSION, SQL, Store, landing, marts, queries, snapshot_path, view_files, writer_path

VIEWS = [path.stem for path in view_files()]
# what a column of the schema is in DuckDB's words
TYPES = {
    pl.String(): "VARCHAR", pl.Int32(): "INTEGER", pl.Int64(): "BIGINT", pl.UInt64(): "UBIGINT", pl.UInt32(): "UINTEGER",
    pl.Float64(): "DOUBLE", pl.Boolean(): "BOOLEAN", pl.Date(): "DATE", pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip


def duckdb_type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"{duckdb_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Struct):
        return f"STRUCT({', '.join(f'{field.name} {duckdb_type(field.dtype)}' for field in dtype.fields)})".replace('"', "")
    return TYPES[dtype]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A data folder with an empty warehouse, migrated and published."""
    with Store.writer(tmp_path) as store:
        store.publish()
    return tmp_path


@pytest.fixture(scope="module")
def sample(small_seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the sample's warehouse; not to be written to."""
    settings = prepared(small_seeds, tmp_path_factory.mktemp("sample"), [SAMPLE])
    run.run_monitor(settings, 60)
    return settings.data


@pytest.fixture
def reader(sample: Path) -> Iterator[Store]:
    with Store.reader(sample) as store:
        yield store


# -- the schema -------------------------------------------------------------------------------------------------------


def test_python_and_sql_agree_on_every_column(empty: Path) -> None:
    with Store.reader(empty) as store:
        columns = store.connection.execute("""
            select table_name, column_name, data_type from duckdb_columns()
            where table_name in (select table_name from duckdb_tables()) order by table_name, column_index
        """).fetchall()  # fmt: skip
    in_sql: dict[str, dict[str, str]] = {}
    for table, column, kind in columns:
        in_sql.setdefault(table, {})[column] = kind.replace('"', "")
    in_python = {name: {column: duckdb_type(dtype) for column, dtype in schema.items()} for name, schema in RELATIONS.items()}
    assert in_sql == in_python
    assert {name: list(columns) for name, columns in in_sql.items()} == {name: list(s) for name, s in in_python.items()}


def test_frames_come_back_as_they_went_in(empty: Path) -> None:
    with Store.writer(empty) as store:
        for relation, schema in RELATIONS.items():
            assert store.read(f"select * from {relation}").schema == schema, relation


def test_a_transaction_may_be_larger_than_the_memory_of_a_run(tmp_path: Path) -> None:
    letters = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=40_000)
    with Store.writer(tmp_path) as store, store.in_small_batches():
        with store.transaction():
            for part in range(4):
                ids = [f"{part}-{n}" for n in range(3_000)]
                bodies = ["".join(letters[n : n + 20_000]) for n in range(3_000)]
                store.append("article_version", pl.DataFrame({"article_id": ids, "version": 1, "title": "", "body": bodies}))
            held = store.read("select sum(memory_usage_bytes) as n from duckdb_memory()")["n"][0]
        n, n_bytes = store.read("select count(*), sum(length(body)) from article_version").row(0)
    assert (n, n_bytes) == (12_000, 240_000_000)
    assert held < 200e6


def test_everything_is_described(empty: Path) -> None:
    with Store.reader(empty) as store:
        undescribed = store.connection.execute("""
            select table_name from duckdb_tables() where coalesce(comment, '') = ''
            union all select view_name from duckdb_views() where not internal and coalesce(comment, '') = ''
            union all select table_name || '.' || column_name from duckdb_columns()
            where coalesce(comment, '') = '' and table_name in (select table_name from duckdb_tables())
        """).fetchall()  # fmt: skip
    assert undescribed == []


def test_keys_are_keys(reader: Store) -> None:
    """The key that each table's comment names is unique in the sample."""
    comments = dict(reader.connection.execute("select table_name, comment from duckdb_tables()").fetchall())
    comments |= dict(reader.connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall())
    keys = {name: text.rpartition("Key: ")[2].rstrip(".") for name, text in comments.items() if "Key: " in text}
    assert set(RELATIONS) - set(keys) <= {"meta"}
    for name, key in keys.items():
        twice = reader.connection.execute(f"select {key}, count(*) from {name} group by {key} having count(*) > 1").fetchall()
        assert twice == [], name


def test_migrating_again_changes_nothing(empty: Path) -> None:
    def schema() -> list[tuple[object, ...]]:
        with Store.writer(empty) as store:
            return store.connection.execute("select sql from duckdb_tables() union all select sql from duckdb_views()").fetchall()

    assert sorted(schema()) == sorted(schema())


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(path.name.split("_")[0]) for path in sorted((SQL / "schema").glob("*.sql"))]
    assert numbers == list(range(1, SCHEMA_VERSION + 1))


def test_a_newer_warehouse_is_left_alone(empty: Path) -> None:
    with Store.writer(empty) as store:
        store.set_meta("schema_version", str(SCHEMA_VERSION + 1))
    with (
        pytest.raises(WarehouseError, match=r"^The warehouse in .* was written by a newer balkanwatch .*\.$"),
        Store.writer(empty),
    ):
        pass


def test_a_file_that_is_no_database_is_one_sentence(empty: Path) -> None:
    writer_path(empty).write_bytes(b"this is not a database, whatever it is called" * 1000)
    with pytest.raises(WarehouseError, match=r"^The warehouse in .* can not be opened: "), Store.writer(empty):
        pass
    snapshot_path(empty).write_bytes(b"nor is this" * 1000)
    with pytest.raises(WarehouseError, match=r"^The warehouse in .* can not be opened: "), Store.reader(empty):
        pass


def test_without_a_snapshot_a_reader_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="run `balkanwatch run` first"), Store.reader(tmp_path):
        pass


# -- views and queries ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_executes_on_nothing_and_on_the_sample(name: str, empty: Path, reader: Store) -> None:
    with Store.reader(empty) as nothing:
        assert nothing.read(f"select * from {name}").is_empty()
    assert reader.read(f"select * from {name}").height or name == "burst_story"  # the sample has no 28 days


def needed(name: str) -> dict[str, str]:
    """Values for the parameters that have no default."""
    return {p.name: "1" for p in queries.load(name).parameters if p.default is None}


@pytest.mark.parametrize("name", queries.names())
def test_a_query_executes_on_nothing_and_on_the_sample(name: str, empty: Path, reader: Store) -> None:
    with Store.reader(empty) as nothing:
        assert queries.ask(nothing, name, **needed(name)).is_empty()
    queries.ask(reader, name, **needed(name))  # its answers are tested in test_queries.py


@pytest.mark.parametrize("name", queries.names())
def test_a_query_says_what_it_answers(name: str) -> None:
    query = queries.load(name)
    assert query.question and query.grain.startswith("one row per ")
    assert {p.name for p in query.parameters} == set(re.findall(r"\$(\w+)", query.sql.split("\n", 1)[1]))
    assert query.sql.startswith("-- question: ")


def test_periods_end_at_the_newest_day_not_at_the_clock(reader: Store) -> None:
    assert queries.ask(reader, "top_topics", days="60", group="region").height  # the sample is of 2023


def test_coverage_totals_are_true_distinct_counts(reader: Store) -> None:
    wrong = reader.read("""
        select * from coverage as c
        where basis = 'focus' and country_code = '*' and topic_id = '*' and side = '*' and lang = '*'
            and (n_articles, n_stories) is distinct from (
                select (count(distinct article_id), count(distinct story_id)) from article_side where published_day = c.day
            )
    """)
    assert wrong.is_empty()
    assert reader.read("select * from coverage where share > 1 or share <= 0").is_empty()
    total = reader.read("""
        select count(*) as n from coverage where country_code = '*' and topic_id = '*' and side = '*' and lang = '*'
    """)
    assert total["n"][0] == 2 * reader.read("select count(distinct published_day) as n from article")["n"][0]


# -- one writer -------------------------------------------------------------------------------------------------------

SECOND_WRITER = """
import sys
from pathlib import Path
from pipeline.warehouse import Store
with Store.writer(Path(sys.argv[1])) as store:
    store.set_meta("intruder", "was here")
"""
SECOND_CONNECTION = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table intruder (i integer)')"


def fails(script: str, path: Path) -> str:
    """Run a script in a process of its own; what it complained about when it failed."""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_a_second_writer_is_refused_also_after_publishing(empty: Path) -> None:
    with Store.writer(empty) as store:
        for _ in range(2):
            assert f"Another run is writing to {empty} (process {os.getpid()})." in fails(SECOND_WRITER, empty)
            assert "Conflicting lock" in fails(SECOND_CONNECTION, writer_path(empty))  # DuckDB's own lock holds as well
            with pytest.raises(WarehouseError, match="Another run is writing"), Store.writer(empty):
                pass
            store.publish()
            with Store.reader(empty):
                pass
        store.set_meta("first", "still writes")
    with Store.writer(empty) as store:
        assert (store.meta("first"), store.meta("intruder")) == ("still writes", None)


def test_readers_do_not_hinder_the_writer(empty: Path) -> None:
    with Store.reader(empty), Store.writer(empty) as store:
        store.set_meta("while", "read")
        store.publish()


def test_a_failed_transaction_leaves_nothing(empty: Path) -> None:
    with Store.writer(empty) as store:
        with pytest.raises(duckdb.Error), store.transaction():
            store.run("insert into meta values ('half', 'done'); select error('no more')")
        assert store.meta("half") is None
        with store.transaction():
            store.set_meta("whole", "done")
        assert store.meta("whole") == "done"


# -- snapshots --------------------------------------------------------------------------------------------------------


def test_a_reader_keeps_its_snapshot_while_a_new_one_comes(empty: Path) -> None:
    with Store.writer(empty) as store:
        store.set_meta("edition", "first")
        store.publish()
        with Store.reader(empty) as early:
            assert early.meta("edition") == "first"
            store.set_meta("edition", "second")
            store.publish()
            assert early.meta("edition") == "first"
            with subprocess.Popen(
                [sys.executable, "-c", f"import duckdb; print(duckdb.connect({str(snapshot_path(empty))!r}, read_only=True)"
                 ".execute(\"select value from meta where key = 'edition'\").fetchone()[0])"],
                stdout=subprocess.PIPE, text=True,
            ) as late:  # fmt: skip
                assert late.communicate()[0].strip() == "second"
            assert early.meta("edition") == "first"


def test_the_snapshot_is_the_whole_of_what_was_committed(empty: Path) -> None:
    with Store.writer(empty) as store:
        with store.transaction():
            store.set_meta("edition", "committed")
        store.publish()
        with store.transaction():
            store.set_meta("edition", "later")
    with Store.reader(empty) as reader:
        assert reader.meta("edition") == "committed"
    assert [path.name for path in empty.iterdir() if path.name.endswith(".tmp")] == []


def test_what_has_not_changed_is_not_copied_again(empty: Path) -> None:
    file = snapshot_path(empty)
    with Store.writer(empty) as store:
        store.publish()
        first = file.stat().st_ino
        with Store.reader(empty):
            store.publish()
            assert file.stat().st_ino == first
            store.set_meta("edition", "second")
            store.publish()
            second = file.stat().st_ino
            assert second != first
    with Store.writer(empty) as store:
        store.publish()
        assert file.stat().st_ino == second
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])  # as a crash of the machine may leave it
        store.publish()
    with Store.reader(empty) as reader:
        assert reader.meta("edition") == "second"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full disk that Linux has")
def test_a_snapshot_that_can_not_be_written_leaves_the_old_one(empty: Path) -> None:
    with Store.writer(empty) as store:
        store.set_meta("edition", "never seen")
        kept = snapshot_path(empty)
        (empty / f".{kept.name}.{os.getpid()}.tmp").symlink_to("/dev/full")  # stops root too, unlike permissions
        before = kept.read_bytes()
        orphan = empty / f".{kept.name}.1.tmp"
        orphan.write_text("half a copy of a run that was killed")
        with pytest.raises(WarehouseError, match=r"^The snapshot could not be written to .*No space left on device"):
            store.publish()
        assert kept.read_bytes() == before
    with Store.reader(empty) as reader:
        assert reader.meta("edition") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_one_sentence(empty: Path) -> None:
    with Store.writer(empty) as store:
        empty.chmod(0o555)
        try:
            with pytest.raises(WarehouseError, match="could not be written"):
                store.publish()
        finally:
            empty.chmod(0o755)


def test_a_data_folder_that_can_not_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with (
        pytest.raises(WarehouseError, match=r"^The folder .* can not be written to: Not a directory\.$"),
        Store.writer(tmp_path / "file" / "data"),
    ):
        pass


# -- readers can do no harm -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", [
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from '/etc/passwd'",
    "select * from glob('/*')",
    "copy article to '/tmp/balkanwatch-must-not-exist.csv'",
    "copy (select 1) to '/dev/null'",
    "export database '/tmp/balkanwatch-must-not-exist'",
    "attach '/tmp/balkanwatch-must-not-exist.duckdb' as other",
    "install httpfs",
    "load httpfs",
    "select * from read_parquet('https://example.org/x.parquet')",
    "set enable_external_access = true",
    "set memory_limit = '100GB'",
    "set lock_configuration = false",
    "reset memory_limit",
    "insert into meta values ('a', 'b')",
    "delete from article",
    "drop table article",
    "create table mine (i integer)",
    "create or replace view coverage as select 1",
])  # fmt: skip
def test_a_reader_is_locked_down(sql: str, reader: Store) -> None:
    with pytest.raises(duckdb.Error):
        reader.connection.execute(sql).fetchall()
    assert not list(Path("/tmp").glob("balkanwatch-must-not-exist*"))


def test_a_query_that_takes_too_long_is_stopped(sample: Path) -> None:
    begun = time.monotonic()
    sentence = r"^The query took longer than 1 seconds? and was stopped\.$"
    with pytest.raises(InputError, match=sentence), Store.reader(sample, max_seconds=1.0) as store:
        store.read("select count(*) from range(10000000) a, range(10000000) b where hash(a.range, b.range) = 7")
    assert time.monotonic() - begun < 20


def test_a_query_that_takes_too_much_memory_is_stopped(sample: Path) -> None:
    with pytest.raises(InputError, match="memory"), Store.reader(sample, memory="100MB", max_seconds=30) as store:
        store.read("select list(range::text) from range(1000000000)")


def test_the_time_limit_of_one_reader_does_not_stop_another(sample: Path) -> None:
    with Store.reader(sample, max_seconds=0.2):
        time.sleep(0.5)
    with Store.reader(sample, max_seconds=60) as store:
        assert store.read("select count(*) as n from article")["n"][0] > 0


def test_the_sample_again_lands_nothing(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    first = run.run_monitor(settings, 60)
    assert first.n_new >= 20 and first.n_updated == 2 and first.n_waiting == 0
    second = run.run_monitor(settings, 60)
    assert (second.n_new, second.n_updated, second.n_pages, second.n_retagged) == (0, 0, 0, 0)


# -- marts ------------------------------------------------------------------------------------------------------------

FEED_ROWS = [
    ("f1", "One", "Press", "belgrade"), ("f2", "Two", "Press", "pristina"), ("f3", "Three", "unknown", "belgrade"),
    ("f0", "New", "unknown", "tirana"),  # brought nothing yet
]  # fmt: skip
WORDS = ("border", "arms", "cyber")
START = datetime(2023, 10, 1, 12, tzinfo=UTC)


class Desk:
    """A warehouse to which batches are landed by hand: what an article says is its tag, its first word its country."""

    def __init__(self, store: Store) -> None:
        self.store, self.n = store, 0
        self.catalogue("pristina")

    def catalogue(self, side: str) -> None:
        """The feeds, the second of which changes sides."""
        rows = [dict(zip(("feed_id", "outlet", "owner", "side"), row, strict=True)) for row in FEED_ROWS]
        rows[1]["side"] = side
        seeds = {"feeds": pl.DataFrame([row | {"url": row["feed_id"], "is_active": "true", "kind": "rss"} for row in rows])}
        columns = {"country": ["groups"], "role": ["from", "until"], "actor": ["actor_id"], "topic": ["topic_id"]}
        columns["side"] = ["side"]
        seeds |= {name: pl.DataFrame(schema=dict.fromkeys(names, pl.String)) for name, names in columns.items()}
        tables = {name: frame.with_columns(_file=pl.lit(""), _line=pl.lit(0)) for name, frame in seeds.items()}
        landing.sync_seeds(self.store, Seeds(Path(), tables, ""))

    def land(self, entries: list[dict[str, Any]]) -> None:
        """Entries: article (a number), feed, day (None: undated), country, topic, text (a number; equal ones are copies)."""
        self.n += 1
        now = START + timedelta(days=45, minutes=self.n)
        rows = [{
            "feed_id": e["feed"], "guid": e.get("guid", f"g{e['article']}"), "article_id": f"a{e['article']}",
            "url": f"https://x.example/{e['article']}", "title": f"{e['country']} {e['topic']}",
            "body": body(e["text"]), "lang": "en", "script": "Latn",
            "published_at": None if e["day"] is None else START + timedelta(days=e["day"]), "date_source": "feed",
            "content_hash": f"{e['country']} {e['topic']} {e['text']}",
        } for e in entries]  # fmt: skip
        frame = conform(pl.DataFrame(rows, schema_overrides={"published_at": ENTRY["published_at"]}), ENTRY)
        feeds = self.store.read("select feed_id, outlet, kind from feed")
        changes = versions.entry_changes(frame, landing.known_for_entries(self.store, frame), feeds, now, "Europe/Belgrade")
        self._land(changes, now)

    def date(self, article: int, day: int) -> None:
        """The page of an article comes, and with it a text and perhaps a date."""
        now = START + timedelta(days=46, minutes=self.n)
        rows = [{
            "article_id": f"a{article}", "title": "XK border", "body": body(90 + article), "lang": "en", "script": "Latn",
            "published_at": START + timedelta(days=day), "date_source": "json-ld", "content_hash": f"page {article}",
        }]  # fmt: skip
        frame = conform(pl.DataFrame(rows), pl.Schema(PAGE | {"alias_url": pl.String(), "syndicated_from": pl.String()}))
        self._land(versions.page_changes(frame, landing.known_for_pages(self.store, frame), now, "Europe/Belgrade"), now)

    def _land(self, changes: Changes, now: datetime) -> None:
        with self.store.transaction():
            landing.land(self.store, changes, tagged(changes.documents()), "v1", now)

    def counted(self) -> dict[str, list[tuple[Any, ...]]]:
        return {name: contents(self.store, name) for name in ("coverage", "burst")}

    def counted_anew(self) -> dict[str, list[tuple[Any, ...]]]:
        self.store.connection.execute("begin")
        for name in ("coverage", "burst"):
            self.store.run(f"delete from {name}")
        marts.touch_all(self.store)
        marts.recount(self.store)
        found = self.counted()
        self.store.connection.execute("rollback")
        return found


def body(text: int) -> str:
    return " ".join(f"w{text}x{i}" for i in range(60))


def tagged(documents: pl.DataFrame) -> Tagged:
    words = documents.select("article_id", pl.col("title").str.split(" ").alias("w"))
    country = pl.col("w").list[0]
    focus = words.select("article_id", country_code=country, salience=1.0, n_mentions=1, is_focus=country != "BA")
    tags = words.select("article_id", topic_id=pl.col("w").list[1], score=1.0)
    return Tagged(*(conform(f, RELATIONS[n]) for f, n in ((pl.DataFrame(), "mention"), (focus, "focus"), (tags, "tag"))))


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of 40 days in which three feeds bring something every day, published."""
    data = tmp_path_factory.mktemp("weeks")
    draw = random.Random(5)
    with Store.writer(data) as store:
        desk = Desk(store)
        desk.land([
            {"article": 100 + 6 * day + k, "feed": f"f{k % 3 + 1}", "day": day, "country": "XK", "topic": draw.choice(WORDS),
             "text": 100 + 6 * day + k} for day in range(40) for k in range(6)
        ])  # fmt: skip
        store.publish()
    return data


ENTRY_OF = st.fixed_dictionaries({
    "article": st.integers(0, 9), "feed": st.sampled_from(["f0", "f1", "f2", "f3"]),
    "day": st.sampled_from([None, 0, 20, 38, 39]),
    "country": st.sampled_from(["XK", "RS", "BA"]), "topic": st.sampled_from(WORDS), "text": st.integers(0, 4),
})  # fmt: skip
STEP = st.one_of(
    st.tuples(st.just("land"), st.lists(ENTRY_OF, min_size=1, max_size=6)),
    st.tuples(st.just("date"), st.tuples(st.integers(0, 9), st.sampled_from([0, 37, 39]))),
    st.tuples(st.just("catalogue"), st.sampled_from(["pristina", "tirana"])),
    st.tuples(st.just("zone"), st.sampled_from(["Europe/Belgrade", "Pacific/Kiritimati"])),
    st.tuples(st.just("judge"), st.tuples(st.integers(0, 9), st.sampled_from(["right", "wrong"]))),
)


@hypothesis.given(st.lists(STEP, min_size=1, max_size=5))
@hypothesis.settings(max_examples=8, deadline=None)
def test_marts_kept_by_days_are_what_counting_everything_gives(weeks: Path, steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer_path(Path(folder)).parent.mkdir(parents=True)
        shutil.copyfile(snapshot_path(weeks), writer_path(Path(folder)))
        with Store.writer(Path(folder)) as store:
            desk = Desk(store)
            for step, value in steps:
                if step == "zone":
                    landing.apply_zone(store, value)
                elif step == "judge":
                    judged(store, *value)
                elif step == "date":
                    desk.date(*value)
                else:
                    getattr(desk, step)(value)
                with store.transaction():
                    marts.recount(store)
                assert desk.counted() == desk.counted_anew(), (step, value)
            assert store.read("select * from dirty_day").is_empty()


def judged(store: Store, article: int, verdict: str) -> None:
    row = {"article_id": f"a{article}", "topic_id": "border", "verdict": verdict, "judged_at": START, "judged_by": "me"}
    frame = conform(pl.DataFrame([row]), RELATIONS["judgement"])
    with store.transaction():
        store.append("judgement", frame.join(store.read("select article_id from article"), on="article_id", how="semi"))
        marts.touch_articles(store, frame.select("article_id"))


def test_a_merge_of_stories_counts_again_the_days_of_all_that_moved(weeks: Path, tmp_path: Path) -> None:
    """A late article joins two stories of other days into one."""
    copied(weeks, tmp_path)
    long = [f"v{i}" for i in range(100)]
    with Store.writer(tmp_path) as store:
        desk = Desk(store)
        one = {"article": 1, "feed": "f1", "day": 37, "country": "XK", "topic": "arms", "text": 1}
        desk.land([one, one | {"article": 2, "day": 39, "text": 2}])
        for name, words in (("a1", long[:80]), ("a2", long[20:]), ("a3", long[10:90])):
            if name == "a3":
                with store.transaction():
                    marts.recount(store)
                desk.land([one | {"article": 3, "day": 38, "text": 3}])
            store.run(f"update article_version set body = '{' '.join(words)}' where article_id = '{name}'")
            with store.transaction():
                landing.update_stories(store, pl.DataFrame({"article_id": [name]}), START)
        told = store.read("select article_id, story_id from story_article where article_id in ('a1', 'a2', 'a3') order by 1")
        assert told.rows() == [("a1", "a1"), ("a2", "a1"), ("a3", "a1")]
        assert (date(2023, 11, 9),) in contents(store, "dirty_day")
        with store.transaction():
            marts.recount(store)
        assert desk.counted() == desk.counted_anew()


def test_a_feed_that_carries_what_another_had_already_is_counted(weeks: Path, tmp_path: Path) -> None:
    """Bursts count what steady feeds carried, whoever had it first."""
    copied(weeks, tmp_path)
    with Store.writer(tmp_path) as store:
        desk = Desk(store)
        one = {"article": 1, "feed": "f0", "day": 39, "country": "RS", "topic": "cyber", "text": 1}
        desk.land([one])  # a feed that has only begun
        told = "select observed from burst where country_code = 'RS' and topic_id = 'cyber' and day = date '2023-11-09'"
        found = []
        for _ in range(2):
            with store.transaction():
                marts.recount(store)
            found.append(store.read(told)["observed"].to_list())
            assert desk.counted() == desk.counted_anew()
            desk.land([one | {"feed": "f1"}])
        assert found == [[], [1]]


def test_a_guid_that_comes_with_another_address_stays_one_entry(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        desk = Desk(store)
        one = {"article": 1, "feed": "f1", "day": 39, "country": "RS", "topic": "cyber", "text": 1}
        desk.land([one])
        for text in (2, 3):
            desk.land([one | {"article": 2, "guid": "g1", "text": text}])
        assert store.read("select count(*) as n from entry where guid = 'g1'")["n"][0] == 1


def test_history_counted_in_parts_is_what_counting_at_once_gives(
    weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(weeks, tmp_path)
    with Store.writer(tmp_path) as store:
        desk = Desk(store)
        desk.land([{"article": 1, "feed": "f1", "day": 2, "country": "RS", "topic": "arms", "text": 1}])
        expected = desk.counted_anew()
        for name in ("CHUNK", "FEW", "MANY"):
            monkeypatch.setattr(marts, name, 10)
        with store.transaction():
            marts.touch_all(store)
            store.run("delete from burst where day > date '2023-11-01'")
        with store.transaction():
            assert 0 < marts._count_some(store) < 40
    with Store.writer(tmp_path) as store:  # the next run, after a kill
        assert 0 < marts.bring_up(store) < 40
        assert Desk(store).counted() == expected
        assert marts.bring_up(store) == 0


def test_a_kill_before_publishing_loses_no_day(weeks: Path, tmp_path: Path) -> None:
    copied(weeks, tmp_path)
    with Store.writer(tmp_path) as store:
        desk = Desk(store)
        desk.land([{"article": 1, "feed": "f1", "day": 39, "country": "RS", "topic": "arms", "text": 1}])
    with Store.writer(tmp_path) as store:  # the next run
        store.publish()
    with Store.reader(tmp_path) as reader:
        assert (
            reader.read("select n_articles from coverage where country_code = 'RS' and basis = 'focus'")["n_articles"].max() == 1
        )


def test_another_time_zone_moves_all_history_at_once(weeks: Path, tmp_path: Path) -> None:
    copied(weeks, tmp_path)
    with Store.writer(tmp_path) as store:
        landing.apply_zone(store, "Europe/Belgrade")
        before = store.read("select min(published_day) as a, max(published_day) as b from article").row(0)
        landing.apply_zone(store, "Pacific/Kiritimati")  # noon is the next day there
        after = store.read("select min(published_day) as a, max(published_day) as b from article").row(0)
        assert after == tuple(day + timedelta(days=1) for day in before)
        store.publish()
    with Store.reader(tmp_path) as reader:
        assert reader.read("select min(day) as a, max(day) as b from coverage").row(0) == after
        assert reader.meta("time_zone") == "Pacific/Kiritimati"


def copied(weeks: Path, data: Path) -> None:
    writer_path(data).parent.mkdir(parents=True)
    shutil.copyfile(snapshot_path(weeks), writer_path(data))


def test_the_stories_of_a_burst_are_shown(weeks: Path, tmp_path: Path) -> None:
    copied(weeks, tmp_path)
    with Store.writer(tmp_path) as store:
        many = [{"article": n, "feed": "f1", "day": 39, "country": "RS", "topic": "arms", "text": n // 2} for n in range(24)]
        Desk(store).land(many)
        store.publish()
    with Store.reader(tmp_path) as reader:
        found = reader.read("select b.observed, s.* from burst b join burst_story s using (day, country_code, topic_id)")
        told = found.filter(pl.col("country_code") == "RS", pl.col("topic_id") == "arms")
        assert told.height == 12 == told["observed"][0]
        assert told["n_articles"].to_list() == [2] * 12 and told["day"].unique().to_list() == [date(2023, 11, 9)]


# -- releases, readers and full disks ---------------------------------------------------------------------------------


def test_a_database_of_the_first_release_is_brought_up(tmp_path: Path) -> None:
    path = writer_path(tmp_path)
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as old:
        old.execute((SQL / "schema" / "001_init.sql").read_text())
        old.execute("insert into meta values ('schema_version', '1'), ('tagged_by', 'seeds-code')")
        old.execute("create view coverage as select published_day as day, count(*) as n from article group by 1")
        old.execute("""
            insert into article by name select 'a' as article_id, 'f' as feed_id, 'O' as outlet, 1 as version, 1 as n_versions,
                'en' as lang, '2023-11-20 10:00:00+00'::timestamptz as published_at, '2023-11-20'::date as published_day,
                'page' as body_source, 'seeds-code' as tagged_by, '2023-11-20 11:00:00+00'::timestamptz as first_seen_at
        """)
        old.execute("""
            insert into article_version by name select 'a' as article_id, 1 as version, 'KFOR' as title, 'KFOR in Kosovo.' as body
        """)
        old.execute("insert into focus values ('a', 'XK', 1.0, 1, true)")
        old.execute("insert into tag values ('a', 'border', 0.9, [], [])")
        old.execute("insert into feed by name select 'f' as feed_id, 'O' as outlet, 'belgrade' as side, true as is_active")
    with Store.writer(tmp_path) as store:
        store.publish()
    with Store.reader(tmp_path) as reader:
        for name in (*VIEWS, *RELATIONS):
            reader.read(f"select * from {name}")
        found = reader.read("select * from coverage where country_code = 'XK' and topic_id = 'border' and side = 'belgrade'")
        assert found.filter(pl.col("basis") == "focus", pl.col("lang") == "en")["n_articles"].to_list() == [1]
        assert reader.meta("schema_version") == str(SCHEMA_VERSION)
        for name, schema in RELATIONS.items():
            assert set(reader.read(f"select * from {name} limit 0").schema.items()) == set(schema.items()), name


def test_bursts_told_by_the_rule_of_an_earlier_release_are_counted_anew(tmp_path: Path) -> None:
    data = published(tmp_path, {"a": ("KFOR", "KFOR in Kosovo.")}, tags=[("a", "border")], focus=[("a", "XK")])
    with Store.writer(data) as store:
        store.set_meta("schema_version", "9")
        with store.transaction():
            store.connection.execute("insert into burst select published_day, 'XK', 'border', 1, 0.1, 0, 0, true from article")
    with Store.writer(data) as store:
        store.publish()
    with Store.reader(data) as reader:
        assert reader.read("select * from burst where is_burst").is_empty()
        assert not reader.read("select * from coverage where country_code = 'XK'").is_empty()


# A reader in a process of its own: long queries on snapshots as they come, each of which must be of one edition.
READER = """
import sys
from pathlib import Path
from pipeline.warehouse import Store
stop, n, editions = Path(sys.argv[1]) / "stop", 0, set()
while not stop.exists() or n < 2:
    with Store.reader(Path(sys.argv[1])) as store:
        first = store.meta("edition")
        store.read("select sum(hash(a.range, b.range) % 7) as n from range(3000) a, range(3000) b")  # some tenths of a second
        rows = store.read("select count(*) as n, max(run_id) as last from run")
        assert (store.meta("edition"), str(rows["n"][0]), rows["last"][0]) == (first, first, first.zfill(6)), (first, rows)
    editions.add(first)
    n += 1
print(n, len(editions))
"""


def read_while_publishing(data: Path, n_readers: int, seconds: float, least: int) -> None:
    with Store.writer(data) as store:
        edition(store, 1)
        store.publish()
        argv = [sys.executable, "-c", READER, str(data)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
        readers = [subprocess.Popen(argv, **pipes) for _ in range(n_readers)]
        begun, n = time.monotonic(), 1
        try:
            while n < least or time.monotonic() - begun < seconds:
                n += 1
                edition(store, n)
                store.publish()
        finally:
            (data / "stop").touch()
            said = [reader.communicate(timeout=240) for reader in readers]
    assert [(reader.returncode, complaint) for reader, (_, complaint) in zip(readers, said, strict=True)] == [(0, "")] * n_readers
    assert all(int(answer.split()[0]) >= 2 for answer, _ in said)
    with Store.reader(data) as store:
        assert store.meta("edition") == str(n)


def edition(store: Store, n: int) -> None:
    """One more run, and the number of runs beside it, in one transaction."""
    with store.transaction():
        store.append("run", pl.DataFrame({"run_id": [f"{n:06}"]}))
        store.set_meta("edition", str(n))


def test_readers_at_work_see_one_edition_each_while_runs_publish(empty: Path) -> None:
    read_while_publishing(empty, 3, 0, least=12)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_readers_for_minutes(empty: Path) -> None:
    read_while_publishing(empty, 10, 180, least=50)


# A writer whose files may not grow beyond some size, as on a disk that is full.
FULL = """
import resource, signal, sys
from pathlib import Path
import polars as pl
from pipeline.errors import WarehouseError
from pipeline.warehouse import Store, writer_path
data = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.writer(data) as store:
    size = writer_path(data).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5_000_000, resource.RLIM_INFINITY))
    try:
        for n in range(50):
            with store.transaction():
                rows = pl.DataFrame({"run_id": [f"{n}-{i}-{hash((n, i))}" for i in range(50_000)]})
                store.append("run", rows)
                store.set_meta("landed", str(n))
    except WarehouseError as error:
        print(error)
"""


def test_a_full_disk_is_told_and_loses_nothing(empty: Path) -> None:
    with Store.writer(empty) as store:
        edition(store, 1)
        store.publish()
    published = snapshot_path(empty).read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, str(empty)], capture_output=True, text=True, cwd=ROOT, check=False)
    said = re.match(r"The warehouse in .* could not be written to, and this step was not kept: .+\.\n", done.stdout)
    assert said, done.stdout + done.stderr
    assert snapshot_path(empty).read_bytes() == published
    with Store.writer(empty) as store:  # there is room again
        landed = int(store.meta("landed") or -1)
        assert landed >= 0
        assert store.read("select count(*) as n from run")["n"][0] == 1 + 50_000 * (landed + 1)
        edition(store, 2)
        store.publish()
    with Store.reader(empty) as reader:
        assert reader.meta("edition") == "2"


def test_a_snapshot_that_can_not_be_replaced_is_one_sentence_and_nothing_is_lost(empty: Path) -> None:
    snapshot_path(empty).unlink()
    (snapshot_path(empty) / "in the way").mkdir(parents=True)
    with Store.writer(empty) as store:
        edition(store, 1)
        with pytest.raises(WarehouseError, match=r"^The snapshot .* could not be replaced: .+\.$"):
            store.publish()
    assert [path.name for path in empty.iterdir() if path.name.endswith(".tmp")] == []
    (snapshot_path(empty) / "in the way").rmdir()
    snapshot_path(empty).rmdir()
    with Store.writer(empty) as store:
        store.publish()
    with Store.reader(empty) as reader:
        assert reader.meta("edition") == "1"
