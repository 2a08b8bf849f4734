-- What is a burst is decided by another rule from here on (trends.surprise): all days are counted anew.

insert into dirty_day
select distinct published_day from article
where published_day is not null and published_day not in (select day from dirty_day);

comment on column burst.is_burst is 'Is the count at least ten times likelier around three times what was expected than around it, and by more than chance shows in one of 1,000 cells of a day? (With fewer than 3 expected: is p_value as small as that?) Never with fewer than 3 stories';
