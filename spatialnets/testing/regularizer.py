"""What every regularizer promises."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spatialnets.protocols import Regularizer, Snapshot, WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_regularizer"]


def check_regularizer(regularizer: Regularizer) -> None:
    """Check that a regularizer keeps its promises.

    One penalty per network, finite, not negative, zero without weights; a finite gradient even where units have lost
    all their weights; the right gradient (by differences, in float64); no network touched by its batch-mates; and,
    for a wiring regularizer, a penalty in proportion to its strength.

    Parameters
    ----------
    regularizer
        With a strength above zero, the same for all networks.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from spatialnets.regularizers import L1
    >>> check_regularizer(L1(0.1))
    """
    import torch

    name = type(regularizer).__name__
    generator = torch.Generator().manual_seed(1)
    n_networks, n_units = 3, 6
    weights = torch.randn(n_networks, 2, n_units, n_units, generator=generator, dtype=torch.float64)
    points = torch.randn(n_units, 3, generator=generator, dtype=torch.float64)
    distances = torch.cdist(points, points)

    def penalty(weights: Tensor) -> Tensor:
        return regularizer.penalty(Snapshot(weights=weights, distances=distances))

    whole = penalty(weights)
    assert whole.shape == (n_networks,), f"{name}.penalty() must be (network,), not {tuple(whole.shape)}"
    assert bool((whole > 0).all()), f"{name}: weights of random networks must cost something"
    alone = torch.cat([penalty(network[None]) for network in weights])
    assert torch.allclose(whole, alone, rtol=1e-12), f"{name}: batch-mates must not change a network's penalty"
    assert torch.equal(whole, penalty(weights)), f"{name}: the same weights must always cost the same"

    dead = weights.clone()
    dead[:, :, 2] = 0
    for what, some in (("a unit without outgoing weights", dead), ("no weights at all", torch.zeros_like(weights))):
        some = some.requires_grad_()
        cost = penalty(some)
        (gradient,) = torch.autograd.grad(cost.sum(), some)
        assert bool(torch.isfinite(cost).all()), f"{name}: the penalty must be finite with {what}"
        assert bool(torch.isfinite(gradient).all()), f"{name}: the gradient must be finite with {what}"
    assert bool((penalty(torch.zeros_like(weights)) == 0).all()), f"{name}: no weights must cost nothing"

    def differentiable(weights: Tensor) -> Tensor:
        return penalty(weights).sum()

    assert torch.autograd.gradcheck(differentiable, weights[:1, :1].clone().requires_grad_()), (
        f"{name}: the gradient must be that of the penalty"
    )
    if isinstance(regularizer, WiringRegularizer) and isinstance(regularizer.strength, float):
        twice = replace(regularizer, strength=2 * regularizer.strength)
        doubled = twice.penalty(Snapshot(weights=weights, distances=distances))
        assert torch.allclose(doubled, 2 * whole, rtol=1e-12), f"{name}: twice the strength must cost twice as much"
        each = replace(regularizer, strength=tuple(regularizer.strength * factor for factor in (1.0, 2.0, 3.0)))
        several = each.penalty(Snapshot(weights=weights, distances=distances))
        expected = whole * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
        assert torch.allclose(several, expected, rtol=1e-12), f"{name}: each network must pay its own strength"
        gates = sum(penalty(weights[:, gate : gate + 1]) for gate in range(2))
        assert torch.allclose(torch.as_tensor(gates), whole, rtol=1e-12), f"{name}: gates must add up"
