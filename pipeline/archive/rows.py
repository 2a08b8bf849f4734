"""Records as rows of IMPORTED: clean text, one address, dates in UTC, language, outlet. What can not be used is a `Rejected`."""

import html
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from pipeline import language, normalise, parse
from pipeline.archive.fields import Record
from pipeline.archive.outlets import Outlets
from pipeline.archive.readers import Damage, Plan, Raw, record
from pipeline.schemas import ENTRY

IMPORTED = pl.Schema(
    dict(ENTRY)
    | {
        "key": pl.Int64(),  # number in the part; tags of the part carry it as article_id
        "outlet": pl.String(),
        "canonical_url": pl.String(),  # as the page says, believed or not
        "alias_url": pl.String(),  # that, where it is another address of the article
        "syndicated_from": pl.String(),  # that, where it is on another domain
        "crawled_at": ENTRY["published_at"],  # when the archive saw this state; null when it does not say
        "body_source": pl.String(),  # import, headline
        "waits": pl.Boolean(),  # no text, so the page is to be fetched
    }
)
MAX_GUID = 500


class Rejected(NamedTuple):
    """A record that was not taken, and why."""

    line: int
    reason: str


def rows(raws: Iterable[Raw | Damage], how: Plan, outlets: Outlets, now: datetime) -> tuple[pl.DataFrame, list[Rejected]]:
    """IMPORTED, a row a good record in their order, and the others. Never raises for what stands in a record."""
    good: list[dict[str, Any]] = []
    texts: list[str] = []
    hints: list[str] = []
    rejected: list[Rejected] = []
    for raw in raws:
        try:
            one = record(raw, how)
            row = _row(one, how)
        except (ValueError, OverflowError) as error:
            rejected.append(Rejected(raw[0], str(error)))
            continue
        good.append(row)
        texts.append(f"{row['title']}\n{row['body']}")
        hints.append(how.lang or one.lang)
    if not good:
        return pl.DataFrame(schema=IMPORTED), rejected
    kept: list[dict[str, Any]] = []
    for row, text, hint, lang, script in zip(good, texts, hints, *language.languages(texts), strict=True):
        # a hint helps where there is little text; long texts are told better than metadata tell
        row["lang"] = hint if hint not in {"", language.UNKNOWN} and (lang == language.UNKNOWN or len(text) < 80) else lang
        row["script"] = script
        reason = _belongs(row, how, outlets, now)
        if reason:
            rejected.append(Rejected(row["line"], reason))
        else:
            kept.append(row | {"key": len(kept)})
    names = list(IMPORTED)
    return pl.DataFrame([{name: row.get(name) for name in names} for row in kept], schema=IMPORTED), sorted(rejected)


def _row(one: Record, how: Plan) -> dict[str, Any]:
    """Clean fields, dates still without a zone; ValueError when there is nothing to take."""
    dates: list[tuple[str, datetime]] = [("import", one.published)] if one.published else []
    title, body, author, canonical = one.title, one.text, one.author, None
    if one.html is not None and not one.text:
        page = parse.page(one.html, one.url, one.content_type)
        if page.error:
            raise ValueError(page.error)
        title, author, canonical, dates = (
            title or page.title,
            author or (page.author or ""),
            page.canonical,
            [*dates, *page.dates],
        )
        body = normalise.fuller(normalise.clean_body(html.escape(page.body)), normalise.clean_body(page.article_body))[0]
        if not body and not how.headline_only:
            raise ValueError("no text was found on the page")
    else:
        body = normalise.clean_body(html.escape(body) if one.is_plain else body)
    title = normalise.clean_title(html.escape(title) if one.is_plain else title)
    url = normalise.canonical_url(one.url) if one.url else None
    if one.url and url is None:
        raise ValueError(f"`{one.url[:80]}` is not an address")
    canonical = normalise.canonical_url(canonical, url) if canonical else None
    if url is None and canonical:  # a page without its address: it says it itself
        url, canonical = canonical, None
    if not title and not body:
        raise ValueError("neither a title nor a text")
    if not body and url is None and not how.headline_only:
        raise ValueError("neither a text nor an address to fetch it from")
    verdict = normalise.accepts_canonical(url, canonical) if url else None
    return {
        "line": one.line, "url": url, "title": title, "body": body, "author": normalise.clean_title(author) or None,
        "content_hash": normalise.content_hash(title, body), "body_source": "import" if body else "headline",
        "waits": not body and not how.headline_only,
        "canonical_url": canonical, "alias_url": canonical if verdict == "alias" else None,
        "syndicated_from": canonical if verdict == "syndicated" else None,
        "_dates": dates, "_crawled": one.crawled, "_id": one.id,
        "_outlet": how.outlet or one.outlet, "_feed": how.feed or one.feed,
    }  # fmt: skip


def _belongs(row: dict[str, Any], how: Plan, outlets: Outlets, now: datetime) -> str | None:
    """Give a row its outlet, identity and dates; why that can not be, or None."""
    feed_id, outlet, zone = outlets.of(row["url"], row["_feed"], row["_outlet"], row["lang"])
    if not outlet:
        return "neither an address nor an outlet (--outlet NAME)"
    guid = row["url"] or row["_id"]
    if len(guid) > MAX_GUID:
        guid = row["content_hash"]
    content = f"{row['title']}\n{row['body']}"
    row["feed_id"], row["outlet"], row["guid"] = feed_id, outlet, guid or row["content_hash"]
    row["article_id"] = normalise.article_id(row["url"], feed_id, guid, content)
    dated = ((source, normalise.moment(at, zone, now)) for source, at in row["_dates"])
    row["date_source"], row["published_at"] = next(((source, at) for source, at in dated if at), (None, None))
    row["crawled_at"] = normalise.moment(row["_crawled"], "UTC", now)
    return None
