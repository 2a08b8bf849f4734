-- The marts are stored: counts of coverage and bursts, kept by days. Coverage was a view in the first release.

drop view if exists coverage;

create table coverage (
    day date,
    country_code text,
    topic_id text,
    side text,
    lang text,
    basis text,
    n_articles integer,
    n_stories integer,
    n_outlets integer,
    n_owners integer,
    share double
);
comment on table coverage is 'Counts per day, country, topic, side, language and basis (focus: countries the article is chiefly about; mention: all it names). Rows with * carry the true distinct total over that dimension: never sum distinct counts. share = n_stories / all stories of the same day, side and language. Key: day, country_code, topic_id, side, lang, basis.';
comment on column coverage.day is 'Day of publication in the configured zone';
comment on column coverage.country_code is 'ISO 3166-1 alpha-2, XK for Kosovo; * for all, also those that name none';
comment on column coverage.topic_id is 'The topic; * for all articles, also those without a topic';
comment on column coverage.side is 'The audience or capital the outlet speaks to; * for all';
comment on column coverage.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; * for all';
comment on column coverage.basis is 'focus: countries the article is chiefly about; mention: all it names';
comment on column coverage.n_articles is 'Articles';
comment on column coverage.n_stories is 'Stories: copies of one text count once';
comment on column coverage.n_outlets is 'Outlets';
comment on column coverage.n_owners is 'Owners; an unknown owner counts as the outlet itself';
comment on column coverage.share is 'n_stories divided by all stories of the same day, side and language';

create table burst (
    day date,
    country_code text,
    topic_id text,
    observed integer,
    expected double,
    p_value double,
    q_value double,
    is_burst boolean
);
comment on table burst is 'One row per day, country and topic with a story that day or at least one expected: stories counted against the 28 days before. Basis is focus; only feeds that were active on 21 of those days count, so that added and silent feeds make no burst. The stories behind a burst are in burst_story. Key: day, country_code, topic_id.';
comment on column burst.day is 'Day of publication in the configured zone';
comment on column burst.country_code is 'ISO 3166-1 alpha-2, XK for Kosovo; * for all';
comment on column burst.topic_id is 'The topic; * for all';
comment on column burst.observed is 'Stories that day';
comment on column burst.expected is 'Stories to be expected from the 28 days before, the weekday, and how much was published that day';
comment on column burst.p_value is 'Probability of at least as many stories by chance (negative binomial)';
comment on column burst.q_value is 'The same when all cells of the day are looked at (Benjamini-Hochberg)';
comment on column burst.is_burst is 'Far above the baseline?';

create table dirty_day (
    day date
);
comment on table dirty_day is 'Days whose coverage and bursts must be counted anew; each batch adds its own, publishing empties it. Key: day.';
comment on column dirty_day.day is 'Day of publication';

create table retag_change (
    retagged_at timestamptz,
    from_version text,
    to_version text,
    article_id text,
    topic_id text,
    country_code text,
    change text,
    rule_ids text[]
);
comment on table retag_change is 'One row per topic or focus country that an article gained or lost when history was tagged again. Key: retagged_at, article_id, topic_id, country_code.';
comment on column retag_change.retagged_at is 'When history was switched to the new tags';
comment on column retag_change.from_version is 'Tagging version before (seeds and code)';
comment on column retag_change.to_version is 'Tagging version since';
comment on column retag_change.article_id is 'The article';
comment on column retag_change.topic_id is 'The topic gained or lost; null when it is about a country';
comment on column retag_change.country_code is 'The focus country gained or lost; null when it is about a topic';
comment on column retag_change.change is 'added or removed';
comment on column retag_change.rule_ids is 'The rules that speak for it: the new ones where added, the old ones where removed';

insert into dirty_day
select distinct published_day from article;
