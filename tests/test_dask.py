"""Jobs in Dask workers: the same bits, whoever dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Outcome
from test_engines import WORDS, Recorder, experiment, same_weights
from test_signals import are_gone, children

from spatialnets import Run, RunError
from spatialnets.engines.claim import Cancelled, cancellation
from spatialnets.engines.compute import compute
from spatialnets.engines.dask import Dask, _token
from spatialnets.testing import check_engine

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'spatialnets[dask]'")
PATIENCE = 90.0  # seconds: a busy machine takes some for the imports of four processes
LONG = ("training.epochs=40", "networks=3")


class Daemons:
    """A Dask scheduler and its workers, which can be killed one by one."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        module = "distributed.cli.dask_scheduler"
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start(module, *words)
        assert self.scheduler.stderr is not None
        self.address = next(
            line.split()[-1] for line in self.scheduler.stderr if "Scheduler at:" in line and "tcp://" in line
        )
        self._drain(self.scheduler)

    def _start(self, module: str, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.processes.append(process)
        return process

    def add_worker(self) -> "subprocess.Popen[str]":
        words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        worker = self._start("distributed.cli.dask_worker", self.address, *words)
        self._drain(worker)
        return worker

    def _drain(self, process: "subprocess.Popen[str]") -> None:
        """Read what a process says: it would stop at a full pipe."""

        def read() -> None:
            assert process.stderr is not None
            with process.stderr:
                process.stderr.read()

        self._readers.append(threading.Thread(target=read, daemon=True))
        self._readers[-1].start()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        for reader in self._readers:
            reader.join()


@pytest.fixture
def daemons() -> Iterator[Daemons]:
    found = Daemons()
    try:
        yield found
    finally:
        found.stop()


def until(happens: Callable[[], object]) -> None:
    stop = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < stop, f"nothing within {PATIENCE} s"
        time.sleep(0.05)


class When(Recorder):
    """Does something as soon as a checkpoint of a run is there."""

    def __init__(self, out: Path, what: Callable[[], object]) -> None:
        super().__init__()
        self._out, self._what, self.happened = out, what, False

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        super().begin(total, done, label, what)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        until(lambda: list(self._out.glob("checkpoints/*.npz")))
        self._what()
        self.happened = True


@pytest.mark.slow
def test_dask_keeps_the_contract_of_engines(tmp_path: Path) -> None:
    check_engine(Dask(workers=2), tmp_path)


def test_a_job_goes_on_elsewhere_when_its_dask_worker_is_killed(tmp_path: Path, daemons: Daemons) -> None:
    first = daemons.add_worker()
    started: set[int] = set()

    def kill() -> None:
        started.update(children(first.pid))
        for task in Path(f"/proc/{first.pid}/task").iterdir():
            started.update(map(int, (task / "children").read_text(encoding="ascii").split()))
        daemons.add_worker()
        first.kill()

    progress = When(tmp_path / "run", kill)
    run = compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    assert progress.happened
    assert started
    assert are_gone(started)
    assert progress.done == progress.total
    assert same_weights(compute(experiment(*LONG), tmp_path / "whole", workers=1), run)


def test_a_scheduler_that_dies_is_said_in_one_line_and_the_same_command_goes_on(
    tmp_path: Path, daemons: Daemons
) -> None:
    daemons.add_worker()
    progress = When(tmp_path / "run", daemons.stop)
    with pytest.raises(RunError, match=r"the Dask scheduler tcp://\S+ is gone; what was computed is kept") as raised:
        compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    assert len(str(raised.value).splitlines()) == 1
    until(lambda: not list((tmp_path / "run" / "engine" / "claims").iterdir()) or _free(tmp_path / "run"))
    run = compute(experiment(*LONG), tmp_path / "run", workers=1)
    assert same_weights(compute(experiment(*LONG), tmp_path / "whole", workers=1), run)


def _free(out: Path) -> bool:
    """Tell whether no process holds a claim: those of killed ones stay as files alone."""
    import fcntl

    for path in (out / "engine" / "claims").iterdir():
        with open(path, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return False
    return True


def test_a_run_on_dask_can_be_cancelled_and_its_jobs_stop(tmp_path: Path, daemons: Daemons) -> None:
    daemons.add_worker()
    progress = When(tmp_path / "run", lambda: cancellation(tmp_path / "run").touch())
    with pytest.raises(Cancelled):
        compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    until(lambda: _free(tmp_path / "run"))
    assert not Run.open(tmp_path / "run").finished


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_of_a_local_cluster_outlives_its_driver(tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "run"
    argv = [sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", *WORDS, "training.epochs=2000"]
    words = ["engine=dask", "engine.workers=1", "--no-report", "--out", str(out)]
    process = subprocess.Popen([*argv, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until(lambda: list(out.glob("checkpoints/*.npz")))
    below = _below(process.pid)
    assert len(below) >= 2  # the Dask worker, and the job it has started
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert are_gone(below)
    if number == signal.SIGTERM:
        assert "what was computed is kept; go on with: spatialnets resume" in said
        assert "Traceback" not in said
        assert len(said.strip().splitlines()) <= 6, said  # two of progress, a blank one, how to go on, that it stopped


def _below(pid: int) -> set[int]:
    """Return all processes that a process has started, and those that they have."""
    own: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        own.update(map(int, (task / "children").read_text(encoding="ascii").split()))
    return own.union(*map(_below, own))


def test_two_drivers_leave_each_others_jobs_alone(tmp_path: Path) -> None:
    run = compute(experiment(), tmp_path / "run", workers=1)
    left = run.folder / "engine" / "dask-of-one-that-was-killed"
    left.touch()
    with _token(run) as one:
        assert not left.exists()
        with _token(run) as other:
            assert one.exists()
            assert other.exists()
        assert one.exists()
    assert not one.exists()


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialnets.engines.dask.SILENCE", 1.0)
    with pytest.raises(RunError, match="no Dask scheduler answers at tcp://127.0.0.1:9; start one with"):
        compute(experiment(), tmp_path / "run", engine=Dask(scheduler="tcp://127.0.0.1:9"))


def test_what_is_missing_is_said(command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = command("run", "preset=sernn_demo", *WORDS, "engine=dask", "--no-report", "--out", "run")
    assert outcome.code == 2
    assert "pip install 'spatialnets[dask]'" in outcome.err
    assert "Traceback" not in outcome.err
