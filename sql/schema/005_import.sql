-- Imports of archives: what has been landed, and what was not taken.

create table import_part (
    import_id text,
    part integer,
    file text,
    fingerprint text,
    is_last boolean,
    n_rows integer,
    n_new integer,
    n_updated integer,
    n_rejected integer,
    n_skipped integer,
    landed_at timestamptz
);
comment on table import_part is 'One row per part of an imported file, written in the transaction that landed it: a part is landed once. Key: import_id, part.';
comment on column import_part.import_id is 'Content of the file and the way it was read; the same file read in the same way is the same import';
comment on column import_part.part is 'Number of the part in the file, from 1';
comment on column import_part.file is 'Path as it was given';
comment on column import_part.fingerprint is 'Hash of the bytes of the file';
comment on column import_part.is_last is 'Is it the last part of the file?';
comment on column import_part.n_rows is 'Records taken';
comment on column import_part.n_new is 'Articles that were new';
comment on column import_part.n_updated is 'Known articles that got a text or another version';
comment on column import_part.n_rejected is 'Records not taken; relation import_reject says why';
comment on column import_part.n_skipped is 'Records that are no articles: images, redirects, hosts that were not asked for';
comment on column import_part.landed_at is 'When';

create table import_reject (
    import_id text,
    part integer,
    line integer,
    reason text
);
comment on table import_reject is 'One row per record of an imported file that was not taken. Key: import_id, part, line.';
comment on column import_reject.import_id is 'The import';
comment on column import_reject.part is 'The part of the file';
comment on column import_reject.line is 'Line, row or record of the file, from 1';
comment on column import_reject.reason is 'What is wrong with it, in a few words';

comment on column feed.url is 'Address that is polled; null for feeds of imports';
comment on column feed.kind is 'rss, sitemap or file; import for what came from archives and is never polled';
comment on column article.first_seen_at is 'When it was first polled; for an imported article when its archive says it was crawled, else when it was imported';
comment on column article.date_source is 'Where the date comes from: feed, import, json-ld, meta, time, url, or first_seen when nothing tells';
comment on column article_version.seen_at is 'When this state was first seen; for imports the date of the crawl or of publication, by which versions are in order';
