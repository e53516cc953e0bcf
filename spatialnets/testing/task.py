"""What every task promises."""

from __future__ import annotations

import numpy as np

from spatialnets.protocols import Task

__all__ = ["check_task"]


def check_task(task: Task, count: int = 64) -> None:
    """Check that a task keeps its promises.

    Trials of the right shapes and types, the same for the same stream; conditions and codes for every
    trial; named periods within the trial; something asked at some step; and scores that reward right answers and look
    at nothing else.

    Parameters
    ----------
    task
        Any task whose targets are what a perfect network answers.
    count
        How many trials to draw.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from spatialnets.tasks import OneChoice
    >>> check_task(OneChoice())
    """
    import torch

    name = type(task).__name__
    trials, again = (task.trials(count, np.random.default_rng(3)) for _ in range(2))
    n_steps = trials.inputs.shape[1]
    shapes = {
        "inputs": (count, n_steps, task.n_inputs),
        "targets": (count, n_steps, task.n_outputs),
        "mask": (count, n_steps),
    }
    for part, shape in shapes.items():
        values = getattr(trials, part)
        assert values.shape == shape, f"{name}: {part} must be {shape}, not {values.shape}"
        assert values.dtype == np.float32, f"{name}: {part} must be float32, not {values.dtype}"
        assert np.isfinite(values).all(), f"{name}: {part} must be finite"
        assert np.array_equal(values, getattr(again, part)), f"{name}: the same stream must give the same {part}"
    other = task.trials(count, np.random.default_rng(4))
    assert not np.array_equal(trials.inputs, other.inputs), f"{name}: another stream must give other trials"
    assert (trials.mask >= 0).all(), f"{name}: the mask must not be negative"
    assert (trials.mask.sum(axis=1) > 0).all(), f"{name}: every trial must ask something"
    for condition, values in trials.conditions.items():
        assert len(values) == count, f"{name}: condition '{condition}' must have one value per trial"
    for code, columns in trials.codes.items():
        assert columns.ndim == 2, f"{name}: code '{code}' must be (trial, column), not {columns.shape}"
        assert len(columns) == count, f"{name}: code '{code}' must have one row per trial"
        assert columns.shape[1] > 0, f"{name}: code '{code}' must have a column"
        assert columns.dtype == np.float32, f"{name}: code '{code}' must be float32, not {columns.dtype}"
        assert np.isfinite(columns).all(), f"{name}: code '{code}' must be finite"
    assert trials.periods, f"{name}: there must be a period"
    for period, (start, stop) in trials.periods.items():
        assert 0 <= start <= stop <= n_steps, f"{name}: period '{period}' must lie within the trial"

    targets, mask = torch.tensor(trials.targets)[None], torch.tensor(trials.mask)[None]
    total = targets.sum(dim=-1)
    probabilities = bool((targets >= 0).all() & ((total == 0) | ((total - 1).abs() < 1e-5)).all())
    sure = 8 if probabilities else 1  # logits of a network that is sure, or the very numbers that are asked
    right, wrong = sure * targets, -sure * targets
    assert task.loss(right, targets, mask).shape == (1,), f"{name}.loss() must be (network,)"
    assert float(task.loss(right, targets, mask)) < float(task.loss(wrong, targets, mask)), (
        f"{name}: right answers must cost less than wrong ones"
    )
    assert float(task.accuracy(right, targets, mask)) == 1, f"{name}: right answers must score 1"
    assert float(task.accuracy(wrong, targets, mask)) < 1, f"{name}: wrong answers must score less"
    elsewhere = torch.where(
        mask[..., None] > 0, right, torch.randn(right.shape, generator=torch.Generator().manual_seed(0))
    )
    assert torch.equal(task.loss(elsewhere, targets, mask), task.loss(right, targets, mask)), (
        f"{name}: what is answered where nothing is asked must not matter"
    )
    both = task.loss(torch.cat([right, wrong]), torch.cat([targets, targets]), torch.cat([mask, mask]))
    assert torch.allclose(both[:1], task.loss(right, targets, mask)), f"{name}: networks must be scored apart"
