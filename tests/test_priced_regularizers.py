"""Penalties on activity, rank, positions and deviation from a connectome."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import CUBE, random, tiny

from spatialnets import Snapshot
from spatialnets.geometries import Grid, Learnable
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import PricedRegularizer
from spatialnets.regularizers import L1, Activity, Nuclear, Repulsion, Sum, TargetConnectome, WeightedActivity
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


def changed(some: Snapshot, **fields: Any) -> Snapshot:
    return replace(some, **fields)


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
            activity = float(some.states[network, :, :, pre].abs().mean())
            for post in range(N):
                weight = float(some.weights[network, :, pre, post].abs().sum())
                expected[network] += 0.3 * activity * weight * float(some.distances[network, pre, post]) ** 1.5
    np.testing.assert_allclose(WeightedActivity(0.3, power=1.5).penalty(some), expected)
    fixed = Snapshot(some.weights, some.distances[0], some.states)
    torch.testing.assert_close(WeightedActivity(0.3).penalty(fixed)[0], WeightedActivity(0.3).penalty(some)[0])


def test_nuclear_norm_has_its_closed_form() -> None:
    diagonal = torch.diag(torch.tensor([3.0, -2.0, 0.0], dtype=torch.float64))
    assert float(Nuclear(0.5).penalty(Snapshot(diagonal))) == pytest.approx(2.5)
    one, other = torch.tensor(random(4)), torch.tensor(random(4, seed=1))
    assert float(Nuclear(1.0).penalty(Snapshot(torch.outer(one, other)))) == pytest.approx(
        float(one.norm() * other.norm())
    )
    rotation = torch.linalg.qr(torch.tensor(random(4, 4))).Q
    assert float(Nuclear(1.0).penalty(Snapshot(rotation))) == pytest.approx(4.0)
    rectangular = torch.tensor(random(2, 3, 4, 6))
    expected = np.linalg.norm(rectangular.numpy(), "nuc", axis=(2, 3)).sum(axis=1)
    np.testing.assert_allclose(Nuclear(1.0).penalty(Snapshot(rectangular)), expected)


def test_gradient_of_the_nuclear_norm_is_defined_for_equal_and_zero_singular_values() -> None:
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


def test_a_network_equal_to_the_target_has_no_penalty() -> None:
    signs = np.sign(random(N, N, seed=3))
    pattern, exact = ALL[3], ALL[4]
    target = torch.tensor(signs * TARGET)
    assert float(exact.penalty(Snapshot(target))) == 0
    for factor in (1.0, 0.01, 100.0):
        assert float(pattern.penalty(Snapshot(factor * target))) == pytest.approx(0, abs=1e-12)
    assert float(exact.penalty(Snapshot(2 * target))) == pytest.approx(0.3 * (TARGET**2).sum())
    assert float(pattern.penalty(Snapshot(torch.tensor(TARGET == 0).double()))) == pytest.approx(0.6)
    assert float(pattern.penalty(Snapshot(torch.zeros(N, N)))) == pytest.approx(0.3)


def test_normalized_deviation_depends_on_the_cosine_with_the_target() -> None:
    some = snapshot()
    magnitudes = some.weights.abs().numpy().reshape(3, -1)
    cosine = magnitudes @ TARGET.ravel() / np.linalg.norm(magnitudes, axis=1) / np.linalg.norm(TARGET)
    np.testing.assert_allclose(ALL[3].penalty(some), 0.3 * 2 * (1 - cosine))


def test_missing_values_of_the_target_are_not_compared() -> None:
    incomplete = np.where(np.eye(N, dtype=bool), np.nan, TARGET)
    weights = np.where(np.eye(N, dtype=bool), 7.0, TARGET)
    for normalise in (True, False):
        regularizer = TargetConnectome(1.0, source=incomplete, normalise=normalise)  # type: ignore[arg-type]
        some = torch.tensor(weights).requires_grad_()
        cost = regularizer.penalty(Snapshot(some))
        (gradient,) = torch.autograd.grad(cost.sum(), some)
        assert float(cost.detach()) == pytest.approx(0, abs=1e-12)
        assert torch.isfinite(gradient).all()


def test_a_target_is_read_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "connectome.npz", one=TARGET, two=TARGET.T)
    file = TargetConnectome(0.3, source=tmp_path / "connectome.npz", variable="one")  # type: ignore[arg-type]
    torch.testing.assert_close(file.penalty(snapshot()), ALL[3].penalty(snapshot()))
    with pytest.raises(ValueError, match="there is no file nowhere.csv"):
        TargetConnectome(0.3, source="nowhere.csv")


def test_repulsion_is_the_mean_inverse_distance_between_pairs() -> None:
    some = snapshot()
    assert some.distances is not None
    off_diagonal = ~np.eye(N, dtype=bool)
    expected = [0.3 * (matrix[off_diagonal] ** -2.0).mean() for matrix in some.distances.numpy()]
    np.testing.assert_allclose(Repulsion(0.3, power=2.0).penalty(some), expected)


# Properties


@pytest.mark.parametrize("regularizer", ALL, ids=lambda regularizer: type(regularizer).__name__)
def test_penalties_do_not_depend_on_the_order_of_units(regularizer: PricedRegularizer) -> None:
    some, order = snapshot(), torch.randperm(N, generator=torch.Generator().manual_seed(1))
    assert some.distances is not None
    assert some.states is not None
    assert some.positions is not None
    reordered = Snapshot(
        some.weights[..., order, :][..., order],
        some.distances[:, order][..., order],
        some.states[..., order],
        some.positions[:, order],
    )
    same = regularizer
    if isinstance(regularizer, TargetConnectome):
        same = replace(regularizer, source=TARGET[order][:, order])
    torch.testing.assert_close(same.penalty(reordered), regularizer.penalty(some))


def test_penalties_scale_with_weights_states_and_lengths() -> None:
    some = snapshot()
    assert some.distances is not None
    assert some.states is not None
    assert some.positions is not None
    weights, states = changed(some, weights=2 * some.weights), changed(some, states=2 * some.states)
    longer = changed(some, distances=2 * some.distances, positions=2 * some.positions)
    activity, weighted, nuclear, pattern, _, repulsion = ALL
    for regularizer, other, factor in (
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
        torch.testing.assert_close(regularizer.penalty(other), factor * regularizer.penalty(some))


@pytest.mark.parametrize("regularizer", ALL, ids=lambda regularizer: type(regularizer).__name__)
def test_strength_may_differ_between_networks(regularizer: PricedRegularizer) -> None:
    some = snapshot()
    each = replace(regularizer, strength=(0.3, 0.6, 0.0)).penalty(some)
    torch.testing.assert_close(each, regularizer.penalty(some) * torch.tensor([1.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match="2 strengths for 3 networks"):
        replace(regularizer, strength=(0.3, 0.6)).penalty(some)


# Training


def test_each_penalty_is_stored_under_its_own_name() -> None:
    target = np.abs(random(8, 8))
    geometry = StoredGeometry.of(Learnable(start=Grid((2, 2, 2)), repulsion=0.0))
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
    penalties = [data[f"penalty_{name}"].to_numpy() for name in names]
    np.testing.assert_allclose(data["penalty"], sum(penalties), rtol=1e-5)  # float32
    assert all((each[0] > 0).all() for each in penalties)
    assert not penalties[0][1].any()
    np.testing.assert_array_equal(penalties[1], penalties[5])


@pytest.mark.parametrize(("regularizer", "floor"), [(Activity(3.0), 0.8), (Nuclear(1.0), 0.8)])
def test_training_reduces_what_is_penalized(regularizer: PricedRegularizer, floor: float) -> None:
    more = {"epochs": 5, "learning_rate": 0.02}
    penalties = train(tiny(more, regularizer=regularizer), CUBE)["penalty"].to_numpy()
    assert (penalties[:, -1] < floor * penalties[:, 0]).all()


def test_strengths_of_several_networks_train_together() -> None:
    data = train(tiny(regularizer=Nuclear((0.0, 0.1))), CUBE)
    np.testing.assert_array_equal(data["strength"], [0.0, 0.1])
    assert float(data["penalty"][0, 0]) == 0 < float(data["penalty"][1, 0])
    assert "penalty_nuclear" not in data  # a single term is stored as the penalty


# Errors


def test_messages_say_what_a_penalty_needs() -> None:
    weights_only = Snapshot(torch.ones(N, N))
    with pytest.raises(ValueError, match="needs states"):
        Activity(1.0).penalty(weights_only)
    with pytest.raises(ValueError, match="needs distances and states"):
        WeightedActivity(1.0).penalty(weights_only)
    with pytest.raises(ValueError, match="kind: learnable"):
        Repulsion(1.0).penalty(weights_only)
    with pytest.raises(ValueError, match=r"source has shape \(5, 5\); the weights have shape \(4, 4\)"):
        ALL[3].penalty(Snapshot(torch.ones(4, 4)))
    with pytest.raises(ValueError, match="inputs have no states"):
        WeightedActivity(1.0, projection="input")
    for regularizer in (Activity, Repulsion):
        with pytest.raises(ValueError, match="do not belong to a projection"):
            regularizer(1.0, projection="readout")


@pytest.mark.parametrize("source", [-np.ones((3, 3)), np.zeros((3, 3)), np.full((3, 3), np.inf), np.ones((2, 3))])
def test_invalid_targets_are_refused(source: Any) -> None:
    with pytest.raises(ValueError, match="must be finite and not negative|square matrix"):
        TargetConnectome(1.0, source=source)


@pytest.mark.parametrize("regularizer", [WeightedActivity, Repulsion])
def test_invalid_exponents_are_refused(regularizer: Any) -> None:
    for power in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="power must be positive and finite"):
            regularizer(1.0, power=power)


def test_invalid_strengths_are_refused() -> None:
    for regularizer in (L1, Activity, Nuclear):
        with pytest.raises(ValueError, match="finite and not negative"):
            regularizer(-1.0)
