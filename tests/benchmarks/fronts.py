"""What is timed through the front door, as a user would: whole runs of `spatialnets`."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from steps import UPDATES_PER_EPOCH
from timing import Effort, Figures, Watched, child, said, taking_turns, watch

WORKERS = 2
NETWORKS, EPOCHS = 2000, 10  # of the paper


def spatialnets(*words: str) -> list[str]:
    return [sys.executable, "-m", "spatialnets", *words]


def whole_run(*words: str, train_only: bool = True) -> Watched:
    """Run an experiment in a folder that is thrown away, two workers."""
    folder = tempfile.mkdtemp(prefix="spatialnets-benchmark-")
    options = ["--quiet", "--workers", str(WORKERS), "--out", str(Path(folder, "run"))]
    try:
        return watch(spatialnets("run", *words, *options, *(["--no-report"] if train_only else [])))
    finally:
        shutil.rmtree(folder)


def paper(effort: Effort) -> Figures:
    """The paper's experiment through the front door: both groups, evaluation, checkpoints and all, two workers.

    A run of few epochs is taken from one of more, so that starting is left out. The baseline is one network at a time
    on two threads, without evaluation, noise of its own or checkpoints.
    """
    each = 8 if effort.epochs[0] > 1 else 1
    words = ("preset=sernn_paper", f"networks={each}", *effort.words)
    few, many = effort.epochs
    shorts, baselines, longs = [], [], []
    for _ in range(min(effort.repeats, 3)):  # in turns, so that a machine that slows down favours neither side
        shorts.append(whole_run(*words, f"training.epochs={few}"))
        for group in ("both", "l1"):
            baselines.append(UPDATES_PER_EPOCH * said(child(f"baseline-{group}-{effort.alone}"))[0])
        longs.append(whole_run(*words, f"training.epochs={many}"))
    short, long = (sorted(runs)[len(runs) // 2] for runs in (shorts, longs))  # the medians of their seconds
    ours = (long.seconds - short.seconds) / (2 * each * (many - few))
    baseline = statistics.mean(statistics.median(baselines[group::2]) for group in (0, 1))
    return {
        "seconds per network and epoch": ours,
        "seconds per network and epoch: one by one, two threads": baseline,
        "ratio": baseline / ours,
        f"minutes for {NETWORKS:,} networks and {EPOCHS} epochs": ours * NETWORKS * EPOCHS / 60,
        f"minutes for {NETWORKS:,} networks and {EPOCHS} epochs: one by one": baseline * NETWORKS * EPOCHS / 60,
        "seconds before the first epoch and after the last": short.seconds - ours * 2 * each * few,
        "peak memory, GiB: driver": long.driver,
        "peak memory, GiB: largest worker": long.worker,
    }


def networks(effort: Effort) -> Figures:
    """Whole runs of so many of the paper's networks for an epoch, analyses and report and all, two workers."""
    found = {}
    for each in effort.networks:
        words = ("preset=sernn_paper", f"networks={each}", *effort.words, "training.epochs=1")
        took = whole_run(*words, train_only=False)
        found[f"seconds: {2 * each} networks"] = took.seconds
        found[f"peak memory, GiB: driver, {2 * each} networks"] = took.driver
        found[f"peak memory, GiB: largest worker, {2 * each} networks"] = took.worker
        found[f"peak memory, GiB: together, {2 * each} networks"] = took.together
    few, many = effort.networks[-2:]

    def rise(of: str) -> float:
        before, after = (found[f"peak memory, GiB: {of}, {2 * each} networks"] for each in (few, many))
        return (after - before) / (2 * (many - few))

    # the driver alone may rise while the workers are the larger part; what rises most decides in the end
    slope = max(rise("driver"), rise("together"))
    found["peak memory, MiB for each further network"] = 1024 * slope
    # a slope below zero is chance, and no reason to promise less than was seen
    found["peak memory, GiB: together, 1,000 networks, by a straight line"] = found[
        f"peak memory, GiB: together, {2 * many} networks"
    ] + max(slope, 0) * (1000 - 2 * many)
    return found


def start(effort: Effort) -> Figures:
    """Starting: what is waited for before anything happens, against importing torch and nothing else.

    The first training step is timed by a whole run of one update, evaluation, storing and ending included, so that it
    is an upper bound.
    """
    one_update = (
        "preset=sernn_paper",
        "networks=1",
        *effort.words,
        "training.epochs=1",
        "training.trials_per_epoch=128",
        "training.batch_size=128",
        "training.validation_trials=128",
    )
    seconds = taking_turns(
        {
            "spatialnets --help": lambda: subprocess.run(spatialnets("--help"), check=True, capture_output=True),
            "spatialnets run, one update": lambda: whole_run(*one_update),
            "python -c 'import torch'": lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
        },
        min(effort.repeats, 5),
    )
    found = {f"seconds: {name}": value for name, value in seconds.items()}
    torch, help_seconds, first = (
        seconds[name] for name in ("python -c 'import torch'", "spatialnets --help", "spatialnets run, one update")
    )
    return {**found, "ratio, import torch to help": torch / help_seconds, "ratio, run to import torch": first / torch}
