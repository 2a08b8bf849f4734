-- question: Which rules make the tags of a topic? (where to look first when a number is odd)
-- grain: one row per rule
-- $topic = border: topic_id
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- example: --topic=barricades
with chosen as (
    select
        t.article_id,
        t.score,
        t.rule_ids,
        unnest(t.rule_ids) as rule_id
    from article_side as s
    inner join tag as t on s.article_id = t.article_id and t.topic_id = $topic
    where s.published_day between $until::date - $days::integer + 1 and $until::date
)

select
    rule_id,
    count(*) as n_articles,
    count(*) filter (where len(rule_ids) = 1) as n_alone,
    round(avg(score), 2) as mean_score,
    min(article_id) as example_article_id
from chosen
group by rule_id
order by n_articles desc, rule_id;
