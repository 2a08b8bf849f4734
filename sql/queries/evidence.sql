-- question: Which sentences stand behind a number? (the spans that tagged a topic in articles about a country)
-- grain: one row per evidence span
-- $country = XK: country code
-- $topic = border: topic_id
-- $days = 60: length of the period, which ends at the newest published day
-- $limit = 50: rows at most
select
    a.published_day as day,
    a.outlet,
    a.title,
    e.rule_id,
    e.surface,
    substring(a.body, greatest(e.char_start - 60, 0) + 1, 160) as context,
    a.url
from tag_evidence as e
inner join article_text as a on e.article_id = a.article_id
inner join focus as f on e.article_id = f.article_id and f.is_focus and f.country_code = $country
where
    e.topic_id = $topic
    and e.field = 'body'
    and a.published_day > (select max(published_day) from article) - $days::integer
order by a.published_day desc, e.article_id, e.char_start
limit $limit::integer;
