"""Mentions of a batch: names as they were matched, offices put together from a title and its holder, and who held them."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.tag.arrays import Bools, Ints, ordered
from pipeline.tag.lexis import KIND, Lexis, Names
from pipeline.tag.match import Matches
from pipeline.tag.offices import Offices
from pipeline.tag.texts import Batch
from pipeline.text import SPACE


@dataclass(frozen=True)
class Spans:
    """Mentions of one batch, by position; entity, country and role are numbers of Names, 0 for none."""

    start: Ints
    end: Ints
    kind: Ints
    entity: Ints
    country: Ints
    role: Ints
    rule: Ints

    def take(self, index: Ints | Bools) -> "Spans":
        """Some of them."""
        return Spans(*(column[index] for column in self.columns()))

    def columns(self) -> tuple[Ints, ...]:
        """All columns, in order."""
        return self.start, self.end, self.kind, self.entity, self.country, self.role, self.rule


class Resolver:
    """Knows the offices and people of the seeds by their numbers."""

    def __init__(self, names: Names, roles: pl.DataFrame, actor_country: dict[str, str]) -> None:
        self.names = names
        self.actor_country = actor_country
        self.offices = Offices(roles, actor_country)
        people = [names.number(person) for person in self.offices.person_ids]
        self.person_number = np.full(len(names.texts), -1, np.int64)
        self.person_number[people] = np.arange(len(people))
        self.term_person = np.array(people, np.int64)[self.offices.person] if people else np.zeros(0, np.int64)
        self.term_country = np.array([names.number(code) for code in self.offices.country], np.int64)
        self.en, self.sq = names.number("en"), names.number("sq")
        self._office: dict[tuple[int, int], tuple[int, int, int]] = {}  # (title, holder): role, its number, country

    def spans(self, lexis: Lexis, texts: Batch, found: Matches, days: Ints) -> Spans:
        """All mentions, by position, of what was found in the layers of names; `days` is the day of each document or NO_DATE."""
        kind = lexis.row_kind[found.row]
        names = found.take((kind < KIND["role"]) & _has_full_name(lexis, texts, found))
        names = names.take(_first_of_each(lexis, names))
        kind, country = lexis.row_kind[names.row], lexis.row_country[names.row].copy()
        people = np.flatnonzero(kind == KIND["person"])
        number = self.person_number[lexis.row_entity[names.row[people]]]
        people, number = people[number >= 0], number[number >= 0]
        term = self.offices.in_office(self.offices.by_person, number, days[texts.document(names.start[people])])
        country[people[term >= 0]] = self.term_country[term[term >= 0]]
        none = np.zeros(len(names.row), np.int64)
        plain = Spans(names.start, names.end, kind, lexis.row_entity[names.row], country, none, lexis.row_rule[names.row])
        titles = found.take(lexis.row_kind[found.row] == KIND["title"])
        roles = self._roles(lexis, texts, titles, plain, days)
        both = Spans(*(np.concatenate(pair) for pair in zip(plain.columns(), roles.columns(), strict=True)))
        both = both.take(ordered(both.entity << 4 | both.kind))
        width = both.end - both.start
        both = both.take(ordered((both.start << int(width.max(initial=0)).bit_length()) + width))
        same = (np.diff(both.start) == 0) & (np.diff(both.end) == 0) & (np.diff(both.entity) == 0)  # a place and an actor
        return both.take(np.concatenate((np.ones(min(len(both.start), 1), bool), ~same)))

    def _roles(self, lexis: Lexis, texts: Batch, titles: Matches, names: Spans, days: Ints) -> Spans:
        """Titles next to a holder (`President of Kosovo`, `kosovska predsednica`), or that imply one."""
        start, end, holder = self._holders(lexis, texts, titles, names)
        title, implied = lexis.row_entity[titles.row], lexis.row_country[titles.row]
        held = np.where(holder >= 0, names.entity[holder] if len(names.entity) else 0, implied)
        kept = held > 0
        start, end = start[kept], end[kept]
        office = [
            self._office_of(*three)
            for three in zip(title[kept].tolist(), held[kept].tolist(), implied[kept].tolist(), strict=True)
        ]
        role, number, country = np.array(office, np.int64).reshape(-1, 3).T
        known = np.flatnonzero(number >= 0)
        days = days[texts.document(start[known])]
        term = self.offices.in_office(self.offices.by_role, number[known], days)
        entity = role.copy()
        entity[known[term >= 0]] = self.term_person[term[term >= 0]]
        kind = np.full(len(role), KIND["role"])
        return Spans(start, end, kind, entity, country, role, lexis.row_rule[titles.row[kept]])

    def _office_of(self, title: int, holder: int, implied: int) -> tuple[int, int, int]:
        """(role, its number or -1, country). `High Representative` next to `Bosnia` is still the office it implies."""
        office = self._office.get((title, holder))
        if office is None:
            held_by = self.names.texts[holder]
            role = f"{self.names.texts[title]}:{held_by}"
            if implied and role not in self.offices.role_number:
                held_by = self.names.texts[implied]
                role = f"{self.names.texts[title]}:{held_by}"
            country = self.actor_country.get(held_by, held_by if len(held_by) == 2 else "")
            office = (self.names.number(role), self.offices.role_number.get(role, -1), self.names.number(country))
            self._office[title, holder] = office
        return office

    def _holders(self, lexis: Lexis, texts: Batch, titles: Matches, names: Spans) -> tuple[Ints, Ints, Ints]:
        """(start, end, index into `names` of the holder or -1) of each title with its holder."""
        base_end = titles.end - lexis.row_tail[titles.row]
        lang = lexis.row_lang[titles.row]
        is_name = (names.kind == KIND["country"]) | (names.kind == KIND["organisation"])
        is_adjective = names.kind == KIND["adjective"]
        by_start = np.flatnonzero(is_name | is_adjective)
        by_end = by_start[np.argsort(names.end[by_start], kind="stable")]
        by_start = by_start[np.argsort(names.start[by_start], kind="stable")]

        def fits(at: Ints, is_name_allowed: Bools, is_adjective_allowed: Bools) -> Ints:
            good = (at >= 0) & ((is_name[at] & is_name_allowed) | (is_adjective[at] & is_adjective_allowed))
            return np.where(good, at, -1)

        if not len(by_start):
            return titles.start, base_end, np.full(len(titles.row), -1)
        always = np.ones(len(lang), bool)
        # `President of Kosovo`; Albanian adjectives follow too
        after = fits(_lookup(by_start, names.start[by_start], titles.end + 1), always, lang == self.sq)
        # `kosovska predsednica`; a bare name only in English: `Kosovo President`
        before = fits(_lookup(by_end, names.end[by_end], titles.start - 1), lang == self.en, always)
        letters = texts.folded
        is_possessive = (letters[titles.start - 2] == ord("s")) & (letters[titles.start - 3] == SPACE)
        owner = fits(_lookup(by_end, names.end[by_end], titles.start - 3), is_possessive, always & False)  # `Kosovo's President`
        before = np.where(before >= 0, before, owner)
        holder = np.where(after >= 0, after, before)
        start = np.where((after < 0) & (before >= 0), names.start[before], titles.start)
        end = np.where(after >= 0, names.end[after], base_end)
        return start, end, holder


def _first_of_each(lexis: Lexis, names: Matches) -> Ints:
    """Of several bearers of a surname named in full the first keeps the span: one name a span and layer."""
    key = (names.start << 32 | names.end << 2) | lexis.row_layer[names.row]
    order = ordered(key)
    return np.sort(order[np.diff(key[order], prepend=-1) > 0])


def _has_full_name(lexis: Lexis, texts: Batch, found: Matches) -> Bools:
    """False for a bare surname whose bearer's full name stands nowhere in the text."""
    needs: Bools = lexis.row_needs_full[found.row]
    if not needs.any():
        return ~needs
    entity = lexis.row_entity[found.row]
    wanted = np.zeros(int(entity.max()) + 1, bool)
    wanted[entity[needs]] = True
    asked = np.flatnonzero(wanted[entity])  # all others need not be looked at
    key, asks = texts.document(found.start[asked]) << 32 | entity[asked], needs[asked]
    has = np.ones(len(needs), bool)
    has[asked[asks]] = np.isin(key[asks], key[~asks])
    return has


def _lookup(index: Ints, values: Ints, wanted: Ints) -> Ints:
    """index[k] where values[k] (ascending) is the wanted value, -1 where there is none."""
    at = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[at] == wanted, index[at], -1)
