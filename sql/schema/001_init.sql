-- The relations of the first release. Append-only: a later change is a new file.
-- No keys, checks, sequences or enums, so that the same schema serves DuckLake; the single writer keeps keys unique.

create table run (
    run_id text,
    started_at timestamptz,
    finished_at timestamptz,
    status text,
    seeds_version text,
    tagger_version text,
    n_feeds integer,
    n_failed integer,
    n_new integer,
    n_updated integer,
    n_pages integer,
    n_waiting integer
);
comment on table run is 'One row per run of the monitor. Key: run_id.';
comment on column run.run_id is 'Name of the run, sortable by time';
comment on column run.started_at is 'When the run began';
comment on column run.finished_at is 'When it ended; null while it runs or after a kill';
comment on column run.status is 'running, complete, or failed';
comment on column run.seeds_version is 'Hash of the seed files that decide tags';
comment on column run.tagger_version is 'Hash of the tagger code';
comment on column run.n_feeds is 'Feeds polled';
comment on column run.n_failed is 'Feeds that gave an error';
comment on column run.n_new is 'Articles seen for the first time';
comment on column run.n_updated is 'New versions of known articles';
comment on column run.n_pages is 'Pages fetched and read';
comment on column run.n_waiting is 'Pages still waiting at the end';

create table feed (
    feed_id text,
    url text,
    outlet text,
    owner text,
    side text,
    alignment text,
    country_code text,
    lang text,
    time_zone text,
    kind text,
    is_active boolean,
    note text,
    source text
);
comment on table feed is 'One row per subscribed source, as in seeds/feeds.csv. Key: feed_id.';
comment on column feed.feed_id is 'Short name of the feed';
comment on column feed.url is 'Address that is polled';
comment on column feed.outlet is 'Name of the outlet';
comment on column feed.owner is 'Who owns the outlet; unknown where nobody has checked';
comment on column feed.side is 'The audience or capital the outlet speaks to (relation side)';
comment on column feed.alignment is 'state, pro-government, independent, opposition, foreign-state, institution, unknown';
comment on column feed.country_code is 'Where the outlet sits: ISO 3166-1 alpha-2, XK for Kosovo, INT for international';
comment on column feed.lang is 'Main language: sr, bs, hr, cnr, sq, mk, sl, en ...; mul for several';
comment on column feed.time_zone is 'IANA zone in which dates without a zone are read';
comment on column feed.kind is 'rss, sitemap or file';
comment on column feed.is_active is 'Is it polled?';
comment on column feed.note is 'Remarks';
comment on column feed.source is 'Where the row comes from';

create table feed_state (
    feed_id text,
    url text,
    etag text,
    last_modified text,
    body_hash text,
    n_polls integer,
    n_failures integer,
    n_moved integer,
    interval_s integer,
    last_poll_at timestamptz,
    last_success_at timestamptz,
    last_new_at timestamptz,
    next_fetch_at timestamptz,
    retired_at timestamptz,
    note text
);
comment on table feed_state is 'One row per feed that was ever polled: what the next poll needs to know. Key: feed_id.';
comment on column feed_state.feed_id is 'The feed';
comment on column feed_state.url is 'Address in use; differs from feed.url after a lasting redirect';
comment on column feed_state.etag is 'Validator of the last answer';
comment on column feed_state.last_modified is 'Validator of the last answer';
comment on column feed_state.body_hash is 'Hash of the last body; an equal one is not parsed again';
comment on column feed_state.n_polls is 'Answered polls so far';
comment on column feed_state.n_failures is 'Failed polls since the last success';
comment on column feed_state.n_moved is 'Polls in a row that were answered by the same lasting redirect';
comment on column feed_state.interval_s is 'Seconds between polls at present';
comment on column feed_state.last_poll_at is 'Last poll, whatever came of it';
comment on column feed_state.last_success_at is 'Last poll that was answered well';
comment on column feed_state.last_new_at is 'Last poll that brought a new entry';
comment on column feed_state.next_fetch_at is 'When the feed is due again';
comment on column feed_state.retired_at is 'When the feed was given up (HTTP 410); null for a living feed';
comment on column feed_state.note is 'Why';

create table fetch_log (
    run_id text,
    kind text,
    url text,
    feed_id text,
    fetched_at timestamptz,
    http_status integer,
    n_bytes bigint,
    elapsed_ms integer,
    n_entries integer,
    n_new integer,
    error text,
    is_gap boolean,
    next_fetch_at timestamptz
);
comment on table fetch_log is 'One row per address fetched in a run: nothing fails silently. Key: run_id, kind, url, fetched_at.';
comment on column fetch_log.run_id is 'The run';
comment on column fetch_log.kind is 'feed, page, robots or sitemap';
comment on column fetch_log.url is 'Address asked for';
comment on column fetch_log.feed_id is 'The feed it was asked for';
comment on column fetch_log.fetched_at is 'When it was asked for';
comment on column fetch_log.http_status is 'Status of the answer; null when none came';
comment on column fetch_log.n_bytes is 'Decoded size of the body';
comment on column fetch_log.elapsed_ms is 'Milliseconds until the body was read';
comment on column fetch_log.n_entries is 'Entries found (feeds)';
comment on column fetch_log.n_new is 'Entries that were new (feeds)';
comment on column fetch_log.error is 'What went wrong, in one sentence; null when nothing did';
comment on column fetch_log.is_gap is 'The poll shares no entry with the one before, so entries may have been missed';
comment on column fetch_log.next_fetch_at is 'When this address will be asked for again';

create table robots_log (
    host text,
    path text,
    is_allowed boolean,
    checked_at timestamptz,
    reason text
);
comment on table robots_log is 'Permission ledger: one row per verdict of a robots.txt. Key: host, path, checked_at.';
comment on column robots_log.host is 'Host asked';
comment on column robots_log.path is 'Path that was wanted';
comment on column robots_log.is_allowed is 'May it be fetched?';
comment on column robots_log.checked_at is 'When robots.txt was read';
comment on column robots_log.reason is 'Why';

create table entry (
    feed_id text,
    guid text,
    article_id text,
    url text,
    content_hash text,
    first_seen_at timestamptz,
    page_state text,
    n_tries integer,
    next_try_at timestamptz,
    error text
);
comment on table entry is 'One row per item as published in a feed. Key: feed_id, guid.';
comment on column entry.feed_id is 'The feed';
comment on column entry.guid is 'The identity the feed gives it';
comment on column entry.article_id is 'The article it became';
comment on column entry.url is 'Normalised address; null when the entry has none';
comment on column entry.content_hash is 'Hash of title and text in the feed; a change means an update';
comment on column entry.first_seen_at is 'When it was first polled';
comment on column entry.page_state is 'waiting, done, failed, or none (nothing to fetch)';
comment on column entry.n_tries is 'Attempts to fetch the page so far';
comment on column entry.next_try_at is 'When the page is tried again';
comment on column entry.error is 'Why the page could not be had';

create table article (
    article_id text,
    feed_id text,
    outlet text,
    url text,
    canonical_url text,
    syndicated_from text,
    version integer,
    n_versions integer,
    lang text,
    script text,
    published_at timestamptz,
    published_day date,
    date_source text,
    first_seen_at timestamptz,
    body_source text,
    tagged_by text
);
comment on table article is 'One row per article: one address. Key: article_id.';
comment on column article.article_id is 'Given once, from the normalised address; never changes';
comment on column article.feed_id is 'The feed that brought it first';
comment on column article.outlet is 'Outlet of that feed';
comment on column article.url is 'Normalised address of its entry';
comment on column article.canonical_url is 'Address the page itself calls canonical, where it is believed';
comment on column article.syndicated_from is 'Canonical address on another domain: the text was taken over from there';
comment on column article.version is 'Current version';
comment on column article.n_versions is 'Versions seen so far';
comment on column article.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; und when unknown';
comment on column article.script is 'ISO 15924: Latn, Cyrl ...';
comment on column article.published_at is 'When it was published (UTC)';
comment on column article.published_day is 'That day in the configured zone (Europe/Belgrade)';
comment on column article.date_source is 'Where the date comes from: feed, json-ld, meta, time, url, or first_seen when nothing tells';
comment on column article.first_seen_at is 'When it was first polled';
comment on column article.body_source is 'Where the current text comes from: page, feed, import, headline';
comment on column article.tagged_by is 'Tagging version (seeds and code) of its mentions, focus and tags';

create table article_url (
    url text,
    article_id text,
    kind text
);
comment on table article_url is 'One row per address known to lead to an article. Key: url.';
comment on column article_url.url is 'Normalised address';
comment on column article_url.article_id is 'The article';
comment on column article_url.kind is 'entry, redirect or canonical';

create table sighting (
    article_id text,
    feed_id text,
    first_seen_at timestamptz
);
comment on table sighting is 'One row per article and feed that carried it. Key: article_id, feed_id.';
comment on column sighting.article_id is 'The article';
comment on column sighting.feed_id is 'The feed';
comment on column sighting.first_seen_at is 'When this feed first showed it';

create table article_version (
    article_id text,
    version integer,
    title text,
    body text,
    author text,
    published_at timestamptz,
    content_hash text,
    seen_at timestamptz,
    body_source text
);
comment on table article_version is 'One row per published state of an article; the text is stored here and nowhere else. Key: article_id, version.';
comment on column article_version.article_id is 'The article';
comment on column article_version.version is '1, 2, ...';
comment on column article_version.title is 'Title';
comment on column article_version.body is 'Text, paragraphs separated by line breaks; never HTML';
comment on column article_version.author is 'Author as named';
comment on column article_version.published_at is 'Date this state gives; kept, not trusted';
comment on column article_version.content_hash is 'Hash of the normalised title and text';
comment on column article_version.seen_at is 'When this state was first seen';
comment on column article_version.body_source is 'page, feed, import, headline';

create table story (
    story_id text,
    lead_article_id text,
    first_at timestamptz,
    last_at timestamptz,
    n_articles integer,
    n_outlets integer,
    n_owners integer
);
comment on table story is 'One row per story: near-duplicate articles. Key: story_id.';
comment on column story.story_id is 'The article_id of the lead';
comment on column story.lead_article_id is 'The earliest article';
comment on column story.first_at is 'Publication of the first';
comment on column story.last_at is 'Publication of the last';
comment on column story.n_articles is 'Articles';
comment on column story.n_outlets is 'Outlets';
comment on column story.n_owners is 'Owners';

create table story_article (
    article_id text,
    story_id text,
    similarity double,
    is_lead boolean
);
comment on table story_article is 'One row per article: the story it belongs to (an article that nobody copied is a story of its own). Key: article_id.';
comment on column story_article.article_id is 'The article';
comment on column story_article.story_id is 'Its story';
comment on column story_article.similarity is 'Similarity to the lead, 0 to 1';
comment on column story_article.is_lead is 'Is it the lead?';

create table story_alias (
    old_story_id text,
    story_id text,
    merged_at timestamptz
);
comment on table story_alias is 'One row per story that was absorbed by another. Key: old_story_id.';
comment on column story_alias.old_story_id is 'The story that is no more';
comment on column story_alias.story_id is 'The story that took its articles';
comment on column story_alias.merged_at is 'When';

create table signature (
    article_id text,
    published_at timestamptz,
    text_hash ubigint,
    bands uinteger[]
);
comment on table signature is 'One row per article: what is needed to find its near-duplicates. Key: article_id.';
comment on column signature.article_id is 'The article';
comment on column signature.published_at is 'When it was published (UTC)';
comment on column signature.text_hash is 'Equal for equal words; null for a text too short to be a copy of anything';
comment on column signature.bands is 'MinHash band keys; near-duplicates share at least one';

create table story_edge (
    left_id text,
    right_id text,
    similarity double
);
comment on table story_edge is 'One row per verified pair of near-duplicates. Key: left_id, right_id.';
comment on column story_edge.left_id is 'The smaller article_id';
comment on column story_edge.right_id is 'The greater one';
comment on column story_edge.similarity is 'Similarity, 0 to 1';

create table mention (
    article_id text,
    version integer,
    field text,
    char_start integer,
    char_end integer,
    entity_id text,
    kind text,
    country_code text,
    role_id text,
    surface text,
    rule_id text
);
comment on table mention is 'One row per name of a place, person or organisation in the current version of an article. Key: article_id, version, field, char_start, char_end, entity_id.';
comment on column mention.article_id is 'The article';
comment on column mention.version is 'Its version';
comment on column mention.field is 'title or body';
comment on column mention.char_start is 'First character, counted in Unicode code points from 0';
comment on column mention.char_end is 'One past the last character';
comment on column mention.entity_id is 'Country code, place, actor; for an office the person who held it that day, else the role_id';
comment on column mention.kind is 'country, demonym, adjective, place, organisation, person, role';
comment on column mention.country_code is 'Country it counts for; null for international bodies and places in several states';
comment on column mention.role_id is 'The office, for kind role';
comment on column mention.surface is 'The text itself: substring(body, char_start + 1, char_end - char_start)';
comment on column mention.rule_id is 'The seed pattern that matched';

create table focus (
    article_id text,
    country_code text,
    salience double,
    n_mentions integer,
    is_focus boolean
);
comment on table focus is 'One row per country mentioned in an article. Key: article_id, country_code.';
comment on column focus.article_id is 'The article';
comment on column focus.country_code is 'ISO 3166-1 alpha-2, XK for Kosovo';
comment on column focus.salience is 'Weight of its mentions relative to the strongest country, 0 to 1';
comment on column focus.n_mentions is 'Mentions that count for it';
comment on column focus.is_focus is 'Is the article chiefly about it?';

create table tag (
    article_id text,
    topic_id text,
    score double,
    evidence struct(field text, char_start integer, char_end integer, rule_id text)[],
    rule_ids text[]
);
comment on table tag is 'One row per article and topic. Key: article_id, topic_id.';
comment on column tag.article_id is 'The article';
comment on column tag.topic_id is 'The topic';
comment on column tag.score is '0 to 1; at least the topics threshold';
comment on column tag.evidence is 'Spans that speak for it, each with the rule that used it';
comment on column tag.rule_ids is 'The rules that held';

create table country (
    code text,
    name_en text,
    name_sr text,
    name_sq text,
    name_mk text,
    groups text[],
    capital text
);
comment on table country is 'One row per country, from seeds/country.csv. Key: code.';
comment on column country.code is 'ISO 3166-1 alpha-2, XK for Kosovo';
comment on column country.name_en is 'Name in English';
comment on column country.name_sr is 'Name in Serbian (Latin)';
comment on column country.name_sq is 'Name in Albanian';
comment on column country.name_mk is 'Name in Macedonian';
comment on column country.groups is 'Groups that topic rules and filters use';
comment on column country.capital is 'Capital';

create table actor (
    actor_id text,
    kind text,
    name text,
    category text,
    country_code text
);
comment on table actor is 'One row per person or organisation, from seeds/actor.csv. Key: actor_id.';
comment on column actor.actor_id is 'Short name';
comment on column actor.kind is 'person or organisation';
comment on column actor.name is 'Name';
comment on column actor.category is 'party, army, mission, court ...';
comment on column actor.country_code is 'State it belongs to; null for international bodies';

create table role (
    role_id text,
    title_id text,
    holder text,
    person_id text,
    from_date date,
    until_date date,
    source text
);
comment on table role is 'One row per term of office, from seeds/role.csv. Key: role_id, person_id, from_date.';
comment on column role.role_id is 'Office: title_id:holder';
comment on column role.title_id is 'Kind of office';
comment on column role.holder is 'Country code or actor whose office it is';
comment on column role.person_id is 'Who held it';
comment on column role.from_date is 'First day';
comment on column role.until_date is 'Day the successor took over; null for still';
comment on column role.source is 'Where the fact comes from; unchecked when only remembered';

create table topic (
    topic_id text,
    label_en text,
    label_sr text,
    label_sq text,
    label_mk text,
    threshold double,
    definition text
);
comment on table topic is 'One row per topic of the taxonomy, from seeds/topic.csv. Key: topic_id.';
comment on column topic.topic_id is 'Short name';
comment on column topic.label_en is 'Label in English';
comment on column topic.label_sr is 'Label in Serbian (Latin)';
comment on column topic.label_sq is 'Label in Albanian';
comment on column topic.label_mk is 'Label in Macedonian';
comment on column topic.threshold is 'Score from which a tag is given';
comment on column topic.definition is 'What counts';

create table side (
    side text,
    name_en text,
    description text
);
comment on table side is 'One row per side: the audience or capital an outlet speaks to. Key: side.';
comment on column side.side is 'Short name';
comment on column side.name_en is 'Name in English';
comment on column side.description is 'Who that is';

create table meta (
    key text,
    value text
);
comment on table meta is 'Facts about this warehouse: schema version, active tagging version. Key: key.';
comment on column meta.key is 'Name';
comment on column meta.value is 'Value';
