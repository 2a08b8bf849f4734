"""The frames that pass between rooms, and the relations of the warehouse, as Polars schemas.

`RELATIONS` is held equal to `sql/schema/` by a contract test; the other frames are what rooms hand to each other. Times are UTC.
Offsets are Unicode code points into the stored title or body, end exclusive.
"""

import polars as pl

UTC = pl.Datetime("us", "UTC")
SPAN = pl.Struct({"field": pl.String(), "char_start": pl.Int32(), "char_end": pl.Int32(), "rule_id": pl.String()})

# -- frames between rooms ---------------------------------------------------------------------------------------------

# fetch -> parse: one row a request, whatever became of it. `error` is null on success; `body` is null on failure and on 304.
FETCHED = pl.Schema(
    {
        "request_id": pl.String(),  # feed_id for feeds, article_id for pages
        "kind": pl.String(),  # feed, page, robots, sitemap
        "url": pl.String(),  # as asked
        "final_url": pl.String(),  # after redirects
        "fetched_at": UTC,
        "http_status": pl.Int32(),  # null when no answer came
        "content_type": pl.String(),
        "etag": pl.String(),
        "last_modified": pl.String(),
        "retry_after_s": pl.Int32(),
        "body": pl.Binary(),
        "body_hash": pl.String(),
        "n_bytes": pl.Int64(),
        "elapsed_ms": pl.Int32(),
        "error": pl.String(),  # one clear sentence
        "is_moved": pl.Boolean(),  # answered by 301 or 308 only
    }
)

# normalise -> dedup, land: one row an entry of a feed
ENTRY = pl.Schema(
    {
        "feed_id": pl.String(),
        "guid": pl.String(),
        "url": pl.String(),  # normalised address; null when the entry has none
        "article_id": pl.String(),
        "title": pl.String(),
        "body": pl.String(),  # text of content or summary, never HTML
        "author": pl.String(),
        "published_at": UTC,  # null when unknown
        "date_source": pl.String(),  # feed, null
        "lang": pl.String(),  # ISO 639-1, hbs, und
        "script": pl.String(),  # Latn, Cyrl, or another ISO 15924 code; Zyyy when there are no letters
        "content_hash": pl.String(),
    }
)

# parse + normalise -> land: one row a fetched page
PAGE = pl.Schema(
    {
        "article_id": pl.String(),
        "url": pl.String(),
        "canonical_url": pl.String(),
        "title": pl.String(),
        "body": pl.String(),
        "author": pl.String(),
        "published_at": UTC,
        "date_source": pl.String(),  # json-ld, meta, time, url, null
        "lang": pl.String(),
        "script": pl.String(),
        "content_hash": pl.String(),
    }
)

# what the tagger reads
DOCUMENT = pl.Schema(
    {
        "article_id": pl.String(),
        "version": pl.Int32(),
        "title": pl.String(),
        "body": pl.String(),
        "lang": pl.String(),
        "published_at": UTC,
    }
)

# -- relations of the warehouse ---------------------------------------------------------------------------------------

RELATIONS: dict[str, pl.Schema] = {
    "run": pl.Schema(
        {
            "run_id": pl.String(),
            "started_at": UTC,
            "finished_at": UTC,
            "status": pl.String(),
            "seeds_version": pl.String(),
            "tagger_version": pl.String(),
            "n_feeds": pl.Int32(),
            "n_failed": pl.Int32(),
            "n_new": pl.Int32(),
            "n_updated": pl.Int32(),
            "n_pages": pl.Int32(),
            "n_waiting": pl.Int32(),
        }
    ),
    "feed": pl.Schema(
        {
            "feed_id": pl.String(),
            "url": pl.String(),
            "outlet": pl.String(),
            "owner": pl.String(),
            "side": pl.String(),
            "alignment": pl.String(),
            "country_code": pl.String(),
            "lang": pl.String(),
            "time_zone": pl.String(),
            "kind": pl.String(),
            "is_active": pl.Boolean(),
            "note": pl.String(),
            "source": pl.String(),
            "pause_s": pl.Float64(),
        }
    ),
    "feed_state": pl.Schema(
        {
            "feed_id": pl.String(),
            "url": pl.String(),
            "etag": pl.String(),
            "last_modified": pl.String(),
            "body_hash": pl.String(),
            "n_polls": pl.Int32(),
            "n_failures": pl.Int32(),
            "n_moved": pl.Int32(),
            "interval_s": pl.Int32(),
            "last_poll_at": UTC,
            "last_success_at": UTC,
            "last_new_at": UTC,
            "next_fetch_at": UTC,
            "retired_at": UTC,
            "note": pl.String(),
            "site": pl.String(),
        }
    ),
    "host_state": pl.Schema(
        {
            "host": pl.String(),
            "checked_at": UTC,
            "http_status": pl.Int32(),
            "robots": pl.String(),
            "left_alone_until": UTC,
            "n_refusals": pl.Int32(),
        }
    ),
    "fetch_log": pl.Schema(
        {
            "run_id": pl.String(),
            "kind": pl.String(),
            "url": pl.String(),
            "feed_id": pl.String(),
            "fetched_at": UTC,
            "http_status": pl.Int32(),
            "n_bytes": pl.Int64(),
            "elapsed_ms": pl.Int32(),
            "n_entries": pl.Int32(),
            "n_new": pl.Int32(),
            "error": pl.String(),
            "is_gap": pl.Boolean(),
            "next_fetch_at": UTC,
        }
    ),
    "robots_log": pl.Schema(
        {
            "host": pl.String(),
            "path": pl.String(),
            "is_allowed": pl.Boolean(),
            "checked_at": UTC,
            "reason": pl.String(),
        }
    ),
    "entry": pl.Schema(
        {
            "feed_id": pl.String(),
            "guid": pl.String(),
            "article_id": pl.String(),
            "url": pl.String(),
            "content_hash": pl.String(),
            "first_seen_at": UTC,
            "page_state": pl.String(),
            "n_tries": pl.Int32(),
            "next_try_at": UTC,
            "error": pl.String(),
        }
    ),
    "article": pl.Schema(
        {
            "article_id": pl.String(),
            "feed_id": pl.String(),
            "outlet": pl.String(),
            "url": pl.String(),
            "canonical_url": pl.String(),
            "syndicated_from": pl.String(),
            "version": pl.Int32(),
            "n_versions": pl.Int32(),
            "lang": pl.String(),
            "script": pl.String(),
            "published_at": UTC,
            "published_day": pl.Date(),
            "date_source": pl.String(),
            "first_seen_at": UTC,
            "body_source": pl.String(),
            "tagged_by": pl.String(),
        }
    ),
    "article_url": pl.Schema({"url": pl.String(), "article_id": pl.String(), "kind": pl.String()}),
    "sighting": pl.Schema({"article_id": pl.String(), "feed_id": pl.String(), "first_seen_at": UTC}),
    "article_version": pl.Schema(
        {
            "article_id": pl.String(),
            "version": pl.Int32(),
            "title": pl.String(),
            "body": pl.String(),
            "author": pl.String(),
            "published_at": UTC,
            "content_hash": pl.String(),
            "seen_at": UTC,
            "body_source": pl.String(),
        }
    ),
    "story": pl.Schema(
        {
            "story_id": pl.String(),
            "lead_article_id": pl.String(),
            "first_at": UTC,
            "last_at": UTC,
            "n_articles": pl.Int32(),
            "n_outlets": pl.Int32(),
            "n_owners": pl.Int32(),
        }
    ),
    "story_article": pl.Schema(
        {
            "article_id": pl.String(),
            "story_id": pl.String(),
            "similarity": pl.Float64(),
            "is_lead": pl.Boolean(),
        }
    ),
    "story_alias": pl.Schema({"old_story_id": pl.String(), "story_id": pl.String(), "merged_at": UTC}),
    "signature": pl.Schema(
        {
            "article_id": pl.String(),
            "published_at": UTC,
            "text_hash": pl.UInt64(),
            "bands": pl.List(pl.UInt32()),
        }
    ),
    "story_edge": pl.Schema({"left_id": pl.String(), "right_id": pl.String(), "similarity": pl.Float64()}),
    "mention": pl.Schema(
        {
            "article_id": pl.String(),
            "version": pl.Int32(),
            "field": pl.String(),
            "char_start": pl.Int32(),
            "char_end": pl.Int32(),
            "entity_id": pl.String(),
            "kind": pl.String(),
            "country_code": pl.String(),
            "role_id": pl.String(),
            "surface": pl.String(),
            "rule_id": pl.String(),
        }
    ),
    "focus": pl.Schema(
        {
            "article_id": pl.String(),
            "country_code": pl.String(),
            "salience": pl.Float64(),
            "n_mentions": pl.Int32(),
            "is_focus": pl.Boolean(),
        }
    ),
    "tag": pl.Schema(
        {
            "article_id": pl.String(),
            "topic_id": pl.String(),
            "score": pl.Float64(),
            "evidence": pl.List(SPAN),
            "rule_ids": pl.List(pl.String()),
        }
    ),
    "country": pl.Schema(
        {
            "code": pl.String(),
            "name_en": pl.String(),
            "name_sr": pl.String(),
            "name_sq": pl.String(),
            "name_mk": pl.String(),
            "groups": pl.List(pl.String()),
            "capital": pl.String(),
        }
    ),
    "actor": pl.Schema(
        {
            "actor_id": pl.String(),
            "kind": pl.String(),
            "name": pl.String(),
            "category": pl.String(),
            "country_code": pl.String(),
        }
    ),
    "role": pl.Schema(
        {
            "role_id": pl.String(),
            "title_id": pl.String(),
            "holder": pl.String(),
            "person_id": pl.String(),
            "from_date": pl.Date(),
            "until_date": pl.Date(),
            "source": pl.String(),
        }
    ),
    "topic": pl.Schema(
        {
            "topic_id": pl.String(),
            "label_en": pl.String(),
            "label_sr": pl.String(),
            "label_sq": pl.String(),
            "label_mk": pl.String(),
            "threshold": pl.Float64(),
            "definition": pl.String(),
        }
    ),
    "side": pl.Schema({"side": pl.String(), "name_en": pl.String(), "description": pl.String()}),
    "meta": pl.Schema({"key": pl.String(), "value": pl.String()}),
    "search_document": pl.Schema(
        {"doc_no": pl.UInt32(), "article_id": pl.String(), "version": pl.Int32(), "n_terms": pl.Int32()}
    ),
    "search_posting": pl.Schema({"segment_no": pl.Int32(), "term": pl.String(), "postings": pl.List(pl.UInt32())}),
    "judgement": pl.Schema(
        {
            "article_id": pl.String(),
            "topic_id": pl.String(),
            "country_code": pl.String(),
            "verdict": pl.String(),
            "note": pl.String(),
            "judged_by": pl.String(),
            "judged_at": UTC,
            "sample_id": pl.String(),
            "version": pl.Int32(),
        }
    ),
    "tombstone": pl.Schema(
        {
            "kind": pl.String(),
            "address": pl.String(),
            "article_id": pl.String(),
            "forgotten_at": UTC,
            "reason": pl.String(),
        }
    ),
    "kept_surface": pl.Schema(
        {
            "article_id": pl.String(),
            "version": pl.Int32(),
            "char_start": pl.Int32(),
            "char_end": pl.Int32(),
            "surface": pl.String(),
        }
    ),
    "search_segment": pl.Schema(
        {"segment_no": pl.Int32(), "first_doc": pl.UInt32(), "last_doc": pl.UInt32(), "n_docs": pl.Int32()}
    ),
    "coverage": pl.Schema(
        {
            "day": pl.Date(),
            "country_code": pl.String(),
            "topic_id": pl.String(),
            "side": pl.String(),
            "lang": pl.String(),
            "basis": pl.String(),
            "n_articles": pl.Int32(),
            "n_stories": pl.Int32(),
            "n_outlets": pl.Int32(),
            "n_owners": pl.Int32(),
            "share": pl.Float64(),
        }
    ),
    "burst": pl.Schema(
        {
            "day": pl.Date(),
            "country_code": pl.String(),
            "topic_id": pl.String(),
            "observed": pl.Int32(),
            "expected": pl.Float64(),
            "p_value": pl.Float64(),
            "q_value": pl.Float64(),
            "is_burst": pl.Boolean(),
        }
    ),
    "dirty_day": pl.Schema({"day": pl.Date()}),
    "mart_day": pl.Schema({"day": pl.Date()}),
    "mart_article": pl.Schema(
        {
            "day": pl.Date(),
            "article_id": pl.String(),
            "feed_id": pl.String(),
            "lang": pl.String(),
            "outlet": pl.String(),
            "story_id": pl.String(),
            "feed_ids": pl.List(pl.String()),
            "focus_codes": pl.List(pl.String()),
            "other_codes": pl.List(pl.String()),
            "topic_ids": pl.List(pl.String()),
        }
    ),
    "retag_change": pl.Schema(
        {
            "retagged_at": UTC,
            "from_version": pl.String(),
            "to_version": pl.String(),
            "article_id": pl.String(),
            "topic_id": pl.String(),
            "country_code": pl.String(),
            "change": pl.String(),
            "rule_ids": pl.List(pl.String()),
        }
    ),
    "import_part": pl.Schema(
        {
            "import_id": pl.String(),
            "part": pl.Int32(),
            "file": pl.String(),
            "fingerprint": pl.String(),
            "is_last": pl.Boolean(),
            "n_rows": pl.Int32(),
            "n_new": pl.Int32(),
            "n_updated": pl.Int32(),
            "n_rejected": pl.Int32(),
            "n_skipped": pl.Int32(),
            "landed_at": UTC,
        }
    ),
    "import_reject": pl.Schema({"import_id": pl.String(), "part": pl.Int32(), "line": pl.Int32(), "reason": pl.String()}),
    "alert": pl.Schema(
        {
            "alert_id": pl.String(),
            "rule_id": pl.String(),
            "run_id": pl.String(),
            "created_at": UTC,
            "kind": pl.String(),
            "topic_id": pl.String(),
            "country_code": pl.String(),
            "side": pl.String(),
            "day": pl.Date(),
            "n_stories": pl.Int32(),
            "subject": pl.String(),
            "body": pl.String(),
            "channel": pl.String(),
            "state": pl.String(),
            "n_tries": pl.Int32(),
            "next_try_at": UTC,
            "sent_at": UTC,
            "error": pl.String(),
            "acknowledged_at": UTC,
            "acknowledged_by": pl.String(),
        }
    ),
    "alert_story": pl.Schema({"alert_id": pl.String(), "rule_id": pl.String(), "story_id": pl.String()}),
    "inbox_batch": pl.Schema(
        {
            "batch_id": pl.String(),
            "kind": pl.String(),
            "monitor": pl.String(),
            "run_id": pl.String(),
            "read_at": UTC,
        }
    ),
    "inbox_entry": pl.Schema({"batch_id": pl.String(), "place": pl.Int32(), "outlet": pl.String(), **ENTRY}),
    "inbox_page": pl.Schema(
        {"batch_id": pl.String(), "place": pl.Int32(), **PAGE, "alias_url": pl.String(), "syndicated_from": pl.String()}
    ),
    "inbox_note": pl.Schema({"batch_id": pl.String(), "place": pl.Int32(), "relation": pl.String(), "record": pl.String()}),
    "load_log": pl.Schema(
        {
            "batch_id": pl.String(),
            "kind": pl.String(),
            "monitor": pl.String(),
            "run_id": pl.String(),
            "read_at": UTC,
            "landed_at": UTC,
            "n_rows": pl.Int32(),
            "n_new": pl.Int32(),
            "n_updated": pl.Int32(),
        }
    ),
}


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of `schema`, in its order and types; a missing column becomes null, an extra one is dropped."""
    if not frame.width:
        return pl.DataFrame(schema=schema)
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
