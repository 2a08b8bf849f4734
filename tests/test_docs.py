"""The documentation is run: its commands, its SQL, its Python, the shape of its JSON, its settings."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from conftest import command as balkanwatch

from flows import run
from flows.settings import ROOT, SEEDS, Settings
from pipeline.warehouse import Store, queries

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ENDLESS = {"serve", "dashboard"}  # asked for its --help instead
SERVED = {"run"}  # needs a Prefect server: the one of the session


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(kind: str) -> list[Block]:
    """All fenced blocks of a kind, also those indented in lists."""
    fence = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in fence.finditer(text):
            if match[2] == kind:
                lines = [line.removeprefix(match[1]) for line in match[3].splitlines()]
                found.append(Block(page.name, text.count("\n", 0, match.start()) + 1, kind, "\n".join(lines)))
    return found


def commands(first: str) -> dict[str, Block]:
    """Command lines of sh blocks that begin with `first`, or pipe into it; each once, with where it stands."""
    found: dict[str, Block] = {}
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            shown = line.split("   #")[0].strip()
            if re.search(rf"(^|\| ){first} ", shown):
                found.setdefault(shown, block)
    return found


def of_kind(kind: str, page: str) -> list[Any]:
    return [pytest.param(block.text, id=str(block)) for block in blocks(kind) if block.page == page]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after `make run` without a network: the seeds, and the sample landed in data/."""
    folder = tmp_path_factory.mktemp("desk")
    seeds = Path(shutil.copytree(SEEDS, folder / "seeds"))
    feeds = pl.read_csv(seeds / "feeds.csv", infer_schema=False)
    feeds.filter(pl.col("feed_id") == "sample").write_csv(seeds / "feeds.csv")
    summary = run.run_monitor(Settings.read(data=folder / "data", seeds=seeds), 120)
    assert (summary.n_failed, summary.n_waiting, summary.is_empty) == (0, 0, False)
    for name in ("archive", "backfill"):  # which the pages name; with compiled dictionaries that is sooner done
        shutil.copytree(folder / "data" / ".cache", folder / "data" / name / ".cache")
    program = folder / "bin" / "balkanwatch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from flows.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    return folder


def typed(line: str, desk: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a line as a reader types it, at the desk."""
    where = {"BALKANWATCH_DATA": "data", "BALKANWATCH_SEEDS": "seeds", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    path = os.pathsep.join([str(desk / "bin"), os.environ["PATH"]])
    return subprocess.run(
        ["sh", "-c", line], cwd=desk, capture_output=True, encoding="utf-8", timeout=240, check=False,
        env=os.environ | where | more | {"PATH": path},
    )  # fmt: skip


@pytest.mark.parametrize("line", commands("balkanwatch"), ids=str)
def test_documented_command(line: str, desk: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(line.split("|")[-1])
    is_endless = words[1] in ENDLESS
    more = {"PREFECT_API_URL": request.getfixturevalue("prefect_server")} if words[1] in SERVED else {}
    done = typed(f"balkanwatch {words[1]} --help" if is_endless else line, desk, **more)
    assert done.returncode == 0, f"{commands('balkanwatch')[line]}: {done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    assert not is_endless or all(word.split("=")[0] in done.stdout for word in words if word.startswith("--"))


@pytest.mark.parametrize("line", commands("make"), ids=str)
def test_documented_make_target(line: str) -> None:
    done = subprocess.run(["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def cli_commands() -> Iterator[str]:
    """Every command of the command line, subcommands with their group."""
    import typer.main

    from flows.cli import app

    def walk(group: Any, names: tuple[str, ...]) -> Iterator[str]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*names, name))
            else:
                yield " ".join((*names, name))

    yield from walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("name", list(cli_commands()))
def test_every_command_is_documented(name: str) -> None:
    assert any(re.search(rf"\bbalkanwatch {name}\b", page.read_text(encoding="utf-8")) for page in PAGES)


def test_no_command_is_made_up() -> None:
    """What stands in the text as a command of ours exists."""
    known = set(cli_commands())
    groups = {name.split()[0] for name in known if " " in name}
    for page in PAGES:
        for first, second in re.findall(r"`balkanwatch (\w[\w-]*)(?: (\w[\w-]*))?", page.read_text(encoding="utf-8")):
            assert (f"{first} {second}" if first in groups else first) in known, f"{page.name}: balkanwatch {first} {second}"


@pytest.mark.parametrize("sql", of_kind("sql", "analysts.md"))
def test_documented_sql_gives_rows(sql: str, desk: Path) -> None:
    with Store.reader(desk / "data") as store:
        assert queries.run(store, sql).height  # as `sql` and `shell` ask it


@pytest.mark.parametrize("code", of_kind("python", "analysts.md"))
def test_documented_python(code: str, desk: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_tag_contract_has_the_shape_that_its_page_shows(desk: Path) -> None:
    (shown,) = (json.loads(block.text) for block in blocks("json") if block.page == "tag.md")
    line = next(line for line, block in commands("balkanwatch").items() if block.page == "tag.md")
    given = json.loads(typed(line, desk).stdout)
    assert shape(given) == shape(shown)
    assert (given["id"], given["lang"], given["script"]) == (shown["id"], shown["lang"], shown["script"])
    spans = {(m["field"], m["start"], m["end"], m["surface"], m["entity_id"], m["kind"]) for m in given["mentions"]}
    assert spans >= {(m["field"], m["start"], m["end"], m["surface"], m["entity_id"], m["kind"]) for m in shown["mentions"]}


def shape(value: Any) -> Any:
    """The names of the fields, and those of the rows in each."""
    if isinstance(value, Mapping):
        return {name: shape(field) for name, field in value.items()}
    return shape(value[0]) if isinstance(value, list) and value else None


@pytest.mark.parametrize("command", ["extract", "feeds parse"])
def test_the_fields_of_a_contract_stand_on_its_page(command: str, desk: Path) -> None:
    page = (ROOT / "docs" / "tag.md").read_text(encoding="utf-8")
    section = page.split(f"## `balkanwatch {command}")[1].split("\n## ")[0]
    line = next(line for line in commands("balkanwatch") if line.startswith(f"balkanwatch {command} "))
    given = json.loads(typed(line, desk).stdout)
    fields = given if isinstance(given, dict) else given[0]
    rows = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in section.splitlines() if row.startswith("| `")]
    assert [name for row in rows for name in row] == sorted(fields, key=[name for row in rows for name in row].index)


def test_the_rows_that_the_page_adds_to_the_seeds_work(tmp_path: Path) -> None:
    """A name and a topic of one's own, as docs/analysts.md shows them: the seeds stay in order, and the tagger finds both."""
    seeds = Path(shutil.copytree(SEEDS, tmp_path / "seeds"))
    shown = [block.text.splitlines() for block in blocks("csv") if block.page == "analysts.md"]
    assert len(shown) >= 4
    for name, *rows in shown:
        file = seeds.parent / name
        if file.exists():
            head, *known = file.read_text(encoding="utf-8").splitlines()
            for row in rows:
                after = [line.split(",")[0] <= row.split(",")[0] for line in known]
                known.insert(after.index(False) if False in after else len(known), row)
            rows = [head, *known]
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    where = {"BALKANWATCH_SEEDS": str(seeds), "BALKANWATCH_DATA": str(tmp_path / "data")}
    checked = balkanwatch("seeds", "check", **where)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    text = json.dumps({"id": 1, "text": "In the Kalabria neighbourhood the water supply was poisoned. Napad na branu."})
    found = json.loads(balkanwatch("tag", "-", stdin=text, **where).stdout)
    assert "water_security" in {topic["topic_id"] for topic in found["topics"]}
    assert "kalabria_pristina" in {mention["entity_id"] for mention in found["mentions"]}


def test_settings_file_and_settings_agree() -> None:
    """Every setting stands in balkanwatch.toml, commented out, with its default; and nothing else does."""
    text = (ROOT / "balkanwatch.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"# \w+ = ", line)]
    shown = tomllib.loads("\n".join(lines))
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert shown.keys() == defaults.keys()
    for name, default in defaults.items():
        assert (ROOT / shown[name] if isinstance(default, Path) else shown[name]) == default, name


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
