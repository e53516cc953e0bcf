"""The authors' own networks: ``rate_data.mat``, osf.io/vw2ac."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatialnets.errors import UserError, nearest
from spatialnets.importing.matlab import Array, Tree, follow, open_tree
from spatialnets.importing.source import (
    Numbers,
    Source,
    SourceGroup,
    Wanted,
    places_of,
    reading,
    stack_of,
)
from spatialnets.protocols import FloatArray

__all__ = ["CONNECTIVITY", "PAPER_GROUPS", "PaperGroup", "open_rate_data"]

CONNECTIVITY = "network_data.trained_rnns.connectivity"
ACCURACY = "network_data.accuracy.accuracy"
DISTANCES = "network_data.trained_rnns.space.euclidean"


class PaperGroup(NamedTuple):
    """How networks of the paper were trained.

    Parameters
    ----------
    regularizer, task
        The parts' blocks.
    strengths
        The first and the last strength of the set; networks between them are evenly spaced.
    """

    regularizer: Mapping[str, Any]
    task: Mapping[str, Any]
    strengths: tuple[float, float]


PAPER_GROUPS = {
    "l1": PaperGroup({"kind": "l1"}, {"kind": "one_choice"}, (1e-5, 0.04)),
    "sernn": PaperGroup({"kind": "both"}, {"kind": "one_choice"}, (1e-6, 1.0)),
    "distance_only": PaperGroup({"kind": "distance"}, {"kind": "one_choice"}, (1e-5, 0.02)),
    # the analysis code repeats the line above here, at which the published penalty is negligible
    "communicability_only": PaperGroup({"kind": "communicability"}, {"kind": "one_choice"}, (1e-5, 3.0)),
    "shuffled_labels": PaperGroup({"kind": "both"}, {"kind": "one_choice", "labels": "shuffled"}, (1e-6, 1.0)),
    "hard": PaperGroup({"kind": "both"}, {"kind": "one_choice", "problems": "hard"}, (1e-6, 1.0)),
}
"""The paper's sets of networks, in the file's order, by the names that presets give them."""


@contextmanager
def open_rate_data(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open the authors' file; matrices are read when they are asked for."""
    with open_tree(path) as tree:
        with reading(path, "rate_data.mat"):
            cells = _cells(tree, CONNECTIVITY, path)
            accuracies = _cells(tree, ACCURACY, path)
            if len(cells) > len(PAPER_GROUPS) or len(accuracies) != len(cells):
                raise UserError(
                    f"{path} has {len(cells)} sets of networks and accuracies of {len(accuracies)}; expected at most "
                    f"{len(PAPER_GROUPS)}, and as many of both: {', '.join(PAPER_GROUPS)}"
                )
            names = list(PAPER_GROUPS)[: len(cells)]
            absent = [name for name in wanted.groups if name not in names]
            if absent:
                raise UserError(f"{path} has no group '{absent[0]}': {nearest(absent[0], names)}")
            sets = zip(names, cells, accuracies, strict=True)
            groups = [
                _group(name, weights, accuracy, wanted, path)
                for name, weights, accuracy in sets
                if not wanted.groups or name in wanted.groups
            ]
            distances = _distances(tree, path)
        notes = [
            "the file does not say how strong penalties were: strengths are assumed to be evenly spaced, "
            + ", ".join(
                f"{group.name} {'{:g} to {:g}'.format(*PAPER_GROUPS[group.name].strengths)}" for group in groups
            )
        ]
        if not wanted.keep_first:
            notes.append(
                "the first network of each set is left out, as in the authors' statistics: network k here is k + 2 in "
                "MATLAB"
            )
        yield Source(tuple(groups), distances=distances, notes=tuple(notes))


def _cells(tree: Tree, names: str, path: Path) -> list[Tree]:
    found = follow(tree, names, path)
    if not isinstance(found, list):
        raise UserError(f"{path}: {names} is no cell; expected one array for each set of networks")
    return found


def _array(tree: Tree, what: str) -> Array:
    if isinstance(tree, (Mapping, list)):
        raise UserError(f"{what} is no array; expected numbers")
    return tree  # type: ignore[return-value]


def _whole(tree: Tree, what: str) -> Numbers:
    array = _array(tree, what)
    return array.read(0, array.shape[0])


def _distances(tree: Tree, path: Path) -> FloatArray | None:
    """Return distances, of which the authors' analyses can do without: their units are known to be the grid's."""
    try:
        found = follow(tree, DISTANCES, path)
    except UserError:
        return None
    return np.asarray(_whole(found, f"{path}: {DISTANCES}"), dtype=np.float64)


def _group(name: str, weights: Tree, accuracy: Tree, wanted: Wanted, path: Path) -> SourceGroup:
    what = f"{path}: {CONNECTIVITY} of {name}"
    array = _array(weights, what)
    if len(array.shape) != 4:
        raise UserError(f"{what} has shape {array.shape}; expected (network, epoch, unit, unit)")
    count, epoch_count, units = stack_of(array.shape, what)
    first = 0 if wanted.keep_first else 1
    if count <= first:
        raise UserError(f"{what} holds one network, which is left out; keep it with --keep-first")
    places = places_of(range(epoch_count), wanted, what)
    scores = _whole(accuracy, f"{path}: {ACCURACY} of {name}")
    if scores.shape != (count, epoch_count, 2):
        raise UserError(
            f"{path}: {ACCURACY} of {name} has shape {scores.shape}; its weights ask for {(count, epoch_count, 2)}, "
            "the last dimension training and validation"
        )
    kept = scores[first:, places].astype(np.float64)

    def read(start: int, stop: int) -> Numbers:
        return array.read(start + first, stop + first)[:, places]

    return SourceGroup(
        name=name,
        count=count - first,
        units=units,
        epochs=tuple(places),
        read=read,
        strength=np.linspace(*PAPER_GROUPS[name].strengths, count)[first:],
        scores={"accuracy": kept[..., 0], "validation_accuracy": kept[..., 1]},
    )
