"""WARC files (CC-NEWS and other crawls): their pages. A damaged record costs itself, not the file."""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import brotli
from fastwarc.warc import ArchiveIterator, WarcRecordType

MAX_PAGE = 10_000_000  # bytes of a body, unpacked
TEXTS = ("text/html", "application/xhtml+xml", "text/plain")
_TYPES = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
_BLOCK = 1 << 20
_GZIP = re.compile(rb"\x1f\x8b\x08[\x00\x04]")
_PLAIN = re.compile(rb"WARC/1\.[01]\r?\n")


def records(stream: BinaryIO, is_wanted: Callable[[str], bool] | None, skipped: Counter[str]) -> Iterator[tuple[Any, ...]]:
    """(number, address, date, content type, encodings, body) of the pages; of a damaged record (number, reason).

    What is no page is counted by reason in `skipped`. `is_wanted(url)` chooses, None takes all. Bodies are as they were sent:
    `unpacked` undoes their encodings.
    """
    number = 0
    start = _GZIP if stream.read(2) == b"\x1f\x8b" else _PLAIN
    begin: int | None = 0
    while begin is not None:
        stream.seek(begin)
        last = None
        try:
            for record in ArchiveIterator(stream, record_types=_TYPES, parse_http=True, auto_decode="none"):
                number, last = number + 1, record.stream_pos
                found = _page(record, is_wanted)
                if isinstance(found, str):
                    skipped[found] += 1
                else:
                    yield number, *found
            return
        except (OSError, ValueError, RuntimeError) as error:
            if last is None:  # else the record that can not be read comes after it: begin there, and see
                number += 1
                yield number, f"a record at byte {begin:,} is damaged ({(str(error).splitlines() or ['?'])[0][:100]})"
            begin = _next(stream, (begin if last is None else begin + last) + 1, start)


def _page(record: Any, is_wanted: Callable[[str], bool] | None) -> tuple[Any, ...] | str:
    """The fields of a page, or why the record is none."""
    url = (record.headers.get("WARC-Target-URI") or "").strip("<> ")
    if not url.startswith(("http://", "https://")):
        return "no web address"
    if is_wanted is not None and not is_wanted(url):
        return "host not in the catalogue"
    http = record.http_headers
    if record.is_http and http is not None:
        if http.status_code != 200:
            return f"status {http.status_code}"
        kind, encodings = (
            http.get("Content-Type") or "",
            [http.get("Transfer-Encoding") or "", http.get("Content-Encoding") or ""],
        )
    else:
        kind, encodings = record.headers.get("Content-Type") or "", ["", ""]
    short = kind.split(";")[0].strip().lower()
    if short and short not in TEXTS:
        return f"type {short[:60]}"
    if urlsplit(url).path in {"", "/"}:
        return "front page"
    body = record.reader.read(MAX_PAGE + 1)
    return url, record.headers.get("WARC-Date") or "", kind, encodings, body


def _next(stream: BinaryIO, begin: int, start: re.Pattern[bytes]) -> int | None:
    """Where the next record begins, at or after `begin`."""
    stream.seek(begin)
    held, at = b"", begin
    while block := stream.read(_BLOCK):
        held += block
        if match := start.search(held):
            return at + match.start()
        at, held = at + len(held) - 16, held[-16:]
    return None


def unpacked(body: bytes, encodings: list[str]) -> bytes:
    """A body without its transfer and content encodings; ValueError says why that can not be.

    Many crawlers store bodies unpacked and keep the headers, so a body that is not packed is taken as it is.
    """
    transfer, content = (value.lower() for value in encodings)
    if "chunked" in transfer:
        body = _joined(body)
    for name in reversed([part.strip() for part in content.split(",") if part.strip()]):
        body = _inflated(body, name)
    if len(body) > MAX_PAGE:
        raise ValueError(f"the page is larger than {MAX_PAGE:,} bytes")
    return body


_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")


def _joined(body: bytes) -> bytes:
    """The chunks of a chunked body put together; a body that is not chunked stays as it is."""
    pieces: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size, at = int(match[1], 16), match.end()
        if size == 0:
            return b"".join(pieces)
        pieces.append(body[at : at + size])
        at += size
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return b"".join(pieces) if pieces and at >= len(body) else body


def _inflated(body: bytes, name: str) -> bytes:
    try:
        if name in {"gzip", "x-gzip"}:
            return _zlib(body, 31) if body.startswith(b"\x1f\x8b") else body
        if name == "deflate":
            return _zlib(body, 15 if body[:1] == b"\x78" else -15)
        if name == "br":
            return body if _is_text(body) else bytes(brotli.decompress(body))
    except (zlib.error, brotli.error) as error:
        if _is_text(body):
            return body
        raise ValueError(f"the body can not be unpacked ({name}: {error})") from None
    if name in {"identity", "none", "utf-8"} or _is_text(body):
        return body
    raise ValueError(f"the body is packed in a way that is not known here ({name})")


def _zlib(body: bytes, bits: int) -> bytes:
    return zlib.decompressobj(bits).decompress(body, MAX_PAGE + 1)  # a body that was cut off gives what there is


def _is_text(body: bytes) -> bool:
    return body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
