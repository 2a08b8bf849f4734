"""What tags: the seeds compiled, and the steps from texts to frames.

documents -> batch -> matches -> offices -> mentions -> focus
                                         -> facts by sentence -> rules -> topics
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.patterns import LANGS
from pipeline.schemas import DOCUMENT, RELATIONS, SPAN, conform
from pipeline.tag import Kept, Tagged
from pipeline.tag.arrays import Bools, Csr, Ints, Positions, csr, ordered
from pipeline.tag.focus import focus_countries
from pipeline.tag.lexis import KIND, KINDS, LEXICON, Lexis, Names, compiled
from pipeline.tag.match import Matches, candidates, matches, resolve
from pipeline.tag.mentions import Resolver, Spans
from pipeline.tag.offices import NO_DATE
from pipeline.tag.rules import Facts, Rules, gathered
from pipeline.tag.texts import Batch, batch

BATCH_CHARS = 2_000_000
LAYER_NAMES = ["place", "actor", "lexicon"]
FIELDS, KIND_NAMES = pl.Series(["title", "body"]), pl.Series(KINDS)
IDS = (  # what may stand in a result
    ("country", "code"), ("gazetteer", "entity_id"), ("actor", "actor_id"), ("title", "title_id"), ("lexicon", "concept_id"),
    ("guard", "yields_entity"), ("gazetteer", "lang"), ("guard", "lang"), ("actor_alias", "lang"), ("title", "lang"),
    ("lexicon", "lang"),
)  # fmt: skip


class Engine:
    """The compiled seeds behind `pipeline.tag.Tagger`, whose arguments these are."""

    def __init__(self, tables: Mapping[str, pl.DataFrame], kept: Kept) -> None:
        self._tables, self._kept, self._lexis = tables, kept, dict[str | None, Lexis]()
        self.names = Names()
        for table, column in IDS:  # all at once, so that kept arrays mean the same everywhere
            for name in tables[table][column]:
                self.names.number(name)
        self.rules = Rules(tables["rule"], tables["topic"])
        actor_country = {a: c or "" for a, c in tables["actor"].select("actor_id", "country_code").iter_rows()}
        self.resolver = Resolver(self.names, tables["role"], actor_country)
        self._atoms(tables)

    def _atoms(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Which atoms of the rules a concept, a country and an actor stand for."""
        number, n = self.rules.atom_number, len(self.names.texts)
        self.concept_atom = np.array([number.get(name, -1) for name in self.names.texts], np.int64)
        groups = {c: (g or "").split() for c, g in tables["country"].select("code", "groups").iter_rows()}
        category = dict(tables["actor"].select("actor_id", "category").iter_rows())

        def atoms(sign: str, ids: Mapping[str, list[str]]) -> Csr:
            named = ((self.names.number(id_), f"{sign}{name}") for id_, more in ids.items() for name in (id_, *more))
            return csr([(id_, number[atom]) for id_, atom in named if atom in number], n)

        self.country_atoms = atoms("@", groups)
        self.actor_atoms = atoms("#", {actor: [kind] for actor, kind in category.items()})

    def lexis(self, lang: str | None) -> Lexis:
        """The seeds compiled for a language (None: for texts of unknown language, all of them), when first needed."""
        key = lang if lang in LANGS else None
        if key not in self._lexis:
            self._lexis[key] = Lexis(self._kept(key or "all", lambda: compiled(self._tables, self.names, key)))
        return self._lexis[key]

    def tag(self, documents: pl.DataFrame) -> Tagged:
        """As `pipeline.tag.Tagger.tag`."""
        documents = conform(documents, DOCUMENT).with_columns(pl.col("title", "body").fill_null("")).with_row_index("_n")
        lang = pl.col("lang").replace_strict({lang: lang for lang in LANGS}, default=None)
        groups = documents.with_columns(lang=lang).partition_by("lang", maintain_order=True)
        parts = [self._tag_batch(part) for group in groups for part in _slices(group)]
        frames = zip(*parts, strict=True) if parts else ([], [], [])
        return Tagged(*(_in_order(name, found) for name, found in zip(("mention", "focus", "tag"), frames, strict=True)))

    def _tag_batch(self, documents: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        lexis = self.lexis(documents["lang"][0])
        texts = batch(documents["title"], documents["body"])
        days = documents["published_at"].dt.epoch("d").fill_null(NO_DATE).cast(pl.Int64).to_numpy()
        found = matches(lexis, texts)
        is_word = lexis.row_layer[found.row] == LEXICON
        spans, words = self.resolver.spans(lexis, texts, found.take(~is_word), days), found.take(is_word)
        has_title = (documents["title"].str.len_bytes() > 0).to_numpy()
        focus = focus_countries(texts, spans, has_title, self.names)
        focus = focus.with_columns(documents[focus["doc"]].select("_n", "article_id"))
        mentions = self._mention_frame(documents, lexis, texts, spans)
        return mentions, focus, self._topics(documents, lexis, texts, words, spans, has_title)

    def _mention_frame(self, documents: pl.DataFrame, lexis: Lexis, texts: Batch, spans: Spans) -> pl.DataFrame:
        field, start, end = texts.offsets(spans.start, spans.end)
        return (
            documents[field // 2]
            .select("_n", "article_id", "version")
            .with_columns(
                FIELDS.gather(field % 2).alias("field"),
                pl.Series("char_start", start),
                pl.Series("char_end", end),
                self.names.column(spans.entity).alias("entity_id"),
                KIND_NAMES.gather(spans.kind).alias("kind"),
                self.names.column(spans.country).alias("country_code"),
                self.names.column(spans.role).alias("role_id"),
                texts.surfaces(spans.start, spans.end).alias("surface"),
                lexis.rule_ids.gather(spans.rule).alias("rule_id"),
            )
        )

    def why(self, title: str, body: str, lang: str | None) -> pl.DataFrame:
        """As `pipeline.tag.Tagger.why`."""
        lexis = self.lexis(lang)
        texts = batch(pl.Series([title]), pl.Series([body]))
        found = candidates(lexis, texts)
        kept = resolve(lexis, found)
        layer = lexis.row_layer
        verdicts = []
        for start, end, row in zip(found.start.tolist(), found.end.tolist(), found.row.tolist(), strict=True):
            over = np.flatnonzero((layer[kept.row] == layer[row]) & (kept.start < end) & (kept.end > start))
            rows = kept.row[over].tolist()
            if row in rows:
                verdicts.append("guards" if lexis.row_priority[row] == 0 else "counts")
            else:
                verdicts.append("hidden by " + ", ".join(lexis.rule_ids[int(lexis.row_rule[r])] for r in rows))
        field, start, end = texts.offsets(found.start, found.end)
        return (
            pl.DataFrame({"field": FIELDS.gather(field % 2), "char_start": start, "char_end": end})
            .with_columns(
                texts.surfaces(found.start, found.end).alias("surface"),
                pl.Series(LAYER_NAMES).gather(layer[found.row]).alias("layer"),
                KIND_NAMES.gather(lexis.row_kind[found.row]).alias("kind"),
                self.names.column(lexis.row_entity[found.row]).alias("entity_id"),
                lexis.rule_ids.gather(lexis.row_rule[found.row]).alias("rule_id"),
                pl.Series("verdict", verdicts, dtype=pl.String),
            )
            .unique(maintain_order=True)
            .sort(pl.col("field") == "body", "char_start", "char_end", "layer", "rule_id")
        )

    # -- topics -------------------------------------------------------------------------------------------------------

    def _topics(
        self, documents: pl.DataFrame, lexis: Lexis, texts: Batch, words: Matches, spans: Spans, has_title: Bools
    ) -> pl.DataFrame:
        facts = self._facts(lexis, texts, words, spans, has_title)
        hits = self.rules.hits(facts)
        doc, topic, score = self.rules.scores(hits, facts)
        which, rule, fact = self.rules.evidence(hits, facts, doc, topic)
        once = _once(which, facts.start[fact], facts.end[fact], rule)
        which, rule, fact = which[once], rule[once], fact[once]
        field, start, end = texts.offsets(facts.start[fact], facts.end[fact])
        columns = (FIELDS.gather(field % 2), pl.Series(start), pl.Series(end), self.rules.rule_id.gather(rule))
        spans_of = pl.DataFrame(
            {name: column.cast(dtype) for (name, dtype), column in zip(SPAN.to_schema().items(), columns, strict=True)}
        )
        rank = self.rules.rule_rank[rule]
        once = _once(which, rank)
        rule_ids = self.rules.rule_id.gather(rule[once])
        return documents.select("_n", "article_id")[doc].with_columns(
            self.rules.topic_id.gather(topic).alias("topic_id"),
            pl.Series("score", score.round(4)),
            _lists(which, spans_of.to_struct(), len(doc)).alias("evidence"),
            _lists(which[once], rule_ids, len(doc)).alias("rule_ids"),
        )

    def _facts(self, lexis: Lexis, texts: Batch, words: Matches, spans: Spans, has_title: Bools) -> Facts:
        of_country = (spans.kind <= KIND["place"]) | (spans.kind == KIND["role"])
        country = np.where(of_country, spans.country, 0)
        is_actor = (spans.kind >= KIND["organisation"]) & (spans.entity < len(self.concept_atom))
        actor = np.where(is_actor, spans.entity, 0)
        concepts = (lexis.concepts, self.concept_atom)
        named = (spans.start, spans.end, country, self.country_atoms, actor, self.actor_atoms)
        said = (words.start, words.end, words.row, *concepts)
        sentence_start = texts.sentences.at
        field = texts.field(sentence_start)
        doc = field // 2
        first_of_field = np.concatenate(([True], field[1:] != field[:-1]))
        is_lead = (field % 2 == 0) | (first_of_field & ~has_title[doc])
        atom, sentence, start, end, word, at = gathered(said, named, sentence_start, texts.gaps.at)
        return Facts(atom, sentence, start, end, word, at, len(sentence_start), doc, is_lead)


def _once(*columns: Positions) -> Ints:
    """The order of rows by these columns, without those that are like another one."""
    order = np.arange(len(columns[0]))
    for column in reversed(columns):
        order = order[ordered(column[order])]
    differs = np.zeros(len(order), bool)
    differs[:1] = True
    for column in columns:
        differs[1:] |= np.diff(column[order]) != 0
    return order[differs]


def _lists(keys: Ints, values: pl.Series, n: int) -> pl.Series:
    """The values of each key from 0 to n - 1 as a list, null where there are none; keys ascend."""
    at = np.searchsorted(keys, np.arange(n + 1))
    made = pa.LargeListArray.from_arrays(pa.array(at, pa.int64()), values.to_arrow(), mask=pa.array(np.diff(at) == 0))
    return pl.Series(pl.from_arrow(made), dtype=pl.List(values.dtype))


def _slices(documents: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Batches of about BATCH_CHARS characters, so that memory does not grow with the number of texts."""
    size = documents.select(pl.col("title").str.len_bytes() + pl.col("body").str.len_bytes()).to_series()
    group = (size.cum_sum() // BATCH_CHARS).to_numpy()
    edges = (np.flatnonzero(np.diff(group)) + 1).tolist()
    for low, high in itertools.pairwise([0, *edges, len(group)]):
        if high > low:
            yield documents[low:high]


def _in_order(relation: str, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Frames of batches as one in the schema of a relation, by document."""
    all_ = pl.concat([pl.DataFrame(schema={"_n": pl.UInt32}), *frames], how="diagonal")
    return conform(all_.sort("_n", maintain_order=True), RELATIONS[relation])
