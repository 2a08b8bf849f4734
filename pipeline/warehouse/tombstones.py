"""What was forgotten stays away: entries and articles under a tombstone do not land, whatever way they come.

An article is known by its article_id and by each of its addresses, an outlet by its name, which its feeds and articles bear.
"""

import dataclasses

import polars as pl

from pipeline.tag import Tagged
from pipeline.versions import Changes
from pipeline.warehouse.store import Store

_IS_BURIED = """
    k.article_id in (select article_id from tombstone where kind = 'article')
        or k.url in (select address from tombstone where kind = 'article')
        or k.outlet in (select address from tombstone where kind = 'outlet')
"""


def admitted(store: Store, entries: pl.DataFrame) -> pl.DataFrame:
    """The entries (feed_id, url, article_id and more) that are neither of a forgotten article nor of a forgotten outlet."""
    keys = entries.select("feed_id", "url", "article_id").with_row_index("_at")
    return _without(store, entries, "select k.*, f.outlet from batch_keys k left join feed f using (feed_id)", keys)


def spared(store: Store, changes: Changes) -> Changes:
    """The changes without those of forgotten articles and outlets."""
    keys = changes.articles.select("article_id", "url", "outlet").with_row_index("_at")
    articles = _without(store, changes.articles, "select * from batch_keys", keys)
    gone = changes.articles.join(articles, on="article_id", how="anti")
    entries = admitted(store, changes.entries)
    unseen = changes.entries.join(entries, on=["feed_id", "guid"], how="anti")
    if not gone.height and not unseen.height:
        return changes

    def kept(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(gone, on="article_id", how="anti", maintain_order="left")

    sightings = kept(changes.sightings).join(unseen, on=["article_id", "feed_id"], how="anti")
    return dataclasses.replace(
        changes, entries=kept(entries), articles=articles, versions=kept(changes.versions), urls=kept(changes.urls),
        sightings=sightings,
    )  # fmt: skip


def spared_tags(tagged: Tagged, changes: Changes) -> Tagged:
    """The tags of the articles that are left in the changes."""
    return Tagged(*(
        frame.join(changes.articles, on="article_id", how="semi", maintain_order="left")
        for frame in (tagged.mentions, tagged.focus, tagged.tags)
    ))  # fmt: skip


def _without(store: Store, frame: pl.DataFrame, sql: str, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame whose key (article_id, url, outlet, and _at: its place) is not under a tombstone."""
    if not frame.height or not store.read("select 1 from tombstone limit 1").height:  # mostly there is none
        return frame
    buried = store.read(f"select k._at from ({sql}) k where {_IS_BURIED}", batch_keys=keys)["_at"]
    return frame.with_row_index("_at").filter(~pl.col("_at").is_in(buried.implode())).drop("_at")
