"""Topic rules: a small language over what stands in one sentence, read once and evaluated on arrays of sentences.

all(roadblock, any(@XK, @RS))      near(6, police, clash)      all(gas, not(weather))      all(strike, doc(#kfor))
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from pipeline.errors import SeedError
from pipeline.tag.arrays import Bools, Csr, Ints, csr, ranges

_TOKEN = re.compile(r"\s*([@#]?\w+|[(),])")
LEAD, PASSING = 1.5, 0.75
LONG_TEXT, LEAD_SENTENCES = 12, 3
FUNCTIONS = ("all", "any", "not", "near", "doc")


class Node(NamedTuple):
    """An expression: a function with its arguments, or an atom (`op` = "atom")."""

    op: str
    args: tuple["Node", ...] = ()
    atom: str = ""
    distance: int = 0


def parse(expression: str) -> Node:
    """The tree of an expression; a mistake raises SeedError saying what was expected."""
    tokens = _TOKEN.findall(expression)
    if "".join(tokens) != re.sub(r"\s", "", expression):
        raise SeedError(f"`{expression}`: only names, @codes, #actors, commas and brackets are allowed")
    node, rest = _node(tokens, expression)
    if rest:
        raise SeedError(f"`{expression}`: `{rest[0]}` is one too many")
    return node


def _node(tokens: list[str], whole: str) -> tuple[Node, list[str]]:
    if not tokens or not re.match(r"[@#\w]", tokens[0]):
        raise SeedError(f"`{whole}`: a name is missing")
    name, rest = tokens[0], tokens[1:]
    if not rest or rest[0] != "(":
        return Node("atom", atom=name), rest
    if name not in FUNCTIONS:
        raise SeedError(f"`{whole}`: `{name}` is not one of {', '.join(FUNCTIONS)}")
    distance, args = 0, []
    while rest and rest[0] in "(,":
        if name == "near" and not distance:
            if len(rest) < 2 or not rest[1].isdigit():
                raise SeedError(f"`{whole}`: near() begins with a number of words")
            distance, rest = int(rest[1]), rest[2:]
            continue
        arg, rest = _node(rest[1:], whole)
        args.append(arg)
    wanted = {"not": (1, 1), "doc": (1, 1), "near": (2, 2)}.get(name, (1, 99))
    if not rest or rest[0] != ")" or not wanted[0] <= len(args) <= wanted[1]:
        raise SeedError(f"`{whole}`: {name}() is not closed or has the wrong number of arguments")
    return Node(name, tuple(args), distance=distance), rest[1:]


def atoms(node: Node) -> Iterator[str]:
    """All atoms of an expression."""
    if node.op == "atom":
        yield node.atom
    for arg in node.args:
        yield from atoms(arg)


def _positive(node: Node) -> Iterator[str]:
    if node.op == "atom":
        yield node.atom
    elif node.op != "not":
        for arg in node.args:
            yield from _positive(arg)


@dataclass(frozen=True)
class Facts:
    """What stands where in a batch: one value a match of an atom, sorted by (sentence, start)."""

    atom: Ints
    sentence: Ints
    start: Ints
    word: Ints  # number of the word the match begins in
    n_sentences: int
    sentence_doc: Ints  # document of each sentence
    is_lead: Bools  # is the sentence a title, or the first of a text without one?


class Hits(NamedTuple):
    """(rule, sentence) pairs that hold."""

    rule: Ints
    sentence: Ints


class Rules:
    """The compiled rules and topics."""

    def __init__(self, rules: pl.DataFrame, topics: pl.DataFrame) -> None:
        self.topic_id = topics["topic_id"]
        self.topic_ids = self.topic_id.to_list()
        self.thresholds = topics["threshold"].cast(pl.Float64).to_numpy()
        self.rule_id = rules["rule_id"]
        number = {topic_id: i for i, topic_id in enumerate(self.topic_ids)}
        self.topic = np.array([number[t] for t in rules["topic_id"]], np.int64)
        self.weight = rules["weight"].cast(pl.Float64).to_numpy()
        self.nodes = [parse(expression) for expression in rules["expression"]]
        names = sorted({atom for node in self.nodes for atom in atoms(node)})
        self.atom_number = {name: i for i, name in enumerate(names)}
        pairs = [(i, self.atom_number[a]) for i, node in enumerate(self.nodes) for a in dict.fromkeys(_positive(node))]
        self.rule_atoms: Csr = csr(pairs, len(self.nodes))

    def hits(self, facts: Facts) -> Hits:
        """Where each rule holds."""
        stands = np.zeros((len(self.atom_number), facts.n_sentences), bool)
        stands[facts.atom, facts.sentence] = True
        evaluate = _Evaluation(facts, stands, self.atom_number)
        found = [np.flatnonzero(evaluate(node)) for node in self.nodes]
        counts = np.array([len(f) for f in found], np.int64)
        return Hits(np.repeat(np.arange(len(found)), counts), np.concatenate(found) if found else counts)

    def scores(self, hits: Hits, facts: Facts) -> tuple[Ints, Ints, np.ndarray]:
        """(document, topic, score from 0 to 1) at or above the topic's threshold.

        A rule counts for at most three sentences of a document, each time half; a lead sentence counts half as much again,
        one further down a long text a quarter less.
        """
        doc = facts.sentence_doc[hits.sentence]
        first = np.searchsorted(facts.sentence_doc, doc)
        length = np.searchsorted(facts.sentence_doc, doc, "right") - first
        in_passing = (length > LONG_TEXT) & (hits.sentence - first > LEAD_SENTENCES)
        place = np.where(facts.is_lead[hits.sentence], LEAD, np.where(in_passing, PASSING, 1.0))
        weight = np.minimum(self.weight[hits.rule] * place, 0.95)
        order = np.lexsort((-weight, hits.rule, doc))
        doc, rule, weight = doc[order], hits.rule[order], weight[order]
        new = np.concatenate(([True], (doc[1:] != doc[:-1]) | (rule[1:] != rule[:-1])))[: len(doc)]
        nth = np.arange(len(doc)) - np.maximum.accumulate(np.where(new, np.arange(len(doc)), 0))
        doubt = np.log1p(-weight * 0.5**nth) * (nth < 3)
        key = doc * len(self.topic_ids) + self.topic[rule]
        keys, which = np.unique(key, return_inverse=True)
        score = 1 - np.exp(np.bincount(which, doubt, len(keys)))
        doc, topic = keys // len(self.topic_ids), keys % len(self.topic_ids)
        given = score >= self.thresholds[topic] - 1e-9
        return doc[given], topic[given], score[given]

    def evidence(self, hits: Hits, facts: Facts, doc: Ints, topic: Ints) -> tuple[Ints, Ints, Ints]:
        """(index into doc/topic, rule, index into facts) of every match that speaks for a given topic of a document."""
        given = doc * len(self.topic_ids) + topic
        key = facts.sentence_doc[hits.sentence] * len(self.topic_ids) + self.topic[hits.rule]
        at = np.minimum(np.searchsorted(given, key), max(len(given) - 1, 0))
        held = np.flatnonzero(given[at] == key) if len(given) else np.zeros(0, np.int64)
        which, atom = self.rule_atoms.expand(hits.rule[held])
        wanted = hits.sentence[held][which] * len(self.atom_number) + atom
        have = facts.sentence * len(self.atom_number) + facts.atom
        order = np.argsort(have, kind="stable")
        low, high = np.searchsorted(have[order], wanted), np.searchsorted(have[order], wanted, "right")
        pick, at_fact = ranges(low, high)
        fact = order[at_fact]
        hit = held[which[pick]]
        return at[hit], hits.rule[hit], fact


class _Evaluation:
    """Expressions over the sentences of one batch; each call gives one flag a sentence."""

    def __init__(self, facts: Facts, stands: Bools, number: Mapping[str, int]) -> None:
        self.facts, self.stands, self.number = facts, stands, number
        order = np.argsort(facts.atom, kind="stable")
        self.by_atom = order
        self.atom_start = np.searchsorted(facts.atom[order], np.arange(len(number) + 1))
        self.n_docs = int(facts.sentence_doc.max()) + 1 if len(facts.sentence_doc) else 0

    def __call__(self, node: Node) -> Bools:
        if node.op == "atom":
            row: Bools = self.stands[self.number[node.atom]]
            return row
        if node.op == "near":
            return self._near(node)
        first, *others = (self(arg) for arg in node.args)
        if node.op == "not":
            return ~first
        if node.op == "doc":
            held = np.zeros(self.n_docs, bool)
            held[self.facts.sentence_doc[first]] = True
            return held[self.facts.sentence_doc]
        for other in others:
            first = first & other if node.op == "all" else first | other
        return first

    def _matches(self, node: Node) -> Ints:
        numbers = [self.number[a] for a in atoms(node)]
        picked = [self.by_atom[self.atom_start[n] : self.atom_start[n + 1]] for n in numbers]
        return np.sort(np.concatenate(picked))

    def _near(self, node: Node) -> Bools:
        facts = self.facts
        held = self(node.args[0]) & self(node.args[1])
        if not held.any():
            return held
        left, right = (self._matches(arg) for arg in node.args)
        left, right = left[held[facts.sentence[left]]], right[held[facts.sentence[right]]]
        held = np.zeros(facts.n_sentences, bool)
        at = np.searchsorted(facts.start[right], facts.start[left])
        for step in (-1, 0, 1):
            other = right[np.clip(at + step, 0, len(right) - 1)]
            close = np.abs(facts.word[other] - facts.word[left]) <= node.distance
            same = (facts.sentence[other] == facts.sentence[left]) & (facts.word[other] != facts.word[left])
            held[facts.sentence[left[close & same]]] = True
        return held


def check(expression: str, known: Collection[str]) -> list[str]:
    """What is wrong with an expression, given the atoms that exist."""
    try:
        node = parse(expression)
    except SeedError as error:
        return [str(error)]
    return [f"`{atom}` is not a concept, @country, @group, #actor or #category" for atom in atoms(node) if atom not in known]
