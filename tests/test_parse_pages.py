# ruff: noqa: E501  (markup stands in one piece)
"""Pages: text and day on invented pages of known text and day, against default trafilatura, and the hard cases one by one."""

from datetime import UTC, datetime
from typing import Any

import pytest
import trafilatura
from newspages import GoldenPage, four_grams_f1, inflated, pages

from pipeline import language, normalise, parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://outlet.example/vesti/naslov"
TITLE = "Vlada usvojila plan za sever posle dugih razgovora"
TEXT = (
    "Vlada je na sednici usvojila plan za sever, rekao je ministar novinarima ispred zgrade parlamenta u sredu uveče.",
    "Plan predviđa povlačenje posebnih jedinica policije iz zgrada opština do kraja meseca, uz nadzor međunarodnih snaga.",
    "Predstavnici opozicije tražili su da se o planu raspravlja u skupštini, a ne samo na sednici vlade i u odborima.",
    "Evropska unija pozdravila je odluku i pozvala obe strane da nastave razgovore u Briselu već naredne nedelje.",
)
PARAGRAPHS = "".join(f"<p>{paragraph}</p>" for paragraph in TEXT)


def extracted(html: str | bytes, url: str = URL, content_type: str | None = "text/html; charset=utf-8") -> dict[str, Any]:
    data = html if isinstance(html, bytes) else html.encode()
    page = parse.page(data, url, content_type)
    assert page.error is None
    return normalise.page_record(page, NOW, language.languages, "Europe/Belgrade")


def page(beside: str = "", head: str = "", lang: str = "sr", text: str = PARAGRAPHS, after: str = "") -> str:
    return (
        f'<html lang="{lang}"><head><title>{TITLE}</title>{head}</head><body><nav><a href="/1">Politika</a></nav>'
        f'<div class="wrap"><h1>{TITLE}</h1>{beside}<div class="text">{text}</div></div>{after}</body></html>'
    )


def day(html: str, url: str = URL) -> str | None:
    at = extracted(html, url)["published_at"]
    return at[:10] if at else None


# -- the golden set ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", pages(), ids=lambda golden: golden.name)
def test_golden_page(golden: GoldenPage) -> None:
    record = extracted(golden.html, golden.url, golden.content_type)
    assert four_grams_f1(record["body"], golden.text) >= 0.97
    assert (record["published_at"] or "")[:10] == (golden.day or "")


def test_quality_is_at_least_that_of_default_trafilatura() -> None:
    ours, peer = [], []
    for golden in pages()[::2]:
        ours.append(four_grams_f1(extracted(golden.html, golden.url, golden.content_type)["body"], golden.text))
        peer.append(four_grams_f1(trafilatura.extract(golden.html) or "", golden.text))
    assert sum(ours) >= sum(peer)


@pytest.mark.parametrize("golden", pages()[::9], ids=lambda golden: golden.name)
def test_the_weight_of_a_page_changes_nothing(golden: GoldenPage) -> None:
    record = extracted(inflated(golden, 90_000), golden.url, golden.content_type)
    assert four_grams_f1(record["body"], golden.text) >= 0.95
    assert (record["published_at"] or "")[:10] == (golden.day or "")


# -- text -------------------------------------------------------------------------------------------------------------


def test_json_ld_text_may_hold_html_and_escaped_html() -> None:
    for mark in ("<p>", "&lt;p&gt;", "&amp;lt;p&amp;gt;"):
        text = mark.join(TEXT).replace('"', "'")
        shell = f'<script type="application/ld+json">{{"@type": "NewsArticle", "headline": "{TITLE}", "articleBody": "{text}"}}</script>'
        record = extracted(f"<html><head><title>{TITLE}</title></head><body><div id=root></div>{shell}</body></html>")
        assert "<" not in record["body"] and "&" not in record["body"]
        assert four_grams_f1(record["body"], "\n".join(TEXT)) > 0.95


def test_a_script_shell_gives_no_text() -> None:
    record = extracted(
        f"<html><head><title>{TITLE}</title></head><body><div id=root></div><script>var a = '<p>text</p>'</script></body></html>"
    )
    assert record["body"] == "" and record["title"] == TITLE


@pytest.mark.parametrize(
    "line",
    [
        "Foto: Tanjug", "Pročitajte još: Još jedan tekst iz istog lista", "Nastavak teksta ispod reklame", "Pratite nas na Fejsbuku i Instagramu.",
        '<a href="/x">Drugi tekst koji nema nikakve veze sa ovim tekstom</a>', "Фото: Архива", "Lexo edhe: Një lajm tjetër nga ky rubrikë",
    ],
)  # fmt: skip
def test_lines_that_are_no_text_are_left_out(line: str) -> None:
    text = f"<p>{TEXT[0]}</p><p>{TEXT[1]}</p><p>{line}</p><p>{TEXT[2]}</p><p>{TEXT[3]}</p>"
    assert extracted(page(text=text))["body"] == "\n".join(TEXT)


def test_a_short_paragraph_that_begins_like_a_button_stays() -> None:
    text = (
        PARAGRAPHS
        + "<p>Share prices in Belgrade fell sharply on Monday, brokers said.</p><p>Foto-reporteri su protestovali zbog toga.</p>"
    )
    assert extracted(page(text=text))["body"].endswith("protestovali zbog toga.")
    assert "Share prices" in extracted(page(text=text))["body"]


def test_broken_html_keeps_its_text() -> None:
    html = f"<title>{TITLE}</title><div><h1>{TITLE}</h2><div class=text><p>{'<p><b>'.join(TEXT)}</td></div></span>"
    assert four_grams_f1(extracted(html)["body"], "\n".join(TEXT)) > 0.9


def test_control_characters_and_a_gigantic_title() -> None:
    html = page().replace("<title>", "<title>" + "dugo " * 200_000).replace("<h1>", "<h1>\x00\x01\x0b&#1;&#xFFFF;")
    record = extracted(html.replace("sednici", "sed\x00nici"))
    assert len(record["title"]) <= normalise.MAX_TITLE
    assert "sednici" in record["body"]


def test_a_page_of_too_many_elements_ends_in_its_own_text() -> None:
    rows = "".join(f"<tr><td>{n}</td><td>ime</td><td>grad</td></tr>" for n in range(4_500))
    record = extracted(page(after=f"<table>{rows}</table>"))
    assert TEXT[0] in record["body"]


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "canonical"),
    [
        ("javascript:alert(1)", URL),
        ("/vesti/drugi", "https://outlet.example/vesti/drugi"),
        ("//outlet.example/a", "https://outlet.example/a"),
        ("https://user:secret@outlet.example/a", URL),
        ("data:text/html,x", URL),
        ("http://[", URL),
    ],
)
def test_canonical_links(href: str, canonical: str) -> None:
    assert extracted(page(head=f'<link rel="canonical" href="{href}">'))["canonical_url"] == canonical


def test_amp_and_next_page() -> None:
    head = '<base href="/b/"><link rel="amphtml" href="amp/1"><link rel="next" href="?p=2">'
    document = parse.page(page(head=head).encode(), URL)
    assert document.amp == "https://outlet.example/b/amp/1"
    assert document.next_page == "https://outlet.example/b/?p=2"


# -- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "line"),
    [
        ("sr", "20. novembra 2023."), ("sr", "20.11.2023. 14:30"), ("sr", "20. 11. 2023. u 14:30h"), ("sr", "ponedeljak, 20. nov 2023, 14:30 -> 15:10"),
        ("sr", "20. новембар 2023."), ("sr", "понедељак, 20. 11. 2023, 14.30"), ("sr", "14:30, 20.11.2023."), ("sr", "Izvor: Tanjug 20.11.2023. | 14:30"),
        ("sr", "Objavljeno: 20.11.2023. 14:30 | Ažurirano: 22.11.2023. 10:00"), ("sr", "Ažurirano: 22.11.2023. | Objavljeno: 20.11.2023."),
        ("hr", "20. studenoga 2023. u 14:30"), ("hr", "Piše: A. B., 20.11.2023."), ("bs", "20/11/2023 14:30"), ("sl", "20. november 2023 ob 14.30"),
        ("sl", "Ljubljana, 20. 11. 2023 14.30 | Posodobljeno: 21. 11. 2023 8.00"), ("sq", "E hënë, 20 Nëntor 2023 14:30"), ("sq", "Publikuar më: 20.11.2023"),
        ("mk", "20 ноември 2023"), ("mk", "ноември 20, 2023"), ("mk", "Објавено: 20.11.2023 во 14:30"), ("en", "November 20, 2023 2:30 pm"),
        ("en", "Mon 20 Nov 2023 14.30 CET"), ("en", "Published On 20 Nov 2023"), ("de", "Montag, 20. November 2023"), ("ru", "20 ноября 2023, 14:30"),
    ],
)  # fmt: skip
def test_a_date_beside_the_headline(lang: str, line: str) -> None:
    for beside in (
        f"<div>{line}</div>",
        f'<ul class="meta"><li>Redakcija</li><li>{line}</li></ul>',
        f"<p><span>{line}</span></p>",
    ):
        assert day(page(beside, lang=lang)) == "2023-11-20"


@pytest.mark.parametrize(
    "beside",
    [
        "<span>20.</span> <span>nov</span> <span>2023</span>", "<div>20</div><div>novembar</div><div>2023</div>",
        '<time datetime="2023-11-20T14:30:00+01:00">pre 3 dana</time>', '<time>20.11.2023.</time> <time class="updated">23.11.2023.</time>',
        '<time itemprop="dateModified" datetime="2023-11-22">22.11.</time><time itemprop="datePublished" datetime="2023-11-20">20.11.</time>',
        '<meta itemprop="datePublished" content="2023-11-20"><meta itemprop="dateModified" content="2023-11-25">',
    ],
)  # fmt: skip
def test_marked_dates(beside: str) -> None:
    assert day(page(beside)) == "2023-11-20"


@pytest.mark.parametrize(
    "html",
    [
        page("<p>pre 3 sata</p>"),
        page("<p>Ažurirano: 20.11.2023.</p>"),
        page("<div>03/04/2023</div>", lang="en"),
        page(after='<footer>© 2005-2023 Glasnik, 20.11.2023.</footer>'),
        page(after='<div class="related"><a href="/x">Drugi tekst</a> <time datetime="2023-11-20">20.11.2023.</time></div>'),
        page(after='<aside><ul><li>20.11.2023. <a href="/x">Drugi tekst</a></li></ul></aside>'),
        page(text=PARAGRAPHS + "<p>Sledeća sednica je 20.11.2023.</p>" + PARAGRAPHS.replace("Vlada", "Skupština")),
        page(head='<meta property="article:modified_time" content="2023-11-20T10:00:00Z">'),
        page(head='<script type="application/ld+json">{"@type": "NewsArticle", "dateModified": "2023-11-20"}</script>'),
        page(head='<script type="application/ld+json">{"@type": "WebSite", "datePublished": "2023-11-20"}</script>'),
        page("<figure><img src=a><figcaption>Foto: Beta, 20.11.2022.</figcaption></figure>"),
        page("<div>Danas je ponedeljak, 20.11.2023.</div>"),
        page(head='<meta name="date" content="2099-11-20">'),
        f"<html><body><div class=top>Utorak, 20.11.2023.</div><ul>{'<li><a href=/>Meni</a></li>' * 6}</ul>{page()}</body></html>",
    ],
)  # fmt: skip
def test_no_date_rather_than_a_guess(html: str) -> None:
    assert day(html) is None


def test_slashes_are_day_first_except_in_english() -> None:
    assert day(page("<div>05/11/2023 14:30</div>", lang="sq")) == "2023-11-05"
    assert day(page("<div>05/11/2023 14:30</div>", lang="en")) is None


def test_the_right_node_of_json_ld() -> None:
    other = '{"@type": "NewsArticle", "headline": "Sasvim drugi tekst iz lista", "url": "/x/y", "datePublished": "2023-12-01"}'
    own = f'{{"@type": ["Article", "NewsArticle"], "headline": "{TITLE}", "datePublished": "2023-11-20", "dateModified": "2023-12-03"}}'
    assert day(page(head=f'<script type="application/ld+json">{{"@graph": [{other}, {own}]}}</script>')) == "2023-11-20"
    assert day(page(head=f'<script type="application/ld+json">[{other}, {other.replace("drugi", "treći")}]</script>')) is None
    assert (
        day(page(head=f'<script type="application/ld+json">{other}</script>')) == "2023-12-01"
    )  # the only one: a headline for search engines


def test_broken_json_ld_still_dates() -> None:
    broken = '{"@type": "NewsArticle", "description": "Rekao je "ne"", "datePublished": "2023-11-20T10:00:00+01:00",}'
    assert day(page(head=f'<script type="application/ld+json">{broken}</script>')) == "2023-11-20"


def test_two_sources_overrule_a_third() -> None:
    head = '<meta property="article:published_time" content="2024-05-01T10:00:00Z">'
    assert day(page("<div>20.11.2023. 14:30</div>", head), "https://outlet.example/2023/11/20/naslov") == "2023-11-20"
    assert day(page("<div>20.11.2023. 14:30</div>", head)) == "2024-05-01"


def test_midnight_is_only_a_day() -> None:
    head = '<meta property="article:published_time" content="2023-11-20T00:00:00+01:00">'
    assert extracted(page(head=head))["published_at"] == "2023-11-20T00:00:00Z"


def test_a_future_date_gives_way_to_the_next_source() -> None:
    head = '<meta property="article:published_time" content="2030-05-01T10:00:00Z">'
    assert day(page("<div>20.11.2023. 14:30</div>", head)) == "2023-11-20"


def test_names_of_states_are_no_names_of_parts() -> None:
    """WordPress writes tags, categories and settings into the classes of the article itself."""
    names = "post hentry tag-social category-promo format-gallery has-sidebar no-share comments-open status-publish"
    other = "".join(f'<div><h3><a href="/{n}">Drugi tekst iz lista broj {n}</a></h3><p>{TEXT[n % 4]}</p></div>' for n in range(6))
    html = (
        f'<html><body><h1>{TITLE}</h1><main class="with-sidebar"><article class="{names}"><p>20. novembra 2023.</p>{PARAGRAPHS}</article></main>'
        f'<div class="more">{other}</div></body></html>'
    )
    record = extracted(html)
    assert record["body"] == "\n".join(TEXT)
    assert record["published_at"] == "2023-11-20T00:00:00Z"
