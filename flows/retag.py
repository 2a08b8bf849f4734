"""Tagging history again with seeds that changed, and saying what that changed; and which tags count until then."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from rich.markup import escape
from rich.table import Table

from flows.settings import Settings
from flows.tagging import compiled
from pipeline import seeds
from pipeline.errors import WarehouseError
from pipeline.schemas import RELATIONS
from pipeline.tag import Tagger, tagger_version
from pipeline.warehouse import Store, landing, retagging, writer_path

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Retagged:
    """What tagging again did or, on a dry run, would do. `changes` is relation retag_change."""

    n_articles: int
    changes: pl.DataFrame

    def __str__(self) -> str:
        return str(self.n_articles)


@dataclass(frozen=True)
class Active:
    """What a run tags with: the seeds as they are, or those of the archive as long as `retag` has not been called."""

    tagger: Tagger
    tagged_by: str
    tables: seeds.Seeds
    n_retagged: int = 0
    n_behind: int = 0  # articles that wait for `retag`


def retag(settings: Settings, *, dry_run: bool = False, n_batch: int = 5_000, progress: Progress = lambda *_: None) -> Retagged:
    """Tag all history again if the seeds or the tagger changed, and publish; a killed one goes on where it was."""
    tagger, tagged_by, tables = compiled(settings)
    nothing = Retagged(0, pl.DataFrame(schema=RELATIONS["retag_change"]))
    if dry_run and not settings.warehouse and not writer_path(settings.data).exists():
        return nothing
    with Store.writer(settings.data, settings.warehouse) as store:
        n_stale = retagging.n_stale(store, tagged_by)
        if store.meta("tagged_by") == tagged_by and not n_stale:
            if not dry_run and landing.sync_seeds(store, tables):  # what no tag depends on, as the side of a feed
                store.publish()
            return nothing
        retagging.stage(store, tagger.tag, tagged_by, n_batch, progress)
        if dry_run:
            return Retagged(n_stale, retagging.changes(store, tagged_by, datetime.now(UTC)))
        found = _switch(store, tagged_by, tables)
        store.publish()
    return Retagged(n_stale, found)


def _switch(store: Store, tagged_by: str, tables: seeds.Seeds) -> pl.DataFrame:
    _keep(store.data, tables)  # before the switch: without them a later run could not go on
    landing.sync_seeds(store, tables)
    found = retagging.switch(store, tagged_by, datetime.now(UTC))
    for other in _kept(store.data, "").iterdir():
        if other.name != tables.version:
            shutil.rmtree(other, ignore_errors=True)
    return found


def active(settings: Settings, store: Store, new: tuple[Tagger, str, seeds.Seeds]) -> Active:
    """What to tag with from here on, so that no mart mixes two tagging versions; `new` is what `compiled` gave.

    A small archive is tagged again at once. A large one stays with the copy of its seeds until `retag` is called; WarehouseError
    when that can not be, since the tagger itself has changed.
    """
    tagger, tagged_by, tables = new
    old = store.meta("tagged_by")
    n_stale = retagging.n_stale(store, tagged_by)
    if old == tagged_by or not n_stale:
        if old != tagged_by:
            store.set_meta("tagged_by", tagged_by)
        _keep(store.data, tables)
        landing.sync_seeds(store, tables)
        return Active(tagger, tagged_by, tables)
    if n_stale <= settings.retag_in_run_below:
        retagging.stage(store, tagger.tag, tagged_by)
        _switch(store, tagged_by, tables)
        return Active(tagger, tagged_by, tables, n_retagged=n_stale)
    version, _, code = (old or "").partition("-")
    if code != tagger_version() or not _kept(store.data, version).exists():
        raise WarehouseError(
            f"The {n_stale} articles in {store.data} were tagged by another tagger: run `balkanwatch retag` first."
        )
    kept = seeds.load(_kept(store.data, version))
    of_sources = {name: tables.tables[name] for name in ("feeds", "side")}
    mixed = seeds.Seeds(kept.folder, {**kept.tables, **of_sources}, kept.version)
    landing.sync_seeds(store, mixed)
    cache = seeds.Cache(store.data / ".writer" / "cache", f"{kept.version}-{code}")
    return Active(Tagger(kept.tables, cache), f"{kept.version}-{code}", mixed, n_behind=n_stale)


def _kept(data: Path, version: str) -> Path:
    return data / ".writer" / "seeds" / version


def _keep(data: Path, tables: seeds.Seeds) -> None:
    """Keep a copy of the seeds that the archive is tagged with."""
    target = _kept(data, tables.version)
    if target.exists() and seeds.load(target).version == tables.version:
        return
    shutil.rmtree(target, ignore_errors=True)
    beside = target.with_name(f".{target.name}")
    shutil.rmtree(beside, ignore_errors=True)
    for path in sorted(tables.folder.rglob("*.csv")):
        copy = beside / path.relative_to(tables.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if seeds.load(beside).version != tables.version:
        raise WarehouseError(f"The seeds in {tables.folder} were changed meanwhile: try again.")
    beside.replace(target)


def table(settings: Settings, changes: pl.DataFrame) -> Table:
    """What changed, a line a topic or country and direction: how many articles, the rules, and one of them by its title."""
    with Store.reader(settings.data, settings.query_memory, settings.query_seconds, settings.warehouse) as store:
        sql = "select article_id, title from article_text semi join ids using (article_id)"
        first = changes.unique(["topic_id", "country_code", "change"], keep="first", maintain_order=True)
        names = dict(store.read(sql, ids=first.select("article_id")).iter_rows())
    out = Table("topic or country", "change", "articles", "by rules", "for instance")
    of = pl.coalesce("topic_id", "country_code").alias("of")
    for (what, change), rows in changes.group_by([of, "change"], maintain_order=True):
        rules = rows["rule_ids"].explode().drop_nulls().value_counts(sort=True)[:3].rows()
        shown = ", ".join(f"{rule} ({n})" for rule, n in rules)
        title = names.get(rows["article_id"][0], rows["article_id"][0])
        out.add_row(*(escape(str(cell)) for cell in (what, change, rows.height, shown, title)))
    return out
