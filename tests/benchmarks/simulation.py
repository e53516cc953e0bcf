"""Drive many shards of nothing through an engine, and measure what the driver and the run's folder cost."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nothing
from timing import Figures, gibibytes

from spatialnets import Experiment, Run
from spatialnets.engines import compute as computing
from spatialnets.engines import dask
from spatialnets.engines.dask import Dask
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Advance
from spatialnets.engines.local import Processes
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.engines.train_job import TrainJob
from spatialnets.files.atomic import digest_of
from spatialnets.files.netcdf import write_dataset
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.runs.folder import begin, write_plan
from spatialnets.training.trainer import train

__all__ = ["ShardOfNothing", "by_hand", "drive", "experiment_of", "measure", "prepare"]

WORKERS = 4  # jobs at a time of `processes`
STAND_IN = Path(nothing.__file__)
COMMANDS = ("status", "show")


def experiment_of(networks: int) -> Experiment:
    """Return an experiment of one group of tiny networks."""
    return Experiment.from_declaration(
        {
            "name": "nothing",
            "networks": networks,
            "base": {
                "geometry": {"kind": "grid", "shape": [2, 2, 2]},
                "core": {"kind": "rnn"},
                "task": {"kind": "one_choice", "goal_steps": 2, "delay_steps": 1, "choice_steps": 2},
                "training": {"epochs": 1, "trials_per_epoch": 64, "batch_size": 32, "validation_trials": 32},
            },
            "groups": {"nothing": {"regularizer": {"kind": "l1", "strength": 0.01}}},
        }
    )


def prepare(run: Path) -> None:
    """Train one tiny network and store it beside the folder of a run, from where every shard is copied."""
    experiment = experiment_of(1)
    shard = experiment.shards(1)[0]
    dataset = train(shard, StoredGeometry.of(experiment.geometries[shard.geometry]))
    path = nothing.prepared_file(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_dataset(path, dataset.assign_coords(network=[nothing.MARK], seed=("network", [nothing.MARK])))


@dataclass(frozen=True)
class ShardOfNothing(TrainJob):
    """Store the prepared shard instead of training one."""

    def work(self, run: Run, advance: Advance) -> list[str]:
        nothing.store(run.folder, self.record.index)
        advance(self.shard.updates, self.shard.group)
        return []


def by_hand(run: Path, shards: int) -> None:
    """Write the folder of a finished run without any engine."""
    experiment = experiment_of(shards)
    write_plan(begin(experiment, run, 1))
    prepared = nothing.prepared_file(run).read_bytes()
    (run / "shards").mkdir()
    for index in range(shards):
        path = run / "shards" / f"{index:05d}.nc"
        path.write_bytes(nothing.content_of(prepared, index))
        path.with_name(f"{path.name}.sha256").write_text(f"{digest_of(path)}  {path.name}\n")


def drive(name: str, run: Path, shards: int, workers: int = WORKERS) -> Figures:
    """Compute all shards of nothing in a folder as `spatialnets run` does, and return what this process used.

    Networks are not read at the end, which is measured by `show`.
    """
    engines: Mapping[str, Callable[[], Engine]] = {
        "processes": lambda: Processes(workers),
        "dask": Dask,
        "slurm": lambda: Slurm(python=str(_stand_in(run.parent)), poll_seconds=10.0),
    }

    def quick_command(run: Run, orders: Path, python: str = sys.executable) -> list[str]:
        return [python, "-I", "-S", str(STAND_IN), "work", str(run.folder.resolve()), "--orders", str(orders), "--line"]

    experiment = experiment_of(shards)
    before, start = _cpu_seconds(), time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(patch.object(computing, "TrainJob", ShardOfNothing))
        stack.enter_context(patch.object(computing, "_require_finite_networks", lambda run: None))
        stack.enter_context(patch.object(dask, "work_command", quick_command))
        computing.compute(experiment, run, engine=engines[name](), networks_per_shard=1)
    return {
        "driver: CPU seconds": _cpu_seconds() - before,
        "driver: peak memory, MiB": 1024 * gibibytes("VmHWM"),
        "seconds in total": time.perf_counter() - start,
    }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _stand_in(folder: Path) -> Path:
    """Write a program that takes the place of the Python interpreter of Slurm's tasks."""
    path = folder / "stand-in"
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", "-S", str(STAND_IN)])} "$@"\n')
    path.chmod(0o755)
    return path


def measure(name: str, shards: int, folder: Path | None = None, commands: Sequence[str] = COMMANDS) -> Figures:
    """Measure the driver, the folder and the commands that read it, in an empty folder.

    Parameters
    ----------
    name
        An engine, or "folder" for a folder that is written by hand.
    shards
        Number of shards.
    folder
        Where to work; by default a temporary folder.
    commands
        Commands to measure after the end.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaling-")))
        run, environment = folder / "run", dict(os.environ)
        prepare(run)
        figures: Figures = {}
        if name == "folder":
            by_hand(run, shards)
        else:
            if name == "slurm":
                environment |= _cluster(stack)
            figures |= _drive_elsewhere(name, run, shards, environment)
        for command in commands:
            figures |= _command(f"{command}, after the end", command, run, environment)
        figures |= _drive_elsewhere(name if name != "folder" else "processes", run, shards, environment, "again")
        return figures | _contents(run)


def _drive_elsewhere(name: str, run: Path, shards: int, environment: Mapping[str, str], again: str = "") -> Figures:
    """Run `drive` in a process of its own, with `spatialnets status` once half of the shards are stored."""
    command = [sys.executable, str(Path(__file__).with_name("scaling.py")), "--drive", name, str(run), str(shards)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(environment)) as process:
        figures: Figures = {}
        if again:
            figures = json.loads(process.communicate()[0])
            return {"opening and checking the finished run: CPU seconds": figures["driver: CPU seconds"]}
        while process.poll() is None and not _stored(run) > shards // 2:
            time.sleep(1.0 if shards > 100 else 0.1)
        if process.poll() is None:
            figures = _command("status, during the run", "status", run, environment)
        output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"the driver ended with {process.returncode}")
    return json.loads(output) | figures


def _stored(run: Path) -> int:
    try:
        return len(os.listdir(run / "shards")) // 2
    except FileNotFoundError:
        return 0


def _command(label: str, command: str, run: Path, environment: Mapping[str, str]) -> Figures:
    """Measure one of the commands that read the folder of a run, in a process of its own."""
    arguments = [sys.executable, str(Path(__file__).with_name("scaling.py")), "--command", command, str(run)]
    start = time.perf_counter()
    done = subprocess.run(arguments, capture_output=True, text=True, env=dict(environment), check=True)
    seconds = time.perf_counter() - start
    cpu_seconds, memory = map(float, done.stderr.splitlines()[-1].split())
    return {
        f"{label}: seconds": seconds,
        f"{label}: CPU seconds": cpu_seconds,
        f"{label}: peak memory, MiB": memory,
    }


def _contents(run: Path) -> Figures:
    files = [path for path in run.rglob("*") if path.is_file()]
    return {"files": float(len(files)), "MB": sum(path.stat().st_size for path in files) / 1e6}


def _cluster(stack: ExitStack) -> dict[str, str]:
    """Start a private Slurm cluster of two nodes with eight cores each; return the environment of its commands."""
    sys.path.append(str(Path(__file__).parents[1]))
    import slurm_daemons

    configuration = slurm_daemons.CONFIGURATION.replace(
        "MaxArraySize=4\n",
        "MaxArraySize=1001\nSlurmdParameters=config_overrides\n",  # more cores than there are
    )
    node = slurm_daemons.NODE.replace("CPUs=1", "CPUs=8").replace("CoresPerSocket=1", "CoresPerSocket=8")
    with patch.multiple(slurm_daemons, CONFIGURATION=configuration, NODE=node):
        cluster: Any = stack.enter_context(slurm_daemons.slurm_cluster())
    return dict(cluster.environment)
