-- question: Which articles about the region have no topic? (what the rules may have missed)
-- grain: one row per article, the newest first
-- $group = core: a group of countries from seeds/country.csv
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 50: rows at most
with chosen as (
    select
        s.article_id,
        s.published_day,
        s.side,
        list(f.country_code order by f.country_code) as countries
    from article_side as s
    inner join focus_effective as f on s.article_id = f.article_id and f.is_focus
    inner join country as c on f.country_code = c.code and list_contains(c.groups, $group)
    where
        s.published_day between $until::date - $days::integer + 1 and $until::date
        and s.article_id not in (select t.article_id from tag_effective as t)
    group by s.article_id, s.published_day, s.side
    order by s.published_day desc, s.article_id
    limit $limit::integer
)

select
    c.published_day as day,
    a.outlet,
    c.side,
    a.lang,
    c.countries,
    a.title,
    a.url
from chosen as c
inner join article_text as a on c.article_id = a.article_id
order by c.published_day desc, c.article_id;
