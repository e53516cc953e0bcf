"""The contract of constraints."""

from __future__ import annotations

import pickle

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Constraint, Projection

__all__ = ["check_constraint"]

ROUNDING = 1e-9  # relative: float64 through a matrix decomposition
N_NETWORKS, N_INPUTS, N_OUTPUTS = 2, 3, 2


def check_constraint(constraint: Constraint, n_units: int = 6, parts: NDArray[np.int64] | None = None) -> None:
    """Check that a constraint satisfies its contract, on each projection to which it applies.

    - Constrained weights have the right shape and are finite.
    - Weights that satisfy the constraint are unchanged by it; initial weights satisfy it.
    - Its gradient is correct (finite differences in float64) and not zero.
    - Networks and gates are independent, and repeated calls give equal weights.
    - It is hashable and equal to its copy.

    Parameters
    ----------
    constraint
        Any constraint.
    n_units
        Number of units of the test networks.
    parts
        The area of each unit, ``(unit,)``; by default two areas of equal size.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from spatialnets.constraints import NoSelf
    >>> check_constraint(NoSelf())
    """
    import torch

    name = type(constraint).__name__
    shapes = {"recurrent": (n_units, n_units), "input": (N_INPUTS, n_units), "readout": (n_units, N_OUTPUTS)}
    unknown = [projection for projection in constraint.projections if projection not in shapes]
    assert constraint.projections, f"{name}.projections must name at least one projection"
    assert not unknown, f"{name}.projections must be some of {', '.join(shapes)}, not {', '.join(unknown)}"
    generator = torch.Generator().manual_seed(1)
    line = torch.arange(n_units, dtype=torch.float64)
    halves = np.repeat([0, 1], [n_units // 2, n_units - n_units // 2]) if parts is None else parts
    for projection in constraint.projections:
        shape = shapes[projection]
        distances = (line[:, None] - line).abs() if projection == "recurrent" else None
        _check_projection(
            constraint,
            Projection(projection, shape, distances, halves),
            torch.randn(N_NETWORKS, 2, *shape, generator=generator, dtype=torch.float64),
        )
    copy = pickle.loads(pickle.dumps(constraint))
    assert copy == constraint, f"{name} must equal its copy: make it a frozen dataclass of plain values"
    assert hash(copy) == hash(constraint), f"{name} must have the same hash as its copy"


def _check_projection(constraint: Constraint, projection: Projection, weights: object) -> None:
    import torch
    from torch import Tensor

    assert isinstance(weights, Tensor)
    name = type(constraint).__name__

    def near(one: Tensor, other: Tensor) -> bool:
        return torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING)

    def constrain(weights: Tensor) -> Tensor:
        return constraint.constrained(constraint.free(weights, projection), projection)

    free = constraint.free(weights, projection)
    assert isinstance(free, tuple), f"{name}.free() must return a tuple of tensors"
    first = all(len(parameter) == N_NETWORKS for parameter in free)
    assert first, f"{name}.free() must return tensors with the network as first dimension"
    allowed = constraint.constrained(free, projection)
    shapes = f"{tuple(weights.shape)}, not {tuple(allowed.shape)}"
    assert allowed.shape == weights.shape, f"{name}.constrained() must have shape {shapes}"
    assert bool(torch.isfinite(allowed).all()), f"{name}.constrained() must be finite"
    repeated = constraint.constrained(free, projection)
    assert torch.equal(allowed, repeated), f"{name}.constrained() must return the same weights every time"
    assert near(constrain(allowed), allowed), f"{name}: weights that satisfy the constraint must not change"
    initial = constraint.initial(weights, projection)
    assert initial.shape == weights.shape, f"{name}.initial() must have shape {tuple(weights.shape)}"
    assert near(constrain(initial), initial), f"{name}.initial() must satisfy the constraint"
    for network in range(N_NETWORKS):
        alone = constrain(weights[network : network + 1])
        assert near(alone[0], allowed[network]), f"{name}: the weights of a network must not depend on other networks"
    for gate in range(2):
        alone = constrain(weights[:, gate : gate + 1])
        assert near(alone[:, 0], allowed[:, gate]), f"{name}: the weights of a gate must not depend on other gates"

    inputs = [parameter[:1].detach().clone().requires_grad_() for parameter in free]

    def differentiable(*free: Tensor) -> Tensor:
        return constraint.constrained(free, projection)

    gradients = torch.autograd.grad(differentiable(*inputs).square().sum(), inputs, allow_unused=True)
    reached = all(gradient is not None and bool(gradient.any()) for gradient in gradients)
    assert reached, f"{name}: the gradient must reach all free parameters"
    assert torch.autograd.gradcheck(differentiable, inputs), f"{name}: the gradient must be correct"
