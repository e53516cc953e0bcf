"""Analyses of many networks: shard by shard, on all cores where that is worth it, and never twice."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import xarray as xr

from spatialnets import __version__
from spatialnets.engines.folder import THREADS
from spatialnets.engines.progress import NoProgress, Progress
from spatialnets.engines.sizing import cores
from spatialnets.engines.workers import Advance, Workers, importable_elsewhere
from spatialnets.errors import RunError
from spatialnets.manifest import check_inside
from spatialnets.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.protocols import Analysis
from spatialnets.run import Measure, Run, ShardRecord
from spatialnets.storage import move_checked

__all__ = ["Measuring", "measure"]

Say: TypeAlias = Callable[[str], None]

OF = "sha256_of_shard"  # attribute of a kept part: the shard it was measured of, whatever files say of their time
EARLIER = "earlier"  # folder of measurements by other settings
PATIENCE = 3.0  # seconds that an analysis may take before it says how far it is
WORTH = 20.0  # seconds still to go for which workers, which take some seconds to start, pay


def measure(
    run: Run, name: str, analysis: Analysis, workers: int | None = None, progress: Progress | None = None
) -> xr.Dataset:
    """Return an analysis of a run as it is stored, measuring what is not.

    What takes long is measured in several processes and kept shard by shard, so that the same call goes on where it
    was stopped.

    Parameters
    ----------
    run
        A run, finished or not.
    name
        By which the measurement is stored.
    analysis
        What to measure. A stored measurement counts if it was made by an equal analysis and has all networks that have
        been computed.
    workers
        How many processes; by default one per core.
    progress
        Where to report; by default nowhere.
    """
    if workers is not None and workers < 1:
        raise RunError(f"workers must be 1 or more, not {workers}")
    made_by = {"analysis": repr(analysis), "version": __version__}
    for stored in (run.folder / "analyses" / f"{name}.nc", _earlier(run, name, made_by)):
        table = _stored(stored, made_by, run, (progress or NoProgress()).say)
        if table is not None:
            if stored.parent.name == EARLIER:
                _put_aside(run, name)
                move_checked(stored, run.folder / "analyses" / f"{name}.nc")
            return table
    mapper = Measuring(run, name, analysis, workers, progress)
    table = analysis.measure(run.mapped_by(mapper)).assign_attrs(made_by)
    if analysis.heavy:
        _put_aside(run, name)
    run.write_measurement(name, table)
    mapper.forget()
    return table


def _stored(path: Path, made_by: dict[str, str], run: Run, say: Say) -> xr.Dataset | None:
    """Return a stored measurement if it is what would be measured now."""
    table = _readable(run, path, say)
    try:
        same = table is not None and all(table.attrs.get(key) == value for key, value in made_by.items())
        return table if same and table is not None and _covers(table, run) else None
    except Exception:  # something else by that name: what is asked for is measured
        return None


def _earlier(run: Run, name: str, made_by: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256("".join(f"{made_by.get(key)}" for key in ("analysis", "version")).encode()).hexdigest()[:8]
    return run.folder / "analyses" / EARLIER / f"{name}-{digest}.nc"


def _put_aside(run: Run, name: str) -> None:
    """Keep a stored measurement by other settings, which may have taken hours, for when it is asked for again."""
    path = run.folder / "analyses" / f"{name}.nc"
    table = _readable(run, path)
    if table is not None:
        move_checked(path, _earlier(run, name, table.attrs))


def _covers(stored: xr.Dataset, run: Run) -> bool:
    computed = [(shard.group, number) for shard in run.shards if shard.done for number in shard.networks]
    return computed == list(
        zip(stored["group"].to_numpy().tolist(), stored["network"].to_numpy().tolist(), strict=True)
    )


@dataclass(frozen=True)
class MeasureJob:
    """Measure one shard and store the result."""

    record: ShardRecord
    function: Measure
    label: str
    path: Path

    @property
    def name(self) -> str:
        return f"'{self.label}' of shard {self.record.index}"

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Measure and store."""
        part = run.apply(self.record, self.function)
        write_dataset(self.path, part.assign_attrs({OF: run.digest(self.record)}))
        advance(len(self.record.networks), self.record.group)
        return []


class Measuring:
    """How `Run.map` maps for an analysis; see `measure`.

    Parameters
    ----------
    run, name, analysis, workers, progress
        As in `measure`.
    """

    def __init__(
        self, run: Run, name: str, analysis: Analysis, workers: int | None = None, progress: Progress | None = None
    ) -> None:
        there = [shard.index for shard in run.shards if shard.done]  # which may decide what is measured of each
        made_by = hashlib.sha256(f"{__version__} {analysis!r} {there}".encode()).hexdigest()[:8]
        self._analysis, self._name = analysis, name
        self._kept = run.folder / "analyses" / "parts" / f"{name}-{made_by}"
        self._workers = workers or cores()
        self._progress = progress or NoProgress()
        self._maps = 0

    def __call__(self, run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
        """Yield the result of every computed shard, in the order of shards."""
        shards = [shard for shard in run.shards if shard.done]
        if scores_only:
            return (run.apply(shard, function, scores_only) for shard in shards)
        folder, self._maps = self._kept / str(self._maps), self._maps + 1
        jobs = [MeasureJob(shard, function, self._name, folder / f"{shard.index:05d}.nc") for shard in shards]
        parts = {job.record.index: part for job in jobs if (part := _kept(job, run)) is not None}
        waiting = [job for job in jobs if job.record.index not in parts]
        total = sum(len(shard.networks) for shard in shards)
        done = total - sum(len(job.record.networks) for job in waiting)
        started, measured = time.monotonic(), 0
        while waiting and not self._takes_long(time.monotonic() - started, measured, len(waiting)):
            job = waiting.pop(0)
            parts[job.record.index] = run.apply(job.record, function)
            measured, done = measured + 1, done + len(job.record.networks)
        if waiting:
            self._progress.begin(total, done, self._name, "networks")
            try:
                self._measure(run, waiting)
            finally:
                self._progress.end()
            for job in waiting:
                parts[job.record.index] = _without_origin(read_dataset(job.path))
        return [parts[shard.index] for shard in shards]

    def forget(self) -> None:
        """Remove what was kept shard by shard."""
        for kept in self._kept.parent.glob(f"{self._name}-*"):  # of other settings, too, and of fewer networks
            shutil.rmtree(kept, ignore_errors=True)
        if self._kept.parent.is_dir() and not any(self._kept.parent.iterdir()):
            self._kept.parent.rmdir()

    def _takes_long(self, elapsed: float, measured: int, waiting: int) -> bool:
        if self._analysis.heavy:
            return True
        return measured > 0 and elapsed > PATIENCE and elapsed / measured * waiting > WORTH

    def _measure(self, run: Run, jobs: list[MeasureJob]) -> None:
        workers = min(self._workers, len(jobs))
        if workers > 1 and importable_elsewhere(jobs[0]):
            with Workers(run.folder, workers, THREADS) as pool:
                pool.compute(jobs, self._progress)
            return
        for job in jobs:
            job.work(run, self._progress.advance)


def _kept(job: MeasureJob, run: Run) -> xr.Dataset | None:
    """Return what an earlier, stopped call has kept of a shard, if it was measured of the shard as it is."""
    part = _readable(run, job.path)
    return _without_origin(part) if part is not None and part.attrs.get(OF) == run.digest(job.record) else None


def _quiet(line: str) -> None: ...


def _readable(run: Run, path: Path, say: Say = _quiet) -> xr.Dataset | None:
    """Return a stored dataset; none if it is not there, cut short or changed, as it can be measured again."""
    check_inside(run.folder, path)
    try:
        return read_dataset(path)
    except DamagedFile as error:
        if path.exists():
            say(f"{path} is damaged ({error.reason}); it is measured anew")
        return None


def _without_origin(part: xr.Dataset) -> xr.Dataset:
    """Return what a function gave, as if it had not been kept."""
    own = {name: value for name, value in part.attrs.items() if name != OF}
    return part.drop_attrs(deep=False).assign_attrs(own)
