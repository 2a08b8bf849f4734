"""`balkanwatch tag`: texts in JSON lines to tags in JSON lines, without server or database. docs/tag.md describes the shape."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

import polars as pl

from flows.settings import Settings
from pipeline import dedup, language, seeds
from pipeline.schemas import DOCUMENT
from pipeline.schemas import UTC as UTC_TIME
from pipeline.tag import Tagged, Tagger, tagger_version

BATCH = 500  # lines


def compiled(settings: Settings) -> tuple[Tagger, str, seeds.Seeds]:
    """The tagger, its tagging version (seeds and code), and the seed tables."""
    tables = seeds.load(settings.seeds)
    tagged_by = f"{tables.version}-{tagger_version()}"
    return Tagger(tables.tables, seeds.Cache(settings.data / ".cache", tagged_by)), tagged_by, tables


Line = tuple[Any, str, str, str | None, datetime | None]  # id, title, text, lang, published_at


def read_line(text: str) -> Line:
    """One line of input; ValueError says in a few words what is wrong with it."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg})") from None
    except RecursionError:
        raise ValueError("not valid JSON (nested too deeply)") from None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if not isinstance(record.get("id"), str | int) or isinstance(record.get("id"), bool):
        raise ValueError("`id` is missing or neither a string nor a whole number")
    if not isinstance(record.get("text"), str):
        raise ValueError("`text` is missing or not a string")
    for name in ("title", "lang", "published_at"):
        if not isinstance(record.get(name), str | None):
            raise ValueError(f"`{name}` is not a string")
    title, body = _whole(record.get("title") or ""), _whole(record["text"])
    return record["id"], title, body, record.get("lang"), _moment(record.get("published_at"))


def _whole(text: str) -> str:
    """The text with half characters (lone surrogates, which no UTF-8 can hold) replaced, each by one sign."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"`published_at` is not an ISO 8601 date: {text[:40]!r}") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def tag_lines(tagger: Tagger, lines: Iterable[str], complain: Callable[[int, str], None]) -> Iterator[str]:
    """One line of output a good line of input, in order; `complain(number, reason)` hears of the others."""
    good = good_lines(lines, complain)
    while batch := list(islice(good, BATCH)):
        yield from _tagged(tagger, batch)


def good_lines(lines: Iterable[str], complain: Callable[[int, str], None]) -> Iterator[Line]:
    """The lines that can be read; empty ones are passed over, `complain(number, reason)` hears of the others."""
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            yield read_line(text)
        except (ValueError, OverflowError) as error:
            complain(number, str(error))


def story_lines(lines: Iterable[str], complain: Callable[[int, str], None]) -> Iterator[str]:
    """One line of output a good line of input, in order: id, story_id, similarity, is_lead. The same id twice is a mistake."""
    good = list(good_lines(lines, complain))
    ids = {str(line[0]): line[0] for line in good}
    columns = {
        "article_id": [str(line[0]) for line in good],
        "title": [line[1] for line in good],
        "body": [line[2] for line in good],
    }
    schema = dict.fromkeys(columns, pl.String()) | {"published_at": UTC_TIME}
    frame = pl.DataFrame(columns | {"published_at": [line[4] for line in good]}, schema=schema)
    for row in dedup.story_table(frame).iter_rows(named=True):
        record = {"id": ids[row["article_id"]], "story_id": ids[row["story_id"]]}
        yield json.dumps(record | {"similarity": round(row["similarity"], 4), "is_lead": row["is_lead"]}, ensure_ascii=False)


def documents(lines: list[Line]) -> tuple[pl.DataFrame, list[str]]:
    """Frame DOCUMENT (article_id is the position in `lines`) and the scripts; a language that is not given is found out."""
    found, scripts = language.languages([f"{title}\n{text}" if title else text for _, title, text, *_ in lines])
    langs = [language.normalise_lang(given) if given else seen for (*_, given, _), seen in zip(lines, found, strict=True)]
    frame = pl.DataFrame(
        {
            "article_id": [str(i) for i in range(len(lines))],
            "version": [1] * len(lines),
            "title": [line[1] for line in lines],
            "body": [line[2] for line in lines],
            "lang": langs,
            "published_at": [line[4] for line in lines],
        },
        schema=DOCUMENT,
    )
    return frame, scripts


def _tagged(tagger: Tagger, lines: list[Line]) -> Iterator[str]:
    frame, scripts = documents(lines)
    tagged = tagger.tag(frame)
    by_doc = records(tagger, tagged)
    for i, (line, lang, script) in enumerate(zip(lines, frame["lang"], scripts, strict=True)):
        record = {"id": line[0], "lang": lang, "script": script} | by_doc.get(str(i), EMPTY)
        yield _whole(json.dumps(record, ensure_ascii=False))


EMPTY: dict[str, list[dict[str, Any]]] = {"mentions": [], "countries": [], "topics": [], "actors": []}


def records(tagger: Tagger, tagged: Tagged) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The tags of each document as plain dictionaries, by article_id."""
    out: dict[str, dict[str, list[dict[str, Any]]]] = {}
    offsets = {"char_start": "start", "char_end": "end"}

    def put(name: str, frame: pl.DataFrame) -> None:
        for article_id, rows in groupby(frame.iter_rows(named=True), key=lambda row: str(row["article_id"])):
            record = out.setdefault(article_id, {key: [] for key in EMPTY})
            record[name] = [{k: v for k, v in row.items() if k != "article_id"} for row in rows]

    put("mentions", tagged.mentions.drop("version").rename(offsets))
    put(
        "countries",
        tagged.focus.select("article_id", code="country_code", n="n_mentions", salience="salience", is_focus="is_focus"),
    )
    span = pl.element().struct
    evidence = pl.col("evidence").list.eval(
        pl.struct(
            field=span.field("field"), start=span.field("char_start"), end=span.field("char_end"), rule_id=span.field("rule_id")
        )
    )
    put("topics", tagged.tags.select("article_id", "topic_id", "score", evidence))
    put("actors", _actors(tagger, tagged.mentions))
    return out


def _actors(tagger: Tagger, mentions: pl.DataFrame) -> pl.DataFrame:
    names = pl.DataFrame({"entity_id": list(tagger.actor_name), "name": list(tagger.actor_name.values())})
    return (
        mentions.filter(pl.col("kind").is_in(["person", "organisation", "role"]))
        .group_by("article_id", "entity_id", maintain_order=True)
        .agg(pl.col("kind").first(), pl.len().alias("n"), pl.col("role_id").drop_nulls().unique().sort().alias("role_ids"))
        .join(names, on="entity_id", how="left", maintain_order="left")
        .with_columns(pl.col("article_id").cast(pl.Int64).alias("_n"))
        .sort("_n", maintain_order=True)
        .select("article_id", "entity_id", "name", "kind", "n", "role_ids")
    )
