"""Stopping and killing the command line: one clear line, no orphaned process, nothing lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_engines import OVERRIDES, same_weights

from spatialnets import Experiment, Run
from spatialnets.engines.compute import compute

LONG = ("training.epochs=2000", "networks=8")  # each test stops it near the beginning
PATIENCE = 60.0  # seconds: on a busy machine the imports of two processes take some time


def start(out: Path, *overrides: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", *OVERRIDES, *overrides, "--out", str(out)]
    return subprocess.Popen(
        [*argv, "--no-report"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))


def wait_for(pattern: str, out: Path, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE
    while not list(out.glob(pattern)):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until, f"no {pattern} within {PATIENCE} s"
        time.sleep(0.02)


def are_gone(pids: set[int]) -> bool:
    until = time.monotonic() + 10  # the kernel kills at once; a zombie waits for its new parent
    while time.monotonic() < until:
        if not any(_is_running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]", set[int]]]:
    """A run that two processes compute."""
    process = start(tmp_path / "run", *LONG, "engine=processes", "engine.workers=2")
    try:
        wait_for("checkpoints/*.npz", tmp_path / "run", process)
        yield tmp_path / "run", process, children(process.pid)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGINT, 130)])
def test_a_signal_stops_the_driver_and_its_workers_and_tells_how_to_continue(
    running: tuple[Path, "subprocess.Popen[str]", set[int]], number: int, code: int
) -> None:
    out, process, workers = running
    assert len(workers) == 2
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert f"Stored results are kept. Continue with: spatialnets resume {out}" in err
    assert "Traceback" not in err
    assert are_gone(workers)
    assert not (out / "engine" / "engine.json").exists()


def test_workers_die_with_a_killed_driver(
    running: tuple[Path, "subprocess.Popen[str]", set[int]],
) -> None:
    out, process, workers = running
    process.kill()
    process.wait()
    assert are_gone(workers)
    assert (out / "engine" / "engine.json").exists()  # it could not clean up, and status reports it


def test_another_process_cancels_a_run(running: tuple[Path, "subprocess.Popen[str]", set[int]]) -> None:
    out, process, workers = running
    argv = [sys.executable, "-m", "spatialnets", "cancel", str(out), "--timeout", str(PATIENCE)]
    cancelled = subprocess.run(argv, capture_output=True, text=True, check=False)
    _, err = process.communicate(timeout=PATIENCE)
    assert (cancelled.returncode, process.returncode) == (0, 130)
    assert f"Continue with: spatialnets resume {out}" in cancelled.stdout
    assert "Stored results are kept" in err
    assert are_gone(workers)
    assert (out / "engine" / "cancelled").exists()


@pytest.mark.parametrize("delay", [0.4, 1.0, 2.0])
def test_ctrl_c_during_startup_shows_no_traceback(tmp_path: Path, delay: float) -> None:
    process = start(tmp_path / "run", *LONG, "engine.workers=2")
    time.sleep(delay)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "stopped" in err
    assert are_gone(workers)


def test_a_run_killed_on_each_engine_in_turn_gives_identical_results(tmp_path: Path) -> None:
    longer = ("training.epochs=40", "networks=4")
    whole = compute(Experiment.from_preset("sernn_demo").override(*OVERRIDES, *longer), tmp_path / "whole", workers=1)
    out = tmp_path / "run"
    for engine in ("here", "processes"):
        process = start(out, *longer, f"engine={engine}", "engine.workers=1")
        wait_for("checkpoints/*.npz", out, process)
        os.killpg(process.pid, signal.SIGKILL)  # driver and workers at once
        process.communicate()
        assert not Run.open(out).finished
    engine = "dask" if find_spec("distributed") else "processes"
    last = start(out, *longer, f"engine={engine}", "engine.workers=2")
    _, err = last.communicate(timeout=2 * PATIENCE)
    assert last.returncode == 0, err
    assert same_weights(whole, Run.open(out))
