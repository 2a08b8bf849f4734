"""The warehouse's files: one private writer, one published snapshot, and doors for readers.

    data/.writer/warehouse.duckdb   the writer's own file; nobody else opens it
    data/balkanwatch.duckdb         the snapshot, replaced atomically after a run; hold it open as long as you like

A lock file keeps a second writer out: DuckDB's own lock is dropped when any handle of the process on that file is closed, so the
file is never opened a second time and is copied by a child process.

Where a `warehouse` is named it is that lake instead (`lake`): many machines read it, and one at a time writes to its relations.
"""

import contextlib
import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.errors import BusyError, InputError, MissingError, WarehouseError
from pipeline.schemas import RELATIONS, conform
from pipeline.text import digest
from pipeline.warehouse import index, marts, snapshot
from pipeline.warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[2]
SQL = ROOT / "sql"
SCHEMA_VERSION = max(int(path.name[:3]) for path in (SQL / "schema").glob("*.sql"))

# a reader fetches no extension, and what does not fit into its memory may not fill the disk
_READER: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "max_temp_directory_size": "10GB",
}
# what the writer needs does not grow with the archive; DuckDB would take four fifths of the machine
_WRITER: dict[str, Any] = {"preserve_insertion_order": False, "memory_limit": "1GB"}
_LOCKING = threading.Lock()


def writer_path(data: Path) -> Path:
    """The writer's private file below a data folder."""
    return data / ".writer" / "warehouse.duckdb"


def snapshot_path(data: Path) -> Path:
    """The published snapshot below a data folder."""
    return data / "balkanwatch.duckdb"


class Store:
    """A DuckDB connection that speaks in frames. `Store.writer` for the one writer, `Store.reader` for everyone else."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, data: Path, lake: Lake | None = None) -> None:
        self.connection, self.data, self.lake = connection, data, lake
        self.is_elected: Callable[[], None] = lambda: None

    @classmethod
    @contextlib.contextmanager
    def writer(cls, data: Path, warehouse: str = "") -> Iterator["Store"]:
        """Open the writer, migrated to this release; WarehouseError when another writer is at work or the file is newer.

        `warehouse`: the lake to write to (`Lake.named`); empty: the file below `data`.
        """
        if lake := Lake.named(warehouse):
            with (
                lake.elected() as is_elected,
                lake.told(),
                contextlib.closing(lake.connected(create=True, **_WRITER)) as connection,
            ):
                store = cls(connection, data, lake)
                store.is_elected = is_elected
                _migrate(store)
                yield store
            return
        path = writer_path(data)
        with _locked(path.with_suffix(".lock"), data):
            connection = _connected(path, data, config=_WRITER)
            try:
                store = cls(connection, data)
                connection.execute("set TimeZone = 'UTC'")
                _migrate(store)
                yield store
            finally:
                connection.close()

    @classmethod
    @contextlib.contextmanager
    def appender(cls, data: Path, warehouse: str) -> Iterator["Store"]:
        """A lake to whose inbox a monitor appends, whoever else does; one that is not there yet or older is made first."""
        lake = Lake.named(warehouse)
        assert lake
        for _ in range(60):
            with contextlib.suppress(MissingError), lake.told(), contextlib.closing(lake.connected()) as connection:
                if _known(store := cls(connection, data, lake)) == SCHEMA_VERSION:
                    yield store
                    return
            try:
                with cls.writer(data, warehouse):
                    pass
            except BusyError:  # somebody else is making it
                time.sleep(0.5)
        raise WarehouseError(f"The warehouse at {lake} is of an older release, and another loader is at work there.")

    @classmethod
    @contextlib.contextmanager
    def reader(cls, data: Path, memory: str = "2GB", max_seconds: float = 60.0, warehouse: str = "") -> Iterator["Store"]:
        """The snapshot, read-only and locked down: no files, no network, no settings, bounded memory and time.

        `warehouse`: the lake to read as it is now; its data and its catalog stay within reach.
        """
        config = _READER | {"memory_limit": memory}
        if lake := Lake.named(warehouse):
            connection = lake.connected(read_only=True, **config)
        elif not snapshot_path(data).exists():
            raise WarehouseError(f"There is no warehouse in {data} yet: run `balkanwatch run` first.")
        else:
            connection = _connected(snapshot_path(data), data, read_only=True, config=config)
        timer = threading.Timer(max_seconds, connection.interrupt)
        timer.daemon = True
        try:
            with lake.told() if lake else contextlib.nullcontext():
                if lake:
                    connection.execute("set allowed_directories = [?]", [lake.data])
                    if not _known(cls(connection, data, lake)):
                        raise lake.missing()
                _lock_down(connection)
                timer.start()
                yield cls(connection, data, lake)
        except duckdb.InterruptException:
            raise InputError(f"The query took longer than {max_seconds:.0f} seconds and was stopped.") from None
        except duckdb.OutOfMemoryException:
            raise InputError(f"The query needed more memory than {memory} and was stopped.") from None
        finally:
            timer.cancel()
            connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("begin")
        try:
            yield
            self.is_elected()
            self.connection.execute("commit")
        except BaseException as error:
            with contextlib.suppress(duckdb.Error):
                self.connection.execute("rollback")
            if isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.TransactionException):
                raise self._unwritable(error) from None
            raise

    @contextlib.contextmanager
    def in_small_batches(self) -> Iterator[None]:
        """For many small transactions beside others who work: on one thread, in little memory however much there is to land, and
        seldom brought from the log into the file."""
        for setting in ("threads = 1", "memory_limit = '192MB'", "checkpoint_threshold = '32MB'"):
            self.connection.execute(f"set {setting}")
        try:
            yield
        finally:
            for setting in ("threads", "checkpoint_threshold"):
                self.connection.execute(f"reset {setting}")
            self.connection.execute(f"set memory_limit = '{_WRITER['memory_limit']}'")

    def _unwritable(self, error: duckdb.Error) -> WarehouseError:
        said = re.sub(r"^(\w+ Error: |Failed to commit: )*", "", str(error).splitlines()[0]).rstrip(".")
        return WarehouseError(f"The warehouse {self.where} could not be written to, and this step was not kept: {said}.")

    @property
    def where(self) -> str:
        """Where it is, in a sentence."""
        return f"at {self.lake}" if self.lake else f"in {self.data}"

    def read(self, sql: str, /, **frames_or_values: Any) -> pl.DataFrame:
        """The answer to a query. Frames given by name can be queried by that name, other values are `$parameters`."""
        frames = {k: v for k, v in frames_or_values.items() if isinstance(v, pl.DataFrame)}
        values = {k: v for k, v in frames_or_values.items() if k not in frames}
        for name, frame in frames.items():
            self.connection.register(name, frame.to_arrow())
        try:
            return self.connection.execute(sql, values or None).pl()
        finally:
            for name in frames:
                self.connection.unregister(name)

    def append(self, relation: str, frame: pl.DataFrame) -> None:
        """Add rows to a relation; the frame is brought into the relation's schema."""
        if frame.height:
            self.run(f"insert into {relation} by name select * from batch_", conform(frame, RELATIONS[relation]))

    def delete(self, relation: str, keys: pl.DataFrame) -> None:
        """Remove the rows whose values in the columns of `keys` stand in it."""
        if keys.height:
            match = " and ".join(f"{relation}.{c} = batch_.{c}" for c in keys.columns)
            self.run(f"delete from {relation} using batch_ where {match}", keys.unique())

    def replace(self, relation: str, frame: pl.DataFrame, *key: str) -> None:
        """Write rows, each in place of the one with the same key."""
        self.delete(relation, frame.select(*key))
        self.append(relation, frame)

    def run(self, sql: str, batch: pl.DataFrame | None = None) -> None:
        """Execute a statement; `batch` can be queried in it as `batch_`."""
        if batch is not None:
            self.connection.register("batch_", batch.to_arrow())
        try:
            self.connection.execute(sql)
        finally:
            if batch is not None:
                self.connection.unregister("batch_")

    def meta(self, key: str) -> str | None:
        """A fact from relation meta."""
        row = self.connection.execute("select value from meta where key = ?", [key]).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a fact to relation meta."""
        self.replace("meta", pl.DataFrame({"key": [key], "value": [value]}), "key")

    def publish(self, *, tidy: bool = True) -> Path | None:
        """Bring the marts and the search index up to date, copy the writer's file beside the snapshot and put it in its place.

        Who holds the old snapshot keeps reading it. A lake has snapshots of its own: with `tidy` its files are put in order.
        """
        index.bring_up(self)
        index.compact(self)
        marts.bring_up(self)
        if self.lake:
            if tidy:
                self.lake.tend(self.connection)
            return None
        source, target = writer_path(self.data), snapshot_path(self.data)
        try:
            self.connection.execute("checkpoint")
        except (duckdb.IOException, duckdb.FatalException) as error:
            raise self._unwritable(error) from None
        snapshot.put(source, target)
        return target


def _connected(path: Path, data: Path, **how: Any) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path), **how)
    except duckdb.Error as error:
        raise WarehouseError(f"The warehouse in {data} can not be opened: {str(error).splitlines()[0]}") from None


def _lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    """No files, no network, no settings. Readers of one process share DuckDB's instance: the first one locks it for all."""
    with _LOCKING:
        row = connection.execute("select current_setting('lock_configuration')").fetchone()
        if row and row[0]:
            return
        connection.execute("set enable_progress_bar = false")  # it would write into an answer on standard output
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")


@contextlib.contextmanager
def _locked(path: Path, data: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise WarehouseError(f"The folder {data} can not be written to: {error.strerror}.") from None
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise WarehouseError(f"Another run is writing to {data} (process {lock.read() or 'unknown'}).") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _migrate(store: Store) -> None:
    """Bring the file to this release: schema files in order, each once; then the views as they are now."""
    have = _known(store)
    files = [path for path in sorted((SQL / "schema").glob("*.sql")) if int(path.name[:3]) > have]
    views = [path.read_text() for path in view_files()]
    stamp = digest(*views)
    if not files and store.meta("views") == stamp:
        return
    with store.transaction():
        for path in files:
            store.connection.execute(path.read_text())
        if files:
            store.set_meta("schema_version", str(SCHEMA_VERSION))
        for view in views:
            for statement in store.connection.extract_statements(view):
                if not (store.lake and statement.query.lstrip().startswith("comment on column")):  # a lake has none on views
                    store.connection.execute(statement)
        store.set_meta("views", stamp)


def _known(store: Store) -> int:
    """The version of the schema that a warehouse has, 0 for none; a newer one than ours raises WarehouseError."""
    tables = "select table_name from duckdb_tables() where database_name = current_database() and table_name = 'meta'"
    have = int(store.meta("schema_version") or 0) if store.read(tables).height else 0
    if have > SCHEMA_VERSION:
        raise WarehouseError(
            f"The warehouse {store.where} was written by a newer balkanwatch (schema {have}, this one knows {SCHEMA_VERSION})."
        )
    return have


def view_files() -> list[Path]:
    """The files of sql/views, each after those it reads from."""
    files = {path.stem: path for path in sorted((SQL / "views").glob("*.sql"))}
    ordered: dict[str, Path] = {}

    def visit(name: str) -> None:
        if name not in ordered:
            text = files[name].read_text()
            for other in files:
                if other != name and re.search(rf"\b(from|join)\s+{other}\b", text):
                    visit(other)
            ordered[name] = files[name]

    for name in files:
        visit(name)
    return list(ordered.values())
