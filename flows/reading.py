"""Answers of servers read into rows: parsed, cleaned, their language found; in processes of their own when there are many.

    with Readers() as readers:
        readers.expect(seconds)          # how much work is coming: begins the processes early, or not at all
        for reading in readers.read(jobs): ...

A document that kills its process, or holds it for longer than `limit_s`, becomes a reading with an error; the process is
replaced and the other documents are read. Few small documents are read in this process, for a process takes a second to begin.
"""

import collections
import contextlib
import dataclasses
import gc
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from pipeline import language, normalise, parse

LIMIT_S = 30.0  # for one document
START_S = 60.0  # for a process to begin
WORTH_S = 2.0  # less work than this is done here
FEED_S, PAGE_S = 0.012, 0.025  # about what a document takes
LARGE = 1_500_000  # bytes; who might hold up this process does not get the chance
IN_FLIGHT = 4  # documents a process
ROOT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One answer: what came, from where."""

    body: bytes
    url: str
    content_type: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FeedJob:
    """A feed or sitemap to read; `feed` is its row (feed_id, time_zone)."""

    key: str
    part: Part
    feed: dict[str, Any]
    now: datetime

    @property
    def n_bytes(self) -> int:
        """Size of the answer."""
        return len(self.part.body)

    def read(self) -> "Reading":
        """The feed's rows (schema ENTRY) and what it says of itself."""
        document = parse.feed(self.part.body, self.part.url, self.part.content_type)
        rows = normalise.entry_rows(document, self.feed | {"url": self.part.url}, self.now, language.languages)
        return Reading(
            self.key, rows, document.error, dataclasses.replace(document, entries=[]), tuple(normalise.sites(document)),
            {e.guid: e.updated for e in document.entries if e.guid and e.updated} if document.kind == "sitemap" else {},
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class PageJob:
    """A page to read, with its further parts and its AMP form where they were fetched too."""

    key: str
    parts: tuple[Part, ...]
    time_zone: str
    now: datetime

    @property
    def n_bytes(self) -> int:
        """Size of the answers."""
        return sum(len(part.body) for part in self.parts)

    def read(self) -> "Reading":
        """The page's row (schema PAGE)."""
        first, *more = [parse.page(part.body, part.url, part.content_type) for part in self.parts]
        page = parse.joined(first, more)
        rows = (
            []
            if page.error
            else normalise.page_rows([(self.key, page)], self.now, language.languages, {self.key: self.time_zone})
        )
        return Reading(self.key, rows, page.error)


Job = FeedJob | PageJob


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a document gave. `document` is the feed without its entries, `sites` the registered domains it points to (its own
    link's first), `changed` the last changes that a sitemap tells, by guid."""

    key: str
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    error: str | None = None
    document: parse.FeedDocument | None = None
    sites: tuple[str, ...] = ()
    changed: dict[str, datetime] = dataclasses.field(default_factory=dict)


def read(job: Job) -> Reading:
    """Read a document; what goes wrong is an error of the reading, never an exception."""
    try:
        return job.read()
    except Exception as error:  # whatever hostile bytes provoke ends in a row
        return Reading(job.key, error=f"the document can not be read ({type(error).__name__})")


class _Process:
    """A process that reads, and the jobs it has been given, by number."""

    def __init__(self, wire: Connection) -> None:
        self.wire, self.pid = wire, 0  # until it has said that it is ready
        self.given: collections.deque[int] = collections.deque()
        self.since = time.monotonic()

    def give(self, number: int, job: Job) -> None:
        """Send a job; when the process is gone that shows when its answer is taken."""
        if not self.given:
            self.since = time.monotonic()
        self.given.append(number)
        with contextlib.suppress(OSError):
            self.wire.send(job)

    def take(self) -> Reading | None:
        """The next answer; None: it has begun. EOFError or OSError: it is gone."""
        answer: Reading | int = self.wire.recv()
        self.since = time.monotonic()
        if isinstance(answer, int):
            self.pid = answer
            return None
        return answer

    def end(self) -> None:
        """Stop it, whatever it does."""
        self.wire.close()
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _begun(n: int) -> "tuple[subprocess.Popen[bytes], list[_Process]]":
    """`n` processes: one that loads what reading needs, and its copies, which share that memory."""
    pairs = [socket.socketpair() for _ in range(n)]
    theirs = [pair[1].fileno() for pair in pairs]
    first = subprocess.Popen(
        [sys.executable, "-c", f"from flows.reading import serve; serve({theirs})"], pass_fds=theirs, stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))},
    )  # fmt: skip
    for pair in pairs:
        pair[1].close()
    return first, [_Process(Connection(pair[0].detach())) for pair in pairs]


class Readers:
    """The processes that read, or none of them while there is little to do. One thread at a time may call `read`."""

    def __init__(self, n: int | None = None, limit_s: float = LIMIT_S) -> None:
        self._n, self._limit_s = n or min(os.cpu_count() or 1, 8), limit_s
        self._processes: list[_Process] = []
        self._firsts: list[subprocess.Popen[bytes]] = []
        self._n_stillborn, self._spent_s = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._processes:
            self._processes.pop().end()
        for first in self._firsts:
            first.kill()
            first.wait()
        self._firsts.clear()

    @property
    def pids(self) -> list[int]:
        """The processes at work."""
        return [process.pid for process in self._processes if process.pid]

    def expect(self, seconds: float) -> None:
        """So much work is coming: begin the processes now if that is worth it."""
        if seconds >= WORTH_S and not self._processes and self._n_stillborn < self._n:
            self._processes = self._new(self._n)

    def _new(self, n: int) -> list[_Process]:
        first, processes = _begun(n)
        self._firsts.append(first)
        return processes

    def read(self, jobs: Sequence[Job]) -> list[Reading]:
        """One reading a job, in their order."""
        if any(job.n_bytes > LARGE for job in jobs) or self._spent_s > WORTH_S:
            self.expect(WORTH_S)
        work = _Work(jobs)
        while self._processes and work.n_left:
            for process in self._processes:
                while work.waiting and len(process.given) < IN_FLIGHT:
                    number = work.waiting.popleft()
                    process.give(number, jobs[number])
            ready = wait([process.wire for process in self._processes], timeout=0.5)
            for place, process in enumerate(self._processes):
                if process.wire in ready:
                    try:
                        if reading := process.take():
                            work.readings[process.given.popleft()] = reading
                    except Exception:  # it is gone, or says what nobody can understand
                        self._replace(place, work, None)
                elif process.given and time.monotonic() - process.since > (self._limit_s if process.pid else START_S):
                    self._replace(place, work, f"the document took longer than {self._limit_s:g} s to read")
        begun = time.monotonic()
        for number in work.waiting:
            work.readings[number] = read(jobs[number])
        self._spent_s += time.monotonic() - begun
        return [work.readings[number] for number in range(len(jobs))]

    def _replace(self, place: int, work: "_Work", error: str | None) -> None:
        """Put a new process in the place of one that is gone or hangs; the document it was at is to blame."""
        process = self._processes[place]
        process.end()
        work.give_back(process.given, error, is_blamed=bool(process.pid))
        self._n_stillborn += not process.pid
        if self._n_stillborn < self._n:
            self._processes[place : place + 1] = self._new(1)
        else:  # processes can not be had here
            for other in self._processes:
                work.give_back(other.given, None, is_blamed=False)
            self.__exit__()


class _Work:
    """The jobs of one call, by number: those that wait, and what was read."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs, self._blamed = jobs, set[int]()
        self.waiting = collections.deque(range(len(jobs)))
        self.readings: dict[int, Reading] = {}

    @property
    def n_left(self) -> int:
        """Jobs without a reading."""
        return len(self._jobs) - len(self.readings)

    def give_back(self, given: "collections.deque[int]", error: str | None, *, is_blamed: bool) -> None:
        """Let jobs wait again. The first is given up if it has an error, or if it was to blame before."""
        if given and is_blamed:
            first = given[0]
            if error or first in self._blamed:
                self.readings[first] = Reading(
                    self._jobs[first].key, error=error or "the document ended the process that read it"
                )
                given.popleft()
            self._blamed.add(first)
        self.waiting.extendleft(reversed(given))
        given.clear()


def serve(fds: list[int]) -> None:
    """The main loop of a reading process and, for each further descriptor, of a copy of it."""
    language.languages(["Nešto teksta za početak."])  # loads its tables, which the copies then share
    normalise.registered_domain("https://a.example/")
    gc.collect()
    gc.freeze()  # else the first collection of each copy would write to all of that memory
    mine = next((fd for fd in fds[1:] if os.fork() == 0), fds[0])
    for fd in fds:
        if fd != mine:
            os.close(fd)
    _serve(Connection(mine))
    os._exit(0)


def _serve(wire: Connection) -> None:
    """Read until nobody asks any more. Jobs are taken in by a thread, so that nobody waits for the other to listen."""
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                jobs.put(wire.recv())
        jobs.put(None)

    threading.Thread(target=listen, daemon=True).start()
    with contextlib.suppress(OSError):
        wire.send(os.getpid())
        while (job := jobs.get()) is not None:
            wire.send(read(job))
