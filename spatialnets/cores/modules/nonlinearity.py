"""In-place nonlinearities, with backward passes that need only their outputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

__all__ = ["NONLINEARITIES", "Nonlinearity", "tanh"]

Activate: TypeAlias = Callable[[Tensor], object]
Backward: TypeAlias = Callable[[Tensor, Tensor], object]


class Nonlinearity(NamedTuple):
    """An elementwise function and its derivative.

    Parameters
    ----------
    activate
        Apply the function to a tensor in place.
    backward
        Multiply a gradient in place by the derivative, given the output of `activate`.
    """

    activate: Activate
    backward: Backward


def _in_place(operation: Callable[..., Tensor]) -> Backward:
    """Return a backward operation of autograd that overwrites the gradient."""

    def backward(gradient: Tensor, output: Tensor) -> object:
        return operation(gradient, output, grad_input=gradient)

    return backward


def tanh(values: Tensor, out: Tensor) -> Tensor:
    r"""Write the hyperbolic tangent, :math:`1 - 2 \sigma(-2x)`, into `out`, which may be `values`, and return it.

    In float32, `torch.tanh` takes up to nine times as long as `torch.sigmoid`. The error of 1 - 2 s, up to 6e-8, is no
    larger than that of the arguments, which are sums of products of order 1.
    """
    torch.sigmoid_(torch.mul(values, -2, out=out))
    return torch.sub(out.new_ones(()), out, alpha=2, out=out)


def _tanh(values: Tensor) -> object:
    return tanh(values, out=values)


def _softplus(values: Tensor) -> object:
    return torch.ops.aten.softplus.out(values, out=values)


def _softplus_backward(gradient: Tensor, output: Tensor) -> object:
    return gradient.mul_(torch.expm1(-output).neg_())  # sigmoid(x) = 1 - exp(-softplus(x))


NONLINEARITIES = {
    "relu": Nonlinearity(torch.relu_, _in_place(partial(torch.ops.aten.threshold_backward.grad_input, threshold=0))),
    "tanh": Nonlinearity(_tanh, _in_place(torch.ops.aten.tanh_backward.grad_input)),
    "softplus": Nonlinearity(_softplus, _softplus_backward),
    "sigmoid": Nonlinearity(torch.sigmoid_, _in_place(torch.ops.aten.sigmoid_backward.grad_input)),
}
