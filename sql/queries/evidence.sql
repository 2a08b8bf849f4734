-- question: Which sentences stand behind a number? (the spans that tagged a topic in articles about a country)
-- grain: one row per evidence span, the newest article first
-- $country = XK: country code, * for all
-- $topic = border: topic_id
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 50: rows at most
-- example: --country=XK --topic=barricades
with chosen as (
    select
        s.article_id,
        s.published_day,
        s.side,
        said.evidence
    from article_side as s
    inner join tag_effective as t on s.article_id = t.article_id and t.topic_id = $topic
    inner join tag as said on t.article_id = said.article_id and t.topic_id = said.topic_id
    where
        s.published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or s.side = $side)
        and (
            $country = '*'
            or s.article_id in (
                select f.article_id
                from focus_effective as f
                where f.is_focus and f.country_code = $country
            )
        )
    order by s.published_day desc, s.article_id
    limit $limit::integer -- each has at least one span
),

span as (
    select
        article_id,
        published_day,
        side,
        unnest(evidence) as e
    from chosen
),

place as (
    select
        a.article_id,
        a.outlet,
        a.url,
        v.rowid as row_id
    from article as a
    inner join article_version as v on a.article_id = v.article_id and a.version = v.version
    where a.article_id in (select c.article_id from chosen as c)
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
        s.published_day,
        s.article_id,
        p.outlet,
        s.side,
        w.title,
        s.e,
        case s.e.field when 'title' then w.title else w.body end as text,
        p.url
    from span as s
    inner join place as p on s.article_id = p.article_id
    inner join words as w on p.row_id = w.row_id
)

select
    s.published_day as day,
    s.outlet,
    s.side,
    s.title,
    s.e.field as field,
    substring(s.text, s.e.char_start + 1, s.e.char_end - s.e.char_start) as surface,
    sentence_around(s.text, s.e.char_start, s.e.char_end) as sentence,
    s.e.rule_id as rule_id,
    s.url
from spoken as s
order by s.published_day desc, s.article_id, s.e.field desc, s.e.char_start, s.e.char_end, s.e.rule_id
limit $limit::integer;
