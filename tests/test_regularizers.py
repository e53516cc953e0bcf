from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spatialnets import Snapshot
from spatialnets.geometries import Grid
from spatialnets.graph.communicability import communicability
from spatialnets.protocols import Product, Sum, WiringRegularizer
from spatialnets.regularizers import L1, L2, Both, Communicability, Distance

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")


def golden(case: int, name: str) -> NDArray[np.float32]:
    return GOLDEN[f"case{case}__{name}"]


def snapshot(n_networks: int = 3, n_units: int = 8, seed: int = 0) -> Snapshot:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(n_networks, 1, n_units, n_units, generator=generator, dtype=torch.float64)
    points = torch.randn(n_units, 3, generator=generator, dtype=torch.float64)
    return Snapshot(weights=weights, distances=torch.cdist(points, points))


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("name", ["l1", "distance", "both"])
def test_penalty_and_gradient_match_the_authors_code(case: int, name: str) -> None:
    power, factor, strength = (float(value) for value in golden(case, "params"))
    # stored distances are already raised to the power, so they are computed from positions
    positions = torch.tensor(golden(case, "positions"), dtype=torch.float64)
    regularizer: WiringRegularizer = {
        "l1": L1(strength),
        "distance": Distance(strength, power=power),
        "both": Both(strength, power=power, factor=factor),
    }[name]
    weights = torch.tensor(golden(case, "weights"), requires_grad=True)
    penalty = regularizer.penalty(Snapshot(weights=weights, distances=torch.cdist(positions, positions)))
    (gradient,) = torch.autograd.grad(penalty.sum(), weights)
    expected = golden(case, f"{name}_gradient")
    np.testing.assert_allclose(penalty.detach(), golden(case, f"{name}_penalty"), rtol=1e-5)  # float32 sums
    error = np.linalg.norm(gradient.numpy() - expected) / np.linalg.norm(expected)
    assert error < 1e-5  # float32 on both sides
    assert np.abs(gradient.numpy() - expected).max() < 1e-5 * np.abs(expected).max()


def test_both_is_distance_times_communicability() -> None:
    some = snapshot()
    product = Distance(0.3, power=2.0) * Communicability(0.5, factor=0.5)
    assert isinstance(product, Product)
    torch.testing.assert_close(product.penalty(some), Both(0.15, power=2.0, factor=0.5).penalty(some))


def test_a_sum_adds_penalties() -> None:
    some, total = snapshot(), L1(0.1) + Distance(0.2) + Both(0.3)
    assert isinstance(total, Sum)
    assert len(total.terms) == 3
    expected = L1(0.1).penalty(some) + Distance(0.2).penalty(some) + Both(0.3).penalty(some)
    torch.testing.assert_close(total.penalty(some), expected)


def test_penalties_have_their_closed_form() -> None:
    weights = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)
    distances = torch.tensor([[0.0, 4.0], [4.0, 0.0]], dtype=torch.float64)
    some = Snapshot(weights=weights, distances=distances)
    assert float(L1(2.0).penalty(some)) == 13.0
    assert float(L2(2.0).penalty(some)) == 2 * (1 + 4 + 9 + 0.25)
    assert float(Distance(2.0).penalty(some)) == 40.0
    assert float(Distance(2.0, power=0.5).penalty(some)) == 20.0


def test_strength_may_differ_between_networks() -> None:
    some = snapshot()
    for regularizer in (L1, Distance, Both):
        each = regularizer((0.1, 0.2, 0.0)).penalty(some)
        torch.testing.assert_close(each, regularizer(1.0).penalty(some) * torch.tensor([0.1, 0.2, 0.0]))
    assert (L1((1.0, 2.0)) * L1(3.0)).strength == (3.0, 6.0)
    assert (L1((1.0, 2.0)) * L1((3.0, 4.0))).strength == (3.0, 8.0)
    with pytest.raises(ValueError, match="2 strengths for 3 networks"):
        L1((1.0, 2.0)).penalty(some)
    with pytest.raises(ValueError, match="cannot multiply 2 strengths by 3"):
        L1((1.0, 2.0)) * L1((1.0, 2.0, 3.0))


def test_distances_may_differ_between_networks() -> None:
    some = snapshot(n_networks=2)
    assert some.distances is not None
    each = Snapshot(weights=some.weights, distances=torch.stack([some.distances, 2 * some.distances]))
    single = Distance(1.0).penalty(some)
    torch.testing.assert_close(Distance(1.0).penalty(each), single * torch.tensor([1.0, 2.0]))


def test_communicability_depends_on_the_direction_of_weights() -> None:
    some = snapshot()
    other = Snapshot(weights=some.weights.mT, distances=some.distances)
    torch.testing.assert_close(Distance(1.0).penalty(other), Distance(1.0).penalty(some))
    assert not torch.allclose(Both(1.0).penalty(other), Both(1.0).penalty(some), rtol=1e-3)


def test_self_connections_cost_nothing_except_with_l1() -> None:
    some = Snapshot(weights=torch.eye(5), distances=1 - torch.eye(5))
    for regularizer in (Distance, Communicability, Both):
        assert float(regularizer(1.0).penalty(some)) == 0
    assert float(L1(1.0).penalty(some)) == 5


def test_penalties_do_not_depend_on_the_order_of_units() -> None:
    some, order = snapshot(), torch.randperm(8, generator=torch.Generator().manual_seed(1))
    assert some.distances is not None
    reordered = Snapshot(weights=some.weights[..., order, :][..., order], distances=some.distances[order][:, order])
    for regularizer in (L1(1.0), Distance(1.0), Communicability(1.0), Both(1.0)):
        torch.testing.assert_close(regularizer.penalty(reordered), regularizer.penalty(some))


def test_cost_scales_with_distance_to_the_power() -> None:
    some = snapshot()
    assert some.distances is not None
    longer = Snapshot(weights=some.weights, distances=3 * some.distances)
    torch.testing.assert_close(Both(1.0, power=2.0).penalty(longer), 9 * Both(1.0, power=2.0).penalty(some))


def test_snapshots_accept_arrays_of_one_or_several_networks() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 6, 6))
    several = L1(1.0).penalty(Snapshot(weights=weights, distances=np.ones((6, 6))))  # type: ignore[arg-type]
    np.testing.assert_allclose(several, np.abs(weights).sum(axis=(1, 2)))
    one = L1(1.0).penalty(Snapshot(weights=weights[0]))
    assert one.shape == (1,)


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf"), (0.1, -1.0)])
def test_invalid_strengths_are_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        L1(strength)


def test_invalid_exponents_are_refused() -> None:
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="power must be positive and finite"):
            Distance(1.0, power=value)
        with pytest.raises(ValueError, match="factor must be positive and finite"):
            Both(1.0, factor=value)


def test_messages_say_what_a_penalty_needs() -> None:
    with pytest.raises(ValueError, match=r"write Snapshot\(weights=…, distances=…\)"):
        Distance(1.0).penalty(Snapshot(weights=torch.ones(3, 3)))
    with pytest.raises(ValueError, match="square matrices"):
        Communicability(1.0).penalty(Snapshot(weights=torch.ones(3, 4)))
    with pytest.raises(ValueError, match=r"distances have shape \(4, 4\)"):
        Snapshot(weights=torch.ones(3, 3), distances=torch.ones(4, 4))
    with pytest.raises(ValueError, match="weights have shape"):
        Snapshot(weights=torch.ones(3))
    with pytest.raises(TypeError):
        L1(1.0) * 3  # type: ignore[operator]
    with pytest.raises(TypeError):
        L1(1.0) + 3  # type: ignore[operator]


def test_detached_communicability_is_constant_in_the_gradient() -> None:
    distances = torch.tensor(Grid((3, 2)).distances())
    weights = torch.randn(2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    for attached, detached in (
        (Both(0.3), Both(0.3, detach=True)),
        (Communicability(0.3), Communicability(0.3, detach=True)),
    ):
        some = Snapshot(weights=weights, distances=distances)
        torch.testing.assert_close(attached.penalty(some), detached.penalty(some), rtol=1e-12, atol=0)  # float64
        (gradient,) = torch.autograd.grad(detached.penalty(some).sum(), weights)
        cost = 0.3 * communicability(weights.detach().abs())
        if isinstance(attached, Both):
            cost = cost * distances
        torch.testing.assert_close(gradient, weights.detach().sign() * cost)
        (full_gradient,) = torch.autograd.grad(attached.penalty(some).sum(), weights)
        assert not torch.allclose(full_gradient, gradient)
