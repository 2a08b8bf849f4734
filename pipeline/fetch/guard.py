"""The guard at the socket: which addresses may be dialled, and what a broken connection is called in plain words."""

import asyncio
import http
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.fetch.kinds import Policy

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST6 = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL = [ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20", "5f00::/16")]
MAX_URL_CHARS = 4000


class RefusedError(OSError):
    """The address is not one of the open internet."""


class DoorError(Exception):
    """A request that ends here; the text is the whole sentence for the row."""


def is_global(address: str) -> bool:
    """Is this a global unicast address, also when IPv6 wraps an IPv4 one (mapped, NAT64, 6to4)?"""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_global(str(inner))
        if ip not in _UNICAST6 or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _NOT_GLOBAL if net.version == ip.version)


def checked(address: str) -> URL:
    """The address as a URL if it may be asked at all (scheme, host, no credentials); raises DoorError."""
    try:
        if len(address) > MAX_URL_CHARS or any(char < " " or char == "\x7f" for char in address):
            raise ValueError
        url = URL(address)
        host, _ = url.host, url.port
    except (ValueError, TypeError):
        raise DoorError(f"{readable(address)[:200]} is not a valid address") from None
    if url.scheme not in {"http", "https"}:
        raise DoorError(f"addresses of the kind {readable(url.scheme)[:20] or '(none)'} are not fetched, only http and https")
    if not host or not url.raw_host:
        raise DoorError(f"{readable(address)[:200]} names no host")
    if url.user is not None or url.password is not None:
        raise DoorError(f"{host}: addresses with a user name or password are not fetched")
    return url.with_fragment(None)


def target(url: URL, headers: Mapping[str, str]) -> URL:
    """Where a redirect leads, checked like any address."""
    location = headers.get("Location", "").strip()
    if not location:
        raise DoorError(f"{url.host} redirects to nowhere")
    try:
        return checked(str(url.join(URL(location))))
    except DoorError as error:
        raise DoorError(f"{url.host} redirects to an address that is not fetched: {error}") from None
    except (ValueError, TypeError):
        raise DoorError(f"{url.host} redirects to an address that is not valid") from None


def answered(url: URL, status: int) -> str:
    phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus._value2member_map_ else ""
    return f"{url.host} answered {status} {phrase}".rstrip()


def validator(text: str | None) -> str | None:
    """An ETag or Last-Modified that can be sent back as it is; others are forgotten."""
    return text if text and len(text) <= 500 and text.isascii() and text.isprintable() else None


def host_name(url: URL) -> str:
    return (url.host or "").rstrip(".")


def readable(text: str) -> str:
    """Text from outside, safe for a row and a terminal: no control characters, no lone surrogates."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else " " for char in text)


class Resolver(AbstractResolver):
    """Names to addresses: the policy's answers first, else the system's, in threads that no exit has to wait for."""

    def __init__(self, policy: Policy) -> None:
        self._own = policy.resolver
        self.trusted: set[tuple[str, int]] = set()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        own = self._own(host) if self._own else None
        if own is not None:
            self.trusted.add(own)
            return [_resolved(host, *own)]
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        threading.Thread(target=_look_up, args=(host, port, answer), daemon=True).start()
        return [_resolved(host, address, port) for address in await answer]

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def _look_up(host: str, port: int, answer: "asyncio.Future[list[str]]") -> None:
    def settle(addresses: list[str] | None) -> None:
        if answer.done():
            return
        if addresses:
            answer.set_result(addresses)
        else:
            answer.set_exception(OSError(None, "no such host"))

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses: list[str] | None = list(dict.fromkeys(str(info[4][0]) for info in found))
    except (OSError, UnicodeError):
        addresses = None
    loop = answer.get_loop()
    try:
        loop.call_soon_threadsafe(settle, addresses)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


def socket_maker(policy: Policy, resolver: Resolver) -> Callable[[Any], socket.socket]:
    """A socket factory that refuses to dial what is not global; it sees the very address that is dialled."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, place = info
        if not (policy.allow_private or is_global(place[0]) or tuple(place[:2]) in resolver.trusted):
            raise RefusedError(f"refused: {place[0]}")
        return socket.socket(family=family, type=kind, proto=proto)

    return make


def sentence(host: str, error: BaseException) -> str:
    """What went wrong on the way to `host`, in one plain sentence."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return not_found(host)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return f"{host} has no valid certificate or speaks no TLS"
        case aiohttp.ConnectionTimeoutError():
            return f"{host} could not be reached in time"
        case aiohttp.ClientConnectorError() if "refused: " in str(error.os_error):
            return refused(host)
        case aiohttp.ClientConnectorError():
            why = os.strerror(error.os_error.errno) if error.os_error.errno else "no connection"
            return f"{host} could not be reached ({why})"
        case TimeoutError():
            return f"{host} stopped sending"
        case aiohttp.ClientPayloadError():
            return f"{host} broke off in the middle of its answer"
        case aiohttp.ClientResponseError():
            first = readable(error.message.split("\n")[0])[:80].rstrip(": ")
            return f"{host} sent an answer that is not valid HTTP ({first})"
        case aiohttp.ServerDisconnectedError():
            return f"{host} closed the connection without an answer"
        case aiohttp.InvalidURL():
            return f"{host} is not a valid host name"
        case aiohttp.ClientError() | OSError():
            return f"{host} broke the connection"
        case _:
            return f"{host} could not be read ({type(error).__name__}: {readable(str(error))[:100]})"


def not_found(host: str) -> str:
    return f"{host} could not be found (no network or no such host)"


def refused(host: str) -> str:
    return f"{host} leads to an address inside a private network, which is not fetched"
