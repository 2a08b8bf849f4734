"""`balkanwatch serve`: the monitor, the briefs, the health check and re-tagging on a schedule, on a real Prefect server."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import BalkanwatchError

LOCAL = "http://127.0.0.1:4200/api"
START_SECONDS = 120
BEAT_SECONDS = 30  # between two heartbeats of a flow run
CRASHED_AFTER = timedelta(seconds=3 * BEAT_SECONDS)
KEEP_RUNS = timedelta(days=14)  # of Prefect's own history
SERVER_SETTINGS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(BEAT_SECONDS),
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(int(KEEP_RUNS.total_seconds())),
}
AUTOMATION = "balkanwatch: silent runs have crashed"


def serve(settings: Any, cron: str, max_seconds: float, say: Callable[[str], None]) -> None:
    """Serve all flows until interrupted; starts a local server when none answers at PREFECT_API_URL.

    One flow runs at a time: they share one warehouse.
    """
    for name, value in SERVER_SETTINGS.items():
        os.environ.setdefault(name, value)
    url = os.environ.setdefault("PREFECT_API_URL", LOCAL)
    server = None if answers(url) else _start(url, say)
    try:
        import prefect

        watch_for_crashes()
        plan = deployments(settings, cron, max_seconds)
        for one in plan:
            say(f"{one.name}: `{one.schedules[0].schedule.cron}`")
        say(f"Served on {url} (times of {settings.time_zone}); stop with Ctrl-C.")
        prefect.serve(*plan, limit=1, print_starting_message=False)
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)


def deployments(settings: Any, cron: str, max_seconds: float) -> list[Any]:
    """Every flow with its schedule, as prefect.yaml has them for a server of a team."""
    from prefect.schedules import Cron

    from flows import monitor, routine

    data = str(settings.data.resolve())

    def planned(flow: Any, when: str, **more: Any) -> Any:
        schedule = Cron(when, timezone=settings.time_zone)
        return flow.to_deployment(name=flow.name.replace(" ", "-"), schedule=schedule, parameters={"data": data} | more)

    return [
        planned(monitor.monitor, cron, max_seconds=max_seconds),
        planned(routine.daily_brief, settings.daily_cron),
        planned(routine.weekly_brief, settings.weekly_cron),
        planned(routine.health_check, settings.health_cron),
        planned(routine.retag, settings.retag_cron),
    ]


def watch_for_crashes() -> None:
    """Let the server mark a run as crashed when its heartbeats stop, as after a kill or a power cut."""
    from prefect.automations import Automation
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    kind: Any = Automation  # its methods are typed as both synchronous and not
    with contextlib.suppress(ValueError):  # there is none of this name
        kind.read(name=AUTOMATION)
        return
    ends = ("heartbeat", "Completed", "Failed", "Cancelled", "Crashed")
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={f"prefect.flow-run.{end}" for end in ends},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=CRASHED_AFTER,
    )
    action = ChangeFlowRunState(state=StateType.CRASHED, name=None, message="The run gave no more signs of life.", force=False)
    kind(name=AUTOMATION, trigger=trigger, actions=[action]).create()


def answers(url: str) -> bool:
    """Does a Prefect server answer at this address?"""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _start(url: str, say: Callable[[str], None]) -> "subprocess.Popen[bytes]":
    place = urlsplit(url)
    if place.hostname not in {"127.0.0.1", "localhost"}:
        raise BalkanwatchError(f"No Prefect server answers at {url} (PREFECT_API_URL).")
    port = str(place.port or 4200)
    say(f"starting a Prefect server on 127.0.0.1:{port}")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(START_SECONDS * 2):
        if answers(url):
            return server
        if server.poll() is not None:
            break
        time.sleep(0.5)
    server.kill()
    raise BalkanwatchError("The Prefect server did not start; `prefect server start` shows why.")
