"""What every regularizer promises."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spatialnets.protocols import PricedRegularizer, Regularizer, Snapshot, WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_regularizer"]

N_NETWORKS, N_UNITS = 3, 6


def check_regularizer(regularizer: Regularizer) -> None:
    """Check that a regularizer keeps its promises.

    One penalty per network, finite and not negative; the right gradient (by differences, in float64) in weights,
    states and positions, finite even where units have lost all their weights, are silent, or share a place; no network
    touched by its batch-mates. An estimated penalty keeps all this where no probes are given; with them, each network
    draws from its own alone and knows its standard error. With a strength, a penalty in proportion to it; of a wiring
    regularizer, gates that add up, and nothing to pay without weights.

    Parameters
    ----------
    regularizer
        With a strength above zero, the same for all networks. Matrices of its own are of 6 units.

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
    whole = _random()
    paid = regularizer.penalty(whole)
    assert paid.shape == (N_NETWORKS,), f"{name}.penalty() must be (network,), not {tuple(paid.shape)}"
    assert bool((paid > 0).all()), f"{name}: weights of random networks must cost something"
    alone = torch.cat([regularizer.penalty(_some(whole, slice(which, which + 1))) for which in range(N_NETWORKS)])
    assert torch.allclose(paid, alone, rtol=1e-12), f"{name}: batch-mates must not change a network's penalty"
    assert torch.equal(paid, regularizer.penalty(whole)), f"{name}: the same weights must always cost the same"
    _check_edges(regularizer, whole)
    if regularizer.estimated:
        _check_probes(regularizer, whole)

    def differentiable(weights: Tensor, states: Tensor, positions: Tensor) -> Tensor:
        return regularizer.penalty(replace(whole, weights=weights, states=states, positions=positions)).sum()

    first = _some(whole, slice(1))
    inputs = [part.clone().requires_grad_() for part in (first.weights[:, :1], first.states, first.positions)]  # type: ignore[union-attr]
    assert torch.autograd.gradcheck(differentiable, inputs), f"{name}: the gradient must be that of the penalty"
    if isinstance(regularizer, PricedRegularizer) and isinstance(regularizer.strength, float):
        _check_strength(regularizer, whole)
    if isinstance(regularizer, WiringRegularizer):
        gates = sum(regularizer.penalty(replace(whole, weights=whole.weights[:, gate])) for gate in range(2))
        assert torch.allclose(torch.as_tensor(gates), paid, rtol=1e-12), f"{name}: gates must add up"
        nothing = regularizer.penalty(replace(whole, weights=torch.zeros_like(whole.weights)))
        assert bool((nothing == 0).all()), f"{name}: no weights must cost nothing"


def _random() -> Snapshot:
    """Return networks of two gates, in one place all, with states."""
    import torch

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    generator = torch.Generator().manual_seed(1)
    weights, points = drawn(N_NETWORKS, 2, N_UNITS, N_UNITS), drawn(N_UNITS, 3)
    states = drawn(N_NETWORKS, 3, 4, N_UNITS)
    return Snapshot(weights, torch.cdist(points, points), states, points.repeat(N_NETWORKS, 1, 1))


def _some(snapshot: Snapshot, which: slice) -> Snapshot:
    assert snapshot.states is not None
    assert snapshot.positions is not None
    return Snapshot(snapshot.weights[which], snapshot.distances, snapshot.states[which], snapshot.positions[which])


def _check_probes(regularizer: Regularizer, whole: Snapshot) -> None:
    import torch

    def probed(some: Snapshot, first: int) -> Snapshot:
        seeds = range(first, first + len(some.weights))
        return replace(some, probes=[torch.Generator().manual_seed(seed) for seed in seeds])

    name = type(regularizer).__name__
    paid = regularizer.penalty(probed(whole, 0))
    assert torch.equal(paid, regularizer.penalty(probed(whole, 0))), f"{name}: the same probes must say the same"
    assert not torch.equal(paid, regularizer.penalty(probed(whole, 7))), f"{name}: other probes must say something else"
    for ask in (regularizer.penalty, regularizer.standard_error):
        one_by_one = [ask(probed(_some(whole, slice(which, which + 1)), which)) for which in range(N_NETWORKS)]
        alike = torch.allclose(ask(probed(whole, 0)), torch.cat(one_by_one), rtol=1e-9)
        assert alike, f"{name}: each network must draw from its own probes alone"
    error = regularizer.standard_error(probed(whole, 0))
    assert bool((error > 0).all()), f"{name}: an estimate has a standard error"
    dead = whole.weights.clone()
    dead[:, :, 2] = 0
    for weights in (dead, torch.zeros_like(dead)):
        given = weights.requires_grad_()
        cost = regularizer.penalty(probed(replace(whole, weights=given), 0))
        (slope,) = torch.autograd.grad(cost.sum(), given)
        assert bool(torch.isfinite(slope).all()), f"{name}: the gradient must be finite where units have no weights"


def _check_edges(regularizer: Regularizer, whole: Snapshot) -> None:
    """Check that penalty and gradient are finite where something is zero."""
    import torch

    assert whole.states is not None
    assert whole.positions is not None
    name = type(regularizer).__name__
    dead, together = whole.weights.clone(), whole.positions.clone()
    dead[:, :, 2] = 0
    together[:, 1] = together[:, 0]
    for what, some in (
        ("a unit without outgoing weights", replace(whole, weights=dead)),
        ("no weights at all", replace(whole, weights=torch.zeros_like(dead))),
        ("silent units", replace(whole, states=torch.zeros_like(whole.states))),
        ("two units at one place", replace(whole, positions=together)),
    ):
        inputs = [part.clone().requires_grad_() for part in (some.weights, some.states, some.positions)]  # type: ignore[union-attr]
        cost = regularizer.penalty(replace(some, weights=inputs[0], states=inputs[1], positions=inputs[2]))
        assert cost.requires_grad, f"{name}: the penalty must be differentiable with {what}"
        assert bool(torch.isfinite(cost).all()), f"{name}: the penalty must be finite with {what}"
        assert bool((cost >= 0).all()), f"{name}: the penalty must not be negative with {what}"
        for gradient in torch.autograd.grad(cost.sum(), inputs, allow_unused=True):
            finite = gradient is None or bool(torch.isfinite(gradient).all())
            assert finite, f"{name}: the gradient must be finite with {what}"


def _check_strength(regularizer: PricedRegularizer, whole: Snapshot) -> None:
    import torch

    name, strength, paid = type(regularizer).__name__, regularizer.strength, regularizer.penalty(whole)
    assert isinstance(strength, float)
    doubled = replace(regularizer, strength=2 * strength).penalty(whole)
    assert torch.allclose(doubled, 2 * paid, rtol=1e-12), f"{name}: twice the strength must cost twice as much"
    each = replace(regularizer, strength=tuple(strength * factor for factor in (1.0, 2.0, 3.0))).penalty(whole)
    expected = paid * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.allclose(each, expected, rtol=1e-12), f"{name}: each network must pay its own strength"
