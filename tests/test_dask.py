"""Jobs in Dask workers: identical results whichever process dies."""

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
from test_engines import OVERRIDES, Recorder, experiment, same_weights
from test_signals import are_gone, children

from spatialnets import Run, RunError
from spatialnets.engines.claim import Cancelled, cancellation_file
from spatialnets.engines.compute import compute
from spatialnets.engines.dask import Dask, _token
from spatialnets.testing import check_engine

pytest.importorskip("distributed", reason="needs the extra dask: pip install 'spatialnets[dask]'")
PATIENCE = 90.0  # seconds: on a busy machine the imports of four processes take some time
LONG = ("training.epochs=40", "networks=3")


class Daemons:
    """A Dask scheduler and its workers, which tests kill one by one."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        module = "distributed.cli.dask_scheduler"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start(module, *options)
        assert self.scheduler.stderr is not None
        self.address = next(
            line.split()[-1] for line in self.scheduler.stderr if "Scheduler at:" in line and "tcp://" in line
        )
        self._drain(self.scheduler)

    def _start(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.processes.append(process)
        return process

    def add_worker(self) -> "subprocess.Popen[str]":
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        worker = self._start("distributed.cli.dask_worker", self.address, *options)
        self._drain(worker)
        return worker

    def _drain(self, process: "subprocess.Popen[str]") -> None:
        """Read the output of a process, which would stop at a full pipe."""

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
    started = Daemons()
    try:
        yield started
    finally:
        started.stop()


def wait_until(condition: Callable[[], object]) -> None:
    stop = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < stop, f"nothing happened within {PATIENCE} s"
        time.sleep(0.05)


class AtFirstCheckpoint(Recorder):
    """Does something as soon as a run has a checkpoint."""

    def __init__(self, out: Path, action: Callable[[], object]) -> None:
        super().__init__()
        self._out, self._action, self.acted = out, action, False

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        super().begin(total, done, label, what)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        wait_until(lambda: list(self._out.glob("checkpoints/*.npz")))
        self._action()
        self.acted = True


@pytest.mark.slow
def test_dask_keeps_the_contract_of_engines(tmp_path: Path) -> None:
    check_engine(Dask(workers=2), tmp_path)


def test_a_job_continues_elsewhere_when_its_dask_worker_is_killed(tmp_path: Path, daemons: Daemons) -> None:
    first = daemons.add_worker()
    started: set[int] = set()

    def kill() -> None:
        started.update(children(first.pid))
        for task in Path(f"/proc/{first.pid}/task").iterdir():
            started.update(map(int, (task / "children").read_text(encoding="ascii").split()))
        daemons.add_worker()
        first.kill()

    progress = AtFirstCheckpoint(tmp_path / "run", kill)
    run = compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    assert progress.acted
    assert started
    assert are_gone(started)
    assert progress.done == progress.total
    assert same_weights(compute(experiment(*LONG), tmp_path / "whole", workers=1), run)


@pytest.mark.slow
def test_the_death_of_the_scheduler_is_reported_in_one_line_and_the_same_command_continues(
    tmp_path: Path, daemons: Daemons
) -> None:
    daemons.add_worker()
    progress = AtFirstCheckpoint(tmp_path / "run", daemons.stop)
    with pytest.raises(RunError, match=r"the Dask scheduler tcp://\S+ is gone; stored results are kept") as raised:
        compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    assert len(str(raised.value).splitlines()) == 1
    wait_until(lambda: not list((tmp_path / "run" / "engine" / "claims").iterdir()) or _free(tmp_path / "run"))
    run = compute(experiment(*LONG), tmp_path / "run", workers=1)
    assert same_weights(compute(experiment(*LONG), tmp_path / "whole", workers=1), run)


def _free(out: Path) -> bool:
    """Tell whether no process holds a claim; claims of killed processes remain as files without a lock."""
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
    progress = AtFirstCheckpoint(tmp_path / "run", lambda: cancellation_file(tmp_path / "run").touch())
    with pytest.raises(Cancelled):
        compute(experiment(*LONG), tmp_path / "run", None, progress, engine=Dask(scheduler=daemons.address))
    wait_until(lambda: _free(tmp_path / "run"))
    assert not Run.open(tmp_path / "run").finished


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_of_a_local_cluster_outlives_its_driver(tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "run"
    argv = [sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", *OVERRIDES, "training.epochs=2000"]
    options = ["engine=dask", "engine.workers=1", "--no-report", "--out", str(out)]
    process = subprocess.Popen([*argv, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(out.glob("checkpoints/*.npz")))
    descendants = _descendants(process.pid)
    assert len(descendants) >= 2  # the Dask worker, and the job that it has started
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert are_gone(descendants)
    if number == signal.SIGTERM:
        assert "Stored results are kept. Continue with: spatialnets resume" in err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) <= 6, err  # two of progress, a blank one, how to continue, "stopped"


def _descendants(pid: int) -> set[int]:
    """Return all processes that a process has started, directly or indirectly."""
    started: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        started.update(map(int, (task / "children").read_text(encoding="ascii").split()))
    return started.union(*map(_descendants, started))


def test_two_drivers_do_not_disturb_each_others_jobs(tmp_path: Path) -> None:
    run = compute(experiment(), tmp_path / "run", workers=1)
    old = run.folder / "engine" / "dask-of-a-killed-driver"
    old.touch()
    with _token(run) as one:
        assert not old.exists()
        with _token(run) as other:
            assert one.exists()
            assert other.exists()
        assert one.exists()
    assert not one.exists()


def test_a_missing_scheduler_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialnets.engines.dask.TIMEOUT_SECONDS", 1.0)
    with pytest.raises(RunError, match="no Dask scheduler answers at tcp://127.0.0.1:9; start one with"):
        compute(experiment(), tmp_path / "run", engine=Dask(scheduler="tcp://127.0.0.1:9"))


def test_a_missing_package_is_reported(command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = command("run", "preset=sernn_demo", *OVERRIDES, "engine=dask", "--no-report", "--out", "run")
    assert outcome.code == 2
    assert "pip install 'spatialnets[dask]'" in outcome.err
    assert "Traceback" not in outcome.err
