"""Tagging history again: only what changed is written, all at once, and it is said what changed and by which rule."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import ROOT, SAMPLE, Prepare, answers, command, contents, environment

from flows import retag, run
from flows.settings import Settings
from pipeline.errors import WarehouseError
from pipeline.schemas import RELATIONS
from pipeline.warehouse import Store, marts, retagging, writer_path

TAGGED = ("mention", "focus", "tag")
MARTS = ("coverage", "burst")


@pytest.fixture
def settings(prepare: Prepare) -> Settings:
    """The sample, landed and published."""
    settings = prepare([SAMPLE])
    run.run_monitor(settings, 60)
    return settings


def without_topic(settings: Settings, topic: str) -> None:
    """An analyst takes a topic's rules out of the seeds."""
    edit(settings, "rule/*.csv", pl.col("topic_id") != topic)


def edit(settings: Settings, pattern: str, kept: pl.Expr) -> None:
    for path in settings.seeds.glob(pattern):
        pl.read_csv(path, infer_schema=False).filter(kept).write_csv(path)


def stored(settings: Settings, *relations: str) -> dict[str, list[tuple[Any, ...]]]:
    with Store.writer(settings.data) as store:
        return {name: contents(store, name) for name in relations or (*TAGGED, *MARTS)}


def afresh(settings: Settings, prepare: Prepare, tmp_path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the sample gives in a new warehouse with the seeds as they are now."""
    new = prepare([SAMPLE], data=tmp_path / "afresh")
    run.run_monitor(new, 60)
    return stored(new)


def assert_counted(settings: Settings) -> None:
    """The marts are what counting everything again gives."""
    before = stored(settings, *MARTS)
    with Store.writer(settings.data) as store:
        marts.touch_all(store)
        marts.recount(store)
    assert stored(settings, *MARTS) == before


def test_unchanged_seeds_write_nothing_at_all(settings: Settings) -> None:
    def prints() -> list[str]:
        files = (path for path in (settings.data / ".writer").rglob("*") if path.is_file() and path.suffix != ".lock")
        return sorted(f"{path} {hashlib.md5(path.read_bytes()).hexdigest()}" for path in files)

    before, published = prints(), (settings.data / "balkanwatch.duckdb").stat()
    done = command("retag", **environment(settings))
    assert done.returncode == 0 and "No rule has changed: there is nothing to tag again." in done.stdout
    assert prints() == before
    assert (settings.data / "balkanwatch.duckdb").stat() == published


def test_a_changed_rule_changes_history_and_says_what(settings: Settings, prepare: Prepare, tmp_path: Path) -> None:
    before = stored(settings)
    lost = {row[0]: row[4] for row in before["tag"] if row[1] == "barricades"}
    assert lost
    without_topic(settings, "barricades")

    dry = command("retag", "--dry-run", **environment(settings))
    assert dry.returncode == 0 and "would be tagged again" in dry.stdout
    assert "barricades" in dry.stdout and "removed" in dry.stdout
    assert stored(settings) == before
    assert stored(settings, "retag_change") == {"retag_change": []}

    done = command("retag", **environment(settings))
    assert done.returncode == 0, done.stderr
    changes = answers(settings.data, "select article_id, topic_id, country_code, change, rule_ids from retag_change")
    assert {(row[0], *row[1:4]) for row in changes} == {(id_, "barricades", None, "removed") for id_ in lost}
    assert {row[0]: row[4] for row in changes} == lost
    assert answers(settings.data, "select count(*) from coverage where topic_id = 'barricades'") == [(0,)]
    assert answers(settings.data, "select count(distinct tagged_by) from article") == [(1,)]
    assert stored(settings) == afresh(settings, prepare, tmp_path)
    assert_counted(settings)
    again = command("retag", **environment(settings))
    assert "nothing to tag again" in again.stdout
    assert not (settings.data / ".writer" / "retag").exists()


def test_a_country_that_is_no_longer_known_is_told_with_its_rules(settings: Settings) -> None:
    before = stored(settings)
    edit(settings, "gazetteer/*.csv", pl.col("entity_id") != "XK")
    done = retag.retag(settings)
    of_country = done.changes.filter(pl.col("country_code") == "XK")
    assert of_country.height and of_country["change"].unique().to_list() == ["removed"]
    assert of_country["rule_ids"].list.len().min() == 1  # the names that stood for it
    assert of_country["topic_id"].null_count() == of_country.height
    left = answers(settings.data, "select count(*) from focus where country_code = 'XK' and is_focus")[0][0]
    assert left == len([row for row in before["focus"] if row[1] == "XK" and row[4]]) - of_country.height
    assert_counted(settings)


def test_a_retag_that_brings_back_what_was_is_as_if_nothing_had_been(settings: Settings) -> None:
    before = stored(settings)
    rules = {path: path.read_bytes() for path in settings.seeds.glob("rule/*.csv")}
    without_topic(settings, "barricades")
    first = retag.retag(settings)
    for path, content in rules.items():
        path.write_bytes(content)
    second = retag.retag(settings)
    assert stored(settings) == before
    told = [frame.select("article_id", "topic_id", "rule_ids").rows() for frame in (first.changes, second.changes)]
    assert told[0] == told[1] and second.changes["change"].unique().to_list() == ["added"]
    assert stored(settings, "retag_change")["retag_change"]


CHILD = """
import sys
from flows import retag
from flows.settings import Settings
retag.retag(Settings.read(), n_batch=5, progress=lambda n, of: print(n, of, flush=True))
"""


@pytest.mark.parametrize("n_parts", [1, 4])
def test_a_killed_retag_goes_on_and_nothing_is_seen_before_it_is_done(n_parts: int, settings: Settings, prepare: Prepare,
                                                                      tmp_path: Path) -> None:  # fmt: skip
    before = stored(settings)
    without_topic(settings, "barricades")
    shutil.copytree(settings.data, tmp_path / "undisturbed")
    undisturbed = prepare([SAMPLE], data=tmp_path / "undisturbed")
    retag.retag(undisturbed, n_batch=5)
    with subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                          env=os.environ | environment(settings), start_new_session=True) as child:  # fmt: skip
        assert child.stdout is not None
        for _ in range(n_parts):
            line = child.stdout.readline()
        os.killpg(child.pid, signal.SIGKILL)
    total = int(line.split()[1])
    assert stored(settings) == before
    steps: list[tuple[int, int]] = []
    retag.retag(settings, n_batch=5, progress=lambda n, of: steps.append((n, of)))
    assert steps[0][1] <= total - 5 * n_parts
    assert stored(settings) == stored(undisturbed)
    assert_counted(settings)


def test_an_article_that_changes_between_staging_and_switch_is_tagged_as_it_is(settings: Settings) -> None:
    without_topic(settings, "barricades")
    retag.retag(settings, dry_run=True)
    with Store.writer(settings.data) as store:
        id_ = store.read("select article_id from article order by 1 limit 1")["article_id"][0]
        with store.transaction():
            store.run(f"update article set version = 2, n_versions = 2, lang = 'en' where article_id = '{id_}'")
            store.run(f"delete from article_version where article_id = '{id_}' and version > 1")
            store.run(f"""
                insert into article_version by name
                select * replace (2 as version, 'Montenegro' as title, 'Montenegro joined NATO.' as body)
                from article_version where article_id = '{id_}'
            """)
    steps: list[int] = []
    retag.retag(settings, progress=lambda n, _: steps.append(n))
    assert steps == [1]
    assert answers(settings.data, f"select surface, version from mention where article_id = '{id_}'") == [("NATO", 2)]
    assert_counted(settings)


def test_a_run_on_a_large_archive_goes_on_with_the_old_seeds(prepare: Prepare, settings: Settings) -> None:
    with Store.writer(settings.data) as store:
        old = store.meta("tagged_by")
        topics = store.read("select count(*) as n from topic")["n"][0]
        store.run("update feed_state set next_fetch_at = now() - interval 1 minute")
        gone = store.read("select article_id from tag where topic_id = 'barricades' order by 1 limit 1")
        for relation in RELATIONS:  # one article comes anew
            if "article_id" in RELATIONS[relation]:
                store.delete(relation, gone)
        store.run("delete from story_edge")
        store.run("update feed_state set body_hash = null, n_polls = 0")
    without_topic(settings, "barricades")
    large = prepare([SAMPLE], retag_in_run_below=0)
    summary = run.run_monitor(large, 60)
    assert summary.n_behind > 0 and summary.n_retagged == 0 and summary.n_new == 1
    assert "`balkanwatch retag`" in run.markdown(summary)
    id_ = gone["article_id"][0]
    assert ("barricades",) in answers(large.data, f"select topic_id from tag where article_id = '{id_}'")
    assert answers(large.data, "select distinct tagged_by from article") == [(old,)]
    assert answers(large.data, "select count(*) from topic") == [(topics,)]
    done = retag.retag(large)
    assert id_ in done.changes["article_id"].to_list()
    assert run.run_monitor(large, 60).n_behind == 0


def test_a_large_archive_of_another_tagger_wants_a_retag_first(prepare: Prepare, settings: Settings) -> None:
    with Store.writer(settings.data) as store:
        store.set_meta("tagged_by", f"{(store.meta('tagged_by') or '').split('-')[0]}-older")
        store.run("update article set tagged_by = 'x-older'")
    large = prepare([SAMPLE], retag_in_run_below=0)
    sentence = r"^The \d+ articles in .* were tagged by another tagger: run `balkanwatch retag` first\.$"
    with pytest.raises(WarehouseError, match=sentence):
        run.run_monitor(large, 60)
    assert retag.retag(large).changes.is_empty()
    assert run.run_monitor(large, 60).n_behind == 0


def test_a_removed_text_keeps_the_tags_it_has(settings: Settings) -> None:
    with Store.writer(settings.data) as store:
        id_ = store.read("select article_id from tag where topic_id = 'barricades' order by 1 limit 1")["article_id"][0]
        store.run(f"update article set body_source = 'removed' where article_id = '{id_}'")
        store.run(f"update article_version set body = null where article_id = '{id_}'")
    without_topic(settings, "barricades")
    retag.retag(settings)
    assert answers(settings.data, "select article_id from tag where topic_id = 'barricades'") == [(id_,)]


def test_a_dry_run_on_nothing_makes_nothing(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    assert retag.retag(settings, dry_run=True).n_articles == 0
    assert not writer_path(settings.data).exists()
    assert not retagging.staging(settings.data, "x").exists()
