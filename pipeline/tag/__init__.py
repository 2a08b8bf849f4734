"""The tagger: texts in; mentions, focus countries and topics out, each with the evidence for it.

    documents -> batch -> matches -> offices -> mentions -> focus
                                             -> facts by sentence -> rules -> topics

`Tagger` is built once from the seed tables; `Tagger.tag` is pure: no clock, no disk. Offsets are code points of the strings
given.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.schemas import DOCUMENT, RELATIONS, SPAN, conform
from pipeline.tag.focus import focus_countries
from pipeline.tag.lexis import ANY_LANG, KIND, KINDS, LANG_BIT, LEXICON, Bools, Ints, Lexis
from pipeline.tag.match import Batch, Matches, batch, matches
from pipeline.tag.offices import NO_DATE, Offices
from pipeline.tag.rules import Facts, Rules

__all__ = ["Tagged", "Tagger", "tagger_version"]

BATCH_CHARS = 2_000_000
FIELDS = np.array(["title", "body"])


@dataclass(frozen=True)
class Tagged:
    """Frames of the relations mention, focus and tag."""

    mentions: pl.DataFrame
    focus: pl.DataFrame
    tags: pl.DataFrame


def tagger_version() -> str:
    """A name for the tagger's code: tags made by another version may differ."""
    folder = Path(__file__).parent
    sources = [*sorted(folder.glob("*.py")), folder.parent / "patterns.py", folder.parent / "text.py"]
    return hashlib.blake2b(b"".join(path.read_bytes() for path in sources), digest_size=6).hexdigest()


@dataclass(frozen=True)
class _Spans:
    """Mentions of one batch, by position: one value a mention in every column."""

    start: Ints
    end: Ints
    kind: Ints
    entity: np.ndarray  # entity_id, as objects
    country: np.ndarray  # country_code or ""
    role: np.ndarray  # role_id or ""
    rule: np.ndarray  # rule_id

    def take(self, index: Ints | Bools) -> "_Spans":
        return _Spans(*(column[index] for column in self.columns()))

    def columns(self) -> tuple[np.ndarray, ...]:
        return self.start, self.end, self.kind, self.entity, self.country, self.role, self.rule


class Tagger:
    """The compiled seeds. `tables` are the seed files by name, as `pipeline.seeds.load` gives them."""

    def __init__(self, tables: Mapping[str, pl.DataFrame]) -> None:
        self.lexis = Lexis(tables)
        self.rules = Rules(tables["rule"], tables["topic"])
        self.actor_country = {a: c or "" for a, c in tables["actor"].select("actor_id", "country_code").iter_rows()}
        self.actor_name: dict[str, str] = dict(tables["actor"].select("actor_id", "name").iter_rows())
        self.offices = Offices(tables["role"], self.actor_country)
        self.entity_id = np.array([e.entity_id for e in self.lexis.entities], object)
        self.entity_country = np.array([e.country_code for e in self.lexis.entities], object)
        self.rule_id = np.array(self.lexis.rule_ids, object)
        self.person_number = np.array([self.offices.person_number.get(e, -1) for e in self.entity_id], np.int64)
        self.term_country = np.array([*self.offices.country, ""], object)
        self.person_id = np.array([*self.offices.person_ids, ""], object)
        self._atoms(tables)

    def _atoms(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Which atoms of the rules a concept, a country and an actor stand for."""
        number = self.rules.atom_number
        self.concept_atom = np.array([number.get(e, -1) for e in self.entity_id], np.int64)
        groups = {c: (g or "").split() for c, g in tables["country"].select("code", "groups").iter_rows()}
        category = dict(tables["actor"].select("actor_id", "category").iter_rows())
        self.country_atoms = {c: [number[f"@{n}"] for n in (c, *g) if f"@{n}" in number] for c, g in groups.items()}
        self.actor_atoms = {a: [number[f"#{n}"] for n in (a, c) if f"#{n}" in number] for a, c in category.items()}

    def tag(self, documents: pl.DataFrame) -> Tagged:
        """Tag documents (schema DOCUMENT); rows of all three frames carry the article_id, mentions the version too."""
        documents = conform(documents, DOCUMENT).with_columns(pl.col("title", "body").fill_null(""))
        parts = [self._tag_batch(part) for part in _slices(documents)]
        frames = zip(*parts, strict=True) if parts else ([], [], [])
        names = ("mention", "focus", "tag")
        return Tagged(*(pl.concat([conform(pl.DataFrame(), RELATIONS[n]), *f]) for n, f in zip(names, frames, strict=True)))

    def _tag_batch(self, documents: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        texts = batch(documents["title"].to_list(), documents["body"].to_list())
        mask = np.array([LANG_BIT.get(lang or "und", ANY_LANG) for lang in documents["lang"]], np.int64)
        days = documents["published_at"].dt.epoch("d").fill_null(NO_DATE).cast(pl.Int64).to_numpy()
        found = matches(self.lexis, texts, mask)
        spans = self._mentions(texts, found, days)
        mentions = _mention_frame(documents, texts, spans)
        has_title = (documents["title"].str.len_chars() > 0).to_numpy()
        focus = focus_countries(documents["article_id"], texts, spans.start, spans.kind, spans.country, has_title)
        return mentions, focus, self._topics(documents, texts, found, spans, has_title)

    # -- mentions -----------------------------------------------------------------------------------------------------

    def _mentions(self, texts: Batch, found: Matches, days: Ints) -> _Spans:
        lexis = self.lexis
        layer, kind = lexis.row_layer[found.row], lexis.row_kind[found.row]
        doc = texts.document(found.start)
        names = found.take((layer != LEXICON) & (kind < KIND["role"]) & self._has_full_name(found, doc))
        names_doc = texts.document(names.start)
        kind = lexis.row_kind[names.row]
        entity = lexis.row_entity[names.row]
        country = self.entity_country[entity].copy()
        people = np.flatnonzero((kind == KIND["person"]) & (self.person_number[entity] >= 0))
        term = self.offices.in_office(self.offices.by_person, self.person_number[entity[people]], days[names_doc[people]])
        country[people] = np.where(term >= 0, self.term_country[term], country[people])
        empty = np.full(len(names.row), "", object)
        plain = _Spans(names.start, names.end, kind, self.entity_id[entity], country, empty, self.rule_id[names.row])
        roles = self._roles(texts, found.take(lexis.row_kind[found.row] == KIND["title"]), plain, days)
        both = _Spans(*(np.concatenate(pair) for pair in zip(plain.columns(), roles.columns(), strict=True)))
        return both.take(np.lexsort((both.entity.astype(str), both.end, both.start)))

    def _has_full_name(self, found: Matches, doc: Ints) -> Bools:
        """False for a bare surname whose bearer's full name stands nowhere in the text."""
        needs = self.lexis.row_needs_full[found.row]
        key = doc * len(self.entity_id) + self.lexis.row_entity[found.row]
        return ~needs | np.isin(key, key[~needs])

    def _roles(self, texts: Batch, titles: Matches, names: _Spans, days: Ints) -> _Spans:
        """Titles next to a holder (`President of Kosovo`, `kosovska predsednica`), or that imply one."""
        lexis = self.lexis
        holds = np.flatnonzero((names.kind <= KIND["adjective"]) | (names.kind == KIND["organisation"]))
        starts, ends, is_adjective = names.start[holds], names.end[holds], names.kind[holds] == KIND["adjective"]
        is_name = (names.kind[holds] == KIND["country"]) | (names.kind[holds] == KIND["organisation"])
        mask = lexis.row_mask[titles.row]
        base_end = titles.end - lexis.row_tail[titles.row]
        after = _lookup(starts, titles.end + 1)  # `President of Kosovo`; Albanian adjectives follow too
        after = np.where((after >= 0) & (is_name[after] | (is_adjective[after] & (mask == LANG_BIT["sq"]))), after, -1)
        by_end = np.argsort(ends, kind="stable")
        before = _lookup(ends[by_end], titles.start - 1)  # `kosovska predsednica`; a bare name only in English
        before = np.where(before >= 0, by_end[before], -1)
        before = np.where((before >= 0) & (is_adjective[before] | (is_name[before] & (mask == LANG_BIT["en"]))), before, -1)
        possessive = _lookup(ends[by_end], titles.start - 3, texts.folded, titles.start)  # `Kosovo's President`
        before = np.where((before < 0) & (possessive >= 0), by_end[possessive], before)
        holder = np.where(after >= 0, after, before)
        start = np.where((after < 0) & (before >= 0), starts[before], titles.start)
        end = np.where(after >= 0, ends[after], base_end)
        title = lexis.row_entity[titles.row]
        implied = self.entity_country[title]  # a title's `implies` travels in that column
        joined = holder >= 0
        held = np.where(joined, names.entity[holds[holder]] if len(holds) else "", implied)
        kept = held != ""
        role = np.array([f"{t}:{h}" for t, h in zip(self.entity_id[title[kept]], held[kept], strict=True)], object)
        number = np.array([self.offices.role_number.get(r, -1) for r in role], np.int64)
        known = np.flatnonzero(number >= 0)
        term = np.full(len(role), -1, np.int64)
        doc = texts.document(start[kept])
        term[known] = self.offices.in_office(self.offices.by_role, number[known], days[doc[known]])
        person = self.person_id[np.where(term >= 0, self.offices.person[term] if len(self.offices.person) else -1, -1)]
        country = np.array([self.actor_country.get(h, h if len(h) == 2 else "") for h in held[kept]], object)
        return _Spans(
            start[kept], end[kept], np.full(len(role), KIND["role"]), np.where(term >= 0, person, role), country, role,
            self.rule_id[titles.row[kept]],
        )  # fmt: skip

    # -- topics -------------------------------------------------------------------------------------------------------

    def _topics(self, documents: pl.DataFrame, texts: Batch, found: Matches, spans: _Spans, has_title: Bools) -> pl.DataFrame:
        facts, fact_end = self._facts(texts, found, spans, has_title)
        hits = self.rules.hits(facts)
        doc, topic, score = self.rules.scores(hits, facts)
        which, rule, fact = self.rules.evidence(hits, facts, doc, topic)
        field, start, end = texts.offsets(facts.start[fact], fact_end[fact])
        rule_ids = np.array(self.rules.rule_ids, object)
        evidence = (
            pl.DataFrame({
                "n": which, "field": FIELDS[field % 2], "char_start": start, "char_end": end, "rule_id": rule_ids[rule],
            }, schema_overrides={"field": pl.String, "rule_id": pl.String})
            .unique().sort("n", pl.col("field") == "body", "char_start", "char_end", "rule_id")
            .group_by("n", maintain_order=True)
            .agg(
                pl.struct(pl.col(name).cast(dtype) for name, dtype in SPAN.to_schema().items()).alias("evidence"),
                pl.col("rule_id").unique().sort().alias("rule_ids"),
            )
        )  # fmt: skip
        topic_ids = np.array(self.rules.topic_ids, object)
        tags = pl.DataFrame(
            {"n": np.arange(len(doc)), "article_id": documents["article_id"].gather(doc), "topic_id": topic_ids[topic],
             "score": score.round(4)},
            schema_overrides={"topic_id": pl.String},
        ).join(evidence, on="n", how="left", maintain_order="left")  # fmt: skip
        return conform(tags, RELATIONS["tag"])

    def _facts(self, texts: Batch, found: Matches, spans: _Spans, has_title: Bools) -> tuple[Facts, Ints]:
        lexis = self.lexis
        concept = np.where(lexis.row_kind[found.row] == KIND["concept"], self.concept_atom[lexis.row_entity[found.row]], -1)
        said = np.flatnonzero(concept >= 0)
        of_country = (spans.kind <= KIND["place"]) | (spans.kind == KIND["role"])
        countries = _atom_pairs(np.where(of_country, spans.country, ""), self.country_atoms)
        actors = _atom_pairs(np.where(spans.kind >= KIND["organisation"], spans.entity, ""), self.actor_atoms)
        atom = np.concatenate((concept[said], countries[1], actors[1]))
        start = np.concatenate((found.start[said], spans.start[countries[0]], spans.start[actors[0]]))
        end = np.concatenate((found.end[said], spans.end[countries[0]], spans.end[actors[0]]))
        order = np.argsort(start, kind="stable")
        atom, start, end = atom[order], start[order], end[order]
        sentence = np.searchsorted(texts.sentence_start, start, "right") - 1
        field = np.searchsorted(texts.kept_start, texts.sentence_start, "right") - 1
        doc = field // 2
        first_of_field = np.concatenate(([True], field[1:] != field[:-1]))
        is_lead = (field % 2 == 0) | (first_of_field & ~has_title[doc])
        word = np.searchsorted(texts.gaps, start)
        return Facts(atom, sentence, start, word, len(texts.sentence_start), doc, is_lead), end


def _slices(documents: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Batches of about BATCH_CHARS characters, so that memory does not grow with the number of texts."""
    size = documents.select(pl.col("title").str.len_chars() + pl.col("body").str.len_chars()).to_series()
    group = (size.cum_sum() // BATCH_CHARS).to_numpy()
    edges = [i for i in range(1, len(group)) if group[i] != group[i - 1]] if len(group) else []
    for low, high in itertools.pairwise([0, *edges, len(group)]):
        if high > low:
            yield documents[low:high]


def _lookup(sorted_values: Ints, wanted: Ints, folded: bytes = b"", starts: Ints | None = None) -> Ints:
    """Index of each wanted value, -1 where absent; with `starts`, only where ` s ` (a possessive) stands before it."""
    if not len(sorted_values):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(sorted_values, wanted), len(sorted_values) - 1)
    good = sorted_values[at] == wanted
    if starts is not None:
        letters = np.frombuffer(folded, np.uint8)
        good &= (letters[starts - 2] == ord("s")) & (letters[starts - 3] == 0x20)
    return np.where(good, at, -1)


def _atom_pairs(names: np.ndarray, table: Mapping[str, list[int]]) -> tuple[Ints, Ints]:
    """(index into `names`, atom) for every atom that a name stands for."""
    unique, which = np.unique(names.astype(str), return_inverse=True)
    pairs = [(i, atom) for i, name in enumerate(unique.tolist()) for atom in table.get(name, [])]
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    of_name, atom = np.array(pairs, np.int64).T
    counts = np.bincount(of_name, minlength=len(unique))
    first = np.cumsum(counts) - counts
    n = counts[which]
    index = np.repeat(np.arange(len(names)), n)
    return index, atom[first[which[index]] + np.arange(len(index)) - np.repeat(np.cumsum(n) - n, n)]


def _mention_frame(documents: pl.DataFrame, texts: Batch, spans: _Spans) -> pl.DataFrame:
    field, start, end = texts.offsets(spans.start, spans.end)
    doc = field // 2
    frame = pl.DataFrame({
        "article_id": documents["article_id"].gather(doc),
        "version": documents["version"].gather(doc),
        "field": pl.Series(FIELDS[field % 2], dtype=pl.String),
        "char_start": start,
        "char_end": end,
        "entity_id": pl.Series(spans.entity, dtype=pl.String),
        "kind": pl.Series(np.array(KINDS, object)[spans.kind], dtype=pl.String),
        "country_code": pl.Series(spans.country, dtype=pl.String).replace("", None),
        "role_id": pl.Series(spans.role, dtype=pl.String).replace("", None),
        "rule_id": pl.Series(spans.rule, dtype=pl.String),
        "_text": pl.select(
            pl.when(pl.Series(field % 2 == 0)).then(documents["title"].gather(doc)).otherwise(documents["body"].gather(doc))
        ).to_series(),
    })  # fmt: skip
    surface = pl.col("_text").str.slice(pl.col("char_start"), pl.col("char_end") - pl.col("char_start")).alias("surface")
    return conform(frame.with_columns(surface), RELATIONS["mention"]).unique(
        ["article_id", "field", "char_start", "char_end", "entity_id"], keep="first", maintain_order=True
    )
