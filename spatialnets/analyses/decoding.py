"""Decoding: what of a task each unit represents, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.analyses.selection import Parts, Recorded, made_of, scored_epoch, varies
from spatialnets.errors import StorageError, UserError
from spatialnets.files.atomic import digest_of
from spatialnets.protocols import FloatArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["DEFAULT", "Decoding", "decode", "decoded", "refuse_unknown"]

FOLDS, REPEATS = 3, 2


def decode(states: ArrayLike, codes: Mapping[str, ArrayLike], seed: int = 0) -> tuple[FloatArray, FloatArray]:
    r"""Return how much of what a unit does each code explains.

    Each column of `states` is regressed on the columns of all codes by `spatialnets.statistics.lasso.lasso`, with the
    alpha that five-fold cross-validation finds best. In each of six divisions (three folds, dealt twice) the weights
    are fitted to two thirds of the trials; on the last third the explained variance is

    .. math:: V = 1 - \frac{\mathrm{Var}(y - X w)}{\mathrm{Var}(y)}

    and what a code explains is by how much that drops once its columns are set to zero. Where codes share the work, the
    drop of one can exceed 1.

    Parameters
    ----------
    states
        ``(trial, target)``.
    codes
        Predictors by name, each ``(trial, column)``.
    seed
        Deals trials to folds.

    Returns
    -------
    drops, explained
        ``(target, code)`` and ``(target,)``, means over divisions; 0 where a target does not vary, NaN where it is not
        finite.

    Raises
    ------
    ValueError
        If there is no code, trials differ in number, or there are fewer than six.

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
    from spatialnets.statistics.lasso import cross_validated_alpha, lasso, moments

    targets = np.asarray(states, dtype=np.float64)
    blocks = [np.asarray(columns, dtype=np.float64) for columns in codes.values()]
    if not blocks:
        raise ValueError("there is no code to decode")
    shapes = {name: block.shape for name, block in zip(codes, blocks, strict=True)}
    if targets.ndim != 2 or any(len(shape) != 2 or shape[0] != len(targets) for shape in shapes.values()):
        raise ValueError(f"expected states (trial, target) and codes (trial, column), got {targets.shape} and {shapes}")
    if len(targets) < 2 * FOLDS:
        raise ValueError(f"expected {2 * FOLDS} trials or more, got {len(targets)}")
    predictors = np.concatenate(blocks, axis=1)
    owner = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
    drops, explained = np.zeros((targets.shape[1], len(blocks))), np.zeros(targets.shape[1])
    finite = np.isfinite(targets).all(axis=0)
    drops[~finite], explained[~finite] = np.nan, np.nan
    alive = finite & varies(np.where(finite, targets, 0))
    if not alive.any():
        return drops, explained

    targets = targets[:, alive]
    alpha = cross_validated_alpha(predictors, targets)
    generator = np.random.default_rng(seed)
    drop, whole = np.zeros((targets.shape[1], len(blocks))), np.zeros(targets.shape[1])
    for _ in range(REPEATS):
        order = generator.permutation(len(targets))
        for held in np.array_split(order, FOLDS):
            kept = np.setdiff1d(order, held)
            weights, _ = lasso(predictors[kept], targets[kept], alpha)
            test = moments(predictors[held], targets[held])
            spread = test.squares
            some = varies(targets[held])  # by more than rounding

            def share(weights: FloatArray, known: Any = test, some: Any = some, spread: Any = spread) -> FloatArray:
                left = np.divide(known.unexplained(weights), spread, out=np.ones_like(spread), where=some)
                return np.asarray(1 - left)

            all_codes = share(weights)
            whole += all_codes
            for place in range(len(blocks)):
                drop[:, place] += all_codes - share(np.where(owner == place, 0, weights))
    drops[alive], explained[alive] = drop / (FOLDS * REPEATS), whole / (FOLDS * REPEATS)
    return drops, explained


@dataclass(frozen=True)
class Decoding(Recorded):
    """What each unit represents in each window of the trial: goal, choices, correct choice.

    ``explained_variance`` is how much of a unit's variance is lost without a code (see `decode`);
    ``explained_variance_all`` is what all codes explain together. Networks that have not learned the task are NaN.

    The paper does not say how trials were recorded and coded. Here networks are recorded as the authors' code tests
    them, without input noise, and states are those after the nonlinearity. The task says how its codes are written (in
    one-choice inference, goal and correct choice one-hot, the choices as two ones in four columns).

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        What is recorded, and of which networks: see `spatialnets.analyses.selection.Recorded`.
    steps_per_window
        States are averaged in windows of so many steps.
    predictors
        Which codes; by default all that the task's trials have.
    seed
        Deals trials to folds, the same for all networks.

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
        for name, least in (("trials", 2 * FOLDS), ("steps_per_window", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if len(set(self.predictors)) < len(self.predictors):
            raise ValueError(f"predictors must differ, not {', '.join(self.predictors)}")

    def of_shard(self, shard: xr.Dataset, parts: Parts) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from."""
        import xarray as xr

        from spatialnets.networks.recording import codes_of, windows

        epoch, group = scored_epoch(shard, self.epoch), str(shard.attrs["group"])
        made = made_of(parts, group, int(shard["network"][0]))
        example = made.task.trials(1, np.random.default_rng(0))
        names = self.predictors or tuple(codes_of(example))
        there = tuple(codes_of(example))
        unknown = [name for name in names if name not in there]
        if unknown:
            raise UserError(f"{made.task!r} has no code {', '.join(unknown)}; it has {', '.join(there)}")
        starts = np.arange(0, example.inputs.shape[1], self.steps_per_window)
        shape = (shard.sizes["network"], 1, shard.sizes["pre"], len(starts))
        drops = np.full((*shape, len(names)), np.nan, dtype=np.float32)
        explained = np.full(shape, np.nan, dtype=np.float32)
        for place, recording in self.recordings(shard, parts):
            means = windows(recording.states[0], self.steps_per_window)  # (trial, window, unit)
            codes = codes_of(recording.trials[0])
            drop, whole = decode(means.reshape(len(means), -1), {name: codes[name] for name in names}, self.seed)
            drops[place, 0] = drop.reshape(len(starts), -1, len(names)).transpose(1, 0, 2)
            explained[place, 0] = whole.reshape(len(starts), -1).T
        over = ("network", "epoch", "unit", "window")
        return xr.Dataset(
            {
                "explained_variance": (
                    (*over, "predictor"),
                    drops,
                    {"long_name": "variance explained by a code alone", "units": "1"},
                ),
                "explained_variance_all": (
                    over,
                    explained,
                    {"long_name": "variance explained by all codes", "units": "1"},
                ),
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


DEFAULT = Decoding()


def refuse_unknown(codes: Sequence[str], table: xr.Dataset) -> None:
    """Raise a UserError if a decoding does not hold some codes."""
    there = table["predictor"].to_numpy().tolist()
    unknown = [code for code in codes if code not in there]
    if unknown:
        raise UserError(
            f"the task has no code {', '.join(unknown)}, but {', '.join(there)}; choose two as first and second"
        )


def decoded(decoding: Decoding, shard: xr.Dataset, parts: Parts, folder: Path) -> xr.Dataset:
    """Return the decoding of a shard: as the run has it stored, if by the same settings; else measured now."""
    path = folder / "analyses" / "decoding.nc"
    stored = _stored(path)
    if stored is not None and stored.attrs.get("analysis") == repr(decoding):
        rows = np.flatnonzero(stored["group"].to_numpy() == shard.attrs["group"])
        numbers = stored["network"].to_numpy()[rows].tolist()
        wanted = shard["network"].to_numpy().tolist()
        if set(wanted) <= set(numbers):
            epoch = [scored_epoch(shard, decoding.epoch)]
            own = stored.isel(network=[rows[numbers.index(number)] for number in wanted]).sel(epoch=epoch)
            return own
    return decoding.of_shard(shard, parts)


def _stored(path: Path) -> xr.Dataset | None:
    """Return a stored measurement; none if there is none, or a damaged one, which is measured anew."""
    try:
        return _loaded(path, digest_of(path))
    except (OSError, StorageError):
        return None


@lru_cache(maxsize=1)
def _loaded(path: Path, digest: str) -> xr.Dataset:
    """Load a stored measurement once, until its content changes."""
    from spatialnets.files.netcdf import read_dataset

    return read_dataset(path)
