-- question: Which countries are named together? (edges of a network)
-- grain: one row per pair of countries
-- $days = 60: length of the period, which ends at the newest published day
-- $limit = 100: rows at most
select
    a.country_code as country_a,
    b.country_code as country_b,
    count(distinct s.story_id) as n_stories,
    count(distinct s.article_id) as n_articles
from article_side as s
inner join focus as a on s.article_id = a.article_id
inner join focus as b on s.article_id = b.article_id and a.country_code < b.country_code
where s.published_day > (select max(published_day) from article) - $days::integer
group by a.country_code, b.country_code
order by n_stories desc, n_articles desc, country_a, country_b
limit $limit::integer;
