"""What several tests share: small seeds cut from the real ones, a warehouse to compare, and one Prefect server a session."""

import functools
import gc
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ["COLUMNS"] = "200"  # tables are as wide whichever test imports the command line first

import polars as pl
import pytest

from flows import run
from flows.settings import SEEDS, Settings
from pipeline.fetch import Policy
from pipeline.seeds import FILES
from pipeline.warehouse import Store

ROOT = Path(__file__).resolve().parents[1]
BALKANWATCH = (sys.executable, "-c", "from flows.cli import main; main()")
FEED = {
    "owner": "unknown", "side": "international", "alignment": "unknown", "country_code": "INT", "lang": "en",
    "time_zone": "Europe/Belgrade", "kind": "rss", "is_active": "true", "note": None, "source": "test",
}  # fmt: skip
SAMPLE = {"feed_id": "sample", "url": "file:seeds/sample/sample.xml", "outlet": "sample", "kind": "file"}
NAMES = ["AL", "BA", "HR", "ME", "MK", "RS", "XK"]  # the countries whose names the small seeds know
ACTORS = ["eu", "kfor", "nato", "osce", "un"]


PROGRAMS: dict[str, Callable[[], object]] = {  # marker: what finds the system program
    "needs_chromium": lambda: shutil.which("chromium"),
    "needs_postgres": lambda: sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb"),
    "needs_libreoffice": lambda: shutil.which("soffice"),
}


LONG = {"test_serving", "test_lake", "test_docs", "test_dashboard", "test_report", "test_backfill", "test_cli"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that no process waits for another in the end."""
    items.sort(key=lambda item: item.path.stem not in LONG)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that misses its system program is skipped on a bare machine and fails in `.ci/run`, which installs them."""
    for marker, found in PROGRAMS.items():
        if item.get_closest_marker(marker) and not found():
            missing = f"{marker.removeprefix('needs_')} is not installed"
            (pytest.fail if os.environ.get("BALKANWATCH_CI") else pytest.skip)(missing)


@pytest.fixture(scope="session")
def small_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real seeds with few names, English topic words and no feed: they compile at once instead of in six seconds."""
    folder = tmp_path_factory.mktemp("small") / "seeds"
    shutil.copytree(SEEDS, folder, ignore=shutil.ignore_patterns("generated"))
    is_name = pl.col("kind").is_in(["country", "demonym", "adjective"]) & pl.col("entity_id").is_in(NAMES)
    kept = {
        "actor": pl.col("actor_id").is_in(ACTORS), "actor_alias": pl.col("actor_id").is_in(ACTORS),
        "title": pl.col("title_id") == "_of", "role": pl.lit(False), "feeds": pl.lit(False), "gazetteer": is_name,
        "lexicon": pl.col("lang").is_in(["en", "*"]),
    }  # fmt: skip
    for name, condition in kept.items():
        for pattern in FILES.get(name, (f"{name}.csv",)):
            for path in folder.glob(pattern):
                pl.read_csv(path, infer_schema=False).filter(condition).write_csv(path)
    return folder


def prepared(small_seeds: Path, folder: Path, feeds: Iterable[dict[str, Any]], **more: Any) -> Settings:
    """Settings for a data folder below `folder` and small seeds with the given feeds (dictionaries of columns)."""
    seeds = folder / "seeds"
    if not seeds.exists():
        shutil.copytree(small_seeds, seeds)
    columns = pl.read_csv(seeds / "feeds.csv", infer_schema=False).columns
    rows = [FEED | {"outlet": feed["feed_id"].capitalize()} | feed for feed in feeds]
    pl.DataFrame(rows).select(columns).write_csv(seeds / "feeds.csv")
    known = {"data": folder / "data", "seeds": seeds, "pause_s": 0.1, "timeout_s": 1.0}
    return Settings.read(**(known | more))


Prepare = Callable[..., Settings]


@pytest.fixture
def prepare(small_seeds: Path, tmp_path: Path) -> Prepare:
    """`prepared` for the folder of this test."""
    return functools.partial(prepared, small_seeds, tmp_path)


@pytest.fixture
def names_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let the monitor find host names that end in .example at a Loopback server; nothing else is put in place of anything."""

    def at(server: Any) -> None:
        monkeypatch.setattr(run, "Policy", functools.partial(Policy, resolver=server.resolver))

    return at


def environment(settings: Settings) -> dict[str, str]:
    """The environment variables that give a process these settings."""
    names = ("data", "seeds", "pause_s", "timeout_s", "allow_private")
    return {f"BALKANWATCH_{name.upper()}": str(getattr(settings, name)) for name in names}


def command(*args: object, stdin: str | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a process of its own, with wide output and no colours."""
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        [*BALKANWATCH, *map(str, args)], input=stdin, capture_output=True, encoding="utf-8", timeout=240, cwd=ROOT, check=False,
        env=os.environ | plain | env,
    )  # fmt: skip


def answers(data: Path, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query on the published snapshot."""
    with Store.reader(data) as store:
        return store.read(sql, **values).rows()


def contents(store: Store, relation: str, *without: str) -> list[tuple[Any, ...]]:
    """All rows of a relation in one order, some columns left out."""
    frame = store.read(f"select * from {relation} order by all").drop(*without)
    return sorted(frame.rows(), key=repr)


def forget_sockets() -> None:
    """Collect the sockets that Prefect's clients leave open, so that no later test is blamed for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server with a database of its own, for this session; gives the address of its API."""
    home = tmp_path_factory.mktemp("prefect")
    quiet = {
        "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in quiet}
    os.environ.update(quiet)
    try:
        from prefect.settings import PREFECT_API_URL
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=120):
            yield str(PREFECT_API_URL.value())
            forget_sockets()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
