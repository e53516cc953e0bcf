"""The batch script under a real Slurm, with a line of shell in the place of the worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_daemons import Cluster, needs_slurm, slurm_cluster, wait_until, works

from spatialnets.engines.slurm.script import CRASHES, batch_script

pytestmark = [pytest.mark.slurm, needs_slurm]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with slurm_cluster() as cluster:
        yield cluster


class Trial:
    """An array of one task, whose worker is a line of shell."""

    def __init__(self, cluster: Cluster, folder: Path, shell: str) -> None:
        folder.mkdir()
        self.cluster, self.log, self.crashes = cluster, folder / "0.log", folder / "count-0.crashes"
        script = folder / "job.sh"
        command = ("bash", "-c", f"echo worker $$ with $SET_UP; {shell}")
        script.write_text(batch_script(command, folder / "orders", ["sbatch"], folder / "count", "export SET_UP=tools"))
        words = ("--array=0-0", f"--output={folder}/%a.log", "--open-mode=append", "--requeue", str(script))
        self.job = cluster.ask("sbatch", "--parsable", *words)

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def started(self) -> int:
        return sum(line.startswith("worker ") for line in self.said.splitlines())

    @property
    def state(self) -> str:
        return self.cluster.ask("squeue", "-h", "-r", "-t", "all", "-o", "%T", "-j", self.job)

    def how_it_stands(self) -> str:
        known = self.cluster.answers("squeue", "-j", self.job)  # Slurm forgets what has ended some seconds ago
        state = self.state if known else "forgotten"
        return f"{state}\n{self.said}\n{self.cluster.logged(f'JobId={self.job}')}"

    def wait_for(self, states: str) -> None:
        wait_until(lambda: self.state in states.split(), states, self.how_it_stands)

    def wait_for_start(self, times: int) -> None:
        def there() -> bool:
            self.cluster.hurry()
            return self.started >= times

        wait_until(there, f"start {times}", self.how_it_stands)


@pytest.mark.parametrize(("status", "state"), [(0, "COMPLETED"), (2, "FAILED"), (130, "FAILED")])
def test_what_is_done_refused_or_cancelled_is_not_tried_again(
    cluster: Cluster, tmp_path: Path, status: int, state: str
) -> None:
    trial = Trial(cluster, tmp_path / "trial", f"exit {status}")
    trial.wait_for("COMPLETED FAILED")
    assert trial.state == state
    assert trial.started == 1
    assert "with tools" in trial.said
    assert not trial.crashes.exists()


def test_a_worker_that_is_killed_is_put_back_three_times_and_no_more(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "kill -9 $$")
    trial.wait_for_start(CRASHES + 1)
    trial.wait_for("FAILED")
    assert trial.started == CRASHES + 1 == 4
    assert trial.crashes.stat().st_size == CRASHES + 1


def test_a_worker_that_stopped_is_put_back_more_often_than_one_that_died(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "exit 75")
    trial.wait_for_start(CRASHES + 3)
    assert not trial.crashes.exists()
    cluster.clear()


GENTLE = "trap 'echo stopping; exit 75' TERM; while :; do sleep 0.05; done"


def test_the_signal_before_the_time_limit_reaches_the_worker(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", GENTLE)
    trial.wait_for_start(1)
    cluster.ask("scancel", "--batch", "--signal=USR1", trial.job)  # as --signal=B:USR1@60 does
    trial.wait_for_start(2)
    assert "stopping" in trial.said
    cluster.clear()


def test_a_worker_that_is_still_starting_when_it_must_stop_counts_as_stopped(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "exec sleep 60")  # no handler yet: the signal kills it
    trial.wait_for_start(1)
    cluster.ask("scancel", "--batch", "--signal=TERM", trial.job)
    trial.wait_for_start(2)
    assert not trial.crashes.exists()
    cluster.clear()


def test_whom_slurm_requeues_comes_back_once(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", GENTLE)
    trial.wait_for_start(1)
    cluster.ask("scontrol", "requeue", trial.job)
    trial.wait_for_start(2)
    assert "goes back" not in trial.said
    assert "stopping" in trial.said
    cluster.clear()


def test_cancelled_is_cancelled_although_the_worker_only_stopped(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", GENTLE)
    trial.wait_for_start(1)
    cluster.ask("scancel", trial.job)
    trial.wait_for("CANCELLED")
    cluster.hurry()
    assert trial.started == 1
    assert "stopping" in trial.said


def test_a_dead_node_loses_no_task(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", GENTLE)
    trial.wait_for_start(1)
    node = trial.cluster.ask("squeue", "-h", "-o", "%N", "-j", trial.job)
    worker = int(trial.said.partition("worker ")[2].split()[0])
    assert works(worker)
    cluster.kill_node(node)
    wait_until(lambda: not works(worker), "the worker to be gone")
    trial.wait_for_start(2)
    assert trial.said.count(f" on {node}: start") == 1
    assert "start 1" in trial.said
    cluster.clear()
