"""The catalogue: `feeds add|remove|check|discover|import-opml|export-opml`, against a real server, and OPML as a format."""

import csv
import functools
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, SAMPLE, Prepare
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import Loopback, answer, redirect
from lxml import etree
from typer.testing import CliRunner

from flows import catalogue, cli
from flows.settings import Settings
from pipeline import fetch, opml, seeds
from pipeline.errors import InputError

WIDE = {"COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb"}
A = {"feed_id": "rs_a", "url": "http://a.example/feed", "country_code": "RS", "side": "belgrade", "lang": "sr"}
B = {"feed_id": "xk_b", "url": "https://www.b.example/rss/", "outlet": "B & <Co>", "country_code": "XK", "note": 'a, "b"'}


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "feeds.csv").open(encoding="utf-8", newline="") as file:
        return {row["feed_id"]: row for row in csv.DictReader(file)}


def feeds(known: Settings, *words: object, stdin: str | None = None) -> Any:
    """A `feeds` command inside this process; an expected failure is in `.exception`."""
    env = WIDE | {"BALKANWATCH_SEEDS": str(known.seeds), "BALKANWATCH_PAUSE_S": "0.1", "BALKANWATCH_TIMEOUT_S": "2"}
    return CliRunner().invoke(cli.app, ["feeds", *map(str, words)], input=stdin, env=env)


# -- add and remove ---------------------------------------------------------------------------------------------------


def test_an_added_feed_is_as_its_country_and_in_its_place(prepare: Prepare) -> None:
    known = prepare([A, SAMPLE, B])
    done = feeds(known, "add", "outlet.rs/rss", "--country", "rs", "--outlet", "=Out\nlet")
    assert done.exit_code == 0 and "rs_outlet" in done.output
    row = rows(known.seeds)["rs_outlet"]
    assert list(rows(known.seeds)) == ["rs_a", "rs_outlet", "sample", "xk_b"]
    assert (row["url"], row["outlet"], row["side"], row["lang"]) == ("https://outlet.rs/rss", "Out let", "belgrade", "sr")
    assert (row["owner"], row["alignment"], row["is_active"], row["source"]) == ("unknown", "unknown", "true", "unchecked")
    assert feeds(known, "add", "https://www.outlet.rs/other", "--country", "RS").exit_code == 0
    assert "rs_outlet_2" in rows(known.seeds)
    assert {path.name for path in known.seeds.iterdir() if path.name.startswith(".")} == set()


def test_a_feed_may_be_added_with_a_pause_of_its_own(prepare: Prepare) -> None:
    known = prepare([A])
    assert feeds(known, "add", "https://slow.rs/rss", "--country", "rs", "--pause", "30").exit_code == 0
    assert {name: row["pause_s"] for name, row in rows(known.seeds).items()} == {"rs_a": "", "rs_slow": "30"}
    assert feeds(known, "add", "https://slower.rs/rss", "--pause", "3000").exit_code == 2


@pytest.mark.parametrize(("words", "sentence"), [
    (["https://A.example/feed/"], "This address is in the catalogue already, as `rs_a`."),
    (["http://b.example/rss?utm_source=x#top"], "This address is in the catalogue already, as `xk_b`."),
    (["https://c.example/", "--side", "moon"], "side `moon` is not in side.csv."),
    (["https://c.example/", "--country", "zz"], "country_code `ZZ` is not in country.csv"),
    (["https://c.example/", "--kind", "file"], "is not a web address"),
    (["https://c.example/", "--alignment", "mine"], "alignment `mine` is not one of"),
    (["https://c.example/", "--id", "rs_a"], "the same feed_id as"),
    (["https://c.example/", "--id", "A B"], "feed_id `A B` should look like rs_b92."),
    (["https://c.example/", "--lang", "serbian"], "lang `serbian` should look like sr."),
    (["https://c.example/", "--time-zone", "Mars"], "time_zone `Mars` should look like Europe/Belgrade."),
    (["file:seeds/x.xml"], "is not an address that can be fetched."),
    (["https://me:secret@c.example/"], "is not an address that can be fetched."),
    (["javascript:alert(1)"], "is not an address that can be fetched."),
    (["nonsense"], "is not an address that can be fetched."),
])  # fmt: skip
def test_what_can_not_be_added_changes_nothing(words: list[str], sentence: str, prepare: Prepare) -> None:
    known = prepare([A, B])
    before = (known.seeds / "feeds.csv").read_bytes()
    done = feeds(known, "add", *words)
    assert done.exit_code == 1 and sentence in str(done.exception) and "\n" not in str(done.exception)
    assert (known.seeds / "feeds.csv").read_bytes() == before


def test_the_real_catalogue_is_written_as_it_is(tmp_path: Path, prepare: Prepare) -> None:
    known = prepare([A])
    path = known.seeds / "feeds.csv"
    path.write_bytes((ROOT / "seeds" / "feeds.csv").read_bytes())
    catalogue.Catalogue(known.seeds).write()
    assert path.read_bytes() == (ROOT / "seeds" / "feeds.csv").read_bytes()


def test_a_removed_feed_is_switched_off_with_a_note(prepare: Prepare) -> None:
    known = prepare([A, B])
    assert feeds(known, "remove", "xk_b", "--note", "asked us to").exit_code == 0
    row = rows(known.seeds)["xk_b"]
    assert row["is_active"] == "false" and row["note"] == f'a, "b"; switched off {datetime.now(UTC):%Y-%m-%d}: asked us to'
    assert str(feeds(known, "remove", "xk_b").exception) == "`xk_b` is switched off already."
    assert feeds(known, "remove", "xk_b", "--delete").exit_code == 0 and list(rows(known.seeds)) == ["rs_a"]
    assert "There is no feed `xk_b`" in str(feeds(known, "remove", "xk_b").exception)


# -- check and discover -----------------------------------------------------------------------------------------------


def rss(site: str, n: int = 2, link: str | None = None, hours: float = 5) -> bytes:
    when = format_datetime(datetime.now(UTC) - timedelta(hours=hours))
    items = "".join(f"<item><title>T{i}</title><link>http://{site}/{i}</link><pubDate>{when}</pubDate></item>" for i in range(n))
    return f"<rss version='2.0'><channel><title>{site}</title><link>{link or f'http://{site}/'}</link>{items}</channel></rss>".encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A server where names that end in .example live; robots.txt is silent about everything unless a test says more."""
    with Loopback() as running:
        monkeypatch.setattr(fetch, "Policy", functools.partial(fetch.Policy, resolver=running.resolver))
        yield running


def checked(known: Settings, *words: object) -> tuple[int, dict[str, dict[str, str]]]:
    done = feeds(known, "check", "--csv", *words)
    return done.exit_code, {row["feed_id"]: row for row in csv.DictReader(io.StringIO(done.stdout))}


def test_check_says_what_is_wrong_with_each_feed(prepare: Prepare, server: Loopback) -> None:
    names = ["good", "gone", "html", "none", "parked", "moved", "forbid", "silent", "cut"]
    known = prepare([{"feed_id": name, "url": f"http://{name}.example/feed"} for name in names])
    server.on("http://good.example/feed", answer(rss("www.good.example")))
    server.on("http://gone.example/feed", answer(b"", 410))
    server.on("http://html.example/feed", answer(FRONT, headers={"Content-Type": "text/html"}))
    server.on("http://none.example/feed", answer(rss("none.example", 0)))
    server.on("http://parked.example/feed", answer(rss("casino.example", hours=24 * 50)))
    server.on("http://moved.example/feed", redirect("http://moved.example/new", 301))
    server.on("http://moved.example/new", answer(rss("moved.example")))
    server.on("http://forbid.example/robots.txt", answer(b"User-agent: *\nDisallow: /"))
    server.on("http://silent.example/robots.txt", answer(b"", 503))
    server.on("http://cut.example/feed", answer(rss("cut.example", link="http://owner.example/")))
    code, found = checked(known)
    assert code == 1 and list(found) == names
    good = found["good"]
    assert (good["reachable"], good["status"], good["parses"], good["entries"]) == ("yes", "200", "yes", "2")
    assert (good["newest"], good["robots"], good["identity"], good["problem"]) == ("5 h", "allowed", "ok", "")
    assert (found["gone"]["reachable"], found["gone"]["status"]) == ("no", "410") and found["gone"]["problem"]
    assert (found["html"]["reachable"], found["html"]["parses"]) == ("yes", "no") and "web page" in found["html"]["problem"]
    assert found["none"]["problem"] == "the feed has no entries"
    assert (found["parked"]["identity"], found["parked"]["newest"]) == ("other site: casino.example", "50 d")
    assert found["parked"]["problem"]
    assert (found["moved"]["moved_to"], found["moved"]["problem"]) == ("http://moved.example/new", "")
    assert (found["forbid"]["robots"], found["forbid"]["reachable"]) == ("forbidden", "no")
    assert (found["silent"]["robots"], found["silent"]["reachable"]) == ("no answer", "no")
    assert found["cut"]["identity"] == "other site: owner.example"
    assert not server.hits("forbid.example", "/feed") and not server.hits("silent.example", "/feed")
    assert feeds(known, "check", "good", "moved").exit_code == 0
    table = feeds(known, "check", "gone", "good").output
    assert "410" in table and "1 of 2 feeds are in order." in table
    assert "There is no feed `nobody`" in str(feeds(known, "check", "nobody").exception)


def test_check_leaves_alone_what_is_switched_off_and_pauses(prepare: Prepare, server: Loopback) -> None:
    server.on("*/*", answer(rss("a.example")))
    server.on("*/robots.txt", answer(b"", 404))
    known = prepare([
        {"feed_id": "one", "url": "http://a.example/1"}, {"feed_id": "two", "url": "http://a.example/2"},
        {"feed_id": "zero", "url": "http://a.example/0", "is_active": "false"}, SAMPLE,
    ])  # fmt: skip
    code, found = checked(known)
    assert code == 0 and list(found) == ["one", "two", "sample"]
    assert not server.hits("a.example", "/0") and server.most_at_once("a.example") == 1
    first, second = (server.hits("a.example", path)[0].began_at for path in ("/1", "/2"))
    assert abs(second - first) >= 0.09


def test_check_refuses_private_addresses_unless_allowed(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server:
        server.on("*/*", answer(rss("127.0.0.1")))
        server.on("*/robots.txt", answer(b"", 404))
        known = prepare([{"feed_id": "one", "url": f"{server.url}/feed"}])
        assert checked(known)[0] == 1 and not server.log
        monkeypatch.setenv("BALKANWATCH_ALLOW_PRIVATE", "true")
        assert checked(known)[0] == 0 and server.log


FRONT = b"""<html><head><base href="/start/"><title>S</title>
<link rel="alternate" type="application/rss+xml" href="news.xml"><link rel="ALTERNATE stylesheet" type="text/css" href="x.css">
<link rel="alternate" type="application/atom+xml" href="http://[broken"><link rel="alternate" hreflang="sq" href="/sq/">
</head><body><a href="/vesti/rss">RSS</a><a href="/progress">P</a><a href="https://else.example/rss">E</a>
<a href="javascript:rss()">J</a></body></html>"""
SITEMAP = b"<urlset><url><loc>http://site.example/1</loc></url></urlset>"


def test_discover_finds_what_the_site_has(prepare: Prepare, server: Loopback) -> None:
    known = prepare([A | {"url": "https://www.site.example/start/news.xml/"}])
    page = {"Content-Type": "text/html"}
    site = "http://site.example"
    server.on(f"{site}/robots.txt", answer(f"User-agent: *\nDisallow: /atom.xml\nSitemap: {site}/index\n".encode()))
    server.on(f"{site}/", answer(FRONT, headers=page))
    server.on(f"{site}/start/news.xml", answer(rss("site.example", 3)))
    server.on(f"{site}/vesti/rss", answer(rss("site.example", 4)))
    server.on(f"{site}/feed/", answer(rss("site.example", 5)))
    server.on(f"{site}/rss", redirect("/feed/", 301))
    server.on(f"{site}/rss.xml", answer(FRONT, headers=page))
    maps = "".join(f"<sitemap><loc>{site}/{name}.xml</loc></sitemap>" for name in ("news-map", "old"))
    server.on(f"{site}/index", answer(f"<sitemapindex>{maps}</sitemapindex>"))
    server.on(f"{site}/news-map.xml", answer(SITEMAP))
    done = feeds(known, "discover", f"{site}/", "--csv")
    assert done.exit_code == 0
    found = {row["url"].removeprefix(site): row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {path: (row["found"], row["entries"], row["feed_id"]) for path, row in found.items()} == {
        "/start/news.xml": ("page", "3", "rs_a"), "/vesti/rss": ("page", "4", ""), "/feed/": ("usual path", "5", ""),
        "/news-map.xml": ("sitemap", "1", ""),
    }  # fmt: skip
    asked = [hit.path for hit in server.hits()]
    assert "/atom.xml" not in asked and "/old.xml" not in asked and not server.hits("else.example")
    assert server.most_at_once("site.example") == 1


def test_discover_on_a_feed_or_nothing(prepare: Prepare, server: Loopback) -> None:
    known = prepare([A])
    server.on("http://a.example/feed", answer(rss("a.example")))
    assert "rs_a" in feeds(known, "discover", "http://a.example/feed").output
    assert str(feeds(known, "discover", "http://b.example").exception) == "No feed was found at http://b.example."
    server.on("http://c.example/robots.txt", answer(b"User-agent: *\nDisallow: /"))
    assert "forbids" in str(feeds(known, "discover", "http://c.example").exception)
    assert [hit.path for hit in server.hits("c.example")] == ["/robots.txt"]


# -- OPML -------------------------------------------------------------------------------------------------------------

COLUMNS = seeds.COLUMNS["feeds"][0].split()


def test_a_catalogue_survives_the_way_out_and_in(prepare: Prepare, tmp_path: Path) -> None:
    known = prepare([A])
    real = (ROOT / "seeds" / "feeds.csv").read_bytes()
    path = known.seeds / "feeds.csv"
    path.write_bytes(real)
    assert feeds(known, "export-opml", tmp_path / "x.opml").exit_code == 0
    etree.parse(str(tmp_path / "x.opml"))
    again = feeds(known, "import-opml", tmp_path / "x.opml")
    assert again.exit_code == 0 and "0 feeds added" in again.output and path.read_bytes() == real
    lines = real.splitlines(keepends=True)
    path.write_bytes(lines[0] + b"".join(line for line in lines if line.startswith(b"sample,")))
    assert feeds(known, "import-opml", tmp_path / "x.opml").exit_code == 0 and path.read_bytes() == real


OTHERS = """<?xml version="1.0" encoding="windows-1250"?>
<!DOCTYPE opml [<!ENTITY x "expanded">]>
<OPML version="1.1"><head><title>My feeds</title></head><body>
<outline text="Balkan"><outline title="Srbija &nbsp; Vesti">
  <outline type="rss" text="Vesti Žitorađa" xmlUrl="http://vesti.rs/feed?a=1&b=2" htmlUrl="http://vesti.rs/" language="sr-Latn"/>
</outline>
  <outline type="rss" text="No title" XMLURL="feed://kosova.example/rss" category="/News/Kosovo"/>
  <outline text="twice" xmlUrl="https://www.vesti.rs/feed/?a=1&amp;b=2"/>
  <outline text="&x;" xmlUrl="file:///etc/passwd"/><outline text="bad" xmlUrl="http://me:pw@c.example/"/>
  <outline text="=cmd()" xmlUrl="https://d.example/f" bw:side="moon" bw:owner="D" bw:feed_id="../../x"/>
</outline>
<outline text="cut" xmlUrl="https://e.example/f">"""


def test_the_files_of_other_readers_are_read(prepare: Prepare, tmp_path: Path) -> None:
    known = prepare([A])
    (tmp_path / "others.opml").write_bytes(OTHERS.encode("windows-1250"))
    done = feeds(known, "import-opml", tmp_path / "others.opml", "--country", "xk")
    assert done.exit_code == 0 and "4 feeds added, 1 were known already, 2 have no address" in done.output
    assert "known already, as xk_vesti." in done.output and "pw@c.example" in done.output
    found = rows(known.seeds)
    assert set(found) == {"rs_a", "xk_vesti", "xk_kosova", "xk_d", "xk_e"}
    vesti = found["xk_vesti"]
    assert (vesti["outlet"], vesti["url"], vesti["lang"]) == ("Vesti Žitorađa", "http://vesti.rs/feed?a=1&b=2", "sr")
    assert (vesti["side"], vesti["owner"], vesti["is_active"]) == ("international", "unknown", "true")
    assert (vesti["note"], vesti["source"]) == ("folder Balkan/Srbija Vesti", "OPML others.opml (unchecked)")
    assert found["xk_kosova"]["url"] == "http://kosova.example/rss"
    assert (found["xk_d"]["outlet"], found["xk_d"]["owner"], found["xk_d"]["side"]) == ("cmd()", "D", "international")


def test_what_is_no_opml_changes_nothing(prepare: Prepare, tmp_path: Path) -> None:
    known = prepare([A])
    before = (known.seeds / "feeds.csv").read_bytes()
    (tmp_path / "x").write_text("<html><body>no</body></html>")
    assert str(feeds(known, "import-opml", tmp_path / "x").exception) == "This is not an OPML file."
    assert "can not be read" in str(feeds(known, "import-opml", tmp_path / "nowhere").exception)
    (tmp_path / "y").write_text('<opml><body><outline xmlUrl="http://y.example/"/></body></opml>')
    assert "side `moon`" in str(feeds(known, "import-opml", tmp_path / "y", "--side", "moon").exception)
    assert (known.seeds / "feeds.csv").read_bytes() == before


CELL = st.text(max_size=30).map(lambda text: " ".join("".join(c if c.isprintable() else " " for c in text).split()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({name: CELL for name in COLUMNS if name != "url"}), max_size=5))
def test_any_cell_survives_opml(cells: list[dict[str, str]]) -> None:
    before = [row | {"url": f"https://x.example/{n}?a=1&b=<2>"} for n, row in enumerate(cells)]
    after = opml.feeds(opml.document(before, "t"), COLUMNS)
    key = lambda row: row["url"]  # noqa: E731
    said = [{name: cell for name, cell in row.items() if name != "folder"} for row in sorted(after, key=key)]
    assert said == [{name: cell for name, cell in row.items() if cell} for row in sorted(before, key=key)]


PIECES = [
    "<opml>", "<body>", "<outline ", 'xmlUrl="', "http://[", "a.example", '"', "/>", ">", "</outline>", "&amp;", "&bogus;",
    "&#0;", "&#x110000;", "<!ENTITY x '", "<!DOCTYPE [", "]>", "<![CDATA[", "\0", "\ud800", "bw:side=", "xmlns:a='b' a:c='d'",
    "{", "&", "<?x", "<!--",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_nothing_that_is_called_opml_is_an_exception(pieces: list[str]) -> None:
    for row in _read("<opml " + "".join(pieces)) + _read("".join(pieces)):
        assert row["url"] and all(row.values())


def _read(text: str) -> list[dict[str, str]]:
    try:
        return opml.feeds(text, COLUMNS)
    except InputError:
        return []


def test_bombs_and_depth_do_no_harm() -> None:
    bomb = '<!DOCTYPE opml [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    begun = time.monotonic()
    (row,) = opml.feeds(f'{bomb}]><opml><outline text="&j;" xmlUrl="http://x.example/"/></opml>', COLUMNS)
    assert row == {"url": "http://x.example/"}
    opml.feeds("<opml>" + "<outline text='a'>" * 100_000 + "<outline xmlUrl='http://x.example/'/>", COLUMNS)
    many = "<opml>" + "<outline xmlUrl='http://x.example/'/>" * 30_000 + "</opml>"
    assert len(opml.feeds(many, COLUMNS)) == opml.MAX_FEEDS
    assert time.monotonic() - begun < 10
