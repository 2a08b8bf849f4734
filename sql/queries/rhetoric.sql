-- question: How do the outlets of one country write about another? (topics they stress, with a sentence)
-- grain: one row per topic; lift compares their share with that of all other outlets that write about the country
-- $about = XK: country written about
-- $by = RS: country of the outlets
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 20: rows at most
with chosen as (
    select
        s.article_id,
        s.story_id,
        s.published_at,
        coalesce(s.outlet_country = $by, false) as is_theirs
    from article_side as s
    inner join focus_effective as f on s.article_id = f.article_id and f.is_focus and f.country_code = $about
    where s.published_day between $until::date - $days::integer + 1 and $until::date
),

total as (
    select
        count(distinct story_id) filter (where is_theirs) as n_theirs,
        count(distinct story_id) filter (where not is_theirs) as n_others
    from chosen
),

counted as (
    select
        t.topic_id,
        count(distinct c.story_id) filter (where c.is_theirs) as n_theirs,
        count(distinct c.story_id) filter (where not c.is_theirs) as n_others,
        arg_max(c.article_id, (coalesce(scored.score, 0), c.published_at, c.article_id)) filter (where c.is_theirs)
            as article_id
    from chosen as c
    inner join tag_effective as t on c.article_id = t.article_id
    left join tag as scored on t.article_id = scored.article_id and t.topic_id = scored.topic_id
    group by t.topic_id
    having count(*) filter (where c.is_theirs) > 0
    order by n_theirs desc, t.topic_id
    limit $limit::integer
),

span as (
    select
        c.article_id,
        c.topic_id,
        unnest(t.evidence) as e
    from counted as c
    inner join tag as t on c.article_id = t.article_id and c.topic_id = t.topic_id
),

first_span as (
    select
        s.article_id,
        s.topic_id,
        arg_min(s.e, (s.e.field = 'title', s.e.char_start, s.e.rule_id)) as e
    from span as s
    group by s.article_id, s.topic_id
),

place as (
    select
        a.article_id,
        a.outlet,
        a.url,
        v.rowid as row_id
    from article as a
    inner join article_version as v on a.article_id = v.article_id and a.version = v.version
    where a.article_id in (select c.article_id from counted as c)
),

words as (
    select
        v.rowid as row_id,
        v.title,
        v.body
    from article_version as v
    where v.rowid in (select p.row_id from place as p) -- few bodies are read, not all
),

spoken as (
    select
        s.article_id,
        s.topic_id,
        sentence_around(case s.e.field when 'title' then w.title else w.body end, s.e.char_start, s.e.char_end) as sentence
    from first_span as s
    inner join place as p on s.article_id = p.article_id
    inner join words as w on p.row_id = w.row_id
)

select
    c.topic_id,
    c.n_theirs,
    round(c.n_theirs / t.n_theirs, 3) as share,
    round(c.n_others / nullif(t.n_others, 0), 3) as share_others,
    round((c.n_theirs / t.n_theirs) / nullif(c.n_others / t.n_others, 0), 2) as lift,
    s.sentence,
    p.url
from counted as c
cross join total as t
inner join place as p on c.article_id = p.article_id
left join spoken as s on c.article_id = s.article_id and c.topic_id = s.topic_id
order by c.n_theirs desc, c.topic_id;
