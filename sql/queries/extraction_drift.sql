-- question: Have the texts of an outlet become short, empty or all the same?
-- grain: one row per outlet and week, drifting outlets first
-- $days = 60: length of the period, which ends at the newest published day
-- $limit = 100: rows at most
select
    outlet,
    week,
    n_articles,
    median_length,
    usual_length,
    round(share_empty, 2) as share_empty,
    round(share_identical, 2) as share_identical,
    problem,
    is_drifting
from extraction_drift
where week > (select day from newest_day) - $days::integer
order by max(is_drifting) over (partition by outlet) desc, outlet, week desc
limit $limit::integer;
