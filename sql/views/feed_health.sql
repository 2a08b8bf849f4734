-- One row per feed: how it has been answering, and what state it is in.
create or replace view feed_health as
with log as (
    select
        feed_id,
        count(*) as n_polls,
        count(*) filter (where error is not null) as n_errors,
        count(*) filter (where is_gap) as n_gaps,
        coalesce(arg_max(is_gap, fetched_at), false) as is_gap,
        arg_max(error, fetched_at) as last_error,
        median(n_entries) as median_entries
    from fetch_log
    where kind in ('feed', 'sitemap') and is_gap is not null
    group by feed_id
),

pending as (
    select article_id
    from entry
    where page_state = 'waiting' and article_id is not null
),

body as (
    select
        a.feed_id,
        length(v.body) as n_chars,
        case
            when a.body_source = 'headline' then true
            when strlen(v.body) > 1000 then false -- trimming long texts is slow, and no title is that long
            else coalesce(trim(v.body), '') in ('', trim(v.title))
        end as is_empty
    from article as a
    inner join article_version as v on a.article_id = v.article_id and a.version = v.version
    where
        a.published_day > (select day from newest_day) - 90
        and a.body_source <> 'removed'
        and a.article_id not in (select article_id from pending)
        and a.body_source <> 'import'
),

text as (
    select
        feed_id,
        median(n_chars) filter (where not is_empty) as median_length,
        avg(is_empty::integer) as share_empty
    from body
    group by feed_id
),

address as (
    select
        f.feed_id,
        regexp_extract(f.url, '^https?://(?:www\.)?([^/:]+)', 1) as host,
        s.url as url_now,
        regexp_extract(s.url, '^https?://(?:www\.)?([^/:]+)', 1) as host_now
    from feed as f
    inner join feed_state as s on f.feed_id = s.feed_id
)

select
    f.feed_id,
    f.outlet,
    f.is_active,
    case
        when not f.is_active then 'inactive'
        when s.retired_at is not null then 'retired'
        when s.n_failures > 0 then 'failing'
        when s.last_success_at is null then 'new'
        when q.is_silent then 'silent'
        when l.is_gap then 'gap'
        else 'ok'
    end as state,
    s.last_success_at,
    coalesce(s.n_failures, 0) as n_failures,
    l.n_polls,
    l.n_errors,
    l.last_error,
    l.median_entries,
    l.n_gaps,
    t.median_length,
    t.share_empty,
    q.median_gap_days,
    q.silent_days,
    case when m.host <> m.host_now then m.url_now end as moved_to,
    s.note,
    s.last_new_at,
    s.next_fetch_at,
    s.retired_at
from feed as f
left join feed_state as s on f.feed_id = s.feed_id
left join log as l on f.feed_id = l.feed_id
left join text as t on f.feed_id = t.feed_id
left join feed_silence as q on f.feed_id = q.feed_id
left join address as m on f.feed_id = m.feed_id
where f.kind is distinct from 'import';
comment on view feed_health is 'One row per feed: its state, last success, failures in a row, errors so far and the last one, its rhythm, and how its texts are. Length and share of empty texts are of the last 90 days of the warehouse. Key: feed_id.';
comment on column feed_health.state is 'inactive, retired (410), failing (the last poll), new (never answered yet), silent (dark against its own rhythm), gap (the last poll shared no entry with the one before), ok';
comment on column feed_health.n_errors is 'Polls that failed, so far';
comment on column feed_health.last_error is 'What went wrong the last time that something did';
comment on column feed_health.median_entries is 'Usual number of entries in a poll';
comment on column feed_health.n_gaps is 'Polls that shared no entry with the one before, so far';
comment on column feed_health.moved_to is 'Address in use when it lies on another host than the one in the catalogue: has the feed changed hands?';
