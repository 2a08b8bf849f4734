-- question: Which articles name two countries or actors together?
-- grain: one row per article, the newest first
-- $first = RS: country code or actor_id
-- $second = XK: country code or actor_id
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 100: rows at most
-- example: --first=RS --second=XK
with recent as (
    select
        s.article_id,
        s.published_day,
        s.side,
        s.story_id
    from article_side as s
    where s.published_day between $until::date - $days::integer + 1 and $until::date
),

named as (
    select m.article_id
    from mention as m
    where
        (m.country_code in ($first, $second) or m.entity_id in ($first, $second))
        and m.article_id in (select r.article_id from recent as r)
    group by m.article_id
    having bool_or($first in (m.country_code, m.entity_id)) and bool_or($second in (m.country_code, m.entity_id))
),

chosen as (
    select r.*
    from recent as r
    where r.article_id in (select n.article_id from named as n)
    order by r.published_day desc, r.article_id
    limit $limit::integer
)

select
    c.published_day as day,
    a.outlet,
    c.side,
    a.lang,
    a.title,
    c.story_id,
    a.url
from chosen as c
inner join article_text as a on c.article_id = a.article_id
order by c.published_day desc, c.article_id;
