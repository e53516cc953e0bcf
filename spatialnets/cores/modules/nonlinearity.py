"""Nonlinearities in place, and their derivatives by what came out of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

__all__ = ["NONLINEARITIES", "Nonlinearity"]

InPlace: TypeAlias = Callable[[Tensor], object]
Derive: TypeAlias = Callable[[Tensor, Tensor], object]


class Nonlinearity(NamedTuple):
    """A function of one number.

    Parameters
    ----------
    activate
        Replaces a tensor by its values.
    derive
        Multiplies a gradient, in place, with the derivative; the second argument is what `activate` made.
    """

    activate: InPlace
    derive: Derive


def _by_output(backward: Callable[..., Tensor]) -> Derive:
    """Return one of the derivatives that autograd itself calls, in place."""

    def derive(gradient: Tensor, output: Tensor) -> object:
        return backward(gradient, output, grad_input=gradient)

    return derive


def _softplus(values: Tensor) -> object:
    return torch.ops.aten.softplus.out(values, out=values)


def _derive_softplus(gradient: Tensor, output: Tensor) -> object:
    return gradient.mul_(torch.expm1(-output).neg_())  # sigmoid(x) = 1 - exp(-softplus(x))


NONLINEARITIES = {
    "relu": Nonlinearity(torch.relu_, _by_output(partial(torch.ops.aten.threshold_backward.grad_input, threshold=0))),
    "tanh": Nonlinearity(torch.tanh_, _by_output(torch.ops.aten.tanh_backward.grad_input)),
    "softplus": Nonlinearity(_softplus, _derive_softplus),
    "sigmoid": Nonlinearity(torch.sigmoid_, _by_output(torch.ops.aten.sigmoid_backward.grad_input)),
}
