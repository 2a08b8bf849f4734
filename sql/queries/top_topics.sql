-- question: Which topics lead in each country?
-- grain: one row per country and topic, the five strongest topics a country
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $group = region: a group of countries from seeds/country.csv (core, region, outside ...)
-- example: --group=core
with cell as (
    select
        c.code,
        c.name_en as country,
        t.topic_id,
        s.story_id,
        s.article_id
    from article_side as s
    inner join focus_effective as f on s.article_id = f.article_id and f.is_focus
    inner join country as c on f.country_code = c.code and list_contains(c.groups, $group)
    inner join tag_effective as t on s.article_id = t.article_id
    where s.published_day between $until::date - $days::integer + 1 and $until::date
)

select
    code,
    country,
    topic_id,
    count(distinct story_id) as n_stories,
    count(distinct article_id) as n_articles
from cell
group by code, country, topic_id
qualify row_number() over (partition by code order by n_stories desc, n_articles desc, topic_id) <= 5
order by code, n_stories desc, n_articles desc, topic_id;
