"""Bodies: undo the compression of a stream without ever holding more than the limit."""

import zlib
from typing import Protocol

import brotli

MAX_MEMBERS = 100  # of one gzip stream; more are ignored
CODINGS = "gzip, deflate, br"


class BodyError(Exception):
    """A body that can not be taken; the text is the end of a sentence that begins with the host."""


class _Layer(Protocol):
    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> None: ...


class _Inflate:
    """gzip (also of several members), zlib, and bare deflate."""

    def __init__(self, coding: str, limit: int) -> None:
        self._coding, self._left, self._members = coding, limit, 0
        self._stream = zlib.decompressobj(wbits=31) if coding == "gzip" else None
        self._head = b""

    def feed(self, data: bytes) -> bytes:
        if self._stream is None:  # deflate: two bytes tell whether it comes in a zlib wrapper
            self._head += data
            if len(self._head) < 2:
                return b""
            is_wrapped = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(wbits=15 if is_wrapped else -15)
            data = self._head
        parts = []
        while data and self._members < MAX_MEMBERS:
            if self._stream.eof:
                if self._coding != "gzip" or data[:1] != b"\x1f":
                    break  # padding after the end
                self._members += 1
                self._stream = zlib.decompressobj(wbits=31)
            try:
                part = self._stream.decompress(data, self._left + 1)
            except zlib.error:
                raise BodyError(f"sent a body that is not valid {self._coding}") from None
            self._left -= len(part)
            if self._left < 0:
                raise TooLargeError
            parts.append(part)
            data = self._stream.unused_data
        return b"".join(parts)

    def finish(self) -> None:
        if self._stream is None or not self._stream.eof:
            raise BodyError(f"sent a {self._coding} body that ends too early")


class _Brotli:
    def __init__(self, limit: int) -> None:
        self._stream, self._left = brotli.Decompressor(), limit

    def feed(self, data: bytes) -> bytes:
        parts = []
        try:
            while True:
                part = self._stream.process(data, output_buffer_limit=min(self._left + 1, 1 << 20))
                self._left -= len(part)
                if self._left < 0:
                    raise TooLargeError
                parts.append(part)
                data = b""
                if self._stream.can_accept_more_data() or self._stream.is_finished():
                    return b"".join(parts)
        except brotli.error:
            raise BodyError("sent a body that is not valid br") from None

    def finish(self) -> None:
        if not self._stream.is_finished():
            raise BodyError("sent a br body that ends too early")


class TooLargeError(BodyError):
    """More bytes than the limit."""

    def __init__(self) -> None:
        super().__init__("sent a body larger than the limit")


class Body:
    """A body as it arrives. `add` raw bytes, then `close` gives the decoded ones; both raise BodyError.

    `coding` is the Content-Encoding header, `limit` the greatest decoded size in bytes.
    """

    def __init__(self, coding: str, limit: int) -> None:
        self._layers = [_layer(name, limit) for name in reversed(_names(coding))]
        self._limit, self._n_raw, self._n_bytes = limit, 0, 0
        self._parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        self._n_raw += len(data)
        for layer in self._layers:
            data = layer.feed(data)
        self._n_bytes += len(data)
        if max(self._n_bytes, self._n_raw) > self._limit:
            raise TooLargeError
        self._parts.append(data)

    def head(self) -> bytes:
        """What has arrived so far."""
        return b"".join(self._parts)

    def close(self) -> bytes:
        if self._n_raw:
            for layer in self._layers:
                layer.finish()
        body = b"".join(self._parts)
        if body.startswith(b"\x1f\x8b\x08"):  # a .gz file, or gzip that nobody declared
            inner = _Inflate("gzip", self._limit)
            body = inner.feed(body)
            inner.finish()
        return body


def _names(coding: str) -> list[str]:
    names = [name.strip().lower().removeprefix("x-") for name in coding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if len(names) > 2 or not {"gzip", "deflate", "br"}.issuperset(names):
        raise BodyError(f"sent a body in a coding that was not asked for ({coding[:40]})")
    return names


def _layer(name: str, limit: int) -> _Layer:
    return _Brotli(limit) if name == "br" else _Inflate(name, limit)
