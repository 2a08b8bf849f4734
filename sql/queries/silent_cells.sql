-- question: What do the others report that one side leaves out?
-- grain: one row per country and topic that the side covers less than the others, the greatest gaps first
-- $side = belgrade: side
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $expected = 1: stories to be expected of the side, at least
-- $limit = 30: rows at most
with chosen as (
    select
        article_id,
        story_id,
        side = $side as is_side
    from article_side
    where published_day between $until::date - $days::integer + 1 and $until::date
),

total as (
    select
        count(distinct story_id) filter (where is_side) as n_side,
        count(distinct story_id) filter (where not is_side) as n_others
    from chosen
),

cell as (
    select
        f.country_code,
        t.topic_id,
        count(distinct c.story_id) filter (where c.is_side) as n_side,
        count(distinct c.story_id) filter (where not c.is_side) as n_others
    from chosen as c
    inner join focus_effective as f on c.article_id = f.article_id and f.is_focus
    inner join tag_effective as t on c.article_id = t.article_id
    group by f.country_code, t.topic_id
)

select
    c.country_code,
    c.topic_id,
    c.n_others,
    c.n_side,
    round(c.n_others * total.n_side / total.n_others, 1) as expected
from cell as c
cross join total
where
    c.n_others * total.n_side >= $expected::double * total.n_others
    and c.n_side < c.n_others * total.n_side / total.n_others
order by c.n_others * total.n_side / total.n_others - c.n_side desc, c.country_code, c.topic_id
limit $limit::integer;
