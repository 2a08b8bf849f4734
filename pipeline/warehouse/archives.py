"""What an import asks of the warehouse beyond `landing`, and what it adds to it."""

import polars as pl

from pipeline.tag import Tagged
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


def unsigned_headlines(store: Store, signatures: pl.DataFrame) -> pl.DataFrame:
    """Signatures (`dedup.SIGNATURE`) with those of imported headlines taken away: a headline alone is a copy of nothing."""
    bare = store.read(
        """
        select article_id from article semi join batch_ids using (article_id)
        where body_source = 'headline' and starts_with(feed_id, 'import:')
        """,
        batch_ids=signatures.select("article_id"),
    )
    if not bare.height:
        return signatures
    is_bare = pl.col("article_id").is_in(bare["article_id"].to_list())
    text_hash = pl.when(~is_bare).then("text_hash")
    bands = pl.when(is_bare).then(pl.lit([], dtype=signatures.schema["bands"])).otherwise("bands")
    return signatures.with_columns(text_hash=text_hash, bands=bands)
