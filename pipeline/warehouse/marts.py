"""The stored marts, coverage and burst: counted anew for the days that changed, and only for these.

Each batch writes the days it touched into `dirty_day` in its own transaction, so that a kill loses nothing; `Store.publish`
counts them before it copies. A day of coverage depends on the articles of that day, their stories, tags and feeds; a burst on
these of the day and of the 28 days before.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from pipeline import trends

if TYPE_CHECKING:
    from pipeline.warehouse.store import Store

CHUNK = 150_000  # articles at a time, about: some 500 MB of arrays
FEW = 10_000  # of which cells are counted at a time: on days with few articles each makes some hundred cells


def touch(store: "Store", days: pl.DataFrame) -> None:
    """Have some days (one column of dates) counted anew before the next snapshot. Works inside the caller's transaction."""
    days = days.rename({days.columns[0]: "day"}).drop_nulls().unique()
    if days.height:
        store.run("insert into dirty_day select day from batch_ anti join dirty_day using (day)", days)


def touch_articles(store: "Store", ids: pl.DataFrame) -> None:
    """Have the days of some articles (article_id) counted anew."""
    touch(store, store.read("select distinct published_day from article semi join batch_ids using (article_id)", batch_ids=ids))


def touch_all(store: "Store") -> None:
    """Have everything counted anew."""
    touch(store, store.read("select distinct published_day from article union select distinct day from coverage"))


def recount(store: "Store") -> int:
    """Bring coverage and burst up to date; how many days were counted. Works inside the caller's transaction."""
    dirty = store.read("select day from dirty_day order by day")["day"].to_list()
    if not dirty:
        return 0
    sizes = dict(store.read("select published_day, count(*) from article group by 1 order by 1").iter_rows())
    reach = [timedelta(days=n) for n in range(trends.BASELINE_DAYS + 1)]
    touched = {day + n for day in dirty for n in reach}
    _forget(store, "coverage", dirty, is_all=set(sizes) <= set(dirty))
    _forget(store, "burst", sorted(touched), is_all=set(sizes) <= touched)
    for days in _chunks(sorted(touched & set(sizes)), sizes, trends.BASELINE_DAYS):
        wanted = sorted({day - n for day in days for n in reach} & set(sizes))
        frames = _frames(store, pl.DataFrame({"day": wanted}))
        for some in _chunks(sorted(set(days) & set(dirty)), sizes, n=FEW):
            articles = frames["articles"].filter(pl.col("day").is_in(some))
            store.append("coverage", trends.coverage(articles, frames["focus"], frames["tags"]))
        store.append("burst", trends.bursts(**frames, carriers=_carriers(store, frames["articles"]), days=days))
    store.run("delete from dirty_day")
    return len(dirty)


def _carriers(store: "Store", articles: pl.DataFrame) -> pl.DataFrame:
    """Which feeds carried the articles: article_id, feed_id."""
    # nobody carries what was not seen yet; two days, should a clock be set back. A long archive is not searched for new articles
    first = store.read(
        "select min(first_seen_at) - interval 2 days as at from article where published_day between $first and $last",
        first=articles["day"].min(),
        last=articles["day"].max(),
    )
    return store.read(
        """
        select article_id, feed_id from batch_articles
        union
        select article_id, feed_id from sighting semi join batch_articles using (article_id) where first_seen_at >= $at
        """,
        batch_articles=articles.select("article_id", "feed_id"),
        at=first["at"][0],
    )


def _forget(store: "Store", relation: str, days: list[date], *, is_all: bool) -> None:
    if is_all:
        store.run(f"delete from {relation}")
    else:
        store.connection.execute(f"delete from {relation} where day between ? and ? and day in (select unnest(?::date[]))",
                                 [days[0], days[-1], days])  # fmt: skip


def _chunks(days: list[date], sizes: dict[date, int], least: int = 1, n: int = CHUNK) -> Iterator[list[date]]:
    """The days in runs of about `n` articles, and of at least so many days."""
    chunk: list[date] = []
    size = 0
    for day in days:
        if len(chunk) >= least and size + sizes[day] > n:
            yield chunk
            chunk, size = [], 0
        chunk.append(day)
        size += sizes[day]
    if chunk:
        yield chunk


def _frames(store: "Store", days: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What `trends` counts: the articles of some days (`trends.ARTICLE`) with their focus and tags, as the marts see them."""
    articles = store.read(
        """
        select article_id, feed_id, published_day as day, side, coalesce(lang, 'und') as lang, outlet, owner, story_id
        from article_side
        where published_day between $first and $last and published_day in (select day from batch_days)
        """,
        batch_days=days,
        first=days["day"].min(),
        last=days["day"].max(),
    )
    ids = articles.select("article_id")
    is_judged = store.read("select 1 from judgement limit 1").height  # the views look for verdicts all over the archive
    labels = {
        name: store.read(f"select {columns} from {name}{suffix} semi join batch_ids using (article_id)", batch_ids=ids)
        for name, columns in (("focus", "article_id, country_code, is_focus"), ("tag", "article_id, topic_id"))
        for suffix in ("_effective" if is_judged else "",)
    }
    return {"articles": articles, "focus": labels["focus"], "tags": labels["tag"]}
