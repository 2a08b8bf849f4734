"""fetch: the door to the network. Requests in, one row each out; polite, guarded, and never an exception for what a
server does.

    for result in fetch(requests, Policy(...), cache): ...

`fetched`, `robots_fetched` and `permissions` turn results into frames (FETCHED, FETCHED, `robots_log`); `n_states`
counts the recorded states of a `file:` address. `RobotsCache.changes` and `load` carry what is known of hosts over to
the next run.
"""

from pipeline.fetch.door import fetch
from pipeline.fetch.files import n_states
from pipeline.fetch.guard import is_global
from pipeline.fetch.kinds import (
    LEFT_ALONE,
    NOT_WANTED,
    OUT_OF_TIME,
    Policy,
    Request,
    Result,
    Verdict,
    fetched,
    permissions,
    robots_fetched,
)
from pipeline.fetch.robots import RobotsCache

__all__ = [
    "LEFT_ALONE", "NOT_WANTED", "OUT_OF_TIME", "Policy", "Request", "Result", "RobotsCache", "Verdict", "fetch", "fetched",
    "is_global", "n_states", "permissions", "robots_fetched",
]  # fmt: skip
