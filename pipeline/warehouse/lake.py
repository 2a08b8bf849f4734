"""A warehouse for several machines: a DuckLake, its catalog in PostgreSQL, its rows as Parquet on a path or in an S3 store.

    ducklake:postgresql://USER@HOST:PORT/DATABASE?data=s3://BUCKET/PREFIX     (or ?data=/a/path/that/all/machines/share)

No secret stands in it: PostgreSQL's is PGPASSWORD or ~/.pgpass, S3's are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_REGION,
AWS_SESSION_TOKEN; AWS_ENDPOINT_URL for a store that is not Amazon's). One session at a time may write to the relations: it holds
an advisory lock of the database, which PostgreSQL drops when the session's process or machine is gone.
"""

import contextlib
import importlib.util
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import duckdb

from pipeline.errors import BusyError, MissingError, SettingsError, WarehouseError

if TYPE_CHECKING:
    import psycopg

SCHEME = "ducklake:"
LOCK = 0x62616C6B616E  # of the one writer: "balkan"; an advisory lock is of one database
NAME = "lake"
INLINED = 20  # rows: fewer in one insert or delete stay in the catalog until `tend`, else each would be a small file
KEPT_DAYS = 7  # of old snapshots: what a reader may still have open
SPELLING = "ducklake:postgresql://USER@HOST:PORT/DATABASE?data=PATH or s3://BUCKET/PREFIX"

# What a question may not name on a lake: the doors of the extensions to other databases, and what is made of text at run time.
DOORS = re.compile(r"postgres_|ducklake_|set_option|\bquery(_table)?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Lake:
    """Where a lake is. `catalog`: a PostgreSQL address without password; `data`: a folder or s3:// address, ending in /."""

    catalog: str
    data: str

    @classmethod
    def named(cls, warehouse: str) -> "Lake | None":
        """The lake that a setting `warehouse` names; None for none. SettingsError says what is wrong with it."""
        if not warehouse:
            return None
        parts = urlsplit(warehouse.removeprefix(SCHEME))
        words = dict(parse_qsl(parts.query))
        data = words.pop("data", "")
        if not warehouse.startswith(SCHEME) or parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
            raise SettingsError(f"Setting `warehouse` is not of the form {SPELLING}.")
        if parts.password is not None or "password" in words:
            raise SettingsError(
                "No password belongs into the setting `warehouse`: PostgreSQL takes it from PGPASSWORD or ~/.pgpass."
            )
        if not (data.startswith("s3://") or Path(data).is_absolute()):
            raise SettingsError("Setting `warehouse` needs ?data= with an absolute path or an address s3://BUCKET/PREFIX.")
        catalog = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(words), ""))
        return cls(catalog, data.rstrip("/") + "/")

    def __str__(self) -> str:
        return f"{self.catalog} ({self.data})"

    def connected(self, *, read_only: bool = False, create: bool = False, **config: Any) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the lake, which is its default database; WarehouseError when it can not be reached."""
        plain = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        connection = duckdb.connect(config=plain | config)
        try:
            for name in ("postgres_scanner", "ducklake", *(["httpfs"] if self.data.startswith("s3://") else [])):
                connection.load_extension(str(_extension(name)))
            if self.data.startswith("s3://"):
                connection.execute(_secret(self.data))
            words = {"data_path": _quoted(self.data), "data_inlining_row_limit": str(INLINED)}
            flags = [f"{key} {value}" for key, value in words.items()]
            flags += ["read_only"] if read_only else [f"create_if_not_exists {str(create).lower()}"]
            catalog = _quoted(f"{SCHEME}postgres:{self.catalog}")
            connection.execute(f"attach {catalog} as {NAME} ({', '.join(flags)}); use {NAME}; set TimeZone = 'UTC'")
            connection.execute("set ducklake_max_retry_count = 40; set ducklake_retry_backoff = 1.1")  # of appenders at once
        except duckdb.Error as error:
            connection.close()
            raise self._unreachable(error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def missing(self) -> MissingError:
        """That there is none."""
        return MissingError(f"There is no warehouse at {self} yet: `balkanwatch load` or an import makes it.")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Errors of the catalog's server and of the S3 store as a WarehouseError."""
        try:
            yield
        except duckdb.Error as error:
            if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
                raise
            if isinstance(error, duckdb.OperationalError | duckdb.IOException) or type(error) is duckdb.Error:
                raise self._unreachable(error) from None
            raise

    def _unreachable(self, error: Exception) -> WarehouseError:
        said = " ".join(str(error).split())
        if "creating a new DuckLake is explicitly disabled" in said:
            return self.missing()
        return WarehouseError(f"The warehouse at {self} can not be reached: {said[:300]}")

    @contextlib.contextmanager
    def elected(self) -> Iterator[Callable[[], None]]:
        """Be the one writer; WarehouseError names the one that is. The function given raises when the office was lost."""
        _extension("ducklake")
        import psycopg

        who = f"balkanwatch on {socket.gethostname()[:30]}, process {os.getpid()}"
        try:
            session = psycopg.connect(self.catalog, application_name=who, autocommit=True, connect_timeout=20)
        except psycopg.Error as error:
            raise self._unreachable(error) from None
        with session:
            for name, value in (("idle", 30), ("interval", 10), ("count", 3)):  # a machine that vanished holds nothing for long
                session.execute(f"set tcp_keepalives_{name} = {value}")
            row = session.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()
            if not (row and row[0]):
                raise BusyError(f"Another loader is writing to {self} ({_holder(session)}).")

            def is_elected() -> None:
                try:
                    session.execute("select 1")
                except psycopg.Error as error:
                    raise self._unreachable(error) from None

            yield is_elected

    def tend(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make few large files of many small ones, and forget what no reader needs any more. Nobody has to wait for it."""
        old = f"now() - interval {KEPT_DAYS} days"
        connection.execute(f"call ducklake_flush_inlined_data('{NAME}')")
        connection.execute(f"call ducklake_expire_snapshots('{NAME}', older_than => {old})")
        connection.execute(f"call ducklake_merge_adjacent_files('{NAME}')")
        connection.execute(f"call ducklake_cleanup_old_files('{NAME}', older_than => {old})")

    def purge(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Leave nothing of what was deleted on the disks: no old snapshot, and no file that still holds such rows."""
        connection.execute(f"call ducklake_rewrite_data_files('{NAME}', delete_threshold => 0)")
        connection.execute(f"call ducklake_expire_snapshots('{NAME}', older_than => now())")
        connection.execute(f"call ducklake_cleanup_old_files('{NAME}', cleanup_all => true)")


def _holder(session: "psycopg.Connection[Any]") -> str:
    sql = """
        select a.application_name
        from pg_locks l
        join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and (l.classid::bigint << 32) + l.objid::bigint = %s
            and l.database = (select oid from pg_database where datname = current_database())
    """
    row = session.execute(sql, [LOCK]).fetchone()
    return row[0] if row else "unknown"


def _extension(name: str) -> Path:
    """The file of a DuckDB extension, which comes as a Python package."""
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None
    files = sorted(folder.glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")) if folder else []
    if not files or importlib.util.find_spec("psycopg") is None:
        raise WarehouseError("The programs for a warehouse of several machines are missing: pip install 'balkanwatch[scale]'.")
    return files[0]


def _secret(data: str) -> str:
    """What DuckDB has to know of an S3 store, from the environment, for this address alone."""
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    words = {
        "key_id": os.environ.get("AWS_ACCESS_KEY_ID"), "secret": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": os.environ.get("AWS_SESSION_TOKEN"), "region": os.environ.get("AWS_REGION", "us-east-1"), "scope": data,
        "endpoint": endpoint.netloc + endpoint.path.rstrip("/"),
    }  # fmt: skip
    parts = [f"{key} {_quoted(value)}" for key, value in words.items() if value]
    parts += ["url_style 'path'", f"use_ssl {str(endpoint.scheme != 'http').lower()}"] if endpoint.netloc else []
    return f"create secret (type s3, {', '.join(parts)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
