"""Reading in processes: documents that kill or hold a process, processes that are killed, and the same rows as without them."""

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.reading import FeedJob, PageJob, Part, Readers, Reading, read

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FEED = {"feed_id": "f", "time_zone": "Europe/Belgrade"}


@dataclasses.dataclass(frozen=True)
class Deed:
    """A document that does something to the process that reads it."""

    key: str
    deed: str = ""
    n_bytes: int = 10

    def read(self) -> Reading:
        if self.deed == "hang":
            time.sleep(3600)
        if self.deed == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "kill once" and not (mark := Path(self.key)).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "raise":
            raise MemoryError
        return Reading(self.key, [{"pid": os.getpid()}])


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    """Two processes that know this file."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with Readers(2, limit_s=4.0) as readers:
        readers.expect(60)
        yield readers


def feed(n: int, size: int = 3) -> FeedJob:
    items = "".join(f"<item><title>Vest {n} {i}</title><link>http://a.example/{n}/{i}</link></item>" for i in range(size))
    body = f"<rss version='2.0'><channel><title>A</title>{items}</channel></rss>"
    return FeedJob(str(n), Part(body.encode(), "http://a.example/feed"), FEED, NOW)


def pages(n: int) -> list[PageJob]:
    html = "<html><head><title>A page</title></head><body><article><h1>A page</h1><p>{}</p></article></body></html>"
    text = "Vlada je juče odlučila da se na severu ništa ne menja, rekao je ministar. " * 5
    return [PageJob(str(i), (Part(html.format(f"{i} {text}").encode(), f"http://a.example/{i}"),), "UTC", NOW) for i in range(n)]


def test_the_same_readings_in_order_with_processes_and_without(readers: Readers) -> None:
    jobs = [*(feed(n, n) for n in range(40)), *pages(20)]
    with Readers() as none:
        here = none.read(jobs)
        assert none.pids == []
    assert readers.read(jobs) == here
    assert [reading.key for reading in here] == [job.key for job in jobs]
    assert [len(reading.rows) for reading in here] == [*range(40), *[1] * 20]
    assert len(readers.pids) == 2 and os.getpid() not in readers.pids


def test_a_document_that_kills_or_holds_its_process_is_an_error_and_the_others_are_read(readers: Readers) -> None:
    jobs = [Deed(str(n), {7: "kill", 20: "hang", 33: "raise"}.get(n, "")) for n in range(50)]
    found = {reading.key: reading for reading in readers.read(jobs)}  # type: ignore[arg-type]
    assert {key: reading.error for key, reading in found.items() if reading.error} == {
        "7": "the document ended the process that read it", "20": "the document took longer than 4 s to read",
        "33": "the document can not be read (MemoryError)",
    }  # fmt: skip
    assert len(found) == 50 and sum(bool(reading.rows) for reading in found.values()) == 47
    again = readers.read([Deed(str(n)) for n in range(20)])  # type: ignore[list-item]
    assert all(reading.rows for reading in again) and len(readers.pids) == 2


def test_who_was_read_when_somebody_else_ended_the_process_is_read_again(readers: Readers, tmp_path: Path) -> None:
    jobs = [Deed(str(tmp_path / f"mark{n}"), "kill once" if n in {3, 4} else "") for n in range(12)]
    assert [reading.error for reading in readers.read(jobs)] == [None] * 12  # type: ignore[arg-type]


def test_processes_killed_in_between_are_replaced(readers: Readers) -> None:
    readers.read([Deed("a"), Deed("b")])  # type: ignore[list-item]
    before = readers.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert all(reading.rows for reading in readers.read([Deed(str(n)) for n in range(9)]))  # type: ignore[list-item]
    assert set(before).isdisjoint(readers.pids)


def test_where_no_process_can_begin_all_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with Readers(2) as readers:
        readers.expect(60)
        assert [len(reading.rows) for reading in readers.read([feed(n) for n in range(5)])] == [3] * 5
        assert readers.pids == []


def test_a_large_document_is_never_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with Readers(1) as readers:
        small, large = Deed("small"), Deed("large", n_bytes=5_000_000)
        assert read(small).rows == readers.read([small])[0].rows == [{"pid": os.getpid()}]  # type: ignore[arg-type,list-item]
        assert readers.read([large])[0].rows == [{"pid": readers.pids[0]}]  # type: ignore[list-item]


def test_nothing_is_left_of_the_processes() -> None:
    with Readers(2) as readers:
        readers.expect(60)
        readers.read([feed(n) for n in range(8)])
        pids = readers.pids
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in pids):
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in pids)


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
