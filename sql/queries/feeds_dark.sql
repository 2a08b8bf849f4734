-- question: Which feeds and outlets have gone dark, against their own rhythm?
-- grain: one row per feed, and per outlet as a whole (no feed_id), that is silent
-- $limit = 50: rows at most
select
    outlet,
    feed_id,
    last_article_day,
    silent_days,
    median_gap_days,
    n_articles
from feed_silence
where is_silent
order by silent_days / median_gap_days desc, outlet, feed_id nulls first
limit $limit::integer;
