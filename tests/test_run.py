from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from spatialnets import Experiment, Run, RunError

OVERRIDES = (
    "networks=3",
    "training.epochs=1",
    "training.trials_per_epoch=128",
    "training.validation_trials=64",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
    "geometry.shape=[2, 2, 2]",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return Experiment.from_preset("sernn_demo").override(*OVERRIDES).run(out=out, workers=1, report=False)


@pytest.fixture
def copy(finished: Run, tmp_path: Path) -> Run:
    import shutil

    shutil.copytree(finished.folder, tmp_path / "copy")
    return Run.open(tmp_path / "copy")


def test_a_group_is_a_labelled_dataset(finished: Run) -> None:
    data = Run.open(finished.folder)["sernn"]
    assert data["weights"].dims == ("network", "epoch", "pre", "post")
    assert data["weights"].shape == (3, 2, 8, 8)
    for name in ("accuracy", "validation_accuracy", "loss", "validation_loss", "penalty"):
        assert data[name].dims == ("network", "epoch")
        assert np.isfinite(data[name]).all()
    assert {"strength", "seed", "position"} <= set(data.coords)
    assert data["position"].shape == (8, 3)
    assert data["seed"].to_numpy().tolist() == [0, 1, 2]
    assert finished.groups == ("sernn", "l1")
    assert finished.finished


def test_networks_of_both_groups_start_from_the_same_weights(finished: Run) -> None:
    np.testing.assert_array_equal(finished["sernn"]["weights"].sel(epoch=0), finished["l1"]["weights"].sel(epoch=0))


def test_scores_are_the_group_without_its_weights(finished: Run) -> None:
    scores = finished.scores("l1")
    assert "weights" not in scores
    xr.testing.assert_identical(scores["loss"], finished["l1"]["loss"])


def test_map_goes_through_all_groups(finished: Run) -> None:
    total = finished.map(lambda shard: shard[["loss"]] * 2)
    assert total["group"].to_numpy().tolist() == ["sernn"] * 3 + ["l1"] * 3
    np.testing.assert_array_equal(total["loss"][:3], 2 * finished["sernn"]["loss"])
    np.testing.assert_array_equal(total["strength"][3:], finished["l1"]["strength"])


def test_measurements_can_be_stored_and_read(copy: Run) -> None:
    copy.write_measurement("doubled", copy.map(lambda shard: shard[["loss"]] * 2))
    assert "doubled" in copy.measurements()
    assert copy.measurement("doubled")["loss"].shape == (6, 2)
    with pytest.raises(RunError, match="no analysis 'doublet'.*did you mean 'doubled'"):
        copy.measurement("doublet")


def test_an_unknown_group_is_answered_with_the_most_similar(finished: Run) -> None:
    with pytest.raises(RunError, match="no group 'sern': did you mean 'sernn'"):
        finished["sern"]


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        Run.open(tmp_path / "absent")
    with pytest.raises(RunError, match="is not a run folder"):
        Run.open(tmp_path)
    (tmp_path / "experiment.yaml").write_text("name: x")
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        Run.open(tmp_path)


def test_a_truncated_shard_is_named_and_the_others_can_be_read(copy: Run) -> None:
    damaged = copy.shards[0]
    damaged.path.write_bytes(damaged.path.read_bytes()[:2000])
    with pytest.raises(RunError, match="00000.nc cannot be read.*spatialnets resume"):
        copy[damaged.group]
    assert copy[copy.shards[-1].group].sizes["network"] == 3


def test_the_computed_shards_of_an_unfinished_run_can_be_read(copy: Run) -> None:
    copy.shards[0].path.unlink()
    assert not copy.finished
    assert [shard.index for shard in copy.missing] == [0]
    with pytest.raises(RunError, match="no network of group 'sernn' has been computed yet"):
        copy["sernn"]
    assert copy["l1"].sizes["network"] == 3


def test_any_netcdf_reader_can_read_a_shard(finished: Run) -> None:
    import h5py

    with h5py.File(finished.shards[0].path) as file:
        assert file["weights"].shape == (3, 2, 8, 8)
        assert file["strength"].shape == (3,)


def test_groups_of_different_lengths_are_measured_together(tmp_path: Path) -> None:
    longer = Experiment.from_preset("sernn_demo").override(*OVERRIDES, "groups={l1: {training: {epochs: 3}}}")
    run = longer.run(out=tmp_path, workers=1, report=False)
    loss = run.map(lambda shard: shard[["loss"]])["loss"]
    flag = run.map(lambda shard: (shard["loss"] > 0).to_dataset(name="flag"))["flag"]
    assert loss.shape == (6, 4)
    assert np.isnan(loss.sel(epoch=[2, 3])[:3]).all()
    assert flag.dtype == bool
    assert flag[:, 3].to_numpy().tolist() == [False] * 3 + [True] * 3
