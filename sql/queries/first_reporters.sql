-- question: Which outlets report first, and which follow? (stories that at least two outlets carried)
-- grain: one row per outlet
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 1: shared stories of the outlet, at least
-- $limit = 30: rows at most
with chosen as (
    select
        story_id,
        outlet,
        any_value(side) as side,
        min(published_at) as first_at
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and (
            $country = '*'
            or article_id in (
                select f.article_id
                from focus_effective as f
                where f.is_focus and f.country_code = $country
            )
        )
        and (
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
    group by story_id, outlet
),

raced as (
    select
        outlet,
        side,
        date_diff('minute', min(first_at) over (partition by story_id), first_at) / 60 as lag_hours,
        row_number() over (partition by story_id order by first_at, outlet) = 1 as is_first,
        count(*) over (partition by story_id) as n_outlets
    from chosen
)

select
    outlet,
    any_value(side) as side,
    count(*) as n_stories,
    count(*) filter (where is_first) as n_first,
    round(count(*) filter (where is_first) / count(*), 3) as share_first,
    round(median(lag_hours) filter (where not is_first), 1) as usual_lag_hours
from raced
where n_outlets > 1
group by outlet
having count(*) >= $stories::integer
order by n_first desc, n_stories desc, outlet
limit $limit::integer;
