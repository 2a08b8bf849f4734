"""Stories: what is a copy, what is not, and that the order of arrival does not matter."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import dedup, schemas, text
from pipeline.errors import InputError

START = datetime(2023, 11, 20, tzinfo=UTC)
DOCUMENT = {"article_id": pl.String(), "title": pl.String(), "body": pl.String(), "published_at": schemas.UTC}
SYLLABLES = [*"aeiou", "če", "đa", "šo", "ži", "nja", "lju", "dže", "jska", "gra", "sre", "kri", "vo", "ta", "mo"]


def prose(seed: int, n_words: int = 80) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(n_words)]


def reworded(words: list[str], n_changes: int, seed: int = 1) -> list[str]:
    draw, words = random.Random(seed), list(words)
    for place in draw.sample(range(len(words)), n_changes):
        words[place] = f"drugo{draw.randint(0, 999)}"
    return words


def documents(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    """Rows of (id, title, body, days after START)."""
    dated = [(*row[:3], None if row[3] is None else START + timedelta(days=row[3])) for row in rows]
    return pl.DataFrame(dated, DOCUMENT, orient="row")


def story_ids(*rows: tuple[str, str, str, float | None]) -> list[str]:
    return dedup.story_table(documents(*rows))["story_id"].to_list()


def has_sound_leads(rows: pl.DataFrame) -> bool:
    leads = set(rows.filter("is_lead")["article_id"])
    unlike = rows.filter(pl.col("similarity") < dedup.LEAD_SIMILARITY)
    return set(rows["story_id"]) == leads and unlike.is_empty()


def are_copies(one: str, other: str, days: float = 1.0) -> bool:
    return story_ids(("a", "", one, 0.0), ("b", "", other, days)) == ["a", "a"]


WORDS = prose(7)
BODY = " ".join(WORDS)


def test_a_story_names_its_lead_and_likeness() -> None:
    rows = dedup.story_table(
        documents(("late", "Naslov", BODY, 2.0), ("first", "Naslov", BODY, 0.0), ("other", "Drugi", " ".join(prose(8)), 0.0))
    )
    assert rows.schema == schemas.RELATIONS["story_article"]
    assert rows["article_id"].to_list() == ["late", "first", "other"]
    assert rows["story_id"].to_list() == ["first", "first", "other"]
    assert rows["similarity"].to_list() == [1.0, 1.0, 1.0]
    assert rows["is_lead"].to_list() == [False, True, True]


@pytest.mark.parametrize("n_changes", [1, 2, 4])
def test_light_rewrites_are_copies(n_changes: int) -> None:
    assert are_copies(BODY, " ".join(reworded(WORDS, n_changes)))


def test_case_signs_spaces_and_diacritics_do_not_matter() -> None:
    assert are_copies(BODY, text.fold(BODY).upper().replace(" ", " — \n"))


@pytest.mark.parametrize("seed", range(5))
def test_the_other_script_is_a_copy(seed: int) -> None:
    body = " ".join(prose(seed))
    twins = dedup.signatures(documents(("a", "Džep", body, 0.0), ("b", "Џеп", text.to_cyrillic(body), 0.0)))
    assert twins["text_hash"].n_unique() == 1
    assert are_copies(body, text.to_cyrillic(body).upper())


def test_a_decomposed_text_is_a_copy() -> None:
    body = "Čuvari šume žele još ćilima " * 8
    decomposed = body.replace("Č", "C\u030c").replace("š", "s\u030c").replace("ć", "c\u0301")
    assert are_copies(body, decomposed.replace("žele", "že\u00adle"))


def test_a_cut_copy_is_a_copy_and_a_small_quotation_is_not() -> None:
    whole = prose(3, 120)
    assert are_copies(" ".join(whole), " ".join(whole[:72]))
    assert not are_copies(" ".join(whole), " ".join(whole[:40]))


def test_independent_reports_and_translations_stay_apart() -> None:
    shared = WORDS[:30]  # a long quotation in two reports
    assert not are_copies(" ".join(shared + prose(1, 60)), " ".join(shared + prose(2, 60)))
    assert not are_copies(" ".join(prose(1)), " ".join(prose(2)))


def test_headlines_do_not_glue_together() -> None:
    headline = "Ministar odbrane posetio vojnu bazu na jugu zemlje danas"
    assert story_ids(("a", headline, "", 0.0), ("b", headline, "", 1.0)) == ["a", "b"]
    assert story_ids(("a", headline, headline, 0.0), ("b", headline, f" {headline}", 1.0)) == ["a", "b"]
    assert story_ids(("a", "Vesti dana", "Vesti", 0.0), ("b", "Vesti dana", "Vesti", 0.0)) == ["a", "b"]
    teaser = "Posle razgovora sa komandantom obišao je i radove na novoj kasarni."
    assert story_ids(("a", headline, teaser, 0.0), ("b", headline, teaser, 1.0)) == ["a", "a"]
    assert story_ids(("a", headline, teaser, 0.0), ("b", headline + " popodne", teaser, 1.0)) == ["a", "b"]
    assert story_ids(("a", "", "", 0.0), ("b", "", "", 0.0)) == ["a", "b"]


def test_an_edge_spans_three_days_and_a_story_may_span_more() -> None:
    assert are_copies(BODY, BODY, days=3.0)
    assert not are_copies(BODY, BODY, days=3.001)
    days = {"a": 0.0, "b": 2.5, "c": 5.0, "d": 8.5}
    assert story_ids(*((name, "", BODY, day) for name, day in days.items())) == ["a", "a", "a", "d"]


def test_articles_without_a_date_meet_only_each_other() -> None:
    assert story_ids(("a", "", BODY, None), ("b", "", BODY, None), ("c", "", BODY, 0.0)) == ["a", "a", "c"]


def test_a_chain_of_edits_is_split_where_it_leaves_its_lead() -> None:
    """Each differs from the one before by three words; the later ones have too little of the first."""
    chain = [WORDS]
    for i in range(6):
        chain.append([*chain[-1][: 10 * i], *prose(100 + i, 4), *chain[-1][10 * i + 4 :]])
    rows = dedup.story_table(documents(*((f"a{i}", "", " ".join(words), i / 10) for i, words in enumerate(chain))))
    assert rows["story_id"].n_unique() > 1
    assert has_sound_leads(rows)


def test_a_pair_without_a_text_is_no_edge() -> None:
    pairs = pl.DataFrame({"left_id": ["a"], "right_id": ["b"]})
    assert dedup.edges(pairs, documents(("a", "", BODY, 0.0))).is_empty()


def test_no_documents_and_an_id_that_comes_twice() -> None:
    assert dedup.story_table(documents()).height == 0
    with pytest.raises(InputError, match="'a' appears more than once"):
        dedup.story_table(documents(("a", "", BODY, 0.0), ("a", "", BODY, 0.0)))


def test_a_signature_is_small_and_does_not_depend_on_its_neighbours() -> None:
    rows = [(f"a{i}", "Naslov", " ".join(prose(i, 5 + 40 * i)), 0.0) for i in range(10)]
    together = dedup.signatures(documents(*rows))
    assert together.schema == dedup.SIGNATURE
    assert together.equals(pl.concat([dedup.signatures(documents(row)) for row in rows]))
    assert together["bands"].list.len().max() == dedup.BANDS


def in_batches(articles: pl.DataFrame, sizes: list[int]) -> pl.DataFrame:
    """As a warehouse does it: signatures and edges are kept, a batch touches only the components it meets."""
    kept, found = dedup.SIGNATURE.to_frame(), dedup.EDGE.to_frame()
    told = schemas.RELATIONS["story_article"].to_frame()
    begin = 0
    for size in [*sizes, articles.height]:
        batch = articles.slice(begin, size)
        begin += size
        new = dedup.signatures(batch)
        keys = new.explode("bands")["bands"].drop_nulls()
        old = kept.filter(pl.col("bands").list.set_intersection(keys.unique().to_list()).list.len() > 0)
        found = pl.concat([found, dedup.edges(dedup.candidates(new, old), articles)])
        kept = pl.concat([kept, new])
        touched = set(batch["article_id"])
        while True:
            near = found.filter(pl.col("left_id").is_in(touched) | pl.col("right_id").is_in(touched))
            more = touched.union(near["left_id"], near["right_id"])
            if more == touched:
                break
            touched = more
        again = dedup.stories(found, articles.filter(pl.col("article_id").is_in(touched)))
        told = pl.concat([told.join(again, on="article_id", how="anti"), again])
    return told.sort("article_id")


@st.composite
def news(draw: st.DrawFn) -> pl.DataFrame:
    """Some texts, copied, edited step by step, cut and set in the other script, over some days."""
    rows: list[tuple[str, str, str, float | None]] = []
    for i in range(draw(st.integers(2, 14))):
        words = prose(draw(st.integers(0, 1)), 60)
        for step in range(draw(st.integers(0, 4))):
            words = reworded(words, 3, seed=step)
        words = words[: draw(st.sampled_from([60, 60, 60, 45, 20]))]
        body = " ".join(words)
        if draw(st.booleans()):
            body = text.to_cyrillic(body)
        rows.append((f"a{i:02}", "", body, draw(st.none() | st.integers(0, 10).map(float))))
    return documents(*rows)


@settings(max_examples=60, deadline=None)
@given(articles=news(), data=st.data())
def test_stories_do_not_depend_on_order_or_batches(articles: pl.DataFrame, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(articles.height)))
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=6))
    at_once = dedup.story_table(articles).sort("article_id")
    assert has_sound_leads(at_once)
    assert in_batches(articles[order], sizes).equals(at_once)


@settings(max_examples=40, deadline=None)
@given(articles=news())
def test_chained_copies_connect_what_all_pairs_connect(articles: pl.DataFrame) -> None:
    """The stories from proposed pairs are those from comparing every article with every other."""
    at = pl.col("published_at").fill_null(datetime(1, 1, 1, tzinfo=UTC))
    side = articles.select("article_id", at=at)
    every = side.join(side, how="cross").filter(
        pl.col("article_id") < pl.col("article_id_right"), (pl.col("at") - pl.col("at_right")).abs() <= dedup.WINDOW
    )
    pairs = every.select(left_id="article_id", right_id="article_id_right")
    expected = dedup.stories(dedup.edges(pairs, articles), articles)
    assert dedup.story_table(articles).equals(expected)
