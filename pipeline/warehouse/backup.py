"""Copies of the warehouse to keep, and the way back. Beside each copy lies `NAME.json`: what it is and its checksum."""

import hashlib
import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import InputError, WarehouseError
from pipeline.warehouse.snapshot import copy_command
from pipeline.warehouse.store import SCHEMA_VERSION, Store, _locked, snapshot_path, writer_path


def backup(data: Path, target: Path, now: datetime) -> dict[str, Any]:
    """Copy the warehouse to a file (or into a folder, under a name with the time); returns what stands in `NAME.json`.

    While a run is at work the snapshot is copied, else the writer's file under its lock: either is one consistent state.
    """
    path = target / f"balkanwatch-{now:%Y%m%dT%H%M%SZ}.duckdb" if target.is_dir() else target
    if path.exists():
        raise InputError(f"{path} exists already; a backup overwrites nothing.")
    if not writer_path(data).exists() and not snapshot_path(data).exists():
        raise WarehouseError(f"There is no warehouse in {data} yet: run `balkanwatch run` first.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        source = _copied(data, partial)
        facts = _facts(partial) | {"taken_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "source": source, "n_bytes": partial.stat().st_size}
        facts["sha256"] = checksum(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _notes(path).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts | {"path": str(path)}


def _copied(data: Path, partial: Path) -> str:
    """Make the copy; says of what: writer or snapshot."""
    if writer_path(data).exists():
        try:
            with Store.writer(data) as store:
                store.connection.execute("checkpoint")
                _copy(writer_path(data), partial)
            return "writer"
        except WarehouseError as error:
            if "Another run is writing" not in str(error) or not snapshot_path(data).exists():
                raise
    _copy(snapshot_path(data), partial)
    return "snapshot"


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"The folder {target.parent} can not be written to: {error.strerror}.") from None
    done = subprocess.run([*copy_command(), str(source), str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise WarehouseError(f"{target.parent} could not be written to: {done.stderr.strip()[-200:] or 'stopped'}.")


def _facts(path: Path) -> dict[str, Any]:
    """What a warehouse file says about itself; WarehouseError when it is none."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            meta = dict(connection.execute("select key, value from meta").fetchall())
            (n_articles,) = connection.execute("select count(*) from article").fetchone() or (0,)
    except duckdb.Error as error:
        raise WarehouseError(f"{path} is not a warehouse of balkanwatch: {str(error).splitlines()[0]}") from None
    return {
        "schema_version": int(meta.get("schema_version", 0)),
        "seeds_version": meta.get("tagged_by", "").partition("-")[0] or None,
        "tagged_by": meta.get("tagged_by"), "n_articles": n_articles,
    }  # fmt: skip


def restore(data: Path, path: Path, now: datetime) -> tuple[dict[str, Any], Path | None]:
    """Put a backup in the writer's place and publish it; returns its facts, and where the warehouse of before was put aside."""
    if not path.is_file():
        raise InputError(f"There is no backup {path}.")
    if _notes(path).is_file():
        noted = json.loads(_notes(path).read_text(encoding="utf-8")).get("sha256")
        if noted != checksum(path):
            raise WarehouseError(f"{path} is damaged: its checksum is not the one in {_notes(path).name}.")
    facts = _facts(path)
    if facts["schema_version"] > SCHEMA_VERSION:
        raise WarehouseError(
            f"{path} was written by a newer balkanwatch (schema {facts['schema_version']}, this one knows {SCHEMA_VERSION})."
        )
    writer, aside = writer_path(data), None
    with _locked(writer.with_suffix(".lock"), data):
        partial = writer.with_name(f".{writer.name}.{os.getpid()}.tmp")
        try:
            _copy(path, partial)
            if writer.exists():
                aside = writer.with_name(f"warehouse-before-{now:%Y%m%dT%H%M%SZ}.duckdb")
                writer.replace(aside)
                wal = writer.with_name(f"{writer.name}.wal")
                if wal.exists():
                    shutil.move(wal, f"{aside}.wal")
            partial.replace(writer)
        finally:
            partial.unlink(missing_ok=True)
    with Store.writer(data) as store:
        store.publish()
    return facts, aside


def rewrite(data: Path) -> None:
    """Write the writer's file anew, without the free blocks in which deleted text lingers; not what is published yet."""
    path = writer_path(data)
    partial = path.with_name(f".{path.stem}-{os.getpid()}.tmp")
    partial.unlink(missing_ok=True)
    quoted = str(partial).replace("'", "''")
    with Store.writer(data) as store:
        try:
            for statement in (
                "checkpoint", "set preserve_insertion_order = true", f"attach '{quoted}' as fresh",
                f"copy from database {path.stem} to fresh", "detach fresh",
            ):  # fmt: skip
                store.connection.execute(statement)
            partial.replace(path)  # the connection goes on with the old file, in which nothing is written any more
        except duckdb.Error as error:
            raise WarehouseError(f"{path.parent} could not be written to: {str(error).splitlines()[0]}") from None
        finally:
            partial.unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _notes(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
