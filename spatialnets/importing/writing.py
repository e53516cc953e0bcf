"""Write the networks of a file to a run folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spatialnets import registry
from spatialnets.aliases import FloatArray
from spatialnets.errors import DeclarationError, RunError, UserError, nearest
from spatialnets.experiments.declaration import apply_override
from spatialnets.experiments.experiment import Experiment
from spatialnets.files.limits import check_file
from spatialnets.files.yaml_nodes import from_plain, plain
from spatialnets.importing.matlab import open_mat, open_tree
from spatialnets.importing.npz import open_npz
from spatialnets.importing.rate_data import PAPER_GROUPS, open_rate_data
from spatialnets.importing.source import FORMATS, Numbers, Source, SourceGroup, Wanted, file_errors
from spatialnets.importing.text import SUFFIXES, open_text, tables_in
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.progress import NoProgress, Progress
from spatialnets.protocols import PricedRegularizer
from spatialnets.runs.folder import begin, write_plan
from spatialnets.runs.run import Run
from spatialnets.training.shard import SCORES, Shard, axis_values

__all__ = ["import_networks"]

NETWORKS_PER_SHARD = 50
BYTES_PER_SHARD = 256 * 2**20  # of weights; shards of large networks have fewer networks
MAX_INLINE_NUMBERS = 40_000  # in a declaration; YAML takes a second to read ten thousand
PAPER_UNITS = 100
GRID = {"kind": "grid", "shape": [5, 5, 4]}
ANALYSES = ["wiring", "modularity", "small_worldness", "pass_rate"]
UNKNOWN_SEED = -1


def import_networks(
    files: Sequence[str | Path],
    overrides: Sequence[str] = (),
    *,
    format: str | None = None,
    out: str | Path | None = None,
    wanted: Wanted | None = None,
    progress: Progress | None = None,
) -> Run:
    """Create a run from networks that were trained elsewhere, without training anything.

    Parameters
    ----------
    files
        One file; for ``csv`` also several files or a folder.
    overrides
        Changes to the declaration of the run, such as ``"geometry=sphere"``, ``"groups.l1.regularizer=l1"`` or
        ``"name=theirs"``.
    format
        One of `spatialnets.importing.FORMATS`; by default, it is guessed from the name and content of the file.
    out
        Folder of the run; by default ``runs/<name>-<hash>``.
    wanted
        What to read from the file.
    progress
        Where to report progress; by default nowhere.

    Returns
    -------
    Run
        A finished run; ``provenance["imported"]`` records the files and what was assumed.

    Raises
    ------
    UserError
        If a file cannot be read in its format, or lacks information that must be given. No folder is left behind.
    """
    paths, wanted = [Path(file) for file in files], wanted or Wanted()
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None or not paths:
        raise UserError(f"there is no file {missing}" if paths else "give a file to import")
    for path in paths:
        if not path.is_dir():
            with file_errors(path, "a file of networks"):
                check_file(path)
    format = format or _guess_format(paths[0])
    if format not in FORMATS:
        raise UserError(f"there is no format '{format}': {nearest(format, FORMATS)}")
    if format != "csv" and len(paths) > 1:
        raise UserError(f"give one {format} file, not {len(paths)}; only tables (csv) may be several files")
    if format != "csv" and paths[0].is_dir():
        raise UserError(f"{paths[0]} is a folder; expected a {format} file")
    if wanted.variable is not None and format not in ("mat", "npz"):
        raise UserError(f"--variable applies to mat and npz files only; {paths[0]} is read as {format}")
    with _open_source(format, paths, wanted) as source:
        checksums = _checksums(paths)
        experiment, notes = _declare(source, overrides, paths, checksums, wanted)
        folder = Path(out) if out is not None else experiment.folder
        imported = {
            "files": checksums,
            "format": format,
            "options": asdict(wanted),
            "groups": {
                group.name: {"networks": group.count, "units": group.units, "epochs": list(group.epochs)}
                for group in source.groups
            },
            "notes": notes,
        }
        return _write(source, experiment, folder, imported, wanted, progress or NoProgress())


def _guess_format(path: Path) -> str:
    """Return the format of a file by its name, and by its content if that is ambiguous."""
    ending = path.suffix.lower()
    if path.is_dir() or ending in SUFFIXES:
        return "csv"
    if ending == ".npz":
        return "npz"
    if ending == ".mat":
        with file_errors(path, "a MATLAB file"), open_tree(path) as tree:
            return "rate_data" if "network_data" in tree else "mat"
    raise UserError(f"{path} ends in '{ending}'; give its format with --format: {', '.join(FORMATS)}")


def _open_source(format: str, paths: Sequence[Path], wanted: Wanted) -> AbstractContextManager[Source]:
    if format == "csv":
        return open_text(paths, wanted)
    openers = {"rate_data": open_rate_data, "npz": open_npz, "mat": open_mat}
    return openers[format](paths[0], wanted)


def _checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of every file by its name, or by its path if several files have the same name."""
    files = [file for path in paths for file in (tables_in(path) if path.is_dir() else [path])]
    names = [file.name for file in files]
    checksums = {}
    for file in files:
        with open(file, "rb") as content:
            checksum = hashlib.file_digest(content, "sha256").hexdigest()
        checksums[file.name if names.count(file.name) == 1 else str(file)] = checksum
    return checksums


# The declaration of an imported run


def _declare(
    source: Source, overrides: Sequence[str], paths: Sequence[Path], checksums: Mapping[str, str], wanted: Wanted
) -> tuple[Experiment, list[str]]:
    """Return the experiment that describes the networks, and notes on what was assumed."""
    name = paths[0].stem if paths[0].is_file() else paths[0].resolve().name
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip("_.-") or "imported"
    of_all = hashlib.sha256(json.dumps(list(checksums.values())).encode()).hexdigest()
    sha256 = next(iter(checksums.values())) if len(checksums) == 1 else of_all
    notes = list(source.notes)
    assumed = {group.name: PAPER_GROUPS[group.name] for group in source.groups if group.name in PAPER_GROUPS}
    base: dict[str, Any] = {
        "core": {"kind": "imported", "source": paths[0].name, "sha256": sha256, "orientation": wanted.orientation},
        "task": {"kind": "imported"},
    }
    declaration = {
        "name": name,
        "description": f"Trained elsewhere and imported from {paths[0].name}; the training settings are unknown",
        "base": base,
        "groups": {
            group.name: {
                "networks": group.count,
                "regularizer": dict(assumed[group.name].regularizer) if group.name in assumed else {"kind": "imported"},
                "training": {"epochs": max(group.epochs[-1], 1)},
                **({"task": dict(assumed[group.name].task)} if group.name in assumed else {}),
            }
            for group in source.groups
        },
        "analyses": ANALYSES,
    }
    content = _apply_overrides(declaration, overrides)
    if not all(_has_geometry(content, group.name) for group in source.groups):
        base["geometry"], note = _geometry(source, paths[0])
        notes.append(note)
        content = _apply_overrides(declaration, overrides)  # which may change fields of this geometry
    for group in source.groups:
        _add_strength(content, group, group.name in assumed, notes)
    experiment = Experiment.from_declaration(content)
    _check_sizes(source, experiment)
    kinds = {
        group: registry.name_of("regularizer", type(experiment.groups[group].ensembles[0].regularizer))
        for group in assumed
        if group in experiment.groups
    }
    by_name = [f"{group} with {kind}" for group, kind in kinds.items() if kind == assumed[group].regularizer["kind"]]
    if by_name:
        notes.append(f"groups named as in the paper are assumed to be trained on its task: {', '.join(by_name)}")
    return experiment, notes


def _has_geometry(content: Mapping[str, Any], group: str) -> bool:
    """Return whether overrides declare the geometry of a group."""
    blocks = [content["base"].get("geometry"), (content["groups"].get(group) or {}).get("geometry")]
    return any(isinstance(block, str) or (isinstance(block, dict) and "kind" in block) for block in blocks)


def _apply_overrides(declaration: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    root, problems = from_plain(declaration, "import"), list[str]()
    for override in overrides:
        try:
            root = apply_override(root, override)
        except DeclarationError as error:
            problems.extend(error.problems)
    if problems:
        raise DeclarationError(problems)
    content: dict[str, Any] = plain(root)
    return content


def _add_strength(content: dict[str, Any], group: SourceGroup, assumed: bool, notes: list[str]) -> None:
    """Add the regularization strengths of a group if the file contains them and the user does not give them."""
    block = content["groups"].get(group.name)
    if not isinstance(block, dict) or "regularizer" not in block:
        return  # an override removed it; the experiment reports what is missing
    regularizer = block["regularizer"]
    if isinstance(regularizer, str):
        regularizer = block["regularizer"] = {"kind": regularizer}
    if not isinstance(regularizer, dict) or "strength" in regularizer or not isinstance(regularizer.get("kind"), str):
        return
    component = registry.load("regularizer", regularizer["kind"])
    if "strength" not in [field.name for field in fields(component)]:
        return
    if group.strength is not None:
        regularizer["strength"] = group.strength.tolist()
    elif assumed and regularizer == dict(PAPER_GROUPS[group.name].regularizer):
        block["regularizer"] = {"kind": "imported"}
        notes.append(
            f"strengths of {group.name} are unknown, so its regularizer is not declared; give both with "
            f"groups.{group.name}.regularizer={regularizer['kind']} groups.{group.name}.regularizer.strength=..."
        )


def _geometry(source: Source, path: Path) -> tuple[dict[str, Any], str]:
    """Return the declaration of the geometry in the file, or the paper's grid for 100 units, with a note about it."""
    sizes = {group.units for group in source.groups}
    positions, distances = source.positions, source.distances
    if positions is None and distances is None:
        if sizes == {PAPER_UNITS}:
            return GRID, f"{path.name} has no positions of units; 100 units are assumed to lie on the paper's grid"
        raise UserError(
            f"{path} has no positions of its {', '.join(map(str, sorted(sizes)))} units; give a geometry with "
            "geometry=NAME and its fields, such as geometry=grid geometry.shape=[4,4,4], geometry=points "
            "geometry.coordinates=FILE or geometry=connectome geometry.source=FILE"
        )
    if len(sizes) > 1:
        raise UserError(
            f"{path} has positions or distances of one set of units, but its groups have "
            f"{', '.join(map(str, sorted(sizes)))} units; give geometries with groups.NAME.geometry=..."
        )
    (units,) = sizes
    if positions is not None and (positions.ndim != 2 or len(positions) != units):
        raise UserError(f"{path}: positions has shape {positions.shape}; its networks have {units} units")
    if distances is not None and distances.shape != (units, units):
        raise UserError(f"{path}: distances has shape {distances.shape}; its networks have {units} units")
    at_positions = False
    if positions is not None:
        straight = _straight_distances(positions)
        at_positions = distances is None or _nearly_equal(distances, straight)
        distances = straight if distances is None else distances
    if units == PAPER_UNITS and _nearly_equal(distances, registry.load("geometry", "grid")(GRID["shape"]).distances()):
        return GRID, "its units are at the positions of the paper's grid"
    values = positions if at_positions else distances
    assert values is not None
    if values.size > MAX_INLINE_NUMBERS:
        raise UserError(
            f"{path} has {values.size:,} numbers in its {'positions' if at_positions else 'distances'}, too many for a "
            "declaration; save them to a file and give geometry=points geometry.coordinates=FILE or "
            "geometry=connectome geometry.source=FILE"
        )
    if at_positions:
        return {"kind": "points", "coordinates": values.tolist()}, f"units are at the positions in {path.name}"
    block: dict[str, Any] = {"kind": "connectome", "source": values.tolist()}
    if positions is not None and positions.shape[1] == 3:
        block["coordinates"] = positions.tolist()
    return block, f"distances between units are those in {path.name}, assumed to be in mm"


def _straight_distances(positions: FloatArray) -> FloatArray:
    from scipy.spatial.distance import cdist

    if positions.ndim != 2 or not np.isfinite(positions).all():
        raise UserError(f"positions have shape {positions.shape}; expected finite numbers (unit, d)")
    return np.asarray(cdist(positions, positions))


def _nearly_equal(stored: FloatArray | None, other: FloatArray) -> bool:
    """Return whether distances are equal up to float32 rounding, because files may store float32."""
    return stored is not None and np.allclose(stored, other, rtol=1e-5, atol=1e-5 * float(other.max()))


def _check_sizes(source: Source, experiment: Experiment) -> None:
    groups = {group.name: group for group in source.groups}
    if set(groups) != set(experiment.groups):
        raise UserError(
            f"the file contains the groups {', '.join(groups)}, but the declaration has "
            f"{', '.join(experiment.groups)}; choose groups with --group"
        )
    for name, group in groups.items():
        declared = experiment.groups[name]
        if declared.networks != group.count:
            raise UserError(
                f"group '{name}' has {group.count} networks, but the overrides make it {declared.networks}; an axis of "
                "an imported run must have one value per network"
            )
        for ensemble in declared.ensembles:
            if ensemble.geometry.n_units != group.units:
                raise UserError(
                    f"networks of group '{name}' have {group.units} units, but the geometry "
                    f"{registry.name_of('geometry', type(ensemble.geometry))} has {ensemble.geometry.n_units}; choose "
                    "another with geometry=NAME and its fields"
                )


# The run folder


def _write(
    source: Source,
    experiment: Experiment,
    folder: Path,
    imported: Mapping[str, Any],
    wanted: Wanted,
    progress: Progress,
) -> Run:
    """Write a complete run folder or none: it gets its name only at the end."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} already exists; remove it, or choose another folder with --out")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _fill(source, experiment, temporary, imported, wanted, progress)
        os.replace(temporary, folder)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}; choose another folder with --out") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Run.open(folder)


def _fill(
    source: Source,
    experiment: Experiment,
    folder: Path,
    imported: Mapping[str, Any],
    wanted: Wanted,
    progress: Progress,
) -> None:
    size = _shard_size(source)
    shards, run = experiment.shards(size), begin(experiment, folder, size, imported=imported)
    geometries = {name: run.geometry(name) for name in experiment.geometries}
    groups = {group.name: group for group in source.groups}
    progress.begin(sum(len(each.networks) for each in shards), 0, f"importing {experiment.name}", "networks")
    try:
        for shard, record in zip(shards, run.shards, strict=True):
            dataset = _dataset(shard, groups[shard.group], geometries[shard.geometry], wanted)
            record.write(dataset)
            progress.advance(len(shard.networks), shard.group)
    finally:
        progress.end()
    write_plan(run)


def _shard_size(source: Source) -> int:
    largest = max(8 * len(group.epochs) * group.units**2 for group in source.groups)
    return max(1, min(NETWORKS_PER_SHARD, BYTES_PER_SHARD // largest))


def _dataset(shard: Shard, group: SourceGroup, geometry: StoredGeometry, wanted: Wanted) -> xr.Dataset:
    """Return the dataset of a shard; values that only training produces are NaN."""
    numbers = np.array(shard.networks)
    start = int(numbers.min())
    weights = group.read(start, int(numbers.max()) + 1)[numbers - start]
    if wanted.orientation == "post_pre":
        weights = np.swapaxes(weights, -1, -2)
    finite = np.isfinite(weights).all(axis=(2, 3))
    shape = (len(numbers), len(group.epochs))
    scores = {name: group.scores[name][numbers] if name in group.scores else np.full(shape, np.nan) for name in SCORES}
    reasons = [
        "" if row.all() else f"the file has weights that are not finite at epoch {group.epochs[int(np.argmin(row))]}"
        for row in finite
    ]
    statuses = ["diverged" if reason else "trained" for reason in reasons]
    weights = _as_float32(np.where(finite[:, :, None, None], weights, np.nan))
    variables: dict[str, Any] = {"weights": (("network", "epoch", "pre", "post"), weights)}
    for name, values in scores.items():
        long_name = f"{name.replace('_', ' ')}, as imported"
        variables[name] = (("network", "epoch"), np.where(finite, values, np.nan), {"long_name": long_name})
    variables["status"] = ("network", np.array(statuses, dtype=object))
    variables["reason"] = ("network", np.array(reasons, dtype=object))
    variables["distances"] = (
        ("pre", "post"),
        geometry.distances,
        {"long_name": "distance between units", "units": geometry.length_unit},
    )
    regularizer = shard.regularizer
    strength = regularizer.strength if isinstance(regularizer, PricedRegularizer) else np.nan
    seed = np.full(len(numbers), UNKNOWN_SEED) if group.seed is None else group.seed[numbers]
    coordinates: dict[str, Any] = {
        "network": ("network", list(shard.networks)),
        "epoch": ("epoch", np.array(group.epochs)),
        "strength": ("network", np.broadcast_to(np.array(strength, dtype=float), (len(numbers),)).copy()),
        "seed": ("network", seed, {"long_name": "seed; -1 if unknown"}),
        "position": (("unit", "xyz"), geometry.positions, {"units": geometry.length_unit}),
    }
    for path, along in shard.axes.items():
        if path not in coordinates:
            coordinates[path] = ("network", axis_values(along))
    return xr.Dataset(variables, coordinates, attrs={"group": shard.group, "length_unit": geometry.length_unit})


def _as_float32(weights: Numbers) -> Numbers:
    """Convert weights to float32 if that is lossless, as it is for most weights stored in double precision."""
    if weights.dtype == np.float32:
        return weights
    with np.errstate(over="ignore"):
        single = weights.astype(np.float32)
    return single if np.array_equal(single.astype(np.float64), weights, equal_nan=True) else weights
