-- One row per burst and story that makes it, the most copied first in time.
create or replace view burst_story as
select
    b.day,
    b.country_code,
    b.topic_id,
    s.story_id,
    count(*)::integer as n_articles,
    count(distinct s.outlet)::integer as n_outlets,
    count(distinct s.owner)::integer as n_owners,
    arg_min(s.article_id, a.published_at) as article_id,
    min(a.published_at) as first_at
from burst as b
inner join article_side as s on b.day = s.published_day
inner join article as a on s.article_id = a.article_id
left join focus_effective as f on b.country_code <> '*' and s.article_id = f.article_id and b.country_code = f.country_code and f.is_focus
left join tag_effective as t on b.topic_id <> '*' and s.article_id = t.article_id and b.topic_id = t.topic_id
where
    b.is_burst
    and (b.country_code = '*' or f.article_id is not null)
    and (b.topic_id = '*' or t.article_id is not null)
group by b.day, b.country_code, b.topic_id, s.story_id;
comment on view burst_story is 'One row per burst and story of that day, country and topic: the articles that explain it. Stories of feeds that were not active on 21 of the 28 days before are listed too, though burst.observed leaves them out. Key: day, country_code, topic_id, story_id.';
comment on column burst_story.n_articles is 'Articles of the story that day';
comment on column burst_story.article_id is 'The first of them';
comment on column burst_story.first_at is 'When that was published (UTC)';
