"""What the sections of the page share: counting words, tables, and the panel of sentences behind every number."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.report import charts
from pipeline.report.evidence import Key, Sentence
from pipeline.report.figures import Figures, Period
from pipeline.report.html import Html, join, link, tag, text
from pipeline.report.words import Words

MAX_USES = 4  # places a panel knows its way back to
Find = Callable[[Iterable[Key]], dict[Key, list[Sentence]]]


class Panels:
    """Remembers which numbers stand on the page, and writes a panel for each, which shows when its number is followed."""

    def __init__(self) -> None:
        self._uses: dict[Key, int] = {}
        self._title: dict[Key, tuple[int, str, int]] = {}  # number of the panel, its title, what it counts

    def place(self, key: Key, title: str, n: int) -> tuple[str, str | None]:
        """Where a number leads (href), and the id of its own place; none but the first few places are found again."""
        is_new = self._uses.get(key, 0) < MAX_USES
        self._uses[key] = min(self._uses.get(key, 0) + 1, MAX_USES)
        block, _, _ = self._title.setdefault(key, (len(self._title), title, n))
        name = f"{block}-{self._uses[key]}"
        return f"#e{name}", f"r{name}" if is_new else None

    def number(self, label: object, key: Key, title: str, n: int) -> Html:
        """A number with its link; a plain one when there is nothing behind it."""
        if not n:
            return text(label)
        href, id_ = self.place(key, title, n)
        return tag("a", label, class_="n", id=id_, href=href)

    def keys(self) -> list[Key]:
        """What the numbers so far count."""
        return list(self._uses)

    def write(self, found: Mapping[Key, list[Sentence]], words: Words, period: Period, room: int) -> Html:
        """All panels, with as many sentences in each as there is room for (bytes)."""
        for limit in (5, 4, 3, 2, 1):
            written = join([self._panel(key, found[key][:limit], words, period) for key in self._uses])
            if len(written.encode()) <= room:
                break
        return written

    def _panel(self, key: Key, sentences: Sequence[Sentence], words: Words, period: Period) -> Html:
        block, title, n = self._title[key]
        uses = range(1, self._uses[key] + 1)
        close = [tag("a", "×", class_="x", href=f"#r{block}-{use}", aria_label=words("close")) for use in uses]
        rest = tag("p", words("the_rest"), " ", shown(command(key, period)), class_="query")
        said = [tag("li", sentence(one, words)) for one in sentences]
        return tag(
            "section",
            [tag("i", id=f"e{block}-{use}") for use in uses],
            tag("div", tag("div", close, class_="close"), tag("h3", title), tag("p", words.count(n, "story"), class_="sub"),
                tag("ol", said) if said else tag("p", words("no_sentences")), rest, class_="panel"),
            class_="ev",
        )  # fmt: skip


def command(key: Key, period: Period) -> str:
    """The query that gives everything behind a number."""
    if key.story is not None:
        return f"balkanwatch query story_timeline --story={_shell(key.story)}"
    until, days = (key.day, 1) if key.day else (period.until, period.days)
    if key.pair:
        name, options = "named_together", {"first": key.pair[0], "second": key.pair[1]}
    else:
        name = "cell_articles" if key.topic == "*" else "evidence"
        options = {"country": key.country, "topic": key.topic, "side": key.side}
    options |= {"days": str(days), "until": str(until)}
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
        self.period, self.panels = figures.period, Panels()
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
