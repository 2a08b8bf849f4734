"""Polling feeds against lemon24/reader: one loopback server, feeds of 40 entries, a host name for every feed, in one run.

    python benchmarks/fetching.py [--feeds 500] [--many 5000] [--reader-python PYTHON]

Ours is the monitor's own polling with robots.txt, limits per host, fetch_log and robots_log on: fetched, parsed, normalised, made
stories of, landed in DuckDB; only tagging is left out. The second poll is answered by 304, the third by the same bodies.
reader needs an environment of its own (`pip install reader sgmllib3k`), whose python is given; it polls with 10 workers into
SQLite. Memory is the greatest sum of what all processes of a candidate hold, shared pages counted once.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import ClassVar

from flows.settings import SEEDS, Settings

ROOT = Path(__file__).resolve().parents[1]
N_ENTRIES = 40
READER = """
import json, socket, sys, time
port, n = int(sys.argv[1]), int(sys.argv[2])
found = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: found("127.0.0.1" if host.endswith(".example") else host, *rest, **more)
from reader import make_reader
reader = make_reader(sys.argv[3])
for i in range(n):
    reader.add_feed(f"http://h{i}.example:{port}/feed.xml")
for name in ("first poll", "nothing changed (304)"):
    begun, used = time.perf_counter(), time.process_time()
    for feed in reader.update_feeds_iter(workers=10, scheduled=False):
        assert not isinstance(feed.value, Exception), feed.value
    row = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used, "name": name}
    print(json.dumps(row | {"entries": reader.get_entry_counts().total}), flush=True)
"""


# -- the server -------------------------------------------------------------------------------------------------------


def feeds(n: int) -> list[bytes]:
    """The bodies of `n` feeds: three words here, three there from the golden sets, one language a feed, each entry different."""
    files = sorted((ROOT / "tests/golden").glob("*.jsonl"))
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    words: dict[str, list[str]] = {}
    for line in lines:
        words.setdefault(line["lang"], []).extend(re.sub("[<>&]", "", line["text"]).split())
    langs = sorted(lang for lang, known in words.items() if len(known) > 500)
    rng, at = random.Random(1), datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    def entry(host: str, k: int, lang: str) -> str:
        known = words[lang]
        said = " ".join(" ".join(known[i : i + 3]) for i in (rng.randrange(len(known)) for _ in range(20)))
        date = format_datetime(datetime.fromtimestamp(at + 600 * k, UTC))
        return (
            f"<item><title>{said[:80]}</title><link>http://{host}/2026/01/{k}-text</link><guid>http://{host}/?p={k}</guid>"
            f"<pubDate>{date}</pubDate><category>News</category><description><![CDATA[<p>{said}</p>]]></description></item>"
        )

    def feed(host: str) -> str:
        lang = rng.choice(langs)
        entries = "\n".join(entry(host, k, lang) for k in range(N_ENTRIES))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>{host}</title><link>http://{host}/</link>'
            f"<description>News</description>{entries}</channel></rss>"
        )

    return [feed(f"h{i}.example").encode() for i in range(n)]


class Server(asyncio.Protocol):
    """Answers robots.txt and feed.xml of every host; paths that are forbidden are counted. Small, to leave the machine alone."""

    bodies: ClassVar[list[bytes]] = []
    no_304 = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._got = transport, b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while b"\r\n\r\n" in self._got:
            head, _, self._got = self._got.partition(b"\r\n\r\n")
            self._transport.write(self._answer(head))  # type: ignore[attr-defined]
            if b"connection: close" in head.lower():
                self._transport.close()

    def _answer(self, head: bytes) -> bytes:
        path, host = head.split(b" ", 2)[1], re.search(rb"(?i)\nhost: *h(\d+)", head)
        if path == b"/same":
            Server.no_304 = True
        elif path == b"/robots.txt":
            return _http(b"200 OK", b"User-agent: *\nDisallow: /private\n")
        elif path == b"/feed.xml" and host:
            if b"if-none-match" in head.lower() and not Server.no_304:
                return _http(b"304 Not Modified", b"")
            return _http(b"200 OK", Server.bodies[int(host[1])])
        return _http(b"404 Not Found", b"")


def _http(status: bytes, body: bytes) -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: application/xml", b'ETag: "1"', b"Content-Length: %d" % len(body), b"", body)
    return b"\r\n".join(lines)


async def serve(n: int) -> None:
    Server.bodies = feeds(n)
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the benchmark is over


@contextmanager
def serving(n: int) -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", str(n)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield int(server.stdout.readline())
        server.terminate()


# -- ours -------------------------------------------------------------------------------------------------------------


def ours(port: int, n: int, folder: Path, is_whole: bool) -> None:
    """Three polls of our monitor without its tagger (and, unless whole, stories and search); a line of JSON each."""
    import polars as pl

    from flows import answers, polling, run
    from pipeline import seeds
    from pipeline.fetch import Policy, RobotsCache
    from pipeline.schemas import RELATIONS
    from pipeline.tag import Tagged
    from pipeline.warehouse import Store, landing

    class Untagged:
        """Tags nothing."""

        def tag(self, _: pl.DataFrame) -> Tagged:
            return Tagged(*(pl.DataFrame(schema=RELATIONS[name]) for name in ("mention", "focus", "tag")))

    if not is_whole:
        none = pl.DataFrame(schema=RELATIONS["story_article"])
        for room, name in ((landing, "update_stories"), (landing.index, "add")):
            setattr(room, name, lambda *_: none)
    run.share_heap()
    shutil.copytree(SEEDS, folder / "seeds")
    row = pl.read_csv(SEEDS / "feeds.csv", infer_schema=False).filter(pl.col("kind") == "rss").head(1)
    names = [f"h{i}" for i in range(n)]
    rows = pl.DataFrame({"feed_id": names, "url": [f"http://{name}.example/feed.xml" for name in names], "outlet": names})
    rows.sort("feed_id").join(row.drop("feed_id", "url", "outlet"), how="cross").select(row.columns).write_csv(
        folder / "seeds/feeds.csv"
    )
    settings = Settings.read(data=folder / "data", seeds=folder / "seeds")
    policy = Policy(resolver=lambda host: ("127.0.0.1", port) if host.endswith(".example") else None)
    with Store.writer(settings.data) as store:
        tables = seeds.load(settings.seeds)
        landing.sync_seeds(store, tables)
        robots = RobotsCache()
        for name in ("first poll", "nothing changed (304)", "the same bodies"):
            if name == "the same bodies":
                _tell(port, "/same")
            store.run("update feed_state set next_fetch_at = null")
            robots.last_at.clear()  # as if the pause were over
            spool = folder / "spool"
            spool.mkdir(exist_ok=True)
            one = run.Run(
                store, settings, Untagged(), "none", policy, robots, answers.fetch_batches, spool,  # type: ignore[arg-type]
                run.Summary(name, settings.data), time.monotonic(), 3600.0, lambda _: None,
                tables.tables["alerts"], lambda _: None, run.Courier(settings, name),
            )  # fmt: skip
            begun, used = time.perf_counter(), _used()
            with one.readers, store.in_small_batches():
                polling.poll(one)
                row = {"name": name, "seconds": time.perf_counter() - begun, "cpu": _used() - used}
            n_entries = store.read("select count(*) as n from entry")["n"][0]
            failed = store.read("select count(*) as n from fetch_log where error is not null")["n"][0]
            assert not failed, f"{failed} requests failed"
            sys.stdout.write(json.dumps(row | {"entries": n_entries}) + "\n")
            sys.stdout.flush()


def _used() -> float:
    """Seconds of processor time of this process and all below it; the copies of a reader are nobody's ended children, so all
    are asked while they live."""
    ticks = (
        int(field)
        for pid in _family(os.getpid())
        for field in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    )
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def _tell(port: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        wire.recv(1000)


# -- measuring --------------------------------------------------------------------------------------------------------


def measured(command: list[str]) -> tuple[list[dict[str, float]], int]:
    """What a candidate printed, and the greatest sum of resident bytes of its processes."""
    most, over = 0, threading.Event()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as child:

        def watch() -> None:
            nonlocal most
            while not over.wait(0.1):
                most = max(most, sum(map(_resident, _family(child.pid))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert child.stdout
        lines = [json.loads(line) for line in child.stdout]
        over.set()
        watcher.join()
    if child.returncode:
        raise SystemExit(f"{command[1]} failed")
    return lines, most


def _family(pid: int) -> list[int]:
    try:
        children = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(p for child in children for p in _family(child))]


def _resident(pid: int) -> int:
    """Resident bytes, memory that processes share divided among them."""
    try:
        return int(re.search(r"Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=500)
    parser.add_argument("--many", type=int, default=0, help="a second size, for linearity; 0: none")
    parser.add_argument("--reader-python", help="python of an environment with reader")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ours", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return asyncio.run(serve(options.serve))
    if options.ours:
        port, n, folder, what = options.ours
        return ours(int(port), int(n), Path(folder), what == "whole")
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Polling feeds of {N_ENTRIES} entries on {os.cpu_count()} cores")
    for name in ("candidate", "feeds", "poll", "seconds", "feeds/s", "CPU s", "entries", "memory, MB"):
        table.add_column(name, justify="left" if name in {"candidate", "poll"} else "right")
    candidates = [("balkanwatch", n, "landed") for n in (options.feeds, options.many) if n]
    candidates += [("balkanwatch, stories and search too", options.feeds, "whole")]
    candidates += [("reader", options.feeds, "")] if options.reader_python else []
    for candidate, n, what in candidates:
        with serving(n) as port, tempfile.TemporaryDirectory() as folder:
            if candidate == "reader":
                command = [options.reader_python, "-c", READER, str(port), str(n), f"{folder}/reader.sqlite"]
            else:
                command = [sys.executable, __file__, "--ours", str(port), str(n), folder, what]
            lines, most = measured(command)
        for line in lines:
            rate = n / line["seconds"]
            cells = (f"{line['seconds']:.1f}", f"{rate:.0f}", f"{line['cpu']:.1f}", f"{line['entries']:,}", f"{most / 1e6:.0f}")
            table.add_row(candidate, str(n), str(line["name"]), *cells)
    Console().print(table)
    return None


if __name__ == "__main__":
    main()
