"""What every constraint promises."""

from __future__ import annotations

import pickle

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Constraint, Projection

__all__ = ["check_constraint"]

ROUNDING = 1e-9  # relative, of float64, through a decomposition
N_NETWORKS, N_INPUTS, N_OUTPUTS = 2, 3, 2


def check_constraint(constraint: Constraint, n_units: int = 6, parts: NDArray[np.int64] | None = None) -> None:
    """Check that a constraint keeps its promises.

    Asked about a projection of its own: weights of the right shape; what is constrained already is not changed, neither
    directly nor by way of the free parameters; the weights to begin with keep it; learning reaches the free parameters
    with the right gradient (by differences, in float64); networks and gates are constrained apart, and it always says
    the same. It is a value: hashable, equal to its copy.

    Parameters
    ----------
    constraint
        Any constraint.
    n_units
        How many units to try it on.
    parts
        Which part each unit lives in, ``(unit,)``; by default in the first half or the second.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from spatialnets.constraints import NoSelf
    >>> check_constraint(NoSelf())
    """
    import torch

    name = type(constraint).__name__
    shapes = {"recurrent": (n_units, n_units), "input": (N_INPUTS, n_units), "readout": (n_units, N_OUTPUTS)}
    unknown = [each for each in constraint.projections if each not in shapes]
    assert constraint.projections, f"{name}.projections must name a projection"
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
    assert hash(copy) == hash(constraint), f"{name} must have the hash of its copy"


def _check_projection(constraint: Constraint, projection: Projection, weights: object) -> None:
    import torch
    from torch import Tensor

    assert isinstance(weights, Tensor)
    name = type(constraint).__name__

    def near(one: Tensor, other: Tensor) -> bool:
        return torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING)

    def again(some: Tensor) -> Tensor:
        return constraint.constrained(constraint.free(some, projection), projection)

    free = constraint.free(weights, projection)
    assert isinstance(free, tuple), f"{name}.free() must be a tuple of tensors"
    assert all(len(each) == N_NETWORKS for each in free), f"{name}.free() must have the network first"
    made = constraint.constrained(free, projection)
    assert made.shape == weights.shape, f"{name}.constrained() must be {tuple(weights.shape)}, not {tuple(made.shape)}"
    assert bool(torch.isfinite(made).all()), f"{name}: weights must be finite"
    assert torch.equal(made, constraint.constrained(free, projection)), f"{name} must always say the same"
    assert near(again(made), made), f"{name}: constraining what is as it must be must change nothing"
    initial = constraint.initial(weights, projection)
    assert initial.shape == weights.shape, f"{name}.initial() must be {tuple(weights.shape)}"
    assert near(again(initial), initial), f"{name}: weights to begin with must be as they must be"
    for network in range(N_NETWORKS):
        alone = again(weights[network : network + 1])
        assert near(alone[0], made[network]), f"{name}: a network must not depend on its batch-mates"
    for gate in range(2):
        assert near(again(weights[:, gate : gate + 1])[:, 0], made[:, gate]), f"{name}: gates must be constrained apart"

    inputs = [each[:1].detach().clone().requires_grad_() for each in free]

    def differentiable(*free: Tensor) -> Tensor:
        return constraint.constrained(free, projection)

    reached = torch.autograd.grad(differentiable(*inputs).square().sum(), inputs, allow_unused=True)
    found = all(gradient is not None and bool(gradient.any()) for gradient in reached)
    assert found, f"{name}: learning must reach the free parameters"
    assert torch.autograd.gradcheck(differentiable, inputs), f"{name}: the gradient must be that of the weights"
