-- question: Who carries whose texts? (pairs of outlets, the earlier and the later one of a story)
-- grain: one row per ordered pair of outlets
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 1: stories a pair has in common, at least
-- $limit = 50: rows at most
with carried as (
    select
        story_id,
        outlet,
        min(published_at) as first_at
    from article_side
    where published_day between $until::date - $days::integer + 1 and $until::date
    group by story_id, outlet
),

placed as (
    select
        *,
        row_number() over (partition by story_id order by first_at, outlet) as place,
        count(*) over (partition by outlet) as n_all
    from carried
)

select
    first.outlet as first_outlet,
    later.outlet as later_outlet,
    count(*) as n_stories,
    round(count(*) / any_value(later.n_all), 3) as share_of_later,
    round(median(date_diff('minute', first.first_at, later.first_at)) / 60, 1) as usual_lag_hours
from placed as first
inner join placed as later on first.story_id = later.story_id and later.place > 1
where first.place = 1
group by first.outlet, later.outlet
having count(*) >= $stories::integer
order by n_stories desc, first_outlet, later_outlet
limit $limit::integer;
