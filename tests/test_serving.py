"""Schedules on a real Prefect server: `balkanwatch serve` by itself, and a server on PostgreSQL with a process worker."""

import contextlib
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import servers
from conftest import BALKANWATCH, ROOT, SAMPLE, Prepare, answers, environment
from servers import free_port

from flows import run, serving
from flows.settings import Settings

PREFECT = (sys.executable, "-m", "prefect")
QUIET = {
    "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30", "NO_COLOR": "1", "COLUMNS": "200",
}  # fmt: skip


@contextlib.contextmanager
def started(*command: str, env: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with all its children, in a group of their own that ends with the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)


def asked(api: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The answer of Prefect's API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{api}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until something is so; what went wrong on the way does not matter."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if found := condition():
                return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen in {seconds} s")


def flow_runs(api: str, name: str) -> list[dict[str, Any]]:
    """Runs of a deployment that are not merely scheduled, oldest first."""
    body = {"sort": "START_TIME_ASC", "deployments": {"name": {"any_": [name]}}}
    return [run for run in asked(api, "/flow_runs/filter", body) if run["state_type"] != "SCHEDULED"]


def launch(api: str, name: str) -> str:
    """Start a deployment now; returns the id of its run. A server that is busy (503) is asked again."""
    found = until(lambda: asked(api, "/deployments/filter", {"deployments": {"name": {"any_": [name]}}}), 30, f"finding {name}")
    path, body = f"/deployments/{found[0]['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}}
    return str(until(lambda: asked(api, path, body), 30, f"the start of {name}")["id"])


def ended(api: str, run_id: str, seconds: float = 120) -> str:
    """How a flow run ended."""
    last = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    state = lambda: (s := asked(api, f"/flow_runs/{run_id}")["state_type"]) in last and s  # noqa: E731
    return str(until(state, seconds, "the end of the run"))


@pytest.fixture
def postgres() -> Iterator[str]:
    """A PostgreSQL server of its own on loopback; the address of its database."""
    with servers.postgres() as address:
        yield f"{address}/postgres"


@pytest.mark.needs_postgres
def test_a_team_on_postgres_with_a_worker_survives_kills(postgres: str, prepare: Prepare, tmp_path: Path) -> None:
    settings = prepare([SAMPLE])
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = QUIET | environment(settings) | {
        "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": api, "BALKANWATCH_HOME": str(ROOT),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://postgres@{postgres}",
    }  # fmt: skip
    server = (*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with started(*server, env=env, log=tmp_path / "server.log"):
        until(lambda: urllib.request.urlopen(f"{api}/health", timeout=2).status == 200, 120, "the server's start")
        for words in (["work-pool", "create", "balkanwatch", "--type", "process"],
                      ["--no-prompt", "deploy", "--all"]):  # fmt: skip
            done = subprocess.run([*PREFECT, *words], cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        names = {one["name"] for one in asked(api, "/deployments/filter", {})}
        assert names == {"monitor", "daily-brief", "weekly-brief", "health-check", "retag"}
        worker = (*PREFECT, "worker", "start", "--pool", "balkanwatch", "--limit", "1")
        with started(*worker, env=env, log=tmp_path / "worker.log"):
            killed = launch(api, "monitor")
            pid = until(lambda: _flow_process(killed), 60, "the flow's start")
            os.kill(pid, signal.SIGKILL)
            assert ended(api, killed) == "CRASHED"
            assert ended(api, launch(api, "monitor")) == "COMPLETED", (tmp_path / "worker.log").read_text()
            assert answers(settings.data, "select count(*) from article")[0][0] == 44
            assert ended(api, launch(api, "health-check")) == "COMPLETED", (tmp_path / "worker.log").read_text()


def test_serve_runs_every_flow_one_at_a_time_and_forgets_old_runs(prepare: Prepare, tmp_path: Path) -> None:
    settings = prepare([SAMPLE])
    run.run_monitor(settings, 60)
    assert _n_tagged(settings, "barricades")
    for path in settings.seeds.glob("rule/*.csv"):  # an analyst takes a topic's rules out of the seeds
        pl.read_csv(path, infer_schema=False).filter(pl.col("topic_id") != "barricades").write_csv(path)
    home = tmp_path / "prefect"
    api = f"http://127.0.0.1:{free_port()}/api"
    env = QUIET | environment(settings) | {
        "PREFECT_API_URL": api, "PREFECT_HOME": str(home), "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "5",
        "BALKANWATCH_RETAG_IN_RUN_BELOW": "0",
    }  # fmt: skip
    log = tmp_path / "serve.log"
    with started(*BALKANWATCH, "serve", "--cron", "0 0 1 1 *", "--max-seconds", "60", env=env, log=log):
        until(lambda: len(asked(api, "/deployments/filter", {})) == 5, 180, "serving")
        names = ("daily-brief", "weekly-brief", "retag", "health-check", "monitor")
        ids = [launch(api, name) for name in names]  # all at once
        assert [ended(api, one, 180) for one in ids] == ["COMPLETED"] * 5, log.read_text()
        wanted = {"flow_runs": {"id": {"any_": ids}}, "sort": "START_TIME_ASC"}
        runs = until(lambda: asked(api, "/flow_runs/filter", wanted), 30, "the list of runs")
        assert all(one["end_time"] <= after["start_time"] for one, after in itertools.pairwise(runs))
        briefs = sorted(path.name for path in (settings.data / "reports").iterdir())
        assert briefs == ["brief-2023-11-24-2023-11-30-en.html", "brief-2023-11-30-en.html"]
        assert not _n_tagged(settings, "barricades")
        artifacts = until(lambda: asked(api, "/artifacts/filter", {}), 30, "the list of artifacts")
        told = {one["key"]: one["data"] for one in artifacts if one["key"] in ("retag", "health", "brief")}
        assert re.match(r"[1-9]\d* articles were tagged again", told["retag"])
        assert "- feeds: 1, of which 0 fail" in told["health"] and ".html" in told["brief"]
        automations = until(lambda: asked(api, "/automations/filter", {}), 30, "the list of automations")
        assert serving.AUTOMATION in {one["name"] for one in automations}
        with contextlib.closing(sqlite3.connect(home / "prefect.db", timeout=30)) as database, database:
            for one, days in ((ids[0], 15), (ids[1], 13)):
                ago = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S.%f}"
                database.execute("update flow_run set end_time = ? where id = ?", (ago, one))
        left = lambda: {one["id"] for one in asked(api, "/flow_runs/filter", {})}  # noqa: E731
        until(lambda: ids[0] not in left(), 60, "pruning")
        assert ids[1] in until(left, 30, "the list of runs")


def _n_tagged(settings: Settings, topic_id: str) -> int:
    return int(answers(settings.data, "select count(*) from tag where topic_id = $topic_id", topic_id=topic_id)[0][0])


@pytest.mark.soak
def test_serve_is_killed_in_the_middle_and_goes_on(prepare: Prepare, tmp_path: Path) -> None:
    """A power cut: server, runner and flow die at once. The next `serve` runs on, and the silent run is marked crashed."""
    settings = prepare([SAMPLE, {"feed_id": "slow", "url": "http://192.0.2.1/"}], allow_private=True, timeout_s=30)
    api = f"http://127.0.0.1:{free_port()}/api"
    env = QUIET | environment(settings) | {"PREFECT_API_URL": api}
    serve = (*BALKANWATCH, "serve", "--cron", "* * * * *", "--max-seconds", "60")
    with started(*serve, env=env, log=tmp_path / "first.log") as process:
        run = until(lambda: [r for r in flow_runs(api, "monitor") if r["state_type"] == "RUNNING"], 180, "a run")[0]["id"]
        until(lambda: b"heartbeat" in json.dumps(asked(api, "/events/filter", {})).encode(), 90, "a heartbeat")
        os.killpg(process.pid, signal.SIGKILL)
        for left in iter(lambda: _flow_process(run), None):
            os.kill(left, signal.SIGKILL)
    with started(*serve, env=env, log=tmp_path / "second.log"):
        until(lambda: any(r["state_type"] == "COMPLETED" for r in flow_runs(api, "monitor")), 240, "a complete run")
        assert ended(api, run, 240) == "CRASHED"
    assert answers(settings.data, "select count(*) from article")[0][0] == 44


def _flow_process(run_id: str) -> int | None:
    """The process that runs a flow: the one that was given its id."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            given = (folder / "environ").read_bytes()
            if f"PREFECT__FLOW_RUN_ID={run_id}".encode() in given and b"prefect" in (folder / "cmdline").read_bytes():
                return int(folder.name)
    return None
