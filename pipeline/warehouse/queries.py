"""The analyst's questions in `sql/queries`: one file each, with question, grain and parameters in its head comment."""

import contextlib
import re
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl
import pyarrow as pa

from pipeline.errors import InputError
from pipeline.warehouse.lake import DOORS
from pipeline.warehouse.store import SQL, Store

MAX_BYTES = 500_000_000  # of an answer: DuckDB bounds its own memory, but not that of the rows it hands over

# parameters whose value is a key of a relation, and what may be written instead
_KEYS = {
    "country": ("country", "code"), "about": ("country", "code"), "by": ("country", "code"),
    "topic": ("topic", "topic_id"), "side": ("side", "side"),
}  # fmt: skip
_WORDS = {"basis": ("focus", "mention"), "state": ("*", "ok", "new", "gap", "silent", "failing", "retired")}
_PARAMETER = re.compile(r"^-- \$(\w+)(?: = (.*?))?: (.+)$", re.MULTILINE)
NO_LIMIT = 1_000_000_000  # rows


class Parameter(NamedTuple):
    """A `$name` of a query, with its default (None: must be given) and meaning."""

    name: str
    default: str | None
    meaning: str


class Query(NamedTuple):
    """One question. `example`: values that give an answer on the sample, for the docs."""

    name: str
    question: str
    grain: str
    parameters: list[Parameter]
    sql: str
    example: dict[str, str]


def names() -> list[str]:
    """All queries."""
    return sorted(path.stem for path in (SQL / "queries").glob("*.sql"))


def load(name: str) -> Query:
    """Read a query's file; an unknown name raises InputError."""
    path: Path = SQL / "queries" / f"{name}.sql"
    if name not in names():
        raise InputError(f"There is no query `{name}`; `balkanwatch query --list` shows them all.")
    sql = path.read_text()
    head = {
        key: match[1] if (match := re.search(rf"^-- {key}: (.+)$", sql, re.MULTILINE)) else "" for key in ("question", "grain")
    }
    example = dict(re.findall(r"--(\w+)=(\S+)", "".join(re.findall(r"^-- example: (.+)$", sql, re.MULTILINE))))
    parameters = [Parameter(*found) for found in _PARAMETER.findall(sql)]
    return Query(name, head["question"], head["grain"], parameters, sql, example)


def ask(store: Store, name: str, /, **values: str) -> pl.DataFrame:
    """The answer to a query; unknown, missing or wrong parameters raise InputError.

    `until=newest` is the newest published day, so that a period ends where the data ends. `since` may be given for `days`.
    """
    query = load(name)
    has = {p.name for p in query.parameters}
    if "since" in values and {"days", "until"} <= has:
        values = _days_since(store, query, values)
    unknown = set(values) - has
    if unknown:
        known = ", ".join(f"--{p.name}" for p in query.parameters) or "none"
        raise InputError(f"Query `{name}` has no parameter `{sorted(unknown)[0]}`; it has {known}.")
    filled = {p.name: values.get(p.name, p.default) for p in query.parameters}
    missing = [key for key, value in filled.items() if value is None]
    if missing:
        raise InputError(f"Query `{name}` needs --{missing[0]}.")
    checked = {p.name: _checked(store, query, p, str(filled[p.name])) for p in query.parameters}
    try:
        return store.read(query.sql, **checked)
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise InputError(f"Query `{name}` can not be answered: {str(error).splitlines()[0]}") from None


def _checked(store: Store, query: Query, parameter: Parameter, value: str) -> str | None:
    """A value as the SQL wants it; a wrong one is told in one sentence."""
    key = parameter.name
    most = NO_LIMIT if key == "limit" else 1_000_000
    if key in _KEYS:
        relation, column = _KEYS[key]
        value = value.upper() if relation == "country" else value
        codes = store.read(f"select {column} as code from {relation}")["code"].to_list()
        if codes and value not in {"*", *codes}:
            raise InputError(f"There is no {relation} `{value}`; relation `{relation}` has them all.")
        if value == "*" and "*" not in parameter.meaning:
            raise InputError(f"Query `{query.name}` can not be answered: --{key} has to be one {relation}, not *.")
    elif key in _WORDS and value not in _WORDS[key]:
        raise InputError(f"Query `{query.name}` can not be answered: --{key} is {' or '.join(_WORDS[key])}, not `{value}`.")
    elif key == "group" and (groups := store.read("select distinct unnest(groups) as g from country order by g")["g"].to_list()):
        if value not in groups:
            raise InputError(f"There is no group `{value}` of countries; there is {', '.join(groups)}.")
    elif key == "until":
        return _day(store, query, key, value)
    elif key == "entity":
        asked = "select 1 from mention where $entity in (entity_id, role_id) limit 1"
        if not store.read(asked, entity=value).height and store.read("select 1 from mention limit 1").height:
            raise InputError(f"No article names `{value}`; relations `actor`, `role` and `country` have the names.")
    elif key == "story" and value != "largest":
        asked = "select 1 from story_article where article_id = $id union all select 1 from story_alias where old_story_id = $id"
        if not store.read(asked, id=value).height:
            raise InputError(f"There is no story or article `{value}`; `balkanwatch query top_stories` shows some.")
    elif (parameter.default or "").isdigit() and not (value.isascii() and value.isdigit() and 0 < int(value) <= most):
        raise InputError(f"Query `{query.name}` can not be answered: --{key} is a whole number from 1, not `{value}`.")
    return value


def _days_since(store: Store, query: Query, values: dict[str, str]) -> dict[str, str]:
    """`since` in words of `days`: both ends belong to the period."""
    until = _day(store, query, "until", values.get("until", "newest"))
    since = _day(store, query, "since", values["since"])
    days = 1 if since is None or until is None else (date.fromisoformat(until) - date.fromisoformat(since)).days + 1
    if days < 1:
        raise InputError(f"Query `{query.name}` can not be answered: the period would end on {until}, before it begins.")
    return {k: v for k, v in values.items() if k != "since"} | {"days": str(days)}


def _day(store: Store, query: Query, key: str, value: str) -> str | None:
    if value == "newest":
        return str(day) if (day := store.read("select max(published_day) as day from article")["day"][0]) else None
    try:
        return str(store.read("select $day::date as day", day=value)["day"][0])
    except duckdb.Error:
        raise InputError(
            f"Query `{query.name}` can not be answered: --{key} is a day such as 2023-11-30, not `{value}`."
        ) from None


# -- SQL of somebody's own --------------------------------------------------------------------------------------------

_QUESTIONS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_ONLY = "Only questions are answered here: select, with, from, values, describe, show, summarize, pivot, explain."


def run(store: Store, sql: str, max_bytes: int = MAX_BYTES) -> pl.DataFrame:
    """The answer to one question in SQL on a reader; what is wrong with it, or too large, raises InputError.

    Of several statements the last one's answer counts. The reader itself is locked down; statements that ask nothing (`copy`,
    `attach`, `set`, `call` ...) are refused before it sees them, since a failing log file would end the whole process.
    """
    if not sql.strip(" ;\n\t"):
        raise InputError("There is no statement.")
    if store.lake and (door := DOORS.search(sql)):
        raise InputError(f"The statement can not be answered: `{door[0]}` may not be named in a warehouse of several machines.")
    try:
        with _bounded_process(store):
            statements = store.connection.extract_statements(sql)
            if "enable_logging" in sql.lower() or not all(map(_asks, statements)):
                raise InputError(f"The statement can not be answered: {_ONLY}")
            frame = pl.DataFrame()
            for statement in statements:
                frame = _streamed(store.connection.execute(statement), max_bytes)
            return frame
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except (duckdb.Error, pl.exceptions.PolarsError, pa.ArrowException, OSError, MemoryError) as error:
        raise _told(store, error) from None


def _asks(statement: duckdb.Statement) -> bool:
    """Is it a question? DuckDB makes two statements without text of its own of a pivot; the first creates a type."""
    return statement.type in _QUESTIONS or (statement.type == duckdb.StatementType.CREATE and not statement.query)


def _streamed(answer: duckdb.DuckDBPyConnection, max_bytes: int) -> pl.DataFrame:
    reader = answer.to_arrow_reader(20_000)
    batches, n_bytes = [], 0
    for batch in reader:
        batches.append(batch)
        n_bytes += batch.nbytes
        if n_bytes > max_bytes:
            raise InputError(f"The answer is larger than {max_bytes / 1e6:.0f} MB: ask for less, or for counts.")
    frame = pl.from_arrow(pa.Table.from_batches(batches, reader.schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _told(store: Store, error: BaseException) -> BaseException:
    """Errors while rows are handed over come wrapped in others; the causes that have a sentence of their own keep it."""
    text = str(error)
    if "INTERRUPT" in text:
        return duckdb.InterruptException(text)
    if isinstance(error, MemoryError) or "Out of Memory" in text or "bad_alloc" in text or "malloc" in text:
        return duckdb.OutOfMemoryException(text)
    return InputError(f"The statement can not be answered: {text.splitlines()[0]}")


class _Bound:
    """The limit of this process's memory while at least one question is answered; several threads may ask at once."""

    lock = threading.Lock()
    n_asking = 0
    before = (0, 0)


@contextlib.contextmanager
def _bounded_process(store: Store) -> Iterator[None]:
    """Bound the memory of this process while it answers: long texts and lists escape DuckDB's own limit. Linux only."""
    statm = Path("/proc/self/statm")
    if sys.platform != "linux" or not statm.exists():
        yield
        return
    import resource

    row = store.connection.execute("select current_setting('memory_limit')").fetchone()
    number, unit = str(row[0] if row else "2 GiB").split()
    limit = int(float(number) * 1024 ** (" KMGT".index(unit[0]) if unit[0] in "KMGT" else 0))
    with _Bound.lock:
        if not _Bound.n_asking:
            _Bound.before = soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            wanted = int(statm.read_text().split()[0]) * resource.getpagesize() + limit + 2 * MAX_BYTES
            if soft == resource.RLIM_INFINITY or wanted < soft:
                resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
        _Bound.n_asking += 1
    try:
        yield
    finally:
        with _Bound.lock:
            _Bound.n_asking -= 1
            if not _Bound.n_asking:
                resource.setrlimit(resource.RLIMIT_AS, _Bound.before)
