"""Quality on our own sentences (tests/golden/*.jsonl): no figure below its floor, twins alike, every span slices back."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pipeline import seeds
from pipeline.tag import Tagger

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
KINDS = {"country", "demonym", "adjective", "place", "organisation", "person", "role"}
FILES = sorted(path.name for path in GOLDEN.glob("*.jsonl"))

_spec = importlib.util.spec_from_file_location("quality", ROOT / "benchmarks" / "quality.py")
assert _spec and _spec.loader
quality = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(quality)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(seeds.load(ROOT / "seeds").tables)


@pytest.fixture(scope="module")
def results(tagger: Tagger) -> dict[str, tuple[Rows, Rows]]:
    """By file: the golden rows and what the tagger says to them."""
    rows = {name: quality.read(GOLDEN / name) for name in FILES}
    return {name: (texts, quality.tagged(tagger, texts)) for name, texts in rows.items()}


def test_no_figure_is_below_its_floor(results: dict[str, tuple[Rows, Rows]]) -> None:
    found: dict[str, float] = {}
    for rows, tags in results.values():
        found |= quality.figures(quality.tables(rows, tags), {row["lang"] for row in rows})
    floors = quality.floors()
    assert floors, "no floors: run `python benchmarks/quality.py --raise-floors`"
    below = [f"{name}: {found.get(name, 0.0):.4f} < {floor}" for name, floor in floors.items() if found.get(name, 0.0) < floor]
    assert not below, "below the floor (lower one only with --lower-floors, and say why): " + "; ".join(below)


def test_every_figure_has_a_floor(results: dict[str, tuple[Rows, Rows]]) -> None:
    for rows, tags in results.values():
        missing = quality.figures(quality.tables(rows, tags), {row["lang"] for row in rows}).keys() - quality.floors()
        assert not missing, "no floor: run `python benchmarks/quality.py --raise-floors`"


def test_floors_go_down_only_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "FLOORS", tmp_path / "floors.json")
    quality.move_floors({"countries/sr": 0.98765, "focus/en": 0.8}, down=False)
    quality.move_floors({"countries/sr": 0.9}, down=False)
    assert quality.floors() == {"countries/sr": 0.987, "focus/en": 0.8}
    quality.move_floors({"countries/sr": 0.9}, down=True)
    assert quality.floors() == {"countries/sr": 0.9}


def test_twins_get_identical_tags(results: dict[str, tuple[Rows, Rows]]) -> None:
    n_twins = 0
    for rows, tags in results.values():
        by_id = {row["id"]: result for row, result in zip(rows, tags, strict=True)}
        for row in rows:
            if "twin_of" in row:
                n_twins += 1
                assert meaning(by_id[row["id"]]) == meaning(by_id[row["twin_of"]]), row["text"]
    assert n_twins >= 10


def meaning(result: dict[str, Any]) -> Any:
    """What a text was found to say, without offsets, surfaces and script."""
    return (
        [(m["entity_id"], m["kind"], m["country_code"], m["role_id"]) for m in result["mentions"]],
        [(t["topic_id"], t["score"]) for t in result["topics"]],
        result["countries"],
        result["actors"],
    )


@pytest.mark.parametrize("name", FILES)
def test_every_span_slices_back(name: str, results: dict[str, tuple[Rows, Rows]]) -> None:
    for row, result in zip(*results[name], strict=True):
        fields = {"body": row["text"], "title": row.get("title", "")}
        for span in result["mentions"]:
            assert fields[span["field"]][span["start"] : span["end"]] == span["surface"], (row["text"], span)
        for span in (span for topic in result["topics"] for span in topic["evidence"]):
            proof = fields[span["field"]][span["start"] : span["end"]]
            assert proof and proof == proof.strip(), (row["text"], span)


@pytest.mark.parametrize("name", FILES)
def test_golden_files_are_sorted_and_sound(name: str) -> None:
    rows = quality.read(GOLDEN / name)
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    assert len({row["text"] for row in rows}) == len(rows)
    for row in rows:
        for span in row.get("spans", []):
            assert span["surface"] in row["text"] and span["kind"] in KINDS, row["id"]
        assert not set(row.get("not", [])) & {*row.get("counts", []), *row.get("countries", [])}, row["id"]
        assert {*row.get("countries", [])} <= {*row.get("counts", [])}, row["id"]
        assert row.get("split", "dev") in {"dev", "test"}, row["id"]
        for kind in ("topics", "focus"):
            assert {*row.get(f"{kind}_required", [])} <= {*row.get(f"{kind}_allowed", [])}, row["id"]
