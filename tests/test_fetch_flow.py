"""Fetching as the monitor does it, from feed to row, against a real server on loopback: gaps, sitemaps, pages in parts, hosts
remembered, terms, feeds that change hands, hostile feeds."""

import gzip
import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import FEED, Prepare, answers, command, environment
from loopback import Loopback, answer, in_turn, redirect
from test_monitor import HTML, NOW, assert_laws, entry, make_due, page, rss

from flows import run
from flows.settings import Settings
from pipeline import seeds
from pipeline.errors import SettingsError
from pipeline.warehouse import Store

NamesAt = Callable[[Any], None]
TEXT = "\n".join(
    f"Line {i} of the report says that KFOR patrols in Kosovo go on as they did on the days before." for i in range(6)
)


@pytest.fixture
def server(names_at: NamesAt) -> Iterator[Loopback]:
    with Loopback() as server:
        names_at(server)
        yield server


def feed(name: str, **more: str) -> dict[str, str]:
    return {"feed_id": name, "url": f"http://{name}.example/feed.xml"} | more


def entries(*numbers: int) -> list[dict[str, str]]:
    return [entry(f"n{n}", f"Report {n} from Kosovo", f"Summary number {n} of what KFOR said.") for n in numbers]


def urls(data: Path, condition: str = "true") -> list[str]:
    return [row[0] for row in answers(data, f"select url from entry where {condition} order by url")]


def forget_pauses(data: Path) -> None:
    make_due(data, pages=True)


def urlset(*addresses: tuple[str, Any], news: bool = True) -> bytes:
    """A sitemap of addresses and times (or none)."""

    def block(url: str, at: Any) -> str:
        date = "" if at is None else f"<news:publication_date>{at.isoformat()}</news:publication_date>"
        said = f"<news:news>{date}<news:title>Found {escape(url[-3:])}</news:title></news:news>"
        changed = "" if at is None else f"<lastmod>{at.isoformat()}</lastmod>"
        return f"<url><loc>{escape(url)}</loc>{said if news else changed}</url>"

    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    return f"<?xml version='1.0'?><urlset {spaces}>{''.join(block(*a) for a in addresses)}</urlset>".encode()


# -- gaps -------------------------------------------------------------------------------------------------------------


def test_what_a_gap_has_swallowed_is_found_in_the_news_sitemap(server: Loopback, prepare: Prepare) -> None:
    host = "http://busy.example"
    server.on(
        f"{host}/robots.txt", answer(f"User-agent: *\nDisallow: /secret\nSitemap: {host}/maps.xml\nSitemap: {host}/news.xml")
    )
    server.on(
        f"{host}/feed.xml",
        in_turn(answer(rss(*entries(1, 2), host="busy.example")), answer(rss(*entries(8, 9), host="busy.example"))),
    )
    old, elsewhere = NOW - timedelta(days=3), "http://other.example/n6"
    known, missed = [(f"{host}/n{n}", NOW) for n in (1, 2, 8, 9)], [(f"{host}/n{n}", NOW) for n in (4, 5)]
    server.on(f"{host}/news.xml", answer(urlset(*known, *missed, (f"{host}/n3", old), (elsewhere, NOW), (f"{host}/secret", NOW))))
    settings = prepare([feed("busy")])
    first = run.run_monitor(settings, 30)
    assert first.n_missed == 0 and server.hits("busy.example", "/news.xml") == []
    make_due(settings.data)
    second = run.run_monitor(settings, 30)
    assert second.n_missed == 3 and "skipped, found in news sitemaps: 3" in run.markdown(second)
    assert urls(settings.data) == [f"{host}/n{n}" for n in (1, 2, 4, 5, 8, 9)] + [f"{host}/secret"]
    assert urls(settings.data, "guid = url") == [f"{host}/n4", f"{host}/n5", f"{host}/secret"]
    log = answers(settings.data, "select url, n_entries, n_new, is_gap from fetch_log where kind = 'sitemap'")
    assert log == [(f"{host}/news.xml", 9, 7, None)]
    assert server.hits("busy.example", "/maps.xml") == server.hits("busy.example", "/secret") == []
    assert {hit.path for hit in server.hits("busy.example")} >= {"/n4", "/n5"}
    state = "select state, n_polls, median_entries, interval_s from feed_health join feed_state using (feed_id)"
    assert answers(settings.data, state.replace("n_polls", "feed_health.n_polls")) == [("gap", 2, 2, 600)]
    assert_laws(settings.data)


def test_without_robots_txt_the_usual_place_is_looked_at_and_its_index_followed(server: Loopback, prepare: Prepare) -> None:
    host = "http://busy.example"
    server.on(
        f"{host}/feed.xml", in_turn(answer(rss(*entries(1), host="busy.example")), answer(rss(*entries(9), host="busy.example")))
    )
    maps = "".join(f"<sitemap><loc>{host}/{name}.xml</loc></sitemap>" for name in ("posts-1", "news-2"))
    server.on(f"{host}/news-sitemap.xml", answer(f"<sitemapindex>{maps}</sitemapindex>"))
    server.on(f"{host}/news-2.xml", answer(gzip.compress(urlset((f"{host}/n5", None)))))
    settings = prepare([feed("busy")])
    run.run_monitor(settings, 30)
    make_due(settings.data)
    assert run.run_monitor(settings, 30).n_missed == 1
    assert urls(settings.data, "guid = url") == [f"{host}/n5"]
    assert server.hits("busy.example", "/posts-1.xml") == []


# -- sitemaps as feeds ------------------------------------------------------------------------------------------------


def test_a_sitemap_is_a_feed_and_so_is_an_index(server: Loopback, prepare: Prepare) -> None:
    one, two = "http://map.example", "http://index.example"
    server.on(f"{one}/feed.xml", answer(urlset((f"{one}/n1", NOW - timedelta(hours=2)), (f"{one}/n2", None))))
    server.on(f"{one}/n1", answer(page("Report 1 from Kosovo", TEXT), headers=HTML))
    parts = "".join(f"<sitemap><loc>{two}/{n}.xml</loc><lastmod>2026-01-0{n}</lastmod></sitemap>" for n in range(1, 10))
    server.on(f"{two}/feed.xml", answer(f"<sitemapindex>{parts}</sitemapindex>"))
    for n in range(1, 10):
        server.on(
            f"{two}/{n}.xml",
            in_turn(answer(urlset((f"{two}/n{n}", NOW), news=False)), answer(urlset((f"{two}/m{n}", NOW), news=False))),
        )
    settings = prepare([feed("map", kind="sitemap"), feed("index", kind="sitemap")])
    summary = run.run_monitor(settings, 60)
    assert summary.n_failed == 0 and summary.n_missed == 0
    assert urls(settings.data, "feed_id = 'map'") == [f"{one}/n1", f"{one}/n2"]
    assert urls(settings.data, "feed_id = 'index'") == [f"{two}/n{n}" for n in range(4, 10)]  # the six last changed
    rows = answers(settings.data, "select title, date_source, body_source from article_text where url like '%map%/n1'")
    assert rows == [("Found /n1", "feed", "page")]
    assert answers(settings.data, "select distinct date_source from article where feed_id = 'index'") == [("first_seen",)]
    polls = answers(
        settings.data, "select feed_id, n_entries from fetch_log where kind = 'sitemap' and is_gap is not null order by 1"
    )
    assert polls == [("index", 6), ("map", 2)]
    make_due(settings.data)
    run.run_monitor(settings, 60)  # an index that has not changed says nothing of its sitemaps
    assert urls(settings.data, "feed_id = 'index' and url like '%/m%'") == [f"{two}/m{n}" for n in range(4, 10)]


# -- pages in parts ---------------------------------------------------------------------------------------------------


def numbered(host: str, path: str, number: int, last: int, own: str) -> bytes:
    """One page of a long article, with the lead that every page repeats."""
    after = path if number == last else f"{path}/{number + 1}"
    text = f"This lead stands on every page of the long report about the mission of KFOR in the north of Kosovo.\n{own}"
    link = f'<link rel="next" href="http://{host}{after}">' if number < last else ""
    return page("A long report from Kosovo", text).replace(b"</title>", b"</title>" + link.encode())


def test_the_pages_of_an_article_are_one_text(server: Loopback, prepare: Prepare) -> None:
    host = "long.example"
    server.on(f"http://{host}/feed.xml", answer(rss(entry("story", "A long report from Kosovo", "Short."), host=host)))
    lines = [
        f"Paragraph {n} tells at length what the patrols saw on the {n}. road, who stood there, and what was said."
        for n in (1, 2, 3)
    ]
    server.on(f"http://{host}/story", answer(numbered(host, "/story", 1, 3, lines[0]), headers=HTML))
    for n in (2, 3):
        server.on(f"http://{host}/story/{n}", answer(numbered(host, "/story", n, 3, lines[n - 1]), headers=HTML))
    settings = prepare([feed("long")])
    summary = run.run_monitor(settings, 30)
    ((body,),) = answers(settings.data, "select body from article_text")
    assert body.split("\n")[1:] == lines and body.count("This lead") == 1
    assert (summary.n_pages, len(server.hits(host, "/story/2")), len(server.hits(host, "/story/3"))) == (1, 1, 1)
    assert [row[0] for row in answers(settings.data, "select url from fetch_log where kind = 'page' order by 1")] == [
        f"http://{host}/story{part}" for part in ("", "/2", "/3")
    ]
    times = [hit.began_at for hit in server.hits(host) if hit.path.startswith("/story")]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.09
    assert_laws(settings.data)


@pytest.mark.parametrize("link", ["/another-story", "http://other.example/story/2", "/story", "/storytelling/2", "/story/1"])
def test_a_next_article_is_not_a_next_page(server: Loopback, prepare: Prepare, link: str) -> None:
    server.on("http://one.example/feed.xml", answer(rss(entry("story", "A report from Kosovo", "Short."), host="one.example")))
    body = page("A report from Kosovo", TEXT).replace(b"</title>", f'</title><link rel="next" href="{link}">'.encode())
    server.on("http://one.example/story", answer(body, headers=HTML))
    settings = prepare([feed("one")])
    run.run_monitor(settings, 30)
    assert [hit.path for hit in server.log if "feed" not in hit.path and "robots" not in hit.path] == ["/story"]


def test_pages_without_end_end_after_ten(server: Loopback, prepare: Prepare) -> None:
    host = "endless.example"
    server.on(f"http://{host}/feed.xml", answer(rss(entry("story", "A long report from Kosovo", "Short."), host=host)))
    server.on(f"http://{host}/story", answer(numbered(host, "/story", 1, 99, TEXT), headers=HTML))
    for n in range(2, 30):
        server.on(f"http://{host}/story/{n}", answer(numbered(host, "/story", n, 99, f"Only page {n} has this."), headers=HTML))
    settings = prepare([feed("endless")])
    run.run_monitor(settings, 30)
    assert len([hit for hit in server.hits(host) if hit.path.startswith("/story")]) == 10
    assert answers(settings.data, "select page_state from entry") == [("done",)]


def test_the_amp_form_stands_in_for_a_shell(server: Loopback, prepare: Prepare) -> None:
    host = "shell.example"
    server.on(f"http://{host}/feed.xml", answer(rss(entry("story", "A report from Kosovo", "Short."), host=host)))
    shell = f'<!doctype html><html><head><title>A report</title><link rel="amphtml" href="http://{host}/amp/story.html"></head>'
    server.on(
        f"http://{host}/story",
        answer(f"{shell}<body><div id=app></div><script>{'x=1;' * 999}</script></body></html>", headers=HTML),
    )
    server.on(f"http://{host}/amp/story.html", answer(page("A report from Kosovo", TEXT), headers=HTML))
    settings = prepare([feed("shell")])
    run.run_monitor(settings, 30)
    assert answers(settings.data, "select body, body_source, url from article_text") == [(TEXT, "page", f"http://{host}/story")]


# -- permission and memory of hosts -----------------------------------------------------------------------------------


def test_the_next_run_knows_the_hosts(server: Loopback, prepare: Prepare) -> None:
    server.on("http://calm.example/feed.xml", answer(rss(*entries(1), host="calm.example")))
    server.on("http://calm.example/robots.txt", answer("User-agent: *\nDisallow: /n1"))
    server.on("http://busy.example/feed.xml", answer("", 429, {"Retry-After": "3600"}))
    settings = prepare([feed("calm"), feed("busy")])
    run.run_monitor(settings, 30)
    make_due(settings.data, pages=True)
    summary = run.run_monitor(settings, 30)
    assert len(server.hits("calm.example", "/robots.txt")) == 1 and len(server.hits("calm.example", "/feed.xml")) == 2
    assert len(server.hits("busy.example")) == 2 and summary.n_postponed == 1
    assert server.hits("calm.example", "/n1") == []
    with Store.writer(settings.data) as store:
        for name, hours in (("checked_at", 25), ("left_alone_until", 2)):
            store.run(f"update host_state set {name} = {name} - interval {hours} hour")
    make_due(settings.data, pages=True)
    run.run_monitor(settings, 30)
    assert len(server.hits("calm.example", "/robots.txt")) == 2 and len(server.hits("busy.example", "/feed.xml")) == 2


def test_what_a_page_and_a_feed_say_of_their_use_is_in_the_ledger(server: Loopback, prepare: Prepare) -> None:
    said = "<copyright>(c) Press Ltd. All rights reserved.</copyright>"
    licence = '<cc:license xmlns:cc="http://web.resource.org/cc/" rdf:resource="https://cc.example/by/4.0/" xmlns:rdf="r"/>'
    body = rss(*entries(1, 2), host="press.example").decode().replace("</title><item>", f"</title>{said}{licence}<item>", 1)
    server.on("http://press.example/feed.xml", answer(body, headers={"X-Robots-Tag": "noindex, noai"}))
    server.on("http://press.example/n1", answer(page("Report", TEXT), headers=HTML | {"X-Robots-Tag": "noarchive"}))
    server.on("http://press.example/n2", answer(page("Report", TEXT), headers=HTML | {"X-Robots-Tag": "max-snippet:50, noai"}))
    settings = prepare([feed("press")])
    run.run_monitor(settings, 30)
    ledger = {(row[0], row[2]): row[1] for row in answers(settings.data, "select path, is_allowed, reason from robots_log")}
    feed_says = {reason for path, reason in ledger if path == "/feed.xml"}
    assert "the feed's own terms: (c) Press Ltd. All rights reserved.; https://cc.example/by/4.0/" in feed_says
    assert any("X-Robots-Tag: noai, noindex" in reason for reason in feed_says)
    assert {path: ledger[path, reason] for path, reason in ledger if path in {"/n1", "/n2"}} == {"/n1": False, "/n2": True}
    states = dict(answers(settings.data, "select url, page_state from entry"))
    assert states == {"http://press.example/n1": "failed", "http://press.example/n2": "done"}
    assert dict(answers(settings.data, "select url, body_source from article")) == {
        "http://press.example/n1": "feed", "http://press.example/n2": "page",
    }  # fmt: skip
    make_due(settings.data, pages=True)
    run.run_monitor(settings, 30)
    assert len(server.hits("press.example", "/n1")) == 1


def test_the_pause_of_a_host_outlasts_the_run(server: Loopback, prepare: Prepare) -> None:
    server.on("http://calm.example/feed.xml", answer(rss(*entries(1), host="calm.example")))
    settings = prepare([feed("calm")], pause_s=120.0)
    assert run.run_monitor(settings, 20).n_postponed == 0
    make_due(settings.data)
    assert run.run_monitor(settings, 20).n_postponed == 1
    assert len(server.hits("calm.example", "/feed.xml")) == 1


def test_a_feed_may_have_a_pause_of_its_own(server: Loopback, prepare: Prepare) -> None:
    server.on("http://slow.example/feed.xml", answer(rss(*entries(1, 2, 3), host="slow.example")))
    settings = prepare([feed("slow")])
    path = settings.seeds / "feeds.csv"
    head, row = path.read_text(encoding="utf-8").splitlines()
    path.write_text(f"{head},pause_s\n{row},0.6\n", encoding="utf-8")
    run.run_monitor(settings, 30)
    times = [hit.began_at for hit in server.hits("slow.example") if hit.path != "/robots.txt"]
    assert len(times) == 4 and min(b - a for a, b in itertools.pairwise(times)) >= 0.59


# -- feeds that change ------------------------------------------------------------------------------------------------


def spam(n: int) -> bytes:
    return rss(*[entry(f"win{i}", f"Win money {i}", "Casino.") for i in range(n)], host="casino.example")


@pytest.mark.parametrize("how", ["same address", "redirect"])
def test_a_feed_that_has_become_another_sites_is_told_and_not_taken(server: Loopback, prepare: Prepare, how: str) -> None:
    server.on("http://paper.example/feed.xml", answer(rss(*entries(1), host="paper.example")))
    settings = prepare([feed("paper")])
    run.run_monitor(settings, 30)
    server.on("http://casino.example/rss", answer(spam(3)))
    server.on(
        "http://paper.example/feed.xml", answer(spam(3)) if how == "same address" else redirect("http://casino.example/rss")
    )
    make_due(settings.data)
    summary = run.run_monitor(settings, 30)
    said = "the feed now belongs to casino.example instead of paper.example, so nothing is taken from it"
    assert (summary.n_new, summary.n_failed, summary.strangers) == (0, 1, ["paper"])
    assert "feeds that have become another site's: 1 (paper)" in run.markdown(summary)
    assert answers(settings.data, "select state, note from feed_health") == [("failing", said)]
    assert urls(settings.data) == ["http://paper.example/n1"]
    if how == "redirect":
        server.on("http://paper.example/feed.xml", answer(rss(*entries(1, 2), host="paper.example")))
        make_due(settings.data)
    else:
        done = command("feeds", "accept", "paper", "--data", settings.data, **environment(settings))
        assert (done.returncode, done.stdout) == (0, "paper will be taken over at the next run.\n")
    assert run.run_monitor(settings, 30).n_new == (1 if how == "redirect" else 3)
    assert answers(settings.data, "select state from feed_health") == [("ok",) if how == "redirect" else ("gap",)]


def test_a_site_that_moves_for_good_is_followed(server: Loopback, prepare: Prepare) -> None:
    server.on("http://old.example/feed.xml", answer(rss(*entries(1), host="old.example")))
    settings = prepare([feed("old")])
    run.run_monitor(settings, 30)
    server.on("http://new.example/rss", answer(rss(*entries(1, 2), host="new.example")))
    server.on("http://old.example/feed.xml", redirect("http://new.example/rss", 301))
    for _ in range(3):
        make_due(settings.data)
        run.run_monitor(settings, 30)
    assert answers(settings.data, "select url, site, n_failures from feed_state") == [
        ("http://new.example/rss", "new.example", 0)
    ]
    assert answers(settings.data, "select moved_to from feed_health") == [("http://new.example/rss",)]
    assert "http://new.example/n2" in urls(settings.data)


# -- hostile feeds, all the way to the warehouse ----------------------------------------------------------------------

ITEM = "<item><title>{title}</title><link>{link}</link><guid>{guid}</guid><pubDate>{date}</pubDate></item>"
GOOD_DATE = "Mon, 20 Nov 2023 10:00:00 GMT"


def items(*given: dict[str, str]) -> str:
    usual = {"title": "A title", "link": "http://x.example/1", "guid": "g", "date": GOOD_DATE}
    return f"<rss version='2.0'><channel><title>t</title>{''.join(ITEM.format(**usual | one) for one in given)}</channel></rss>"


LAUGHS = (
    "<!DOCTYPE rss [<!ENTITY a 'ha'>" + "".join(f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(12)) + "]>"
)
# the body, and how many entries of it are kept
HOSTILE: dict[str, tuple[str | bytes, int]] = {
    "a title of 9 MB": (items({"title": "x" * 9_000_000}), 1),
    "a text of markup without end": (items({"title": "&lt;b&gt;" * 200_000}), 1),
    "a billion laughs": (LAUGHS + items({"title": "&m;"}), 1),
    "an external entity": ('<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + items({"title": "&x;"}), 1),
    "fifty thousand entries": (items(*[{"guid": str(n), "link": f"http://x.example/{n}"} for n in range(50_000)]), 10_000),
    "the same guid a hundred times": (items(*[{"link": f"http://x.example/{n}"} for n in range(100)]), 1),
    "no guids and no links": (items({"guid": "", "link": "", "title": "One"}, {"guid": "", "link": "", "title": "Two"}), 2),
    "javascript links": (items({"link": "javascript:alert(1)", "guid": "j"}), 1),
    "links with a password": (items({"link": "http://u:p@x.example/", "guid": "j"}), 1),
    "links into the network": (items({"link": "http://169.254.169.254/latest", "guid": "j"}), 1),
    "dates in 1970 and 2099": (
        items({"date": "Thu, 01 Jan 1970 00:00:00 GMT", "guid": "a"}, {"date": "Thu, 01 Jan 2099 00:00:00 GMT"}),
        2,
    ),
    "dates that are none": (items({"date": "yesterday, I think"}), 1),
    "NULs and control characters": (items({"title": "A\0B\x08C&#0;&#x1F;D"}), 1),
    "nested ten thousand deep": ("<rss><channel>" + "<a>" * 10_000 + items({}), 1),
    "HTML": ("<!doctype html><html><body>Sign in</body></html>", 0),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(100), 0),
    "nothing but spaces": (" \n " * 100, 0),
    "JSON": ('{"entries": [1, 2, 3]}', 0),
    "half a feed": (items({"guid": "h"})[:-40], 1),
    "UTF-16 that says UTF-8": (("\ufeff" + items({"title": "Vlada"})).encode("utf-16"), 1),
    "bytes of no charset": (items({"title": "Vlada"}).encode() + b"\xff\xfe\xfa", 1),
    "Windows-1250 that says UTF-8": (items({"title": "Člen o Šidu i Žepi"}).encode("cp1250"), 1),
    "an index of itself": ("<sitemapindex><sitemap><loc>http://h22.example/feed.xml</loc></sitemap></sitemapindex>", 0),
    "an atom feed without end tags": ("<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>x</title><id>1</id>", 1),
}


def test_hostile_feeds_are_rows_like_others(server: Loopback, prepare: Prepare) -> None:
    names = [f"h{n}" for n in range(len(HOSTILE))]
    for name, (body, _) in zip(names, HOSTILE.values(), strict=True):
        server.on(f"http://{name}.example/feed.xml", answer(body))
        server.on(f"http://{name}.example/robots.txt", answer("", 404))
    server.on("http://good.example/feed.xml", answer(rss(*entries(1), host="good.example")))
    feeds = [feed(name) for name in names] + [feed("good")]
    settings = prepare(feeds, timeout_s=10.0)
    summary = run.run_monitor(settings, 60, fetch_pages=lambda *_: ())  # the pages of thousands of entries are not asked for
    assert summary.n_feeds == len(feeds)
    log = {
        row[0]: row[1:] for row in answers(settings.data, "select feed_id, n_entries, error from fetch_log where kind = 'feed'")
    }
    kept = {name: log[host][0] for name, host in zip(HOSTILE, names, strict=True)}
    assert kept == {name: n for name, (_, n) in HOSTILE.items()}
    assert all((log[host][1] is None) == (n > 0) for host, (_, n) in zip(names, HOSTILE.values(), strict=True))
    assert log["good"] == (1, None)
    assert answers(settings.data, "select count(*) from article where published_at > now() or published_day < '1990-01-01'") == [
        (0,)
    ]
    assert answers(settings.data, "select count(*) from entry where url not similar to 'http://[a-z0-9.]+/.*'") == [(0,)]
    assert answers(settings.data, "select max(length(title)) from article_version")[0][0] <= 500
    assert not any(hit.host in {"169.254.169.254", "u"} for hit in server.log)
    assert_laws(settings.data)


def test_settings_of_the_seeds_folder_and_the_environment(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = Settings.read().data
    monkeypatch.setenv("BALKANWATCH_DATA", "")
    assert Settings.read().data == usual
    monkeypatch.delenv("BALKANWATCH_DATA")
    settings = prepare([FEED | {"feed_id": "sample", "url": "file:seeds/sample/sample.xml", "outlet": "sample", "kind": "file"}])
    renamed = settings.seeds.rename(tmp_path / "dictionaries")
    summary = run.run_monitor(Settings.read(data=settings.data, seeds=renamed, pause_s=0.1), 60)
    assert summary.n_new > 20 and summary.n_pages > 20 and summary.n_failed == 0


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("lang", "xx", "lang `xx` is not a language code such as sr, sq or mul"),
        ("time_zone", "Europe/Atlantis", "time_zone `Europe/Atlantis` is not a time zone such as Europe/Belgrade"),
        ("pause_s", "often", "pause_s `often` is not a number of seconds from 0.1 to 600"), ("pause_s", "7.5", None),
    ],
)  # fmt: skip
def test_rows_of_feeds_are_checked(prepare: Prepare, column: str, value: str, problem: str | None) -> None:
    path = prepare([feed("one")]).seeds / "feeds.csv"
    table = pl.read_csv(path, infer_schema=False).with_columns(pl.lit(value).alias(column))
    table.write_csv(path)
    found = [one.text for one in seeds.check(seeds.load(path.parent), lambda *_: []) if one.file == "feeds.csv"]
    assert found == ([problem] if problem else [])


@pytest.mark.parametrize("cron", ["*/10 * * * *", "0 6 * * mon-fri", "5,35 8-18/2 1 jan,jul 0", "59 23 31 12 7"])
def test_crons_that_can_be_kept(cron: str) -> None:
    assert Settings.read(cron=cron).cron == cron


@pytest.mark.parametrize("cron", ["", "soon", "* * * *", "60 * * * *", "* 24 * * *", "*/0 * * * *", "9-5 * * * *", "* * * foo *"])
def test_crons_that_can_not(cron: str) -> None:
    with pytest.raises(SettingsError, match=r"Setting `cron` is .* but it is wrong: (a cron expression has five|its \w+ )"):
        Settings.read(cron=cron)
