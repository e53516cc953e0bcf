"""The contract of regularizers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spatialnets.protocols import PricedRegularizer, Regularizer, Snapshot, WiringRegularizer
from spatialnets.rng import Stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_regularizer"]

N_NETWORKS, N_UNITS = 3, 6


def check_regularizer(regularizer: Regularizer) -> None:
    """Check that a regularizer satisfies its contract.

    - It returns one penalty for each network, finite and not negative, which does not depend on other networks.
    - Its gradient in weights, states and positions is correct (finite differences in float64), and finite where units
      have no weights, are silent, or share a position.
    - If it has a strength, the penalty is proportional to it.
    - The penalty of a wiring regularizer is a sum over gates, and 0 without weights.
    - An estimated penalty is exact without probes; with them, each network draws from its own probes only, and its
      standard error is positive.

    Parameters
    ----------
    regularizer
        Any regularizer with one positive strength for all networks; if it has a matrix, for 6 units.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from spatialnets.regularizers import L1
    >>> check_regularizer(L1(0.1))
    """
    import torch

    name = type(regularizer).__name__
    snapshot = _random()
    penalty = regularizer.penalty(snapshot)
    assert penalty.shape == (N_NETWORKS,), f"{name}.penalty() must have shape (network,), not {tuple(penalty.shape)}"
    assert bool((penalty > 0).all()), f"{name}.penalty() must be positive for random weights"
    alone = torch.cat([regularizer.penalty(_select(snapshot, slice(i, i + 1))) for i in range(N_NETWORKS)])
    assert torch.allclose(penalty, alone, rtol=1e-12), f"{name}: a network's penalty must not depend on other networks"
    assert torch.equal(penalty, regularizer.penalty(snapshot)), (
        f"{name}.penalty() must return the same values every time"
    )
    _check_edges(regularizer, snapshot)
    if regularizer.estimated:
        _check_probes(regularizer, snapshot)

    def differentiable(weights: Tensor, states: Tensor, positions: Tensor) -> Tensor:
        return regularizer.penalty(replace(snapshot, weights=weights, states=states, positions=positions)).sum()

    first = _select(snapshot, slice(1))
    inputs = [part.clone().requires_grad_() for part in (first.weights[:, :1], first.states, first.positions)]  # type: ignore[union-attr]
    assert torch.autograd.gradcheck(differentiable, inputs), f"{name}: the gradient must be correct"
    if isinstance(regularizer, PricedRegularizer) and isinstance(regularizer.strength, float):
        _check_strength(regularizer, snapshot)
    if isinstance(regularizer, WiringRegularizer):
        gates = sum(regularizer.penalty(replace(snapshot, weights=snapshot.weights[:, gate])) for gate in range(2))
        assert torch.allclose(torch.as_tensor(gates), penalty, rtol=1e-12), f"{name}.penalty() must be a sum over gates"
        without = regularizer.penalty(replace(snapshot, weights=torch.zeros_like(snapshot.weights)))
        assert bool((without == 0).all()), f"{name}.penalty() must be 0 without weights"


def _random() -> Snapshot:
    """Return random networks with two gates and the same positions."""
    import torch

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    generator = torch.Generator().manual_seed(1)
    weights, points = draw(N_NETWORKS, 2, N_UNITS, N_UNITS), draw(N_UNITS, 3)
    states = draw(N_NETWORKS, 3, 4, N_UNITS)
    return Snapshot(weights, torch.cdist(points, points), states, points.repeat(N_NETWORKS, 1, 1))


def _select(snapshot: Snapshot, networks: slice) -> Snapshot:
    assert snapshot.states is not None
    assert snapshot.positions is not None
    states, positions = snapshot.states[networks], snapshot.positions[networks]
    return Snapshot(snapshot.weights[networks], snapshot.distances, states, positions)


def _check_probes(regularizer: Regularizer, snapshot: Snapshot) -> None:
    import torch

    def with_probes(snapshot: Snapshot, first_seed: int) -> Snapshot:
        seeds = range(first_seed, first_seed + len(snapshot.weights))
        return replace(snapshot, probes=Stream.of(seeds, "probes"))

    name = type(regularizer).__name__
    penalty, repeated, other = (regularizer.penalty(with_probes(snapshot, seed)) for seed in (0, 0, 7))
    assert torch.equal(penalty, repeated), f"{name}: the same probes must give the same penalty"
    assert not torch.equal(penalty, other), f"{name}: other probes must give another penalty"
    for method in (regularizer.penalty, regularizer.standard_error):
        alone = [method(with_probes(_select(snapshot, slice(i, i + 1)), i)) for i in range(N_NETWORKS)]
        equal = torch.allclose(method(with_probes(snapshot, 0)), torch.cat(alone), rtol=1e-9)
        assert equal, f"{name}: each network must draw from its own probes only"
    error = regularizer.standard_error(with_probes(snapshot, 0))
    assert bool((error > 0).all()), f"{name}.standard_error() must be positive for an estimated penalty"
    silenced = snapshot.weights.clone()
    silenced[:, :, 2] = 0
    for weights in (silenced, torch.zeros_like(silenced)):
        weights.requires_grad_()
        penalty = regularizer.penalty(with_probes(replace(snapshot, weights=weights), 0))
        (gradient,) = torch.autograd.grad(penalty.sum(), weights)
        assert bool(torch.isfinite(gradient).all()), f"{name}: the gradient must be finite where units have no weights"


def _check_edges(regularizer: Regularizer, snapshot: Snapshot) -> None:
    """Check that penalty and gradient are finite where weights, states or distances are zero."""
    import torch

    assert snapshot.states is not None
    assert snapshot.positions is not None
    name = type(regularizer).__name__
    silenced, coincident = snapshot.weights.clone(), snapshot.positions.clone()
    silenced[:, :, 2] = 0
    coincident[:, 1] = coincident[:, 0]
    for what, edge in (
        ("a unit without outgoing weights", replace(snapshot, weights=silenced)),
        ("no weights", replace(snapshot, weights=torch.zeros_like(silenced))),
        ("silent units", replace(snapshot, states=torch.zeros_like(snapshot.states))),
        ("two units at one position", replace(snapshot, positions=coincident)),
    ):
        inputs = [part.clone().requires_grad_() for part in (edge.weights, edge.states, edge.positions)]  # type: ignore[union-attr]
        penalty = regularizer.penalty(replace(edge, weights=inputs[0], states=inputs[1], positions=inputs[2]))
        assert penalty.requires_grad, f"{name}: the penalty must be differentiable with {what}"
        assert bool(torch.isfinite(penalty).all()), f"{name}: the penalty must be finite with {what}"
        assert bool((penalty >= 0).all()), f"{name}: the penalty must not be negative with {what}"
        for gradient in torch.autograd.grad(penalty.sum(), inputs, allow_unused=True):
            finite = gradient is None or bool(torch.isfinite(gradient).all())
            assert finite, f"{name}: the gradient must be finite with {what}"


def _check_strength(regularizer: PricedRegularizer, snapshot: Snapshot) -> None:
    import torch

    name, strength, penalty = type(regularizer).__name__, regularizer.strength, regularizer.penalty(snapshot)
    assert isinstance(strength, float)
    doubled = replace(regularizer, strength=2 * strength).penalty(snapshot)
    assert torch.allclose(doubled, 2 * penalty, rtol=1e-12), f"{name}: twice the strength must give twice the penalty"
    mixed = replace(regularizer, strength=(strength, 2 * strength, 3 * strength)).penalty(snapshot)
    expected = penalty * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.allclose(mixed, expected, rtol=1e-12), f"{name}: each network must have its own strength"
