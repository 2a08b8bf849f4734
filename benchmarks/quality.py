"""`make eval`: precision, recall and F1 of countries, focus, topics, actors and language on gold texts.

    python benchmarks/quality.py [--gold ../shared/gold] [--split dev] [--errors countries:hr] [--errors topics] [--errors spans]
    python benchmarks/quality.py --gold tests/golden      the project's own sentences, which have more columns
    python benchmarks/quality.py --raise-floors           floors of tests/golden/floors.json up to today's figures, never down
    python benchmarks/quality.py --lower-floors           the only way down: say why in the commit

Gold files are JSON lines. A file whose texts have `countries` (and `ignore`) may have `counts` (codes that count by whatever
mention), `not` (codes that no mention may bear), `actors` (names) and `spans` (surface, kind, code) too; one whose texts have
`topics_required` has `topics_allowed` and `focus_*`.
"""

import argparse
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

from flows import tagging
from pipeline import seeds, text
from pipeline.tag import Tagger

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
FLOORS = GOLDEN / "floors.json"
HBS = {"sr", "hr", "bs", "cnr", "sr-Cyrl"}
RECALL_ONLY = {"counts", "not", "actors", "spans"}  # nothing wrong can be given here: the figure is the recall


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def tagged(tagger: Tagger, rows: list[dict], with_lang: bool = False) -> list[dict]:
    lines = (
        json.dumps({"id": i, "title": r.get("title", ""), "text": r["text"], "published_at": r.get("published_at")}
                   | ({"lang": r["lang"]} if with_lang else {}))
        for i, r in enumerate(rows)
    )  # fmt: skip
    return [json.loads(line) for line in tagging.tag_lines(tagger, lines, lambda n, why: sys.exit(f"{n}: {why}"))]


class Score:
    def __init__(self) -> None:
        self.predicted = self.right = self.required = self.found = 0
        self.errors: list[str] = []

    def add(self, predicted: set[str], required: set[str], allowed: set[str], what: str) -> None:
        self.predicted += len(predicted)
        self.right += len(predicted & allowed)
        self.required += len(required)
        self.found += len(predicted & required)
        extra, missed = sorted(predicted - allowed), sorted(required - predicted)
        if extra or missed:
            self.errors.append(f"  +{','.join(extra) or '-'}  -{','.join(missed) or '-'}  {what[:300]}")

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.required if self.required else 1.0

    @property
    def f1(self) -> float:
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p + r else 0.0

    def line(self, name: str) -> str:
        shares = f"P {self.precision:.3f}  R {self.recall:.3f}  F1 {self.f1:.3f}"
        return f"{name:28} {shares}   ({self.predicted} given, {self.required} wanted)"


def countries(rows: list[dict], results: list[dict]) -> dict[str, Score]:
    scores: dict[str, Score] = defaultdict(Score)
    for row, result in zip(rows, results, strict=True):
        codes = {m["country_code"] for m in result["mentions"] if m["kind"] == "country" and m["country_code"]}
        ignore, wanted = set(row["ignore"]), set(row["countries"])
        for name in (row["lang"], "all"):
            scores[name].add(codes - ignore, wanted - ignore, wanted, f"[{result['lang']}] {row['text']}")
    return scores


def evidence(rows: list[dict], results: list[dict]) -> dict[str, dict[str, Score]]:
    """Recall of `counts`, `actors` and `spans`; for `not`, the share of the forbidden codes that indeed stayed away."""
    scores: dict[str, dict[str, Score]] = {name: defaultdict(Score) for name in ("counts", "not", "actors", "spans")}
    for row, result in zip(rows, results, strict=True):
        codes = {m["country_code"] for m in result["mentions"]} | {c["code"] for c in result["countries"]}
        forbidden = set(row["not"])
        names = {text.fold(name) for a in result["actors"] for name in (a["entity_id"], a["name"]) if name}
        spans = {f"{m['surface']}/{m['kind']}/{m['country_code']}" for m in result["mentions"]}
        for table, found, wanted in (
            ("counts", codes, set(row["counts"])),
            ("not", forbidden - codes, forbidden),
            ("actors", names, {text.fold(name) for name in row["actors"]}),
            ("spans", spans, {f"{s['surface']}/{s['kind']}/{s['code']}" for s in row.get("spans", [])}),
        ):
            for name in (row["lang"], "all"):
                scores[table][name].add(found & wanted, wanted, wanted, f"{row['id']} [{result['lang']}] {row['text']}")
    return scores


def topics(rows: list[dict], results: list[dict]) -> dict[str, dict[str, Score]]:
    by_topic: dict[str, Score] = defaultdict(Score)
    focus: dict[str, Score] = defaultdict(Score)
    for row, result in zip(rows, results, strict=True):
        given = {t["topic_id"] for t in result["topics"]}
        required, allowed = set(row["topics_required"]), set(row["topics_allowed"])
        for name in ("all", row["lang"]):
            by_topic[name].add(given, required, allowed, f"[{row['lang']}] {row['text']}")
        for topic in given | required:
            by_topic[topic].add(given & {topic}, required & {topic}, allowed & {topic}, row["text"])
        chief = {c["code"] for c in result["countries"] if c["is_focus"]}
        for name in ("all", row["lang"]):
            focus[name].add(chief, set(row["focus_required"]), set(row["focus_allowed"]), f"[{row['lang']}] {row['text']}")
    return {"topics": by_topic, "focus": focus}


def language(rows: list[dict], results: list[dict]) -> tuple[float, list[str]]:
    wrong = []
    for row, result in zip(rows, results, strict=True):
        want = "hbs" if row["lang"] in HBS else row["lang"]
        if result["lang"] != want:
            wrong.append(f"  {want} taken for {result['lang']}: {row['text'][:120]}")
    return 1 - len(wrong) / max(len(rows), 1), wrong


def tables(rows: list[dict], results: list[dict]) -> dict[str, dict[str, Score]]:
    """Every table that the columns of these gold rows allow: table -> language (or topic, or `all`) -> score."""
    if "topics_required" in rows[0]:
        return topics(rows, results)
    return {"countries": countries(rows, results)} | (evidence(rows, results) if "counts" in rows[0] else {})


def figures(measured: dict[str, dict[str, Score]], langs: set[str]) -> dict[str, float]:
    """One number a table and language, `countries/sr`: recall where nothing wrong can be given, else micro-F1."""
    return {
        f"{table}/{name}": score.recall if table in RECALL_ONLY else score.f1
        for table, scores in measured.items()
        for name, score in scores.items()
        if name in langs | {"all"} and score.predicted + score.required
    }


def golden(tagger: Tagger) -> dict[str, float]:
    """The figures of tests/golden, which floors.json holds up."""
    found: dict[str, float] = {}
    for path in sorted(GOLDEN.glob("*.jsonl")):
        rows = read(path)
        found |= figures(tables(rows, tagged(tagger, rows)), {row["lang"] for row in rows})
    return found


def floors() -> dict[str, float]:
    return json.loads(FLOORS.read_text()) if FLOORS.exists() else {}


def move_floors(found: dict[str, float], down: bool) -> None:
    """Floors are today's figures cut to three digits; without `down` no floor gets lower and none goes away."""
    old = floors()
    new = {name: math.floor(figure * 1000) / 1000 for name, figure in found.items()}
    if not down:
        new = {name: max(new.get(name, 0.0), old.get(name, 0.0)) for name in old | new}
    for name in sorted(old.keys() | new):
        if old.get(name) != new.get(name):
            print(f"{name:28} {old.get(name, '-')} -> {new.get(name, '-')}")  # noqa: T201
    FLOORS.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=ROOT.parent / "shared" / "gold")
    parser.add_argument("--split", choices=["dev", "test"], help="only the texts of one half (files without halves are whole)")
    parser.add_argument("--errors", action="append", default=[], help="TABLE[:lang or topic], or language")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--raise-floors", action="store_true")
    change.add_argument("--lower-floors", action="store_true")
    options = parser.parse_args()
    tagger = Tagger(seeds.load(ROOT / "seeds").tables)
    if options.raise_floors or options.lower_floors:
        move_floors(golden(tagger), down=options.lower_floors)
        return
    if not options.gold.is_dir():
        sys.exit(f"There is no gold in {options.gold}: nothing was measured (give --gold FOLDER).")
    reports: dict[str, dict[str, Score]] = {}
    for path in sorted(options.gold.glob("*.jsonl")):
        rows = [row for row in read(path) if not options.split or row.get("split", options.split) == options.split]
        results = tagged(tagger, rows)
        share, wrong = language(rows, results)
        print(f"\n{path.name}: {len(rows)} texts {dict(Counter(r['lang'] for r in rows))}; language right {share:.4f}")  # noqa: T201
        if "language" in options.errors:
            print("\n".join(wrong))  # noqa: T201
        measured = tables(rows, results)
        for name, scores in measured.items():
            print(f"-- {name}")  # noqa: T201
            for key in sorted(scores, key=lambda k: (k != "all", k)):
                print(scores[key].line(key))  # noqa: T201
        reports |= measured
    for wanted in options.errors:
        name, _, key = wanted.partition(":")
        if name in reports:
            print(f"\n== errors in {wanted}", *reports[name][key or "all"].errors, sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
