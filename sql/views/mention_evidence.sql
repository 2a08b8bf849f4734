-- One row per mention with the sentence around it.
create or replace view mention_evidence as
with placed as (
    select
        m.article_id,
        m.entity_id,
        m.kind,
        m.country_code,
        m.role_id,
        m.field,
        m.char_start,
        m.char_end,
        m.surface,
        m.rule_id,
        case m.field when 'title' then x.title else x.body end as text
    from mention as m
    inner join article_text as x on m.article_id = x.article_id
)

select
    article_id,
    entity_id,
    kind,
    country_code,
    role_id,
    field,
    char_start,
    char_end,
    surface,
    rule_id,
    sentence_around(text, char_start, char_end) as sentence
from placed;
comment on view mention_evidence is 'One row per mention with the sentence around it: who and what is said. Key: article_id, field, char_start, char_end, entity_id.';
comment on column mention_evidence.sentence is 'The sentence around it, at most 300 characters to either side; an abbreviation may cut it short';
