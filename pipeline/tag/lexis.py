"""Seeds compiled for matching: every form of every pattern, one automaton, and what each form means.

A *row* is one form of one seed pattern. Rows whose form is a single part hang on that part's string; the others on a small
trie of parts that `match` walks by position. All columns are arrays, so that matching never loops over mentions.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import ahocorasick_rs
import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import patterns
from pipeline.errors import SeedError
from pipeline.patterns import LANGS, Form
from pipeline.text import fold_bytes

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PLACE, ACTOR, LEXICON = 0, 1, 2
LAYERS = {"place": (PLACE,), "actor": (ACTOR,), "lexicon": (LEXICON,), "all": (PLACE, ACTOR, LEXICON)}
KINDS = ("country", "demonym", "adjective", "place", "organisation", "person", "role", "title", "concept", "guard")
KIND = {kind: i for i, kind in enumerate(KINDS)}
# On the same span a guard wins (0), then the more certain kind.
PRIORITY = {"country": 1, "person": 1, "organisation": 2, "place": 3, "demonym": 4, "adjective": 5, "title": 6}
ANY_LANG = (1 << (len(LANGS) + 1)) - 1
LANG_BIT = {lang: 1 << i for i, lang in enumerate(LANGS)} | {"*": ANY_LANG}


def lang_mask(lang: str) -> int:
    """The bit set of a seed's `lang` cell (`hbs`, `de|en`, `*`)."""
    mask = 0
    for one in lang.split("|"):
        mask |= LANG_BIT[one]
    return mask


class Csr(NamedTuple):
    """A list of lists of numbers: the values of key k are values[start[k]:start[k + 1]]."""

    start: Ints
    values: Ints

    def expand(self, keys: Ints) -> tuple[Ints, Ints]:
        """For each key all its values: (index into `keys`, value), both as long as there are values."""
        counts = self.start[keys + 1] - self.start[keys]
        which = np.repeat(np.arange(len(keys)), counts)
        offsets = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.values[self.start[keys][which] + offsets]


def csr(pairs: Iterable[tuple[int, int]], n_keys: int) -> Csr:
    """A Csr from (key, value) pairs, values in the given order."""
    array = np.array(list(pairs), np.int64).reshape(-1, 2)
    order = np.argsort(array[:, 0], kind="stable")
    start = np.searchsorted(array[order, 0], np.arange(n_keys + 1))
    return Csr(start.astype(np.int64), array[order, 1])


class Row(NamedTuple):
    """What one seed pattern means."""

    rule_id: str
    layer: int
    kind: int
    entity: int  # index into Lexis.entities
    mask: int
    priority: int
    tail: int = 0  # letters of a title's connector at the end of the form
    needs_full: bool = False


class Entity(NamedTuple):
    """A thing that can be mentioned: its id, and the country it counts for (empty: none)."""

    entity_id: str
    country_code: str


@dataclass
class _Builder:
    rows: list[Row] = field(default_factory=list)
    row_form: list[tuple[int, int, int, int, bool, bool]] = field(default_factory=list)
    strings: dict[bytes, int] = field(default_factory=dict)
    singles: list[tuple[int, int]] = field(default_factory=list)
    nodes: dict[tuple[int, int, int], int] = field(default_factory=dict)
    node_rows: list[tuple[int, int]] = field(default_factory=list)
    entities: dict[Entity, int] = field(default_factory=dict)

    def entity(self, entity_id: str, country_code: str | None) -> int:
        return self.entities.setdefault(Entity(entity_id, country_code or ""), len(self.entities))

    def add(self, row: Row, forms: Iterable[Form]) -> None:
        for form in forms:
            parts = [(self.strings.setdefault(b" " + fold_bytes(p.text), len(self.strings)), p.n_more) for p in form.parts]
            capitals = (*form.parts[0].capitals[:1], *form.parts[0].capitals[-1:], -1, -1)
            number = len(self.rows)
            self.rows.append(row)
            self.row_form.append((parts[0][1], capitals[0], capitals[1], len(form.parts), form.before, form.after))
            if len(parts) == 1:
                self.singles.append((parts[0][0], number))
                continue
            node = 0
            for string, n_more in parts:
                node = self.nodes.setdefault((node, string, n_more), len(self.nodes) + 1)
            self.node_rows.append((node, number))


class Lexis:
    """The compiled seeds. Columns named `row_*` have one value a row; `strings` are what the automaton looks for."""

    def __init__(self, tables: Mapping[str, pl.DataFrame]) -> None:
        classes = patterns.declensions(tables["declension"].iter_rows(named=True))
        builder = _Builder()
        for row, forms in itertools.chain(
            _place_rows(builder, tables, classes), _actor_rows(builder, tables, classes), _lexicon_rows(builder, tables, classes)
        ):
            builder.add(row, forms)
        self._freeze(builder)

    def _freeze(self, b: _Builder) -> None:
        self.entities = list(b.entities)
        self.rule_ids = [row.rule_id for row in b.rows]
        columns = np.array([row[1:] for row in b.rows], np.int64).reshape(-1, 7)
        self.row_layer, self.row_kind, self.row_entity, self.row_mask, self.row_priority, self.row_tail, needs_full = columns.T
        self.row_needs_full = needs_full.astype(bool)
        forms = np.array(b.row_form, np.int64).reshape(-1, 6)
        self.row_n_more, self.row_capital, self.row_capital2 = forms[:, 0], forms[:, 1], forms[:, 2]
        self.row_before, self.row_after = forms[:, 4].astype(bool), forms[:, 5].astype(bool)
        self.n_strings = len(b.strings)
        self.singles = csr(b.singles, self.n_strings)
        edges = sorted((node, string, n_more, child) for (node, string, n_more), child in b.nodes.items())
        table = np.array(edges, np.int64).reshape(-1, 4)
        self.edge_key = table[:, 0] * self.n_strings + table[:, 1]
        self.edge_n_more, self.edge_child = table[:, 2], table[:, 3]
        self.node_rows = csr(b.node_rows, len(b.nodes) + 1)
        self.string_in_trie = np.zeros(self.n_strings, bool)
        self.string_in_trie[table[:, 1]] = True
        self.string_n_more = np.zeros(self.n_strings, np.int64)
        np.maximum.at(self.string_n_more, table[:, 1], table[:, 2])
        strings, rows = np.array(b.singles, np.int64).reshape(-1, 2).T
        np.maximum.at(self.string_n_more, strings, self.row_n_more[rows])
        self.strings = list(b.strings)
        self.automaton = ahocorasick_rs.BytesAhoCorasick(self.strings, implementation=ahocorasick_rs.Implementation.ContiguousNFA)


Rows = Iterator[tuple[Row, list[Form]]]


def _place_rows(b: _Builder, tables: Mapping[str, pl.DataFrame], classes: patterns.Declensions) -> Rows:
    for r in tables["gazetteer"].iter_rows(named=True):
        codes = r["country_codes"] or ""
        entity = b.entity(r["entity_id"], "" if "|" in codes else codes)
        yield from _expanded(r, PLACE, KIND[r["kind"]], entity, r["entity_id"], classes)
    for r in tables["guard"].iter_rows(named=True):
        for layer in LAYERS[r["suppresses"]]:
            yields = (r["yields_entity"] or "") if layer == PLACE else ""
            kind = KIND[r["yields_kind"]] if yields else KIND["guard"]
            for row, forms in _expanded(r, layer, kind, b.entity(yields, yields), f"guard:{r['guard_id']}", classes):
                yield row._replace(priority=0), forms


def _actor_rows(b: _Builder, tables: Mapping[str, pl.DataFrame], classes: patterns.Declensions) -> Rows:
    actors = {r["actor_id"]: r for r in tables["actor"].iter_rows(named=True)}
    for r in tables["actor_alias"].iter_rows(named=True):
        actor = actors[r["actor_id"]]
        entity = b.entity(actor["actor_id"], actor["country_code"])
        for row, forms in _expanded(r, ACTOR, KIND[actor["kind"]], entity, actor["actor_id"], classes):
            yield row._replace(needs_full=r["when"] == "full"), forms
    connectors: dict[str, list[str]] = {}
    titles = tables["title"].sort("title_id")
    for r in titles.filter(pl.col("title_id") == "_of").iter_rows(named=True):
        for lang in r["lang"].split("|"):
            connectors.setdefault(lang, []).extend(patterns.split(r["patterns"]))
    for r in titles.filter(pl.col("title_id") != "_of").iter_rows(named=True):
        entity = b.entity(r["title_id"], r["implies"])
        for row, forms in _expanded(r, ACTOR, KIND["title"], entity, r["title_id"], classes):
            yield row, forms
            for connector in connectors.get(r["lang"], []):
                joined = [
                    f._replace(parts=(*f.parts[:-1], _joined(f.parts[-1], connector))) for f in forms if not f.parts[-1].n_more
                ]
                yield row._replace(tail=len(connector) + 1), joined


def _joined(part: patterns.Part, connector: str) -> patterns.Part:
    return part._replace(text=f"{part.text} {patterns.expand(connector, '*', {})[0].parts[0].text}")


def _lexicon_rows(b: _Builder, tables: Mapping[str, pl.DataFrame], classes: patterns.Declensions) -> Rows:
    for r in tables["lexicon"].iter_rows(named=True):
        entity = b.entity(r["concept_id"], "")
        yield from _expanded(r, LEXICON, KIND["concept"], entity, r["concept_id"], classes)


def _expanded(r: Mapping[str, str], layer: int, kind: int, entity: int, name: str, classes: patterns.Declensions) -> Rows:
    """One Row a pattern of a seed line, with its forms in all the line's languages."""
    mask = lang_mask(r["lang"])
    for pattern in patterns.split(r["patterns"]):
        forms: dict[Form, None] = {}
        try:
            for lang in r["lang"].split("|"):
                forms |= dict.fromkeys(patterns.expand(pattern, lang, classes))
        except SeedError as error:
            raise SeedError(f"{r.get('_file')}:{r.get('_line')}: {error}") from None
        yield Row(f"{name}/{r['lang']}/{pattern}", layer, kind, entity, mask, PRIORITY.get(KINDS[kind], 9)), list(forms)
