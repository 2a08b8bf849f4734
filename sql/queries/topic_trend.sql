-- question: How much is a topic covered in a country, day by day?
-- grain: one row per day with at least one article on the topic
-- $country = XK: country code, * for all
-- $topic = border: topic_id, * for all
-- $side = *: side, * for all
-- $basis = focus: focus (countries an article is chiefly about) or mention (all it names)
-- $days = 60: length of the period
-- $until = newest: last day of the period (YYYY-MM-DD), or newest for the newest published day
-- example: --country=XK --topic=barricades
select
    day,
    n_articles,
    n_stories,
    n_outlets,
    n_owners,
    round(share, 3) as share
from coverage
where
    basis = $basis
    and country_code = $country
    and topic_id = $topic
    and side = $side
    and lang = '*'
    and day between $until::date - $days::integer + 1 and $until::date
order by day;
