"""Unrolled cores: one product a step for all weights, gradients by step, and their sums over steps.

States, inputs and a 1 for the bias lie side by side in one tensor, `joint`, so that one product with all weights gives
the drive of a step, and one product the gradients of all weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from spatialnets.graph.products import BLOCK_SAMPLES, add_summed_products

__all__ = ["DriveGradients", "arriving_gradients", "join_inputs", "join_weights", "select_steps"]


def join_inputs(inputs: Tensor, n_units: int) -> Tensor:
    """Return the joint tensor ``(network, time + 1, trial, unit + input + 1)``: states to be computed, inputs, ones.

    States at index 0 are those before the first step, which are 0.

    Parameters
    ----------
    inputs
        ``(network, time, trial, input)``.
    n_units
        Number of units.
    """
    n_networks, n_steps, n_trials, n_inputs = inputs.shape
    width = n_units + n_inputs + 1
    # rows that begin at multiples of 16 numbers, which processors load at once: 4 % of the time of the rnn core
    joint = inputs.new_empty(n_networks, n_steps + 1, n_trials, math.ceil(width / 16) * 16)[..., :width]
    joint[:, 0, :, :n_units] = 0
    joint[:, :n_steps, :, n_units:-1] = inputs
    joint[:, :n_steps, :, -1] = 1
    return joint


def join_weights(recurrent: Tensor, input_weights: Tensor, bias: Tensor) -> Tensor:
    """Return all weights as one matrix for each network, ``(network, unit + input + 1, column)``."""
    return torch.cat([recurrent, input_weights, bias[:, None]], dim=1)


def select_steps(states: Tensor, steps: Sequence[int]) -> Tensor:
    """Return a copy of states ``(network, time, trial, unit)`` at some steps, ``(network, step, trial, unit)``."""
    if not steps:
        return states[:, :0]
    return torch.stack([states[:, step] for step in steps], dim=1)  # a list as index would be uploaded to a GPU


def arriving_gradients(
    n_steps: int, grad_states: Tensor | None, grad_seen: Tensor | None, steps: Sequence[int]
) -> list[list[Tensor]]:
    """Return, for each step, the gradients that its states get directly from the loss, each ``(network, trial, unit)``.

    Parameters
    ----------
    n_steps
        Number of time steps.
    grad_states
        Gradient with respect to the states of all steps, ``(network, time, trial, unit)``; None if the loss uses none.
    grad_seen
        Gradient with respect to what `select_steps` returned; None if the loss does not use it.
    steps
        The selected steps.
    """
    arriving: list[list[Tensor]] = [[] for _ in range(n_steps)]
    if grad_states is not None:
        for step, gradient in enumerate(grad_states.unbind(1)):
            arriving[step].append(gradient)
    if grad_seen is not None:
        for step, gradient in zip(steps, grad_seen.unbind(1), strict=True):
            arriving[step].append(gradient)
    return arriving


class DriveGradients:
    """Gradients with respect to the drive of a few steps, added to those of the weights while they are in the cache.

    A backward pass fills ``gradients[step]``, ``(network, trial, column)``, from the last step to the first, and calls
    `add` after each step. A step's gradient is kept until that of the step before is complete.

    Parameters
    ----------
    joint
        What the drive was computed from, ``(network, time + 1, trial, row)``.
    n_columns
        Number of columns of the drive.
    input_weights
        ``(network, input, column)``, if the gradient with respect to the inputs is needed.

    Attributes
    ----------
    weights
        Gradient with respect to the joint weights, ``(network, row, column)``, complete after the first step.
    inputs
        Gradient with respect to the inputs, ``(network, time, trial, input)``, if it is needed.
    """

    def __init__(self, joint: Tensor, n_columns: int, input_weights: Tensor | None) -> None:
        n_networks, n_times, n_trials, n_rows = joint.shape
        self.joint, self.input_weights, self.n_steps = joint, input_weights, n_times - 1
        self.weights = joint.new_zeros(n_networks, n_rows, n_columns)
        self.inputs = None
        if input_weights is not None:
            self.inputs = joint.new_empty(n_networks, self.n_steps, n_trials, input_weights.shape[1])
        n_kept = max(2, min(self.n_steps, BLOCK_SAMPLES // max(1, n_trials)))  # two: the step before needs the next
        self._kept = joint.new_empty(n_networks, n_kept, n_trials, n_columns)
        self._steps = self._kept.unbind(1)

    def __getitem__(self, step: int) -> Tensor:
        return self._steps[step % len(self._steps)]

    def add(self, step: int) -> None:
        """Note that the gradient of a step is complete."""
        if step % len(self._steps):
            return
        steps = slice(step, min(step + len(self._steps), self.n_steps))
        gradients = self._kept[:, : steps.stop - step].flatten(1, 2)
        add_summed_products(self.weights, self.joint[:, steps].flatten(1, 2), gradients)
        if self.inputs is not None and self.input_weights is not None:
            inputs = self.inputs[:, steps]
            inputs.copy_(torch.bmm(gradients, self.input_weights.mT).view(inputs.shape))

    def by_argument(self, n_units: int) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """Return the gradients with respect to inputs, input weights, recurrent weights and biases."""
        weights = self.weights
        return self.inputs, weights[:, n_units:-1], weights[:, :n_units], weights[:, -1]
