-- question: Who is in the news?
-- grain: one row per person or organisation
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 30: rows at most
with chosen as (
    select
        article_id,
        story_id,
        outlet
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
)

select
    m.entity_id as actor_id,
    any_value(ac.name) as name,
    any_value(ac.category) as category,
    count(distinct c.story_id) as n_stories,
    count(distinct c.outlet) as n_outlets,
    count(*) as n_mentions
from mention as m
inner join chosen as c on m.article_id = c.article_id
inner join actor as ac on m.entity_id = ac.actor_id
group by m.entity_id
order by n_stories desc, n_mentions desc, actor_id
limit $limit::integer;
