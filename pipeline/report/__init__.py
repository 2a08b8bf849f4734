"""The brief: one self-contained HTML page about a period, from one snapshot.

    period = Period.ending(store, days=7)
    path = write(store, seeds_folder, target, period, lang="en", made_at=now)

figures (counts) -> page (opening, pictures, lists) -> evidence (the sentences behind every number on it) -> one file, written
beside and moved into place. No script, nothing that is fetched, and a content-security policy that would stop both.
"""

import contextlib
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pipeline.report.evidence import Key, Sentence, sentences
from pipeline.report.figures import Figures, Period
from pipeline.report.page import page
from pipeline.report.words import LANGS, Words
from pipeline.warehouse import Store

__all__ = ["LANGS", "Period", "default_name", "write"]


def default_name(period: Period, lang: str) -> str:
    """`brief-2023-11-24-2023-11-30-en.html`; a single day stands there once."""
    days = str(period.since) if period.days == 1 else f"{period.since}-{period.until}"
    return f"brief-{days}-{lang}.html"


def write(store: Store, seeds: Path, target: Path, period: Period, lang: str, made_at: datetime) -> Path:
    """Write the brief to `target`; InputError for an unknown language, SeedError when the labels can not be read."""
    words = Words(seeds, lang)
    figures = Figures.read(store, period)

    def find(keys: Iterable[Key]) -> dict[Key, list[Sentence]]:
        return sentences(store, keys)

    document = page(figures, words, find, seeds / "map" / "region.geojson", made_at)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", delete=False) as made:
        try:
            made.write(document)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(made.name).unlink()
            raise
    Path(made.name).chmod(0o644)
    Path(made.name).replace(target)
    return target
