-- What people decide: verdicts on tags, what is forgotten, and what is left of bodies that were removed.

create table judgement (
    article_id text,
    topic_id text,
    country_code text,
    verdict text,
    note text,
    judged_by text,
    judged_at timestamptz,
    sample_id text,
    version integer
);
comment on table judgement is 'One row per verdict of a person on one tag or one focus country of an article; the latest counts in the marts, whatever the tagger says, also after tagging again. Key: article_id, topic_id, country_code, judged_by, judged_at.';
comment on column judgement.article_id is 'The article';
comment on column judgement.topic_id is 'The topic that was judged; null when it is about a country';
comment on column judgement.country_code is 'The focus country that was judged; null when it is about a topic';
comment on column judgement.verdict is 'right: the article is about it; wrong: it is not';
comment on column judgement.note is 'Remark of the person';
comment on column judgement.judged_by is 'Who judged';
comment on column judgement.judged_at is 'When the sheet was read';
comment on column judgement.sample_id is 'The coding sheet: topic, country, size and seed';
comment on column judgement.version is 'The version that was read; the verdict holds for later ones too';

create table tombstone (
    kind text,
    address text,
    article_id text,
    forgotten_at timestamptz,
    reason text
);
comment on table tombstone is 'One row per address or outlet that was forgotten on demand and is not fetched or landed again. Key: kind, address, article_id.';
comment on column tombstone.kind is 'article or outlet';
comment on column tombstone.address is 'Address of the article (null when it had none), or name of the outlet';
comment on column tombstone.article_id is 'Id of the article, which comes from its address; null for an outlet';
comment on column tombstone.forgotten_at is 'When';
comment on column tombstone.reason is 'Why, as given';

create table kept_surface (
    article_id text,
    version integer,
    char_start integer,
    char_end integer,
    surface text
);
comment on table kept_surface is 'One row per piece of a body that spoke for a topic, kept when the body was removed for its age (setting retention_days). Key: article_id, version, char_start, char_end.';
comment on column kept_surface.article_id is 'The article';
comment on column kept_surface.version is 'The version that was current';
comment on column kept_surface.char_start is 'Where it began in the body';
comment on column kept_surface.char_end is 'Where it ended';
comment on column kept_surface.surface is 'The words';

comment on column article.body_source is 'Where the current text comes from: page, feed, import, headline; removed when its body was removed for its age';
comment on column article_version.body_source is 'page, feed, import, headline; removed when the body was removed for its age';
