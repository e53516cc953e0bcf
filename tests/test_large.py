"""Large matrices of all pairs of units, with limits lowered so that small ones count as large."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CUBE, OVERRIDES, tiny

from spatialnets import Experiment, Run
from spatialnets.engines import compute
from spatialnets.errors import UserError
from spatialnets.geometries import Grid, Points, Sphere
from spatialnets.graph.stochastic_communicability import estimate_communicability_cost
from spatialnets.networks import stored_geometry
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import Both
from spatialnets.training.trainer import Trainer, train

EPOCHS = {"epochs": 5, "keep_every": 2}


def test_keeping_fewer_epochs_does_not_change_them() -> None:
    all_epochs, some = train(tiny({"epochs": 5}), CUBE), train(tiny(EPOCHS), CUBE)
    assert some["epoch"].to_numpy().tolist() == [0, 2, 4, 5]
    assert some.identical(all_epochs.sel(epoch=[0, 2, 4, 5]))


def test_a_run_continues_bit_for_bit_from_an_epoch_that_it_does_not_keep(tmp_path: Path) -> None:
    shard = tiny(EPOCHS)
    first = Trainer(shard, CUBE)
    for _ in range(3):
        first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(shard, CUBE).identical(train(shard, CUBE, tmp_path / "checkpoint.npz"))


def test_keep_every_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="keep_every must be 1 or more, not 0"):
        tiny({"keep_every": 0})


def test_distances_of_many_units_are_stored_in_single_precision(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored_geometry, "SINGLE_PRECISION_UNITS", 11)
    small, large = StoredGeometry.of(Grid((2, 2, 2))), StoredGeometry.of(Sphere(12))
    assert small.distances.dtype == np.float64
    assert large.distances.dtype == np.float32
    np.testing.assert_array_equal(large.distances, Sphere(12).distances().astype(np.float32))
    large.write(tmp_path / "large.npz")
    again = StoredGeometry.read(tmp_path / "large.npz")
    assert again.distances_in_steps().dtype == np.float32
    np.testing.assert_array_equal(again.distances_in_steps(), large.distances_in_steps())
    np.testing.assert_allclose(large.distances_in_steps(), Sphere(12).distances_in_steps(), rtol=2e-7)  # float32
    trainer = Trainer(tiny(regularizer=Both(0.1, method="stochastic")), large)
    assert trainer.dataset()["distances"].dtype == np.float32


def test_a_run_with_distances_in_single_precision_can_be_continued(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored_geometry, "SINGLE_PRECISION_UNITS", 11)
    penalty = ("regularizer=both", "regularizer.strength=0.1", "regularizer.method=stochastic", "regularizer.probes=2")
    experiment = Experiment.from_preset("sernn_demo").override("geometry=sphere", "geometry.n=12", *OVERRIDES, *penalty)
    run = compute.compute(experiment, tmp_path / "run", workers=1)
    assert run.geometry(run.shards[0].geometry).distances.dtype == np.float32
    scores = Run.open(run.folder).scores("sernn")
    assert (scores["penalty_standard_error"] > 0).all()
    run.shards[1].path.unlink()
    assert compute.compute(experiment, tmp_path / "run", workers=1).finished


@pytest.mark.parametrize("rows", [256, 3, 1])
def test_asymmetric_distances_are_found_in_any_block(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    class OneWay(Points):
        def distances(self) -> np.ndarray:
            distances = np.ones((7, 7)) - np.eye(7)
            distances[6, 5] = 1.1
            return distances

    monkeypatch.setattr(stored_geometry, "ROWS_AT_ONCE", rows)
    StoredGeometry.of(Grid((2, 2, 2)))
    with pytest.raises(UserError, match="must be symmetric"):
        StoredGeometry.of(OneWay(tuple((float(place), 0.0, 0.0) for place in range(7))))


def test_distances_may_be_memory_mapped(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(1, 40, 40, generator=generator).requires_grad_()
    signs = 2.0 * torch.randint(0, 2, (1, 40, 4), generator=generator) - 1
    distances = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    np.save(tmp_path / "distances.npy", distances)
    mapped = torch.from_numpy(np.load(tmp_path / "distances.npy", mmap_mode="c"))
    gradients = [
        torch.autograd.grad(estimate_communicability_cost(weights, matrix, signs).sum(), weights)[0]
        for matrix in (mapped, torch.tensor(distances))
    ]
    assert torch.equal(*gradients)


def test_the_estimated_disk_space_depends_on_the_kept_epochs() -> None:
    demo = Experiment.from_preset("sernn_demo")
    every, last = (compute.estimate_bytes(demo.override(f"training.keep_every={number}")) for number in (1, 6))
    assert every / last == pytest.approx(7 / 2)


def test_a_network_does_not_depend_on_which_epochs_are_kept() -> None:
    whole = tiny(EPOCHS, regularizer=Both(0.1, method="stochastic"))
    np.testing.assert_array_equal(
        train(whole, CUBE)["weights"].sel(epoch=5),
        train(replace(whole, training=replace(whole.training, keep_every=1)), CUBE)["weights"].sel(epoch=5),
    )
