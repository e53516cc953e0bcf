"""Reading a run: shards directly and once, and the scores of all shards from one file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from tiny import OVERRIDES

import spatialnets.files.netcdf as netcdf
from spatialnets import Analysis, Experiment, Run, RunError
from spatialnets.analyses import Modularity, PassRate, Wiring
from spatialnets.engines.measure import AnalysisMapper, measure, measure_together
from spatialnets.errors import StorageError
from spatialnets.files.limits import check_objects
from spatialnets.files.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.report.measured import metrics_table
from spatialnets.report.page import write_report
from spatialnets.runs.shards import OUTCOMES, ShardRecord, concatenate

STORED = Path(__file__).parent / "data" / "run_format_4"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of each of two groups, one with learned positions, one with gates, and both with an axis."""
    folder = tmp_path_factory.mktemp("reading") / "run"
    overrides = (
        *OVERRIDES,
        "networks=2",
        "geometry.shape=[3, 2]",
        "groups.sernn.geometry={kind: learnable, start: {kind: grid, shape: [3, 2]}}",
        "groups.l1.core={kind: gru}",
        "groups.sernn.training.fresh_trials={list: [true, false]}",
        "groups.l1.task.problems={list: [regular, hard]}",
    )
    experiment = Experiment.from_preset("sernn_demo").override(*overrides)
    experiment.run(folder, workers=1, report=False, networks_per_shard=2)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that h5py opens."""
    names: list[str] = []

    class File(h5py.File):  # type: ignore[misc]
        def __init__(self, name: object, *arguments: object, **options: object) -> None:
            names.append(Path(str(name)).name)
            super().__init__(name, *arguments, **options)

    monkeypatch.setattr(h5py, "File", File)
    return names


def shards_in(names: list[str]) -> list[str]:
    return sorted(name for name in names if name[0].isdigit())


def of_xarray(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.load()


def assert_same_in_every_respect(one: xr.Dataset, other: xr.Dataset) -> None:
    xr.testing.assert_identical(one, other)
    assert list(one.variables) == list(other.variables)
    assert list(one.coords) == list(other.coords)
    assert dict(one.sizes) == dict(other.sizes)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype, name
        assert {key: type(value) for key, value in one[name].attrs.items()} == {
            key: type(value) for key, value in other[name].attrs.items()
        }


# Reading without xarray


def test_shards_are_read_as_xarray_reads_them(trained: Path) -> None:
    paths = [*(trained / "shards").glob("*.nc"), *STORED.rglob("*.nc")]
    assert len(paths) >= 5
    for path in paths:
        with h5py.File(path) as file:
            dataset = netcdf._read(file, check_objects(file, path), None)
        assert dataset is not None  # it did not need xarray
        assert_same_in_every_respect(dataset, of_xarray(path))


def test_every_kind_of_variable_is_read_as_xarray_reads_it(tmp_path: Path) -> None:
    names = np.array(["", "V1", "área"], dtype=object)
    dataset = xr.Dataset(
        {
            "mask": ("unit", [True, False, True], {"long_name": "mask"}),
            "count": ("unit", np.arange(3, dtype=np.int32)),
            "value": (("epoch", "unit"), np.array([[1.0, np.nan, np.inf]]), {"units": "1", "threshold": 0.9}),
            "half": ("unit", np.ones(3, dtype=np.float32)),
            "text": ("unit", names),
            "empty": ("unit", np.array(["", "", ""], dtype=object)),
            "scalar": ((), 2.5),
            "word": ((), "one"),
        },
        {"epoch": [7], "name": ("unit", names), "flag": ("unit", [False, True, True]), "place": ((), 3)},
        {"group": "sernn", "number": 3, "share": 0.5},
    )
    write_dataset(tmp_path / "kinds.nc", dataset)
    with h5py.File(tmp_path / "kinds.nc") as file:
        direct = netcdf._read(file, check_objects(file, tmp_path / "kinds.nc"), None)
    assert direct is not None
    assert_same_in_every_respect(direct, of_xarray(tmp_path / "kinds.nc"))


@pytest.mark.parametrize(
    ("variable", "options"),
    [
        (("unit", np.array([1.0, 2.0, np.nan])), {"scale_factor": 0.5, "dtype": "int16", "_FillValue": -1}),
        (("unit", np.array(["2026-12-01"] * 3, dtype="datetime64[ns]")), {}),
        (("unit", np.array([1, 2, 3], dtype="timedelta64[s]")), {}),
        (("unit", np.array([b"ab", b"c", b""])), {}),
        (("unit", np.array([1, 2, 3])), {"_FillValue": 2}),
    ],
)
def test_encoded_values_are_left_to_xarray(
    tmp_path: Path, variable: tuple[str, np.ndarray], options: dict[str, object]
) -> None:
    dataset = xr.Dataset({"value": variable})
    dataset["value"].encoding = options
    write_dataset(tmp_path / "encoded.nc", dataset)
    xr.testing.assert_identical(read_dataset(tmp_path / "encoded.nc"), of_xarray(tmp_path / "encoded.nc"))


def test_unwanted_variables_are_checked_but_not_read(run: Run) -> None:
    path, seen = run.shards[0].path, []

    def check(dataset: xr.Dataset) -> None:
        seen.extend([dataset["weights"].shape, dataset["weights"].dtype, bool(dataset["weights"].any())])

    dataset = read_dataset(path, ["loss", "no such variable"], check)
    assert seen == [(2, 2, 6, 6), np.float32, False]
    xr.testing.assert_identical(dataset, of_xarray(path)[["loss"]])


def test_joining_shards_gives_what_xarray_gives(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for group in run.groups:
        parts = [shard.load() for shard in run.shards if shard.group == group]
        joined = concatenate(parts)
        with monkeypatch.context() as patch:
            patch.setattr("spatialnets.runs.shards._join", lambda parts: None)
            assert_same_in_every_respect(joined, concatenate(parts))


# One file of scores


def expected_scores(run: Run, group: str) -> xr.Dataset:
    return concatenate([shard.load(scores_only=True) for shard in run.shards if shard.done and shard.group == group])


def test_a_run_that_was_trained_needs_no_shard_for_its_scores(
    run: Run, opened: list[str], command: Callable[..., object]
) -> None:
    expected = {group: expected_scores(run, group) for group in run.groups}
    mapped = run.map(lambda shard: shard[list(OUTCOMES[:5])], scores_only=True)  # also notes the new times of the copy
    opened.clear()
    for group, scores in expected.items():
        assert_same_in_every_respect(run.scores(group), scores)
    again = run.map(lambda shard: shard[list(OUTCOMES[:5])], scores_only=True)
    command("show", str(run.folder))
    assert shards_in(opened) == []
    assert "scores.nc" in opened
    xr.testing.assert_identical(again, mapped)
    xr.testing.assert_identical(
        again, concatenate([_labelled(shard, shard.load()[list(OUTCOMES[:5])]) for shard in run.shards])
    )


def _labelled(shard: ShardRecord, part: xr.Dataset) -> xr.Dataset:
    kept = part.drop_vars([name for name in part.coords if "network" not in part[name].dims and name != "epoch"])
    return kept.assign_coords(group=("network", [shard.group] * len(shard.networks)))


def test_only_the_shards_that_changed_are_read_again(run: Run, opened: list[str]) -> None:
    before = run.scores("sernn")
    shard, times = run.shards[1].load(), run.shards[1].path.stat()
    run.shards[1].write(shard.assign(loss=shard["loss"] + 1))
    os.utime(run.shards[1].path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as if by a clock that stands still
    opened.clear()
    after = run.scores("sernn")
    assert shards_in(opened) == ["00001.nc"]
    np.testing.assert_array_equal(after["loss"], before["loss"] + np.array([[0.0], [0.0], [1.0], [1.0]]))
    opened.clear()
    xr.testing.assert_identical(run.scores("sernn"), after)
    assert shards_in(opened) == []


def test_shards_that_were_removed_or_added_are_left_out_or_read(run: Run, opened: list[str]) -> None:
    whole = run.scores("l1")
    path = run.shards[2].path
    content, checksum = path.read_bytes(), path.with_name(path.name + ".sha256").read_text()
    path.unlink()
    assert run.scores("l1")["network"].to_numpy().tolist() == [2, 3]
    assert [shard.index for shard in run.missing] == [2]
    path.write_bytes(content)
    path.with_name(path.name + ".sha256").write_text(checksum)
    xr.testing.assert_identical(run.scores("l1"), whole)
    assert run.finished


def test_a_damaged_shard_is_not_hidden(run: Run) -> None:
    run.scores("sernn")
    path = run.shards[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"00000\.nc cannot be read \(it does not match its checksum"):
        run.scores("sernn")
    assert run.scores("l1").sizes["network"] == 4
    with pytest.raises(DamagedFile):
        run.map(lambda shard: shard[["loss"]], scores_only=True)


def test_a_file_with_a_new_time_and_the_same_content_is_not_parsed_again(run: Run, opened: list[str]) -> None:
    expected = run.scores("sernn")
    for shard in run.shards:
        os.utime(shard.path)
    opened.clear()
    xr.testing.assert_identical(run.scores("sernn"), expected)
    assert shards_in(opened) == []


@pytest.mark.parametrize("harm", ["cut", "changed", "text", "folder", "link", "hdf5"])
def test_a_damaged_file_of_scores_is_ignored_and_replaced(run: Run, tmp_path: Path, harm: str) -> None:
    expected, path = run.scores("l1"), run.folder / "scores.nc"
    content = path.read_bytes()
    path.unlink()
    if harm == "folder":
        path.mkdir()
    elif harm == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif harm == "hdf5":
        path.with_name("scores.nc.sha256").unlink()
        with h5py.File(path, "w") as file:
            file["shard"] = h5py.ExternalLink("/etc/passwd", "/")
    else:
        changed = bytes([content[0], content[1] ^ 1]) + content[2:]
        path.write_bytes({"cut": content[:100], "changed": changed, "text": b"scores"}[harm])
    xr.testing.assert_identical(run.scores("l1"), expected)
    if harm != "folder":
        assert of_xarray(path).sizes["shard"] == 2


def hostile(dataset: xr.Dataset, harm: str) -> xr.Dataset:
    changed = dataset.copy(deep=True)
    if harm == "another shard's networks":
        changed["0.network"] = ("0.network", changed["0.network"].to_numpy()[::-1].copy())
    elif harm == "no such shard":
        changed["shard"] = ("shard", changed["shard"].to_numpy() + 10)
    elif harm == "twice the same shard":
        changed["shard"] = ("shard", np.zeros_like(changed["shard"].to_numpy()))
    elif harm == "no such block":
        changed["block"] = ("shard", changed["block"].to_numpy() + 10)
    elif harm == "another group":
        changed["attributes"] = ("blocks", changed["attributes"].to_numpy()[::-1].copy())
    elif harm == "no object":
        changed["attributes"] = ("blocks", np.array(["[" * 10_000, "3"], dtype=object))
    elif harm == "words as scores":
        changed["0.loss"] = (changed["0.loss"].dims, changed["0.loss"].to_numpy().astype(str).astype(object))
    elif harm == "falling epochs":
        changed["0.epoch"] = ("0.epoch", changed["0.epoch"].to_numpy()[::-1].copy())
    else:
        changed = changed.drop_vars("0.validation_accuracy")
    return changed


@pytest.mark.parametrize(
    "harm",
    [
        "another shard's networks", "no such shard", "twice the same shard", "no such block", "another group",
        "no object", "words as scores", "falling epochs", "no accuracy",
    ],
)  # fmt: skip
def test_a_file_of_scores_that_disagrees_with_the_plan_is_ignored_and_replaced(run: Run, harm: str) -> None:
    table = run.map(lambda shard: shard[["loss"]], scores_only=True)
    path = run.folder / "scores.nc"
    right = read_dataset(path)
    write_dataset(path, hostile(right, harm))
    xr.testing.assert_identical(run.map(lambda shard: shard[["loss"]], scores_only=True), table)
    xr.testing.assert_identical(read_dataset(path), right)


def test_scores_can_be_read_where_nothing_can_be_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise StorageError(f"cannot write {path}")

    _check_unwritten(run, lambda: monkeypatch.setattr(netcdf, "write_checked", refuse))
    _check_unwritten(run, lambda: monkeypatch.setattr(os, "access", lambda path, mode: False))


def _check_unwritten(run: Run, forbid: Callable[[], None]) -> None:
    expected = expected_scores(run, "l1")
    for name in ("scores.nc", "scores.nc.sha256"):
        (run.folder / name).unlink(missing_ok=True)
    forbid()
    xr.testing.assert_identical(run.scores("l1"), expected)
    assert not list(run.folder.glob("scores*"))


def test_groups_whose_networks_differ_in_epochs_keep_their_own(tmp_path: Path) -> None:
    overrides = (*OVERRIDES, "networks=2", "geometry.shape=[3, 2]", "training.epochs={list: [1, 2]}")
    experiment = Experiment.from_preset("sernn_demo").override(*overrides)
    run = experiment.run(tmp_path / "run", workers=1, report=False, networks_per_shard=1)
    with pytest.raises(RunError, match="differ in size"):  # their scores do not fit into one dataset
        run.scores(run.groups[0])
    table = run.map(lambda shard: shard[["loss"]], scores_only=True)
    parts = [_labelled(shard, shard.load()[["loss"]]) for shard in run.shards]
    xr.testing.assert_identical(table, concatenate(parts))
    assert bool(table["loss"].sel(epoch=2).isnull().any())


# Weights are read once


def test_the_analyses_of_a_report_open_each_shard_once(run: Run, opened: list[str]) -> None:
    analyses = {"wiring": Wiring(), "modularity": Modularity(), "pass_rate": PassRate()}
    separately = {name: analysis.measure(run) for name, analysis in analyses.items()}
    opened.clear()
    metrics_table(run, analyses, workers=1)
    assert shards_in(opened) == [f"{index:05d}.nc" for index in range(len(run.shards))]
    for name, table in separately.items():
        xr.testing.assert_identical(run.measurement(name).drop_attrs(deep=False), table.drop_attrs(deep=False))
    opened.clear()
    metrics_table(run, analyses, workers=1)
    assert shards_in(opened) == []


def test_a_second_report_opens_only_the_shards_of_the_networks_that_it_shows(
    run: Run, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatialnets.report.page.is_compared", lambda run: False)
    experiment = run.experiment().override("analyses=[wiring, modularity]")
    write_report(run, experiment, workers=1)
    hashed: list[Path] = []
    monkeypatch.setattr(ShardRecord, "digest", lambda record: hashed.append(record.path))
    opened.clear()
    write_report(run, experiment, workers=1)
    assert len(shards_in(opened)) <= len(run.groups) + 3  # one of each group, three around the sweet spot
    assert hashed == []


def test_an_analysis_that_changes_its_shard_does_not_change_what_others_measure(run: Run) -> None:
    @dataclass(frozen=True)
    class Vandal(Wiring):
        def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
            shard["weights"][:] = 0
            return super().of_shard(shard)

    expected = Wiring().measure(run)
    begun = measure_together(run, {"vandal": Vandal(), "wiring": Wiring(), "modularity": Modularity()}, workers=1)
    assert set(begun) == {"wiring", "modularity"}
    assert isinstance(begun["wiring"], AnalysisMapper)
    table = measure(run, "wiring", Wiring(), workers=1, begun=begun["wiring"])
    xr.testing.assert_identical(table.drop_attrs(deep=False), expected.drop_attrs(deep=False))
    vandalized = measure(run, "vandal", Vandal(), workers=1)
    assert (vandalized["total_weight"] == 0).all()


def test_an_analysis_whose_function_depends_on_the_moment_is_measured_by_itself(run: Run) -> None:
    @dataclass(frozen=True)
    class Moment(Analysis):
        def measure(self, run: Run) -> xr.Dataset:
            stored = "wiring" in run.measurements()
            return run.map(lambda shard: shard[["loss"]] * (2 if stored else 1))

    metrics_table(run, {"wiring": Wiring(), "modularity": Modularity(), "moment": Moment()}, workers=1)
    loss = run.map(lambda shard: shard[["loss"]], scores_only=True)
    np.testing.assert_array_equal(run.measurement("moment")["loss"], 2 * loss["loss"])
