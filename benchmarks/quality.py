"""`make eval`: precision, recall and F1 of countries, focus, topics and language on gold texts.

    python benchmarks/quality.py [--gold ../shared/gold] [--errors countries:hr] [--errors topics] [--errors focus]

Gold files are JSON lines: countries_dev.jsonl (countries, ignore) and topics_dev.jsonl (topics_required, topics_allowed, focus_*).
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

from flows import tagging
from pipeline import seeds
from pipeline.tag import Tagger

ROOT = Path(__file__).resolve().parents[1]
HBS = {"sr", "hr", "bs", "cnr", "sr-Cyrl"}


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
        return f"{name:28} P {self.precision:.3f}  R {self.recall:.3f}  F1 {self.f1:.3f}   ({self.predicted} given, {self.required} wanted)"


def countries(rows: list[dict], results: list[dict]) -> dict[str, Score]:
    scores: dict[str, Score] = defaultdict(Score)
    for row, result in zip(rows, results, strict=True):
        codes = {m["country_code"] for m in result["mentions"] if m["kind"] == "country" and m["country_code"]}
        ignore, wanted = set(row["ignore"]), set(row["countries"])
        for name in (row["lang"], "all"):
            scores[name].add(codes - ignore, wanted - ignore, wanted, f"[{result['lang']}] {row['text']}")
    return scores


def topics(rows: list[dict], results: list[dict]) -> tuple[dict[str, Score], dict[str, Score]]:
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
    return by_topic, focus


def language(rows: list[dict], results: list[dict]) -> tuple[float, list[str]]:
    wrong = []
    for row, result in zip(rows, results, strict=True):
        want = "hbs" if row["lang"] in HBS else row["lang"]
        if result["lang"] != want:
            wrong.append(f"  {want} taken for {result['lang']}: {row['text'][:120]}")
    return 1 - len(wrong) / max(len(rows), 1), wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, default=ROOT.parent / "shared" / "gold")
    parser.add_argument(
        "--errors", action="append", default=[], help="countries[:lang], topics[:topic|lang], focus[:lang], language"
    )
    options = parser.parse_args()
    if not options.gold.is_dir():
        sys.exit(f"There is no gold in {options.gold}: nothing was measured (give --gold FOLDER).")
    tagger = Tagger(seeds.load(ROOT / "seeds").tables)
    reports: dict[str, dict[str, Score]] = {}
    for path in sorted(options.gold.glob("*.jsonl")):
        rows = read(path)
        results = tagged(tagger, rows)
        share, wrong = language(rows, results)
        print(f"\n{path.name}: {len(rows)} texts {dict(Counter(r['lang'] for r in rows))}; language right {share:.4f}")  # noqa: T201
        if "language" in options.errors:
            print("\n".join(wrong))  # noqa: T201
        tables = {"countries": countries(rows, results)} if "countries" in rows[0] else dict(
            zip(("topics", "focus"), topics(rows, results), strict=True)
        )  # fmt: skip
        for name, scores in tables.items():
            print(f"-- {name}")  # noqa: T201
            for key in sorted(scores, key=lambda k: (k != "all", k)):
                print(scores[key].line(key))  # noqa: T201
        reports |= tables
    for wanted in options.errors:
        name, _, key = wanted.partition(":")
        if name in reports:
            print(f"\n== errors in {wanted}", *reports[name][key or "all"].errors, sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
