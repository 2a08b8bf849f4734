"""What a run asks of the warehouse and writes to it. Every function works inside the caller's transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta

import polars as pl

from pipeline import dedup
from pipeline.schemas import RELATIONS, conform
from pipeline.seeds import Seeds
from pipeline.tag import Tagged
from pipeline.tag.offices import day_number
from pipeline.text import digest
from pipeline.versions import Changes, Known
from pipeline.warehouse.store import Store

DIM_TABLES = ("feed", "country", "actor", "role", "topic", "side")


# -- seeds as tables --------------------------------------------------------------------------------------------------


def sync_seeds(store: Store, seeds: Seeds) -> None:
    """Bring the relations that mirror seed files up to date; nothing is written when nothing changed."""
    frames = _seed_frames(seeds)
    stamp = digest(*(f.write_json() for f in frames.values()))
    if store.meta("seed_tables") == stamp:
        return
    with store.transaction():
        _forget_old_addresses(store, frames["feed"])
        for name, frame in frames.items():
            store.run(f"delete from {name}")
            store.append(name, frame)
        store.set_meta("seed_tables", stamp)


def _forget_old_addresses(store: Store, feeds: pl.DataFrame) -> None:
    """A feed whose address was edited in the catalogue begins anew at the new one, at once."""
    old = store.read("select feed_id, url as old_url from feed")
    moved = feeds.join(old, on="feed_id").filter(pl.col("url") != pl.col("old_url")).select("feed_id")
    store.delete("feed_state", moved)


def _seed_frames(seeds: Seeds) -> dict[str, pl.DataFrame]:
    table = {name: frame.drop("_file", "_line") for name, frame in seeds.tables.items()}
    days = [
        pl.col(c).map_elements(lambda d: day_number(d, 0), pl.Int32).cast(pl.Date).alias(f"{c}_date") for c in ("from", "until")
    ]
    return {
        "feed": table["feeds"].with_columns(pl.col("is_active") == "true"),
        "country": table["country"].with_columns(pl.col("groups").fill_null("").str.split(" ")),
        "actor": table["actor"],
        "role": table["role"].with_columns(days),
        "topic": table["topic"],
        "side": table["side"],
    }


# -- what is due ------------------------------------------------------------------------------------------------------


def due_feeds(store: Store, now: datetime) -> pl.DataFrame:
    """Active feeds whose next poll is due, longest waiting first: columns of feed and feed_state."""
    return store.read(
        """
        select f.* replace (coalesce(s.url, f.url) as url), s.* exclude (feed_id, url, note)
        from feed f
        left join feed_state s using (feed_id)
        where f.is_active and s.retired_at is null and (s.next_fetch_at is null or s.next_fetch_at <= $now)
        order by f.kind <> 'file', s.next_fetch_at nulls first, f.feed_id
        """,
        now=now,
    )


def waiting_pages(store: Store, now: datetime, limit: int) -> pl.DataFrame:
    """Pages to fetch: oldest first, fairly by host. Columns: article_id, feed_id, guid, url, time_zone, n_tries."""
    return store.read(
        """
        with waiting as (
            select e.article_id, e.feed_id, e.guid, e.url, f.time_zone, e.n_tries, e.first_seen_at,
                row_number() over (
                    partition by regexp_extract(e.url, '^[a-z]+:(?://)?([^/]*)', 1) order by e.first_seen_at, e.article_id
                ) as nth
            from entry e
            join feed f using (feed_id)
            where e.page_state = 'waiting' and e.next_try_at <= $now
        )
        select * exclude (nth, first_seen_at)
        from waiting
        order by url not like 'file:%', nth, first_seen_at, article_id
        limit $limit
        """,
        now=now,
        limit=limit,
    )


def count_waiting(store: Store) -> int:
    """Pages that still wait to be fetched."""
    return int(store.read("select count(*) as n from entry where page_state = 'waiting'")["n"][0])


# -- what is known ----------------------------------------------------------------------------------------------------


def known_for_entries(store: Store, entries: pl.DataFrame) -> Known:
    """What the warehouse holds about the guids, addresses and articles of some entries."""
    keys = entries.select("feed_id", "guid", "url", "article_id")
    urls = store.read("select distinct u.* from article_url u join batch_keys k on u.url = k.url", batch_keys=keys)
    ids = pl.concat([keys.select("article_id"), urls.select("article_id")]).unique()
    return _known(
        store, ids, urls, store.read("select e.* from entry e join batch_keys k using (feed_id, guid)", batch_keys=keys)
    )


def known_for_pages(store: Store, pages: pl.DataFrame) -> Known:
    """What the warehouse holds about some articles and the addresses their pages claim."""
    keys = pages.select("alias_url").drop_nulls()
    urls = store.read("select distinct u.* from article_url u join batch_keys k on u.url = k.alias_url", batch_keys=keys)
    return _known(store, pages.select("article_id").unique(), urls, conform(pl.DataFrame(), RELATIONS["entry"]))


def _known(store: Store, ids: pl.DataFrame, urls: pl.DataFrame, entries: pl.DataFrame) -> Known:
    return Known(
        entries=entries,
        articles=store.read("select a.* from article a semi join batch_ids using (article_id)", batch_ids=ids),
        versions=store.read(
            """
            select v.* from article_version v
            join article a on a.article_id = v.article_id and a.version = v.version
            semi join batch_ids b on b.article_id = v.article_id
            """,
            batch_ids=ids,
        ),
        urls=urls,
        sightings=store.read("select s.* from sighting s semi join batch_ids using (article_id)", batch_ids=ids),
    )


# -- landing ----------------------------------------------------------------------------------------------------------


def land(store: Store, changes: Changes, tagged: Tagged, tagged_by: str, now: datetime) -> None:
    """Write the changes of one batch with their tags and stories."""
    store.replace("entry", changes.entries, "feed_id", "guid")
    store.append("article_url", changes.urls)
    store.append("sighting", changes.sightings)
    if not changes.articles.height:
        return
    store.replace("article", changes.articles.with_columns(tagged_by=pl.lit(tagged_by)), "article_id")
    store.replace("article_version", changes.versions, "article_id", "version")
    write_tags(store, changes.articles.select("article_id"), tagged)
    update_stories(store, changes.articles.select("article_id"), now)


def write_tags(store: Store, ids: pl.DataFrame, tagged: Tagged) -> None:
    """Put new mentions, focus and tags of some articles in place of the old ones."""
    for relation, frame in (("mention", tagged.mentions), ("focus", tagged.focus), ("tag", tagged.tags)):
        store.delete(relation, ids)
        store.append(relation, frame)


def set_page_state(store: Store, rows: pl.DataFrame) -> None:
    """Write page_state, n_tries, next_try_at and error of some entries (feed_id, guid)."""
    if rows.height:
        store.run(
            """
            update entry set page_state = batch_.page_state, n_tries = batch_.n_tries, next_try_at = batch_.next_try_at,
                error = batch_.error
            from batch_ where entry.feed_id = batch_.feed_id and entry.guid = batch_.guid
            """,
            rows,
        )


def texts(store: Store, ids: pl.DataFrame) -> pl.DataFrame:
    """The current title and body of some articles: article_id, version, title, body, lang, published_at."""
    return store.read(
        """
        select a.article_id, a.version, v.title, v.body, a.lang, a.published_at
        from article a
        join article_version v on v.article_id = a.article_id and v.version = a.version
        semi join batch_ids b on b.article_id = a.article_id
        """,
        batch_ids=ids,
    )


def switch_tags(store: Store, tag: Callable[[pl.DataFrame], Tagged], tagged_by: str, n_batch: int = 5_000) -> int:
    """Tag every article that another tagging version tagged, all in one transaction; returns how many.

    Unchanged seeds write nothing, and two tagging versions never meet in a mart.
    """
    if store.meta("tagged_by") == tagged_by:
        return 0
    stale = store.read("select article_id from article where tagged_by is distinct from $by order by article_id", by=tagged_by)
    with store.transaction():
        for offset in range(0, stale.height, n_batch):
            ids = stale.slice(offset, n_batch)
            write_tags(store, ids, tag(texts(store, ids)))
        store.connection.execute("update article set tagged_by = ? where tagged_by is distinct from ?", [tagged_by, tagged_by])
        store.set_meta("tagged_by", tagged_by)
    return stale.height


# -- stories ----------------------------------------------------------------------------------------------------------


def update_stories(store: Store, ids: pl.DataFrame, now: datetime) -> None:
    """Find the stories of new or changed articles, and of all that hang together with them."""
    documents = texts(store, ids)
    new = dedup.signatures(documents)
    touched = _component(store, ids)  # before the old edges go
    for relation, side in (("story_edge", "left_id"), ("story_edge", "right_id"), ("signature", "article_id")):
        store.delete(relation, ids.rename({"article_id": side}))
    pairs = dedup.candidates(new, _neighbours(store, new))
    store.append("signature", new)
    compared = pl.concat([pairs["left_id"], pairs["right_id"]]).unique().alias("article_id").to_frame()
    store.append("story_edge", dedup.edges(pairs, texts(store, compared)))
    touched = _component(store, touched)
    found = store.read(
        "select e.* from story_edge e semi join t on t.article_id = e.left_id semi join t on t.article_id = e.right_id", t=touched
    )
    rows = dedup.stories(found, texts(store, touched))
    before = store.read("select s.article_id, s.story_id from story_article s semi join t using (article_id)", t=touched)
    store.replace("story_article", rows, "article_id")
    old = before.select("story_id").unique()
    store.delete("story", old)
    _write_stories(store, rows.select("story_id").unique())
    moved = before.join(rows.select("article_id", pl.col("story_id").alias("now_in")), on="article_id")
    gone = moved.join(rows.select("story_id").unique(), on="story_id", how="anti")
    gone = gone.filter(pl.col("article_id") == pl.col("story_id"))
    alias = gone.select(old_story_id="story_id", story_id="now_in", merged_at=pl.lit(now)).unique("old_story_id")
    store.replace("story_alias", conform(alias, RELATIONS["story_alias"]), "old_story_id")


def _component(store: Store, ids: pl.DataFrame) -> pl.DataFrame:
    """The articles that edges connect, over any number of steps, with the given ones; and these themselves."""
    return store.read(
        """
        with recursive linked as (
            select article_id from batch_ids
            union
            select case when e.left_id = l.article_id then e.right_id else e.left_id end
            from linked l join story_edge e on l.article_id in (e.left_id, e.right_id)
        )
        select article_id from linked
        """,
        batch_ids=ids,
    )


def _neighbours(store: Store, new: pl.DataFrame) -> pl.DataFrame:
    """Signatures of known articles near in time that share a band with a new one."""
    at = new["published_at"].drop_nulls()
    if not len(at):
        return store.read("select * from signature where published_at is null")
    low, high = at.min(), at.max()
    assert isinstance(low, datetime)
    assert isinstance(high, datetime)
    return store.read(
        """
        with near as (select * from signature where published_at between $low and $high),
        keys as (select distinct unnest(bands) as band from batch_new),
        banded as (select article_id, unnest(bands) as band from near),
        hit as (select distinct article_id from banded semi join keys using (band))
        select n.* from near n semi join hit using (article_id)
        """,
        batch_new=new,
        low=low - timedelta(days=3),
        high=high + timedelta(days=3),
    )


def _write_stories(store: Store, ids: pl.DataFrame) -> None:
    store.run(
        """
        insert into story by name
        select s.story_id, s.story_id as lead_article_id, min(a.published_at) as first_at, max(a.published_at) as last_at,
            count(*)::integer as n_articles, count(distinct a.outlet)::integer as n_outlets,
            count(distinct coalesce(nullif(f.owner, 'unknown'), a.outlet))::integer as n_owners
        from story_article s
        join article a using (article_id)
        left join feed f using (feed_id)
        semi join batch_ b on b.story_id = s.story_id
        group by s.story_id
        """,
        ids,
    )
