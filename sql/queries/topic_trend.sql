-- question: How much is a topic covered in a country, day by day?
-- grain: one row per day with at least one article on the topic
-- $country = XK: country code, * for all
-- $topic = border: topic_id, * for all
-- $days = 60: length of the period, which ends at the newest published day
with article_day as (
    select *
    from article_side
    where published_day > (select max(published_day) from article) - $days::integer
),

total as (
    select
        published_day,
        count(distinct story_id) as n_all
    from article_day
    group by published_day
)

select
    a.published_day as day,
    count(distinct a.article_id) as n_articles,
    count(distinct a.story_id) as n_stories,
    count(distinct a.outlet) as n_outlets,
    count(distinct a.owner) as n_owners,
    round(count(distinct a.story_id) / any_value(total.n_all), 3) as share
from article_day as a
inner join total on a.published_day = total.published_day
where
    (
        $country = '*'
        or a.article_id in (
            select f.article_id
            from focus as f
            where f.is_focus and f.country_code = $country
        )
    )
    and (
        $topic = '*'
        or a.article_id in (
            select t.article_id
            from tag as t
            where t.topic_id = $topic
        )
    )
group by a.published_day
order by a.published_day;
