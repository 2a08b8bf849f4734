"""What a part of an import changes: new articles, versions by date, sightings, addresses. The warehouse carries it out.

An article is one address, as for entries of feeds. Its states are told apart by title and text: a text it has had before is no
new version, and another one takes its place by date, so an archive may bring the past of an article that is known already. A
text takes the place of a teaser or a headline. What is decided does not depend on how records are cut into parts.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pipeline.schemas import RELATIONS, UTC, conform
from pipeline.versions import Changes, Known, published

TEASERS = ["feed", "headline"]


@dataclass(frozen=True)
class ImportChanges:
    """What to write. `keyed` (key, article_id, version) says whose tags the part's rows bring; `kept` (article_id, version) are
    changed articles whose current text stays, and its tags with it, perhaps under another version number."""

    changes: Changes
    keyed: pl.DataFrame
    kept: pl.DataFrame


def wanted(rows: pl.DataFrame) -> pl.DataFrame:
    """What to ask the warehouse about some rows (IMPORTED): feed_id, guid, url, article_id; aliases are rows of their own."""
    keys = rows.select("feed_id", "guid", "url", "article_id")
    aliases = rows.drop_nulls("alias_url").select("feed_id", "guid", "article_id", url="alias_url").select(keys.columns)
    return pl.concat([keys, aliases])


def changes(rows: pl.DataFrame, known: Known, history: pl.DataFrame, now: datetime, zone: str) -> ImportChanges:
    """The changes made by rows (IMPORTED) in their order. `history`: all versions of the known articles."""
    rows, urls = _identified(rows, known)
    seen = pl.coalesce("crawled_at", "published_at", pl.lit(now, UTC))
    rows = rows.with_columns(seen_at=seen, version=pl.lit(None, pl.Int32))
    is_known = pl.col("article_id").is_in(known.articles["article_id"].to_list())
    has_text = pl.col("body_source") != "headline"
    # a headline tells nothing of an article that is known, or whose text came with it
    states = rows.filter(has_text | (~is_known & ~has_text.any().over("article_id") & pl.col("article_id").is_first_distinct()))
    states = _states(states, history.join(states, on="article_id", how="semi"), known)
    articles = _articles(rows, states, known, now, zone)
    last = states.unique("article_id", keep="last", maintain_order=True)
    new = articles.join(known.articles, on="article_id", how="anti")
    return ImportChanges(
        Changes(
            entries=_entries(rows, new, articles, known, now),
            articles=articles,
            versions=conform(states, RELATIONS["article_version"]),
            urls=urls,
            sightings=_sightings(rows, known, now),
            n_new=new.height,
            n_updated=articles.height - new.height,
        ),
        keyed=last.drop_nulls("key").select("key", "article_id", "version"),
        kept=last.filter(pl.col("key").is_null()).select("article_id", "version"),
    )


def _identified(rows: pl.DataFrame, known: Known) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with the article_id that their address has already, and the addresses that are new."""
    owner: dict[str, str] = dict(known.urls.select("url", "article_id").iter_rows())
    ids, found = [], []
    for url, alias, article_id in rows.select("url", "alias_url", "article_id").iter_rows():
        id_ = owner.get(url, article_id) if url else article_id
        ids.append(id_)
        for address, kind in ((url, "entry"), (alias, "canonical")):
            if address and address not in owner:
                owner[address] = id_
                found.append((address, id_, kind))
    urls = pl.DataFrame(found, schema=RELATIONS["article_url"], orient="row")
    return rows.with_columns(pl.Series("article_id", ids, pl.String)), urls


def _states(new: pl.DataFrame, history: pl.DataFrame, known: Known) -> pl.DataFrame:
    """All states of the articles that change, oldest first, numbered; those that come from the part have a key."""
    columns = list(RELATIONS["article_version"])
    extra = ["key", "lang", "script", "crawled_at"]
    teaser = history.join(known.versions.select("article_id", "version"), on=["article_id", "version"], how="semi")
    teaser = teaser.filter(pl.col("body_source").is_in(TEASERS))
    texts = new.filter(pl.col("body_source") == "import").select("article_id", _new=pl.col("body").str.len_chars())
    longest = texts.group_by("article_id").agg(pl.col("_new").max())
    covered = teaser.join(longest, on="article_id").filter(pl.col("_new") >= pl.col("body").fill_null("").str.len_chars())
    history = history.join(covered.select("article_id", "version"), on=["article_id", "version"], how="anti")
    states = pl.concat([history.select(columns), new.select(*columns, *extra)], how="diagonal")
    # one state a text: the known row stands for it, with the earliest date that anybody gives
    pair = ["article_id", "content_hash"]
    from_part = states.filter(pl.col("key").is_not_null()).sort("seen_at", "key").unique(pair, keep="first", maintain_order=True)
    earlier = from_part.select(*pair, _seen="seen_at")
    old = states.filter(pl.col("key").is_null()).join(earlier, on=pair, how="left").with_columns(
        _moved=(pl.col("_seen") < pl.col("seen_at")).fill_null(False), seen_at=pl.min_horizontal("seen_at", "_seen")
    )  # fmt: skip
    from_part = from_part.join(old.select(pair), on=pair, how="anti").with_columns(_moved=pl.lit(True))
    states = pl.concat([old.drop("_seen"), from_part], how="diagonal_relaxed")
    changed = states.group_by("article_id").agg(pl.col("_moved").any()).filter("_moved").select("article_id")
    changed = pl.concat([changed, covered.select("article_id")]).unique()
    states = states.join(changed, on="article_id", how="semi").sort("article_id", "seen_at", "version", "key", nulls_last=True)
    return states.with_columns(version=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("article_id"))


def _articles(rows: pl.DataFrame, states: pl.DataFrame, known: Known, now: datetime, zone: str) -> pl.DataFrame:
    """The rows of relation article for all articles whose states changed; what came first names outlet and date."""
    touched = states.select("article_id").unique(maintain_order=True)
    last = states.unique("article_id", keep="last", maintain_order=True).select(
        "article_id", _version="version", _lang="lang", _script="script", _source="body_source", _key="key"
    )
    first = pl.col
    brought = (
        rows.join(touched, on="article_id", how="semi")
        .group_by("article_id", maintain_order=True)
        .agg(
            first("feed_id", "outlet", "url").first(),
            first("alias_url", "syndicated_from").drop_nulls().first(),
            _at=first("published_at").drop_nulls().first(),
            _at_source=first("date_source").drop_nulls().first(),
            _first=first("crawled_at").min(),
        )
    )
    names = {name: f"_old_{name}" for name in RELATIONS["article"] if name != "article_id"}
    frame = brought.join(last, on="article_id").join(
        known.articles.rename(names), on="article_id", how="left", maintain_order="left"
    )
    old = {name: pl.col(f"_old_{name}") for name in names}
    undated = old["date_source"].is_null() | (old["date_source"] == "first_seen")
    is_new_text = pl.col("_key").is_not_null()
    frame = frame.with_columns(
        feed_id=pl.coalesce(old["feed_id"], "feed_id"), outlet=pl.coalesce(old["outlet"], "outlet"),
        url=pl.coalesce(old["url"], "url"), canonical_url=pl.coalesce(old["canonical_url"], "alias_url"),
        syndicated_from=pl.coalesce(old["syndicated_from"], "syndicated_from"),
        version="_version", n_versions="_version",
        lang=pl.when(is_new_text).then("_lang").otherwise(old["lang"]),
        script=pl.when(is_new_text).then("_script").otherwise(old["script"]),
        body_source="_source",
        first_seen_at=pl.coalesce(pl.min_horizontal(old["first_seen_at"], "_first"), pl.lit(now, UTC)),
        published_at=pl.when(undated).then("_at").otherwise(old["published_at"]),
        date_source=pl.when(undated).then("_at_source").otherwise(old["date_source"]),
        tagged_by=old["tagged_by"],
    )  # fmt: skip
    return conform(published(frame, zone), RELATIONS["article"])


def _entries(rows: pl.DataFrame, new: pl.DataFrame, articles: pl.DataFrame, known: Known, now: datetime) -> pl.DataFrame:
    """New articles without a text wait for their page; entries whose text has come wait no longer."""
    waiting = rows.filter("waits").join(new.filter(pl.col("body_source") == "headline"), on="article_id", how="semi")
    waiting = waiting.unique("article_id", keep="first", maintain_order=True).with_columns(
        first_seen_at=pl.lit(now, UTC), page_state=pl.lit("waiting"), n_tries=pl.lit(0, pl.Int32), next_try_at=pl.lit(now, UTC)
    )
    come = articles.filter(pl.col("body_source") == "import")
    done = known.entries.filter(pl.col("page_state") == "waiting").join(come, on="article_id", how="semi")
    done = done.with_columns(page_state=pl.lit("done"))
    return pl.concat([conform(waiting, RELATIONS["entry"]), conform(done, RELATIONS["entry"])]).unique(
        ["feed_id", "guid"], keep="last", maintain_order=True
    )


def _sightings(rows: pl.DataFrame, known: Known, now: datetime) -> pl.DataFrame:
    at = pl.coalesce(pl.col("crawled_at").min(), pl.lit(now, UTC))
    seen = rows.group_by("article_id", "feed_id", maintain_order=True).agg(at.alias("first_seen_at"))
    return conform(seen.join(known.sightings, on=["article_id", "feed_id"], how="anti"), RELATIONS["sighting"])
