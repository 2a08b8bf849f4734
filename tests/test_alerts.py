"""Alert rules, the outbox, and sending through a real mail server and a real webhook on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiosmtpd.controller import Controller
from conftest import BALKANWATCH, ROOT, Prepare, answers, command
from hypothesis import given
from hypothesis import strategies as st

from flows import notify, run
from pipeline import alerts, seeds
from pipeline.tag import rules as topic_rules
from pipeline.warehouse import Store

Hook = tuple[list[Any], str, Callable[[Callable[[], int]], None]]  # what came, its address, how it is to be answered
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULE = {
    "rule_id": "r", "kind": "stories", "topic_id": "border", "country_code": "XK", "side": "*", "threshold": "1",
    "window_days": "2", "quiet_hours": None, "channel": "desk", "note": None,
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.writer(tmp_path / "data") as store:
        store.append("country", pl.DataFrame({"code": ["XK", "RS"], "name_en": ["Kosovo", "Serbia"], "groups": [["region"]] * 2}))
        store.append("topic", pl.DataFrame({"topic_id": ["border"], "label_en": ["Borders"]}))
        store.append("feed", pl.DataFrame({"feed_id": ["f", "g"], "outlet": ["F", "G"], "side": ["pristina", "moscow"]}))
        yield store


def rules(*changes: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([RULE | change for change in changes or ({},)], schema=dict.fromkeys(RULE, pl.String))


def add(
    store: Store, *articles: str, country: str = "XK", feed: str = "f", at: datetime = NOW, title: str = "Border closed"
) -> str:
    """A story of some articles about the border; returns its id."""
    story = articles[0]
    body = "Nothing here. The border at Jarinje is closed. More."
    start = body.index("border")
    span = {"field": "body", "char_start": start, "char_end": start + 6, "rule_id": "border"}
    outlet = {"f": "F", "g": "G"}[feed]
    for i, article in enumerate(articles):
        a = {"article_id": article, "feed_id": feed, "outlet": outlet, "url": f"https://f.example/{article}", "version": 1,
             "n_versions": 1, "published_at": at, "published_day": at.date(), "first_seen_at": at}  # fmt: skip
        store.append("article", pl.DataFrame([a]))
        store.append("article_version", pl.DataFrame([{"article_id": article, "version": 1, "title": title, "body": body}]))
        store.append("story_article", pl.DataFrame([{"article_id": article, "story_id": story, "is_lead": i == 0}]))
        store.append("tag", pl.DataFrame([{"article_id": article, "topic_id": "border", "score": 0.9, "evidence": [span]}]))
        store.append("focus", pl.DataFrame([{"article_id": article, "country_code": country, "salience": 1.0, "is_focus": True}]))
    row = {
        "story_id": story,
        "lead_article_id": story,
        "first_at": at,
        "last_at": at,
        "n_articles": len(articles),
        "n_outlets": 1,
    }
    store.append("story", pl.DataFrame([row]))
    return story


def raised(store: Store, *changes: dict[str, Any], now: datetime = NOW) -> pl.DataFrame:
    with store.transaction():
        return alerts.raise_alerts(store, rules(*changes), "run", now, "Europe/Belgrade")


def test_a_new_story_is_told_once_with_its_evidence(store: Store) -> None:
    add(store, "a", "b")
    first = raised(store)
    assert first["subject"].to_list() == ["balkanwatch: Kosovo, Borders: 1 story"]
    body = first["body"][0]
    assert "Border closed\nF\nhttps://f.example/a\n> The border at Jarinje is closed.\n" in body
    assert raised(store).height == 0
    add(store, "c")
    assert raised(store)["n_stories"].to_list() == [1]


def test_a_story_that_was_merged_is_not_told_again(store: Store) -> None:
    add(store, "later")
    raised(store)
    add(store, "lead", at=NOW - timedelta(hours=1))
    store.run("delete from story where story_id = 'later'")
    store.run("update story_article set story_id = 'lead', is_lead = false where article_id = 'later'")
    merged = pl.DataFrame({"old_story_id": ["later", "lead"], "story_id": ["lead", "first"], "merged_at": [NOW, NOW]})
    store.append("story_alias", merged)
    assert raised(store).height == 0  # `lead` is what `later` became
    store.run("update story_article set story_id = 'first' where story_id = 'lead'")
    assert raised(store).height == 0  # and `first` what that became


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 1), ({"country_code": "RS"}, 0), ({"country_code": "region"}, 1), ({"country_code": "*"}, 1), ({"topic_id": "*"}, 1),
        ({"topic_id": "cyber"}, 0), ({"side": "pristina"}, 1), ({"side": "moscow"}, 0), ({"threshold": "2"}, 0),
    ],
)  # fmt: skip
def test_what_a_rule_watches(store: Store, change: dict[str, Any], count: int) -> None:
    add(store, "a")
    assert raised(store, change).height == count


def test_old_stories_are_not_news(store: Store) -> None:
    add(store, "archive", at=NOW - timedelta(days=3))
    assert raised(store).height == 0


def test_a_burst_speaks_for_its_cell_once(store: Store) -> None:
    add(store, "a")
    add(store, "b")
    assert raised(store, {"kind": "burst"}).height == 0
    cell = {
        "day": date(2026, 11, 20),
        "country_code": "XK",
        "topic_id": "border",
        "observed": 2,
        "expected": 0.1,
        "is_burst": True,
    }
    store.append("burst", pl.DataFrame([cell]))
    found = raised(store, {"kind": "burst", "topic_id": "*", "country_code": "region", "threshold": "2"})
    assert found.select("country_code", "topic_id", "n_stories").rows() == [("XK", "border", 2)]
    add(store, "c")
    add(store, "d")
    assert raised(store, {"kind": "burst", "topic_id": "*", "country_code": "region"}).height == 0


def test_without_a_channel_an_alert_is_only_noted(store: Store) -> None:
    add(store, "a")
    assert raised(store, {"channel": None})["state"].to_list() == ["noted"]
    assert alerts.waiting(store, NOW) == []


def test_a_rollback_takes_the_alert_with_it(store: Store) -> None:
    add(store, "a")
    store.run("begin")
    alerts.raise_alerts(store, rules(), "run", NOW, "Europe/Belgrade")
    store.run("rollback")
    assert raised(store).height == 1


# -- quiet hours ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quiet", "hour", "then"),
    [("22:00-06:00", 23, (21, 6)), ("22:00-06:00", 3, (20, 6)), ("22:00-06:00", 12, (20, 12)), ("12:00-14:30", 13, (20, 14))],
)
def test_quiet_hours_are_waited_for(quiet: str, hour: int, then: tuple[int, int]) -> None:
    local = datetime(2026, 11, 20, hour, tzinfo=UTC) - timedelta(hours=1)  # Belgrade is an hour ahead in November
    until = alerts.after_quiet(quiet, local, "Europe/Belgrade") + timedelta(hours=1)
    assert (until.day, until.hour) == then


@given(st.integers(0, 2_000_000), st.times(), st.times())
def test_after_quiet_is_never_inside_and_never_before(minutes: int, begin: Any, end: Any) -> None:
    quiet = f"{begin:%H:%M}-{end:%H:%M}"
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    until = alerts.after_quiet(quiet, now, "UTC")
    assert now <= until <= now + timedelta(days=1)
    assert alerts.after_quiet(quiet, until, "UTC") == until


# -- sending ----------------------------------------------------------------------------------------------------------


class Mailbox:
    """What a mail server on loopback was given."""

    def __init__(self) -> None:
        self.letters: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, f"mailto://127.0.0.1:{port}/?from=watch@balkanwatch.example&to=desk@balkanwatch.example&mode=insecure"
    finally:
        controller.stop()


@pytest.fixture
def hook() -> Iterator[Hook]:
    got: list[Any] = []
    status: list[Callable[[], int]] = [lambda: 200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status[0]())
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield got, f"json://127.0.0.1:{server.server_port}/", lambda code: status.__setitem__(0, code)
    finally:
        server.shutdown()
        server.server_close()


def test_an_alert_reaches_a_mailbox(store: Store, mail: tuple[Mailbox, str], monkeypatch: pytest.MonkeyPatch) -> None:
    box, url = mail
    monkeypatch.setenv("BALKANWATCH_CHANNEL_DESK", url)
    add(store, "a", title="<b>Граница</b>\r\nBcc: evil@example.org затворена")
    raised(store)
    assert notify.send_waiting(store) == (1, 0)
    assert len(box.letters) == 1
    letter = box.letters[0]
    assert "Kosovo" in letter and "\nBcc:" not in letter.split("\n\n")[0]
    assert notify.send_waiting(store) == (0, 0)
    assert store.read("select state, sent_at is not null as at from alert").rows() == [("sent", True)]


def test_an_alert_reaches_a_webhook_and_is_tried_again_when_it_does_not(
    store: Store, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    got, url, answer_with = hook
    monkeypatch.setenv("BALKANWATCH_CHANNEL_DESK", url + "secret-token")
    add(store, "a")
    raised(store)
    answer_with(lambda: 500)
    assert notify.send_waiting(store) == (0, 1)
    state, tries, error = store.read("select state, n_tries, error from alert").row(0)
    assert (state, tries) == ("waiting", 1) and "secret" not in error
    assert notify.send_waiting(store) == (0, 0)  # not before its time
    store.run("update alert set next_try_at = now()")
    answer_with(lambda: 200)
    assert notify.send_waiting(store) == (1, 0)
    assert got[-1]["title"] == "balkanwatch: Kosovo, Borders: 1 story" and "Jarinje" in got[-1]["message"]


def test_a_kill_between_sending_and_marking_sends_once_more_and_loses_nothing(tmp_path: Path, hook: Hook) -> None:
    got, url, answer_with = hook
    data = tmp_path / "data"
    with Store.writer(data) as store:
        store.append("country", pl.DataFrame({"code": ["XK"], "name_en": ["Kosovo"], "groups": [["region"]]}))
        add(store, "a")
        assert raised(store).height == 1
    sender: list[subprocess.Popen[bytes]] = []

    def killing() -> int:  # the message has come, its sender does not get to know it
        sender[0].kill()
        return 200

    answer_with(killing)
    send = [*BALKANWATCH, "alerts", "send", "--data", str(data)]
    sender.append(subprocess.Popen(send, cwd=ROOT, env=os.environ | {"BALKANWATCH_CHANNEL_DESK": url}))
    assert sender[0].wait(60) == -signal.SIGKILL
    answer_with(lambda: 200)
    for sent in (1, 0):
        assert f"{sent} sent, 0 not taken." in command("alerts", "send", "--data", data, BALKANWATCH_CHANNEL_DESK=url).stdout
    assert len(got) == 2 and got[0] == got[1]
    assert answers(data, "select state, n_tries from alert") == [("sent", 1)]


def test_a_channel_without_an_address_is_told_and_given_up_in_the_end(store: Store) -> None:
    add(store, "a")
    raised(store)
    for _ in range(alerts.MAX_TRIES):
        store.run("update alert set next_try_at = now()")
        assert notify.send_waiting(store) == (0, 1)
    state, error = store.read("select state, error from alert").row(0)
    assert state == "failed" and "BALKANWATCH_CHANNEL_DESK" in error


def test_a_secret_in_a_prefect_block_is_found(prefect_server: str, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.blocks.system import Secret

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    block: Any = Secret(value=hook[1])
    block.save("balkanwatch-night-desk", overwrite=True)
    assert notify.send("night_desk", "subject", "body") is None
    assert hook[0][0]["title"] == "subject"


@pytest.mark.parametrize("through", ["plain", "prefect"])
def test_a_run_raises_and_sends_alerts(
    through: str,
    prepare: Prepare,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    settings = prepare([{"feed_id": "f", "url": "file:seeds/sample/now.xml", "kind": "file"}])
    at = format_datetime(datetime.now(UTC) - timedelta(hours=1))
    item = f"<item><guid>1</guid><title>Kosovo closes the border crossing at Jarinje</title><pubDate>{at}</pubDate>"
    item += "<description>Kosovo police closed the border crossing.</description></item>"
    rss = f"<rss><channel><title>t</title>{item}</channel></rss>"
    (settings.seeds / "sample" / "now.xml").write_text(rss)
    rules({"country_code": "region", "topic_id": "border"}).select(list(RULE)).write_csv(settings.seeds / "alerts.csv")
    monkeypatch.setenv("BALKANWATCH_CHANNEL_DESK", f"{hook[1]}very-secret")
    if through == "prefect":
        monkeypatch.setenv("PREFECT_API_URL", request.getfixturevalue("prefect_server"))
        from prefect import flow

        from flows import monitor

        summary: run.Summary = flow(validate_parameters=False)(monitor.observed)(settings, 60)
    else:
        summary = run.run_monitor(settings, 60)
    assert summary.alerts == ["balkanwatch: region, Borders and documents: 1 story"]
    assert [one["title"] for one in hook[0]] == summary.alerts
    assert answers(settings.data, "select state, run_id from alert") == [("sent", summary.run_id)]
    assert run.run_monitor(settings, 60).alerts == []
    written = [path for path in settings.data.rglob("*") if path.is_file()]
    assert written and not [path for path in written if b"very-secret" in path.read_bytes()]
    if through == "prefect":
        assert "very-secret" not in said(os.environ["PREFECT_API_URL"])


def said(api: str) -> str:
    """Everything that a Prefect server knows of its runs: logs, runs, artifacts."""
    found = ""
    for path in ("logs", "flow_runs", "task_runs", "artifacts"):
        request = urllib.request.Request(f"{api}/{path}/filter", b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as response:
            found += response.read().decode()
    assert "send alerts" in found  # the task was there
    return found


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_commands(tmp_path: Path, hook: Hook) -> None:
    data = tmp_path / "data"
    with Store.writer(data) as store:
        store.append("country", pl.DataFrame({"code": ["XK"], "name_en": ["Kosovo"], "groups": [["region"]]}))
        add(store, "a")
        raised(store)
        store.publish()
    env = {"BALKANWATCH_CHANNEL_DESK": hook[1]}
    assert "Kosovo, border: 1 story" in command("alerts", "list", "--data", data).stdout
    alert_id = command("alerts", "list", "--csv", "--data", data).stdout.split("\n")[1].split(",")[0]
    assert "> The border at Jarinje is closed." in command("alerts", "show", alert_id, "--data", data).stdout
    assert "1 sent, 0 not taken." in command("alerts", "send", "--data", data, **env).stdout
    assert "1 acknowledged." in command("alerts", "ack", alert_id, "--by", "me", "--data", data).stdout
    assert "No rows." in command("alerts", "list", "--data", data).stdout
    assert command("alerts", "ack", alert_id, "--data", data).returncode == 1
    assert "took the message" in command("alerts", "test", "desk", "--data", data, **env).stdout
    assert hook[0][-1]["title"] == "balkanwatch: test"
    wrong = command("alerts", "test", "desk", "--data", data, BALKANWATCH_CHANNEL_DESK="nonsense")
    assert wrong.returncode == 1 and "nonsense" not in wrong.stdout + wrong.stderr


@pytest.mark.parametrize(
    ("column", "value"),
    [("threshold", "0"), ("window_days", "x"), ("quiet_hours", "22-6"), ("channel", "https://hooks.example/secret"),
     ("topic_id", "no_topic"), ("country_code", "QQ"), ("side", "nobody"), ("kind", "often")],
)  # fmt: skip
def test_a_wrong_rule_is_told(small_seeds: Path, tmp_path: Path, column: str, value: str) -> None:
    folder = shutil.copytree(small_seeds, tmp_path / "seeds")
    pl.DataFrame([RULE | {column: value}]).select(list(RULE)).write_csv(folder / "alerts.csv")
    problems = [str(one) for one in seeds.check(seeds.load(folder), topic_rules.check) if one.file == "alerts.csv"]
    assert len(problems) == 1 and column in problems[0] and problems[0].startswith("alerts.csv:2: ")
