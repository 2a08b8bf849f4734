"""The warehouse: its schema and what is said about it, one writer, snapshots, and readers who can do no harm."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from conftest import ROOT, SAMPLE, Prepare, prepared

from flows import run
from pipeline.errors import InputError, WarehouseError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import SCHEMA_VERSION, SQL, Store, queries, snapshot_path, view_files, writer_path

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
    assert reader.read(f"select * from {name}").height


def needed(name: str) -> dict[str, str]:
    """Values for the parameters that have no default."""
    return {p.name: "1" for p in queries.load(name).parameters if p.default is None}


@pytest.mark.parametrize("name", queries.names())
def test_a_query_executes_on_nothing_and_on_the_sample(name: str, empty: Path, reader: Store) -> None:
    with Store.reader(empty) as nothing:
        assert queries.ask(nothing, name, **needed(name)).is_empty()
    answer = queries.ask(reader, name, **needed(name))
    assert answer.height or name in {"feeds_down", "evidence", "topic_trend", "feeds_dark", "gaps"}  # few names are known here


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
