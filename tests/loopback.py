"""A real HTTP server on loopback for tests: scripted answers by host name and path, and a log of every request.

    with Loopback() as server:
        server.on("http://a.example/feed.xml", answer(b"<rss/>"))
        list(fetch([...], Policy(resolver=server.resolver)))
        server.hits("a.example")

Every host name is answered by the one server; `*` as host or path answers for all.
"""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

Behaviour = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclasses.dataclass
class Hit:
    """One request as the server saw it; times are `time.monotonic()` seconds."""

    host: str
    path: str
    headers: Mapping[str, str]
    began_at: float
    ended_at: float | None = None


class Loopback:
    """The server, running in a thread while the `with` block lasts. `port`, `url` and `log` are for the test."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.log: list[Hit] = []
        self._address = host
        self._behaviours: dict[tuple[str, str], Behaviour] = {}
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> "Loopback":
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The address of the server itself, for clients that do not know `resolver`."""
        return f"http://{self._address}:{self.port}"

    def resolver(self, host: str) -> tuple[str, int] | None:
        """For `Policy.resolver`: every name that ends in .example lives here."""
        return (self._address, self.port) if host.endswith(".example") else None

    def on(self, url: str, behaviour: Behaviour) -> None:
        """Let an address (`http://host/path`, or `*` for either part) be answered by a behaviour."""
        parts = urlsplit(url if "//" in url else f"//{url}")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._behaviours[parts.hostname or "*", path or "/"] = behaviour

    def hits(self, host: str | None = None, path: str | None = None) -> list[Hit]:
        """The requests so far, oldest first."""
        return [hit for hit in self.log if host in {None, hit.host} and path in {None, hit.path}]

    def most_at_once(self, host: str) -> int:
        """The greatest number of requests of one host that were under way at the same time."""
        hits = self.hits(host)
        return max(
            (sum(one.began_at <= hit.began_at < (one.ended_at or float("inf")) for one in hits) for hit in hits),
            default=0,
        )

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.headers.get("Host", "").split(":")[0].lower()
        hit = Hit(host, request.path_qs, dict(request.headers), time.monotonic())
        self.log.append(hit)
        try:
            for key in ((host, request.path_qs), (host, "/*"), ("*", request.path_qs), ("*", "/*")):
                if key in self._behaviours:
                    return await self._behaviours[key](request)
            return web.Response(status=404, text="nothing here")
        finally:
            hit.ended_at = time.monotonic()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self._address, 0, backlog=1024)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._is_up.set()
        await self._stop.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), 5)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


# -- behaviours --


def answer(
    body: bytes | str = b"", status: int = 200, headers: Mapping[str, str] | None = None, after_s: float = 0.0
) -> Behaviour:
    """A proper answer, given after a while. Content-Type is XML unless the headers say otherwise."""

    async def behave(_: web.BaseRequest) -> web.StreamResponse:
        if after_s:
            await asyncio.sleep(after_s)
        data = body.encode() if isinstance(body, str) else body
        return web.Response(status=status, body=data, headers={"Content-Type": "application/xml"} | dict(headers or {}))

    return behave


def validated(body: bytes, etag: str = '"one"', **headers: str) -> Behaviour:
    """An answer with an ETag, and 304 when the client has it already."""

    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(body=body, headers={"ETag": etag, "Content-Type": "application/xml"} | headers)

    return behave


def redirect(target: str, status: int = 302) -> Behaviour:
    """A redirect to any text at all."""
    return answer(b"moved", status, {"Location": target})


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One behaviour after the other, the last one for good."""
    left = list(behaviours)

    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return behave


def raw(data: bytes, then: str = "close", every_s: float = 0.0, chunk: bytes = b"") -> Behaviour:
    """Bytes straight onto the wire; then `close`, `reset`, `hang`, or `drip` a chunk every `every_s` seconds."""

    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        transport.write(data)
        if then == "hang":
            await asyncio.sleep(3600)
        while then == "drip" and not transport.is_closing():
            transport.write(chunk)
            await asyncio.sleep(every_s)
        if then == "reset":
            await asyncio.sleep(0.05)
            linger = struct.pack("ii", 1, 0)
            wire: Any = transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.close()
        return _Nothing()

    return behave


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The first bytes of an answer, for `raw`."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def stream(chunks: Callable[[], Any], headers: Mapping[str, str] | None = None) -> Behaviour:
    """A chunked answer from an iterable of bytes, sent as fast as the client takes it."""

    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/xml"} | dict(headers or {}))
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            for chunk in chunks():
                await response.write(chunk)
            await response.write_eof()
        return response

    return behave


class _Nothing(web.Response):
    """The connection has been dealt with; nothing more is written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        self._eof_sent = True

    async def write_eof(self, data: bytes = b"") -> None:
        """Not even this."""
