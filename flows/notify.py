"""Sending: the messages of the alert outbox go to their channels, through apprise. Addresses of channels are secrets."""

import contextlib
import logging
import os
import time
import warnings
from datetime import UTC, datetime
from typing import Any

from flows.settings import PREFIX
from pipeline import alerts
from pipeline.warehouse import Store

SEND_SECONDS = 10  # that a channel may take to answer
ALL_SECONDS = 60  # after which the rest waits for the next run


def channel_url(channel: str) -> str | None:
    """The secret address of a channel: BALKANWATCH_CHANNEL_<NAME> in the environment, else the Prefect block it is kept in."""
    url = os.environ.get(f"{PREFIX}CHANNEL_{channel.upper()}")
    if url or "PREFECT_API_URL" not in os.environ:
        return url
    from prefect.blocks.system import Secret

    with contextlib.suppress(ValueError):  # no such block
        block: Any = Secret.load(f"balkanwatch-{channel.replace('_', '-')}", _sync=True)  # type: ignore[call-arg]
        return str(block.get())
    return None


def send(channel: str, subject: str, body: str) -> str | None:
    """Send one message through apprise; None, or why it could not be sent. Never names the channel's address: it is a secret."""
    url = channel_url(channel)
    if not url:
        return f"channel {channel} has no address ({PREFIX}CHANNEL_{channel.upper()})"
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log addresses
    sender = apprise.Apprise()
    joint = "&" if "?" in url else "?"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # apprise loads all its channels, some with old modules
        is_known = sender.add(f"{url}{joint}cto={SEND_SECONDS}&rto={SEND_SECONDS}")
    if not is_known:
        return f"channel {channel} has an address that apprise does not understand"
    try:
        taken = sender.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a channel's own library may raise anything; its text may hold the address
        return f"channel {channel} failed ({type(error).__name__})"
    return None if taken else f"channel {channel} did not take the message"


def send_waiting(store: Store) -> tuple[int, int]:
    """Send the messages that are due, each marked in a transaction of its own; how many went, and how many did not."""
    sent = failed = 0
    begun = time.monotonic()
    for message in alerts.waiting(store, datetime.now(UTC)):
        if time.monotonic() - begun > ALL_SECONDS:
            break
        error = send(message.channel, message.subject, message.body)
        with store.transaction():
            alerts.mark(store, message, error, datetime.now(UTC))
        sent, failed = sent + (error is None), failed + (error is not None)
    return sent, failed
