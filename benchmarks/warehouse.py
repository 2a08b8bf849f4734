"""The warehouse at size: landing, queries, publishing, re-tagging and stories, on synthetic articles.

    python benchmarks/warehouse.py [--articles 1000000] [--days 3650] [--folder /tmp/...] [--only landing,queries,...] [--keep]

The archive is written by SQL (articles of about 3 KB drawn from a pool of sentences of the project's own sample and golden sets,
in its languages and both scripts; ten mentions, three countries and 1.2 topics each; 15 % copies), all else goes through the
pipeline's own functions. It is made below a temporary folder and removed afterwards. `land` is what one batch of a run costs,
marts included, without fetching, parsing and the copy of the file.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import polars as pl
from rich.console import Console
from rich.table import Table

from flows import imports
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import language, search, seeds, versions
from pipeline.schemas import DOCUMENT, ENTRY, conform
from pipeline.tag import Tagger
from pipeline.text import digest
from pipeline.warehouse import Store, landing, marts, queries, retagging, snapshot_path, writer_path

ROOT = Path(__file__).resolve().parents[1]
NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONE = "Europe/Belgrade"
SENTENCES = 24  # a text, about 3 KB
ROWS = tuple[str, str, str]  # what, measured, aim


def pool(n: int = 4_000) -> list[str]:
    """Sentences to draw texts from: the project's own, their words mixed, so that no two texts are alike."""
    draw = random.Random(20231120)
    own = [
        sentence.strip()
        for path in sorted((ROOT / "tests/golden").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for sentence in json.loads(line).get("text", "").split(". ")
        if 60 < len(sentence) < 300
    ]
    out = []
    for _ in range(n):
        words = draw.choice(own).split()
        cut = draw.randrange(len(words))
        out.append(" ".join(words[cut:] + words[:cut]) + ".")
    return out


# -- the archive ------------------------------------------------------------------------------------------------------


def build(data: Path, n: int, n_days: int, tables: seeds.Seeds, tagged_by: str) -> None:
    """Write a warehouse of `n` articles over `n_days` days below `data`."""
    with Store.writer(data) as store:
        landing.sync_seeds(store, tables)
        sql = store.connection.execute
        sql(
            "create temp macro draw(a, b) as (hash(a, b) % 1000000007)::bigint, (a, b, c) as (hash(a, b, c) % 1000000007)::bigint"
        )
        sentences = pl.DataFrame({"text": pool()}).with_row_index("i")
        store.connection.register("pool", sentences.to_arrow())
        sql("create temp table pool_ as select list(text order by i) as s from pool")
        sql("create temp table feed_ as select list(feed_id order by feed_id) as f, list(outlet order by feed_id) as o from feed")
        sql("create temp table topic_ as select list(topic_id order by topic_id) as t from topic")
        sql(
            "create temp table country_ as select list(code order by not list_contains(groups, 'region'), code) as c from country"
        )
        for low in range(0, n, 100_000):
            _part(store, low, min(low + 100_000, n), n, n_days, tagged_by)
        store.set_meta("tagged_by", tagged_by)
        store.set_meta("search_version", search.VERSION)  # the search index is measured elsewhere
        with store.transaction():
            marts.touch_all(store)
        marts.bring_up(store)
        sql("checkpoint")


def _part(store: Store, low: int, high: int, n: int, n_days: int, tagged_by: str) -> None:
    """Articles `low` to `high` of `n`, in order of time."""
    sql = store.connection.execute
    sql("drop table if exists part")
    sql(
        f"""
        create temp table part as
        select i, lpad(format('{{:x}}', hash(i, 'id')), 16, '0') as article_id,
            draw(i, 'feed') % (select len(f) from feed_) + 1 as feed,
            $newest::timestamptz - to_seconds(((1 - i / {n}) * {n_days} * 86400)::bigint) as moment,
            case when draw(i, 'copy') % 100 < 15 and i > 50 then i - 1 - draw(i, 'of') % 50 else i end as original,
            ['hbs', 'hbs', 'hbs', 'sq', 'sq', 'mk', 'en', 'sl'][draw(i, 'lang') % 8 + 1] as lang
        from range({low}, {high}) r(i)
        """,
        {"newest": NEWEST},
    )
    sql("""
        insert into article by name
        select article_id, f[feed] as feed_id, o[feed] as outlet, 'https://site.example/' || article_id as url, 1 as version,
            1 as n_versions, lang, case lang when 'mk' then 'Cyrl' else 'Latn' end as script, moment as published_at,
            timezone('Europe/Belgrade', moment)::date as published_day, 'feed' as date_source, moment as first_seen_at,
            'page' as body_source, $by as tagged_by
        from part, feed_
    """, {"by": tagged_by})  # fmt: skip
    sql(f"""
        insert into article_version by name
        select article_id, 1 as version, s[draw(original, 'title') % len(s) + 1] as title,
            array_to_string(list_transform(range({SENTENCES}), lambda k: s[draw(original, k) % len(s) + 1]), ' ') as body,
            moment as published_at, format('{{:x}}', hash(original)) as content_hash, moment as seen_at, 'page' as body_source
        from part, pool_
    """)
    for relation, columns in {
        "entry": "f[feed] as feed_id, article_id as guid, article_id, 'https://site.example/' || article_id as url, "
        "article_id as content_hash, moment as first_seen_at, 'done' as page_state, 1 as n_tries, moment as next_try_at",
        "article_url": "'https://site.example/' || article_id as url, article_id, 'entry' as kind",
        "sighting": "article_id, f[feed] as feed_id, moment as first_seen_at",
        "signature": "article_id, moment as published_at, hash(original, 'text') as text_hash, "
        "list_transform(range(24), lambda k: (hash(original, k, 'band') % 4294967296)::uinteger) as bands",
    }.items():
        sql(f"insert into {relation} by name select {columns} from part, feed_")
    sql("""
        create or replace temp table member as
        select p.article_id, p.moment, p.feed, coalesce(o.article_id, p.article_id) as story_id
        from part p left join part o on p.original = o.i and o.original = o.i
    """)
    sql(
        "insert into story_article by name select article_id, story_id, 1.0 as similarity, article_id = story_id as is_lead "
        "from member"
    )
    sql("""
        insert into story by name
        select story_id, story_id as lead_article_id, min(moment) as first_at, max(moment) as last_at, count(*) as n_articles,
            count(distinct feed) as n_outlets, count(distinct feed) as n_owners
        from member group by 1
    """)
    sql("insert into story_edge by name select least(article_id, story_id) as left_id, "
        "greatest(article_id, story_id) as right_id, 1.0 as similarity from member where article_id <> story_id")  # fmt: skip
    # countries and topics fall off in size as in life: the place in the list is drawn twice and the product taken
    sql("""
        insert into mention by name
        select article_id, 1 as version, case when k = 0 then 'title' else 'body' end as field, (k * 290)::integer as char_start,
            (k * 290 + 8)::integer as char_end,
            case when k < 7 then code else 'actor' || draw(original, k) % 500 end as entity_id,
            case when k < 7 then 'country' else 'person' end as kind, code as country_code, 'surface' || k as surface,
            'country:' || code || ':en' as rule_id
        from (
            select *, (draw(original, k % 3, 'c') % 1000) * (draw(original, k % 3, 'd') % 1000) as place,
                c[1 + place * least(len(c), 80) // 1000000] as code
            from part, country_, range(10) r(k)
        )
    """)
    sql("""
        insert into focus by name
        select article_id, country_code, 1.0 / row_number() over w as salience, count(*)::integer as n_mentions,
            row_number() over w <= 1 + draw(article_id, 'focus') % 2 as is_focus
        from mention semi join part using (article_id) group by article_id, country_code
        window w as (partition by article_id order by count(*) desc, country_code)
    """)
    sql("""
        insert into tag by name
        select distinct on (article_id, topic_id) article_id,
            t[1 + ((draw(original, k, 't') % 1000) * (draw(original, k, 'u') % 1000) * len(t) // 1000000)] as topic_id,
            0.8 as score,
            [{'field': 'body', 'char_start': 5, 'char_end': 15, 'rule_id': 'rule' || k},
             {'field': 'body', 'char_start': 105, 'char_end': 118, 'rule_id': 'rule' || k}] as evidence, ['rule' || k] as rule_ids
        from part, topic_, range(3) r(k) where draw(original, k, 'has') % 10 < 4
    """)


# -- what a batch costs -----------------------------------------------------------------------------------------------


def entries(n: int, salt: str, feeds: list[str]) -> pl.DataFrame:
    """Entries (schema ENTRY) of new articles of today."""
    sentences, draw = pool(), random.Random(salt)
    bodies = [" ".join(draw.choices(sentences, k=SENTENCES)) for _ in range(n)]
    langs, scripts = language.languages(bodies)
    ids = [digest(salt, str(i)) for i in range(n)]
    rows = {
        "feed_id": [draw.choice(feeds) for _ in ids], "guid": ids, "url": [f"https://new.example/{i}" for i in ids],
        "article_id": ids, "title": [draw.choice(sentences) for _ in ids], "body": bodies,
        "published_at": [NEWEST - timedelta(minutes=draw.randrange(1200)) for _ in ids],
        "date_source": ["feed"] * n, "lang": langs, "script": scripts, "content_hash": ids,
    }  # fmt: skip
    return conform(pl.DataFrame(rows, schema_overrides={"published_at": pl.Datetime("us", "UTC")}), ENTRY)


def land(store: Store, batch: pl.DataFrame, tagger: Tagger, tagged_by: str, steps: dict[str, float] | None = None) -> float:
    """Decide, tag, land and count one batch of entries inside the caller's transaction; the seconds it took."""
    feeds = store.read("select feed_id, outlet, kind from feed")
    begun = last = time.perf_counter()

    def step(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        if steps is not None:
            steps[name] = steps.get(name, 0.0) + now - last
        last = now

    known = landing.known_for_entries(store, batch)
    step("known")
    changes = versions.entry_changes(batch, known, feeds, NEWEST, ZONE)
    step("decide")
    tagged = tagger.tag(changes.documents())
    step("tag")
    landing.land(store, changes, tagged, tagged_by, NEWEST)
    step("land")
    marts.recount(store)
    step("marts")
    return time.perf_counter() - begun


def landing_cost(data: Path, tagger: Tagger, tagged_by: str, tables: seeds.Seeds, console: Console) -> Iterator[ROWS]:
    """200 articles into the archive against 200 into an empty warehouse: the median of some batches, each undone afterwards."""
    cost: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, where in (("empty", Path(folder)), ("full", data)):
            times, steps = [], dict[str, float]()
            with Store.writer(where) as store:
                landing.sync_seeds(store, tables)
                with store.transaction():  # the days of before were counted when they came, as in any archive that runs
                    store.run("insert into dirty_day select distinct published_day from article "
                              "where published_day > (select max(published_day) - 4 from article)")  # fmt: skip
                marts.bring_up(store)
                feeds = store.read("select feed_id from feed order by 1")["feed_id"].to_list()
                with store.in_small_batches():  # as a run does
                    for i in range(8):
                        batch, cpu = entries(200, f"{name}{i}", feeds), time.process_time()
                        with store.transaction():
                            seconds = land(store, batch, tagger, tagged_by, steps if i else None)
                            times.append((seconds, time.process_time() - cpu))
                            store.connection.execute("rollback; begin")
            cost[name] = (median(t for t, _ in times[1:]), median(t for _, t in times[1:]))
            console.print(name, {k: round(v / 7, 3) for k, v in steps.items()}, f"CPU {cost[name][1]:.2f} s")
    ratio, cpu_ratio = (cost["full"][i] / cost["empty"][i] for i in (0, 1))
    measured = f"{cost['full'][0]:.2f} s / {cost['empty'][0]:.2f} s = {ratio:.2f}x (CPU {cpu_ratio:.2f}x)"
    yield "landing 200 articles, against an empty warehouse", measured, "1.5x"


def query_times(data: Path, console: Console) -> Iterator[ROWS]:
    """Every shipped query with its defaults, on the snapshot as an analyst opens it."""
    slowest, worst = 0.0, ""
    for name in queries.names():
        query = queries.load(name)
        values = {p.name: query.example.get(p.name, p.default) for p in query.parameters}
        with Store.reader(data) as store:
            begun = time.perf_counter()
            try:
                n = queries.ask(store, name, **{k: v for k, v in values.items() if v is not None}).height
            except Exception as error:  # a query that cannot be asked here is told, not hidden
                console.print(f"{name}: {error}")
                continue
            seconds = time.perf_counter() - begun
        console.print(f"{name:25} {seconds:6.2f} s {n:8,} rows", style="red" if seconds > 2 else "")
        if seconds > slowest:
            slowest, worst = seconds, name
    yield f"slowest of {len(queries.names())} queries ({worst})", f"{slowest:.2f} s", "2 s"


def publish_cost(data: Path) -> Iterator[ROWS]:
    """A snapshot against `cp` of the same file to a new place beside it, in turns, each first as often as the other."""
    source, copy = writer_path(data), data / "copy.tmp"
    times: dict[str, list[float]] = {"publish": [], "cp": [], "again": []}

    def timed(name: str, act: Callable[[], object]) -> None:
        os.sync()  # what another one left to be written to the disk is not on this one's bill
        begun = time.perf_counter()
        act()
        times[name].append(time.perf_counter() - begun)
        copy.unlink(missing_ok=True)  # or the next one's pages are none that were used before: a virtual machine fetches those

    with Store.writer(data) as store:
        acts = {"publish": store.publish, "cp": lambda: subprocess.run(["cp", str(source), str(copy)], check=True)}
        store.publish()
        for turn in range(8):
            store.set_meta("benchmark", str(time.time()))
            store.connection.execute("checkpoint")
            for name in sorted(acts, reverse=bool(turn % 2)):
                timed(name, acts[name])
            timed("again", store.publish)
    best = {name: (median(values), min(values)) for name, values in times.items()}
    size = snapshot_path(data).stat().st_size / 1e9
    told = [f"{what} {best['publish'][i]:.2f} s / {best['cp'][i]:.2f} s = {best['publish'][i] / best['cp'][i]:.2f}x"
            for i, what in enumerate(("median", "quickest"))]  # fmt: skip
    yield f"publish {size:.2f} GB, against cp", "; ".join(told), "1.3x"
    yield "publish when nothing has changed", f"{best['again'][0]:.3f} s", ""


def growth_cost(data: Path, tagged_by: str, tables: seeds.Seeds) -> Iterator[ROWS]:
    """`balkanwatch import` of 20,000 articles of the archive's last 70 days into a copy of it.

    Run it with `--articles 100000 --days 365` and with `--articles 1000000`, so that as much is published a day, and compare.
    """
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        path, there = Path(folder) / "articles.jsonl", Path(folder) / "data"
        writer_path(there).parent.mkdir(parents=True)
        shutil.copyfile(writer_path(data), writer_path(there))
        with Store.writer(there) as store:  # an archive that was left by an older release, as if by this one
            if store.meta("tagged_by") != tagged_by:
                store.run(f"update article set tagged_by = '{tagged_by}'")
                store.set_meta("tagged_by", tagged_by)
            landing.sync_seeds(store, tables)
            landing.apply_zone(store, ZONE)
            store.publish()
        sentences, draw = pool(), random.Random(20231120)
        with path.open("w", encoding="utf-8") as file:
            for i in range(20_000):
                moment = NEWEST - timedelta(days=70) * (1 - i / 20_000)
                row = {"url": f"https://site{i % 97}.example/{i}", "title": draw.choice(sentences),
                       "text": " ".join(draw.choices(sentences, k=SENTENCES)), "published_at": moment.isoformat()}  # fmt: skip
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        settings = Settings.read(data=there)
        todo = imports.planned([path], settings, None, {})
        steps: list[float] = []
        begun, cpu = time.perf_counter(), _cpu()
        (tally,) = imports.run_import(settings, todo, 2, lambda *_: steps.append(_cpu()))
        seconds, used = time.perf_counter() - begun, _cpu() - cpu
        assert tally.n_new == 20_000
    landing_ = (steps[-1] - steps[0]) / (len(steps) - 1) * len(steps)
    measured = f"{1e3 * used / 20_000:.2f} ms of CPU, {1e3 * seconds / 20_000:.2f} ms by the clock; of this process to land " \
        f"{1e3 * landing_ / 20_000:.2f} ms"  # fmt: skip
    yield "import of 20,000 articles, each", measured, "1.3x between 100,000 and 1,000,000"


def _cpu() -> float:
    uses = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def stories_cost(data: Path) -> Iterator[ROWS]:
    """1,000 articles are put into stories beside a million."""
    with Store.writer(data) as store:
        feeds = store.read("select feed_id from feed order by 1")["feed_id"].to_list()
        changes = versions.entry_changes(
            entries(1000, f"stories{time.time()}", feeds), landing.known_for_entries(store, entries(1, "x", feeds)),
            store.read("select feed_id, outlet, kind from feed"), NEWEST, ZONE,
        )  # fmt: skip
        with store.transaction():
            store.append("article", changes.articles)
            store.append("article_version", changes.versions)
        begun = time.perf_counter()
        with store.transaction():
            landing.update_stories(store, changes.articles.select("article_id"), NEWEST)
        seconds = time.perf_counter() - begun
    yield "stories: adding 1,000 articles", f"{seconds:.2f} s", "10 s"


def retag_cost(data: Path, tagger: Tagger, tables: seeds.Seeds) -> Iterator[ROWS]:
    """History is tagged, compared with what it had, and switched, marts included: when all changes, then when one topic does."""
    rules = tables.tables["rule"]
    fewer = Tagger({**tables.tables, "rule": rules.filter(pl.col("topic_id") != "border")})
    for name, one in (("all of which change", tagger), ("after the rules of a topic changed", fewer)):
        one.tag(conform(pl.DataFrame({"article_id": ["warm"], "body": ["Kosovo"], "lang": ["hbs"]}), DOCUMENT))
        with Store.writer(data) as store:
            n = retagging.n_stale(store, name)
            begun, cpu = time.perf_counter(), time.process_time()
            retagging.stage(store, one.tag, name)
            staged, staged_cpu = time.perf_counter() - begun, time.process_time() - cpu
            changes = retagging.switch(store, name, NEWEST)
            seconds, seconds_cpu = time.perf_counter() - begun, time.process_time() - cpu
        tagging = f"{staged:.0f} (CPU {staged_cpu:.0f}) of it to tag"
        what = f"{seconds:.0f} s (CPU {seconds_cpu:.0f}), {tagging}; {changes.height:,} changes"
        yield f"retag {n:,} articles, {name}", what, "60 s for 100,000"


MEASURES = ("landing", "queries", "publish", "growth", "stories", "retag")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=3650)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--keep", action="store_true", help="leave the archive, and use it when it is there")
    args = parser.parse_args()
    console = Console(width=130)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="balkanwatch-"))
    data = folder / f"archive-{args.articles}-{args.days}"
    tagger, tagged_by, tables = compiled(Settings.read(data=folder))
    table = Table(title=f"{args.articles:,} articles over {args.days:,} days")
    for name in ("what", "measured", "aim"):
        table.add_column(name)
    try:
        if not writer_path(data).exists():
            begun = time.perf_counter()
            build(data, args.articles, args.days, tables, tagged_by)
            console.print(f"built in {time.perf_counter() - begun:.0f} s, {writer_path(data).stat().st_size / 1e9:.2f} GB")
        measures: dict[str, Callable[[], Iterator[ROWS]]] = {
            "landing": lambda: landing_cost(data, tagger, tagged_by, tables, console),
            "publish": lambda: publish_cost(data),
            "queries": lambda: query_times(data, console),
            "growth": lambda: growth_cost(data, tagged_by, tables),
            "stories": lambda: stories_cost(data),
            "retag": lambda: retag_cost(data, tagger, tables),
        }
        for name, measure in measures.items():
            if name in args.only.split(","):
                for row in measure():
                    console.print(*row)
                    table.add_row(*row)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    console.print(table)
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
