-- question: Which countries does each side write about?
-- grain: one row per side and country; lift compares the side's share with that of all sides
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $top = 5: countries a side
with chosen as (
    select
        article_id,
        story_id,
        side
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and (
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
),

size as (
    select
        side,
        count(distinct story_id) as n_all
    from chosen
    group by side
),

country_share as (
    select
        f.country_code,
        count(distinct c.story_id) / (select count(distinct story_id) from chosen) as share_all
    from chosen as c
    inner join focus_effective as f on c.article_id = f.article_id and f.is_focus
    group by f.country_code
)

select
    c.side,
    f.country_code,
    count(distinct c.story_id) as n_stories,
    round(count(distinct c.story_id) / any_value(size.n_all), 3) as share,
    round(count(distinct c.story_id) / any_value(size.n_all) / any_value(cs.share_all), 2) as lift
from chosen as c
inner join focus_effective as f on c.article_id = f.article_id and f.is_focus
inner join size on c.side = size.side
inner join country_share as cs on f.country_code = cs.country_code
group by c.side, f.country_code
qualify row_number() over (partition by c.side order by n_stories desc, f.country_code) <= $top::integer
order by c.side, n_stories desc, f.country_code;
