-- question: Who carried a story, how much and how late? (share and lag by side)
-- grain: one row per side that carried the story, the first one first
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
    select s.*
    from article_side as s
    inner join chosen as c on s.story_id = c.story_id
)

select
    side,
    count(*) as n_articles,
    count(distinct outlet) as n_outlets,
    round(count(*) / sum(count(*)) over (), 3) as share,
    min(published_at) as first_at,
    arg_min(outlet, (published_at, article_id)) as first_outlet,
    round(date_diff('minute', min(min(published_at)) over (), min(published_at)) / 60, 1) as lag_hours
from carried
group by side
order by first_at, side;
