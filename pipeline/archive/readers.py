"""The formats: each gives its file as chunks of raw records, streamed, and turns a raw record into a `Record`.

A raw record is a tuple that begins with its line, row or record number; a place that can not be read is a `Damage` in its stead.
Reading stays cheap, for one process does it: what costs time (JSON, HTML) is left to `record`, which the workers call.
"""

import bz2
import csv
import gzip
import hashlib
import io
import itertools
import json
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow.parquet as parquet

from pipeline import parse
from pipeline.archive import warc
from pipeline.archive.fields import FIELDS, Record, guessed, mapped, when
from pipeline.errors import InputError
from pipeline.parse import dates

CHUNK_BYTES = 16_000_000
MAX_RECORD = 64_000_000  # bytes; a longer line is damage
SAMPLE_RECORDS, SAMPLE_BYTES = 200, 2_000_000
READ_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, UnicodeError)

FORMATS = ("jsonl", "json", "csv", "parquet", "warc", "gkg", "files")
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".jl": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".warc": "warc", ".wet": "warc",
}  # fmt: skip
LOOSE = {".txt": "txt", ".html": "html", ".htm": "html", ".json": "json"}
PACKED: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DELIMITERS = ",;\t|"
_GKG = re.compile(rb"\d{14}-T?\d+\t")


class Damage(NamedTuple):
    """A place of a file that can not be read."""

    line: int
    reason: str


Raw = tuple[Any, ...]


@dataclass(frozen=True)
class Source:
    """One file to import, or the loose files of a folder taken together (`files`, relative paths)."""

    path: Path
    format: str
    size: int
    files: tuple[str, ...] = ()

    def absolute(self) -> "Source":
        """The same with a path that means the same everywhere."""
        return replace(self, path=self.path.absolute())

    def fingerprint(self) -> str:
        """A hash of all its bytes (and of the names of loose files): the same content is the same import."""
        hashed = hashlib.blake2b(digest_size=12)
        for name in self.files or ("",):
            hashed.update(name.encode("utf-8", "surrogateescape"))
            with (self.path / name if name else self.path).open("rb") as file:
                while block := file.read(1 << 20):
                    hashed.update(block)
        return hashed.hexdigest()


@dataclass(frozen=True)
class Plan:
    """How a source is read: what was found out about it, and what the user said. Can be sent to another process."""

    format: str
    mapping: Mapping[str, str] = field(default_factory=dict)  # field -> column
    unused: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # of a CSV file, in order
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    outlet: str | None = None
    feed: str | None = None
    lang: str | None = None
    time_zone: str = "UTC"  # of outlets that the catalogue does not know
    headline_only: bool = False
    all_hosts: bool = False
    n_records: int = 2_000  # of a part, at most


class Chunk(NamedTuple):
    """A part of a source: `part` counts from 1, `position` is how far the file has been read, in bytes."""

    part: int
    raws: list[Raw | Damage]
    position: int
    is_last: bool
    skipped: dict[str, int]  # reason -> records that are no articles


# -- what to read -----------------------------------------------------------------------------------------------------


def sources(paths: Iterable[Path], format: str | None = None) -> list[Source]:
    """The files that paths lead to, in the order given, a folder's sorted; InputError when one is none we can read."""
    found: list[Source] = []
    for path in paths:
        if path.is_dir():
            found += _folder(path, format)
        elif path.is_file():
            found.append(Source(path, format or _format(path), path.stat().st_size))
        else:
            raise InputError(f"There is no file or folder {path}.")
    if not found:
        raise InputError("There is nothing to import: the folders hold no file of a format that can be read.")
    return found


def _format(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in {*PACKED, ".zip"}:
        suffixes.pop()
    name = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if name is None:
        raise InputError(f"{path} has no ending that tells its format; say --format {', '.join(FORMATS[:-1])}.")
    return name


def _folder(folder: Path, format: str | None) -> list[Source]:
    loose, found = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        if path.suffix.lower() in LOOSE and format in {None, "files"}:
            loose.append(path)
        elif format not in {None, "files"} or any(suffix.lower() in SUFFIXES for suffix in path.suffixes[-2:]):
            found.append(Source(path, format or _format(path), path.stat().st_size))
    if loose:
        names = tuple(path.relative_to(folder).as_posix() for path in loose)
        found.insert(0, Source(folder, "files", sum(path.stat().st_size for path in loose), names))
    return found


def plan(source: Source, mapping: Mapping[str, str], **said: Any) -> Plan:
    """Find out how a source is to be read. `mapping` (field -> column) overrides what names of columns suggest."""
    unknown = next((name for name in mapping if name not in FIELDS), None)
    if unknown:
        raise InputError(f"There is no field `{unknown}` to map; there are {', '.join(FIELDS)}.")
    if source.format in {"warc", "files"}:
        return Plan(source.format, **said)
    try:
        how, columns = _looked(source)
    except READ_ERRORS as error:
        raise InputError(f"{source.path} can not be read: {_reason(error)}.") from None
    if how["format"] == "gkg":
        return Plan(**how, **said)
    known = {name.split(".")[0] for name in columns}
    missing = next((column for column in mapping.values() if column.split(".")[0] not in known), None)
    if missing:
        raise InputError(f"{source.path} has no column `{missing}`; it has {_listed(columns)}.")
    found = {name: column for name, column in guessed(columns).items() if column not in mapping.values()} | dict(mapping)
    if not found.keys() & {"url", "title", "text", "html"}:
        raise InputError(
            f"No column of {source.path} looks like an address, a title or a text; it has {_listed(columns)}. "
            "Say which is which: --map url=COLUMN --map text=COLUMN."
        )
    unused = tuple(column for column in columns if column not in found.values())
    return Plan(**how, mapping=found, unused=unused, **said)


def _listed(columns: Iterable[str]) -> str:
    names = list(columns)
    return (", ".join(names[:20]) + (" ..." if len(names) > 20 else "")) or "none"


def _looked(source: Source) -> tuple[dict[str, Any], list[str]]:
    """The format in fact, with what reading it needs, and the columns that it has."""
    if source.format == "parquet":
        try:
            return {"format": "parquet"}, list(parquet.ParquetFile(source.path).schema_arrow.names)
        except Exception as error:  # pyarrow's errors have no common base
            raise InputError(f"{source.path} is not a Parquet file: {str(error).splitlines()[0]}") from None
    head = _head(source.path, SAMPLE_BYTES)
    if _GKG.match(head) and head.split(b"\n", 1)[0].count(b"\t") > 12:
        return {"format": "gkg"}, []
    if source.format == "csv":
        return _csv_header(head, source)
    format = source.format
    if format == "json" and head.lstrip().startswith(b"{") and _is_object(head.lstrip().split(b"\n", 1)[0]):
        format = "jsonl" if head.strip().count(b"\n") else format
    raws = itertools.islice(_JSON[format](source.path, Meter()), SAMPLE_RECORDS)
    columns: dict[str, None] = {}
    for raw in raws:
        if isinstance(raw, Damage):
            continue
        values = _object(raw[1]) if isinstance(raw[1], bytes) else raw[1]
        columns.update(dict.fromkeys(values if isinstance(values, dict) else ()))
    return {"format": format}, list(columns)


def _is_object(line: bytes) -> bool:
    return isinstance(_object(line), dict)


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _csv_header(head: bytes, source: Source) -> tuple[dict[str, Any], list[str]]:
    encoding = _encoding(head)
    lines = head.decode(encoding, "replace").splitlines()
    first = lines[0] if lines else ""
    delimiter = max(_DELIMITERS, key=first.count)
    columns = next(csv.reader([first], delimiter=delimiter), [])
    if len(columns) < 2 and source.path.suffix != ".txt" and not guessed(columns):
        raise InputError(f"{source.path} has no header line with names of columns.")
    how = {"format": "csv", "columns": tuple(columns), "delimiter": delimiter, "encoding": encoding}
    return how, [column for column in columns if column]


def _encoding(head: bytes) -> str:
    """UTF-8 or UTF-16 where that can be, else the charset of the region in which the file reads best."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    whole = head.rsplit(b"\n", 1)[0]
    text = parse.decode(whole)
    for encoding in ("utf-8-sig", "cp1250", "cp1251", "iso8859-2", "iso8859-5", "cp1252", "koi8-r", "cp1253", "cp1254"):
        if whole.decode(encoding, "replace").lstrip("\ufeff") == text.lstrip("\ufeff"):
            return encoding
    return "utf-8-sig"


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "the file is cut off"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


# -- streams ----------------------------------------------------------------------------------------------------------


class Meter:
    """How far a file has been read, in bytes of the file (packed, if it is)."""

    def __init__(self) -> None:
        self.file: BinaryIO | None = None
        self.n_bytes = 0

    def position(self) -> int:
        """The bytes read so far."""
        if self.file is not None and not self.file.closed:
            self.n_bytes = self.file.tell()
        return self.n_bytes


def opened(path: Path, meter: Meter | None = None) -> BinaryIO:
    """The bytes of a file, unpacked by its ending (.gz, .bz2, .xz, .zip with one file in it)."""
    suffix = path.suffix.lower()
    if suffix == ".zst":
        raise InputError(f"{path}: Zstandard is not read here; unpack it first (`unzstd`).")
    file = path.open("rb", buffering=1 << 20)
    if meter is not None:
        meter.file = file
    if suffix == ".zip":
        return _only_file(path, file)
    if suffix in PACKED:
        return _buffered(PACKED[suffix](file), file)
    return file


def _only_file(path: Path, file: BinaryIO) -> BinaryIO:
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise InputError(f"{path} holds {len(names)} files; unpack it into a folder first.")
        return _buffered(archive.open(names[0]), file)
    except BaseException:
        file.close()
        raise


def _head(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a file, unpacked; of one that is cut off or damaged what can be had."""
    head = b""
    with opened(path) as stream:
        try:
            while len(head) < n_bytes and (block := stream.read(1 << 14)):
                head += block
        except READ_ERRORS:
            if not head:
                raise
    return head


class _Unpacked(io.RawIOBase):
    """An unpacked stream above a file, which it closes. It gives what there is before it says that the file is cut off."""

    def __init__(self, stream: Any, file: BinaryIO) -> None:
        self._stream, self._file = stream, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _buffered(stream: Any, file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Unpacked(stream, file), 1 << 18))


def lines(path: Path, meter: Meter) -> Iterator[Raw | Damage]:
    """(line number, bytes) of every line that is not blank."""
    number = 0
    try:
        with opened(path, meter) as stream:
            while line := stream.readline(MAX_RECORD):
                number += 1
                if len(line) == MAX_RECORD and not line.endswith(b"\n"):
                    while (rest := stream.readline(MAX_RECORD)) and not rest.endswith(b"\n"):
                        pass
                    yield Damage(number, f"the line is longer than {MAX_RECORD:,} bytes")
                elif not line.isspace():
                    yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
    except READ_ERRORS as error:
        yield Damage(number + 1, f"the rest of the file can not be read: {_reason(error)}")


def cells(path: Path, how: Plan, meter: Meter) -> Iterator[Raw | Damage]:
    """(line number, cells) of every row of a CSV file below its header."""
    csv.field_size_limit(MAX_RECORD // 4)
    try:
        with opened(path, meter) as stream, io.TextIOWrapper(stream, how.encoding, "replace", newline="") as text:
            reader = csv.reader((line.replace("\0", "") for line in text), delimiter=how.delimiter)
            next(reader, None)
            while True:
                number = reader.line_num + 1
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    yield Damage(number, str(error))
                    continue
                if row is None:
                    return
                if any(row):
                    yield number, row
    except READ_ERRORS as error:
        yield Damage(reader.line_num + 1, f"the rest of the file can not be read: {_reason(error)}")


def objects(path: Path, meter: Meter) -> Iterator[Raw | Damage]:
    """(number, object) of every element of a JSON array; of an object, those of its `articles`, or itself."""
    number = 0
    try:
        with opened(path, meter) as stream, io.TextIOWrapper(stream, "utf-8-sig", "replace") as text:
            for number, value in enumerate(_elements(text), 1):
                yield number, value
    except ValueError as error:
        yield Damage(number + 1, f"the rest of the file is not valid JSON ({str(error).split(':')[0]})")
    except READ_ERRORS as error:
        yield Damage(number + 1, f"the rest of the file can not be read: {_reason(error)}")


def _elements(text: io.TextIOBase) -> Iterator[Any]:
    decoder, buffer = json.JSONDecoder(strict=False), text.read(1 << 20).lstrip()
    if not buffer.startswith("["):
        value = json.loads(buffer + text.read(), strict=False)
        yield from value["articles"] if isinstance(value, dict) and isinstance(value.get("articles"), list) else [value]
        return
    buffer, at = buffer[1:], 0
    while True:
        at = _SPACE.match(buffer, at).end()  # type: ignore[union-attr]
        if buffer[at : at + 1] == "]":
            return
        try:
            value, at = decoder.raw_decode(buffer, at)
            yield value
        except ValueError:
            more = text.read(max(1 << 20, len(buffer) - at))
            if not more or len(buffer) > MAX_RECORD:
                raise
            buffer, at = buffer[at:] + more, 0


_SPACE = re.compile(r"[\s,]*")


def table(path: Path, how: Plan, meter: Meter) -> Iterator[Raw | Damage]:
    """(row number, values by column) of a Parquet file; only the columns that are used are read."""
    number = 0
    try:
        file = parquet.ParquetFile(path)
        names = sorted({column.split(".")[0] for column in how.mapping.values()})
        for part in file.iter_batches(batch_size=500, columns=names):
            for row in part.to_pylist():
                number += 1
                yield number, row
            meter.n_bytes = path.stat().st_size * number // max(file.metadata.num_rows, 1)
    except Exception as error:  # pyarrow's errors have no common base
        yield Damage(number + 1, f"the rest of the file can not be read: {str(error).splitlines()[0]}")


def pages(path: Path, is_wanted: Callable[[str], bool] | None, skipped: Counter[str], meter: Meter) -> Iterator[Raw | Damage]:
    """The pages of a WARC file as `warc.records` gives them."""
    with path.open("rb", buffering=1 << 20) as stream:
        meter.file = stream
        for page in warc.records(stream, is_wanted, skipped):
            yield page if len(page) > 2 else Damage(*page)


def loose(source: Source, meter: Meter) -> Iterator[Raw | Damage]:
    """(number, path in the folder, bytes) of loose files."""
    for number, name in enumerate(source.files, 1):
        try:
            body = (source.path / name).read_bytes()
            meter.n_bytes += len(body)
            yield number, name, body
        except OSError as error:
            yield Damage(number, f"{name} can not be read: {error.strerror}")


_JSON: dict[str, Callable[[Path, Meter], Iterator[Raw | Damage]]] = {"jsonl": lines, "json": objects}


# -- chunks -----------------------------------------------------------------------------------------------------------


def chunks(source: Source, how: Plan, is_known_host: Callable[[str], bool] = lambda _: True) -> Iterator[Chunk]:
    """A source as chunks, always cut at the same places. `is_known_host(url)` says which pages of a WARC file are wanted."""
    skipped: Counter[str] = Counter()
    meter = Meter()
    part, held, n_bytes = 1, list[Raw | Damage](), 0
    for raw in _raws(source, how, is_known_host, skipped, meter):
        if held and (len(held) >= how.n_records or n_bytes >= CHUNK_BYTES):
            yield Chunk(part, held, meter.position(), False, _taken(skipped))
            part, held, n_bytes = part + 1, [], 0
        n_bytes += _size(raw)
        held.append(raw)
    yield Chunk(part, held, source.size, True, _taken(skipped))


def _raws(
    source: Source, how: Plan, is_known_host: Callable[[str], bool], skipped: Counter[str], meter: Meter
) -> Iterator[Raw | Damage]:
    if how.format == "files":
        return loose(source, meter)
    if how.format in {"csv", "parquet"}:
        return (cells if how.format == "csv" else table)(source.path, how, meter)
    if how.format in {"json", "jsonl", "gkg"}:
        return _JSON.get(how.format, lines)(source.path, meter)
    return pages(source.path, None if how.all_hosts else is_known_host, skipped, meter)


def _taken(counter: Counter[str]) -> dict[str, int]:
    counts = dict(counter)
    counter.clear()
    return counts


def _size(raw: Raw | Damage) -> int:
    last = raw[-1]
    if isinstance(last, bytes | str):
        return len(last)
    if isinstance(last, dict):
        return sum(len(value) for value in last.values() if isinstance(value, str | bytes))
    return sum(map(len, last)) if isinstance(last, list) else 0


# -- records ----------------------------------------------------------------------------------------------------------


def record(raw: Raw | Damage, how: Plan) -> Record:
    """A raw record as a Record; ValueError says in a few words what is wrong with it."""
    if isinstance(raw, Damage):
        raise ValueError(raw.reason)
    return _RECORDS[how.format](raw, how)


def _json_record(raw: Raw, how: Plan) -> Record:
    number, value = raw
    if isinstance(value, bytes):
        try:
            value = json.loads(value.decode("utf-8", "replace"), strict=False)
        except json.JSONDecodeError as error:
            raise ValueError(f"not valid JSON ({error.msg})") from None
        except RecursionError:
            raise ValueError("not valid JSON (nested too deeply)") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return mapped(number, _reached(value, how.mapping), how.mapping)


def _reached(values: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """The values with those inside others (`_source.title`) under their full names."""
    deep = [column for column in mapping.values() if "." in column and column not in values]
    for column in deep:
        value: Any = values
        for name in column.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        values = values | {column: value}
    return values


def _csv_record(raw: Raw, how: Plan) -> Record:
    number, row = raw
    n = len(how.columns)
    if len(row) < n or any(row[n:]):
        raise ValueError(f"the row has {len(row)} cells and the header {n}")
    return mapped(number, dict(zip(how.columns, row, strict=False)), how.mapping)


def _table_record(raw: Raw, how: Plan) -> Record:
    return mapped(raw[0], _reached(raw[1], how.mapping), how.mapping)


_TITLE = re.compile(r"<PAGE_TITLE>(.*?)</PAGE_TITLE>")
_GKG_COLUMNS = ("id", "seen", "collection", "domain", "url")


def _gkg_record(raw: Raw, how: Plan) -> Record:
    """A line of GDELT's Global Knowledge Graph: address, title, and when GDELT saw it (the outlet's date is not in it)."""
    columns = raw[1].decode("utf-8", "replace").rstrip("\r\n").split("\t")
    values = dict(zip(_GKG_COLUMNS, columns, strict=False))
    if len(columns) < len(_GKG_COLUMNS):
        raise ValueError(f"the line has {len(columns)} columns")
    if values["collection"] != "1":
        raise ValueError("not a page of the web")
    title = _TITLE.search(columns[-1])
    return Record(raw[0], url=values["url"].strip(), title=unescape(title[1]) if title else "", crawled=when(values["seen"]))


def _warc_record(raw: Raw, how: Plan) -> Record:
    number, url, crawled, content_type, encodings, packed = raw
    body, at = warc.unpacked(packed, encodings), when(crawled)
    if content_type.lower().startswith("text/plain"):
        title, text = _split(parse.decode(body, content_type))
        return Record(number, url=url, title=title, text=text, is_plain=True, crawled=at)
    return Record(number, url=url, html=body, content_type=content_type, crawled=at)


def _file_record(raw: Raw, how: Plan) -> Record:
    number, name, body = raw
    kind = LOOSE[Path(name).suffix.lower()]
    if kind == "json":  # one article a file, as news-please writes them
        value = _object(body)
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not a JSON object")
        return mapped(number, value, guessed(value))
    published = dates.from_url(name)
    if kind == "html":
        return Record(number, html=body, published=published, id=name)
    title, text = _split(parse.decode(body))
    return Record(number, title=title, text=text, is_plain=True, published=published, id=name)


def _split(text: str) -> tuple[str, str]:
    """Title and text of a plain text: its first line is the title, unless it is all there is or as long as a paragraph."""
    first, _, rest = text.strip("\ufeff \t\r\n").partition("\n")
    return (first, rest) if rest.strip() and len(first) <= 300 else ("", text)


_RECORDS: dict[str, Callable[[Raw, Plan], Record]] = {
    "jsonl": _json_record, "json": _json_record, "csv": _csv_record, "parquet": _table_record, "gkg": _gkg_record,
    "warc": _warc_record, "files": _file_record,
}  # fmt: skip
