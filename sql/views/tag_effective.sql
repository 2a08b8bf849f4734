-- One row per article and topic that counts in the marts: what the tagger says, unless a person said otherwise.
create or replace view tag_effective as
with judged as (
    select
        article_id,
        topic_id,
        arg_max(verdict, judged_at) as verdict
    from judgement
    where topic_id is not null
    group by article_id, topic_id
)

-- anti joins: with `not exists` here DuckDB 1.5.5 waits for ever when the view is joined to many articles
select
    t.article_id,
    t.topic_id
from tag as t
anti join judged as j on t.article_id = j.article_id and t.topic_id = j.topic_id and j.verdict = 'wrong'
union all
select
    j.article_id,
    j.topic_id
from judged as j
anti join tag as t on j.article_id = t.article_id and j.topic_id = t.topic_id
where j.verdict = 'right';
comment on view tag_effective is 'One row per article and topic that counts in the marts: the tags, without those that a person judged wrong, and with those judged right that the tagger does not give (any more). Key: article_id, topic_id.';
