-- One row per feed, and per outlet as a whole: its rhythm, and how long it has been quiet.
create or replace view feed_silence as
with recent as (
    select
        a.article_id,
        a.feed_id,
        a.published_day
    from article as a
    cross join newest_day as n
    where a.published_day > n.day - 365
),

carrier as (
    select
        s.article_id,
        s.feed_id,
        r.published_day
    from sighting as s
    inner join recent as r on s.article_id = r.article_id
    union
    select
        article_id,
        feed_id,
        published_day
    from recent
),

carried as (
    select
        f.outlet,
        f.feed_id,
        f.kind,
        c.article_id,
        c.published_day
    from feed as f
    inner join carrier as c on f.feed_id = c.feed_id
    left join feed_state as s on f.feed_id = s.feed_id
    where f.is_active and s.retired_at is null
),

active_day as (
    select
        outlet,
        feed_id,
        published_day,
        bool_or(kind <> 'file') as is_polled,
        count(distinct article_id) as n_articles
    from carried
    group by grouping sets ((outlet, published_day), (outlet, feed_id, published_day))
),

paced as (
    select
        outlet,
        feed_id,
        published_day,
        is_polled,
        n_articles,
        published_day - lag(published_day) over (partition by outlet, feed_id order by published_day) as gap_days
    from active_day
),

rhythm as (
    select
        outlet,
        feed_id,
        bool_or(is_polled) as is_polled,
        sum(n_articles)::bigint as n_articles,
        median(gap_days) as median_gap_days,
        quantile_cont(gap_days, 0.9) as long_gap_days,
        max(published_day) as last_article_day
    from paced
    group by outlet, feed_id
)

select
    r.outlet,
    r.feed_id,
    r.n_articles,
    r.median_gap_days,
    r.long_gap_days,
    r.last_article_day,
    greatest(n.day - r.last_article_day, 0) as silent_days,
    coalesce(
        r.is_polled
        and r.n_articles >= 8
        and n.day - r.last_article_day > greatest(4 * r.median_gap_days, 1.5 * r.long_gap_days),
        false
    ) as is_silent
from rhythm as r
cross join newest_day as n;
comment on view feed_silence is 'One row per feed that brought articles in the last year of the warehouse, and one per outlet over all its feeds (feed_id null): its rhythm, and whether it has gone dark against it. Retired feeds are left out, and recorded ones (kind file) are never silent. Days are days of publication, up to the newest one in the warehouse. Key: outlet, feed_id.';
comment on column feed_silence.median_gap_days is 'Usual number of days from one day with articles to the next';
comment on column feed_silence.long_gap_days is 'A gap that one in ten exceeds: weekends, pauses';
comment on column feed_silence.last_article_day is 'Newest day with an article';
comment on column feed_silence.silent_days is 'Days since then, up to the newest published day in the warehouse';
comment on column feed_silence.is_silent is 'Quiet for more than four times its usual gap and half as long again as its long ones, after at least 8 articles';
