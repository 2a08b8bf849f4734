-- One row per outlet and week: are the texts as long, as full and as different from each other as they used to be?
create or replace view extraction_drift as
with pending as (
    select article_id
    from entry
    where page_state = 'waiting' and article_id is not null
),

chosen as (
    select
        a.outlet,
        date_trunc('week', a.published_day)::date as week,
        a.body_source,
        v.rowid as row_id
    from article as a
    inner join article_version as v on a.article_id = v.article_id and a.version = v.version
    cross join newest_day as n
    where
        a.published_day > n.day - 182
        and a.body_source not in ('removed', 'import')
        and not (a.body_source = 'headline' and starts_with(a.feed_id, 'import:')) -- nothing was extracted here
        and a.article_id not in (select article_id from pending)
),

body as (
    select
        c.outlet,
        c.week,
        length(v.body) as n_chars,
        hash(v.body) as text_hash,
        case
            when c.body_source = 'headline' then true
            when strlen(v.body) > 1000 then false -- trimming long texts is slow, and no title is that long
            else coalesce(trim(v.body), '') in ('', trim(v.title))
        end as is_empty
    from article_version as v
    inner join chosen as c on v.rowid = c.row_id -- by their place, only the stretch of the file with the last texts is read
),

lengths as (
    select
        outlet,
        week,
        count(*) as n_articles,
        median(n_chars) filter (where not is_empty) as median_length,
        avg(is_empty::integer) as share_empty
    from body
    group by outlet, week
),

same as (
    select
        outlet,
        week,
        count(*) as n_same
    from body
    where not is_empty
    group by outlet, week, text_hash
),

copies as (
    select
        outlet,
        week,
        coalesce(sum(n_same) filter (where n_same > 1), 0) / sum(n_same) as share_identical
    from same
    group by outlet, week
),

weekly as (
    select
        l.outlet,
        l.week,
        l.n_articles,
        l.median_length,
        l.share_empty,
        coalesce(c.share_identical, 0) as share_identical
    from lengths as l
    left join copies as c on l.outlet = c.outlet and l.week = c.week
),

judged as (
    select
        outlet,
        week,
        n_articles,
        median_length,
        share_empty,
        share_identical,
        median(median_length) filter (where n_articles >= 5) over before as usual_length,
        median(share_empty) filter (where n_articles >= 5) over before as usual_empty,
        median(share_identical) filter (where n_articles >= 5) over before as usual_identical,
        n_articles >= 5 and count(*) filter (where n_articles >= 5) over before >= 2 as is_comparable,
        max(week) filter (where n_articles >= 5) over (partition by outlet) as last_week
    from weekly
    window before as (partition by outlet order by week rows between 12 preceding and 1 preceding)
),

found as (
    select
        *,
        case
            when not is_comparable then null
            when 1 - share_empty < 0.5 * (1 - usual_empty) then 'empty'
            when 1 - share_identical < 0.5 * (1 - usual_identical) then 'identical'
            when median_length < 0.5 * usual_length then 'short'
        end as problem
    from judged
)

select
    f.outlet,
    f.week,
    f.n_articles,
    f.median_length,
    f.usual_length,
    f.share_empty,
    f.usual_empty,
    f.share_identical,
    f.usual_identical,
    f.problem,
    f.problem is not null and f.week = f.last_week and f.week > n.day - 21 as is_drifting
from found as f
cross join newest_day as n;
comment on view extraction_drift is 'One row per outlet and week of publication, in the last half year of the warehouse: how well texts were extracted, against the median of up to twelve weeks before. Weeks with fewer than 5 articles are shown but not compared, and two weeks to compare with are needed. Articles whose page is still waiting do not count. Key: outlet, week.';
comment on column extraction_drift.week is 'Monday of the week';
comment on column extraction_drift.median_length is 'Median length of the texts that are not empty, in characters';
comment on column extraction_drift.usual_length is 'Median of median_length in the weeks before';
comment on column extraction_drift.share_empty is 'Share of articles with no text, or with nothing but the headline';
comment on column extraction_drift.usual_empty is 'Median of share_empty in the weeks before';
comment on column extraction_drift.share_identical is 'Share of the texts that equal another one of the same outlet and week';
comment on column extraction_drift.usual_identical is 'Median of share_identical in the weeks before';
comment on column extraction_drift.problem is 'What fell below half of what was usual: empty (articles with a text), identical (texts unlike any other), short (median length); null for nothing';
comment on column extraction_drift.is_drifting is 'Does the last comparable week of the outlet have a problem, and is it recent (three weeks)?';
