"""Recording: what the units of trained networks do while they work on trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spatialnets.networks.ensemble import Ensemble
from spatialnets.protocols import FloatArray, RecurrentCore, Task, Trials
from spatialnets.rng import numpy_stream, torch_stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Recording", "codes_of", "rebuild", "record", "windows"]


@dataclass(frozen=True)
class Recording:
    """The states of every unit, and the trials during which they were recorded.

    Parameters
    ----------
    states
        ``(network, trial, time, unit)``, float32, after the nonlinearity; NaN for a network that diverged.
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
        Networks as `spatialnets.runs.run.Run` stores them: everything that was learned, by name.
    epoch
        Which epoch; 0 is before training.
    core, task
        What the networks were made from; fields that differ per network hold one value for each of the shard's.

    Returns
    -------
    Ensemble
        Float32, on the CPU. A network that diverged has weights that are not finite.

    Raises
    ------
    ValueError
        If the shard does not hold every block of such a network in its shape, or if what it holds does not determine
        the network.
    """
    seeds = [int(seed) for seed in shard["seed"].to_numpy()]
    stored = shard.sel(epoch=epoch)
    # weights are stored as they must be, so that nothing needs to constrain them
    free = dataclasses.replace(core, constraints=())
    ensemble = Ensemble(free, task.n_inputs, stored.sizes["pre"], task.n_outputs, seeds).float()
    projections = ensemble.projections()

    def block(name: str, like: Tensor) -> Tensor:
        if name not in stored:
            raise ValueError(f"the shard holds no {name}, which {core!r} needs; it holds {', '.join(map(str, stored))}")
        values = torch.from_numpy(np.ascontiguousarray(stored[name].to_numpy(), dtype=np.float32))
        if values.ndim == like.ndim - 1 and name.startswith("weights"):
            values = values[:, None]  # of one gate
        if values.shape != like.shape:
            raise ValueError(f"{name} is {tuple(values.shape)} in the shard, but {tuple(like.shape)} in {core!r}")
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
        for (
            name,
            values,
        ) in ensemble.projections().items():  # a projection that is no view of a parameter stays as it was
            if not torch.equal(values.nan_to_num(nan=0.0), kept[name].nan_to_num(nan=0.0)):
                raise ValueError(f"the projection {name} of {core!r} is computed, so that weights cannot be put back")
    return ensemble.eval()


def record(
    shard: xr.Dataset, epoch: int, core: RecurrentCore, task: Task, trials: int = 640, input_noise: float = 0.0
) -> Recording:
    """Let the networks of a shard work on new trials, and return the states of their units.

    Trials and noise come from streams of the network's own seed, so that a recording is the same alone and in company.
    Where there is no noise, trials that are equal are computed once.

    Parameters
    ----------
    shard, epoch, core, task
        As in `rebuild`.
    trials
        How many trials of each network.
    input_noise
        Standard deviation of the Gaussian noise on every input; in the paper's code there was none outside training.

    Returns
    -------
    Recording
        States ``(network, trial, time, unit)`` and trials.

    Raises
    ------
    ValueError
        As `rebuild`, or if there is less than one trial, or noise below zero.

    Examples
    --------
    >>> from spatialnets import Run
    >>> run = Run.open("runs/sernn_paper-1a2b3c4d")  # doctest: +SKIP
    >>> parts = run.parts("sernn", 3)  # doctest: +SKIP
    >>> recording = record(run["sernn"].sel(network=[3]), 9, parts.core, parts.task)  # doctest: +SKIP
    """
    if trials < 1:
        raise ValueError(f"trials must be 1 or more, not {trials}")
    if not (np.isfinite(input_noise) and input_noise >= 0):
        raise ValueError(f"input_noise must be finite and not negative, not {input_noise}")
    ensemble = rebuild(shard, epoch, core, task)
    seeds = [int(seed) for seed in shard["seed"].to_numpy()]
    drawn = tuple(task.trials(trials, numpy_stream(seed, "recording trials")) for seed in seeds)
    inputs = torch.from_numpy(np.stack([one.inputs for one in drawn]).astype(np.float32, copy=False))
    with torch.no_grad():
        if input_noise:
            noise = [torch.randn(inputs.shape[1:], generator=torch_stream(seed, "recording noise")) for seed in seeds]
            states = ensemble.recurrent(inputs + input_noise * torch.stack(noise)).numpy()
        else:
            shown, place = _distinct(inputs.numpy())
            states = ensemble.recurrent(torch.from_numpy(shown)).numpy()
            states = np.stack([own[which] for own, which in zip(states, place, strict=True)])
    states[~_finite(ensemble)] = np.nan
    return Recording(states, drawn)


def _finite(ensemble: Ensemble) -> NDArray[np.bool_]:
    """Tell which networks have nothing but finite weights, ``(network,)``."""
    sums = [torch.isfinite(parameter.detach()).flatten(1).all(dim=1) for parameter in ensemble.parameters()]
    return np.asarray(torch.stack(sums).all(dim=0).numpy())


def _distinct(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distinct inputs ``(network, row, time, input)`` and the row of each trial ``(network, trial)``.

    Networks with fewer distinct trials than others are filled up with copies of their first.
    """
    n_networks, n_trials = inputs.shape[:2]
    rows = np.ascontiguousarray(inputs).reshape(n_networks, n_trials, -1)
    found = [
        np.unique(own.view(np.dtype((np.void, own[0].nbytes))).ravel(), return_index=True, return_inverse=True)
        for own in rows
    ]
    longest = max(len(first) for _, first, _ in found)
    first = np.stack([np.pad(first, (0, longest - len(first)), mode="edge") for _, first, _ in found])
    return inputs[np.arange(n_networks)[:, None], first], np.stack([place.ravel() for _, _, place in found])


def windows(states: ArrayLike, steps: int = 5) -> FloatArray:
    """Return the mean state in windows of a few steps each.

    Parameters
    ----------
    states
        ``(…, time, unit)``.
    steps
        Length of a window; the last one is shorter if the trial is no multiple of it.

    Returns
    -------
    ndarray
        ``(…, window, unit)``.

    Raises
    ------
    ValueError
        If `steps` is less than 1, or there is no dimension for time.

    Examples
    --------
    >>> windows([[1.0], [3.0], [5.0], [7.0]], steps=2).tolist()
    [[2.0], [6.0]]
    """
    values = np.asarray(states)
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, not {steps}")
    if values.ndim < 2 or not values.shape[-2]:
        raise ValueError(f"expected states (…, time, unit), got {values.shape}")
    starts = range(0, values.shape[-2], steps)
    return np.stack([values[..., at : at + steps, :].mean(axis=-2, dtype=np.float64) for at in starts], axis=-2)


def codes_of(trials: Trials) -> Mapping[str, NDArray[np.float32]]:
    """Return what a unit may represent, by name, each ``(trial, column)``: codes, or else the conditions one-hot.

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
