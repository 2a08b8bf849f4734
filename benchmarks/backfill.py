"""Backfill at size: archives to tagged rows, to a queryable warehouse, on one process, two, and Dask workers; and after kills.

    python benchmarks/backfill.py [--articles 1000000] [--only text,pages,import,dask,kills] [--folder /tmp/...]

The archives are synthetic and made below a temporary folder: texts of about 3 KB in the languages and scripts of the region.
Two sentences of each are from the project's own golden sets (they name places, people and topics), one of them said twice; the
rest is made of the same sets' small words in new orders, so that no two texts are alike; one in ten is a copy of the one before
at another outlet. Addresses are those of the catalogue's outlets, dates go over ten years. CPU time is printed beside wall time:
on a shared machine only the first means much.
"""

import argparse
import contextlib
import gzip
import html
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import psutil
from rich.console import Console
from rich.table import Table

from flows import backfill, imports
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import archive
from pipeline.warehouse import Store

ROOT = Path(__file__).resolve().parents[1]
FIRST, N_DAYS = datetime(2014, 1, 1, tzinfo=UTC), 3650
CORES = 2
COMMAND = (sys.executable, "-c", "from flows.cli import main; main()")
ROWS = list[tuple[str, str, str]]  # what, measured, aim


# -- archives ---------------------------------------------------------------------------------------------------------


class Writer:
    """Invented articles, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.sentences: dict[str, list[str]] = {}
        self.words: dict[str, list[str]] = {}
        for path in sorted((ROOT / "tests/golden").glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                lang, text = record.get("lang", ""), record.get("text", "")
                if len(text) > 40 and lang:
                    self.sentences.setdefault(lang, []).append(text)
                    self.words.setdefault(lang, []).extend(re.findall(r"\b[^\W\d_A-ZА-Я]{2,12}\b", text))
        self.langs = sorted(lang for lang, found in self.sentences.items() if len(found) >= 25)
        feeds = pl.read_csv(ROOT / "seeds/feeds.csv", infer_schema=False).filter(pl.col("kind") == "rss")
        self.hosts = sorted({urlsplit(url).netloc for url in feeds["url"]})

    def text(self, lang: str, n_bytes: int) -> str:
        """Paragraphs of about `n_bytes` of UTF-8 together; the first three begin with a sentence of the golden sets."""
        one, other = self.draw.choices(self.sentences[lang], k=2)
        said = [one, other, one]  # an article is about something: its names come again
        lines: list[str] = []
        size = 0
        while size < n_bytes:
            filler = [" ".join(self.draw.choices(self.words[lang], k=13)).capitalize() + "." for _ in range(4)]
            lines.append(" ".join([*said[:1], *filler]))
            said = said[1:]
            size += len(lines[-1].encode()) + 1
        return "\n".join(lines)

    def articles(self, n: int, n_bytes: int = 3_000) -> Iterator[dict[str, str]]:
        """`n` articles of about `n_bytes` of UTF-8."""
        text = title = lang = ""
        for i in range(n):
            if i % 10 or not text:
                lang = self.langs[i % len(self.langs)]
                text, title = self.text(lang, n_bytes), self.draw.choice(self.sentences[lang])[:90]
            at = FIRST + timedelta(seconds=int(i * N_DAYS * 86_400 / n))
            host = self.hosts[self.draw.randrange(len(self.hosts))]
            url = f"https://{host}/{at:%Y/%m/%d}/{i:07}-{self.draw.randrange(1_000_000)}"
            yield {"url": url, "title": title, "text": text, "published_at": at.isoformat(), "lang": lang}


def write_jsonl(path: Path, n: int, seed: int = 1) -> None:
    """JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for article in Writer(seed).articles(n):
            file.write(json.dumps(article, ensure_ascii=False) + "\n")


def write_warc(path: Path, n: int, page_bytes: int = 0, seed: int = 1) -> None:
    """A WARC file of n responses, a gzip member each: text/plain, or HTML pages of `page_bytes` with menus and scripts around."""
    writer = Writer(seed)
    with path.open("wb") as file:
        for one in writer.articles(n):
            kind, body = "text/plain; charset=utf-8", f"{one['title']}\n\n{one['text']}"
            if page_bytes:
                kind, body = "text/html; charset=utf-8", _page(writer, one, page_bytes)
            http = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + body.encode()
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{len(http)}>\r\nWARC-Target-URI: {one['url']}\r\n"
                f"WARC-Date: {one['published_at'][:19]}Z\r\nContent-Type: application/http; msgtype=response\r\n"
                f"Content-Length: {len(http)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + http + b"\r\n\r\n", 5))


def _page(writer: Writer, one: dict[str, str], n_bytes: int) -> str:
    text = "".join(f"<p>{html.escape(line)}</p>\n" for line in one["text"].split("\n"))
    words = writer.words[one["lang"]]
    menu = "".join(
        f'<li class="menu-item"><a href="/rubrika/{n}" title="{n}">{" ".join(writer.draw.choices(words, k=3))}</a></li>\n'
        for n in range(150)
    )
    related = "".join(
        f'<div class="card"><a href="/{n}"><img src="/{n}.jpg"><h3>{" ".join(writer.draw.choices(words, k=9))}</h3></a></div>\n'
        for n in range(120)
    )
    head = f'<title>{html.escape(one["title"])}</title><meta property="article:published_time" content="{one["published_at"]}">'
    page = (
        f"<!doctype html><html><head>{head}</head><body><nav><ul>{menu}</ul></nav>"
        f"<main><article><h1>{html.escape(one['title'])}</h1>"
        f"{text}</article></main><aside>{related}</aside><footer><ul>{menu}</ul></footer></body></html>"
    )
    return page.replace("</head>", f"<script>{'var a=[1,2,3];' * ((n_bytes - len(page.encode())) // 14)}</script></head>")


# -- measuring --------------------------------------------------------------------------------------------------------


@dataclass
class Cost:
    """Seconds by the clock, seconds of CPU (children included), and the greatest memory of all processes together."""

    wall: float = 0.0
    cpu: float = 0.0
    n_bytes: int = 0


@contextlib.contextmanager
def measured() -> Iterator[Cost]:
    """Measure this process and its children, the memory twice a second (a shared page counts once)."""
    cost, over = Cost(), threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not over.wait(0.5):
            total = 0
            for process in (me, *me.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_full_info().pss
            cost.n_bytes = max(cost.n_bytes, total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    before, begun = _cpu(), time.monotonic()
    try:
        yield cost
    finally:
        cost.wall = time.monotonic() - begun
        over.set()
        watcher.join()
        cost.cpu = _cpu() - before


def _cpu() -> float:
    uses = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def desk(settings: Settings, tagged_by: str, now: datetime) -> imports.Desk:
    """What jobs need, without a warehouse."""
    data, seeds = settings.data.resolve(), settings.seeds.resolve()
    return imports.Desk(data, seeds, seeds, tagged_by, now)


def prepared(path: Path, folder: Path, workers: int) -> Cost:
    """What the parts of an archive cost a pool of workers that have their dictionaries: read, normalise, tag, write."""
    settings = Settings.read(data=folder / "stage")
    _, tagged_by, _ = compiled(settings)
    ((source, plan),) = imports.planned([path], settings, None, {})
    job = imports.job(source, plan, desk(settings, tagged_by, datetime.now(UTC)))
    chunk = next(archive.chunks(source, plan))._replace(part=0)
    with imports._pool(workers) as pool:
        few = [chunk._replace(part=-n, raws=chunk.raws[:100]) for n in range(1, 3 * workers)]
        list(pool.map(imports.work, [job] * len(few), few))  # warm: each worker has its dictionaries
        with measured() as cost:
            before = sum(p.cpu_times().user + p.cpu_times().system for p in psutil.Process().children(recursive=True))
            for _ in imports._prepared(pool, job, 2 * workers + 1, set()):
                pass
            after = sum(p.cpu_times().user + p.cpu_times().system for p in psutil.Process().children(recursive=True))
        cost.cpu += after - before
    shutil.rmtree(settings.data / ".writer")
    return cost


# -- the benchmarks ---------------------------------------------------------------------------------------------------


def text(folder: Path, n: int) -> ROWS:
    """A WARC file of plain texts to tagged rows."""
    n = min(n, 40_000)
    path = folder / "text.warc.gz"
    write_warc(path, n)
    cost = prepared(path, folder, CORES)
    free = f"{1e3 * cost.cpu / n:.2f} ms of CPU each = {CORES * n / cost.cpu:,.0f}/s on {CORES} free cores"
    measured_ = f"{n / cost.wall:,.0f} articles/s by the clock; {free}"
    return [(f"WARC, text/plain of 3 KB, to tagged rows ({n:,})", measured_, ">= 1,500 articles/s on 2 cores")]


def pages(folder: Path, n: int) -> ROWS:
    """A WARC file of pages to tagged rows, by one process and by two."""
    n = min(n, 1_000)
    path = folder / "pages.warc.gz"
    write_warc(path, n, 100_000)
    one, two = prepared(path, folder, 1), prepared(path, folder, 2)
    cpu = f"CPU a page {1e3 * one.cpu / n:.1f} and {1e3 * two.cpu / n:.1f} ms"
    measured_ = f"{one.wall / two.wall:.2f}x by the clock ({n / two.wall:.0f} pages/s); {cpu}"
    return [(f"WARC, HTML of 100 KB, two processes against one ({n:,})", measured_, ">= 1.7x")]


def import_(folder: Path, n: int) -> ROWS:
    """`balkanwatch import` of JSON lines, from the first byte to the published snapshot, and a question to it."""
    path, data = folder.parent / f"balkanwatch-articles-{n}.jsonl", folder / "import"
    if not path.exists():  # it stays there for the next time
        write_jsonl(path.with_suffix(".tmp"), n)
        path.with_suffix(".tmp").replace(path)
    with measured() as cost:
        subprocess.run([*COMMAND, "import", str(path), "--data", str(data)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    begun = time.monotonic()
    asked = ["query", "topic_trend", "--country=XK", "--topic=barricades", "--data", str(data)]
    subprocess.run([*COMMAND, *asked], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    asking = time.monotonic() - begun
    with Store.reader(data) as store:
        n_articles, n_mentions, n_cells = store.read(
            "select (select count(*) from article), (select count(*) from mention), (select count(*) from coverage)"
        ).row(0)
    size = (data / "balkanwatch.duckdb").stat().st_size
    what = f"{n:,} articles of 3 KB ({path.stat().st_size / 1e6:,.0f} MB of JSON lines) to a queryable warehouse"
    aim = "<= 25 min, < 3 GiB" if n >= 1_000_000 else "<= 150 s, < 2 GiB" if n == 100_000 else ""
    shutil.rmtree(data)
    return [
        (what, f"{cost.wall:.0f} s by the clock, {cost.cpu:.0f} s of CPU, {cost.n_bytes / 2**30:.2f} GiB of all processes", aim),
        ("what is in it", f"{n_articles:,} articles, {n_mentions:,} mentions, {n_cells:,} cells of coverage", ""),
        ("at rest", f"{size / n_articles:,.0f} bytes an article; a trend is answered in {asking:.1f} s, start included", ""),
    ]


def dask(folder: Path, n: int) -> ROWS:
    """The stage that reads, normalises and tags, as Prefect tasks on one Dask worker and on two; one Prefect server for all."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    n_files, n_done = 4, min(2 * n, 200_000)
    files = [folder / f"dask{i}.jsonl" for i in range(n_files)]
    for i, path in enumerate(files):
        write_jsonl(path, n_done // n_files, seed=i + 10)
    with prefect_test_harness(server_startup_timeout=120):
        api = str(PREFECT_API_URL.value())
        (one, plain, first), (two, _, _) = (_stage(folder, files, workers, api) for workers in (1, 2))
    return [
        (
            f"two Dask workers against one, {n_files} tasks of {plain / n_files:.0f} s",
            f"{one / two:.2f}x ({one:.0f} s, {two:.0f} s)",
            ">= 1.7x",
        ),
        ("what Prefect adds to plain Dask on the same worker", f"{100 * (one - plain) / plain:+.1f} % ({plain:.0f} s)", "<= 5 %"),
        ("a worker's first task for Prefect, which loads it", f"{first:.0f} s, once", ""),
        ("that stage", f"{n_done / two:,.0f} articles/s on two workers", ""),
    ]


def _stage(folder: Path, files: list[Path], workers: int, api: str) -> tuple[float, float, float]:
    """Seconds of the stage on so many workers: through Prefect, with Dask alone, and of a flow with next to nothing to do that
    comes first, so that each worker has loaded Prefect. Dictionaries are compiled before."""
    from distributed import Client
    from prefect import flow
    from prefect.logging import disable_run_logger
    from prefect_dask.task_runners import DaskTaskRunner

    settings = Settings.read(data=folder / f"dask{workers}")
    _, tagged_by, _ = compiled(settings)
    todo = imports.planned(files, settings, None, {})

    def asked(now: datetime) -> list[backfill.Share]:
        pieces = [(backfill.Piece(i, *one),) for i, one in enumerate(todo)]
        return [backfill.Share(p, desk(settings, tagged_by, now), {}, frozenset()) for p in pieces]

    where = ["--host", "127.0.0.1", "--no-dashboard"]
    note = folder / f"scheduler{workers}.json"
    python = [sys.executable, "-m"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1", "PREFECT_API_URL": api}
    quiet = {"env": env, "cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*python, "distributed.cli.dask_scheduler", *where, "--port", "0", "--scheduler-file", str(note)], **quiet
    )
    crew: list[Any] = []
    try:
        while not note.exists():
            time.sleep(0.2)
        address = json.loads(note.read_text())["address"]
        one = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
        crew = [subprocess.Popen([*python, "distributed.cli.dask_worker", address, *one], **quiet) for _ in range(workers)]
        with Client(address) as client:
            client.wait_for_workers(workers)
            client.run(imports._tagger, settings.seeds, settings.data, tagged_by)
            few = folder / f"few{workers}.jsonl"
            write_jsonl(few, 200)
            ((source, plan),) = imports.planned([few], settings, None, {})
            piece = backfill.Piece(0, source, plan)
            share = backfill.Share((piece,), desk(settings, tagged_by, datetime.now(UTC)), {}, frozenset())
            client.run(backfill.prepared, share)
            begun = time.monotonic()
            client.gather([client.submit(backfill.prepared, share) for share in asked(datetime.now(UTC))])
            plain = time.monotonic() - begun
        shutil.rmtree(imports.parts_folder(settings.data))

        @flow(name="stage", task_runner=DaskTaskRunner(address=address), persist_result=False, validate_parameters=False)
        def stage(given: list[backfill.Share]) -> float:
            with disable_run_logger():
                begun = time.monotonic()
                futures = [backfill.prepare.submit(share) for share in given]
                for future in futures:
                    future.result()
                return time.monotonic() - begun

        first = stage([share] * 4 * workers)
        return stage(asked(datetime.now(UTC))), plain, first
    finally:
        for process in (*crew, scheduler):
            process.kill()
            process.wait()
        shutil.rmtree(settings.data, ignore_errors=True)


def kills(folder: Path, n: int) -> ROWS:
    """The test that kills an import twenty times."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "soak", str(ROOT / "tests/test_backfill.py"), "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    told = "same rows" if done.returncode == 0 else done.stdout.strip().splitlines()[-1][:100]
    return [("an import killed 20 times at random and restarted", told, "same rows as an undisturbed one")]


BENCHMARKS: dict[str, Callable[[Path, int], ROWS]] = {
    "text": text,
    "pages": pages,
    "import": import_,
    "dask": dask,
    "kills": kills,
}


def main() -> None:
    """Run the chosen benchmarks and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=100_000, help="of the import; the others use fewer")
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ |= {"PREFECT_LOGGING_LEVEL": "ERROR", "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    table = Table(title=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", title_justify="left")
    for column in ("what", "measured", "aim"):
        table.add_column(column, overflow="fold")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        os.environ.setdefault("PREFECT_HOME", f"{folder}/prefect")
        for name in arguments.only.split(","):
            for row in BENCHMARKS[name](Path(folder), arguments.articles):
                table.add_row(*row)
                Console(stderr=True).print(*row, sep=" | ", highlight=False)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
