"""From what a file holds to a run folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from spatialnets import registry
from spatialnets.errors import DeclarationError, RunError, UserError, nearest
from spatialnets.experiments.declaration import apply_word, from_plain, plain
from spatialnets.experiments.experiment import Experiment
from spatialnets.files.limits import check_file
from spatialnets.importing.matlab import open_mat, open_tree
from spatialnets.importing.npz import open_npz
from spatialnets.importing.rate_data import PAPER_GROUPS, open_rate_data
from spatialnets.importing.source import FORMATS, Numbers, Source, SourceGroup, Wanted, reading
from spatialnets.importing.text import ENDINGS, files_in, open_text
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.progress import NoProgress, Progress
from spatialnets.protocols import FloatArray, PricedRegularizer
from spatialnets.runs.folder import begin, stored, write_plan
from spatialnets.runs.run import SCORES, Run
from spatialnets.training.shard import Shard, axis_values

__all__ = ["import_networks"]

NETWORKS_PER_SHARD = 50
BYTES_PER_SHARD = 256 * 2**20  # of weights; large networks come in smaller shards
MOST_NUMBERS = 40_000  # in a declaration; reading YAML takes a second for ten thousand
PAPER_UNITS = 100
GRID = {"kind": "grid", "shape": [5, 5, 4]}
ANALYSES = ["wiring", "modularity", "small_worldness", "pass_rate"]
UNKNOWN_SEED = -1


def import_networks(
    files: Sequence[str | Path],
    words: Sequence[str] = (),
    *,
    format: str | None = None,
    out: str | Path | None = None,
    wanted: Wanted | None = None,
    progress: Progress | None = None,
) -> Run:
    """Make a run of networks that were trained elsewhere; nothing is trained.

    Parameters
    ----------
    files
        One file; or, of ``csv``, several, or a folder.
    words
        Laid over what the run declares, such as ``"geometry=sphere"``, ``"groups.l1.regularizer=l1"`` or
        ``"name=theirs"``.
    format
        One of `spatialnets.importing.FORMATS`; by default as the file's name and content suggest.
    out
        The run's folder; by default ``runs/<name>-<hash>``.
    wanted
        What to take from the file.
    progress
        Where to report; by default nowhere.

    Returns
    -------
    Run
        A finished run; ``provenance["imported"]`` says where it is from, and what was assumed.

    Raises
    ------
    UserError
        If a file is not what it is taken for, or something must be said that it does not say. Nothing is left behind.
    """
    paths, wanted = [Path(file) for file in files], wanted or Wanted()
    absent = next((path for path in paths if not path.exists()), None)
    if absent is not None or not paths:
        raise UserError(f"there is no file {absent}" if paths else "give a file to import")
    for path in paths:
        if not path.is_dir():
            with reading(path, "a file of networks"):
                check_file(path)
    format = format or _guessed(paths[0])
    if format not in FORMATS:
        raise UserError(f"there is no format '{format}': {nearest(format, FORMATS)}")
    if format != "csv" and len(paths) > 1:
        raise UserError(f"give one {format} file, not {len(paths)}; only tables (csv) come in several")
    if format != "csv" and paths[0].is_dir():
        raise UserError(f"{paths[0]} is a folder; expected a {format} file")
    if wanted.variable is not None and format not in ("mat", "npz"):
        raise UserError(f"--variable is for mat and npz files; {paths[0]} is read as {format}")
    with _opened(format, paths, wanted) as source:
        digests = _digests(paths)
        experiment, notes = _declared(source, words, paths, digests, wanted)
        folder = Path(out) if out is not None else experiment.folder
        imported = {
            "files": digests,
            "format": format,
            "options": asdict(wanted),
            "groups": {
                group.name: {"networks": group.count, "units": group.units, "epochs": list(group.epochs)}
                for group in source.groups
            },
            "notes": notes,
        }
        return _write(source, experiment, folder, imported, wanted, progress or NoProgress())


def _guessed(path: Path) -> str:
    """Return the format that a file seems to have."""
    ending = path.suffix.lower()
    if path.is_dir() or ending in ENDINGS:
        return "csv"
    if ending == ".npz":
        return "npz"
    if ending == ".mat":
        with reading(path, "a MATLAB file"), open_tree(path) as tree:
            return "rate_data" if "network_data" in tree else "mat"
    raise UserError(f"{path} ends in '{ending}'; give its format with --format: {', '.join(FORMATS)}")


def _opened(format: str, paths: Sequence[Path], wanted: Wanted) -> AbstractContextManager[Source]:
    if format == "csv":
        return open_text(paths, wanted)
    opener: Callable[[Path, Wanted], AbstractContextManager[Source]] = {
        "rate_data": open_rate_data,
        "npz": open_npz,
        "mat": open_mat,
    }[format]
    return opener(paths[0], wanted)


def _digests(paths: Sequence[Path]) -> dict[str, str]:
    """Return the hash of every file, by its name; by its path, where several have one name."""
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    names = [file.name for file in files]
    found = {}
    for file in files:
        with open(file, "rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        found[file.name if names.count(file.name) == 1 else str(file)] = digest
    return found


# What an imported run declares


def _declared(
    source: Source, words: Sequence[str], paths: Sequence[Path], digests: Mapping[str, str], wanted: Wanted
) -> tuple[Experiment, list[str]]:
    """Return the experiment that the networks stand for, and what was assumed of them."""
    name = paths[0].stem if paths[0].is_file() else paths[0].resolve().name
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip("_.-") or "imported"
    both = hashlib.sha256(json.dumps(list(digests.values())).encode()).hexdigest()
    sha256 = next(iter(digests.values())) if len(digests) == 1 else both
    notes = list(source.notes)
    assumed = {group.name: PAPER_GROUPS[group.name] for group in source.groups if group.name in PAPER_GROUPS}
    base: dict[str, Any] = {
        "core": {"kind": "imported", "source": paths[0].name, "sha256": sha256, "orientation": wanted.orientation},
        "task": {"kind": "imported"},
    }
    declaration = {
        "name": name,
        "description": f"Trained elsewhere and imported from {paths[0].name}; the block training does not say how",
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
    content = _with_words(declaration, words)
    if not all(_is_placed(content, group.name) for group in source.groups):
        base["geometry"], note = _geometry(source, paths[0])
        notes.append(note)
        content = _with_words(declaration, words)  # which may say more of that geometry
    for group in source.groups:
        _add_strength(content, group, group.name in assumed, notes)
    experiment = Experiment.from_declaration(content)
    _check_sizes(source, experiment)
    kinds = {
        group: experiment.groups[group].ensembles[0].regularizer for group in assumed if group in experiment.groups
    }
    by_name = [
        f"{group} with {registry.name_of('regularizer', type(part))}"
        for group, part in kinds.items()
        if registry.name_of("regularizer", type(part)) == assumed[group].regularizer["kind"]
    ]
    if by_name:
        notes.append(f"by their names, groups are taken to be the paper's: trained on its task, {', '.join(by_name)}")
    return experiment, notes


def _is_placed(content: Mapping[str, Any], group: str) -> bool:
    """Tell whether words say where a group's units are."""
    blocks = [content["base"].get("geometry"), (content["groups"].get(group) or {}).get("geometry")]
    return any(isinstance(block, str) or (isinstance(block, dict) and "kind" in block) for block in blocks)


def _with_words(declaration: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    root, problems = from_plain(declaration, "import"), list[str]()
    for word in words:
        try:
            root = apply_word(root, word)
        except DeclarationError as error:
            problems.extend(error.problems)
    if problems:
        raise DeclarationError(problems)
    content: dict[str, Any] = plain(root)
    return content


def _add_strength(content: dict[str, Any], group: SourceGroup, assumed: bool, notes: list[str]) -> None:
    """Say how strong a group's penalty was, where the file knows it and the user does not say it."""
    block = content["groups"].get(group.name)
    if not isinstance(block, dict) or "regularizer" not in block:
        return  # a word has taken it away; the experiment says what is missing
    regularizer = block["regularizer"]
    if isinstance(regularizer, str):
        regularizer = block["regularizer"] = {"kind": regularizer}
    if not isinstance(regularizer, dict) or "strength" in regularizer or not isinstance(regularizer.get("kind"), str):
        return
    part = registry.load("regularizer", regularizer["kind"])
    if "strength" not in [each.name for each in fields(part)]:
        return
    if group.strength is not None:
        regularizer["strength"] = group.strength.tolist()
    elif assumed and regularizer == dict(PAPER_GROUPS[group.name].regularizer):
        block["regularizer"] = {"kind": "imported"}
        notes.append(
            f"strengths of {group.name} are not known, so its penalty is not declared; give both with "
            f"groups.{group.name}.regularizer={regularizer['kind']} groups.{group.name}.regularizer.strength=..."
        )


def _geometry(source: Source, path: Path) -> tuple[dict[str, Any], str]:
    """Return the block of the geometry that a file knows of or that its number of units suggests, and what to say."""
    sizes = {group.units for group in source.groups}
    positions, distances = source.positions, source.distances
    if positions is None and distances is None:
        if sizes == {PAPER_UNITS}:
            return GRID, f"{path.name} does not say where units are; 100 units are taken to be the paper's grid"
        said = ", ".join(map(str, sorted(sizes)))
        raise UserError(
            f"{path} does not say where its {said} units are; say it with geometry=NAME and its fields, such as "
            "geometry=grid geometry.shape=[4,4,4], geometry=points geometry.coordinates=FILE or geometry=connectome "
            "geometry.source=FILE"
        )
    if len(sizes) > 1:
        raise UserError(f"{path} has one set of units for groups of {', '.join(map(str, sorted(sizes)))} units")
    (units,) = sizes
    for what, values, shape in (
        ("positions", positions, (units, positions.shape[-1] if positions is not None else 0)),
        ("distances", distances, (units, units)),
    ):
        if values is not None and values.shape != shape:
            raise UserError(f"{path}: {what} has shape {values.shape}; its networks have {units} units")
    straight = _straight(positions) if positions is not None else None
    known = distances if distances is not None else straight
    assert known is not None
    if units == PAPER_UNITS and _alike(known, _straight(stored(_built(GRID)).positions)):
        return GRID, "its units are those of the paper's grid"
    inline = positions is not None and (distances is None or (straight is not None and _alike(distances, straight)))
    values = positions if inline else known
    assert values is not None
    if values.size > MOST_NUMBERS:
        raise UserError(
            f"{path} has {values.size:,} numbers for where its units are, too many for a declaration; put them in a "
            "file of their own and give geometry=points geometry.coordinates=FILE or geometry=connectome "
            "geometry.source=FILE"
        )
    if inline:
        return {"kind": "points", "coordinates": values.tolist()}, f"units are at the positions in {path.name}"
    block: dict[str, Any] = {"kind": "connectome", "source": values.tolist()}
    if positions is not None and positions.shape[1] == 3:
        block["coordinates"] = positions.tolist()
    return block, f"units are as far apart as the distances in {path.name} say, which are taken for mm"


def _built(block: Mapping[str, Any]) -> Any:
    fields_of = {key: value for key, value in block.items() if key != "kind"}
    return registry.load("geometry", block["kind"])(**fields_of)


def _straight(positions: FloatArray) -> FloatArray:
    from scipy.spatial.distance import cdist

    if positions.ndim != 2 or not np.isfinite(positions).all():
        raise UserError(f"positions have shape {positions.shape}; expected finite numbers (unit, d)")
    return np.asarray(cdist(positions, positions))


def _alike(one: FloatArray, other: FloatArray) -> bool:
    # files may hold float32
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-5 * float(other.max()))


def _check_sizes(source: Source, experiment: Experiment) -> None:
    there = {group.name: group for group in source.groups}
    if set(there) != set(experiment.groups):
        raise UserError(
            f"the file holds the groups {', '.join(there)}, and the words leave {', '.join(experiment.groups)}; "
            "choose groups with --group"
        )
    for name, group in there.items():
        declared = experiment.groups[name]
        if declared.networks != group.count:
            raise UserError(
                f"group '{name}' has {group.count} networks, and the words make it {declared.networks}; an axis of an "
                "imported run has one value for each network"
            )
        for ensemble in declared.ensembles:
            if ensemble.geometry.n_units != group.units:
                raise UserError(
                    f"networks of group '{name}' have {group.units} units, but the geometry "
                    f"{registry.name_of('geometry', type(ensemble.geometry))} holds {ensemble.geometry.n_units}; say "
                    "where units are with geometry=NAME and its fields"
                )


# The folder


def _write(
    source: Source,
    experiment: Experiment,
    folder: Path,
    imported: Mapping[str, Any],
    wanted: Wanted,
    progress: Progress,
) -> Run:
    """Write a run folder whole or not at all: under another name, which is changed at the end."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is there already; remove it, or give another place with --out")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _fill(source, experiment, temporary, imported, wanted, progress)
        os.replace(temporary, folder)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}; give another place with --out") from error
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
            run.write_shard(record, dataset)
            progress.advance(len(shard.networks), shard.group)
    finally:
        progress.end()
    write_plan(run)


def _shard_size(source: Source) -> int:
    largest = max(8 * len(group.epochs) * group.units**2 for group in source.groups)
    return max(1, min(NETWORKS_PER_SHARD, BYTES_PER_SHARD // largest))


def _dataset(shard: Shard, group: SourceGroup, geometry: StoredGeometry, wanted: Wanted) -> xr.Dataset:
    """Return some networks as a shard; what training alone knows is NaN."""
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
    weights = _single(np.where(finite[:, :, None, None], weights, np.nan))
    variables: dict[str, Any] = {"weights": (("network", "epoch", "pre", "post"), weights)}
    for name, values in scores.items():
        long_name = f"{name.replace('_', ' ')}, as imported"
        variables[name] = (("network", "epoch"), np.where(finite, values, np.nan), {"long_name": long_name})
    variables["status"] = ("network", np.array(["diverged" if why else "trained" for why in reasons], dtype=object))
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
        "seed": ("network", seed, {"long_name": "seed; -1 where it is not known"}),
        "position": (("unit", "xyz"), geometry.positions, {"units": geometry.length_unit}),
    }
    for path, along in shard.axes.items():
        if path not in coordinates:
            coordinates[path] = ("network", axis_values(along))
    return xr.Dataset(variables, coordinates, attrs={"group": shard.group, "length_unit": geometry.length_unit})


def _single(weights: Numbers) -> Numbers:
    """Return weights in half the room where nothing is lost by it: most are float32, whatever a file keeps them as."""
    if weights.dtype == np.float32:
        return weights
    with np.errstate(over="ignore"):
        half = weights.astype(np.float32)
    return half if np.array_equal(half.astype(np.float64), weights, equal_nan=True) else weights
