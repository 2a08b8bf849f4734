-- question: Who and what was named for the first time?
-- grain: one row per person, organisation or place that no earlier article names
-- $days = 7: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 30: rows at most
-- example: --days=10
with recent as (
    select
        m.entity_id,
        any_value(m.kind) filter (where m.kind <> 'role') as kind,
        arg_min(m.surface, (s.published_at, s.article_id, m.char_start)) as first_form,
        min(s.published_day) as first_day,
        arg_min(s.article_id, (s.published_at, s.article_id)) as article_id,
        count(distinct s.story_id) as n_stories,
        count(distinct s.outlet) as n_outlets
    from article_side as s
    inner join mention as m on s.article_id = m.article_id
    where
        s.published_day between $until::date - $days::integer + 1 and $until::date
        and m.kind in ('person', 'organisation', 'place', 'role')
    group by m.entity_id
),

-- whoever is named nowhere but since then is new: counting all mentions needs no dates of all articles
since as (
    select article_id
    from article
    where published_day > $until::date - $days::integer or published_day is null
),

named_since as (
    select
        m.entity_id,
        count(*) as n_mentions
    from mention as m
    where m.article_id in (select s.article_id from since as s) and m.entity_id in (select r.entity_id from recent as r)
    group by m.entity_id
),

named_ever as (
    select
        m.entity_id,
        count(*) as n_mentions
    from mention as m
    where m.entity_id in (select r.entity_id from recent as r)
    group by m.entity_id
),

fresh as (
    select r.*
    from recent as r
    inner join named_since as s on r.entity_id = s.entity_id
    inner join named_ever as e on r.entity_id = e.entity_id and s.n_mentions = e.n_mentions
    order by r.n_stories desc, r.first_day, r.entity_id
    limit $limit::integer
)

select
    f.entity_id,
    coalesce(f.kind, 'role') as kind,
    f.first_form,
    f.first_day,
    a.outlet as first_outlet,
    f.n_stories,
    f.n_outlets,
    a.title,
    a.url
from fresh as f
inner join article_text as a on f.article_id = a.article_id
order by f.n_stories desc, f.first_day, f.entity_id;
