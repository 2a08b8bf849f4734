"""Stories measured: recall and precision against exhaustive comparison, edits, scripts, speed.

    python benchmarks/stories.py [CORPUS.jsonl[.gz] ...] [--size 100000]

A corpus line holds id, title, text, published_at. Without a corpus only articles made here are measured.
"""

import argparse
import gzip
import itertools
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline import dedup, schemas, text

START = datetime(2023, 11, 20, tzinfo=UTC)
DOCUMENT = {"article_id": pl.String(), "title": pl.String(), "body": pl.String(), "published_at": schemas.UTC}
SYLLABLES = [*"aeiou", "če", "đa", "šo", "ži", "nja", "lju", "dže", "jska", "gra", "sre", "kri", "vo", "ta", "mo"]
CHANGES = (("script", 1.0), ("words", 0.01), ("words", 0.03), ("words", 0.05), ("cut", 0.25), ("cut", 0.4))
Sets = dict[str, frozenset[tuple[str, ...]]]


def say(*cells: object) -> None:
    shown = (f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells)
    sys.stdout.write(f"| {' | '.join(shown)} |\n")


# -- corpora ----------------------------------------------------------------------------------------------------------


def corpus(path: Path) -> pl.DataFrame:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [json.loads(line) for line in raw.decode().splitlines() if line.strip()]
    dates = (str(row.get("published_at") or "").replace("/", "-").replace(", ", "T") for row in rows)
    ats = [datetime.fromisoformat(date).replace(tzinfo=UTC) if date else None for date in dates]
    cells = [(row["id"], row.get("title") or "", row["text"], at) for row, at in zip(rows, ats, strict=True)]
    return pl.DataFrame(cells, DOCUMENT, orient="row")


def made(n: int, n_words: int, seed: int = 0, days: float = 30) -> pl.DataFrame:
    """Articles of invented words whose frequencies fall as in a language, evenly spread over some days."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(30_000)]
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))
    rows = []
    for i in range(n):
        body = draw.choices(words, cum_weights=weights, k=max(30, int(draw.gauss(n_words, n_words / 4))))
        rows.append((f"m{seed}-{i}", " ".join(body[:8]).title(), " ".join(body), START + timedelta(days=days * i / n)))
    return pl.DataFrame(rows, DOCUMENT, orient="row")


def changed(documents: pl.DataFrame, how: str, share: float, seed: int = 1) -> pl.DataFrame:
    """The same articles under ids that end in `+`, a day later: some words replaced, or the end cut, or Cyrillic."""
    draw = random.Random(seed)

    def body(words: Sequence[str]) -> str:
        if how == "cut":
            return " ".join(words[: round(len(words) * (1 - share))])
        return " ".join(f"zamena{draw.randint(0, 9999)}" if draw.random() < share else word for word in words)

    bodies = [text.to_cyrillic(b) if how == "script" else body(b.split()) for b in documents["body"]]
    titles = [text.to_cyrillic(t) if how == "script" else t for t in documents["title"]]
    later = pl.col("published_at").dt.offset_by("1d")
    return documents.with_columns(pl.col("article_id") + "+", later, title=pl.Series(titles), body=pl.Series(bodies))


# -- truth ------------------------------------------------------------------------------------------------------------


def shingle_sets(documents: pl.DataFrame) -> Sets:
    """Written apart from the program: sets of three words in a row."""
    sets: Sets = {}
    for name, title, body in documents.select("article_id", "title", "body").iter_rows():
        words = text.fold(text.to_latin(text.fold(f"{title} {body}"))).split()
        sets[name] = frozenset(zip(words, words[1:], words[2:], strict=False))
    return sets


def jaccards(sets: Sets, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    return {(a, b): len(sets[a] & sets[b]) / max(len(sets[a] | sets[b]), 1) for a, b in pairs}


def exhaustive(sets: Sets, least: float = 0.7) -> set[tuple[str, str]]:
    """All pairs of at least that Jaccard, found by their common shingles."""
    holders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(sets):
        for shingle in sets[name]:
            holders[shingle].append(name)
    common = Counter(pair for names in holders.values() for pair in itertools.combinations(names, 2))
    sizes = {name: len(shingles) for name, shingles in sets.items()}
    return {(a, b) for (a, b), n in common.items() if n >= least * (sizes[a] + sizes[b] - n)}


def told_pairs(documents: pl.DataFrame) -> set[tuple[str, str]]:
    groups = dedup.story_table(documents).group_by("story_id").agg("article_id")["article_id"].to_list()
    return {pair for names in groups for pair in itertools.combinations(sorted(names), 2)}


# -- measures ---------------------------------------------------------------------------------------------------------


def natural(name: str, documents: pl.DataFrame) -> None:
    """Pairs in one story against all pairs of Jaccard >= .7 at most three days apart, headlines left out."""
    long = documents.filter(pl.concat_str("title", pl.lit(" "), "body").str.count_matches(r"\w+") >= dedup.MIN_WORDS)
    at = dict(long.select("article_id", "published_at").iter_rows())
    sets = shingle_sets(long)
    alike = exhaustive(sets)
    near = {(a, b) for a, b in alike if abs(at[a] - at[b]) <= dedup.WINDOW}
    told = told_pairs(long)
    wrong = jaccards(sets, told - alike)
    recall, precision = len(near & told) / max(len(near), 1), 1 - len(wrong) / max(len(told), 1)
    say(name, long.height, len(near), len(told), recall, precision, sum(value < 0.5 for value in wrong.values()))


def merged(name: str, documents: pl.DataFrame, how: str, share: float) -> None:
    """How many changed copies are told with their original."""
    both = pl.concat([documents, changed(documents, how, share)])
    ids = dict(dedup.story_table(both).select("article_id", "story_id").iter_rows())
    names = documents["article_id"].to_list()
    say(name, f"{how} {share:.0%}", len(names), sum(ids[name] == ids[f"{name}+"] for name in names) / len(names))


def speed(size: int) -> None:
    """Adding 1,000 articles (a third of them copies) to many, all of the same three days: the worst case."""
    base = made(2_000, 450, seed=2, days=3)
    began = time.perf_counter()
    some = dedup.signatures(base)
    say("signatures an article, ms", (time.perf_counter() - began) / base.height * 1_000)
    draw = np.random.default_rng(3)
    n = max(size - some.height, 0)
    more = pl.DataFrame(
        {
            "article_id": [f"x{i}" for i in range(n)],
            "published_at": pl.Series(draw.integers(0, 3 * 86_400_000_000, n)).cast(pl.Duration("us")) + START,
            "text_hash": draw.integers(0, 1 << 63, n, dtype=np.uint64),
            "bands": pl.Series(draw.integers(0, 1 << 32, (n, dedup.BANDS), dtype=np.uint32)).arr.to_list(),
        }
    )
    old = pl.concat([some, schemas.conform(more, dedup.SIGNATURE)])
    batch = pl.concat([made(667, 450, seed=4, days=3), changed(base.head(333), "words", 0.02)])
    began = time.perf_counter()
    new = dedup.signatures(batch)
    pairs = dedup.candidates(new, old)
    found = dedup.edges(pairs, pl.concat([base, batch]))
    told = dedup.stories(found, pl.concat([base, batch]))
    say(f"1,000 added to {old.height:,}, s", time.perf_counter() - began)
    say("copies found of 333", told.height - told["story_id"].n_unique())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="*", type=Path)
    parser.add_argument("--size", type=int, default=100_000, help="articles in the speed test (default 100,000)")
    arguments = parser.parse_args()
    corpora = {"made": made(500, 200)}
    for path in arguments.corpus:
        if path.exists():
            corpora[path.name.split(".")[0]] = corpus(path)
        else:
            sys.stdout.write(f"{path} is absent: left out.\n")
    say("corpus", "articles", "pairs J >= .7", "pairs told", "recall", "precision", "told pairs J < .5")
    mixed = pl.concat([corpora["made"], changed(corpora["made"].head(250), "words", 0.02)])
    for name, documents in (corpora | {"made": mixed}).items():
        natural(name, documents)
    say("corpus", "change", "articles", "share told together")
    for name, documents in corpora.items():
        for how, share in CHANGES:
            merged(name, documents, how, share)
    speed(arguments.size)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
