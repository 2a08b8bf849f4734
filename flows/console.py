"""What every command shares: where it prints, how a table looks, how a file is read."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.models import CommandInfo

from pipeline.errors import InputError

out, err = Console(), Console(stderr=True)
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the warehouse, exports and reports.", show_default="data")]

Warehouse = Annotated[
    str | None, typer.Option("--warehouse", help="Of several machines: ducklake:postgresql://...?data=...", show_default="none")
]


def give_data(app: typer.Typer) -> None:
    """Let every command take `--data`, also those that need no warehouse: their settings and caches are of that folder."""
    for command in _commands(app, of_groups=True):
        if command.callback is not None and "data" not in inspect.signature(command.callback).parameters:
            command.callback = _with("data", Data, command.callback)


def sort_into(app: typer.Typer, panels: dict[str, str]) -> None:
    """Show every command (name: panel) under a heading of `--help`."""
    for group in app.registered_groups:
        if isinstance(group.name, str):
            group.rich_help_panel = panels.get(group.name, "Commands")
        elif group.typer_instance is not None:
            sort_into(group.typer_instance, panels)
    for command in app.registered_commands:
        command.rich_help_panel = panels.get(_name(command), "Commands")


def give_warehouse(app: typer.Typer, names: Collection[str]) -> None:
    """Let these commands take `--warehouse`."""
    for command in _commands(app, of_groups=False):
        if command.callback is not None and _name(command) in names:
            command.callback = _with("warehouse", Warehouse, command.callback)


def _commands(app: typer.Typer, *, of_groups: bool) -> Iterator[CommandInfo]:
    """All commands, those of modules that are joined in without a name too; with `of_groups` also `feeds list` and its like."""
    for group in app.registered_groups:
        if group.typer_instance is not None and (of_groups or not group.name):
            yield from _commands(group.typer_instance, of_groups=of_groups)
    yield from app.registered_commands


def _name(command: CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")


def _with(name: str, kind: Any, callback: Callable[..., Any]) -> Callable[..., Any]:
    """A command with one more option: a setting, which it finds in the environment."""

    @functools.wraps(callback)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if (value := kwargs.pop(name, None)) is not None:
            os.environ[f"BALKANWATCH_{name.upper()}"] = str(value)
        return callback(*args, **kwargs)

    signature = inspect.signature(callback)
    more = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), more])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {**callback.__annotations__, name: kind}
    return wrapped


def show(frame: pl.DataFrame, csv: bool, title: str = "") -> None:
    """Print a frame as a table, or as CSV that no spreadsheet runs."""
    if csv:
        from pipeline.export import harmless

        sys.stdout.write(harmless(frame).write_csv())
        return
    table = Table(title=title, title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(escape(_brief(cell)) for cell in row))
    out.print(table if frame.height else f"{title}\nNo rows.")


def _brief(cell: object) -> str:
    """A value as a table shows it: six digits of a fraction; all of them are in the CSV."""
    if isinstance(cell, float) and abs(cell) < 1e6:
        return f"{cell:.6g}"
    return "" if cell is None else str(cell)


def contents(file: Path) -> bytes:
    """The bytes of a file; one sentence when it can not be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} can not be read: {error.strerror}.") from None
