-- One row per day x country x topic x side x language x basis; `*` in a dimension is the true distinct total over it.
create or replace view coverage as
with cell as (
    select
        s.published_day as day,
        c.country_code,
        t.topic_id,
        s.side,
        s.lang,
        b.basis,
        s.article_id,
        s.story_id,
        s.outlet,
        s.owner
    from article_side as s
    cross join (values ('focus'), ('mention')) as b (basis)
    left join focus as c on s.article_id = c.article_id and (c.is_focus or b.basis = 'mention')
    left join tag as t on s.article_id = t.article_id
),

counted as (
    select
        day,
        basis,
        case when grouping(country_code) = 1 then '*' else country_code end as country_code,
        case when grouping(topic_id) = 1 then '*' else topic_id end as topic_id,
        case when grouping(side) = 1 then '*' else side end as side,
        case when grouping(lang) = 1 then '*' else lang end as lang,
        count(distinct article_id) as n_articles,
        count(distinct story_id) as n_stories,
        count(distinct outlet) as n_outlets,
        count(distinct owner) as n_owners
    from cell
    group by day, basis, cube (country_code, topic_id, side, lang)
)

select
    c.day,
    c.country_code,
    c.topic_id,
    c.side,
    c.lang,
    c.basis,
    c.n_articles,
    c.n_stories,
    c.n_outlets,
    c.n_owners,
    c.n_stories / total.n_stories as share
from counted as c
inner join counted as total
    on
        c.day = total.day
        and c.basis = total.basis
        and c.side = total.side
        and c.lang = total.lang
        and total.country_code = '*'
        and total.topic_id = '*'
where c.country_code is not null and c.topic_id is not null;
comment on view coverage is 'Counts per day, country, topic, side, language and basis (focus: countries the article is chiefly about; mention: all it names). Rows with * carry the true distinct total over that dimension: never sum distinct counts. share = n_stories / all stories of the same day, side and language.';
comment on column coverage.day is 'Day of publication in the configured zone';
comment on column coverage.country_code is 'ISO 3166-1 alpha-2, XK for Kosovo; * for all';
comment on column coverage.topic_id is 'The topic; * for all articles, also those without a topic';
comment on column coverage.side is 'The audience or capital the outlet speaks to; * for all';
comment on column coverage.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; * for all';
comment on column coverage.basis is 'focus: countries the article is chiefly about; mention: all it names';
comment on column coverage.n_articles is 'Articles';
comment on column coverage.n_stories is 'Stories: copies of one text count once';
comment on column coverage.n_outlets is 'Outlets';
comment on column coverage.n_owners is 'Owners; an unknown owner counts as the outlet itself';
comment on column coverage.share is 'n_stories divided by all stories of the same day, side and language';
