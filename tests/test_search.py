"""Full-text search: what is found and what is not, as soon as it has landed, in whatever batches."""

import itertools
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from conftest import command
from hypothesis import given, settings
from hypothesis import strategies as st
from landed import article_id, land, published

from pipeline import search
from pipeline.errors import InputError
from pipeline.warehouse import Store, index
from pipeline.warehouse.index import Filter

ARTICLES = {
    "latin": ("Vojne vežbe na jugu", "Vojska je počela vežbe. Vučić i Đuković su ih gledali u Čačku."),
    "cyrillic": ("Почеле војне вежбе", "Војне вежбе код Рашке трају три дана; Ђуковић је био тамо."),
    "plain": ("Komanda o planu", "Najavljene su vojne vezbe, kaze Djukovic, i let aviona F-16 iznad Srebrenice."),
    "reversed": ("Vežbe bez reči o drugom", "Vežbe vojne policije kod Srebrenika, u srebreničkom kraju."),
    "decomposed": ("Na severu", unicodedata.normalize("NFD", "Građani čekaju u Đakovici i Štimlju.")),
    "macedonian": ("Вежби на армијата", "Ќе се одржат вежби кај Ѓевѓелија во близина на Љубојно."),
    "albanian": ("Stërvitje ushtarake", "Ushtria nisi një stërvitje në Gjakovë, tha ministri."),
    "english": ("Army drill", "The army's drill began near Čačak. Nobody spoke of Kosovo’s north."),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.reader(published(tmp_path_factory.mktemp("search"), ARTICLES)) as reader:
        yield reader


def names(store: Store, question: str, where: Filter | None = None) -> set[str]:
    """The names of the articles that a question finds."""
    by_id = {article_id(name): name for name in ARTICLES}
    return {by_id.get(one, one) for one in index.find(store, question, where)["article_id"]}


@pytest.mark.parametrize(("question", "found"), [
    ("vojne vežbe", {"latin", "cyrillic", "plain", "reversed"}),
    ("VOJNE VEZBE", {"latin", "cyrillic", "plain", "reversed"}),
    ("војне вежбе", {"latin", "cyrillic", "plain", "reversed"}),
    (unicodedata.normalize("NFD", "vojne vežbe"), {"latin", "cyrillic", "plain", "reversed"}),
    ('"vojne vežbe"', {"latin", "cyrillic", "plain"}),
    ("„војне вежбе“", {"latin", "cyrillic", "plain"}),
    ('"vojne vežb*"', {"latin", "cyrillic", "plain"}),
    ('"vežbe Vučić"', {"latin"}),
    ('"jugu vojska"', set()),  # not from the title into the text
    ("vežbe -rečju", {"latin", "cyrillic", "plain", "reversed"}),
    ("vežbe -policije", {"latin", "cyrillic", "plain"}),
    ('vežbe -"vojne vežbe"', {"reversed"}),
    ("vežbe -vojn*", set()),
    ("đuković", {"latin", "cyrillic", "plain"}),
    ("Djukovic", {"latin", "cyrillic", "plain"}),
    ("dukovic", {"latin", "cyrillic"}),
    ("ЂУКОВИЋ", {"latin", "cyrillic", "plain"}),
    ("srebren*", {"plain", "reversed"}),
    ("сребрени*", {"plain", "reversed"}),
    ("Srebrenica", set()),  # no stemming
    ("F-16", {"plain"}),
    ("16-F", set()),
    ("građani čekaju", {"decomposed"}),
    ("štimlju", {"decomposed"}),
    ("ljubojno", {"macedonian"}),
    ("Gjakove", {"albanian"}),
    ("stervitje", {"albanian"}),
    ("cacak", {"english"}),
    ("army's", {"english"}),
    ("kosovo north", {"english"}),
    ("drill, (army)!", {"english"}),
    ("weather", set()),
])  # fmt: skip
def test_what_is_found(question: str, found: set[str], store: Store) -> None:
    assert names(store, question) == found


@pytest.mark.parametrize("question", ["", "  ", "-vežbe", '""', "?!", "v*", " ".join(f"w{n}" for n in range(40))])
def test_a_question_that_can_not_be_asked_is_one_sentence(question: str, store: Store) -> None:
    with pytest.raises(InputError, match=r"\.$"):
        index.find(store, question)


def test_the_best_and_the_newest_come_first(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        land(
            store,
            {"old": ("Nothing here", "a drill at the border " + "of many words " * 20)},
            at=datetime(2023, 1, 1, tzinfo=UTC),
        )
        land(
            store,
            {"new": ("Nothing here", "a drill at the border " + "of many words " * 20)},
            at=datetime(2023, 6, 1, tzinfo=UTC),
        )
        land(store, {"title": ("The drill", "something else " + "of many words " * 20)}, at=datetime(2022, 1, 1, tzinfo=UTC))
        land(store, {"short": ("Brief", "the drill, a drill")}, at=datetime(2021, 1, 1, tzinfo=UTC))
        found = index.find(store, "drill")
    order = found["article_id"].to_list()
    assert order[2:] == [article_id("new"), article_id("old")]
    assert set(order[:2]) == {article_id("title"), article_id("short")}
    assert found["n_found"].to_list() == [4] * 4


def test_the_hit_is_marked_in_its_own_script(store: Store) -> None:
    row = index.find(store, '"vojne vežbe" rašk*').row(0, named=True)
    assert row["title"] == "Почеле [војне вежбе]"
    assert row["snippet"] == "[Војне вежбе] код [Рашке] трају три дана; Ђуковић је био тамо."


def test_a_long_text_is_shown_where_the_words_stand(tmp_path: Path) -> None:
    body = "filler words " * 200 + "the drill begins on the border today. " + "more filler " * 200
    with Store.writer(tmp_path) as store:
        land(store, {"long": ("Title", body)})
        shown = index.find(store, "drill border")["snippet"][0]
    assert shown.startswith("… ") and shown.endswith(" …") and "[drill] begins on the [border]" in shown and len(shown) < 260


def test_filters(tmp_path: Path) -> None:
    march, may = datetime(2023, 3, 5, tzinfo=UTC), datetime(2023, 5, 5, tzinfo=UTC)
    with Store.writer(tmp_path) as store:
        land(store, {"a": ("Drill", "a drill")}, at=march, outlet="One", lang="en", tags=[("a", "border")], focus=[("a", "XK")])
        land(store, {"b": ("Drill", "the drill")}, at=may, outlet="Two", lang="sq", tags=[("b", "energy")], focus=[("b", "AL")])
        for where, name in (
            (Filter(since=date(2023, 5, 5)), "b"), (Filter(until=date(2023, 3, 5)), "a"), (Filter(outlet="one"), "a"),
            (Filter(lang="sq"), "b"), (Filter(country="XK"), "a"), (Filter(topic="energy"), "b"),
        ):  # fmt: skip
            for question in ("drill", '"a drill"' if name == "a" else '"the drill"', "dril*"):
                assert index.find(store, question, where)["article_id"].to_list() == [article_id(name)], where
        assert index.find(store, "drill", Filter(topic="border", country="AL")).is_empty()


# -- kept up to date --------------------------------------------------------------------------------------------------


def test_an_article_is_found_as_soon_as_it_has_landed(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        land(store, ARTICLES)
        assert names(store, "iznenađenje") == set()
        land(store, {"new": ("Изненађење", "Ово је ново.")})
        assert names(store, "iznenađenje") == {article_id("new")}
        store.publish()
    done = command("search", "iznenadjenje", "--data", tmp_path)
    assert "[Изненађење]" in done.stdout and "1 of 1 articles." in done.stdout


def test_a_new_version_takes_the_place_of_the_old(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        land(store, {"a": ("Drill", "a drill"), "b": ("Drill", "a drill")})
        land(store, {"a": ("Rehearsal", "a rehearsal")})
        assert names(store, "drill") == {article_id("b")}
        assert names(store, "rehearsal") == {article_id("a")}
        for _ in range(2):
            index.compact(store)
            assert (names(store, "drill"), names(store, "rehearsal")) == ({article_id("b")}, {article_id("a")})


def test_a_batch_that_failed_is_not_found(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        land(store, {"a": ("Drill", "a drill")})
        document = pl.DataFrame([{"article_id": "x", "version": 1, "title": "Rehearsal", "body": ""}])

        def fail() -> None:
            with store.transaction():
                index.add(store, document)
                store.run("select error('stop')")

        with pytest.raises(duckdb.Error):
            fail()
        assert names(store, "rehearsal") == set()
        land(store, {"b": ("Drill", "another drill")})
        assert names(store, "drill") == {article_id("a"), article_id("b")}


def test_what_is_removed_leaves_no_posting(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        for n in range(3):
            land(store, {f"{n}-{i}": (f"Drill {n}", f"secret{n}{i} words") for i in range(3)})
        with store.transaction():
            index.remove(store, pl.DataFrame({"article_id": [article_id("1-1")]}))
        assert store.read("select * from search_posting where term = 'secret11'").is_empty()
        assert names(store, "drill") == {article_id(f"{n}-{i}") for n in range(3) for i in range(3)} - {article_id("1-1")}


def test_many_small_batches_become_few_segments_with_the_same_answers(tmp_path: Path) -> None:
    words = ["alpha", "beta", "gamma", "delta", "drill"]
    batches = [
        {f"{n}-{i}": (words[(n + i) % 5], " ".join(words[(n * i + k) % 5] for k in range(n % 4 + 1))) for i in range(3)}
        for n in range(20)
    ]
    with Store.writer(tmp_path / "many") as many, Store.writer(tmp_path / "one") as one:
        for batch in batches:
            land(many, batch)
        land(one, {name: text for batch in batches for name, text in batch.items()})
        land(many, {"1-1": ("edited", "text")})
        land(one, {"1-1": ("edited", "text")})

        def answers(store: Store) -> list[object]:
            questions = ("drill", "alpha beta", '"beta gamma"', "de*", "drill -alpha", "edited")
            return [sorted(index.find(store, question, limit=100)["article_id"]) for question in questions]

        before = answers(many)
        assert before == answers(one)
        many.publish()
        assert many.read("select count(*) as n from search_segment")["n"][0] < 5
        assert answers(many) == before
        assert answers(many)[5] == [article_id("1-1")]
        segments = many.read("select first_doc, last_doc from search_segment order by 1").rows()
        assert all(last < first for (_, last), (first, _) in itertools.pairwise(segments))


def test_a_warehouse_of_the_first_release_is_indexed_when_it_is_published(tmp_path: Path) -> None:
    with Store.writer(tmp_path) as store:
        land(store, ARTICLES)
        for relation in ("search_document", "search_posting", "search_segment"):
            store.run(f"delete from {relation}")
        store.run("delete from meta where key = 'search_version'")
        store.publish()
        assert names(store, "vojne vežbe") == {"latin", "cyrillic", "plain", "reversed"}


# -- laws -------------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.sampled_from("ab čćđžšњљџЂж.-\n\u0301\u00ad’1"), max_size=40)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), st.text("abčđњж ", min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_words_in_a_row_are_found_where_they_are(texts: list[tuple[str, str]], asked: str) -> None:
    wanted = search.words(asked)
    if len(wanted) < 2 or any("d" in word for word in wanted):  # đ has two forms
        return
    found = search.holds(search.parts(f'"{asked}"'), texts)
    for has, both in zip(found, texts, strict=True):
        rows = [search.words(text) for text in both]
        assert has == any(row[i : i + len(wanted)] == wanted for row in rows for i in range(len(row)))


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_what_is_marked_is_what_was_asked_for(text: str) -> None:
    for word in search.words(text)[:3]:
        spans = search.spans(text, search.parts(word))
        assert spans
        assert all(
            word in {*search.words(text[a:b]), *(w.replace("dj", "d") for w in search.words(text[a:b]))} for a, b, _ in spans
        )
        assert search.marked(text, search.parts(word), ("", "")) == " ".join(text.split())
        assert search.words(search.snippet(text, search.parts(word), ("", ""))) == search.words(text)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
@settings(max_examples=100, deadline=None)
def test_every_word_has_its_posting(texts: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(texts, schema={"title": pl.String, "body": pl.String}, orient="row").with_row_index("doc_no", offset=7)
    found, n_words = search.postings(frame)
    expected: dict[str, dict[int, int]] = {}
    for number, (title, body) in enumerate(texts, 7):
        for word in search.words(title) * search.TITLE_WEIGHT + search.words(body):
            weights = expected.setdefault(word, {})
            weights[number] = min(weights.get(number, 0) + 1, search.MAX_WEIGHT)
    given_ = {term: {posting >> 4: posting & 15 for posting in postings} for term, postings in found.iter_rows()}
    assert given_ == expected
    assert found["term"].to_list() == sorted(expected)
    assert n_words.to_list() == [len(search.words(title)) + len(search.words(body)) for title, body in texts]


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    published(tmp_path, ARTICLES | {"formula": ("=1+1 drill", "a drill")})
    done = command("search", "drill", "--csv", "--data", tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[0].startswith("published_day,outlet,title,snippet,url")
    assert "'=1+1 [drill]" in done.stdout
    done = command("search", "vojne vežbe", "--limit", "1", "--since", "2023-01-01", "--data", tmp_path)
    assert done.returncode == 0 and "1 of 4 articles." in done.stdout and "[" in done.stdout
    done = command("search", '"vojne vežbe"', "--limit", "1", "--data", tmp_path)
    assert "1 of at least " in done.stdout
    done = command("search", "drill", "--limit", "9" * 20, "--data", tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("Error: The number of articles to show is 1,000,000,000 at most")
    done = command("search", "weather", "--data", tmp_path)
    assert (done.returncode, done.stdout) == (0, "No article has that.\n")
    done = command("search", "v*", "--data", tmp_path)
    assert (
        done.returncode == 1
        and done.stderr.startswith("Error: `v*` would find nearly every word")
        and done.stderr.count("\n") == 1
    )
