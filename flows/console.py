"""What every command shares: where it prints, how a table looks, how a file is read."""

import sys
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.errors import InputError

out, err = Console(), Console(stderr=True)


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
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    out.print(table if frame.height else f"{title}\nNo rows.")


def contents(file: Path) -> bytes:
    """The bytes of a file; one sentence when it can not be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} can not be read: {error.strerror}.") from None
