"""Penalties on activity, rank, places, and likeness to a connectome."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import CUBE, random, tiny

from spatialnets import Snapshot
from spatialnets.geometries import Grid, Learnable
from spatialnets.protocols import PricedRegularizer
from spatialnets.regularizers import L1, Activity, Nuclear, Repulsion, Sum, TargetConnectome, WeightedActivity
from spatialnets.runs.folder import stored
from spatialnets.training.trainer import train

N = 5
TARGET = np.abs(random(N, N, seed=9)) * (random(N, N, seed=8) > 0)
ALL: list[PricedRegularizer] = [
    Activity(0.3),
    WeightedActivity(0.3, power=1.5),
    Nuclear(0.3),
    TargetConnectome(0.3, source=TARGET),  # type: ignore[arg-type]
    TargetConnectome(0.3, source=TARGET, normalise=False),  # type: ignore[arg-type]
    Repulsion(0.3),
]


def snapshot(n_networks: int = 3, gates: int = 1) -> Snapshot:
    positions = torch.tensor(random(n_networks, N, 3, seed=1))
    return Snapshot(
        torch.tensor(random(n_networks, gates, N, N)),
        torch.cdist(positions, positions),
        torch.tensor(random(n_networks, 4, 6, N, seed=2)),
        positions,
    )


def changed(some: Snapshot, **parts: Any) -> Snapshot:
    return replace(some, **parts)


# Closed forms


def test_activity_is_the_mean_magnitude_of_states() -> None:
    some = snapshot()
    assert some.states is not None
    expected = 0.3 * np.abs(some.states.numpy()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(Activity(0.3).penalty(some), expected)
    assert float(Activity(2.0).penalty(Snapshot(torch.ones(2, 2), states=torch.full((1, 3, 4, 2), -1.5)))) == 3.0


def test_weighted_activity_sums_over_connections() -> None:
    some = snapshot(gates=2)
    assert some.states is not None
    assert some.distances is not None
    expected = np.zeros(3)
    for network in range(3):
        for pre in range(N):
            sent = float(some.states[network, :, :, pre].abs().mean())
            for post in range(N):
                weight = float(some.weights[network, :, pre, post].abs().sum())
                expected[network] += 0.3 * sent * weight * float(some.distances[network, pre, post]) ** 1.5
    np.testing.assert_allclose(WeightedActivity(0.3, power=1.5).penalty(some), expected)
    fixed = Snapshot(some.weights, some.distances[0], some.states)
    torch.testing.assert_close(WeightedActivity(0.3).penalty(fixed)[0], WeightedActivity(0.3).penalty(some)[0])


def test_the_nuclear_norm_of_known_matrices() -> None:
    diagonal = torch.diag(torch.tensor([3.0, -2.0, 0.0], dtype=torch.float64))
    assert float(Nuclear(0.5).penalty(Snapshot(diagonal))) == pytest.approx(2.5)
    one, other = torch.tensor(random(4)), torch.tensor(random(4, seed=1))
    assert float(Nuclear(1.0).penalty(Snapshot(torch.outer(one, other)))) == pytest.approx(
        float(one.norm() * other.norm())
    )
    rotation = torch.linalg.qr(torch.tensor(random(4, 4))).Q
    assert float(Nuclear(1.0).penalty(Snapshot(rotation))) == pytest.approx(4.0)
    oblong = torch.tensor(random(2, 3, 4, 6))
    expected = np.linalg.norm(oblong.numpy(), "nuc", axis=(2, 3)).sum(axis=1)
    np.testing.assert_allclose(Nuclear(1.0).penalty(Snapshot(oblong)), expected)


def test_the_gradient_of_the_nuclear_norm_is_known_where_singular_values_are_equal_or_zero() -> None:
    rotation = torch.linalg.qr(torch.tensor(random(4, 4))).Q.requires_grad_()  # all values are 1
    (gradient,) = torch.autograd.grad(Nuclear(1.0).penalty(Snapshot(rotation)).sum(), rotation)
    torch.testing.assert_close(gradient, rotation.detach())
    one, other = torch.tensor(random(4)), torch.tensor(random(4, seed=1))
    thin = torch.outer(one, other).requires_grad_()  # all but one are 0
    (gradient,) = torch.autograd.grad(Nuclear(1.0).penalty(Snapshot(thin)).sum(), thin)
    torch.testing.assert_close(gradient, torch.outer(one / one.norm(), other / other.norm()))
    nothing = torch.zeros(4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(Nuclear(1.0).penalty(Snapshot(nothing)).sum(), nothing)
    assert not gradient.any()


def test_a_network_that_is_the_target_pays_nothing() -> None:
    signs = np.sign(random(N, N, seed=3))
    pattern, exact = ALL[3], ALL[4]
    itself = torch.tensor(signs * TARGET)
    assert float(exact.penalty(Snapshot(itself))) == 0
    for factor in (1.0, 0.01, 100.0):
        assert float(pattern.penalty(Snapshot(factor * itself))) == pytest.approx(0, abs=1e-12)
    assert float(exact.penalty(Snapshot(2 * itself))) == pytest.approx(0.3 * (TARGET**2).sum())
    assert float(pattern.penalty(Snapshot(torch.tensor(TARGET == 0).double()))) == pytest.approx(0.6)
    assert float(pattern.penalty(Snapshot(torch.zeros(N, N)))) == pytest.approx(0.3)


def test_the_pattern_is_that_of_two_vectors_at_an_angle() -> None:
    some = snapshot()
    own = some.weights.abs().numpy().reshape(3, -1)
    cosine = own @ TARGET.ravel() / np.linalg.norm(own, axis=1) / np.linalg.norm(TARGET)
    np.testing.assert_allclose(ALL[3].penalty(some), 0.3 * 2 * (1 - cosine))


def test_what_is_missing_in_the_target_is_not_compared() -> None:
    holed = np.where(np.eye(N, dtype=bool), np.nan, TARGET)
    weights = np.where(np.eye(N, dtype=bool), 7.0, TARGET)
    for normalise in (True, False):
        part = TargetConnectome(1.0, source=holed, normalise=normalise)  # type: ignore[arg-type]
        some = torch.tensor(weights).requires_grad_()
        cost = part.penalty(Snapshot(some))
        (gradient,) = torch.autograd.grad(cost.sum(), some)
        assert float(cost.detach()) == pytest.approx(0, abs=1e-12)
        assert torch.isfinite(gradient).all()


def test_a_target_is_read_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "connectome.npz", one=TARGET, two=TARGET.T)
    file = TargetConnectome(0.3, source=tmp_path / "connectome.npz", variable="one")  # type: ignore[arg-type]
    torch.testing.assert_close(file.penalty(snapshot()), ALL[3].penalty(snapshot()))
    with pytest.raises(ValueError, match="is no file|not there|no such|cannot"):
        TargetConnectome(0.3, source="nowhere.csv")


def test_repulsion_is_the_mean_inverse_distance_of_pairs() -> None:
    some = snapshot()
    assert some.distances is not None
    apart = ~np.eye(N, dtype=bool)
    expected = [0.3 * (matrix[apart] ** -2.0).mean() for matrix in some.distances.numpy()]
    np.testing.assert_allclose(Repulsion(0.3, power=2.0).penalty(some), expected)


# Properties


@pytest.mark.parametrize("part", ALL, ids=lambda part: type(part).__name__)
def test_renumbering_units_costs_nothing(part: PricedRegularizer) -> None:
    some, order = snapshot(), torch.randperm(N, generator=torch.Generator().manual_seed(1))
    assert some.distances is not None
    assert some.states is not None
    assert some.positions is not None
    renumbered = Snapshot(
        some.weights[..., order, :][..., order],
        some.distances[:, order][..., order],
        some.states[..., order],
        some.positions[:, order],
    )
    same = part
    if isinstance(part, TargetConnectome):
        same = replace(part, source=TARGET[order][:, order])
    torch.testing.assert_close(same.penalty(renumbered), part.penalty(some))


def test_scaling_scales_each_price_as_it_should() -> None:
    some = snapshot()
    assert some.distances is not None
    assert some.states is not None
    assert some.positions is not None
    weights, states = changed(some, weights=2 * some.weights), changed(some, states=2 * some.states)
    longer = changed(some, distances=2 * some.distances, positions=2 * some.positions)
    activity, weighted, nuclear, pattern, _, repulsion = ALL
    for part, other, factor in (
        (activity, weights, 1),
        (activity, states, 2),
        (activity, longer, 1),
        (weighted, weights, 2),
        (weighted, states, 2),
        (weighted, longer, 2**1.5),
        (nuclear, weights, 2),
        (pattern, weights, 1),
        (repulsion, longer, 0.5),
        (repulsion, weights, 1),
    ):
        torch.testing.assert_close(part.penalty(other), factor * part.penalty(some))


@pytest.mark.parametrize("part", ALL, ids=lambda part: type(part).__name__)
def test_each_network_pays_its_own_strength(part: PricedRegularizer) -> None:
    some = snapshot()
    each = replace(part, strength=(0.3, 0.6, 0.0)).penalty(some)
    torch.testing.assert_close(each, part.penalty(some) * torch.tensor([1.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match="2 strengths for 3 networks"):
        replace(part, strength=(0.3, 0.6)).penalty(some)


# In training


def test_each_is_a_term_of_its_own_name_in_training() -> None:
    target = np.abs(random(8, 8))
    geometry = stored(Learnable(start=Grid((2, 2, 2)), repulsion=0.0))
    total = Sum(
        terms=(
            Activity((0.1, 0.0)),
            WeightedActivity(0.01),
            Nuclear(0.01),
            TargetConnectome(0.1, source=target),  # type: ignore[arg-type]
            Repulsion(0.1),
            WeightedActivity(0.01),
        )
    )
    data = train(tiny(regularizer=total), geometry)
    names = ["activity", "weighted_activity", "nuclear", "target_connectome", "repulsion", "weighted_activity_2"]
    paid = [data[f"penalty_{name}"].to_numpy() for name in names]
    np.testing.assert_allclose(data["penalty"], sum(paid), rtol=1e-5)  # float32
    assert all((each[0] > 0).all() for each in paid)
    assert not paid[0][1].any()
    np.testing.assert_array_equal(paid[1], paid[5])


@pytest.mark.parametrize(("part", "floor"), [(Activity(3.0), 0.8), (Nuclear(1.0), 0.8)])
def test_what_costs_becomes_less(part: PricedRegularizer, floor: float) -> None:
    more = {"epochs": 5, "learning_rate": 0.02}
    paid = train(tiny(more, regularizer=part), CUBE)["penalty"].to_numpy()
    assert (paid[:, -1] < floor * paid[:, 0]).all()


def test_a_strength_is_an_axis_that_batches() -> None:
    data = train(tiny(regularizer=Nuclear((0.0, 0.1))), CUBE)
    np.testing.assert_array_equal(data["strength"], [0.0, 0.1])
    assert float(data["penalty"][0, 0]) == 0 < float(data["penalty"][1, 0])
    assert "penalty_nuclear" not in data  # one term is the penalty itself


# What is refused


def test_what_a_penalty_lacks_is_said() -> None:
    bare = Snapshot(torch.ones(N, N))
    with pytest.raises(ValueError, match="needs states"):
        Activity(1.0).penalty(bare)
    with pytest.raises(ValueError, match="needs distances and states"):
        WeightedActivity(1.0).penalty(bare)
    with pytest.raises(ValueError, match="kind: learnable"):
        Repulsion(1.0).penalty(bare)
    with pytest.raises(ValueError, match=r"source has shape \(5, 5\); the weights are \(4, 4\)"):
        ALL[3].penalty(Snapshot(torch.ones(4, 4)))
    with pytest.raises(ValueError, match="inputs have no states"):
        WeightedActivity(1.0, projection="input")
    for part in (Activity, Repulsion):
        with pytest.raises(ValueError, match="belong to no projection"):
            part(1.0, projection="readout")


@pytest.mark.parametrize("source", [-np.ones((3, 3)), np.zeros((3, 3)), np.full((3, 3), np.inf), np.ones((2, 3))])
def test_targets_that_mean_nothing_are_refused(source: Any) -> None:
    with pytest.raises(ValueError, match="must be finite and not negative|square matrix"):
        TargetConnectome(1.0, source=source)


@pytest.mark.parametrize("part", [WeightedActivity, Repulsion])
def test_powers_that_mean_nothing_are_refused(part: Any) -> None:
    for power in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="power must be finite and positive"):
            part(1.0, power=power)


def test_strengths_that_mean_nothing_are_refused_for_all() -> None:
    for part in (L1, Activity, Nuclear):
        with pytest.raises(ValueError, match="finite and not negative"):
            part(-1.0)
