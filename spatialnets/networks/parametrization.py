"""Constraints on the parameters of a module, as torch parametrizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spatialnets.errors import UserError
from spatialnets.protocols import Constraint, Projection

__all__ = ["constrain"]

ROUNDING = 1e-4  # of float32, through a singular value decomposition


class _Parametrization(nn.Module):
    """Constraints on one projection, in the words of `torch.nn.utils.parametrize`."""

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
                raise UserError(f"{_names(self.constraints)}: the one that is learned by factors must come first")
            free = constraint.free(free[0], self.projection)
        return free if len(free) > 1 else free[0]


def constrain(module: nn.Module, constraints: Sequence[Constraint], projection: Projection) -> None:
    """Put constraints on a projection of a module, and begin with weights that keep them.

    From then on the module's parameter of that name is computed from free parameters, which are what is learned.

    Parameters
    ----------
    module
        A module with the projection as a parameter of its own, ``(network, [gate,] pre, post)``.
    constraints
        In order; those that do not ask for this projection are left out.
    projection
        Which one.

    Raises
    ------
    UserError
        If the module has no such parameter, a constraint cannot be had, or a later one undoes an earlier one.
    """
    wanted = [constraint for constraint in constraints if projection.name in constraint.projections]
    if not wanted:
        return
    parameter = dict(module.named_parameters(recurse=False)).get(projection.name)
    if parameter is None:
        raise UserError(
            f"{type(module).__name__} has no parameter '{projection.name}' to put {_names(wanted)} on; "
            "constraints are for cores whose projections are their parameters"
        )
    has_gates = parameter.ndim == 4
    with torch.no_grad():
        weights = parameter if has_gates else parameter[:, None]
        try:
            for constraint in wanted:
                weights = constraint.initial(weights, projection)
        except ValueError as error:
            raise UserError(f"{_names([constraint])}: {error}") from error
        parameter.copy_(weights if has_gates else weights[:, 0])
    parametrization = _Parametrization(wanted, projection, has_gates)
    parametrize.register_parametrization(module, projection.name, parametrization)
    with torch.no_grad():
        begun = cast(Tensor, getattr(module, projection.name))
        # what weights to begin with happen to keep, those that are learned may not
        drawn = torch.randn(begun.shape, generator=torch.Generator().manual_seed(0)).to(begun)
        free = parametrization.right_inverse(drawn)
        for made in (begun, parametrization(*(free if isinstance(free, tuple) else (free,)))):
            _check_kept(wanted, made if has_gates else made[:, None], projection)


def _check_kept(constraints: Sequence[Constraint], weights: Tensor, projection: Projection) -> None:
    for constraint in constraints:
        again = constraint.constrained(constraint.free(weights, projection), projection)
        if not torch.allclose(again, weights, rtol=ROUNDING, atol=ROUNDING * float(weights.abs().max())):
            raise UserError(f"{_names(constraints)} cannot be had together: a later one undoes {_names([constraint])}")


def _names(constraints: Sequence[Constraint]) -> str:
    return " and ".join(type(constraint).__name__ for constraint in constraints)
