"""The command line as a user meets it: help, answers, and errors of one sentence."""

import csv
import io
import json
import re
import subprocess
import sys
import tomllib
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ROOT, SAMPLE, Prepare, command, environment, prepared
from typer.testing import CliRunner

from flows import cli, run
from flows.settings import Settings
from pipeline import export, language, normalise, parse
from pipeline.errors import InputError, SettingsError
from pipeline.warehouse import Store, queries

SEED_TEXT = ROOT / "seeds" / "sample" / "pages" / "2023-11-20-nato-russian-rhetoric-western-balkans.html"
COMMANDS = [
    (), ("status",), ("report",), ("diff",), ("run",), ("serve",), ("query",), ("sql",), ("shell",), ("stories",),
    ("export",), ("search",), ("sample",), ("judge",), ("forget",), ("backup",), ("restore",), ("retag",), ("tag",), ("extract",),
    ("import",), ("backfill",), ("load",), ("dataset",), ("feeds",), ("feeds", "parse"), ("feeds", "accept"),
    ("feeds", "add"), ("feeds", "remove"), ("feeds", "check"), ("feeds", "discover"), ("feeds", "import-opml"),
    ("feeds", "export-opml"), ("feeds", "list"), ("seeds",), ("seeds", "check"), ("seeds", "why"),
]  # fmt: skip


def invoke(*args: object, stdin: str | None = None) -> Any:
    """The command inside this process: quick, for what needs no seeds or few."""
    return CliRunner().invoke(cli.app, [*map(str, args)], input=stdin, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture(scope="module")
def sample(small_seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse with the sample; not to be written to."""
    settings = prepared(small_seeds, tmp_path_factory.mktemp("sample"), [SAMPLE])
    run.run_monitor(settings, 60)
    return settings


@pytest.fixture
def few_seeds(small_seeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALKANWATCH_SEEDS", str(small_seeds))


# -- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_teaches(words: tuple[str, ...]) -> None:
    done = invoke(*words, "--help")
    assert done.exit_code == 0 and "Usage:" in done.output
    assert re.search(r"\w+ \w+ \w+", done.output.split("Usage:")[1])


def test_every_command_has_its_help_here() -> None:
    groups = {(): cli.app, ("feeds",): cli.feeds_app, ("seeds",): cli.seeds_app}
    names = {(*before, c.name or (c.callback.__name__ if c.callback else "")) for before, app in groups.items()
             for c in app.registered_commands}  # fmt: skip
    assert names <= set(COMMANDS)


def test_the_command_line_does_not_wait_for_prefect() -> None:
    script = "import sys, flows.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"prefect", "duckdb", "trafilatura"} & {name.split(".")[0] for name in done.stdout.split()}


def test_an_unknown_command_is_a_usage_error() -> None:
    done = command("rum")
    assert done.returncode == 2 and "No such command" in done.stderr and "Traceback" not in done.stderr


# -- tag --------------------------------------------------------------------------------------------------------------

HARD = {
    "emoji": "🇽🇰🇷🇸 KFOR u Kosovu 👩🏽‍✈️: srpske barikade na Kosovu! 🚧",
    "decomposed": unicodedata.normalize("NFD", "Vučić i Krišto u Beogradu; Priština ćuti o Đakovici."),
    "blanks": "NATO   said\t\tthat\r\n\r\n  Kosovo\u00a0 and \u2003 Serbia\n\n\ntalk.  ",
    "invisible": "NA\u00adTO u Ko\u200bsovu, \ufeffSrbija i \u202eKFOR\u202c.",
    "astral": "𝕂𝕠𝕤𝕠𝕧𝕠 is Kosovo 𐍈 and Albania.",
    "html": "<b>Kosovo</b> &amp; Serbia <a href='https://nato.int'>NATO</a>",
}
LINES: list[dict[str, Any]] = [
    *({"id": name, "text": text, "title": f"  {text[:20]}"} for name, text in HARD.items()),
    {"id": 7, "text": "The President of Kosovo spoke.", "lang": "en"},
    {"id": 8, "text": "The President of Kosovo spoke.", "lang": "en", "published_at": "2023-11-20"},
    {"id": 9, "text": "The President of Kosovo spoke.", "lang": "en", "published_at": "2023-11-20T10:00:00+01:00"},
    {"id": "empty", "text": ""},
    {"id": "unknown", "text": "12345 67890"},
    {"id": "lone", "text": "Kosovo \ud800 Serbia"},
    {"id": "cyrl", "text": "Косово и Србија разговарају о барикадама на северу.", "lang": "sr"},
    {"id": "long", "text": "KFOR and Kosovo. " * 20_000},
]


def article_text() -> str:
    """Title, blank line and text of the seed article, as the sample's page has it."""
    record = normalise.page_record(parse.page(SEED_TEXT.read_bytes(), "", "text/html"), datetime.now(UTC), language.languages)
    return str(record["body"])


@pytest.fixture(scope="module")
def tagged() -> dict[Any, dict[str, Any]]:
    """What `balkanwatch tag -` makes of LINES and of the seed article, with the real seeds, in one go."""
    article = {"id": "article", "text": article_text(), "lang": "en", "published_at": "2023-11-20"}
    done = command("tag", "-", stdin="".join(json.dumps(line) + "\n" for line in [*LINES, article]))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["id"] for record in out] == [line["id"] for line in LINES] + ["article"]
    return {record["id"]: record for record in out}


def test_the_shape_is_the_contract(tagged: dict[Any, dict[str, Any]]) -> None:
    for record in tagged.values():
        assert list(record) == ["id", "lang", "script", "mentions", "countries", "topics", "actors"]
        for mention in record["mentions"]:
            assert {"entity_id", "kind", "country_code", "field", "surface", "start", "end"} <= set(mention)
            assert mention["kind"] in {"country", "demonym", "adjective", "place", "organisation", "person", "role"}
            assert mention["field"] in {"title", "body", "text"}
        for country in record["countries"]:
            assert set(country) == {"code", "n", "salience", "is_focus"} and re.fullmatch("[A-Z]{2}", country["code"])
            assert 0 <= country["salience"] <= 1 and country["n"] >= 1
        for topic in record["topics"]:
            assert {"topic_id", "score", "evidence"} <= set(topic) and topic["evidence"]


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line["id"]))
def test_offsets_are_of_exactly_the_strings_given(line: dict[str, Any], tagged: dict[Any, dict[str, Any]]) -> None:
    given = {"title": line.get("title", ""), "body": line["text"], "text": line["text"]}
    record = tagged[line["id"]]
    for mention in record["mentions"]:
        assert given[mention["field"]][mention["start"] : mention["end"]] == mention["surface"]
    for topic in record["topics"]:
        for span in topic["evidence"]:
            assert 0 <= span["start"] < span["end"] <= len(given[span["field"]])


def test_hard_texts_still_give_their_names(tagged: dict[Any, dict[str, Any]]) -> None:
    for name in HARD:
        assert tagged[name]["mentions"], name
    assert {c["code"] for c in tagged["blanks"]["countries"]} == {"XK", "RS"}
    assert {c["code"] for c in tagged["emoji"]["countries"]} >= {"XK", "RS"}
    assert {c["code"] for c in tagged["cyrl"]["countries"]} == {"XK", "RS"}
    assert (tagged["cyrl"]["lang"], tagged["cyrl"]["script"]) == ("hbs", "Cyrl")
    assert "barricades" in {topic["topic_id"] for topic in tagged["cyrl"]["topics"]}


def test_nothing_is_found_in_nothing(tagged: dict[Any, dict[str, Any]]) -> None:
    for name in ("empty", "unknown"):
        assert tagged[name]["lang"] == "und"
        assert not any(tagged[name][key] for key in ("mentions", "countries", "topics", "actors"))


def test_an_office_is_a_person_only_on_a_date(tagged: dict[Any, dict[str, Any]]) -> None:
    def office(key: int) -> list[tuple[str, str, str]]:
        return [(m["kind"], m["entity_id"], m["country_code"]) for m in tagged[key]["mentions"] if m["kind"] == "role"]

    assert office(7) == [("role", "president:XK", "XK")]
    assert office(8) == office(9) == [("role", "vjosa_osmani", "XK")]
    assert not any(actor["kind"] == "person" for actor in tagged[7]["actors"])


def test_the_seed_article_gives_what_it_must(tagged: dict[Any, dict[str, Any]]) -> None:
    article = tagged["article"]
    assert {c["code"] for c in article["countries"]} >= {"BA", "XK", "RS", "MK", "AL", "HR", "ME", "SI", "RU", "UA"}
    focus = {c["code"] for c in article["countries"] if c["is_focus"]}
    assert "BA" in focus and len(focus & {"XK", "RS", "MK"}) >= 2
    topics = {topic["topic_id"] for topic in article["topics"]}
    assert topics >= {"foreign_influence", "secession", "nato_presence", "recognition_statehood"}
    assert {actor["name"] for actor in article["actors"]} >= {
        "Jens Stoltenberg", "Borjana Krišto", "Aleksandar Vučić", "Ana Brnabić", "Stevo Pendarovski", "Dimitar Kovačevski",
        "NATO", "Vjosa Osmani",
    }  # fmt: skip
    osmani = [m for m in article["mentions"] if m["entity_id"] == "vjosa_osmani"]
    assert any(m["kind"] == "role" and m["role_id"] == "president:XK" for m in osmani)
    assert not {"NATO", "EU", "UN"} & {c["code"] for c in article["countries"]}


BAD_LINES = {
    2: "{not json", 3: "[1, 2]", 5: '{"text": "no id"}', 6: '{"id": 1}', 7: '{"id": 1, "text": 5}',
    8: '{"id": 1, "text": "x", "published_at": "yesterday"}', 9: '{"id": true, "text": "x"}', 10: "[" * 100_000,
    11: '{"id": 1, "text": "x", "title": ["t"]}', 12: '{"id": 1, "text": "x", "lang": 7}', 13: "null",
}  # fmt: skip


@pytest.mark.usefixtures("few_seeds")
def test_a_bad_line_is_named_and_skipped(tmp_path: Path) -> None:
    good = {1: '{"id": "a", "text": "Kosovo"}', 4: "", 14: '{"id": "b", "text": "KFOR u Kosovu", "lang": null}'}
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join((BAD_LINES | good)[n] for n in range(1, 15)), encoding="utf-8-sig")
    done = command("tag", path)
    assert done.returncode == 1
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["a", "b"]
    complaints = done.stderr.splitlines()
    assert [int(re.match(r"line (\d+): ", line)[1]) for line in complaints] == sorted(BAD_LINES)  # type: ignore[index]
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("few_seeds")
def test_bytes_that_are_no_utf8_do_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"id": 1, "text": "Kosovo \xff\xfe"}\n{"id": 2, "text": "Kosovo"}\n')
    done = command("tag", path)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()][-1] == 2


@pytest.mark.usefixtures("few_seeds")
def test_a_file_that_is_not_there_is_one_sentence() -> None:
    for words in (["tag", "nowhere.jsonl"], ["extract", "nowhere.html"], ["feeds", "parse", "nowhere.xml"]):
        done = command(*words)
        assert done.returncode == 1
        assert done.stderr.strip() == f"Error: {words[-1]} can not be read: No such file or directory."


# -- extract and feeds parse ------------------------------------------------------------------------------------------


def test_extract_gives_one_object() -> None:
    done = command("extract", SEED_TEXT, "--url", "https://example.org/a?utm_source=x")
    record = json.loads(done.stdout)
    assert list(record) == ["title", "body", "author", "published_at", "date_source", "canonical_url", "lang", "script"]
    assert record["lang"] == "en" and record["script"] == "Latn" and "<" not in record["body"] and record["title"]
    assert record["published_at"].startswith("2023-11-20") and record["published_at"].endswith("Z")


def test_feeds_parse_gives_an_array() -> None:
    done = command("feeds", "parse", "seeds/sample/sample.xml", "--url", "https://example.org/feed/")
    records = json.loads(done.stdout)
    assert done.returncode == 0 and len(records) >= 20
    assert all(record["url"].startswith("https://example.org/feed/pages/") and "utm_" not in record["url"] for record in records)
    assert all("<" not in record["title"] + record["body"] for record in records)
    assert {record["lang"] for record in records} >= {"en", "hbs", "sq", "mk", "sl"}


def test_what_is_no_feed_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_text("<html><body>No feed here</body></html>")
    done = command("feeds", "parse", tmp_path / "page.xml")
    assert done.returncode == 1 and json.loads(done.stdout) == [] and str(tmp_path) in done.stderr


# -- query and export -------------------------------------------------------------------------------------------------


def test_queries_are_listed() -> None:
    done = invoke("query", "--list")
    assert done.exit_code == 0 and len(queries.names()) >= 5
    for name in queries.names():
        assert name in done.output
    assert "--country=XK" in done.output


def test_a_query_prints_a_table_or_csv(sample: Settings) -> None:
    table = command("query", "top_topics", "--data", sample.data, "--group=core")
    assert table.returncode == 0 and "Which topics lead in each country?" in table.stdout and "Kosovo" in table.stdout
    as_csv = command("query", "top_topics", "--data", sample.data, "--group=core", "--csv")
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert {row["code"] for row in rows} <= {"AL", "BA", "ME", "MK", "RS", "XK"} and "XK" in {row["code"] for row in rows}
    with Store.reader(sample.data) as store:
        assert len(rows) == queries.ask(store, "top_topics", group="core").height


@pytest.mark.parametrize(("words", "sentence"), [
    (["no_such"], "There is no query `no_such`; `balkanwatch query --list` shows them all."),
    (["../../pyproject"], "There is no query `../../pyproject`; `balkanwatch query --list` shows them all."),
    (["topic_trend", "--city=X"], "Query `topic_trend` has no parameter `city`; it has --country, --topic, --side, "),
    (["topic_trend", "--days"], "`--days` is not a parameter; write --name=value."),
    (["topic_trend", "days=3"], "`days=3` is not a parameter; write --name=value."),
    (["topic_trend", "--days=many"], "Query `topic_trend` can not be answered: "),
    (["topic_trend", "--country=X' or 1=1 --"], "There is no country `X' OR 1=1 --`; relation `country` has them all."),
        (["topic_trend", "--topic=weather"], "There is no topic `weather`; relation `topic` has them all."),
])  # fmt: skip
def test_a_wrong_question_is_one_sentence(words: list[str], sentence: str, sample: Settings) -> None:
    done = command("query", *words, "--data", sample.data)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1 and done.stderr.startswith(f"Error: {sentence}") and done.stderr.count("\n") == 1


def test_a_sentence_comes_with_its_traceback_on_demand(tmp_path: Path) -> None:
    words = ("query", "top_topics", "--data", tmp_path)
    plain, debug = command(*words), command("--debug", *words)
    assert (
        plain.returncode == 1
        and plain.stderr == f"Error: There is no warehouse in {tmp_path} yet: run `balkanwatch run` first.\n"
    )
    assert debug.returncode == 1 and "Traceback" in debug.stderr and "WarehouseError" in debug.stderr
    assert not list(tmp_path.iterdir())  # asking makes nothing


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for words in (["run"], ["retag"], ["serve"]):
        done = command(*words, "--data", tmp_path / "file" / "data")
        assert done.returncode == 1 and "Not a directory" in done.stderr and "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("error", "is_told"), [
    (OSError(28, "No space left on device"), True), (OSError("No space left on device (os error 28)"), True),
    (pl.exceptions.ComputeError("could not write: No space left on device (os error 28)"), True),
    (pl.exceptions.ComputeError("No such column"), False), (ValueError("No space left on device"), False),
    (OSError("something else"), False),
])  # fmt: skip
def test_a_full_disk_is_one_sentence(
    error: Exception, is_told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    with pytest.raises(SystemExit if is_told else type(error)):
        cli.main()
    assert ("There is no space left" in capsys.readouterr().err) == is_told


def test_export_writes_every_mart_with_a_readme(sample: Settings) -> None:
    done = command("export", "--data", sample.data)
    assert done.returncode == 0
    folder = sample.data / "exports"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name in export.MARTS:
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file))
        section = readme.split(f"## {name}.csv")[1].split("## ")[0]
        assert [*re.findall(r"^- `(\w+)`", section, re.MULTILINE)] == columns
        assert str(folder / f"{name}.csv") in done.stdout
    with (folder / "articles.csv").open(encoding="utf-8", newline="") as file:
        titles = {row["title"] for row in csv.DictReader(file)}
    assert any("ž" in title for title in titles) and any("ј" in title for title in titles)


HOSTILE = [
    '=cmd|" /C calc"!A0',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=1,2",
    '="a"',
    "  =1",
    "\ufeff=1",
    "'=1",
    "＝1",
]


@pytest.mark.parametrize("title", HOSTILE, ids=repr)
def test_no_cell_runs_as_a_formula(title: str, tmp_path: Path) -> None:
    export.write_csv(pl.DataFrame({"title": [title, "plain", None], "n": [-1, 2, 3]}), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        (header, *rows) = csv.reader(file)
    assert header == ["title", "n"] and [row[1] for row in rows] == ["-1", "2", "3"] and rows[1][0] == "plain"
    cell = rows[0][0]
    seen = cell.lstrip(" \t\r\n\ufeff\u00a0")  # what a spreadsheet may skip before it looks for a formula
    assert unicodedata.normalize("NFKC", seen)[0] not in "=+-@"
    assert cell.endswith(title)


def test_hostile_titles_stay_one_cell(tmp_path: Path) -> None:
    titles = ['say "no"', "a,b;c", "two\nlines", "crlf\r\nhere", "nul\0byte", "Ђурђевдан 🇷🇸", "</script>", "lone"]
    export.write_csv(pl.DataFrame({"title": titles}), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = [row[0] for row in csv.reader(file)][1:]
    assert rows == [title.replace("\0", "") for title in titles]


# -- seeds and feeds --------------------------------------------------------------------------------------------------


def test_a_mistake_in_the_seeds_has_file_and_line(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    path = settings.seeds / "topic.csv"
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([rows[0], rows[2], rows[1], *rows[3:]]), encoding="utf-8")
    rules = settings.seeds / "rule" / "war_crimes.csv"
    with rules.open("a", encoding="utf-8") as file:
        file.write('zzz_test,no_such_topic,7,"all(no_such_concept, @QQ",\n')
    n_rules = len(rules.read_text(encoding="utf-8").splitlines())
    done = command("seeds", "check", **environment(settings))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    found = done.stdout.splitlines()
    assert any(line.startswith("topic.csv:3: not sorted") for line in found)
    assert f"rule/war_crimes.csv:{n_rules}: topic_id `no_such_topic` is not in topic.csv" in found
    assert f"rule/war_crimes.csv:{n_rules}: weight `7` is not a number from 0 to 1" in found
    assert re.fullmatch(r"Error: \d+ mistakes in .*seeds\.\n", done.stderr)


@pytest.mark.parametrize(("name", "text", "sentence"), [
    ("topic.csv", None, "topic.csv is missing."),
    ("topic.csv", "topic_id\nx\n", "topic.csv:1: column `label_en` is missing."),
    ("topic.csv", "", "topic.csv can not be read as CSV"),
    ("side.csv", "a,b\n\"unclosed", "side.csv"),
])  # fmt: skip
def test_seeds_that_can_not_be_read_are_one_sentence(prepare: Prepare, name: str, text: str | None, sentence: str) -> None:
    settings = prepare([SAMPLE])
    path = settings.seeds / name
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    done = command("seeds", "check", **environment(settings))
    assert done.returncode == 1 and sentence in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_the_catalogue_is_shown() -> None:
    done = command("feeds", "list", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) >= 80 and {"feed_id", "outlet", "owner", "side", "country_code", "lang"} <= set(rows[0])
    assert {row["country_code"] for row in rows} >= {"AL", "BA", "HR", "ME", "MK", "RS", "SI", "XK", "RU"}
    assert "sample" in {row["feed_id"] for row in rows}


# -- settings ---------------------------------------------------------------------------------------------------------

WRONG = [
    ("pause_s", '"soon"', "soon", "Setting `pause_s` is 'soon', but it should be a valid number"),
    ("pause_s", "0.01", "0.01", "should be greater than or equal to 0.1."),
    ("timeout_s", "601", "601", "should be less than or equal to 600."),
    ("max_bytes", "1.5", "1.5", "Setting `max_bytes` is "),
    ("concurrency", "0", "0", "should be greater than or equal to 1."),
    ("allow_private", '"perhaps"', "perhaps", "should be a valid boolean"),
    ("time_zone", '"Europe/Atlantis"', "Europe/Atlantis", "is not a time zone such as Europe/Belgrade."),
    ("query_memory", '"lots"', "lots", "Setting `query_memory` is 'lots', but it "),
    ("contact", '"x"', "x", "Setting `contact` is 'x', but it "),
]


@pytest.mark.parametrize(("name", "in_file", "in_environment", "sentence"), WRONG, ids=lambda value: str(value)[:30])
def test_a_wrong_setting_is_one_sentence_that_names_it(
    name: str, in_file: str, in_environment: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "balkanwatch.toml"
    config.write_text(f"{name} = {in_file}\n", encoding="utf-8")
    monkeypatch.setenv("BALKANWATCH_CONFIG", str(config))
    for _ in range(2):
        with pytest.raises(SettingsError) as caught:
            Settings.read()
        text = str(caught.value)
        assert f"`{name}`" in text and sentence in text and "\n" not in text and text.endswith(".")
        config.write_text("", encoding="utf-8")
        monkeypatch.setenv(f"BALKANWATCH_{name.upper()}", in_environment)


@pytest.mark.parametrize(("text", "sentence"), [
    ("paus_s = 3\n", "There is no setting `paus_s`"),
    ("pause_s = \n", "is not valid TOML: "),
    ("[monitor]\npause_s = 3\n", "There is no setting `monitor`"),
])  # fmt: skip
def test_a_wrong_settings_file_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    config = tmp_path / "balkanwatch.toml"
    config.write_text(text, encoding="utf-8")
    done = command("feeds", "list", BALKANWATCH_CONFIG=str(config))
    assert done.returncode == 1 and sentence in done.stderr and str(config) in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_an_unknown_setting_in_the_environment_is_named() -> None:
    done = command("feeds", "list", BALKANWATCH_PAUS_S="3")
    assert done.returncode == 1 and done.stderr.startswith("Error: There is no setting `paus_s`")


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command("feeds", "list", BALKANWATCH_CONFIG=str(tmp_path / "mine.toml"))
    assert done.returncode == 1 and str(tmp_path / "mine.toml") in done.stderr and done.stderr.count("\n") == 1


def test_environment_wins_over_file_and_command_line_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "balkanwatch.toml"
    config.write_text('pause_s = 7\ntime_zone = "Europe/Skopje"\ndata = "from-file"\n', encoding="utf-8")
    monkeypatch.setenv("BALKANWATCH_CONFIG", str(config))
    monkeypatch.setenv("BALKANWATCH_PAUSE_S", "9")
    monkeypatch.setenv("BALKANWATCH_DATA", "from-environment")
    settings = Settings.read(data=tmp_path)
    assert (settings.pause_s, settings.time_zone, settings.data) == (9.0, "Europe/Skopje", tmp_path)
    assert Settings.read().data == Path("from-environment")


def test_the_documented_settings_are_the_settings() -> None:
    text = (ROOT / "balkanwatch.toml").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^# (\w+) = (.+?)\s*(?:#.*)?$", text, re.MULTILINE))
    values = tomllib.loads("\n".join(f"{name} = {value}" for name, value in documented.items()))
    assert set(values) == set(Settings.model_fields)
    for name, value in values.items():
        default = Settings.model_fields[name].default
        assert default == value or (name in {"data", "seeds"} and Path(default).name == value)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('/etc/passwd')", "copy article to '/tmp/balkanwatch-leak.csv'", "attach '/tmp/other.duckdb'",
        "install httpfs", "load httpfs", "set enable_external_access = true", "select * from nothing_of_the_kind",
        "delete from article",
        "create table x as select 1", "selec", "",
    ],
)  # fmt: skip
def test_somebodys_sql_stays_inside_the_snapshot(statement: str, sample: Settings) -> None:
    done = invoke("sql", statement, "--data", sample.data)
    assert isinstance(done.exception, InputError) and len(str(done.exception).splitlines()) == 1
    assert not Path("/tmp/balkanwatch-leak.csv").exists()


def test_sql_answers(sample: Settings) -> None:
    done = invoke("sql", "select count(*) as n, '=1' as cell from article", "--csv", "--data", sample.data)
    head, row = done.stdout.split()
    assert head == "n,cell" and int(row.split(",")[0]) > 20 and row.endswith(",'=1")


def test_stories_group_copies(tmp_path: Path) -> None:
    words = "Police closed the road at Jarinje on Monday after trucks were parked across both lanes near the crossing"
    text = f"{words} and nobody could say when it would open again because talks between the two sides had not yet begun."
    lines = [
        {"id": 7, "text": text, "published_at": "2023-11-15"}, {"id": "a", "text": text, "published_at": "2023-11-14"},
        {"id": "far", "text": text, "published_at": "2023-12-24"},
        {"id": "b", "text": "A short one.", "published_at": "2023-11-14"},
    ]  # fmt: skip
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join([*map(json.dumps, lines), "{"]))
    done = invoke("stories", file)
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["id"], r["story_id"], r["is_lead"]) for r in rows] == [
        (7, "a", False), ("a", "a", True), ("far", "far", True), ("b", "b", True),
    ]  # fmt: skip
    assert rows[0]["similarity"] == 1.0
