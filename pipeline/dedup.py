"""Stories: near-duplicate articles (wire copies, light rewrites, the other script) under one story_id.

    documents -> signatures -> candidates(new, old) -> edges(pairs, documents) -> stories(edges, documents)

A text is its title and body, folded and in Latin letters, cut into shingles of three words. MinHash bands propose
pairs, the exact shingle sets decide: a translation is no copy, and two independent reports of one event stay apart.
An edge joins two articles at most three days apart; a story is a connected component, split where a member is less
than half like its lead (the earliest). An article is found again by its signature of about 130 bytes; the texts of
candidates are read again.

Stories do not depend on the order or the batches in which articles arrive, provided that edges are kept and that
`stories` is given all edges and documents of each component that a batch touches. Copies of one text are chained in
time, not paired each with each: which edges there are may differ between batchings, what they connect does not.
"""

import functools
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import rensa

from pipeline import schemas, text
from pipeline.errors import InputError

Hashes = npt.NDArray[np.uint64]
Indexes = npt.NDArray[np.int64]

SHINGLE_WORDS = 3
MIN_WORDS = 30  # a shorter text (a headline, a teaser) is a copy only of the very same words
MIN_SAME_WORDS = 8  # and of nothing at all when shorter than this
BANDS, ROWS = 24, 4  # a pair of Jaccard .7 is proposed with probability .9986, one of .3 with .18
WINDOW = timedelta(days=3)
EDGE_SIMILARITY = 0.7
LEAD_SIMILARITY = 0.5
CUT_CONTAINMENT = 0.97  # so much of a cut copy stands in the whole,
CUT_SHINGLES = 50  # which is a judgement on no less than this,
CUT_LENGTH = 0.5  # and no less than this share of the whole is left

SIGNATURE = pl.Schema(
    {
        "article_id": pl.String(),
        "published_at": schemas.UTC,
        "text_hash": pl.UInt64(),  # equal for equal words; null when too short to be a copy of anything
        "bands": pl.List(pl.UInt32()),  # keys to look up: a copy shares at least one
    }
)
PAIR = pl.Schema({"left_id": pl.String, "right_id": pl.String})
EDGE = pl.Schema({"left_id": pl.String, "right_id": pl.String, "similarity": pl.Float64})

_NO_DATE = datetime(1, 1, 1, tzinfo=UTC)  # articles without a date meet only each other
_SEED = 20_231_120
_CHUNK = 2_000_000  # characters at a time: some 200 MB of arrays
_BASE = 0x9E3779B97F4A7C15
_ODD = np.array([0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3], np.uint64)


def signatures(documents: pl.DataFrame) -> pl.DataFrame:
    """`SIGNATURE`, a row a document (article_id, title, body, published_at), in their order."""
    parts = [_signature_columns(words, offsets) for words, offsets in _word_chunks(documents)]
    text_hash = pl.Series("text_hash", [value for hashes, _ in parts for value in hashes], pl.UInt64)
    bands = pl.Series("bands", [keys for _, rows in parts for keys in rows], pl.List(pl.UInt32))
    return schemas.conform(documents.select("article_id", "published_at", text_hash, bands), SIGNATURE)


def candidates(new: pl.DataFrame, old: pl.DataFrame | None = None) -> pl.DataFrame:
    """`PAIR`: articles worth comparing of which at least one is new, at most three days apart.

    `new` and `old` are `SIGNATURE`; `old` holds at least every known article that shares a band with a new one and is
    within three days of it.
    """
    known = new.with_columns(is_new=True)
    if old is not None:
        known = pl.concat([known, old.join(new, on="article_id", how="anti").with_columns(is_new=False)])
    at = pl.col("published_at").fill_null(_NO_DATE)
    known = known.drop_nulls("text_hash").with_columns(at=at).sort("at", "article_id")
    found = pl.concat([_twins(known), _lookalikes(known)])
    left, right = pl.min_horizontal("left_id", "right_id"), pl.max_horizontal("left_id", "right_id")
    return found.select(left_id=left, right_id=right).unique().sort("left_id", "right_id")


def edges(pairs: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """`EDGE`: the pairs whose similarity is at least .7; a pair without both its documents is left out."""
    for side in ("left_id", "right_id"):
        pairs = pairs.join(documents, left_on=side, right_on="article_id", how="semi")
    similarity = pl.Series("similarity", _similarities(pairs["left_id"], pairs["right_id"], documents), pl.Float64)
    return pairs.select("left_id", "right_id", similarity).filter(pl.col("similarity") >= EDGE_SIMILARITY)


def stories(found: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Relation `story_article`, a row a document, in their order; of `found` (`EDGE`) those between documents count.

    `story_id` is the article_id of the lead, the earliest by published_at, then article_id; `similarity` is that to it.
    """
    order = documents.select("article_id", "published_at").sort("published_at", "article_id", nulls_last=True)
    names = order["article_id"]
    place = order.select("article_id", place=pl.int_range(pl.len(), dtype=pl.Int64))
    for side in ("left", "right"):
        end = place.select(pl.col("article_id").alias(f"{side}_id"), pl.col("place").alias(side))
        found = found.join(end, on=f"{side}_id")
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    lead, similarity = np.arange(len(names), dtype=np.int64), np.ones(len(names))
    pending = np.zeros(len(names), np.bool_)
    pending[left] = pending[right] = True
    while pending.any():
        inside = pending[left] & pending[right]
        members = np.flatnonzero(pending)
        roots = _components(len(names), left[inside], right[inside])[members]
        like = np.array(_similarities(names[roots], names[members], documents))
        taken = like >= LEAD_SIMILARITY
        lead[members[taken]], similarity[members[taken]] = roots[taken], like[taken]
        pending[members[taken]] = False
    rows = place.with_columns(lead=lead, similarity=similarity).select(
        "article_id", "similarity", story_id=names[lead], is_lead=pl.col("lead") == pl.col("place")
    )
    rows = documents.select("article_id").join(rows, on="article_id", how="left", maintain_order="left")
    return schemas.conform(rows, schemas.RELATIONS["story_article"])


def story_table(documents: pl.DataFrame) -> pl.DataFrame:
    """`stories` of documents (article_id, title, body, published_at) in one go; InputError when an id comes twice."""
    twice = documents.filter(pl.col("article_id").is_duplicated())["article_id"]
    if len(twice):
        raise InputError(f"The id {twice[0]!r} appears more than once.")
    title, body = (pl.col(name).fill_null("").str.strip_chars() for name in ("title", "body"))
    texts = documents.filter((body != "") & (body != title))  # a headline alone is a copy of nothing
    return stories(edges(candidates(signatures(texts)), documents), documents)


# -- words and shingles -----------------------------------------------------------------------------------------------


def _mixed(values: Hashes) -> Hashes:
    """Every bit that goes in moves every bit that comes out (the last step of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


@functools.cache
def _powers(base: int, n: int) -> Hashes:
    return np.cumprod(np.array([1] + [base] * (n - 1), np.uint64), dtype=np.uint64)


def _words(texts: Sequence[str]) -> tuple[Hashes, Indexes]:
    """The hashes of all words in one row, and its n + 1 offsets to the texts: differences of one running polynomial."""
    letters, ends = text.latin_letters(texts)
    filled = letters > 0
    starts = np.flatnonzero(filled[1:] & ~filled[:-1]) + 1
    lasts = np.flatnonzero(filled & np.append(~filled[1:], True))
    size = 1 << len(letters).bit_length()
    sums = np.cumsum(letters * _powers(_BASE, size)[: len(letters)], dtype=np.uint64)
    hashes = (sums[lasts] - sums[starts - 1]) * _powers(pow(_BASE, -1, 1 << 64), size)[starts]
    return _mixed(hashes), np.append(0, np.searchsorted(starts, ends))


def _word_chunks(documents: pl.DataFrame) -> Iterator[tuple[Hashes, Indexes]]:
    """`_words` of title and body, some documents at a time."""
    both = pl.concat_str(pl.col("title").fill_null(""), pl.col("body").fill_null(""), separator="\n")
    texts: list[str] = documents.select(both).to_series().to_list()
    begin, size = 0, 0
    for i, part in enumerate(texts):
        size += len(part) + 1
        if size >= _CHUNK or i == len(texts) - 1:
            yield _words(texts[begin : i + 1])
            begin, size = i + 1, 0


def _shingles(words: Hashes, offsets: Indexes) -> tuple[Hashes, Indexes]:
    """The hashes of all runs of three words within a text in one row, and its n + 1 offsets to the texts."""
    n = max(len(words) - SHINGLE_WORDS + 1, 0)
    runs = np.zeros(n, np.uint64)
    for i in range(SHINGLE_WORDS):
        runs += words[i : i + n] * _ODD[i]
    lengths = np.diff(offsets)
    inside = np.arange(n) + SHINGLE_WORDS <= np.repeat(offsets[1:], lengths)[:n]
    return _mixed(runs[inside]), np.append(0, np.cumsum(np.maximum(lengths - SHINGLE_WORDS + 1, 0)))


def _text_hashes(words: Hashes, offsets: Indexes) -> list[int]:
    parts = (words[a:b].tobytes() for a, b in itertools.pairwise(offsets.tolist()))
    return [int.from_bytes(hashlib.blake2b(part, digest_size=8).digest(), "little") for part in parts]


# -- signatures and candidates ----------------------------------------------------------------------------------------


def _signature_columns(words: Hashes, offsets: Indexes) -> tuple[list[int | None], list[list[int]]]:
    hashes, lengths = _text_hashes(words, offsets), np.diff(offsets).tolist()
    keys = _band_keys(*_shingles(words, offsets)).tolist()
    for i, n_words in enumerate(lengths):
        if n_words < MIN_WORDS:
            keys[i] = [hashes[i] & 0xFFFFFFFF] if n_words >= MIN_SAME_WORDS else []
    return [value if n >= MIN_SAME_WORDS else None for value, n in zip(hashes, lengths, strict=True)], keys


def _band_keys(shingles: Hashes, offsets: Indexes) -> npt.NDArray[np.uint32]:
    """Shape (texts, bands): four minima under random orders of all shingles make a key."""
    digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes
    minima = np.array(digests(shingles, offsets.astype(np.uint64), BANDS * ROWS, _SEED).to_rows(), np.uint64)
    minima = minima.reshape(-1, BANDS, ROWS)
    keys = _mixed((minima * _ODD[:ROWS]).sum(axis=2, dtype=np.uint64) + np.arange(BANDS, dtype=np.uint64))
    return (keys >> np.uint64(32)).astype(np.uint32)


def _twins(known: pl.DataFrame) -> pl.DataFrame:
    """Articles of the very same words, each with the next in time."""
    chain = known.with_columns(pl.col("article_id", "at", "is_new").shift(-1).over("text_hash").name.prefix("next_"))
    chain = chain.filter(pl.col("next_at") - pl.col("at") <= WINDOW, pl.col("is_new") | pl.col("next_is_new"))
    return chain.select(left_id="article_id", right_id="next_article_id")


def _lookalikes(known: pl.DataFrame) -> pl.DataFrame:
    """Articles of texts that share a band, each with the nearest in time before and after."""
    texts = known.group_by("text_hash").agg(pl.col("bands").first(), pl.col("is_new").any())
    keys = texts.explode("bands", empty_as_null=False)
    both = keys.filter("is_new").join(keys, on="bands", suffix="_other")
    once = ~pl.col("is_new_other") | (pl.col("text_hash") < pl.col("text_hash_other"))
    pairs = both.filter(pl.col("text_hash") != pl.col("text_hash_other"), once)
    pairs = pairs.select("text_hash", "text_hash_other").unique()
    left = known.join(pairs, on="text_hash").sort("at")
    left = left.select("at", "article_id", "is_new", text_hash="text_hash_other")
    right = known.select("at", "article_id", "is_new", "text_hash")
    ways: tuple[Literal["backward", "forward"], ...] = ("backward", "forward")
    found = pl.concat(
        [
            left.join_asof(
                right, on="at", by="text_hash", strategy=way, tolerance=WINDOW, suffix="_other", check_sortedness=False
            )
            for way in ways
        ]
    ).drop_nulls("article_id_other")
    found = found.filter(pl.col("is_new") | pl.col("is_new_other"))
    return found.select(left_id="article_id", right_id="article_id_other")


# -- similarity and components ----------------------------------------------------------------------------------------


def _similarities(left: pl.Series, right: pl.Series, documents: pl.DataFrame) -> list[float]:
    """The similarity of each pair of article_ids; every text is read once, every pair of texts compared once."""
    wanted = pl.concat([left, right]).unique()
    some = documents.filter(pl.col("article_id").is_in(wanted.implode()))
    hashes: list[int] = []
    shingles: dict[int, Hashes] = {}
    for words, offsets in _word_chunks(some):
        names = _text_hashes(words, offsets)
        runs, bounds = _shingles(words, offsets)
        for name, a, b in zip(names, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if name not in shingles:
                shingles[name] = np.unique(runs[a:b])
        hashes += names
    text_of = dict(zip(some["article_id"].to_list(), hashes, strict=True))

    @functools.cache
    def compared(one: int, other: int) -> float:
        return 1.0 if one == other else _similarity(shingles[one], shingles[other])

    pairs = zip(left.to_list(), right.to_list(), strict=True)
    return [compared(*sorted((text_of[one], text_of[other]))) for one, other in pairs]


def _similarity(one: Hashes, other: Hashes) -> float:
    """Jaccard of two sorted sets; for a cut copy, the share of it that stands in the whole; 0 for short texts."""
    few, many = sorted((one, other), key=len)
    if len(few) < MIN_WORDS - SHINGLE_WORDS + 1:
        return 0.0
    shared = int((many[np.minimum(np.searchsorted(many, few), len(many) - 1)] == few).sum())
    containment = shared / len(few)
    if containment >= CUT_CONTAINMENT and len(few) >= max(CUT_SHINGLES, CUT_LENGTH * len(many)):
        return containment
    return shared / (len(few) + len(many) - shared)


def _components(n: int, left: Indexes, right: Indexes) -> Indexes:
    """For each of n nodes the least node that edges connect it with; shape (n,)."""
    root = list(range(n))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = node = root[root[node]]
        return node

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        one, other = sorted((find(a), find(b)))
        root[other] = one
    return np.array([find(node) for node in range(n)], np.int64)
