"""What a run asks of the warehouse and writes to it. Every function works inside the caller's transaction."""

from datetime import datetime, timedelta

import polars as pl

from pipeline import dedup
from pipeline.schemas import RELATIONS, conform
from pipeline.seeds import Seeds
from pipeline.tag import Tagged
from pipeline.text import digest
from pipeline.versions import Changes, Known, published
from pipeline.warehouse import index, marts, tombstones
from pipeline.warehouse.store import Store

# -- seeds as tables --------------------------------------------------------------------------------------------------


def sync_seeds(store: Store, seeds: Seeds) -> bool:
    """Bring the relations that mirror seed files up to date: did any change? Nothing is written when nothing changed."""
    frames = _seed_frames(seeds)
    stamp = digest(*(f.write_json() for f in frames.values()))
    if store.meta("seed_tables") == stamp:
        return False
    with store.transaction():
        _forget_old_addresses(store, frames["feed"])
        before = store.read("select feed_id, side, owner from feed")
        for name, frame in frames.items():
            store.run(f"delete from {name}" + (" where kind is distinct from 'import'" if name == "feed" else ""))
            store.append(name, frame)
        store.run(
            """
            update feed set owner = f.owner, side = f.side, alignment = f.alignment
            from feed as f where feed.kind = 'import' and feed.feed_id = 'import:' || f.feed_id
            """
        )
        now = store.read("select feed_id, side, owner from feed")
        differ = [
            one.join(other, on=before.columns, how="anti", nulls_equal=True) for one, other in ((before, now), (now, before))
        ]
        count_anew(store, pl.concat(differ))
        store.set_meta("seed_tables", stamp)
    return True


def _forget_old_addresses(store: Store, feeds: pl.DataFrame) -> None:
    """A feed whose address was edited in the catalogue begins anew at the new one, at once."""
    old = store.read("select feed_id, url as old_url from feed")
    moved = feeds.join(old, on="feed_id").filter(pl.col("url") != pl.col("old_url")).select("feed_id")
    store.delete("feed_state", moved)


def count_anew(store: Store, feeds: pl.DataFrame) -> None:
    """Feeds (feed_id) that speak to another side or belong to somebody else: their days and stories are counted again."""
    if feeds.height:
        days = "select distinct published_day from article semi join batch_feeds using (feed_id)"
        marts.touch(store, store.read(days, batch_feeds=feeds))
        told = "select distinct story_id from story_article join article using (article_id) semi join batch_feeds using (feed_id)"
        stories = store.read(told, batch_feeds=feeds)
        store.delete("story", stories)
        _write_stories(store, store.read("from story_article semi join t using (story_id)", t=stories))


def _seed_frames(seeds: Seeds) -> dict[str, pl.DataFrame]:
    table = {name: frame.drop("_file", "_line") for name, frame in seeds.tables.items()}
    days = [
        pl.coalesce((pl.col(c) + rest).str.to_date("%Y-%m-%d", strict=False) for rest in ("", "-01", "-01-01")).alias(f"{c}_date")
        for c in ("from", "until")
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
            and f.outlet not in (select address from tombstone where kind = 'outlet')
        order by f.kind <> 'file', s.next_fetch_at nulls first, f.feed_id
        """,
        now=now,
    )


def waiting_pages(store: Store, now: datetime, limit: int) -> pl.DataFrame:
    """Pages to fetch: oldest first, fairly by host. Columns: article_id, feed_id, guid, url, time_zone, pause_s, n_tries."""
    return store.read(
        """
        with waiting as (
            select e.article_id, e.feed_id, e.guid, e.url, f.time_zone, f.pause_s, e.n_tries, e.first_seen_at,
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
    seen = store.read(  # faster than with both columns, and than reading all columns along
        "from entry where rowid in (select e.rowid from entry e semi join batch_keys using (guid))", batch_keys=keys
    )
    return _known(store, ids, urls, seen.join(keys, on=["feed_id", "guid"], how="semi"))


def known_for_pages(store: Store, pages: pl.DataFrame) -> Known:
    """What the warehouse holds about some articles and the addresses their pages claim."""
    keys = pages.select("alias_url").drop_nulls()
    urls = store.read("select distinct u.* from article_url u join batch_keys k on u.url = k.alias_url", batch_keys=keys)
    return _known(store, pages.select("article_id").unique(), urls, conform(pl.DataFrame(), RELATIONS["entry"]))


def _known(store: Store, ids: pl.DataFrame, urls: pl.DataFrame, entries: pl.DataFrame) -> Known:
    held = store.read("select article_id from article semi join batch_ids using (article_id)", batch_ids=ids)
    none = {name: conform(pl.DataFrame(), RELATIONS[name]) for name in ("article", "article_version", "sighting")}
    if not held.height:  # as most often: nothing of them need be looked for in the texts of an archive
        return Known(entries, none["article"], none["article_version"], urls, none["sighting"])
    articles = store.read("select a.* from article a semi join batch_ids using (article_id)", batch_ids=held)
    return Known(
        entries=entries,
        articles=articles,
        versions=store.read(
            "select v.* from article_version v semi join batch_ids using (article_id, version)",
            batch_ids=articles.select("article_id", "version"),
        ),
        urls=urls,
        sightings=store.read("select s.* from sighting s semi join batch_ids using (article_id)", batch_ids=held),
    )


# -- landing ----------------------------------------------------------------------------------------------------------


def land(store: Store, changes: Changes, tagged: Tagged, tagged_by: str, now: datetime) -> None:
    """Write the changes of one batch with their tags and stories.

    `changes` are those against what `known_for_entries` or `known_for_pages` gave since the last batch was landed.
    """
    is_all_new = changes.n_new == changes.articles.height  # as of most batches of feeds, said by who looked them up
    changes = tombstones.spared(store, changes)
    others = [frame.select("article_id") for frame in (changes.entries, changes.sightings)]
    ids = pl.concat([changes.articles.select("article_id"), *others]).unique()
    sought = ids.join(changes.articles, on="article_id", how="anti") if is_all_new else ids
    old = store.read("select article_id, published_day from article semi join batch_ids using (article_id)", batch_ids=sought)
    known = old.select("article_id")  # most articles are new: looking for what they replace would cost more than writing them
    # an entry that is first seen with its article is new; any other may be known, be it of an article at another address
    of_new = changes.articles.join(known, on="article_id", how="anti")
    store.delete("entry", changes.entries.join(of_new, on=["article_id", "first_seen_at"], how="anti").select("feed_id", "guid"))
    store.append("entry", changes.entries)
    store.append("article_url", changes.urls)
    store.append("sighting", changes.sightings)
    marts.touch(store, old.join(changes.sightings, on="article_id", how="semi").select("published_day"))  # who carries them
    if not changes.articles.height:
        return
    ids = changes.articles.select("article_id")
    old = old.join(ids, on="article_id", how="semi")
    known = old.select("article_id")
    changed = changes.articles.join(known, on="article_id", how="semi")
    marts.touch(store, pl.concat([old, changed.select("article_id", "published_day")]).select("published_day"))
    store.delete("article", known)
    store.append("article", changes.articles.with_columns(tagged_by=pl.lit(tagged_by)))
    store.delete("article_version", changes.versions.select("article_id", "version").join(known, on="article_id", how="semi"))
    store.append("article_version", changes.versions)
    tagged = tombstones.spared_tags(tagged, changes)
    write_tags(store, known, tagged)
    stories = update_stories(store, ids, now, changes.documents(), known)
    index.add(store, changes.documents(), known)
    marts.keep(store, of_new, stories, changes.sightings, tagged)


def write_tags(store: Store, ids: pl.DataFrame, tagged: Tagged) -> None:
    """Write mentions, focus and tags; those of some articles give way to them."""
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


def apply_zone(store: Store, zone: str) -> None:
    """Give all history the days of a time zone, at once; nothing is written when it is the one in force."""
    if store.meta("time_zone") == zone:
        return
    articles = store.read("select article_id, published_at, first_seen_at, date_source, published_day from article")
    moved = published(articles.rename({"published_day": "_old"}), zone).filter(pl.col("published_day") != pl.col("_old"))
    with store.transaction():
        marts.touch(store, pl.concat([moved.select(published_day="_old"), moved.select("published_day")]))
        store.run(
            "update article set published_day = batch_.published_day from batch_ where article.article_id = batch_.article_id",
            moved.select("article_id", "published_day"),
        )
        store.set_meta("time_zone", zone)


TEXTS = ("article_id", "title", "body", "published_at")  # what stories are found from


# -- stories ----------------------------------------------------------------------------------------------------------


def update_stories(
    store: Store, ids: pl.DataFrame, now: datetime, documents: pl.DataFrame | None = None, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Find the stories of new or changed articles, and of all that hang together with them; their rows of `story_article`.

    `documents`: their texts (TEXTS), when at hand; `known`: those of them that are in stories already (None: perhaps all).
    """
    documents = (_texts(store, ids) if documents is None else documents).select(TEXTS)
    known = ids if known is None else known
    new = _unsigned_headlines(store, dedup.signatures(documents))
    touched = _component(store, known)  # before the old edges go
    for relation, side in (("story_edge", "left_id"), ("story_edge", "right_id"), ("signature", "article_id")):
        store.delete(relation, known.rename({"article_id": side}))
    pairs = dedup.candidates(new, _neighbours(store, new))
    store.append("signature", new)
    compared = pl.concat([pairs["left_id"], pairs["right_id"]]).alias("article_id").to_frame()
    documents = _with_texts(store, documents, compared)
    found = dedup.edges(pairs, documents)
    store.append("story_edge", found)
    ends = [found.select(article_id=side) for side in ("left_id", "right_id")]
    others = _component(store, pl.concat([touched, *ends]).unique())
    touched = pl.concat([ids, others]).unique()
    found = store.read(
        "select e.* from story_edge e semi join t on t.article_id = e.left_id semi join t on t.article_id = e.right_id", t=others
    )
    documents = _with_texts(store, documents, touched)
    rows = dedup.stories(found, touched.join(documents, on="article_id"))
    others = pl.concat([known, others]).unique()
    before = store.read("select s.article_id, s.story_id from story_article s semi join t using (article_id)", t=others)
    store.delete("story_article", before.select("article_id"))
    store.append("story_article", rows)
    same = before.join(rows, on=["article_id", "story_id"], how="semi")
    marts.touch_articles(store, before.join(same, on="article_id", how="anti").select("article_id"))
    old = before.select("story_id").unique()
    store.delete("story", old)
    _write_stories(store, rows, touched.join(documents, on="article_id")["published_at"])
    moved = before.join(rows.select("article_id", pl.col("story_id").alias("now_in")), on="article_id")
    gone = moved.join(rows.select("story_id").unique(), on="story_id", how="anti")
    gone = gone.filter(pl.col("article_id") == pl.col("story_id"))
    alias = gone.select(old_story_id="story_id", story_id="now_in", merged_at=pl.lit(now)).unique("old_story_id")
    store.replace("story_alias", conform(alias, RELATIONS["story_alias"]), "old_story_id")
    return rows


def _unsigned_headlines(store: Store, signatures: pl.DataFrame) -> pl.DataFrame:
    """Signatures (`dedup.SIGNATURE`) with those of headlines taken away: a headline alone is a copy of nothing."""
    bare = store.read(
        """
        select article_id from article semi join batch_ids using (article_id)
        where body_source = 'headline'
        """,
        batch_ids=signatures.select("article_id"),
    )
    if not bare.height:
        return signatures
    is_bare = pl.col("article_id").is_in(bare["article_id"].to_list())
    text_hash = pl.when(~is_bare).then("text_hash")
    bands = pl.when(is_bare).then(pl.lit([], dtype=signatures.schema["bands"])).otherwise("bands")
    return signatures.with_columns(text_hash=text_hash, bands=bands)


def _texts(store: Store, ids: pl.DataFrame) -> pl.DataFrame:
    return index.texts(store, ids, "article_id", "published_at").select(TEXTS)


def _with_texts(store: Store, documents: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """The documents and the texts of further articles."""
    missing = ids.unique().join(documents, on="article_id", how="anti")
    return pl.concat([documents, _texts(store, missing)]) if missing.height else documents


def _component(store: Store, ids: pl.DataFrame) -> pl.DataFrame:
    """The articles that edges connect, over any number of steps, with the given ones; and these themselves."""
    all_ = last = ids
    while last.height:
        found = store.read(
            """
            select right_id as article_id from story_edge semi join last on left_id = last.article_id
            union
            select left_id from story_edge semi join last on right_id = last.article_id
            """,
            last=last,
        )
        last = found.join(all_, on="article_id", how="anti")
        all_ = pl.concat([all_, last])
    return all_


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


def _write_stories(store: Store, members: pl.DataFrame, at: pl.Series | None = None) -> None:
    """The rows of relation story for all members (article_id, story_id) of some stories; `at`: when these were published."""
    is_dated = at is not None and len(at) and not at.null_count()
    period = "where a.published_at between $first and $last" if is_dated else ""  # spares the rest of the archive
    found = store.read(
        f"""
        select s.story_id, s.story_id as lead_article_id, min(a.published_at) as first_at, max(a.published_at) as last_at,
            count(*)::integer as n_articles, count(distinct a.outlet)::integer as n_outlets,
            count(distinct coalesce(nullif(f.owner, 'unknown'), a.outlet))::integer as n_owners
        from batch_ids s
        join article a using (article_id)
        left join feed f using (feed_id)
        {period}
        group by s.story_id
        """,
        batch_ids=members.select("article_id", "story_id"),
        **({"first": at.min(), "last": at.max()} if is_dated and at is not None else {}),
    )
    store.append("story", found)
