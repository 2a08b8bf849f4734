"""The sentences behind a number: up to five articles of a cell, and in each the sentence that speaks for it, with its spans."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipeline.text import sentence_bounds
from pipeline.warehouse import Store

PER_BLOCK = 5
MAX_CHARS = 300  # of a sentence; a longer one is cut round its spans


class Key(NamedTuple):
    """What a number counts; `*` and None stand for all."""

    country: str = "*"
    topic: str = "*"
    side: str = "*"
    days: tuple[date, date] | None = None  # first and last; None is the period of the brief
    story: str | None = None
    pair: tuple[str, str] | None = None  # countries or actors named together
    edited: bool = False  # only articles that were changed after publication


class Sentence(NamedTuple):
    """One sentence as published, in pieces: (text, is it evidence?)."""

    article_id: str
    outlet: str
    side: str
    day: date
    url: str | None
    lang: str | None
    script: str | None
    pieces: tuple[tuple[str, bool], ...]


class _Span(NamedTuple):
    field: str
    start: int
    end: int
    of: str  # topic_id, country code or entity_id


def sentences(store: Store, keys: Iterable[Key], limit: int = PER_BLOCK) -> dict[Key, list[Sentence]]:
    """At most `limit` sentences for each key, widely carried stories first, each outlet and each text once where possible.

    Reads the temporary tables that `Figures.read` made on the same connection.
    """
    wanted = list(dict.fromkeys(keys))
    picked = pl.concat([_picks(store, group, wanted, limit) for group in _alike(wanted)] or [_NO_PICKS])
    articles = _articles(store, picked)
    spans = _spans(store, picked)
    found: dict[Key, list[Sentence]] = {key: [] for key in wanted}
    for number, article_id in picked.sort("block", "nth").select("block", "article_id").iter_rows():
        key, row = wanted[number], articles[article_id]
        sentence = _sentence(row, [span for span in spans.get(article_id, ()) if _speaks(span, key)])
        known = {one.pieces for one in found[key]}
        if len(found[key]) < limit and (sentence.pieces not in known or key.story):
            found[key].append(sentence)
    return found


_NO_PICKS = pl.DataFrame(schema={"block": pl.Int32, "article_id": pl.String, "nth": pl.Int32})


def _alike(keys: Sequence[Key]) -> Iterator[list[int]]:
    """The keys by what they ask for, so that one query answers all of a kind."""
    groups: dict[tuple[bool, ...], list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(tuple(part not in ("*", None, False) for part in key), []).append(number)
    yield from groups.values()


def _picks(store: Store, numbers: list[int], keys: Sequence[Key], limit: int) -> pl.DataFrame:
    key = keys[numbers[0]]
    frame = pl.DataFrame(
        [(n, k.country, k.topic, k.side, *(k.days or (None, None)), k.story, *(k.pair or ("", "")))
         for n in numbers for k in [keys[n]]],
        schema={"block": pl.Int32, "country": pl.String, "topic": pl.String, "side": pl.String, "since": pl.Date,
                "until": pl.Date, "story": pl.String, "a": pl.String, "b": pl.String}, orient="row",
    )  # fmt: skip
    joins, where = [], ["art.day between k.since and k.until" if key.days else "art.is_now"]
    if key.country != "*":
        joins.append("inner join about on k.country = about.code and about.article_id = art.article_id")
    if key.topic != "*":
        joins.append("inner join tagged on k.topic = tagged.topic_id and tagged.article_id = art.article_id")
    if key.pair:
        joins.append("inner join named as x on k.a = x.node and x.article_id = art.article_id")
        joins.append("inner join named as y on k.b = y.node and y.article_id = art.article_id")
    if key.edited:
        joins.append("semi join changed on changed.article_id = art.article_id")
    where += ["art.side = k.side"] * (key.side != "*") + ["art.story_id = k.story"] * (key.story is not None)
    once = "art.article_id" if key.story else "art.story_id"
    sql = f"""
    with found as (
        select k.block, art.article_id, art.story_id, art.outlet, art.day, told.n_outlets_ever as n_outlets,
            row_number() over (partition by k.block, {once} order by art.article_id) as nth_of_story
        from key_ as k cross join art {" ".join(joins)} inner join told on art.story_id = told.story_id
        where {" and ".join(where)}
    ),
    spread as (
        select *, row_number() over (partition by block, outlet order by n_outlets desc, article_id) as nth_of_outlet
        from found where nth_of_story = 1
    )
    select block, article_id, row_number() over (
        partition by block order by nth_of_outlet > 1, n_outlets desc, day desc, article_id
    )::integer as nth
    from spread qualify nth <= {2 * limit}
    """
    return store.read(sql, key_=frame)


def _articles(store: Store, picked: pl.DataFrame) -> dict[str, dict[str, Any]]:
    sql = """
    select a.article_id, a.outlet, art.side, a.published_day as day, a.url, a.lang, a.script, v.title, v.body
    from article as a inner join art on a.article_id = art.article_id
    inner join (
        select * from article_version
        where rowid in (select rowid from article_version where article_id in (select article_id from picked_))
    ) as v on a.article_id = v.article_id and a.version = v.version
    """  # by rowid, or every text would be read
    found = store.read(sql, picked_=picked.select("article_id").unique())
    return {row["article_id"]: row for row in found.iter_rows(named=True)}


def _spans(store: Store, picked: pl.DataFrame) -> dict[str, list[_Span]]:
    """Where the texts speak of topics, and where they name countries and actors."""
    sql = """
    with e as (
        select article_id, topic_id, unnest(evidence) as e from tag
        where rowid in (select rowid from tag where article_id in (select article_id from picked_))
    )
    select article_id, e.field as field, e.char_start as char_start, e.char_end as char_end, 'topic:' || topic_id as what from e
    union all
    select article_id, field, char_start, char_end, 'country:' || country_code from mention
    where article_id in (select article_id from picked_) and country_code is not null
    union all
    select article_id, field, char_start, char_end, 'actor:' || entity_id from mention
    where article_id in (select article_id from picked_) and kind in ('person', 'organisation', 'role')
    order by all
    """
    found: dict[str, list[_Span]] = {}
    for article_id, name, start, end, of in store.read(sql, picked_=picked.select("article_id").unique()).iter_rows():
        found.setdefault(article_id, []).append(_Span(name, start, end, of))
    return found


def _speaks(span: _Span, key: Key) -> bool:
    if key.topic != "*":
        return span.of == f"topic:{key.topic}"
    if key.country != "*":
        return span.of == f"country:{key.country}"
    if key.pair:
        return span.of.partition(":")[2] in key.pair and not span.of.startswith("topic:")
    return span.of.startswith("topic:")


def _sentence(row: dict[str, Any], spans: list[_Span]) -> Sentence:
    """The sentence in which most of the different things are named; of the body if it can be, else the title."""
    best: tuple[int, str, int, int] | None = None
    for name in ("body", "title"):
        text = row[name] or ""
        for span in (one for one in spans if one.field == name and one.end <= len(text)):
            start, end = sentence_bounds(text, span.start, span.end)
            n = len({one.of for one in spans if one.field == name and start <= one.start and one.end <= end})
            if best is None or n > best[0]:
                best = (n, name, start, end)
    if best is None:  # nothing marked: what the article opens with
        name = "title" if row["title"] else "body"
        start, end = sentence_bounds(row[name] or "", 0, 0)
    else:
        _, name, start, end = best
    marks = sorted({(one.start, one.end) for one in spans if one.field == name and start <= one.start and one.end <= end})
    pieces = tuple(_pieces(row[name] or "", start, end, marks))
    return Sentence(
        row["article_id"], row["outlet"], row["side"], row["day"], row["url"], row["lang"], row["script"], pieces
    )  # fmt: skip


def _pieces(text: str, start: int, end: int, marks: list[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """The sentence cut to MAX_CHARS round its first mark, with ellipses."""
    if end - start > MAX_CHARS:
        middle = marks[0][0] if marks else start
        cut_start = max(start, min(middle - MAX_CHARS // 3, end - MAX_CHARS))
        cut_end = min(end, cut_start + MAX_CHARS)
        if cut_start > start:
            cut_start = (text.find(" ", cut_start, middle) + 1) or cut_start
        if cut_end < end:
            last = text.rfind(" ", middle, cut_end)
            cut_end = last if last > middle else cut_end
    else:
        cut_start, cut_end = start, end
    at = cut_start
    if cut_start > start:
        yield "… ", False
    for left, right in marks:
        if left >= at and right <= cut_end:
            if left > at:
                yield text[at:left], False
            yield text[left:right], True
            at = right
    yield text[at:cut_end] + (" …" if cut_end < end else ""), False
