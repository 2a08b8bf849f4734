"""SIGKILL at random moments of a run: the database is complete or as before for every batch, never between."""

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
from conftest import ROOT, SAMPLE, Prepare, contents, environment
from loopback import Loopback
from test_monitor import NamesAt, assert_laws, broken_laws, patrol_sites

from flows import run
from flows.settings import Settings
from pipeline.errors import WarehouseError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import Store, snapshot_path

# The monitor in a process of its own: host names that end in .example are found at the port given, batches are small, so that
# a run has many transactions, and each step is told on standard output. Nothing else differs from `balkanwatch run`.
SMALL = {"feed_batch": 1, "page_batch": 7}
CHILD = f"""
SMALL = {SMALL}
import functools, sys
from flows import run
from flows.settings import Settings
from pipeline.fetch import Policy
at = ("127.0.0.1", int(sys.argv[1]))
run.Policy = functools.partial(Policy, resolver=lambda host: at if host.endswith(".example") else None)
run.run_monitor(Settings.read(**SMALL), 120, report=lambda step: print(step, flush=True))
"""
HOSTS = ("one", "two", "three")
FEEDS = [SAMPLE, *({"feed_id": name, "url": f"http://{name}.example/feed.xml"} for name in HOSTS)]
TIMES = {"started_at", "finished_at", "first_seen_at", "seen_at", "next_try_at", "merged_at", "tagged_by"}


@pytest.fixture
def server(names_at: NamesAt) -> Iterator[Loopback]:
    with Loopback() as server:
        names_at(server)
        patrol_sites(server, HOSTS, 4)
        yield server


def start(settings: Settings, server: Loopback) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(server.port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | environment(settings), start_new_session=True,
    )  # fmt: skip


def undisturbed(settings: Settings, server: Loopback) -> tuple[int, float]:
    """Run to the end; the number of steps told, and the seconds that one takes on the average."""
    with start(settings, server) as child:
        assert child.stdout is not None
        child.stdout.readline()
        begun = time.monotonic()
        steps, complaint = child.communicate(timeout=120)
        assert child.returncode == 0, complaint
    n_steps = len(steps.splitlines())
    return n_steps, (time.monotonic() - begun) / n_steps


def killed(settings: Settings, server: Loopback, n_steps: int, after_s: float) -> bool:
    """Kill a run and its children a while after it has told so many steps; was it still running?"""
    with start(settings, server) as child:
        assert child.stdout is not None
        for _ in range(n_steps):
            child.stdout.readline()
        time.sleep(after_s)
        is_alive = child.poll() is None
        if is_alive:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    return is_alive


# what one transaction writes together: each query lists what is there in part
BATCH_LAWS = {
    "feed_state and entries of a feed": "select * from entry anti join feed_state using (feed_id)",
    "a polled feed has its entries": """
        select s.feed_id from feed_state as s left join entry as e on s.feed_id = e.feed_id
        where s.last_success_at is not null group by s.feed_id having count(e.guid) = 0
    """,
    "a poll is logged with its state": """
        select s.feed_id from feed_state as s left join fetch_log as l on s.feed_id = l.feed_id and l.kind = 'feed'
        group by s.feed_id, s.n_polls having count(l.url) <> s.n_polls
    """,
    "a feed's entries are complete": """
        select feed_id from entry group by feed_id having count(*) <> case feed_id when 'sample' then $n_sample else 4 end
    """,
    "a page that is done is the text": """
        select e.* from entry as e inner join article as a using (article_id)
        where e.page_state = 'done' and a.body_source <> 'page'
    """,
    "a page that is the text is done": """
        select a.article_id from article as a inner join entry as e using (article_id)
        where a.body_source = 'page' and a.n_versions = 1 group by all having count(*) filter (where e.page_state = 'done') = 0
    """,
    "a page that is done was logged": """
        select e.* from entry as e anti join (select url from fetch_log where kind = 'page' and error is null) as l using (url)
        where e.page_state = 'done'
    """,
    "an article of each country tag has mentions": "select * from focus anti join mention using (article_id)",
}


def assert_sound(data: Path, n_sample: int) -> float:
    """Open the writer as the next run would, and look; how much of a run is done, from 0 to 1."""
    with Store.writer(data) as store:
        assert broken_laws(store) == {}
        values = {"a feed's entries are complete": {"n_sample": n_sample}}
        done = store.read("select count(*) + count(*) filter (where body_source = 'page') as n from article")["n"][0]
        assert {law: n for law, sql in BATCH_LAWS.items() if (n := store.read(sql, **values.get(law, {})).height)} == {}
    if snapshot_path(data).exists():
        assert_laws(data)
    for path in (data / "exports").glob("[!.]*.csv"):
        assert path.read_bytes().endswith(b"\r\n")
    return float(done) / (2 * (n_sample + 4 * len(HOSTS)))


def result(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The whole warehouse but for clocks, logs, and the names that stories had on the way (batches come in any order)."""
    passing = {"run", "fetch_log", "robots_log", "feed_state", "meta", "story_alias"}
    passing |= {"host_state", "search_document", "search_posting", "search_segment"}  # clocks; numbered in the order of arrival
    with Store.writer(data) as store:
        out = {name: contents(store, name, *(TIMES & set(RELATIONS[name]))) for name in RELATIONS if name not in passing}
        out["feed_state"] = store.read(
            "select feed_id, url, etag, body_hash, n_polls, n_failures from feed_state order by 1"
        ).rows()
    return out


def kill_and_compare(n_kills: int, seed: int, server: Loopback, prepare: Prepare, folder: Path) -> None:
    whole = prepare(FEEDS, **SMALL, data=folder / "whole")
    run.run_monitor(whole, 120)
    assert_laws(whole.data)
    expected = result(whole.data)
    n_sample = len([row for row in expected["entry"] if row[0] == "sample"])
    again = prepare(FEEDS, **SMALL, data=folder / "again")
    n_steps, step_s = undisturbed(again, server)
    assert result(again.data) == expected

    draw = random.Random(seed)
    n_killed = n_partly = n_folder = 0
    while n_killed < n_kills:
        settings, n_folder = prepare(FEEDS, **SMALL, data=folder / f"killed{n_folder}"), n_folder + 1
        done = 0.0
        for _ in range(3):
            step = int(draw.uniform(0, n_steps) * max(1 - done, 0.3))  # a run that goes on has fewer steps to go
            is_killed = killed(settings, server, step, draw.uniform(0, step_s))
            n_killed += is_killed
            done = assert_sound(settings.data, n_sample)
            n_partly += 0 < done < 1
            if not is_killed:
                break
        finish_and_compare(settings, expected)
    assert n_partly > n_kills // 8, "the kills came too early or too late to tell anything"


def finish_and_compare(settings: Settings, expected: dict[str, list[tuple[Any, ...]]]) -> None:
    """A run after the kills ends as if there had been none."""
    assert run.run_monitor(settings, 120).n_waiting == 0
    found = result(settings.data)
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert_laws(settings.data)


@pytest.mark.timeout(600)
def test_seven_kills(server: Loopback, prepare: Prepare, tmp_path: Path) -> None:
    kill_and_compare(7, 20231120, server, prepare, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_sixty_kills(server: Loopback, prepare: Prepare, tmp_path: Path) -> None:
    kill_and_compare(60, random.SystemRandom().randrange(10**6), server, prepare, tmp_path)


def test_a_killed_writer_leaves_no_lock(prepare: Prepare, server: Loopback) -> None:
    settings = prepare(FEEDS)
    with start(settings, server) as child:
        assert child.stdout is not None
        while not child.stdout.readline().startswith("polling"):
            pass
        with pytest.raises(WarehouseError, match="Another run is writing"), Store.writer(settings.data):
            pass
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    with Store.writer(settings.data) as store:
        assert broken_laws(store) == {}
