"""The analyst's questions in `sql/queries`: one file each, with question, grain and parameters in its head comment."""

import re
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from pipeline.errors import InputError
from pipeline.warehouse.store import SQL, Store

_PARAMETER = re.compile(r"^-- \$(\w+)(?: = (.*?))?: (.+)$", re.MULTILINE)


class Parameter(NamedTuple):
    """A `$name` of a query, with its default (None: must be given) and meaning."""

    name: str
    default: str | None
    meaning: str


class Query(NamedTuple):
    """One question."""

    name: str
    question: str
    grain: str
    parameters: list[Parameter]
    sql: str


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
    return Query(name, head["question"], head["grain"], [Parameter(*found) for found in _PARAMETER.findall(sql)], sql)


def ask(store: Store, name: str, /, **values: str) -> pl.DataFrame:
    """The answer to a query; unknown or missing parameters raise InputError."""
    query = load(name)
    unknown = set(values) - {p.name for p in query.parameters}
    if unknown:
        known = ", ".join(f"--{p.name}" for p in query.parameters) or "none"
        raise InputError(f"Query `{name}` has no parameter `{sorted(unknown)[0]}`; it has {known}.")
    filled = {p.name: values.get(p.name, p.default) for p in query.parameters}
    missing = [key for key, value in filled.items() if value is None]
    if missing:
        raise InputError(f"Query `{name}` needs --{missing[0]}.")
    if "country" in filled:
        filled["country"] = str(filled["country"]).upper()
    for key, column in (("country", "code"), ("topic", "topic_id")):
        value = filled.get(key, "*")
        codes = store.read(f"select {column} as code from {key}")["code"].to_list()
        if codes and value not in {"*", *codes}:
            raise InputError(f"There is no {key} `{value}`; relation `{key}` has them all.")
    try:
        return store.read(query.sql, **filled)
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        raise InputError(f"Query `{name}` can not be answered: {str(error).splitlines()[0]}") from None


def run(store: Store, sql: str) -> pl.DataFrame:
    """The answer to SQL of somebody's own, on a locked-down reader; what is wrong with it raises InputError."""
    if not sql.strip(" ;\n\t"):
        raise InputError("There is no statement.")
    try:
        return store.read(sql)
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, pl.exceptions.PolarsError) as error:
        raise InputError(f"The statement can not be answered: {str(error).splitlines()[0]}") from None
