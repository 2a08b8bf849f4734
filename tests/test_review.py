"""What people decide: verdicts on tags, what is forgotten, how long bodies are kept; and copies of the warehouse."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ROOT, SAMPLE, Prepare, answers, command
from hypothesis import given
from hypothesis import strategies as st
from landed import NOW, article_id, land, tagged, url

from flows import run
from pipeline import review
from pipeline.errors import InputError, WarehouseError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import Store, backup, erasure, index, landing, retagging, snapshot_path, writer_path

LANGS = ["hbs"] * 12 + ["sq"] * 6 + ["en"] * 2
NAMES = [f"n{i}" for i in range(len(LANGS))]


def fill(store: Store) -> None:
    """Twenty articles in three languages, all on the border and chiefly about Kosovo; with the topics and countries they need."""
    store.append("topic", pl.DataFrame({"topic_id": ["border", "energy"]}))
    store.append("country", pl.DataFrame({"code": ["XK", "AL"]}))
    for lang in ("hbs", "sq", "en"):
        names = [name for name, one in zip(NAMES, LANGS, strict=True) if one == lang]
        texts = {name: (f"Naslov {name}", f"Barikade {name} stoje. Druga, rečenica; ostaje.") for name in names}
        land(store, texts, lang=lang, tags=[(n, "border") for n in names], focus=[(n, "XK") for n in names])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Store.writer(tmp_path / "data") as store:
        fill(store)
        store.publish()
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    with Store.writer(data) as writer:
        yield writer


def n_articles(data: Path, topic: str = "border", country: str = "*") -> int:
    """Articles that the coverage mart of the snapshot counts."""
    sql = """
        select coalesce(sum(n_articles), 0) from coverage
        where topic_id = $topic and country_code = $country and side = '*' and lang = '*' and basis = 'focus'
    """
    return int(answers(data, sql, topic=topic, country=country)[0][0])


# -- coding sheets ----------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_articles(store: Store) -> None:
    one, again, other = (review.sample(store, "border", "XK", 8, seed) for seed in (1, 1, 2))
    assert one.equals(again) and not one["article_id"].equals(other["article_id"])
    more = review.sample(store, "border", "XK", 12, 1)
    assert more["article_id"].to_list()[:8] == one["article_id"].to_list()
    assert one["article_id"].n_unique() == 8


def test_a_sheet_has_what_one_needs_to_judge(store: Store) -> None:
    row = review.sample(store, "border", "XK", 1, 1).row(0, named=True)
    assert row["text"].startswith("Barikade ") and row["evidence"] == row["text"].split(". ")[0] + "."
    assert (
        row["title"].startswith("Naslov ")
        and row["address"].startswith("https://news.example/")
        and row["rule_ids"] == "some_rule"
    )
    assert (row["verdict"], row["country_verdict"], row["note"], row["country_evidence"]) == (None, None, None, row["title"])
    assert "country_verdict" not in review.sample(store, "border", None, 1, 1).columns
    assert review.sample(store, None, "XK", 50, 1)["rule_ids"].to_list() == ["XK/x"] * 20


def test_languages_get_equal_parts_when_asked_for(store: Store) -> None:
    counts = dict(review.sample(store, "border", None, 9, 1, by_language=True).group_by("lang").len().iter_rows())
    assert counts == {"hbs": 4, "sq": 3, "en": 2} or counts == {"hbs": 3, "sq": 4, "en": 2}


@pytest.mark.parametrize(("topic", "country"), [(None, None), ("nothing", None), ("border", "ZZ")])
def test_a_sheet_of_nothing_is_one_sentence(topic: str | None, country: str | None, store: Store) -> None:
    with pytest.raises(InputError, match=r"\.$"):
        review.sample(store, topic, country, 5, 1)


# -- verdicts ---------------------------------------------------------------------------------------------------------


def saved(rows: list[dict[str, Any]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """Rows as a spreadsheet saves them."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode(encoding)


def row(name: str, verdict: str, **more: str) -> dict[str, str]:
    return {
        "article_id": article_id(name),
        "topic_id": "border",
        "country_code": "",
        "verdict": verdict,
        "note": "",
        "title": "a\nb",
    } | more


@pytest.mark.parametrize(("delimiter", "encoding"), [
    (",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (";", "cp1250"), (",", "utf-8-sig"),
])  # fmt: skip
def test_a_sheet_is_read_as_any_spreadsheet_saves_it(delimiter: str, encoding: str, store: Store) -> None:
    given_ = ["yes", "no", "right", "WRONG", "1", "0", "da", "NE", " Yes ", "1.0", "0,0", "true"]
    rows = [row(f"n{i}", verdict, note="šta, kaže; ovo") for i, verdict in enumerate(given_)]
    sheet = review.verdicts(store, saved(rows, delimiter, encoding), "me", NOW)
    assert sheet.problems == [] and sheet.n_empty == 0
    assert sheet.rows["verdict"].to_list() == ["right", "wrong"] * 4 + ["right", "right", "wrong", "right"]
    assert set(sheet.rows["note"]) == {"šta, kaže; ovo"} and sheet.rows.schema == RELATIONS["judgement"]


def test_bad_lines_are_told_and_the_others_kept(store: Store) -> None:
    rows = [
        row("n0", "yes"), row("n1", "maybe"), row("unknown", "yes"), row("n2", ""), row("n3", "no", topic_id="nothing"),
        row("n4", "no", country_code="ZZ"), row("n0", "no"), row("n5", "no", topic_id=""), row("n6", "no"),
    ]  # fmt: skip
    sheet = review.verdicts(store, saved(rows), "me", NOW)
    assert sheet.rows["article_id"].to_list() == [article_id("n0"), article_id("n6")]
    assert sheet.n_empty == 1
    assert [line for line, _ in sheet.problems] == [4, 6, 10, 12, 14, 16]  # each title has a line break
    assert "`maybe` is no verdict" in sheet.problems[0][1]


@pytest.mark.parametrize("body", ["", 'first, line\n"second, line" of it\nthird'])
def test_a_quote_that_is_not_closed_costs_its_own_line_only(body: str, store: Store) -> None:
    rows = [row(f"n{i}", "yes", note="a note,\nof two lines", text="" if i else body, title="") for i in range(4)]
    data_ = saved([rows[1], rows[0] | {"note": "QUOTE"}, rows[2], rows[3] | {"note": ""}]).replace(b"QUOTE", b'"he said')
    sheet = review.verdicts(store, data_, "me", NOW)
    assert sheet.rows["article_id"].to_list() == [article_id(name) for name in ("n1", "n2", "n3")]
    assert sheet.rows["note"].to_list() == ["a note,\nof two lines", "a note,\nof two lines", None]
    assert sheet.problems[0][0] == 4 and "quotes" in sheet.problems[0][1]
    last = saved([row("n1", "yes"), row("n2", "no", note="QUOTE")]).replace(b"QUOTE", b'"he said')
    assert review.verdicts(store, last, "me", NOW).rows["article_id"].to_list() == [article_id("n1")]


def test_a_header_with_a_quote_that_is_not_closed_is_no_sheet(store: Store) -> None:
    with pytest.raises(InputError, match="no coding sheet"):
        review.verdicts(store, b'article_id,verdict,"note\n1,yes,\n', "me", NOW)


@pytest.mark.parametrize(("more", "reason"), [
    ({"version": "20240409120000"}, "no version `20240409120000`"), ({"version": "9" * 5000}, "no version"),
    ({"country_verdict": "no"}, "no country_code"), ({"country_verdict": "yes", "verdict": ""}, "country_code"),
])  # fmt: skip
def test_a_cell_that_can_not_be_kept_is_told(more: dict[str, str], reason: str, store: Store) -> None:
    columns = dict.fromkeys(("version", "country_verdict"), "")
    sheet = review.verdicts(store, saved([row("n0", "yes") | columns | more, row("n1", "no") | columns]), "me", NOW)
    assert sheet.rows["article_id"].to_list() == [article_id("n1")]
    ((line, told),) = sheet.problems
    assert line == 2 and re.search(reason, told)


@pytest.mark.parametrize("first", [b"sep=;\r\n", b'"sep=;"\n', b"\xef\xbb\xbfSEP=;\n"])
def test_the_line_that_tells_excel_the_separator_is_passed_over(first: bytes, store: Store) -> None:
    sheet = review.verdicts(store, first + saved([row("n0", "yes"), row("n1", "maybe")], ";"), "me", NOW)
    assert sheet.rows["article_id"].to_list() == [article_id("n0")]
    assert [line for line, _ in sheet.problems] == [5]


@pytest.mark.parametrize(("right", "wrong"), [("да", "Не"), ("ТАЧНО", "нетачно"), ("точно", "неточно")])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
def test_cyrillic_verdicts_are_read_as_any_spreadsheet_saves_them(right: str, wrong: str, encoding: str, store: Store) -> None:
    rows = [row("n0", right, note="ово је"), row("n1", wrong, note="ово је")]
    sheet = review.verdicts(store, saved(rows, ";", encoding), "me", NOW)
    assert sheet.rows["verdict"].to_list() == ["right", "wrong"] and set(sheet.rows["note"]) == {"ово је"}


def test_an_id_that_a_spreadsheet_made_a_number_of_is_found_by_its_address(store: Store) -> None:
    sheet = review.verdicts(store, saved([row("n0", "yes", address=url("n0")) | {"article_id": "1.23E+15"}]), "me", NOW)
    assert sheet.rows["article_id"].to_list() == [article_id("n0")] and not sheet.problems


@pytest.mark.parametrize("data_", [b"", b"\n", b"a,b\n1,2\n", b"\xff\xfe\x00", b"PK\x03\x04 this is a workbook"])
def test_what_is_no_sheet_is_one_sentence(data_: bytes, store: Store) -> None:
    with pytest.raises(InputError, match="no coding sheet"):
        review.verdicts(store, data_, "me", NOW)


def test_verdicts_override_the_tags_and_survive_tagging_again(data: Path) -> None:
    with Store.writer(data) as store:
        rows = [
            row("n0", "no"), row("n1", "no"), row("n2", "yes", topic_id="energy"),
            row("n3", "no", topic_id="", country_code="XK"),
            row("n4", "yes", topic_id="", country_code="AL"), row("n5", "yes", country_code="XK", country_verdict="no"),
        ]  # fmt: skip
        columns = dict.fromkeys([*rows[-1]], "")
        sheet = review.verdicts(store, saved([columns | one for one in rows]), "me", NOW)
        assert sheet.rows.height == 7
        review.judge(store, sheet.rows)
        store.publish()
    expected = {("border", "*"): 18, ("energy", "*"): 1, ("*", "XK"): 18, ("*", "AL"): 1, ("border", "XK"): 16}
    assert {cell: n_articles(data, *cell) for cell in expected} == expected
    names = {article_id(name): name for name in NAMES}

    def tag(documents: pl.DataFrame) -> Any:
        some = [names[id_] for id_ in documents["article_id"]]
        texts = dict.fromkeys(some, ("T", "Barikade opet"))
        return tagged([(name, "border") for name in some], [(name, "XK") for name in some], texts)

    with Store.writer(data) as store:
        assert retagging.stage(store, tag, "another version") == 20
        retagging.switch(store, "another version", NOW)
        store.publish()
    assert {cell: n_articles(data, *cell) for cell in expected} == expected
    with Store.writer(data) as store:  # the latest verdict counts
        review.judge(store, review.verdicts(store, saved([row("n0", "yes")]), "you", NOW + timedelta(days=1)).rows)
        store.publish()
    assert n_articles(data) == 19


def test_precision_by_topic_and_language_with_an_interval(store: Store) -> None:
    rows = [row(name, "no" if name in {"n0", "n12"} else "yes") for name in NAMES]
    shown = review.precision(store, review.verdicts(store, saved(rows), "me", NOW).rows).to_dicts()
    assert [(one["about"], one["lang"], one["n"], one["n_right"]) for one in shown] == [
        ("border", "*", 20, 18), ("border", "en", 2, 2), ("border", "hbs", 12, 11), ("border", "sq", 6, 5),
    ]  # fmt: skip
    # by hand: (18/20 + z2/40 -+ z sqrt(.9*.1/20 + z2/1600)) / (1 + z2/20), z2 = 3.8415
    assert (shown[0]["precision"], shown[0]["low"], shown[0]["high"]) == (0.9, 0.699, 0.972)


def test_precision_is_of_what_the_tagger_gives_and_not_of_what_a_person_adds(data: Path) -> None:
    with Store.writer(data) as store:
        about = {"topic_id": "", "country_code": "XK"}
        rows = [
            row("n0", "no"), row("n1", "yes"), row("n2", "yes", topic_id="energy"), row("n3", "no", topic_id="energy"),
            row("n4", "no") | about, row("n5", "yes") | about, row("n6", "yes") | about | {"country_code": "AL"},
        ]  # fmt: skip
        judged = review.verdicts(store, saved(rows), "me", NOW).rows
        for _ in range(2):  # what a person says changes tag_effective, not what the tagger gives
            shown = review.precision(store, judged).filter(lang="*").select("about", "n", "n_right").rows()
            assert sorted(shown) == [("XK", 2, 1), ("border", 2, 1)]
            review.judge(store, judged)
        assert review.precision(store, judged.filter(topic_id="energy")).is_empty()
        store.publish()
    assert n_articles(data, "energy") == 1 and n_articles(data, "*", "AL") == 1


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_holds_the_share(n: int, draw: st.DataObject) -> None:
    right = draw.draw(st.integers(0, n))
    low, high = review.wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1 and high - low < 1
    assert review.wilson(n - right, n) == pytest.approx((1 - high, 1 - low))


def test_sample_and_judge_on_the_command_line(data: Path, tmp_path: Path) -> None:
    done = command("sample", "--topic", "border", "--n", "4", "--out", tmp_path / "sheet.csv", "--data", data)
    assert done.returncode == 0 and "4 articles to judge" in done.stdout
    raw = (tmp_path / "sheet.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    for one, verdict in zip(rows, ("yes", "no", "", "perhaps"), strict=True):
        one["verdict"] = verdict
    (tmp_path / "filled.csv").write_bytes(saved(rows, ";"))
    done = command("judge", tmp_path / "filled.csv", "--by", "me", "--data", data)
    assert done.returncode == 1 and "line 5: `perhaps` is no verdict" in done.stderr
    assert "2 verdicts kept, 1 rows not judged, 1 lines not understood." in done.stdout and "border" in done.stdout
    assert n_articles(data) == 19
    assert answers(data, "select distinct judged_by, sample_id from judgement") == [("me", "border * n=4 seed=1")]


# -- forgetting -------------------------------------------------------------------------------------------------------

RELATIONS_OF_ARTICLES = [name for name, schema in RELATIONS.items() if "article_id" in schema and name != "tombstone"]


def left_of(store: Store, id_: str) -> dict[str, int]:
    """In which relations an article still stands."""
    counts = {
        name: store.read(f"select count(*) as n from {name} where article_id = $id", id=id_)["n"][0]
        for name in RELATIONS_OF_ARTICLES
    }
    return {name: n for name, n in counts.items() if n}


def test_forgetting_leaves_a_tombstone_and_nothing_else(data: Path) -> None:
    with Store.writer(data) as store:
        review.judge(store, review.verdicts(store, saved([row("n1", "yes", note="secret note")]), "me", NOW).rows)
        assert {"article", "article_version", "tag", "focus", "mention", "signature", "judgement", "search_document"} <= set(
            left_of(store, article_id("n1"))
        )
        what = erasure.target(store, f"http://www.news.example/n1?utm_source=x#part")  # noqa: F541
        assert what.articles["article_id"].to_list() == [article_id("n1")]
        erasure.forget(store, what, "asked for", NOW)
        assert left_of(store, article_id("n1")) == {}
        assert index.find(store, "n1").is_empty() and index.find(store, "barikade", limit=100).height == 19
        assert store.read("select * from search_posting where term = 'n1'").is_empty()
        tombs = store.read("select kind, article_id, reason from tombstone where address = $url", url=url("n1")).rows()
        assert tombs == [("article", article_id("n1"), "asked for")]
        store.publish()
    assert n_articles(data) == 19


def test_what_was_forgotten_does_not_land_again(data: Path) -> None:
    with Store.writer(data) as store:
        erasure.forget(store, erasure.target(store, url("n1")), "", NOW)
        land(
            store,
            {"n1": ("Naslov", "Barikade opet."), "new": ("Novo", "Barikade nove.")},
            tags=[("n1", "border")],
            outlet="Another",
        )
        assert left_of(store, article_id("n1")) == {}
        assert index.find(store, "nove")["article_id"].to_list() == [article_id("new")]
        erasure.forget(store, erasure.target(store, "https://unknown.example/x"), "", NOW)  # before it ever came
        erasure.forget(store, erasure.target(store, "another"), "", NOW)
        assert left_of(store, article_id("new")) == {}
        land(store, {"newer": ("Novije", "Barikade najnovije.")}, outlet="Another")
        assert left_of(store, article_id("newer")) == {}
        with pytest.raises(InputError, match="neither an address nor the name of an outlet"):
            erasure.target(store, "Nobody")


def test_the_rest_of_a_story_is_put_together_anew(tmp_path: Path) -> None:
    words = " ".join(f"word{i}" for i in range(80))
    with Store.writer(tmp_path) as store:
        for n, name in enumerate(("first", "second", "third")):
            land(store, {name: ("The same title", words)}, at=NOW + timedelta(hours=n), outlet=f"Outlet{n}")
        assert store.read("select n_articles from story").rows() == [(3,)]
        erasure.forget(store, erasure.target(store, url("first")), "", NOW)
        assert store.read("select story_id, n_articles, n_outlets from story").rows() == [(article_id("second"), 2, 2)]
        assert set(store.read("select distinct story_id from story_article")["story_id"]) == {article_id("second")}
        assert store.read("select * from story_edge").height == 1


def test_a_forgotten_article_of_a_feed_stays_away_from_every_run(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    first = run.run_monitor(settings, 60)
    not_indexed = """
        select count(*) from article a full join search_document d on a.article_id = d.article_id and a.version = d.version
        where a.article_id is null or d.article_id is null
    """
    assert answers(settings.data, not_indexed) == [(0,)]
    address, title, body = answers(settings.data, "select url, title, body from article_text order by length(body) desc limit 1")[
        0
    ]
    assert body[:200].encode() in snapshot_path(settings.data).read_bytes()
    done = command("forget", address, "--data", settings.data)
    assert done.returncode == 1 and "Forget it for good?" in done.stdout  # nobody says yes here
    assert answers(settings.data, "select count(*) from article") == [(first.n_articles,)]
    done = command("forget", address, "--yes", "--reason", "a request", "--data", settings.data)
    assert done.returncode == 0 and title[:20] in done.stdout
    for path in (writer_path(settings.data), snapshot_path(settings.data)):
        assert body[:200].encode() not in path.read_bytes()
    exported = (settings.data / "exports" / "articles.csv").read_text(encoding="utf-8")
    assert title not in exported and address not in exported
    with Store.writer(settings.data) as store:
        store.run("update feed_state set n_polls = 0, etag = null, body_hash = null, next_fetch_at = null")
    again = run.run_monitor(settings, 60)
    assert (again.n_new, again.n_articles) == (0, first.n_articles - 1)
    assert answers(settings.data, not_indexed) == [(0,)]
    assert answers(settings.data, "select count(*) from article where url = $url", url=address) == [(0,)]
    done = command("forget", SAMPLE["outlet"], "--yes", "--data", settings.data)
    assert done.returncode == 0 and f"{first.n_articles - 1} articles forgotten" in done.stdout
    with Store.writer(settings.data) as store:
        assert landing.due_feeds(store, datetime.now(UTC) + timedelta(days=9)).is_empty()


# -- retention --------------------------------------------------------------------------------------------------------


def test_old_bodies_go_and_everything_else_stays(data: Path) -> None:
    before = n_articles(data)
    with Store.writer(data) as store:
        assert erasure.expire(store, 30, NOW + timedelta(days=29)) == 0
        land(store, {"n1": ("Novi naslov", "Drugi tekst.")}, tags=[("n1", "border")])
        assert erasure.expire(store, 30, NOW + timedelta(days=31)) == 20
        assert erasure.expire(store, 30, NOW + timedelta(days=31)) == 0
        assert store.read("select * from article_version where body is not null").is_empty()
        assert store.read("select * from article_version where title is null").is_empty()
        evidence = store.read("select surface, sentence from tag_evidence order by all").rows()
        assert len(evidence) == 20 and set(evidence) == {("Barikade", None), ("Drugi", None)}
        assert index.find(store, "barikade").is_empty() and index.find(store, "naslov", limit=50).height == 20
        store.publish()
    assert n_articles(data) == before
    with Store.writer(data) as store:  # what can not be read is not tagged again
        assert retagging.stage(store, lambda documents: tagged([], [], {}), "another version") == 0
        retagging.switch(store, "another version", NOW)
        assert store.read("select count(*) as n from tag")["n"][0] == 20


def test_a_run_keeps_bodies_as_long_as_the_settings_say(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    run.run_monitor(settings, 60)
    with Store.writer(settings.data) as store:
        store.run("update article set first_seen_at = first_seen_at - interval 40 day where lang = 'en'")
    run.run_monitor(settings.model_copy(update={"retention_days": 30}), 60)
    rows = answers(
        settings.data,
        "select distinct lang = 'en', body is null, body_source = 'removed' from article_text where body <> '' or body is null",
    )
    assert set(rows) == {(True, True, True), (False, False, False)}


# -- backup and restore -----------------------------------------------------------------------------------------------


def test_a_backup_comes_back(data: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.duckdb"
    done = command("backup", kept, "--data", data)
    assert done.returncode == 0 and "20 articles" in done.stdout and "from the writer" in done.stdout
    facts = json.loads((tmp_path / "kept.duckdb.json").read_text())
    assert facts["sha256"] == backup.checksum(kept) and facts["n_articles"] == 20
    done = command("backup", kept, "--data", data)
    assert done.returncode == 1 and "overwrites nothing" in done.stderr
    with Store.writer(data) as store:
        erasure.forget(store, erasure.target(store, "Outlet"), "", NOW)
        store.publish()
    assert answers(data, "select count(*) from article") == [(0,)]
    done = command("restore", kept, "--data", data)
    assert done.returncode == 0 and "20 articles restored" in done.stdout
    assert answers(data, "select count(*) from article") == [(20,)] and n_articles(data) == 20
    (aside,) = writer_path(data).parent.glob("warehouse-before-*.duckdb")
    assert str(aside) in done.stdout.replace("\n", "")
    done = command("restore", aside, "--data", data)
    assert done.returncode == 0 and answers(data, "select count(*) from article") == [(0,)]


def test_a_backup_while_a_run_is_writing_is_of_the_snapshot(data: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from datetime import *; from pipeline.warehouse import backup;"
        "print(backup.backup(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))['source'])"
    )
    with Store.writer(data) as store:
        land(store, {"later": ("Kasnije", "Nije objavljeno.")})
        done = subprocess.run(
            [sys.executable, "-c", script, str(data), str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert (done.returncode, done.stdout) == (0, "snapshot\n"), done.stderr
        (kept,) = tmp_path.glob("balkanwatch-*.duckdb")
        with pytest.raises(WarehouseError, match="Another run is writing"):
            backup.restore(data, kept, NOW)
    facts, _ = backup.restore(data, kept, NOW)
    assert facts["n_articles"] == 20 and answers(data, "select count(*) from article") == [(20,)]


def test_what_can_not_be_restored_changes_nothing(data: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.duckdb"
    with Store.writer(tmp_path / "other") as store:
        store.set_meta("schema_version", "999")
        store.publish()
    snapshot_path(tmp_path / "other").rename(newer)
    (tmp_path / "text.duckdb").write_text("no database " * 1000)
    damaged = tmp_path / "damaged.duckdb"
    backup.backup(data, damaged, NOW)
    raw = bytearray(damaged.read_bytes())
    raw[-100] ^= 1
    damaged.write_bytes(raw)
    before = writer_path(data).read_bytes()
    for path, sentence in (
        (newer, "written by a newer balkanwatch"), (tmp_path / "text.duckdb", "is not a warehouse"), (damaged, "is damaged"),
    ):  # fmt: skip
        with pytest.raises(WarehouseError, match=sentence):
            backup.restore(data, path, NOW)
    with pytest.raises(InputError, match="There is no backup"):
        backup.restore(data, tmp_path / "nothing", NOW)
    assert writer_path(data).read_bytes() == before
