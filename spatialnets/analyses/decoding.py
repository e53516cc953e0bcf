"""Decoding: how much each task variable explains of each unit's activity, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.analyses.selection import RecordingAnalysis, Setups, scored_epoch, setup_of, varies
from spatialnets.analyses.wiring import build_dataset
from spatialnets.errors import StorageError, UserError
from spatialnets.files.atomic import digest_of
from spatialnets.validation import require_at_least

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DEFAULT_DECODING", "Decoding", "check_codes", "decode", "load_or_decode"]

FOLDS, REPEATS = 3, 2


def decode(states: ArrayLike, codes: Mapping[str, ArrayLike], seed: int = 0) -> tuple[FloatArray, FloatArray]:
    r"""Return how much of each unit's variance each code explains alone, and all codes explain together.

    Each column of `states` is regressed on the columns of all codes by `spatialnets.statistics.lasso.lasso`, with the
    alpha chosen by five-fold cross-validation. The trials are divided six times (three folds, two repeats): weights are
    fitted to two thirds of the trials, and on the remaining third the explained variance is

    .. math:: V = 1 - \frac{\mathrm{Var}(y - X w)}{\mathrm{Var}(y)}

    The variance explained by one code is the drop in :math:`V` when its columns are set to zero. If codes are
    correlated, the drop of one can exceed 1.

    Parameters
    ----------
    states
        ``(trial, target)``.
    codes
        Predictors by name, each ``(trial, column)``.
    seed
        Seed of the random folds.

    Returns
    -------
    drops, explained
        ``(target, code)`` and ``(target,)``, means over the six divisions; 0 for targets that do not vary, NaN for
        targets that are not finite.

    Raises
    ------
    ValueError
        If there are no codes, numbers of trials differ, or there are fewer than six trials.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods, "Decoding".

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> goal, choices = (np.eye(4)[generator.integers(4, size=300)] for _ in range(2))
    >>> states = np.stack([goal @ [0, 1, 2, 3], choices @ [3, 0, 0, 1]], axis=1)
    >>> drops, explained = decode(states, {"goal": goal, "choices": choices})
    >>> drops.round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    from spatialnets.statistics.lasso import cross_validated_alpha, lasso

    targets = np.asarray(states, dtype=np.float64)
    blocks = [np.asarray(columns, dtype=np.float64) for columns in codes.values()]
    if not blocks:
        raise ValueError("codes must contain at least one code")
    shapes = {name: block.shape for name, block in zip(codes, blocks, strict=True)}
    if targets.ndim != 2 or any(len(shape) != 2 or shape[0] != len(targets) for shape in shapes.values()):
        raise ValueError(f"expected states (trial, target) and codes (trial, column), got {targets.shape} and {shapes}")
    require_at_least("the number of trials", len(targets), 2 * FOLDS)
    predictors = np.concatenate(blocks, axis=1)
    code_of = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    drops, explained = np.zeros((targets.shape[1], len(blocks))), np.zeros(targets.shape[1])
    finite = np.isfinite(targets).all(axis=0)
    drops[~finite], explained[~finite] = np.nan, np.nan
    alive = finite & varies(np.where(finite, targets, 0))
    if not alive.any():
        return drops, explained

    targets = targets[:, alive]
    alpha = cross_validated_alpha(predictors, targets)
    generator = np.random.default_rng(seed)
    drop, total = np.zeros((targets.shape[1], len(blocks))), np.zeros(targets.shape[1])
    for _ in range(REPEATS):
        order = generator.permutation(len(targets))
        for held_out in np.array_split(order, FOLDS):
            train = np.setdiff1d(order, held_out)
            weights, _ = lasso(predictors[train], targets[train], alpha)
            zeroed = [np.where(code_of == code, 0, weights) for code in range(len(blocks))]
            all_codes, *without = _explained_variance(
                predictors[held_out], targets[held_out], np.stack([weights, *zeroed])
            )
            total += all_codes
            drop += np.stack([all_codes - rest for rest in without], axis=1)
    drops[alive], explained[alive] = drop / (FOLDS * REPEATS), total / (FOLDS * REPEATS)
    return drops, explained


def _explained_variance(predictors: FloatArray, targets: FloatArray, weights: FloatArray) -> FloatArray:
    """Return V on held-out trials, ``(…, target)``; 0 for targets that do not vary among them."""
    from spatialnets.statistics.lasso import squared_residuals

    x, y = predictors - predictors.mean(axis=0), targets - targets.mean(axis=0)
    residual = squared_residuals(x, y, weights)
    return 1 - np.divide(residual, np.square(y).sum(axis=0), out=np.ones_like(residual), where=varies(targets))


@dataclass(frozen=True)
class Decoding(RecordingAnalysis):
    """Measure how much goal, choices and correct choice explain of each unit's activity in each window of a trial.

    ``explained_variance`` is the variance explained by one code alone and ``explained_variance_all`` by all codes
    together (see `decode`). Networks that have not learned the task are NaN.

    The paper does not state how trials were recorded and coded. Here networks are recorded as in the tests of the
    authors' code, without input noise, and states are those after the nonlinearity. The task defines its codes (in
    one-choice inference: goal and correct choice one-hot, choices as two ones in four columns).

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        Recording settings and which networks are measured; see `spatialnets.analyses.selection.RecordingAnalysis`.
    steps_per_window
        Number of time steps over which states are averaged.
    predictors
        Names of the codes; by default all codes of the task's trials.
    seed
        Seed of the random folds, the same for all networks.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods, "Decoding"; Tibshirani (1996).
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "tibshirani1996")

    steps_per_window: int = 5
    predictors: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, minimum in (("trials", 2 * FOLDS), ("steps_per_window", 1), ("seed", 0)):
            require_at_least(name, getattr(self, name), minimum)
        if len(set(self.predictors)) < len(self.predictors):
            raise ValueError(f"predictors must be different codes, not {', '.join(self.predictors)}")

    def of_shard(self, shard: xr.Dataset, setups: Setups) -> xr.Dataset:
        """Measure one shard; `setups` gives the core and task of each network."""
        from spatialnets.networks.recording import codes_of, windows

        epoch, group = scored_epoch(shard, self.epoch), str(shard.attrs["group"])
        task = setup_of(setups, group, int(shard["network"][0])).task
        example = task.trials(1, np.random.default_rng(0))
        available = tuple(codes_of(example))
        names = self.predictors or available
        unknown = [name for name in names if name not in available]
        if unknown:
            raise UserError(f"{task!r} has no code {', '.join(unknown)}; its codes are {', '.join(available)}")
        starts = np.arange(0, example.inputs.shape[1], self.steps_per_window)
        shape = (shard.sizes["network"], 1, shard.sizes["pre"], len(starts))
        drops = np.full((*shape, len(names)), np.nan, dtype=np.float32)
        explained = np.full(shape, np.nan, dtype=np.float32)
        for row, recording in self.recordings(shard, setups):
            means = windows(recording.states[0], self.steps_per_window)  # (trial, window, unit)
            codes = codes_of(recording.trials[0])
            drop, total = decode(means.reshape(len(means), -1), {name: codes[name] for name in names}, self.seed)
            drops[row, 0] = drop.reshape(len(starts), -1, len(names)).transpose(1, 0, 2)
            explained[row, 0] = total.reshape(len(starts), -1).T
        dims = ("network", "epoch", "unit", "window")
        return build_dataset(
            {
                "explained_variance": ((*dims, "predictor"), drops, "variance explained by one code alone", "1"),
                "explained_variance_all": (dims, explained, "variance explained by all codes together", "1"),
            },
            {
                "network": shard["network"],
                "epoch": [epoch],
                "unit": np.arange(shard.sizes["pre"]),
                "window": np.arange(len(starts)),
                "window_start": ("window", starts, {"long_name": "first step of the window", "units": "step"}),
                "predictor": np.array(names, dtype=object),
            },
        )


DEFAULT_DECODING = Decoding()


def check_codes(codes: Sequence[str], table: xr.Dataset) -> None:
    """Raise a UserError if a decoding lacks one of the codes."""
    available = table["predictor"].to_numpy().tolist()
    unknown = [code for code in codes if code not in available]
    if unknown:
        raise UserError(
            f"the task has no code {', '.join(unknown)}; set first and second to two of {', '.join(available)}"
        )


def load_or_decode(decoding: Decoding, shard: xr.Dataset, setups: Setups, folder: Path) -> xr.Dataset:
    """Return the decoding of a shard: the one stored in the run if its settings are the same, otherwise a new one."""
    stored = _load_stored(folder / "analyses" / "decoding.nc")
    if stored is not None and stored.attrs.get("analysis") == repr(decoding):
        rows = np.flatnonzero(stored["group"].to_numpy() == shard.attrs["group"])
        numbers = stored["network"].to_numpy()[rows].tolist()
        requested = shard["network"].to_numpy().tolist()
        if set(requested) <= set(numbers):
            epoch = [scored_epoch(shard, decoding.epoch)]
            return stored.isel(network=[rows[numbers.index(number)] for number in requested]).sel(epoch=epoch)
    return decoding.of_shard(shard, setups)


def _load_stored(path: Path) -> xr.Dataset | None:
    """Return a stored measurement, or None if it is missing or damaged and has to be measured again."""
    try:
        return _load(path, digest_of(path))
    except (OSError, StorageError):
        return None


@lru_cache(maxsize=1)
def _load(path: Path, digest: str) -> xr.Dataset:
    """Load a stored measurement; the digest keeps the cache from returning it after the file has changed."""
    from spatialnets.files.netcdf import read_dataset

    return read_dataset(path)
