"""Charts: Altair specs rendered ahead to SVG, then reduced to plain shapes whose colours are the page's own variables.

Nothing of Vega reaches the page: no script, no style attribute, only the elements and attributes named here.
"""

import functools
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from pipeline.report.html import Html, text

# Colours that stand for variables of the page: light, dark and print are then a matter of CSS.
INK, MUTED, ACCENT, PALE, LAND, PAPER, LINE = (f"#00000{n}" for n in range(1, 8))
SCALE = [f"#00001{n}" for n in range(6)]  # from nothing to most
ON_SCALE = [f"#00002{n}" for n in range(6)]  # text on them
_VARIABLES = {
    INK: "ink", MUTED: "muted", ACCENT: "accent", PALE: "pale", LAND: "land", PAPER: "paper", LINE: "line",
    **{colour: f"q{n}" for n, colour in enumerate(SCALE)}, **{colour: f"on{n}" for n, colour in enumerate(ON_SCALE)},
}  # fmt: skip
_ELEMENTS = {"svg", "g", "path", "line", "circle", "rect", "text", "tspan", "a"}
_ATTRIBUTES = {
    "d", "transform", "fill", "stroke", "stroke-width", "opacity", "fill-opacity", "stroke-opacity", "x", "y", "x1", "y1", "x2",
    "y2", "cx", "cy", "r", "width", "height", "dx", "dy", "text-anchor", "font-size", "font-weight", "viewBox", "href",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "display", "id",
}  # fmt: skip
_ARIA = {"role", "aria-label", "aria-hidden", "tabindex"}
_HREF = "{http://www.w3.org/1999/xlink}href"
_LONG = re.compile(r"-?\d+\.\d{2,}")

Spec = dict[str, Any]


class Place(NamedTuple):
    """A label on a chart: what it says, how strong it is (0 to 1), where its number leads and what id its own place gets."""

    code: str
    name: str
    number: str
    strength: float
    href: str = ""
    id: str | None = None


def level(part: float) -> int:
    """A share of the maximum as one of six steps; 0 is nothing."""
    return 0 if part <= 0 else max(1, min(5, math.ceil(part * 5)))


def svg(spec: Spec, label: str, places: Sequence[Place] = ()) -> Html:
    """Render a Vega-Lite spec; `label` is what a screen reader says of the picture. The links of places get their ids."""
    import vl_convert

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    waiting = {place.href: place for place in places if place.href}
    known = set(waiting)
    links = list(root.iter("{http://www.w3.org/2000/svg}a"))
    for element in links:
        href = "#" + element.attrib.pop(_HREF, "").rpartition("#")[2]  # Vega puts an address of its own before it
        if href not in known:
            continue
        element.set("href", href)
        if href in waiting and "".join(element.itertext()).strip():
            place = waiting.pop(href)
            element.set("id", place.id or "")
            element.set("aria-label", f"{place.name}: {place.number}")
        else:  # dots and second lines of a label are for the eye and the mouse
            element.set("aria-hidden", "true")
            element.set("tabindex", "-1")
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "group" if links else "img", "aria-label": label}
    return Html(_clean(root))


def _clean(element: ElementTree.Element) -> str:
    name = element.tag.rpartition("}")[2]
    if name not in _ELEMENTS:
        return ""
    given = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    for declaration in given.pop("style", "").split(";"):
        key, _, value = declaration.partition(":")
        given.setdefault(key.strip(), value.strip())
    if name != "a":
        given.pop("id", None)  # Vega's own
    inner = text(element.text or "") if name in {"text", "tspan"} else ""
    inner += "".join(_clean(child) for child in element)
    if name == "path" and not given.get("d"):
        return ""
    if name in {"g", "a"} and not inner:
        return ""
    if not given.get("id"):
        given.pop("id", None)
    kept = {key: _colour(value) for key, value in given.items() if key in _ATTRIBUTES or (name in {"svg", "a"} and key in _ARIA)}
    if name == "g" and not kept:
        return inner
    if kept.get("fill") == "none" and kept.get("stroke", "none") == "none" and name == "path":
        return ""
    if name == "path" and not {"fill", "stroke"} & kept.keys():
        return ""
    shown = "".join(f' {key}="{text(_LONG.sub(_short, value) if key != "aria-label" else value)}"' for key, value in kept.items())
    return f"<{name}{shown}>{inner}</{name}>"


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")


def _colour(value: str) -> str:
    return f"var(--{_VARIABLES[value]})" if value in _VARIABLES else value


# -- curves -----------------------------------------------------------------------------------------------------------

CURVE_WIDTH, CURVE_HEIGHT = 260, 46
LOW = 4


@functools.cache
def _curve_spec() -> str:
    import altair as alt

    base = _chart([]).encode(x=alt.X("at:Q", axis=None, scale=alt.Scale(nice=False, zero=False)))
    bars = base.mark_bar().encode(
        x2="to:Q",
        y=alt.Y("n:Q", axis=None, scale=alt.Scale(nice=False)),
        y2=alt.Y2Datum(0),
        color=alt.Color("colour:N", scale=None),
    )
    floor = _chart([{}]).mark_rule(color=LINE).encode(y=alt.YDatum(0, axis=None))
    return json.dumps(_finished(alt.layer(floor, bars), CURVE_WIDTH, CURVE_HEIGHT))


def _chart(rows: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Chart(alt.InlineData(values=rows))


def _finished(chart: Any, width: int, height: int) -> Spec:
    """The spec as Vega-Lite wants it, without frame, axes and background; `aria` off, for the page has its own words."""
    spec: Spec = chart.properties(width=width, height=height, padding=0).to_dict()
    spec["config"] = {"view": {"stroke": None}, "background": None, "aria": False, "customFormatTypes": False}
    return spec


def curve(values: Sequence[float], n_now: int, label: str, low: float = LOW) -> Html:
    """A bar a step, the last `n_now` of them in the accent colour; what does not reach `low` stays low."""
    spec = json.loads(_curve_spec())
    first = len(values) - n_now
    rows = [
        {"at": n + 0.12, "to": n + 0.88, "n": value, "colour": ACCENT if n >= first else PALE} for n, value in enumerate(values)
    ]
    spec["layer"][1]["data"] = {"values": rows}
    spec["layer"][1]["encoding"]["x"]["scale"]["domain"] = [0, len(values)]
    spec["layer"][1]["encoding"]["y"]["scale"]["domain"] = [0, max([*values, low])]
    return svg(spec, label)


# -- map --------------------------------------------------------------------------------------------------------------

MAP_WIDTH, MAP_HEIGHT = 440, 450
CENTRE, ZOOM = (19.35, 43.02), 2_790
LABELS = {  # where the name of a country stands: longitude, latitude
    "AL": (20.0, 40.95), "BA": (17.75, 44.25), "ME": (19.25, 42.82), "MK": (21.75, 41.58), "RS": (20.85, 44.15),
    "XK": (20.9, 42.62),
}  # fmt: skip


def region(shapes: Path, places: Sequence[Place], label: str) -> Html:
    """The map: each place in the colour of its strength, with name and number; its neighbours in grey."""
    import altair as alt

    by_code = {place.code: place for place in places}
    features = json.loads(shapes.read_text(encoding="utf-8"))["features"]
    for feature in features:
        place = by_code.get(feature["properties"]["code"])
        feature["properties"]["fill"] = SCALE[level(place.strength)] if place else LAND
    features.sort(key=lambda feature: feature["properties"]["code"] in by_code)
    names, numbers = [], []
    for place in places:
        longitude, latitude = LABELS[place.code]
        row = {"lon": longitude, "lat": latitude, "colour": ON_SCALE[level(place.strength)], "href": place.href}
        numbers.append(row | {"text": place.number})
        names.append(row | {"text": _lines(place.name)})
    chart = alt.layer(
        _chart([]).mark_geoshape(stroke=PAPER, strokeWidth=1.1).encode(fill=alt.Fill("properties.fill:N", scale=None)),
        _labels(numbers, -5, 16, "bold"), _labels(names, 10, 11.5, "normal"),
    ).project(type="mercator", center=list(CENTRE), scale=ZOOM, translate=[MAP_WIDTH / 2, MAP_HEIGHT / 2])  # fmt: skip
    spec = _finished(chart, MAP_WIDTH, MAP_HEIGHT)
    spec["layer"][0]["data"] = {"values": features}  # Altair would look at every point of them
    return svg(spec, label, places)


def _labels(rows: list[dict[str, Any]], dy: float, size: float, weight: str) -> Any:
    import altair as alt

    return _chart(rows).mark_text(dy=dy, fontSize=size, fontWeight=weight, lineHeight=size + 1).encode(
        longitude="lon:Q", latitude="lat:Q", text="text:N", href="href:N", color=alt.Color("colour:N", scale=None)
    )  # fmt: skip


def _lines(name: str, width: int = 13) -> list[str]:
    """A name in lines of about that width."""
    lines = [""]
    for word in name.replace("-", "- ").split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip() if not lines[-1].endswith("-") else lines[-1] + word
    return lines


def _brief(name: str) -> list[str]:
    """A name in two short lines at most."""
    first, *rest = _lines(name, NAME_WIDTH)
    lines = [first, *rest[: NAME_LINES - 1]]
    if len(rest) >= NAME_LINES:
        lines[-1] += "…"
    return [line if len(line) <= NAME_WIDTH + 1 else f"{line[:NAME_WIDTH]}…" for line in lines]


# -- network ----------------------------------------------------------------------------------------------------------

NET_WIDTH, NET_HEIGHT, RING, LINE_HEIGHT = 460, 410, 118, 14
NAME_LINES, NAME_WIDTH = 2, 12  # of a name beside its dot; more is cut


def network(places: Sequence[Place], pairs: Sequence[tuple[str, str, int]], countries: Collection[str], label: str) -> Html:
    """Who is named with whom: dots on a ring, as large as they are often named, joined by lines that are
    thicker the more often they are named together. Countries have the accent colour."""
    import altair as alt

    order = _ring([place.code for place in places], pairs)
    angle = {code: 2 * math.pi * n / max(len(order), 1) - math.pi / 2 for n, code in enumerate(order)}
    x = {code: NET_WIDTH / 2 + RING * math.cos(a) for code, a in angle.items()}
    y = {code: NET_HEIGHT / 2 + RING * math.sin(a) for code, a in angle.items()}
    most = max([10, *(n for *_, n in pairs)])  # few stories make thin lines
    lines = [
        {"x": x[a], "y": y[a], "x2": x[b], "y2": y[b], "width": 0.6 + 7 * n / most}
        for a, b, n in sorted(pairs, key=lambda pair: pair[2])
    ]
    dots, labels = [], []
    for place in places:
        a = angle[place.code]
        radius = 5 + 11 * math.sqrt(place.strength)
        colour = ACCENT if place.code in countries else MUTED
        dots.append({"x": x[place.code], "y": y[place.code], "size": math.pi * radius**2, "colour": colour, "href": place.href})
        text_lines = [*_brief(place.name), place.number]
        align = "center" if abs(math.cos(a)) < 0.2 else "left" if math.cos(a) > 0 else "right"
        lift = LINE_HEIGHT * (len(text_lines) - 1) / 2 * (math.sin(a) - 1)  # lines go down from the first
        labels.append({
            "x": x[place.code] + (radius + 7) * math.cos(a), "y": y[place.code] + (radius + 9) * math.sin(a) + lift,
            "text": text_lines, "align": align, "href": place.href,
        })  # fmt: skip
    axis_x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, NET_WIDTH], nice=False))
    axis_y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[NET_HEIGHT, 0], nice=False))
    raw: dict[str, Any] = {"scale": None, "legend": None}
    layers = [
        _chart(lines).mark_rule(color=PALE, strokeCap="round").encode(
            x=axis_x, y=axis_y, x2="x2:Q", y2="y2:Q", strokeWidth=alt.StrokeWidth("width:Q", **raw),
        ),
        _chart(dots).mark_circle(opacity=1, stroke=PAPER, strokeWidth=1.5).encode(
            x=axis_x, y=axis_y, size=alt.Size("size:Q", **raw), color=alt.Color("colour:N", **raw), href="href:N",
        ),
    ]  # fmt: skip
    for align in ("left", "center", "right"):
        some = [row for row in labels if row["align"] == align]
        layers.append(
            _chart(some).mark_text(align=align, baseline="middle", fontSize=12, lineHeight=LINE_HEIGHT, color=INK)
            .encode(x=axis_x, y=axis_y, text="text:N", href="href:N")
        )  # fmt: skip
    return svg(_finished(alt.layer(*layers), NET_WIDTH, NET_HEIGHT), label, places)


def _ring(codes: list[str], pairs: Sequence[tuple[str, str, int]]) -> list[str]:
    """An order in which those who are often named together stand beside each other."""
    weight: Mapping[frozenset[str], int] = {frozenset(pair[:2]): pair[2] for pair in pairs}
    order, left = codes[:1], codes[1:]
    while left:
        nearest = max(left, key=lambda code: (weight.get(frozenset((order[-1], code)), 0), -left.index(code)))
        order.append(nearest)
        left.remove(nearest)
    return order
