-- One row per article with the outlet's side, owner, alignment and country, and the story it counts for.
create or replace view article_side as
select
    a.article_id,
    a.feed_id,
    a.published_day,
    a.lang,
    a.outlet,
    coalesce(f.side, 'unknown') as side,
    coalesce(nullif(f.owner, 'unknown'), a.outlet) as owner,
    coalesce(s.story_id, a.article_id) as story_id,
    coalesce(f.alignment, 'unknown') as alignment,
    f.country_code as outlet_country,
    a.script,
    a.published_at
from article as a
left join feed as f on a.feed_id = f.feed_id
left join story_article as s on a.article_id = s.article_id;
comment on view article_side is 'One row per article with the outlet''s side, owner, alignment and country, and the story it counts for; an unknown owner counts as the outlet itself. Key: article_id.';
comment on column article_side.story_id is 'Its story; the article itself when nobody copied it';
comment on column article_side.outlet_country is 'Where the outlet sits: ISO 3166-1 alpha-2, XK for Kosovo, INT for international';
