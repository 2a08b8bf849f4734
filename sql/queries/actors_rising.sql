-- question: Who is named more than before?
-- grain: one row per person or organisation; growth is n_now against n_before scaled to as many stories, one added to both
-- $country = *: country code, * for all
-- $days = 30: length of each of the two periods
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 2: stories now, at least
-- $limit = 30: rows at most
-- example: --days=21
with chosen as (
    select
        article_id,
        story_id,
        published_day > $until::date - $days::integer as is_now
    from article_side
    where
        published_day between $until::date - 2 * $days::integer + 1 and $until::date
        and (
            $country = '*'
            or article_id in (
                select f.article_id
                from focus_effective as f
                where f.is_focus and f.country_code = $country
            )
        )
),

total as (
    select
        count(distinct story_id) filter (where is_now) as n_now,
        count(distinct story_id) filter (where not is_now) as n_before
    from chosen
),

counted as (
    select
        m.entity_id as actor_id,
        count(distinct c.story_id) filter (where not c.is_now) as n_before,
        count(distinct c.story_id) filter (where c.is_now) as n_now
    from chosen as c
    inner join mention as m on c.article_id = m.article_id
    where m.entity_id in (select actor_id from actor)
    group by m.entity_id
)

select
    c.actor_id,
    ac.name,
    ac.category,
    c.n_before,
    c.n_now,
    round((c.n_now + 1) / (c.n_before * coalesce(total.n_now / nullif(total.n_before, 0), 1) + 1), 2) as growth
from counted as c
inner join actor as ac on c.actor_id = ac.actor_id
cross join total
where c.n_now >= $stories::integer
order by growth desc, c.n_now desc, c.actor_id
limit $limit::integer;
