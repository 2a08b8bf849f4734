"""Topic rules: a small language over what stands in one sentence, read once and evaluated on arrays of sentences.

all(roadblock, any(@XK, @RS))      near(6, police, clash)      all(gas, not(weather))      all(strike, doc(#kfor))
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from pipeline.errors import SeedError
from pipeline.tag.arrays import Bools, Csr, Ints, csr, ordered, ranges
from pipeline.text import Bytes

_TOKEN = re.compile(r"\s*([@#]?\w+|[(),])")
LEAD, PASSING = 1.5, 0.75
LONG_TEXT, LEAD_SENTENCES = 12, 3
_BESIDE = np.array([[-1], [0], [1]])
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


class _Step(NamedTuple):
    """One expression of all the rules, its arguments as numbers of expressions."""

    op: str
    args: list[int]
    distance: int
    sides: list[list[int]]  # of near(): the atoms of both arguments


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
        nodes = [parse(expression) for expression in rules["expression"]]
        names = sorted({atom for node in nodes for atom in atoms(node)})
        self.atom_number = {name: i for i, name in enumerate(names)}
        pairs = [(i, self.atom_number[a]) for i, node in enumerate(nodes) for a in dict.fromkeys(_positive(node))]
        self.rule_atoms: Csr = csr(pairs, len(nodes))
        self.steps: list[_Step] = []
        self._numbers = {Node("atom", atom=name): i for i, name in enumerate(names)}
        self.rule_number = [self._number(node) for node in nodes]

    def _number(self, node: Node) -> int:
        """The number of an expression: first come all atoms, then `steps`, each once and after its arguments."""
        if node not in self._numbers:
            args = [self._number(arg) for arg in node.args]
            sides = [[self.atom_number[atom] for atom in atoms(arg)] for arg in node.args] if node.op == "near" else []
            self._numbers[node] = len(self.atom_number) + len(self.steps)
            self.steps.append(_Step(node.op, args, node.distance, sides))
        return self._numbers[node]

    def hits(self, facts: Facts) -> Hits:
        """Where each rule holds."""
        evaluation = _Evaluation(facts, len(self.atom_number))
        for step in self.steps:
            evaluation.add(step)
        found = [evaluation.sentences(number) for number in self.rule_number]
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
        order = ordered(have)
        have = have[order]
        low, high = np.searchsorted(have, wanted), np.searchsorted(have, wanted, "right")
        pick, at_fact = ranges(low, high)
        fact = order[at_fact]
        hit = held[which[pick]]
        return at[hit], hits.rule[hit], fact


class _Evaluation:
    """Expressions over the sentences of one batch: for each one bit a sentence, and bits without meaning at the end."""

    def __init__(self, facts: Facts, n_atoms: int) -> None:
        self.facts = facts
        self.by_atom = ordered(facts.atom)
        self.atom_start: list[int] = np.searchsorted(facts.atom[self.by_atom], np.arange(n_atoms + 1)).tolist()
        self.n_docs = int(facts.sentence_doc.max()) + 1 if len(facts.sentence_doc) else 0
        stands = np.zeros((n_atoms, -(-facts.n_sentences // 8)), np.uint8)
        np.bitwise_or.at(stands, (facts.atom, facts.sentence >> 3), np.left_shift(1, facts.sentence & 7).astype(np.uint8))
        self.bits: list[Bytes] = list(stands)

    def add(self, step: _Step) -> None:
        """The bits of one more expression."""
        first, *others = (self.bits[arg] for arg in step.args)
        if step.op == "near":
            first = self._near(first & others[0], step)
        elif step.op == "not":
            first = ~first
        elif step.op == "doc":
            held = np.zeros(self.n_docs, bool)
            held[self.facts.sentence_doc[self._flags(first)]] = True
            first = np.packbits(held[self.facts.sentence_doc], bitorder="little")
        else:
            for other in others:
                first = first & other if step.op == "all" else first | other
        self.bits.append(first)

    def sentences(self, number: int) -> Ints:
        """The sentences in which an expression holds."""
        bits = self.bits[number]
        some = bits.nonzero()[0]
        at = np.unpackbits(bits[some], bitorder="little").nonzero()[0]
        held: Ints = some[at >> 3] << 3 | at & 7
        return held[: int(held.searchsorted(self.facts.n_sentences))]

    def _flags(self, bits: Bytes) -> Bools:
        flags: Bools = np.unpackbits(bits, count=self.facts.n_sentences, bitorder="little").view(bool)
        return flags

    def _matches(self, atoms: list[int], held: Bools) -> Ints:
        """The facts of some atoms in the sentences held, in no order."""
        picked = np.concatenate([self.by_atom[self.atom_start[n] : self.atom_start[n + 1]] for n in atoms])
        there: Ints = picked[held[self.facts.sentence[picked]]]
        return there

    def _near(self, both: Bytes, step: _Step) -> Bytes:
        """Where both sides stand, and their next matches so many words apart."""
        if not both.any():
            return both
        facts, held = self.facts, self._flags(both)
        left, right = (self._matches(side, held) for side in step.sides)
        right.sort()
        sentence = facts.sentence[left]
        at = facts.start[right].searchsorted(facts.start[left])
        other = right.take(at + _BESIDE, mode="clip")
        apart = np.abs(facts.word[other] - facts.word[left])
        near = (apart <= step.distance) & (apart > 0) & (facts.sentence[other] == sentence)
        held = np.zeros(facts.n_sentences, bool)
        held[sentence[near.any(0)]] = True
        return np.packbits(held, bitorder="little")


def check(expression: str, known: Collection[str]) -> list[str]:
    """What is wrong with an expression, given the atoms that exist."""
    try:
        node = parse(expression)
    except SeedError as error:
        return [str(error)]
    return [f"`{atom}` is not a concept, @country, @group, #actor or #category" for atom in atoms(node) if atom not in known]
