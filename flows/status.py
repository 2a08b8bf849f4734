"""How the monitor is doing (`balkanwatch status`) and what an outlet edited (`balkanwatch diff`), read from the snapshot."""

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer
from rich.text import Text

from flows.console import Data, out, show
from pipeline.errors import InputError, WarehouseError

if TYPE_CHECKING:
    from pipeline.warehouse import Store

app = typer.Typer()
N_RUNS, N_WORST = 5, 15
STATES = ("ok", "gap", "silent", "failing", "retired", "new", "inactive")
MIN_KEPT = 3  # words between two changes that are shown as kept; fewer are part of the change
CONTEXT = 12  # words shown around a change
MAX_WORDS = 2_000  # of a passage that is compared without short cuts

Piece = tuple[str, str]  # equal, delete or insert; text


# -- status -----------------------------------------------------------------------------------------------------------

RUNS = """
select started_at, status, date_diff('second', started_at, finished_at) as seconds, n_feeds, n_failed, n_new, n_updated,
    n_pages, finished_at, run_id
from run order by started_at desc limit $n::integer
"""
PAGES = "select page_state, count(*) as n, min(next_try_at) as next_at from entry group by page_state"
FEEDS = """
select feed_id, outlet, state, n_failures, last_success_at, next_fetch_at,
    case state
        when 'failing' then coalesce(note, last_error)
        when 'retired' then note
        when 'silent' then format('no article for {} days; usual gap {:g}', silent_days, median_gap_days)
        when 'gap' then 'the last poll shared no entry with the one before'
        else case when moved_to is not null then 'now on another site: ' || moved_to end
    end as reason
from feed_health
order by list_position(['failing', 'silent', 'gap', 'retired', 'ok', 'new', 'inactive'], state), moved_to is null,
    n_failures desc, silent_days / median_gap_days desc nulls last, feed_id
"""
OUTLETS = """
select outlet, 'drifting' as state, n_articles,
    case problem
        when 'short' then format('texts of {:.0f} characters; usually {:.0f}', median_length, usual_length)
        when 'empty' then format('{:.0f} % without text; usually {:.0f} %', 100 * share_empty, 100 * usual_empty)
        else format('{:.0f} % identical texts; usually {:.0f} %', 100 * share_identical, 100 * usual_identical)
    end || ' (week of ' || week || ')' as reason
from extraction_drift where is_drifting
union all
select outlet, 'silent', n_articles, format('no article for {} days; usual gap {:g}', silent_days, median_gap_days)
from feed_silence where is_silent and feed_id is null
order by state, outlet
"""


def alerts(store: "Store") -> tuple[list[str], list[str]]:
    """The feeds that have gone silent and the outlets whose texts have become worse, by name."""
    silent = store.read("select feed_id from feed_health where state = 'silent' order by feed_id")["feed_id"].to_list()
    drifting = store.read("select outlet from extraction_drift where is_drifting order by outlet")["outlet"].to_list()
    return silent, drifting


def strangers(store: "Store") -> list[str]:
    """The feeds that now lead to another site, from which nothing is taken."""
    sql = "select feed_id from feed_state where n_failures > 0 and note like 'the feed now belongs to %' order by feed_id"
    return store.read(sql)["feed_id"].to_list()


def alert_line(silent: list[str], drifting: list[str], strangers: Sequence[str] = ()) -> str:
    """One line about all of them, with the first names of each."""

    def some(names: Sequence[str]) -> str:
        more = [f"{len(names) - 5} more"] if len(names) > 5 else []
        return f"{len(names)} ({', '.join([*names[:5], *more])})" if names else "0"

    moved = f"; feeds that have become another site's: {some(strangers)}" if strangers else ""
    return f"Silent feeds: {some(silent)}; outlets with drifting texts: {some(drifting)}{moved}"


def checks(store: "Store") -> pl.DataFrame:
    """Everything `status` knows, for machines. kind: run, pages, feed, outlet; n: new articles, pages,
    failures in a row, articles."""
    parts = [
        store.read(RUNS, n=str(N_RUNS)).select(
            pl.lit("run").alias("kind"), name="run_id", state="status", n="n_new", reason=pl.lit(None, pl.String),
            last_at="finished_at", next_at=pl.lit(None, pl.Datetime("us", "UTC")),
        ),
        store.read(PAGES).sort("page_state").select(
            pl.lit("pages").alias("kind"), name="page_state", state="page_state", n="n", reason=pl.lit(None, pl.String),
            last_at=pl.lit(None, pl.Datetime("us", "UTC")),
            next_at=pl.when(pl.col("page_state") == "waiting").then("next_at"),
        ),
        store.read(FEEDS).select(
            pl.lit("feed").alias("kind"), name="feed_id", state="state", n="n_failures", reason="reason",
            last_at="last_success_at", next_at="next_fetch_at",
        ),
        store.read(OUTLETS).select(
            pl.lit("outlet").alias("kind"), name="outlet", state="state", n="n_articles", reason="reason",
            last_at=pl.lit(None, pl.Datetime("us", "UTC")), next_at=pl.lit(None, pl.Datetime("us", "UTC")),
        ),
    ]  # fmt: skip
    return pl.concat(part.with_columns(pl.col("n").cast(pl.Int64)) for part in parts)


def report(store: "Store") -> None:
    """Print the state of the snapshot: runs, pages, feeds by state, the worst of them, outlets in trouble."""
    runs, pages, feeds, outlets = store.read(RUNS, n=str(N_RUNS)), store.read(PAGES), store.read(FEEDS), store.read(OUTLETS)
    short = {"started_at": "started", "seconds": "s"} | {name: name[2:] for name in runs.columns if name.startswith("n_")}
    show(_minutes(runs.drop("finished_at", "run_id").rename(short)), False, "Last runs")
    n_pages = dict(pages.select("page_state", "n").iter_rows())
    out.print(f"Pages: {n_pages.get('waiting', 0)} waiting, {n_pages.get('done', 0)} read, {n_pages.get('failed', 0)} given up.")
    count = dict(feeds.group_by("state").len().iter_rows())
    states = ", ".join(f"{count[state]} {state}" for state in STATES if state in count)
    out.print(f"Feeds: {states or 'none'}.")
    worst = feeds.filter(pl.col("reason").is_not_null())
    if worst.height:
        title = "Feeds that need a look" + (f", the worst {N_WORST} of {worst.height}" if worst.height > N_WORST else "")
        worst = worst.select("feed_id", "state", "reason", last_success="last_success_at", next_try="next_fetch_at")
        show(_minutes(worst.head(N_WORST)), False, title)
    if outlets.height:
        title = "Outlets that need a look" + (f", {N_WORST} of {outlets.height}" if outlets.height > N_WORST else "")
        show(outlets.select("outlet", "state", "reason").head(N_WORST), False, title)


def _minutes(frame: pl.DataFrame) -> pl.DataFrame:
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).dt.strftime("%Y-%m-%d %H:%M") for name in times)


# -- diff -------------------------------------------------------------------------------------------------------------


def versions(store: "Store", article: str) -> pl.DataFrame:
    """All versions of an article, given by article_id or any known address of it, oldest first; InputError if there is none."""
    from pipeline.normalise import canonical_url

    sql = """
    with wanted as (
        select article_id from article where article_id = $id or url = $id or url = $url
        union
        select article_id from article_url where url in ($id, $url)
    )
    select a.url, a.outlet, v.*
    from article_version as v
    inner join article as a using (article_id)
    semi join wanted using (article_id)
    order by article_id, version
    """
    found = store.read(sql, id=article, url=canonical_url(article) or article)
    if not found.height:
        raise InputError(f"No article has the id or address `{article}`.")
    return found.filter(pl.col("article_id") == found["article_id"][0])


def changed(old: str, new: str) -> list[Piece]:
    """What must be deleted from and inserted into `old` to get `new`, word by word; both sides come back exactly."""
    pieces: list[Piece] = []
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = "".join(before[i:j]), "".join(after[k:m])
        pieces += [("equal", gone)] if kind == "equal" else _words(gone, come)
    return [piece for piece in pieces if piece[1]]


def _words(old: str, new: str) -> Iterator[Piece]:
    before, after = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (old, new))
    is_long = max(len(before), len(after)) > MAX_WORDS
    gone, come = "", ""
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=is_long).get_opcodes():
        is_outside = i == k == 0 or j == len(before)
        if kind == "equal" and (is_outside or sum(word.isalnum() for word in before[i:j]) >= MIN_KEPT):
            yield from (("delete", gone), ("insert", come), ("equal", "".join(before[i:j])))
            gone, come = "", ""
        else:
            gone, come = gone + "".join(before[i:j]), come + "".join(after[k:m])
    yield from (("delete", gone), ("insert", come))


def shortened(pieces: list[Piece], n: int = CONTEXT) -> list[Piece]:
    """The same with long unchanged stretches cut down to the `n` words next to a change."""
    out: list[Piece] = []
    for number, (kind, text) in enumerate(pieces):
        words = re.findall(r"\S+\s*|\s+", text)
        head, tail = n if number else 0, n if number < len(pieces) - 1 else 0
        if kind == "equal" and len(words) > head + tail:
            text = "".join(words[:head]) + "[…] " + "".join(words[len(words) - tail :])
        out.append((kind, text))
    return out


def marked(pieces: list[Piece], is_plain: bool) -> Text:
    """Deletions red and struck, insertions green; plain: [-deleted-] and {+inserted+}."""
    marks = {"equal": ("", "", ""), "delete": ("[-", "-]", "red strike"), "insert": ("{+", "+}", "green")}
    text = Text()
    for kind, piece in pieces:
        left, right, style = marks[kind]
        if is_plain:
            text.append(f"{left}{piece}{right}")
        else:
            text.append(piece, style)
    return text


def compared(rows: list[dict[str, Any]], is_plain: bool) -> Iterator[Text]:
    """The edits of an article, one version after the other (rows of `versions`)."""
    first = rows[0]
    yield Text(f"{first['title']}\n{first['outlet']}, article {first['article_id']}\n{first['url']}")
    yield _heading(first)
    for old, new in itertools.pairwise(rows):
        yield Text("\n") + _heading(new)
        if old["body_source"] != new["body_source"]:
            yield Text(f"(The text came from: {old['body_source']}; now from: {new['body_source']}.)")
        edits = [
            (name, changed(old[name] or "", new[name] or ""))
            for name in ("title", "body")
            if (old[name] or "") != (new[name] or "")
        ]
        for name, pieces in edits:
            yield Text(f"{name}: ") + marked(shortened(pieces), is_plain)
        if not edits:
            yield Text("Title and text are the same.")
    if len(rows) == 1:
        yield Text("It was seen in this one version only.")


def _heading(row: dict[str, Any]) -> Text:
    seen, published = (f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "unknown" for name in ("seen_at", "published_at"))
    return Text(f"version {row['version']}: seen_at {seen}, published_at {published}", "bold")


# -- commands ---------------------------------------------------------------------------------------------------------


@app.command("status")
def status_command(
    csv: Annotated[bool, typer.Option("--csv", help="Print one CSV row per run, feed and outlet instead.")] = False,
    data: Data = None,
) -> None:
    """Show how the monitor is doing: last runs, waiting pages, feeds by state, outlets gone silent or drifting."""
    from duckdb import ProgrammingError

    with _snapshot(data) as store:
        try:
            if csv:
                show(checks(store), csv=True)
            else:
                report(store)
        except ProgrammingError:
            raise WarehouseError(f"The snapshot in {store.data} is of another release: run `balkanwatch run`.") from None


@app.command("diff")
def diff_command(
    article: Annotated[str, typer.Argument(help="Its article_id, or an address of it.")],
    plain: Annotated[bool, typer.Option("--plain", help="Mark edits as [-gone-] and {+new+} instead of by colour.")] = False,
    data: Data = None,
) -> None:
    """Show what an outlet changed in an article after publication, version by version."""
    with _snapshot(data) as store:
        rows = versions(store, article).to_dicts()
    is_plain = plain or not out.is_terminal or out.no_color
    for text in compared(rows, is_plain):
        out.print(text, soft_wrap=True, highlight=False)


def _snapshot(data: Path | None) -> AbstractContextManager["Store"]:
    from flows.settings import Settings
    from pipeline.warehouse import Store

    settings = Settings.read(data=data)
    return Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse)
