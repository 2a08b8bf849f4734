-- One row per article with its current title and body.
create or replace view article_text as
select
    a.article_id,
    a.outlet,
    a.url,
    a.lang,
    a.script,
    a.published_at,
    a.published_day,
    a.date_source,
    a.body_source,
    a.version,
    a.n_versions,
    v.title,
    v.body,
    v.author
from article as a
inner join article_version as v on a.article_id = v.article_id and a.version = v.version;
comment on view article_text is 'One row per article with its current title and body. Key: article_id.';
