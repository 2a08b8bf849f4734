"""From many monitors to one lake: batches wait in files beside a monitor, then in the lake's inbox, until the loader lands them.

    monitor: put (a folder of Parquet files) -> send (one transaction) -> loader: taken -> land, done (one transaction)

A batch is put before the monitor commits it to its own file and its folder goes after it was sent: it may be sent twice, and is
lost never. It is landed once, since it leaves the inbox and enters load_log in the transaction that lands it.
"""

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.schemas import ENTRY, PAGE, RELATIONS, conform
from pipeline.warehouse.store import Store

PARTS = ("batch", "entry", "page", "note")  # of a batch: relations inbox_...
ENTRIES = pl.Schema({"outlet": pl.String(), **ENTRY})
PAGES = pl.Schema({**PAGE, "alias_url": pl.String(), "syndicated_from": pl.String()})
PAGE_STATE = pl.Schema(
    {
        name: RELATIONS["entry"][name]
        for name in ("feed_id", "guid", "article_id", "page_state", "n_tries", "next_try_at", "error")
    }
)


@dataclass(frozen=True)
class Batch:
    """What a monitor has read. `kind`: feeds, missed, pages or run; `entries`: ENTRIES; `pages`: PAGES; `notes`: rows of ledgers
    and states by relation (page_state: PAGE_STATE)."""

    batch_id: str
    kind: str
    monitor: str
    run_id: str
    read_at: datetime
    entries: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENTRIES))
    pages: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAGES))
    notes: dict[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Entries and pages in it."""
        return self.entries.height + self.pages.height


# -- beside the monitor -----------------------------------------------------------------------------------------------


def outbox(data: Path) -> Path:
    """Where the batches of a monitor wait to be sent, below its data folder."""
    return data / ".writer" / "outbox"


def put(folder: Path, batch: Batch) -> Path:
    """Write a batch below `folder`, whole or not at all; returns its path."""
    temporary = folder / f".{batch.batch_id}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    head = {name: getattr(batch, name) for name in RELATIONS["inbox_batch"]}
    notes = [(name, _told(row)) for name, frame in batch.notes.items() for row in frame.iter_rows(named=True)]
    frames = {
        "batch": pl.DataFrame([head]), "entry": batch.entries, "page": batch.pages,
        "note": pl.DataFrame(notes, schema=["relation", "record"], orient="row"),
    }  # fmt: skip
    for name, frame in frames.items():
        if frame.height:
            placed = frame.with_columns(batch_id=pl.lit(batch.batch_id), place=pl.int_range(frame.height))
            conform(placed, RELATIONS[f"inbox_{name}"]).write_parquet(temporary / f"{name}.parquet", compression="lz4")
    return temporary.rename(folder / batch.batch_id)


def waiting(folder: Path) -> list[Path]:
    """The batches below a folder, in the order in which they were put."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())


def send(lake: Store, path: Path) -> None:
    """Append a batch to the inbox, in a transaction, and remove its folder."""
    with lake.transaction():
        for name in PARTS:
            if (file := path / f"{name}.parquet").exists():
                lake.append(f"inbox_{name}", pl.read_parquet(file))
    shutil.rmtree(path)


# -- the loader -------------------------------------------------------------------------------------------------------


def names(lake: Store) -> list[str]:
    """The batches that wait, in the order in which they are to be landed."""
    return lake.read("select distinct batch_id from inbox_batch order by batch_id")["batch_id"].to_list()


def taken(lake: Store, batch_id: str) -> Batch | None:
    """A batch of the inbox, in the transaction that is to land it; one that was landed before is cleared away and None."""
    if lake.read("select 1 from load_log where batch_id = $id", id=batch_id).height:
        _clear(lake, batch_id)
        return None
    return _read(lake, batch_id)


def done(lake: Store, batch: Batch, now: datetime, n_new: int, n_updated: int) -> None:
    """Take a batch out of the inbox and note it as landed; in the transaction that lands it."""
    _clear(lake, batch.batch_id)
    row = {name: getattr(batch, name) for name in (*RELATIONS["inbox_batch"], "n_rows")}
    lake.append("load_log", pl.DataFrame([row | {"landed_at": now, "n_new": n_new, "n_updated": n_updated}]))


def _read(lake: Store, batch_id: str) -> Batch:
    def rows(relation: str) -> pl.DataFrame:  # a batch that was sent twice stands there twice
        found = lake.read(f"from {relation} where batch_id = $id", id=batch_id)
        return found.unique("place").sort("place") if "place" in found.columns else found.head(1)

    notes: dict[str, list[dict[str, Any]]] = {}
    for relation, record in rows("inbox_note").select("relation", "record").iter_rows():
        notes.setdefault(relation, []).append(json.loads(record))
    head = rows("inbox_batch").row(0, named=True)
    batch = Batch(**head, notes={name: _frame(name, found) for name, found in notes.items()})
    if batch.kind == "pages":
        return dataclasses.replace(batch, pages=rows("inbox_page").select(PAGES.names()))
    if batch.kind in {"feeds", "missed"}:
        return dataclasses.replace(batch, entries=rows("inbox_entry").select(ENTRIES.names()))
    return batch


def _clear(lake: Store, batch_id: str) -> None:
    for name in PARTS:
        lake.delete(f"inbox_{name}", pl.DataFrame({"batch_id": [batch_id]}))


def _told(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=lambda value: value.isoformat())


def _frame(relation: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as they were told, in the schema of their relation; what a row of an older release does not say is null."""
    schema = PAGE_STATE if relation == "page_state" else RELATIONS[relation]
    moments = {name for name, dtype in schema.items() if dtype == pl.Datetime}
    days = {name for name, dtype in schema.items() if dtype == pl.Date}

    def read(name: str, value: Any) -> Any:
        if value is None or name not in moments | days:
            return value
        return datetime.fromisoformat(value) if name in moments else date.fromisoformat(value)

    return pl.DataFrame([{name: read(name, row.get(name)) for name in schema} for row in rows], schema=schema)
