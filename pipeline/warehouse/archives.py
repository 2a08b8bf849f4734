"""What an import asks of the warehouse beyond `landing`, and what it adds to it."""

import polars as pl

from pipeline.tag import Tagged
from pipeline.warehouse import landing
from pipeline.warehouse.store import Store


def all_versions(store: Store, ids: pl.DataFrame) -> pl.DataFrame:
    """Every version of some articles (article_id)."""
    return store.read("select v.* from article_version v semi join batch_ids using (article_id)", batch_ids=ids)


def tags_of(store: Store, kept: pl.DataFrame) -> Tagged:
    """The mentions, focus and tags of some articles (article_id, version) as they are, mentions under that version."""
    frames = [
        store.read(f"select r.* from {name} r semi join batch_ids using (article_id)", batch_ids=kept)
        for name in ("mention", "focus", "tag")
    ]
    version = kept.select("article_id", pl.col("version").alias("_version"))
    mentions = frames[0].join(version, on="article_id", maintain_order="left").with_columns(version="_version").drop("_version")
    return Tagged(mentions, *frames[1:])


def add_feeds(store: Store, feeds: pl.DataFrame) -> None:
    """Write feeds of imports, each in place of the one of that name; nothing is written when nothing changed."""
    have = store.read("select f.* from feed f semi join batch_ids using (feed_id)", batch_ids=feeds.select("feed_id"))
    if not have.sort("feed_id").equals(feeds.sort("feed_id")):
        store.replace("feed", feeds, "feed_id")
        told = ["feed_id", "side", "owner"]
        moved = have.select(told).join(feeds.select(told), on=told, how="anti", nulls_equal=True)
        landing.count_anew(store, moved.select("feed_id"))
