-- One row per span that speaks for a topic of an article.
create or replace view tag_evidence as
with span as (
    select
        t.article_id,
        t.topic_id,
        t.score,
        unnest(t.evidence) as e
    from tag as t
),

placed as (
    select
        s.article_id,
        s.topic_id,
        s.score,
        s.e.field as field,
        s.e.char_start as char_start,
        s.e.char_end as char_end,
        s.e.rule_id as rule_id,
        case s.e.field when 'title' then x.title else x.body end as text,
        k.surface as kept
    from span as s
    inner join article_text as x on s.article_id = x.article_id
    left join kept_surface as k
        on
            s.article_id = k.article_id
            and x.version = k.version
            and s.e.field = 'body'
            and s.e.char_start = k.char_start
            and s.e.char_end = k.char_end
)

select
    article_id,
    topic_id,
    score,
    field,
    char_start,
    char_end,
    coalesce(substring(text, char_start + 1, char_end - char_start), kept) as surface,
    rule_id,
    sentence_around(text, char_start, char_end) as sentence
from placed;
comment on view tag_evidence is 'One row per span that speaks for a topic of an article, with the rule that used it. Key: article_id, topic_id, field, char_start, char_end, rule_id.';
comment on column tag_evidence.surface is 'The text itself, also when the body was removed for its age';
comment on column tag_evidence.rule_id is 'The rule that used it';
comment on column tag_evidence.sentence is 'The sentence around it, at most 300 characters to either side; an abbreviation may cut it short; null when the body was removed for its age';
