"""Analyses in several processes: the same numbers, none measured twice, none lost."""

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
from spatialnets.report.measured import measured

NETWORKS = 12  # three shards of each group


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = (f"networks={NETWORKS}", "training.epochs=1", "training.trials_per_epoch=128", "geometry.shape=[3, 2]")
    folder = tmp_path_factory.mktemp("measuring") / "run"
    Experiment.from_preset("sernn_demo").override(*words).run(folder, workers=1, report=False, networks_per_shard=4)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


@dataclass(frozen=True)
class Weighed(Analysis):
    """Weighs networks, notes which shards it was given, and meets with an accident once."""

    heavy: ClassVar[bool] = True

    notes: Path
    accident: str = ""
    power: float = 1.0

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        name = f"{shard.attrs['group']}-{int(shard['network'][0])}"
        if name == "l1-4" and self.accident and not (self.notes / "happened").exists():
            (self.notes / "happened").touch()
            if self.accident == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise UserError("this shard is refused")
        with open(self.notes / name, "a", encoding="utf-8") as file:
            file.write("x")
        weight = (abs(shard["weights"].astype(float)) ** self.power).sum(("pre", "post"))
        return xr.Dataset({"weight": weight.drop_vars([name for name in weight.coords if name not in weight.dims])})

    def times(self) -> list[int]:
        return sorted(len(path.read_text(encoding="utf-8")) for path in self.notes.iterdir() if path.name != "happened")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_workers_measure_what_one_process_does(run: Run, notes: Path) -> None:
    analysis = Weighed(notes)
    together, alone = measure(run, "weighed", analysis, workers=2), analysis.measure(run)
    xr.testing.assert_identical(together.drop_attrs(deep=False), alone.drop_attrs(deep=False))
    np.testing.assert_array_equal(together["network"], np.tile(np.arange(NETWORKS), 2))
    assert not (run.folder / "analyses" / "parts").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_measurement_that_was_stopped_goes_on_where_it_was(run: Run, notes: Path, workers: int) -> None:
    analysis = Weighed(notes, "refused")
    with pytest.raises(UserError, match="this shard is refused"):
        measure(run, "weighed", analysis, workers)
    assert "weighed" not in run.measurements()
    found = measure(run, "weighed", analysis, workers)
    assert np.isfinite(found["weight"]).all()
    # with two workers, one may have been at work on a shard when the other's was refused
    assert analysis.times() in ([1] * 6, [1] * 5 + [2]) if workers == 2 else analysis.times() == [1] * 6


def test_a_worker_that_is_killed_costs_its_shard_alone(run: Run, notes: Path) -> None:
    analysis = Weighed(notes, "killed")
    found = measure(run, "weighed", analysis, workers=2)
    assert np.isfinite(found["weight"]).all()
    assert (notes / "happened").exists()
    assert analysis.times() == [1] * 6


def test_a_stored_measurement_counts_if_it_was_made_by_an_equal_analysis(run: Run, notes: Path) -> None:
    first = measure(run, "weighed", Weighed(notes), workers=1)
    again = measure(run, "weighed", Weighed(notes), workers=1)
    xr.testing.assert_identical(first, again)
    assert Weighed(notes).times() == [1] * 6
    squared = measure(run, "weighed", Weighed(notes, power=2.0), workers=1)
    assert not np.allclose(squared["weight"], first["weight"])
    assert Weighed(notes).times() == [2] * 6


def test_a_shard_that_was_computed_anew_is_measured_anew(run: Run, notes: Path) -> None:
    analysis = Weighed(notes, "refused")
    with pytest.raises(UserError):
        measure(run, "weighed", analysis, workers=1)
    anew = run.load_shard(run.shards[0])
    run.write_shard(run.shards[0], anew.assign(loss=anew["loss"] + 1))
    measure(run, "weighed", analysis, workers=1)
    assert analysis.times() == [1, 1, 1, 1, 1, 2]


def test_what_is_quick_needs_no_workers_and_what_turns_out_long_gets_them(
    run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Quick(Weighed):
        heavy: ClassVar[bool] = False

    asked: list[int] = []
    monkeypatch.setattr(Here, "do", lambda self, run, jobs, progress: asked.append(len(jobs)))
    measure(run, "quick", Quick(notes))
    assert asked == []
    monkeypatch.setattr(measure_module, "PATIENCE", 0.0)
    monkeypatch.setattr(measure_module, "WORTH", 0.0)
    with pytest.raises(RunError):  # nobody has measured what was handed out
        measure(run, "long", Quick(notes, power=2.0))
    assert asked == [5]


def test_the_table_of_a_run_has_what_is_over_networks_and_epochs_alone(run: Run, notes: Path) -> None:
    @dataclass(frozen=True)
    class ByUnit(Weighed):
        def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
            return super().of_shard(shard).isel(epoch=[1]).assign(out=abs(shard["weights"]).sum("post"))

    table = measured(run, {"by_unit": ByUnit(notes)}, workers=1)
    assert set(table.dims) == {"network", "epoch"}
    assert np.isnan(table["weight"].sel(epoch=0)).all()
    assert np.isfinite(table["weight"].sel(epoch=1)).all()
    assert "out" not in table
    assert run.measurement("by_unit")["out"].dims == ("network", "epoch", "pre")


def test_what_took_long_is_kept_when_other_settings_are_asked_for(run: Run, notes: Path) -> None:
    first = measure(run, "weighed", Weighed(notes), workers=1)
    squared = measure(run, "weighed", Weighed(notes, power=2.0), workers=1)
    assert Weighed(notes).times() == [2] * 6
    for power, known in ((1.0, first), (2.0, squared), (1.0, first)):
        xr.testing.assert_identical(measure(run, "weighed", Weighed(notes, power=power), workers=1), known)
    assert Weighed(notes).times() == [2] * 6  # nothing was measured again
    assert run.measurements() == ("weighed",)


def test_a_measurement_by_another_version_is_made_anew(run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(run, "weighed", Weighed(notes), workers=1)
    monkeypatch.setattr(measure_module, "__version__", "99")
    measure(run, "weighed", Weighed(notes), workers=1)
    assert Weighed(notes).times() == [2] * 6


def test_an_analysis_that_cannot_be_made_leaves_the_others(run: Run, notes: Path) -> None:
    @dataclass(frozen=True)
    class Refusing(Weighed):
        def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
            raise UserError("there is no goal")

    table = measured(run, {"refusing": Refusing(notes), "weighed": Weighed(notes)}, workers=1)
    assert "weight" in table
    assert table.attrs["not_measured"] == ["refusing: there is no goal"]


def test_what_was_measured_before_is_in_the_table_unasked(run: Run, notes: Path) -> None:
    measure(run, "weighed", Weighed(notes), workers=1)
    assert "weight" in measured(run, {}, workers=1)
