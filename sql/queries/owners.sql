-- question: How many owners stand behind the coverage, and who leads?
-- grain: one row per owner; an outlet whose owner is unknown is its own
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 30: rows at most
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

total as (
    select
        count(*) as n_articles,
        count(distinct story_id) as n_stories
    from chosen
)

select
    c.owner,
    count(distinct c.outlet) as n_outlets,
    count(*) as n_articles,
    count(distinct c.story_id) as n_stories,
    round(count(*) / any_value(total.n_articles), 3) as share_articles,
    round(count(distinct c.story_id) / any_value(total.n_stories), 3) as share_stories
from chosen as c
cross join total
group by c.owner
order by n_stories desc, n_articles desc, c.owner
limit $limit::integer;
