"""The tagger through its public face: layers, guards, offices, rules, and the laws of evidence."""

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.settings import ROOT, SEEDS
from pipeline import seeds
from pipeline.errors import SeedError
from pipeline.language import normalise_lang
from pipeline.schemas import RELATIONS
from pipeline.tag import Tagged, Tagger, rules
from pipeline.text import to_cyrillic


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger(seeds.load(SEEDS).tables)


def test_what_a_text_is_tagged_does_not_depend_on_its_batch(tagger: Tagger) -> None:
    lines = (ROOT / "tests" / "golden" / "topics.jsonl").read_text().splitlines()
    texts = sorted((json.loads(line) for line in lines), key=lambda one: -len(one["text"]))[:60]
    rows = [
        {"article_id": f"{n:03}", "version": 1, "title": "", "body": one["text"], "lang": normalise_lang(one["lang"])}
        for n, one in enumerate(texts)
    ]
    documents = pl.DataFrame(rows).with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("published_at"))
    together, alone = tagger.tag(documents), [tagger.tag(documents[n]) for n in range(len(rows))]
    for name in ("mentions", "focus", "tags"):
        whole, parts = getattr(together, name), pl.concat(getattr(one, name) for one in alone)
        by = [column for column, dtype in whole.schema.items() if not dtype.is_nested()]
        assert whole.height and parts.select(by).sort(by).equals(whole.select(by).sort(by))


def tag(tagger: Tagger, body: str, lang: str = "en", day: str | None = None, title: str = "") -> Tagged:
    at = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC) if day else None
    row = {"article_id": "a", "version": 1, "title": title, "body": body, "lang": lang, "published_at": at}
    return tagger.tag(pl.DataFrame([row], schema_overrides={"published_at": pl.Datetime("us", "UTC")}))


def spans(tagged: Tagged) -> set[tuple[str, str, str | None]]:
    return set(tagged.mentions.select("surface", "kind", "country_code").iter_rows())


def topics(tagged: Tagged) -> set[str]:
    return set(tagged.tags["topic_id"])


def test_a_guard_stops_what_is_inside_it_and_says_what_it_means(tagger: Tagger) -> None:
    found = spans(tag(tagger, "Bosnian Serb leaders met in Banja Luka."))
    assert ("Bosnian Serb", "demonym", "BA") in found
    assert not any(code == "RS" for *_, code in found)


def test_the_longest_name_wins_inside_a_layer_only(tagger: Tagger) -> None:
    found = spans(tag(tagger, "The President of Kosovo spoke.", day="2023-05-10"))
    assert ("Kosovo", "country", "XK") in found
    assert ("President of Kosovo", "role", "XK") in found
    assert ("Sremskoj Mitrovici", "place", "RS") in spans(tag(tagger, "Skup u Sremskoj Mitrovici.", "hbs"))


@pytest.mark.parametrize(
    ("text", "lang", "day", "person", "role"),
    [
        ("The President of Kosovo spoke.", "en", "2023-05-10", "vjosa_osmani", "president:XK"),
        ("Kosovo's President spoke.", "en", "2018-05-10", "hashim_thaci", "president:XK"),
        ("Predsednica Kosova je govorila.", "hbs", "2023-05-10", "vjosa_osmani", "president:XK"),
        ("Kosovska predsednica je govorila.", "hbs", "2023-05-10", "vjosa_osmani", "president:XK"),
        ("The President of Kosovo spoke.", "en", None, "president:XK", "president:XK"),
        ("The NATO Secretary General arrived.", "en", "2023-11-20", "jens_stoltenberg", "secretary_general:nato"),
    ],
)
def test_an_office_names_who_held_it_that_day(
    tagger: Tagger, text: str, lang: str, day: str | None, person: str, role: str
) -> None:
    found = tag(tagger, text, lang, day).mentions.filter(pl.col("kind") == "role")
    assert found.select("entity_id", "role_id").rows() == [(person, role)]


def test_acronyms_need_their_capitals(tagger: Tagger) -> None:
    assert ("US", "country", "US") in spans(tag(tagger, "The US and they told us."))
    assert not any(surface == "us" for surface, *_ in spans(tag(tagger, "They told us so.")))


def test_a_place_in_two_states_gives_no_code(tagger: Tagger) -> None:
    found = tag(tagger, "Protest u Sandžaku.", "hbs")
    assert ("Sandžaku", "place", None) in spans(found)
    assert not found.focus.height


def test_blanks_breaks_marks_and_dashes_do_not_hide_a_name(tagger: Tagger) -> None:
    for text in ("Bosnia  and\nHerzegovina", "Bosnia and Herzegovina", "Bosnia-and-Herzegovina", "Bos\u00adnia and Herzegovina"):
        found = tag(tagger, f"👍 In {text} today.")
        assert (text, "country", "BA") in spans(found)


def test_decomposed_letters_match(tagger: Tagger) -> None:
    found = tag(tagger, "Borjana Kris\u030cto je u Mostaru.", "hbs")
    assert "borjana_kristo" in set(found.mentions["entity_id"])


def test_both_scripts_give_the_same_tags(tagger: Tagger) -> None:
    latin = "Blokada puta kod Jarinja. Kfor i kosovska policija na severu Kosova; predsednik Srbije traži hitnu sednicu."
    one, other = tag(tagger, latin, "hbs", "2023-11-20"), tag(tagger, to_cyrillic(latin), "hbs", "2023-11-20")
    columns = ["entity_id", "kind", "country_code", "role_id"]
    assert one.mentions.select(columns).rows() == other.mentions.select(columns).rows()
    assert one.tags.select("topic_id", "score").rows() == other.tags.select("topic_id", "score").rows()
    assert topics(one)


def test_focus_is_a_set_with_salience(tagger: Tagger) -> None:
    found = tag(
        tagger, "Ministers from Serbia and Kosovo met. Serbia and Kosovo agreed. Norway was named once. " + "Filler. " * 30
    )
    focus = {
        code: (salience, is_focus)
        for code, salience, is_focus in found.focus.select("country_code", "salience", "is_focus").rows()
    }
    assert focus["RS"] == focus["XK"] == (1.0, True)
    assert 0 < focus["NO"][0] < focus["RS"][0]
    assert focus["NO"][1] is False


def test_order_and_company_do_not_matter(tagger: Tagger) -> None:
    bodies = ["Serbia and NATO.", "Протест у Београду.", "Kosova dhe Shqipëria.", "", "Vlada Republike Srbije."]
    langs = ["en", "hbs", "sq", "und", "hbs"]
    frame = pl.DataFrame(
        {"article_id": list("abcde"), "version": 1, "title": "", "body": bodies, "lang": langs, "published_at": None}
    )
    together = tagger.tag(frame)
    alone = [tagger.tag(frame[i]) for i in range(5)]
    for name in ("mentions", "focus", "tags"):
        assert getattr(together, name).equals(pl.concat([getattr(one, name) for one in alone]))


def test_nothing_gives_empty_frames_with_schemas(tagger: Tagger) -> None:
    found = tagger.tag(pl.DataFrame(schema={"article_id": pl.String}))
    for frame, name in ((found.mentions, "mention"), (found.focus, "focus"), (found.tags, "tag")):
        assert frame.schema == RELATIONS[name]
        assert not frame.height


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = st.sampled_from([
    "Srbija", "Kosovo", "BiH", "predsednik", "Republika", "Srpska", "Crna", "Gora", "NATO-a", "U.S.", "Vučić", "ђ", "Chad",
    "Smith",
    "barikade", "policija", "\n", "\n\n", "  ", "👍", "e\u0301", "\u200b", "-", "–", ".", "St.", "\ufeff", "\0",
    "İ", "ß",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(WORDS, ANY_TEXT), max_size=25).map(" ".join), st.lists(WORDS, max_size=6).map("".join))
def test_every_span_slices_back_to_its_surface(tagger: Tagger, body: str, title: str) -> None:
    for lang in ("hbs", "en", "und"):
        found = tag(tagger, body, lang, "2023-11-20", title)
        texts = {"title": title, "body": body}
        for field, start, end, surface in found.mentions.select("field", "char_start", "char_end", "surface").iter_rows():
            assert 0 <= start < end <= len(texts[field])
            assert texts[field][start:end] == surface
        for evidence in found.tags["evidence"]:
            for span in evidence:
                assert 0 <= span["char_start"] < span["char_end"] <= len(texts[span["field"]])
        keys = ["field", "char_start", "char_end", "entity_id"]
        assert found.mentions.select(keys).is_unique().all()


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("all(a, b", "not closed"), ("near(a, b)", "begins with a number"), ("xor(a, b)", "is not one of"),
        ("a b", "one too many"),
        ("not(a, b)", "wrong number"), ("", "name is missing"), ("a + b", "only names"), ("near(3, a)", "wrong number"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(expression: str, said: str) -> None:
    with pytest.raises(SeedError, match=said):
        rules.parse(expression)


def test_rules_over_a_small_lexicon() -> None:
    tables = dict(seeds.load(SEEDS).tables)
    line = {"_file": "x", "_line": 1, "note": None}
    concepts = {"roadblock": "barricade*", "police": "police", "weather": "snow"}
    tables["lexicon"] = pl.DataFrame([{"concept_id": c, "lang": "en", "patterns": p} | line for c, p in concepts.items()])
    expressions = {
        "near": "near(2, roadblock, police)", "both": "all(roadblock, @XK)", "none": "all(roadblock, not(weather))",
        "doc": "all(weather, doc(police))", "who": "any(#kfor)",
    }  # fmt: skip
    topic_ids = tables["topic"]["topic_id"].to_list()
    tables["rule"] = pl.DataFrame(
        [
            {"rule_id": name, "topic_id": topic_ids[i], "weight": "0.6", "expression": text} | line
            for i, (name, text) in enumerate(expressions.items())
        ]
    )
    small = Tagger(tables)

    def held(body: str) -> set[str]:
        return {name for cell in tag(small, body).tags["rule_ids"] for name in cell}

    assert held("x. A barricade stopped police here.") == {"near", "none"}
    assert held("x. A barricade in the far north stopped the police.") == {"none"}
    assert held("x. A barricade in Kosovo. Snow fell.") == {"both", "none"}
    assert held("x. A barricade in the snow.") == set()
    assert held("x. Snow fell. Police came.") == {"doc"}
    assert held("x. KFOR came.") == {"who"}


def test_why_says_what_was_hidden(tagger: Tagger) -> None:
    verdicts = dict(tagger.why("", "Chad Smith is here", "en").select("surface", "verdict").rows())
    assert verdicts["Chad Smith"] == "guards"
    assert verdicts["Chad"].startswith("hidden by guard:")
