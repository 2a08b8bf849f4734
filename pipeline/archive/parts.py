"""Parts: what a worker makes of a chunk, on disk until the loader has landed it.

A part is a folder of Parquet files, written under a temporary name and renamed when complete: whoever finds it finds it whole.
"""

import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from pipeline.archive.outlets import Outlets
from pipeline.archive.readers import CHUNK_BYTES, Chunk, Plan
from pipeline.archive.rows import Rejected, rows
from pipeline.schemas import DOCUMENT, conform
from pipeline.tag import Tagged

PART_VERSION = f"1-{CHUNK_BYTES}"  # parts cut or made in another way are others
_TAGS = ("mentions", "focus", "tags")


@dataclass(frozen=True)
class Part:
    """A prepared chunk. In `tagged` article_id is the row's key as text; `skipped` counts records that are no articles."""

    part: int
    is_last: bool
    rows: pl.DataFrame
    tagged: Tagged
    rejected: list[Rejected]
    skipped: dict[str, int]


def prepared(
    chunk: Chunk, how: Plan, outlets: Outlets, tag: Callable[[pl.DataFrame], Tagged], now: datetime, folder: Path
) -> Path:
    """Normalise and tag a chunk and write it below `folder`; returns the path of the part."""
    target = folder / f"{chunk.part:06}"
    if target.exists():
        return target
    found, rejected = rows(chunk.raws, how, outlets, now)
    tagged = tag(_documents(found, now))
    temporary = folder / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    temporary.mkdir(parents=True)
    try:
        found.write_parquet(temporary / "rows.parquet", compression="lz4")
        for name in _TAGS:
            frame: pl.DataFrame = getattr(tagged, name)
            frame.write_parquet(temporary / f"{name}.parquet", compression="lz4")
        told = {"part": chunk.part, "is_last": chunk.is_last, "rejected": rejected, "skipped": chunk.skipped}
        (temporary / "part.json").write_text(json.dumps(told))
        try:
            temporary.rename(target)
        except OSError:  # another worker was faster: its part is as good
            if not target.exists():
                raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _documents(found: pl.DataFrame, now: datetime) -> pl.DataFrame:
    at = pl.coalesce("published_at", "crawled_at", pl.lit(now))
    return conform(
        found.with_columns(pl.col("key").cast(pl.String).alias("article_id"), version=pl.lit(1), published_at=at), DOCUMENT
    )


def read_part(path: Path) -> Part:
    """A part from disk."""
    told = json.loads((path / "part.json").read_text())
    tagged = Tagged(*(pl.read_parquet(path / f"{name}.parquet") for name in _TAGS))
    rejected = [Rejected(line, reason) for line, reason in told["rejected"]]
    return Part(told["part"], told["is_last"], pl.read_parquet(path / "rows.parquet"), tagged, rejected, told["skipped"])
