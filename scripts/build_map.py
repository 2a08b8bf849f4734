"""Write seeds/map/region.geojson: the states of the region and their neighbours, for the map of the brief.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python scripts/build_map.py package/countries-10m.json

The shapes are Natural Earth's (1:10 million, public domain) as the npm package world-atlas carries them (ISC licence); it draws
Kosovo as a shape of its own. Borders are simplified where they are shared, so that neighbours still meet, and everything far from
the region is left out. Rings run clockwise, as Vega wants them.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "seeds" / "map" / "region.geojson"
CODES = {
    "Albania": "AL", "Bosnia and Herz.": "BA", "Kosovo": "XK", "Macedonia": "MK", "Montenegro": "ME", "Serbia": "RS",
    "Austria": "AT", "Bulgaria": "BG", "Croatia": "HR", "Greece": "GR", "Hungary": "HU", "Italy": "IT", "Romania": "RO",
    "Slovenia": "SI",
}  # fmt: skip
WEST, SOUTH, EAST, NORTH = 12.0, 38.6, 26.0, 47.4  # a ring that does not reach into this window is left out
TOLERANCE = 0.012  # degrees a simplified border may stray
SMALLEST = 0.004  # square degrees; smaller islands are left out

Point = tuple[float, float]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    topology = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    arcs = [simplified(points(arc, topology["transform"])) for arc in topology["arcs"]]
    features = [
        {"type": "Feature", "properties": {"code": CODES[name]}, "geometry": {"type": "MultiPolygon", "coordinates": shapes}}
        for name, geometry in sorted((g["properties"]["name"], g) for g in topology["objects"]["countries"]["geometries"])
        if name in CODES and (shapes := kept(geometry, arcs))
    ]
    features.sort(key=lambda feature: str(feature["properties"]))
    lines = ",\n".join(json.dumps(feature, separators=(",", ":")) for feature in features)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n', encoding="utf-8")


def points(arc: list[list[int]], transform: dict[str, list[float]]) -> list[Point]:
    """An arc of a quantised topology (differences of integers) in degrees."""
    (kx, ky), (dx, dy) = transform["scale"], transform["translate"]
    x = y = 0
    out = []
    for step_x, step_y in arc:
        x, y = x + step_x, y + step_y
        out.append((x * kx + dx, y * ky + dy))
    return out


def simplified(line: list[Point]) -> list[Point]:
    """Douglas and Peucker: the ends stay, and so does every point that strays from the line between its neighbours."""
    if len(line) < 3:
        return line
    (ax, ay), (bx, by) = line[0], line[-1]
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5

    def stray(point: Point) -> float:
        x, y = point
        if not length:
            return float(((x - ax) ** 2 + (y - ay) ** 2) ** 0.5)
        return float(abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length)

    far = max(range(1, len(line) - 1), key=lambda i: stray(line[i]))
    if stray(line[far]) <= TOLERANCE:
        return [line[0], line[-1]]
    return simplified(line[: far + 1])[:-1] + simplified(line[far:])


def kept(geometry: dict[str, Any], arcs: list[list[Point]]) -> list[list[list[list[float]]]]:
    """The polygons of a geometry that reach into the window, rounded; without tiny islands."""
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = [[ring(part, arcs) for part in polygon] for polygon in polygons]
    return [
        [[[round(x, 3), round(y, 3)] for x, y in part] for part in polygon if len(part) > 3]
        for polygon in rings
        if area(polygon[0]) > SMALLEST and any(WEST < x < EAST and SOUTH < y < NORTH for x, y in polygon[0])
    ]


def ring(indices: list[int], arcs: list[list[Point]]) -> list[Point]:
    """A ring from its arcs; a negative index (~i) means the arc backwards."""
    out: list[Point] = []
    for index in indices:
        part = arcs[index] if index >= 0 else arcs[~index][::-1]
        out += part[1:] if out else part
    return out


def area(line: list[Point]) -> float:
    """Square degrees."""
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in itertools.pairwise(line))) / 2


if __name__ == "__main__":
    main()
