-- One row per span that speaks for a topic of an article.
create or replace view tag_evidence as
with span as (
    select
        t.article_id,
        t.topic_id,
        t.score,
        unnest(t.evidence) as e
    from tag as t
)

select
    s.article_id,
    s.topic_id,
    s.score,
    s.e.field as field,
    s.e.char_start as char_start,
    s.e.char_end as char_end,
    substring(case s.e.field when 'title' then x.title else x.body end, s.e.char_start + 1, s.e.char_end - s.e.char_start)
        as surface,
    s.e.rule_id as rule_id
from span as s
inner join article_text as x on s.article_id = x.article_id;
comment on view tag_evidence is 'One row per span that speaks for a topic of an article, with the rule that used it. Key: article_id, topic_id, field, char_start, char_end, rule_id.';
