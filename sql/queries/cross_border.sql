-- question: How much attention do the media of one country pay to another?
-- grain: one row per country of outlets and country written about; index is the share against the mean of all other countries' media
-- $group = core: a group of countries from seeds/country.csv, for both
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
with members as (
    select code
    from country
    where list_contains(groups, $group)
),

chosen as (
    select
        article_id,
        story_id,
        outlet_country
    from article_side
    where
        published_day between $until::date - $days::integer + 1 and $until::date
        and outlet_country in (select code from members)
),

size as (
    select
        outlet_country,
        count(distinct story_id) as n_all
    from chosen
    group by outlet_country
),

cell as (
    select
        c.outlet_country,
        f.country_code,
        count(distinct c.story_id) as n_stories
    from chosen as c
    inner join focus_effective as f on c.article_id = f.article_id and f.is_focus
    where f.country_code in (select code from members)
    group by c.outlet_country, f.country_code
),

filled as (
    select
        size.outlet_country,
        members.code as country_code,
        coalesce(cell.n_stories, 0) as n_stories,
        coalesce(cell.n_stories, 0) / size.n_all as share
    from size
    cross join members
    left join cell on size.outlet_country = cell.outlet_country and members.code = cell.country_code
    where size.outlet_country <> members.code
)

select
    outlet_country,
    country_code as about,
    n_stories,
    round(share, 3) as share,
    round(share / nullif((sum(share) over about - share) / nullif(count(*) over about - 1, 0), 0), 2) as index
from filled
window about as (partition by country_code)
order by outlet_country, n_stories desc, about;
