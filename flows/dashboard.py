"""`balkanwatch dashboard`: a live view of the snapshot in the browser (the extra `dashboard`: Streamlit).

This file is both the command and the page: Streamlit runs it as a script. Every answer comes from a locked-down reader, and text
from outside reaches the page only as escaped HTML or as a table cell.
"""

import html
import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from flows.console import Data
from flows.settings import Settings
from pipeline.errors import BalkanwatchError, InputError

app = typer.Typer()
MOST_STORIES, MOST_SENTENCES = 200, 100
DAYS = 60  # shown at first
# Of the lines, the first for the largest; each stands out from a white and from a black ground by 3 to 1 at least.
LINES = ("#2f7fc1", "#cf5b1c", "#178a68", "#b8558c", "#7d69c8", "#8f7418", "#4d8587", "#808080")
# Of the matrix: few stories are near the ground of the page, many far from it; where the text turns from the one to the other.
DAY = (["#dbe6ef", "#17456e"], "black", "white", 0.66)
NIGHT = (["#24384a", "#bfdcf5"], "white", "black", 0.42)
INK = {"light": "#31333f", "dark": "#fafafa"}  # of axes and legends
LOOK = """<style>
.stMainBlockContainer { padding-top: 3rem; }
mark { background: #fdeaa5; color: #1b1f24; padding: 0 .1em; border-radius: 2px; }
</style>"""

# The articles that the filters leave, each with its story and side; an empty list filters nothing.
CHOSEN = """
with chosen as (
    select s.article_id, s.story_id, s.published_day, s.side, s.lang, s.outlet
    from article_side as s
    where s.published_day between $since and $until
        and (len($sides) = 0 or list_contains($sides, s.side))
        and (len($langs) = 0 or list_contains($langs, s.lang))
        and (len($outlets) = 0 or list_contains($outlets, s.outlet))
        and (len($countries) = 0 or s.article_id in (
            select f.article_id from focus_effective as f
            where list_contains($countries, f.country_code) and (f.is_focus or $basis = 'mention')))
        and (len($topics) = 0 or s.article_id in (
            select t.article_id from tag_effective as t where list_contains($topics, t.topic_id)))
)
"""
HEAD = """
select count(distinct story_id) as stories, count(*) as articles, count(distinct outlet) as outlets,
    count(distinct side) as sides from chosen
"""
TREND = {
    "country": """
        select c.published_day as day, f.country_code as series, count(distinct c.story_id) as stories
        from chosen as c join focus_effective as f using (article_id)
        where (f.is_focus or $basis = 'mention') and (len($countries) = 0 or list_contains($countries, f.country_code))
        group by all""",
    "topic": """
        select c.published_day as day, t.topic_id as series, count(distinct c.story_id) as stories
        from chosen as c join tag_effective as t using (article_id)
        where len($topics) = 0 or list_contains($topics, t.topic_id)
        group by all""",
    "side": "select published_day as day, side as series, count(distinct story_id) as stories from chosen group by all",
    "language": "select published_day as day, lang as series, count(distinct story_id) as stories from chosen group by all",
}
MATRIX = {
    "topic and side": """
        select t.topic_id as line, c.side as col, count(distinct c.story_id) as stories
        from chosen as c join tag_effective as t using (article_id) group by all""",
    "topic and country": """
        select t.topic_id as line, f.country_code as col, count(distinct c.story_id) as stories
        from chosen as c join focus_effective as f using (article_id) join tag_effective as t using (article_id)
        where f.is_focus or $basis = 'mention' group by all""",
    "country and side": """
        select f.country_code as line, c.side as col, count(distinct c.story_id) as stories
        from chosen as c join focus_effective as f using (article_id) where f.is_focus or $basis = 'mention' group by all""",
}
STORIES = f"""
, lead as (
    select * from story where story_id in (select story_id from chosen) order by n_outlets desc, first_at desc, story_id
    limit {MOST_STORIES}
),
carried as (
    select m.story_id, string_agg(distinct a.outlet, ', ' order by a.outlet) as carried_by
    from lead join story_article as m using (story_id) join article as a using (article_id) group by all
),
about as (
    select f.article_id, string_agg(f.country_code, ' ' order by f.country_code) as countries
    from lead join focus_effective as f on f.article_id = lead.lead_article_id where f.is_focus group by all
),
topic_of as (
    select t.article_id, string_agg(t.topic_id, ' ' order by t.topic_id) as topics
    from lead join tag_effective as t on t.article_id = lead.lead_article_id group by all
)
select s.first_at, x.title, s.n_outlets as outlets, s.n_articles as articles, carried_by, countries, topics, x.url, s.story_id
from lead as s
join article_text as x on x.article_id = s.lead_article_id
left join carried using (story_id)
left join about on about.article_id = s.lead_article_id
left join topic_of on topic_of.article_id = s.lead_article_id
order by s.n_outlets desc, s.first_at desc, s.story_id
"""
SENTENCES = f"""
, spoken as (
    select c.article_id, c.published_day, t.topic_id, t.score, t.evidence
    from chosen as c join tag as t using (article_id) semi join tag_effective as k using (article_id, topic_id)
    where len(t.evidence) > 0 and (len($topics) = 0 or list_contains($topics, t.topic_id))
    order by c.published_day desc, t.score desc, c.article_id, t.topic_id
    limit {MOST_SENTENCES}
)
select x.published_day, x.outlet, x.title, x.body, x.url, coalesce(n.label_en, s.topic_id) as topic, s.evidence
from spoken as s join article_text as x using (article_id) left join topic as n using (topic_id)
order by x.published_day desc, s.score desc, x.article_id, s.topic_id
"""
CHOICES = {
    "countries": "select code as value, name_en as label from country where code in (select country_code from focus) order by 2",
    "topics": "select topic_id as value, label_en as label from topic order by 2",
    "sides": """
        select s.side as value, n.name_en as label
        from (select distinct side from article_side) as s left join side as n using (side) order by 2""",
    "langs": "select distinct lang as value, lang as label from article order by 1",
    "outlets": "select distinct outlet as value, outlet as label from article order by 1",
}


NAMES = (
    "select code, name_en from country union all select topic_id, label_en from topic union all select side, name_en from side"
)
TITLES = {  # of the columns of the stories
    "first_at": "first (UTC)", "carried_by": "carried by", "url": "address", "story_id": "story",
}  # fmt: skip


# -- the command ------------------------------------------------------------------------------------------------------


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65535)] = 8501,
    address: Annotated[str, typer.Option(help="Who may look: this machine alone, unless you say otherwise.")] = "127.0.0.1",
    data: Data = None,
) -> None:
    """Open a live view of the snapshot in the browser: filters, trend, matrix, stories, evidence, SQL."""
    settings = Settings.read(data=data)
    if importlib.util.find_spec("streamlit") is None:
        raise InputError("The dashboard needs Streamlit: install the extra, `pip install 'balkanwatch[dashboard]'`.")
    flags = {
        "server.address": address, "server.port": port, "server.headless": "true", "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false", "client.toolbarMode": "minimal", "client.showErrorDetails": "none",
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "streamlit", "run", *options, str(Path(__file__).resolve())]
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"BALKANWATCH_DATA": str(settings.data.resolve()), "PYTHONPATH": root}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the page ends with the command
    with subprocess.Popen(command, env=environment) as page:
        try:
            code = page.wait()
        except KeyboardInterrupt:
            return
        finally:
            page.terminate()
    if code > 0:
        raise BalkanwatchError(f"The page could not be served on {address}:{port}.")


# -- the page ---------------------------------------------------------------------------------------------------------


def page() -> None:
    """Draw the page; Streamlit calls it anew after every click."""
    import streamlit as st

    from pipeline.warehouse import Store

    st.set_page_config(page_title="balkanwatch", layout="wide")
    settings = Settings.read()
    try:
        with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
            _body(st, store)
    except BalkanwatchError as error:
        st.error(str(error))


def _body(st: Any, store: Any) -> None:
    st.html(LOOK)
    st.header("balkanwatch", anchor=False)
    newest = store.read("select (select day from newest_day) as day, min(published_day) as first from article").row(0)
    if newest[0] is None:
        st.info("The warehouse holds no article yet: run `balkanwatch run` first.")
        return
    values = _filters(st, store, newest[1], newest[0])
    head = store.read(CHOSEN + HEAD, **_used(HEAD, values)).row(0, named=True)
    line = st.container(horizontal=True, gap="large")  # goes on in a second line on a phone
    for name, count in head.items():
        line.metric(name.capitalize(), f"{count:,}", width="content")
    if not head["articles"]:
        st.info("No article is left by these filters.")
    tabs = dict(zip(("Trend", "Matrix", "Stories", "Evidence", "SQL"), st.tabs(["Trend", "Matrix", "Stories", "Evidence", "SQL"]),
                    strict=True))  # fmt: skip
    with tabs["Trend"]:
        _trend(st, store, values)
    with tabs["Matrix"]:
        _matrix(st, store, values)
    with tabs["Stories"]:
        _stories(st, store, values)
    with tabs["Evidence"]:
        _evidence(st, store, values)
    with tabs["SQL"]:
        _sql(st, store)


def _filters(st: Any, store: Any, first: date, newest: date) -> dict[str, Any]:
    side = st.sidebar
    side.header("Show")
    since = max(first, newest - timedelta(days=DAYS - 1))
    period = side.date_input("Period", (since, newest), min_value=first, max_value=newest, format="YYYY-MM-DD")
    period = period or (since, newest)  # the field was emptied
    chosen: dict[str, Any] = {"since": period[0], "until": period[-1]}
    titles = {"countries": "Countries", "topics": "Topics", "sides": "Sides", "langs": "Languages", "outlets": "Outlets"}
    for name, title in titles.items():
        labels = dict(store.read(CHOICES[name]).iter_rows())
        chosen[name] = side.multiselect(
            title, list(labels), format_func=lambda v, labels=labels: labels[v] or v, placeholder="all"
        )
    basis = side.radio("A country counts when the article", ("is about it", "names it"), horizontal=True)
    return chosen | {"basis": "focus" if basis == "is about it" else "mention"}


def _used(sql: str, values: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a statement after CHOSEN takes."""
    return {name: value for name, value in values.items() if re.search(rf"\${name}\b", CHOSEN + sql)}


def _trend(st: Any, store: Any, values: dict[str, Any]) -> None:
    import altair as alt

    left, right = st.columns(2)
    by = left.selectbox("Lines by", list(TREND))
    step = right.radio("A point is a", ("day", "week"), horizontal=True)
    rows = _labelled(store, store.read(CHOSEN + TREND[by], **_used(TREND[by], values)), "series").sort("day", "series")
    if not rows.height:
        return
    days = pl.date_range(values["since"], values["until"], eager=True).alias("day").to_frame()
    biggest = _biggest(rows, "series", len(LINES))
    every = days.join(biggest.to_frame(), how="cross").join(rows, on=["day", "series"], how="left")
    x = alt.X("yearmonthdate(day):T" if step == "day" else "yearweek(day):T", title=None)
    y = alt.Y("sum(stories):Q", title="stories", axis=alt.Axis(tickMinStep=1, format="d"))
    scale = alt.Scale(domain=biggest.to_list(), range=LINES[: len(biggest)])
    colour = alt.Color("series:N", title=None, scale=scale)
    lines = alt.Chart(every.fill_null(0)).mark_line(strokeWidth=2)
    chart = lines.encode(x, y, colour, tooltip=["day", "series", "stories"])
    legend = {"orient": "bottom", "columns": 2, "labelLimit": 160}
    st.altair_chart(_inked(st, chart.properties(height=360), **legend), width="stretch")
    if step == "week":
        st.caption("A week is the sum of its days: a story that runs over two days counts on both.")
    _table(st, rows, "trend")


def _matrix(st: Any, store: Any, values: dict[str, Any]) -> None:
    import altair as alt

    which = st.selectbox("Matrix of", list(MATRIX))
    rows = store.read(CHOSEN + MATRIX[which], **_used(MATRIX[which], values))
    if not rows.height:
        return
    rows = _labelled(store, _labelled(store, rows, "line"), "col").sort("line", "col")
    cells = rows.filter(pl.col("col").is_in(_biggest(rows, "col", 20).implode()))
    base = alt.Chart(cells).encode(
        alt.X("col:N", title=None, axis=alt.Axis(orient="top", labelAngle=-40, labelOverlap=False, labelLimit=140)),
        alt.Y("line:N", title=None, axis=alt.Axis(labelLimit=260)),
    )
    most = cells.select(pl.col("stories").max()).item()
    ground, few, many, turn = NIGHT if st.context.theme.type == "dark" else DAY
    scale = alt.Scale(domain=[0, most], range=ground, interpolate="lab")
    is_many = alt.datum.stories > turn * most
    text = base.mark_text().encode(text="stories:Q", color=alt.when(is_many).then(alt.value(many)).otherwise(alt.value(few)))
    heat = base.mark_rect().encode(alt.Color("stories:Q", scale=scale, legend=None))
    st.altair_chart(_inked(st, (heat + text).properties(height=alt.Step(26))), width="stretch")
    _table(st, rows.pivot("col", index="line", values="stories", sort_columns=True).fill_null(0), "matrix")


def _inked(st: Any, chart: Any, **legend: Any) -> Any:
    """A chart whose words stand out from the ground that the reader chose."""
    ink = INK.get(st.context.theme.type or "", INK["light"])
    return chart.configure_axis(labelColor=ink, titleColor=ink).configure_legend(labelColor=ink, **legend)


def _labelled(store: Any, rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Codes of countries, topics and sides by their English names; languages go by their own."""
    names = dict(store.read(NAMES).iter_rows())
    return rows.with_columns(pl.col(column).replace(names))


def _biggest(rows: pl.DataFrame, column: str, most: int) -> pl.Series:
    """The values with the most stories, at most so many."""
    sums = rows.group_by(column).agg(pl.col("stories").sum())
    return sums.sort("stories", column, descending=[True, False])[column].head(most)


def _stories(st: Any, store: Any, values: dict[str, Any]) -> None:
    rows = store.read(CHOSEN + STORIES, **_used(STORIES, values))
    columns = {name: st.column_config.Column(title) for name, title in TITLES.items()} | {
        "url": st.column_config.LinkColumn(TITLES["url"], validate=r"^https?://"),
        "title": st.column_config.TextColumn("title", width="large"),
    }
    at = pl.col("first_at").dt.strftime("%Y-%m-%d %H:%M")
    safe = rows.with_columns(at, pl.when(pl.col("url").str.contains(r"^https?://")).then("url"))
    st.caption(f"At most {MOST_STORIES}, those that most outlets carried first.")
    _table(st, safe, "stories", columns)


def _evidence(st: Any, store: Any, values: dict[str, Any]) -> None:
    from pipeline.export import harmless

    rows = store.read(CHOSEN + SENTENCES, **_used(SENTENCES, values))
    st.caption(f"One sentence an article and topic, newest first, at most {MOST_SENTENCES}.")
    if not rows.height:
        return
    told, shown = zip(*(_sentence(row) for row in rows.iter_rows(named=True)), strict=True)
    st.html("".join(shown))
    _save(st, harmless(pl.DataFrame(told)), "evidence")


def _sentence(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The sentence of the first span of an article and topic: as a row, and as HTML with all its spans marked."""
    from pipeline.text import sentence_bounds

    first = min(row["evidence"], key=lambda span: (span["field"] == "body", span["char_start"]))
    text = row[first["field"]] or ""
    low, high = sentence_bounds(text, first["char_start"], first["char_end"], 300)
    spans = sorted((one["char_start"], one["char_end"]) for one in row["evidence"] if one["field"] == first["field"])
    title = html.escape(row["title"] or "(no title)")
    if re.match(r"https?://", row["url"] or ""):
        title = f'<a href="{html.escape(row["url"])}" rel="noopener noreferrer" target="_blank">{title}</a>'
    origin = html.escape(f"{row['published_day']} · {row['outlet']} · {row['topic']} ({first['rule_id']})")
    words = "; ".join(text[start:end] for start, end in spans if low <= start and end <= high)
    told = {"day": str(row["published_day"]), "outlet": row["outlet"], "topic": row["topic"], "rule_id": first["rule_id"],
            "title": row["title"], "sentence": text[low:high], "words": words, "url": row["url"]}  # fmt: skip
    return told, f"<p><small>{origin}</small><br><b>{title}</b><br>{''.join(_marked(text, low, high, spans))}</p>"


def _marked(text: str, low: int, high: int, spans: list[tuple[int, int]]) -> Iterator[str]:
    """A piece of a text as HTML, with its spans marked."""
    at = low
    for start, end in spans:
        if at <= start and end <= high:
            yield f"{html.escape(text[at:start])}<mark>{html.escape(text[start:end])}</mark>"
            at = end
    yield html.escape(text[at:high])


def _sql(st: Any, store: Any) -> None:
    from pipeline.warehouse import queries

    st.caption("Read-only, on this snapshot alone. docs/tables.md names the tables; `coverage` is a good one to begin with.")
    default = (
        "select day, country_code, topic_id, n_stories\nfrom coverage\nwhere side = '*' and lang = '*' and basis = 'focus'\n"
    )
    statement = st.text_area("SQL", f"{default}order by day desc, n_stories desc\nlimit 100", height=160)
    if st.button("Ask"):
        try:
            _table(st, queries.run(store, statement), "answer")
        except InputError as error:
            st.error(str(error))


def _table(st: Any, rows: pl.DataFrame, name: str, columns: dict[str, Any] | None = None) -> None:
    """A table, and the same as a CSV file; no spreadsheet runs either, for Streamlit's own button copies what is shown."""
    from pipeline.export import harmless

    days = [pl.col(column).cast(pl.String) for column, dtype in rows.schema.items() if dtype == pl.Date]
    shown = harmless(rows.with_columns(days))
    st.dataframe(shown, width="stretch", hide_index=True, column_config=columns)
    _save(st, shown, name)


def _save(st: Any, rows: pl.DataFrame, name: str) -> None:
    st.download_button("Save as CSV", rows.write_csv().encode("utf-8-sig"), f"{name}.csv", "text/csv", key=f"csv_{name}")


if __name__ == "__main__":
    page()
