"""`balkanwatch alerts`: what the rules of seeds/alerts.csv said, and the messages they send."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from flows import console
from flows.settings import Settings
from pipeline.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Rules that speak up: what they said, where it goes.")
Data = console.Data


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that somebody has acknowledged.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    data: Data = None,
) -> None:
    """Show alerts, newest first."""
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds) as store:
        rows = store.read(
            "select alert_id, rule_id, subject, coalesce(channel, '') as channel, state, coalesce(error, '') as error"
            " from alert where $every or acknowledged_at is null order by created_at desc, alert_id desc",
            every=every,
        )
    console.show(rows, csv, "Alerts")


@app.command()
def show(alert_id: Annotated[str, typer.Argument(help="As in `alerts list`.")], data: Data = None) -> None:
    """Show the message of one alert."""
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds) as store:
        found = store.read("select subject, body from alert where alert_id = $alert_id", alert_id=alert_id)
    if not found.height:
        raise InputError(f"There is no alert `{alert_id}`.")
    for cell in found.row(0):
        console.out.print(escape(cell), soft_wrap=True, highlight=False)


@app.command()
def preview(data: Data = None) -> None:
    """Show what the rules would say now; nothing is written or sent."""
    from pipeline import alerts, seeds
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    rules = seeds.load(settings.seeds).tables["alerts"]
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds) as store:
        found, _ = alerts.due(store, rules, "preview", datetime.now(UTC), settings.time_zone)
    for subject, body in found.select("subject", "body").iter_rows():
        console.out.print(f"[bold]{escape(subject)}[/]\n{escape(body)}\n", soft_wrap=True, highlight=False)
    if not found.height:
        console.out.print("No rule has anything new to say.")


@app.command()
def ack(
    alert_id: Annotated[str, typer.Argument(help="As in `alerts list`; * for all.")],
    by: Annotated[str, typer.Option(help="Who has seen it.")] = "",
    data: Data = None,
) -> None:
    """Acknowledge an alert: it leaves the list."""
    from pipeline import alerts
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    with Store.writer(settings.data) as store:
        with store.transaction():
            n = alerts.acknowledge(store, alert_id, by or os.environ.get("USER", "unknown"), datetime.now(UTC))
        if n:
            store.publish()
    if not n and alert_id != "*":
        raise InputError(f"There is no alert `{alert_id}` that nobody has acknowledged.")
    console.out.print(f"{n} acknowledged.")


@app.command("test")
def try_channel(
    channel: Annotated[str | None, typer.Argument(help="One channel; all of seeds/alerts.csv without it.")] = None,
) -> None:
    """Send a test message, so that you know a channel works before it matters."""
    from flows import notify
    from pipeline import seeds

    named = seeds.load(Settings.read().seeds).tables["alerts"]["channel"].drop_nulls().unique().sort()
    channels = [channel] if channel else named.to_list()
    if not channels:
        console.out.print("No rule in seeds/alerts.csv names a channel: alerts are only noted (`balkanwatch alerts list`).")
        return
    errors = []
    for one in channels:
        error = notify.send(one, "balkanwatch: test", "This is a test: the channel works.")
        console.out.print(escape(error) if error else f"channel {one} took the message")
        errors += [error] if error else []
    if errors:
        raise typer.Exit(1)


@app.command("send")
def send_(data: Data = None) -> None:
    """Send what waits; a run does this by itself."""
    from flows import notify
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    with Store.writer(settings.data) as store:
        sent, failed = notify.send_waiting(store)
        if sent or failed:
            store.publish()
    console.out.print(f"{sent} sent, {failed} not taken.")
