"""Read the networks of the paper's authors: ``rate_data.mat``, osf.io/vw2ac."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.errors import UserError
from spatialnets.importing.matlab import Array, Tree, look_up, open_tree
from spatialnets.importing.source import (
    Numbers,
    Source,
    SourceGroup,
    Wanted,
    epoch_indices,
    file_errors,
    select_groups,
    stack_dimensions,
)

__all__ = ["CONNECTIVITY", "PAPER_GROUPS", "PaperGroup", "open_rate_data"]

CONNECTIVITY = "network_data.trained_rnns.connectivity"
ACCURACY = "network_data.accuracy.accuracy"
DISTANCES = "network_data.trained_rnns.space.euclidean"


class PaperGroup(NamedTuple):
    """How a set of networks of the paper was trained.

    Parameters
    ----------
    regularizer, task
        Declarations of these components.
    strengths
        Strengths of the first and the last network; the others are evenly spaced between them.
    """

    regularizer: Mapping[str, Any]
    task: Mapping[str, Any]
    strengths: tuple[float, float]


PAPER_GROUPS = {
    "l1": PaperGroup({"kind": "l1"}, {"kind": "one_choice"}, (1e-5, 0.04)),
    "sernn": PaperGroup({"kind": "both"}, {"kind": "one_choice"}, (1e-6, 1.0)),
    "distance_only": PaperGroup({"kind": "distance"}, {"kind": "one_choice"}, (1e-5, 0.02)),
    # the authors' analysis code repeats the range of distance_only, for which the published penalty is negligible
    "communicability_only": PaperGroup({"kind": "communicability"}, {"kind": "one_choice"}, (1e-5, 3.0)),
    "shuffled_labels": PaperGroup({"kind": "both"}, {"kind": "one_choice", "labels": "shuffled"}, (1e-6, 1.0)),
    "hard": PaperGroup({"kind": "both"}, {"kind": "one_choice", "problems": "hard"}, (1e-6, 1.0)),
}
"""The paper's sets of networks in the order of the file, named as in the presets."""


@contextmanager
def open_rate_data(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open the authors' file; matrices are read when needed."""
    with open_tree(path) as tree:
        with file_errors(path, "rate_data.mat"):
            cells = _cells(tree, CONNECTIVITY, path)
            accuracies = _cells(tree, ACCURACY, path)
            if len(cells) > len(PAPER_GROUPS) or len(accuracies) != len(cells):
                raise UserError(
                    f"{path} has {len(cells)} sets of networks and {len(accuracies)} of accuracies; expected the same "
                    f"number, at most {len(PAPER_GROUPS)}: {', '.join(PAPER_GROUPS)}"
                )
            names = list(PAPER_GROUPS)[: len(cells)]
            sets = dict(zip(names, zip(cells, accuracies, strict=True), strict=True))
            groups = [_group(name, *sets[name], wanted, path) for name in select_groups(names, wanted, path)]
            distances = _distances(tree, path)
        ranges = [f"{group.name} {'{:g} to {:g}'.format(*PAPER_GROUPS[group.name].strengths)}" for group in groups]
        notes = [
            "the file does not contain regularization strengths: strengths are assumed to be evenly spaced, "
            + ", ".join(ranges)
        ]
        if not wanted.keep_first:
            notes.append(
                "the first network of each set is left out, as in the authors' statistics: network k of this run is "
                "network k + 2 in MATLAB"
            )
        yield Source(tuple(groups), distances=distances, notes=tuple(notes))


def _cells(tree: Tree, names: str, path: Path) -> list[Tree]:
    cells = look_up(tree, names, path)
    if not isinstance(cells, list):
        raise UserError(f"{path}: {names} is not a cell array; expected one array for each set of networks")
    return cells


def _array(tree: Tree, what: str) -> Array:
    if isinstance(tree, (Mapping, list)):
        raise UserError(f"{what} is not an array; expected numbers")
    return tree  # type: ignore[return-value]


def _read_all(tree: Tree, what: str) -> Numbers:
    array = _array(tree, what)
    return array.read(0, array.shape[0])


def _distances(tree: Tree, path: Path) -> FloatArray | None:
    """Return the distances between units; None if the file has none, because the paper's grid is known."""
    try:
        distances = look_up(tree, DISTANCES, path)
    except UserError:
        return None
    return np.asarray(_read_all(distances, f"{path}: {DISTANCES}"), dtype=np.float64)


def _group(name: str, weights: Tree, accuracy: Tree, wanted: Wanted, path: Path) -> SourceGroup:
    what = f"{path}: {CONNECTIVITY} of {name}"
    array = _array(weights, what)
    if len(array.shape) != 4:
        raise UserError(f"{what} has shape {array.shape}; expected (network, epoch, unit, unit)")
    count, epoch_count, units = stack_dimensions(array.shape, what)
    first = 0 if wanted.keep_first else 1
    if count <= first:
        raise UserError(f"{what} contains one network, which is left out by default; keep it with --keep-first")
    epochs = epoch_indices(range(epoch_count), wanted, what)
    scores = _read_all(accuracy, f"{path}: {ACCURACY} of {name}")
    if scores.shape != (count, epoch_count, 2):
        raise UserError(
            f"{path}: {ACCURACY} of {name} has shape {scores.shape}; expected {(count, epoch_count, 2)}, with training "
            "and validation accuracy along the last dimension"
        )
    selected = scores[first:, epochs].astype(np.float64)

    def read(start: int, stop: int) -> Numbers:
        return array.read(start + first, stop + first)[:, epochs]

    return SourceGroup(
        name=name,
        count=count - first,
        units=units,
        epochs=tuple(epochs),
        read=read,
        strength=np.linspace(*PAPER_GROUPS[name].strengths, count)[first:],
        scores={"accuracy": selected[..., 0], "validation_accuracy": selected[..., 1]},
    )
