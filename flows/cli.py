"""The command line. `balkanwatch --help` shows every command; errors are one sentence, `--debug` shows the traceback."""

import contextlib
import errno
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from flows import console
from flows.alerts import app as alerts_app
from flows.analyst import app as analyst_app
from flows.archives import app as archives_app
from flows.brief import app as brief_app
from flows.dashboard import app as dashboard_app
from flows.feeds import app as feeds_app
from flows.questions import app as questions_app
from flows.status import alert_line
from flows.status import app as status_app
from pipeline.errors import BalkanwatchError, InputError, SeedError

app = typer.Typer(
    name="balkanwatch", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Batch news monitoring for Western Balkans security: fetch feeds, tag topics and countries with evidence, ask in SQL.",
    epilog="Begin with `balkanwatch run`, then `balkanwatch query --list`.",
)  # fmt: skip
seeds_app = typer.Typer(no_args_is_help=True, help="The dictionaries in seeds/: names, offices, topics.")
app.add_typer(feeds_app, name="feeds")
app.add_typer(alerts_app, name="alerts")
app.add_typer(seeds_app, name="seeds")
app.add_typer(questions_app)
app.add_typer(status_app)
app.add_typer(analyst_app)
app.add_typer(archives_app)
app.add_typer(dashboard_app)
app.add_typer(brief_app)

out, err, _print = console.out, console.err, console.show
Data = console.Data
_FULL = re.compile(r"no space left on device|os error 28\b|disk quota exceeded", re.IGNORECASE)
STARTED = time.monotonic()  # the time budget of a run counts from here, Prefect's own start included


@app.callback()
def _main(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    os.environ["BALKANWATCH_DEBUG"] = "1" if debug else ""


def main() -> None:
    """Entry point of the `balkanwatch` command."""
    try:
        app()
    except BalkanwatchError as error:
        if os.environ.get("BALKANWATCH_DEBUG"):
            raise
        err.print(f"[red]Error:[/] {escape(str(error))}")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:  # a disk that is full, a folder that may not be written to
        if os.environ.get("BALKANWATCH_DEBUG"):
            raise
        if _is_full(error):
            sys.unraisablehook = lambda _: None  # of files that can not be closed either
            err.print("[red]Error:[/] There is no space left on the disk.")
        elif isinstance(error, OSError) and error.strerror:
            err.print(f"[red]Error:[/] {escape(str(error.filename or 'the system'))}: {error.strerror}.")
        else:
            raise
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _is_full(error: BaseException | None) -> bool:
    """Is it about a disk (or a quota) that is full? Libraries have errors of their own for that, often without its number."""
    while error is not None:
        is_library = type(error).__module__.split(".")[0] in {"polars", "duckdb", "_duckdb", "pyarrow", "xlsxwriter"}
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        if (is_library or isinstance(error, OSError)) and _FULL.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _settings(data: Path | None = None, **overrides: Any) -> Any:
    from flows.settings import Settings

    return Settings.read(data=data, **overrides)


def _prefect_home(data: Path, logging: str = "WARNING") -> None:
    """Prefect keeps its own files beside the warehouse, calls nobody, and is given time to start on a slow machine."""
    home = data.resolve() / ".prefect"
    home.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_LEVEL": logging,
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }.items():
        os.environ.setdefault(name, value)


# -- run --------------------------------------------------------------------------------------------------------------


@app.command()
def run(
    max_seconds: Annotated[float, typer.Option(help="Time budget; pages that do not fit wait for the next run.", min=5)] = 480,
    data: Data = None,
) -> None:
    """Run the monitor once: poll due feeds, fetch pages, tag, land, publish, export."""
    settings = _settings(data)
    # an error reaches the user as one sentence from `main`; Prefect would print its traceback as well
    _prefect_home(settings.data, "WARNING" if os.environ.get("BALKANWATCH_DEBUG") else "CRITICAL")
    with err.status("starting Prefect") as status:
        summary = _flow_run(settings, max_seconds, lambda text: status.update(text))
    _show(summary)


def _flow_run(settings: Any, max_seconds: float, report: Any) -> Any:
    from prefect import flow

    from flows import monitor

    named = flow(name="monitor", task_runner=monitor.monitor.task_runner, validate_parameters=False)
    return named(monitor.observed)(settings, max_seconds, report, STARTED)


def _show(summary: Any) -> None:
    table = Table(title="Feeds polled", title_justify="left")
    for name in ("feed", "status", "entries", "new", "error"):
        table.add_column(name, justify="right" if name in {"entries", "new"} else "left", no_wrap=name != "error")
    room = max(out.width - 32 - max((len(feed["feed_id"]) for feed in summary.feeds), default=0), 20)  # one line a feed
    for feed in sorted(summary.feeds, key=lambda f: (f["error"] is not None, -f["new"])):
        error = feed["error"] or ""
        error = error if len(error) <= room else f"{error[: room - 1]}…"
        cells = (feed["feed_id"], feed["status"] or "-", feed["entries"], feed["new"], error)
        table.add_row(*(escape(str(cell)) for cell in cells))
    if summary.feeds:
        out.print(table)
    else:
        out.print("No feed was due.")
    top = Table(title="Top topics by country, last 60 days", title_justify="left")
    for name in ("country", "topic", "stories", "articles"):
        top.add_column(name, justify="right" if name in {"stories", "articles"} else "left")
    last = ""
    for row in summary.top:
        shown = "" if row["country"] == last else row["country"]
        top.add_row(shown, row["topic_id"], str(row["n_stories"]), str(row["n_articles"]), end_section=False)
        last = row["country"]
    if summary.top:
        out.print(top)
    n_ok = summary.n_feeds - summary.n_failed
    out.print(
        f"{summary.n_new} new articles, {summary.n_updated} new versions, {summary.n_pages} pages read, "
        f"{summary.n_waiting} waiting; "
        f"{n_ok} of {summary.n_feeds} polls answered; {summary.n_articles} articles in all; {summary.seconds:.0f} s."
    )
    if summary.n_postponed:
        out.print(f"{summary.n_postponed} feeds were not reached in the time; they come first next time.")
    if summary.n_retagged:
        out.print(f"The seeds had changed: {summary.n_retagged} articles were tagged again.")
    if summary.n_behind:
        out.print(f"The seeds have changed; {summary.n_behind} articles keep their tags until `balkanwatch retag` is called.")
    if summary.silent or summary.drifting:
        out.print(escape(f"{alert_line(summary.silent, summary.drifting)}; `balkanwatch status` says more."))
    if summary.delivery:
        out.print(escape(summary.delivery), highlight=False, soft_wrap=True)
    for subject in summary.alerts:
        out.print(f"[bold]Alert:[/] {escape(subject.removeprefix('balkanwatch: '))}")
    if summary.is_offline:
        out.print("[yellow]No network:[/] not one web feed could be reached, so only the sample was read.")
    for label, path in (("database", summary.snapshot), ("CSV files", summary.exports)):
        out.print(f"{label:>10}: [bold]{escape(str(path))}[/]")


@app.command()
def serve(
    cron: Annotated[str | None, typer.Option(help="When the monitor runs.", show_default="every 10 minutes")] = None,
    max_seconds: Annotated[float, typer.Option(help="Time budget of one run.", min=5)] = 480,
    data: Data = None,
) -> None:
    """Run every flow on its schedule (monitor, briefs, health check, retag); starts a Prefect server if none answers."""
    settings = _settings(data, cron=cron)
    _prefect_home(settings.data)
    from flows import serving

    serving.serve(settings, settings.cron, max_seconds, lambda text: err.print(text))


# -- history ---------------------------------------------------------------------------------------------------------


@app.command()
def retag(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; the tags stay as they are.")] = False,
    batch: Annotated[int, typer.Option(help="Articles in one step; a killed command goes on after the last.", min=1)] = 5_000,
    data: Data = None,
) -> None:
    """Tag all history again with the seeds as they are now, show what changed and by which rule, and publish."""
    from flows import retag as retagging

    settings = _settings(data)
    with err.status("tagging") as status:
        done = retagging.retag(
            settings, dry_run=dry_run, n_batch=batch, progress=lambda n, of: status.update(f"tagging: {n} of {of} articles")
        )
    if not done.n_articles:
        out.print("No rule has changed: there is nothing to tag again.")
        return
    if done.changes.height:
        out.print(retagging.table(settings, done.changes))
    n_changed = done.changes["article_id"].n_unique()
    if dry_run:
        out.print(f"{done.n_articles} articles would be tagged again, {n_changed} of them otherwise than now.")
    else:
        out.print(f"{done.n_articles} articles tagged again, {n_changed} of them otherwise; relation retag_change has each.")


# -- without a database -----------------------------------------------------------------------------------------------


@app.command()
def tag(
    file: Annotated[
        str, typer.Argument(help="JSON lines with id, text and perhaps title, lang, published_at; - for standard input.")
    ],
    explain: Annotated[bool, typer.Option("--explain", help="Show each text with its evidence, rule by rule.")] = False,
) -> None:
    """Tag texts: one JSON line in, one JSON line out (docs/tag.md). Needs no server and no database."""
    from flows import explain as explaining
    from flows import tagging
    from flows.tagging import compiled

    tagger, *_ = compiled(_settings())
    with _lines(file) as (lines, complain):
        if explain:
            for one in tagging.good_lines(lines, complain):
                out.print(explaining.explained(tagger, one))
        else:
            for line in tagging.tag_lines(tagger, lines, complain):
                sys.stdout.write(line + "\n")


@app.command()
def stories(
    file: Annotated[str, typer.Argument(help="JSON lines with id, text and perhaps title, published_at; - for standard input.")],
) -> None:
    """Group near-duplicate texts: JSON lines with id, story_id, similarity to the lead, is_lead. Needs no database."""
    from flows import tagging

    with _lines(file) as (lines, complain):
        for line in tagging.story_lines(lines, complain):
            sys.stdout.write(line + "\n")


@contextlib.contextmanager
def _lines(file: str) -> Iterator[tuple[Iterator[str], Callable[[int, str], None]]]:
    """The lines of a file, and whom to tell (number, reason) of bad ones: each is printed, and the command ends with 1."""
    bad: list[int] = []

    def complain(number: int, reason: str) -> None:
        bad.append(number)
        err.print(f"line {number}: {escape(reason)}", highlight=False)

    with contextlib.ExitStack() as stack:
        try:  # opening only: a pipe that closes while we write is no fault of the file
            handle = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise InputError(f"{file} can not be read: {error.strerror}.") from None
        yield _decoded(handle), complain
    if bad:
        raise typer.Exit(1)


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    return (line.decode("utf-8-sig" if n == 0 else "utf-8", "replace") for n, line in enumerate(lines))


@app.command()
def extract(
    file: Annotated[Path, typer.Argument(help="An HTML file.")],
    url: Annotated[str, typer.Option(help="The address it came from.")] = "",
) -> None:
    """Read one article page: a JSON object with title, body, author, published_at, date_source, canonical_url, lang, script."""
    from datetime import UTC, datetime

    from pipeline import language, normalise, parse

    page = parse.page(console.contents(file), url)
    if page.error:
        raise InputError(f"{file}: {page.error}.")
    record = normalise.page_record(page, datetime.now(UTC), language.languages, _settings().time_zone)
    sys.stdout.write(json.dumps(record, ensure_ascii=False, indent=2) + "\n")


@seeds_app.command("check")
def seeds_check() -> None:
    """Validate every seed file; each mistake with file and line."""
    from pipeline import seeds
    from pipeline.tag import rules

    tables = seeds.load(_settings().seeds)
    problems = seeds.check(tables, rules.check)
    for problem in problems:
        out.print(escape(str(problem)), highlight=False, soft_wrap=True)
    if problems:
        raise SeedError(f"{len(problems)} mistakes in {tables.folder}.")
    rows = sum(table.height for table in tables.tables.values())
    out.print(f"{rows:,} rows in {len(tables.tables)} tables are in order (version {tables.version}).")


@seeds_app.command("why")
def seeds_why(
    text: Annotated[str, typer.Argument(help="A sentence.")],
    lang: Annotated[str | None, typer.Option(help="Its language, if it should not be guessed.")] = None,
) -> None:
    """Show every pattern that fits in a text: what counted, what a longer one hid, what a guard stopped."""
    from flows import explain
    from flows.tagging import compiled
    from pipeline import language

    tagger, *_ = compiled(_settings())
    out.print(explain.why(tagger, text, language.normalise_lang(lang) if lang else None))


OF_A_LAKE = (
    "run import backfill load retag judge forget query sql shell search report dashboard diff export dataset sample status"
)
PANELS = {
    "Run": "run serve status feeds alerts", "Ask": "query sql shell search report dashboard diff",
    "Hand on": "export dataset sample judge", "Dictionaries": "seeds retag",
    "Texts without a database": "tag stories extract", "Archives and keeping": "import backfill load backup restore forget",
}  # fmt: skip
console.give_data(app)
console.give_warehouse(app, OF_A_LAKE.split())
console.sort_into(app, {name: panel for panel, names in PANELS.items() for name in names.split()})
