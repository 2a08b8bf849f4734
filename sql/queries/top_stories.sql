-- question: Which stories were carried most widely?
-- grain: one row per story with an article in the period
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 20: rows at most
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
        and (
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
),

counted as (
    select
        story_id,
        count(*) as n_articles,
        count(distinct outlet) as n_outlets,
        count(distinct owner) as n_owners,
        count(distinct side) as n_sides,
        min(published_at) as first_at,
        arg_min(article_id, (published_at, article_id)) as article_id
    from chosen
    group by story_id
    order by n_owners desc, n_outlets desc, n_articles desc, first_at desc, story_id
    limit $limit::integer
)

select
    c.story_id,
    c.first_at,
    a.outlet as first_outlet,
    c.n_articles,
    c.n_outlets,
    c.n_owners,
    c.n_sides,
    a.title,
    a.url
from counted as c
inner join article_text as a on c.article_id = a.article_id
order by c.n_owners desc, c.n_outlets desc, c.n_articles desc, c.first_at desc, c.story_id;
