-- question: Which countries are written about, and which are only named in passing?
-- grain: one row per country
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 50: rows at most
with chosen as (
    select
        article_id,
        story_id
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or side = $side)
)

select
    f.country_code,
    count(distinct c.story_id) filter (where f.is_focus) as n_focus,
    count(distinct c.story_id) as n_mention,
    round(count(distinct c.story_id) filter (where f.is_focus) / count(distinct c.story_id), 3) as share_focus,
    round(avg(weighed.salience), 2) as mean_salience
from chosen as c
inner join focus_effective as f on c.article_id = f.article_id
left join focus as weighed on f.article_id = weighed.article_id and f.country_code = weighed.country_code
group by f.country_code
order by n_mention desc, f.country_code
limit $limit::integer;
