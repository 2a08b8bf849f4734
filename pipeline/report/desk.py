"""What the sections of the page share: counting words, tables, and the panel of sentences behind every number."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.report import charts
from pipeline.report.evidence import Key, Sentence
from pipeline.report.figures import Figures, Period
from pipeline.report.html import Html, join, link, tag, text
from pipeline.report.words import Words
from pipeline.trends import BASELINE_DAYS

MAX_USES = 4  # places a panel knows its way back to
LIMITED, ALL = (
    {"cell_articles", "edited", "evidence", "named_together"},
    "1000000",
)  # questions that give few rows unless asked for all
Find = Callable[[Iterable[Key]], dict[Key, list[Sentence]]]


@dataclass
class _Panel:
    block: int
    title: str
    sub: str
    command: str
    rows: Sequence[Html] | None  # None: the sentences of its key
    uses: int = 0


class Panels:
    """Remembers which numbers stand on the page, and writes a panel for each, which shows when its number is followed.

    The key of a panel says which sentences it holds; one that lists rows of its own goes by a name instead.
    """

    def __init__(self, words: Words, period: Period) -> None:
        self._words, self._period = words, period
        self._panels: dict[Key | str, _Panel] = {}

    def place(
        self, key: Key | str, title: str, n: int | None, rest: str | None = None, rows: Sequence[Html] | None = None
    ) -> tuple[str, str | None]:
        """Where a number leads (href), and the id of its own place; none but the first few places are found again.

        `n` is what the panel says that it counts, `rest` the command that gives everything (by default that of the key).
        """
        if key not in self._panels:
            rest = rest or (command(key, self._period) if isinstance(key, Key) else "")
            self._panels[key] = _Panel(len(self._panels), title, self._sub(key, n), rest, rows)
        panel = self._panels[key]
        is_new = panel.uses < MAX_USES
        panel.uses = min(panel.uses + 1, MAX_USES)
        name = f"{panel.block}-{panel.uses}"
        return f"#e{name}", f"r{name}" if is_new else None

    def number(
        self,
        label: object,
        key: Key | str,
        title: str,
        n: int | None,
        rest: str | None = None,
        rows: Sequence[Html] | None = None,
    ) -> Html:
        """A number with its link; a plain one when it is nought, for then there is nothing behind it."""
        if n == 0:
            return text(label)
        href, id_ = self.place(key, title, n, rest, rows)
        return tag("a", label, class_="n", id=id_, href=href)

    def keys(self) -> list[Key]:
        """Whose sentences the numbers so far ask for."""
        return [key for key in self._panels if isinstance(key, Key)]

    def write(self, found: Mapping[Key, list[Sentence]], room: int) -> Html:
        """All panels, with as many sentences in each as there is room for (bytes)."""
        for limit in (5, 4, 3, 2, 1):
            written = join([self._panel(panel, self._rows(key, panel, found, limit)) for key, panel in self._panels.items()])
            if len(written.encode()) <= room:
                break
        return written

    def _sub(self, key: Key | str, n: int | None) -> str:
        if isinstance(key, str):
            return ""
        days = self._words.period(Period(*key.days) if key.days else self._period)
        counted = [] if n is None or key.story else [self._words.count(n, "article" if key.edited else "story")]
        return " · ".join([*counted, days])

    def _rows(self, key: Key | str, panel: _Panel, found: Mapping[Key, list[Sentence]], limit: int) -> Sequence[Html]:
        if panel.rows is not None or isinstance(key, str):
            return panel.rows or []
        return [sentence(one, self._words) for one in found[key][:limit]]

    def _panel(self, panel: _Panel, rows: Sequence[Html]) -> Html:
        words, uses = self._words, range(1, panel.uses + 1)
        close = [tag("a", "×", class_="x", href=f"#r{panel.block}-{use}", aria_label=words("close")) for use in uses]
        rest = tag("p", words("the_rest"), " ", shown(panel.command), class_="query")
        return tag(
            "section",
            [tag("i", id=f"e{panel.block}-{use}") for use in uses],
            tag("div", tag("div", close, class_="close"), tag("h3", panel.title), tag("p", panel.sub, class_="sub"),
                tag("ol", [tag("li", row) for row in rows]) if rows else tag("p", words("no_sentences")), rest, class_="panel"),
            class_="ev",
        )  # fmt: skip


def command(key: Key, period: Period) -> str:
    """The query that gives everything behind a number."""
    if key.story is not None:
        return f"balkanwatch query story_timeline --story={_shell(key.story)}"
    days = Period(*key.days) if key.days else period
    options: dict[str, str]
    if key.edited:
        name, options = "edited", {}
    elif key.pair:
        name, options = "named_together", {"first": key.pair[0], "second": key.pair[1]}
    else:
        name = "cell_articles" if key.topic == "*" else "evidence"
        options = {"country": key.country, "topic": key.topic, "side": key.side}
    return query(name, days, **options)


def query(name: str, days: Period, **options: str) -> str:
    """The line that asks one of the questions of sql/queries about a period, for all of its rows."""
    options |= {"days": str(days.days), "until": str(days.until)}
    if name in LIMITED:
        options["limit"] = ALL
    return " ".join([f"balkanwatch query {name}", *(f"--{option}={_shell(value)}" for option, value in options.items())])


def _shell(value: str) -> str:
    return value if re.fullmatch(r"[\w.:-]+", value) else "'" + value.replace("'", "") + "'"


def shown(line: str) -> Html:
    """A command that breaks between its words only."""
    return tag("code", join([tag("span", word) for word in line.split(" ")], between=" "))


def language(lang: str | None, script: str | None) -> str | None:
    """The tag of a text's language for the lang attribute."""
    if not lang or lang == "und" or not re.fullmatch(r"[a-z]{2,3}", lang):
        return None
    return f"sh-{script}" if lang == "hbs" and script in ("Latn", "Cyrl") else "sh" if lang == "hbs" else lang


def sentence(one: Sentence, words: Words) -> Html:
    """One sentence with its marks, and where it stands."""
    said = tag(
        "q", [tag("mark", piece) if marked else text(piece) for piece, marked in one.pieces], lang=language(one.lang, one.script)
    )
    where = join(tag("bdi", link(one.outlet, one.url)), f"{words.side(one.side)}", words.day(one.day), between=" · ")
    return join(said, tag("cite", where))


class Desk:
    """One page being written: its figures, words and panels, and how numbers, titles and tables look on it."""

    def __init__(self, figures: Figures, words: Words, find: Find, shapes: Path) -> None:
        self.f, self.w, self.shapes = figures, words, shapes
        self._find, self._found = find, dict[Key, list[Sentence]]()
        self.period, self.panels = figures.period, Panels(words, figures.period)
        self.country = {row["code"]: row for row in figures.countries.iter_rows(named=True)}
        self.cell = {(row["code"], row["topic_id"]): row for row in figures.cells.iter_rows(named=True)}
        self.topics = figures.topics.filter(pl.col("n") > 0).rows(named=True)
        self.when_before = words(f"before_{self.period.kind}")

    def sentences(self, *keys: Key) -> Mapping[Key, list[Sentence]]:
        """Those behind these keys and all numbers on the page so far: to look for many at once is much cheaper."""
        missing = [key for key in (*self.panels.keys(), *keys) if key not in self._found]
        if missing:
            self._found |= self._find(missing)
        return self._found

    def stories_of(self, n: int, key: Key, title: str) -> Html:
        """`12 stories`, linked."""
        return self.panels.number(self.w.count(n, "story"), key, title, n)

    def plain(self, n: int, key: Key, title: str) -> Html:
        return self.panels.number(self.w.number(n), key, title, n)

    def before(self, label: object, n: int, key: Key, title: str) -> Html:
        """A number of the period before, linked to what was said then."""
        before = self.period.before
        return self.panels.number(label, key._replace(days=(before.since, before.until)), title, n)

    def expected(self, value: float, digits: int, code: str, topic_id: str, day: date) -> Html:
        """A number that comes from the days before a burst, linked to what was said on these."""
        days = (day - timedelta(days=BASELINE_DAYS), day - timedelta(days=1))
        title = self.topic_title(code, topic_id)
        return self.panels.number(self.w.number(value, digits), Key(code, topic_id, days=days), title, None)

    def rest(self, line: str) -> Html:
        """Which command gives all of a section."""
        return tag("p", self.w("the_rest"), " ", shown(line), class_="query")

    def topic_title(self, code: str, topic_id: str) -> str:
        return f"{self.w.country(code)} · {self.w.topic(topic_id)}"

    def table(self, caption: str, heads: Sequence[object], rows: Iterable[Sequence[Html]], class_: str = "") -> Html:
        """A table that scrolls by itself when the screen is narrow."""
        head = tag("tr", [tag("th", one, scope="col") if one else tag("td") for one in heads])
        inner = tag(
            "table",
            tag("caption", caption),
            tag("thead", head),
            tag("tbody", [tag("tr", list(row)) for row in rows]),
            class_=class_ or None,
        )
        return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)

    def heat(self, n: int, most: float, key: Key, title: str, label: str | None = None, part: float | None = None) -> Html:
        step = charts.level((n if part is None else part) / most if most else 0)
        shown = (
            self.panels.number(label or self.w.number(n), key, title, n) if n else tag("span", "·", aria_label="0", role="img")
        )
        return tag("td", shown, class_=f"q{step}")

    def title(self, row: dict[str, Any]) -> Html:
        title = row["title"] or row["url"] or "–"
        return tag("bdi", link(title, row["url"]), lang=language(row["lang"], row["script"]))
