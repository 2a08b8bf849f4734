"""The first screen: title, the three things that matter in sentences made from numbers, headline figures."""

from typing import Any

import polars as pl

from pipeline.report.desk import Desk
from pipeline.report.evidence import Key
from pipeline.report.figures import CORE
from pipeline.report.html import Html, filled, join, tag, text

N_THINGS = 3
MIN_SIDE = 20  # stories of a side from which its shares are compared in a sentence
MIN_RISE = 3  # stories that make a rise worth a sentence


def heading(desk: Desk) -> Html:
    before = desk.w.period(desk.period.before)
    compared = filled(desk.w("compared"), before=before) if desk.f.has_before else text(desk.w("no_before"))
    return join(
        tag("p", "balkanwatch · ", desk.w("subject"), class_="kicker"),
        tag("h1", desk.w(f"title_{desk.period.kind}")),
        tag("p", desk.w.period(desk.period), class_="when"),
        tag("p", compared, class_="more"),
    )


def things(desk: Desk) -> Html:
    """Three things that matter, in sentences made from numbers."""
    if not desk.f.totals["n"]:
        return tag("p", desk.w("nothing_at_all"), class_="empty")
    found: list[Html] = []
    for sentence in (_burst, _rise, _lead, _carried, _gap, _most_about, _volume):
        is_told = sentence is _rise and desk.f.bursts.height > 0  # a burst is a rise
        if len(found) < N_THINGS and not is_told and (one := sentence(desk)) is not None:
            found.append(one)
    return tag("ol", [tag("li", one) for one in found], class_="things")


def _burst(desk: Desk) -> Html | None:
    if not desk.f.bursts.height:
        return None
    row = desk.f.bursts.row(0, named=True)
    title = desk.topic_title(row["code"], row["topic_id"])
    key = Key(row["code"], row["topic_id"], day=row["day"])
    return filled(
        desk.w("s_burst"), place=tag("b", title), n=desk.stories_of(row["observed"], key, title), day=desk.w.day(row["day"]),
        expected=desk.w.number(row["expected"], 1),
    )  # fmt: skip


def _rise(desk: Desk) -> Html | None:
    rises = changes(desk, 1) if desk.f.has_before else []
    if not rises:
        return None
    row = rises[0]
    title = desk.topic_title(row["code"], row["topic_id"])
    return filled(
        desk.w("s_rise"), place=tag("b", title), n=desk.stories_of(row["n"], Key(row["code"], row["topic_id"]), title),
        before=desk.w.number(row["n_before"]), when=desk.when_before,
    )  # fmt: skip


def changes(desk: Desk, least: int) -> list[dict[str, Any]]:
    """The country and topic pairs of the region with the largest rises, weighed against chance."""
    rows = [
        r
        for r in desk.f.cells.iter_rows(named=True)
        if r["code"] in CORE and r["n"] - r["n_before"] >= least and r["n"] >= MIN_RISE
    ]
    return sorted(rows, key=lambda r: ((r["n_before"] - r["n"]) / (r["n"] + r["n_before"]) ** 0.5, r["code"], r["topic_id"]))


def _news(desk: Desk) -> str | None:
    """The topic of the first sentence: of the strongest burst, else of the largest rise."""
    if desk.f.bursts.height:
        return str(desk.f.bursts["topic_id"][0])
    rises = changes(desk, 1) if desk.f.has_before else []
    return rises[0]["topic_id"] if rises else None


def _lead(desk: Desk) -> Html | None:
    if not desk.topics or desk.topics[0]["topic_id"] == _news(desk):
        return None
    row = desk.topics[0]
    title = desk.w.topic(row["topic_id"])
    most = max(((desk.cell.get((code, row["topic_id"]), {}).get("n", 0), -n, code) for n, code in enumerate(CORE)), default=None)
    parts = {
        "topic": tag("b", title), "n": desk.stories_of(row["n"], Key(topic=row["topic_id"]), title),
        "share": desk.w.share(row["n"] / desk.f.totals["n"]),
    }  # fmt: skip
    if most is None or not most[0]:
        return filled(desk.w("s_lead"), **parts)
    n, _, code = most
    cell = desk.plain(n, Key(code, row["topic_id"]), desk.topic_title(code, row["topic_id"]))
    return filled(desk.w("s_lead_country"), **parts, country=desk.w.country(code), m=cell)


def _carried(desk: Desk) -> Html | None:
    row = desk.f.stories.row(0, named=True) if desk.f.stories.height else None
    if row is None or row["n_outlets"] < 2:
        return None
    key = Key(story=row["story_id"])
    outlets = desk.panels.number(desk.w.count(row["n_outlets"], "outlet"), key, row["title"] or "", row["n_articles"])
    sides = desk.w.count(len(row["sides"]), "side")
    return filled(desk.w("s_story"), title=tag("b", desk.title(row)), outlets=outlets, sides=sides)


def _gap(desk: Desk) -> Html | None:
    """The topic on which two sides differ most."""
    large = desk.f.sides.filter(pl.col("n") >= MIN_SIDE)["side"].to_list()
    rows = [r for r in desk.f.side_topics.iter_rows(named=True) if r["side"] in large]
    share = {(r["side"], r["topic_id"]): r for r in rows}
    best: tuple[float, Any, str, str] | None = None
    for row in rows:
        for other in large:
            less = share.get((other, row["topic_id"]), {}).get("share", 0.0)
            if best is None or row["share"] - less > best[0]:
                best = (row["share"] - less, row, other, row["topic_id"])
    if best is None or best[0] < 0.02:
        return None
    _, row, other, topic_id = best
    less = share.get((other, topic_id), {"share": 0.0, "n": 0})
    title = desk.w.topic(topic_id)
    return filled(
        desk.w("s_gap"), topic=tag("b", title), a=desk.w.side(row["side"]), b=desk.w.side(other),
        share_a=_side_number(desk, row["side"], topic_id, row), share_b=_side_number(desk, other, topic_id, less),
    )  # fmt: skip


def _most_about(desk: Desk) -> Html | None:
    rows = [row for code, row in desk.country.items() if code in CORE and row["n"]]
    if not rows:
        return None
    row = max(rows, key=lambda one: (one["n"], one["code"]))
    name = desk.w.country(row["code"])
    n, share = desk.stories_of(row["n"], Key(row["code"]), name), desk.w.share(row["n"] / desk.f.totals["n"])
    return filled(desk.w("s_country"), country=tag("b", name), n=n, share=share)


def _volume(desk: Desk) -> Html:
    t = desk.f.totals
    n = desk.panels.number(desk.w.count(t["n"], "story"), Key(), desk.w("all_stories"), t["n"])
    template = desk.w("s_volume" if desk.f.has_before else "s_volume_alone")
    outlets = desk.w.count(t["n_outlets"], "outlet")
    return filled(template, n=n, outlets=outlets, when=desk.when_before, before=desk.w.number(t["n_before"]))


def _side_number(desk: Desk, side: str, topic_id: str, row: dict[str, Any]) -> Html:
    title = f"{desk.w.side(side)} · {desk.w.topic(topic_id)}"
    return desk.panels.number(desk.w.share(row["share"]), Key(topic=topic_id, side=side), title, row["n"])


def tiles(desk: Desk) -> Html:
    """Headline figures against the last period."""
    t = desk.f.totals
    tiles: list[tuple[Html, str, Html | str]] = []
    for noun, now, before in (
        ("story", "n", "n_before"), ("article", "n_articles", "n_articles_before"), ("outlet", "n_outlets", "n_outlets_before"),
    ):  # fmt: skip
        number = desk.panels.number(desk.w.number(t[now]), Key(), desk.w("all_stories"), t["n"])
        tiles.append((number, desk.w.noun(t[now], noun), _against(desk, t[now], t[before])))
    bursts = desk.f.bursts.height
    number = tag("a", desk.w.number(bursts), class_="n", href="#bursts") if bursts else text(0)
    tiles.append((number, desk.w.noun(bursts, "burst"), desk.w("burst_short")))
    number = tag("a", desk.w.number(t["n_edits"]), class_="n", href="#edits") if t["n_edits"] else text(0)
    tiles.append((number, desk.w.noun(t["n_edits"], "edit"), _against(desk, t["n_edits"], t["n_edits_before"])))
    shown = [tag("div", tag("dt", label), tag("dd", number), tag("dd", more, class_="more")) for number, label, more in tiles]
    return tag("dl", shown, class_="tiles", aria_label=desk.w("headline"))


def _against(desk: Desk, now: int, before: int) -> Html:
    """`1,464 the week before, +1%`."""
    if not desk.f.has_before:
        return Html()
    told = f"{desk.when_before}: {desk.w.number(before)}"
    if before < 10:
        return text(told)
    sign = "+" if now > before else "−" if now < before else "±"
    return text(f"{told} ({sign}{desk.w.share(abs(now - before) / before)})")
