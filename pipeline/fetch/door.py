"""The door itself: one session, a queue a host, one connection a host, and a row for every request whatever happens."""

import asyncio
import collections
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import aiohttp
from yarl import URL

from pipeline.fetch import files
from pipeline.fetch.body import Body, BodyError, TooLargeError
from pipeline.fetch.guard import (
    DoorError,
    RefusedError,
    Resolver,
    answered,
    checked,
    host_name,
    not_found,
    readable,
    refused,
    sentence,
    socket_maker,
    target,
    validator,
)
from pipeline.fetch.kinds import LEFT_ALONE, NOT_WANTED, OUT_OF_TIME, Policy, Request, Result, Verdict
from pipeline.fetch.robots import MAX_ROBOTS_BYTES, Robots, RobotsCache, host, meta_robots, ours, retry_after_s, x_robots
from pipeline.fetch.trail import Answer, Trail, asking, now, with_body

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PERMANENT = frozenset({301, 308})
MAX_HELD_BYTES = 64_000_000  # bodies that wait for the caller; above it no new request is begun
MAX_CLOSED_S = 86_400
REFUSED_S, MAX_REFUSED_S = 60, 3_600  # left alone after repeated 429 and 503 without Retry-After: doubling each time
# What X-Robots-Tag and `meta robots` say of pages that we would keep a copy of. A feed is there to be read: on it, `noindex`
# only asks search engines to leave it out, so it is noted and no more; so is `noai` everywhere, for nothing is trained here.
UNWANTED = frozenset({"none", "noindex", "noarchive", "nocache", "nosnippet"})


class _PostponedError(DoorError):
    """The request was not made, and that is nobody's failure."""


def fetch(
    requests: Iterable[Request],
    policy: Policy,
    robots: RobotsCache | None = None,
    on_done: Callable[[Result], None] | None = None,
) -> Iterator[Result]:
    """Fetch all requests; yields exactly one result each, in order of completion. Never raises for what a server does.

    The network runs in a thread of its own while the caller works on what it got; when 64 MB of bodies wait for the
    caller, no new request is begun. Nothing happens before the first `next`, and closing the iterator stops everything.
    Requests to one host are made one after the other in the order given, `policy.pause_s` apart. After
    `policy.deadline` the rest come back with error OUT_OF_TIME. `robots` keeps what is known of hosts from call to
    call: pass one to all calls of a run, and never run two calls with the same hosts at the same time. `on_done` is
    called with each result just before it is yielded.
    """
    pending = list(requests)
    crew = _Crew(pending, policy, robots or RobotsCache())
    thread = threading.Thread(target=crew.run, name="fetch", daemon=True)
    thread.start()
    try:
        for _ in pending:
            result = crew.take()
            if on_done:
                on_done(result)
            yield result
    finally:
        crew.stop()
        thread.join()


class _Crew:
    """Everything of one call of `fetch`; all but `take` and `stop` runs in the network thread."""

    def __init__(self, requests: list[Request], policy: Policy, cache: RobotsCache) -> None:
        self._requests, self._policy, self._cache = requests, policy, cache
        self._out: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._held, self._held_lock = 0, threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._work: asyncio.Task[None] | None = None
        self._closed: set[str] = set()

    # -- the caller's side --

    def take(self) -> Result:
        result = self._out.get()
        if isinstance(result, BaseException):
            raise result
        with self._held_lock:
            was_full = self._held > MAX_HELD_BYTES
            self._held -= len(result.body or b"")
            has_room = was_full and self._held <= MAX_HELD_BYTES
        if has_room:
            self._call(lambda: self._room.set())
        return result

    def stop(self) -> None:
        self._call(lambda: self._work.cancel() if self._work else None)

    def _call(self, action: Callable[[], Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(action)

    # -- the network's side --

    def run(self) -> None:
        try:
            self._work = self._loop.create_task(self._all())
            self._loop.run_until_complete(self._work)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # a bug: shown to the caller, not swallowed with the thread
            self._out.put(error)
        finally:
            self._loop.close()

    async def _all(self) -> None:
        policy = self._policy
        self._room, self._slots = asyncio.Event(), asyncio.Semaphore(policy.concurrency)
        self._room.set()
        self._turns: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        self._robots_turns: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        resolver = Resolver(policy)
        connector = aiohttp.TCPConnector(
            limit=0, resolver=resolver, ttl_dns_cache=300, socket_factory=socket_maker(policy, resolver)
        )
        timeout = aiohttp.ClientTimeout(None, policy.connect_timeout_s, policy.read_timeout_s)
        queues: dict[str, collections.deque[Request]] = collections.defaultdict(collections.deque)
        for request in self._requests:
            queues[_queue_of(request)].append(request)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=policy.max_header_bytes, max_field_size=policy.max_header_bytes,
            ) as self._session,
            asyncio.TaskGroup() as group,
        ):  # fmt: skip
            for waiting in queues.values():
                group.create_task(self._host(waiting))

    async def _host(self, waiting: collections.deque[Request]) -> None:
        while waiting:
            result = await self._request(Trail(waiting.popleft(), is_last=not waiting))
            with self._held_lock:
                self._held += len(result.body or b"")
                if self._held > MAX_HELD_BYTES:
                    self._room.clear()
            self._out.put(result)

    async def _request(self, trail: Trail) -> Result:
        """One request from start to row; the only place where failures become values."""
        deadline = self._policy.deadline
        if deadline is not None and self._loop.time() >= deadline:
            return trail.result(OUT_OF_TIME)
        try:
            async with asyncio.timeout_at(deadline):
                if trail.request.url.lower().startswith("file:"):
                    return self._recorded(trail)
                return await self._follow(trail)
        except TimeoutError:
            return trail.result(OUT_OF_TIME)
        except DoorError as error:
            return trail.result(str(error))
        except Exception as error:  # whatever a hostile answer provokes in a library ends in a row as well
            return trail.result(sentence(readable(trail.final_url or trail.request.url)[:200], error))

    async def _follow(self, trail: Trail) -> Result:
        """The request and its redirects, each hop checked like the first."""
        request, policy = trail.request, self._policy
        url, name, seen, statuses = checked(request.url), "", set[URL](), set[int]()
        for _ in range(policy.max_redirects + 1):
            if url in seen:
                raise DoorError(f"{url.host} redirects in a circle")
            seen.add(url)
            delay_s = await self._permit(url, trail)
            pause_s = policy.pause_s if request.pause_s is None else request.pause_s
            pause_s = max(delay_s, 0.0 if host_name(url) == name else pause_s)
            answer = await self._hop(url, trail, pause_s, policy.total_timeout_s - (trail.spent_s or 0.0))
            if answer.status not in REDIRECTS:
                return self._finished(trail, url, answer, bool(statuses) and statuses <= PERMANENT)
            statuses.add(answer.status)
            name, url = host_name(url), target(url, answer.headers)
            trail.final_url = str(url)
        raise DoorError(f"{url.host} redirects more than {policy.max_redirects} times")

    def _finished(self, trail: Trail, url: URL, answer: Answer, is_moved: bool) -> Result:
        request, status = trail.request, answer.status
        is_good = 200 <= status < 300 or (status == 304 and bool(request.etag or request.last_modified))
        if not is_good:
            raise DoorError(answered(url, status))
        self._heed_wishes(url, "X-Robots-Tag", answer.x_robots, trail)
        if request.kind == "page" and answer.body:
            self._heed_wishes(url, "meta robots", meta_robots(answer.body, self._policy.agent), trail)
        etag, last_modified = (validator(answer.headers.get(key)) for key in ("ETag", "Last-Modified"))
        if status == 304:
            return trail.result(
                etag=etag or request.etag, last_modified=last_modified or request.last_modified,
                body_hash=request.body_hash, is_moved=is_moved,
            )  # fmt: skip
        content_type = readable(answer.headers.get("Content-Type", ""))[:200] or None
        return with_body(trail, answer.body or b"", content_type, etag=etag, last_modified=last_modified, is_moved=is_moved)

    def _heed_wishes(self, url: URL, place: str, said: set[str], trail: Trail) -> None:
        """Note in the ledger what an answer says of its use; DoorError when a page is not to be kept."""
        if not said or not trail.verdicts:
            return
        is_refused = trail.request.kind == "page" and not said.isdisjoint(UNWANTED) and self._policy.obey_robots
        told = f"{place}: " + ", ".join(sorted(said))[:200]
        last = trail.verdicts[-1]
        trail.verdicts[-1] = last._replace(is_allowed=last.is_allowed and not is_refused, reason=f"{last.reason}; {told}")
        if is_refused:
            raise DoorError(f"{url.host} {NOT_WANTED} ({told})")

    def _recorded(self, trail: Trail) -> Result:
        request, policy = trail.request, self._policy
        body, content_type = files.recorded(request.url, policy.file_root, request.n_state, policy.max_bytes)
        trail.status, trail.spent_s = 200, 0.0
        return with_body(trail, body, content_type)

    # -- permission --

    async def _permit(self, url: URL, trail: Trail) -> float:
        """The Crawl-delay in seconds; raises DoorError when robots.txt forbids the address or does not answer."""
        agent, at = self._policy.agent, now()
        if not self._policy.obey_robots:
            trail.verdicts.append(Verdict(host(url), url.raw_path_qs, True, at, "robots.txt is not obeyed (setting)"))
            return 0.0
        origin = str(url.origin())
        async with self._robots_turns[origin]:
            robots = self._cache.robots.get(origin)
            if robots is None or not robots.is_fresh(at):
                robots = await self._robots(url.origin() / "robots.txt", trail)
                self._cache.learn(origin, robots)
        verdict = robots.verdict(url, agent, at)
        trail.verdicts.append(verdict)
        if not verdict.is_allowed:
            raise DoorError(robots.silence or f"robots.txt of {url.host} forbids {readable(url.path)[:200]}")
        return robots.delay_s(agent)

    async def _robots(self, url: URL, asker: Trail) -> Robots:
        """robots.txt of an origin: 4xx is none, anything but an answer is silence."""
        name = url.host or ""
        trail = Trail(Request(host(url), "robots", str(url)))
        error: str | None = OUT_OF_TIME
        try:
            for _ in range(self._policy.max_redirects + 1):
                left_s = self._policy.total_timeout_s - (trail.spent_s or 0.0)
                answer = await self._hop(url, trail, 0.0, left_s)
                if answer.status not in REDIRECTS:
                    break
                url = target(url, answer.headers)
                trail.final_url = str(url)
            error = None
            if answer.status // 100 == 4 and answer.status != 429:
                return Robots(now(), answer.status)
            if answer.status // 100 == 2:
                return Robots(now(), answer.status, ours(answer.body or b"", self._policy.agent))
            error = answered(url, answer.status)
        except _PostponedError:
            raise
        except DoorError as failure:
            error = str(failure)
        finally:
            if trail.spent_s is not None:
                asker.robots.append(trail.result(error))
            asker.retry_after_s = trail.retry_after_s
        is_plain = error in {not_found(name), refused(name)}
        silence = error if is_plain else f"robots.txt of {name} did not answer, so nothing is fetched there ({error})"
        return Robots(now(), trail.status, silence=silence)

    # -- one exchange --

    @contextlib.asynccontextmanager
    async def _turn(self, name: str, pause_s: float, trail: Trail) -> AsyncIterator[None]:
        """The right to ask a host: alone, after the pause, and only while it has not asked to be left alone."""
        cache, loop = self._cache, self._loop
        async with self._turns[name]:
            closed_s = cache.closed_until.get(name, 0.0) - loop.time()
            if name in self._closed or closed_s > 0:
                trail.retry_after_s = round(closed_s) if closed_s > 0 else None
                raise _PostponedError(f"{name} {LEFT_ALONE}")
            wait_s = cache.last_at.get(name, -pause_s) + pause_s - loop.time() if pause_s else 0.0
            if wait_s > 0:
                if self._policy.deadline is not None and loop.time() + wait_s >= self._policy.deadline:
                    raise _PostponedError(OUT_OF_TIME)
                await asyncio.sleep(wait_s)
            async with self._slots:
                await self._room.wait()
                try:
                    yield
                finally:
                    if trail.request.kind != "robots":  # asking for permission is no visit
                        cache.last_at[name] = loop.time()

    async def _hop(self, url: URL, trail: Trail, pause_s: float, left_s: float) -> Answer:
        """One GET without redirects, its body read and decoded within all limits; raises DoorError."""
        name = url.host or ""
        async with self._turn(host_name(url), pause_s, trail):
            begun = self._loop.time()
            trail.status, trail.spent_s = None, trail.spent_s or 0.0
            try:
                async with asyncio.timeout(max(left_s, 0.0)) as limit:
                    async with self._session.get(url, headers=asking(trail, self._policy), allow_redirects=False) as response:
                        trail.status = response.status
                        self._heed(url, response, trail)
                        said = x_robots(response.headers.getall("X-Robots-Tag", ()), self._policy.agent)
                        body = await self._body(response, trail.request.kind) if 200 <= response.status < 300 else None
                        return Answer(response.status, response.headers, said, body)
            except BodyError as error:
                raise DoorError(f"{name} {error}") from None
            except TimeoutError as error:
                if limit.expired():
                    raise DoorError(f"{name} took longer than {self._policy.total_timeout_s:g} s") from None
                raise DoorError(sentence(name, error)) from None
            except (aiohttp.ClientError, OSError) as error:
                raise DoorError(refused(name) if isinstance(error, RefusedError) else sentence(name, error)) from None
            finally:
                trail.spent_s += self._loop.time() - begun

    async def _body(self, response: aiohttp.ClientResponse, kind: str) -> bytes:
        is_robots = kind == "robots"
        body = Body(response.headers.get("Content-Encoding", ""), MAX_ROBOTS_BYTES if is_robots else self._policy.max_bytes)
        try:
            if not is_robots and (response.content_length or 0) > self._policy.max_bytes:
                raise TooLargeError
            async for chunk in response.content.iter_any():
                body.add(chunk)
            return body.close()
        except TooLargeError:
            if is_robots:  # the rest of an endless robots.txt does not count
                return body.head()
            raise

    def _heed(self, url: URL, response: aiohttp.ClientResponse, trail: Trail) -> None:
        """After 429 or 503 a host is left alone for the rest of this call, and as long as its Retry-After says; without one,
        from the second time in a row, for a minute, two, four ..."""
        name, cache = host_name(url), self._cache
        trail.retry_after_s = retry_after_s(response.headers.get("Retry-After"), now())
        if response.status in {429, 503}:
            self._closed.add(name)
            n_before = cache.refusals.get(name, 0)
            wait_s = trail.retry_after_s or (min(REFUSED_S << min(n_before - 1, 10), MAX_REFUSED_S) if n_before else 0)
            cache.leave_alone(name, min(wait_s, MAX_CLOSED_S), self._loop.time(), n_before + 1)
        elif name in cache.refusals and trail.request.kind != "robots":
            cache.leave_alone(name, 0, self._loop.time(), 0)


def _queue_of(request: Request) -> str:
    try:
        return host_name(checked(request.url))
    except DoorError:
        return ""
