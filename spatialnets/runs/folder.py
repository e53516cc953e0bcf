"""A run's folder: created once, continued by whoever comes with the same experiment."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialnets.engines.claim import WITHOUT_LOCKS, take
from spatialnets.engines.engine import Engine
from spatialnets.training.capacity import shard_size
from spatialnets.errors import RunError, UserError
from spatialnets.networks.metric import shorter_detour
from spatialnets.files.netcdf import DamagedFile
from spatialnets.protocols import FloatArray, Geometry
from spatialnets.registry import name_of
from spatialnets.runs.run import Run, ShardRecord
from spatialnets.training.shard import Shard
from spatialnets.files.atomic import remove_leftovers, set_aside, write_checked
from spatialnets.networks.stored_geometry import SINGLE_PRECISION_UNITS, StoredGeometry

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment

__all__ = ["Session", "begin", "facts", "open_or_create", "planned_shards", "record_session", "stored", "write_plan"]

FORMAT = 4  # in 1 nothing was rescaled; 2 had no constraints, projections or schedules; 3 no checkpoints within epochs
MOST_UNITS = 30_000  # whose distances take 7 GB
THREADS = 1  # one process a core beats threads inside products of this size; part of the plan, so of the result
ROWS_AT_ONCE = 256  # of distances, where comparing them all would take several times their memory


def stored(geometry: Geometry) -> StoredGeometry:
    """Ask a geometry for all it knows of its units, once, and check it.

    Raises
    ------
    UserError
        If positions and distances do not fit together, are no distances, or cannot be had.
    """
    name = type(geometry).__name__
    try:
        if geometry.n_units > MOST_UNITS:
            raise UserError(f"{name} has {geometry.n_units:,} units; expected at most {MOST_UNITS:,}")
        positions = np.asarray(geometry.positions(), dtype=np.float64)
        distances = np.asarray(geometry.distances(), dtype=np.float64)
        _check_distances(name, positions, distances)
        surface, names, parts, sphere = (
            geometry.surface(),
            geometry.unit_names(),
            geometry.parts(),
            geometry.sphere(),
        )
        known: dict[str, Any] = {
            **({"vertices": surface.vertices, "faces": surface.faces} if surface is not None else {}),
            **({"names": np.array(names, dtype=np.str_)} if names is not None else {}),
            **({"parts": parts} if parts is not None else {}),
            **({"sphere": sphere} if sphere is not None else {}),
            "learnable": geometry.learnable,
            "keeping_apart": geometry.keeping_apart(),
        }
        for what in ("input_positions", "output_positions"):
            places = getattr(geometry, what)()
            if places is not None:
                known[what] = _placed(name, what, places, positions.shape[1])
        steps_per_unit = geometry.steps_per_unit()
        kept = distances.astype(np.float32) if len(distances) > SINGLE_PRECISION_UNITS else distances
        return StoredGeometry(positions, kept, geometry.length_unit, steps_per_unit, **known)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def _check_distances(name: str, positions: FloatArray, distances: FloatArray) -> None:
    if positions.ndim != 2:
        raise UserError(f"{name}.positions() has shape {positions.shape}; expected (unit, 3)")
    if distances.shape != (len(positions),) * 2:
        raise UserError(
            f"{name}.distances() has shape {distances.shape}; its {len(positions)} positions ask for "
            f"{(len(positions),) * 2}"
        )
    for what, values in (("positions", positions), ("distances", distances)):
        if not np.isfinite(values).all():
            raise UserError(f"{name}.{what}() has values that are not finite, first in row {_first(values)}")
    if (distances < 0).any() or np.abs(np.diagonal(distances)).max() > 0:
        raise UserError(f"{name}.distances() must not be negative, and zero from a unit to itself")
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(distances), ROWS_AT_ONCE)]
    if not all(np.allclose(distances[rows], distances[:, rows].T, rtol=1e-6, atol=0) for rows in blocks):
        raise UserError(f"{name}.distances() must be symmetric: as far there as back")
    found = shorter_detour(distances)
    if found is not None:
        start, middle, stop = found
        straight, detour = distances[start, stop], distances[start, middle] + distances[middle, stop]
        raise UserError(
            f"{name}.distances() is no metric: from unit {start} to unit {stop} it is {straight:.6g}, but by way "
            f"of unit {middle} only {detour:.6g}"
        )


def _placed(name: str, what: str, places: FloatArray, dimensions: int) -> FloatArray:
    places = np.asarray(places, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != dimensions or not np.isfinite(places).all():
        raise UserError(f"{name}.{what}() has shape {places.shape}; expected finite places in {dimensions} dimensions")
    return places


def _first(values: np.ndarray[Any, Any]) -> int:
    return int(np.argwhere(~np.isfinite(values))[0][0])


def facts(geometry: StoredGeometry) -> dict[str, Any]:
    """Return what lengths mean on a geometry, for the run's provenance."""
    between = geometry.distances[~np.eye(len(geometry.distances), dtype=bool)]
    return {
        "units": len(geometry.positions),
        "length_unit": geometry.length_unit,
        "mean_distance": float(between.mean(dtype=np.float64)),
        "longest_distance": float(between.max()),
        "steps_per_unit": geometry.steps_per_unit,
    }


@contextmanager
def open_or_create(
    experiment: Experiment, folder: Path, networks_per_shard: int | None = None
) -> Iterator[tuple[Run, tuple[Shard, ...]]]:
    """Open the run of an experiment, creating its folder if there is none, and hold it for this process.

    Parameters
    ----------
    experiment
        What the run is of.
    folder
        Where it is, or will be.
    networks_per_shard
        How many networks are trained as one batch, if the run begins now; by default as `shard_size` says.

    Raises
    ------
    RunError
        If the folder holds something else, another process works in it, it cannot be written or is damaged.
    """
    plan_path = folder / "plan.json"
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; a run needs a folder")
    # the plan is looked for last: another process may be creating this run, and writes it before what is not ours
    if folder.is_dir() and _holds_something_else(folder) and not plan_path.exists():
        if (folder / "experiment.yaml").exists() and (folder / "shards").is_dir():
            raise RunError(
                f"{plan_path} is gone, which says which networks are in which shard; put it back from a copy of the "
                "run, or give another place with --out to start anew"
            )
        raise RunError(f"{folder} holds other files and is no run folder; give another place with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"cannot write in {folder}: {error.strerror or error}; give another place with --out") from error
    try:
        _hold(lock, folder)
        remove_leftovers(folder)
        if not plan_path.exists():
            size = shard_size(experiment, networks_per_shard)
            write_plan(begin(experiment, folder, size, **_origin(experiment)))
        yield _continue(experiment, folder)
    finally:
        os.close(lock)


def _hold(lock: int, folder: Path) -> None:
    """Take the lock of a folder, which the system gives back whatever ends this process."""
    try:
        if not take(lock):
            raise RunError(f"another process is computing in {folder}; wait for it or stop it")
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise RunError(f"cannot lock {folder}: {error.strerror or error}; give another place with --out") from error
        # Some network file systems have no locks. To refuse them would shut out whole clusters, and nothing is at
        # stake but time: two processes at work here would compute the same bits, and every file appears whole.
        _say(
            f"{folder} is on a file system without locks ({error.strerror}): nothing keeps a second process from "
            "computing the same networks there; start one at a time"
        )


def _say(line: str) -> None:
    """Tell the user what must not go by unseen, whether progress is shown or not; no bar is drawn yet or any more."""
    print(line, file=sys.stderr, flush=True)


def _holds_something_else(folder: Path) -> bool:
    written_before = {"experiment.yaml", "provenance.json", "geometries", ".lock"}  # the plan, that is
    ours = {*written_before, "experiment.yaml.sha256", "plan.json.sha256"}
    return any(path.name not in ours and not path.name.endswith(".tmp") for path in folder.iterdir())


def _origin(experiment: Experiment) -> dict[str, Any]:
    cores = {name: said for name, group in experiment.groups.items() if (said := group.core_facts)}
    return {"cores": cores} if cores else {}


def begin(experiment: Experiment, folder: Path, size: int, **origin: Any) -> Run:
    """Write what a run's folder holds before any network, all but the plan, which makes it a run (`write_plan`).

    Parameters
    ----------
    experiment
        What the run is of.
    folder
        Where; it holds no run yet.
    size
        How many networks a shard holds at most.
    origin
        What else goes into the provenance.
    """
    geometries = {name: stored(geometry) for name, geometry in experiment.geometries.items()}
    settings = [ensemble.training for group in experiment.groups.values() for ensemble in group.ensembles]
    auto = next((training.device_here for training in settings if training.device == "auto"), None)
    plan = {
        "format": FORMAT,
        "experiment": experiment.digest,
        "networks_per_shard": size,
        "threads": THREADS,
        **({"device": auto} if auto is not None else {}),
        "geometries": experiment.geometry_blocks,
        "shards": [
            {
                "index": shard.index,
                "group": shard.group,
                "networks": list(shard.networks),
                "geometry": shard.geometry,
            }
            for shard in experiment.shards(size)
        ],
    }
    write_checked(folder / "experiment.yaml", experiment.to_yaml().encode())
    run = Run(folder, {"name": experiment.name}, plan)
    for name, geometry in geometries.items():
        run.write_geometry(name, geometry)
    known = {name: facts(each) for name, each in geometries.items()}
    run.write_provenance({**_provenance(), **origin, "geometries": known})
    return run


def write_plan(run: Run) -> None:
    """Write a run's plan: from now on its folder can be opened."""
    write_checked(run.folder / "plan.json", (json.dumps(run.plan) + "\n").encode())


def _continue(experiment: Experiment, folder: Path) -> tuple[Run, tuple[Shard, ...]]:
    run = Run.open(folder).of(experiment)
    if run.plan.get("format") != FORMAT:
        raise RunError(
            f"{folder} was begun by another version (format {run.plan.get('format')}, not {FORMAT}) and cannot go on; "
            "what it holds can be read, compared and reported. Give another place with --out to start anew"
        )
    if run.plan["experiment"] != experiment.digest:
        raise RunError(
            f"{folder} holds another experiment ('{run.name}', {run.plan['experiment'][:8]}) than the one asked for "
            f"('{experiment.name}', {experiment.digest[:8]}); give another place with --out"
        )
    for name, geometry in experiment.geometries.items():
        now, then = stored(geometry), run.geometry(name)
        # another version of a library may round otherwise; networks are trained on what is stored
        if now.costs.shape != then.costs.shape or not np.allclose(now.costs, then.costs, rtol=1e-6, atol=0):
            raise RunError(
                f"the geometry '{name}' is no longer what it was when {folder} was begun: its source has changed, or "
                "the toolkit. Give another place with --out to start anew"
            )
    _mend_provenance(experiment, run)
    for record in run.shards:
        if record.done:
            _check_or_set_aside(run, record)
    return run, planned_shards(run, experiment)


def planned_shards(run: Run, experiment: Experiment) -> tuple[Shard, ...]:
    """Return the shards of a run as it was planned: so large, and on the device that ``"auto"`` meant then."""

    def planned(shard: Shard) -> Shard:
        if shard.training.device != "auto":
            return shard
        return replace(shard, training=replace(shard.training, device=run.plan["device"]))

    return tuple(map(planned, experiment.shards(run.plan["networks_per_shard"])))


def _check_or_set_aside(run: Run, record: ShardRecord) -> None:
    """Keep a damaged shard under another name, so that its networks are computed anew."""
    try:
        run.check(record)
    except DamagedFile as error:
        if run.imported:  # nobody can compute them here
            raise
        aside = set_aside(record.path)
        _say(
            f"{record.path} is damaged ({error.reason}); it is set aside as {aside.name} and its networks are "
            "computed anew"
        )


def _mend_provenance(experiment: Experiment, run: Run) -> None:
    """Begin a lost provenance anew: no result depends on it."""
    try:
        _ = run.provenance
    except RunError as error:
        path = run.folder / "provenance.json"
        kept = f"; what is left of it is in {set_aside(path).name}" if path.exists() else ""
        known = {name: facts(run.geometry(name)) for name in experiment.geometries}
        lost = f"an earlier provenance was lost; this one was begun at {_now()}"
        run.write_provenance({**_provenance(), **_origin(experiment), "geometries": known, "lost": lost})
        # what the message of `error` advises is what has just happened
        _say(f"{error.__cause__}; {path} is begun anew{kept}")


def _provenance() -> dict[str, Any]:
    packages = ("spatialnets", "torch", "numpy", "scipy", "xarray", "h5netcdf", "h5py", "pydantic")
    return {
        "created": _now(),
        "command": sys.argv,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "commit": _commit(),
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "sessions": [],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _commit() -> str | None:
    """Return the commit of the toolkit's own source, where it runs from a checkout."""
    try:
        done = subprocess.run(
            [
                "git",
                "-C",
                str(Path(__file__).resolve().parent),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@dataclass
class Session:
    """One sitting of work on a run, noted in its provenance when it ends."""

    run: Run
    engine: Engine
    started: str
    missing: int

    def close(self) -> None:
        """Note when the sitting ended and how many shards it computed; say so if it cannot be noted."""
        try:
            provenance = self.run.provenance
            provenance["sessions"].append(
                {
                    "started": self.started,
                    "ended": _now(),
                    "engine": name_of("engine", type(self.engine)),
                    "workers": self.engine.workers,
                    "shards": self.missing - len(self.run.missing),
                }
            )
            self.run.write_provenance(provenance)
        except RunError as error:  # must not hide what ended the sitting, nor undo what it computed
            _say(f"this sitting is not noted: {error}")


def record_session(run: Run, engine: Engine) -> Session:
    """Begin a sitting."""
    return Session(run, engine, _now(), len(run.missing))
