"""Topic rules: a small language over what stands in one sentence, read once and evaluated on arrays of sentences.

all(roadblock, any(@XK, @RS))      near(6, police, clash)      all(gas, not(weather))      all(strike, doc(#kfor))
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from pipeline.errors import SeedError
from pipeline.tag.arrays import Bools, Csr, Ints, Places, csr, inner, native

_TOKEN = re.compile(r"\s*([@#]?\w+|[(),])")
LEAD, PASSING = 1.5, 0.75
LONG_TEXT, LEAD_SENTENCES = 12, 3
FUNCTIONS = ("all", "any", "not", "near", "doc")
ALL, ANY, NOT, NEAR, DOC = range(len(FUNCTIONS))


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


class Facts(NamedTuple):
    """What stands where in a batch: one value a match of an atom, sorted by start."""

    atom: Places
    sentence: Places
    start: Places
    end: Places
    word: Places  # number of the word the match begins in
    at: Places  # the facts of sentence s are those from at[s] to at[s + 1]
    n_sentences: int
    sentence_doc: Ints  # document of each sentence
    is_lead: Bools  # is the sentence a title, or the first of a text without one?


@native
def gathered(said: Any, named: Any, sentences: Any, gaps: Any) -> Any:
    """The first six fields of Facts, of topic words and names that come by position.

    `said`: start, end and row of words, the concepts of a row, the atom of a concept or -1. `named`: start, end, country of names
    and its atoms, actor and its atoms. `sentences` are the starts of sentences.
    """
    word_start, word_end, row, concepts, concept_atom = said
    name_start, name_end, country, country_atoms, actor, actor_atoms = named
    size = _n_values(concepts, row) + _n_values(country_atoms, country) + _n_values(actor_atoms, actor)
    atom, sentence, word = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    start, end = np.empty(size, np.int32), np.empty(size, np.int32)
    at = np.zeros(len(sentences) + 1, np.int32)
    n = n_words = n_names = this = gap = 0
    while n_words < len(row) or n_names < len(country):
        here = np.int64(word_start[n_words]) if n_words < len(row) else np.int64(name_start[n_names])
        if n_names < len(country):
            here = min(here, name_start[n_names])
        while this + 1 < len(sentences) and sentences[this + 1] <= here:
            this += 1
            at[this] = n
        while gap < len(gaps) and gaps[gap] < here:
            gap += 1
        before = n
        while n_words < len(row) and word_start[n_words] == here:
            for k in range(concepts.start[row[n_words]], concepts.start[row[n_words] + 1]):
                if concept_atom[concepts.values[k]] >= 0:
                    atom[n], end[n] = concept_atom[concepts.values[k]], word_end[n_words]
                    n += 1
            n_words += 1
        last = n_names
        while last < len(country) and name_start[last] == here:
            for k in range(country_atoms.start[country[last]], country_atoms.start[country[last] + 1]):
                atom[n], end[n] = country_atoms.values[k], name_end[last]
                n += 1
            last += 1
        for name in range(n_names, last):
            for k in range(actor_atoms.start[actor[name]], actor_atoms.start[actor[name] + 1]):
                atom[n], end[n] = actor_atoms.values[k], name_end[name]
                n += 1
        n_names = last
        for k in range(before, n):
            sentence[k], start[k], word[k] = this, here, gap
    for k in range(this + 1, len(at)):
        at[k] = n
    return atom[:n], sentence[:n], start[:n], end[:n], word[:n], at


@inner
def _n_values(lists: Any, keys: Any) -> Any:
    n = 0
    for key in keys:
        n += lists.start[key + 1] - lists.start[key]
    return n


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
        self.rule_rank = self.rule_id.rank("ordinal").to_numpy().astype(np.int64)
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
        rule_number = [self._number(node) for node in nodes]
        self._program = _program(self.steps, rule_number, len(names))

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
        return Hits(*_hits(facts, self._program, len(self.atom_number)))

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
        hit, fact = _evidence(facts, hits.rule[held], hits.sentence[held], self.rule_atoms)
        hit = held[hit]
        return at[hit], hits.rule[hit], fact


class _Program(NamedTuple):
    """The steps as arrays: function, arguments; distance of near(), and which atoms are its sides'; what each rule is."""

    op: Ints
    args: Csr
    distance: Ints
    left: Bools
    right: Bools
    rules: Ints


def _program(steps: list[_Step], rules: list[int], n_atoms: int) -> _Program:
    sides = np.zeros((2, len(steps), n_atoms), bool)
    for i, step in enumerate(steps):
        for side, atoms_there in zip(sides, step.sides, strict=False):
            side[i, atoms_there] = True
    return _Program(
        np.array([FUNCTIONS.index(step.op) for step in steps], np.int64),
        csr([(i, arg) for i, step in enumerate(steps) for arg in step.args], len(steps)),
        np.array([step.distance for step in steps], np.int64),
        sides[0],
        sides[1],
        np.array(rules, np.int64),
    )


@native
def _hits(facts: Any, program: Any, n_atoms: Any) -> Any:
    """(rule, sentence) of all that holds: a bit a sentence for each atom, then for each step, 64 sentences at a time."""
    n_sentences, n_steps = facts.n_sentences, len(program.op)
    bits = np.zeros(((n_sentences + 63) >> 6, n_atoms + n_steps), np.uint64)
    for n in range(len(facts.atom)):
        bits[facts.sentence[n] >> 6, facts.atom[n]] |= _bit(np.int64(facts.sentence[n]))
    others = np.empty(len(facts.atom), np.int64)
    first = np.int64(0)
    while first < n_steps:  # up to the next doc(), which must know all sentences
        last = first
        while last < n_steps and program.op[last] != DOC:
            last += 1
        for block in range(len(bits)):
            _evaluate(bits[block], facts, block << 6, program, n_atoms, first, last, others)
        if last < n_steps:
            _spread(bits, program.args.values[program.args.start[last]], n_atoms + last, facts.sentence_doc)
        first = last + 1
    at = np.zeros(len(program.rules) + 1, np.int64)
    for block in range(len(bits)):
        for rule in range(len(program.rules)):
            held = bits[block, program.rules[rule]]
            if held:
                for sentence in range(block << 6, min((block + 1) << 6, n_sentences)):
                    at[rule + 1] += held & _bit(sentence) != 0
    for rule in range(len(program.rules)):
        at[rule + 1] += at[rule]
    rules, sentences = np.empty(at[-1], np.int64), np.empty(at[-1], np.int64)
    for block in range(len(bits)):
        for rule in range(len(program.rules)):
            held = bits[block, program.rules[rule]]
            if held:
                for sentence in range(block << 6, min((block + 1) << 6, n_sentences)):
                    if held & _bit(sentence):
                        rules[at[rule]], sentences[at[rule]] = rule, sentence
                        at[rule] += 1
    return rules, sentences


@inner
def _evaluate(bits: Any, facts: Any, sentence: Any, program: Any, n_atoms: Any, first: Any, last: Any, others: Any) -> Any:
    """Some steps for 64 sentences, of which `sentence` is the first."""
    ops, arg_start, args = program.op, program.args.start, program.args.values  # by name: a tuple costs time at each use
    fact_atom, fact_start, fact_word, fact_at = facts.atom, facts.start, facts.word, facts.at
    n_sentences = min(facts.n_sentences - sentence, 64)
    for step in range(first, last):
        op, held = ops[step], bits[args[arg_start[step]]]
        if op == NOT:
            held = ~held
        for k in range(arg_start[step] + 1, arg_start[step + 1]):
            held = held | bits[args[k]] if op == ANY else held & bits[args[k]]
        if op == NEAR and held:
            left, right, distance = program.left[step], program.right[step], program.distance[step]
            for i in range(n_sentences):
                if not held & _bit(i):
                    continue
                # does an atom of the left side stand so many words from its neighbours among those of the right side?
                low, high, n, beside, is_near = fact_at[sentence + i], fact_at[sentence + i + 1], 0, 0, False
                for k in range(low, high):
                    if right[fact_atom[k]]:
                        others[n] = k
                        n += 1
                for k in range(low, high):
                    if left[fact_atom[k]]:
                        while beside < n and fact_start[others[beside]] < fact_start[k]:
                            beside += 1
                        for other in range(max(beside - 1, 0), min(beside + 2, n)):
                            is_near = is_near or 0 < abs(fact_word[k] - fact_word[others[other]]) <= distance
                if not is_near:
                    held &= ~_bit(i)
        bits[n_atoms + step] = held


@inner
def _bit(sentence: Any) -> Any:
    return np.uint64(1) << np.uint64(sentence & 63)


@inner
def _spread(bits: Any, step: Any, spread: Any, sentence_doc: Any) -> Any:
    """Give the bit of any sentence of a document to all of them."""
    first = np.int64(0)
    while first < len(sentence_doc):
        last, holds = np.int64(first), False
        while last < len(sentence_doc) and sentence_doc[last] == sentence_doc[first]:
            holds = holds or bits[last >> 6, step] & _bit(last) != 0
            last += 1
        for sentence in range(first, last):
            if holds:
                bits[sentence >> 6, spread] |= _bit(sentence)
        first = last


@native
def _evidence(facts: Any, rules: Any, sentences: Any, rule_atoms: Any) -> Any:
    """(which hit, fact) of all facts whose atom the rule of a hit asks for, in the hit's sentence."""
    size = 0
    for hit in range(len(rules)):
        n_atoms = rule_atoms.start[rules[hit] + 1] - rule_atoms.start[rules[hit]]
        size += n_atoms * (facts.at[sentences[hit] + 1] - facts.at[sentences[hit]])
    which, fact, n = np.empty(size, np.int64), np.empty(size, np.int64), 0
    for hit in range(len(rules)):
        for k in range(rule_atoms.start[rules[hit]], rule_atoms.start[rules[hit] + 1]):
            for one in range(facts.at[sentences[hit]], facts.at[sentences[hit] + 1]):
                if facts.atom[one] == rule_atoms.values[k]:
                    which[n], fact[n] = hit, one
                    n += 1
    return which[:n], fact[:n]


def check(expression: str, known: Collection[str]) -> list[str]:
    """What is wrong with an expression, given the atoms that exist."""
    try:
        node = parse(expression)
    except SeedError as error:
        return [str(error)]
    return [f"`{atom}` is not a concept, @country, @group, #actor or #category" for atom in atoms(node) if atom not in known]
