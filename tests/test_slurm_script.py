"""The batch script under a real Slurm, with a line of shell in place of the worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_daemons import Cluster, is_running, needs_slurm, slurm_cluster, wait_until

from spatialnets.engines.slurm.script import CRASHES, batch_script

pytestmark = [pytest.mark.slurm, needs_slurm]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with slurm_cluster() as cluster:
        yield cluster


class Trial:
    """A job array with one task, whose worker is a line of shell."""

    def __init__(self, cluster: Cluster, folder: Path, shell: str) -> None:
        folder.mkdir()
        self.cluster, self.log, self.crashes = cluster, folder / "0.log", folder / "count-0.crashes"
        script = folder / "job.sh"
        command = ("bash", "-c", f"echo worker $$ with $SET_UP; {shell}")
        script.write_text(batch_script(command, folder / "orders", ["sbatch"], folder / "count", "export SET_UP=tools"))
        options = ("--array=0-0", f"--output={folder}/%a.log", "--open-mode=append", "--requeue")
        self.job = cluster.run("sbatch", "--parsable", *options, str(script))

    @property
    def output(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def started(self) -> int:
        return sum(line.startswith("worker ") for line in self.output.splitlines())

    @property
    def state(self) -> str:
        return self.cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%T", "-j", self.job)

    def describe(self) -> str:
        known = self.cluster.succeeds("squeue", "-j", self.job)  # Slurm forgets a job some seconds after its end
        state = self.state if known else "forgotten"
        return f"{state}\n{self.output}\n{self.cluster.logged(f'JobId={self.job}')}"

    def wait_for(self, states: str) -> None:
        wait_until(lambda: self.state in states.split(), states, self.describe)

    def wait_for_start(self, times: int) -> None:
        def has_started() -> bool:
            self.cluster.skip_delays()
            return self.started >= times

        wait_until(has_started, f"start {times}", self.describe)


@pytest.mark.parametrize(("status", "state"), [(0, "COMPLETED"), (2, "FAILED"), (130, "FAILED")])
def test_a_task_that_is_done_refused_or_cancelled_is_not_repeated(
    cluster: Cluster, tmp_path: Path, status: int, state: str
) -> None:
    trial = Trial(cluster, tmp_path / "trial", f"exit {status}")
    trial.wait_for("COMPLETED FAILED")
    assert trial.state == state
    assert trial.started == 1
    assert "with tools" in trial.output
    assert not trial.crashes.exists()


def test_a_task_whose_worker_is_killed_is_requeued_at_most_three_times(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "kill -9 $$")
    trial.wait_for_start(CRASHES + 1)
    trial.wait_for("FAILED")
    assert trial.started == CRASHES + 1 == 4
    assert trial.crashes.stat().st_size == CRASHES + 1


def test_a_task_whose_worker_stopped_is_requeued_without_limit(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "exit 75")
    trial.wait_for_start(CRASHES + 3)
    assert not trial.crashes.exists()
    cluster.clear()


STOPS_ON_SIGTERM = "trap 'echo stopping; exit 75' TERM; while :; do sleep 0.05; done"


def test_the_signal_before_the_time_limit_reaches_the_worker(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", STOPS_ON_SIGTERM)
    trial.wait_for_start(1)
    cluster.run("scancel", "--batch", "--signal=USR1", trial.job)  # as --signal=B:USR1@60 does
    trial.wait_for_start(2)
    assert "stopping" in trial.output
    cluster.clear()


def test_a_worker_that_is_stopped_while_it_starts_counts_as_stopped(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", "exec sleep 60")  # no handler yet: the signal kills it
    trial.wait_for_start(1)
    cluster.run("scancel", "--batch", "--signal=TERM", trial.job)
    trial.wait_for_start(2)
    assert not trial.crashes.exists()
    cluster.clear()


def test_a_task_that_slurm_requeues_returns_once(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", STOPS_ON_SIGTERM)
    trial.wait_for_start(1)
    cluster.run("scontrol", "requeue", trial.job)
    trial.wait_for_start(2)
    assert "returns to the queue" not in trial.output
    assert "stopping" in trial.output
    cluster.clear()


def test_a_cancelled_task_is_not_requeued_although_its_worker_stopped(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", STOPS_ON_SIGTERM)
    trial.wait_for_start(1)
    cluster.run("scancel", trial.job)
    trial.wait_for("CANCELLED")
    cluster.skip_delays()
    assert trial.started == 1
    assert "stopping" in trial.output


def test_a_task_on_a_dead_node_is_not_lost(cluster: Cluster, tmp_path: Path) -> None:
    trial = Trial(cluster, tmp_path / "trial", STOPS_ON_SIGTERM)
    trial.wait_for_start(1)
    node = trial.cluster.run("squeue", "-h", "-o", "%N", "-j", trial.job)
    worker = int(trial.output.partition("worker ")[2].split()[0])
    assert is_running(worker)
    cluster.kill_node(node)
    wait_until(lambda: not is_running(worker), "the worker to be gone")
    trial.wait_for_start(2)
    assert trial.output.count(f" on {node}: start") == 1
    assert "start 1" in trial.output
    cluster.clear()
