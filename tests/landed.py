"""A warehouse with articles of a test's own: landed as entries of feeds, without a network and without the tagger."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import normalise, versions
from pipeline.schemas import ENTRY, RELATIONS
from pipeline.tag import Tagged
from pipeline.warehouse import Store, landing

NOW = datetime(2023, 11, 20, 12, tzinfo=UTC)


def article_id(name: str) -> str:
    """The id of the article that `land` gives a name to."""
    return normalise.article_id(url(name), "", None, "")


def url(name: str) -> str:
    return f"https://news.example/{name}"


def land(
    store: Store, articles: dict[str, tuple[str, str]], *,
    tags: Iterable[tuple[str, str]] = (), focus: Iterable[tuple[str, str]] = (),
    outlet: str = "Outlet", lang: str = "hbs", at: datetime = NOW,
) -> None:  # fmt: skip
    """Land articles (name: title and body) of a feed of an outlet, in a transaction, with topics and focus countries by name."""
    feed_id = outlet.lower()
    rows = [
        {
            "feed_id": feed_id, "guid": name, "url": url(name), "article_id": article_id(name), "title": title, "body": body,
            "published_at": at, "date_source": "feed", "lang": lang, "script": "Latn",
            "content_hash": normalise.content_hash(title, body),
        }
        for name, (title, body) in articles.items()
    ]  # fmt: skip
    entries = pl.DataFrame(rows, schema=ENTRY)
    feeds = pl.DataFrame([{"feed_id": feed_id, "outlet": outlet, "kind": "rss"}])
    changes = versions.entry_changes(entries, landing.known_for_entries(store, entries), feeds, NOW, "UTC")
    with store.transaction():
        landing.land(store, changes, tagged(tags, focus, articles), "tests", NOW)


def tagged(tags: Iterable[tuple[str, str]], focus: Iterable[tuple[str, str]], articles: dict[str, tuple[str, str]]) -> Tagged:
    """Tags as the tagger gives them: each topic has the first word of the body as evidence."""

    def frame(relation: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=RELATIONS[relation])

    def span(name: str) -> dict[str, Any]:
        return {"field": "body", "char_start": 0, "char_end": len(articles[name][1].split()[0]), "rule_id": "some_rule"}

    return Tagged(
        frame("mention", [
            {"article_id": article_id(name), "version": 1, "field": "title", "char_start": 0, "char_end": 1, "entity_id": code,
             "kind": "country", "country_code": code, "surface": articles[name][0][:1], "rule_id": f"{code}/x"}
            for name, code in focus
        ]),
        frame("focus", [
            {"article_id": article_id(name), "country_code": code, "salience": 1.0, "n_mentions": 1, "is_focus": True}
            for name, code in focus
        ]),
        frame("tag", [
            {"article_id": article_id(name), "topic_id": topic, "score": 1.0, "evidence": [span(name)], "rule_ids": ["some_rule"]}
            for name, topic in tags
        ]),
    )  # fmt: skip


def published(data: Path, articles: dict[str, tuple[str, str]], **more: Any) -> Path:
    """A data folder with these articles landed and published."""
    with Store.writer(data) as store:
        land(store, articles, **more)
        store.publish()
    return data
