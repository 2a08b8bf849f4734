-- question: Which articles stand behind a number?
-- grain: one row per article, the newest first
-- $country = XK: country code, * for all
-- $topic = border: topic_id, * for all
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 100: rows at most
-- example: --country=XK --topic=barricades
with chosen as (
    select
        s.article_id,
        s.published_day,
        s.side,
        s.story_id,
        scored.score,
        weighed.salience
    from article_side as s
    left join tag_effective as t on s.article_id = t.article_id and t.topic_id = $topic
    left join focus_effective as f on s.article_id = f.article_id and f.is_focus and f.country_code = $country
    left join tag as scored on t.article_id = scored.article_id and t.topic_id = scored.topic_id
    left join focus as weighed on f.article_id = weighed.article_id and f.country_code = weighed.country_code
    where
        s.published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or s.side = $side)
        and ($topic = '*' or t.topic_id is not null)
        and ($country = '*' or f.country_code is not null)
    order by s.published_day desc, s.article_id
    limit $limit::integer
)

select
    c.published_day as day,
    a.outlet,
    c.side,
    a.lang,
    a.title,
    round(c.score, 2) as score,
    round(c.salience, 2) as salience,
    c.story_id,
    a.url
from chosen as c
inner join article_text as a on c.article_id = a.article_id
order by c.published_day desc, c.article_id;
