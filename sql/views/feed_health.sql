-- One row per feed: how it has been answering.
create or replace view feed_health as
with log as (
    select
        feed_id,
        count(*) as n_polls,
        count(*) filter (where error is not null) as n_errors,
        arg_max(error, fetched_at) as last_error,
        median(n_entries) as median_entries
    from fetch_log
    where kind in ('feed', 'sitemap')
    group by feed_id
)

select
    f.feed_id,
    f.outlet,
    f.is_active,
    s.last_success_at,
    coalesce(s.n_failures, 0) as n_failures,
    l.n_polls,
    l.n_errors,
    l.last_error,
    l.median_entries,
    s.last_new_at,
    s.next_fetch_at,
    s.retired_at
from feed as f
left join feed_state as s on f.feed_id = s.feed_id
left join log as l on f.feed_id = l.feed_id;
comment on view feed_health is 'One row per feed: last success, failures in a row, errors so far and the last one. Key: feed_id.';
