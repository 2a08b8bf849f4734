-- question: Do state, independent and foreign-state media give a topic the same weight?
-- grain: one row per alignment of outlets
-- $country = *: country code, * for all
-- $topic = foreign_influence: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
with chosen as (
    select *
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
)

select
    c.alignment,
    count(distinct c.outlet) as n_outlets,
    count(distinct c.story_id) as n_all,
    count(distinct c.story_id) filter (where $topic = '*' or t.topic_id is not null) as n_stories,
    round(count(distinct c.story_id) filter (where $topic = '*' or t.topic_id is not null) / count(distinct c.story_id), 3) as share
from chosen as c
left join tag_effective as t on c.article_id = t.article_id and t.topic_id = $topic
group by c.alignment
order by share desc, c.alignment;
