-- question: Who is in the news?
-- grain: one row per person or organisation
-- $days = 60: length of the period, which ends at the newest published day
-- $limit = 30: rows at most
select
    m.entity_id as actor_id,
    any_value(ac.name) as name,
    any_value(ac.category) as category,
    count(distinct s.story_id) as n_stories,
    count(distinct s.outlet) as n_outlets,
    count(*) as n_mentions
from mention as m
inner join article_side as s on m.article_id = s.article_id
inner join actor as ac on m.entity_id = ac.actor_id
where s.published_day > (select max(published_day) from article) - $days::integer
group by m.entity_id
order by n_stories desc, n_mentions desc, actor_id
limit $limit::integer;
