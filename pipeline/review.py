"""Human judgement: coding sheets to fill in, the verdicts read back, and what they say about the precision of the tags.

    sample(store, ...) -> a sheet -> somebody fills in `verdict` -> verdicts(bytes) -> judge(store, ...) -> precision(...)

A verdict is about one tag (the topic of the row) or, in a sheet made for a country only, about one focus country. A sheet for
both has a second column, `country_verdict`. The latest verdict counts in the marts (views tag_effective and focus_effective).
"""

import csv
import io
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from pipeline.errors import InputError
from pipeline.schemas import RELATIONS, conform
from pipeline.text import fold
from pipeline.warehouse import Store, marts

MAX_TEXT = 30_000  # characters: a cell of a spreadsheet holds 32,767
MAX_SENTENCES = 5
RIGHT = {"yes", "y", "right", "true", "1", "da", "po", "да", "tacno", "тачно", "tocno", "точно"}
WRONG = {"no", "n", "wrong", "false", "0", "ne", "jo", "не", "netacno", "нетачно", "netocno", "неточно"}
_NEEDED = ("article_id", "verdict")


class Sheet(NamedTuple):
    """A coding sheet read back: `rows` (relation judgement), what is wrong with which line, and how many cells were empty."""

    rows: pl.DataFrame
    problems: list[tuple[int, str]]
    n_empty: int


# -- sheets -----------------------------------------------------------------------------------------------------------


def sample(store: Store, topic: str | None, country: str | None, n: int, seed: int, *, by_language: bool = False) -> pl.DataFrame:
    """A coding sheet of n articles that bear a topic, a focus country, or both; the same for the same seed and the same data.

    With `by_language` each language gets an equal part, as far as it goes.
    """
    if not topic and not country:
        raise InputError("Give a topic, a country, or both.")
    for value, relation, column in ((topic, "topic", "topic_id"), (country, "country", "code")):
        known = store.read(f"select {column} from {relation}")[column]
        if value and value not in known:
            raise InputError(f"There is no {relation} `{value}`; relation `{relation}` has them all.")
    drawn = store.read(
        """
        with tagged as (
            select a.article_id, a.lang, md5($seed || ' ' || a.article_id) as draw
            from article a
            where ($topic is null or exists (from tag t where t.article_id = a.article_id and t.topic_id = $topic))
                and ($country is null
                    or exists (from focus f where f.article_id = a.article_id and f.country_code = $country and f.is_focus))
        ),
        ranked as (
            select *, case when $by_language then row_number() over (partition by lang order by draw) else 0 end as turn
            from tagged
        )
        select r.article_id, r.lang, x.version, x.published_day, x.outlet, x.url as address, x.title,
            x.body as text
        from (from ranked order by turn, draw limit $n) r
        join article_text x using (article_id)
        order by r.turn, r.draw
        """,
        topic=topic, country=country, n=n, seed=str(seed), by_language=by_language,
    )  # fmt: skip
    sheet = drawn.with_columns(
        sample_id=pl.lit(f"{topic or '*'} {country or '*'} n={n} seed={seed}"),
        topic_id=pl.lit(topic, pl.String),
        country_code=pl.lit(country, pl.String),
        text=_cut(pl.col("text")),
        **dict.fromkeys(("verdict", "country_verdict", "note"), pl.lit(None, pl.String)),
    )
    ids = drawn["article_id"]
    names = _sentences(store, _NAMES, ids, country=country)
    for name, found in (("", _sentences(store, _EVIDENCE, ids, topic=topic) if topic else names), ("country_", names)):
        one_each = found.unique(["article_id", "sentence"], maintain_order=True).group_by("article_id", maintain_order=True)
        cells = one_each.agg(
            pl.col("sentence")
            .drop_nulls()
            .str.replace_all(r"\s+", " ")
            .str.strip_chars()
            .head(MAX_SENTENCES)
            .str.join(" | ")
            .alias(f"{name}evidence"),
            pl.col("rule_id").unique(maintain_order=True).str.join(" ").alias(f"{name}rule_ids"),
        )
        sheet = sheet.join(cells, on="article_id", how="left", maintain_order="left")
    both = ["country_evidence", "country_verdict"] if topic and country else []
    order = (
        "sample_id",
        "article_id",
        "version",
        "lang",
        "published_day",
        "outlet",
        "address",
        "topic_id",
        "country_code",
        "title",
    )
    return sheet.select(*order, "evidence", *both[:1], "rule_ids", "verdict", *both[1:], "note", "text")


_EVIDENCE = "from tag_evidence where topic_id = $topic"
_NAMES = "from mention_evidence where country_code = $country"


def _sentences(store: Store, sql: str, ids: pl.Series, **values: str | None) -> pl.DataFrame:
    """article_id, sentence, rule_id of the evidence for some articles; named one by one, for then no view is read in full."""
    named = {f"id{n}": id_ for n, id_ in enumerate(ids)}
    known = ", ".join(f"${name}" for name in named) or "null"
    return store.read(
        f"select article_id, sentence, rule_id {sql} and article_id in ({known}) order by article_id, field desc, char_start",
        **named, **values,
    )  # fmt: skip


def _cut(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.len_chars() > MAX_TEXT).then(text.str.slice(0, MAX_TEXT) + " …").otherwise(text)


# -- verdicts ---------------------------------------------------------------------------------------------------------


def verdicts(store: Store, data: bytes, judged_by: str, now: datetime) -> Sheet:
    """Read a sheet that was filled in, as any spreadsheet saves it; a line that can not be used is told, the others count."""
    rows: list[dict[str, Any]] = []
    n_empty = 0
    lines, problems = _lines(data)
    given = pl.DataFrame(
        [(_clean(cells.get("article_id")), _clean(cells.get("address"))) for _, cells in lines],
        schema={"article_id": pl.String, "address": pl.String}, orient="row",
    )  # fmt: skip
    articles = store.read(
        """
        select a.article_id, a.version, a.url from article a
        where a.article_id in (select article_id from given) or a.url in (select address from given)
        """,
        given=given,
    )
    known = {
        "article_id": dict(articles.select("article_id", "version").iter_rows()),
        "topic_id": set(store.read("select topic_id from topic")["topic_id"]),
        "country_code": set(store.read("select code from country")["code"]),
    }
    by_address = dict(articles.select("url", "article_id").iter_rows())
    seen: set[tuple[str, str | None, str | None]] = set()
    for line, cells in lines:
        try:
            claims = list(_claims(cells, known, by_address))
        except ValueError as error:
            problems.append((line, str(error)))
            continue
        n_empty += not claims
        for claim in claims:
            key = (claim["article_id"], claim["topic_id"], claim["country_code"])
            if key in seen:
                problems.append((line, f"article {key[0]} was judged above already; the first verdict is kept"))
                continue
            seen.add(key)
            rows.append(claim | {"judged_by": judged_by, "judged_at": now})
    schema = RELATIONS["judgement"]
    return Sheet(conform(pl.DataFrame(rows, schema=schema), schema), sorted(problems), n_empty)


def _lines(data: bytes) -> tuple[list[tuple[int, dict[str, str]]], list[tuple[int, str]]]:
    """The rows with the number of the line each begins on, and the lines that are no CSV, reading going on with the next one.

    Comma, semicolon or tab, whichever the header has most of.
    """
    lines = list(io.StringIO(_decoded(data).replace("\0", ""), newline=""))
    begin = int("".join(lines[:1]).lstrip('"').lower().startswith("sep="))  # for Excel; the header says it as well
    delimiter = max(",;\t", key="".join(lines[begin : begin + 1]).count)
    reader = csv.reader(lines[begin:], delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise InputError(f"This is no coding sheet: its first line can not be read as CSV ({error}).") from None
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(f"This is no coding sheet: its first line has no column `{missing[0]}`.")
    begin += reader.line_num
    rows: list[tuple[int, dict[str, str]]] = []
    problems: list[tuple[int, str]] = []
    while begin < len(lines):
        start, reader = begin, csv.reader(lines[begin:], delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append((begin + 1, dict(zip(names, cells, strict=False))))
                begin = start + reader.line_num
        except csv.Error as error:  # a quote that is not closed, most often
            begin += 1
            problems.append((begin, f"it can not be read as CSV, look at its quotes ({error})"))
    return rows, problems


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # what Excel saves as plain CSV in the region: Cyrillic if a verdict makes a word so
        cyrillic = data.decode("cp1251", "replace")
        words = {word for word in RIGHT | WRONG if not word.isascii()}
        return data.decode("cp1250", "replace") if words.isdisjoint(fold(cyrillic).split()) else cyrillic


def _claims(cells: dict[str, str], known: dict[str, Any], by_address: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What a row says; ValueError tells what is wrong with it. Both verdicts of a row are read before one is given."""

    def cell(name: str) -> str:
        return _clean(cells.get(name))

    given = [(name, _verdict(cell(name))) for name in ("verdict", "country_verdict")]
    if not any(verdict for _, verdict in given):
        return
    article_id = cell("article_id")
    if article_id not in known["article_id"]:  # a spreadsheet may have made a number of it
        article_id = by_address.get(cell("address"), article_id)
    topic, country = cell("topic_id") or None, cell("country_code").upper() or None
    if article_id not in known["article_id"]:
        raise ValueError(f"there is no article `{article_id}`")
    if topic and topic not in known["topic_id"]:
        raise ValueError(f"there is no topic `{topic}`")
    if country and country not in known["country_code"]:
        raise ValueError(f"there is no country `{country}`")
    if not topic and not country:
        raise ValueError("neither topic_id nor country_code is given")
    if not country and given[1][1]:
        raise ValueError("country_verdict is given, but no country_code")
    version = cell("version")
    if version.isdecimal() and len(version) > 9:  # it is kept in 32 bits
        raise ValueError(f"there is no version `{version[:40]}`")
    shared = {
        "article_id": article_id, "note": cell("note") or None, "sample_id": cell("sample_id") or None,
        "version": int(version) if version.isdecimal() else known["article_id"][article_id],
    }  # fmt: skip
    for name, verdict in given:
        about_topic = name == "verdict" and topic is not None
        if verdict and (about_topic or country):
            yield shared | {
                "topic_id": topic if about_topic else None, "country_code": None if about_topic else country, "verdict": verdict,
            }  # fmt: skip


def _clean(cell: str | None) -> str:
    return (cell or "").strip().removeprefix("'").strip()


def _verdict(cell: str) -> str | None:
    word = fold(cell).strip()
    if not cell:
        return None
    if word.removesuffix(" 0") in RIGHT:  # 1.0, as some spreadsheets write 1
        return "right"
    if word in WRONG or word == "0 0":
        return "wrong"
    raise ValueError(f"`{cell[:40]}` is no verdict; write yes or no")


def judge(store: Store, rows: pl.DataFrame) -> None:
    """Keep verdicts (relation judgement) in one transaction; their days are counted anew before the next snapshot."""
    with store.transaction():
        store.append("judgement", rows)
        marts.touch_articles(store, rows.select("article_id").unique())


# -- what they say ----------------------------------------------------------------------------------------------------


def precision(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    """The share of right among the verdicts on what the tagger gives, by topic or country and by language, and all together (*).

    Columns: about, lang, n, n_right, precision, low, high (Wilson's interval, 95 %).
    """
    frame = store.read(
        """
        with given as (
            select article_id, topic_id as about from tag
            union all
            select article_id, country_code from focus where is_focus
        )
        select a.lang, j.about, j.verdict
        from (select *, coalesce(topic_id, country_code) as about from judged) j
        join article a using (article_id)
        semi join given g on g.article_id = j.article_id and g.about = j.about
        """,
        judged=rows.select("article_id", "topic_id", "country_code", "verdict"),
    )
    counts = [pl.len().alias("n"), (pl.col("verdict") == "right").sum().alias("n_right")]
    per_lang = frame.group_by("about", "lang").agg(counts)
    whole = frame.group_by("about").agg(counts).with_columns(lang=pl.lit("*")).select(per_lang.columns)
    out = pl.concat([whole, per_lang]).sort("about", pl.col("lang") != "*", "lang")
    bounds = [wilson(right, n) for right, n in out.select("n_right", "n").iter_rows()]
    return out.with_columns(
        precision=(pl.col("n_right") / pl.col("n")).round(3),
        low=pl.Series([round(low, 3) for low, _ in bounds], dtype=pl.Float64),
        high=pl.Series([round(high, 3) for _, high in bounds], dtype=pl.Float64),
    )


def wilson(n_right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927); z is the normal quantile, that of 95 % by default."""
    if not n:
        return 0.0, 1.0
    share = n_right / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return max(min(low, share), 0.0), min(max(high, share), 1.0)  # rounding errors at 0 and 1
