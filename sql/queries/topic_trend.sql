-- question: How much is a topic covered in a country, day by day?
-- grain: one row per day with at least one article on the topic
-- $country = XK: country code, * for all
-- $topic = border: topic_id, * for all
-- $days = 60: length of the period, which ends at the newest published day
select
    day,
    n_articles,
    n_stories,
    n_outlets,
    n_owners,
    round(share, 3) as share
from coverage
where
    country_code = $country
    and topic_id = $topic
    and side = '*'
    and lang = '*'
    and basis = 'focus'
    and day > (select max(published_day) from article) - $days::integer
order by day;
