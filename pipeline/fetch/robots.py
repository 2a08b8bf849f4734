"""What hosts ask of us: robots.txt with its age, X-Robots-Tag and its like in pages, Retry-After."""

import contextlib
import dataclasses
import datetime as dt
import email.utils
import functools
import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from protego import Protego
from yarl import URL

from pipeline.fetch.guard import host_name, readable
from pipeline.fetch.kinds import Verdict

MAX_AGE = dt.timedelta(hours=24)
SILENT_AGE = dt.timedelta(minutes=5)  # a host whose robots.txt did not answer is asked again soon
MAX_ROBOTS_BYTES = 512_000
MAX_HEAD_BYTES = 200_000  # of a page, in which its own wishes are looked for
MAX_CRAWL_DELAY_S = 60.0
MAX_RETRY_S = 30 * 86_400


@dataclasses.dataclass(frozen=True)
class Robots:
    """The robots.txt of one origin. `text` holds the part that concerns us; None: there is none, or it did not answer.

    `silence` is the sentence that stops every request while robots.txt does not answer.
    """

    checked_at: dt.datetime
    http_status: int | None = None
    text: str | None = None
    silence: str | None = None

    @functools.cached_property
    def _rules(self) -> Protego:
        return Protego.parse(self.text or "")

    def is_fresh(self, now: dt.datetime) -> bool:
        return now - self.checked_at < (SILENT_AGE if self.silence else MAX_AGE)

    def delay_s(self, agent: str) -> float:
        """The Crawl-delay in seconds, at most a minute."""
        return min(self._rules.crawl_delay(agent) or 0.0, MAX_CRAWL_DELAY_S) if self.text else 0.0

    def verdict(self, url: URL, agent: str, now: dt.datetime) -> Verdict:
        if self.silence:
            is_allowed, reason = False, self.silence
        elif self.text is None:
            is_allowed, reason = True, f"there is no robots.txt ({self.http_status})"
        else:
            is_allowed = self._rules.can_fetch(str(url), agent)
            reason = f"robots.txt {'allows' if is_allowed else 'forbids'} it"
        return Verdict(host(url), url.raw_path_qs, is_allowed, now, reason)


class RobotsCache:
    """What is known of hosts, kept from one `fetch` to the next: robots.txt (24 h), the last request, who wants to be
    left alone.

    Use one cache for a whole run. `changes` and `load` carry it over to the next run as rows of `host_state`; the last
    requests are those of `fetch_log`.
    """

    def __init__(self) -> None:
        self.robots: dict[str, Robots] = {}  # by origin
        self.last_at: dict[str, float] = {}  # by host name, on the monotonic clock
        self.closed_until: dict[str, float] = {}
        self.refusals: dict[str, int] = {}  # by host name: answers 429 and 503 in a row
        self._changed: set[str] = set()
        self._lock = threading.Lock()

    def learn(self, origin: str, robots: Robots) -> None:
        """Keep the robots.txt of an origin."""
        with self._lock:
            self.robots[origin] = robots
            self._changed.add(origin)

    def leave_alone(self, name: str, seconds: float, at: float, n_refusals: int) -> None:
        """Ask nothing of a host for so long, counted from `at` on the monotonic clock."""
        with self._lock:
            self.closed_until[name], self.refusals[name] = at + seconds, n_refusals
            self._changed.add(name)
            if not n_refusals:
                del self.closed_until[name], self.refusals[name]

    def sitemaps(self, url: str) -> list[str]:
        """The sitemaps that the robots.txt of this address's host names; empty when it was not asked yet."""
        known = self.robots.get(str(URL(url).origin()))
        return [] if known is None or known.text is None else list(known._rules.sitemaps)

    def changes(self, now: dt.datetime) -> list[dict[str, Any]]:
        """What was learned since the last call, as rows of `host_state`. A robots.txt that did not answer is not among it."""
        clock, rows = time.monotonic(), []
        with self._lock:
            changed, self._changed = self._changed, set()
            for host_ in sorted(changed):
                known = self.robots.get(host_)
                closed_s = self.closed_until.get(host_, clock) - clock
                if known is None or not known.silence:
                    rows.append({
                        "host": host_, "checked_at": known and known.checked_at, "http_status": known and known.http_status,
                        "robots": known and known.text, "n_refusals": self.refusals.get(host_, 0),
                        "left_alone_until": now + dt.timedelta(seconds=closed_s) if closed_s > 0 else None,
                    })  # fmt: skip
        return rows

    @classmethod
    def load(
        cls, rows: Iterable[Mapping[str, Any]], now: dt.datetime, asked: Iterable[tuple[str, dt.datetime]] = ()
    ) -> "RobotsCache":
        """The cache that rows of `host_state` describe, and the last requests (url, fetched_at)."""
        cache, clock = cls(), time.monotonic()
        for url, at in asked:
            with contextlib.suppress(ValueError):
                name = host_name(URL(url))
                cache.last_at[name] = max(cache.last_at.get(name, -math.inf), clock - max(0.0, (now - at).total_seconds()))
        for row in rows:
            if row["checked_at"]:
                cache.robots[row["host"]] = Robots(row["checked_at"], row["http_status"], row["robots"])
            if row["n_refusals"]:
                cache.refusals[row["host"]] = row["n_refusals"]
            if row["left_alone_until"] and row["left_alone_until"] > now:
                cache.closed_until[row["host"]] = clock + (row["left_alone_until"] - now).total_seconds()
        return cache


def host(url: URL) -> str:
    """The host of an address as the ledger names it: with its port when that is not the usual one."""
    name = url.host or ""
    return name if url.is_default_port() else f"{name}:{url.port}"


def ours(body: bytes, agent: str) -> str:
    """The lines of a robots.txt that concern this agent.

    Protego copies every rule to every agent of a group, which a hostile file turns into gigabytes; so groups of other
    robots keep their place but lose their names.
    """
    lines: list[str] = []
    for line in body[:MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace").splitlines():
        rule = line.split("#")[0].strip()
        found = re.match(r"(?i)user[- ]?agent\s*[: ]\s*(.*)", rule)
        if found:
            name = found[1].strip().lower().split("/")[0].strip() or "-"
            rule = f"User-agent: {name if name == '*' or name.replace('*', '') in agent else '-'}"
        if rule and not (lines and lines[-1] == rule):
            lines.append(rule)
    return "\n".join(lines)


def x_robots(headers: Iterable[str], agent: str) -> set[str]:
    """The directives of X-Robots-Tag headers that concern us, in lower case: noindex, none, noarchive ..."""
    said = set()
    for header in headers:
        names, is_ours = readable(header)[:1000].lower().split(","), True
        for name in names:
            robot, colon, directive = name.partition(":")
            if colon and robot.strip() not in {
                "unavailable_after",
                "max-snippet",
                "max-image-preview",
                "max-video-preview",
            }:
                is_ours = robot.strip() in {agent, "*"}
                name = directive
            if is_ours and name.strip():
                said.add(name.strip())
    return said


_META = re.compile(rb"<meta\b[^<>]{0,1000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(name|content)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)


def meta_robots(body: bytes, agent: str) -> set[str]:
    """The directives of a page's own `<meta name="robots">`, or of one with our name, as `x_robots`."""
    said = set()
    for tag in _META.findall(_COMMENT.sub(b"", body[:MAX_HEAD_BYTES])):
        told = {name.lower(): one or two or three for name, one, two, three in _ATTRIBUTE.findall(tag.decode("latin-1"))}
        if told.get("name", "").strip().lower() in {"robots", agent}:
            said |= x_robots([told.get("content", "")], agent)
    return said


def retry_after_s(header: str | None, now: dt.datetime) -> int | None:
    """Retry-After in seconds from now, from a number or an HTTP date; null when it is neither."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), MAX_RETRY_S)
    try:
        when = email.utils.parsedate_to_datetime(text)
        when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
        return min(max(0, round((when - now).total_seconds())), MAX_RETRY_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
