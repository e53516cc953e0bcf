"""What parts must keep to be trained, tried on a few trials before anything is.

The contracts of `spatialnets.testing` ask for more; these are the promises without which training fails far from where
the mistake is, or goes on with numbers that mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from spatialnets.errors import UserError
from spatialnets.protocols import Recurrent, RecurrentCore, Regularizer, Snapshot, Task

__all__ = ["admit_projections", "admit_states", "admit_task", "admit_term", "asked"]

TRIALS = 4


@contextmanager
def asked(what: str, contract: str) -> Iterator[None]:
    """Say of whatever goes wrong meanwhile that it is a part that failed, and which contract shows where.

    Raises
    ------
    UserError
        In place of any ValueError, TypeError, IndexError, AttributeError or RuntimeError.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"{what}: {error}") from error
    except (TypeError, IndexError, AttributeError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise UserError(
            f"{what} failed with {type(error).__name__}: {first}; spatialnets.testing.{contract} shows where"
        ) from error


def _must_be(what: str, words: str, expected: Sequence[int], shape: Sequence[int]) -> None:
    if tuple(shape) != tuple(expected):
        raise UserError(f"{what} must be {words}, here {tuple(expected)}, not {tuple(shape)}")


def _shape(values: Any) -> tuple[int, ...]:
    """Return the shape of an array or tensor; of what is neither, none."""
    return tuple(getattr(values, "shape", ()))


def admit_task(task: Task) -> None:
    """Check that a task, and the one held out, gives trials in their shapes, asks something, and scores networks.

    Raises
    ------
    UserError
        Naming the promise that is broken.
    """
    name = type(task).__name__
    with asked(f"{name}.held_out()", "check_task"):
        held_out = task.held_out()
    for each in (task,) if held_out is task else (task, held_out):
        if (each.n_inputs, each.n_outputs) != (task.n_inputs, task.n_outputs):
            raise UserError(f"{name}.held_out() must have as many inputs and outputs as the task itself")
        _admit_trials(type(each).__name__, each)


def _admit_trials(name: str, task: Task) -> None:
    with asked(f"{name}.trials()", "check_task"):
        trials = task.trials(TRIALS, np.random.default_rng(0))
        inputs, targets, mask = trials.inputs, trials.targets, trials.mask
    n_steps = _shape(inputs)[1] if len(_shape(inputs)) > 1 else 0
    _must_be(f"{name}: inputs of trials", "(trial, time, input)", (TRIALS, n_steps, task.n_inputs), _shape(inputs))
    _must_be(f"{name}: targets of trials", "(trial, time, output)", (TRIALS, n_steps, task.n_outputs), _shape(targets))
    _must_be(f"{name}: the mask of trials", "(trial, time)", (TRIALS, n_steps), _shape(mask))
    for what, values in (("inputs", inputs), ("targets", targets), ("mask", mask)):
        if not np.isfinite(values).all():
            trial = int(np.argwhere(~np.isfinite(values))[0][0])
            raise UserError(f"{name}: {what} of trials must be finite; trial {trial} has values that are not")
    if (mask < 0).any() or not (mask > 0).any():
        raise UserError(f"{name}: the mask of trials must not be negative, and above zero where something is asked")
    asks, weight = torch.tensor(targets)[None], torch.tensor(mask)[None]
    for score in (task.loss, task.accuracy):
        what = f"{name}.{score.__name__}()"
        with asked(what, "check_task"):
            scored = score(torch.zeros_like(asks), asks, weight)
        _must_be(what, "(network,)", (1,), _shape(scored))
        if not bool(torch.isfinite(scored).all()):
            raise UserError(f"{what} must be finite; for outputs of zero it is {float(scored)}")


def admit_projections(core: RecurrentCore, recurrent: Recurrent, sizes: tuple[int, int, int]) -> None:
    """Check that a built core has recurrent weights, those of inputs in shape, and parameters with the network first.

    Parameters
    ----------
    core
        What was built from.
    recurrent
        What was built.
    sizes
        Networks, inputs and units.

    Raises
    ------
    UserError
        Naming the promise that is broken.
    """
    name = type(core).__name__
    n_networks, n_inputs, n_units = sizes
    with asked(f"{name}.projections()", "check_core"):
        blocks = recurrent.projections()
    for block, n_pre in (("recurrent", n_units), ("input", n_inputs)):
        if not isinstance(blocks, dict) or block not in blocks:
            held = ", ".join(blocks) if isinstance(blocks, dict) and blocks else "nothing"
            raise UserError(f"{name}.projections() must hold '{block}', the weights by that name; it holds {held}")
        shape = _shape(blocks[block])
        gates = shape[1] if len(shape) == 4 else len(core.gates)
        expected = (n_networks, gates, n_pre, n_units)
        _must_be(f"{name}: projection '{block}'", "(network, gate, pre, post)", expected, shape)
    for label, parameter in recurrent.named_parameters():
        if len(parameter) != n_networks:
            raise UserError(f"{name}: parameter '{label}' must have the network first; it is {tuple(parameter.shape)}")


def admit_states(core: RecurrentCore, states: Any, shape: tuple[int, int, int, int]) -> None:
    """Check states, and what the readout sees of them: their shape, and that they are numbers for some network.

    Raises
    ------
    UserError
        Naming the promise that is broken.
    """
    name = type(core).__name__
    words = "(network, trial, time, unit)"
    _must_be(f"{name}: states", words, shape, _shape(states))
    with asked(f"{name}.trace()", "check_core"):
        seen = core.trace(states)
    _must_be(f"{name}.trace()", words, shape, _shape(seen))
    # networks that begin beyond all numbers are taken out one by one in training; all of them are a mistake
    finite = torch.isfinite(states).flatten(1).all(dim=1)
    if not bool(finite.any()):
        step = int((~torch.isfinite(states)).any(dim=-1).any(dim=1).int().argmax(dim=1).min())
        raise UserError(f"{name}: states must be finite; before any training they are not, from step {step} on")


def admit_term(term: Regularizer, snapshot: Snapshot) -> None:
    """Check that a regularizer can be asked what these networks pay, and says one number for each.

    Raises
    ------
    UserError
        Naming what it lacks.
    """
    of = "" if term.projection == "recurrent" else f" of projection '{term.projection}'"
    name = f"{type(term).__name__}{of}"
    with asked(name, "check_regularizer"):
        if snapshot.distances is None and term.projection in ("input", "readout"):
            try:
                paid = term.penalty(snapshot)
            except ValueError as error:
                raise ValueError(f"{error}; a geometry of kind with_ends has places for inputs and outputs") from error
        else:
            paid = term.penalty(snapshot)
    _must_be(f"{name}: the penalty", "(network,)", (len(snapshot.weights),), _shape(paid))
