-- question: Which articles were changed after publication?
-- grain: one row per article with more than one version
-- $limit = 50: rows at most
select
    a.article_id,
    a.outlet,
    a.n_versions,
    first.title as first_title,
    a.title as title_now,
    a.url
from article_text as a
inner join article_version as first on a.article_id = first.article_id and first.version = 1
where a.n_versions > 1
order by a.n_versions desc, a.published_at desc
limit $limit::integer;
