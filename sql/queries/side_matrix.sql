-- question: Which side covers a topic, and which is silent?
-- grain: one row per side and topic
-- $days = 60: length of the period, which ends at the newest published day
with total as (
    select
        side,
        count(distinct story_id) as n_all
    from article_side
    where published_day > (select max(published_day) from article) - $days::integer
    group by side
)

select
    total.side,
    topic.topic_id,
    count(distinct s.story_id) as n_stories,
    round(count(distinct s.story_id) / total.n_all, 3) as share
from total
cross join topic
left join
    (article_side as s inner join tag as t on s.article_id = t.article_id)
    on
        total.side = s.side
        and topic.topic_id = t.topic_id
        and s.published_day > (select max(published_day) from article) - $days::integer
group by total.side, topic.topic_id, total.n_all
order by total.side, n_stories desc, topic.topic_id;
