"""Checks of components on a few trials before training starts.

They cover what would otherwise fail far from the mistake, or train on meaningless numbers. The contracts of
`spatialnets.testing` check more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from spatialnets.errors import UserError
from spatialnets.protocols import Recurrent, RecurrentCore, Regularizer, Snapshot, Task

__all__ = ["check_penalty", "check_projections", "check_states", "check_task", "component_errors"]

TRIALS = 4


@contextmanager
def component_errors(what: str, contract: str) -> Iterator[None]:
    """Turn errors raised within the block into a message that names the component and the contract that tests it.

    Raises
    ------
    UserError
        Instead of any ValueError, TypeError, IndexError, AttributeError or RuntimeError.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"{what}: {error}") from error
    except (TypeError, IndexError, AttributeError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise UserError(
            f"{what} failed with {type(error).__name__}: {first}; test it with spatialnets.testing.{contract}"
        ) from error


def _require_shape(what: str, dimensions: str, expected: Sequence[int], shape: Sequence[int]) -> None:
    if tuple(shape) != tuple(expected):
        raise UserError(f"{what} must have shape {dimensions} = {tuple(expected)}, not {tuple(shape)}")


def _shape(values: Any) -> tuple[int, ...]:
    """Return the shape of an array or tensor, and () of anything else."""
    return tuple(getattr(values, "shape", ()))


def check_task(task: Task) -> None:
    """Check a task and its held-out version: shapes of trials, a mask that is not empty, finite scores.

    Raises
    ------
    UserError
        If a check fails.
    """
    name = type(task).__name__
    with component_errors(f"{name}.held_out()", "check_task"):
        held_out = task.held_out()
    for each in (task,) if held_out is task else (task, held_out):
        if (each.n_inputs, each.n_outputs) != (task.n_inputs, task.n_outputs):
            raise UserError(f"{name}.held_out() must have the same numbers of inputs and outputs as the task itself")
        _check_trials(type(each).__name__, each)


def _check_trials(name: str, task: Task) -> None:
    with component_errors(f"{name}.trials()", "check_task"):
        trials = task.trials(TRIALS, np.random.default_rng(0))
        inputs, targets, mask = trials.inputs, trials.targets, trials.mask
    n_steps = _shape(inputs)[1] if len(_shape(inputs)) > 1 else 0
    _require_shape(
        f"{name}: inputs of trials", "(trial, time, input)", (TRIALS, n_steps, task.n_inputs), _shape(inputs)
    )
    _require_shape(
        f"{name}: targets of trials", "(trial, time, output)", (TRIALS, n_steps, task.n_outputs), _shape(targets)
    )
    _require_shape(f"{name}: the mask of trials", "(trial, time)", (TRIALS, n_steps), _shape(mask))
    for what, values in (("inputs", inputs), ("targets", targets), ("mask", mask)):
        if not np.isfinite(values).all():
            trial = int(np.argwhere(~np.isfinite(values))[0][0])
            raise UserError(f"{name}: {what} of trials must be finite; trial {trial} has values that are not")
    if (mask < 0).any() or not (mask > 0).any():
        raise UserError(
            f"{name}: the mask of trials must not be negative, and must be above 0 where an output is required"
        )
    with component_errors(f"{name}.numbered()", "check_task"):
        generator = np.random.default_rng(0)
        built = task.numbered(task.draw_numbers(TRIALS, generator)) if task.draws_numbers else trials
    if not all(np.array_equal(getattr(built, part), getattr(trials, part)) for part in ("inputs", "targets", "mask")):
        raise UserError(
            f"{name}: the trials of the numbers that draw_numbers() draws must be those that trials() draws; "
            "test it with spatialnets.testing.check_task"
        )
    asks, weight = torch.tensor(targets)[None], torch.tensor(mask)[None]
    for score in (task.loss, task.accuracy):
        what = f"{name}.{score.__name__}()"
        with component_errors(what, "check_task"):
            scored = score(torch.zeros_like(asks), asks, weight)
        _require_shape(what, "(network,)", (1,), _shape(scored))
        if not bool(torch.isfinite(scored).all()):
            raise UserError(f"{what} must be finite; for outputs of 0 it is {float(scored)}")


def check_projections(core: RecurrentCore, recurrent: Recurrent, sizes: tuple[int, int, int]) -> None:
    """Check the shapes of a built core's weights, and that each parameter has the network first.

    Parameters
    ----------
    core
        The blueprint.
    recurrent
        The module it built.
    sizes
        Numbers of networks, inputs and units.

    Raises
    ------
    UserError
        If a check fails.
    """
    name = type(core).__name__
    n_networks, n_inputs, n_units = sizes
    with component_errors(f"{name}.projections()", "check_core"):
        blocks = recurrent.projections()
    for block, n_pre in (("recurrent", n_units), ("input", n_inputs)):
        if not isinstance(blocks, dict) or block not in blocks:
            held = ", ".join(blocks) if isinstance(blocks, dict) and blocks else "nothing"
            raise UserError(f"{name}.projections() must contain '{block}'; it contains {held}")
        shape = _shape(blocks[block])
        gates = shape[1] if len(shape) == 4 else len(core.gates)
        expected = (n_networks, gates, n_pre, n_units)
        _require_shape(f"{name}: projection '{block}'", "(network, gate, pre, post)", expected, shape)
    for label, parameter in recurrent.named_parameters():
        if len(parameter) != n_networks:
            raise UserError(
                f"{name}: parameter '{label}' must have the network as first dimension, but its shape is "
                f"{tuple(parameter.shape)}"
            )


def check_states(core: RecurrentCore, states: Any, shape: tuple[int, int, int, int]) -> None:
    """Check the shapes of states and of their trace, and that states are finite in at least one network.

    Raises
    ------
    UserError
        If a check fails.
    """
    name = type(core).__name__
    words = "(network, trial, time, unit)"
    _require_shape(f"{name}: states", words, shape, _shape(states))
    with component_errors(f"{name}.trace()", "check_core"):
        seen = core.trace(states)
    _require_shape(f"{name}.trace()", words, shape, _shape(seen))
    # training takes out single networks that start with infinite states; if all do, the core is wrong
    finite = torch.isfinite(states).flatten(1).all(dim=1)
    if not bool(finite.any()):
        step = int((~torch.isfinite(states)).any(dim=-1).any(dim=1).int().argmax(dim=1).min())
        raise UserError(
            f"{name}: states must be finite, but before any training they are not, from time step {step} on"
        )


def check_penalty(term: Regularizer, snapshot: Snapshot) -> None:
    """Check that a regularizer returns one penalty for each network.

    Raises
    ------
    UserError
        If it fails or returns another shape.
    """
    where = "" if term.projection == "recurrent" else f" of projection '{term.projection}'"
    name = f"{type(term).__name__}{where}"
    with component_errors(name, "check_regularizer"):
        if snapshot.distances is None and term.projection in ("input", "readout"):
            try:
                penalty = term.penalty(snapshot)
            except ValueError as error:
                raise ValueError(
                    f"{error}; only a geometry such as with_ends gives positions to inputs and outputs"
                ) from error
        else:
            penalty = term.penalty(snapshot)
    _require_shape(f"{name}: the penalty", "(network,)", (len(snapshot.weights),), _shape(penalty))
