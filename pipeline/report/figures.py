"""What the brief counts: every frame of it, from one snapshot, restricted to the period and the one before.

Only the curves over time read the coverage mart; all other counts are exact distinct counts over the articles of two periods.
`Figures.read` puts these into temporary tables (`art`, `about`, `tagged`, `changed`, `told`, `named`) of the reader's own
connection, a little further back than it counts: the sentences behind curves and expectations come from there.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipeline.errors import InputError
from pipeline.trends import BASELINE_DAYS
from pipeline.warehouse import Store

CORE = ("XK", "RS", "BA", "ME", "MK", "AL")
N_BINS = 56  # days a curve shows at most; longer histories are averaged by week
N_BURSTS, N_LEADING, N_STORIES, N_EDITS, N_FEEDS, N_EXAMPLES, N_NODES, N_PAIRS = 6, 3, 8, 6, 15, 5, 14, 30
CURVES = 4  # periods before this one that a curve shows
MIN_CURVE = 28  # days a curve shows at least
MAX_REACH = 400  # days from which sentences behind a curve are taken


@dataclass(frozen=True)
class Period:
    """Days from `since` to `until`, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        """Its length."""
        return (self.until - self.since).days + 1

    @property
    def before(self) -> "Period":
        """The period of the same length that ends the day before."""
        return Period(self.since - timedelta(days=self.days), self.since - timedelta(days=1))

    @property
    def kind(self) -> str:
        """day, week or other."""
        return {1: "day", 7: "week"}.get(self.days, "other")

    @classmethod
    def ending(cls, store: Store, days: int = 7, since: date | None = None, until: date | None = None) -> "Period":
        """`days` days, or those from `since`, up to `until`: by default the newest published day of the warehouse."""
        if until is None:
            newest = store.read("from newest_day")["day"]
            if not len(newest):
                raise InputError("There are no articles in the warehouse yet.")
            until = newest[0]
        since = until - timedelta(days=days - 1) if since is None else since
        if since > until:
            raise InputError(f"The period ends ({until}) before it begins ({since}).")
        return cls(since, until)


@dataclass
class Figures:
    """The frames of one brief; a column `n` counts stories of the period, `n_before` those of the period before."""

    period: Period
    totals: dict[str, int]  # n, n_before, n_articles, n_articles_before, n_outlets, n_outlets_before, n_edits, n_edits_before
    has_before: bool  # does the warehouse reach back over the whole period before?
    countries: pl.DataFrame  # code, n, n_before
    topics: pl.DataFrame  # topic_id, n, n_before, n_articles, n_outlets
    cells: pl.DataFrame  # code, topic_id, n, n_before
    sides: pl.DataFrame  # side, n, n_outlets
    side_topics: pl.DataFrame  # side, topic_id, n, share
    curves: pl.DataFrame  # key (country code or topic_id), bin (first day), n (stories a day)
    bins: list[date]  # the first day of each step of a curve
    step: int  # days a step
    bursts: pl.DataFrame  # code, topic_id, day, observed, expected, q_value, n_days; n_all: how many there are, shown or not
    stories: pl.DataFrame  # story_id, n_articles, n_outlets, title, lang, script, url, outlet, day, sides, topic_id
    edits: pl.DataFrame  # article_id, outlet, url, lang, script, title, first_title, body, first_body, n_versions, day
    leading: pl.DataFrame  # code, topic_id, story_id, n_outlets, title, lang, script, url, outlet: of each burst
    nodes: pl.DataFrame  # node, kind (country, actor), name, n
    pairs: pl.DataFrame  # a, b, n
    feeds: pl.DataFrame  # state, n
    problems: pl.DataFrame  # feed_id, outlet, state, n_failures, silent_days, reason, moved_to
    examples: pl.DataFrame  # state, feed_id, outlet, last_success_at, last_day, n_failures, last_error: some feeds of each state

    @classmethod
    def read(cls, store: Store, period: Period) -> "Figures":
        """Count everything; takes seconds on a million articles."""
        (oldest,) = store.read("select min(published_day) as day from article")["day"]
        bins, step = _bins(period, oldest)
        reach = min(
            period.before.since,
            period.since - timedelta(days=BASELINE_DAYS),
            max(bins[0], period.until - timedelta(days=MAX_REACH)),
        )
        ask = _Asker(store, period, reach)
        for sql in PREPARE:
            ask(sql)
        nodes, bursts = ask(NODES), ask(BURSTS)
        store.read(NAMED, node_=nodes)
        stories, edits = ask(STORIES), ask(EDITS)
        leading = store.read(LEADING, burst_=bursts.select("code", "topic_id", "day"))
        first = edits.select("article_id", version=pl.lit(1, pl.Int32))
        ids = pl.concat([frame.select("article_id", "version") for frame in (stories, edits, leading)] + [first]).unique()
        texts = store.read(TEXTS, id_=ids)  # by rowid, or every text would be read
        first_texts = texts.filter(version=1).select("article_id", first_title="title", first_body="body")
        key = ["article_id", "version"]
        return cls(
            period, {**ask(TOTALS).row(0, named=True), **ask(EDIT_COUNT).row(0, named=True)},
            has_before=oldest is not None and oldest <= period.before.since,
            countries=ask(COUNTRIES), topics=ask(TOPICS), cells=ask(CELLS), sides=ask(SIDES), side_topics=ask(SIDE_TOPICS),
            curves=_curves(store, bins, step, period), bins=bins, step=step, bursts=bursts,
            stories=stories.join(texts, on=key, how="left", maintain_order="left"),
            edits=edits.join(texts, on=key, how="left", maintain_order="left")
            .join(first_texts, on="article_id", how="left", maintain_order="left"),
            leading=leading.join(texts, on=key, how="left", maintain_order="left"), nodes=nodes,
            pairs=ask(PAIRS), feeds=ask(FEEDS), problems=ask(PROBLEMS),
            examples=ask(EXAMPLES),
        )  # fmt: skip


class _Asker:
    """Asks with the days of the brief as parameters."""

    def __init__(self, store: Store, period: Period, reach: date) -> None:
        self._store = store
        self._days = {"since": period.since, "until": period.until, "start": period.before.since, "reach": reach}

    def __call__(self, sql: str) -> pl.DataFrame:
        return self._store.read(sql, **{name: day for name, day in self._days.items() if f"${name}" in sql})


def _bins(period: Period, first: date | None) -> tuple[list[date], int]:
    """The steps of the curves: days, or weeks when there are many, the last ending with the period."""
    days = max(period.days * (CURVES + 1), MIN_CURVE)
    if first is not None:  # no more than one period of emptiness before the first article
        days = min(days, max((period.until - first).days + 1, period.days * 2, 14))
    step = 1 if days <= N_BINS else 7
    days = -(-days // step) * step
    return [period.until - timedelta(days=n - 1) for n in range(days, 0, -step)], step


def _curves(store: Store, bins: list[date], step: int, period: Period) -> pl.DataFrame:
    values = {"start": bins[0], "until": period.until, "step": step}
    return store.read(CURVE, **values)


PREPARE = (
    """
    create or replace temp table health as
    select feed_id, outlet, state, n_failures, silent_days, note, last_error, moved_to, last_success_at
    from feed_health where is_active
    """,
    """
    create or replace temp table art as
    select article_id, story_id, outlet, owner, side, lang, published_day as day, published_day >= $since as is_now,
        published_day between $start and $since - 1 as is_before
    from article_side where published_day between $reach and $until
    """,
    """
    create or replace temp table about as
    select f.article_id, f.country_code as code from focus_effective as f
    where f.is_focus and f.article_id in (select article_id from art)
    """,
    """
    create or replace temp table tagged as
    select t.article_id, t.topic_id from tag_effective as t where t.article_id in (select article_id from art)
    """,
    """
    create or replace temp table changed as
    select article_id from article where published_day between $reach and $until and n_versions > 1
    """,
    """
    create or replace temp table told as
    select story_id, count(*) filter (is_now)::integer as n_articles,
        count(distinct outlet) filter (is_now)::integer as n_outlets,
        count(distinct outlet)::integer as n_outlets_ever, max(day) as last_day
    from art group by story_id
    """,
)

N = "count(distinct story_id) filter (is_now)::integer as n, count(distinct story_id) filter (is_before)::integer as n_before"

TOTALS = f"""
select {N}, count(*) filter (is_now)::integer as n_articles, count(*) filter (is_before)::integer as n_articles_before,
    count(distinct outlet) filter (is_now)::integer as n_outlets,
    count(distinct outlet) filter (is_before)::integer as n_outlets_before
from art
"""
EDIT_COUNT = """
select count(*) filter (is_now)::integer as n_edits, count(*) filter (is_before)::integer as n_edits_before
from art inner join changed using (article_id)
"""
COUNTRIES = f"select code, {N} from art inner join about using (article_id) group by code order by n desc, code"
TOPICS = f"""
select topic_id, {N}, count(distinct article_id) filter (is_now)::integer as n_articles,
    count(distinct outlet) filter (is_now)::integer as n_outlets
from art inner join tagged using (article_id) group by topic_id order by n desc, n_before desc, topic_id
"""
CELLS = f"""
select code, topic_id, {N}
from art inner join about using (article_id) inner join tagged using (article_id) group by code, topic_id
order by n desc, code, topic_id
"""
SIDES = """
select side, count(distinct story_id)::integer as n, count(distinct outlet)::integer as n_outlets
from art where is_now group by side order by n desc, side
"""
SIDE_TOPICS = """
with total as (select side, count(distinct story_id) as n_all from art where is_now group by side)
select side, topic_id, count(distinct story_id)::integer as n, count(distinct story_id) / any_value(n_all) as share
from art inner join tagged using (article_id) inner join total using (side) where is_now
group by side, topic_id order by side, n desc, topic_id
"""
CURVE = """
select case when country_code <> '*' then country_code else topic_id end as key,
    $start::date + ((day - $start::date) // $step * $step)::integer as bin, sum(n_stories) / $step as n
from coverage
where day between $start and $until and side = '*' and lang = '*' and basis = 'focus'
    and (country_code = '*') <> (topic_id = '*')
group by key, bin order by key, bin
"""
BURSTS = f"""
with cell as (
    select country_code as code, topic_id, arg_min(day, p_value) as day, count(*)::integer as n_days
    from burst
    where is_burst and day between $since and $until and country_code <> '*' and topic_id <> '*'
    group by country_code, topic_id
)
select c.code, c.topic_id, c.day, c.n_days, b.observed, b.expected, b.q_value, b.p_value, count(*) over ()::integer as n_all
from cell as c inner join burst as b on c.code = b.country_code and c.topic_id = b.topic_id and c.day = b.day
order by b.p_value, b.observed - b.expected desc, c.code, c.topic_id limit {N_BURSTS}
"""
STORIES = f"""
with chosen as (
    select story_id, n_articles, n_outlets, last_day
    from told
    where story_id in (select story_id from art inner join tagged using (article_id) where is_now)
    order by n_outlets desc, n_articles desc, last_day desc, story_id limit {N_STORIES}
),
lead as (
    select a.story_id, arg_min(a.article_id, (x.published_at, a.article_id)) as article_id,
        list(distinct a.side order by a.side) as sides,
        list(distinct t.topic_id order by t.topic_id) filter (t.topic_id is not null) as topics
    from art as a inner join article as x using (article_id) left join tagged as t on a.article_id = t.article_id
    where a.is_now and a.story_id in (select story_id from chosen) group by a.story_id
)
select c.story_id, c.n_articles, c.n_outlets, x.article_id, x.version, x.lang, x.script, x.url, x.outlet, x.published_day as day,
    l.sides, l.topics
from chosen as c inner join lead as l using (story_id) inner join article as x on l.article_id = x.article_id
order by c.n_outlets desc, c.n_articles desc, c.last_day desc, c.story_id
"""
EDITS = f"""
select article_id, version, n_versions, outlet, url, lang, script, published_day as day
from article
where published_day between $since and $until and n_versions > 1
order by article_id in (select article_id from tagged) desc, n_versions desc, published_at desc, article_id limit {N_EDITS}
"""
TEXTS = """
select article_id, version, title, body from article_version
where rowid in (select rowid from article_version where article_id in (select article_id from id_))
"""
NODES = f"""
with named as (
    select article_id, country_code as node, 'country' as kind from focus
    where article_id in (select article_id from art where is_now)
    union
    select m.article_id, m.entity_id, 'actor' from mention as m
    where m.kind <> 'country' and m.article_id in (select article_id from art where is_now)
        and m.entity_id in (select actor_id from actor)
)
select n.node, n.kind, coalesce(any_value(ac.name), n.node) as name, count(distinct a.story_id)::integer as n
from named as n inner join art as a using (article_id) left join actor as ac on n.node = ac.actor_id and n.kind = 'actor'
group by n.node, n.kind
having count(distinct a.story_id) > 1
order by n desc, node limit {N_NODES}
"""
NAMED = """
create or replace temp table named as
select f.article_id, f.country_code as node
from focus as f inner join node_ as k on f.country_code = k.node and k.kind = 'country'
where f.article_id in (select article_id from art where is_now)
union
select m.article_id, m.entity_id from mention as m inner join node_ as k on m.entity_id = k.node and k.kind = 'actor'
where m.article_id in (select article_id from art where is_now)
"""
PAIRS = f"""
select x.node as a, y.node as b, count(distinct art.story_id)::integer as n
from named as x inner join named as y on x.article_id = y.article_id and x.node < y.node
inner join art on x.article_id = art.article_id
group by x.node, y.node order by n desc, a, b limit {N_PAIRS}
"""
LEADING = f"""
with cell as (
    select b.code, b.topic_id, art.story_id, count(distinct art.outlet)::integer as n_outlets, min(art.article_id) as article_id
    from burst_ as b inner join about on b.code = about.code inner join tagged on b.topic_id = tagged.topic_id
    inner join art on about.article_id = art.article_id and tagged.article_id = art.article_id and art.day = b.day
    group by b.code, b.topic_id, art.story_id
    qualify row_number() over (partition by b.code, b.topic_id order by n_outlets desc, art.story_id) <= {N_LEADING}
)
select c.*, a.version, a.lang, a.script, a.url, a.outlet
from cell as c inner join article as a on c.article_id = a.article_id
order by c.code, c.topic_id, c.n_outlets desc, c.story_id
"""
FEEDS = "select state, count(*)::integer as n from health group by state order by n desc, state"
PROBLEMS = f"""
select feed_id, outlet, state, n_failures, silent_days, coalesce(note, last_error) as reason, moved_to
from health where (state in ('failing', 'silent', 'gap') or moved_to is not null)
order by list_position(['silent', 'failing', 'gap'], state) nulls last, n_failures desc, feed_id limit {N_FEEDS}
"""
EXAMPLES = f"""
select state, feed_id, outlet, last_success_at, n_failures, last_error,
    (select day from newest_day) - silent_days::integer as last_day
from health
qualify row_number() over (partition by state order by n_failures desc, silent_days desc nulls last, feed_id)
    <= case when state in ('failing', 'silent', 'gap') then {N_FEEDS} else {N_EXAMPLES} end
order by state, n_failures desc, silent_days desc nulls last, feed_id
"""
