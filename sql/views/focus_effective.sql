-- One row per article and country that counts in the marts: what the tagger says, unless a person said otherwise.
create or replace view focus_effective as
with judged as (
    select
        article_id,
        country_code,
        arg_max(verdict, judged_at) = 'right' as is_focus
    from judgement
    where country_code is not null
    group by article_id, country_code
)

select
    f.article_id,
    f.country_code,
    coalesce(j.is_focus, f.is_focus) as is_focus
from focus as f
left join judged as j on f.article_id = j.article_id and f.country_code = j.country_code
union all
select
    j.article_id,
    j.country_code,
    j.is_focus
from judged as j
anti join focus as f on j.article_id = f.article_id and j.country_code = f.country_code
where j.is_focus;
comment on view focus_effective is 'One row per article and country that counts in the marts: all countries it names, and whether it is chiefly about them, a verdict of a person going first. Key: article_id, country_code.';
