-- One row per article with its current title and body; and how a sentence is cut from a text, for all views that show evidence.
create or replace macro sentence_around(text, char_start, char_end) as
regexp_replace(
    regexp_replace(
        substring(text, greatest(char_start - 300, 0) + 1, least(char_start, 300)), '^(?s:.*)([.!?…]["”’»)]*\s|\n)', ''
    )
    || substring(text, char_start + 1, char_end - char_start)
    || regexp_extract(substring(text, char_end + 1, 300), '^(?s:.*?)([.!?…]["”’»)]*(\s|$)|\n|$)'),
    '^\s+|\s+$', '', 'g'
);

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
