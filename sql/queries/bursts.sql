-- question: What burst lately, and why? (the leading stories of each burst, with a sentence)
-- grain: one row per burst and leading story; a burst whose stories are not found has one row without a story
-- $country = *: country code, * for all
-- $topic = *: topic_id, * for all
-- $days = 7: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 3: leading stories a burst
with found as (
    select
        day,
        country_code,
        topic_id,
        observed,
        expected,
        q_value
    from burst
    where
        is_burst
        and day between $until::date - $days::integer + 1 and $until::date
        and ($country = '*' or country_code = $country)
        and ($topic = '*' or topic_id = $topic)
),

candidate as (
    select
        b.day,
        b.country_code,
        b.topic_id,
        s.story_id,
        s.outlet,
        s.article_id,
        s.published_at
    from found as b
    inner join article_side as s on b.day = s.published_day
    left join focus_effective as f on s.article_id = f.article_id and f.is_focus and b.country_code = f.country_code
    left join tag_effective as t on s.article_id = t.article_id and b.topic_id = t.topic_id
    where (b.country_code = '*' or f.article_id is not null) and (b.topic_id = '*' or t.article_id is not null)
),

front as (
    select
        day,
        country_code,
        topic_id,
        story_id,
        count(distinct outlet) as n_outlets,
        count(*) as n_articles,
        arg_min(article_id, (published_at, article_id)) as article_id
    from candidate
    group by day, country_code, topic_id, story_id
    qualify
        row_number() over (
            partition by day, country_code, topic_id order by n_outlets desc, n_articles desc, story_id
        ) <= $stories::integer
),

span as (
    select
        c.article_id,
        c.topic_id,
        unnest(t.evidence) as e
    from front as c
    inner join tag as t on c.article_id = t.article_id and c.topic_id in (t.topic_id, '*')
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
    where a.article_id in (select c.article_id from front as c)
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
    b.day,
    b.country_code,
    b.topic_id,
    b.observed,
    round(b.expected, 1) as expected,
    b.q_value,
    l.n_outlets,
    l.n_articles,
    p.outlet as first_outlet,
    w.title,
    s.sentence,
    p.url
from found as b
left join front as l on b.day = l.day and b.country_code = l.country_code and b.topic_id = l.topic_id
left join place as p on l.article_id = p.article_id
left join words as w on p.row_id = w.row_id
left join spoken as s on l.article_id = s.article_id and l.topic_id = s.topic_id
order by b.day desc, b.q_value, b.country_code, b.topic_id, l.n_outlets desc, l.n_articles desc, l.story_id;
