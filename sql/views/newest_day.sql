-- One row: the day on which periods end.
create or replace view newest_day as
select coalesce(max(published_day) filter (where date_source is distinct from 'first_seen'), max(published_day)) as day
from article
having count(*) > 0;

comment on view newest_day is 'One row: the newest day in the data, on which periods end; of the articles that say when they were published, if any does. Key: day.';
