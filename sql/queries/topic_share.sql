-- question: How does attention move between topics, week by week?
-- grain: one row per week and topic, the leading topics of each week
-- $country = *: country code, * for all
-- $side = *: side, * for all
-- $top = 8: topics a week
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- example: --country=XK --top=3
with chosen as (
    select
        date_trunc('week', published_day)::date as week,
        article_id,
        story_id
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
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
        week,
        count(distinct story_id) as n_all
    from chosen
    group by week
)

select
    c.week,
    t.topic_id,
    count(distinct c.story_id) as n_stories,
    any_value(total.n_all) as n_all,
    round(count(distinct c.story_id) / any_value(total.n_all), 3) as share
from chosen as c
inner join tag_effective as t on c.article_id = t.article_id
inner join total on c.week = total.week
group by c.week, t.topic_id
qualify row_number() over (partition by c.week order by n_stories desc, t.topic_id) <= $top::integer
order by c.week, n_stories desc, t.topic_id;
