-- What the marts count of each article, kept by days: a day is then counted without looking for its articles in all relations.

create table mart_article (
    day date,
    article_id text,
    feed_id text,
    lang text,
    outlet text,
    story_id text,
    feed_ids text[],
    focus_codes text[],
    other_codes text[],
    topic_ids text[]
);
comment on table mart_article is 'One row per article of the days in mart_day: all that coverage and burst count of it, drawn together from article, story_article, sighting, focus, tag and judgement. Rows of other days mean nothing. Key: article_id.';
comment on column mart_article.day is 'Day of publication in the configured zone';
comment on column mart_article.article_id is 'The article';
comment on column mart_article.feed_id is 'The feed that brought it first: its side and owner count';
comment on column mart_article.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; und when unknown';
comment on column mart_article.outlet is 'Its outlet';
comment on column mart_article.story_id is 'Its story; the article itself when nobody copied it';
comment on column mart_article.feed_ids is 'All feeds that carried it';
comment on column mart_article.focus_codes is 'The countries it is chiefly about';
comment on column mart_article.other_codes is 'The other countries it names';
comment on column mart_article.topic_ids is 'Its topics';

create table mart_day (
    day date
);
comment on table mart_day is 'One row per day whose articles mart_article holds as they are; any other day is drawn together when it is next counted. Key: day.';
comment on column mart_day.day is 'Day of publication';
