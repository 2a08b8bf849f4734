"""The analyst's questions in `sql/queries`: one file each, with question, grain and parameters in its head comment."""

import contextlib
import itertools
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
_WORDS = {"basis": ("focus", "mention"), "state": ("*", "ok", "new", "gap", "silent", "failing", "retired", "inactive")}
_PARAMETER = re.compile(r"^-- \$(\w+)(?: = (.*?))?: (.+)$", re.MULTILINE)
_GROUPS = "select distinct g from (select unnest(groups) as g from country) where g <> '' order by g"
NO_LIMIT = 1_000_000_000  # rows
_EPOCH = date(1970, 1, 1).toordinal()
_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


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
    values = in_days(store, query, values)
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
        return _in_calendar(store.read(query.sql, **checked), f"Query `{name}`")
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
    elif key == "group" and (groups := store.read(_GROUPS)["g"].to_list()):
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


def has_period(query: Query) -> bool:
    """May `since` be given for its `days`?"""
    return {"days", "until"} <= {p.name for p in query.parameters}


def in_days(store: Store, query: Query, values: dict[str, str]) -> dict[str, str]:
    """`since` in words of `days`, where a query has a period: both ends belong to it."""
    if "since" not in values or not has_period(query):
        return values
    if "days" in values:
        raise InputError(f"Query `{query.name}` can not be answered: --since and --days both say when the period begins.")
    until = _day(store, query, "until", values.get("until", "newest"))
    since = _day(store, query, "since", values["since"])
    days = 1 if since is None or until is None else (date.fromisoformat(until) - date.fromisoformat(since)).days + 1
    if days < 1:
        raise InputError(f"Query `{query.name}` can not be answered: the period would end on {until}, before it begins.")
    return {k: v for k, v in values.items() if k != "since"} | {"days": str(days)}


def _day(store: Store, query: Query, key: str, value: str) -> str | None:
    if value == "newest":
        return str(day) if (day := store.read("select (select day from newest_day) as day")["day"][0]) else None
    row = None
    with contextlib.suppress(duckdb.Error):
        sql = "select d::varchar from (select ?::date as d) where isfinite(d) and year(d) between 1 and 9999"
        row = store.connection.execute(sql, [value]).fetchone()
    if row is None:
        raise InputError(f"Query `{query.name}` can not be answered: --{key} is a day such as 2023-11-30, not `{value}`.")
    return str(row[0])


def _in_calendar(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """DuckDB counts days for ever, but neither Python nor a spreadsheet does: the same frame, or InputError."""
    for series in frame.iter_columns():
        for days in _days(series):
            if any(not 1 <= int(day) + _EPOCH <= date.max.toordinal() for day in (days.min(), days.max()) if day is not None):  # type: ignore[arg-type]
                raise InputError(f"{what} can not be answered: `{series.name}` has a day that is not of the years 1 to 9999.")
    return frame


def _days(series: pl.Series) -> Iterator[pl.Series]:
    """The days in a column of dates or times, or in its lists and fields, counted from 1970."""
    kind = series.dtype
    if isinstance(kind, pl.List | pl.Array) and "Date" in str(kind):
        yield from _days(series.explode())
    elif isinstance(kind, pl.Struct):
        for field in kind.fields:
            yield from _days(series.struct.field(field.name))
    elif isinstance(kind, pl.Datetime):
        yield series.to_physical() // _PER_DAY[kind.time_unit]
    elif kind == pl.Date:
        yield series.to_physical()


# -- SQL of somebody's own --------------------------------------------------------------------------------------------

_QUESTIONS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
# a failing log file would end the process, and what is made of text at run time could be anything
_REFUSED = re.compile(r"enable_logging|json_execute_serialized_sql", re.IGNORECASE)
_OF_TEXT = re.compile(r"\bquery(_table)?\b", re.IGNORECASE)  # a function: as a name it does nothing
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
            if _is_refused(sql) or not all(map(_asks, statements)):
                raise InputError(f"The statement can not be answered: {_ONLY}")
            frame = pl.DataFrame()
            for statement in statements:
                frame = _streamed(store.connection, statement, max_bytes)
            return _in_calendar(frame, "The statement")
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except (duckdb.Error, pl.exceptions.PolarsError, pa.ArrowException, OSError, MemoryError) as error:
        raise _told(store, error) from None


def _asks(statement: duckdb.Statement) -> bool:
    """Is it a question? DuckDB makes two statements without text of its own of a pivot; the first creates a type."""
    return statement.type in _QUESTIONS or (statement.type == duckdb.StatementType.CREATE and not statement.query)


def _is_refused(sql: str) -> bool:
    """Does it name, outside of quoted text, a function that does what nobody needs who asks?"""
    raw = sql.encode()
    tokens = duckdb.tokenize(sql)
    ends = [*(begin for begin, _ in tokens), len(raw)][1:]
    words = [
        "" if kind == duckdb.token_type.string_const else raw[begin:end].decode(errors="replace")
        for (begin, kind), end in zip(tokens, ends, strict=True)
    ]
    return any(
        _REFUSED.search(word) or (_OF_TEXT.search(word) and after.startswith("("))
        for word, after in zip(words, [*words[1:], ""], strict=False)
    )


def _streamed(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, max_bytes: int) -> pl.DataFrame:
    reader = connection.execute(statement).to_arrow_reader(20_000)
    names, n_bytes = _unique(reader.schema.names), 0
    as_text = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name, kind in zip(names, reader.schema.types, strict=True)
               if _is_text_only(kind)]  # fmt: skip
    sql = f"select * replace ({', '.join(f'{name}::varchar as {name}' for name in as_text)}) from batch_"
    tables = []
    for batch in itertools.chain([reader.schema.empty_table()], (pa.Table.from_batches([batch]) for batch in reader)):
        table = batch.rename_columns(names)
        if as_text:
            with connection.cursor() as aside:  # the connection itself is still answering
                aside.register("batch_", table)
                table = aside.execute(sql).to_arrow_table()
        tables.append(table)
        n_bytes += table.nbytes
        if n_bytes > max_bytes:
            raise InputError(f"The answer is larger than {max_bytes / 1e6:.0f} MB: ask for less, or for counts.")
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _unique(names: list[str]) -> list[str]:
    """Names as DuckDB makes them different in a table: the second `name` is `name_1`."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        one = name
        while one.lower() in counts:
            one = f"{name}_{counts[name.lower()]}"
            counts[name.lower()] += 1
        counts[one.lower()] = 1
        found.append(one)
    return found


def _is_text_only(kind: pa.DataType) -> bool:
    """Is it something that Polars or a CSV file does not know? Such is shown as DuckDB writes it."""
    if pa.types.is_list(kind) or pa.types.is_struct(kind) or pa.types.is_fixed_size_list(kind):
        return any(_is_text_only(kind.field(n).type) for n in range(kind.num_fields))
    strange = (pa.types.is_interval, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_union, pa.types.is_map)
    return isinstance(kind, pa.BaseExtensionType) or any(test(kind) for test in strange)


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
