-- Alerts: an outbox that is filled in the transaction that closes a run, and emptied afterwards.

create table alert (
    alert_id text,
    rule_id text,
    run_id text,
    created_at timestamptz,
    kind text,
    topic_id text,
    country_code text,
    side text,
    day date,
    n_stories integer,
    subject text,
    body text,
    channel text,
    state text,
    n_tries integer,
    next_try_at timestamptz,
    sent_at timestamptz,
    error text,
    acknowledged_at timestamptz,
    acknowledged_by text
);
comment on table alert is 'One row per alert, whether it was sent or only noted. Key: alert_id.';
comment on column alert.alert_id is 'Short name, sortable by time';
comment on column alert.rule_id is 'The rule of seeds/alerts.csv that gave it';
comment on column alert.run_id is 'The run in which it arose';
comment on column alert.created_at is 'When it arose';
comment on column alert.kind is 'stories: enough new stories; burst: coverage far above its baseline';
comment on column alert.topic_id is 'Topic watched; * for any';
comment on column alert.country_code is 'Country or group of countries watched; * for any';
comment on column alert.side is 'Side whose outlets are watched; * for any';
comment on column alert.day is 'Newest day of publication among its stories';
comment on column alert.n_stories is 'Stories it tells of';
comment on column alert.subject is 'First line of the message';
comment on column alert.body is 'The message: leading stories, each with its outlets, address and a sentence of evidence';
comment on column alert.channel is 'Where it goes; null when it is only noted here';
comment on column alert.state is 'waiting, sent, failed (given up), or noted (no channel)';
comment on column alert.n_tries is 'Attempts to send it';
comment on column alert.next_try_at is 'When it is sent, or tried again; quiet hours are waited for';
comment on column alert.sent_at is 'When the channel took it';
comment on column alert.error is 'Why the last attempt failed';
comment on column alert.acknowledged_at is 'When somebody said that they had seen it';
comment on column alert.acknowledged_by is 'Who';

create table alert_story (
    alert_id text,
    rule_id text,
    story_id text
);
comment on table alert_story is 'One row per alert and story it told of: no rule tells of a story twice, whatever it was merged into since. Key: alert_id, story_id.';
comment on column alert_story.alert_id is 'The alert';
comment on column alert_story.rule_id is 'Its rule';
comment on column alert_story.story_id is 'The story, as it was called then';
