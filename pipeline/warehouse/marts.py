"""The stored marts, coverage and burst: counted anew for the days that changed, and only for these.

Each batch writes the days it touched into `dirty_day` in its own transaction, so that a kill loses nothing; `Store.publish`
counts them before it copies. A day of coverage depends on the articles of that day, their stories, tags and feeds; a burst on
these of the day and of the 28 days before.

What is counted of an article stands in one row of `mart_article`, for the days in `mart_day`: a batch of new articles adds its
rows (`keep`), any other change strikes the day out (`touch`), and its rows are then drawn together anew when they are needed.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from pipeline import trends

if TYPE_CHECKING:
    from pipeline.tag import Tagged
    from pipeline.warehouse.store import Store

CHUNK = 15_000  # articles at a time, about: what is not committed yet stays in memory
FEW = 5_000  # of which cells are counted at a time: on days with few articles each makes some hundred cells
MANY = 100_000  # articles that are drawn together at a time: each time all relations are searched for them
REACH = [timedelta(days=n) for n in range(trends.BASELINE_DAYS + 1)]


def touch(store: "Store", days: pl.DataFrame) -> None:
    """Have some days (one column of dates) counted anew before the next snapshot. Works inside the caller's transaction."""
    days = days.rename({days.columns[0]: "day"}).drop_nulls().unique()
    if days.height:
        _soil(store, days)
        store.run("delete from mart_day using batch_ where mart_day.day = batch_.day", days)


def _soil(store: "Store", days: pl.DataFrame) -> None:
    store.run("insert into dirty_day select day from batch_ anti join dirty_day using (day)", days)


def touch_articles(store: "Store", ids: pl.DataFrame) -> None:
    """Have the days of some articles (article_id) counted anew."""
    if ids.height:
        days = "select distinct published_day from article semi join batch_ids using (article_id)"
        touch(store, store.read(days, batch_ids=ids))


def touch_all(store: "Store") -> None:
    """Have everything counted anew."""
    touch(store, store.read("select distinct published_day from article union select distinct day from coverage"))


def keep(store: "Store", articles: pl.DataFrame, stories: pl.DataFrame, sightings: pl.DataFrame, tagged: "Tagged") -> None:
    """Have the days of new articles counted anew, by rows made of what was just written of them.

    The frames are relations; of `articles` nothing was known before, the others may hold more. Called when all are written.
    """
    if not articles.height:
        return
    if store.read("select 1 from judgement semi join batch_ids using (article_id) limit 1", batch_ids=articles).height:
        touch(store, articles.select("published_day"))
        return
    days = articles.group_by(day="published_day").len("n").drop_nulls()
    _soil(store, days)
    known = store.read("from mart_day semi join batch_days using (day)", batch_days=days)
    strange = days.join(known, on="day", how="anti")
    if strange.height:
        fresh = store.read(  # days on which there are no other articles
            """
            with size as (
                select published_day as day, count(*) as n from article where published_day between $first and $last group by 1
            )
            select day from size semi join batch_days using (day, n)
            """,
            batch_days=strange, first=strange["day"].min(), last=strange["day"].max(),
        )  # fmt: skip
        store.delete("mart_article", fresh)
        store.append("mart_day", fresh)
        known = pl.concat([known, fresh])
    rows = articles.select("article_id", "feed_id", "outlet", pl.col("lang").fill_null("und"), day="published_day")
    rows = rows.join(known, on="day", how="semi").join(stories.select("article_id", "story_id"), on="article_id", how="left")
    carriers = pl.concat([articles.select("article_id", "feed_id"), sightings.select("article_id", "feed_id")])
    is_focus = pl.col("is_focus").fill_null(False)
    for name, frame, column in (
        ("feed_ids", carriers, "feed_id"),
        ("focus_codes", tagged.focus.filter(is_focus), "country_code"),
        ("other_codes", tagged.focus.filter(~is_focus), "country_code"),
        ("topic_ids", tagged.tags, "topic_id"),
    ):
        lists = frame.drop_nulls(column).group_by("article_id").agg(pl.col(column).unique().sort().alias(name))
        rows = rows.join(lists, on="article_id", how="left").with_columns(pl.col(name).fill_null([]))
    store.append("mart_article", rows.with_columns(pl.col("story_id").fill_null(pl.col("article_id"))))


def recount(store: "Store") -> int:
    """Bring coverage and burst up to date; how many days were counted. Works inside the caller's transaction."""
    n = 0
    while some := _count_some(store):
        n += some
    return n


def bring_up(store: "Store") -> int:
    """`recount` in a transaction for each part of history, so that memory does not grow with it; a killed one goes on.

    Readers of a lake would see the parts: there it is one transaction.
    """
    n, is_done = 0, False
    while not is_done:
        with store.transaction():
            some = recount(store) if store.lake else _count_some(store)
        n, is_done = n + some, not some or store.lake is not None
    return n


def _count_some(store: "Store") -> int:
    """Count the first dirty days anew, and the bursts that no later dirty day will touch; how many days were counted."""
    dirty = store.read("select day from dirty_day order by day")["day"].to_list()
    if not dirty:
        return 0
    sizes = dict(
        store.read(
            "select published_day, count(*) from article where published_day between $first and $last group by 1 order by 1",
            first=dirty[0] - REACH[-1], last=dirty[-1] + REACH[-1],
        ).iter_rows()
    )  # fmt: skip
    now = next(_chunks(dirty, sizes, CHUNK, least=trends.BASELINE_DAYS))
    later = {day + n for day in dirty[len(now) :] if day <= now[-1] + REACH[-1] for n in REACH}
    touched = sorted({day + n for day in now for n in REACH} - later)
    _forget(store, "coverage", now)
    _forget(store, "burst", touched)
    days = [day for day in touched if day in sizes]
    wanted = sorted({day - n for day in (*days, *now) for n in REACH} & set(sizes))
    if wanted:
        _draw_together(store, wanted, dirty[len(now) :], sizes)
        frames = _frames(store, wanted)
        for some in _chunks([day for day in now if day in sizes], sizes, FEW):
            articles = frames["articles"].filter(pl.col("day").is_in(some))
            store.append("coverage", trends.coverage(articles, frames["focus"], frames["tags"]))
        store.append("burst", trends.bursts(**frames, days=days))
    store.delete("dirty_day", pl.DataFrame({"day": now}))
    return len(now)


def _forget(store: "Store", relation: str, days: list[date]) -> None:
    if days:
        store.connection.execute(f"delete from {relation} where day between ? and ? and day in (select unnest(?::date[]))",
                                 [days[0], days[-1], days])  # fmt: skip


def _chunks(days: list[date], sizes: dict[date, int], n: int, least: int = 1) -> Iterator[list[date]]:
    """The days in runs of about `n` articles, and of at least so many days."""
    chunk: list[date] = []
    size = 0
    for day in days:
        if len(chunk) >= least and size + sizes.get(day, 0) > n:
            yield chunk
            chunk, size = [], 0
        chunk.append(day)
        size += sizes.get(day, 0)
    if chunk:
        yield chunk


# -- what is counted --------------------------------------------------------------------------------------------------


def _frames(store: "Store", days: list[date]) -> dict[str, pl.DataFrame]:
    """What `trends` counts of some days, as its arguments; here `article_id` is the number of a row."""
    rows = store.read(  # side and owner as view article_side has them
        """
        select m.* replace (coalesce(m.outlet, 'unknown') as outlet), coalesce(f.side, 'unknown') as side,
            coalesce(nullif(f.owner, 'unknown'), m.outlet, 'unknown') as owner
        from mart_article m left join feed f using (feed_id)
        where m.day between $first and $last and m.day in (select unnest($days::date[]))
        """,
        first=days[0], last=days[-1], days=days,
    ).drop("article_id", "feed_id").with_row_index("article_id")  # fmt: skip

    def each(lists: str, column: str) -> pl.DataFrame:
        return rows.select("article_id", pl.col(lists).alias(column)).explode(column, empty_as_null=False)

    focus = [
        each(name, "country_code").with_columns(is_focus=is_focus)
        for name, is_focus in (("focus_codes", pl.lit(True)), ("other_codes", pl.lit(False)))
    ]
    return {
        "articles": rows.select("article_id", *(name for name in trends.ARTICLE if name != "article_id")),
        "carriers": each("feed_ids", "feed_id"), "focus": pl.concat(focus), "tags": each("topic_ids", "topic_id"),
    }  # fmt: skip


def _draw_together(store: "Store", wanted: list[date], later: list[date], sizes: dict[date, int]) -> None:
    """See that mart_article has its rows of some days; when it lacks some, also of what the dirty days to come will want."""
    known = set(store.read("from mart_day")["day"].to_list())
    missing = [day for day in wanted if day not in known]
    if not missing:
        return
    ahead = {near for day in later for n in REACH for near in (day - n, day + n)} & set(sizes) - known - set(wanted)
    missing += next(_chunks(sorted(ahead), sizes, MANY), [])
    days = pl.DataFrame({"day": missing})
    # the views look for verdicts all over the archive
    suffix = "_effective" if store.read("select 1 from judgement limit 1").height else ""
    store.delete("mart_article", days)
    store.connection.execute("create or replace temp table picked_ as "
        "select article_id, feed_id, published_day as day, coalesce(lang, 'und') as lang, outlet from article "
        "where published_day between ? and ? and published_day in (select unnest(?::date[]))",
        [days["day"].min(), days["day"].max(), days["day"].to_list()])  # fmt: skip
    store.run(
        f"""
        with carrier as (
            select article_id, list(feed_id order by feed_id) as feed_ids
            from (select article_id, feed_id from picked_
                union select article_id, feed_id from sighting semi join picked_ using (article_id))
            where feed_id is not null
            group by article_id
        ),
        named as (
            select article_id,
                list_sort(list(distinct country_code) filter (where is_focus)) as focus_codes,
                list_sort(list(distinct country_code) filter (where is_focus is distinct from true)) as other_codes
            from focus{suffix} semi join picked_ using (article_id)
            where country_code is not null
            group by article_id
        ),
        tagged as (
            select article_id, list_sort(list(distinct topic_id)) as topic_ids
            from tag{suffix} semi join picked_ using (article_id)
            where topic_id is not null
            group by article_id
        )
        insert into mart_article by name
        select p.*, coalesce(s.story_id, p.article_id) as story_id, coalesce(c.feed_ids, []) as feed_ids,
            coalesce(n.focus_codes, []) as focus_codes, coalesce(n.other_codes, []) as other_codes,
            coalesce(t.topic_ids, []) as topic_ids
        from picked_ p
        left join (from story_article semi join picked_ using (article_id)) s using (article_id)
        left join carrier c using (article_id)
        left join named n using (article_id)
        left join tagged t using (article_id)
        order by day
        """
    )
    store.run("drop table picked_")
    store.append("mart_day", days)
