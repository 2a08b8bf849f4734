-- Several monitors and one warehouse: what they have read waits here until the one loader lands it. Empty in a file of one machine.

create table inbox_batch (
    batch_id text,
    kind text,
    monitor text,
    run_id text,
    read_at timestamptz
);
comment on table inbox_batch is 'One row per batch that a monitor has handed over and that waits to be landed; a monitor that lost its connection may hand one over twice. Empty where the monitor writes to a file of its own. Key: batch_id.';
comment on column inbox_batch.batch_id is 'Name of the batch; the batches of a monitor are landed in the order of their names';
comment on column inbox_batch.kind is 'feeds, missed (found in sitemaps after a gap), pages, or run';
comment on column inbox_batch.monitor is 'The machine that read it';
comment on column inbox_batch.run_id is 'The run of that machine';
comment on column inbox_batch.read_at is 'When it was read; first_seen_at of what is new in it';

create table inbox_entry (
    batch_id text,
    place integer,
    outlet text,
    feed_id text,
    guid text,
    url text,
    article_id text,
    title text,
    body text,
    author text,
    published_at timestamptz,
    date_source text,
    lang text,
    script text,
    content_hash text
);
comment on table inbox_entry is 'One row per entry of a feed in a batch that waits to be landed. Key: batch_id, place.';
comment on column inbox_entry.batch_id is 'The batch';
comment on column inbox_entry.place is 'Place in the batch';
comment on column inbox_entry.outlet is 'Outlet of the feed';
comment on column inbox_entry.feed_id is 'The feed';
comment on column inbox_entry.guid is 'Name of the entry in its feed';
comment on column inbox_entry.url is 'Normalised address; null when the entry has none';
comment on column inbox_entry.article_id is 'The article, unless its address turns out to be another one''s';
comment on column inbox_entry.title is 'Title as published';
comment on column inbox_entry.body is 'Text of the entry, never HTML';
comment on column inbox_entry.author is 'Author as published';
comment on column inbox_entry.published_at is 'Date of publication; null when unknown';
comment on column inbox_entry.date_source is 'feed; null when there is no date';
comment on column inbox_entry.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; und when unknown';
comment on column inbox_entry.script is 'ISO 15924: Latn, Cyrl ...';
comment on column inbox_entry.content_hash is 'Hash of title and text';

create table inbox_page (
    batch_id text,
    place integer,
    article_id text,
    url text,
    canonical_url text,
    title text,
    body text,
    author text,
    published_at timestamptz,
    date_source text,
    lang text,
    script text,
    content_hash text,
    alias_url text,
    syndicated_from text
);
comment on table inbox_page is 'One row per page in a batch that waits to be landed. Key: batch_id, place.';
comment on column inbox_page.batch_id is 'The batch';
comment on column inbox_page.place is 'Place in the batch';
comment on column inbox_page.article_id is 'The article it is the page of';
comment on column inbox_page.url is 'Address it came from';
comment on column inbox_page.canonical_url is 'The canonical link of the page';
comment on column inbox_page.title is 'Title of the page';
comment on column inbox_page.body is 'Text of the page, without menus';
comment on column inbox_page.author is 'Author as published';
comment on column inbox_page.published_at is 'Date of publication; null when unknown';
comment on column inbox_page.date_source is 'json-ld, meta, time or url; null when there is no date';
comment on column inbox_page.lang is 'ISO 639-1, or hbs for Serbian, Bosnian, Croatian and Montenegrin; und when unknown';
comment on column inbox_page.script is 'ISO 15924: Latn, Cyrl ...';
comment on column inbox_page.content_hash is 'Hash of title and text';
comment on column inbox_page.alias_url is 'Another address of the article that the page may claim';
comment on column inbox_page.syndicated_from is 'Where the page says that it was taken over from';

create table inbox_note (
    batch_id text,
    place integer,
    relation text,
    record text
);
comment on table inbox_note is 'One row per row of a ledger or a state in a batch that waits to be landed: requests, permissions, states of feeds, hosts and pages, runs. Key: batch_id, place.';
comment on column inbox_note.batch_id is 'The batch';
comment on column inbox_note.place is 'Place in the batch';
comment on column inbox_note.relation is 'The relation it is a row of';
comment on column inbox_note.record is 'The row as a JSON object';

create table load_log (
    batch_id text,
    kind text,
    monitor text,
    run_id text,
    read_at timestamptz,
    landed_at timestamptz,
    n_rows integer,
    n_new integer,
    n_updated integer
);
comment on table load_log is 'One row per batch that was landed from the inbox: it is not landed again, though it be handed over again. Key: batch_id.';
comment on column load_log.batch_id is 'The batch';
comment on column load_log.kind is 'feeds, missed, pages or run';
comment on column load_log.monitor is 'The machine that read it';
comment on column load_log.run_id is 'The run of that machine';
comment on column load_log.read_at is 'When it was read';
comment on column load_log.landed_at is 'When it was landed';
comment on column load_log.n_rows is 'Entries and pages in it';
comment on column load_log.n_new is 'New articles';
comment on column load_log.n_updated is 'New versions of known articles';
