"""The pattern language: what each sign of it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SeedError
from pipeline.patterns import Form, Part, declensions, expand, split
from pipeline.text import code_points, fold, fold_bytes, fold_table, to_cyrillic, to_latin

CLASSES = declensions([
    {"lang": "hbs", "class": "f", "ending": "a", "slots": "a e i u o om i"},
    {"lang": "hbs", "class": "af", "ending": "a", "slots": "a e oj u a om oj"},
    {"lang": "hbs", "class": "both", "ending": "", "slots": "0 a"},
])  # fmt: skip


def texts(pattern: str, lang: str = "en") -> set[str]:
    """The folded forms of a pattern, parts joined by `+`, in Latin letters."""
    return {
        "+".join(p.text.decode("latin-1") for p in form.parts)
        for form in expand(pattern, lang, CLASSES)
        if all(byte < 0x80 for p in form.parts for byte in p.text)
    }


def test_words_of_a_phrase_agree_in_case() -> None:
    assert texts("Crna~af Gora~f", "hbs") == {
        "crna gora", "crne gore", "crnoj gori", "crnu goru", "crna goro", "crnom gorom",
    }  # fmt: skip


def test_every_serbian_form_has_a_cyrillic_twin_and_dj_for_the_crossed_d() -> None:
    forms = {form.parts[0].text for form in expand("Đukanović", "hbs", {})}
    assert forms == {fold_bytes("Đukanović"), fold_bytes("Djukanović"), fold_bytes("Ђукановић")}


def test_a_bar_keeps_letters_apart_in_cyrillic() -> None:
    assert fold_bytes("танјуг") in {form.parts[0].text for form in expand("tan|jug", "hbs", {})}


def test_stars_split_a_pattern_into_parts() -> None:
    (form,) = expand("vojn* vežb*3", "sl", {})
    assert form.parts == (Part(b"vojn", 5, ()), Part(b"vezb", 3, ()))


def test_capitals_are_demanded_where_they_are_written() -> None:
    capitals = {p: expand(p, "en", {})[0].parts[0].capitals for p in ("sanctions", "Bar", "NATO", "BiH", "New York")}
    assert capitals == {"sanctions": (), "Bar": (0,), "NATO": (0, 1, 2, 3), "BiH": (0, 2), "New York": (0, 4)}


def test_context_and_neighbours() -> None:
    (form,) = expand("[in] Split", "en", {})
    assert (form.lead, form.core) == (3, 0)
    (form,) = expand("Hrvatska [vlad*]", "en", {})
    assert (form.lead, form.core) == (0, 8)
    assert expand("Chad ^", "en", {}) == [Form((Part(b"chad", 0, (0,)),), before=False, after=True)]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("Crna~xx", "no declension class `xx`"),
        ("Beograd~f", "does not end in `a`"),
        ("Crna~af Grad~both", "can not agree"),
        ("a**", "is not a word"),
        ("...", "no letter or digit"),
        ("^", "needs a word"),
        ("[vlad*] Srbije", "no star before"),
        ("a [x] b", "first or last"),
    ],
)
def test_a_mistake_is_named(pattern: str, said: str) -> None:
    with pytest.raises(SeedError, match=said.replace("*", r"\*")):
        expand(pattern, "hbs", CLASSES)


def test_a_cell_holds_several_patterns() -> None:
    assert split(" a ;b  c; ") == ["a", "b c"]


@given(st.text(max_size=300))
def test_the_fold_keeps_lengths_and_is_idempotent(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    assert fold(folded) == folded
    assert fold_bytes(text) == fold_table()[code_points(text)].tobytes()


@given(st.text("абвгдђежзијклљмнњопрстћуфхцчџш АБЂЉ", max_size=60))
def test_serbian_cyrillic_survives_the_way_to_latin_and_back(text: str) -> None:
    there_and_back = to_cyrillic(to_latin(text).replace("NJ", "Nj").replace("LJ", "Lj"))
    assert fold(there_and_back) == fold(text) or any(pair in text.lower() for pair in ("нј", "лј", "дж"))
