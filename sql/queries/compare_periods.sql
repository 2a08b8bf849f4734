-- question: Which topics gained and lost against the period before?
-- grain: one row per topic, the greatest changes first
-- $country = *: country code, * for all
-- $side = *: side, * for all
-- $days = 30: length of each of the two periods
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- example: --days=21 --country=XK
with chosen as (
    select
        article_id,
        story_id,
        published_day > $until::date - $days::integer as is_now
    from article_side
    where
        published_day between $until::date - 2 * $days::integer + 1 and $until::date
        and ($side = '*' or side = $side)
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
        t.topic_id,
        count(distinct c.story_id) filter (where not c.is_now) as n_before,
        count(distinct c.story_id) filter (where c.is_now) as n_now
    from chosen as c
    inner join tag_effective as t on c.article_id = t.article_id
    group by t.topic_id
)

select
    c.topic_id,
    c.n_before,
    c.n_now,
    round(c.n_before / nullif(total.n_before, 0), 3) as share_before,
    round(c.n_now / nullif(total.n_now, 0), 3) as share_now,
    round(c.n_now / nullif(total.n_now, 0) - c.n_before / nullif(total.n_before, 0), 3) as change
from counted as c
cross join total
order by abs(change) desc nulls last, c.topic_id;
