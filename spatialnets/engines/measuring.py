"""Analyses of many networks: shard by shard, on all cores where that is worth it, and never twice."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from spatialnets import __version__
from spatialnets.building import Builder, block_of
from spatialnets.declaration import from_plain
from spatialnets.engine import Advance, Engine
from spatialnets.engines.claim import claim, watched
from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.here import Here
from spatialnets.engines.progress import NoProgress, Progress
from spatialnets.errors import RunError, UserError
from spatialnets.files.sizes import check_hdf5
from spatialnets.manifest import check_stored
from spatialnets.protocols import Analysis
from spatialnets.run import Measure, Run, ShardRecord
from spatialnets.storage import whole_file

__all__ = ["Measuring", "measure", "measure_job"]

EARLIER = "earlier"  # folder of measurements by other settings
PATIENCE = 3.0  # seconds that an analysis may take before it says how far it is
WORTH = 20.0  # seconds still to go for which workers, which take some seconds to start, pay


def measure(
    run: Run, name: str, analysis: Analysis, engine: Engine | None = None, progress: Progress | None = None
) -> xr.Dataset:
    """Return an analysis of a run as it is stored, measuring what is not.

    What takes long is measured by an engine, in several processes, and kept shard by shard, so that the same call goes
    on where it was stopped.

    Parameters
    ----------
    run
        A run, finished or not.
    name
        By which the measurement is stored.
    analysis
        What to measure. A stored measurement counts if it was made by an equal analysis and has all networks that have
        been computed.
    engine
        Where; by default on this machine.
    progress
        Where to report; by default nowhere.
    """
    made_by = {"analysis": repr(analysis), "version": __version__}
    for stored in (run.folder / "analyses" / f"{name}.nc", _earlier(run, name, made_by)):
        table = _stored(stored, made_by, run)
        if table is not None:
            if stored.parent.name == EARLIER:
                _put_aside(run, name)
                os.replace(stored, run.folder / "analyses" / f"{name}.nc")
            return table
    mapper = Measuring(run, name, analysis, engine, progress)
    table = analysis.measure(run.mapped_by(mapper)).assign_attrs(made_by)
    if analysis.heavy:
        _put_aside(run, name)
    run.write_measurement(name, table)
    mapper.forget()
    return table


def _stored(path: Path, made_by: dict[str, str], run: Run) -> xr.Dataset | None:
    """Return a stored measurement if it is what would be measured now."""
    try:
        check_stored(run.folder, path)
        check_hdf5(path)
        table = xr.load_dataset(path, engine="h5netcdf")
        same = all(table.attrs.get(key) == value for key, value in made_by.items())
        return table if same and _covers(table, run) else None
    except RunError:
        raise
    except Exception:  # not there, or cut short: it can be measured again
        return None


def _earlier(run: Run, name: str, made_by: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256("".join(f"{made_by.get(key)}" for key in ("analysis", "version")).encode()).hexdigest()[:8]
    return run.folder / "analyses" / EARLIER / f"{name}-{digest}.nc"


def _put_aside(run: Run, name: str) -> None:
    """Keep a stored measurement by other settings, which may have taken hours, for when it is asked for again."""
    path = run.folder / "analyses" / f"{name}.nc"
    try:
        with xr.open_dataset(path, engine="h5netcdf") as table:
            aside = _earlier(run, name, table.attrs)
    except Exception:  # not there, or cut short
        return
    aside.parent.mkdir(exist_ok=True)
    os.replace(path, aside)


def _covers(stored: xr.Dataset, run: Run) -> bool:
    computed = [(shard.group, number) for shard in run.shards if shard.done for number in shard.networks]
    return computed == list(
        zip(stored["group"].to_numpy().tolist(), stored["network"].to_numpy().tolist(), strict=True)
    )


@dataclass(frozen=True)
class MeasureJob:
    """Measure one shard and store the result.

    Parameters
    ----------
    record
        Of what.
    function
        What the analysis asks of a shard; None in a process that has the order alone, which finds it again.
    label
        By which the measurement is stored.
    analysis
        What asks.
    number
        Which of the maps of the analysis, from 0.
    path
        Where the result is kept.
    """

    record: ShardRecord
    function: Measure | None
    label: str
    analysis: Analysis
    number: int
    path: Path

    @property
    def name(self) -> str:
        return f"'{self.label}' of shard {self.record.index}"

    @property
    def key(self) -> str:
        return f"{self.label}-{self.number}-{self.record.index:05d}"

    @property
    def bytes(self) -> int:
        return 0

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def order(self) -> Mapping[str, Any]:
        """As `spatialnets.engine.Job`: the function cannot travel, but the analysis has it wherever it is made."""
        if not importable_elsewhere(self.analysis):
            raise UserError(
                f"{self.name}: {type(self.analysis).__name__} is defined in a script or notebook, where no other "
                "process finds it; put it into a module, or use engine=here"
            )
        return {
            "measure": self.label,
            "analysis": block_of(self.analysis, "analysis"),
            "map": self.number,
            "shard": self.record.index,
        }

    def done(self, run: Run) -> bool:
        return _kept(self) is not None

    def progress(self, run: Run) -> int:
        return len(self.record.networks) if self.path.exists() else 0

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Measure and store."""
        with claim(run, self.key, self.name):
            if not self.done(run):
                advance = watched(run, advance)
                advance(0, self.record.group)
                if self.function is None:
                    _measure_again(run, self)
                else:
                    self.store(run, self.function)
                advance(len(self.record.networks), self.record.group)
        return []

    def store(self, run: Run, function: Measure) -> None:
        """Measure with a function and store the result."""
        part = run.apply(self.record, function)
        with whole_file(self.path) as temporary:
            part.to_netcdf(temporary, engine="h5netcdf")


class _Stored(Exception):
    """What was ordered is stored: the rest of the analysis is no business of this process."""


def _measure_again(run: Run, job: MeasureJob) -> None:
    """Have an analysis ask for what it asked of all shards, and measure and store the one that is ordered."""
    maps = 0

    def mapper(run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
        nonlocal maps
        shards = [shard for shard in run.shards if shard.done]
        if scores_only:
            return [run.apply(shard, function, scores_only) for shard in shards]
        number, maps = maps, maps + 1
        if number == job.number:
            job.store(run, function)
            raise _Stored
        before = [replace(job, record=shard, number=number, path=_path(job.path, number, shard)) for shard in shards]
        return [part if (part := _kept(each)) is not None else run.apply(each.record, function) for each in before]

    try:
        job.analysis.measure(run.mapped_by(mapper))
    except _Stored:
        return
    raise RunError(f"{job.name}: the analysis asked {maps} times, and never what was ordered (map {job.number})")


def _path(path: Path, number: int, shard: ShardRecord) -> Path:
    return path.parent.parent / str(number) / f"{shard.index:05d}.nc"


def measure_job(run: Run, order: Mapping[str, Any]) -> MeasureJob:
    """Return the job of an order.

    Raises
    ------
    UserError
        If the order is none, or its analysis is not installed.
    """
    label, number, index = order.get("measure"), order.get("map"), order.get("shard")
    problems: list[str] = []
    block = from_plain(order.get("analysis"), "order")
    analysis = Builder(problems, {}, run.trusted).build("analysis", block, "analysis")
    if problems:
        raise UserError("\n".join(problems))
    if (
        not (isinstance(label, str) and re.fullmatch(r"\w+", label) and isinstance(number, int) and number >= 0)
        or not isinstance(index, int)
        or not 0 <= index < len(run.shards)
    ):
        raise UserError(f"{dict(order)} is no order for a measurement of {run.folder}")
    shard = run.shards[index]
    kept = Measuring(run, label, analysis).kept
    return MeasureJob(shard, None, label, analysis, number, kept / str(number) / f"{index:05d}.nc")


class Measuring:
    """How `Run.map` maps for an analysis; see `measure`.

    Parameters
    ----------
    run, name, analysis, engine, progress
        As in `measure`.

    Attributes
    ----------
    kept
        The folder of what is kept shard by shard.
    """

    def __init__(
        self, run: Run, name: str, analysis: Analysis, engine: Engine | None = None, progress: Progress | None = None
    ) -> None:
        there = [shard.index for shard in run.shards if shard.done]  # which may decide what is measured of each
        made_by = hashlib.sha256(f"{__version__} {analysis!r} {there}".encode()).hexdigest()[:8]
        self._analysis, self._name = analysis, name
        self.kept = run.folder / "analyses" / "parts" / f"{name}-{made_by}"
        self._engine = engine or Here()
        self._progress = progress or NoProgress()
        self._maps = 0

    def __call__(self, run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
        """Yield the result of every computed shard, in the order of shards."""
        shards = [shard for shard in run.shards if shard.done]
        if scores_only:
            return (run.apply(shard, function, scores_only) for shard in shards)
        number, self._maps = self._maps, self._maps + 1
        jobs = [
            MeasureJob(
                shard,
                function,
                self._name,
                self._analysis,
                number,
                self.kept / str(number) / f"{shard.index:05d}.nc",
            )
            for shard in shards
        ]
        parts = {job.record.index: part for job in jobs if (part := _kept(job)) is not None}
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
                self._engine.do(run, waiting, self._progress)
            finally:
                self._progress.end()
            for job in waiting:
                parts[job.record.index] = xr.load_dataset(job.path, engine="h5netcdf")
        return [parts[shard.index] for shard in shards]

    def forget(self) -> None:
        """Remove what was kept shard by shard."""
        for kept in self.kept.parent.glob(f"{self._name}-*"):  # of other settings, too, and of fewer networks
            shutil.rmtree(kept, ignore_errors=True)
        if self.kept.parent.is_dir() and not any(self.kept.parent.iterdir()):
            self.kept.parent.rmdir()

    def _takes_long(self, elapsed: float, measured: int, waiting: int) -> bool:
        if self._analysis.heavy:
            return True
        return measured > 0 and elapsed > PATIENCE and elapsed / measured * waiting > WORTH


def _kept(job: MeasureJob) -> xr.Dataset | None:
    """Return what an earlier, stopped call has kept of a shard."""
    try:
        if job.path.stat().st_mtime < job.record.path.stat().st_mtime:
            return None
        check_hdf5(job.path)
        return xr.load_dataset(job.path, engine="h5netcdf")
    except Exception:  # not there, or cut short
        return None
