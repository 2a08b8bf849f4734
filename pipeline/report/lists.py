"""The sections that are lists: bursts, most carried stories, edits, health of the feeds, notes."""

import difflib
from typing import Any

from pipeline.report.desk import Desk, language, sentence, shown
from pipeline.report.evidence import Key, Sentence
from pipeline.report.html import Html, filled, join, link, tag, text
from pipeline.report.opening import changes

N_CHANGES = 5
MAX_TITLE, MAX_BODY = 400, 2_000  # words that are compared


def bursts(desk: Desk) -> Html:
    lead = tag("p", desk.w("p_bursts"), class_="lead")
    if not desk.f.bursts.height:
        return join(lead, tag("p", desk.w("no_bursts"), class_="empty"), _rises(desk))
    rows = desk.f.bursts.rows(named=True)
    keys = [Key(row["code"], row["topic_id"], day=row["day"]) for row in rows]
    found = desk.sentences(*keys, *(Key(story=story_id) for story_id in desk.f.leading["story_id"]))
    return join(
        lead, tag("div", [_burst_card(desk, row, found[key]) for row, key in zip(rows, keys, strict=True)], class_="cards")
    )


def _burst_card(desk: Desk, row: dict[str, Any], found: list[Sentence]) -> Html:
    title = desk.topic_title(row["code"], row["topic_id"])
    key = Key(row["code"], row["topic_id"], day=row["day"])
    said = filled(
        desk.w("burst_said"), n=desk.stories_of(row["observed"], key, title), day=desk.w.day(row["day"]),
        expected=desk.w.number(row["expected"], 1), q=desk.w.number(row["q_value"], 4),
    )  # fmt: skip
    more = (
        tag("p", filled(desk.w("burst_days"), n=desk.w.count(row["n_days"], "day")), class_="more") if row["n_days"] > 1 else ""
    )
    leading = desk.f.leading.filter(code=row["code"], topic_id=row["topic_id"])
    stories = [
        tag("li", desk.title(one), " ", tag("span", "(", _outlets(desk, one), ")", class_="more"))
        for one in leading.iter_rows(named=True)
    ]
    sentences = [tag("li", sentence(one, desk.w)) for one in found[:2]]
    return tag(
        "article", tag("h3", title), tag("p", said), more,
        tag("div", tag("div", tag("h4", desk.w("leading_stories")), tag("ul", stories)),
            tag("div", tag("h4", desk.w("what_it_says")), tag("ul", sentences, class_="said")), class_="halves"),
        class_="card",
    )  # fmt: skip


def _outlets(desk: Desk, row: dict[str, Any]) -> Html:
    """`3 outlets`, linked to what they wrote."""
    return desk.panels.number(desk.w.count(row["n_outlets"], "outlet"), Key(story=row["story_id"]), row["title"] or "", 1)


def _rises(desk: Desk) -> Html:
    """In place of bursts: what grew most."""
    rises = changes(desk, 1)[:N_CHANGES] if desk.f.has_before else []
    if not rises:
        return Html()
    rows = []
    for r in rises:
        title = desk.topic_title(r["code"], r["topic_id"])
        number = desk.plain(r["n"], Key(r["code"], r["topic_id"]), title)
        rows.append([tag("th", title, scope="row"), tag("td", number), tag("td", desk.w.number(r["n_before"]))])
    return desk.table(desk.w("largest_rises"), ["", desk.w("this_period"), desk.when_before], rows, class_="narrow")


def stories(desk: Desk) -> Html:
    lead = tag("p", desk.w("p_stories"), class_="lead")
    if not desk.f.stories.height:
        return join(lead, tag("p", desk.w("no_tagged"), class_="empty"))
    active = desk.f.sides["side"].to_list()
    if desk.f.stories["n_outlets"].max() == 1:
        lead = tag("p", desk.w("no_copies"), class_="lead")
    return join(lead, tag("ol", [_story(desk, row, active) for row in desk.f.stories.iter_rows(named=True)], class_="stories"))


def _story(desk: Desk, row: dict[str, Any], active: list[str]) -> Html:
    key = Key(story=row["story_id"])
    counts = desk.panels.number(
        f"{desk.w.count(row['n_articles'], 'article')}, {desk.w.count(row['n_outlets'], 'outlet')}",
        key,
        row["title"] or "",
        row["n_articles"],
    )
    topics = ", ".join(desk.w.topic(one) for one in row["topics"] or [])
    first = filled(desk.w("first_in"), outlet=tag("bdi", row["outlet"]), day=desk.w.day(row["day"]))
    carried = tag("p", tag("b", desk.w("carried"), ": "), ", ".join(desk.w.side(side) for side in row["sides"]), class_="yes")
    absent = [side for side in active if side not in row["sides"]]
    silent = (
        tag("p", tag("b", desk.w("not_carried"), ": "), ", ".join(desk.w.side(side) for side in absent), class_="no")
        if absent
        else ""
    )
    meta = join(counts, first, *([topics] if topics else []), between=" · ")
    return tag("li", tag("h3", desk.title(row)), tag("p", meta, class_="more"), carried, silent)


def edits(desk: Desk) -> Html:
    n = desk.f.totals["n_edits"]
    if not n:
        return tag("p", desk.w("no_edits"), class_="empty")
    lead = tag("p", filled(desk.w("p_edits"), n=desk.w.count(n, "article")), class_="lead")
    query = f"balkanwatch query edited --days={desk.period.days} --until={desk.period.until}"
    return join(
        lead,
        tag("ul", [_edit(desk, row) for row in desk.f.edits.iter_rows(named=True)], class_="edits"),
        tag("p", desk.w("the_rest"), " ", shown(query), class_="query"),
    )


def _edit(desk: Desk, row: dict[str, Any]) -> Html:
    """The title with what went and what came, and how much of the text changed."""
    title = _compared((row["first_title"] or "").split(), (row["title"] or "").split())
    n_changed = _n_changed((row["first_body"] or "").split(), (row["body"] or "").split())
    body = filled(desk.w("text_changed"), n=desk.w.count(n_changed, "word")) if n_changed else text(desk.w("text_same"))
    diff = tag("code", f"balkanwatch diff {row['article_id']}")
    meta = join(tag("bdi", link(row["outlet"], row["url"])), desk.w.day(row["day"]), body, diff, between=" · ")
    return tag("li", tag("p", title, lang=language(row["lang"], row["script"]), class_="title"), tag("p", meta, class_="more"))


def _compared(was: list[str], now: list[str]) -> Html:
    if len(was) + len(now) > MAX_TITLE:
        return text(" ".join(now))
    pieces: list[Html] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append(text(" ".join(now[c:d])))
        if what in ("replace", "delete"):
            pieces.append(tag("del", " ".join(was[a:b])))
        if what in ("replace", "insert"):
            pieces.append(tag("ins", " ".join(now[c:d])))
    return join(pieces, between=" ")


def _n_changed(was: list[str], now: list[str]) -> int:
    """Words that came, went or were replaced, in the first thousands of a text."""
    steps = difflib.SequenceMatcher(None, was[:MAX_BODY], now[:MAX_BODY], autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for what, a, b, c, d in steps if what != "equal")


def feeds(desk: Desk) -> Html:
    counts = desk.f.feeds.iter_rows()
    tiles = [tag("div", tag("dt", desk.w(f"feed_{state}")), tag("dd", desk.w.number(n))) for state, n in counts]
    parts = [tag("p", desk.w("p_feeds"), class_="lead"), tag("dl", tiles, class_="tiles small")]
    if desk.f.problems.height:
        rows = []
        for row in desk.f.problems.iter_rows(named=True):
            reason = row["reason"] or ""
            if row["state"] == "silent":
                reason = filled(desk.w("silent_for"), n=desk.w.count(row["silent_days"] or 0, "day"))
            elif row["state"] == "gap":
                reason = desk.w("gap_reason")
            elif row["moved_to"]:
                reason = filled(desk.w("moved_to"), url=row["moved_to"])
            told = join(desk.w(f"feed_{row['state']}"), *([reason] if reason else []), between=": ")
            rows.append([tag("th", tag("bdi", row["outlet"]), " ", tag("code", row["feed_id"]), scope="row"), tag("td", told)])
        parts.append(desk.table(desk.w("feeds_caption"), [desk.w("head_outlet"), desk.w("head_state")], rows, class_="words"))
    else:
        parts.append(tag("p", desk.w("no_problems"), class_="empty"))
    parts.append(tag("p", desk.w("the_rest"), " ", tag("code", "balkanwatch status"), class_="query"))
    return join(parts)


def notes(desk: Desk) -> Html:
    return tag(
        "ul",
        [tag("li", filled(desk.w(f"note_{n}"), query=tag("code", "balkanwatch query --list"))) for n in range(1, 5)],
    )
