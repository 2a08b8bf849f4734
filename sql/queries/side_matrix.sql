-- question: Which side covers a topic, and which is silent?
-- grain: one row per side with articles and topic
-- $country = *: country code, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- example: --country=XK
with chosen as (
    select
        side,
        article_id,
        story_id
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
),

size as (
    select
        side,
        count(distinct story_id) as n_all
    from chosen
    group by side
),

topic_share as (
    select
        t.topic_id,
        count(distinct c.story_id) / (select count(distinct story_id) from chosen) as share_all
    from chosen as c
    inner join tag_effective as t on c.article_id = t.article_id
    group by t.topic_id
),

cell as (
    select
        c.side,
        t.topic_id,
        count(distinct c.story_id) as n_stories
    from chosen as c
    inner join tag_effective as t on c.article_id = t.article_id
    group by c.side, t.topic_id
)

select
    size.side,
    topic.topic_id,
    coalesce(cell.n_stories, 0) as n_stories,
    round(coalesce(cell.n_stories, 0) / size.n_all, 3) as share,
    round(coalesce(ts.share_all, 0), 3) as share_all,
    coalesce(cell.n_stories, 0) = 0 and coalesce(ts.share_all, 0) * size.n_all >= 3 as is_silent
from size
cross join topic
left join topic_share as ts on topic.topic_id = ts.topic_id
left join cell on size.side = cell.side and topic.topic_id = cell.topic_id
order by size.side, n_stories desc, topic.topic_id;
