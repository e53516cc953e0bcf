"""What is done otherwise where matrices of all pairs of units are large; the limits are lowered here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CUBE, WORDS, tiny

from spatialnets import Experiment, Run
from spatialnets.engines import compute
from spatialnets.errors import UserError
from spatialnets.geometries import Grid, Points, Sphere
from spatialnets.graph.stochastic_communicability import estimated_price
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import Both
from spatialnets.runs import folder
from spatialnets.runs.folder import stored
from spatialnets.training.trainer import Trainer, train

EPOCHS = {"epochs": 5, "keep_every": 2}


def test_epochs_that_are_not_kept_change_nothing() -> None:
    everything, some = train(tiny({"epochs": 5}), CUBE), train(tiny(EPOCHS), CUBE)
    assert some["epoch"].to_numpy().tolist() == [0, 2, 4, 5]
    assert some.identical(everything.sel(epoch=[0, 2, 4, 5]))


def test_a_run_that_keeps_some_epochs_goes_on_bit_for_bit_from_one_that_it_does_not_keep(tmp_path: Path) -> None:
    shard = tiny(EPOCHS)
    first = Trainer(shard, CUBE)
    for _ in range(3):
        first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(shard, CUBE).identical(train(shard, CUBE, tmp_path / "checkpoint.npz"))


def test_how_often_epochs_are_kept_is_once_in_one_or_more() -> None:
    with pytest.raises(ValueError, match="keep_every must be 1 or more, not 0"):
        tiny({"keep_every": 0})


def test_distances_of_many_units_are_kept_in_single_precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder, "SINGLE_PRECISION_UNITS", 11)
    small, large = stored(Grid((2, 2, 2))), stored(Sphere(12))
    assert small.distances.dtype == np.float64
    assert large.distances.dtype == np.float32
    np.testing.assert_array_equal(large.distances, Sphere(12).distances().astype(np.float32))
    large.write(tmp_path / "large.npz")
    again = StoredGeometry.read(tmp_path / "large.npz")
    assert again.costs.dtype == np.float32
    np.testing.assert_array_equal(again.costs, large.costs)
    np.testing.assert_allclose(large.costs, Sphere(12).distances() * large.steps_per_unit, rtol=2e-7)  # float32
    trainer = Trainer(tiny(regularizer=Both(0.1, method="stochastic")), large)
    assert trainer.dataset()["distances"].dtype == np.float32


def test_a_run_with_distances_in_single_precision_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder, "SINGLE_PRECISION_UNITS", 11)
    words = ("regularizer=both", "regularizer.strength=0.1", "regularizer.method=stochastic", "regularizer.probes=2")
    experiment = Experiment.from_preset("sernn_demo").override("geometry=sphere", "geometry.n=12", *WORDS, *words)
    run = compute.compute(experiment, tmp_path / "run", workers=1)
    assert run.geometry(run.shards[0].geometry).distances.dtype == np.float32
    scores = Run.open(run.folder).scores("sernn")
    assert (scores["penalty_standard_error"] > 0).all()
    run.shards[1].path.unlink()
    assert compute.compute(experiment, tmp_path / "run", workers=1).finished


@pytest.mark.parametrize("rows", [256, 3, 1])
def test_what_is_wrong_with_distances_is_found_in_any_block(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    class OneWay(Points):
        def distances(self) -> np.ndarray:
            found = np.ones((7, 7)) - np.eye(7)
            found[6, 5] = 1.1
            return found

    monkeypatch.setattr(folder, "ROWS_AT_ONCE", rows)
    stored(Grid((2, 2, 2)))
    with pytest.raises(UserError, match="must be symmetric"):
        stored(OneWay(tuple((float(place), 0.0, 0.0) for place in range(7))))


def test_distances_may_be_mapped_from_a_file(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(1, 40, 40, generator=generator).requires_grad_()
    signs = 2.0 * torch.randint(0, 2, (1, 40, 4), generator=generator) - 1
    distances = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    np.save(tmp_path / "distances.npy", distances)
    mapped = torch.from_numpy(np.load(tmp_path / "distances.npy", mmap_mode="c"))
    found = [
        torch.autograd.grad(estimated_price(weights, own, signs).sum(), weights)[0]
        for own in (mapped, torch.tensor(distances))
    ]
    assert torch.equal(*found)


def test_the_estimate_of_disk_knows_which_epochs_are_kept() -> None:
    demo = Experiment.from_preset("sernn_demo")
    every, last = (compute.estimate_bytes(demo.override(f"training.keep_every={number}")) for number in (1, 6))
    assert every / last == pytest.approx(7 / 2)


def test_a_network_is_the_same_whatever_is_kept_of_it() -> None:
    whole = tiny(EPOCHS, regularizer=Both(0.1, method="stochastic"))
    np.testing.assert_array_equal(
        train(whole, CUBE)["weights"].sel(epoch=5),
        train(replace(whole, training=replace(whole.training, keep_every=1)), CUBE)["weights"].sel(epoch=5),
    )
