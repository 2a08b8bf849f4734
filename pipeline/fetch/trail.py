"""One request under way: what is known of it so far, and the row it becomes."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from pipeline.fetch.body import CODINGS
from pipeline.fetch.guard import DoorError, readable, validator
from pipeline.fetch.kinds import Policy, Request, Result, Verdict

ACCEPT = {
    "feed": "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5",
    "page": "text/html, application/xhtml+xml, */*;q=0.5",
    "sitemap": "application/xml, text/xml, */*;q=0.5",
    "robots": "text/plain, */*;q=0.5",
}


@dataclasses.dataclass(slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    x_robots: set[str]
    body: bytes | None


@dataclasses.dataclass(slots=True)
class Trail:
    """What is known so far of one request under way."""

    request: Request
    is_last: bool = False  # of its host: the connection is closed afterwards
    final_url: str = ""
    status: int | None = None
    spent_s: float | None = None
    retry_after_s: int | None = None
    verdicts: list[Verdict] = dataclasses.field(default_factory=list)
    robots: list[Result] = dataclasses.field(default_factory=list)

    def result(self, error: str | None = None, **more: Any) -> Result:
        asked = self.request
        return Result(
            asked.request_id, asked.kind, asked.url, self.final_url or asked.url, now(), self.status,
            elapsed_ms=None if self.spent_s is None else round(self.spent_s * 1000), retry_after_s=self.retry_after_s,
            error=error, verdicts=tuple(self.verdicts), robots=tuple(self.robots), **more,
        )  # fmt: skip


def asking(trail: Trail, policy: Policy) -> dict[str, str]:
    """The headers of the request, with the validators of the last answer."""
    request = trail.request
    accept = ACCEPT.get(request.kind, "*/*")
    headers = {"User-Agent": policy.user_agent, "Accept": accept, "Accept-Encoding": CODINGS}
    if request.etag and validator(request.etag):
        headers["If-None-Match"] = request.etag
    if request.last_modified and validator(request.last_modified):
        headers["If-Modified-Since"] = request.last_modified
    if trail.is_last:
        headers["Connection"] = "close"
    return headers


def with_body(trail: Trail, body: bytes, content_type: str | None, **more: Any) -> Result:
    if not body:
        raise DoorError(f"{readable(trail.final_url or trail.request.url)[:200]} gave an empty answer")
    body_hash = hashlib.blake2b(body, digest_size=16).hexdigest()
    kept = None if body_hash == trail.request.body_hash else body
    return trail.result(content_type=content_type, body=kept, body_hash=body_hash, n_bytes=len(body), **more)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
