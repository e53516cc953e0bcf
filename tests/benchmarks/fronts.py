"""Benchmarks of whole runs of the command `spatialnets`, as a user starts them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from peak import GFLOP_PER_EPOCH, NETWORKS_PER_SHARD, UPDATES_PER_EPOCH, measure
from timing import Effort, Figures, Usage, baseline_child, printed_figures, time_alternately, watch

WORKERS = 2
NETWORKS, EPOCHS = 2000, 10  # of the paper
TINY = (
    "geometry.shape=[2, 2, 2]",
    "training.epochs=1",
    "training.trials_per_epoch=128",
    "training.validation_trials=32",
)
TINY_NETWORKS_PER_SHARD = 8
GB_PER_GIB = 2**30 / 1e9


def spatialnets(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "spatialnets", *arguments]


def whole_run(*words: str, train_only: bool = True) -> Usage:
    """Run an experiment with two workers in a temporary folder; words are overrides and options."""
    with tempfile.TemporaryDirectory(prefix="spatialnets-benchmark-") as folder:
        options = ["--quiet", "--workers", str(WORKERS), "--out", str(Path(folder, "run"))]
        return watch(spatialnets("run", *words, *options, *(["--no-report"] if train_only else [])))


def paper(effort: Effort) -> Figures:
    """The paper's experiment as a user runs it: both groups, with evaluation and checkpoints, on two workers.

    The time of a short run is subtracted from that of a longer one, to exclude the start of the command. The baseline
    trains one network at a time on two threads, with noise, but without evaluation or checkpoints. The GEMM peak is the
    speed of the fastest float32 product of `products` by two processes, measured between the runs.
    """
    each = 8 if effort.epochs[0] > 1 else 1
    overrides = ("preset=sernn_paper", f"networks={each}", *effort.overrides)
    few, many = effort.epochs
    shorts, baselines, longs, peaks = [], [], [], []
    for _ in range(min(effort.repeats, 5)):  # alternately, so that a machine that slows down favours neither
        shorts.append(whole_run(*overrides, f"training.epochs={few}"))
        for group in ("both", "l1"):
            baselines.append(UPDATES_PER_EPOCH * printed_figures(baseline_child(group, effort.alone))[0])
        peaks.append(max(measure(effort, WORKERS).values()))
        longs.append(whole_run(*overrides, f"training.epochs={many}"))
    short, long = (sorted(runs)[len(runs) // 2] for runs in (shorts, longs))  # the medians of their seconds
    ours = (long.seconds - short.seconds) / (2 * each * (many - few))
    baseline = statistics.mean(statistics.median(baselines[group::2]) for group in (0, 1))
    peak, speed = statistics.median(peaks), GFLOP_PER_EPOCH / ours
    return {
        "seconds per network and epoch": ours,
        "seconds per network and epoch: one by one, two threads": baseline,
        "ratio": baseline / ours,
        "GFLOP/s of training": speed,
        "GFLOP/s of the fastest product": peak,
        "share of the GEMM peak": speed / peak,
        f"minutes for {NETWORKS:,} networks and {EPOCHS} epochs": ours * NETWORKS * EPOCHS / 60,
        f"minutes for {NETWORKS:,} networks and {EPOCHS} epochs: one by one": baseline * NETWORKS * EPOCHS / 60,
        "seconds before the first epoch and after the last": short.seconds - ours * 2 * each * few,
        "peak memory, GiB: driver": long.driver,
        "peak memory, GiB: largest worker": long.worker,
    }


def networks(effort: Effort) -> Figures:
    """Whole runs of more and more of the paper's networks for one epoch, with analyses and report, on two workers.

    Every shard has four networks, whatever their number: in larger shards, a worker needs more memory at a time.
    """
    figures = {}
    for each in effort.networks:
        overrides = ("preset=sernn_paper", f"networks={each}", *effort.overrides, "training.epochs=1")
        shards = ("--networks-per-shard", str(NETWORKS_PER_SHARD))
        usage = whole_run(*overrides, *shards, train_only=False)
        figures[f"seconds: {2 * each} networks"] = usage.seconds
        figures[f"peak memory, GiB: driver, {2 * each} networks"] = usage.driver
        figures[f"peak memory, GiB: largest worker, {2 * each} networks"] = usage.worker
        figures[f"peak memory, GiB: together, {2 * each} networks"] = usage.together
    few, many = effort.networks[-2:]

    def slope_of(process: str) -> float:
        before, after = (figures[f"peak memory, GiB: {process}, {2 * each} networks"] for each in (few, many))
        return (after - before) / (2 * (many - few))

    # workers may use more memory while only the driver's grows; in the end, the steepest slope decides
    slope = max(slope_of("driver"), slope_of("together"))
    figures["peak memory, MiB for each further network"] = 1024 * slope
    # a negative slope is noise and must not reduce the estimate below the measured value
    figures["peak memory, GiB: together, 1,000 networks, by a straight line"] = figures[
        f"peak memory, GiB: together, {2 * many} networks"
    ] + max(slope, 0) * (1000 - 2 * many)
    return figures


def demo(effort: Effort) -> Figures:
    """The preset `sernn_demo`, as a new user runs it: from the command to the report, on two workers."""
    usages = [
        whole_run("preset=sernn_demo", *effort.overrides, train_only=False) for _ in range(min(effort.repeats, 3))
    ]
    return {"seconds, command to report": statistics.median(usage.seconds for usage in usages)}


def report(effort: Effort) -> Figures:
    """The report of 4,000 networks of 8 units (500 shards), with and without measuring them, and of the whole paper.

    The whole paper takes half an hour to train, so its report is timed only if `--paper-run` gives the folder of such a
    run, which must have been measured before.
    """
    with tempfile.TemporaryDirectory(prefix="spatialnets-benchmark-") as folder:
        words = ("preset=sernn_demo", f"networks={effort.reported // 2}", *effort.overrides, *TINY)
        options = ("--networks-per-shard", str(TINY_NETWORKS_PER_SHARD), "--workers", str(WORKERS), "--quiet")
        trained = watch(spatialnets("run", *words, *options, "--no-report", "--out", folder))
        measured, repeated = (watch(spatialnets("report", folder)) for _ in range(2))
    figures = {
        "seconds to train": trained.seconds,
        "seconds to measure and report": measured.seconds,
        "seconds to report, measured before": repeated.seconds,
        "peak memory, GiB: measured before": repeated.driver,
        "seconds to report the whole paper, measured before": float("nan"),
        "peak memory, GiB: the whole paper": float("nan"),
    }
    if effort.paper_run:
        usage = watch(spatialnets("report", effort.paper_run))
        figures["seconds to report the whole paper, measured before"] = usage.seconds
        figures["peak memory, GiB: the whole paper"] = usage.driver
    return figures


def declare(effort: Effort) -> Figures:
    """The command `validate` for 1,000,000 networks in each of the paper's two groups: time and peak memory."""
    usage = watch(spatialnets("validate", "preset=sernn_paper", f"networks={effort.declared // 2}", *effort.overrides))
    return {"seconds": usage.seconds, "peak memory, GB": usage.driver * GB_PER_GIB}


def start(effort: Effort) -> Figures:
    """The time before a command does anything, compared with importing torch alone.

    The first training step is timed by a whole run of one update, including evaluation, storing and exit, so this is
    an upper bound.
    """
    one_update = (
        "preset=sernn_paper",
        "networks=1",
        *effort.overrides,
        "training.epochs=1",
        "training.trials_per_epoch=128",
        "training.batch_size=128",
        "training.validation_trials=128",
    )
    seconds = time_alternately(
        {
            "spatialnets --help": lambda: subprocess.run(spatialnets("--help"), check=True, capture_output=True),
            "spatialnets run, one update": lambda: whole_run(*one_update),
            "python -c 'import torch'": lambda: subprocess.run([sys.executable, "-c", "import torch"], check=True),
        },
        min(effort.repeats, 5),
    )
    figures = {f"seconds: {name}": value for name, value in seconds.items()}
    torch, help_seconds, first = (
        seconds[name] for name in ("python -c 'import torch'", "spatialnets --help", "spatialnets run, one update")
    )
    return {**figures, "ratio, import torch to help": torch / help_seconds, "ratio, run to import torch": first / torch}
