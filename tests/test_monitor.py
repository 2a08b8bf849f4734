"""The main job, whole: a real Prefect server, a real HTTP server on loopback, a real warehouse."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE, Prepare, answers, command, contents, environment, forget_sockets
from loopback import Loopback, answer, in_turn, raw, redirect, validated

from flows import run
from flows.settings import Settings
from pipeline.schemas import RELATIONS
from pipeline.warehouse import Store, snapshot_path

NamesAt = Callable[[Any], None]
HTML = {"Content-Type": "text/html; charset=utf-8"}
NOW = datetime.now(UTC).replace(microsecond=0)

BARRICADES = """\
Local Serbs put up new barricades on two roads in northern Kosovo on Monday, and KFOR sent patrols to the crossings.
NATO said that its troops would keep the roads open. Officials in Serbia asked for calm, while the government of Kosovo called \
the barricades a crime and asked KFOR to remove them before the evening.
A spokesman said that nobody was hurt, that two lorries had been burned, and that the police would stay."""
TALKS = """\
The leaders of Serbia and Kosovo met in Brussels for another round of the dialogue that the EU mediates between them.
Diplomats said that the talks were hard and that no agreement was signed, but both delegations promised to come again in a month.
The statute of the association of municipalities stayed the main point of dispute, as it has been for more than ten years now."""
GANG = """\
Police in Montenegro and in Albania arrested eleven people who are accused of cocaine smuggling through two ports of the coast.
Prosecutors said that the organised crime group had moved half a tonne of cocaine since the spring, hidden between boxes of fruit.
The investigation began after a tip from Croatia, and more arrests are expected in the days that follow, the prosecutors added."""
SUMMIT = """\
Ministers of the OSCE came together in North Macedonia, where the centre of the capital was closed for two days.
Several ministers stayed away. Those who came spoke about the future of the missions in Bosnia and Herzegovina and in Kosovo.
The host said that a decision about the chair of the organisation would be taken before the end of the meeting on Friday."""


def rss(*entries: Mapping[str, str], host: str) -> bytes:
    """A feed of entries (slug, title, summary); each is an hour older than the one before."""
    items = "".join(
        f"<item><title>{escape(e['title'])}</title><link>http://{host}/{e['slug']}?utm_source=rss</link>"
        f"<guid isPermaLink='false'>{host}:{e['slug']}</guid><description>{escape(e['summary'])}</description>"
        f"<pubDate>{format_datetime(NOW - timedelta(hours=n + 1))}</pubDate></item>"
        for n, e in enumerate(entries)
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>{host}</title>{items}</channel></rss>".encode()


def page(title: str, text: str) -> bytes:
    """An article page with what surrounds articles."""
    body = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines())
    return f"""<!doctype html><html lang="en"><head><title>{escape(title)}</title><meta charset="utf-8"></head><body>
    <header><nav><ul><li><a href="/">Home</a></li><li><a href="/world">World</a></li></ul></nav></header>
    <div class="cookie-banner">We use cookies. <button>Accept all</button></div>
    <main><article><h1>{escape(title)}</h1>{body}</article></main>
    <aside><h3>Related</h3><ul><li><a href="/x">Something about Ukraine</a></li></ul></aside>
    <footer>All rights reserved.</footer></body></html>""".encode()


def entry(slug: str, title: str, summary: str) -> dict[str, str]:
    return {"slug": slug, "title": title, "summary": summary}


def patrol_sites(server: Loopback, names: Iterable[str], n: int) -> None:
    """A site a name, with a feed of `n` articles that all sites have in much the same words, and their pages."""
    for name in names:
        host = f"{name}.example"
        entries = [entry(f"{i}", f"Barricades in Kosovo, part {i}", f"KFOR patrol {i} of {name}.") for i in range(n)]
        server.on(f"http://{host}/feed.xml", answer(rss(*entries, host=host)))
        for one in entries:
            lines = (f"Patrol {one['slug']} of KFOR met barricades in Kosovo, says {name} in line {i}." for i in range(12))
            server.on(f"http://{host}/{one['slug']}", answer(page(one["title"], "\n".join(lines)), headers=HTML))


GOOD = (
    entry("barricades", "New barricades in northern Kosovo", "Local Serbs put up barricades, KFOR sent patrols."),
    entry("talks", "Serbia and Kosovo talk in Brussels", "The dialogue goes on, without an agreement."),
    entry("lost", "Summit of ministers in North Macedonia", "OSCE ministers meet; this page is not there any more."),
)
WIRE = (
    entry("copy", "New barricades in northern Kosovo", "Local Serbs put up barricades."),
    entry("gang", "Eleven arrested over cocaine in Montenegro", "Police in Montenegro and Albania."),
)
FEEDS = [
    {"feed_id": "good", "url": "http://good.example/feed.xml", "owner": "Good Press"},
    {"feed_id": "wire", "url": "http://old.example/feed.xml", "owner": "Wire Ltd", "side": "brussels"},
    {"feed_id": "late", "url": "http://late.example/feed.xml"},
    {"feed_id": "slow", "url": "http://slow.example/feed.xml"},
    {"feed_id": "broken", "url": "http://broken.example/feed.xml"},
    {"feed_id": "failing", "url": "http://failing.example/feed.xml"},
    {"feed_id": "gone", "url": "http://gone.example/feed.xml"},
    {"feed_id": "missing", "url": "http://missing.example/feed.xml"},
    {"feed_id": "shut", "url": "http://shut.example/feed.xml"},
    {"feed_id": "asleep", "url": "http://asleep.example/feed.xml", "is_active": "false"},
]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        server.on("http://good.example/feed.xml", validated(rss(*GOOD, host="good.example")))
        server.on("http://good.example/barricades", answer(page(GOOD[0]["title"], BARRICADES), headers=HTML))
        server.on("http://good.example/talks", answer(page(GOOD[1]["title"], TALKS), headers=HTML))
        server.on("http://old.example/feed.xml", redirect("http://wire.example/rss", 301))
        server.on("http://wire.example/rss", validated(rss(*WIRE, host="wire.example"), '"wire"'))
        server.on("http://wire.example/copy", answer(page(WIRE[0]["title"], BARRICADES), headers=HTML))
        server.on("http://wire.example/gang", in_turn(answer(b"", 500), answer(page(WIRE[1]["title"], GANG), headers=HTML)))
        server.on("http://late.example/feed.xml", answer(rss(entry("one", "Summit", SUMMIT), host="late.example"), after_s=0.5))
        server.on(
            "http://late.example/robots.txt", answer("User-agent: *\nDisallow: /one", headers={"Content-Type": "text/plain"})
        )
        server.on("http://slow.example/feed.xml", raw(b"", "hang"))
        server.on("http://broken.example/feed.xml", answer("<html><body>Our feed has moved.</body></html>"))
        server.on("http://failing.example/feed.xml", answer(b"", 503))
        server.on("http://gone.example/feed.xml", answer(b"", 410))
        server.on("http://shut.example/robots.txt", answer("User-agent: *\nDisallow: /", headers={"Content-Type": "text/plain"}))
        yield server


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch, prefect_server: str) -> Iterator[Callable[..., None]]:
    """The deployed flow, with settings from the environment as in a deployment."""

    def run_flow(settings: Settings, max_seconds: float = 60.0) -> None:
        from flows.monitor import monitor

        for name, value in environment(settings).items():
            monkeypatch.setenv(name, value)
        monitor(data=str(settings.data), max_seconds=max_seconds)

    yield run_flow
    forget_sockets()


def make_due(data: Path, *, pages: bool = False) -> None:
    """Let hours pass, as far as the warehouse knows."""
    with Store.writer(data) as store:
        store.run("update feed_state set next_fetch_at = now() - interval 1 minute where next_fetch_at is not null")
        if pages:
            store.run("update entry set next_try_at = now() - interval 1 minute")


def lasting(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a run without news must leave as it is."""
    passing = {"run", "fetch_log", "feed_state", "robots_log", "host_state"}
    with Store.writer(data) as store:
        return {relation: contents(store, relation) for relation in RELATIONS if relation not in passing}


# every promise about evidence that can be said in SQL; each query lists what breaks it
LAWS = {
    "a mention slices back to its surface": """
        select m.* from mention as m left join article_text as a on m.article_id = a.article_id
        where substring(case m.field when 'title' then a.title else a.body end, m.char_start + 1, m.char_end - m.char_start)
            is distinct from m.surface
    """,
    "mentions belong to the current version": """
        select m.* from mention as m anti join article as a on m.article_id = a.article_id and m.version = a.version
    """,
    "focus belongs to an article": "select * from focus anti join article using (article_id)",
    "tags belong to an article": "select * from tag anti join article using (article_id)",
    "evidence slices the text": "select * from tag_evidence where coalesce(surface, '') = ''",
    "tagged by one version": "select 1 from article having count(distinct tagged_by) > 1",
    "every article has its versions": """
        select a.article_id from article as a left join article_version as v on a.article_id = v.article_id
        group by a.article_id, a.version, a.n_versions
        having count(v.version) <> a.n_versions or max(v.version) <> a.version
    """,
    "every version has its article": "select * from article_version anti join article using (article_id)",
    "every entry has its article": "select * from entry anti join article using (article_id)",
    "every article has an entry": "select * from article anti join entry using (article_id)",
    "every sighting has its article": "select * from sighting anti join article using (article_id)",
    "an address leads to one article": "select url from article_url group by url having count(*) > 1",
    "every address has its article": "select * from article_url anti join article using (article_id)",
    "every article is in one story": """
        select a.article_id from article as a left join story_article as s on a.article_id = s.article_id
        group by a.article_id having count(s.story_id) <> 1
    """,
    "every story has its lead": """
        select s.story_id from story as s left join story_article as m on s.story_id = m.story_id
        group by s.story_id, s.n_articles having count(*) <> s.n_articles or count(*) filter (where m.is_lead) <> 1
    """,
    "story members have their story": "select * from story_article anti join story using (story_id)",
    "an absorbed story leads to a story": """
        with recursive way as (
            select old_story_id, story_id, 1 as n_steps from story_alias
            union all
            select w.old_story_id, a.story_id, w.n_steps + 1
            from way as w inner join story_alias as a on w.story_id = a.old_story_id
            where w.n_steps < 20 and not exists (from story where story.story_id = w.story_id)
        )
        select old_story_id from way group by old_story_id
        having not bool_or(exists (from story where story.story_id = way.story_id))
    """,
    "every article has its signature": "select * from article anti join signature using (article_id)",
    "a polled feed has a state": "select * from entry anti join feed_state using (feed_id)",
    "html stays outside": "select * from article_version where body like '%<p>%' or title like '%<%'",
}


def broken_laws(store: Store) -> dict[str, int]:
    return {law: n for law, sql in LAWS.items() if (n := store.read(sql).height)}


def assert_laws(data: Path) -> None:
    with Store.reader(data) as store:
        assert broken_laws(store) == {}


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # Prefect's own clients
def test_the_whole_flow_and_again(server: Loopback, prepare: Prepare, names_at: NamesAt, flow: Callable[..., None]) -> None:
    names_at(server)
    settings = prepare([SAMPLE, *FEEDS])
    data = settings.data
    flow(settings)
    assert_laws(data)
    check_first_run(data)
    check_artifacts()
    check_exports(data)

    before = lasting(data)
    make_due(data)
    flow(settings)
    assert lasting(data) == before
    assert_laws(data)
    asked_again = {
        row[0] for row in answers(data, "select feed_id from fetch_log where kind = 'feed' group by 1 having count(*) > 1")
    }
    assert asked_again == {"sample", "good", "wire", "late", "slow", "broken", "failing", "missing", "shut"}  # 410 is for good
    validated_again = answers(data, "select feed_id from fetch_log where kind = 'feed' and http_status = 304 order by 1")
    assert validated_again == [("good",), ("wire",)]
    assert len(server.hits("gone.example", "/feed.xml")) == 1
    assert [len(server.hits("good.example", f"/{e['slug']}")) for e in GOOD] == [1, 1, 1]


def check_first_run(data: Path) -> None:
    log = {row[0]: row[1:] for row in answers(data, """
        select feed_id, any_value(http_status), sum(n_entries), sum(n_new), any_value(error)
        from fetch_log where kind = 'feed' and feed_id <> 'sample' group by feed_id
    """)}  # fmt: skip
    assert log == {
        "good": (200, 3, 3, None),
        "wire": (200, 2, 2, None),
        "late": (200, 1, 1, None),
        "slow": (None, 0, 0, "slow.example took longer than 1 s"),
        "broken": (200, 0, 0, log["broken"][3]),
        "failing": (503, 0, 0, "failing.example answered 503 Service Unavailable"),
        "gone": (410, 0, 0, "gone.example answered 410 Gone"),
        "missing": (404, 0, 0, "missing.example answered 404 Not Found"),
        "shut": (None, 0, 0, "robots.txt of shut.example forbids /feed.xml"),
    }
    assert log["broken"][3]
    pages = dict(answers(data, "select url, http_status from fetch_log where kind = 'page' and feed_id <> 'sample'"))
    assert pages == {
        "http://good.example/barricades": 200, "http://good.example/talks": 200, "http://good.example/lost": 404,
        "http://wire.example/copy": 200, "http://wire.example/gang": 500, "http://late.example/one": None,
    }  # fmt: skip
    assert answers(data, "select count(*) from fetch_log where kind = 'robots'")[0][0] >= 9
    verdicts = dict(answers(data, "select host || path, is_allowed from robots_log where host similar to '(late|shut|good).*'"))
    assert verdicts["late.example/one"] is False and verdicts["shut.example/feed.xml"] is False
    assert verdicts["good.example/feed.xml"] is True

    states = dict(answers(data, "select url, page_state from entry where feed_id <> 'sample'"))
    assert states == {
        "http://good.example/barricades": "done", "http://good.example/talks": "done", "http://good.example/lost": "failed",
        "http://wire.example/copy": "done", "http://wire.example/gang": "waiting",
        "http://late.example/one": states["http://late.example/one"],
    }  # fmt: skip
    texts = {row[0]: row[1:] for row in answers(data, "select url, body_source, n_versions, body from article_text")}
    assert texts["http://good.example/barricades"] == ("page", 1, BARRICADES)
    assert texts["http://good.example/talks"] == ("page", 1, TALKS)
    assert texts["http://good.example/lost"] == ("feed", 1, GOOD[2]["summary"])
    assert texts["http://wire.example/gang"] == ("feed", 1, WIRE[1]["summary"])
    assert texts["http://late.example/one"] == ("feed", 1, SUMMIT)
    assert answers(data, "select count(*) from article where feed_id = 'sample' and n_versions = 2") == [(2,)]
    assert answers(data, "select count(*) from article where n_versions > 1") == [(2,)]

    focus = answers(
        data, "select country_code from focus join article using (article_id) where url like '%/barricades' and is_focus"
    )
    assert ("XK",) in focus
    tags = answers(data, "select topic_id from tag join article using (article_id) where url like '%/barricades'")
    assert ("barricades",) in tags
    story = answers(data, """
        select n_articles, n_outlets, n_owners from story join story_article using (story_id) join article using (article_id)
        where url = 'http://wire.example/copy'
    """)  # fmt: skip
    assert story == [(2, 2, 2)]
    state = answers(
        data, "select feed_id, etag, n_failures, n_moved from feed_state where feed_id in ('good', 'wire', 'slow') order by 1"
    )
    assert state == [("good", '"one"', 0, 0), ("slow", None, 1, 0), ("wire", '"wire"', 0, 1)]
    assert answers(data, "select feed_id from feed_state where retired_at is not null") == [("gone",)]
    assert answers(data, "select * from feed_state where feed_id = 'asleep'") == []
    (ran,) = answers(data, "select status, n_feeds, n_failed, n_waiting from run")
    assert ran == ("complete", 11, 6, ran[3]) and ran[3] >= 1
    assert answers(data, "select count(*) from coverage where topic_id = 'barricades' and country_code = 'XK'")[0][0] > 0


def check_artifacts() -> None:
    from prefect.artifacts import Artifact
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    table, text = Artifact.get("feeds"), Artifact.get("summary")
    assert table is not None and text is not None
    rows = json.loads(str(table.data))
    by_feed = {row["feed_id"]: row for row in rows}
    assert {feed["feed_id"] for feed in FEEDS} - {"asleep"} < set(by_feed)
    assert by_feed["good"]["new"] == 3 and "410" in by_feed["gone"]["error"]
    assert "- feeds polled: 11, of which 6 gave an error" in str(text.data)
    with get_client(sync_client=True) as client:
        assert table.flow_run_id is not None and table.flow_run_id == text.flow_run_id
        assert str(client.read_flow_run(table.flow_run_id).state_type) == "StateType.COMPLETED"
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[table.flow_run_id])))
        assert {one.name.rsplit("-", 1)[0] for one in tasks} == {"fetch feeds", "fetch pages"}


def check_exports(data: Path) -> None:
    assert snapshot_path(data).exists()
    folder = data / "exports"
    with (folder / "articles.csv").open(encoding="utf-8", newline="") as file:
        exported = {row["url"] for row in csv.DictReader(file)}
    assert exported == {row[0] for row in answers(data, "select url from article")}
    assert {path.stem for path in folder.glob("*.csv")} >= {"coverage", "articles", "evidence", "stories"}
    assert "## coverage.csv" in (folder / "README.md").read_text(encoding="utf-8")


def test_an_updated_entry_is_a_new_version_and_its_page_completes_it(
    server: Loopback, prepare: Prepare, names_at: NamesAt
) -> None:
    names_at(server)
    settings = prepare(FEEDS[:1])
    first = run.run_monitor(settings, 60)
    assert (first.n_new, first.n_updated, first.n_pages) == (3, 0, 2)
    changed = entry("talks", "Serbia and Kosovo sign in Brussels", "An agreement at last: roads between Serbia and Kosovo open.")
    signed = TALKS.replace("no agreement was signed", "an agreement was signed")
    server.on("http://good.example/feed.xml", validated(rss(GOOD[0], changed, GOOD[2], host="good.example"), '"two"'))
    server.on("http://good.example/talks", answer(page(changed["title"], signed), headers=HTML))
    make_due(settings.data)
    second = run.run_monitor(settings, 60)
    assert (second.n_new, second.n_updated, second.n_pages) == (0, 1, 1)
    versions = answers(settings.data, """
        select version, title, body, v.body_source from article_version v join article a using (article_id)
        where a.url = 'http://good.example/talks' order by version
    """.replace("version, title", "v.version, v.title"))  # fmt: skip
    assert versions == [(1, GOOD[1]["title"], TALKS, "page"), (2, changed["title"], signed, "page")]
    assert answers(settings.data, "select n_versions, version from article where url like '%/talks'") == [(2, 2)]
    assert_laws(settings.data)


def test_a_page_that_comes_later_completes_the_version(server: Loopback, prepare: Prepare, names_at: NamesAt) -> None:
    names_at(server)
    settings = prepare(FEEDS[1:2])
    run.run_monitor(settings, 60)
    waiting = "select page_state, n_tries, error from entry where url like '%/gang'"
    assert answers(settings.data, waiting) == [("waiting", 1, "wire.example answered 500 Internal Server Error")]
    make_due(settings.data, pages=True)
    summary = run.run_monitor(settings, 60)
    assert (summary.n_new, summary.n_updated, summary.n_pages, summary.n_waiting) == (0, 0, 1, 0)
    assert answers(settings.data, waiting) == [("done", 2, None)]
    done = answers(settings.data, "select version, n_versions, body_source, body from article_text where url like '%/gang'")
    assert done == [(1, 1, "page", GANG)]
    assert ("organised_crime",) in answers(
        settings.data, "select topic_id from tag join article using (article_id) where url like '%/gang'"
    )
    assert_laws(settings.data)


def test_the_time_budget_leaves_pages_for_later_runs(server: Loopback, prepare: Prepare, names_at: NamesAt) -> None:
    names_at(server)
    many = [entry(f"n{i}", f"Report {i} from Kosovo", f"Summary number {i} of what KFOR said.") for i in range(20)]
    server.on("http://many.example/feed.xml", answer(rss(*many, host="many.example")))
    for one in many:
        text = "\n".join(f"Report {one['slug']} says in line {i} that KFOR patrols in Kosovo go on." for i in range(8))
        server.on(f"http://many.example/{one['slug']}", answer(page(one["title"], text), headers=HTML))
    feeds = [{"feed_id": "many", "url": "http://many.example/feed.xml"}]
    first = run.run_monitor(prepare(feeds, pause_s=1.0), 5)
    assert first.n_new == 20 and first.seconds < 15
    assert first.n_waiting + first.n_pages == 20 and first.n_waiting >= 15
    data = first.data
    assert answers(data, "select count(*) from article_text where body like 'Summary number%'") == [(first.n_waiting,)]
    second = run.run_monitor(prepare(feeds, pause_s=0.1), 60)
    assert (second.n_new, second.n_waiting, second.n_pages) == (0, 0, first.n_waiting)
    assert {hit.path for hit in server.hits("many.example") if hit.path.startswith("/n")} == {f"/{e['slug']}" for e in many}
    assert answers(data, "select count(*) from article where body_source = 'page' and n_versions = 1") == [(20,)]
    assert_laws(data)


NOWHERE = [
    {"feed_id": "nowhere", "url": "http://nowhere.invalid/feed.xml"},
    {"feed_id": "nobody", "url": "http://nobody.invalid/feed.xml"},
]


def test_offline_is_a_result(prepare: Prepare, prefect_server: str) -> None:
    settings = prepare([SAMPLE, *NOWHERE])
    done = command("run", "--max-seconds", 60, "--data", settings.data, **environment(settings), PREFECT_API_URL=prefect_server)
    assert done.returncode == 0, done.stderr
    assert "No network: not one web feed could be reached, so only the sample was read." in done.stdout
    assert "nowhere.invalid could not be found" in done.stdout and "Traceback" not in done.stdout + done.stderr
    assert str(snapshot_path(settings.data)) in done.stdout
    failed = answers(
        settings.data, "select feed_id, http_status, error from fetch_log where kind = 'feed' and error is not null order by 1"
    )
    assert [row[:2] for row in failed] == [("nobody", None), ("nowhere", None)]
    assert all(row[2].endswith("could not be found (no network or no such host)") for row in failed)
    assert answers(settings.data, "select count(*) from article where n_versions = 2") == [(2,)]
    (n_articles, n_days) = answers(
        settings.data, "select count(*), date_diff('day', min(published_at), max(published_at)) from article"
    )[0]
    assert n_articles >= 20 and n_days >= 35
    assert_laws(settings.data)


def test_nothing_landed_is_a_failure(prepare: Prepare, prefect_server: str) -> None:
    settings = prepare(NOWHERE)
    done = command("run", "--max-seconds", 30, "--data", settings.data, **environment(settings), PREFECT_API_URL=prefect_server)
    assert done.returncode != 0
    assert "Nothing could be landed: no feed answered and the warehouse is empty." in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_sample_is_read_whatever_the_web_does(server: Loopback, prepare: Prepare, names_at: NamesAt) -> None:
    names_at(server)
    server.on("http://slow.example/robots.txt", raw(b"", "hang"))
    settings = prepare([SAMPLE, FEEDS[3]], timeout_s=60)
    summary = run.run_monitor(settings, 6)
    assert answers(settings.data, "select count(*) from article where n_versions = 2") == [(2,)]
    assert summary.seconds < 20


def test_changed_seeds_tag_the_archive_again(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    first = run.run_monitor(settings, 60)
    kosovo = "select count(*) from mention where country_code = 'XK' and rule_id not like 'guard%' and kind = 'country'"
    assert answers(settings.data, kosovo)[0][0] > 10
    for path in (settings.seeds / "gazetteer").glob("*.csv"):
        rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(row for row in rows if not row.startswith("XK,")), encoding="utf-8")
    second = run.run_monitor(settings, 60)
    assert first.n_retagged == 0 and second.n_retagged == first.n_articles
    assert answers(settings.data, kosovo) == [(0,)]
    assert_laws(settings.data)
    assert run.run_monitor(settings, 60).n_retagged == 0


def test_a_run_leaves_nothing_lying_about(prepare: Prepare) -> None:
    settings = prepare([SAMPLE])
    run.run_monitor(settings, 60)
    left = {str(path.relative_to(settings.data)) for path in settings.data.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith(("exports", ".cache", ".writer/seeds/"))} == {
        "balkanwatch.duckdb", ".writer/warehouse.duckdb", ".writer/warehouse.lock", ".writer/warehouse.published",
    }  # fmt: skip
    assert not any(Path(name).name.startswith(".") for name in left)


def test_a_refusal_is_not_called_an_outage(server: Loopback, prepare: Prepare, names_at: NamesAt) -> None:
    names_at(server)
    summary = run.run_monitor(prepare(FEEDS[-2:]), 30)
    assert (summary.n_feeds, summary.n_failed, summary.is_offline, summary.is_empty) == (1, 1, False, True)
