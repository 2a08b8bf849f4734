"""The sections that are lists: bursts, most carried stories, edits, health of the feeds, notes."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.report.desk import Desk, language, query, sentence
from pipeline.report.evidence import Key, Sentence
from pipeline.report.html import Html, filled, join, link, tag, text
from pipeline.report.opening import changes

N_CHANGES = 5
MAX_TITLE, MAX_BODY = 400, 2_000  # words that are compared
N_PLACES, AROUND, MAX_PLACE = 5, 8, 40  # places of a text that changed, words around each, words of each


def bursts(desk: Desk) -> Html:
    lead = tag("p", desk.w("p_bursts"), class_="lead")
    if not desk.f.bursts.height:
        return join(lead, tag("p", desk.w("no_bursts"), class_="empty"), _rises(desk))
    rows = desk.f.bursts.rows(named=True)
    keys = [Key(row["code"], row["topic_id"], days=(row["day"], row["day"])) for row in rows]
    found = desk.sentences(*keys, *(Key(story=story_id) for story_id in desk.f.leading["story_id"]))
    cards = [_burst_card(desk, row, key, found[key]) for row, key in zip(rows, keys, strict=True)]
    return join(lead, tag("div", cards, class_="cards"), desk.rest(query("bursts", desk.period)))


def _burst_card(desk: Desk, row: dict[str, Any], key: Key, found: list[Sentence]) -> Html:
    code, topic_id, day = row["code"], row["topic_id"], row["day"]
    title = desk.topic_title(code, topic_id)
    said = filled(
        desk.w("burst_said"), n=desk.stories_of(row["observed"], key, title), day=desk.w.day(day),
        expected=desk.expected(row["expected"], 1, code, topic_id, day), q=desk.expected(row["q_value"], 4, code, topic_id, day),
    )  # fmt: skip
    more = Html()
    if row["n_days"] > 1:
        n = desk.cell.get((code, topic_id), {}).get("n", 0)
        days = desk.panels.number(desk.w.count(row["n_days"], "day"), Key(code, topic_id), title, n)
        more = tag("p", filled(desk.w("burst_days"), n=days), class_="more")
    leading = desk.f.leading.filter(code=row["code"], topic_id=row["topic_id"])
    stories = [
        tag("li", desk.title(one), " ", tag("span", "(", _outlets(desk, one), ")", class_="more"))
        for one in leading.iter_rows(named=True)
    ]
    sentences = [tag("li", sentence(one, desk.w)) for one in found[:2]]
    halves = [tag("div", tag("h4", desk.w("leading_stories")), tag("ul", stories)) if stories else ""]
    halves.append(tag("div", tag("h4", desk.w("what_it_says")), tag("ul", sentences, class_="said")) if sentences else "")
    return tag("article", tag("h3", title), tag("p", said), more, tag("div", halves, class_="halves"), class_="card")


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
        title, key = desk.topic_title(r["code"], r["topic_id"]), Key(r["code"], r["topic_id"])
        before = desk.before(desk.w.number(r["n_before"]), r["n_before"], key, title)
        rows.append([tag("th", title, scope="row"), tag("td", desk.plain(r["n"], key, title)), tag("td", before)])
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
    number = desk.panels.number(desk.w.count(n, "article"), Key(edited=True), desk.w("h_edits"), n)
    return join(
        tag("p", filled(desk.w("p_edits"), n=number), class_="lead"),
        tag("ul", [_edit(desk, row) for row in desk.f.edits.iter_rows(named=True)], class_="edits"),
        desk.rest(query("edited", desk.period)),
    )


def _edit(desk: Desk, row: dict[str, Any]) -> Html:
    """The title with what went and what came, and how much of the text changed, with a panel of where."""
    lang = language(row["lang"], row["script"])
    was, now = ((row[name] or "").split() for name in ("first_title", "title"))
    title = _compared(was, now, _steps(was, now)) if len(was) + len(now) <= MAX_TITLE else text(" ".join(now))
    was, now = ((row[name] or "").split() for name in ("first_body", "body"))
    steps = _steps(was, now)
    n = sum(max(b - a, d - c) for what, a, b, c, d in steps if what != "equal")
    rest = f"balkanwatch diff {row['article_id']}"
    said = text(desk.w("text_same"))
    if n:
        places = [tag("q", one, lang=lang) for one in _places(was, now, steps)]
        name = f"edit {row['article_id']}"
        number = desk.panels.number(desk.w.count(n, "word"), name, row["title"] or desk.w("h_edits"), n, rest, places)
        said = filled(desk.w("text_changed"), n=number)
    meta = join(tag("bdi", link(row["outlet"], row["url"])), desk.w.day(row["day"]), said, tag("code", rest), between=" · ")
    return tag("li", tag("p", title, lang=lang, class_="title"), tag("p", meta, class_="more"))


Step = tuple[str, int, int, int, int]  # what became of the words a to b of the first text, c to d of the other


def _steps(was: list[str], now: list[str]) -> list[Step]:
    """What turns one text into the other; a change longer than MAX_BODY words is one step."""
    same = next((n for n, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    left, right = was[same:], now[same:]
    ends = next(
        (n for n, (a, b) in enumerate(zip(reversed(left), reversed(right), strict=False)) if a != b), min(len(left), len(right))
    )
    left, right = left[: len(left) - ends], right[: len(right) - ends]
    if max(len(left), len(right)) > MAX_BODY:
        inner = [("replace", 0, len(left), 0, len(right))]
    else:
        inner = [*difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()]
    steps: list[Step] = [("equal", 0, same, 0, same)] if same else []
    steps += [(what, a + same, b + same, c + same, d + same) for what, a, b, c, d in inner]
    return steps + ([("equal", len(was) - ends, len(was), len(now) - ends, len(now))] if ends else [])


def _compared(was: list[str], now: list[str], steps: Iterable[Step], most: int = MAX_TITLE) -> Html:
    """The words of both, those that went and those that came marked; at most so many of each step."""
    pieces: list[Html] = []
    for what, a, b, c, d in steps:
        if what == "equal":
            pieces.append(text(_short(now[c:d], most)))
        if what in ("replace", "delete"):
            pieces.append(tag("del", _short(was[a:b], most)))
        if what in ("replace", "insert"):
            pieces.append(tag("ins", _short(now[c:d], most)))
    return join(pieces, between=" ")


def _short(words: list[str], most: int) -> str:
    return " ".join(words[:most]) + (" …" if len(words) > most else "")


def _places(was: list[str], now: list[str], steps: Sequence[Step]) -> list[Html]:
    """The first few places where two texts differ, each with some words around it."""
    places = []
    for step in [one for one in steps if one[0] != "equal"][:N_PLACES]:
        _, _, _, c, d = step
        around = (" ".join(now[max(c - AROUND, 0) : c]), _compared(was, now, [step], MAX_PLACE), " ".join(now[d : d + AROUND]))
        places.append(
            join(
                "… " if c > AROUND else "",
                join([one for one in around if one], between=" "),
                " …" if d + AROUND < len(now) else "",
            )
        )
    return places


def feeds(desk: Desk) -> Html:
    tiles = []
    for state, n in desk.f.feeds.iter_rows():
        number = _feeds_in(desk, state, desk.w.number(n), n)
        tiles.append(tag("div", tag("dt", desk.w(f"feed_{state}")), tag("dd", number)))
    parts = [tag("p", desk.w("p_feeds"), class_="lead"), tag("dl", tiles, class_="tiles small")]
    if desk.f.problems.height:
        rows = [
            [tag("th", tag("bdi", row["outlet"]), " ", tag("code", row["feed_id"]), scope="row"), tag("td", _trouble(desk, row))]
            for row in desk.f.problems.iter_rows(named=True)
        ]
        parts.append(desk.table(desk.w("feeds_caption"), [desk.w("head_outlet"), desk.w("head_state")], rows, class_="words"))
    else:
        parts.append(tag("p", desk.w("no_problems"), class_="empty"))
    return join(parts, desk.rest("balkanwatch query feeds"))


def _trouble(desk: Desk, row: dict[str, Any]) -> Html:
    """What is the matter with a feed."""
    state, reason = row["state"], tag("bdi", row["reason"]) if row["reason"] else Html()
    if state == "silent":
        number = _feeds_in(desk, state, desk.w.count(row["silent_days"] or 0, "day"), row["silent_days"])
        reason = filled(desk.w("silent_for"), n=number)
    elif state == "gap":
        reason = text(desk.w("gap_reason"))
    elif row["moved_to"]:
        reason = filled(desk.w("moved_to"), url=tag("bdi", row["moved_to"]))
    return join(desk.w(f"feed_{state}"), *([reason] if reason else []), between=": ")


def _feeds_in(desk: Desk, state: str, label: str, n: int | None) -> Html:
    """A number about feeds in a state, linked to some of them: when each answered and published last, and what went wrong."""
    rows = []
    for row in desk.f.examples.filter(state=state).iter_rows(named=True):
        at, day = row["last_success_at"], row["last_day"]
        told = [
            filled(desk.w("feed_answer"), when=f"{desk.w.day(at.date(), True)}, {at:%H:%M}") if at else desk.w("feed_never"),
            filled(desk.w("feed_article"), day=desk.w.day(day, True)) if day else "",
            filled(desk.w("feed_failures"), n=desk.w.number(row["n_failures"])) if row["n_failures"] else "",
            tag("bdi", row["last_error"]) if row["n_failures"] and row["last_error"] else "",
        ]
        where = join(tag("bdi", row["outlet"]), " ", tag("code", row["feed_id"]))
        rows.append(join(where, tag("cite", join([one for one in told if one], between=" · "))))
    title = f"{desk.w('h_feeds')}: {desk.w(f'feed_{state}')}"
    return desk.panels.number(label, f"feeds {state}", title, n, f"balkanwatch query feeds --state={state}", rows)


def notes(desk: Desk) -> Html:
    return tag(
        "ul",
        [tag("li", filled(desk.w(f"note_{n}"), query=tag("code", "balkanwatch query --list"))) for n in range(1, 5)],
    )
