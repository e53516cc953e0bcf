"""Constraints on the parameters of a module, as PyTorch parametrizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spatialnets.errors import UserError
from spatialnets.protocols import Constraint, Projection

__all__ = ["constrain"]

ROUNDING = 1e-4  # relative tolerance: float32, through a singular value decomposition


class _Parametrization(nn.Module):
    """Constraints on one projection, as `torch.nn.utils.parametrize` requires them."""

    def __init__(self, constraints: Sequence[Constraint], projection: Projection, has_gates: bool) -> None:
        super().__init__()
        self.constraints, self.projection, self.has_gates = constraints, projection, has_gates

    def forward(self, *free: Tensor) -> Tensor:
        weights = self.constraints[0].constrained(free, self.projection)
        for constraint in self.constraints[1:]:
            weights = constraint.constrained((weights,), self.projection)
        return weights if self.has_gates else weights[:, 0]

    def right_inverse(self, weights: Tensor) -> Tensor | tuple[Tensor, ...]:
        free: tuple[Tensor, ...] = (weights if self.has_gates else weights[:, None],)
        for constraint in reversed(self.constraints):
            if len(free) > 1:
                raise UserError(f"{_names(self.constraints)}: a constraint that is learned as factors must come first")
            free = constraint.free(free[0], self.projection)
        return free if len(free) > 1 else free[0]


def constrain(module: nn.Module, constraints: Sequence[Constraint], projection: Projection) -> None:
    """Apply constraints to a projection of a module, and make its initial weights satisfy them.

    The optimizer then learns free parameters, from which the parameter is computed.

    Parameters
    ----------
    module
        A module that has the projection as a parameter, ``(network, [gate,] pre, post)``.
    constraints
        Applied in order; those that do not apply to this projection are skipped.
    projection
        The block of weights.

    Raises
    ------
    UserError
        If the module has no such parameter, a constraint cannot be satisfied, or a later one violates an earlier one.
    """
    applicable = [constraint for constraint in constraints if projection.name in constraint.projections]
    if not applicable:
        return
    parameter = dict(module.named_parameters(recurse=False)).get(projection.name)
    if parameter is None:
        raise UserError(
            f"{type(module).__name__} has no parameter '{projection.name}' to which {_names(applicable)} could apply; "
            "constraints need a core whose projections are parameters"
        )
    has_gates = parameter.ndim == 4
    with torch.no_grad():
        weights = parameter if has_gates else parameter[:, None]
        try:
            for constraint in applicable:
                weights = constraint.initial(weights, projection)
        except ValueError as error:
            raise UserError(f"{_names([constraint])}: {error}") from error
        parameter.copy_(weights if has_gates else weights[:, 0])
    parametrization = _Parametrization(applicable, projection, has_gates)
    parametrize.register_parametrization(module, projection.name, parametrization)
    with torch.no_grad():
        initial = cast(Tensor, getattr(module, projection.name))
        # random weights are checked too: initial ones may satisfy by chance what learned ones will not
        drawn = torch.randn(initial.shape, generator=torch.Generator().manual_seed(0)).to(initial)
        free = parametrization.right_inverse(drawn)
        for weights in (initial, parametrization(*(free if isinstance(free, tuple) else (free,)))):
            _check_compatible(applicable, weights if has_gates else weights[:, None], projection)


def _check_compatible(constraints: Sequence[Constraint], weights: Tensor, projection: Projection) -> None:
    for constraint in constraints:
        again = constraint.constrained(constraint.free(weights, projection), projection)
        if not torch.allclose(again, weights, rtol=ROUNDING, atol=ROUNDING * float(weights.abs().max())):
            raise UserError(
                f"{_names(constraints)} cannot be combined: a later one violates {_names([constraint])}; change "
                "their order or leave one out"
            )


def _names(constraints: Sequence[Constraint]) -> str:
    return " and ".join(type(constraint).__name__ for constraint in constraints)
