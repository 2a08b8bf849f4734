"""The analyst's questions on a small warehouse made by hand, whose answers can be counted on paper; and SQL of somebody's own."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from conftest import BALKANWATCH, ROOT, command

from pipeline.errors import InputError
from pipeline.warehouse import Store, marts, queries

# feed_id: outlet, owner, side, alignment, country
FEEDS = {
    "b1": ("Beograd A", "Owner S", "belgrade", "state", "RS"),
    "b2": ("Beograd B", "unknown", "belgrade", "independent", "RS"),
    "p1": ("Prishtina A", "Owner P", "pristina", "independent", "XK"),
    "s1": ("Sarajevo A", "Owner S", "sarajevo", "state", "BA"),
    "q1": ("Quiet", "unknown", "sarajevo", "unknown", "BA"),
}
COPIED = "NATO je pozvao na mir. Na prelazu Jarinje stoje kamioni i barikade! KFOR šalje patrole."
# article_id: feed, published, lang, script, story, {country: is focus}, {topic: [(field, word)]}, title, body
ARTICLES: dict[str, Any] = {
    "a1": ("b1", "2024-03-30 08:00", "hbs", "Latn", "a1", {"XK": True, "RS": False},
           {"border": [("title", "Granica")], "barricades": [("body", "barikade")]}, "Granica zatvorena", COPIED),
    "a2": ("b2", "2024-03-30 10:00", "hbs", "Cyrl", "a1", {"XK": True, "RS": False},
           {"border": [("title", "Граница")]}, "Граница затворена", "НАТО је позвао на мир."),
    "a3": ("p1", "2024-03-30 09:00", "sq", "Latn", "a3", {"XK": True},
           {"border": [("body", "kufiri")]}, "Mbyllet", "Sot kufiri u mbyll. NATO foli."),
    "a4": ("s1", "2024-03-31 08:00", "hbs", "Latn", "a1", {"XK": True, "RS": False},
           {"border": [("title", "Granica")], "barricades": [("body", "barikade")]}, "Granica zatvorena", COPIED),
    "a5": ("p1", "2024-03-31 12:00", "sq", "Latn", "a5", {"XK": True, "RS": True},
           {"arms": [("title", "Armë"), ("body", "raketa")]}, "Armë të reja", "Presidenti bleu raketa. KFOR hesht."),
    "a6": ("b1", "2024-03-20 07:00", "hbs", "Latn", "a6", {"RS": True},
           {"arms": [("body", "haubice")]}, "Vojska", "Ana Vuk je videla haubice."),
    "a7": ("p1", "2024-03-10 07:00", "sq", "Latn", "a7", {"XK": True}, {}, "Moti", "Bie shi në Jarinje."),
    "a8": ("s1", "2024-02-20 07:00", "hbs", "Latn", "a8", {"BA": True, "RS": False},
           {"arms": [("body", "oružje")]}, "Novo", "Stiglo je oružje. NATO ćuti."),
}  # fmt: skip
# article_id: entity_id, kind, country_code, role_id, word in the body
MENTIONS = [
    ("a1", "nato", "organisation", None, None, "NATO"), ("a1", "kfor", "organisation", None, None, "KFOR"),
    ("a1", "jarinje", "place", "XK", None, "Jarinje"), ("a2", "nato", "organisation", None, None, "НАТО"),
    ("a3", "nato", "organisation", None, None, "NATO"), ("a4", "nato", "organisation", None, None, "NATO"),
    ("a4", "kfor", "organisation", None, None, "KFOR"), ("a4", "jarinje", "place", "XK", None, "Jarinje"),
    ("a5", "ana_vuk", "role", "RS", "president:RS", "Presidenti"), ("a5", "kfor", "organisation", None, None, "KFOR"),
    ("a6", "ana_vuk", "person", "RS", None, "Ana Vuk"), ("a7", "jarinje", "place", "XK", None, "Jarinje"),
    ("a8", "nato", "organisation", None, None, "NATO"),
]  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def frames() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows of each relation."""
    yield "feed", [
        {"feed_id": f, "url": f"https://{f}.example/feed", "outlet": o, "owner": w, "side": s, "alignment": a, "country_code": c,
         "kind": "rss", "is_active": True} for f, (o, w, s, a, c) in FEEDS.items()
    ]  # fmt: skip
    yield "country", [{"code": c, "name_en": c, "groups": g} for c, g in {"RS": ["core"], "XK": ["core"], "BA": ["core"],
                                                                           "RU": ["outside"], "MD": [""]}.items()]  # fmt: skip
    yield "topic", [{"topic_id": t, "threshold": 0.5} for t in ("arms", "barricades", "border")]
    yield "side", [{"side": s} for s in ("belgrade", "pristina", "sarajevo", "moscow")]
    yield (
        "actor",
        [
            {"actor_id": "nato", "kind": "organisation", "name": "NATO", "category": "alliance"},
            {"actor_id": "kfor", "kind": "organisation", "name": "KFOR", "category": "mission"},
            {"actor_id": "ana_vuk", "kind": "person", "name": "Ana Vuk", "category": "person"},
        ],
    )
    quiet = {
        f"q{n}": ("q1", f"2023-05-{n:02} 07:00", "hbs", "Latn", f"q{n}", {}, {}, f"Tiho {n}", "Ništa.") for n in range(1, 11)
    }
    articles = ARTICLES | quiet
    for id_, (feed, when, lang, script, story, countries, topics, title, body) in articles.items():
        n_versions = 2 if id_ == "a8" else 1
        yield "article", [
            {"article_id": id_, "feed_id": feed, "outlet": FEEDS[feed][0], "url": f"https://{feed}.example/{id_}",
             "version": n_versions, "n_versions": n_versions, "lang": lang, "script": script, "published_at": at(when),
             "published_day": at(when).date(), "date_source": "feed", "first_seen_at": at(when), "body_source": "page"}
        ]  # fmt: skip
        yield "article_version", [{"article_id": id_, "version": n_versions, "title": title, "body": body, "seen_at": at(when)}]
        yield "story_article", [{"article_id": id_, "story_id": story, "similarity": 0.9, "is_lead": id_ == story}]
        yield (
            "focus",
            [
                {"article_id": id_, "country_code": c, "salience": 1.0 if f else 0.4, "n_mentions": 1, "is_focus": f}
                for c, f in countries.items()
            ],
        )
        yield "tag", [
            {"article_id": id_, "topic_id": topic, "score": 0.8, "rule_ids": [f"{topic}.rule"],
             "evidence": [spot(field, word, title if field == "title" else body, f"{topic}.rule") for field, word in words]}
            for topic, words in topics.items()
        ]  # fmt: skip
    yield (
        "article_version",
        [{"article_id": "a8", "version": 1, "title": "Staro", "body": "Ništa.", "seen_at": at("2024-02-20 05:30")}],
    )
    yield "mention", [
        {"article_id": a, "version": 1, "entity_id": e, "kind": k, "country_code": c, "role_id": r, "surface": word}
        | spot("body", word, ARTICLES[a][8], f"{e}.rule") for a, e, k, c, r, word in MENTIONS
    ]  # fmt: skip
    counts = {story: sum(row[4] == story for row in articles.values()) for story in (row[4] for row in articles.values())}
    yield (
        "story",
        [
            {"story_id": s, "lead_article_id": s, "n_articles": n, "n_outlets": n, "n_owners": n - (s == "a1")}
            for s, n in counts.items()
        ],
    )
    yield "story_alias", [{"old_story_id": "a0", "story_id": "a1"}]
    poll = {"run_id": "r", "kind": "feed", "url": "u", "feed_id": "p1"}
    yield (
        "fetch_log",
        [
            poll | {"fetched_at": at("2024-03-30 06:00"), "n_entries": 20, "is_gap": False},
            poll | {"fetched_at": at("2024-03-30 18:30"), "n_entries": 20, "is_gap": True},
            poll
            | {
                "fetched_at": at("2024-03-31 06:00"),
                "error": "answered with HTTP status 403",
                "http_status": 403,
                "is_gap": False,
            },
        ],
    )
    yield "feed_state", [{"feed_id": "p1", "n_polls": 2, "n_failures": 2, "last_success_at": at("2024-03-30 18:30")}]


def spot(field: str, word: str, text: str, rule: str) -> dict[str, Any]:
    begin = text.index(word)
    return {"field": field, "char_start": begin, "char_end": begin + len(word), "rule_id": rule}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the warehouse made by hand; not to be written to."""
    folder = tmp_path_factory.mktemp("paper")
    with Store.writer(folder) as store:
        with store.transaction():
            for relation, rows in frames():
                store.append(relation, pl.DataFrame(rows, infer_schema_length=None))
            marts.touch_all(store)
            marts.recount(store)
            store.run("delete from burst")
            cell = {"day": date(2024, 3, 30), "observed": 2, "expected": 0.2, "p_value": 0.001, "is_burst": True}
            store.append("burst", pl.DataFrame([
                cell | {"country_code": "XK", "topic_id": "border", "q_value": 0.01},
                cell | {"country_code": "XK", "topic_id": "arms", "q_value": 0.2, "is_burst": False},
                cell | {"country_code": "BA", "topic_id": "border", "q_value": 0.02, "observed": 1},
            ]))  # fmt: skip
        store.publish()
    return folder


@pytest.fixture
def reader(data: Path) -> Iterator[Store]:
    with Store.reader(data) as store:
        yield store


D = date.fromisoformat
MARCH = [D("2024-03-20"), D("2024-03-30"), D("2024-03-31")]
WEEK = [D("2024-02-19"), D("2024-03-04"), D("2024-03-18"), D("2024-03-25")]
SENTENCE = "Na prelazu Jarinje stoje kamioni i barikade!"
# query, parameters, columns (all where none are named), rows
CASES: list[tuple[str, dict[str, str], str, list[tuple[Any, ...]]]] = [
    # stories of 30 March: a1 (two articles, two outlets) and a3; of 31 March: a1 again, and a5
    ("topic_trend", {}, "", [(MARCH[1], 3, 2, 3, 3, 1.0), (MARCH[2], 1, 1, 1, 1, 0.5)]),
    ("topic_trend", {"country": "RS"}, "", []),
    ("topic_trend", {"country": "RS", "basis": "mention"}, "", [(MARCH[1], 2, 1, 2, 2, 0.5), (MARCH[2], 1, 1, 1, 1, 0.5)]),
    ("topic_trend", {"side": "pristina", "topic": "*"}, "day, n_stories, share", [
        (D("2024-03-10"), 1, 1.0), (MARCH[1], 1, 1.0), (MARCH[2], 1, 1.0)]),
    ("topic_share", {}, "", [
        (WEEK[0], "arms", 1, 1, 1.0), (WEEK[2], "arms", 1, 1, 1.0),
        (WEEK[3], "border", 2, 3, 0.667), (WEEK[3], "arms", 1, 3, 0.333), (WEEK[3], "barricades", 1, 3, 0.333)]),
    ("topic_share", {"side": "pristina", "country": "RS"}, "week, topic_id, n_stories", [(WEEK[3], "arms", 1)]),
    # the last ten days hold a1, a3 and a5, the ten before only a6 of 20 March
    ("compare_periods", {"days": "10"}, "", [
        ("arms", 1, 1, 1.0, 0.333, -0.667), ("border", 0, 2, 0.0, 0.667, 0.667), ("barricades", 0, 1, 0.0, 0.333, 0.333)]),
    ("top_topics", {"group": "core", "days": "2"}, "code, topic_id, n_stories, n_articles", [
        ("RS", "arms", 1, 1), ("XK", "border", 2, 4), ("XK", "barricades", 1, 2), ("XK", "arms", 1, 1)]),
    ("bursts", {}, "country_code, topic_id, observed, expected, n_outlets, n_articles, first_outlet, title, sentence", [
        ("XK", "border", 2, 0.2, 2, 2, "Beograd A", "Granica zatvorena", "Granica zatvorena"),
        ("XK", "border", 2, 0.2, 1, 1, "Prishtina A", "Mbyllet", "Sot kufiri u mbyll."),
        ("BA", "border", 1, 0.2, None, None, None, None, None)]),
    ("bursts", {"until": "2024-03-29"}, "", []),
    # belgrade: a1, a6; pristina: a3, a5, a7; sarajevo: a1, a8; six stories in all
    ("side_matrix", {}, "side, topic_id, n_stories, share, share_all, is_silent", [
        ("belgrade", "arms", 1, 0.5, 0.5, False), ("belgrade", "barricades", 1, 0.5, 0.167, False),
        ("belgrade", "border", 1, 0.5, 0.333, False),
        ("pristina", "arms", 1, 0.333, 0.5, False), ("pristina", "border", 1, 0.333, 0.333, False),
        ("pristina", "barricades", 0, 0.0, 0.167, False),
        ("sarajevo", "arms", 1, 0.5, 0.5, False), ("sarajevo", "barricades", 1, 0.5, 0.167, False),
        ("sarajevo", "border", 1, 0.5, 0.333, False)]),
    # Belgrade has two stories to the others' five (a1, a3, a5, a7, a8), Pristina three to three (a1, a6, a8)
    ("silent_cells", {"expected": "1"}, "", []),
    ("silent_cells", {"side": "pristina"}, "", [("BA", "arms", 1, 0, 1.0), ("XK", "barricades", 1, 0, 1.0)]),
    ("story_sides", {}, "", [
        ("belgrade", 2, 2, 0.667, at("2024-03-30 08:00"), "Beograd A", 0.0),
        ("sarajevo", 1, 1, 0.333, at("2024-03-31 08:00"), "Sarajevo A", 24.0)]),
    ("story_sides", {"story": "a4"}, "side, n_articles", [("belgrade", 2), ("sarajevo", 1)]),
    ("story_sides", {"story": "a0"}, "side, n_articles", [("belgrade", 2), ("sarajevo", 1)]),
    ("story_sides", {"story": "a5"}, "side, n_articles", [("pristina", 1)]),
    ("story_timeline", {}, "lag_hours, outlet, side, script, title", [
        (0.0, "Beograd A", "belgrade", "Latn", "Granica zatvorena"), (2.0, "Beograd B", "belgrade", "Cyrl", "Граница затворена"),
        (24.0, "Sarajevo A", "sarajevo", "Latn", "Granica zatvorena")]),
    ("top_stories", {"country": "XK", "limit": "2"}, "story_id, n_articles, n_outlets, n_owners, n_sides, first_outlet", [
        ("a1", 3, 3, 2, 2, "Beograd A"), ("a5", 1, 1, 1, 1, "Prishtina A")]),
    ("first_reporters", {}, "", [
        ("Beograd A", "belgrade", 1, 1, 1.0, None), ("Beograd B", "belgrade", 1, 0, 0.0, 2.0),
        ("Sarajevo A", "sarajevo", 1, 0, 0.0, 24.0)]),
    ("who_copies", {}, "", [("Beograd A", "Beograd B", 1, 1.0, 2.0), ("Beograd A", "Sarajevo A", 1, 0.5, 24.0)]),
    # of six stories RS is in a1, a5, a6, a8 and XK in a1, a3, a5, a7: together in two, 2 * 6 / (4 * 4)
    ("co_mentions", {}, "", [("RS", "XK", 2, 4, 0.75, -0.42), ("BA", "RS", 1, 1, 1.5, 0.58)]),
    ("co_mentions", {"basis": "focus"}, "country_a, country_b, n_stories, lift", [("RS", "XK", 1, 0.75)]),
    # nato in a1, a3, a8; kfor in a1, a5; ana_vuk in a5, a6
    ("actor_network", {"stories": "1"}, "actor_a, actor_b, n_stories, n_articles, lift, pmi", [
        ("kfor", "nato", 1, 2, 1.0, 0.0), ("ana_vuk", "kfor", 1, 1, 1.5, 0.58)]),
    ("actor_network", {}, "", []),
    ("actors", {}, "actor_id, n_stories, n_outlets, n_mentions", [
        ("nato", 3, 4, 5), ("kfor", 2, 3, 3), ("ana_vuk", 2, 2, 2)]),
    ("actors", {"topic": "arms"}, "actor_id, n_stories", [("ana_vuk", 2), ("kfor", 1), ("nato", 1)]),
    # three stories now, one before: (2 + 1) / (0 * 3 + 1), the same for kfor, (1 + 1) / (1 * 3 + 1)
    ("actors_rising", {"days": "10", "stories": "1"}, "actor_id, n_before, n_now, growth", [
        ("kfor", 0, 2, 3.0), ("nato", 0, 2, 3.0), ("ana_vuk", 1, 1, 0.5)]),
    ("entity_trend", {"entity": "ana_vuk"}, "", [(WEEK[2], 1, 1, 1, 1, 0, 1.0), (WEEK[3], 1, 1, 1, 1, 1, 0.333)]),
    ("entity_trend", {"entity": "president:RS"}, "week, n_stories, n_by_office", [(WEEK[3], 1, 1)]),
    ("said_about", {"entity": "ana_vuk"}, "day, outlet, side, surface, kind, sentence", [
        (MARCH[2], "Prishtina A", "pristina", "Presidenti", "role", "Presidenti bleu raketa."),
        (MARCH[0], "Beograd A", "belgrade", "Ana Vuk", "person", "Ana Vuk je videla haubice.")]),
    ("focus_or_mention", {}, "", [("RS", 2, 4, 0.5, 0.6), ("XK", 4, 4, 1.0, 1.0), ("BA", 1, 1, 1.0, 1.0)]),
    # about XK, Serbia's outlets have one story, the others a1, a3, a5, a7
    ("rhetoric", {}, "topic_id, n_theirs, share, share_others, lift, sentence", [
        ("barricades", 1, 1.0, 0.25, 4.0, SENTENCE), ("border", 1, 1.0, 0.5, 2.0, "Граница затворена")]),
    ("side_countries", {}, "", [
        ("belgrade", "RS", 1, 0.5, 1.5), ("belgrade", "XK", 1, 0.5, 0.75),
        ("pristina", "XK", 3, 1.0, 1.5), ("pristina", "RS", 1, 0.333, 1.0),
        ("sarajevo", "BA", 1, 0.5, 3.0), ("sarajevo", "XK", 1, 0.5, 0.75)]),
    ("cross_border", {}, "", [
        ("BA", "XK", 1, 0.5, 1.0), ("BA", "RS", 0, 0.0, 0.0), ("RS", "XK", 1, 0.5, 1.0), ("RS", "BA", 0, 0.0, None),
        ("XK", "RS", 1, 0.333, None), ("XK", "BA", 0, 0.0, None)]),
    ("edited", {}, "article_id, n_versions, n_titles, hours_open, n_chars_changed, first_title, title_now", [
        ("a8", 2, 2, 1.5, len("Stiglo je oružje. NATO ćuti.") - len("Ništa."), "Staro", "Novo")]),
    ("evidence", {"topic": "barricades"}, "day, outlet, side, field, surface, sentence, rule_id", [
        (MARCH[2], "Sarajevo A", "sarajevo", "body", "barikade", SENTENCE, "barricades.rule"),
        (MARCH[1], "Beograd A", "belgrade", "body", "barikade", SENTENCE, "barricades.rule")]),
    ("evidence", {"topic": "arms", "side": "pristina"}, "field, surface, sentence", [
        ("title", "Armë", "Armë të reja"), ("body", "raketa", "Presidenti bleu raketa.")]),
    ("cell_articles", {"side": "belgrade"}, "day, outlet, side, lang, title, score, salience, story_id, url", [
        (MARCH[1], "Beograd A", "belgrade", "hbs", "Granica zatvorena", 0.8, 1.0, "a1", "https://b1.example/a1"),
        (MARCH[1], "Beograd B", "belgrade", "hbs", "Граница затворена", 0.8, 1.0, "a1", "https://b2.example/a2")]),
    ("named_together", {"second": "nato", "first": "kfor"}, "day, outlet", [(MARCH[2], "Sarajevo A"), (MARCH[1], "Beograd A")]),
    ("owners", {"country": "XK"}, "", [
        ("Owner P", 1, 3, 3, 0.5, 0.75), ("Owner S", 2, 2, 1, 0.333, 0.25), ("Beograd B", 1, 1, 1, 0.167, 0.25)]),
    ("alignments", {"topic": "arms"}, "", [("state", 2, 3, 2, 0.667), ("independent", 2, 4, 1, 0.25)]),
    ("languages", {}, "", [
        ("hbs", "Latn", 4, 3, 2, 0.5), ("sq", "Latn", 3, 3, 1, 0.375), ("hbs", "Cyrl", 1, 1, 1, 0.125)]),
    ("headlines", {}, "", [("border", 4, 3, 0.75), ("arms", 3, 1, 0.333), ("barricades", 2, 0, 0.0)]),
    ("new_entities", {"days": "20"}, "entity_id, kind, first_form, first_day, first_outlet, n_stories, n_outlets", [
        ("ana_vuk", "person", "Ana Vuk", MARCH[0], "Beograd A", 2, 2),
        ("kfor", "organisation", "KFOR", MARCH[1], "Beograd A", 2, 3)]),
    ("thin_cells", {"articles": "2"}, "", [("RS", "arms", 2, 2, "Owner S", 0.5), ("XK", "barricades", 2, 1, "Owner S", 1.0)]),
    ("rules", {"topic": "barricades"}, "", [("barricades.rule", 2, 2, 0.8, "a1")]),
    ("untagged", {}, "day, outlet, side, countries, title", [(D("2024-03-10"), "Prishtina A", "pristina", ["XK"], "Moti")]),
    ("places", {}, "", [("jarinje", 2, 3, 3, "border", ["Jarinje"])]),
    ("feeds_down", {}, "feed_id, n_failures, last_error", [("p1", 2, "answered with HTTP status 403")]),
    ("feeds", {"state": "failing"}, "feed_id, state, n_failures, last_error", [
        ("p1", "failing", 2, "answered with HTTP status 403")]),
    ("gaps", {}, "feed_id, hours_between, n_entries", [("p1", 12.5, 20)]),
    ("feeds_dark", {}, "", [
        ("Quiet", None, D("2023-05-10"), 326, 1.0, 10), ("Quiet", "q1", D("2023-05-10"), 326, 1.0, 10)]),
    ("extraction_drift", {"days": "7"}, "outlet, week, n_articles, problem, is_drifting", [
        ("Beograd A", WEEK[3], 1, None, False), ("Beograd B", WEEK[3], 1, None, False),
        ("Prishtina A", WEEK[3], 2, None, False), ("Sarajevo A", WEEK[3], 1, None, False)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "columns", "rows"), CASES, ids=[f"{c[0]}-{'-'.join(c[1].values())}" for c in CASES])
def test_a_question_has_its_answer(name: str, values: dict[str, str], columns: str, rows: list[Any], reader: Store) -> None:
    answer = queries.ask(reader, name, **values)
    assert answer.select(columns.split(", ") if columns else answer.columns).rows() == rows


def test_every_question_is_tested_with_an_answer() -> None:
    assert set(queries.names()) == {name for name, _, _, rows in CASES if rows}
    assert len(queries.names()) >= 20


def test_an_expected_story_that_is_missing_is_silence(tmp_path: Path) -> None:
    """Four of five stories of the other side are on the border, and the quiet side has four stories on something else."""
    with Store.writer(tmp_path) as store:
        store.append("feed", pl.DataFrame([{"feed_id": s, "side": s, "outlet": s} for s in ("loud", "quiet")]))
        store.append("topic", pl.DataFrame({"topic_id": ["arms", "border"]}))
        day = date(2024, 3, 1)
        rows = [
            {"article_id": f"{s}{n}", "feed_id": s, "outlet": s, "published_day": day}
            for s in ("loud", "quiet")
            for n in range(10)
        ]
        store.append("article", pl.DataFrame(rows))
        tags = [{"article_id": r["article_id"], "topic_id": "border" if r["feed_id"] == "loud" else "arms"} for r in rows]
        store.append("tag", pl.DataFrame(tags))
        store.publish()
    with Store.reader(tmp_path) as store:
        answer = queries.ask(store, "side_matrix").select("side", "topic_id", "is_silent").rows()
    assert answer == [("loud", "border", False), ("loud", "arms", True), ("quiet", "arms", False), ("quiet", "border", True)]


@pytest.mark.parametrize(("name", "values", "sentence"), [
    ("topic_trend", {"country": "XY"}, "There is no country `XY`; relation `country` has them all."),
    ("topic_trend", {"side": "rome"}, "There is no side `rome`; relation `side` has them all."),
    ("rhetoric", {"about": "xy"}, "There is no country `XY`; relation `country` has them all."),
    ("rhetoric", {"by": "*"}, "Query `rhetoric` can not be answered: --by has to be one country, not *."),
    ("evidence", {"topic": "*"}, "Query `evidence` can not be answered: --topic has to be one topic, not *."),
    ("feeds", {"state": "ill"}, "Query `feeds` can not be answered: --state is * or ok or new or gap or silent or failing"
     " or retired or inactive, not `ill`."),
    ("topic_trend", {"basis": "both"}, "Query `topic_trend` can not be answered: --basis is focus or mention, not `both`."),
    ("top_topics", {"group": "moon"}, "There is no group `moon` of countries; there is core, outside."),
    ("actors", {"until": "soon"}, "Query `actors` can not be answered: --until is a day such as 2023-11-30, not `soon`."),
    ("topic_trend", {"days": "0"}, "Query `topic_trend` can not be answered: --days is a whole number from 1, not `0`."),
    ("actors", {"limit": "-1"}, "Query `actors` can not be answered: --limit is a whole number from 1, not `-1`."),
    ("actors", {"limit": "1e9"}, "Query `actors` can not be answered: --limit is a whole number from 1, not `1e9`."),
    ("said_about", {"entity": "nobody"}, "No article names `nobody`; relations `actor`, `role` and `country` have the names."),
    ("story_sides", {"story": "a9"}, "There is no story or article `a9`; `balkanwatch query top_stories` shows some."),
    ("actors", {"since": "x"}, "Query `actors` can not be answered: --since is a day such as 2023-11-30, not `x`."),
    ("owners", {"since": "2024-04-02"},
     "Query `owners` can not be answered: the period would end on 2024-03-31, before it begins."),
    ("feeds_dark", {"since": "2024-04-02"}, "Query `feeds_dark` has no parameter `since`; it has --limit."),
    ("owners", {"since": "2024-03-02", "until": "2024-03-09", "days": "1"},
     "Query `owners` can not be answered: --since and --days both say when the period begins."),
    ("actors", {"until": "infinity"}, "Query `actors` can not be answered: --until is a day such as 2023-11-30, not `infinity`."),
    ("actors", {"until": "99999-01-01"},
     "Query `actors` can not be answered: --until is a day such as 2023-11-30, not `99999-01-01`."),
    ("actors", {"since": "-infinity"},
     "Query `actors` can not be answered: --since is a day such as 2023-11-30, not `-infinity`."),
    ("top_topics", {"group": ""}, "There is no group `` of countries; there is core, outside."),
    ("bursts", {"stories": "' or 1"}, "Query `bursts` can not be answered: --stories is a whole number from 1, not `' or 1`."),
])  # fmt: skip
def test_a_wrong_value_is_told(name: str, values: dict[str, str], sentence: str, reader: Store) -> None:
    with pytest.raises(InputError) as told:
        queries.ask(reader, name, **values)
    assert str(told.value) == sentence


def test_a_period_can_end_on_any_day(reader: Store) -> None:
    assert queries.ask(reader, "actors", until="2024-02-20", days="1").select("actor_id", "n_stories").rows() == [("nato", 1)]
    assert queries.ask(reader, "actors", until="2024-02-19", days="1").is_empty()
    told = [queries.ask(reader, "actors", since="2024-03-20", **more).rows() for more in ({}, {"until": "2024-03-31"})]
    assert told[0] == told[1] == queries.ask(reader, "actors", days="12").rows()


# -- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "word", "sentence"), [
    ("One. Two words. Three.", "words", "Two words."),
    ("Only this", "this", "Only this"),
    ("It cost 10.000 euros in 1999. Then more.", "euros", "It cost 10.000 euros in 1999."),
    ("He said: “Leave now!” She left.", "left", "She left."),
    ("He said: “Leave now!” She left.", "Leave", "He said: “Leave now!”"),
    ("A heading\nThe text goes on\nand on", "text", "The text goes on"),
    ("Where? Here! There…", "There", "There…"),
    ("Рече: мир. Граница је затворена? Да.", "Граница", "Граница је затворена?"),
    ("Dy 𝕜𝕒 shkronja. Tre kufiri.", "kufiri", "Tre kufiri."),
    (f"{'a ' * 400}word {'b ' * 400}", "word", f"{'a ' * 150}word {'b ' * 149}b"),
])  # fmt: skip
def test_the_sentence_round_a_span(text: str, word: str, sentence: str, tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        store.append("article", pl.DataFrame([{"article_id": "x", "version": 1}]))
        store.append("article_version", pl.DataFrame([{"article_id": "x", "version": 1, "title": text, "body": text}]))
        span = spot("body", word, text, "r")
        evidence = [span, span | {"field": "title"}]
        store.append("tag", pl.DataFrame([{"article_id": "x", "topic_id": "t", "evidence": evidence}]))
        store.append("mention", pl.DataFrame([{"article_id": "x", "version": 1, "entity_id": "e", "surface": word} | span]))
        told = store.read("select surface, sentence from tag_evidence union all select surface, sentence from mention_evidence")
    assert told.rows() == [(word, sentence)] * 3


# -- SQL of somebody's own can do no harm -----------------------------------------------------------------------------

LEAK = "/tmp/balkanwatch-must-not-exist"
HARM = [
    "select * from read_text('/etc/passwd')", "select * from read_blob('/etc/passwd')", "select * from read_csv('/etc/passwd')",
    "select * from read_json('/etc/passwd')", "select * from sniff_csv('/etc/passwd')", "select * from '/etc/passwd'",
    "from '/etc/passwd'", "select * from query('select * from read_text(''/etc/passwd'')')",
    "select * from query_table('/etc/passwd')", "with x as (from read_text('/etc/passwd')) select * from x",
    "select * from glob('/*')", "select * from parquet_metadata('/etc/passwd')", "select * from duckdb_secrets()",
    "select getenv('HOME')", "select * from read_parquet('https://example.org/x.parquet')",
    "select * from sqlite_scan('/etc/passwd', 'x')", "select * from postgres_scan('', '', '')",
    f"copy article to '{LEAK}.csv'", "copy (select 1) to '/dev/null'", "copy article from '/etc/passwd'",
    f"export database '{LEAK}'", "import database '/tmp'", f"attach '{LEAK}.duckdb' as other",
    "install httpfs", "load httpfs", "update extensions",
    "set enable_external_access = true", "set memory_limit = '100GB'", "set lock_configuration = false", "reset memory_limit",
    "pragma memory_limit = '100GB'", f"pragma profiling_output = '{LEAK}'", "pragma enable_profiling = 'json'",
    "create secret s (type s3, key_id 'a', secret 'b')", "insert into meta values ('a', 'b')", "delete from article",
    "update article set url = ''", "drop table article", "create table mine (i integer)", "alter table side add column i text",
    "create or replace view article_text as select 1", "use memory", "detach balkanwatch",
]  # fmt: skip
# what the connection itself would let pass, though nobody who asks needs it: a failing log file ends the process
NO_QUESTIONS = [
    f"call enable_logging('QueryLog', storage = 'file', storage_path = '{LEAK}')", "create temp table t as select 1",
    f"from enable_logging('QueryLog', storage = 'file', storage_path = '{LEAK}')", "begin", "set variable x = 1", "checkpoint",
    "prepare p as select 1", "create temp macro f(x) as x", "create temp view pivot as select 1",
    "from query('from enable_' || 'logging()')", 'from main."query_table" /* */ (\'topic\')',
    "from json_execute_serialized_sql(json_serialize_sql('from enable_' || 'logging()'))", "from\u00a0ENABLE_logging()",
    "select 1; copy article to '/dev/null'", "vacuum", "selec", " ; ",
]  # fmt: skip
BOMBS = [
    "select list(range::text) from range(1000000000)", "select range(1000000000)", "select * from range(100000000000)",
    "select repeat('x', 1000000) from range(100000)", "select a.* from mention as a, mention as b, mention as c, range(1000000)",
    "with recursive t(x) as (select 1 union all select x + 1 from t) select count(*) from t",
    "with recursive t(x) as (select 1 union all select x + 1 from t) select * from t",
]  # fmt: skip


def leaks() -> list[Path]:
    return list(Path("/tmp").glob("balkanwatch-must-not-exist*"))


@pytest.mark.parametrize("statement", HARM)
def test_a_reader_is_locked_down(statement: str, reader: Store) -> None:
    with pytest.raises(duckdb.Error):
        reader.connection.execute(statement).fetchall()
    assert not leaks()


@pytest.mark.parametrize("statement", [*HARM, *NO_QUESTIONS])
def test_somebodys_sql_asks_only(statement: str, reader: Store) -> None:
    with pytest.raises(InputError) as told:
        queries.run(reader, statement)
    assert re.fullmatch(r"(There is no statement|The statement can not be answered: .+)", str(told.value).rstrip("."))
    assert "\n" not in str(told.value)
    assert not leaks()


@pytest.mark.parametrize("statement", BOMBS)
def test_a_bomb_is_stopped(statement: str, data: Path) -> None:
    sentence = r"^The (query took longer than 2 seconds|query needed more memory than 300MB|answer is larger than 30 MB).*\.$"
    with pytest.raises(InputError, match=sentence), Store.reader(data, "300MB", 2.0) as store:
        queries.run(store, statement, max_bytes=30_000_000)


@pytest.mark.parametrize("statement", [
    "select 1 as one", "from topic", "with x as (select 1) select * from x", "values (1)", "describe article", "show tables",
    "summarize topic", "explain select 1",
    "pivot tag on topic_id using count(*) group by article_id", "unpivot topic on topic_id, label_en",
    "-- nothing\nselect 1", "select 'enable_logging(' as x", "select 'čž' as query, 'query(' as x -- query(",
    "select 1; select 2", "select ';' as x -- ; and more", "(select 1)",
])  # fmt: skip
def test_questions_of_every_form_are_answered(statement: str, reader: Store) -> None:
    assert queries.run(reader, statement).height


@pytest.mark.parametrize(("value", "text"), [
    ("interval 25 hours", "25:00:00"), ("[interval 1 month]", "[1 month]"), ("'a'::blob", "a"), ("map {'a': 1}", "{a=1}"),
    ("{'a': interval 1 day}", "{'a': 1 day}"), ("null::interval", None),
    ("timestamp '2024-01-02' - timestamp '2024-01-01'", "1 day"),
])  # fmt: skip
def test_what_no_spreadsheet_knows_is_text(value: str, text: str | None, reader: Store) -> None:
    assert queries.run(reader, f'select {value} as "a ""b""", 1 as n').rows() == [(text, 1)]
    assert queries.run(reader, f"select {value} as a from range(50_000)").height == 50_000
    assert queries.run(reader, f"select {value} as a where false").schema == {"a": pl.String}


def test_columns_of_the_same_name_get_numbers(reader: Store) -> None:
    sql = "select 1 as a, 2 as a, 3 as A, 4 as a_1, 5 as a"
    names = reader.connection.execute(f"select * from ({sql})").description
    assert queries.run(reader, sql).columns == [column[0] for column in names or []] == ["a", "a_1", "A_2", "a_1_1", "a_3"]
    assert (
        "article_id_1"
        in queries.run(reader, "select * from article a join focus f using (article_id) join tag t on true").columns
    )


@pytest.mark.parametrize("value", [
    "date 'infinity'", "date '99999-01-01'", "date '0001-01-01' - 1", "timestamp 'infinity'", "timestamptz '-infinity'",
    "[date 'infinity']", "{'a': [date '2024-01-01', 'infinity']}",
])  # fmt: skip
def test_a_day_of_no_calendar_is_one_sentence(value: str, reader: Store) -> None:
    with pytest.raises(
        InputError, match=r"^The statement can not be answered: `\w*` has a day that is not of the years 1 to 9999\.$"
    ):
        queries.run(reader, f"select {value} as x")
    assert queries.run(reader, "select date '9999-12-31' as x, timestamp '0001-01-01' as y, null::date as z").height == 1


def test_the_process_has_its_memory_back_afterwards(data: Path) -> None:
    """Also when several ask at the same time, as on a dashboard."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)

    def ask(n: int) -> int:
        with Store.reader(data) as store:
            return int(queries.run(store, f"select count(distinct hash(range)) as n from range({n}00000)")["n"][0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(1, 9))) == [n * 100_000 for n in range(1, 9)]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize(
    "statement", ["select * from read_text('/etc/passwd')", f"copy article to '{LEAK}.csv'", "set threads = 9"]
)
def test_the_commands_are_locked_down_too(statement: str, data: Path) -> None:
    for done in (command("sql", statement, "--data", data), command("shell", "--data", data, stdin=f"{statement};\n")):
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith("Error: The statement can not be answered: ")
    assert not leaks()


# -- the shell --------------------------------------------------------------------------------------------------------


def test_the_shell_reads_a_script(data: Path) -> None:
    script = """
    -- a comment; with a semicolon
    select count(*) as n
    from article
    where published_day > date '2024-01-01';
    select ';' as semicolon; select nothing from nowhere;
    .schema burst
    .query actors --topic=arms
    .schema nowhere
    .what
    select 'last' as word"""
    done = command("shell", "--csv", "--data", data, stdin=script)
    answers = done.stdout.splitlines()
    assert answers[:4] == ["n", "8", "semicolon", ";"]
    assert "observed,integer,Stories that day" in answers
    assert "actor_id,name,category,n_stories,n_outlets,n_mentions" in answers
    assert answers[-2:] == ["word", "last"]
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error"] * 3
    assert "nowhere does not exist" in done.stderr and "`.what` is not understood; .help shows what is." in done.stderr
    assert done.returncode == 1


def test_the_shell_shows_tables_and_queries(data: Path) -> None:
    done = command(
        "shell", "--data", data, stdin=".tables\n.queries\n.help\nselect * from range(300);\n.quit\nselect 'unasked';\n"
    )
    assert done.returncode == 0 and done.stderr == ""
    for shown in ("tag_evidence", "topic_trend", ".schema NAME", "200 of 300 rows"):
        assert shown in done.stdout
    assert "unasked" not in done.stdout


def test_a_shell_without_a_snapshot_says_so_at_once(tmp_path: Path) -> None:
    done = command("shell", "--data", tmp_path, stdin="select 1;\n")
    assert done.returncode == 1 and "run `balkanwatch run` first" in done.stderr and done.stderr.count("\n") == 1


def test_the_shell_at_a_terminal(data: Path, tmp_path: Path) -> None:
    """Prompts, statements of several lines, Ctrl-C that forgets a line, a history, Ctrl-D."""
    mine, theirs = pty.openpty()
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "100", "NO_COLOR": "1", "XDG_STATE_HOME": str(tmp_path)}
    with subprocess.Popen(
        [*BALKANWATCH, "shell", "--data", str(data)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment,
        start_new_session=True, preexec_fn=_own_terminal,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            _until(mine, "balkanwatch> ", "read-only")
            os.write(mine, b"select 40 + 1 as answer\n")
            assert "41" not in _until(mine, "...> ")
            os.write(mine, b"  , 'two' as word;\n")
            assert re.search(r"41\W+two", _until(mine, "balkanwatch> ", "┘"))
            os.write(mine, b"select forgotten\n")
            _until(mine, "...> ")
            time.sleep(0.5)  # readline shows its prompt a moment before it listens for Ctrl-C
            os.write(mine, b"\x03")
            _until(mine, "balkanwatch> ")
            os.write(mine, b"select nothing from nowhere;\n")
            _until(mine, "balkanwatch> ", "Error: The statement can not be answered: ")
            os.write(mine, b"\x1b[A\x01\x0bselect 6 * 7 as product;\n")  # arrow up, home, cut, and something else
            _until(mine, "balkanwatch> ", "42 ")
            os.write(mine, b"\x04")
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(mine)
    assert "select 6 * 7 as product;" in (tmp_path / "balkanwatch" / "history").read_text()


def _own_terminal() -> None:
    """Make the pseudo-terminal the one whose Ctrl-C reaches this process."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _until(terminal: int, prompt: str, word: str = "", seconds: float = 60) -> str:
    """What the terminal shows until a prompt stands at its end and a word came before (a line that is edited is drawn again)."""
    heard, end = "", time.monotonic() + seconds
    while not (heard.endswith(prompt) and word in heard):
        assert time.monotonic() < end, heard
        if select.select([terminal], [], [], 0.2)[0]:
            heard += os.read(terminal, 65536).decode("utf-8", "replace")
    return heard
