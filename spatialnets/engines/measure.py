"""Measure analyses shard by shard, on an engine where that saves time, and never measure a shard twice."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MethodType
from typing import Any, TypeAlias

import xarray as xr

from spatialnets.engines.choice import choose_engine
from spatialnets.engines.claim import claim, refusal_file, with_cancellation_check
from spatialnets.engines.driver import register_driver
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Advance, require_importable
from spatialnets.errors import DeclarationError, RunError
from spatialnets.experiments.blocks import Builder, block_of
from spatialnets.files.atomic import move_checked
from spatialnets.files.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.files.yaml_nodes import from_plain
from spatialnets.progress import NoProgress, Progress
from spatialnets.protocols import Analysis
from spatialnets.runs.metadata import check_inside
from spatialnets.runs.run import Measure, Run, apply
from spatialnets.runs.shards import ShardRecord

__all__ = ["AnalysisMapper", "MeasureJob", "measure", "measure_job", "measure_together"]

Report: TypeAlias = Callable[[str], None]

SHARD_DIGEST = "sha256_of_shard"  # attribute of a stored part: digest of the shard that was measured
ARCHIVE = "earlier"  # folder of measurements with other settings
TRIAL_SECONDS = 3.0  # measuring in this process before the remaining time is estimated
MIN_SECONDS_LEFT = 20.0  # remaining time from which starting workers, which takes seconds, pays off
VERSION = version("spatialnets")


def measure(
    run: Run,
    name: str,
    analysis: Analysis,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
    begun: AnalysisMapper | xr.Dataset | None = None,
) -> xr.Dataset:
    """Return an analysis of a run: the stored result if it is current, otherwise measured now and stored.

    Long measurements are done by an engine and stored shard by shard, so that the same call continues one that was
    stopped.

    Parameters
    ----------
    run
        A run, finished or not.
    name
        Name under which the measurement is stored.
    analysis
        The analysis. A stored measurement is current if it was made by an equal analysis and the same version, and
        contains all computed networks.
    workers
        Number of shards at a time; by default decided by the engine.
    progress
        Receives progress reports; by default none are made.
    engine
        Where shards are measured, which does not affect the result; by default on this machine (`Here`).
    begun
        What `measure_together` returned for this analysis, if anything.
    """
    engine = choose_engine(engine, workers)
    origin = _origin(analysis)
    path = run.folder / "analyses" / f"{name}.nc"
    for stored in (path, _archive_path(run, name, origin)):
        table = _load_current(stored, origin, run, (progress or NoProgress()).say)
        if table is not None:
            if stored != path:
                _archive(run, name)
                move_checked(stored, path)
            return table
    mapper = begun if isinstance(begun, AnalysisMapper) else AnalysisMapper(run, name, analysis, engine, progress)
    table = begun if isinstance(begun, xr.Dataset) else analysis.measure(run.with_mapper(mapper))
    table = table.assign_attrs(origin)
    if analysis.heavy:
        _archive(run, name)
    run.write_measurement(name, table)
    mapper.remove_parts()
    return table


def measure_together(
    run: Run,
    analyses: Mapping[str, Analysis],
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> dict[str, AnalysisMapper | xr.Dataset]:
    """Begin several analyses by applying all of their functions to each shard while it is loaded.

    This is done for analyses that are neither heavy nor stored and apply a method of their own to the shards, and ends
    when it takes so long that an engine saves time; `measure` measures whatever remains.

    Parameters
    ----------
    run
        A run, finished or not.
    analyses
        Analyses by name.
    workers, progress, engine
        As in `measure`.

    Returns
    -------
    dict
        What to give to `measure` as `begun`, for some of the analyses.
    """
    engine = choose_engine(engine, workers)
    begun: dict[str, AnalysisMapper | xr.Dataset] = {}
    methods: dict[str, tuple[AnalysisMapper, Measure]] = {}
    for name, analysis in analyses.items():
        if analysis.heavy or _is_stored(run, name, analysis):
            continue
        try:
            begun[name] = analysis.measure(run.with_mapper(_raise_function))
        except _MapReached as reached:
            if isinstance(reached.function, MethodType) and reached.function.__self__ is analysis:
                methods[name] = AnalysisMapper(run, name, analysis, engine, progress), reached.function
        except Exception:  # `measure` raises it again
            continue
    shards = run.computed if len(methods) > 1 else ()
    started = time.monotonic()
    for measured, record in enumerate(shards):
        if _takes_long(time.monotonic() - started, measured, len(shards) - measured):
            break
        shard = record.load()
        for variable in shard.variables.values():
            variable.to_numpy().flags.writeable = False  # no analysis can change what the next one is given
        for name, (mapper, function) in list(methods.items()):
            try:
                mapper.measure(run, record, function, shard.copy())
            except Exception:  # `measure` raises it again, or succeeds with a shard of its own
                del methods[name]
    return begun | {name: mapper for name, (mapper, _) in methods.items()}


def _raise_function(run: Run, function: Measure) -> Iterable[xr.Dataset]:
    raise _MapReached(function)


def _origin(analysis: Analysis) -> dict[str, str]:
    return {"analysis": repr(analysis), "version": VERSION}


def _is_stored(run: Run, name: str, analysis: Analysis) -> bool:
    """Tell whether `measure` would return a stored measurement, without loading its values."""
    origin = _origin(analysis)
    paths = run.folder / "analyses" / f"{name}.nc", _archive_path(run, name, origin)
    return any(
        path.exists() and _load_current(path, origin, run, lambda line: None, ("group",)) is not None for path in paths
    )


def _load_current(
    path: Path, origin: Mapping[str, str], run: Run, report: Report, wanted: Collection[str] | None = None
) -> xr.Dataset | None:
    """Load a stored measurement, or None if it is not what would be measured now."""
    table = _load(run, path, report, wanted)
    try:
        if table is None or any(table.attrs.get(key) != value for key, value in origin.items()):
            return None
        return table if _has_computed_networks(table, run) else None
    except Exception:  # a file of that name that is not a measurement
        return None


def _archive_path(run: Run, name: str, origin: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256("".join(f"{origin.get(key)}" for key in ("analysis", "version")).encode()).hexdigest()[:8]
    return run.folder / "analyses" / ARCHIVE / f"{name}-{digest}.nc"


def _archive(run: Run, name: str) -> None:
    """Move a measurement with other settings, which may have taken hours, to where it is found if requested again."""
    path = run.folder / "analyses" / f"{name}.nc"
    table = _load(run, path)
    if table is not None:
        move_checked(path, _archive_path(run, name, table.attrs))


def _has_computed_networks(table: xr.Dataset, run: Run) -> bool:
    computed = [(shard.group, number) for shard in run.computed for number in shard.networks]
    return computed == list(zip(table["group"].to_numpy().tolist(), table["network"].to_numpy().tolist(), strict=True))


class _MapReached(BaseException):
    """An analysis has reached the requested call of `Run.map`."""

    def __init__(self, function: Measure) -> None:
        self.function = function


@dataclass(frozen=True)
class MeasureJob:
    """Measure one shard in one of the calls of `Run.map` that an analysis makes, and store the result.

    Parameters
    ----------
    record
        The shard.
    analysis, label
        The analysis, and its name in the run.
    number
        Number of the call, from 0.
    path
        File of the result.
    function
        The function that the analysis maps. If None, as in another process, it is obtained by running the analysis.
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
        require_importable(self.analysis, self.name)
        return {
            "analysis": self.label,
            "declaration": block_of(self.analysis, "analysis"),
            "parts": self.path.parent.parent.name,
            "map": self.number,
            "shard": self.record.index,
        }

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Measure the shard and store the result."""
        with claim(run, self.key, self.name):
            if not self.done(run):
                function = self.function or self._function(run)
                part = apply(function, self.record.load(), self.record.group)
                write_dataset(self.path, part.assign_attrs({SHARD_DIGEST: self.record.digest()}))
            refusal_file(run, self).unlink(missing_ok=True)
        with_cancellation_check(run, advance)(len(self.record.networks), self.record.group)
        return []

    def done(self, run: Run) -> bool:
        return _load_part(self, run) is not None

    def progress(self, run: Run) -> int:
        """Return the number of networks that are measured: all of the shard, or none."""
        return len(self.record.networks) if self.path.exists() else 0

    def _function(self, run: Run) -> Measure:
        """Return the function that the analysis maps: run the analysis, with stored results, until it maps it."""
        calls = 0

        def mapper(run: Run, function: Measure) -> Iterable[xr.Dataset]:
            nonlocal calls
            if calls == self.number:
                raise _MapReached(function)
            folder, calls = self.path.parent.parent / str(calls), calls + 1
            jobs = (replace(self, record=shard, path=_part_path(folder, shard)) for shard in run.computed)
            parts = ((job.record, _load_part(job, run)) for job in jobs)
            # results of an earlier call that were not stored were quick to compute
            return [part if part is not None else apply(function, shard.load(), shard.group) for shard, part in parts]

        try:
            self.analysis.measure(run.with_mapper(mapper))
        except _MapReached as reached:
            return reached.function
        raise RunError(
            f"the analysis '{self.label}' makes fewer than {self.number + 1} calls of Run.map; the order was written "
            "for another analysis"
        )


def measure_job(run: Run, order: Mapping[str, Any]) -> MeasureJob:
    """Return the job of an order.

    Raises
    ------
    UserError
        If the analysis is not available here, or the run contains other networks than when the order was written.
    """
    label, number, index = order.get("analysis"), order.get("map"), order.get("shard")
    if not (isinstance(label, str) and isinstance(number, int) and isinstance(index, int)):
        raise RunError(f"not a valid order to measure: {dict(order)}; it needs analysis, map and shard")
    if not 0 <= index < len(run.shards):
        raise RunError(f"{run.folder} has shards 0 to {len(run.shards) - 1}; there is no shard {index}")
    problems: list[str] = []
    block = from_plain(order.get("declaration"), "order")
    analysis = Builder(problems, {}, run.trusted).build("analysis", block, "analysis")
    if problems:
        raise DeclarationError(problems)
    folder = _parts_folder(run, label, analysis)
    if folder.name != order.get("parts") or Path(label).name != label:
        raise RunError(
            f"'{label}' of shard {index}: the order was written by another version, or when {run.folder} held other "
            "networks; repeat the command that wrote it"
        )
    shard = run.shards[index]
    return MeasureJob(shard, analysis, label, number, _part_path(folder / str(number), shard))


def _parts_folder(run: Run, name: str, analysis: Analysis) -> Path:
    """Return the folder that holds the results of single shards until a measurement is complete."""
    computed = run.computed_indices()  # an analysis may depend on which networks there are
    digest = hashlib.sha256(f"{VERSION} {analysis!r} {computed}".encode()).hexdigest()[:8]
    return run.folder / "analyses" / "parts" / f"{name}-{digest}"


def _part_path(folder: Path, shard: ShardRecord) -> Path:
    return folder / f"{shard.index:05d}.nc"


class AnalysisMapper:
    """The implementation of `Run.map` that `measure` gives to an analysis.

    Parameters
    ----------
    run, name, analysis, engine, progress
        As in `measure`.
    """

    def __init__(
        self, run: Run, name: str, analysis: Analysis, engine: Engine, progress: Progress | None = None
    ) -> None:
        self._analysis, self._name, self._engine = analysis, name, engine
        self._folder = _parts_folder(run, name, analysis)
        self._progress = progress or NoProgress()
        self._calls = 0
        self._parts: dict[int, xr.Dataset] = {}  # results of the first call, from `measure_together`
        self._seconds = 0.0  # that they took

    def measure(self, run: Run, record: ShardRecord, function: Measure, shard: xr.Dataset) -> None:
        """Apply the function of the first call to a shard that has been loaded, and keep the result for that call."""
        started = time.monotonic()
        job = MeasureJob(record, self._analysis, self._name, 0, _part_path(self._folder / "0", record), function)
        part = _load_part(job, run) if self._folder.is_dir() else None
        self._parts[record.index] = apply(function, shard, record.group) if part is None else part
        self._seconds += time.monotonic() - started

    def __call__(self, run: Run, function: Measure) -> Iterable[xr.Dataset]:
        """Return the results of all computed shards, in the order of shards."""
        shards = run.computed
        number, self._calls = self._calls, self._calls + 1
        folder = self._folder / str(number)
        parts, seconds = (self._parts, self._seconds) if number == 0 else ({}, 0.0)
        jobs = [
            MeasureJob(shard, self._analysis, self._name, number, _part_path(folder, shard), function)
            for shard in shards
            if shard.index not in parts
        ]
        started, measured = time.monotonic() - seconds, len(parts)
        stored = {job.record.index: _load_part(job, run) for job in jobs} if folder.is_dir() else {}
        parts |= {index: part for index, part in stored.items() if part is not None}
        waiting = [job for job in jobs if job.record.index not in parts]
        total = sum(len(shard.networks) for shard in shards)
        done = total - sum(len(job.record.networks) for job in waiting)
        while waiting and not self._takes_long(time.monotonic() - started, measured, len(waiting)):
            job = waiting.pop(0)
            parts[job.record.index] = apply(function, job.record.load(), job.record.group)
            measured, done = measured + 1, done + len(job.record.networks)
        if waiting:
            with register_driver(run, self._engine, total, done, "networks"):
                self._progress.begin(total, done, self._name, "networks")
                try:
                    self._engine.do(run, waiting, self._progress)
                finally:
                    self._progress.end()
            for job in waiting:
                parts[job.record.index] = _without_digest(read_dataset(job.path))
        return [parts[shard.index] for shard in shards]

    def remove_parts(self) -> None:
        """Remove the stored results of single shards, also those with other settings or fewer networks."""
        parent = self._folder.parent
        for folder in parent.glob(f"{self._name}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()

    def _takes_long(self, elapsed: float, measured: int, waiting: int) -> bool:
        return self._analysis.heavy or _takes_long(elapsed, measured, waiting)


def _takes_long(elapsed: float, measured: int, waiting: int) -> bool:
    """Tell whether measuring the waiting shards in this process takes longer than starting workers is worth."""
    return measured > 0 and elapsed > TRIAL_SECONDS and elapsed / measured * waiting > MIN_SECONDS_LEFT


def _load_part(job: MeasureJob, run: Run) -> xr.Dataset | None:
    """Load the stored result of a shard, or None if there is none or the shard has changed since."""
    part = _load(run, job.path)
    return _without_digest(part) if part is not None and part.attrs.get(SHARD_DIGEST) == job.record.digest() else None


def _load(
    run: Run, path: Path, report: Report = lambda line: None, wanted: Collection[str] | None = None
) -> xr.Dataset | None:
    """Load a stored dataset, or None if it is missing or damaged, since it can be measured again."""
    check_inside(run.folder, path)
    try:
        return read_dataset(path, wanted)
    except DamagedFile as error:
        if path.exists():
            report(f"{path} is damaged ({error.reason}); it is measured again")
        return None


def _without_digest(part: xr.Dataset) -> xr.Dataset:
    """Return the result of a function as it was before it was stored."""
    attributes = {name: value for name, value in part.attrs.items() if name != SHARD_DIGEST}
    return part.drop_attrs(deep=False).assign_attrs(attributes)
