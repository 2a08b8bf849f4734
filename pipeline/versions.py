"""What a batch of entries or pages changes: new articles, versions, sightings. Decided here, carried out by the warehouse.

Identity: an article is one address. An entry seen again with another title or text is a new version of its article; a page that
arrives for an article known only from its feed completes the version instead of adding one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from pipeline.schemas import DOCUMENT, ENTRY, RELATIONS, UTC, conform

MIN_GAIN = 1.0  # a page replaces the feed's text when it is at least as long


@dataclass(frozen=True)
class Changes:
    """Rows to write. `articles` are new or replace the row of that id; `versions` are new or replace (article_id, version)."""

    entries: pl.DataFrame
    articles: pl.DataFrame
    versions: pl.DataFrame
    urls: pl.DataFrame
    sightings: pl.DataFrame
    n_new: int
    n_updated: int

    def documents(self) -> pl.DataFrame:
        """The current versions that must be tagged (schema DOCUMENT)."""
        current = self.articles.select("article_id", "version", "lang", pl.col("published_at").alias("_at"))
        documents = self.versions.join(current, on=["article_id", "version"]).with_columns(published_at="_at")
        return conform(documents, DOCUMENT)


@dataclass(frozen=True)
class Known:
    """What the warehouse holds about the addresses and guids of a batch, each frame in the schema of its relation."""

    entries: pl.DataFrame
    articles: pl.DataFrame
    versions: pl.DataFrame  # current ones
    urls: pl.DataFrame
    sightings: pl.DataFrame


def published(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Fill published_at from first_seen_at (date_source first_seen) and add published_day in `zone`."""
    source = pl.when(pl.col("published_at").is_null()).then(pl.lit("first_seen")).otherwise(pl.col("date_source"))
    at = pl.coalesce("published_at", "first_seen_at")
    return frame.with_columns(date_source=source, published_at=at, published_day=at.dt.convert_time_zone(zone).dt.date())


def entry_changes(entries: pl.DataFrame, known: Known, feeds: pl.DataFrame, now: datetime, zone: str) -> Changes:
    """Changes made by entries of feeds (schema ENTRY). `feeds`: feed_id, outlet, kind of the batch's feeds."""
    entries = conform(entries, ENTRY).unique(["feed_id", "guid"], keep="first", maintain_order=True)
    aliases = known.urls.select("url", pl.col("article_id").alias("_alias"))
    entries = entries.join(aliases, on="url", how="left").with_columns(pl.coalesce("_alias", "article_id").alias("article_id"))
    held = known.articles.select("article_id", _is_held=pl.lit(value=True))
    seen = known.entries.select("feed_id", "guid", pl.col("content_hash").alias("_hash"))
    entries = entries.join(seen, on=["feed_id", "guid"], how="left").join(held, on="article_id", how="left")
    # a guid that comes back with another text at an address that nobody knows is another article
    is_other = pl.col("_is_held").is_null() & (pl.col("_hash") != pl.col("content_hash"))
    entries = entries.with_columns(_hash=pl.when(is_other).then(None).otherwise("_hash")).drop("_is_held")
    fresh = entries.filter(pl.col("_hash").is_null())
    edited = entries.filter(pl.col("_hash").is_not_null() & (pl.col("_hash") != pl.col("content_hash")))
    first = fresh.unique("article_id", keep="first", maintain_order=True)
    new = first.join(known.articles, on="article_id", how="anti")
    articles, versions = _new_articles(new, feeds, now, zone)
    again = edited.unique("article_id", keep="first", maintain_order=True)
    edited_articles, edited_versions = _edited_articles(again, known, now)
    touched = pl.concat([fresh, edited])
    return Changes(
        entries=_entry_rows(touched, known, edited_articles, now),
        articles=pl.concat([articles, edited_articles]),
        versions=pl.concat([versions, edited_versions]),
        urls=_urls(new.select("url", "article_id", kind=pl.lit("entry")), known),
        sightings=_sightings(fresh, known, now),
        n_new=articles.height,
        n_updated=edited_articles.height,
    )


def _new_articles(new: pl.DataFrame, feeds: pl.DataFrame, now: datetime, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = new.join(feeds.select("feed_id", "outlet"), on="feed_id", how="left").with_columns(
        pl.lit(now, UTC).alias("first_seen_at"),
        pl.lit(now, UTC).alias("seen_at"),
        version=pl.lit(1, pl.Int32),
        n_versions=pl.lit(1, pl.Int32),
        body_source=pl.when(pl.col("body").fill_null("") == "").then(pl.lit("headline")).otherwise(pl.lit("feed")),
    )
    versions = conform(frame, RELATIONS["article_version"])
    return conform(published(frame, zone), RELATIONS["article"]), versions


def _edited_articles(edited: pl.DataFrame, known: Known, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A changed title or text in the feed is a new version at once; its page is fetched again and completes it."""
    current = known.articles.select("article_id", pl.col("version").alias("_version"))
    frame = edited.join(current, on="article_id").with_columns(
        version=pl.col("_version") + 1, seen_at=pl.lit(now, UTC), body_source=pl.lit("feed")
    )
    versions = conform(frame, RELATIONS["article_version"])
    articles = known.articles.join(
        frame.select(
            "article_id", pl.col("version").alias("_v"), pl.col("lang").alias("_lang"), pl.col("script").alias("_script")
        ),
        on="article_id",
    ).with_columns(version="_v", n_versions=pl.col("n_versions") + 1, lang="_lang", script="_script", body_source=pl.lit("feed"))
    return conform(articles, RELATIONS["article"]), versions


def _entry_rows(touched: pl.DataFrame, known: Known, edited: pl.DataFrame, now: datetime) -> pl.DataFrame:
    fetchable = pl.col("url").is_not_null()
    ours = pl.col("article_id").is_in(edited["article_id"].to_list()) | pl.col("_hash").is_null()
    known_article = pl.col("article_id").is_in(known.articles["article_id"].to_list())
    state = (
        pl.when(~fetchable | (pl.col("_hash").is_null() & known_article)).then(pl.lit("none"))
        .when(~ours | ~pl.col("article_id").is_first_distinct()).then(pl.lit("none"))
        .otherwise(pl.lit("waiting"))
    )  # fmt: skip
    first = known.entries.select("feed_id", "guid", pl.col("first_seen_at").alias("_first"))
    frame = touched.join(first, on=["feed_id", "guid"], how="left").with_columns(
        first_seen_at=pl.coalesce("_first", pl.lit(now, UTC)), page_state=state, n_tries=pl.lit(0, pl.Int32),
        next_try_at=pl.lit(now, UTC),
    )  # fmt: skip
    return conform(frame, RELATIONS["entry"])


def _urls(urls: pl.DataFrame, known: Known) -> pl.DataFrame:
    urls = urls.filter(pl.col("url").is_not_null()).unique("url", keep="first", maintain_order=True)
    return conform(urls.join(known.urls, on="url", how="anti"), RELATIONS["article_url"])


def _sightings(fresh: pl.DataFrame, known: Known, now: datetime) -> pl.DataFrame:
    rows = fresh.select("article_id", "feed_id").unique(maintain_order=True).with_columns(first_seen_at=pl.lit(now, UTC))
    return conform(rows.join(known.sightings, on=["article_id", "feed_id"], how="anti"), RELATIONS["sighting"])


def page_changes(pages: pl.DataFrame, known: Known, now: datetime, zone: str) -> Changes:
    """Changes made by fetched pages: PAGE, and `alias_url` and `syndicated_from` as normalise judged the canonical link."""
    pages = _believed(pages.unique("article_id", keep="first", maintain_order=True), known)
    text = known.versions.select(
        "article_id", "version", pl.col("title").alias("_title"), pl.col("body").alias("_body"),
        pl.col("author").alias("_author"),
        pl.col("content_hash").alias("_hash"), pl.col("body_source").alias("_source"), pl.col("seen_at").alias("_seen"),
        pl.col("published_at").alias("_published"),
    )  # fmt: skip
    frame = pages.join(text, on="article_id")
    has_more = pl.col("body").fill_null("").str.len_chars() >= pl.col("_body").fill_null("").str.len_chars() * MIN_GAIN
    completes = (pl.col("_source") != "page") & has_more
    edits = (pl.col("_source") == "page") & (pl.col("content_hash") != pl.col("_hash")) & (pl.col("body").fill_null("") != "")
    frame = frame.filter(completes | edits).with_columns(
        version=pl.col("version") + edits.cast(pl.Int32),
        is_edit=edits,
    )
    frame = frame.with_columns(
        title=pl.when(pl.col("_title").fill_null("") == "").then("title").otherwise("_title"),
        author=pl.coalesce("author", "_author"),
        seen_at=pl.when("is_edit").then(pl.lit(now, UTC)).otherwise("_seen"),
        published_at=pl.coalesce("_published", "published_at"),
        body_source=pl.lit("page"),
    )
    versions = conform(frame, RELATIONS["article_version"])
    fields = frame.select(
        "article_id", pl.col("version").alias("_v"), "is_edit", pl.col("lang").alias("_lang"), pl.col("script").alias("_script"),
        pl.col("published_at").alias("_at"), pl.col("date_source").alias("_date_source"),
    )  # fmt: skip
    links = pages.select("article_id", pl.col("alias_url").alias("_alias"), pl.col("syndicated_from").alias("_syndicated"))
    articles = known.articles.join(fields, on="article_id").join(links, on="article_id", how="left")
    undated = (pl.col("date_source") == "first_seen") & pl.col("_at").is_not_null()
    articles = articles.with_columns(
        version="_v", n_versions=pl.col("n_versions") + pl.col("is_edit").cast(pl.Int32), lang="_lang", script="_script",
        body_source=pl.lit("page"), canonical_url=pl.coalesce("_alias", "canonical_url"),
        syndicated_from=pl.coalesce("_syndicated", "syndicated_from"),
        published_at=pl.when(undated).then("_at").otherwise("published_at"),
        date_source=pl.when(undated).then("_date_source").otherwise("date_source"),
    )  # fmt: skip
    articles = conform(published(articles, zone), RELATIONS["article"])
    aliases = pages.join(text, on="article_id", how="semi").select("article_id", url="alias_url", kind=pl.lit("canonical"))
    return Changes(
        entries=conform(pl.DataFrame(), RELATIONS["entry"]),
        articles=articles,
        versions=versions,
        urls=_urls(aliases, known),
        sightings=conform(pl.DataFrame(), RELATIONS["sighting"]),
        n_new=0,
        n_updated=int(frame["is_edit"].sum()),
    )


def _believed(pages: pl.DataFrame, known: Known) -> pl.DataFrame:
    """The pages without the canonical addresses that are another article's already."""
    claimed = known.urls.select(alias_url="url", _owner="article_id")
    is_free = pl.col("_owner").is_null() & pl.col("alias_url").is_first_distinct()
    ours = is_free | (pl.col("_owner") == pl.col("article_id"))
    joined = pages.join(claimed, on="alias_url", how="left", maintain_order="left")
    return joined.with_columns(alias_url=pl.when(ours).then("alias_url")).drop("_owner")


def page_retry(n_tries: int, now: datetime, retry_after_s: int | None) -> datetime:
    """When a page that could not be had is tried again: 15 minutes, doubling to a day."""
    wait = min(900 * 2 ** min(n_tries, 10), 86_400)
    return now + timedelta(seconds=max(wait, min(retry_after_s or 0, 86_400)))
