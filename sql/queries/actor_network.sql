-- question: Which people and organisations are named together? (edges of a network)
-- grain: one row per pair of actors; lift is how many times more often than by chance, pmi its binary logarithm
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 2: stories a pair has in common, at least
-- $limit = 100: rows at most
with chosen as (
    select
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
        and (
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
),

total as (
    select count(distinct story_id) as n_all
    from chosen
),

named as (
    select distinct
        m.entity_id,
        c.article_id,
        c.story_id
    from chosen as c
    inner join mention as m on c.article_id = m.article_id
    where m.entity_id in (select actor_id from actor)
),

size as (
    select
        entity_id,
        count(distinct story_id) as n_stories
    from named
    group by entity_id
),

edge as (
    select
        a.entity_id as id_a,
        b.entity_id as id_b,
        count(distinct a.story_id) as n_stories,
        count(distinct a.article_id) as n_articles
    from named as a
    inner join named as b on a.article_id = b.article_id and a.entity_id < b.entity_id
    group by a.entity_id, b.entity_id
    having count(distinct a.story_id) >= $stories::integer
)

select
    e.id_a as actor_a,
    e.id_b as actor_b,
    e.n_stories,
    e.n_articles,
    round(e.n_stories * t.n_all / (a.n_stories * b.n_stories), 2) as lift,
    round(log2(e.n_stories * t.n_all / (a.n_stories * b.n_stories)), 2) as pmi,
    first.name as name_a,
    second.name as name_b
from edge as e
inner join size as a on e.id_a = a.entity_id
inner join size as b on e.id_b = b.entity_id
inner join actor as first on e.id_a = first.actor_id
inner join actor as second on e.id_b = second.actor_id
cross join total as t
order by e.n_stories desc, e.n_articles desc, actor_a, actor_b
limit $limit::integer;
