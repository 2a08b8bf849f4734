"""Forgetting on demand, which leaves a tombstone, and removing bodies for their age, which leaves everything else.

What is deleted lingers in free blocks of the database file until these are written again, or the file is (`backup.rewrite`).
"""

import shutil
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from pipeline import normalise
from pipeline.errors import InputError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import index, landing, marts, retagging
from pipeline.warehouse.store import Store


class Target(NamedTuple):
    """What is to be forgotten: an `article` by its address, or an `outlet` by its name; and its articles (article_id)."""

    kind: str
    address: str
    articles: pl.DataFrame


def target(store: Store, name: str) -> Target:
    """What an address, an article_id or the name of an outlet means; InputError when it means nothing.

    An address that is not known is a target too: it is then kept from landing.
    """
    url = normalise.canonical_url(name)
    found = store.read(
        """
        select article_id from article where article_id in ($name, $id) or url = $url or canonical_url = $url
        union select article_id from article_url where url = $url
        union select article_id from entry where url = $url and article_id is not null
        order by article_id
        """,
        name=name,
        id=normalise.article_id(url, "", None, ""),
        url=url,
    )
    if url is not None or found.height:
        return Target("article", url or name, found)
    outlets = store.read(
        """
        select distinct outlet
        from (select outlet from article union all select outlet from feed)
        where lower(outlet) = lower($name)
        """,
        name=name,
    )["outlet"].to_list()
    if not outlets:
        raise InputError(f"`{name}` is neither an address nor the name of an outlet; relation `feed` has their names.")
    outlet = name if name in outlets else outlets[0]
    return Target("outlet", outlet, store.read("select article_id from article where outlet = $outlet order by 1", outlet=outlet))


def forget(store: Store, what: Target, reason: str, now: datetime) -> None:
    """Remove all that is known of the articles but a tombstone each; the rest of their stories is put together anew."""
    ids = what.articles
    with store.transaction():
        addresses = _addresses(store, what)
        marts.touch_articles(store, ids)
        told = store.read("select distinct story_id from story_article semi join batch_ids using (article_id)", batch_ids=ids)
        companions = store.read(
            "select article_id from story_article semi join t using (story_id) anti join batch_ids using (article_id)",
            t=told, batch_ids=ids,
        )  # fmt: skip
        index.remove(store, ids)
        for relation, schema in RELATIONS.items():
            if "article_id" in schema and relation != "tombstone":
                store.delete(relation, ids)
        for side in ("left_id", "right_id"):
            store.delete("story_edge", ids.rename({"article_id": side}))
        store.delete("story", told)
        for column in ("old_story_id", "story_id"):
            store.delete("story_alias", told.rename({"story_id": column}))
        _silence_alerts(store, told)
        row = {"kind": what.kind, "address": what.address, "article_id": None, "forgotten_at": now, "reason": reason}
        rows = addresses.with_columns(kind=pl.lit("article"), forgotten_at=pl.lit(now), reason=pl.lit(reason))
        if what.kind == "outlet" or not rows.height:
            row["article_id"] = normalise.article_id(what.address, "", None, "") if what.kind == "article" else None
            rows = pl.concat([rows, pl.DataFrame([row])], how="diagonal_relaxed")
        known = store.read("select kind, address, article_id from tombstone")
        store.append("tombstone", rows.join(known, on=["kind", "address", "article_id"], how="anti", nulls_equal=True))
        if companions.height:
            landing.update_stories(store, companions, now)
    shutil.rmtree(retagging.staging(store.data, "any").parent, ignore_errors=True)  # of a `retag` that was not completed


def _addresses(store: Store, what: Target) -> pl.DataFrame:
    """article_id and address: each address under which the articles are known; a null one for an article without any."""
    return store.read(
        """
        with known as (
            select article_id, url from article union select article_id, canonical_url from article
            union select article_id, url from article_url union select article_id, url from entry
            union select article_id, $asked from batch_ids where $is_one
        )
        select article_id, url as address
        from known semi join batch_ids using (article_id)
        qualify url is not null or count(url) over (partition by article_id) = 0
        order by all
        """,
        batch_ids=what.articles,
        asked=what.address if "://" in what.address else None,
        is_one=what.kind == "article",
    )


def _silence_alerts(store: Store, stories: pl.DataFrame) -> None:
    """Messages about the stories lose their text, for it quotes titles; that they were told stays known."""
    store.run(
        """
        update alert set subject = '(forgotten)', body = '(forgotten)'
        where alert_id in (select alert_id from alert_story semi join batch_ using (story_id))
        """,
        stories,
    )


def expire(store: Store, days: int, now: datetime) -> int:
    """Remove the bodies of articles that were first seen more than `days` ago, in all versions; returns of how many.

    Titles, tags, mentions and counts stay, and the words that spoke for a topic; their sentences go. `body_source` becomes
    `removed`, and such articles are not tagged again.
    """
    ids = store.read(
        "select article_id from article where first_seen_at < $cutoff and body_source <> 'removed' order by article_id",
        cutoff=now - timedelta(days=days),
    )
    if not ids.height:
        return 0
    with store.transaction():
        store.run(
            """
            insert into kept_surface by name
            select distinct e.article_id, a.version, e.char_start, e.char_end, e.surface
            from tag_evidence e
            join article a using (article_id)
            where e.field = 'body' and e.surface is not null and e.article_id in (select article_id from batch_)
            """,
            ids,
        )
        for relation, change in (("article_version", "body = null, "), ("article", "")):
            store.run(
                f"update {relation} set {change}body_source = 'removed' where article_id in (select article_id from batch_)", ids
            )
        index.add(
            store,
            store.read("select article_id, version, title, body from article_text semi join ids using (article_id)", ids=ids),
        )
    return ids.height
