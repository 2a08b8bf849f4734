-- question: Which numbers rest on few sources?
-- grain: one row per country and topic with few owners, the most articles first
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $articles = 3: articles in the cell, at least
-- $owners = 2: owners in the cell, at most
-- $limit = 50: rows at most
with by_owner as (
    select
        f.country_code,
        t.topic_id,
        s.owner,
        count(distinct s.article_id) as n_articles
    from article_side as s
    inner join focus_effective as f on s.article_id = f.article_id and f.is_focus
    inner join tag_effective as t on s.article_id = t.article_id
    where s.published_day between $until::date - $days::integer + 1 and $until::date
    group by f.country_code, t.topic_id, s.owner
)

select
    country_code,
    topic_id,
    sum(n_articles)::bigint as n_articles,
    count(*) as n_owners,
    arg_max(owner, (n_articles, owner)) as main_owner,
    round(max(n_articles) / sum(n_articles), 3) as share_of_main
from by_owner
group by country_code, topic_id
having sum(n_articles) >= $articles::integer and count(*) <= $owners::integer
order by n_articles desc, country_code, topic_id
limit $limit::integer;
