"""The page of the brief: its sections in order, its panels, its head with the policy that lets nothing run and nothing load."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from pipeline.report import lists, opening, pictures
from pipeline.report.desk import Desk, Find
from pipeline.report.figures import Figures
from pipeline.report.html import Html, filled, join, tag
from pipeline.report.words import Words

STYLE = Path(__file__).with_name("style.css")
SECTIONS = {
    "brief": opening.things, "bursts": lists.bursts, "topics": pictures.curves, "matrix": pictures.matrix, "map": pictures.region,
    "sides": pictures.sides, "stories": lists.stories, "network": pictures.network, "edits": lists.edits, "feeds": lists.feeds,
    "notes": lists.notes,
}  # fmt: skip
MAX_BYTES = 1_900_000  # of the file; with more panels than fit, each has fewer sentences


def page(figures: Figures, words: Words, find: Find, shapes: Path, made_at: datetime) -> str:
    """The whole document; `find` gives sentences for keys (pipeline.report.evidence.sentences)."""
    desk = Desk(figures, words, find, shapes)
    written = {name: write(desk) for name, write in SECTIONS.items() if name != "bursts"}
    tiles = opening.tiles(desk)
    written["bursts"] = lists.bursts(desk)  # last, for it shows sentences: they are looked up for the whole page at once
    body = [
        tag("section", tag("h2", desk.w(f"h_{name}"), id=f"h-{name}"), written[name], id=name, aria_labelledby=f"h-{name}")
        for name in SECTIONS
    ]
    entries = [tag("li", tag("a", desk.w(f"h_{name}"), href=f"#{name}")) for name in list(SECTIONS)[1:]]
    menu = tag("nav", tag("ul", entries), aria_label=desk.w("contents"))
    style = STYLE.read_text(encoding="utf-8")
    title = f"{desk.w(f'title_{desk.period.kind}')}, {desk.w.period(desk.period)}"
    before = join(
        tag("header", opening.heading(desk)),
        tag("main", body[0], tiles, menu, body[1:]),
        tag("footer", _footer(desk, made_at)),
    )
    panels = desk.panels.write(desk.sentences(), MAX_BYTES - len(before.encode()) - len(style.encode()))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = tag(
        "head", tag("meta", charset="utf-8"), tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"), tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · balkanwatch"), tag("style", Html(style)),
    )  # fmt: skip
    skip = tag("a", desk.w("skip"), class_="skip", href="#brief")
    aside = tag("aside", tag("h2", desk.w("h_evidence"), class_="sr"), panels, aria_label=desk.w("h_evidence"))
    return f"<!doctype html>\n{tag('html', head, tag('body', skip, before, aside), lang=desk.w.tag)}\n"


def _footer(desk: Desk, made_at: datetime) -> Html:
    made = f"{desk.w.day(made_at.date(), True)}, {made_at.astimezone(UTC):%H:%M} UTC"
    return tag("p", filled(desk.w("made"), when=made))
