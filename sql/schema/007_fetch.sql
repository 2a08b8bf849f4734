-- What is kept of hosts from run to run, a pause of its own for a feed, and the site a feed belongs to.

create table host_state (
    host text,
    checked_at timestamptz,
    http_status integer,
    robots text,
    left_alone_until timestamptz,
    n_refusals integer
);
comment on table host_state is 'One row per host that was ever asked: its robots.txt while it is fresh, and until when it wants to be left alone. Key: host.';
comment on column host_state.host is 'Origin (scheme, host, port) for robots.txt; bare host name for being left alone';
comment on column host_state.checked_at is 'When robots.txt was read; it counts for a day';
comment on column host_state.http_status is 'What robots.txt was answered with; 4xx means that there is none';
comment on column host_state.robots is 'The lines of robots.txt that concern us; null where there is none';
comment on column host_state.left_alone_until is 'The host answered 429 or 503: nothing is asked before this time';
comment on column host_state.n_refusals is 'Such answers in a row';

alter table feed add column pause_s double;
comment on column feed.pause_s is 'Seconds between two requests to its host; null for the setting';

alter table feed_state add column site text;
comment on column feed_state.site is 'Registered domain that the feed belonged to when it was first read; a feed that leads elsewhere is not taken over';

comment on column fetch_log.kind is 'feed, page, robots or sitemap; a sitemap of a feed that is none was looked into after a gap';
comment on column fetch_log.is_gap is 'Did the poll share no entry with the one before? Null for what is no poll: pages, robots.txt, sitemaps after a gap, sitemaps of an index';
comment on table robots_log is 'Permission ledger: one row per verdict of a robots.txt or X-Robots-Tag, and per poll in which a feed told its terms. Key: host, path, checked_at, reason.';
