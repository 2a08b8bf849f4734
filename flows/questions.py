"""Asking the snapshot: `query` (ready questions), `sql` (one of your own) and `shell` (one after the other)."""

import atexit
import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.markup import escape
from rich.table import Table

from flows.console import Data, err, out, show
from pipeline.errors import BalkanwatchError, InputError

if TYPE_CHECKING:
    from flows.settings import Settings
    from pipeline.warehouse import Store

app = typer.Typer()
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]

N_SHOWN = 200  # rows of a table in the shell
PROMPT, MORE = "balkanwatch> ", "        ...> "
HELP = """Type a question in SQL and end it with ; (it may take several lines). Each sees the newest snapshot and changes nothing.
  .tables               tables and views
  .schema NAME          the columns of one
  .queries              the ready questions
  .query NAME --a=b     ask one
  .help                 this text
  .quit                 leave (so does Ctrl-D; Ctrl-C stops a question)"""
TABLES = """
select table_name as name, comment as meaning from duckdb_tables() where database_name = current_database() and not internal
union all
select view_name, comment from duckdb_views() where database_name = current_database() and not internal
order by name
"""
COLUMNS = """
select c.column_name as column, lower(c.data_type) as type,
    coalesce(c.comment, (
        select min(o.comment) from duckdb_columns() as o where o.column_name = c.column_name and not o.internal
    )) as meaning
from duckdb_columns() as c
where c.table_name = $name and not c.internal
order by c.column_index
"""


def _settings(data: Path | None) -> "Settings":
    from flows.settings import Settings

    return Settings.read(data=data)


def _reader(settings: "Settings") -> AbstractContextManager["Store"]:
    from pipeline.warehouse import Store

    return Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse)


# -- ready questions --------------------------------------------------------------------------------------------------


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def query(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of a query.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show all queries.")] = False,
    csv: Csv = False,
    data: Data = None,
) -> None:
    """Answer a question from `sql/queries` on the published snapshot, e.g. `query topic_trend --country=XK --topic=border`."""
    if list_ or name is None:
        out.print(_listed())
        return
    from pipeline.warehouse import queries

    values = dict(_option(arg) for arg in context.args)
    with _reader(_settings(data)) as store:
        show(queries.ask(store, name, **values), csv, queries.load(name).question)


def _listed() -> Table:
    from pipeline.warehouse import queries

    table = Table(title="Queries", title_justify="left")
    for column in ("name", "question", "parameters"):
        table.add_column(column, overflow="fold")
    for one in map(queries.load, queries.names()):
        parameters = " ".join(f"--{p.name}" + ("" if p.default is None else f"={p.default}") for p in one.parameters)
        table.add_row(one.name, escape(one.question), escape(parameters))
    return table


def _option(arg: str) -> tuple[str, str]:
    name, sign, value = arg.removeprefix("--").partition("=")
    if not arg.startswith("--") or not sign:
        raise InputError(f"`{arg}` is not a parameter; write --name=value.")
    return name, value


# -- SQL of somebody's own --------------------------------------------------------------------------------------------


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="A select statement; - reads it from standard input.")],
    csv: Csv = False,
    data: Data = None,
) -> None:
    """Ask the snapshot in SQL of your own: read-only, no files, no network, bounded memory and time (docs/tables.md)."""
    from pipeline.warehouse import queries

    text = sys.stdin.read() if statement == "-" else statement
    with _reader(_settings(data)) as store:
        show(queries.run(store, text), csv, "")


@app.command()
def shell(csv: Csv = False, data: Data = None) -> None:
    """Ask the snapshot in SQL, one question after the other; also from a pipe. As safe as `sql`; `.help` says more."""
    settings = _settings(data)
    with _reader(settings) as store:  # is there a snapshot at all?
        names = store.read("select distinct table_name as name from duckdb_columns() where not internal union "
                           "select distinct column_name from duckdb_columns() where not internal")["name"].to_list()  # fmt: skip
    is_typed = sys.stdin.isatty()
    if is_typed:
        _line_editing(sorted(names))
        out.print(f"{settings.data}: read-only. End a question with ;  .help says more.", highlight=False, markup=False)
    n_failed = 0
    for asked in _questions():
        if asked in {".quit", ".exit"}:
            break
        try:
            _answer(settings, asked, csv)
        except BalkanwatchError as error:
            n_failed += 1
            err.print(f"[red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            err.print("Stopped.")
    if n_failed and not is_typed:
        raise typer.Exit(1)


def _questions() -> Iterator[str]:
    """Dot commands, and statements as soon as they are complete; the last one needs no semicolon."""
    text = ""
    while True:
        try:
            line = _line(MORE if text else PROMPT)
        except KeyboardInterrupt:  # forget what was typed so far
            out.print()
            text = ""
            continue
        except EOFError:
            break
        if not text and line.lstrip().startswith("."):
            yield line.strip()
            continue
        *complete, text = _split(f"{text}{line}\n")
        yield from complete
        text = text if text.strip() else ""
    if text:
        yield text


def _split(text: str) -> list[str]:
    """The complete statements at the beginning of a text, and what is left of it."""
    parts, begin = [], 0
    for end, sign in enumerate(text, 1):
        if sign == ";" and sqlite3.complete_statement(text[begin:end]):  # knows quotes and comments
            parts.append(text[begin:end])
            begin = end
    return [*parts, text[begin:]]


def _line(prompt: str) -> str:
    if sys.stdin.isatty():
        return input(prompt)
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line.rstrip("\n")


def _answer(settings: "Settings", asked: str, csv: bool) -> None:
    """Answer a statement or dot command on the snapshot as it is now; a reader for each, so each has the time limit."""
    from pipeline.warehouse import queries

    if asked == ".help":
        out.print(HELP, highlight=False, markup=False)
    elif asked == ".queries":
        out.print(_listed())
    elif not asked.strip(" ;\n\t"):
        return
    else:
        with _reader(settings) as store:
            frame = _dot(store, asked) if asked.startswith(".") else queries.run(store, asked)
        show(frame if csv else frame.head(N_SHOWN), csv)
        if frame.height > N_SHOWN and not csv:
            out.print(f"{N_SHOWN} of {frame.height:,} rows; `balkanwatch shell --csv` prints all.", highlight=False)


def _dot(store: "Store", asked: str) -> pl.DataFrame:
    from pipeline.warehouse import queries

    word, *more = asked.rstrip(";").split()
    if word == ".tables" and not more:
        return store.read(TABLES)
    if word == ".schema" and len(more) == 1:
        columns = store.read(COLUMNS, name=more[0])
        if not columns.height:
            raise InputError(f"There is no table or view `{more[0]}`; .tables shows them all.")
        return columns
    if word == ".query" and more:
        return queries.ask(store, more[0], **dict(map(_option, more[1:])))
    raise InputError(f"`{asked}` is not understood; .help shows what is.")


def _line_editing(names: list[str]) -> None:
    """Arrow keys, a history that lasts, and names completed with Tab, where Python has readline."""
    try:
        import readline
    except ImportError:
        return
    history = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "balkanwatch" / "history"
    with contextlib.suppress(OSError):
        history.parent.mkdir(parents=True, exist_ok=True)
        readline.read_history_file(history)
    readline.set_history_length(1000)

    def keep() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(history)

    atexit.register(keep)
    readline.set_completer_delims(" \t\n,;()=<>*+-/.'\"")
    readline.set_completer(lambda text, n: ([name for name in names if name.startswith(text)] + [""])[n] or None)
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
