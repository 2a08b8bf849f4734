-- question: Which countries are named together? (edges of a network)
-- grain: one row per pair of countries; lift is how many times more often than by chance, pmi its binary logarithm
-- $topic = *: topic_id, * for all
-- $basis = mention: focus (countries an article is chiefly about) or mention (all it names)
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- $stories = 1: stories a pair has in common, at least
-- $limit = 100: rows at most
with chosen as (
    select
        article_id,
        story_id
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and (
            $topic = '*'
            or article_id in (
                select t.article_id
                from tag_effective as t
                where t.topic_id = $topic
            )
        )
),

total as (
    select count(distinct story_id) as n_all
    from chosen
),

named as (
    select
        f.country_code,
        c.article_id,
        c.story_id
    from chosen as c
    inner join focus_effective as f on c.article_id = f.article_id and (f.is_focus or $basis = 'mention')
),

size as (
    select
        country_code,
        count(distinct story_id) as n_stories
    from named
    group by country_code
),

edge as (
    select
        a.country_code as id_a,
        b.country_code as id_b,
        count(distinct a.story_id) as n_stories,
        count(distinct a.article_id) as n_articles
    from named as a
    inner join named as b on a.article_id = b.article_id and a.country_code < b.country_code
    group by a.country_code, b.country_code
    having count(distinct a.story_id) >= $stories::integer
)

select
    e.id_a as country_a,
    e.id_b as country_b,
    e.n_stories,
    e.n_articles,
    round(e.n_stories * t.n_all / (a.n_stories * b.n_stories), 2) as lift,
    round(log2(e.n_stories * t.n_all / (a.n_stories * b.n_stories)), 2) as pmi
from edge as e
inner join size as a on e.id_a = a.country_code
inner join size as b on e.id_b = b.country_code
cross join total as t
order by e.n_stories desc, e.n_articles desc, country_a, country_b
limit $limit::integer;
