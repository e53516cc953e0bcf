"""Recording: the states of trained networks during trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spatialnets.aliases import FloatArray
from spatialnets.networks.ensemble import Ensemble
from spatialnets.protocols import RecurrentCore, Task, Trials
from spatialnets.rng import Stream, numpy_stream
from spatialnets.validation import require_at_least, require_not_negative

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Recording", "codes_of", "rebuild", "record", "windows"]


@dataclass(frozen=True)
class Recording:
    """The states of every unit, and the trials during which they were recorded.

    Parameters
    ----------
    states
        ``(network, trial, time, unit)``, float32, after the nonlinearity; NaN for networks that diverged.
    trials
        The trials of each network.
    """

    states: NDArray[np.float32]
    trials: tuple[Trials, ...]


def rebuild(shard: xr.Dataset, epoch: int, core: RecurrentCore, task: Task) -> Ensemble:
    """Return the networks of a shard as they were at the end of an epoch.

    Parameters
    ----------
    shard
        A shard as loaded from a run (see `spatialnets.runs.run.Run`).
    epoch
        The epoch; 0 is before training.
    core, task
        The networks' components; fields that differ between networks hold one value for each network of the shard.

    Returns
    -------
    Ensemble
        Float32, on the CPU. The weights of networks that diverged are NaN.

    Raises
    ------
    ValueError
        If the shard lacks a block of weights, or has one of another shape.
    """
    seeds = [int(seed) for seed in shard["seed"].to_numpy()]
    stored = shard.sel(epoch=epoch)
    # stored weights satisfy the constraints already
    unconstrained = dataclasses.replace(core, constraints=())
    ensemble = Ensemble(unconstrained, task.n_inputs, stored.sizes["pre"], task.n_outputs, seeds).float()
    projections = ensemble.projections()

    def block(name: str, like: Tensor) -> Tensor:
        if name not in stored:
            raise ValueError(f"the shard has no {name}, which {core!r} needs; it has {', '.join(map(str, stored))}")
        values = torch.from_numpy(np.ascontiguousarray(stored[name].to_numpy(), dtype=np.float32))
        if values.ndim == like.ndim - 1 and name.startswith("weights"):
            values = values[:, None]  # the only gate
        if values.shape != like.shape:
            raise ValueError(
                f"{name} has shape {tuple(values.shape)} in the shard, but {tuple(like.shape)} in {core!r}"
            )
        return values

    with torch.no_grad():
        for name, parameter in ensemble.own_parameters().items():
            parameter.copy_(block(f"parameter_{name}", parameter))
        kept = {
            name: block("weights" if name == "recurrent" else f"weights_{name}", projections[name])
            for name in projections
        }
        for name, values in kept.items():
            projections[name].copy_(values)
        for name, values in ensemble.projections().items():  # unchanged if it is not a view of a parameter
            if not torch.equal(values.nan_to_num(nan=0.0), kept[name].nan_to_num(nan=0.0)):
                raise ValueError(
                    f"the projection {name} of {core!r} is not a view of its parameters, so weights cannot be restored"
                )
    return ensemble.eval()


def record(
    shard: xr.Dataset, epoch: int, core: RecurrentCore, task: Task, trials: int = 640, input_noise: float = 0.0
) -> Recording:
    """Run the networks of a shard on new trials and return the states of their units.

    Trials and noise are drawn from streams of the network's seed, so a recording does not depend on the other networks.
    Without noise, equal trials are computed once.

    Parameters
    ----------
    shard, epoch, core, task
        As in `rebuild`.
    trials
        Number of trials of each network.
    input_noise
        Standard deviation of the Gaussian noise on every input; the paper's code uses none outside training.

    Returns
    -------
    Recording
        States ``(network, trial, time, unit)`` and trials.

    Raises
    ------
    ValueError
        As `rebuild`; or if `trials` is less than 1, or the noise negative.

    Examples
    --------
    >>> from spatialnets import Run
    >>> run = Run.open("runs/sernn_paper-1a2b3c4d")  # doctest: +SKIP
    >>> parts = run.parts("sernn", 3)  # doctest: +SKIP
    >>> recording = record(run["sernn"].sel(network=[3]), 9, parts.core, parts.task)  # doctest: +SKIP
    """
    require_at_least("trials", trials, 1)
    require_not_negative("input_noise", input_noise)
    ensemble = rebuild(shard, epoch, core, task)
    seeds = [int(seed) for seed in shard["seed"].to_numpy()]
    drawn = tuple(task.trials(trials, numpy_stream(seed, "recording trials")) for seed in seeds)
    inputs = torch.from_numpy(np.stack([one.inputs for one in drawn]).astype(np.float32, copy=False))
    with torch.no_grad():
        if input_noise:
            Stream.of(seeds, "recording noise").add_normals_to(inputs, torch.full((len(seeds),), input_noise))
            states = ensemble.recurrent(inputs).numpy()
        else:
            distinct, rows = _distinct(inputs.numpy())
            states = ensemble.recurrent(torch.from_numpy(distinct)).numpy()
            states = np.stack([each[row] for each, row in zip(states, rows, strict=True)])
    states[~_finite(ensemble)] = np.nan
    return Recording(states, drawn)


def _finite(ensemble: Ensemble) -> NDArray[np.bool_]:
    """Return which networks have only finite weights, ``(network,)``."""
    sums = [torch.isfinite(parameter.detach()).flatten(1).all(dim=1) for parameter in ensemble.parameters()]
    return np.asarray(torch.stack(sums).all(dim=0).numpy())


def _distinct(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distinct inputs ``(network, row, time, input)`` and the row of each trial, ``(network, trial)``.

    Networks with fewer distinct trials than others are padded with copies of their last.
    """
    n_networks, n_trials = inputs.shape[:2]
    rows = np.ascontiguousarray(inputs).reshape(n_networks, n_trials, -1)
    unique = [
        np.unique(each.view(np.dtype((np.void, each[0].nbytes))).ravel(), return_index=True, return_inverse=True)
        for each in rows
    ]
    most = max(len(first) for _, first, _ in unique)
    first = np.stack([np.pad(first, (0, most - len(first)), mode="edge") for _, first, _ in unique])
    return inputs[np.arange(n_networks)[:, None], first], np.stack([row.ravel() for _, _, row in unique])


def windows(states: ArrayLike, steps: int = 5) -> FloatArray:
    """Return the mean state in successive windows of time.

    Parameters
    ----------
    states
        ``(…, time, unit)``.
    steps
        Time steps per window; the last window is shorter if the trial length is not a multiple.

    Returns
    -------
    ndarray
        ``(…, window, unit)``.

    Raises
    ------
    ValueError
        If `steps` is less than 1, or the time dimension is missing or empty.

    Examples
    --------
    >>> windows([[1.0], [3.0], [5.0], [7.0]], steps=2).tolist()
    [[2.0], [6.0]]
    """
    values = np.asarray(states)
    require_at_least("steps", steps, 1)
    if values.ndim < 2 or not values.shape[-2]:
        raise ValueError(f"expected states (…, time, unit), got {values.shape}")
    starts = range(0, values.shape[-2], steps)
    return np.stack([values[..., at : at + steps, :].mean(axis=-2, dtype=np.float64) for at in starts], axis=-2)


def codes_of(trials: Trials) -> Mapping[str, NDArray[np.float32]]:
    """Return the variables that a unit may encode, by name, each ``(trial, column)``.

    These are the codes of the trials or, if there are none, their conditions, one-hot encoded.

    Examples
    --------
    >>> from spatialnets.tasks import OneChoice
    >>> {name: columns.shape for name, columns in codes_of(OneChoice().each_problem()).items()}
    {'goal': (8, 4), 'choices': (8, 4), 'correct': (8, 4)}
    """
    if trials.codes:
        return trials.codes
    return {name: _one_hot(values) for name, values in trials.conditions.items()}


def _one_hot(values: NDArray[Any]) -> NDArray[np.float32]:
    labels = np.unique(values)
    return np.asarray(values[:, None] == labels, dtype=np.float32)
