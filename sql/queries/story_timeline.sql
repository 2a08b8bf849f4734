-- question: How did a story spread, copy by copy?
-- grain: one row per article of the story, the first one first
-- $story = largest: story_id or article_id, or largest for the story that most outlets carried
with chosen as (
    select story_id
    from story_article
    where article_id = $story
    union
    select story_id
    from story_alias
    where old_story_id = $story
    union
    (
        select story_id
        from story
        where $story = 'largest'
        order by n_outlets desc, n_articles desc, story_id
        limit 1
    )
),

carried as (
    select
        s.article_id,
        s.side,
        sa.similarity,
        sa.is_lead
    from article_side as s
    inner join chosen as c on s.story_id = c.story_id
    inner join story_article as sa on s.article_id = sa.article_id
)

select
    a.published_at,
    round(date_diff('minute', min(a.published_at) over (), a.published_at) / 60, 1) as lag_hours,
    a.outlet,
    c.side,
    a.lang,
    a.script,
    round(c.similarity, 2) as similarity,
    a.title,
    a.url
from carried as c
inner join article_text as a on c.article_id = a.article_id
order by a.published_at, c.is_lead desc, a.article_id;
