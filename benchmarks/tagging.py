"""The whole tagger against bare pattern matchers on the same texts, one core.

    python benchmarks/tagging.py [--mb 6] [--texts FILE.jsonl ...] [--lang hbs]

The corpus is made of the project's own sentences (sample pages and golden sets) drawn at random into articles of about 3 KB, or
of the `title` and `text` of JSON lines. Peers get the tagger's own strings as plain patterns, and folded texts (their fold is
not timed). The tagger's time has everything in it: fold, mentions, guards, offices, focus, topics, evidence, frames. FlashText
and spaCy are measured when they are installed (`pip install flashtext spacy`). MB are UTF-8 bytes of the texts
as given, seconds those of the processor, so that other work on the machine counts less.
"""

import argparse
import gzip
import json
import os
import random
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path

import ahocorasick_rs
import polars as pl
import trafilatura
from rich.console import Console
from rich.table import Table

from pipeline import language, seeds
from pipeline.tag import Tagger
from pipeline.text import fold, unfold

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 3


def own_sentences(lang: str) -> list[str]:
    """Sentences of the sample and the golden sets in one language."""
    texts = [
        json.loads(line)["text"] for path in (ROOT / "tests/golden").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    for page in (ROOT / "seeds/sample/pages").glob("*.html"):
        texts.append(trafilatura.extract(page.read_bytes(), fast=True) or "")
    sentences = [s.strip() for text in texts for s in re.split(r"(?<=[.!?])\s+|\n", text) if len(s) > 20]
    langs, scripts = language.languages(sentences)
    return [s for s, one, script in zip(sentences, langs, scripts, strict=True) if one == lang and script == "Latn"]


def corpus(lang: str, mb: float, files: list[Path]) -> list[str]:
    """Texts of about `mb` megabytes."""
    if files:
        lines = [json.loads(line) for path in files for line in _content(path).splitlines()]
        base = [f"{line.get('title', '')}\n{line['text']}" for line in lines]
    else:
        sentences, rng = own_sentences(lang), random.Random(1)
        base = [" ".join(rng.choices(sentences, k=25)) for _ in range(500)]
    out: list[str] = []
    size = 0
    while size < mb * 1e6:
        out.append(base[len(out) % len(base)])
        size += len(out[-1].encode())
    return out


def _content(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def best(run: Callable[[], int]) -> tuple[float, int]:
    """Least seconds of some runs, and what the last one counted."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        n = run()
        times.append(time.process_time() - begun)
    return min(times), n


def peers(patterns: list[str], texts: list[str]) -> dict[str, Callable[[], int]]:
    automaton = ahocorasick_rs.AhoCorasick(patterns, implementation=ahocorasick_rs.Implementation.ContiguousNFA)
    runs = {"ahocorasick_rs, bare scan": lambda: sum(len(automaton.find_matches_as_indexes(text)) for text in texts)}
    try:
        from flashtext import KeywordProcessor

        processor = KeywordProcessor()
        processor.add_keywords_from_list(patterns)
        runs["FlashText"] = lambda: sum(len(processor.extract_keywords(text)) for text in texts)
    except ImportError:
        pass
    try:
        import spacy
        from spacy.matcher import PhraseMatcher

        nlp = spacy.blank("xx")
        nlp.max_length = 10**9
        matcher = PhraseMatcher(nlp.vocab)
        matcher.add("all", list(nlp.tokenizer.pipe(patterns)))
        some = texts[: max(len(texts) // 10, 1)]
        runs["spaCy PhraseMatcher (a tenth of the texts)"] = lambda: sum(len(matcher(doc)) for doc in nlp.pipe(some))
    except ImportError:
        pass
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=6)
    parser.add_argument("--lang", default="hbs")
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tagger = Tagger(seeds.load(ROOT / "seeds").tables)
    lexis = tagger.lexis(options.lang)
    plain = [unfold(s).strip() for s in lexis.strings]
    patterns = sorted(set(plain))
    texts = corpus(options.lang, options.mb, options.texts)
    mb = sum(len(text.encode()) for text in texts) / 1e6
    frame = pl.DataFrame({"article_id": [str(i) for i in range(len(texts))], "version": 1, "body": texts, "lang": options.lang})
    table = Table(title=f"{mb:.1f} MB in {len(texts):,} texts, {len(patterns):,} patterns, one core")
    for name in ("what", "MB/s", "matches a KB", "the tagger is"):
        table.add_column(name, justify="left" if name == "what" else "right")
    tagged = tagger.tag(frame)
    n_found = tagged.mentions.height + sum(len(e) for e in tagged.tags["evidence"])
    seconds, _ = best(lambda: tagger.tag(frame).mentions.height)
    rate = mb / seconds
    table.add_row("balkanwatch, whole tagger", f"{rate:.1f}", f"{n_found / mb / 1000:.1f}", "")
    for name, run in peers(patterns, [fold(text) for text in texts]).items():
        taken, n = best(run)
        size = mb / 10 if "tenth" in name else mb
        table.add_row(name, f"{size / taken:.1f}", f"{n / size / 1000:.1f}", f"{rate / (size / taken):.2f} x")
    half = frame.head(frame.height // 2)
    half_seconds, _ = best(lambda: tagger.tag(half).mentions.height)
    table.add_row(
        "balkanwatch on half of the texts", f"{mb / 2 / half_seconds:.1f}", "", f"{rate / (mb / 2 / half_seconds):.2f} x"
    )
    console = Console()
    console.print(table)
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB (with the peers' automata)")


if __name__ == "__main__":
    main()
