-- question: Which articles were changed most after publication?
-- grain: one row per article with more than one version
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 50: rows at most
with versions as (
    select
        article_id,
        count(distinct title) as n_titles,
        date_diff('minute', min(seen_at), max(seen_at)) / 60 as hours_open,
        arg_min(title, version) as first_title,
        arg_max(title, version) as title_now,
        max(length(body)) - min(length(body)) as n_chars_changed
    from article_version
    where
        article_id in (
            select a.article_id
            from article as a
            where a.n_versions > 1 and a.published_day between $until::date - $days::integer + 1 and $until::date
        )
    group by article_id
)

select
    a.article_id,
    a.outlet,
    a.n_versions,
    v.n_titles,
    round(v.hours_open, 1) as hours_open,
    v.n_chars_changed,
    v.first_title,
    v.title_now,
    a.url
from article as a
inner join versions as v on a.article_id = v.article_id
order by a.n_versions desc, v.n_titles desc, a.published_at desc, a.article_id
limit $limit::integer;
