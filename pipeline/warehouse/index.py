"""The full-text index, kept in the warehouse itself: added to in the transaction of a batch, published with the snapshot.

A batch appends a *segment*: its documents have the next numbers, its terms stand sorted with their postings, so that a term is
found without reading much of the segment. A document that is gone is no longer in search_document; its postings wait until
the segment is merged. `Store.publish` has small segments merged, and an older warehouse indexed.
"""

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import search
from pipeline.errors import InputError
from pipeline.search import Part, Word

if TYPE_CHECKING:
    from pipeline.warehouse.store import Store

TIERS = (2_000, 16_000)  # documents: as soon as there are many neighbours smaller than this, they become one
MANY = 8
MOST = 32_000  # documents of a segment that is made of several, about
MAX_SEGMENTS = 100  # with so many a batch merges some itself, if there are small ones
BATCH = 10_000
MAX_HITS = 1_000_000_000  # to show
K1, B = 1.2, 0.75  # of BM25


class Filter(NamedTuple):
    """Which articles a search is about; None: any. `until` is inclusive."""

    since: date | None = None
    until: date | None = None
    outlet: str | None = None
    lang: str | None = None
    country: str | None = None
    topic: str | None = None


# -- keeping ----------------------------------------------------------------------------------------------------------


def add(store: "Store", documents: pl.DataFrame, known: pl.DataFrame | None = None) -> None:
    """Index articles (article_id, version, title, body), each in place of what was indexed of it; in the caller's transaction.

    `known`: the articles (article_id) that may be indexed already (None: perhaps all).
    """
    if not documents.height:
        return
    store.delete("search_document", (documents if known is None else known).select("article_id"))
    last = store.read("select max(last_doc) as doc, max(segment_no) as segment, count(*) as n from search_segment").row(
        0, named=True
    )
    first, segment = (-1 if last[name] is None else last[name] for name in ("doc", "segment"))
    numbered = documents.with_row_index("doc_no", offset=first + 1)
    found, n_terms = search.postings(numbered)
    store.append("search_document", numbered.with_columns(n_terms=n_terms))
    _append_segment(store, segment + 1, first + 1, first + documents.height, documents.height, found)
    if last["n"] >= MAX_SEGMENTS and (due := _due(store.read("select *, n_docs as n_live from search_segment"))):
        _merge(store, due[0])


def remove(store: "Store", ids: pl.DataFrame) -> None:
    """Take articles (article_id) out, their postings too; in the caller's transaction."""
    held = store.read(
        """
        select distinct s.* from search_segment s
        join (select doc_no from search_document semi join batch_ids using (article_id)) d
            on d.doc_no between s.first_doc and s.last_doc
        """,
        batch_ids=ids,
    )
    store.delete("search_document", ids)
    for segment in held.iter_slices(1):
        _merge(store, segment)


def compact(store: "Store") -> None:
    """Merge small segments, and those of which half is gone, each merger in a transaction; nothing to do is quick."""
    while groups := _due(_segments(store)):
        for group in groups:
            with store.transaction():
                _merge(store, group)


def _due(segments: pl.DataFrame) -> list[pl.DataFrame]:
    """Which segments are to be merged: neighbours that are small and many, or single ones mostly of documents that are gone."""
    segments = segments.sort("first_doc")
    groups: list[pl.DataFrame] = []
    for tier in TIERS:
        runs = segments.with_columns(_run=(pl.col("n_docs") < tier).rle_id())
        for run in runs.partition_by("_run", include_key=False, maintain_order=True):
            if run.height >= MANY and run["n_docs"][0] < tier:
                group = ((run["n_docs"].cum_sum() - 1) // MOST).alias("_group")
                groups += run.with_columns(group).partition_by("_group", include_key=False, maintain_order=True)
        groups = [group for group in groups if group.height > 1]
        if groups:
            return groups
    return list(segments.filter(pl.col("n_live") * 2 < pl.col("n_docs")).iter_slices(1))


def bring_up(store: "Store") -> int:
    """Index what is not indexed: articles of an older release, or all when words are made in another way; returns how many."""
    if store.meta("search_version") == search.VERSION:
        return 0
    if store.meta("search_version"):
        with store.transaction():
            for relation in ("search_document", "search_posting", "search_segment"):
                store.run(f"delete from {relation}")
            store.run("delete from meta where key = 'search_version'")
    missing = store.read("select article_id from article anti join search_document using (article_id)")
    for ids in missing.iter_slices(BATCH):
        with store.transaction():
            add(
                store,
                store.read("select article_id, version, title, body from article_text semi join ids using (article_id)", ids=ids),
            )
    with store.transaction():
        store.set_meta("search_version", search.VERSION)
    return missing.height


def _segments(store: "Store") -> pl.DataFrame:
    return store.read(
        """
        select s.*, (select count(*) from search_document d where d.doc_no between s.first_doc and s.last_doc) as n_live
        from search_segment s
        """
    )


def _merge(store: "Store", segments: pl.DataFrame) -> None:
    """Make one segment of some, without the postings of documents that are gone."""
    numbers = segments["segment_no"].to_list()
    first, last = int(segments["first_doc"].min()), int(segments["last_doc"].max())  # type: ignore[arg-type]
    rows = store.read("select term, postings from search_posting where segment_no in (select unnest($numbers))", numbers=numbers)
    live = store.read(
        "select doc_no from search_document where doc_no between $first and $last", first=first, last=last
    )["doc_no"].to_numpy()  # fmt: skip
    is_live = np.zeros(last - first + 1, np.bool_)
    is_live[live - first] = True
    terms = rows["term"].unique().sort()
    places = pl.DataFrame({"term": terms}).with_row_index("term_no")
    found = rows.lazy().join(places.lazy(), on="term").select("term_no", "postings").explode("postings").collect()
    docs = found["postings"].to_numpy() >> search.WEIGHT_BITS
    found = found.filter(pl.Series(is_live[docs - first]))
    for relation in ("search_posting", "search_segment"):
        store.delete(relation, segments.select("segment_no"))
    n_docs = int(is_live.sum())
    if n_docs:
        _append_segment(
            store, min(numbers), first, last, n_docs, search.lists(terms, found["term_no"], found["postings"])
        )  # fmt: skip


def _append_segment(store: "Store", number: int, first: int, last: int, n_docs: int, found: pl.DataFrame) -> None:
    if last >= search.MAX_DOC:
        raise InputError("The search index is full.")
    row = {"segment_no": number, "first_doc": first, "last_doc": last, "n_docs": n_docs}
    store.append("search_segment", pl.DataFrame([row]))
    store.append("search_posting", found.with_columns(segment_no=pl.lit(number)))


# -- asking -----------------------------------------------------------------------------------------------------------


def find(
    store: "Store", question: str, where: Filter | None = None, limit: int = 20, marks: tuple[str, str] = ("[", "]")
) -> pl.DataFrame:
    """The best articles for a question (see `search.parts`), ranked by BM25, the newer first among equals.

    Columns: published_day, outlet, title, snippet (marks round the hit), url, lang, score, article_id, n_found (how many articles
    there are; of a phrase at least so many).
    """
    if limit > MAX_HITS:
        raise InputError(f"The number of articles to show is {MAX_HITS:,} at most, not {limit}.")
    asked = search.parts(question)
    in_rows = any(len(part.words) > 1 for part in asked)
    ranked = _ranked(store, asked, where or Filter(), None if in_rows else limit)
    if not in_rows:
        return _shown(store, ranked, asked, marks)
    kept = [ranked.clear()]
    size, offset = max(limit * 4, 100), 0
    while offset < ranked.height and sum(some.height for some in kept) < limit:
        some = ranked.slice(offset, size)
        written = texts(store, some, "article_id")
        good = search.holds(asked, written.select("title", "body").rows())
        kept.append(
            some.filter(pl.col("article_id").is_in(written.filter(pl.Series(good, dtype=pl.Boolean))["article_id"].implode()))
        )
        offset, size = offset + size, size * 4
    found = pl.concat(kept)
    return _shown(store, found.with_columns(n_found=pl.lit(found.height, pl.Int64)).head(limit), asked, marks)


def _ranked(store: "Store", asked: list[Part], where: Filter, limit: int | None) -> pl.DataFrame:
    """article_id, score, n_found of the articles that have all the words, best first.

    Postings are counted in arrays as long as the index: a word of every second article costs little more than a rare one.
    """
    wanted = list(dict.fromkeys(word for part in asked if not part.is_excluded for word in part.words))
    unwanted = [part.words[0] for part in asked if part.is_excluded and len(part.words) == 1]
    documents = store.read("select doc_no, n_terms from search_document")
    live = documents["doc_no"].to_numpy()
    n_terms = np.zeros(int(live.max(initial=0)) + 1)
    n_terms[live] = documents["n_terms"].to_numpy()
    is_good = np.zeros(len(n_terms), np.bool_)
    is_good[live] = True
    is_live = is_good.copy()
    score = np.zeros(len(n_terms))
    relative = 1 - B + B * n_terms / max(n_terms.sum() / max(len(live), 1), 1)
    for word in wanted:
        docs, weight = _hits(store, word, is_live)
        has = np.zeros(len(n_terms), np.bool_)
        has[docs] = True
        is_good &= has
        idf = np.log(1 + (max(len(live), 1) - len(docs) + 0.5) / (len(docs) + 0.5))
        score[docs] += idf * weight * (K1 + 1) / (weight + K1 * relative[docs])
    for word in unwanted:
        is_good[_hits(store, word, is_live)[0]] = False
    values: dict[str, Any] = {}
    if conditions := _conditions(where, values):
        sql = f"select doc_no from search_document join article a using (article_id) where {' and '.join(conditions)}"
        is_allowed = np.zeros(len(n_terms), np.bool_)
        is_allowed[store.read(sql, **values)["doc_no"].to_numpy()] = True
        is_good &= is_allowed
    docs = np.flatnonzero(is_good)
    n_found, rank = len(docs), score[docs].round(6)
    if limit is not None and n_found > limit > 0:
        docs = docs[rank >= np.partition(rank, -limit)[-limit]]  # and all that are as good as the last of them
    return store.read(
        f"""
        select d.article_id, h.score, $n_found::bigint as n_found
        from batch_hits h
        join search_document d using (doc_no)
        join article a using (article_id)
        order by h.rank desc, a.published_at desc, d.article_id
        {"" if limit is None else f"limit {int(limit)}"}
        """,
        batch_hits=pl.DataFrame({"doc_no": docs.astype(np.uint32), "score": score[docs], "rank": score[docs].round(6)}),
        n_found=n_found,
    )


def _hits(store: "Store", word: Word, is_live: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The documents of `is_live` that have a word in any of its forms, in order, and how much it weighs in each."""
    values: dict[str, Any] = {}
    found = []
    for form in word.forms:
        name = f"t{len(values)}"
        values[name] = form
        found.append(f"term >= ${name}" if word.is_prefix else f"term = ${name}")
        if word.is_prefix:
            values[f"t{len(values)}"] = f"{form}\U0010ffff"
            found[-1] += f" and term < $t{len(values) - 1}"
    sql = " union all ".join(f"select postings from search_posting where {one}" for one in found)
    packed = store.read(sql, **values)["postings"].explode(empty_as_null=False).to_numpy()
    docs = packed >> search.WEIGHT_BITS
    is_known = docs < len(is_live)
    counted = np.bincount(docs[is_known], packed[is_known] & search.MAX_WEIGHT, minlength=len(is_live))
    weight: npt.NDArray[np.float64] = counted.astype(np.float64)
    docs = np.flatnonzero((weight > 0) & is_live)
    return docs, weight[docs]


def _conditions(where: Filter, values: dict[str, Any]) -> list[str]:
    sql = {
        "since": "a.published_day >= $since", "until": "a.published_day <= $until", "outlet": "lower(a.outlet) = lower($outlet)",
        "lang": "a.lang = $lang",
        "country": "a.article_id in (select article_id from focus_effective where country_code = $country and is_focus)",
        "topic": "a.article_id in (select article_id from tag_effective where topic_id = $topic)",
    }  # fmt: skip
    given = {name: value for name, value in where._asdict().items() if value is not None}
    values |= given
    return [sql[name] for name in given]


def texts(store: "Store", ids: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The current title and body of some articles (article_id), after these columns of relation article."""
    of_article = ", ".join(f"a.{name}" for name in columns)
    return store.read(  # first where they stand: of a long archive no other texts are then read
        f"""
        with place as (
            select {of_article}, v.rowid as row_id
            from article a
            join article_version v on v.article_id = a.article_id and v.version = a.version
            semi join batch_ids b on b.article_id = a.article_id
        ),
        words as (select rowid as row_id, title, body from article_version where rowid in (select row_id from place))
        select p.* exclude (row_id), w.title, w.body
        from place p
        join words w using (row_id)
        """,
        batch_ids=ids.select("article_id"),
    )


def _shown(store: "Store", ranked: pl.DataFrame, asked: list[Part], marks: tuple[str, str]) -> pl.DataFrame:
    frame = ranked.join(
        texts(store, ranked, "article_id", "published_day", "outlet", "lang", "url"),
        on="article_id",
        how="left",
        maintain_order="left",
    )
    titles = [search.marked(title or "", asked, marks) for title in frame["title"]]
    snippets = [search.snippet(body or "", asked, marks) for body in frame["body"]]
    frame = frame.with_columns(title=pl.Series(titles, dtype=pl.String), snippet=pl.Series(snippets, dtype=pl.String))
    order = ("published_day", "outlet", "title", "snippet", "url", "lang", "score", "article_id", "n_found")
    return frame.select(*order)
