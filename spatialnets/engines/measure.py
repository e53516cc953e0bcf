"""Analyses of many networks: shard by shard, by an engine where that is worth it, and never twice."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import xarray as xr

from spatialnets import __version__
from spatialnets.engines.choice import chosen
from spatialnets.engines.claim import claim, watched
from spatialnets.engines.driver import driving
from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Advance
from spatialnets.engines.orders import refusal
from spatialnets.errors import DeclarationError, RunError, UserError
from spatialnets.experiments.blocks import Builder, block_of
from spatialnets.experiments.declaration import from_plain
from spatialnets.files.atomic import move_checked
from spatialnets.files.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.progress import NoProgress, Progress
from spatialnets.protocols import Analysis
from spatialnets.runs.metadata import check_inside
from spatialnets.runs.run import Measure, Run, ShardRecord

__all__ = ["MeasureJob", "Measuring", "measure", "measure_job"]

Say: TypeAlias = Callable[[str], None]

OF = "sha256_of_shard"  # attribute of a kept part: the shard it was measured of, whatever files say of their time
EARLIER = "earlier"  # folder of measurements by other settings
PATIENCE = 3.0  # seconds that an analysis may take before it says how far it is
WORTH = 20.0  # seconds still to go for which workers, which take some seconds to start, pay


def measure(
    run: Run,
    name: str,
    analysis: Analysis,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> xr.Dataset:
    """Return an analysis of a run as it is stored, measuring what is not.

    What takes long is measured by an engine and kept shard by shard, so that the same call goes on where it
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
        How many shards at a time; by default as the engine finds best.
    progress
        Where to report; by default nowhere.
    engine
        Where shards are measured, which changes nothing in the result; by default on this machine (`Here`).
    """
    engine = chosen(engine, workers)
    made_by = {"analysis": repr(analysis), "version": __version__}
    for stored in (run.folder / "analyses" / f"{name}.nc", _earlier(run, name, made_by)):
        table = _stored(stored, made_by, run, (progress or NoProgress()).say)
        if table is not None:
            if stored.parent.name == EARLIER:
                _put_aside(run, name)
                move_checked(stored, run.folder / "analyses" / f"{name}.nc")
            return table
    mapper = Measuring(run, name, analysis, engine, progress)
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


class _Reached(BaseException):
    """An analysis has come to the map that was asked for."""

    def __init__(self, function: Measure) -> None:
        self.function = function


@dataclass(frozen=True)
class MeasureJob:
    """Measure one shard, in one of the maps of an analysis, and store the result.

    Parameters
    ----------
    record
        The shard.
    analysis, label
        What is measured, and its name in the run.
    number
        Which of the analysis's maps.
    path
        Where the result is kept.
    function
        What the analysis maps, where it is known. In another process the analysis is asked for it again.
    """

    record: ShardRecord
    analysis: Analysis
    label: str
    number: int
    path: Path
    function: Measure | None = None

    @property
    def name(self) -> str:
        return f"'{self.label}' of shard {self.record.index}"

    @property
    def key(self) -> str:
        return f"{re.sub(r'[^0-9A-Za-z_]', '_', self.label)}-{self.number}-{self.record.index:05d}"

    @property
    def order(self) -> Mapping[str, Any]:
        if not importable_elsewhere(self.analysis):
            raise UserError(
                f"{self.name}: the analysis is defined in a script or notebook, where no other process finds it; put "
                "it into a module, or use engine=here"
            )
        return {
            "analysis": self.label,
            "declaration": block_of(self.analysis, "analysis"),
            "parts": self.path.parent.parent.name,
            "map": self.number,
            "shard": self.record.index,
        }

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Measure and store."""
        with claim(run, self.key, self.name):
            if not self.done(run):
                part = run.apply(self.record, self.function or self._function(run))
                write_dataset(self.path, part.assign_attrs({OF: run.digest(self.record)}))
            refusal(run, self).unlink(missing_ok=True)
        watched(run, advance)(len(self.record.networks), self.record.group)
        return []

    def done(self, run: Run) -> bool:
        return _kept(self, run) is not None

    def progress(self, run: Run) -> int:
        """Return how many networks are measured: all of the shard, or none."""
        return len(self.record.networks) if self.path.exists() else 0

    def _function(self, run: Run) -> Measure:
        """Return what the analysis maps: go through it up to that map, on what earlier ones have kept."""
        place = 0

        def mapper(run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
            nonlocal place
            shards = [shard for shard in run.shards if shard.done]
            if scores_only:
                return (run.apply(shard, function, scores_only) for shard in shards)
            if place == self.number:
                raise _Reached(function)
            folder, place = self.path.parent.parent / str(place), place + 1
            parts = ((shard, _kept(replace(self, record=shard, path=_part(folder, shard)), run)) for shard in shards)
            # what an earlier map did not keep was quick, and is so again
            return [part if part is not None else run.apply(shard, function) for shard, part in parts]

        try:
            self.analysis.measure(run.mapped_by(mapper))
        except _Reached as reached:
            return reached.function
        raise RunError(f"the analysis '{self.label}' has no map {self.number}; the order is of another")


def measure_job(run: Run, order: Mapping[str, Any]) -> MeasureJob:
    """Return the job of an order.

    Raises
    ------
    UserError
        If the analysis cannot be had here, or the run holds other networks than when the order was written.
    """
    label, number, index = order.get("analysis"), order.get("map"), order.get("shard")
    if not (isinstance(label, str) and isinstance(number, int) and isinstance(index, int)):
        raise RunError(f"this is no order to measure: {dict(order)}")
    if not 0 <= index < len(run.shards):
        raise RunError(f"{run.folder} has shards 0 to {len(run.shards) - 1}; there is no shard {index}")
    problems: list[str] = []
    block = from_plain(order.get("declaration"), "order")
    analysis = Builder(problems, {}, run.trusted).build("analysis", block, "analysis")
    if problems:
        raise DeclarationError(problems)
    kept = _kept_folder(run, label, analysis)
    if kept.name != order.get("parts") or Path(label).name != label:
        raise RunError(
            f"'{label}' of shard {index}: the order was written by another version, or when {run.folder} held other "
            "networks; give the command that wrote it again"
        )
    shard = run.shards[index]
    return MeasureJob(shard, analysis, label, number, _part(kept / str(number), shard))


def _kept_folder(run: Run, name: str, analysis: Analysis) -> Path:
    """Return where the parts of a measurement are kept until all of them are there."""
    there = [shard.index for shard in run.shards if shard.done]  # which may decide what is measured of each
    made_by = hashlib.sha256(f"{__version__} {analysis!r} {there}".encode()).hexdigest()[:8]
    return run.folder / "analyses" / "parts" / f"{name}-{made_by}"


def _part(folder: Path, shard: ShardRecord) -> Path:
    return folder / f"{shard.index:05d}.nc"


class Measuring:
    """How `Run.map` maps for an analysis; see `measure`.

    Parameters
    ----------
    run, name, analysis, engine, progress
        As in `measure`.
    """

    def __init__(
        self, run: Run, name: str, analysis: Analysis, engine: Engine, progress: Progress | None = None
    ) -> None:
        self._analysis, self._name, self._engine = analysis, name, engine
        self._kept = _kept_folder(run, name, analysis)
        self._progress = progress or NoProgress()
        self._maps = 0

    def __call__(self, run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
        """Yield the result of every computed shard, in the order of shards."""
        shards = [shard for shard in run.shards if shard.done]
        if scores_only:
            return (run.apply(shard, function, scores_only) for shard in shards)
        number, self._maps = self._maps, self._maps + 1
        folder = self._kept / str(number)
        jobs = [
            MeasureJob(shard, self._analysis, self._name, number, _part(folder, shard), function) for shard in shards
        ]
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
            with driving(run, self._engine, total, done, "networks"):
                self._progress.begin(total, done, self._name, "networks")
                try:
                    self._engine.do(run, waiting, self._progress)
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
