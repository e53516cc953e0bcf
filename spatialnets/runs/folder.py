"""Run folders: created once, and continued by any process that computes the same experiment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialnets.errors import RunError
from spatialnets.experiments.experiment import Experiment
from spatialnets.experiments.group import EnsembleSpec, shards_of
from spatialnets.files.atomic import remove_leftovers, rename_damaged, write_checked
from spatialnets.files.locks import WITHOUT_LOCKS, try_lock
from spatialnets.files.netcdf import DamagedFile
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.runs.plan import division_of
from spatialnets.runs.provenance import new_provenance, now, warn
from spatialnets.runs.run import Run
from spatialnets.runs.shards import ShardRecord
from spatialnets.training.shard import Shard

__all__ = ["FORMAT", "THREADS", "begin", "open_or_create", "planned_shards", "write_plan"]

FORMAT = 5  # of plan.json and shards
THREADS = 1  # one process per core beats threads within products of this size; in the plan, since results depend on it


@contextmanager
def open_or_create(
    experiment: Experiment,
    folder: Path,
    shard_size: Callable[[], int],
    block_units: Callable[[], Sequence[int]] = tuple,
) -> Iterator[tuple[Run, Sequence[Shard]]]:
    """Open or create the run of an experiment, and lock its folder for this process within the block.

    Parameters
    ----------
    experiment
        The experiment.
    folder
        The run folder.
    shard_size
        Called for the number of networks in a shard if the run is new.
    block_units
        Called for the numbers of units that `begin` takes if the run is new.

    Raises
    ------
    RunError
        If the folder holds something else, is used by another process, cannot be written or is damaged.
    """
    plan_path = folder / "plan.json"
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; expected a folder")
    # the plan is checked last: another process may be creating this run, and writes the plan before other files
    if folder.is_dir() and _holds_something_else(folder) and not plan_path.exists():
        if (folder / "experiment.yaml").exists() and (folder / "shards").is_dir():
            raise RunError(
                f"{plan_path} is missing, which divides the networks into shards; restore it from a copy of the run, "
                "or choose another folder with --out to start again"
            )
        raise RunError(f"{folder} holds other files and is not a run folder; choose another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(
            f"cannot write in {folder}: {error.strerror or error}; choose another folder with --out"
        ) from error
    try:
        _hold(lock, folder)
        remove_leftovers(folder)
        if not plan_path.exists():
            write_plan(begin(experiment, folder, shard_size(), block_units(), **_origin(experiment)))
        yield _continue(experiment, folder)
    finally:
        os.close(lock)


def _hold(lock: int, folder: Path) -> None:
    """Lock the folder; the lock is released when this process ends, however it ends."""
    try:
        if not try_lock(lock):
            raise RunError(f"another process is computing in {folder}; wait for it or stop it")
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise RunError(
                f"cannot lock {folder}: {error.strerror or error}; choose another folder with --out"
            ) from error
        # Some network file systems have no locks; refusing them would exclude whole clusters. Only time is at risk: two
        # processes would compute the same bits, and files are written atomically.
        warn(
            f"{folder} is on a file system without locks ({error.strerror}): a second process could compute the same "
            "networks there; start one process at a time"
        )


def _holds_something_else(folder: Path) -> bool:
    written_before = {"experiment.yaml", "provenance.json", "geometries", ".lock"}  # before the plan
    ours = {*written_before, "experiment.yaml.sha256", "plan.json.sha256"}
    return any(path.name not in ours and not path.name.endswith(".tmp") for path in folder.iterdir())


def _origin(experiment: Experiment) -> dict[str, Any]:
    cores = {name: facts for name, group in experiment.groups.items() if (facts := group.core_facts)}
    return {"cores": cores} if cores else {}


def begin(experiment: Experiment, folder: Path, size: int, block_units: Sequence[int] = (), **origin: Any) -> Run:
    """Write everything that precedes training except the plan, which makes the folder a run (see `write_plan`).

    Parameters
    ----------
    experiment
        The experiment.
    folder
        The folder, which holds no run yet.
    size
        Maximum number of networks in a shard.
    block_units
        Numbers of units of networks that are trained with `spatialnets.graph.products.block_products`.
    origin
        Further entries of the provenance.
    """
    geometries = {name: StoredGeometry.of(geometry) for name, geometry in experiment.geometries.items()}
    settings = (ensemble.training for ensemble in experiment.ensembles)
    auto = next((training.device_here for training in settings if training.device == "auto"), None)
    plan = {
        "format": FORMAT,
        "experiment": experiment.digest,
        "threads": THREADS,
        "block_products": list(block_units),
        **({"device": auto} if auto is not None else {}),
        "geometries": experiment.geometry_blocks,
        **division_of(experiment, size),
    }
    write_checked(folder / "experiment.yaml", experiment.to_yaml().encode())
    run = Run(folder, {"name": experiment.name}, plan)
    for name, geometry in geometries.items():
        run.write_geometry(name, geometry)
    facts = {name: geometry.facts() for name, geometry in geometries.items()}
    run.write_provenance({**new_provenance(), **origin, "geometries": facts})
    return run


def write_plan(run: Run) -> None:
    """Write the plan of a run, after which its folder can be opened."""
    write_checked(run.folder / "plan.json", (json.dumps(run.plan) + "\n").encode())


def _continue(experiment: Experiment, folder: Path) -> tuple[Run, Sequence[Shard]]:
    run = Run.open(folder).with_experiment(experiment)
    _require_format(run)
    if run.plan["experiment"] != experiment.digest:
        raise RunError(
            f"{folder} holds another experiment ('{run.name}', {run.plan['experiment'][:8]}) than this one "
            f"('{experiment.name}', {experiment.digest[:8]}); choose another folder with --out"
        )
    for name, geometry in experiment.geometries.items():
        now, then = StoredGeometry.of(geometry).distances_in_steps(), run.geometry(name).distances_in_steps()
        # other versions of libraries may round differently; networks are trained on the stored distances
        if now.shape != then.shape or not np.allclose(now, then, rtol=1e-6, atol=0):
            raise RunError(
                f"the geometry '{name}' has changed since {folder} was begun: its source file or the toolkit is "
                "different. Choose another folder with --out to start again"
            )
    _repair_provenance(experiment, run)
    for index in run.stored():
        _check_or_rename(run, run.shards[index])
    return run, planned_shards(run, experiment)


def _require_format(run: Run) -> None:
    """Raise a RunError unless this version can train the missing networks of a run as the others were trained."""
    written = run.plan["format"]
    if written < FORMAT:
        raise RunError(
            f"{run.folder} was begun by an earlier version (format {written}, not {FORMAT}) and cannot be continued, "
            "because noise is drawn from another stream since then: train its experiment again with `spatialnets run "
            f"{run.folder / 'experiment.yaml'} --out FOLDER`; what it holds can still be read, reported and compared"
        )
    if written > FORMAT:
        raise RunError(
            f"{run.folder} was begun by a later version (format {written}, not {FORMAT}) and cannot be continued by "
            "this one; update spatialnets, or choose another folder with --out to start again"
        )


def planned_shards(run: Run, experiment: Experiment) -> Sequence[Shard]:
    """Return the shards of a run as planned: of the planned size, and on the device that ``"auto"`` meant then.

    Raises
    ------
    RunError
        If this version cannot train them, or the plan divides the networks of another experiment.
    """
    _require_format(run)
    division = division_of(experiment, run.plan["networks_per_shard"])
    if any(run.plan[key] != value for key, value in division.items()):
        raise RunError(f"{run.folder} is damaged: plan.json divides other networks than experiment.yaml declares")

    def planned(ensemble: EnsembleSpec) -> EnsembleSpec:
        if ensemble.training.device != "auto":
            return ensemble
        return replace(ensemble, training=replace(ensemble.training, device=run.plan.get("device", "cpu")))

    ensembles = [(group.name, planned(each)) for group in experiment.groups.values() for each in group.ensembles]
    return shards_of(ensembles, run.plan["networks_per_shard"])


def _check_or_rename(run: Run, record: ShardRecord) -> None:
    """Rename a damaged shard, so that its networks are trained again."""
    try:
        record.check()
    except DamagedFile as error:
        if run.imported:  # its networks cannot be trained again here
            raise
        renamed = rename_damaged(record.path)
        warn(
            f"{record.path} is damaged ({error.reason}); it was renamed to {renamed.name}, and its networks are "
            "trained again"
        )


def _repair_provenance(experiment: Experiment, run: Run) -> None:
    """Replace a lost or damaged provenance by a new one, since no result depends on it."""
    try:
        _ = run.provenance
    except RunError as error:
        path = run.folder / "provenance.json"
        kept = f"; the old one was renamed to {rename_damaged(path).name}" if path.exists() else ""
        facts = {name: run.geometry(name).facts() for name in experiment.geometries}
        lost = f"an earlier provenance was lost; this one was begun at {now()}"
        run.write_provenance({**new_provenance(), **_origin(experiment), "geometries": facts, "lost": lost})
        warn(f"{error.__cause__}; {path} was started again{kept}")  # the cause, without the advice of `error`
