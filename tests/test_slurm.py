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
from slurm_daemons import Cluster, needs_slurm, slurm_cluster, wait_until, works
from tiny import WORDS

from spatialnets import Experiment, Run, RunError
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.errors import Detached
from spatialnets.testing import check_engine
from spatialnets.training.checkpoint import updates_in

pytestmark = [pytest.mark.slurm, needs_slurm]

SMALL = (*WORDS, "networks=2")  # one shard in each of two groups
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
    """The long run in one piece, on this machine."""
    return experiment(*LONG).run(tmp_path_factory.mktemp("whole") / "run", workers=1, report=False)


def experiment(*words: str) -> Experiment:
    return Experiment.from_preset("sernn_demo").override(*words)


def same_weights(one: Run, other: Run) -> bool:
    return all(one[group].identical(other[group]) for group in one.groups)


class Recorder:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.said: list[str] = []

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self.total, self.done = total, done

    def advance(self, count: int, status: str) -> None:
        self.done += count

    def say(self, text: str) -> None:
        self.said.append(text)

    def end(self) -> None: ...


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


def said_by(out: Path) -> Path:
    return out.with_suffix(".said")


def drive(out: Path, *words: str) -> "subprocess.Popen[bytes]":
    with open(said_by(out), "wb") as said:
        return subprocess.Popen([sys.executable, "-c", DRIVER, str(out), *words], start_new_session=True, stderr=said)


def workers(out: Path) -> list[int]:
    """Return the processes that do jobs of a run."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if b"work" in words and str(out).encode() in words and b"bash" not in words[0]:
            found.append(int(entry.name))
    return [process for process in found if works(process)]


def said_in(logs: Path) -> str:
    return "".join(path.read_text() for path in sorted(logs.glob("*.log")))


def has_checkpoint(out: Path) -> bool:
    return any((out / "checkpoints").glob("*.npz")) if (out / "checkpoints").is_dir() else False


def farthest(out: Path) -> int:
    """Return how many updates the checkpoints hold in all."""
    return sum(updates_in(path) for path in (out / "checkpoints").glob("*.npz")) if out.is_dir() else 0


def wait_for_checkpoint(out: Path) -> None:
    wait_until(lambda: has_checkpoint(out), "a checkpoint", seconds=90)


def finish(cluster: Cluster, driver: "subprocess.Popen[bytes]", out: Path) -> str:
    """Wait for a driver, hurrying on what is back in the queue; return what it has said."""

    def over() -> bool:
        cluster.hurry()
        return driver.poll() is not None

    try:
        wait_until(over, "the driver to end", seconds=150)
    finally:
        if driver.poll() is None:
            driver.kill()
    said = said_by(out).read_text()
    assert driver.returncode == 0, said
    return said


def test_slurm_and_this_process_give_the_same_bits(cluster: Cluster, tmp_path: Path) -> None:
    recorder = Recorder()
    run = experiment(*QUICK).run(tmp_path / "slurm", engine=Slurm(poll_seconds=0.2), progress=recorder, report=False)
    assert same_weights(experiment(*QUICK).run(tmp_path / "here", workers=1, report=False), run)
    assert recorder.done == recorder.total
    assert [line for line in recorder.said if "2 jobs submitted" in line]


def test_arrays_that_are_too_large_are_split_and_throttled(cluster: Cluster, tmp_path: Path) -> None:
    recorder = Recorder()
    words = (*QUICK, "networks=3")  # six shards where an array has four at most
    with pytest.raises(Detached, match=r"Slurm jobs \d+, \d+ go on"):
        experiment(*words).run(
            tmp_path, engine=Slurm(detach=True, workers=2), progress=recorder, report=False, networks_per_shard=1
        )
    assert ["4 jobs" in line or "2 jobs" in line for line in recorder.said] == [True, True]
    scripts = sorted((tmp_path / "engine" / "slurm").glob("*.sh"))
    assert ["--array=0-3%1" in script.read_text() for script in scripts] == [True, False]
    assert "--array=0-1%1" in scripts[1].read_text()


def test_a_job_whose_node_dies_goes_on_elsewhere(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    node = cluster.ask("squeue", "-h", "-t", "RUNNING", "-o", "%N").split()[0]
    cluster.kill_node(node)
    finish(cluster, driver, tmp_path / "run")
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_preempted_jobs_keep_what_they_have_computed(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    task = cluster.ask("squeue", "-h", "-t", "RUNNING", "-o", "%A").split()[0]
    cluster.ask("scancel", "--batch", "--signal=USR1", task)  # as before a time limit
    logs = tmp_path / "run" / "engine" / "slurm"
    wait_until(lambda: "goes back" in said_in(logs), "the task to go back", lambda: said_in(logs))
    cluster.ask("sbatch", "-p", "high", "-a", "0-1", "--output=/dev/null", "--wrap", "sleep 1")
    finish(cluster, driver, tmp_path / "run")
    assert "goes back into the queue: stopped" in said_in(logs)
    assert "DUE TO PREEMPTION" in said_in(logs)
    assert not list(logs.glob("*.crashes"))
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_a_killed_driver_finds_its_jobs_again_and_submits_none_twice(
    cluster: Cluster, tmp_path: Path, whole: Run
) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert workers(tmp_path / "run")
    said = finish(cluster, drive(tmp_path / "run", *LONG), tmp_path / "run")
    assert "from before; they are not submitted again" in said
    assert "submitted, logs" not in said
    assert len(list((tmp_path / "run" / "engine" / "slurm").glob("*.sh"))) == 1
    assert same_weights(whole, Run.open(tmp_path / "run"))


def test_a_driver_killed_before_it_knew_the_number_of_its_job_finds_it(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True), report=False)
    note = json.loads(next((tmp_path / "engine" / "slurm").glob("*.json")).read_text())
    assert set(note) == {"number", "name", "keys", "folder"}  # the name alone, written before the job was submitted
    recorder = Recorder()
    run = experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), progress=recorder, report=False)
    assert run.finished
    assert not [line for line in recorder.said if "submitted, logs" in line]


def test_detached_jobs_are_told_of_counted_and_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    engine = Slurm(detach=True, poll_seconds=0.2)
    with pytest.raises(Detached, match=r"Slurm job \d+ goes on.*status.*resume.*engine=slurm.*cancel"):
        experiment(*QUICK).run(tmp_path, engine=engine, report=False)
    run = Run.open(tmp_path)
    assert not run.finished
    state = engine.state(run)
    assert state is not None
    assert state.startswith("Slurm job ")
    assert experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), report=False).finished
    assert engine.state(run) is None


def test_cancelled_jobs_are_gone_and_the_same_command_goes_on(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    out = tmp_path / "run"
    with pytest.raises(Detached):
        experiment(*LONG).run(out, engine=Slurm(detach=True), report=False)
    wait_for_checkpoint(out)
    Slurm().cancel(Run.open(out))
    wait_until(lambda: not workers(out), "the workers to be gone")
    wait_until(lambda: not cluster.ask("squeue", "-h"), "the queue to be empty")
    assert not Run.open(out).finished
    finish(cluster, drive(out, *LONG), out)
    assert same_weights(whole, Run.open(out))


def test_a_job_that_somebody_cancels_is_not_submitted_again(cluster: Cluster, tmp_path: Path) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    cluster.ask("scancel", cluster.ask("squeue", "-h", "-o", "%F").split()[0])
    assert driver.wait(timeout=30) != 0
    assert "was cancelled; what was computed is kept" in said_by(tmp_path / "run").read_text()
    assert not cluster.ask("squeue", "-h", "-t", "PENDING,RUNNING")


def test_a_refused_job_says_its_reason(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True, extra=("--begin=now+600",)), report=False)
    cluster.clear()
    (tmp_path / "engine" / "claims" / "shard-00001").mkdir(parents=True)  # where the process wants a file
    with pytest.raises(RunError, match="cannot write in .*claims"):
        experiment(*QUICK).run(tmp_path, engine=Slurm(poll_seconds=0.2), report=False)
    assert (tmp_path / "engine" / "refused" / "shard-00001.txt").exists()


def test_other_engines_are_refused_while_jobs_are_in_the_queue(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*QUICK).run(tmp_path, engine=Slurm(detach=True), report=False)
    with pytest.raises(RunError, match=r"Slurm job \d+: .* are at work on .*engine=slurm.*spatialnets cancel"):
        experiment(*QUICK).run(tmp_path, workers=1, report=False)


def on(engine: str, out: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start the command on an engine."""
    argv = (sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", f"engine={engine}", *words)
    return subprocess.Popen([*argv, "--no-report", "--quiet", "--out", str(out)], start_new_session=True)


def test_a_run_that_changes_engines_and_is_killed_in_each_ends_with_the_same_bits(
    cluster: Cluster, tmp_path: Path, whole: Run
) -> None:
    out = tmp_path / "run"

    def wait_for_updates() -> None:
        before = farthest(out)
        wait_until(lambda: farthest(out) > before, "more updates")

    for engine in ("here", "processes"):  # driver and workers are killed at once
        process = on(engine, out, *LONG)
        wait_for_updates()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    driver = drive(out, *LONG)
    wait_for_updates()
    for worker in workers(out):
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: list((out / "engine" / "slurm").glob("*.crashes")), "the tasks to say that a worker died")
    driver.kill()
    driver.wait()
    Slurm().cancel(Run.open(out))
    wait_until(lambda: not cluster.ask("squeue", "-h") and not workers(out), "Slurm to have nothing of the run")
    assert not Run.open(out).finished
    assert on("dask" if find_spec("distributed") else "processes", out, *LONG).wait(timeout=120) == 0
    assert same_weights(whole, Run.open(out))


def test_a_controller_that_restarts_is_waited_for(cluster: Cluster, tmp_path: Path, whole: Run) -> None:
    driver = drive(tmp_path / "run", *LONG)
    wait_for_checkpoint(tmp_path / "run")
    cluster.kill_controller()
    time.sleep(1)
    cluster.start_controller()
    wait_until(lambda: cluster.answers("squeue", "-h"), "the controller to answer")
    finish(cluster, driver, tmp_path / "run")
    assert same_weights(whole, Run.open(tmp_path / "run"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"partition": "hihg"}, "did you mean 'high'"),
        ({"account": "x", "extra": ("--nonsense",)}, "unrecognized option"),
    ],
)
def test_what_slurm_refuses_is_said_in_its_words(
    cluster: Cluster, tmp_path: Path, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=f"Slurm refused the job: .*{message}"):
        experiment(*QUICK).run(tmp_path, engine=Slurm(**fields), report=False)  # type: ignore[arg-type]


def spatialnets(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spatialnets", *map(str, words)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SLURM = ("engine=slurm", "engine.poll_seconds=0.2")


def test_words_submit_detached_and_others_look_and_finish(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "run"
    later = "engine.extra=[--begin=now+15]"  # so that there is something to see
    said = spatialnets(
        "run", "preset=sernn_demo", *QUICK, *SLURM, later, "--detach", "--no-report", "--quiet", "--out", out
    )
    assert "goes on without this process" in said
    assert "Slurm job" in spatialnets("status", out)
    spatialnets("resume", out, *SLURM)
    assert Run.open(out).finished
    assert (out / "report.html").exists()
    assert len(list((out / "engine" / "slurm").glob("*.sh"))) == 1


def test_words_cancel_what_was_detached(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(Detached):
        experiment(*LONG).run(tmp_path, engine=Slurm(detach=True), report=False)
    wait_for_checkpoint(tmp_path)
    assert "go on with: spatialnets resume" in spatialnets("cancel", tmp_path)
    wait_until(lambda: not cluster.ask("squeue", "-h"), "the queue to be empty")
    assert not workers(tmp_path)


@pytest.mark.slow
def test_slurm_keeps_what_every_engine_promises(cluster: Cluster, tmp_path: Path) -> None:
    check_engine(Slurm(poll_seconds=0.2), tmp_path)
