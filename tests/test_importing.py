"""Importing networks that were trained elsewhere as a run."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from conftest import Outcome
from scipy.io import savemat

from spatialnets import Experiment, Run, Snapshot, UserError
from spatialnets.analyses import Modularity, Wiring
from spatialnets.cores.imported import Imported as ImportedCore
from spatialnets.geometries import Grid
from spatialnets.importing import Wanted, import_networks, matlab, writing
from spatialnets.importing.source import stack_dimensions
from spatialnets.regularizers import L1, Both
from spatialnets.regularizers.imported import Imported as ImportedRegularizer
from spatialnets.report.page import write_report
from spatialnets.tasks import OneChoice
from spatialnets.tasks.imported import Imported as ImportedTask
from spatialnets.testing import check_analysis

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
SMALL = ("geometry=grid", "geometry.shape=[2, 2, 1]")  # four units
SETS = ("l1", "sernn", "distance_only", "communicability_only", "shuffled_labels", "hard")


def signed(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return weights as the authors store them: single-precision values in double precision."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(np.float64)


# The layout of the reference implementation


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two trained seRNNs and two L1 networks, in the layout of the ensemble.npz of the reference implementation."""
    folder = tmp_path_factory.mktemp("ensemble")
    accuracy = np.linspace(0.5, 1, 20).reshape(2, 10)
    arrays = {
        f"{group}__{name}": values
        for group, networks in (("sernn", [0, 1]), ("l1", [5, 6]))
        for name, values in {
            "weights_epoch9": BCT["weights"][networks],
            "strength": np.linspace(0.1, 0.3, 2),
            "val_accuracy": accuracy,
            "accuracy": accuracy / 2,
            "loss": 1 - accuracy,
            "total_weight": np.ones((2, 11)),
        }.items()
    }
    np.savez_compressed(folder / "ensemble.npz", **arrays)
    return import_networks([folder / "ensemble.npz"], out=folder / "run")


def test_imported_weights_equal_those_of_the_file(ensemble: Run) -> None:
    assert ensemble.groups == ("sernn", "l1")
    assert np.array_equal(ensemble["sernn"]["weights"].to_numpy()[:, 0], BCT["weights"][:2])
    assert np.array_equal(ensemble["l1"]["weights"].to_numpy()[:, 0], BCT["weights"][5:7])


@pytest.mark.slow
def test_the_modularity_of_imported_networks_equals_that_of_the_toolbox(ensemble: Run) -> None:
    modularity = Modularity().measure(ensemble)["modularity"].sel(epoch=9).to_numpy()
    expected = BCT["modularity_und"][[0, 1, 5, 6]]
    np.testing.assert_allclose(modularity, expected, rtol=1e-12)  # the same sums in a different order


def test_scores_without_an_epoch_0_are_taken_at_the_imported_epoch(ensemble: Run) -> None:
    scores = ensemble.scores("l1")
    assert scores["epoch"].to_numpy().tolist() == [9]
    ninth = np.linspace(0.5, 1, 20).reshape(2, 10)[:, 8]  # the first column is epoch 1
    assert np.array_equal(scores["validation_accuracy"].to_numpy()[:, 0], ninth)
    assert np.array_equal(scores["accuracy"].to_numpy()[:, 0], ninth / 2)
    assert np.array_equal(scores["loss"].to_numpy()[:, 0], 1 - ninth)
    assert np.isnan(scores["penalty"]).all()
    assert (scores["status"] == "trained").all()


def test_the_declaration_of_an_imported_run_can_be_read_back(ensemble: Run) -> None:
    experiment = Experiment.from_yaml(ensemble.folder / "experiment.yaml")
    assert experiment.digest == ensemble.plan["experiment"]
    sernn = experiment.groups["sernn"].ensembles[0]
    assert sernn.geometry == Grid((5, 5, 4))
    assert sernn.regularizer == Both(tuple(np.linspace(0.1, 0.3, 2)))
    assert sernn.task == OneChoice()
    assert isinstance(sernn.core, ImportedCore)
    assert isinstance(experiment.groups["l1"].ensembles[0].regularizer, L1)
    assert np.array_equal(ensemble["sernn"]["strength"], np.linspace(0.1, 0.3, 2))
    assert set(ensemble["sernn"]["seed"].to_numpy()) == {-1}
    assert ensemble.finished
    assert np.array_equal(ensemble.geometry_of("l1").distances, Grid((5, 5, 4)).distances())


def test_provenance_records_the_file_and_what_was_assumed(ensemble: Run) -> None:
    imported = ensemble.provenance["imported"]
    assert list(imported["files"]) == ["ensemble.npz"]
    assert len(imported["files"]["ensemble.npz"]) == 64
    assert imported["format"] == "npz"
    assert imported["groups"]["sernn"] == {"networks": 2, "units": 100, "epochs": [9]}
    notes = "\n".join(imported["notes"])
    assert "not used: l1__total_weight, sernn__total_weight" in notes
    assert "100 units are assumed to lie on the paper's grid" in notes
    assert "sernn with both, l1 with l1" in notes
    assert {"created", "versions", "sessions", "geometries"} <= set(ensemble.provenance)


def test_an_analysis_fulfils_its_contract_on_an_imported_run(ensemble: Run) -> None:
    check_analysis(Wiring(), ensemble)


# The authors' file


def write_rate_data(path: Path, version: str, sets: Sequence[np.ndarray[Any, Any]], euclidean: Any) -> None:
    """Write a file in the authors' layout; v7.3 as MATLAB does, with reversed dimensions and cells of references."""
    accuracies = [accuracy_of(weights) for weights in sets]
    if version == "v7":
        cells = [np.empty((1, len(sets)), dtype=object) for _ in range(2)]
        for place, (weights, accuracy) in enumerate(zip(sets, accuracies, strict=True)):
            cells[0][0, place], cells[1][0, place] = weights, accuracy
        trained = {"connectivity": cells[0], "space": {"euclidean": euclidean}}
        savemat(path, {"network_data": {"trained_rnns": trained, "accuracy": {"accuracy": cells[1]}}})
        return
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        trained, scored = file.create_group("network_data/trained_rnns"), file.create_group("network_data/accuracy")
        for group, name, arrays in ((trained, "connectivity", sets), (scored, "accuracy", accuracies)):
            cell = group.create_dataset(name, (len(arrays), 1), dtype=h5py.ref_dtype)
            cell.attrs["MATLAB_class"] = np.bytes_("cell")
            for place, values in enumerate(arrays):
                stored = references.create_dataset(f"{name}{place}", data=values.T, compression="gzip")
                cell[place, 0] = stored.ref
        trained.create_dataset("space/euclidean", data=np.asarray(euclidean).T)


def accuracy_of(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return training and validation accuracies of each network and epoch, all different."""
    count = weights.shape[0] * weights.shape[1] * 2
    return np.linspace(0, 1, count).reshape(*weights.shape[:2], 2)


@pytest.mark.parametrize("version", [pytest.param("v7", marks=pytest.mark.slow), "v7.3"])
def test_the_authors_file_becomes_six_groups(version: str, tmp_path: Path) -> None:
    sets = [signed(5 - (place > 1), 3, 4, 4, seed=place) for place in range(6)]
    write_rate_data(tmp_path / "rate_data.mat", version, sets, Grid((2, 2, 1)).distances())
    run = import_networks([tmp_path / "rate_data.mat"], SMALL, out=tmp_path / "run")
    assert run.groups == SETS
    for group, weights in zip(SETS, sets, strict=True):
        data = run[group]
        assert np.array_equal(data["weights"], weights[1:]), group  # (network, epoch, pre, post), without the first
        assert data["weights"].dtype == np.float32
        assert np.array_equal(data["accuracy"], accuracy_of(weights)[1:, :, 0])
        assert np.array_equal(data["validation_accuracy"], accuracy_of(weights)[1:, :, 1])
        assert data["epoch"].to_numpy().tolist() == [0, 1, 2]
    np.testing.assert_array_equal(run["l1"]["strength"], np.linspace(1e-5, 0.04, 5)[1:])
    np.testing.assert_array_equal(run["hard"]["strength"], np.linspace(1e-6, 1, 4)[1:])
    groups = Experiment.from_yaml(run.folder / "experiment.yaml").groups
    assert groups["hard"].ensembles[0].task == OneChoice(problems="hard")
    assert groups["shuffled_labels"].ensembles[0].task == OneChoice(labels="shuffled")
    notes = "\n".join(run.provenance["imported"]["notes"])
    assert "strengths are assumed to be evenly spaced, l1 1e-05 to 0.04" in notes
    assert "the first network of each set is left out" in notes


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_groups_and_epochs_of_the_authors_file_can_be_selected(version: str, tmp_path: Path) -> None:
    sets = [signed(3, 4, 4, 4, seed=place) for place in range(2)]
    write_rate_data(tmp_path / "theirs.mat", version, sets, Grid((2, 2, 1)).distances())
    wanted = Wanted(groups=("sernn",), epochs=(1, 3), keep_first=True)
    overrides = (*SMALL, "groups.sernn.regularizer.strength=0.5")
    run = import_networks([tmp_path / "theirs.mat"], overrides, wanted=wanted, out=tmp_path / "run")
    assert run.groups == ("sernn",)
    assert np.array_equal(run["sernn"]["weights"], sets[1][:, [1, 3]])
    assert run["sernn"]["epoch"].to_numpy().tolist() == [1, 3]
    assert np.array_equal(run["sernn"]["validation_accuracy"], accuracy_of(sets[1])[:, [1, 3], 1])
    assert (run["sernn"]["strength"] == 0.5).all()


def test_the_grid_is_recognized_by_its_distances_in_single_precision(tmp_path: Path) -> None:
    distances = Grid((5, 5, 4)).distances().astype(np.float32)
    write_rate_data(tmp_path / "rate_data.mat", "v7", [signed(2, 1, 100, 100)], distances)
    run = import_networks([tmp_path / "rate_data.mat"], out=tmp_path / "run")
    assert run.declaration["groups"]["l1"]["geometry"]["kind"] == "grid"


def test_other_distances_in_the_authors_file_are_not_taken_for_the_grid(tmp_path: Path) -> None:
    distances = Grid((2, 2, 1)).distances()
    distances[0, 1] = distances[1, 0] = 1.5
    write_rate_data(tmp_path / "rate_data.mat", "v7", [signed(2, 1, 4, 4)], distances)
    run = import_networks([tmp_path / "rate_data.mat"], out=tmp_path / "other")
    assert run.declaration["groups"]["l1"]["geometry"]["kind"] == "connectome"
    assert run.geometry_of("l1").distances[0, 1] == 1.5


def test_a_large_file_is_read_and_written_a_shard_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = signed(8, 3, 4, 4)
    write_rate_data(tmp_path / "rate_data.mat", "v7.3", [weights], Grid((2, 2, 1)).distances())
    slices: list[tuple[int, int]] = []
    read = matlab._ArrayInFile.read

    def recorded(self: Any, start: int, stop: int) -> Any:
        if len(self.shape) == 4:
            slices.append((start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(matlab._ArrayInFile, "read", recorded)
    monkeypatch.setattr(writing, "NETWORKS_PER_SHARD", 3)
    run = import_networks([tmp_path / "rate_data.mat"], SMALL, out=tmp_path / "run")
    assert slices == [(1, 4), (4, 7), (7, 8)]
    assert [len(shard.networks) for shard in run.shards] == [3, 3, 1]
    assert np.array_equal(run["l1"]["weights"], weights[1:])
    assert np.array_equal(run["l1"]["strength"], np.linspace(1e-5, 0.04, 8)[1:])


def test_shards_of_large_networks_have_fewer_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(5, 2, 4, 4))
    monkeypatch.setattr(writing, "BYTES_PER_SHARD", 2 * 8 * 2 * 16)  # two networks of two epochs
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    assert [len(shard.networks) for shard in run.shards] == [2, 2, 1]


# Other files


@pytest.mark.parametrize("version", ["v7", "v7.3"])
@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (signed(4, 4), signed(4, 4)[None, None]),
        (signed(3, 4, 4), signed(3, 4, 4)[:, None]),
        (np.moveaxis(signed(3, 4, 4), 0, 2), signed(3, 4, 4)[:, None]),  # the usual order in MATLAB
        (signed(4, 4, 4), signed(4, 4, 4)[:, None]),  # ambiguous: the network comes first
        (signed(2, 3, 4, 4), signed(2, 3, 4, 4)),
    ],
    ids=["one", "first", "last", "cube", "epochs"],
)
def test_an_array_of_a_matlab_file_becomes_a_group(version: str, array: Any, expected: Any, tmp_path: Path) -> None:
    if version == "v7":
        savemat(tmp_path / "theirs.mat", {"W": array, "labels": np.arange(3.0)})
    else:
        with h5py.File(tmp_path / "theirs.mat", "w", userblock_size=512) as file:
            file["W"], file["labels"] = array.T, np.arange(3.0)[:, None]
    run = import_networks([tmp_path / "theirs.mat"], SMALL, out=tmp_path / "run")
    assert run.groups == ("imported",)
    assert np.array_equal(run["imported"]["weights"], expected)
    epochs = [0, 1, 2] if expected.shape[1] == 3 else [9]
    assert run["imported"]["epoch"].to_numpy().tolist() == epochs


@pytest.mark.parametrize("version", ["v7", "v7.3"])
def test_a_variable_within_structs_can_be_selected(version: str, tmp_path: Path) -> None:
    one, other = signed(4, 4), signed(4, 4, seed=1)
    if version == "v7":
        savemat(tmp_path / "theirs.mat", {"W": one, "net": {"inner": {"W": other}}})
    else:
        with h5py.File(tmp_path / "theirs.mat", "w") as file:
            file["W"], file["net/inner/W"] = one.T, other.T
    wanted = Wanted(variable="net.inner.W", groups=("theirs",), epochs=(4,))
    run = import_networks([tmp_path / "theirs.mat"], SMALL, wanted=wanted, out=tmp_path / "run")
    assert np.array_equal(run["theirs"]["weights"].to_numpy()[0, 0], other)
    assert run["theirs"]["epoch"].to_numpy().tolist() == [4]


@pytest.mark.parametrize(
    ("arrays", "groups"),
    [
        ({"weights": signed(3, 2, 4, 4)}, {"imported": signed(3, 2, 4, 4)}),
        ({"a__weights": signed(3, 4, 4), "b__weights": signed(4, 4)},
         {"a": signed(3, 4, 4)[:, None], "b": signed(4, 4)[None, None]}),
        ({"a__weights_epoch10": signed(3, 4, 4), "a__weights_epoch9": signed(3, 4, 4, seed=1)},
         {"a": np.stack([signed(3, 4, 4, seed=1), signed(3, 4, 4)], axis=1)}),
        ({"weights_epoch2": signed(3, 4, 4)}, {"imported": signed(3, 4, 4)[:, None]}),
    ],
    ids=["one", "groups", "epochs", "epoch"],
)  # fmt: skip
def test_arrays_of_an_npz_file_become_groups(arrays: dict[str, Any], groups: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", **arrays)
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    assert run.groups == tuple(groups)
    for group, expected in groups.items():
        assert np.array_equal(run[group]["weights"], expected)


@pytest.mark.parametrize(
    ("shape", "columns"), [((3, 3), [0, 1, 2]), ((3, 2), [None, 0, 1]), ((3, 9), [None, 0, 1])],
    ids=["each", "without 0", "more than imported"],
)  # fmt: skip
def test_scores_have_one_column_per_epoch_or_start_at_epoch_1(
    shape: tuple[int, int], columns: list[int | None], tmp_path: Path
) -> None:
    scores = np.random.default_rng(1).random(shape)
    np.savez(tmp_path / "theirs.npz", weights=signed(3, 3, 4, 4), val_accuracy=scores, seed=[4, 5, 7])
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    imported = run["imported"]["validation_accuracy"].to_numpy()
    for index, column in enumerate(columns):
        expected = np.full(3, np.nan) if column is None else scores[:, column]
        assert np.array_equal(imported[:, index], expected, equal_nan=True)
    assert run["imported"]["seed"].to_numpy().tolist() == [4, 5, 7]


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", "  ", ", "])
def test_a_table_of_numbers_is_imported_exactly(separator: str, tmp_path: Path) -> None:
    weights = np.random.default_rng(2).normal(size=(4, 4))  # not representable in single precision
    text = "\n".join(separator.join(map(repr, row)) for row in weights.tolist())
    (tmp_path / "one.txt").write_text(f"# by someone\n{text}\n\n")
    run = import_networks([tmp_path / "one.txt"], SMALL, out=tmp_path / "run")
    assert run["imported"]["weights"].dtype == np.float64
    assert np.array_equal(run["imported"]["weights"].to_numpy()[0, 0], weights)


def test_tables_of_a_folder_are_read_in_natural_order(tmp_path: Path) -> None:
    weights = signed(12, 4, 4)
    (tmp_path / "nets").mkdir()
    for number, matrix in enumerate(weights):
        np.savetxt(tmp_path / "nets" / f"net{number}.csv", matrix, delimiter=",")
    (tmp_path / "nets" / "readme.md").write_text("not a table")
    wanted = Wanted(groups=("theirs",))
    run = import_networks([tmp_path / "nets"], SMALL, wanted=wanted, out=tmp_path / "run")
    assert np.array_equal(run["theirs"]["weights"].to_numpy()[:, 0], weights)  # savetxt writes 18 digits
    assert "network 10 is net10.csv" in run.provenance["imported"]["notes"]
    assert list(run.provenance["imported"]["files"]) == [f"net{number}.csv" for number in range(12)]
    files = [tmp_path / "nets" / f"net{number}.csv" for number in (3, 1)]
    run = import_networks(files, SMALL, out=tmp_path / "two")
    assert np.array_equal(run["imported"]["weights"].to_numpy()[:, 0], weights[[3, 1]])


def test_post_pre_transposes_matrices_and_changes_the_experiment(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(2, 4, 4))
    pre_post, post_pre = (
        import_networks(
            [tmp_path / "theirs.npz"],
            SMALL,
            wanted=Wanted(orientation=orientation),
            out=tmp_path / orientation,
        )
        for orientation in ("pre_post", "post_pre")
    )
    transposed = pre_post["imported"]["weights"].transpose(..., "post", "pre")
    assert np.array_equal(post_pre["imported"]["weights"], transposed)
    assert post_pre.plan["experiment"] != pre_post.plan["experiment"]


# Information that is missing from a file


def geometry_of(run: Run) -> Any:
    return run.declaration["groups"]["imported"]["geometry"]


def test_positions_in_the_file_are_used(tmp_path: Path) -> None:
    positions = np.random.default_rng(3).normal(size=(4, 3))
    np.savez(tmp_path / "theirs.npz", weights=signed(4, 4), positions=positions)
    run = import_networks([tmp_path / "theirs.npz"], out=tmp_path / "run")
    assert geometry_of(run)["kind"] == "points"
    assert np.array_equal(run.geometry_of("imported").positions, positions)
    Experiment.from_yaml(run.folder / "experiment.yaml")


def test_distances_in_the_file_are_used(tmp_path: Path) -> None:
    distances = np.array([[0, 1, 2, 2], [1, 0, 1, 2], [2, 1, 0, 1], [2, 2, 1, 0]], dtype=float)
    positions = np.random.default_rng(3).normal(size=(4, 3))
    np.savez(tmp_path / "theirs.npz", weights=signed(4, 4), distances=distances, positions=positions)
    run = import_networks([tmp_path / "theirs.npz"], out=tmp_path / "run")
    geometry = run.geometry_of("imported")
    assert np.array_equal(geometry.distances, distances)
    assert np.array_equal(geometry.positions, positions)
    assert geometry.length_unit == "mm"


def test_the_grid_is_recognized_by_its_positions(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(100, 100), positions=Grid((5, 5, 4)).positions())
    run = import_networks([tmp_path / "theirs.npz"], out=tmp_path / "run")
    assert geometry_of(run)["kind"] == "grid"


def test_overrides_take_precedence_over_positions_in_the_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(4, 4), positions=np.eye(4)[:, :3])
    run = import_networks([tmp_path / "theirs.npz"], ["geometry=ring", "geometry.n=4"], out=tmp_path / "run")
    assert geometry_of(run)["kind"] == "ring"
    assert not any("positions" in note for note in run.provenance["imported"]["notes"])


def test_overrides_may_change_fields_of_the_default_grid_or_give_each_group_its_geometry(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(100, 100))
    run = import_networks([tmp_path / "theirs.npz"], ["geometry.spacing=2.0"], out=tmp_path / "run")
    assert np.array_equal(run.geometry_of("imported").distances, Grid((5, 5, 4), spacing=2.0).distances())
    np.savez(tmp_path / "two.npz", a__weights=signed(4, 4), b__weights=signed(5, 5))
    overrides = [f"groups.{group}.geometry={{kind: ring, n: {units}}}" for group, units in (("a", 4), ("b", 5))]
    run = import_networks([tmp_path / "two.npz"], overrides, out=tmp_path / "other")
    assert [len(run.geometry_of(group).positions) for group in ("a", "b")] == [4, 5]


def test_unknown_training_is_declared_as_imported(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(3, 4, 4))
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    data = run["imported"]
    for name in ("strength", "accuracy", "validation_accuracy", "loss", "penalty"):
        assert np.isnan(data[name]).all(), name
    ensemble = Experiment.from_yaml(run.folder / "experiment.yaml").groups["imported"].ensembles[0]
    assert isinstance(ensemble.regularizer, ImportedRegularizer)
    assert ensemble.task == ImportedTask()
    assert Experiment.from_yaml(run.folder / "experiment.yaml").digest == run.plan["experiment"]


def test_overrides_describe_how_networks_were_trained(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(3, 4, 4), strength=[0.1, 0.2, 0.4])
    overrides = (*SMALL, "regularizer=distance", "regularizer.power=2.0", "name=mine")
    run = import_networks([tmp_path / "theirs.npz"], overrides, out=tmp_path / "run")
    block = run.declaration["groups"]["imported"]["regularizer"]
    assert (block["kind"], block["strength"], block["power"]) == ("distance", [0.1, 0.2, 0.4], 2.0)
    assert run.name == "mine"
    assert run["imported"]["strength"].to_numpy().tolist() == [0.1, 0.2, 0.4]


def test_a_group_named_as_in_the_paper_without_strengths_has_no_regularizer(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", l1__weights=signed(3, 4, 4))
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    assert run.declaration["groups"]["l1"]["regularizer"]["kind"] == "imported"
    notes = "\n".join(run.provenance["imported"]["notes"])
    assert "groups.l1.regularizer=l1 groups.l1.regularizer.strength=" in notes
    assert "l1 with l1" not in notes


def test_networks_with_weights_that_are_not_finite_are_marked_as_diverged(tmp_path: Path) -> None:
    weights = signed(3, 2, 4, 4)
    weights[1, 1, 0, 2] = np.inf
    np.savez(tmp_path / "theirs.npz", weights=weights, val_accuracy=np.ones((3, 2)))
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    data = run["imported"]
    assert data["status"].to_numpy().tolist() == ["trained", "diverged", "trained"]
    assert data["reason"].to_numpy()[1] == "the file has weights that are not finite at epoch 1"
    assert np.isnan(data["weights"].to_numpy()[1, 1]).all()
    assert np.array_equal(data["weights"].to_numpy()[1, 0], weights[1, 0])
    assert np.isnan(data["validation_accuracy"].to_numpy()).tolist() == [[False] * 2, [False, True], [False] * 2]


# Nothing is trained


def test_running_a_finished_import_changes_nothing(ensemble: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in ensemble.folder.glob("shards/*.nc")}
    Experiment.from_yaml(ensemble.folder / "experiment.yaml").run(ensemble.folder, report=False)
    assert before == {path: path.stat().st_mtime_ns for path in ensemble.folder.glob("shards/*.nc")}


def test_missing_shards_of_an_import_are_not_trained(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", l1__weights=signed(3, 4, 4), l1__strength=[0.1, 0.2, 0.3])
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    run.shards[0].path.unlink()
    experiment = Experiment.from_yaml(run.folder / "experiment.yaml")
    with pytest.raises(UserError, match=r"trained elsewhere and imported from theirs.npz; they cannot be trained"):
        experiment.run(run.folder, workers=1, report=False)
    assert not run.shards[0].path.exists()


def test_imported_components_cannot_be_used() -> None:
    for use in (
        lambda: ImportedCore().build(8, 4, []),
        lambda: ImportedTask().n_inputs,
        lambda: ImportedTask().trials(3, np.random.default_rng(0)),
        lambda: ImportedRegularizer((0.1, 0.2)).penalty(Snapshot(weights=torch.ones((2, 3, 3)))),
    ):
        with pytest.raises(UserError, match="trained elsewhere"):
            use()
    with pytest.raises(ValueError, match="NaN if unknown"):
        ImportedRegularizer(-1.0)


# Damaged and malicious files


def npz(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


def linked(path: Path, kind: str) -> None:
    """Write a MATLAB file whose matrix is in another file."""
    with h5py.File(path.with_suffix(".other"), "w") as other:
        other["W"] = signed(4, 4)
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["W"] = h5py.ExternalLink(path.with_suffix(".other"), "W")
        elif kind == "soft":
            file["W"] = h5py.SoftLink("/elsewhere")
        elif kind == "storage":
            file.create_dataset("W", (4, 4), dtype="f8", external=[(str(path.with_suffix(".raw")), 0, 128)])
        else:
            layout = h5py.VirtualLayout((4, 4), dtype="f8")
            layout[:] = h5py.VirtualSource(path.with_suffix(".other"), "W", shape=(4, 4))
            file.create_virtual_dataset("W", layout)


def empty_reference(path: Path) -> None:
    write_rate_data(path, "v7.3", [signed(2, 1, 4, 4)], np.zeros((4, 4)))
    with h5py.File(path, "a") as file:
        file["network_data/trained_rnns/connectivity"][0, 0] = h5py.Reference()


def huge_header(path: Path) -> None:
    """Write an archive whose array claims to be a terabyte."""
    header = io.BytesIO()
    declared = {"descr": "<f8", "fortran_order": False, "shape": (12500, 1000, 100, 100)}
    np.lib.format.write_array_header_1_0(header, declared)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.npy", header.getvalue() + bytes(64))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_npz(path: Path) -> None:
    np.savez(path, weights=signed(20, 4, 4))
    cut(path)


def cut_mat(path: Path) -> None:
    savemat(path, {"W": signed(20, 4, 4)}, do_compression=True)
    cut(path)


def cut_hdf5(path: Path) -> None:
    write_rate_data(path, "v7.3", [signed(20, 1, 4, 4)], np.zeros((4, 4)))
    cut(path)


HOSTILE: dict[str, tuple[str, Callable[[Path], Any], dict[str, Any], str]] = {
    "objects": ("a.npz", lambda path: npz(path, weights=np.array([print, 1], dtype=object)), {}, "Python objects"),
    "cut npz": ("a.npz", cut_npz, {}, "cannot be read as an NPZ file"),
    "cut mat": ("a.mat", cut_mat, {}, "cannot be read as a MATLAB file"),
    "cut hdf5": ("a.mat", cut_hdf5, {}, "cannot be read as a MATLAB file"),
    "a terabyte": ("a.npz", huge_header, {}, "its length does not fit its shape"),
    "no npz": ("a.npz", lambda path: path.write_text("weights"), {}, "cannot be read as an NPZ file"),
    "no mat": ("a.mat", lambda path: path.write_text("weights"), {}, "cannot be read as a MATLAB file"),
    "no rate_data": ("a.mat", lambda path: savemat(path, {"W": np.eye(4)}), {"format": "rate_data"}, "network_data"),
    "external link": ("a.mat", lambda path: linked(path, "link"), {}, "is a link"),
    "soft link": ("a.mat", lambda path: linked(path, "soft"), {}, "is a link"),
    "external storage": ("a.mat", lambda path: linked(path, "storage"), {}, "is stored in another file"),
    "virtual": ("a.mat", lambda path: linked(path, "virtual"), {}, "is stored in another file"),
    "empty reference": ("a.mat", empty_reference, {}, "a cell with an empty reference"),
    "several arrays": (
        "a.mat", lambda path: savemat(path, {"A": np.eye(4), "B": np.eye(5)}), {},
        r"several arrays.*--variable.*A \(4, 4\), B \(5, 5\)",
    ),
    "no array": ("a.mat", lambda path: savemat(path, {"A": np.ones((2, 3))}), {}, r"no array of square .*A \(2, 3\)"),
    "text in mat": ("a.mat", lambda path: savemat(path, {"A": "W"}), {"wanted": Wanted(variable="A")}, "shape"),
    "no weights": ("a.npz", lambda path: npz(path, w=np.eye(4)), {}, r"no array weights.*w \(4, 4\)"),
    "not square": ("a.npz", lambda path: npz(path, weights=np.ones((3, 4))), {}, "expected square matrices"),
    "no networks": ("a.npz", lambda path: npz(path, weights=np.ones((0, 4, 4))), {}, "expected square matrices"),
    "complex": ("a.npz", lambda path: npz(path, weights=np.ones((4, 4)) * 1j), {}, "complex128; expected real"),
    "strengths": ("a.npz", lambda path: npz(path, weights=np.ones((3, 4, 4)), strength=[1.0]), {}, "one value per"),
    "scores": (
        "a.npz", lambda path: npz(path, weights=np.ones((3, 2, 4, 4)), loss=np.ones((3, 7, 2))), {},
        "expected \\(3, 2\\)",
    ),
    "distances": (
        "a.npz", lambda path: npz(path, weights=np.eye(4), distances=np.eye(3)), {"overrides": ()}, "4 units",
    ),
    "positions": ("a.npz", lambda path: npz(path, weights=np.eye(4), positions=1), {"overrides": ()}, "4 units"),
    "group": (
        "a.npz", lambda path: npz(path, l1__weights=np.eye(4)), {"wanted": Wanted(groups=("l2",))},
        "no group 'l2': did you mean 'l1'",
    ),
    "epoch": (
        "a.npz", lambda path: npz(path, weights_epoch3=np.eye(4)), {"wanted": Wanted(epochs=(4,))},
        "no epoch 4; it has 3",
    ),
    "epochs": (
        "a.npz", lambda path: npz(path, weights=np.ones((3, 2, 4, 4))), {"wanted": Wanted(epochs=(4,))},
        "2 epoch.*gives 1",
    ),
    "variable": ("a.csv", lambda path: path.write_text("1 2\n3 4\n"), {"wanted": Wanted(variable="W")}, "mat and npz"),
    "names": ("a.csv", lambda path: path.write_text("V1,V2\n1,2\n3,4\n"), {}, r"a.csv:1: entry 1 is 'V1'.*names"),
    "row names": ("a.csv", lambda path: path.write_text("1,2\nV2,4\n"), {}, r"a.csv:2: entry 1 is 'V2'.*names"),
    "decimal commas": ("a.csv", lambda path: path.write_text("0,5;1\n1;2\n"), {}, "a.csv:1: entry 1 is '0,5'"),
    "ragged": ("a.csv", lambda path: path.write_text("1,2\n3,4,5\n"), {}, "a.csv:2: 3 numbers; expected 2"),
    "not square table": ("a.csv", lambda path: path.write_text("1,2\n3,4\n5,6\n"), {}, "3 lines of 2 numbers"),
    "empty": ("a.csv", lambda path: path.write_text(""), {}, "0 lines"),
    "bytes": ("a.csv", lambda path: path.write_bytes(b"\xff\xfe\x00"), {}, "it is not UTF-8 text"),
    "ending": ("a.bin", lambda path: path.write_text("1"), {}, "give its format with --format"),
    "format": ("a.npz", lambda path: npz(path, weights=np.eye(4)), {"format": "npy"}, "did you mean 'npz'"),
    "geometry": (
        "a.npz", lambda path: npz(path, weights=np.eye(4)), {"overrides": ()}, "has no positions of its 4 units",
    ),
    "other geometry": (
        "a.npz", lambda path: npz(path, weights=np.eye(5)), {}, "have 5 units, but the geometry grid has 4",
    ),
    "axis": (
        "a.npz", lambda path: npz(path, weights=np.eye(4)), {"overrides": (*SMALL, "seed={list: [1, 2]}")},
        "has 1 networks, but the overrides make it 2",
    ),
    "override": (
        "a.npz", lambda path: npz(path, weights=np.eye(4)), {"overrides": ("geometri=grid",)}, "did you mean 'geom",
    ),
    "wrong name": ("a.npz", lambda path: npz(path, **{"2__weights": np.eye(4)}), {}, "a group's name has letters"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_an_unusable_file_is_refused_in_one_line_and_leaves_nothing_behind(case: str, tmp_path: Path) -> None:
    name, write, options, message = HOSTILE[case]
    write(tmp_path / name)
    before = set(tmp_path.iterdir())
    with pytest.raises(UserError, match=message) as caught:
        import_networks([tmp_path / name], **{"overrides": SMALL, **options}, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "NETWORKS_PER_SHARD", 1)
    files = [tmp_path / f"{number}.csv" for number in range(3)]
    for file in files:
        file.write_text("1,2\n3,4\n")
    files[2].write_text("1,2,3\n4,5,6\n7,8,9\n")
    overrides = ("geometry=ring", "geometry.n=2")
    with pytest.raises(UserError, match=r"2.csv has 3 units, but .*0.csv has 2"):
        import_networks(files, overrides, out=tmp_path / "deep" / "run")
    assert not any((tmp_path / "deep").iterdir())


def test_an_existing_folder_is_left_unchanged(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", weights=signed(4, 4))
    (tmp_path / "run").mkdir()
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")  # an empty folder is used
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    with pytest.raises(UserError, match="already exists"):
        import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    assert before == {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}


@pytest.mark.parametrize("shape", [(4,), (3, 4), (1, 1), (2, 2, 2, 4, 4), (0, 4, 4)])
def test_arrays_that_are_not_stacks_of_matrices_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="expected square matrices"):
        stack_dimensions(shape, "weights")


@pytest.mark.parametrize("epochs", [(-1,), (3, 2), (2, 2)])
def test_epochs_must_be_in_increasing_order(epochs: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="in increasing order"):
        Wanted(epochs=epochs)


# The command


def test_the_command_imports_a_file_and_prints_what_it_assumed(command: Callable[..., Outcome]) -> None:
    np.savez("theirs.npz", weights_epoch3=signed(3, 4, 4))
    outcome = command("import", "theirs.npz", *SMALL, "--group", "mine", "--quiet")
    assert outcome.code == 0, outcome.err
    assert "mine: 3 networks of 4 units, epoch 3" in outcome.out
    (folder,) = Path("runs").iterdir()
    assert f"spatialnets report {folder}" in outcome.out
    assert np.array_equal(Run.open(folder)["mine"]["weights"].to_numpy()[:, 0], signed(3, 4, 4))
    shown = command("show", str(folder))
    assert shown.code == 0
    assert "3 of 3 networks" in shown.out


def test_the_command_refuses_unusable_input_in_one_line(command: Callable[..., Outcome]) -> None:
    Path("broken.mat").write_text("nothing")
    for words in (
        ("broken.mat",),
        ("absent.npz",),
        ("broken.mat", "--epochs", "two"),
        ("broken.mat", "--orientation", "up"),
    ):
        outcome = command("import", *words)
        assert outcome.code == 2
        assert outcome.err.startswith("error: ")
        assert len(outcome.err.splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == ["broken.mat"]


def test_groups_of_an_import_may_differ_in_epochs(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", a__weights_epoch9=signed(4, 4), b__weights=signed(2, 2, 4, 4))
    run = import_networks([tmp_path / "theirs.npz"], SMALL, out=tmp_path / "run")
    table: xr.Dataset = Wiring().measure(run)
    assert table["epoch"].to_numpy().tolist() == [0, 1, 9]
    assert np.isfinite(table["total_weight"].to_numpy()).tolist() == [[False, False, True], *[[True, True, False]] * 2]


def test_scores_belong_to_the_selected_epochs(tmp_path: Path) -> None:
    accuracy = np.tile(np.arange(11) / 100, (2, 1))  # one hundredth per epoch, from epoch 0 on
    weights = {f"a__weights_epoch{epoch}": np.full((2, 4, 4), float(epoch)) for epoch in range(11)}
    np.savez(tmp_path / "from_zero.npz", **weights, a__validation_accuracy=accuracy)  # type: ignore[arg-type]
    one = {"a__weights_epoch9": weights["a__weights_epoch9"]}
    np.savez(tmp_path / "from_one.npz", **one, a__validation_accuracy=accuracy[:, 1:])  # type: ignore[arg-type]
    overrides = ["geometry=grid", "geometry.shape=[2, 2]"]
    for name, wanted in (("from_zero", Wanted(epochs=(9,))), ("from_zero", Wanted()), ("from_one", Wanted())):
        run = import_networks(
            [tmp_path / f"{name}.npz"], overrides, out=tmp_path / f"{name}-{wanted.epochs}", wanted=wanted
        )
        at_nine = run["a"].sel(epoch=9)
        assert at_nine["validation_accuracy"].to_numpy().tolist() == [0.09, 0.09]
        assert float(at_nine["weights"].max()) == 9


@pytest.mark.slow
def test_the_report_of_an_import_names_the_file(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(6, 27, 27))
    np.savez(tmp_path / "theirs.npz", sernn__weights=weights, l1__weights=weights[::-1])
    overrides = ["geometry=grid", "geometry.shape=[3, 3, 3]"]
    run = import_networks([tmp_path / "theirs.npz"], overrides, out=tmp_path / "run")
    page = write_report(run, Experiment.from_yaml(run.folder / "experiment.yaml")).read_text(encoding="utf-8")
    assert "theirs.npz (SHA-256" in page
    assert "Source of these networks" in page
    assert "spatialnets run experiment.yaml" not in page
