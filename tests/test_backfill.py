"""Backfill: killed and restarted, prepared by Dask workers of which one is killed, or cut into stripes: always the same rows."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Prepare, command, environment, forget_sockets
from test_import import FEEDS, archive_file, everything, imported

from flows import backfill, imports
from flows.settings import Settings
from pipeline.errors import InputError
from pipeline.warehouse import Store

# `balkanwatch import` in a process of its own that tells each part it has landed
CHILD = """
import sys
from pathlib import Path
from flows import imports
from flows.settings import Settings
settings = Settings.read()
todo = imports.planned([Path(path) for path in sys.argv[1:]], settings, None, {})
imports.SMALL = 0
print("ready", flush=True)
imports.run_import(settings, todo, 2, lambda tally, n_bytes: print("landed", flush=True), lambda step: print(step, flush=True))
"""
PAUSES = [None, 0.0, 0.05, 0.2, 0.6]  # after a step; None: before the first


def kill_once(settings: Settings, paths: list[Path], n_steps: int, after_s: float) -> bool:
    """Kill an import and all its workers a while after it has told so many steps; was it still running?"""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | environment(settings) | {"BALKANWATCH_IMPORT_BATCH": str(settings.import_batch)}, start_new_session=True,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        for _ in range(n_steps):
            child.stdout.readline()
        time.sleep(after_s)
        is_alive = child.poll() is None
        if is_alive:
            os.kill(child.pid, signal.SIGKILL)  # its workers end by themselves
        child.communicate(timeout=60)
    return is_alive


def killed(n_kills: int, prepare: Prepare, tmp_path: Path) -> None:
    paths = [archive_file(tmp_path / f"{name}.jsonl", n) for name, n in (("one", 150), ("two", 90))]
    alone = prepare(FEEDS, import_batch=20, data=tmp_path / "alone")
    imported(alone, *paths)
    torn = prepare(FEEDS, import_batch=20, data=tmp_path / "torn")
    draw = random.Random()
    n_alive = 0
    for n in range(n_kills):
        n_alive += kill_once(torn, paths, 2 + draw.randrange(6), draw.random() * draw.choice([0.01, 0.3, 1.0]))
        with Store.writer(torn.data) as store:  # the half of a transaction is never seen
            counted = store.read("select (select count(*) from article), (select coalesce(sum(n_new), 0) from import_part)").row(
                0
            )
            assert counted[0] == counted[1], f"kill {n}"
    assert n_alive > n_kills / 3
    imported(torn, *paths)
    assert everything(torn) == everything(alone)


def test_killed_and_restarted_an_import_gives_the_same_rows(prepare: Prepare, tmp_path: Path) -> None:
    killed(3, prepare, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_twenty_times_an_import_gives_the_same_rows(prepare: Prepare, tmp_path: Path) -> None:
    killed(20, prepare, tmp_path)


def test_stripes_and_shares_lose_nothing(prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [archive_file(tmp_path / f"{n}.jsonl", n) for n in (80, 40, 5)]
    alone = prepare(FEEDS, import_batch=20, data=tmp_path / "alone")
    imported(alone, *paths)
    monkeypatch.setattr(backfill, "COARSE", paths[0].stat().st_size)
    settings = prepare(FEEDS, import_batch=20, data=tmp_path / "striped")
    todo = imports.planned(paths, settings, None, {})
    tasks = backfill.shares(todo, 3)
    assert [[(piece.number, piece.stripe) for piece in pieces] for pieces in tasks] == [
        [(0, 0)],
        [(0, 1)],
        [(0, 2)],
        [(1, 0), (2, 0)],
    ]
    backfill.run_backfill(settings, todo, 3, lambda shares: map(backfill.prepared, shares))
    assert everything(settings) == everything(alone)
    again = backfill.run_backfill(settings, todo, 1, lambda shares: map(backfill.prepared, shares))
    assert [tally.n_before for tally in again] == [tally.n_before for tally in again if not tally.n_rows]
    assert everything(settings) == everything(alone)


# -- Dask -------------------------------------------------------------------------------------------------------------


def spawned(*words: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env, start_new_session=True,
    )  # fmt: skip


class Cluster:
    """A Dask scheduler and workers in processes of their own."""

    def __init__(self, folder: Path, n_workers: int, **env: str) -> None:
        self.file = folder / "scheduler.json"
        where = ("--host", "127.0.0.1", "--no-dashboard")
        self.scheduler = spawned("distributed.cli.dask_scheduler", *where, "--port", "0", "--scheduler-file", str(self.file))
        self.wait(self.file.exists)
        self.address: str = json.loads(self.file.read_text())["address"]
        one = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder), "--death-timeout", "60")
        self.workers = [spawned("distributed.cli.dask_worker", self.address, *one, **env) for _ in range(n_workers)]
        self.wait(lambda: self.count() == n_workers)

    def count(self) -> int:
        try:
            return backfill.dask_workers(self.address)
        except InputError:
            return 0

    @staticmethod
    def wait(is_ready: Any, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not is_ready():
            assert time.monotonic() < end
            time.sleep(0.2)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path, prefect_server: str) -> Iterator[Cluster]:
    found = Cluster(tmp_path, 2, PREFECT_API_URL=prefect_server)
    yield found
    found.close()
    forget_sockets()


def test_a_dask_worker_killed_in_the_middle_costs_no_row(cluster: Cluster, prepare: Prepare, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    paths = [archive_file(tmp_path / f"{n}.jsonl", n) for n in (150, 120, 90)]
    alone = prepare(FEEDS, import_batch=10, data=tmp_path / "alone")
    imported(alone, *paths)
    monkeypatch.setattr(backfill, "COARSE", 1)  # a task a file
    settings = prepare(FEEDS, import_batch=10, data=tmp_path / "spread")
    todo = imports.planned(paths, settings, None, {})
    seen: list[str] = []

    def kill_when_parts_appear(text: str) -> None:
        seen.append(text)
        if text.startswith("preparing"):
            import threading

            def kill() -> None:
                Cluster.wait(lambda: any(imports.parts_folder(settings.data).glob("*/0*")))
                os.killpg(cluster.workers[0].pid, signal.SIGKILL)

            threading.Thread(target=kill).start()

    tallies = backfill.run_flow(settings, todo, 1, cluster.address, lambda *_: None, kill_when_parts_appear)
    assert len(tallies) == 3 and cluster.workers[0].poll() is not None
    assert everything(settings) == everything(alone)


def test_without_a_scheduler_the_command_says_so(prepare: Prepare, tmp_path: Path) -> None:
    path = archive_file(tmp_path / "one.jsonl", 3)
    done = command("backfill", path, "--dask", "tcp://127.0.0.1:9", **environment(prepare(FEEDS)))
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "There is no Dask scheduler at tcp://127.0.0.1:9" in said and "Traceback" not in said
    assert "PREFECT_API_URL is not set" in said  # and then workers would be slow


def test_the_flow_with_processes_lands_what_an_import_lands(prepare: Prepare, tmp_path: Path, prefect_server: str) -> None:
    path = archive_file(tmp_path / "one.jsonl", 40)
    alone = prepare(FEEDS, import_batch=20, data=tmp_path / "alone")
    imported(alone, path)
    settings = prepare(FEEDS, import_batch=20, data=tmp_path / "flow")
    more = {"PREFECT_API_URL": prefect_server, "BALKANWATCH_IMPORT_BATCH": "20"}
    done = command("backfill", path, "--workers", "1", **environment(settings), **more)
    assert done.returncode == 0, done.stderr
    assert "new articles" in done.stdout
    assert everything(settings) == everything(alone)
