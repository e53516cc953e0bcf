"""Ways to stop the command line, and to kill it: one clear line, nobody left behind, nothing lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_engines import WORDS, same_weights

from spatialnets import Experiment, Run
from spatialnets.engines.compute import compute

LONG = ("training.epochs=2000", "networks=8")  # of which each test sees the beginning
PATIENCE = 60.0  # seconds: a busy machine takes some for the imports of two processes


def start(out: Path, *words: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", *WORDS, *words, "--out", str(out)]
    return subprocess.Popen(
        [*argv, "--no-report"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def children(pid: int) -> set[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return {int(word) for word in found}


def wait_for(what: str, out: Path, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE
    while not list(out.glob(what)):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until, f"no {what} within {PATIENCE} s"
        time.sleep(0.02)


def are_gone(pids: set[int]) -> bool:
    until = time.monotonic() + 10  # the kernel kills at once; a zombie waits for its new parent
    while time.monotonic() < until:
        if not any(_lives(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]", set[int]]]:
    """A run at work in two processes."""
    process = start(tmp_path / "run", *LONG, "engine=processes", "engine.workers=2")
    try:
        wait_for("checkpoints/*.npz", tmp_path / "run", process)
        yield tmp_path / "run", process, children(process.pid)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGINT, 130)])
def test_a_signal_stops_the_driver_and_its_workers_and_says_how_to_go_on(
    running: tuple[Path, "subprocess.Popen[str]", set[int]], number: int, code: int
) -> None:
    out, process, workers = running
    assert len(workers) == 2
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert f"what was computed is kept; go on with: spatialnets resume {out}" in said
    assert "Traceback" not in said
    assert are_gone(workers)
    assert not (out / "engine" / "engine.json").exists()


def test_workers_die_with_a_driver_that_is_killed(
    running: tuple[Path, "subprocess.Popen[str]", set[int]],
) -> None:
    out, process, workers = running
    process.kill()
    process.wait()
    assert are_gone(workers)
    assert (out / "engine" / "engine.json").exists()  # it could not tidy up, and status says so


def test_another_process_cancels_a_run(running: tuple[Path, "subprocess.Popen[str]", set[int]]) -> None:
    out, process, workers = running
    argv = [sys.executable, "-m", "spatialnets", "cancel", str(out), "--timeout", str(PATIENCE)]
    cancelled = subprocess.run(argv, capture_output=True, text=True, check=False)
    _, said = process.communicate(timeout=PATIENCE)
    assert (cancelled.returncode, process.returncode) == (0, 130)
    assert f"go on with: spatialnets resume {out}" in cancelled.stdout
    assert "what was computed is kept" in said
    assert are_gone(workers)
    assert (out / "engine" / "cancelled").exists()


@pytest.mark.parametrize("delay", [0.4, 1.0, 2.0])
def test_ctrl_c_while_it_starts_leaves_no_traceback(tmp_path: Path, delay: float) -> None:
    process = start(tmp_path / "run", *LONG, "engine.workers=2")
    time.sleep(delay)
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "stopped" in said
    assert are_gone(workers)


def test_a_run_killed_on_each_engine_in_turn_ends_with_the_same_bits(tmp_path: Path) -> None:
    words = ("training.epochs=40", "networks=4")
    whole = compute(Experiment.from_preset("sernn_demo").override(*WORDS, *words), tmp_path / "whole", workers=1)
    out = tmp_path / "run"
    for engine in ("here", "processes"):
        process = start(out, *words, f"engine={engine}", "engine.workers=1")
        wait_for("checkpoints/*.npz", out, process)
        os.killpg(process.pid, signal.SIGKILL)  # driver and workers at once
        process.communicate()
        assert not Run.open(out).finished
    engine = "dask" if find_spec("distributed") else "processes"
    last = start(out, *words, f"engine={engine}", "engine.workers=2")
    _, said = last.communicate(timeout=2 * PATIENCE)
    assert last.returncode == 0, said
    assert same_weights(whole, Run.open(out))
