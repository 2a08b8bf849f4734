"""Alerts: which rules of `seeds/alerts.csv` have something new to say, and the outbox in which their messages wait.

`raise_alerts` runs inside the transaction that closes a run, so a message is never lost; whoever sends (`flows.alerts`) asks for
`waiting`, sends, and calls `mark` in a transaction of its own, so a kill in between sends one message twice at most.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.schemas import RELATIONS, conform
from pipeline.text import sentence_bounds
from pipeline.warehouse import Store

MAX_TRIES = 10
TOLD = 5  # stories that a message spells out
QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

# Stories of the last days that meet a rule, and that it has not told of yet, under whatever name.
_NEW_STORIES = """
with recursive told as (
    select story_id from alert_story where rule_id = $rule_id
    union
    select a.story_id from told as t inner join story_alias as a on t.story_id = a.old_story_id
),

hit as (
    select sa.story_id, a.published_day, t.topic_id, f.country_code
    from article as a
    inner join story_article as sa on a.article_id = sa.article_id
    inner join tag_effective as t on a.article_id = t.article_id
    inner join focus_effective as f on a.article_id = f.article_id and f.is_focus
    inner join country as c on f.country_code = c.code
    left join feed on a.feed_id = feed.feed_id
    where a.published_at > $since and a.published_at <= $now
        and ($topic_id = '*' or t.topic_id = $topic_id)
        and ($country_code = '*' or f.country_code = $country_code or list_contains(c.groups, $country_code))
        and ($side = '*' or coalesce(feed.side, 'unknown') = $side)
        and not exists (select 1 from told where told.story_id = sa.story_id)
)
"""
_BY_RULE = (
    _NEW_STORIES
    + """
select $topic_id as topic_id, $country_code as country_code, max(published_day) as day, list(distinct story_id) as story_ids
from hit
having count(distinct story_id) >= $threshold
"""
)
_BY_BURST = (
    _NEW_STORIES
    + """
select h.topic_id, h.country_code, h.published_day as day, list(distinct h.story_id) as story_ids
from hit as h
inner join burst as b
    on h.published_day = b.day and h.country_code = b.country_code and h.topic_id = b.topic_id and b.is_burst
where not exists (
    select 1 from alert as a
    where a.rule_id = $rule_id and a.day = b.day and a.country_code = b.country_code and a.topic_id = b.topic_id
)
group by all
having count(distinct h.story_id) >= $threshold
order by day desc, len(list(distinct h.story_id)) desc, h.country_code, h.topic_id
"""
)
# The leading stories of a message, those with the most outlets first, each with one span that speaks for the topic.
_LEADS = """
select s.story_id, x.title, x.body, x.url, s.n_outlets,
    (select list(distinct a.outlet order by a.outlet) from story_article as sa join article as a using (article_id)
     where sa.story_id = s.story_id) as outlets,
    (select first(t.evidence order by t.topic_id) from tag as t
     where t.article_id = s.lead_article_id and ($topic_id = '*' or t.topic_id = $topic_id)) as evidence
from story as s
inner join article_text as x on s.lead_article_id = x.article_id
where s.story_id in (select unnest($story_ids))
order by s.n_outlets desc, s.first_at, s.story_id
limit $told
"""


@dataclass(frozen=True)
class Message:
    """One alert that waits to be sent."""

    alert_id: str
    channel: str
    subject: str
    body: str
    n_tries: int


def due(store: Store, rules: pl.DataFrame, run_id: str, now: datetime, time_zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the rules have to say now, as rows of `alert` and `alert_story`; writes nothing.

    `rules` is the seed table `alerts` (strings). Quiet hours are of `time_zone`.
    """
    alerts, told = [], []
    for rule in rules.iter_rows(named=True):
        for cell in _cells(store, rule, now):
            alert_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
            channel = rule["channel"]
            subject, body = _message(store, rule, cell)
            alerts.append({
                "alert_id": alert_id, "rule_id": rule["rule_id"], "run_id": run_id, "created_at": now, "kind": rule["kind"],
                "topic_id": cell["topic_id"], "country_code": cell["country_code"], "side": rule["side"], "day": cell["day"],
                "n_stories": len(cell["story_ids"]), "subject": subject, "body": body, "channel": channel,
                "state": "waiting" if channel else "noted", "n_tries": 0,
                "next_try_at": after_quiet(rule["quiet_hours"], now, time_zone) if channel else None,
            })  # fmt: skip
            told += [{"alert_id": alert_id, "rule_id": rule["rule_id"], "story_id": story} for story in cell["story_ids"]]
    frame = pl.DataFrame(alerts, infer_schema_length=None)
    return conform(frame, RELATIONS["alert"]), conform(pl.DataFrame(told), RELATIONS["alert_story"])


def raise_alerts(store: Store, rules: pl.DataFrame, run_id: str, now: datetime, time_zone: str) -> pl.DataFrame:
    """Write what is `due` to the outbox, inside the caller's transaction; returns the new rows of `alert`."""
    alerts, told = due(store, rules, run_id, now, time_zone)
    store.append("alert", alerts)
    store.append("alert_story", told)
    return alerts


def _cells(store: Store, rule: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    sql = _BY_BURST if rule["kind"] == "burst" else _BY_RULE
    window = timedelta(days=int(rule["window_days"]))
    names = ("rule_id", "topic_id", "country_code", "side")
    values = {name: rule[name] for name in names} | {"threshold": int(rule["threshold"]), "since": now - window, "now": now}
    return store.read(sql, **values).to_dicts()


def after_quiet(quiet_hours: str | None, now: datetime, time_zone: str) -> datetime:
    """`now`, or the end of the quiet hours (`22:00-06:00`, local time) that it falls in."""
    found = QUIET.fullmatch(quiet_hours or "")
    if not found:
        return now
    local = now.astimezone(ZoneInfo(time_zone))
    begin, end = found[1] + found[2], found[3] + found[4]
    clock = f"{local:%H%M}"
    inside = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not inside:
        return now
    day = local + timedelta(days=1) if clock >= begin and begin > end else local
    until = day.replace(hour=int(end[:2]), minute=int(end[2:]), second=0, microsecond=0)
    return until.astimezone(now.tzinfo)


def _message(store: Store, rule: dict[str, Any], cell: dict[str, Any]) -> tuple[str, str]:
    topic = _name(store, "select label_en as name from topic where topic_id = $key", cell["topic_id"], "all topics")
    country = _name(store, "select name_en as name from country where code = $key", cell["country_code"], "all countries")
    count = len(cell["story_ids"])
    more = " (burst)" if rule["kind"] == "burst" else ""
    side = "" if rule["side"] == "*" else f", outlets of {rule['side']}"
    subject = f"balkanwatch: {country}, {topic}: {count} {'story' if count == 1 else 'stories'}{more}{side}"
    leads = store.read(_LEADS, story_ids=cell["story_ids"], topic_id=cell["topic_id"], told=TOLD)
    parts = [_story(row) for row in leads.iter_rows(named=True)]
    if count > leads.height:
        parts.append(f"and {count - leads.height} more")
    reason = f"Rule {rule['rule_id']}" + (f": {rule['note']}" if rule["note"] else "")
    parts.append(f"{reason}. Newest day: {cell['day']}.")
    return subject, "\n\n".join(parts)


def _name(store: Store, sql: str, key: str, every: str) -> str:
    """The English name of a topic or country; a group of countries goes by its own name."""
    if key == "*":
        return every
    found = store.read(sql, key=key)
    return str(found["name"][0]) if found.height else key


def _story(row: dict[str, Any]) -> str:
    lines = [_line(row["title"]) or "(no title)", ", ".join(_line(name) for name in row["outlets"][:8])]
    if row["url"] and re.match(r"https?://", row["url"]):
        lines.append(row["url"])
    for span in (row["evidence"] or [])[:1]:
        text = row[span["field"]] or ""
        low, high = sentence_bounds(text, span["char_start"], span["char_end"], 300)
        lines.append(f"> {_line(text[low:high])}")
    return "\n".join(lines)


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


# -- the outbox -------------------------------------------------------------------------------------------------------


def waiting(store: Store, now: datetime) -> list[Message]:
    """Messages that are due, oldest first."""
    due = store.read(
        "select alert_id, channel, subject, body, n_tries from alert where state = 'waiting' and next_try_at <= $now"
        " order by created_at, alert_id",
        now=now,
    )
    return [Message(**row) for row in due.iter_rows(named=True)]


def mark(store: Store, message: Message, error: str | None, now: datetime) -> None:
    """Note that a message was sent, or why not: it is tried again after 1, 2, 4 ... minutes, ten times in all."""
    tries = message.n_tries + 1
    state = "sent" if error is None else "failed" if tries >= MAX_TRIES else "waiting"
    store.read(
        """
        update alert set state = $state, n_tries = $tries, error = $error, sent_at = $sent_at, next_try_at = $next_try_at
        where alert_id = $alert_id
        """,
        state=state,
        tries=tries,
        error=error,
        sent_at=None if error else now,
        next_try_at=now + timedelta(minutes=2**message.n_tries) if state == "waiting" else None,
        alert_id=message.alert_id,
    )


def acknowledge(store: Store, alert_id: str, by: str, now: datetime) -> int:
    """Note that somebody has seen an alert (`*`: all that nobody has); returns how many."""
    seen = store.read(
        "update alert set acknowledged_at = $now, acknowledged_by = $by"
        " where acknowledged_at is null and (alert_id = $alert_id or $alert_id = '*') returning alert_id",
        now=now,
        by=by,
        alert_id=alert_id,
    )
    return seen.height
