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
    key = Key(row["code"], row["topic_id"], days=(row["day"], row["day"]))
    return filled(
        desk.w("s_burst"), place=tag("b", title), n=desk.stories_of(row["observed"], key, title), day=desk.w.day(row["day"]),
        expected=desk.expected(row["expected"], 1, row["code"], row["topic_id"], row["day"]),
    )  # fmt: skip


def _rise(desk: Desk) -> Html | None:
    rises = changes(desk, 1) if desk.f.has_before else []
    if not rises:
        return None
    row = rises[0]
    title, key = desk.topic_title(row["code"], row["topic_id"]), Key(row["code"], row["topic_id"])
    return filled(
        desk.w("s_rise"), place=tag("b", title), n=desk.stories_of(row["n"], key, title),
        before=desk.before(desk.w.number(row["n_before"]), row["n_before"], key, title), when=desk.when_before,
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
    title, key = desk.w.topic(row["topic_id"]), Key(topic=row["topic_id"])
    most = max(((desk.cell.get((code, row["topic_id"]), {}).get("n", 0), -n, code) for n, code in enumerate(CORE)), default=None)
    parts = {
        "topic": tag("b", title), "n": desk.stories_of(row["n"], key, title),
        "share": desk.panels.number(desk.w.share(row["n"] / desk.f.totals["n"]), key, title, row["n"]),
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
    outlets, sides = (
        desk.panels.number(desk.w.count(n, noun), key, row["title"] or "", n)
        for n, noun in ((row["n_outlets"], "outlet"), (len(row["sides"]), "side"))
    )
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
    name, key = desk.w.country(row["code"]), Key(row["code"])
    n = desk.stories_of(row["n"], key, name)
    share = desk.panels.number(desk.w.share(row["n"] / desk.f.totals["n"]), key, name, row["n"])
    return filled(desk.w("s_country"), country=tag("b", name), n=n, share=share)


def _volume(desk: Desk) -> Html:
    t, title = desk.f.totals, desk.w("all_stories")
    n = desk.stories_of(t["n"], Key(), title)
    template = desk.w("s_volume" if desk.f.has_before else "s_volume_alone")
    outlets = desk.panels.number(desk.w.count(t["n_outlets"], "outlet"), Key(), title, t["n"])
    before = desk.before(desk.w.number(t["n_before"]), t["n_before"], Key(), title)
    return filled(template, n=n, outlets=outlets, when=desk.when_before, before=before)


def _side_number(desk: Desk, side: str, topic_id: str, row: dict[str, Any]) -> Html:
    title = f"{desk.w.side(side)} · {desk.w.topic(topic_id)}"
    return desk.panels.number(desk.w.share(row["share"]), Key(topic=topic_id, side=side), title, row["n"])


def tiles(desk: Desk) -> Html:
    """Headline figures against the last period."""
    t, title = desk.f.totals, desk.w("all_stories")
    tiles: list[tuple[Html, str, Html | str]] = []
    for noun, now, before in (
        ("story", "n", "n_before"), ("article", "n_articles", "n_articles_before"), ("outlet", "n_outlets", "n_outlets_before"),
    ):  # fmt: skip
        number = desk.panels.number(desk.w.number(t[now]), Key(), title, t["n"])
        tiles.append((number, desk.w.noun(t[now], noun), _against(desk, t[now], t[before], Key(), title, t["n_before"])))
    bursts = desk.f.bursts["n_all"].item(0) if desk.f.bursts.height else 0
    number = tag("a", desk.w.number(bursts), class_="n", href="#bursts") if bursts else text(0)
    tiles.append((number, desk.w.noun(bursts, "burst"), desk.w("burst_short")))
    n, n_before, key, title = t["n_edits"], t["n_edits_before"], Key(edited=True), desk.w("h_edits")
    number = desk.panels.number(desk.w.number(n), key, title, n)
    tiles.append((number, desk.w.noun(n, "edit"), _against(desk, n, n_before, key, title, n_before)))
    shown = [tag("div", tag("dt", label), tag("dd", number), tag("dd", more, class_="more")) for number, label, more in tiles]
    return tag("dl", shown, class_="tiles", aria_label=desk.w("headline"))


def _against(desk: Desk, now: int, before: int, key: Key, title: str, n: int) -> Html:
    """`the week before: 1,464 (+1%)`; `n` is what the panel behind it counts."""
    if not desk.f.has_before:
        return Html()
    label = desk.w.number(before)
    if before >= 10:
        sign = "+" if now > before else "−" if now < before else "±"
        label += f" ({sign}{desk.w.share(abs(now - before) / before)})"
    return join(f"{desk.when_before}: ", desk.before(label, n, key, title))
