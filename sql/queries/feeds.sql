-- question: How is each feed, when did it answer and when did it bring something last?
-- grain: one row per active feed (or inactive, if asked), those with most failures first, then those that are quiet for longest
-- $state = *: ok, new, gap, silent, failing, retired or inactive, * for all active
-- $limit = 10000: rows at most
-- example: --state=failing
select
    feed_id,
    outlet,
    state,
    n_failures,
    silent_days,
    last_success_at,
    round(share_empty, 2) as share_empty,
    last_error
from feed_health
where (is_active or $state = 'inactive') and ($state = '*' or state = $state)
order by n_failures desc, silent_days desc nulls last, feed_id
limit $limit::integer;
