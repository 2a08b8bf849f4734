-- question: Which places of a country are in the news, and with what?
-- grain: one row per place
-- $country = XK: country code
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
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
),

named as (
    select
        m.entity_id,
        c.story_id,
        c.article_id,
        c.outlet,
        m.surface
    from chosen as c
    inner join mention as m on c.article_id = m.article_id
    where m.kind = 'place' and m.country_code = $country
),

with_topic as (
    select
        n.entity_id,
        t.topic_id,
        count(distinct n.story_id) as n_stories
    from named as n
    inner join tag_effective as t on n.article_id = t.article_id
    group by n.entity_id, t.topic_id
),

front as (
    select
        entity_id,
        arg_max(topic_id, (n_stories, topic_id)) as leading_topic
    from with_topic
    group by entity_id
)

select
    n.entity_id as place,
    count(distinct n.story_id) as n_stories,
    count(distinct n.outlet) as n_outlets,
    count(*) as n_mentions,
    any_value(l.leading_topic) as leading_topic,
    list(distinct n.surface order by n.surface)[:6] as forms
from named as n
left join front as l on n.entity_id = l.entity_id
group by n.entity_id
order by n_stories desc, n_mentions desc, place
limit $limit::integer;
