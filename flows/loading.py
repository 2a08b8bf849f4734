"""Several monitors and one lake: what a run reads is handed over to the lake's inbox, and one of them at a time is the loader.

    run: keep (a folder a batch) -> hand_over (append to the inbox) -> load (decide, tag, land: a transaction a batch)

The loader decides anew what each batch changes, since another monitor may have brought the same article, and tags it, since all
of a warehouse has one tagging version.
"""

import itertools
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from flows import retag
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import seeds, versions
from pipeline.errors import SettingsError, WarehouseError
from pipeline.tag import Tagger
from pipeline.warehouse import Store, inbox, landing, tombstones
from pipeline.warehouse.lake import Lake

Compiled = tuple[Tagger, str, seeds.Seeds]
KEYS = {"feed_state": "feed_id", "host_state": "host", "run": "run_id"}  # a newer row takes the place of the older

TIDY_EVERY = 200  # batches: each leaves some small files


# -- a monitor --------------------------------------------------------------------------------------------------------


class Courier:
    """Of one run: keeps what it reads for the lake and hands it over; does nothing where no warehouse is set."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        Lake.named(settings.warehouse)  # a wrong one is told before the run, not after it
        self.settings, self.run_id = settings, run_id
        self.folder = inbox.outbox(settings.data)
        self.numbers = itertools.count()

    def keep(
        self, kind: str, now: datetime, notes: dict[str, pl.DataFrame], *,
        entries: pl.DataFrame | None = None, feeds: pl.DataFrame | None = None, changes: versions.Changes | None = None,
        pages: pl.DataFrame | None = None,
    ) -> None:  # fmt: skip
        """Write a batch beside the monitor's own file, before that is committed: a batch kept twice is landed once.

        Of the `entries` of some `feeds`, only those that make `changes`, if these are given.
        """
        if not self.settings.warehouse:
            return
        if entries is not None and changes is not None:
            entries = entries.join(changes.entries, on=["feed_id", "guid"], how="semi", maintain_order="left")
        if entries is not None and feeds is not None:
            entries = entries.join(feeds.select("feed_id", "outlet"), on="feed_id", how="left", maintain_order="left")
        given = {name: frame for name, frame in (("entries", entries), ("pages", pages)) if frame is not None}
        batch_id = f"{self.run_id}-{next(self.numbers):05}"
        inbox.put(self.folder, inbox.Batch(batch_id, kind, socket.gethostname(), self.run_id, now, **given, notes=notes))

    def hand_over(self) -> int:
        """Append all that was kept, by this run or one before, to the inbox; how many batches. WarehouseError when it can not."""
        kept = inbox.waiting(self.folder) if self.settings.warehouse else []
        if kept:
            with Store.appender(self.settings.data, self.settings.warehouse) as lake:
                for path in kept:
                    inbox.send(lake, path)
        return len(kept)


# -- the loader -------------------------------------------------------------------------------------------------------


@dataclass
class Loaded:
    """What a loader did. `n_waiting`: batches that are left in the inbox."""

    n_batches: int = 0
    n_new: int = 0
    n_updated: int = 0
    n_waiting: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(self.n_batches + other.n_batches, self.n_new + other.n_new, self.n_updated + other.n_updated)

    def __str__(self) -> str:
        text = f"{self.n_batches} batches landed: {self.n_new} new articles, {self.n_updated} new versions"
        return f"{text}; {self.n_waiting} wait" if self.n_waiting else text


def load(
    settings: Settings, max_seconds: float, known: Compiled | None = None, report: Callable[[str], None] = lambda _: None
) -> Loaded:
    """Land what waits in the inbox, in order, and bring the marts up to date; BusyError when another loader is at work.

    No batch is begun after `max_seconds`. `known`: the compiled seeds, when at hand.
    """
    if not settings.warehouse:
        raise SettingsError("There is nothing to load: no `warehouse` is set, so every run lands in its own file.")
    end, loaded = time.monotonic() + max_seconds, Loaded()
    with Store.writer(settings.data, settings.warehouse) as lake:
        if not inbox.names(lake) and lake.meta("tagged_by"):
            return loaded
        report("compiling seeds")
        active = retag.active(settings, lake, known or compiled(settings))
        landing.apply_zone(lake, settings.time_zone)
        n_before = int(lake.read("select count(*) as n from load_log")["n"][0])
        while (waiting := inbox.names(lake)) and time.monotonic() < end:  # until nothing came meanwhile
            for name in waiting:
                if time.monotonic() < end:
                    report(f"landing {name}")
                    loaded += _landed(lake, name, active, settings.time_zone)
        report("counting")
        before, after = n_before // TIDY_EVERY, (n_before + loaded.n_batches) // TIDY_EVERY
        lake.publish(tidy=before < after)
        loaded.n_waiting = len(inbox.names(lake))
    return loaded


def _landed(lake: Store, batch_id: str, active: retag.Active, zone: str) -> Loaded:
    """Decide, tag and land a batch, all in one transaction."""
    with lake.transaction():  # outside of one each question would ask the catalog for its newest state
        batch = inbox.taken(lake, batch_id)
        if batch is None:
            return Loaded()
        notes = dict(batch.notes)
        states = _known_entries(lake, notes.pop("page_state", None))
        changes = _changes(lake, batch, states, zone)
        landing.land(lake, changes, active.tagger.tag(changes.documents()), active.tagged_by, batch.read_at)
        landing.set_page_state(lake, states.filter("is_waiting").select(inbox.PAGE_STATE.names()).drop("article_id"))
        for relation, frame in notes.items():
            if relation in KEYS:
                lake.replace(relation, frame.unique(KEYS[relation], keep="last"), KEYS[relation])
            else:
                lake.append(relation, frame)
        inbox.done(lake, batch, datetime.now(UTC), changes.n_new, changes.n_updated)
    return Loaded(1, changes.n_new, changes.n_updated)


def _known_entries(lake: Store, states: pl.DataFrame | None) -> pl.DataFrame:
    """The states of entries that the lake has, with its own article (our_id), and whether it still waits for their pages."""
    states = pl.DataFrame(schema=inbox.PAGE_STATE) if states is None else states
    return lake.read(
        """
        select s.*, e.article_id as our_id, e.page_state = 'waiting' as is_waiting
        from batch_states s join entry e on e.feed_id = s.feed_id and e.guid = s.guid
        """,
        batch_states=states,
    )


def _changes(lake: Store, batch: inbox.Batch, states: pl.DataFrame, zone: str) -> versions.Changes:
    if batch.pages.height:
        ours = states.select("article_id", "our_id").unique("article_id")
        pages = batch.pages.join(ours, on="article_id", maintain_order="left").with_columns(article_id="our_id").drop("our_id")
        return versions.page_changes(pages, landing.known_for_pages(lake, pages), batch.read_at, zone)
    entries = tombstones.admitted(lake, batch.entries)
    known = landing.known_for_entries(lake, entries)
    if batch.kind == "missed":  # what a sitemap names and a feed of another monitor has brought meanwhile
        entries = entries.join(known.urls, on="url", how="anti").join(known.articles, on="article_id", how="anti")
    feeds = entries.select("feed_id", "outlet").unique("feed_id")
    return versions.entry_changes(entries, known, feeds, batch.read_at, zone)


def deliver(courier: Courier, known: Compiled, max_seconds: float, report: Callable[[str], None]) -> str:
    """At the end of a run: hand over, and load unless another does; what came of it, in a sentence. A failure loses nothing."""
    report("handing over to the warehouse")
    try:
        n_sent = courier.hand_over()
    except WarehouseError as error:
        return f"{len(inbox.waiting(courier.folder))} batches wait beside the monitor: {error}"
    try:
        return f"{n_sent} batches handed over; {load(courier.settings, max_seconds, known, report)}."
    except WarehouseError as error:
        return f"{n_sent} batches handed over; {error}"
