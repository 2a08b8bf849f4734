-- question: In which languages and scripts is it told?
-- grain: one row per language and script
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
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
    lang,
    script,
    count(*) as n_articles,
    count(distinct story_id) as n_stories,
    count(distinct outlet) as n_outlets,
    round(count(*) / sum(count(*)) over (), 3) as share_articles
from chosen
group by lang, script
order by n_articles desc, lang, script;
