"""The tagger: texts in; mentions, focus countries and topics out, each with the evidence for it.

`Tagger` is made once from the seed tables; `Tagger.tag` is pure: no clock, no disk. Offsets are code points of the strings given.
Nothing is compiled or even imported before the first text: most runs of a monitor find nothing new.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline.schemas import RELATIONS

if TYPE_CHECKING:
    from pipeline.tag.engine import Engine
    from pipeline.tag.lexis import Lexis, State

Kept = Callable[[str, Callable[[], "State"]], "State"]


def tagger_version() -> str:
    """A name for the tagger's code: tags made by another version may differ."""
    folder = Path(__file__).parent
    sources = [*sorted(folder.glob("*.py")), folder.parent / "patterns.py", folder.parent / "text.py"]
    return hashlib.blake2b(b"".join(path.read_bytes() for path in sources), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Tagged:
    """Frames of the relations mention, focus and tag."""

    mentions: pl.DataFrame
    focus: pl.DataFrame
    tags: pl.DataFrame


class Tagger:
    """The seeds at work. `tables` are the seed files by name, as `pipeline.seeds.load` gives them.

    `kept(key, make)` may return the arrays that `make()` gave for the same key and the same seeds at another time.
    """

    def __init__(self, tables: Mapping[str, pl.DataFrame], kept: Kept = lambda _, make: make()) -> None:
        self._tables, self._kept = tables, kept

    @cached_property
    def _engine(self) -> "Engine":
        from pipeline.tag.engine import Engine

        return Engine(self._tables, self._kept)

    @property
    def actor_name(self) -> dict[str, str]:
        """The names of actors by actor_id."""
        return dict(self._tables["actor"].select("actor_id", "name").iter_rows())

    def tag(self, documents: pl.DataFrame) -> Tagged:
        """Tag documents (schema DOCUMENT); rows of all three frames carry the article_id and keep the order of the documents."""
        if not documents.height:
            return Tagged(*(pl.DataFrame(schema=RELATIONS[name]) for name in ("mention", "focus", "tag")))
        return self._engine.tag(documents)

    def why(self, title: str, body: str, lang: str | None) -> pl.DataFrame:
        """Every pattern that fits somewhere in a text, and what became of it.

        Columns: field, char_start, char_end, surface, layer, kind, entity_id, rule_id, verdict (counts, guards, hidden by ...).
        """
        return self._engine.why(title, body, lang)

    def lexis(self, lang: str | None) -> "Lexis":
        """The seeds compiled for a language (None: for texts of unknown language, all of them)."""
        return self._engine.lexis(lang)
