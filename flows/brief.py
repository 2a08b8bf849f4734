"""`balkanwatch report`: the brief as one HTML file, also for the daily flow."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.console import Data, err, out
from flows.settings import Settings
from pipeline.errors import InputError

app = typer.Typer()
REPORT_SECONDS = 300.0
DAYS = {"day": 1, "week": 7}


def write_report(
    settings: Settings, period: str = "week", since: date | None = None, until: date | None = None, lang: str = "en",
    target: Path | None = None,
) -> Path:  # fmt: skip
    """Write the brief of a `day` or `week` (or of `since` to `until`) of the snapshot below data/reports; returns its path.

    The period ends at the newest published day unless `until` says otherwise. InputError when it can not be written.
    """
    from pipeline import report
    from pipeline.warehouse import Store

    if period not in DAYS:
        raise InputError(f"The period of a brief is {' or '.join(DAYS)}, not `{period}`.")
    with Store.reader(settings.data, settings.query_memory, REPORT_SECONDS, settings.warehouse) as store:
        span = report.Period.ending(store, DAYS[period], since, until)
        target = target or settings.data / "reports" / report.default_name(span, lang)
        return report.write(store, settings.seeds, target, span, lang, datetime.now(UTC))


@app.command("report")
def report_command(
    day: Annotated[bool, typer.Option("--day", help="The newest day.")] = False,
    week: Annotated[bool, typer.Option("--week", help="The newest seven days (the default).")] = False,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day.", show_default="the newest published day")] = None,
    lang: Annotated[str, typer.Option(help="en, sr, sq or mk.")] = "en",
    out_: Annotated[Path | None, typer.Option("--out", help="File to write.", show_default="below data/reports")] = None,
    data: Data = None,
) -> None:
    """Write the brief: one HTML page with what matters and the sentences behind every number. It fetches nothing."""
    if day + week + (since is not None) > 1:
        raise InputError("Give one of --day, --week and --since.")
    settings = Settings.read(data=data)
    with err.status("writing the brief"):
        path = write_report(settings, "day" if day else "week", _day(since), _day(until), lang, out_)
    out.print(f"{escape(str(path))}  {path.stat().st_size:,} bytes", soft_wrap=True)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"`{text}` is not a day; write YYYY-MM-DD, for instance 2023-11-30.") from None
