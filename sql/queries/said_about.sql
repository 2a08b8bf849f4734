-- question: In which sentences is a person, organisation, office or place named?
-- grain: one row per mention, the newest first
-- $entity = nato: actor_id, role_id, place or country code
-- $side = *: side, * for all
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $limit = 50: rows at most
with chosen as (
    select
        s.published_day,
        s.side,
        m.article_id,
        m.field,
        m.char_start,
        m.char_end,
        m.entity_id,
        m.kind,
        m.surface
    from article_side as s
    inner join mention as m on s.article_id = m.article_id
    where
        s.published_day between $until::date - $days::integer + 1 and $until::date
        and ($side = '*' or s.side = $side)
        and $entity in (m.entity_id, m.role_id)
    order by s.published_day desc, m.article_id, m.field desc, m.char_start, m.char_end, m.entity_id
    limit $limit::integer
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
)

select
    c.published_day as day,
    p.outlet,
    c.side,
    c.surface,
    c.kind,
    sentence_around(case c.field when 'title' then w.title else w.body end, c.char_start, c.char_end) as sentence,
    p.url
from chosen as c
inner join place as p on c.article_id = p.article_id
inner join words as w on p.row_id = w.row_id
order by c.published_day desc, c.article_id, c.field desc, c.char_start, c.char_end, c.entity_id;
