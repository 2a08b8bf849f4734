-- question: Which topics make headlines, and which stay in the text?
-- grain: one row per topic; an article is in the headline when a span of its title speaks for the topic
-- $country = *: country code, * for all
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
with chosen as (
    select article_id
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or side = $side)
        and (
            $country = '*'
            or article_id in (
                select f.article_id
                from focus_effective as f
                where f.is_focus and f.country_code = $country
            )
        )
),

tagged as (
    select
        t.article_id,
        t.topic_id,
        unnest(t.evidence).field = 'title' as is_in_title
    from chosen as c
    inner join tag as t on c.article_id = t.article_id
),

judged as (
    select
        article_id,
        topic_id,
        bool_or(is_in_title) as is_in_title
    from tagged
    group by article_id, topic_id
)

select
    topic_id,
    count(*) as n_articles,
    count(*) filter (where is_in_title) as n_in_headline,
    round(count(*) filter (where is_in_title) / count(*), 3) as share
from judged
group by topic_id
order by n_in_headline desc, n_articles desc, topic_id;
