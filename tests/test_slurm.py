import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from slurm_daemons import Cluster, is_running, needs_slurm, slurm_cluster, wait_until
from test_engines import Recorder, same_weights
from tiny import OVERRIDES

from spatialnets import Experiment, Run, RunError
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.errors import Detached
from spatialnets.testing import check_engine
from spatialnets.training.checkpoint import updates_in

pytestmark = [pytest.mark.slurm, needs_slurm]

SMALL = (*OVERRIDES, "networks=2")  # one shard in each of two groups
QUICK = (*SMALL, "training.epochs=1")
LONG = (*SMALL, "training.epochs=80")  # some seconds of work, an epoch every few hundredths


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, shared_cluster.environment[name])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield shared_cluster
    shared_cluster.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The long run, computed on this machine without interruption."""
    return experiment(*LONG).run(tmp_path_factory.mktemp("whole") / "run", workers=1, report=False)


def experiment(*overrides: str) -> Experiment:
    return Experiment.from_preset("sernn_demo").override(*overrides)


DRIVER = """
import sys
from spatialnets import Experiment
from spatialnets.progress import Lines
from spatialnets.engines.slurm.engine import Slurm
engine = Slurm(poll_seconds=0.2)
Experiment.from_preset("sernn_demo").override(*sys.argv[2:]).run(
    sys.argv[1], engine=engine, report=False, progress=Lines()
)
"""


def stderr_of(out: Path) -> Path:
    return out.with_suffix(".stderr")


def drive(out: Path, *overrides: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", DRIVER, str(out), *overrides]
    with open(stderr_of(out), "wb") as stderr:
        return subprocess.Popen(argv, start_new_session=True, stderr=stderr)


def workers(out: Path) -> list[int]:
    """Return the processes that do jobs of a run."""
    processes = []
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"work" in argv and str(out).encode() in argv and b"bash" not in argv[0]:
            processes.append(int(entry.name))
    return [process for process in processes if is_running(process)]


def text_of(logs: Path) -> str:
    return "".join(path.read_text() for path in sorted(logs.glob("*.log")))


def has_checkpoint(out: Path) -> bool:
    return any((out / "checkpoints").glob("*.npz")) if (out / "checkpoints").is_dir() else False


def stored_updates(out: Path) -> int:
    """Return the number of updates in all checkpoints."""
    return sum(updates_in(path) for path in (out / "checkpoints").glob("*.npz")) if out.is_dir() else 0


def wait_for_checkpoint(out: Path) -> None:
    wait_until(lambda: has_checkpoint(out), "a checkpoint", seconds=90)


def finish(cluster: Cluster, driver: "subprocess.Popen[bytes]", out: Path) -> str:
    """Wait for a driver without the delays of requeued tasks; return its error output."""

    def has_ended() -> bool:
        cluster.skip_delays()
        return driver.poll() is not None

    try:
        wait_until(has_ended, "the driver to end", seconds=150)
    finally:
        if driver.poll() is None:
            driver.kill()
    stderr = stderr_of(out).read_text()
    assert driver.returncode == 0, stderr
    return stderr


def test_slurm_and_this_process_give_identical_results(cluster: Cluster, tmp_path: Path) -> None:
    recorder = Recorder()
    run = experiment(*QUICK).run(tmp_path / "slurm", engine=Slurm(poll_seconds=0.2), progress=recorder, report=False)
    assert same_weights(experiment(*QUICK).run(tmp_path / "here", workers=1, report=False), run)
    assert recorder.done == recorder.total
    assert [line for line in recorder.messages if "2 jobs submitted" in line]


def test_arrays_that_are_too_large_are_split_and_throttled(cluster: Cluster, tmp_path: Path) -> None:
    recorder = Recorder()
    overrides = (*QUICK, "networks=3")  # six shards, but an array has at most four tasks
    with pytest.raises(Detached, match=r"Slurm jobs \d+, \d+ continue"):
        experiment(*overrides).run(
            tmp_path, engine=Slurm(detach=True, workers=2), progress=recorder, report=False, networks_per_shard=1
        )
    assert ["4 jobs" in line or "2 jobs" in line for line in recorder.messages] == [True, True]
    scripts = sorted((tmp_path / "engine" / "slurm").glob("*.sh"))
    assert ["--array=0-3%1" in script.read_text() for script in scripts] == [True, False]
    assert "--array=0-1%1" in scripts[1].read_text()


def test_a_job_whose_node_dies_continues_elsewhere(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    node = cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%N").split()[0]
    cluster.kill_node(node)
    finish(cluster, driver, tmp_path / "run")
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_preempted_jobs_keep_their_results(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    task = cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%A").split()[0]
    cluster.run("scancel", "--batch", "--signal=USR1", task)  # as before a time limit
    logs = tmp_path / "run" / "engine" / "slurm"
    wait_until(lambda: "returns to the queue" in text_of(logs), "the task to return", lambda: text_of(logs))
    cluster.run("sbatch", "-p", "high", "-a", "0-1", "--output=/dev/null", "--wrap", "sleep 1")
    finish(cluster, driver, tmp_path / "run")
    assert "returns to the queue: stopped" in text_of(logs)
    assert "DUE TO PREEMPTION" in text_of(logs)
    assert not list(logs.glob("*.crashes"))
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_after_its_driver_is_killed_the_jobs_of_a_run_are_found_and_not_submitted_again(
    cluster: Cluster, tmp_path: Path, whole: Run
) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    paused = workers(tmp_path / "run")  # so that they do not finish before the new driver has started
    assert paused
    for worker in paused:
        os.kill(worker, signal.SIGSTOP)
    driver, stderr = drive(tmp_path / "run", *LONG), stderr_of(tmp_path / "run")
    wait_until(lambda: "submitted earlier, not submitted again" in stderr.read_text(), "the jobs to be found")
    for worker in paused:
        os.kill(worker, signal.SIGCONT)
    assert "submitted, logs" not in finish(cluster, driver, tmp_path / "run")
    assert len(list((tmp_path / "run" / "engine" / "slurm").glob("*.sh"))) == 1
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_a_job_is_found_even_if_its_driver_died_before_it_knew_the_number(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True), report=False)
    note = json.loads(next((tmp_path / "engine" / "slurm").glob("*.json")).read_text())
    assert set(note) == {"number", "name", "keys", "folder"}  # no job number: it was written before the submission
    recorder = Recorder()
    run = experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), progress=recorder, report=False)
    assert run.finished
    assert not [line for line in recorder.messages if "submitted, logs" in line]


def test_detached_jobs_are_reported_and_can_be_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    engine = Slurm(detach=True, poll_seconds=0.2)
    with pytest.raises(Detached, match=r"Slurm job \d+ continues.*status.*resume.*engine=slurm.*cancel"):
        experiment(*QUICK).run(tmp_path, engine=engine, report=False)
    run = Run.open(tmp_path)
    assert not run.finished
    state = engine.state(run)
    assert state is not None
    assert state.startswith("Slurm job ")
    assert experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), report=False).finished
    assert engine.state(run) is None


def test_cancelled_jobs_leave_the_queue_and_the_same_command_continues(
    cluster: Cluster, tmp_path: Path, whole: Run
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Detached):
        experiment(*LONG).run(out, engine=Slurm(detach=True), report=False)
    wait_for_checkpoint(out)
    Slurm().cancel(Run.open(out))
    wait_until(lambda: not workers(out), "the workers to be gone")
    wait_until(lambda: not cluster.run("squeue", "-h"), "the queue to be empty")
    assert not Run.open(out).finished
    finish(cluster, drive(out, *LONG), out)
    assert same_weights(whole, Run.open(out))


def test_a_job_that_a_user_cancels_is_not_submitted_again(cluster: Cluster, tmp_path: Path) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    cluster.run("scancel", cluster.run("squeue", "-h", "-o", "%F").split()[0])
    assert driver.wait(timeout=30) != 0
    assert "was cancelled; stored results are kept" in stderr_of(tmp_path / "run").read_text()
    assert not cluster.run("squeue", "-h", "-t", "PENDING,RUNNING")


def test_the_reason_of_a_refused_job_is_reported(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True, extra=("--begin=now+600",)), report=False)
    cluster.clear()
    (tmp_path / "engine" / "claims" / "shard-00001").mkdir(parents=True)  # where the process needs a file
    with pytest.raises(RunError, match="cannot write in .*claims"):
        experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), report=False)
    assert (tmp_path / "engine" / "refused" / "shard-00001.txt").exists()


def test_other_engines_are_refused_while_jobs_are_in_the_queue(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True), report=False)
    with pytest.raises(RunError, match=r"jobs in Slurm's queue \(Slurm job \d+: .*engine=slurm.*spatialnets cancel"):
        experiment(*QUICK).run(tmp_path, workers=1, report=False)


def start(engine: str, out: Path, *overrides: str) -> "subprocess.Popen[bytes]":
    """Start the command with an engine."""
    argv = (sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", f"engine={engine}", *overrides)
    return subprocess.Popen([*argv, "--no-report", "--quiet", "--out", str(out)], start_new_session=True)


def test_a_run_that_is_killed_on_each_of_several_engines_gives_identical_results(
    cluster: Cluster, tmp_path: Path, whole: Run
) -> None:
    out = tmp_path / "run"

    def wait_for_updates() -> None:
        before = stored_updates(out)
        wait_until(lambda: stored_updates(out) > before, "more updates")

    for engine in ("here", "processes"):  # the driver and its workers are killed together
        process = start(engine, out, *LONG)
        wait_for_updates()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    driver = drive(out, *LONG)
    wait_for_updates()
    for worker in workers(out):
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: list((out / "engine" / "slurm").glob("*.crashes")), "the tasks to note that a worker died")
    driver.kill()
    driver.wait()
    Slurm().cancel(Run.open(out))
    wait_until(lambda: not cluster.run("squeue", "-h") and not workers(out), "the jobs to end")
    assert not Run.open(out).finished
    assert start("dask" if find_spec("distributed") else "processes", out, *LONG).wait(timeout=120) == 0
    assert same_weights(whole, Run.open(out))


def test_a_run_waits_for_a_controller_that_restarts(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    cluster.kill_controller()
    time.sleep(1)
    cluster.start_controller()
    wait_until(lambda: cluster.succeeds("squeue", "-h"), "the controller to answer")
    finish(cluster, driver, tmp_path / "run")
    assert same_weights(whole, Run.open(tmp_path / "run"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"partition": "hihg"}, "did you mean 'high'"),
        ({"account": "x", "extra": ("--nonsense",)}, "unrecognized option"),
    ],
)
def test_a_refused_submission_is_reported_with_slurms_reason(
    cluster: Cluster, tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=f"Slurm refused the job: .*{message}"):
        experiment(*QUICK).run(tmp_path, engine=Slurm(**fields), report=False)  # type: ignore[arg-type]


def spatialnets(*arguments: object) -> str:
    argv = [sys.executable, "-m", "spatialnets", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


SLURM = ("engine=slurm", "engine.poll_seconds=0.2")


def test_detached_jobs_are_submitted_observed_and_finished_from_the_command_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    later = "engine.extra=[--begin=now+15]"  # so that status finds a waiting job
    message = spatialnets(
        "run", "preset=sernn_demo", *QUICK, *SLURM, later, "--detach", "--no-report", "--quiet", "--out", out
    )
    assert "continues without this process" in message
    assert "Slurm job" in spatialnets("status", out)
    spatialnets("resume", out, *SLURM)
    assert Run.open(out).finished
    assert (out / "report.html").exists()
    assert len(list((out / "engine" / "slurm").glob("*.sh"))) == 1


def test_detached_jobs_are_cancelled_from_the_command_line(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*LONG, "training.epochs=2000").run(tmp_path, engine=Slurm(detach=True), report=False)
    wait_for_checkpoint(tmp_path)
    assert "Continue with: spatialnets resume" in spatialnets("cancel", tmp_path)
    wait_until(lambda: not cluster.run("squeue", "-h"), "the queue to be empty")
    assert not workers(tmp_path)


@pytest.mark.slow
def test_slurm_keeps_the_contract_of_engines(cluster: Cluster, tmp_path: Path) -> None:
    check_engine(Slurm(poll_seconds=0.2), tmp_path)
