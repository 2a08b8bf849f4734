-- question: Where may entries have been missed?
-- grain: one row per poll that shared no entry with the one before
-- $days = 60: length of the period, which ends with the newest poll
-- $limit = 100: rows at most
with poll as (
    select
        feed_id,
        fetched_at,
        n_entries,
        is_gap,
        lag(fetched_at) over (partition by feed_id order by fetched_at) as fetched_before
    from fetch_log
    where kind in ('feed', 'sitemap') and n_entries > 0 and is_gap is not null
)

select
    p.feed_id,
    f.outlet,
    p.fetched_before,
    p.fetched_at,
    round(date_diff('minute', p.fetched_before, p.fetched_at) / 60, 1) as hours_between,
    p.n_entries
from poll as p
left join feed as f on p.feed_id = f.feed_id
where p.is_gap and p.fetched_at > (select max(fetched_at) from fetch_log) - to_days($days::integer)
order by p.fetched_at desc, p.feed_id
limit $limit::integer;
