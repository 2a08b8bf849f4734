"""Import of archives: files to parts by a pool of workers, parts into the warehouse by one loader.

    chunks (this process reads) -> workers: normalise, tag, write a part -> loader (this process): dedup, land, ledger

A part lands in one transaction with its row of relation import_part, so that a killed import goes on where it stopped and the
same file twice lands nothing. `flows.backfill` does the same with the parts prepared elsewhere.
"""

import contextlib
import functools
import multiprocessing
import os
import shutil
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows import retag
from flows.settings import Settings
from flows.tagging import compiled
from pipeline import archive, export, seeds
from pipeline.archive import Chunk, Outlets, Part, Plan, Source
from pipeline.errors import BalkanwatchError, InputError
from pipeline.schemas import RELATIONS
from pipeline.tag import Tagged
from pipeline.text import digest
from pipeline.warehouse import Store, archives, landing

MEMORY = "350MB"  # of DuckDB while parts land: what it keeps beyond that it does not need
SMALL = 2_000_000  # bytes: less is done sooner here than a worker has started
Progress = Callable[["Tally", int], None]  # what came of the source so far, bytes of it that are landed


class StoppedError(BalkanwatchError):
    """The import could not go on; what is landed stays, and the same command continues."""


@dataclass(frozen=True)
class Job:
    """A source, how to read it, and where its parts go: all that a worker needs. `import_id` names content and reading."""

    import_id: str
    source: Source
    plan: Plan
    fingerprint: str
    data: Path
    seeds: Path  # whose catalogue names the outlets
    dictionaries: Path  # seeds whose tags the warehouse holds, perhaps older ones
    tagged_by: str
    now: datetime

    @property
    def folder(self) -> Path:
        """Where the parts wait for the loader."""
        return parts_folder(self.data) / f"{self.import_id}-{self.tagged_by}"


@dataclass
class Tally:
    """What came of a source, in numbers. Those of parts that an earlier run has landed are in `n_before` (records) only."""

    source: Source
    plan: Plan
    import_id: str = ""
    n_rows: int = 0
    n_new: int = 0
    n_updated: int = 0
    n_waiting: int = 0
    n_headlines: int = 0
    n_undated: int = 0
    n_rejected: int = 0
    n_before: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)  # outlets that the catalogue does not know
    days: tuple[Any, Any] = (None, None)

    @property
    def n_known(self) -> int:
        """Records that changed nothing."""
        return self.n_rows - self.n_new - self.n_updated

    def count(self, part: Part) -> None:
        """Add what can be said of a part before it is landed."""
        rows = part.rows
        self.n_rows += rows.height
        self.n_undated += rows["published_at"].null_count()
        self.n_waiting += int(rows["waits"].sum())
        self.n_headlines += int((rows["body_source"] == "headline").sum()) - int(rows["waits"].sum())
        self.n_rejected += len(part.rejected)
        self.skipped.update(part.skipped)
        self.reasons.update(reason for _, reason in part.rejected)
        unknown = rows.filter(pl.col("feed_id") == pl.format("import:{}", "outlet"))
        self.strangers.update(dict(unknown.group_by("outlet").len().iter_rows()))
        dates = [*self.days, rows["published_at"].min(), rows["published_at"].max()]
        dates = [at for at in dates if at is not None]
        self.days = (min(dates), max(dates)) if dates else (None, None)


def parts_folder(data: Path) -> Path:
    """Where prepared parts lie below a data folder."""
    return data / ".writer" / "parts"


# -- what to do -------------------------------------------------------------------------------------------------------


def planned(
    paths: Iterable[Path], settings: Settings, format: str | None, mapping: dict[str, str], **said: Any
) -> list[tuple[Source, Plan]]:
    """The sources below some paths, and how each will be read; InputError when one can not be."""
    catalogue = outlets(settings.seeds, settings.time_zone)
    if said.get("feed") and not catalogue.has_feed(said["feed"]):
        raise InputError(f"There is no feed `{said['feed']}` in the catalogue; `balkanwatch feeds list` shows them.")
    said |= {"time_zone": settings.time_zone, "n_records": settings.import_batch}
    return [(source, archive.plan(source, mapping, **said)) for source in archive.sources(paths, format)]


@dataclass(frozen=True)
class Desk:
    """What all jobs of an import share: folders, the tagging version of the warehouse and its dictionaries, and the time."""

    data: Path
    seeds: Path
    dictionaries: Path
    tagged_by: str
    now: datetime


def job(source: Source, plan: Plan, desk: Desk) -> Job:
    """The job of a source: reads it once for its fingerprint."""
    fingerprint = source.fingerprint()
    reading = {name: value for name, value in asdict(plan).items() if name != "unused"}
    hosts = (desk.seeds / "feeds.csv").read_text(encoding="utf-8") if plan.format == "warc" and not plan.all_hosts else ""
    import_id = digest("import", fingerprint, repr(sorted(reading.items())), archive.PART_VERSION, hosts)
    return Job(import_id, source, plan, fingerprint, desk.data, desk.seeds, desk.dictionaries, desk.tagged_by, desk.now)


def run_import(
    settings: Settings, todo: list[tuple[Source, Plan]], workers: int, progress: Progress = lambda *_: None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Tally]:  # fmt: skip
    """Import sources one after the other and publish the snapshot; what a user can mend raises BalkanwatchError."""
    is_small = sum(source.size for source, _ in todo) < SMALL
    with opened(settings, report) as (store, desk):
        tallies = []
        with contextlib.nullcontext() if is_small else _pool(workers) as pool:
            for source, plan in todo:
                report(f"reading {source.path.name}")
                one = job(source, plan, desk)
                parts = functools.partial(_prepared, pool, one, 2 * workers + 1)
                tallies.append(load(store, one, settings, parts, progress))
        finish(store, report)
    return tallies


@contextlib.contextmanager
def opened(settings: Settings, report: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Store, Desk]]:
    """The warehouse with the seeds as they are now, and what jobs need; tags are of the version that `retag.active` gives."""
    with Store.writer(settings.data, settings.warehouse) as store:
        store.connection.execute(f"set memory_limit = '{MEMORY}'")
        report("compiling seeds")
        active = retag.active(settings, store, compiled(settings))
        landing.apply_zone(store, settings.time_zone)
        dictionaries = active.tables.folder.resolve()
        yield store, Desk(settings.data.resolve(), settings.seeds.resolve(), dictionaries, active.tagged_by, datetime.now(UTC))


def finish(store: Store, report: Callable[[str], None] = lambda _: None) -> None:
    """Publish, and clear away parts that nobody needs any more."""
    report("publishing")
    store.publish()
    shutil.rmtree(parts_folder(store.data), ignore_errors=True)


def dry_run(settings: Settings, source: Source, plan: Plan, progress: Progress) -> tuple[Tally, pl.DataFrame]:
    """Read a source as an import would and land nothing: the tally, and the first rows (IMPORTED)."""
    catalogue, tally, now = outlets(settings.seeds, settings.time_zone), Tally(source, plan), datetime.now(UTC)
    first: pl.DataFrame | None = None
    nothing = Tagged(*(pl.DataFrame(schema=RELATIONS[name]) for name in ("mention", "focus", "tag")))
    for chunk in archive.chunks(source, plan, catalogue.is_known_host):
        rows, rejected = archive.rows(chunk.raws, plan, catalogue, now)
        tally.count(Part(chunk.part, chunk.is_last, rows, nothing, rejected, chunk.skipped))
        first = rows.head(3) if first is None or not first.height else first
        progress(tally, chunk.position)
    assert first is not None
    return tally, first


# -- workers ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def outlets(folder: Path, time_zone: str) -> Outlets:
    """The catalogue below a folder of seeds."""
    return Outlets(seeds.load(folder).tables["feeds"], time_zone)


@functools.lru_cache(maxsize=2)
def _tagger(folder: Path, data: Path, tagged_by: str) -> Callable[[pl.DataFrame], Tagged]:
    tagger, found, _ = compiled(Settings.read(data=data, seeds=folder))
    if found != tagged_by:
        raise StoppedError("The seeds or the program changed while the import was at work: run it again.")
    return tagger.tag


def work(job: Job, chunk: Chunk) -> Path:
    """Normalise and tag a chunk and write its part: what a worker does, in whatever process. Returns the part's path."""
    tag = _tagger(job.dictionaries, job.data, job.tagged_by)
    return archive.prepared(chunk, job.plan, outlets(job.seeds, job.plan.time_zone), tag, job.now, job.folder)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes with one thread each (their arrays are small, and there are as many of them as cores)."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"  # is read when a child starts; ours has started
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        yield pool
    except BrokenProcessPool:
        raise StoppedError(
            "A worker process was ended from outside (was there enough memory?). What is landed stays; run the command again "
            "and it goes on."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        os.environ.pop("POLARS_MAX_THREADS")
        if before is not None:
            os.environ["POLARS_MAX_THREADS"] = before


def end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever for its next chunk."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _prepared(pool: ProcessPoolExecutor | None, job: Job, n_ahead: int, done: set[int]) -> Iterator[tuple[Path, int]]:
    """The parts that are not landed, in order, each with how far the file had been read; never more than `n_ahead` at once.

    Without a pool this process prepares them.
    """
    catalogue = outlets(job.seeds, job.plan.time_zone)
    held: deque[tuple[Future[Path], int]] = deque()
    for chunk in archive.chunks(job.source, job.plan, catalogue.is_known_host):
        if chunk.part in done:
            continue
        if pool is None:
            yield work(job, chunk), chunk.position
            continue
        held.append((pool.submit(work, job, chunk), chunk.position))
        if len(held) >= n_ahead:
            future, position = held.popleft()
            yield future.result(), position
    for future, position in held:
        yield future.result(), position


# -- the loader -------------------------------------------------------------------------------------------------------


def load(
    store: Store, job: Job, settings: Settings, parts: Callable[[set[int]], Iterable[tuple[Path, int]]], progress: Progress
) -> Tally:
    """Land the parts of a source that are not landed; `parts(done)` gives those whose number is not in `done`, in order."""
    tally = Tally(job.source, job.plan, job.import_id)
    ledger = store.read("select part, n_rows, is_last from import_part where import_id = $id", id=job.import_id)
    tally.n_before = int(ledger["n_rows"].sum())
    if ledger["is_last"].any():
        return tally
    for path, position in parts(set(ledger["part"].to_list())):
        land_part(store, job, settings, archive.read_part(path), tally)
        shutil.rmtree(path)
        progress(tally, position)
    return tally


def land_part(store: Store, job: Job, settings: Settings, part: Part, tally: Tally) -> None:
    """One part with its row of the ledger, in one transaction."""
    known = landing.known_for_entries(store, archive.wanted(part.rows))
    history = archives.all_versions(store, known.articles.select("article_id"))
    found = archive.changes(part.rows, known, history, job.now, settings.time_zone)
    changes = found.changes
    tagged = _with_kept(_keyed(part.tagged, found.keyed), archives.tags_of(store, found.kept))
    row = {
        "import_id": job.import_id, "part": part.part, "file": str(job.source.path), "fingerprint": job.fingerprint,
        "is_last": part.is_last, "n_rows": part.rows.height, "n_new": changes.n_new, "n_updated": changes.n_updated,
        "n_rejected": len(part.rejected), "n_skipped": sum(part.skipped.values()), "landed_at": datetime.now(UTC),
    }  # fmt: skip
    rejects = [{"import_id": job.import_id, "part": part.part, "line": line, "reason": text} for line, text in part.rejected]
    feeds = outlets(job.seeds, job.plan.time_zone).feeds(part.rows["feed_id"].unique())
    with store.transaction():
        archives.add_feeds(store, feeds)
        landing.land(store, changes, tagged, job.tagged_by, job.now)
        store.append("import_part", pl.DataFrame([row], schema=RELATIONS["import_part"]))
        store.append("import_reject", pl.DataFrame(rejects, schema=RELATIONS["import_reject"]))
    tally.count(part)
    tally.n_new += changes.n_new
    tally.n_updated += changes.n_updated


def _keyed(tagged: Tagged, keyed: pl.DataFrame) -> Tagged:
    """The tags of a part's rows under the article_id and version that the rows were given; others are dropped."""
    names = keyed.select(pl.col("key").cast(pl.String), _id="article_id", _version="version")

    def named(frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.join(names, left_on="article_id", right_on="key", maintain_order="left").with_columns(article_id="_id")
        return frame.with_columns(version="_version") if "version" in frame.columns else frame

    return Tagged(*(named(frame).drop("_id", "_version") for frame in (tagged.mentions, tagged.focus, tagged.tags)))


def _with_kept(one: Tagged, other: Tagged) -> Tagged:
    return Tagged(*(pl.concat([getattr(one, name), getattr(other, name)]) for name in ("mentions", "focus", "tags")))


def write_rejected(store: Store, import_ids: list[str], path: Path) -> int:
    """The records that were not taken, as CSV (file, line, reason); returns how many."""
    frame = store.read(
        """
        select p.file, r.line, r.reason
        from import_reject r
        join import_part p using (import_id, part)
        where r.import_id in (select unnest($ids::text[]))
        order by p.file, r.part, r.line
        """,
        ids=import_ids,
    )
    if frame.height:
        export.write_csv(frame, path)
    return frame.height
