"""The brief as a file: its numbers are the warehouse's, each leads to its sentences, and nothing in it can run or load."""

import base64
import hashlib
import itertools
import json
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import command
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from flows.brief import write_report
from flows.settings import SEEDS, Settings
from pipeline.errors import BalkanwatchError, InputError
from pipeline.report import LANGS, Period, charts, lists
from pipeline.report import html as markup
from pipeline.report.page import STYLE
from pipeline.report.words import Words
from pipeline.schemas import RELATIONS, conform
from pipeline.warehouse import Store, queries

UNTIL = date(2023, 11, 30)
SIDES = ["belgrade", "pristina", "sarajevo"]
PLACES = {"XK": "Kosovo", "RS": "Serbia", "BA": "Bosnia"}
TOPICS = {"barricades": "barricades", "border": "the border", "cyber": "hackers"}

# -- a newsroom -------------------------------------------------------------------------------------------------------


def newsroom(data: Path, days: int = 40, hostile: tuple[str, ...] = (), bursts: Iterable[dict[str, Any]] = ()) -> Path:
    """A published warehouse: three outlets, two stories a day (one copied by two outlets), and a rise in the last days.

    Every hostile string is title, outlet, text, address, actor and reason somewhere; `bursts` are rows of that mart.
    """
    rows: dict[str, list[dict[str, Any]]] = {}

    def put(relation: str, **row: Any) -> None:
        rows.setdefault(relation, []).append(row)

    outlets = [*(f"Outlet {side}" for side in SIDES), *hostile]
    for n, outlet in enumerate(outlets):
        feed = {"feed_id": f"f{n}", "url": f"https://f{n}.example/", "side": SIDES[n % 3], "country_code": "RS", "lang": "en"}
        put("feed", outlet=outlet, owner="unknown", alignment="unknown", is_active=True, kind="rss", time_zone="UTC", **feed)
        if hostile:
            put(
                "feed_state",
                feed_id=f"f{n}",
                n_failures=3,
                n_polls=9,
                note=outlet,
                last_success_at=datetime(2023, 11, 1, tzinfo=UTC),
            )
    for n, name in enumerate(hostile):
        put("actor", actor_id=f"x{n}", kind="person", name=name, category="party", country_code=None)
    number = itertools.count()
    for back in range(days):
        day = UNTIL - timedelta(days=back)
        for story in range(6 if back < 3 else 2):
            code, topic = ("XK", "barricades") if back < 3 else list(itertools.product(PLACES, TOPICS))[(back + story) % 9]
            lead = f"a{next(number)}"
            for copy in range(2 if story == 0 else 1):
                id_ = lead if not copy else f"a{next(number)}"
                _article(
                    put,
                    id_,
                    lead,
                    day,
                    code,
                    topic,
                    (back + story + copy) % len(outlets),
                    outlets,
                    hostile,
                    story == 1 and back % 5 == 0,
                )
    with Store.writer(data) as store:
        for relation, some in rows.items():
            store.append(relation, conform(pl.DataFrame(some, infer_schema_length=None), RELATIONS[relation]))
        store.run("insert into topic by name select unnest(['barricades', 'border', 'cyber']) as topic_id")
        store.run("insert into country by name select unnest(['XK', 'RS', 'BA']) as code, ['core'] as groups")
        store.run("insert into side by name select unnest(['belgrade', 'pristina', 'sarajevo']) as side")
        store.run("insert into dirty_day select distinct published_day from article")
        store.publish()
        if bursts:
            store.append("burst", conform(pl.DataFrame(list(bursts)), RELATIONS["burst"]))
            store.publish()
    return data


def _article(
    put: Any, id_: str, lead: str, day: date, code: str, topic: str, n_outlet: int, outlets: list[str], hostile: tuple[str, ...],
    is_edited: bool,
) -> None:  # fmt: skip
    bad = hostile[int(id_[1:]) % len(hostile)] if hostile else ""
    phrase = TOPICS[topic]
    title = f"{PLACES[code]}: {phrase} {bad}".strip()
    body = (
        f"Officials met at noon. In {PLACES[code]} they spoke of {phrase} and of {bad or id_} for an hour! Nothing else is known."
    )
    at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    version = 2 if is_edited else 1
    put("article", article_id=id_, feed_id=f"f{n_outlet}", outlet=outlets[n_outlet], url=bad or f"https://f{n_outlet}.example/{id_}",
        version=version, n_versions=version, lang="en", script="Latn", published_at=at, published_day=day, date_source="feed",
        first_seen_at=at, body_source="page", tagged_by="t")  # fmt: skip
    for one in range(1, version + 1):
        shown = title if one == version else f"{title} first words"
        told = body if one == version else f"{body} It said {bad} first."
        put("article_version", article_id=id_, version=one, title=shown, body=told, seen_at=at, published_at=at)
    put("story_article", article_id=id_, story_id=lead, similarity=1.0, is_lead=id_ == lead)
    put("sighting", article_id=id_, feed_id=f"f{n_outlet}", first_seen_at=at)
    put("focus", article_id=id_, country_code=code, salience=1.0, n_mentions=2, is_focus=True)
    start = body.index(phrase)
    span = {"field": "body", "char_start": start, "char_end": start + len(phrase), "rule_id": "r"}
    put("tag", article_id=id_, topic_id=topic, score=0.9, evidence=[span], rule_ids=["r"])
    start = body.index(PLACES[code])
    mention = {"article_id": id_, "version": version, "field": "body", "rule_id": "m"}
    put("mention", char_start=start, char_end=start + len(PLACES[code]), entity_id=code, kind="country", country_code=code,
        surface=PLACES[code], **mention)  # fmt: skip
    for n in range(len(hostile)):
        put("mention", char_start=0, char_end=9, entity_id=f"x{n}", kind="person", surface="Officials", **mention)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.read(data=newsroom(tmp_path_factory.mktemp("newsroom")))


BURST = {"country_code": "XK", "topic_id": "barricades", "observed": 6, "expected": 0.4, "q_value": 0.0021, "is_burst": True}
BURSTS = [BURST | {"day": UNTIL, "p_value": 0.002}, BURST | {"day": UNTIL - timedelta(days=1), "p_value": 0.001}]


@pytest.fixture(scope="module")
def rising(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.read(data=newsroom(tmp_path_factory.mktemp("rising"), bursts=BURSTS))


@pytest.fixture(scope="module")
def rising_brief(rising: Settings) -> Path:
    return write_report(rising)


@pytest.fixture(scope="module")
def brief(settings: Settings) -> Path:
    return write_report(settings)


def tree(path: Path) -> Any:
    return lxml_html.document_fromstring(path.read_text(encoding="utf-8"))


def words_of(element: Any) -> str:
    return " ".join(element.text_content().split())


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_period_ends_at_the_newest_day_and_the_file_is_named_for_it(brief: Path) -> None:
    assert brief.name == "brief-2023-11-24-2023-11-30-en.html"
    assert "24–30 November 2023" in words_of(tree(brief).find(".//header"))


def test_numbers_are_those_of_the_warehouse(settings: Settings, brief: Path) -> None:
    page = tree(brief)
    sql = """
    select t.topic_id, f.country_code, count(distinct s.story_id) as n
    from article_side as s inner join tag as t using (article_id) inner join focus as f using (article_id)
    where s.published_day between '2023-11-24' and '2023-11-30' group by all
    """
    with Store.reader(settings.data) as store:
        expected = {(topic, code): n for topic, code, n in store.read(sql).iter_rows()}
        counted = store.read("select count(distinct story_id) as n from article_side where published_day > '2023-11-23'")
        n_stories = counted["n"][0]
    matrix = page.get_element_by_id("matrix").find(".//table")
    codes = [words_of(cell) for cell in matrix.findall("./thead/tr/th")]
    labels = Words(SEEDS, "en").topics
    shown = {}
    for row in matrix.findall("./tbody/tr")[:-1]:
        topic = next(id_ for id_, label in labels.items() if label == words_of(row.find("th")))
        shown |= {(topic, code): words_of(cell) for code, cell in zip(codes, row.findall("td"), strict=True) if code != "All"}
    assert {cell: int(n) for cell, n in shown.items() if n != "·"} == expected
    tiles = [words_of(tile) for tile in page.find_class("tiles")[0].findall("div")]
    assert tiles[0] == f"stories{n_stories}the week before: 14 (+86%)"


def test_the_first_sentence_is_about_what_rose(brief: Path) -> None:
    first = tree(brief).find_class("things")[0][0]
    assert "Kosovo · Barricades and stand-offs" in words_of(first)
    assert len(tree(brief).find_class("things")[0]) == 3


def test_every_link_leads_somewhere_and_every_id_stands_once(brief: Path) -> None:
    page = tree(brief)
    ids = Counter(page.xpath("//@id"))
    assert not [id_ for id_, n in ids.items() if n > 1]
    targets = {href.removeprefix("#") for href in page.xpath("//a/@href") if href.startswith("#")}
    assert not {target for target in targets if target not in ids}


def test_a_number_leads_to_sentences_with_the_words_that_count(brief: Path) -> None:
    page = tree(brief)
    cell = page.get_element_by_id("matrix").xpath(".//td/a[@class='n']")[0]
    panel = page.get_element_by_id(cell.get("href")[1:]).getparent().find_class("panel")[0]
    assert words_of(panel.find("h3")) == "Kosovo · Barricades and stand-offs"
    sentences = panel.findall("./ol/li")
    assert len(sentences) == 5
    for one in sentences:
        assert words_of(one.find("q")).startswith("In Kosovo they spoke of barricades")
        assert words_of(one.find("q")).endswith("for an hour!")
        assert [words_of(mark) for mark in one.iter("mark")] == ["barricades"]
        assert one.find("cite").xpath(".//a/@href")[0].startswith("https://f")


DATE = re.compile(r"(\d+[ \xa0]?–\d+|\d+)\xa0(January|February|March|October|November|December)( \d{4})?")
FIXED = "the 28 days before"  # what a burst is, not a count


def unlinked(page: Any) -> list[str]:
    """Figures of the brief that lead to no panel or section which names a command for the rest; foreign text is no figure."""
    targets = {element.get("id"): element for element in page.iter() if isinstance(element.tag, str) and element.get("id")}
    found = []
    for node in page.xpath("//main//text() | //header//text()"):
        link = next((one for one in [node.getparent(), *node.getparent().iterancestors()] if one.tag == "a"), None)
        if not re.search(r"[1-9]", DATE.sub("", node.replace(FIXED, ""))) or node.getparent().xpath(
            "ancestor-or-self::*[self::bdi or self::code or self::q or @class='title']"
        ):
            continue  # fmt: skip
        target = None if link is None else targets.get(link.get("href", "").removeprefix("#"))
        if target is None or not target.xpath("ancestor-or-self::section[1]//code[contains(., 'balkanwatch ')]"):
            found.append(node)
    return found


@pytest.mark.parametrize("period", ["week", "day", "other"])
@pytest.mark.parametrize("data", ["settings", "rising", "hostile_settings"])
def test_every_number_leads_to_what_it_was_made_from(
    period: str, data: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    since = date(2023, 11, 12) if period == "other" else None
    chosen: Settings = request.getfixturevalue(data)
    page = tree(write_report(chosen, "day" if period == "day" else "week", since=since, target=tmp_path / "brief.html"))
    assert not unlinked(page)
    assert len(page.xpath("//main//a[@class='n']")) > 40
    sentences = [len(panel.findall("./ol/li")) for panel in page.find_class("panel") if "Health" not in words_of(panel)]
    assert sentences and set(sentences) <= set(range(6))


def test_a_number_without_a_link_is_noticed(brief: Path) -> None:
    page = tree(brief)
    link = page.get_element_by_id("matrix").xpath(".//td/a[@class='n']")[0]
    link.set("href", "#nowhere")
    assert unlinked(page) == [link.text]
    link.drop_tag()
    assert unlinked(page)


def test_numbers_of_the_period_before_open_what_was_said_then(brief: Path) -> None:
    page = tree(brief)
    link = page.find_class("tiles")[0].xpath(".//dd[@class='more']/a")[0]
    assert words_of(link) == "14 (+86%)"
    panel = page.get_element_by_id(link.get("href")[1:]).getparent().find_class("panel")[0]
    assert words_of(panel.find_class("sub")[0]) == "14 stories · 17–23 November 2023"
    days = {words_of(one.find("cite")).rsplit(" · ", 1)[1] for one in panel.findall("./ol/li")}
    assert days and days <= {f"{day} November" for day in range(17, 24)}
    assert words_of(panel.find_class("query")[0]).endswith("--days=7 --until=2023-11-23 --limit=1000000")


def test_bursts_are_told_with_stories_and_what_was_expected(rising_brief: Path) -> None:
    page = tree(rising_brief)
    assert words_of(page.find_class("tiles")[0].findall("div")[3]) == "burst1far above the usual"
    (card,) = page.get_element_by_id("bursts").find_class("card")
    assert words_of(card.xpath("./p[1]")[0]) == "6 stories on 29 November; 0.4 were to be expected (q = 0.0021)."
    assert words_of(card.xpath("./p[2]")[0]) == "Above the usual on 2 days of the period; the strongest is shown."
    assert len(card.xpath(".//ul[1]/li")) >= 3 and "spoke of barricades" in words_of(card.find_class("said")[0])
    expected = card.xpath("./p[1]/a[@class='n']")[1]
    panel = page.get_element_by_id(expected.get("href")[1:]).getparent().find_class("panel")[0]
    assert words_of(panel.find_class("sub")[0]) == "1–28 November 2023"
    assert words_of(panel.find_class("query")[0]).endswith("--days=28 --until=2023-11-28 --limit=1000000")
    assert words_of(page.get_element_by_id("bursts").xpath("./p[@class='query']")[0]).startswith(
        "All of it: balkanwatch query bursts"
    )
    assert words_of(page.find_class("things")[0][0]).startswith("Kosovo · Barricades and stand-offs: 6 stories on 29 November")


def test_a_feed_count_lists_feeds_and_an_edit_the_places_that_changed(hostile_brief: Path, tmp_path: Path) -> None:
    page = tree(hostile_brief)
    link = page.get_element_by_id("feeds").xpath(".//dl//a")[0]
    panel = page.get_element_by_id(link.get("href")[1:]).getparent().find_class("panel")[0]
    assert words_of(panel.find("h3")) == "Health of the feeds: failing"
    assert "last answered 1 November 2023, 00:00 UTC · " in words_of(panel.find("./ol/li"))
    assert "failures in a row: 3" in words_of(panel.find("./ol/li"))
    assert words_of(panel.find_class("query")[0]).endswith("balkanwatch query feeds --state=failing")
    places = lists._places(
        *(text.split() for text in ("a b c d", "a x c d e")), lists._steps(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"])
    )
    assert places == ["a <del>b</del> <ins>x</ins> c d e", "a x c d <ins>e</ins>"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_steps_turn_one_text_into_the_other(was: list[str], now: list[str]) -> None:
    steps = lists._steps(was, now)
    assert [word for _, a, b, _, _ in steps for word in was[a:b]] == was
    assert [word for _, _, _, c, d in steps for word in now[c:d]] == now
    assert all(was[a:b] == now[c:d] for what, a, b, c, d in steps if what == "equal")


def test_the_query_that_is_named_gives_the_rest(settings: Settings, brief: Path) -> None:
    """All kinds of them: cells, sides, stories, pairs, edits."""
    by_name: dict[str, str] = {}
    for code in tree(brief).iter("code"):
        line = words_of(code)
        if line.startswith("balkanwatch query ") and "--list" not in line:
            by_name.setdefault(line.split()[2], line)
    assert by_name.keys() >= {"evidence", "cell_articles", "story_timeline", "edited"}
    with Store.reader(settings.data) as store:
        for name, line in by_name.items():
            assert queries.ask(store, name, **asked_by(line)).height, line


def asked_by(line: str) -> dict[str, str]:
    """The parameters of a query on a command line."""
    return dict(word.removeprefix("--").split("=", 1) for word in shlex.split(line)[3:])


def test_the_query_of_a_panel_gives_as_many_stories_as_its_number_says(settings: Settings, brief: Path) -> None:
    counted = 0
    with Store.reader(settings.data) as store:
        for panel in tree(brief).find_class("panel"):
            n, noun, *_ = [*words_of(panel.find_class("sub")[0]).split(), "", ""]
            line = words_of(panel.find_class("query")[0]).removeprefix("All of it: ")
            if noun in ("story", "stories") and line.split()[2] in ("evidence", "cell_articles"):
                assert queries.ask(store, "cell_articles", **asked_by(line))["story_id"].n_unique() == int(n), line
                counted += 1
    assert counted > 30


def test_kosovo_has_a_shape_of_its_own_on_the_map(brief: Path) -> None:
    shapes = json.loads((SEEDS / "map" / "region.geojson").read_text(encoding="utf-8"))["features"]
    assert {"XK", "RS", "BA", "ME", "MK", "AL"} <= {shape["properties"]["code"] for shape in shapes}
    map_ = tree(brief).get_element_by_id("map")
    assert "Kosovo: " in map_.xpath(".//svg/@aria-label")[0]
    assert len({*map_.xpath(".//svg//path/@fill")} & {f"var(--q{n})" for n in range(6)}) > 1  # coloured by what was written


def test_top_stories_say_who_was_silent(brief: Path) -> None:
    stories = tree(brief).get_element_by_id("stories").findall(".//li")
    assert "2 articles, 2 outlets" in words_of(stories[0])
    lines = [words_of(line).partition(": ") for line in stories[0].findall("p")[1:]]
    assert [line[0] for line in lines] == ["Carried", "Not carried"]
    assert sorted(", ".join(line[2] for line in lines).split(", ")) == ["Belgrade", "Pristina", "Sarajevo"]


def test_edits_show_what_went_and_what_came(brief: Path) -> None:
    edits = tree(brief).get_element_by_id("edits")
    assert words_of(next(edits.iter("del"))) == "first words"
    assert "balkanwatch diff a" in words_of(edits)
    link = edits.xpath(".//p[@class='more']/a[@class='n']")[0]
    assert words_of(link) == "3 words"
    panel = tree(brief).get_element_by_id(link.get("href")[1:]).getparent().find_class("panel")[0]
    assert words_of(next(panel.iter("del"))) == "It said first."
    assert words_of(panel.find_class("query")[0]).startswith("All of it: balkanwatch diff a")


@pytest.mark.parametrize("lang", LANGS)
def test_every_language_is_complete(lang: str, settings: Settings, tmp_path: Path) -> None:
    path = write_report(settings, lang=lang, target=tmp_path / f"{lang}.html")
    page = tree(path)
    assert page.get("lang").startswith(lang)
    assert not re.search(r"\{\w+\}", words_of(page.body))
    if lang != "en":
        ours = [words_of(one) for one in page.iter("h1", "h2", "dt", "caption")]
        english = {words_of(one) for one in tree(write_report(settings, target=tmp_path / "en.html")).iter("h1", "h2", "dt")}
        assert not english & set(ours)


def test_labels_are_complete_and_their_places_agree() -> None:
    labels = pl.read_csv(SEEDS / "label.csv", infer_schema=False)
    assert labels["key"].to_list() == sorted(set(labels["key"]))
    for key, *texts in labels.select("key", *LANGS).iter_rows():
        assert all(texts), key
        assert len({frozenset(re.findall(r"\{\w+\}", one)) for one in texts}) == 1, key


@pytest.mark.parametrize(
    ("lang", "n", "text"),
    [("en", 1, "1 story"), ("en", 21, "21 stories"), ("sr", 1, "1 članak"), ("sr", 3, "3 članka"), ("sr", 11, "11 članaka"),
     ("sr", 1021, "1.021 članak"), ("mk", 21, "21 статија"), ("mk", 11, "11 статии"), ("sq", 21, "21 artikuj")],
)  # fmt: skip
def test_nouns_go_with_their_numbers(lang: str, n: int, text: str) -> None:
    noun = "story" if lang == "en" else "article"
    assert Words(SEEDS, lang).count(n, noun).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("lang", "shown"),
    [("en", "27 November – 3 December 2023"), ("sr", "27. novembra – 3. decembra 2023."), ("sq", "27 nëntor – 3 dhjetor 2023"),
     ("mk", "27 ноември – 3 декември 2023")],
)  # fmt: skip
def test_periods_are_written_as_the_language_does(lang: str, shown: str) -> None:
    assert Words(SEEDS, lang).period(Period(date(2023, 11, 27), date(2023, 12, 3))).replace("\u00a0", " ") == shown


# -- odd warehouses ---------------------------------------------------------------------------------------------------


def test_one_day_and_long_periods(settings: Settings, tmp_path: Path) -> None:
    assert write_report(settings, "day").name == "brief-2023-11-30-en.html"
    page = tree(write_report(settings, since=date(2022, 1, 1), target=tmp_path / "long.html"))
    assert "no earlier period to compare with" in words_of(page.body)
    assert "week by week" in words_of(page.get_element_by_id("topics"))


def test_a_period_without_articles_says_so(settings: Settings, tmp_path: Path) -> None:
    path = write_report(settings, since=date(2021, 1, 1), until=date(2021, 1, 7), target=tmp_path / "empty.html")
    page = tree(path)
    assert "No article was published in this period." in words_of(page.get_element_by_id("brief"))
    assert not page.xpath("//main//a[@class='n'][not(ancestor::section[@id='feeds'])]")


def test_an_empty_warehouse_is_told(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        store.publish()
    with pytest.raises(InputError, match="no articles"):
        write_report(Settings.read(data=tmp_path))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--since=30.11.2023",), "write YYYY-MM-DD"), (("--since=2023-12-05",), "before it begins"),
     (("--lang=de",), "en, sr, sq, mk"), (("--day", "--week"), "one of --day"), (("--since=2023-02-30",), "is not a day")],
)  # fmt: skip
def test_wrong_options_are_told_in_one_sentence(arguments: tuple[str, ...], told: str, settings: Settings) -> None:
    done = command("report", *arguments, BALKANWATCH_DATA=str(settings.data))
    assert done.returncode in (1, 2)
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_command_writes_and_names_the_file(settings: Settings, tmp_path: Path) -> None:
    done = command("report", "--since=2023-11-20", "--out", tmp_path / "my.html", BALKANWATCH_DATA=str(settings.data))
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "my.html") in done.stdout
    assert "20–30 November 2023" in (tmp_path / "my.html").read_text(encoding="utf-8").replace("\u00a0", " ")


def test_labels_that_are_missing_are_named(settings: Settings, tmp_path: Path) -> None:
    seeds = Path(shutil.copytree(SEEDS, tmp_path / "seeds", ignore=shutil.ignore_patterns("generated", "rule", "lexicon")))
    pl.read_csv(seeds / "label.csv", infer_schema=False).drop("mk").write_csv(seeds / "label.csv")
    with pytest.raises(BalkanwatchError, match=r"label\.csv:1: column `mk` is missing"):
        write_report(settings.model_copy(update={"seeds": seeds}), lang="mk")


# -- nothing runs, nothing loads --------------------------------------------------------------------------------------

HOSTILE = (
    "<script>hacked=1</script>", "</style><script>hacked=2</script>", '"><img src=x onerror="hacked=3">',
    "<svg onload=hacked=4>",
    "javascript:hacked=5", "data:text/html,<script>hacked=6</script>", "' onmouseover='hacked=7",
    "<!-- <b>", "</title></head><h5>h</h5>",
    "{n} {topic}", "http://u:p@evil.example/<b>", "JaVaScRiPt:alert(8)//https://ok.example/", "\u202e<i>gro.live</i>\u2028\u2029",
    "https://ok.example/?q=\"onclick=alert(9) ", "<a href='javascript:alert(10)'>x</a>",
    "<meta http-equiv=refresh content=0;url=//evil.example>", "&lt;script&gt;hacked=11&lt;/script&gt;",
    "]]><iframe srcdoc='<script>hacked=12</script>'>", "<link rel=stylesheet href=//evil.example>",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.read(data=newsroom(tmp_path_factory.mktemp("hostile"), 20, HOSTILE))


@pytest.fixture(scope="module")
def hostile_brief(hostile_settings: Settings) -> Path:
    return write_report(hostile_settings, since=date(2023, 11, 12))


def test_hostile_text_stays_text(hostile_brief: Path) -> None:
    page = tree(hostile_brief)
    elements = {element.tag for element in page.iter() if isinstance(element.tag, str)}
    assert not elements & {"script", "img", "iframe", "object", "embed", "link", "form", "input", "base", "h5"}
    attributes = {name for element in page.iter() if isinstance(element.tag, str) for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or name in {"style", "src", "srcset", "action", "srcdoc"}}
    links = [href for href in page.xpath("//@href") if not href.startswith("#")]
    assert not [href for href in links if not re.match(r"https://[\w.]+\.example/", href)]
    shown = page.text_content()
    for text in HOSTILE:
        plain = " ".join(re.sub(r"[\u2028\u2029]", "", text).split())
        assert plain in " ".join(shown.split()), text


def test_the_policy_allows_this_style_and_nothing_else(brief: Path) -> None:
    page = tree(brief)
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (style,) = page.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "base-uri 'none'", "form-action 'none'"
    ]  # fmt: skip
    assert "url(" not in style
    assert "@import" not in style


def test_it_is_light(hostile_brief: Path, brief: Path) -> None:
    assert max(path.stat().st_size for path in (hostile_brief, brief)) < 2_000_000


@given(st.text(max_size=60))
def test_any_address_is_a_web_address_or_no_link(text: str) -> None:
    shown = markup.link("x", text)
    assert shown == "x" or re.match(r'<a href="https?://', shown, re.IGNORECASE)


@given(st.text(max_size=60), st.text(max_size=60))
def test_text_never_becomes_an_element(child: str, value: str) -> None:
    shown = markup.tag("p", child, title=value)
    assert shown.count("<") == 2
    assert shown.count('"') == 2


def test_colours_of_a_chart_are_the_pages_own() -> None:
    picture = charts.curve([0, 1, 2, 5], 2, 'a "label" <b>')
    assert set(re.findall(r'fill="([^"]+)"', picture)) <= {"var(--accent)", "var(--pale)", "none"}
    assert "&quot;label&quot; &lt;b&gt;" in picture
    assert "style=" not in picture


# -- in a real browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield chromium
        chromium.close()


WATCH = "window.violations = []; document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective));"


def opened(browser: Any, path: Path, width: int = 1400, **context: Any) -> tuple[Any, list[str]]:
    """A page of the file, and what it did that it should not have: dialogs, requests, errors."""
    events: list[str] = []
    page = browser.new_context(viewport={"width": width, "height": 900}, **context).new_page()
    page.add_init_script(WATCH)
    page.on("dialog", lambda dialog: (events.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: None if request.url == path.as_uri() else events.append(f"request {request.url}"))
    page.on("pageerror", lambda error: events.append(f"error {error}"))
    page.on("console", lambda message: events.append(f"console {message.text}"))
    page.goto(path.as_uri())
    return page, events


@pytest.mark.needs_chromium
def test_hostile_text_does_nothing_in_a_browser(browser: Any, hostile_brief: Path) -> None:
    page, events = opened(browser, hostile_brief)
    for element in page.query_selector_all("bdi, q, h3")[:60]:
        element.dispatch_event("mouseover")
    page.wait_for_timeout(200)
    assert page.evaluate("[typeof hacked, document.scripts.length, violations.length]") == ["undefined", 0, 0]
    assert page.evaluate("[...document.links].filter(a => !['file:', 'https:', 'http:'].includes(a.protocol)).length") == 0
    assert page.title().startswith("Brief, ")
    assert events == []


@pytest.mark.needs_chromium
def test_a_number_opens_its_sentences_by_keyboard_and_closing_goes_back(browser: Any, brief: Path) -> None:
    page, events = opened(browser, brief)
    number = page.locator("#matrix td a.n").first
    number.focus()
    page.keyboard.press("Enter")
    panel = page.locator(".panel:visible")
    assert panel.count() == 1
    assert panel.locator("mark").first.is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Close"
    page.keyboard.press("Enter")
    assert page.locator(".panel:visible").count() == 0
    assert page.evaluate("':target' && document.querySelector(':target').textContent") == number.text_content()
    assert number.is_visible()
    assert events == []


@pytest.mark.needs_chromium
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(width: int, scheme: str, browser: Any, rising_brief: Path, hostile_brief: Path) -> None:
    """No sideways scrolling of the page, and text stands out from its ground (WCAG AA: 4.5 to 1) in every cell and line."""
    for path in (rising_brief, hostile_brief):
        page, _ = opened(browser, path, width, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(CLIPPED) == []


CLIPPED = """
() => {
  const bad = [];
  for (const svg of document.querySelectorAll('.chart svg')) {
    const frame = svg.getBoundingClientRect(), boxes = [];
    for (const label of svg.querySelectorAll('text')) {
      const b = label.getBoundingClientRect();
      if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1)
        bad.push('cut: ' + label.textContent);
      for (const [other, a] of boxes)
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
          bad.push('over each other: ' + other.textContent + ' and ' + label.textContent);
      boxes.push([label, b]);
    }
  }
  return bad;
}
"""


@pytest.mark.needs_chromium
def test_a_screen_reader_finds_names_headings_and_landmarks(browser: Any, rising_brief: Path) -> None:
    page, _ = opened(browser, rising_brief)
    tree_ = page.locator("body").aria_snapshot()
    unnamed = re.findall(r"^\s*- (?:link|img|table|region|navigation|group)(?::.*)?$", tree_, re.MULTILINE)
    assert not [line for line in unnamed if not line.strip().startswith("- group")]
    for landmark in ("banner", "main", "contentinfo", 'navigation "Contents"', 'complementary "Evidence"'):
        assert f"- {landmark}" in tree_, landmark
    assert 'link "Kosovo: ' in tree_ and 'img "Kosovo: ' in tree_
    assert not page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.querySelector('th[scope]')).length"
    )
    for section in ("topics", "matrix", "map", "sides", "network"):  # what is drawn can be read
        drawn = page.locator(f"#{section} svg, #{section} .heat").count()
        assert not drawn or page.locator(f"#{section} table").count(), section
    levels = [int(one) for one in re.findall(r"heading .*\[level=(\d)\]", tree_)]
    assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the brief"


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_as_the_guidelines_ask(scheme: str) -> None:
    """WCAG AA for every pair that the page and its charts use: 4.5 to 1 for text, 3 to 1 for what is drawn."""
    colours: dict[str, str] = {}
    for block in re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)[: 1 if scheme == "light" else 2]:
        colours |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    text = [(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("paper", "sheet")]
    text += [("ink", ground) for ground in ("mark", "ins", "del")] + [(f"on{n}", f"q{n}") for n in range(6)]
    for wanted, pairs in ((4.5, text), (3.0, [("pale", "paper"), ("accent", "paper"), ("muted", "paper")])):
        for pair in pairs:
            low, high = sorted(luminance(colours[one]) for one in pair)
            assert (high + 0.05) / (low + 0.05) >= wanted, pair


CONTRAST = """
() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => parts(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (parts(c)[3] !== 0) return c; }
  };
  const bad = new Set();
  for (const e of document.querySelectorAll('main *, header *, footer *, aside *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.closest('svg') || e.closest('.sr')) continue;
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5) bad.add(`${e.tagName}.${e.className} ${e.textContent}`);
  }
  return [...bad];
}
"""


@pytest.mark.needs_chromium
def test_it_prints_without_panels(browser: Any, brief: Path) -> None:
    page, _ = opened(browser, brief)
    page.emulate_media(media="print")
    assert page.locator(".panel:visible, nav:visible").count() == 0
    assert page.locator("#matrix table").is_visible()
