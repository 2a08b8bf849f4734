"""What a batch of entries or pages changes: the decision tables of `pipeline.versions`, one row a case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipeline.schemas import ENTRY, PAGE, RELATIONS, conform
from pipeline.versions import Changes, Known, entry_changes, page_changes, page_retry, published

NOW = datetime(2023, 11, 20, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
ZONE = "Europe/Belgrade"
FEEDS = pl.DataFrame({"feed_id": ["f", "g"], "outlet": ["Outlet F", "Outlet G"], "kind": ["rss", "rss"]})


def rows(schema: pl.Schema, *given: dict[str, Any]) -> pl.DataFrame:
    """A frame of a schema from partial rows; no rows give an empty frame."""
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in given], schema=schema)


def entry(guid: str = "g1", article: str = "a1", text_hash: str = "h1", **more: Any) -> dict[str, Any]:
    return {
        "feed_id": "f", "guid": guid, "url": f"https://f.example/{article}", "article_id": article, "title": "Title",
        "body": "Body", "published_at": BEFORE, "date_source": "feed", "lang": "en", "script": "Latn", "content_hash": text_hash,
    } | more  # fmt: skip


def page(article: str = "a1", text_hash: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "article_id": article, "url": f"https://f.example/{article}", "title": "Page title", "body": "The body of the page",
        "lang": "en", "script": "Latn", "content_hash": text_hash, "alias_url": None, "syndicated_from": None,
    } | more  # fmt: skip


def known(*entries: dict[str, Any], version: int = 1, body_source: str = "feed", **version_fields: Any) -> Known:
    """A warehouse that holds the articles of some entries, with their sightings and addresses."""
    articles, versions = [], []
    for one in {e["article_id"]: e for e in entries}.values():
        both = one | {"version": version, "n_versions": version, "body_source": body_source, "outlet": "Outlet F"}
        articles.append(both | {"first_seen_at": BEFORE, "published_day": BEFORE.date()})
        versions.append(both | {"seen_at": BEFORE} | version_fields)
    return Known(
        entries=rows(RELATIONS["entry"], *(e | {"first_seen_at": BEFORE, "page_state": "done"} for e in entries)),
        articles=rows(RELATIONS["article"], *articles),
        versions=rows(RELATIONS["article_version"], *versions),
        urls=rows(RELATIONS["article_url"], *(e | {"kind": "entry"} for e in entries)).unique("url"),
        sightings=rows(RELATIONS["sighting"], *entries),
    )


def of_entries(what: Known, *entries: dict[str, Any]) -> Changes:
    return entry_changes(rows(ENTRY, *entries), what, FEEDS, NOW, ZONE)


PAGE_JUDGED = pl.Schema(PAGE | {"alias_url": pl.String(), "syndicated_from": pl.String()})


def of_pages(what: Known, *pages: dict[str, Any]) -> Changes:
    return page_changes(rows(PAGE_JUDGED, *pages), what, NOW, ZONE)


def shape(changes: Changes) -> dict[str, Any]:
    """What was decided, short enough to read in a table."""
    return {
        "new": changes.n_new,
        "updated": changes.n_updated,
        "entries": sorted(changes.entries.select("guid", "article_id", "page_state").rows()),
        "versions": sorted(changes.versions.select("article_id", "version", "body_source").rows()),
        "urls": sorted(changes.urls["url"].to_list()),
        "sightings": sorted(changes.sightings.select("article_id", "feed_id").rows()),
    }


U1 = "https://f.example/a1"
NOTHING: dict[str, Any] = {"new": 0, "updated": 0, "entries": [], "versions": [], "urls": [], "sightings": []}
OTHER_FEED = entry("x1", feed_id="g")

# what is known, what comes, what is decided (differences from NOTHING)
ENTRY_CASES: dict[str, tuple[Known, list[dict[str, Any]], dict[str, Any]]] = {
    "nothing comes": (known(entry()), [], {}),
    "a new entry": (known(), [entry()], {
        "new": 1, "entries": [("g1", "a1", "waiting")], "versions": [("a1", 1, "feed")], "urls": [U1], "sightings": [("a1", "f")],
    }),
    "the same entry again": (known(entry()), [entry()], {}),
    "a new entry without a text": (known(), [entry(body="")], {
        "new": 1, "entries": [("g1", "a1", "waiting")], "versions": [("a1", 1, "headline")], "urls": [U1],
        "sightings": [("a1", "f")],
    }),
    "a new entry without an address": (known(), [entry(url=None)], {
        "new": 1, "entries": [("g1", "a1", "none")], "versions": [("a1", 1, "feed")], "sightings": [("a1", "f")],
    }),
    "the same guid twice": (known(), [entry(), entry(title="Other", content_hash="h2")], {
        "new": 1, "entries": [("g1", "a1", "waiting")], "versions": [("a1", 1, "feed")], "urls": [U1], "sightings": [("a1", "f")],
    }),
    "two guids, one address": (known(), [entry("g1"), entry("g2")], {
        "new": 1, "entries": [("g1", "a1", "waiting"), ("g2", "a1", "none")], "versions": [("a1", 1, "feed")], "urls": [U1],
        "sightings": [("a1", "f")],
    }),
    "two feeds, one address, at once": (known(), [entry(), OTHER_FEED], {
        "new": 1, "entries": [("g1", "a1", "waiting"), ("x1", "a1", "none")], "versions": [("a1", 1, "feed")], "urls": [U1],
        "sightings": [("a1", "f"), ("a1", "g")],
    }),
    "another feed carries a known article": (known(entry()), [OTHER_FEED], {
        "entries": [("x1", "a1", "none")], "sightings": [("a1", "g")],
    }),
    "a known address under a new guid, other text": (known(entry()), [entry("g2", text_hash="h9", title="Other")], {
        "entries": [("g2", "a1", "none")],
    }),
    "an edited entry": (known(entry()), [entry(text_hash="h2", title="Edited")], {
        "updated": 1, "entries": [("g1", "a1", "waiting")], "versions": [("a1", 2, "feed")],
    }),
    "a known guid with another address and another text": (known(entry()), [entry("g1", "a2", "h2")], {
        "new": 1, "entries": [("g1", "a2", "waiting")], "versions": [("a2", 1, "feed")], "urls": ["https://f.example/a2"],
        "sightings": [("a2", "f")],
    }),
    "a known guid with another address and the same text": (known(entry()), [entry("g1", "a2")], {}),
    "edited in two feeds at once": (known(entry(), OTHER_FEED), [entry(text_hash="h2"), OTHER_FEED | {"content_hash": "h2"}], {
        "updated": 1, "entries": [("g1", "a1", "waiting"), ("x1", "a1", "none")], "versions": [("a1", 2, "feed")],
    }),
    "an edited entry beside a new one": (known(entry()), [entry(text_hash="h2"), entry("g2", "a2")], {
        "new": 1, "updated": 1, "entries": [("g1", "a1", "waiting"), ("g2", "a2", "waiting")],
        "versions": [("a1", 2, "feed"), ("a2", 1, "feed")], "urls": ["https://f.example/a2"], "sightings": [("a2", "f")],
    }),
}  # fmt: skip


@pytest.mark.parametrize("case", ENTRY_CASES)
def test_entries(case: str) -> None:
    what, comes, decided = ENTRY_CASES[case]
    assert shape(of_entries(what, *comes)) == NOTHING | decided


def test_an_alias_leads_an_entry_to_its_article() -> None:
    what = known(entry())
    alias = rows(RELATIONS["article_url"], {"url": "https://f.example/short", "article_id": "a1", "kind": "canonical"})
    what = Known(what.entries, what.articles, what.versions, pl.concat([what.urls, alias]), what.sightings)
    changes = of_entries(what, entry("g7", "a7", url="https://f.example/short"))
    assert shape(changes) == NOTHING | {"entries": [("g7", "a1", "none")]}


def test_a_new_article_is_filled_from_entry_and_feed() -> None:
    (row,) = of_entries(known(), entry(published_at=datetime(2023, 11, 19, 23, 30, tzinfo=UTC))).articles.rows(named=True)
    assert row["outlet"] == "Outlet F" and row["url"] == U1 and row["first_seen_at"] == NOW
    assert (row["version"], row["n_versions"], row["date_source"]) == (1, 1, "feed")
    assert str(row["published_day"]) == "2023-11-20"  # half past midnight in Belgrade


def test_an_entry_without_a_date_is_dated_by_when_it_was_seen() -> None:
    (row,) = of_entries(known(), entry(published_at=None, date_source=None)).articles.rows(named=True)
    assert (row["published_at"], row["date_source"]) == (NOW, "first_seen")


def test_an_edit_keeps_identity_and_first_date() -> None:
    what = known(entry(), version=3)
    changes = of_entries(what, entry(text_hash="h2", title="Edited", published_at=NOW, lang="sq", article_id="a1"))
    (article,), (version,) = changes.articles.rows(named=True), changes.versions.rows(named=True)
    assert (article["version"], article["n_versions"], article["lang"]) == (4, 4, "sq")
    assert (article["published_at"], article["first_seen_at"]) == (BEFORE, BEFORE)
    assert (version["title"], version["seen_at"], version["published_at"]) == ("Edited", NOW, NOW)
    assert changes.entries["first_seen_at"].to_list() == [BEFORE]


def test_what_changed_is_what_is_tagged() -> None:
    changes = of_entries(known(entry()), entry(text_hash="h2", title="Edited"), entry("g2", "a2"))
    documents = changes.documents()
    assert sorted(documents.select("article_id", "version", "title").rows()) == [("a1", 2, "Edited"), ("a2", 1, "Title")]
    assert of_entries(known(entry()), entry()).documents().is_empty()


LONG, SHORT = "The body of the page", "Tiny"
PAGE_CASES: dict[str, tuple[Known, list[dict[str, Any]], list[tuple[str, int, str]], int]] = {
    "a page completes the text of the feed": (known(entry()), [page()], [("a1", 1, "page")], 0),
    "a page completes a headline": (known(entry(), body_source="headline", body=""), [page()], [("a1", 1, "page")], 0),
    "a page that is shorter than the feed's text": (known(entry(), body=LONG), [page(body=SHORT)], [], 0),
    "a page as long as the feed's text": (known(entry(), body=LONG), [page(body=LONG)], [("a1", 1, "page")], 0),
    "a page without a text": (known(entry()), [page(body="")], [], 0),
    "the same page again": (known(entry(), body_source="page", content_hash="p1"), [page()], [], 0),
    "another page": (known(entry(), body_source="page", content_hash="p1"), [page(text_hash="p2")], [("a1", 2, "page")], 1),
    "another page, shorter": (
        known(entry(), body_source="page", content_hash="p1", body=LONG), [page(text_hash="p2", body=SHORT)],
        [("a1", 2, "page")], 1,
    ),
    "a page that lost its text": (known(entry(), body_source="page", content_hash="p1"), [page(text_hash="p2", body="")], [], 0),
    "a page of the third version": (known(entry(), version=3), [page()], [("a1", 3, "page")], 0),
    "a page of nobody": (known(entry()), [page("a9")], [], 0),
    "the same page twice": (known(entry()), [page(), page(body="Something else altogether, and longer")], [("a1", 1, "page")], 0),
}  # fmt: skip


@pytest.mark.parametrize("case", PAGE_CASES)
def test_pages(case: str) -> None:
    what, comes, versions, n_updated = PAGE_CASES[case]
    changes = of_pages(what, *comes)
    assert sorted(changes.versions.select("article_id", "version", "body_source").rows()) == versions
    assert (changes.n_new, changes.n_updated) == (0, n_updated)
    assert changes.entries.is_empty() and changes.sightings.is_empty()
    assert changes.documents().select("article_id", "version").rows() == [row[:2] for row in versions]
    assert changes.articles["article_id"].to_list() == [row[0] for row in versions]


def test_a_page_keeps_the_title_of_the_feed_and_adds_what_is_missing() -> None:
    (version,) = of_pages(known(entry()), page(author="A. Author")).versions.rows(named=True)
    assert (version["title"], version["body"], version["author"]) == ("Title", LONG, "A. Author")
    assert (version["seen_at"], version["published_at"]) == (BEFORE, BEFORE)
    (version,) = of_pages(known(entry(title="")), page()).versions.rows(named=True)
    assert version["title"] == "Page title"


def test_a_page_dates_an_article_that_had_no_date() -> None:
    undated = known(entry(published_at=None), published_at=None)
    article = undated.articles.with_columns(published_at=pl.lit(NOW), date_source=pl.lit("first_seen"))
    undated = Known(undated.entries, conform(article, RELATIONS["article"]), undated.versions, undated.urls, undated.sightings)
    (row,) = of_pages(undated, page(published_at=BEFORE, date_source="json-ld")).articles.rows(named=True)
    assert (row["published_at"], row["date_source"], row["published_day"]) == (BEFORE, "json-ld", BEFORE.date())
    (row,) = of_pages(known(entry()), page(published_at=NOW, date_source="json-ld")).articles.rows(named=True)
    assert (row["published_at"], row["date_source"]) == (BEFORE, "feed")


def test_a_canonical_address_becomes_an_alias_once() -> None:
    alias = "https://f.example/canonical"
    changes = of_pages(known(entry()), page(alias_url=alias))
    assert changes.urls.rows() == [(alias, "a1", "canonical")]
    assert changes.articles["canonical_url"].to_list() == [alias]
    taken = known(entry(), entry("g2", "a2", url=alias))
    assert of_pages(taken, page(alias_url=alias)).urls.is_empty()


def test_an_address_that_another_article_claimed_is_no_alias() -> None:
    alias = "https://f.example/a2"
    changes = of_pages(known(entry(), entry("g2", "a2")), page(alias_url=alias))
    assert changes.articles["canonical_url"].to_list() == [None]


def test_of_two_pages_that_claim_one_address_the_first_has_it() -> None:
    alias = "https://f.example/both"
    changes = of_pages(known(entry(), entry("g2", "a2")), page(alias_url=alias), page("a2", alias_url=alias))
    assert changes.urls.rows() == [(alias, "a1", "canonical")]
    assert dict(changes.articles.select("article_id", "canonical_url").rows()) == {"a1": alias, "a2": None}


def test_a_canonical_address_elsewhere_is_where_the_text_comes_from() -> None:
    (row,) = of_pages(known(entry()), page(syndicated_from="https://agency.example/x")).articles.rows(named=True)
    assert (row["syndicated_from"], row["canonical_url"], row["url"]) == ("https://agency.example/x", None, U1)


@pytest.mark.parametrize(("n_tries", "said", "minutes"), [
    (0, None, 15), (1, None, 30), (2, None, 60), (6, None, 960), (7, None, 1440), (99, None, 1440),
    (0, 3600, 60), (3, 60, 120), (0, 10**9, 1440),
])  # fmt: skip
def test_when_a_page_is_tried_again(n_tries: int, said: int | None, minutes: int) -> None:
    assert page_retry(n_tries, NOW, said) == NOW + timedelta(minutes=minutes)


def test_published_leaves_a_given_date_alone() -> None:
    frame = pl.DataFrame(
        {"published_at": [BEFORE, None], "first_seen_at": [NOW, NOW], "date_source": ["feed", None]},
        schema_overrides={"published_at": pl.Datetime("us", "UTC"), "first_seen_at": pl.Datetime("us", "UTC")},
    )
    done = published(frame, ZONE)
    assert done["date_source"].to_list() == ["feed", "first_seen"] and done["published_at"].to_list() == [BEFORE, NOW]
