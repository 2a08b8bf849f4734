"""CSV files for spreadsheets: every mart, formula-safe, with a README of its columns."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.warehouse import Store

MARTS = {
    "coverage": "select * from coverage order by all",
    "articles": "select * exclude (body) from article_text order by published_at desc, article_id",
    "evidence": "select * from tag_evidence order by all",
    "focus": "select * from focus order by article_id, salience desc, country_code",
    "stories": "select * from story order by n_articles desc, story_id",
    "mentions": "select * exclude (version) from mention order by article_id, field, char_start, entity_id",
    "feed_health": "select * from feed_health order by feed_id",
}
_DANGEROUS = r"^[\s\ufeff]*[=+\-@＝＋－＠]|^[\t\r\n]"  # some spreadsheets skip blanks, and read full-width signs as signs


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Text cells that a spreadsheet would run as a formula get a leading apostrophe; NULs go, lists become text."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    frame = frame.with_columns(pl.Series(name, [_plain(value) for value in frame[name]], pl.String) for name in nested)
    return frame.with_columns(_safe(name) for name, dtype in frame.schema.items() if dtype == pl.String)


def _plain(value: Any) -> str | None:
    """A list of words as words, anything deeper as JSON."""
    if value is None:
        return None
    value = value.to_list() if isinstance(value, pl.Series) else value
    flat = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return " ".join(value) if flat else json.dumps(value, ensure_ascii=False, default=str)


def _safe(name: str) -> pl.Expr:
    text = pl.col(name).str.replace_all("\0", "", literal=True)
    return pl.when(text.str.contains(_DANGEROUS)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(name)


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """UTF-8, RFC 4180, times in ISO 8601; written beside and moved into place, so that no half file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        try:
            harmless(frame).write_csv(temporary, line_terminator="\r\n", datetime_format="%Y-%m-%dT%H:%M:%SZ")
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary.name).unlink()
            raise
    Path(temporary.name).chmod(0o644)
    Path(temporary.name).replace(path)


def marts(store: Store, folder: Path) -> Path:
    """Write every mart of the snapshot and the README below `folder`; returns the folder."""
    for name, sql in MARTS.items():
        write_csv(store.read(sql), folder / f"{name}.csv")
    (folder / "README.md").write_text(_readme(store), encoding="utf-8")
    return folder


def _readme(store: Store) -> str:
    comments = {
        (table, column): comment or ""
        for table, column, comment in store.connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
    }
    by_column = {column: text for (_, column), text in comments.items() if text}
    out = [
        "# Exports\n",
        "CSV, UTF-8, one header line. Times are UTC. A cell that begins with =, +, -, @ is preceded by an apostrophe, so that no",
        "spreadsheet runs it. Made by `balkanwatch export`; the same tables can be asked in `balkanwatch.duckdb`.\n",
    ]
    for name, sql in MARTS.items():
        columns = store.connection.execute(f"describe {sql}").fetchall()
        source = sql.split(" from ")[1].split()[0]
        out.append(f"## {name}.csv\n")
        for column, kind, *_ in columns:
            text = comments.get((source, column)) or by_column.get(column, "")
            out.append(f"- `{column}` ({kind.lower()[:30]}): {text}".rstrip(": "))
        out.append("")
    return "\n".join(out)
