"""`balkanwatch tag --explain` and `seeds why`: why a text is tagged as it is, in the terminal."""

from itertools import groupby
from typing import Any

import polars as pl
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flows import tagging
from pipeline.tag import Tagger

STYLE = {
    "country": "bold white on blue", "demonym": "blue", "adjective": "blue", "place": "cyan", "organisation": "magenta",
    "person": "green", "role": "bold green",
}  # fmt: skip


def explained(tagger: Tagger, line: tagging.Line) -> RenderableType:
    """One text with its evidence highlighted, and tables of its countries, topics (rule by rule) and actors."""
    frame, scripts = tagging.documents([line])
    tagged = tagger.tag(frame)
    record = tagging.records(tagger, tagged).get("0", tagging.EMPTY)
    texts = {"title": line[1], "body": line[2]}
    shown = Text()
    for field in ("title", "body"):
        if texts[field]:
            shown.append_text(_highlighted(texts[field], field, record))
            shown.append("\n\n" if field == "title" else "")
    legend = Text("  ").join(Text(kind, style) for kind, style in STYLE.items())
    legend.append_text(Text("  topic word", "underline yellow"))
    heading = f"{line[0]}: {frame['lang'][0]}, {scripts[0]}"
    return Group(
        Panel(shown, title=escape(heading), subtitle=legend), _countries(record), _topics(record, texts), _actors(record)
    )


def _highlighted(text: str, field: str, record: dict[str, list[dict[str, Any]]]) -> Text:
    shown = Text(text)
    for topic in record["topics"]:
        for span in topic["evidence"]:
            if span["field"] == field:
                shown.stylize("underline yellow", span["start"], span["end"])
    for mention in record["mentions"]:
        if mention["field"] == field:
            shown.stylize(STYLE[mention["kind"]], mention["start"], mention["end"])
    return shown


def _countries(record: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table(title="Countries", title_justify="left")
    for name in ("code", "salience", "mentions", "focus", "because of"):
        table.add_column(name, overflow="fold")
    for country in record["countries"]:
        said = dict.fromkeys(f"{m['surface']} ({m['kind']})" for m in record["mentions"] if m["country_code"] == country["code"])
        cells = (country["code"], f"{country['salience']:.2f}", str(country["n"]), "yes" if country["is_focus"] else "")
        table.add_row(*cells, escape(", ".join(said)))
    return table


def _topics(record: dict[str, list[dict[str, Any]]], texts: dict[str, str]) -> Table:
    table = Table(title="Topics", title_justify="left")
    for name in ("topic", "score", "rule", "evidence"):
        table.add_column(name, overflow="fold")
    for topic in record["topics"]:
        shown = [topic["topic_id"], f"{topic['score']:.2f}"]
        spans = sorted(topic["evidence"], key=lambda s: (s["rule_id"], s["field"] == "body", s["start"]))
        for rule, group in groupby(spans, key=lambda s: s["rule_id"]):
            words = " ... ".join(texts[s["field"]][s["start"] : s["end"]] + ("*" if s["field"] == "title" else "") for s in group)
            table.add_row(*shown, rule, escape(words))
            shown = ["", ""]
    table.caption = "* in the title" if texts["title"] else None
    return table


def _actors(record: dict[str, list[dict[str, Any]]]) -> Table:
    table = Table(title="Actors", title_justify="left")
    for name in ("actor", "name", "mentions", "offices"):
        table.add_column(name, overflow="fold")
    for actor in record["actors"]:
        table.add_row(escape(actor["entity_id"]), escape(actor["name"] or ""), str(actor["n"]), ", ".join(actor["role_ids"]))
    return table


def why(tagger: Tagger, text: str, lang: str | None) -> RenderableType:
    """Every pattern that fits in a text: what counted, what was hidden by a longer one, what a guard stopped."""
    if lang is None:
        lang = tagging.documents([(0, "", text, None, None)])[0]["lang"][0]
    frame: pl.DataFrame = tagger.why("", text, lang)
    table = Table(title=f"language: {lang}", title_justify="left")
    for name in ("text", "kind", "means", "pattern", "verdict"):
        table.add_column(name, overflow="fold")
    for row in frame.iter_rows(named=True):
        style = {"counts": "green", "guards": "yellow"}.get(row["verdict"], "dim")
        cells = (row["surface"], row["kind"], row["entity_id"] or "", row["rule_id"], row["verdict"])
        table.add_row(*(escape(cell) for cell in cells), style=style)
    return table if frame.height else Text(f"No pattern fits (language: {lang}).")
