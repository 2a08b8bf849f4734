"""Files for spreadsheets and other programs: CSV, Parquet, XLSX of every mart, table and query, with what they are beside them.

Rows are streamed, so memory does not grow with the export; a file is written beside its place and moved into it, so that no half
file is ever seen. Text can hurt no spreadsheet: in CSV a cell that would run as a formula gets an apostrophe, in XLSX text is
written as text. `NAME.meta.json` beside each file says how it was made.
"""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import polars as pl
import xlsxwriter
from pyarrow import parquet

from pipeline.errors import InputError
from pipeline.warehouse import Store, queries

MARTS = {
    "coverage": "select *, round(1000 * share, 2) as n_stories_per_1000 from coverage order by all",
    "articles": "select * exclude (body) from article_text order by published_at desc, article_id",
    "evidence": "select * from tag_evidence",
    "focus": "select * from focus",
    "stories": "select * from story order by n_articles desc, story_id",
    "mentions": "select * exclude (version) from mention",
    "feed_health": "select * from feed_health order by feed_id",
}
FORMATS = ("csv", "parquet", "xlsx")
AUTOMATIC = tuple(name for name in MARTS if name != "mentions")  # what each run writes
AUTOMATIC_DAYS, WHOLE = 90, 20_000  # of the articles when there are more than these
SPOKEN = {"n_stories_per_1000": "Of 1,000 stories of the same day, side and language, how many"}
SHEET_ROWS = 1_048_575  # of a sheet of XLSX, below the header
CELL = 32_767  # characters
_BATCH = 50_000  # rows
_DANGEROUS = r"^[\s\ufeff]*[=+\-@＝＋－＠]|^[\t\r\n]"  # some spreadsheets skip blanks, and read full-width signs as signs
_ISO = "%Y-%m-%dT%H:%M:%SZ"
_DAYS = ("day", "published_day", "published_at", "week", "month", "first_at", "first_seen_at")
_CATEGORIES = ("topic_id", "country_code", "side", "lang")


class Options(NamedTuple):
    """How to export. None: not narrowed. `until` is inclusive; `value` is the column that a wide shape shows."""

    format: str = "csv"
    since: date | None = None
    until: date | None = None
    country: str | None = None
    topic: str | None = None
    shape: str = "long"
    bom: bool = False
    split: str | None = None
    value: str | None = None
    parameters: Mapping[str, str] = {}

    def narrowing(self) -> dict[str, Any]:
        """What narrows the rows."""
        return {k: v for k in ("since", "until", "country", "topic") if (v := getattr(self, k)) is not None}


PLAIN = Options()


# -- harmless text ----------------------------------------------------------------------------------------------------


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Text cells that a spreadsheet would run as a formula get a leading apostrophe; NULs go, lists become text."""
    return _flat(frame).with_columns(_safe(name) for name, dtype in _flat(frame).schema.items() if dtype == pl.String)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(pl.Series(name, [_plain(value) for value in frame[name]], pl.String) for name in nested)


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


# -- files ------------------------------------------------------------------------------------------------------------


class _Writer(Protocol):
    def write(self, frame: pl.DataFrame) -> None:
        """Add rows; the first frame gives the columns."""

    def close(self) -> None:
        """Finish the file."""


class _Csv:
    """UTF-8, RFC 4180, times in ISO 8601."""

    def __init__(self, path: Path, options: Options) -> None:
        self.file: IO[bytes] = path.open("wb")
        self.file.write(b"\xef\xbb\xbf" if options.bom else b"")
        self.is_first = True

    def write(self, frame: pl.DataFrame) -> None:
        harmless(frame).write_csv(self.file, include_header=self.is_first, line_terminator="\r\n", datetime_format=_ISO)
        self.is_first = False

    def close(self) -> None:
        self.file.close()


class _Parquet:
    """Typed, with nested columns as they are."""

    def __init__(self, path: Path, options: Options) -> None:
        del options
        self.path, self.writer = path, None  # type: tuple[Path, Any]

    def write(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow()
        if self.writer is None:
            self.writer = parquet.ParquetWriter(self.path, table.schema, compression="zstd")
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


class _Xlsx:
    """Strings are written as strings, so nothing becomes a formula, a link or a number; rows beyond a sheet go to the next."""

    def __init__(self, path: Path, options: Options) -> None:
        del options
        self.folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")  # it leaves files when a disk is full
        self.book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": self.folder.name})
        self.formats = {
            pl.Date: self.book.add_format({"num_format": "yyyy-mm-dd"}),
            pl.Datetime: self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            pl.String: self.book.add_format({"quote_prefix": True}),  # text stays text when somebody edits the cell
        }
        self.sheet: Any = None
        self.n_sheets = self.row = 0

    def write(self, frame: pl.DataFrame) -> None:
        frame = _flat(frame)
        if self.sheet is None:
            self._new_sheet(frame)
        moments = [
            pl.col(name).dt.replace_time_zone(None) for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)
        ]
        for cells in frame.with_columns(moments).iter_rows():
            if self.row > SHEET_ROWS:
                self._new_sheet(frame)
            for column, (cell, dtype) in enumerate(zip(cells, frame.dtypes, strict=True)):
                self._put(column, cell, dtype)
            self.row += 1

    def _put(self, column: int, cell: Any, dtype: pl.DataType) -> None:
        if cell is None:
            return
        kind = dtype.base_type()
        if kind in (pl.Date, pl.Datetime):
            if cell.year >= 1900:
                self.sheet.write_datetime(self.row, column, cell, self.formats[kind])
            else:
                self.sheet.write_string(self.row, column, cell.isoformat())
        elif isinstance(cell, bool):
            self.sheet.write_boolean(self.row, column, cell)
        elif isinstance(cell, int | float) and abs(cell) < 1e15:  # more digits than a spreadsheet keeps; nan is not less
            self.sheet.write_number(self.row, column, cell)
        else:
            text = str(cell).replace("\0", "")
            text = text if len(text) <= CELL else f"{text[: CELL - 2]} …"
            self.sheet.write_string(self.row, column, text, self.formats[pl.String] if text[:1] in "=+-@" else None)

    def _new_sheet(self, frame: pl.DataFrame) -> None:
        self.n_sheets += 1
        self.sheet, self.row = self.book.add_worksheet(f"rows {self.n_sheets}" if self.n_sheets > 1 else "rows"), 1
        self.sheet.freeze_panes(1, 0)
        for column, name in enumerate(frame.columns):
            self.sheet.write_string(0, column, name)

    def close(self) -> None:
        with self.folder:
            self.book.close()


_WRITERS: dict[str, Any] = {"csv": _Csv, "parquet": _Parquet, "xlsx": _Xlsx}


def write(frames: Iterable[pl.DataFrame], path: Path, options: Options = PLAIN) -> int:
    """Write frames of the same columns, one after the other, to a file; returns the number of rows."""
    n_rows = 0
    with _moved(path) as temporary:
        writer: _Writer = _WRITERS[options.format](temporary, options)
        try:
            for frame in frames:
                writer.write(frame)
                n_rows += frame.height
        finally:
            writer.close()
    return n_rows


def write_csv(frame: pl.DataFrame, path: Path, *, bom: bool = False) -> None:
    """One frame as CSV."""
    write([frame], path, Options(bom=bom))


@contextlib.contextmanager
def _moved(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


# -- what is exported -------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """One file to be: its name without ending, and its rows."""

    name: str
    sql: str
    values: dict[str, Any]
    frames: Iterable[pl.DataFrame]


def export(store: Store, names: Iterable[str], folder: Path, options: Options = PLAIN) -> list[Path]:
    """Write marts, tables, views or queries (all marts if none is named) to a folder, without any limit of rows; the files.

    A query goes by `query:NAME` where a mart has its name. InputError when there is no such thing, or it can not be narrowed so.
    """
    _check(options)
    chosen = list(names)
    written = []
    for name in chosen or MARTS:
        for part in _parts(store, name, options, is_asked=bool(chosen)):
            path = folder / f"{part.name}.{options.format}"
            n_rows = write(part.frames, path, options)
            _write_meta(store, path, part, options, n_rows)
            written.append(path)
    return written


def _check(options: Options) -> None:
    for name, known in (("format", FORMATS), ("shape", ("long", "wide")), ("split", (None, "month"))):
        if getattr(options, name) not in known:
            raise InputError(f"`{getattr(options, name)}` is no {name}; there is {' and '.join(one for one in known if one)}.")
    if options.since and options.until and options.since > options.until:
        raise InputError("The period ends before it begins.")


def _parts(store: Store, name: str, options: Options, *, is_asked: bool) -> Iterator[_Part]:
    sql = None if name.startswith("query:") else MARTS.get(name) or _relation(store, name)
    if sql is None:
        yield _answer(store, name.removeprefix("query:"), options)
        return
    if options.parameters:
        raise InputError(f"`{name}` is a table: only queries take --param (`query:{name}` for a query of this name).")
    if options.shape == "wide" and name == "coverage":
        sql, options = _coverage_for_wide(sql, options), options._replace(country=None, topic=None)
    whole = _narrowed(store, name, sql, options, is_asked=is_asked)
    for label, narrowed in _months(store, *whole, options, name) if options.split else [("", options)]:
        part_sql, values = _narrowed(store, name, sql, narrowed, is_asked=is_asked)
        frames: Iterable[pl.DataFrame] = _streamed(store, part_sql, values)
        if options.shape == "wide":
            frames = [_wide(pl.concat(frames), name, options)]
        yield _Part(f"{name}{label}", part_sql, values, frames)


def _relation(store: Store, name: str) -> str | None:
    known = store.read(
        "select table_name as name from duckdb_tables() union all select view_name from duckdb_views() where not internal"
    )
    return f'select * from "{name}"' if name in known["name"] else None


def _answer(store: Store, name: str, options: Options) -> _Part:
    """A query, with the options as its parameters where it has such; no limit of rows unless it is given."""
    if name not in queries.names():
        raise InputError(f"There is no mart, table, view or query `{name}`.")
    query = queries.load(name)
    has = {parameter.name for parameter in query.parameters} | ({"since"} if queries.has_period(query) else set())
    values = {k: v.isoformat() if isinstance(v, date) else v for k, v in options.narrowing().items()}
    lacking = sorted(set(values) - has)
    if lacking:
        raise InputError(f"Query `{name}` has no parameter `{lacking[0]}`, so --{lacking[0]} can not narrow it.")
    if options.split:
        raise InputError(f"Query `{name}` can not be split by month; tables can.")
    values = ({"limit": str(queries.NO_LIMIT)} if "limit" in has else {}) | values | dict(options.parameters)
    values = queries.in_days(store, query, values)
    frame = queries.ask(store, name, **values)
    return _Part(name, query.sql, values, [_wide(frame, name, options) if options.shape == "wide" else frame])


def _narrowed(store: Store, name: str, sql: str, options: Options, *, is_asked: bool) -> tuple[str, dict[str, Any]]:
    """SQL with the conditions that the options set, and its values: on the articles behind the rows, or on the rows."""
    values = options.narrowing()
    if not values:
        return sql, {}
    columns = _columns(store, sql)
    day = next((column for column in _DAYS if column in columns), None)
    of_articles = {
        "since": "published_day >= $since", "until": "published_day <= $until",
        "country": "article_id in (select article_id from focus_effective where country_code = $country and is_focus)",
        "topic": "article_id in (select article_id from tag_effective where topic_id = $topic)",
    }  # fmt: skip
    behind = " and ".join(of_articles[key] for key in values)
    conditions = []
    if "article_id" in columns:
        conditions.append(f"article_id in (select article_id from article where {behind})")
    elif "story_id" in columns:
        conditions.append(f"story_id in (select story_id from article_side where {behind})")
    own = {"since": day and f"{day} >= $since", "until": day and f"{day} < $until + interval 1 day"} | {
        key: f"{column} = ${key}" if column in columns else None
        for key, column in (("country", "country_code"), ("topic", "topic_id"))
    }
    if not conditions:
        lacking = [key for key in values if own[key] is None]
        if lacking and is_asked:
            raise InputError(f"`{name}` can not be narrowed by --{lacking[0]}: it has no such column.")
        values = {key: value for key, value in values.items() if key not in lacking}
        conditions = [str(own[key]) for key in values]
    else:
        conditions += [str(own[key]) for key in ("country", "topic") if key in values and own[key]]
    return (f"select * from ({sql}) where {' and '.join(conditions)}" if conditions else sql), values


def _columns(store: Store, sql: str, values: dict[str, Any] | None = None) -> list[str]:
    return store.read(f"from ({sql}) limit 0", **(values or {})).columns


def _months(store: Store, sql: str, values: dict[str, Any], options: Options, name: str) -> Iterator[tuple[str, Options]]:
    """The months in which there are rows, as endings of file names, with the options that narrow to each."""
    columns = _columns(store, sql, values)
    day = next((column for column in _DAYS if column in columns), None)
    if day:
        source = f"select distinct date_trunc('month', {day})::date as month from ({sql}) where {day} is not null"
    elif "article_id" in columns:
        source = (
            f"select distinct date_trunc('month', published_day)::date as month from article semi join ({sql}) using (article_id)"
        )
    else:
        raise InputError(f"`{name}` can not be split by month: it has no dates.")
    for first in store.read(f"{source} order by month", **values)["month"]:
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        since, until = max(first, options.since or first), min(last, options.until or last)
        if since <= until:
            yield f"-{first:%Y-%m}", options._replace(since=since, until=until)


def _streamed(store: Store, sql: str, values: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """The rows some at a time; at least one frame, so that the columns are known."""
    reader = store.connection.execute(sql, values or None).to_arrow_reader(_BATCH)
    yield _frame(reader.schema.empty_table())
    for batch in reader:
        yield _frame(batch)


def _frame(arrow: Any) -> pl.DataFrame:
    frame = pl.from_arrow(arrow)
    assert isinstance(frame, pl.DataFrame)
    return frame


# -- wide shape -------------------------------------------------------------------------------------------------------


def _coverage_for_wide(sql: str, options: Options) -> str:
    """One row a day and column: topics of a country, countries of a topic, or sides of both; everything else together."""
    across = "side" if options.country and options.topic else "country_code" if options.topic else "topic_id"
    fixed = {"country_code": options.country or "*", "topic_id": options.topic or "*", "side": "*", "lang": "*"}
    del fixed[across]
    quoted = [f"{column} = '{value.replace(chr(39), chr(39) * 2)}'" for column, value in fixed.items()]
    where = " and ".join(["basis = 'focus'", *quoted, f"{across} <> '*'"])
    return f"select day, {across}, * exclude (day, {across}) from ({sql}) where {where}"


def _wide(frame: pl.DataFrame, name: str, options: Options) -> pl.DataFrame:
    """Dates as rows, topics (or countries, sides, languages) as columns, nothing as 0."""
    day = next((column for column in _DAYS if column in frame.columns), None)
    across = next((c for c in frame.columns if c in _CATEGORIES and frame[c].n_unique() > 1), None)
    across = across or next((c for c in frame.columns if c in _CATEGORIES), None)
    numbers = [column for column, dtype in frame.schema.items() if dtype.is_numeric()]
    value = options.value or ("n_stories" if "n_stories" in numbers else next(iter(numbers), None))
    if day is None or across is None or value not in numbers:
        raise InputError(f"`{name}` has no wide shape: that needs a date, one of {', '.join(_CATEGORIES)}, and a number to show.")
    if frame.select(day, across).is_duplicated().any():
        raise InputError(f"`{name}` has several rows for one {day} and {across}, so it has no wide shape; narrow it further.")
    wide = frame.pivot(across, index=day, values=value, aggregate_function=None, sort_columns=True)
    return wide.sort(day).with_columns(pl.exclude(day).fill_null(0))


# -- what lies beside the files ---------------------------------------------------------------------------------------


def _write_meta(store: Store, path: Path, part: _Part, options: Options, n_rows: int) -> None:
    tagged_by = store.meta("tagged_by")  # version of the seeds, then that of the code
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    facts = {
        "file": path.name, "name": part.name, "format": options.format, "shape": options.shape, "n_rows": n_rows,
        "sha256": sha256, "exported_at": f"{datetime.now(UTC):{_ISO}}", "sql": part.sql,
        "parameters": {key: str(value) for key, value in (options.narrowing() | part.values).items()},
        "seeds_version": tagged_by.partition("-")[0] if tagged_by else None, "tagged_by": tagged_by,
    }  # fmt: skip
    with _moved(path.with_name(f"{path.name}.meta.json")) as temporary:
        temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def marts(store: Store, folder: Path) -> Path:
    """What each run writes: the marts that people open, as CSV, of the newest days when there are many articles; a README."""
    many = store.read("select count(*) as n, max(published_day) as newest from article").row(0, named=True)
    since = many["newest"] - timedelta(days=AUTOMATIC_DAYS - 1) if many["n"] > WHOLE else None
    for name in AUTOMATIC:
        for part in _parts(store, name, Options(since=since), is_asked=False):
            path = folder / f"{name}.csv"
            _write_meta(store, path, part, Options(since=since), write(part.frames, path))
    write_readme(store, folder, AUTOMATIC, since)
    return folder


def write_readme(store: Store, folder: Path, names: Iterable[str] = tuple(MARTS), since: date | None = None) -> None:
    """Explain the columns of marts in README.md."""
    with _moved(folder / "README.md") as temporary:
        temporary.write_text(_readme(store, names, since), encoding="utf-8")


def _readme(store: Store, names: Iterable[str], since: date | None) -> str:
    comments = {
        (table, column): comment or ""
        for table, column, comment in store.connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
    }
    by_column = {column: text for (_, column), text in comments.items() if text} | SPOKEN
    out = [
        "# Exports\n",
        "CSV, UTF-8, one header line. Times are UTC. A cell that begins with =, +, -, @ is preceded by an apostrophe, so that no",
        "spreadsheet runs it. Beside each file `.meta.json` says how it was made. `balkanwatch export` writes them again,",
        "complete, and others, also as XLSX or Parquet; the same tables can be asked in `balkanwatch.duckdb`.\n",
    ]
    if since:
        out.append(
            f"There are many articles: what is about them begins with {since:%Y-%m-%d}. `balkanwatch export` gives everything.\n"
        )
    for name in names:
        columns = store.connection.execute(f"describe {MARTS[name]}").fetchall()
        source = MARTS[name].split(" from ")[1].split()[0]
        out.append(f"## {name}.csv\n")
        for column, kind, *_ in columns:
            text = comments.get((source, column)) or by_column.get(column, "")
            out.append(f"- `{column}` ({kind.lower()[:30]}): {text}".rstrip(": "))
        out.append("")
    return "\n".join(out)
