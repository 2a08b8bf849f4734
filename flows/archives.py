"""`balkanwatch import`, `backfill` and `dataset`: archives of articles into the warehouse, and out of it (docs/archives.md)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from flows import console
from flows.console import Data, err, out
from pipeline.errors import BusyError, InputError

if TYPE_CHECKING:
    from flows.imports import Tally

app = typer.Typer()

Paths = Annotated[list[Path], typer.Argument(help="Files, or folders of them.", show_default=False)]
Format = Annotated[
    str | None, typer.Option(help="jsonl, json, csv, parquet, warc, gkg; files for the loose .txt, .html and .json of a folder.",
                             show_default="by ending")
]  # fmt: skip
Mapping = Annotated[
    list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column holds a field: url, title, text, html, "
                                   "author, published_at, crawled_at, outlet, feed, lang, id.")
]  # fmt: skip
Outlet = Annotated[str | None, typer.Option(help="Outlet of all records. [default: their own, else by the host of the address]")]
Feed = Annotated[str | None, typer.Option(help="Feed of the catalogue whose outlet all records are of.")]
Lang = Annotated[str | None, typer.Option(help="Language of records too short to tell.")]
Headlines = Annotated[bool, typer.Option("--headline-only", help="Do not fetch the pages of records without text.")]
AllHosts = Annotated[bool, typer.Option("--all-hosts", help="WARC: take the pages of all hosts, not only the catalogue's.")]
Rejected = Annotated[
    Path | None, typer.Option(help="Where to write the records that were not taken.", show_default="data/imports/rejected.csv")
]
Workers = Annotated[int, typer.Option(help="Worker processes.", min=1, show_default="one a core")]
CORES = os.cpu_count() or 1


@app.command("import")
def import_(
    paths: Paths,
    format: Format = None,
    map: Mapping = None,
    outlet: Outlet = None,
    feed: Feed = None,
    lang: Lang = None,
    headline_only: Headlines = False,
    all_hosts: AllHosts = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything, say what would be taken, land nothing.")] = False,
    rejected: Rejected = None,
    workers: Workers = CORES,
    data: Data = None,
) -> None:
    """Import archives: JSONL, CSV, JSON, Parquet, WARC, folders of texts or pages, news-please, Media Cloud, GDELT.

    Articles keep their dates, so that trends fill in backwards. An interrupted import goes on when the same command is given
    again, and a file imported twice lands nothing.
    """
    from flows import imports
    from flows.settings import Settings

    settings = Settings.read(data=data)
    todo = _planned(settings, paths, format, map, outlet=outlet, feed=feed, lang=lang, headline_only=headline_only,
                    all_hosts=all_hosts)  # fmt: skip
    with _shown(sum(source.size for source, _ in todo)) as (progress, report):
        if dry_run:
            tried = [imports.dry_run(settings, source, plan, progress) for source, plan in todo]
        else:
            tallies = imports.run_import(settings, todo, workers, progress, report)
    if dry_run:
        for tally, first in tried:
            _tell(tally, is_dry=True)
            console.show(first.select("outlet", "published_at", "lang", "title", "url"), csv=False, title="The first records")
        return
    _finish(settings, tallies, rejected)


@app.command()
def backfill(
    paths: Paths,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Scheduler of Dask workers, such as tcp://10.0.0.5:8786.")
    ] = None,
    format: Format = None,
    map: Mapping = None,
    outlet: Outlet = None,
    feed: Feed = None,
    lang: Lang = None,
    headline_only: Headlines = False,
    all_hosts: AllHosts = False,
    rejected: Rejected = None,
    workers: Workers = CORES,
    data: Data = None,
) -> None:
    """Import archives as a Prefect flow: by processes here, or by Dask workers on many machines that share these folders."""
    from flows.cli import _prefect_home
    from flows.settings import Settings

    settings = Settings.read(data=data)
    _prefect_home(settings.data, "WARNING" if os.environ.get("BALKANWATCH_DEBUG") else "CRITICAL")
    from prefect.settings import PREFECT_API_URL

    from flows.backfill import run_flow

    if dask and not PREFECT_API_URL.value():
        err.print("PREFECT_API_URL is not set: each Dask worker will start a Prefect server of its own, and is slower for it.")
    todo = _planned(settings, paths, format, map, outlet=outlet, feed=feed, lang=lang, headline_only=headline_only,
                    all_hosts=all_hosts)  # fmt: skip
    with _shown(sum(source.size for source, _ in todo)) as (progress, report):
        tallies = run_flow(settings, [(source.absolute(), plan) for source, plan in todo], workers, dask, progress, report)
    _finish(settings, tallies, rejected)


@app.command()
def load(
    max_seconds: Annotated[float, typer.Option(help="No batch is begun after so many seconds.", min=1)] = 480,
    data: Data = None,
) -> None:
    """Land what monitors have handed over to a warehouse of several machines (`--warehouse`), which is made if it is not there.

    One loader is at work at a time; a second one says so and leaves.
    """
    from flows import loading
    from flows.settings import Settings

    settings = Settings.read(data=data)
    try:
        with err.status("opening") as status:
            loaded = loading.load(settings, max_seconds, report=lambda text: status.update(text))
    except BusyError as error:
        out.print(escape(str(error)), highlight=False, soft_wrap=True)
    else:
        out.print(f"{loaded}.", highlight=False)


@app.command()
def dataset(
    folder: Annotated[Path, typer.Argument(help="Where to write.", show_default=False)],
    data: Data = None,
) -> None:
    """Write articles, mentions, focus and tags as Parquet partitioned by year and month, for Spark, Trino, R and Python."""
    from flows.run import EXPORT_SECONDS
    from flows.settings import Settings
    from pipeline.archive import write_months
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    with Store.reader(settings.data, settings.query_memory, EXPORT_SECONDS, settings.warehouse) as store:
        counts = write_months(store.read, folder)
    for name, n in counts.items():
        out.print(f"{folder / name}  {n:,} rows", highlight=False, soft_wrap=True)


def _planned(settings: Any, paths: list[Path], format: str | None, map: list[str] | None, **said: Any) -> "list[Any]":
    """The sources with their plans, each told."""
    from flows import imports
    from pipeline.archive import FORMATS

    if format is not None and format not in FORMATS:
        raise InputError(f"There is no format `{format}`; there are {', '.join(FORMATS)}.")
    mapping = dict(_pair(text) for text in map or [])
    todo = imports.planned(paths, settings, format, mapping, **said)
    told: set[str] = set()
    for source, plan in todo:
        if plan.mapping and (text := _reading(plan)) not in told:
            told.add(text)
            out.print(f"{escape(source.path.name)}: {escape(text)}", soft_wrap=True)
    return todo


def _reading(plan: Any) -> str:
    taken = ", ".join(column if column == field else f"{field} from {column}" for field, column in plan.mapping.items())
    return f"{taken}." + (f" Not used: {', '.join(plan.unused[:20])}." if plan.unused else "")


def _pair(text: str) -> tuple[str, str]:
    field, sign, column = text.partition("=")
    if not sign or not column:
        raise InputError(f"`{text}` does not map a field; write --map field=column.")
    return field.strip(), column.strip()


@contextmanager
def _shown(size: int) -> "Iterator[tuple[Any, Any]]":
    """A bar with rate and time left on a terminal, nothing elsewhere; gives the two functions that move it."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=size, rate="")
        done: dict[int, tuple[int, int]] = {}  # of each source: bytes, records

        def progress(tally: "Tally", n_bytes: int) -> None:
            done[id(tally)] = n_bytes, tally.n_rows
            n_rows, elapsed = sum(n for _, n in done.values()), bar.tasks[0].elapsed or 0
            rate = f"{n_rows:,} records, {n_rows / elapsed:,.0f}/s" if elapsed else ""
            bar.update(task, completed=sum(n for n, _ in done.values()), rate=rate)

        yield progress, lambda text: bar.update(task, description=escape(text))


def _finish(settings: Any, tallies: "list[Tally]", rejected: Path | None) -> None:
    """Tell what came of all sources, and write what was rejected."""
    from flows import imports
    from pipeline.warehouse import Store

    for tally in tallies:
        _tell(tally)
    if any(tally.n_rejected for tally in tallies):
        path = rejected or settings.data / "imports" / "rejected.csv"
        with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
            n = imports.write_rejected(store, [tally.import_id for tally in tallies], path)
        out.print(f"Not taken, with line and reason: {n:,} in {escape(str(path))}", soft_wrap=True)


def _tell(tally: "Tally", is_dry: bool = False) -> None:
    table = Table(title=escape(tally.source.path.name), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("records", justify="right")
    rows: list[tuple[str, int]] = [("records read", tally.n_rows + tally.n_rejected + sum(tally.skipped.values()))]
    if tally.n_before:
        rows.append(("landed before", tally.n_before))
    if not is_dry:
        rows += [("new articles", tally.n_new), ("articles with a new text or version", tally.n_updated),
                 ("other records of these, or known already", tally.n_known)]  # fmt: skip
    rows += [
        ("without text, page waits to be fetched", tally.n_waiting), ("headlines only", tally.n_headlines),
        ("without a date", tally.n_undated), ("of outlets not in the catalogue", sum(tally.strangers.values())),
    ]  # fmt: skip
    rows += [(f"skipped: {reason}", n) for reason, n in tally.skipped.most_common(5)]
    rows += [(f"not taken: {reason}", n) for reason, n in tally.reasons.most_common(5)]
    for what, n in rows:
        if n or what in {"records read", "new articles"}:
            table.add_row(escape(what), f"{n:,}")
    if tally.days[0]:
        table.add_row("published", f"{tally.days[0]:%Y-%m-%d} to {tally.days[1]:%Y-%m-%d}")
    out.print(table)
    if tally.strangers:
        names = ", ".join(f"{name} ({n:,})" for name, n in tally.strangers.most_common(5))
        out.print(f"Outlets not in the catalogue, their side is unknown: {escape(names)}.", soft_wrap=True)
