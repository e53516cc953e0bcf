import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from spatialnets import Experiment, Geometry, Run, RunError
from spatialnets.aliases import FloatArray
from spatialnets.engines.compute import compute, estimate_seconds

OVERRIDES = (
    "networks=6",
    "training.epochs=2",
    "training.trials_per_epoch=256",
    "training.validation_trials=64",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
)


def experiment(*overrides: str) -> Experiment:
    return Experiment.from_preset("sernn_demo").override(*OVERRIDES, *overrides)


def same_weights(one: Run, other: Run) -> bool:
    return all(one[group].identical(other[group]) for group in one.groups)


class Recorder:
    """Records progress reports."""

    def __init__(self) -> None:
        self.total = self.done = self.done_before = 0
        self.ended = False
        self.messages: list[str] = []

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self.total, self.done, self.done_before = total, done, done

    def advance(self, count: int, status: str) -> None:
        self.done += count

    def say(self, text: str) -> None:
        self.messages.append(text)

    def end(self) -> None:
        self.ended = True


def test_workers_and_one_process_give_identical_results(tmp_path: Path) -> None:
    in_one_process, in_workers = Recorder(), Recorder()
    one = compute(experiment(), tmp_path / "one", workers=1, progress=in_one_process)
    two = compute(experiment(), tmp_path / "two", workers=2, progress=in_workers)
    assert same_weights(one, two)
    for recorder in (in_one_process, in_workers):
        assert recorder.done == recorder.total == 2 * 6 * 2 * 2
        assert recorder.ended
    assert not list((tmp_path / "two" / "checkpoints").iterdir())


def test_a_finished_run_is_not_changed(tmp_path: Path) -> None:
    compute(experiment(), tmp_path, workers=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    compute(experiment(), tmp_path, workers=1)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}


def test_only_missing_shards_are_computed(tmp_path: Path) -> None:
    run = compute(experiment(), tmp_path, workers=1)
    kept, lost = run.shards[0].path, run.shards[1].path
    before, content = kept.stat().st_mtime_ns, run.shards[1].load()
    lost.unlink()
    recorder = Recorder()
    compute(experiment(), tmp_path, workers=1, progress=recorder)
    assert kept.stat().st_mtime_ns == before
    assert run.shards[1].load().identical(content)
    assert recorder.done == recorder.total


def test_a_folder_with_another_experiment_is_refused(tmp_path: Path) -> None:
    compute(experiment(), tmp_path, workers=1)
    with pytest.raises(RunError, match="holds another experiment"):
        compute(experiment("seed=5"), tmp_path, workers=1)


def test_a_folder_with_other_files_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="holds other files"):
        compute(experiment(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        compute(experiment(), tmp_path / "file")


def test_two_processes_cannot_compute_in_one_folder(tmp_path: Path) -> None:
    import fcntl

    compute(experiment(), tmp_path, workers=1)
    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process is computing"):
            compute(experiment(), tmp_path, workers=1)


def test_a_group_in_which_every_network_diverges_is_an_error_with_advice(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="every network of group 'sernn' diverged.*lower regularizer.strength"):
        compute(experiment("groups.sernn.regularizer.strength=1e38"), tmp_path, workers=1)


def test_a_network_that_diverges_is_reported_and_the_others_finish(tmp_path: Path) -> None:
    recorder = Recorder()
    strengths = "groups.sernn.regularizer.strength={list: [0.1, 1e38, 0.1, 0.1, 0.1, 0.1]}"
    run = compute(experiment(strengths, "networks=1"), tmp_path, workers=2, progress=recorder)
    assert (run["sernn"]["status"] == "diverged").to_numpy().tolist() == [False, True] + [False] * 4
    assert any("was excluded" in line for line in recorder.messages)


@dataclass(frozen=True)
class Line(Geometry):
    length_unit: ClassVar[str] = "mm"
    n: int = 10

    def positions(self) -> FloatArray:
        return np.column_stack([np.arange(self.n, dtype=float), np.zeros(self.n), np.zeros(self.n)])

    def distances(self) -> FloatArray:
        return np.abs(np.subtract.outer(np.arange(self.n, dtype=float), np.arange(self.n)))


@dataclass(frozen=True)
class OneWay(Line):
    def distances(self) -> FloatArray:
        return np.triu(super().distances())


def test_a_user_defined_geometry_needs_no_registration(tmp_path: Path) -> None:
    run = experiment().replace(geometry=Line()).run(out=tmp_path, workers=2, report=False)
    assert run["sernn"].attrs["length_unit"] == "mm"
    assert run["sernn"]["weights"].shape[2:] == (10, 10)


def test_asymmetric_distances_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="must be symmetric"):
        compute(experiment().replace(geometry=OneWay()), tmp_path / "run")
    assert not (tmp_path / "run" / "plan.json").exists()


def test_the_estimated_time_is_positive() -> None:
    assert estimate_seconds(experiment(), workers=1) > 0


SCRIPT = """
import sys
from spatialnets import Experiment
overrides = sys.argv[2:]
Experiment.from_preset("sernn_demo").override(*overrides).run(out=sys.argv[1], workers=2, report=False)
"""


def start(out: Path, *overrides: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(out), *overrides], start_new_session=True)


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_gives_identical_results(tmp_path: Path) -> None:
    overrides = ("networks=6", "training.epochs=4", "training.trials_per_epoch=2560")
    whole = Experiment.from_preset("sernn_demo").override(*overrides).run(tmp_path / "whole", report=False)
    moments = np.random.default_rng(5).uniform(2.5, 6.0, size=10)  # from the imports into the training
    for moment in moments:
        process = start(tmp_path / "killed", *overrides)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert start(tmp_path / "killed", *overrides).wait() == 0
    killed = Run.open(tmp_path / "killed")
    assert killed.finished
    assert same_weights(whole, killed)


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    overrides = ("networks=6", "training.epochs=2", "training.trials_per_epoch=640")
    process = start(tmp_path / "run", *overrides)
    victim = None
    while victim is None and process.poll() is None:
        time.sleep(0.1)
        if (tmp_path / "run" / "checkpoints").is_dir():
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            victim = next((int(child) for child in children), None)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    assert process.wait() == 0
    whole = Experiment.from_preset("sernn_demo").override(*overrides).run(tmp_path / "whole", report=False)
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_a_continued_run_counts_the_updates_in_its_checkpoints(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    class Stopping(Recorder):
        def advance(self, count: int, status: str) -> None:
            super().advance(count, status)
            if "epoch 2" in status:
                raise Stop

    with pytest.raises(Stop):
        compute(experiment(), tmp_path, workers=1, progress=Stopping(), networks_per_shard=4)
    recorder = Recorder()
    run = compute(experiment(), tmp_path, workers=1, progress=recorder)
    assert recorder.done == recorder.total
    assert recorder.done_before == 4 * 2  # four networks had completed one epoch of two updates
    assert run.plan["threads"] == 1


def test_tiny_numbers_are_treated_as_zero_only_while_training(tmp_path: Path) -> None:
    import torch

    from spatialnets.engines.threads import arithmetic

    tiny = torch.tensor(1e-38)
    with arithmetic(1):
        assert float(tiny * 0.01) == 0
        assert torch.get_num_threads() == 1
    assert float(tiny * 0.01) > 0


def test_what_a_component_prints_in_a_worker_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(
        "from dataclasses import dataclass\n"
        "from spatialnets.tasks import OneChoice\n"
        "@dataclass(frozen=True)\n"
        "class Talking(OneChoice):\n"
        "    def trials(self, count, generator):\n"
        "        print('printed by a task')\n"
        "        return super().trials(count, generator)\n"
    )
    words = ["preset=sernn_demo", *OVERRIDES, "networks=1", "task=talking:Talking", "--no-report", "--workers", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "spatialnets", "run", *words, "--out", "run"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "printed by a task" in done.stderr
