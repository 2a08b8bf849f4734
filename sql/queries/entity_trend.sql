-- question: How often is a person, organisation, office or place named over time?
-- grain: one row per week with at least one mention
-- $entity = nato: actor_id, role_id, place or country code; a person counts also when only the office is named
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
with chosen as (
    select
        date_trunc('week', published_day)::date as week,
        article_id,
        story_id,
        outlet
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or side = $side)
),

total as (
    select
        week,
        count(distinct story_id) as n_all
    from chosen
    group by week
)

select
    c.week,
    count(distinct c.article_id) as n_articles,
    count(distinct c.story_id) as n_stories,
    count(distinct c.outlet) as n_outlets,
    count(*) as n_mentions,
    count(*) filter (where m.kind = 'role') as n_by_office,
    round(count(distinct c.story_id) / any_value(total.n_all), 3) as share
from chosen as c
inner join mention as m on c.article_id = m.article_id
inner join total on c.week = total.week
where $entity in (m.entity_id, m.role_id)
group by c.week
order by c.week;
