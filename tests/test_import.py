"""Archives into the warehouse: what lands, what is known already, what waits, what is told; and after a kill."""

import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import SAMPLE, Prepare, answers, command, contents, environment

from flows import imports, run
from flows.retag import retag
from flows.settings import Settings
from pipeline.errors import InputError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import Store, landing, queries

B92 = {
    "feed_id": "rs_b92",
    "url": "https://www.b92.net/rss",
    "outlet": "B92",
    "side": "belgrade",
    "owner": "United",
    "lang": "sr",
}
KOHA = {"feed_id": "xk_koha", "url": "https://www.koha.net/rss", "outlet": "Koha", "side": "pristina", "lang": "sq"}
FEEDS = [B92, KOHA]
BODY = "KFOR troops removed barricades near Zvecan in Kosovo on Monday. NATO said the road was open again. " * 3


def record(n: int = 1, **more: Any) -> dict[str, Any]:
    """An article of B92 as somebody's scraper kept it."""
    return {
        "url": f"https://www.b92.net/vesti/{n}", "title": f"Barricades in Kosovo, part {n}", "text": f"{BODY} Part {n}.",
        "published_at": f"2019-03-{n % 28 + 1:02}T10:00:00+01:00",
    } | more  # fmt: skip


def jsonl(path: Path, *records: dict[str, Any] | str) -> Path:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records), encoding="utf-8")
    return path


def imported(
    settings: Settings, *paths: Path, format: str | None = None, mapping: dict[str, str] | None = None, **said: Any
) -> Any:
    """Import in this process; the tally of the last source."""
    todo = imports.planned(paths, settings, format, mapping or {}, **said)
    return imports.run_import(settings, todo, 1)[-1]


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return answers(settings.data, sql)


@pytest.fixture
def settings(prepare: Prepare) -> Settings:
    return prepare(FEEDS)


# -- what lands -------------------------------------------------------------------------------------------------------


def test_articles_land_with_their_dates_tags_and_side(settings: Settings, tmp_path: Path) -> None:
    tally = imported(settings, jsonl(tmp_path / "old.jsonl", *map(record, range(1, 4))))
    assert (tally.n_rows, tally.n_new, tally.n_rejected) == (3, 3, 0)
    assert rows(settings, "select published_day::text, date_source, body_source, outlet from article order by 1") == [
        (f"2019-03-{day:02}", "import", "import", "B92") for day in (2, 3, 4)
    ]
    assert rows(settings, "select distinct side, owner from article_side join article using (article_id)") == [
        ("belgrade", "United")
    ]
    assert rows(settings, "select count(distinct article_id) from tag where topic_id = 'barricades'") == [(3,)]
    said = "substring(if(field = 'title', title, body), char_start + 1, char_end - char_start)"
    wrong = f"select 1 from mention join article_text using (article_id) where surface <> {said}"
    assert rows(settings, wrong) == []
    trend = """
        select day::text, n_articles from coverage
        where country_code = 'XK' and topic_id = 'barricades' and side = '*' and lang = '*' and basis = 'focus' order by 1
    """
    assert rows(settings, trend) == [(f"2019-03-{day:02}", 1) for day in (2, 3, 4)]


def test_the_same_file_again_lands_nothing(settings: Settings, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "old.jsonl", *map(record, range(1, 6)))
    imported(settings, path)
    before = everything(settings)
    again = imported(settings, path.rename(tmp_path / "moved.jsonl"))
    assert (again.n_rows, again.n_before) == (0, 5)
    assert everything(settings) == before


def test_another_file_with_the_same_articles_lands_nothing_new(settings: Settings, tmp_path: Path) -> None:
    imported(settings, jsonl(tmp_path / "one.jsonl", *map(record, range(1, 6))))
    before = everything(settings)
    twins = [record(n, url=f"http://b92.net/vesti/{n}?utm_source=x#top") for n in range(1, 6)]
    tally = imported(settings, jsonl(tmp_path / "two.jsonl", *twins))
    assert (tally.n_rows, tally.n_new, tally.n_updated, tally.n_known) == (5, 0, 0, 5)
    told = ("import_part", "article_url")  # an address without https is one more address
    assert everything(settings, *told) == {name: rows for name, rows in before.items() if name not in told}


def everything(settings: Settings, *without: str) -> dict[str, Any]:
    """All relations, without what only says when and by which steps it came."""
    times = {"landed_at", "first_seen_at", "seen_at", "merged_at", "next_try_at", "started_at", "finished_at", "created_at"}
    skipped = {"story_edge", "story_alias", "meta", "dirty_day", "search_document", "search_posting", "search_segment", *without}
    with Store.reader(settings.data) as store:
        return {
            name: contents(store, name, *(times & set(schema.names())))
            for name, schema in RELATIONS.items()
            if name not in skipped
        }


def test_outlets_are_found_by_flag_column_host_and_else_named_after_the_host(settings: Settings, tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "mixed.jsonl", record(1), record(2, url="https://sport.b92.net/2"), record(3, url="https://nobody.example/3"),
        record(4, url="https://archive.example/4", outlet="Koha"), record(5, url="https://nobody.example/5", outlet="Somebody"),
    )  # fmt: skip
    tally = imported(settings, path)
    assert dict(tally.strangers) == {"nobody.example": 1, "Somebody": 1}
    found = rows(settings, "select outlet, side from article join article_side using (article_id, outlet) order by url")
    assert sorted(found) == sorted(
        [("B92", "belgrade"), ("B92", "belgrade"), ("nobody.example", "unknown"), ("Koha", "pristina"), ("Somebody", "unknown")]
    )
    imported(settings, jsonl(tmp_path / "flag.jsonl", record(6, url="https://mirror.example/6")), feed="xk_koha")
    assert rows(settings, "select outlet from article where url like '%mirror%'") == [("Koha",)]
    with pytest.raises(InputError, match="no feed `nothing`"):
        imported(settings, path, feed="nothing")


def test_a_text_without_address_has_the_identity_its_file_gives_it(settings: Settings, tmp_path: Path) -> None:
    one = record(1, url=None, id="a-1")
    imported(settings, jsonl(tmp_path / "one.jsonl", one), outlet="B92")
    tally = imported(settings, jsonl(tmp_path / "two.jsonl", one, record(2, url=None, id="a-2")), outlet="B92")
    assert (tally.n_new, tally.n_known) == (1, 1)
    tally = imported(settings, jsonl(tmp_path / "three.jsonl", one))
    assert dict(tally.reasons) == {"neither an address nor an outlet (--outlet NAME)": 1}


# -- versions ---------------------------------------------------------------------------------------------------------


def test_another_text_at_the_same_address_is_a_version_by_date(settings: Settings, tmp_path: Path) -> None:
    new = record(1, text="NATO troops left Albania.", published_at="2020-05-05T00:00:00Z")
    middle = record(1, text="EU troops left Albania.", published_at="2019-12-05T00:00:00Z")
    tally = imported(settings, jsonl(tmp_path / "new.jsonl", new))
    tally = imported(settings, jsonl(tmp_path / "old.jsonl", record(1), middle))
    assert (tally.n_new, tally.n_updated) == (0, 1)
    assert rows(settings, "select version, body like 'KFOR%', body from article_version order by 1")[0][:2] == (1, True)
    assert rows(settings, "select version, n_versions, published_day::text from article") == [(3, 3, "2020-05-05")]
    assert rows(settings, "select body from article_text") == [("NATO troops left Albania.",)]
    # the tags of the current text are kept under its new number
    assert rows(settings, "select distinct version, entity_id from mention where field = 'body' order by 2") == [(3, "nato")]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_files_does_not_matter(order: tuple[int, ...], settings: Settings, tmp_path: Path) -> None:
    texts = ["EU police came to Kosovo.", "KFOR came to Kosovo.", "NATO came to Albania."]
    states = [record(1, text=text, published_at=f"2018-0{n + 1}-01T00:00:00Z") for n, text in enumerate(texts)]
    for n in order:
        imported(settings, jsonl(tmp_path / f"{n}.jsonl", states[n], states[n]))
    assert [body for _, body in rows(settings, "select version, body from article_version order by 1")] == texts
    assert rows(settings, "select distinct entity_id from mention where field = 'body' order by 1") == [("nato",)]


def test_an_archive_completes_what_a_feed_only_teased(prepare: Prepare, tmp_path: Path) -> None:
    settings = prepare([SAMPLE])
    run.run_monitor(settings, 60)
    url, title = rows(settings, "select url, title from article_text where body_source = 'page' limit 1")[0]
    waiting = "https://www.b92.net/teased"
    changed = {
        "article": f"'teased' as article_id, '{waiting}' as url, 'feed' as body_source",
        "article_version": "'teased' as article_id, 'Teaser.' as body, 'feed' as body_source, 'x' as content_hash",
    }
    with Store.writer(settings.data) as store:
        for name, columns in changed.items():
            one = f"article_id = (select article_id from article where url = '{url}') limit 1"
            store.run(f"insert into {name} by name select * replace ({columns}) from {name} where {one}")
        store.run(f"insert into article_url values ('{waiting}', 'teased', 'entry')")
    imported(settings, jsonl(tmp_path / "full.jsonl", record(1, url=waiting), record(2, url=url, title=title)), outlet="B92")
    assert rows(settings, "select version, body_source, body like 'KFOR%' from article_text where article_id = 'teased'") == [
        (1, "import", True)
    ]
    kept = f"select n_versions, body_source from article where url = '{url}'"
    assert rows(settings, kept) == [(2, "page")]  # what was read from its page stays current: it is newer


# -- records without text ---------------------------------------------------------------------------------------------

HEADLINE = "Ministers of defence of the Western Balkans met today in Skopje again"


def test_records_without_text_wait_for_their_pages(settings: Settings, tmp_path: Path) -> None:
    bare = [record(n, text="", title=HEADLINE) for n in (1, 2)]
    tally = imported(settings, jsonl(tmp_path / "bare.jsonl", *bare))
    assert (tally.n_new, tally.n_waiting, tally.n_headlines) == (2, 2, 0)
    with Store.writer(settings.data) as store:
        waiting = landing.waiting_pages(store, datetime.now(UTC), 10)
    assert sorted(waiting["url"]) == ["https://www.b92.net/vesti/1", "https://www.b92.net/vesti/2"]
    tally = imported(settings, jsonl(tmp_path / "text.jsonl", record(1)))
    assert (tally.n_new, tally.n_updated) == (0, 1)
    assert rows(settings, "select page_state, body_source from entry join article using (article_id) order by 1") == [
        ("done", "import"), ("waiting", "headline"),
    ]  # fmt: skip


def test_headlines_count_in_no_figure_of_texts(settings: Settings, tmp_path: Path) -> None:
    bare = [record(n, text="", title=HEADLINE, published_at="2019-03-01T10:00:00Z") for n in range(1, 9)]
    tally = imported(settings, jsonl(tmp_path / "bare.jsonl", *bare), headline_only=True)
    assert (tally.n_new, tally.n_waiting, tally.n_headlines) == (8, 0, 8)
    assert rows(settings, "select count(*) from entry") == [(0,)]
    assert rows(settings, "select distinct body_source from article") == [("headline",)]
    assert rows(settings, "select count(distinct story_id), max(n_articles) from story") == [(8, 1)]
    assert rows(settings, "select * from extraction_drift") == []
    tally = imported(settings, jsonl(tmp_path / "again.jsonl", record(1, text="", title="Another headline")), headline_only=True)
    assert (tally.n_updated, tally.n_known) == (0, 1)


def test_imports_leave_the_health_of_feeds_alone(prepare: Prepare, tmp_path: Path) -> None:
    settings = prepare([SAMPLE, *FEEDS])
    run.run_monitor(settings, 1)
    views = {"feed_health": "feed_id", "feed_silence": "feed_id", "extraction_drift": "outlet, week"}
    before = {view: rows(settings, f"select * from {view} order by {order}") for view, order in views.items()}
    recent = [record(n, published_at="2023-11-20T10:00:00Z") for n in range(1, 12)]
    imported(settings, jsonl(tmp_path / "new.jsonl", *recent))
    assert {view: rows(settings, f"select * from {view} order by {order}") for view, order in views.items()} == before


def test_feeds_of_imports_outlive_a_change_of_the_catalogue(settings: Settings, prepare: Prepare, tmp_path: Path) -> None:
    imported(settings, jsonl(tmp_path / "one.jsonl", record(1)))
    settings = prepare([B92 | {"outlet": "B92 again"}, KOHA])
    imported(settings, jsonl(tmp_path / "two.jsonl", record(2)))
    assert rows(settings, "select side, kind, is_active from feed where kind = 'import'") == [("belgrade", "import", False)]
    assert rows(settings, "select distinct side from article_side") == [("belgrade",)]
    with Store.writer(settings.data) as store:
        assert not landing.due_feeds(store, datetime.now(UTC)).filter(pl.col("kind") == "import").height


# -- the command line -------------------------------------------------------------------------------------------------

BAD = ["{oops", '"text"', json.dumps({"headline": ""}), json.dumps({"link": "javascript:alert(1)", "headline": "x"})]


def test_an_article_without_a_date_does_not_end_the_period(settings: Settings, tmp_path: Path) -> None:
    imported(settings, jsonl(tmp_path / "old.jsonl", record(), record(2, published_at=None)))
    assert rows(settings, "from newest_day") == [(date(2019, 3, 2),)]
    with Store.reader(settings.data) as store:
        assert queries.ask(store, "topic_trend", country="XK", topic="barricades")["day"].to_list()[-1].year == 2019


def test_a_feed_that_changes_sides_takes_its_archive_along(settings: Settings, prepare: Prepare, tmp_path: Path) -> None:
    imported(settings, jsonl(tmp_path / "old.jsonl", record()))
    settings = prepare([B92 | {"side": "sarajevo"}, KOHA])
    assert retag(settings).n_articles == 0
    assert rows(settings, "select distinct side from article_side") == [("sarajevo",)]
    assert rows(settings, "select distinct side from coverage where side <> '*'") == [("sarajevo",)]


def test_the_command_shows_the_mapping_and_the_rejected(settings: Settings, tmp_path: Path) -> None:
    renamed = [{"link": one["url"], "headline": one["title"], "content": one["text"], "pub_date": one["published_at"], "likes": 3}
               for one in map(record, range(1, 4))]  # fmt: skip
    path = jsonl(tmp_path / "old.jsonl", renamed[0], *BAD, *renamed[1:])
    out = tmp_path / "bad.csv"
    done = command("import", path, "--rejected", out, **environment(settings))
    assert done.returncode == 0, done.stderr
    for told in (
        "url from link",
        "published_at from pub_date",
        "Not used: likes",
        "Not taken, with line and reason: 4",
        "new articles",
    ):
        assert told in done.stdout
    assert done.stderr == ""  # no bar where there is no terminal
    told = pl.read_csv(out)
    assert told["line"].to_list() == [2, 3, 4, 5]
    assert [reason.split("(")[0].strip() for reason in told["reason"]] == [
        "not valid JSON", "not a JSON object", "neither a title nor a text", "`javascript:alert",
    ]  # fmt: skip
    assert rows(settings, "select count(*), min(published_day)::text from article") == [(3, "2019-03-02")]


def test_a_dry_run_lands_nothing(settings: Settings, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "old.jsonl", record(1), *BAD, record(2, text=""))
    done = command("import", path, "--dry-run", **environment(settings))
    assert done.returncode == 0, done.stderr
    for told in ("without text", "not taken: not a JSON object", "Barricades in Kosovo, part 1"):
        assert told in done.stdout
    assert not (settings.data / "balkanwatch.duckdb").exists() and not (settings.data / ".writer").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing.jsonl"], "There is no file or folder"),
        (["old.xyz"], "no ending that tells its format"),
        (["old.jsonl", "--format", "docx"], "no format `docx`"),
        (["old.jsonl", "--map", "text=content"], "has no column `content`; it has url, title"),
        (["old.jsonl", "--map", "colour=title"], "no field `colour`"),
        (["old.jsonl", "--map", "title"], "--map field=column"),
        (["numbers.csv"], "No column of"),
        (["empty"], "nothing to import"),
        (["torn.parquet"], "not a Parquet file"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], told: str, settings: Settings, tmp_path: Path) -> None:
    jsonl(tmp_path / "old.jsonl", record(1))
    (tmp_path / "old.xyz").write_text("?")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1....")
    (tmp_path / "empty").mkdir()
    done = command("import", tmp_path / words[0], *words[1:], **environment(settings))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and told in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


# -- parts and kills --------------------------------------------------------------------------------------------------


def archive_file(path: Path, n: int) -> Path:
    """Articles with copies, versions across parts, bad lines and bare headlines, in no order."""
    draw = random.Random(n)
    records: list[dict[str, Any] | str] = []
    for i in range(n):
        one = record(
            i,
            published_at=f"201{draw.randrange(10)}-0{draw.randrange(1, 10)}-11T12:00:00Z",
            text=f"{BODY} {i} {'word ' * (i % 40)}",
        )
        records.append(one)
        if i % 7 == 0:
            records.append(one | {"text": f"{BODY} Corrected.", "published_at": "2021-01-01"})
        if i % 9 == 0:
            records.append(one | {"url": f"https://www.koha.net/{i}"})
        if i % 11 == 0:
            records.append("{broken")
        if i % 13 == 0:
            records.append(record(10_000 + i, text=""))
    draw.shuffle(records)
    return jsonl(path, *records)


def test_the_size_of_parts_changes_nothing(prepare: Prepare, small_seeds: Path, tmp_path: Path) -> None:
    path = archive_file(tmp_path / "many.jsonl", 60)
    found = []
    for n in (1_000, 17, 5):
        settings = prepare(FEEDS, import_batch=n, data=tmp_path / f"data{n}")
        tally = imported(settings, path)
        found.append((tally.n_rows, tally.n_rejected, everything(settings, "import_part", "import_reject")))
    assert found[0] == found[1] == found[2]


def test_workers_make_what_one_process_makes(prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive_file(tmp_path / "many.jsonl", 60)
    alone = prepare(FEEDS, import_batch=20, data=tmp_path / "alone")
    imported(alone, path)
    monkeypatch.setattr(imports, "SMALL", 0)
    pooled = prepare(FEEDS, import_batch=20, data=tmp_path / "pooled")
    imported(pooled, path)
    assert everything(pooled) == everything(alone)
    assert not imports.parts_folder(pooled.data).exists()


def test_the_dataset_by_month_holds_every_row(settings: Settings, tmp_path: Path) -> None:
    imported(settings, archive_file(tmp_path / "many.jsonl", 60))
    folder = tmp_path / "months"
    stale = folder / "tag" / "year=1999" / "month=1"
    stale.mkdir(parents=True)
    done = command("dataset", folder, **environment(settings))
    assert done.returncode == 0, done.stderr
    assert not stale.exists()
    for name in ("article", "mention", "focus", "tag"):
        frame = pl.read_parquet(folder / name / "**/*.parquet", hive_partitioning=True)
        assert rows(settings, f"select count(*) from {name}") == [(frame.height,)]
        wrong = (pl.col("published_day").dt.year() != pl.col("year")) | (pl.col("published_day").dt.month() != pl.col("month"))
        assert not frame.filter(wrong).height and frame.height
