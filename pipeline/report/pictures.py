"""The sections with pictures: curves, heat maps (which are tables), map and network, each with its numbers as a table."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.report import charts
from pipeline.report.desk import Desk, query
from pipeline.report.evidence import Key
from pipeline.report.figures import CORE, Period
from pipeline.report.html import Html, filled, join, tag

N_MATRIX, N_SIDES, N_PAIRS = 12, 16, 15
FEW = 5  # the darkest colour stands for at least so many stories


def curves(desk: Desk) -> Html:
    """Small multiples: the countries, then the topics, each on its own scale."""
    by_key: dict[str, dict[Any, float]] = {}
    for key, day, n in desk.f.curves.iter_rows():
        by_key.setdefault(key, {})[day] = n
    series = {key: [values.get(day, 0.0) for day in desk.f.bins] for key, values in by_key.items()}
    span = desk.w.period(Period(desk.f.bins[0], desk.period.until))
    lead = filled(desk.w("p_topics" if desk.f.step == 1 else "p_topics_weeks"), span=span)
    empty = [0.0] * len(desk.f.bins)
    none = {"n": 0, "n_before": 0}
    countries = [(code, desk.w.country(code), Key(code), desk.country.get(code, none)) for code in CORE]
    shown = [row for row in desk.f.topics.iter_rows(named=True) if row["n"] or any(series.get(row["topic_id"], ()))]
    topics = [(row["topic_id"], desk.w.topic(row["topic_id"]), Key(topic=row["topic_id"]), row) for row in shown]
    silent = [label for topic_id, label in desk.w.topics.items() if topic_id not in {row["topic_id"] for row in shown}]
    parts = [tag("p", lead, class_="lead")]
    for heading, rows in ((desk.w("countries"), countries), (desk.w("topics"), topics)):
        if rows:
            drawn = [_multiple(desk, label, key, row, series.get(id_, empty)) for id_, label, key, row in rows]
            parts += [tag("h3", heading), tag("ul", drawn, class_="multiples")]
    if silent:
        parts.append(tag("p", filled(desk.w("silent_topics"), topics=", ".join(silent)), class_="more"))
    parts.append(_curve_table(desk, [*countries, *topics], series))
    return join(parts)


def _multiple(desk: Desk, label: str, key: Key, row: dict[str, Any], values: list[float]) -> Html:
    n_now = -(-desk.period.days // desk.f.step)
    before: Html | str = ""
    if desk.f.has_before:
        number = desk.before(desk.w.number(row["n_before"]), row["n_before"], key, label)
        before = tag("span", filled(desk.w("n_before"), n=number), class_="more")
    most = desk.w.number(max(values), 0 if desk.f.step == 1 else 1)
    alt = f"{label}: {desk.w.count(row['n'], 'story')}; {desk.w('maximum')} {most}"
    picture = tag("p", desk.w("no_stories"), class_="empty")
    if any(values):
        picture = charts.curve(values, min(n_now, len(values)), alt, charts.LOW / desk.f.step)
    return tag(
        "li", tag("h4", label), tag("p", tag("strong", desk.plain(row["n"], key, label)), " ", before,
        tag("span", desk.w("maximum"), " ", _over_time(desk, most, key, label), class_="max") if any(values) else ""), picture,
    )  # fmt: skip


def _over_time(desk: Desk, label: str, key: Key, title: str) -> Html:
    """A number of a curve, linked to what was said in all its time; the query counts day by day."""
    days = Period(desk.f.bins[0], desk.period.until)
    rest = query("topic_trend", days, country=key.country, topic=key.topic)
    return desk.panels.number(label, key._replace(days=(days.since, days.until)), title, None, rest)


def _curve_table(desk: Desk, rows: Sequence[tuple[str, str, Key, Any]], series: dict[str, list[float]]) -> Html:
    """The numbers behind the curves: stories a day, by week."""
    size = 7 if desk.f.step == 1 else 1
    ends = list(range(len(desk.f.bins), 0, -size))[:8][::-1]
    heads = ["", *(desk.w.day(desk.f.bins[max(end - size, 0)]) for end in ends)]
    body = []
    for id_, label, key, _ in rows:
        values = series.get(id_, [])
        means = (
            [sum(values[max(end - size, 0) : end]) / (end - max(end - size, 0)) for end in ends] if values else [0.0] * len(ends)
        )
        cells = [_over_time(desk, desk.w.number(mean, 1), key, label) if mean else desk.w.number(mean) for mean in means]
        body.append([tag("th", label, scope="row"), *(tag("td", cell) for cell in cells)])
    inner = desk.table(desk.w("curve_table"), heads, body)
    return tag("details", tag("summary", desk.w("as_table")), inner)


def matrix(desk: Desk) -> Html:
    """A heat map that is a table."""
    if not desk.topics:
        return tag("p", desk.w("no_tagged"), class_="empty")
    most = max([FEW, *(row["n"] for (code, _), row in desk.cell.items() if code in CORE)])
    heads = ["", *(tag("abbr", code, title=desk.w.country(code)) for code in CORE), desk.w("all")]
    rows = []
    for topic in desk.topics:
        id_ = topic["topic_id"]
        cells = [
            desk.heat(desk.cell.get((code, id_), {}).get("n", 0), most, Key(code, id_), desk.topic_title(code, id_))
            for code in CORE
        ]
        total = tag("td", desk.plain(topic["n"], Key(topic=id_), desk.w.topic(id_)), class_="sum")
        rows.append([tag("th", desk.w.topic(id_), scope="row"), *cells, total])
    sums = [
        tag("td", desk.plain(desk.country.get(code, {}).get("n", 0), Key(code), desk.w.country(code)), class_="sum")
        for code in CORE
    ]
    whole = tag("td", desk.plain(desk.f.totals["n"], Key(), desk.w("all_stories")), class_="sum")
    rows.append([tag("th", desk.w("all_topics"), scope="row"), *sums, whole])
    legend = ", ".join(f"{code} {desk.w.country(code)}" for code in CORE)
    return join(
        tag("p", desk.w("p_matrix"), class_="lead"),
        desk.table(desk.w("h_matrix"), heads, rows, class_="heat"),
        tag("p", legend, class_="more"),
    )


def region(desk: Desk) -> Html:
    counts = {code: desk.country.get(code, {}).get("n", 0) for code in CORE}
    if not any(counts.values()):
        return tag("p", desk.w("no_region"), class_="empty")
    most = max([FEW, *counts.values()])
    places = []
    for code, n in counts.items():
        name = desk.w.country(code)
        place = desk.panels.place(Key(code), name, n) if n else ("", None)
        places.append(charts.Place(code, name, desk.w.number(n), n / most, *place))
    label = "; ".join(f"{place.name}: {place.number}" for place in places)
    picture = tag("figure", charts.region(desk.shapes, places, f"{desk.w('h_map')}. {label}"), class_="chart")
    others = desk.f.countries.filter(~pl.col("code").is_in(CORE) & (pl.col("n") > 0)).head(10)
    rows = []
    for code, n in [*sorted(counts.items(), key=lambda one: -one[1]), *others.select("code", "n").iter_rows()]:
        name, before = desk.w.country(code), desk.country.get(code, {}).get("n_before", 0)
        share = desk.panels.number(desk.w.share(n / desk.f.totals["n"]), Key(code), name, n)
        was = desk.before(desk.w.number(before), before, Key(code), name) if desk.f.has_before else "–"
        rows.append([tag("th", name, scope="row"), *(tag("td", one) for one in (desk.plain(n, Key(code), name), share, was))])
    table = desk.table(desk.w("stories_by_country"), ["", desk.w("story_head"), desk.w("share_head"), desk.when_before], rows)
    return join(tag("p", desk.w("p_map"), class_="lead"), tag("div", picture, table, class_="pair"))


def sides(desk: Desk) -> Html:
    lead = tag("p", desk.w("p_sides"), class_="lead")
    sides = desk.f.sides.head(N_SIDES).rows(named=True)
    topics = [row["topic_id"] for row in desk.topics[:N_MATRIX]]
    if not sides or not topics:
        return join(lead, tag("p", desk.w("no_tagged"), class_="empty"))
    if len(sides) == 1:
        return tag("p", filled(desk.w("one_side"), side=desk.w.side(sides[0]["side"])), class_="empty")
    given = {(r["side"], r["topic_id"]): r for r in desk.f.side_topics.iter_rows(named=True)}
    most = max((r["share"] for r in given.values() if r["topic_id"] in topics), default=1.0)
    most = min(most, 0.5)
    heads = ["", *(tag("span", desk.w.side(row["side"])) for row in sides)]
    rows = [
        [
            tag("th", desk.w("all_stories"), scope="row"),
            *(tag("td", desk.plain(row["n"], Key(side=row["side"]), desk.w.side(row["side"])), class_="sum") for row in sides),
        ]
    ]
    for id_ in topics:
        cells = []
        for row in sides:
            one = given.get((row["side"], id_), {"n": 0, "share": 0.0})
            cells.append(
                desk.heat(
                    one["n"],
                    most,
                    Key(topic=id_, side=row["side"]),
                    f"{desk.w.side(row['side'])} · {desk.w.topic(id_)}",
                    f"{100 * one['share']:.0f}",
                    one["share"],
                )
            )
        rows.append([tag("th", desk.w.topic(id_), scope="row"), *cells])
    return join(lead, desk.table(desk.w("sides_caption"), heads, rows, class_="heat tall"))


def network(desk: Desk) -> Html:
    lead = tag("p", desk.w("p_network"), class_="lead")
    if desk.f.nodes.height < 2 or not desk.f.pairs.height:
        return join(lead, tag("p", desk.w("no_pairs"), class_="empty"))
    nodes = desk.f.nodes.rows(named=True)
    countries = {r["node"] for r in nodes if r["kind"] == "country"}
    names = {r["node"]: desk.w.country(r["node"]) if r["node"] in countries else r["name"] for r in nodes}
    places = []
    for r in nodes:
        place = desk.panels.place(Key(pair=(r["node"], r["node"])), names[r["node"]], r["n"])
        places.append(charts.Place(r["node"], names[r["node"]], desk.w.number(r["n"]), r["n"] / nodes[0]["n"], *place))
    label = f"{desk.w('h_network')}: {', '.join(names.values())}"
    picture = tag("figure", charts.network(places, desk.f.pairs.rows(), countries, label), class_="chart")
    rows = []
    for a, b, n in desk.f.pairs.head(N_PAIRS).iter_rows():
        head = tag("th", tag("bdi", names[a]), " – ", tag("bdi", names[b]), scope="row")
        rows.append([head, tag("td", desk.plain(n, Key(pair=(a, b)), f"{names[a]} – {names[b]}"))])
    table = desk.table(desk.w("pairs_caption"), ["", desk.w("story_head")], rows)
    return join(lead, tag("div", picture, table, class_="pair"))
