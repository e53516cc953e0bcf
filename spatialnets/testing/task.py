"""The contract of tasks."""

from __future__ import annotations

import numpy as np

from spatialnets.protocols import Task, Trials

__all__ = ["check_task"]


def check_task(task: Task, count: int = 64) -> None:
    """Check that a task satisfies its contract.

    - Trials have the right shapes and types, and are determined by the random generator.
    - If trials have numbers, those of the numbers that a generator draws are the trials that it draws.
    - Every trial has conditions and codes, and requires an output at some step; periods lie within the trial.
    - Loss and accuracy reward correct outputs, are computed for each network separately, and ignore masked steps.

    Parameters
    ----------
    task
        Any task whose targets are the outputs of a perfect network.
    count
        Number of trials to draw.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

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
        assert values.shape == shape, f"{name}: {part} must have shape {shape}, not {values.shape}"
        assert values.dtype == np.float32, f"{name}: {part} must be float32, not {values.dtype}"
        assert np.isfinite(values).all(), f"{name}: {part} must be finite"
        assert np.array_equal(values, getattr(again, part)), f"{name}: {part} must depend only on the generator"
    if task.draws_numbers:
        _check_numbers(task, trials)
    other = task.trials(count, np.random.default_rng(4))
    assert not np.array_equal(trials.inputs, other.inputs), f"{name}: trials must depend on the generator"
    assert (trials.mask >= 0).all(), f"{name}: the mask must not be negative"
    assert (trials.mask.sum(axis=1) > 0).all(), f"{name}: every trial must require an output at some step"
    for condition, values in trials.conditions.items():
        assert len(values) == count, f"{name}: condition '{condition}' must have one value for each trial"
    for code, columns in trials.codes.items():
        assert columns.ndim == 2, f"{name}: code '{code}' must have shape (trial, column), not {columns.shape}"
        assert len(columns) == count, f"{name}: code '{code}' must have one row for each trial"
        assert columns.shape[1] > 0, f"{name}: code '{code}' must have at least one column"
        assert columns.dtype == np.float32, f"{name}: code '{code}' must be float32, not {columns.dtype}"
        assert np.isfinite(columns).all(), f"{name}: code '{code}' must be finite"
    assert trials.periods, f"{name}: trials must have at least one period"
    for period, (start, stop) in trials.periods.items():
        assert 0 <= start <= stop <= n_steps, f"{name}: period '{period}' must lie within the trial"

    targets, mask = torch.tensor(trials.targets)[None], torch.tensor(trials.mask)[None]
    total = targets.sum(dim=-1)
    probabilities = bool((targets >= 0).all() & ((total == 0) | ((total - 1).abs() < 1e-5)).all())
    scale = 8 if probabilities else 1  # confident logits, or the required numbers themselves
    correct, wrong = scale * targets, -scale * targets
    loss = task.loss(correct, targets, mask)
    assert loss.shape == (1,), f"{name}.loss() must have shape (network,)"
    assert float(loss) < float(task.loss(wrong, targets, mask)), f"{name}: correct outputs must have a lower loss"
    assert float(task.accuracy(correct, targets, mask)) == 1, f"{name}: correct outputs must have accuracy 1"
    assert float(task.accuracy(wrong, targets, mask)) < 1, f"{name}: wrong outputs must have accuracy below 1"
    noise = torch.randn(correct.shape, generator=torch.Generator().manual_seed(0))
    elsewhere = torch.where(mask[..., None] > 0, correct, noise)
    assert torch.equal(task.loss(elsewhere, targets, mask), loss), f"{name}: outputs at masked steps must not matter"
    both = task.loss(torch.cat([correct, wrong]), torch.cat([targets, targets]), torch.cat([mask, mask]))
    assert torch.allclose(both[:1], loss), f"{name}: the loss of a network must not depend on other networks"


def _check_numbers(task: Task, trials: Trials) -> None:
    """Check that trials can be built from their numbers, in any order."""
    name, count = type(task).__name__, len(trials)
    numbers = task.draw_numbers(count, np.random.default_rng(3))
    assert numbers.shape == (count,), f"{name}: draw_numbers must return one number for each trial, not {numbers.shape}"
    assert numbers.dtype == np.int64, f"{name}: the numbers of trials must be int64, not {numbers.dtype}"
    reverse = slice(None, None, -1)
    for order in (slice(None), reverse):
        built = task.numbered(numbers[order])
        assert built.periods == trials.periods, f"{name}: periods of numbered trials must be those of trials"
        for part in ("inputs", "targets", "mask"):
            same = np.array_equal(getattr(built, part), getattr(trials, part)[order])
            assert same, f"{name}: {part} of numbered trials must be those of the trials that the same generator draws"
        for kind in ("conditions", "codes"):
            one, other = getattr(built, kind), getattr(trials, kind)
            same = one.keys() == other.keys() and all(np.array_equal(one[key], other[key][order]) for key in one)
            assert same, f"{name}: {kind} of numbered trials must be those of the trials that the same generator draws"
