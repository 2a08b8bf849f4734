-- question: Which feeds give nothing, and why?
-- grain: one row per feed whose last poll failed
select
    feed_id,
    outlet,
    n_failures,
    last_success_at,
    last_error,
    next_fetch_at
from feed_health
where n_failures > 0 and is_active
order by n_failures desc, feed_id;
