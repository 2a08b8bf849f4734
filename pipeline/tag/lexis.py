"""Seeds compiled for matching: every form of every pattern, one trie, and what each form means.

A *row* is one form of one seed pattern. Rows whose form is a single part hang on that part's string; the others on the string of
one of their parts (`phrases`). All columns are arrays, so that matching is compiled code.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline import patterns
from pipeline.errors import SeedError
from pipeline.patterns import Form
from pipeline.tag.arrays import Csr, Ints, csr, lines, unlined
from pipeline.tag.phrases import PhraseLists, anchor, phrases
from pipeline.tag.trie import Trie, begun, trie

PLACE, ACTOR, LEXICON = 0, 1, 2
LAYERS = {"place": (PLACE,), "actor": (ACTOR,), "lexicon": (LEXICON,), "all": (PLACE, ACTOR, LEXICON)}
KINDS = ("country", "demonym", "adjective", "place", "organisation", "person", "role", "title", "concept", "guard")
KIND = {kind: i for i, kind in enumerate(KINDS)}
# On the same span a guard wins (0), then the more certain kind.
PRIORITY = {"country": 1, "person": 1, "organisation": 2, "place": 3, "demonym": 4, "adjective": 5, "title": 6}


# What a row asks of the place where it stands: letters that may follow its only part, capitals (-1: none), capitalised words next
# to it, letters before and of the evidence; then its layer, priority and whether a full name must stand elsewhere.
FORM = ("n_more", "capital", "capital2", "before", "after", "lead", "core")
FIT = np.dtype(
    [(name, np.int16) for name in FORM] + [(name, np.int8) for name in ("layer", "priority", "needs_full")], align=True
)


class Names:
    """All ids that can stand in a result, numbered; 0 is the empty one."""

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self._number: dict[str, int] = {"": 0}
        self._series = pl.Series([""])

    def number(self, text: str | None) -> int:
        """The number of an id, a new one if need be."""
        number = self._number.setdefault(text or "", len(self.texts))
        if number == len(self.texts):
            self.texts.append(text or "")
        return number

    def column(self, numbers: Ints) -> pl.Series:
        """The ids of some numbers, null for 0."""
        if len(self._series) != len(self.texts):
            self._series = pl.Series([None, *self.texts[1:]], dtype=pl.String)
        return self._series.gather(numbers)


class Row(NamedTuple):
    """What one seed pattern means. `entity` and `country` are numbers of Names; a title keeps its implied holder in `country`."""

    rule: int
    layer: int
    kind: int
    entity: int
    country: int
    priority: int
    tail: int = 0  # letters of a title's connector at the end of the form
    needs_full: bool = False
    lang: int = 0  # number of Names


@dataclass
class _Builder:
    lang: str | None
    names: Names
    classes: patterns.Declensions
    rows: list[Row] = field(default_factory=list)
    row_form: list[tuple[int, int, int, bool, bool, int, int]] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    strings: dict[bytes, int] = field(default_factory=dict)
    singles: list[tuple[int, int]] = field(default_factory=list)
    phrases: PhraseLists = field(default_factory=PhraseLists)
    concepts: list[tuple[int, int]] = field(default_factory=list)

    def langs(self, cell: str) -> list[str]:
        """The languages of a seed line that are compiled here."""
        return [one for one in cell.split("|") if self.lang is None or one in {self.lang, "*"}]

    def string(self, part: patterns.Part) -> int:
        """A part as the trie has it: from a gap, and to a gap unless letters may follow."""
        closed = b"" if part.n_more else b" "
        return self.strings.setdefault(b" " + part.text + closed, len(self.strings))

    def add(self, row: Row, forms: Iterable[Form]) -> None:
        for form in forms:
            parts = form.parts
            capitals = (*dict.fromkeys((*parts[0].capitals[:1], *parts[0].capitals[-1:])), -1, -1)
            number = len(self.rows)
            self.rows.append(row)
            self.row_form.append((parts[0].n_more, capitals[0], capitals[1], form.before, form.after, form.lead, form.core))
            string = self.string(parts[anchor(parts)])
            if len(parts) == 1:
                self.singles.append((string, number))
            else:
                self.phrases.add(parts, string, number)

    def bundle(self, rows: Iterable[tuple[Row, list[Form]]]) -> None:
        """Add topic words: a form that stands in several concepts is one row, with all of them in `concepts`."""
        bundles: dict[tuple[Form, int], tuple[Row, dict[int, None]]] = {}
        for row, forms in rows:
            for form in forms:
                _, concepts = bundles.setdefault((form, row.kind), (row, {}))
                concepts[row.entity] = None
        for (form, _), (row, concepts) in bundles.items():
            number = len(self.rows)
            self.concepts += [(number, concept) for concept in concepts]
            self.add(row, [form])

    def line(
        self, r: Mapping[str, str], layer: int, kind: str, entity: str, country: str | None, name: str
    ) -> Iterator[tuple[Row, list[Form]]]:
        """One Row a pattern of a seed line, with its forms in the languages compiled here."""
        langs = self.langs(r["lang"])
        for pattern in patterns.split(r["patterns"]) if langs else []:
            forms: dict[Form, None] = {}
            try:
                for lang in langs:
                    forms |= dict.fromkeys(patterns.expand(pattern, lang, self.classes))
            except SeedError as error:
                raise SeedError(f"{r['_file']}:{r['_line']}: {error}") from None
            self.rules.append(f"{name}/{r['lang']}/{pattern}")
            row = Row(
                len(self.rules) - 1, layer, KIND[kind], self.names.number(entity), self.names.number(country),
                PRIORITY.get(kind, 9), lang=self.names.number(r["lang"]),
            )  # fmt: skip
            yield row, list(forms)


State = Mapping[str, npt.NDArray[Any]]


def compiled(tables: Mapping[str, pl.DataFrame], names: Names, lang: str | None) -> State:
    """The seeds compiled for texts of one language, or (None) of all: plain arrays, fit to be kept in a file."""
    b = _Builder(lang, names, patterns.declensions(tables["declension"].iter_rows(named=True)))
    rows = [*_place_rows(b, tables), *_actor_rows(b, tables)]
    for row, forms in rows:
        if row.layer != LEXICON:  # guards of all layers stand here too
            b.add(row, forms)
    b.bundle([*((row, forms) for row, forms in rows if row.layer == LEXICON), *_lexicon_rows(b, tables)])
    made = trie(list(b.strings))
    return {
        "rows": np.array(b.rows, np.int32).reshape(-1, len(Row._fields)),
        "forms": np.array(b.row_form, np.int32).reshape(-1, 7),
        "rules": lines([rule.encode() for rule in b.rules]),
        "strings": lines(list(b.strings)),
        "trie": made.state,
        "number": made.number,
        "singles": np.array(b.singles, np.int32).reshape(-1, 2),
        "concepts": np.array(b.concepts, np.int32).reshape(-1, 2),
        **b.phrases.state(),
    }


class Lexis:
    """What `compiled` made, ready for matching.

    Columns named `row_*` have one value a row; `strings` are what the trie holds.
    """

    def __init__(self, state: State) -> None:
        self.rule_ids = pl.Series([rule.decode() for rule in unlined(state["rules"])], dtype=pl.String)
        rows = state["rows"].astype(np.int64).T
        self.row_rule, self.row_layer, self.row_kind, self.row_entity, self.row_country, self.row_priority = rows[:6]
        self.row_tail, self.row_needs_full, self.row_lang = rows[6], rows[7].astype(bool), rows[8]
        self.fits = np.zeros(rows.shape[1], FIT)
        for name, column in zip(FORM, state["forms"].T, strict=True):
            self.fits[name] = column
        self.fits["layer"], self.fits["priority"], self.fits["needs_full"] = (
            self.row_layer,
            self.row_priority,
            self.row_needs_full,
        )
        self.strings = unlined(state["strings"])
        singles = csr(state["singles"], len(self.strings))
        self.singles = Csr(singles.start.astype(np.int32), singles.values.astype(np.int32))
        self.concepts = csr(state["concepts"], rows.shape[1])
        self.phrases = phrases(state, len(self.strings))
        self.trie = begun(Trie(state["trie"], state["number"]), b" ")


Rows = Iterator[tuple[Row, list[Form]]]


def _place_rows(b: _Builder, tables: Mapping[str, pl.DataFrame]) -> Rows:
    for r in tables["gazetteer"].iter_rows(named=True):
        codes = r["country_codes"] or ""
        yield from b.line(r, PLACE, r["kind"], r["entity_id"], "" if "|" in codes else codes, r["entity_id"])
    for r in tables["guard"].iter_rows(named=True):
        for layer in LAYERS[r["suppresses"]]:
            yields = (r["yields_entity"] or "") if layer == PLACE else ""
            kind = r["yields_kind"] if yields else "guard"
            code = "" if "|" in yields else yields
            for row, forms in b.line(r, layer, kind, yields, code, f"guard:{r['guard_id']}"):
                yield row._replace(priority=0), forms


def _actor_rows(b: _Builder, tables: Mapping[str, pl.DataFrame]) -> Rows:
    actors = {r["actor_id"]: r for r in tables["actor"].iter_rows(named=True)}
    for r in tables["actor_alias"].iter_rows(named=True):
        actor = actors[r["actor_id"]]
        for row, forms in b.line(r, ACTOR, actor["kind"], actor["actor_id"], actor["country_code"], actor["actor_id"]):
            if r["when"] == "full":  # whoever needs no full name goes first
                row = row._replace(needs_full=True, priority=row.priority + 1)
            yield row, forms
    connectors: dict[str, list[str]] = {}
    titles = tables["title"]
    for r in titles.filter(pl.col("title_id") == "_of").iter_rows(named=True):
        for lang in r["lang"].split("|"):
            connectors.setdefault(lang, []).extend(patterns.split(r["patterns"]))
    for r in titles.filter(pl.col("title_id") != "_of").iter_rows(named=True):
        for row, forms in b.line(r, ACTOR, "title", r["title_id"], r["implies"], r["title_id"]):
            yield row, forms
            for connector in connectors.get(r["lang"], []):
                whole = [f for f in forms if not f.parts[-1].n_more]
                joined = [f._replace(parts=(*f.parts[:-1], _joined(f.parts[-1], connector))) for f in whole]
                yield row._replace(tail=len(connector) + 1), joined


def _joined(part: patterns.Part, connector: str) -> patterns.Part:
    return part._replace(text=part.text + b" " + patterns.expand(connector, "*", {})[0].parts[0].text)


def _lexicon_rows(b: _Builder, tables: Mapping[str, pl.DataFrame]) -> Rows:
    for r in tables["lexicon"].iter_rows(named=True):
        yield from b.line(r, LEXICON, "concept", r["concept_id"], "", r["concept_id"])
