"""Our whole path over pages (text, title, author, dates, language) against bare trafilatura, on invented pages of known text.

    python benchmarks/extraction.py [--pages 60] [--kb 140] [--rounds 2]

Quality: F1 of word 4-grams and shares of right, wrong and missing days on the golden pages of tests/newspages.py, as they are and
as heavy as real ones. Speed: pages a second of the heavy ones, best of some rounds, by the clock and by CPU
time (which other work on the machine disturbs less); the processes of a pool are warm before the clock runs.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trafilatura
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from newspages import GoldenPage, four_grams_f1, inflated, pages  # noqa: E402

from pipeline import language, normalise, parse  # noqa: E402

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 10
Sent = tuple[bytes, str, str]


def ours(sent: Sent) -> dict[str, Any]:
    """What `balkanwatch extract` does with a page."""
    return normalise.page_record(parse.page(*sent), NOW, language.languages, "Europe/Belgrade")


def bare(sent: Sent, **options: bool) -> str:
    return trafilatura.extract(sent[0], **options) or ""


def bare_fast(sent: Sent) -> str:
    return bare(sent, fast=True)


def bare_with_metadata(sent: Sent) -> str:
    return bare(sent, fast=True, with_metadata=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=60, help="pages whose extraction is timed")
    parser.add_argument("--kb", type=int, default=140, help="their size")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    console = Console()
    console.print(quality(pages()))
    chosen = [pages()[n * len(pages()) // args.pages] for n in range(args.pages)]
    console.print(speed([(inflated(page, args.kb * 1000), page.url, page.content_type) for page in chosen], args.rounds))


# -- quality ----------------------------------------------------------------------------------------------------------


def quality(golden: Sequence[GoldenPage]) -> Table:
    table = Table("text and day", "pages", "F1", "pages below .90", "day right", "day wrong", "no day")
    for weight, size in (("", 0), (", heavy", 140_000)):
        sent = [(inflated(page, size) if size else page.html, page.url, page.content_type) for page in golden]
        records = [ours(one) for one in sent]
        days = [(record["published_at"] or "")[:10] or None for record in records]
        right = sum(day == page.day for day, page in zip(days, golden, strict=True)) / len(golden)
        wrong = sum(day not in {None, page.day} for day, page in zip(days, golden, strict=True)) / len(golden)
        shares = (f"{right:.3f}", f"{wrong:.3f}", f"{1 - right - wrong:.3f}")
        table.add_row(f"ours{weight}", *_f1([record["body"] for record in records], golden), *shares)
        table.add_row(f"trafilatura, default{weight}", *_f1([bare(one) for one in sent], golden))
        table.add_row(f"trafilatura, fast{weight}", *_f1([bare_fast(one) for one in sent], golden))
    return table


def _f1(texts: Sequence[str], golden: Sequence[GoldenPage]) -> tuple[str, str, str]:
    found = [four_grams_f1(text, page.text) for text, page in zip(texts, golden, strict=True)]
    return str(len(found)), f"{sum(found) / len(found):.3f}", str(sum(f1 < 0.9 for f1 in found))


# -- speed ------------------------------------------------------------------------------------------------------------

NAMES = {
    bare_fast: "bare extract(fast=True)",
    bare: "bare extract()",
    bare_with_metadata: "the same, fast, metadata",
    ours: "our whole path",
}


def speed(sent: Sequence[Sent], rounds: int) -> Table:
    mean = sum(len(page[0]) for page in sent) / len(sent) / 1000
    title = f"{len(sent)} pages of {mean:.0f} KB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    table = Table("speed", "processes", "pages/s", "x bare fast", "x itself", "pages a CPU second", "x bare fast", title=title)
    wall = dict.fromkeys(NAMES, 0.0)
    cpu = dict.fromkeys(NAMES, 0.0)
    pooled = {bare_fast: 0.0, ours: 0.0}
    with ProcessPoolExecutor(2) as pool:
        for fn in NAMES:
            list(map(fn, sent[:5]))
        for fn in pooled:
            list(pool.map(fn, sent[:20], chunksize=5))
        for _ in range(rounds):  # taken in turns, so that other work on the machine hits all alike
            for fn in NAMES:
                seconds, cpu_seconds = _timed(map(fn, sent))
                wall[fn], cpu[fn] = max(wall[fn], len(sent) / seconds), max(cpu[fn], len(sent) / cpu_seconds)
            for fn in pooled:
                pooled[fn] = max(pooled[fn], len(sent) / _timed(pool.map(fn, sent, chunksize=CHUNK))[0])
    one = wall[bare_fast]
    for fn, rate in wall.items():
        table.add_row(NAMES[fn], "1", *_cells(rate, rate / one, 1, cpu[fn], cpu[fn] / cpu[bare_fast]))
    for fn, rate in pooled.items():
        table.add_row(NAMES[fn], "2", *_cells(rate, rate / one, rate / wall[fn]))
    return table


def _cells(*figures: float) -> list[str]:
    return [f"{figure:.2f}" for figure in figures]


def _timed(work: Iterable[Any]) -> tuple[float, float]:
    """Seconds by the clock and of this process's CPU."""
    started, cpu = time.perf_counter(), time.process_time()
    for _ in work:
        pass
    return time.perf_counter() - started, max(1e-9, time.process_time() - cpu)


if __name__ == "__main__":
    main()
