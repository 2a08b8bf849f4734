"""The Prefect flow `backfill`: imports whose parts are prepared by other processes, or by Dask workers on other machines.

    files -> tasks (some files, or a stripe of a large one) -> [task] normalise, tag, write parts -> loader (the flow): land

Workers read and write files only, below folders that all machines share; the loader alone opens the warehouse, and lands parts in
the order of their files. A task that is done twice, since a worker was lost, finds its parts written or writes them again: each
lands once.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ProcessPoolTaskRunner

from flows import imports
from flows.imports import Desk, Job, Progress, Tally
from flows.settings import Settings
from pipeline import archive
from pipeline.archive import Plan, Source
from pipeline.errors import InputError

COARSE = 64_000_000  # bytes of a task: a task costs a tenth of a second, and the server notes each

Parts = list[tuple[int, Path, int]]  # number, path, how far the file had been read
Results = list[tuple[int, Job, Parts]]  # of a task: the number of each source, its job and its parts
Submit = Callable[[list["Share"]], Iterator[Results]]  # gives the results of all shares, in their order


@dataclass(frozen=True)
class Piece:
    """A source, or every n-th part of it: those whose number leaves `stripe` when divided by `n_stripes`."""

    number: int  # of the source
    source: Source
    plan: Plan
    stripe: int = 0
    n_stripes: int = 1


@dataclass(frozen=True)
class Share:
    """The pieces of one task, and what the worker has to know. `landed`: parts that are in the warehouse, by import_id."""

    pieces: tuple[Piece, ...]
    desk: Desk
    landed: dict[str, frozenset[int]]
    finished: frozenset[str]


def shares(todo: list[tuple[Source, Plan]], workers: int) -> list[tuple[Piece, ...]]:
    """The pieces of each task, in order of the sources: small files together, a large one cut when there are too few."""
    n_large = sum(source.size >= COARSE for source, _ in todo)
    n_stripes = -(-workers // n_large) if 0 < n_large < workers else 1
    tasks: list[tuple[Piece, ...]] = []
    held: list[Piece] = []
    for number, (source, plan) in enumerate(todo):
        if source.size >= COARSE and n_stripes > 1:
            tasks += [tuple(held)] if held else []
            tasks += [(Piece(number, source, plan, stripe, n_stripes),) for stripe in range(n_stripes)]
            held = []
            continue
        held.append(Piece(number, source, plan))
        if sum(piece.source.size for piece in held) >= COARSE:
            tasks.append(tuple(held))
            held = []
    return tasks + ([tuple(held)] if held else [])


@task(name="prepare parts", cache_policy=NO_CACHE, persist_result=False)
def prepare(share: Share) -> Results:
    """Prepare all parts of a task that are not landed; the number of each source with its job and its parts."""
    return prepared(share)


def prepared(share: Share) -> Results:
    """What the task `prepare` does, without Prefect."""
    found: Results = []
    for piece in share.pieces:
        try:
            job = imports.job(piece.source, piece.plan, share.desk)
        except OSError as error:
            raise InputError(
                f"A worker can not read {error.filename}: {error.strerror}. All machines need the same folders."
            ) from None
        parts: Parts = []
        if job.import_id not in share.finished:
            done = share.landed.get(job.import_id, frozenset())
            catalogue = imports.outlets(job.seeds, piece.plan.time_zone)
            for chunk in archive.chunks(piece.source, piece.plan, catalogue.is_known_host):
                if chunk.part % piece.n_stripes == piece.stripe and chunk.part not in done:
                    parts.append((chunk.part, imports.work(job, chunk), chunk.position))
        found.append((piece.number, job, parts))
    return found


def run_backfill(
    settings: Settings, todo: list[tuple[Source, Plan]], workers: int, submit: Submit, progress: Progress = lambda *_: None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Tally]:  # fmt: skip
    """Have all sources prepared by `submit`, land them in order, publish. What a user can mend raises BalkanwatchError."""
    with imports.opened(settings, report) as (store, desk):
        ledger = store.read(
            "select import_id, list(part) as parts, bool_or(is_last) as is_done from import_part group by import_id"
        )
        known = {row["import_id"]: row for row in ledger.iter_rows(named=True)}
        landed = {id_: frozenset(row["parts"]) for id_, row in known.items() if not row["is_done"]}
        finished = frozenset(known) - frozenset(landed)
        tasks = [Share(pieces, desk, landed, finished) for pieces in shares(todo, workers)]
        n_pieces = Counter(piece.number for share in tasks for piece in share.pieces)
        report(f"preparing {len(todo)} files in {len(tasks)} tasks")
        tallies: list[Tally] = []
        held: dict[int, Parts] = {}
        for number, job, parts in chain.from_iterable(submit(tasks)):
            held[number] = held.get(number, []) + parts
            n_pieces[number] -= 1
            if not n_pieces[number]:  # all its stripes are there
                report(f"landing {job.source.path.name}")
                tallies.append(imports.load(store, job, settings, partial(_in_order, held.pop(number)), progress))
        imports.finish(store, report)
    return tallies


def _in_order(parts: Parts, done: set[int]) -> Iterator[tuple[Path, int]]:
    return ((path, position) for part, path, position in sorted(parts) if part not in done)


# -- Prefect ----------------------------------------------------------------------------------------------------------


def _submitted(tasks: list[Share]) -> Iterator[Results]:
    """Run a task for every share, all at once, and hand over their results in order."""
    futures = [prepare.submit(share) for share in tasks]
    for future in futures:
        yield future.result()


class _Heard:
    """Who hears of progress. No parameter of the flow, since Prefect sends those to every worker."""

    progress: Progress = staticmethod(lambda *_: None)
    report: Callable[[str], None] = staticmethod(lambda _: None)


def observed(settings: Settings, todo: list[tuple[Source, Plan]], workers: int) -> list[Tally]:
    """`run_backfill` inside a flow, with a table of what came of each file as an artifact."""
    tallies = run_backfill(settings, todo, workers, _submitted, _Heard.progress, _Heard.report)
    names = ("n_rows", "n_new", "n_updated", "n_known", "n_rejected", "n_before")
    rows = [{"file": str(tally.source.path)} | {name: getattr(tally, name) for name in names} for tally in tallies]
    create_table_artifact(rows, key="backfill", description="What came of each file")
    return tallies


def run_flow(
    settings: Settings, todo: list[tuple[Source, Plan]], workers: int, dask: str | None, progress: Progress,
    report: Callable[[str], None],
) -> list[Tally]:  # fmt: skip
    """Run the flow `backfill` with a pool of `workers` processes here, or on the Dask workers of the scheduler at `dask`."""
    runner: Any
    server: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if dask:
        workers = dask_workers(dask)
        from prefect_dask.task_runners import DaskTaskRunner

        runner = DaskTaskRunner(address=dask)
    else:
        runner = ProcessPoolTaskRunner(max_workers=workers, initializer=imports.end_with_parent)
        server = _one_server()
    named = flow(name="backfill", task_runner=runner, validate_parameters=False, persist_result=False)
    _Heard.progress, _Heard.report = staticmethod(progress), staticmethod(report)
    with server:
        return named(observed)(settings, todo, workers)


@contextlib.contextmanager
def _one_server() -> Iterator[None]:
    """The Prefect server that is named, or one for this flow and its workers, each of which would start its own."""
    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer  # which workers need not load

    server = SubprocessASGIServer()
    try:
        server.start()
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield
    finally:
        server.stop()


def dask_workers(address: str) -> int:
    """How many workers a Dask scheduler has; InputError when it does not answer or has none."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("Dask is not installed here: pip install 'balkanwatch[scale]'.") from None
    try:
        with Client(address, timeout=5, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            n = len(client.scheduler_info(n_workers=-1)["workers"])
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"There is no Dask scheduler at {address}: {str(error).splitlines()[0]}.") from None
    if not n:
        raise InputError(f"The Dask scheduler at {address} has no workers.")
    return n
