-- One row per article with the side, owner and story it counts for.
create or replace view article_side as
select
    a.article_id,
    a.published_day,
    a.lang,
    a.outlet,
    coalesce(f.side, 'unknown') as side,
    coalesce(nullif(f.owner, 'unknown'), a.outlet) as owner,
    coalesce(s.story_id, a.article_id) as story_id
from article as a
left join feed as f on a.feed_id = f.feed_id
left join story_article as s on a.article_id = s.article_id;
comment on view article_side is 'One row per article with the side, owner and story it counts for; an unknown owner counts as the outlet itself. Key: article_id.';
