"""Analyses in several processes: the same numbers, no shard measured twice, none lost."""

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr

import spatialnets.engines.measure as measure_module
from spatialnets import Analysis, Experiment, Run, RunError, UserError
from spatialnets.engines.local import Here
from spatialnets.engines.measure import measure
from spatialnets.report.measured import metrics_table

NETWORKS = 12  # three shards of each group


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    overrides = (f"networks={NETWORKS}", "training.epochs=1", "training.trials_per_epoch=128", "geometry.shape=[3, 2]")
    folder = tmp_path_factory.mktemp("measure") / "run"
    Experiment.from_preset("sernn_demo").override(*overrides).run(folder, workers=1, report=False, networks_per_shard=4)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


@dataclass(frozen=True)
class TotalWeight(Analysis):
    """Sums weights, notes which shards it was given, and fails once."""

    heavy: ClassVar[bool] = True

    notes: Path
    failure: str = ""
    power: float = 1.0

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        name = f"{shard.attrs['group']}-{int(shard['network'][0])}"
        if name == "l1-4" and self.failure and not (self.notes / "failed").exists():
            (self.notes / "failed").touch()
            if self.failure == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise UserError("this shard is refused")
        with open(self.notes / name, "a", encoding="utf-8") as file:
            file.write("x")
        weight = (abs(shard["weights"].astype(float)) ** self.power).sum(("pre", "post"))
        return xr.Dataset({"weight": weight.drop_vars([name for name in weight.coords if name not in weight.dims])})

    def times(self) -> list[int]:
        return sorted(len(path.read_text(encoding="utf-8")) for path in self.notes.iterdir() if path.name != "failed")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_workers_measure_the_same_as_one_process(run: Run, notes: Path) -> None:
    analysis = TotalWeight(notes)
    in_workers, alone = measure(run, "weighed", analysis, workers=2), analysis.measure(run)
    xr.testing.assert_identical(in_workers.drop_attrs(deep=False), alone.drop_attrs(deep=False))
    np.testing.assert_array_equal(in_workers["network"], np.tile(np.arange(NETWORKS), 2))
    assert not (run.folder / "analyses" / "parts").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_measurement_continues_where_it_was(run: Run, notes: Path, workers: int) -> None:
    analysis = TotalWeight(notes, "refused")
    with pytest.raises(UserError, match="this shard is refused"):
        measure(run, "weighed", analysis, workers)
    assert "weighed" not in run.measurements()
    table = measure(run, "weighed", analysis, workers)
    assert np.isfinite(table["weight"]).all()
    # with two workers, one may have been measuring a shard when that of the other was refused
    assert analysis.times() in ([1] * 6, [1] * 5 + [2]) if workers == 2 else analysis.times() == [1] * 6


def test_a_killed_worker_costs_only_its_shard(run: Run, notes: Path) -> None:
    analysis = TotalWeight(notes, "killed")
    table = measure(run, "weighed", analysis, workers=2)
    assert np.isfinite(table["weight"]).all()
    assert (notes / "failed").exists()
    assert analysis.times() == [1] * 6


def test_a_stored_measurement_is_used_if_it_was_made_by_an_equal_analysis(run: Run, notes: Path) -> None:
    first = measure(run, "weighed", TotalWeight(notes), workers=1)
    again = measure(run, "weighed", TotalWeight(notes), workers=1)
    xr.testing.assert_identical(first, again)
    assert TotalWeight(notes).times() == [1] * 6
    squared = measure(run, "weighed", TotalWeight(notes, power=2.0), workers=1)
    assert not np.allclose(squared["weight"], first["weight"])
    assert TotalWeight(notes).times() == [2] * 6


def test_a_shard_that_was_computed_again_is_measured_again(run: Run, notes: Path) -> None:
    analysis = TotalWeight(notes, "refused")
    with pytest.raises(UserError):
        measure(run, "weighed", analysis, workers=1)
    shard = run.shards[0].load()
    run.shards[0].write(shard.assign(loss=shard["loss"] + 1))
    measure(run, "weighed", analysis, workers=1)
    assert analysis.times() == [1, 1, 1, 1, 1, 2]


def test_only_analyses_that_take_long_are_given_to_an_engine(
    run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Quick(TotalWeight):
        heavy: ClassVar[bool] = False

    numbers_of_jobs: list[int] = []
    monkeypatch.setattr(Here, "do", lambda self, run, jobs, progress: numbers_of_jobs.append(len(jobs)))
    measure(run, "quick", Quick(notes))
    assert numbers_of_jobs == []
    monkeypatch.setattr(measure_module, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(measure_module, "MIN_SECONDS_LEFT", 0.0)
    with pytest.raises(RunError):  # this engine measures nothing
        measure(run, "long", Quick(notes, power=2.0))
    assert numbers_of_jobs == [5]


def test_the_metrics_table_contains_only_variables_over_networks_and_epochs(run: Run, notes: Path) -> None:
    @dataclass(frozen=True)
    class ByUnit(TotalWeight):
        def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
            return super().of_shard(shard).isel(epoch=[1]).assign(out=abs(shard["weights"]).sum("post"))

    table = metrics_table(run, {"by_unit": ByUnit(notes)}, workers=1)
    assert set(table.dims) == {"network", "epoch"}
    assert np.isnan(table["weight"].sel(epoch=0)).all()
    assert np.isfinite(table["weight"].sel(epoch=1)).all()
    assert "out" not in table
    assert run.measurement("by_unit")["out"].dims == ("network", "epoch", "pre")


def test_a_long_measurement_is_kept_when_other_settings_are_measured(run: Run, notes: Path) -> None:
    first = measure(run, "weighed", TotalWeight(notes), workers=1)
    squared = measure(run, "weighed", TotalWeight(notes, power=2.0), workers=1)
    assert TotalWeight(notes).times() == [2] * 6
    for power, expected in ((1.0, first), (2.0, squared), (1.0, first)):
        xr.testing.assert_identical(measure(run, "weighed", TotalWeight(notes, power=power), workers=1), expected)
    assert TotalWeight(notes).times() == [2] * 6  # nothing was measured again
    assert run.measurements() == ("weighed",)


def test_a_measurement_by_another_version_is_made_again(run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(run, "weighed", TotalWeight(notes), workers=1)
    monkeypatch.setattr(measure_module, "VERSION", "99")
    measure(run, "weighed", TotalWeight(notes), workers=1)
    assert TotalWeight(notes).times() == [2] * 6


def test_an_analysis_that_is_refused_does_not_affect_the_others(run: Run, notes: Path) -> None:
    @dataclass(frozen=True)
    class Refusing(TotalWeight):
        def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
            raise UserError("there is no goal")

    table = metrics_table(run, {"refusing": Refusing(notes), "weighed": TotalWeight(notes)}, workers=1)
    assert "weight" in table
    assert table.attrs["not_measured"] == ["refusing: there is no goal"]


def test_earlier_measurements_are_in_the_metrics_table(run: Run, notes: Path) -> None:
    measure(run, "weighed", TotalWeight(notes), workers=1)
    assert "weight" in metrics_table(run, {}, workers=1)
