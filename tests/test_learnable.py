"""Positions that are trained together with the weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from tiny import OVERRIDES, tiny

from spatialnets import Experiment, Run
from spatialnets.analyses import FunctionalConnectivity, Generative, SpatialCoding, Wiring
from spatialnets.analyses.wiring import distances_of
from spatialnets.geometries import Grid, Learnable, Sphere
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import Both, Distance
from spatialnets.testing import check_analysis
from spatialnets.training.trainer import Trainer, train

START = Learnable(start=Grid((2, 2, 2)), repulsion=0.1)
FREE = StoredGeometry.of(START)


def between(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances between different units, ``(…, pair)``."""
    return distances[..., ~np.eye(distances.shape[-1], dtype=bool)]


def test_units_start_at_the_given_positions_and_move() -> None:
    data = train(tiny(regularizer=Distance(0.1)), FREE)
    positions = data["positions"].to_numpy()
    assert data["positions"].dims == ("network", "epoch", "unit", "xyz")
    np.testing.assert_allclose(positions[:, 0], np.broadcast_to(FREE.positions, (2, 8, 3)), atol=1e-6)  # float32
    assert (np.abs(positions[:, 1] - positions[:, 0]).max(axis=(1, 2)) > 1e-3).all()
    assert not np.allclose(positions[0, -1], positions[1, -1])


def test_stored_distances_are_those_of_stored_positions() -> None:
    data = train(tiny(regularizer=Distance(0.1)), FREE)
    assert data["distances"].dims == ("network", "epoch", "pre", "post")
    for network in range(2):
        for epoch in range(3):
            positions = data["positions"][network, epoch].to_numpy()
            np.testing.assert_allclose(
                data["distances"][network, epoch], cdist(positions, positions), atol=1e-5
            )  # float32


@pytest.mark.parametrize("start", [Grid((2, 2, 2)), Sphere(n=8, radius=40.0), replace(Grid((2, 2, 2)), rescale="none")])
def test_the_mean_distance_stays_constant(start: Grid) -> None:
    geometry = StoredGeometry.of(Learnable(start=start))
    data = train(tiny({"learning_rate": 0.05}, regularizer=Distance(0.5)), geometry)
    mean = between(data["distances"].to_numpy()).mean(axis=-1)
    np.testing.assert_allclose(mean, geometry.mean_distance, rtol=1e-5)  # float32


@pytest.mark.parametrize("regularizer", [Distance(1.0), Both(0.5)])
def test_units_do_not_collapse_under_a_strong_penalty(regularizer: Distance | Both) -> None:
    strong = {"epochs": 5, "trials_per_epoch": 640, "batch_size": 8, "learning_rate": 0.01}
    data = train(tiny(strong, regularizer=regularizer, networks=(0,), seeds=(3,)), FREE)  # 400 updates
    nearest = between(data["distances"].to_numpy()).min(axis=-1)
    assert data["status"].to_numpy().tolist() == ["trained"]
    assert (nearest > 0.02 * FREE.mean_distance).all()
    clumped = train(
        tiny(strong, regularizer=regularizer, networks=(0,), seeds=(3,)),
        StoredGeometry.of(replace(START, repulsion=0.0)),
    )
    assert (nearest[0, 1:] > between(clumped["distances"].to_numpy()).min(axis=-1)[0, 1:]).mean() > 0.5


def test_repulsion_is_the_mean_inverse_distance() -> None:
    data = train(tiny(regularizer=Distance(0.1)), FREE)
    steps = between(data["distances"].to_numpy()) * FREE.steps_per_unit
    np.testing.assert_allclose(data["penalty_keeping_apart"], 0.1 * (1 / steps).mean(axis=-1), rtol=1e-4)  # float32
    np.testing.assert_allclose(data["penalty"], data["penalty_distance"] + data["penalty_keeping_apart"], rtol=1e-6)


def test_the_penalty_uses_the_current_positions() -> None:
    data = train(tiny(regularizer=Distance(0.1)), FREE)
    lengths = data["distances"].to_numpy() * FREE.steps_per_unit
    expected = 0.1 * (np.abs(data["weights"].to_numpy()) * lengths).sum(axis=(2, 3))
    np.testing.assert_allclose(data["penalty_distance"], expected, rtol=1e-4)  # float32


def test_gradients_of_positions_match_finite_differences() -> None:
    trainer = Trainer(tiny({"precision": "float64"}, regularizer=Both(0.3)), FREE)
    positions = trainer.ensemble.positions
    with torch.no_grad():
        positions.add_(0.1 * torch.randn(positions.shape, generator=torch.Generator().manual_seed(0)).to(positions))

    def penalty() -> torch.Tensor:
        return torch.stack(list(trainer.penalties.for_update(None, 0.0, 0).values())).sum()

    (gradient,) = torch.autograd.grad(penalty(), positions)
    step = 1e-6
    with torch.no_grad():
        for index in ((0, 0, 0), (0, 3, 2), (1, 7, 1), (1, 2, 0)):
            positions[index] += step
            above = penalty()
            positions[index] -= 2 * step
            below = penalty()
            positions[index] += step
            assert float(gradient[index]) == pytest.approx(float((above - below) / (2 * step)), rel=1e-5)


def test_penalties_do_not_change_if_all_positions_are_shifted_or_scaled() -> None:
    trainer = Trainer(tiny({"precision": "float64"}, regularizer=Both(0.3)), FREE)
    before = trainer.penalties.for_update(None, 0.0, 0)
    with torch.no_grad():
        trainer.ensemble.positions.mul_(3).add_(7)
    for name, after in trainer.penalties.for_update(None, 0.0, 0).items():
        torch.testing.assert_close(after, before[name])


def test_interrupted_training_continues_bit_for_bit(tmp_path: Path) -> None:
    shard = tiny(regularizer=Both(0.1))
    whole = train(shard, FREE)
    first = Trainer(shard, FREE)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert whole.identical(train(shard, FREE, tmp_path / "checkpoint.npz"))


def test_a_network_that_diverges_has_neither_positions_nor_distances() -> None:
    data = train(tiny(regularizer=Distance((0.1, 1e38))), FREE)
    assert data["status"].to_numpy().tolist() == ["trained", "diverged"]
    assert np.isnan(data["distances"][1, -1]).all()
    assert np.isnan(data["positions"][1, -1]).all()
    assert np.isfinite(data["distances"][0]).all()


def test_invalid_fields_are_errors() -> None:
    with pytest.raises(ValueError, match="fixed positions"):
        Learnable(start=START)
    for value in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="repulsion must be finite"):
            Learnable(repulsion=value)


# Analyses and report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two networks whose units move far."""
    overrides = ("geometry={kind: learnable, start: {kind: grid, shape: [3, 2, 2]}}", "training.learning_rate=0.02")
    experiment = Experiment.from_preset("sernn_demo").override(*overrides, *OVERRIDES)
    return experiment.run(tmp_path_factory.mktemp("learnable") / "run", workers=1, report=False)


def test_wiring_uses_the_distances_of_each_network(run: Run) -> None:
    check_analysis(Wiring(), run)
    measurements, group = Wiring().measure(run), next(iter(run.groups))
    data = run[group]
    for epoch in range(2):
        weights = np.abs(data["weights"][0, epoch].to_numpy().astype(np.float64))
        lengths = data["distances"][0, epoch].to_numpy().astype(np.float64)
        first = measurements.isel(network=0, epoch=epoch)
        assert float(first["weighted_edge_length"]) == pytest.approx(np.average(lengths, weights=weights))
        assert float(first["weighted_edge_length_paper"]) == pytest.approx(np.mean(weights @ lengths))
        exists = weights > 0
        expected = np.corrcoef(weights[exists], lengths[exists])[0, 1]
        assert float(first["weight_distance_correlation"]) == pytest.approx(expected)


def test_functional_connectivity_accepts_distances_that_differ_between_networks(run: Run) -> None:
    check_analysis(FunctionalConnectivity(trials=8, epoch=1, accuracy=0.0), run)


@pytest.mark.slow
def test_slow_analyses_accept_distances_that_differ_between_networks(run: Run) -> None:
    check_analysis(Generative(rules=("spatial",), ranks=(0, 1), epochs=(1,), levels=1, per_level=4, accuracy=0.0), run)
    check_analysis(SpatialCoding(sets=20, decoding=replace(SpatialCoding().decoding, accuracy=0.0)), run)


def test_fixed_distances_are_those_of_all_networks_and_epochs() -> None:
    shard = train(tiny(), StoredGeometry.of(Grid((2, 2, 2))))
    assert distances_of(shard).shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(distances_of(shard)[1, 2], Grid((2, 2, 2)).distances())


def test_the_report_draws_units_at_their_learned_positions(run: Run) -> None:
    from spatialnets.report.example import example_networks

    group = next(iter(run.groups))
    table = run.scores(group).assign_coords(group=("network", [group] * len(run[group]["network"])))
    (example,) = example_networks(run, table, epoch=1)
    data = run[group].sel(network=example.network, epoch=1)
    np.testing.assert_allclose(example.geometry.positions, data["positions"])
    assert not np.allclose(example.geometry.positions, run.geometry_of(group).positions)
