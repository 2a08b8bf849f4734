"""`balkanwatch serve`: the monitor on a schedule, on a real Prefect server."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from pipeline.errors import BalkanwatchError

LOCAL = "http://127.0.0.1:4200/api"
START_SECONDS = 120


def serve(settings: Any, cron: str, max_seconds: float, say: Callable[[str], None]) -> None:
    """Serve the monitor until interrupted; starts a local server when PREFECT_API_URL is not set and none answers."""
    url = os.environ.setdefault("PREFECT_API_URL", LOCAL)
    server = None if answers(url) else _start(url, say)
    try:
        from flows.monitor import monitor

        say(f"The monitor runs at `{cron}` on {url}; stop with Ctrl-C.")
        parameters = {"data": str(settings.data.resolve()), "max_seconds": max_seconds}
        monitor.serve(name="monitor", cron=cron, parameters=parameters, limit=1, print_starting_message=False)
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)


def answers(url: str) -> bool:
    """Does a Prefect server answer at this address?"""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _start(url: str, say: Callable[[str], None]) -> "subprocess.Popen[bytes]":
    if url != LOCAL:
        raise BalkanwatchError(f"No Prefect server answers at {url} (PREFECT_API_URL).")
    say("starting a Prefect server on 127.0.0.1:4200")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", "4200"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(START_SECONDS * 2):
        if answers(url):
            return server
        if server.poll() is not None:
            break
        time.sleep(0.5)
    server.kill()
    raise BalkanwatchError("The Prefect server did not start; `prefect server start` shows why.")
