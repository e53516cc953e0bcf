from pathlib import Path

import pytest

from spatialnets import Experiment, RunError
from spatialnets.engines.slurm.engine import Slurm


def test_fields_become_options_of_sbatch() -> None:
    options = Slurm(partition="gpu", time="1-12", memory="4G", gres="gpu:1", extra=("--nice=10",)).options(threads=2)
    for option in ("--partition=gpu", "--time=1-12", "--mem=4G", "--gres=gpu:1", "--cpus-per-task=2", "--nice=10"):
        assert option in options
    assert "--requeue" in options
    assert Slurm(cpus=3).options(threads=2).count("--cpus-per-task=3") == 1


@pytest.mark.parametrize(("limit", "notice"), [(None, 60), (240, 60), ("2:00", 30), (1, 15), ("unlimited", 60)])
def test_the_warning_signal_leaves_most_of_a_short_time_limit(limit: int | str | None, notice: int) -> None:
    assert f"--signal=B:USR1@{notice}" in Slurm(time=limit).options(threads=1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"partition": "cpu\n#SBATCH --uid=0"}, "partition must be a single non-empty line"),
        ({"account": ""}, "account must be a single non-empty line"),
        ({"time": "soon"}, "time must be in minutes, or in Slurm's format"),
        ({"time": "0:30"}, "one minute or more"),
        ({"cpus": 0}, "cpus must be 1 or more"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"poll_seconds": 0.0}, "poll_seconds must be greater than 0"),
        ({"extra": ("mail",)}, "one string each, such as --mail-type=END"),
        ({"extra": ("--array=0-9",)}, "must not contain --array"),
    ],
)
def test_invalid_fields_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Slurm(**fields)  # type: ignore[arg-type]


def test_the_error_without_slurm_names_other_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    experiment = Experiment.from_preset("sernn_demo").override("networks=1", "training.epochs=1")
    with pytest.raises(RunError, match=r"has no sbatch: .*engine=here, engine=processes"):
        experiment.run(tmp_path / "run", engine=Slurm(), report=False)
    assert not list((tmp_path / "run" / "engine").glob("slurm/*.json"))
