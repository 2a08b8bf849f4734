"""CSV files for spreadsheets: every mart, formula-safe, with a README of its columns."""

import contextlib
import tempfile
from pathlib import Path

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
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    frame = frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)
    return frame.with_columns(_safe(name) for name, dtype in frame.schema.items() if dtype == pl.String)


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
        out.append(f"## {name}.csv\n")
        out += [f"- `{column}` ({kind.lower()[:30]}): {by_column.get(column, '')}".rstrip(": ") for column, kind, *_ in columns]
        out.append("")
    return "\n".join(out)
