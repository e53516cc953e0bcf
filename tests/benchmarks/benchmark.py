"""Speed, as ratios taken within one run: `make benchmark`.

Times drift from machine to machine and from hour to hour; a ratio of two programs that take turns on one machine is
worth quoting. The baseline is what one would write without this toolkit: one network at a time, `torch.nn.RNN`,
autograd, `torch.linalg.matrix_exp` and `torch.optim.Adam`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spatialnets import Snapshot, registry
from spatialnets.cores import RNN
from spatialnets.engines.folder import stored
from spatialnets.geometries import Cortex, Grid, Sphere
from spatialnets.graph.communicability import communicability
from spatialnets.regularizers import L1, Both
from spatialnets.shard import Shard, Training
from spatialnets.stored_geometry import StoredGeometry
from spatialnets.tasks import OneChoice
from spatialnets.training import Trainer

TRIALS, STEPS, INPUTS, UNITS, OUTPUTS = 128, 50, 8, 100, 4  # sernn_paper
UPDATES_PER_EPOCH = 40
NETWORKS_PER_SHARD = 4  # as for the paper on two cores that share 32 MB of cache
REPEATS = 9
SIZES = (100, 400, 1000, 4000)


def taking_turns(programs: dict[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, float]:
    """Return the median seconds of each program; they take turns, so that drift meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        program()
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def one_by_one_step(regularizer: str) -> Callable[[], None]:
    """Return an update of one network as one would write it without this toolkit."""
    network = torch.nn.RNN(INPUTS, UNITS, nonlinearity="relu", batch_first=True)
    readout = torch.nn.Linear(UNITS, OUTPUTS)
    recurrent: Any = network.weight_hh_l0
    torch.nn.init.orthogonal_(recurrent)
    distances = torch.tensor(Grid().distances(), dtype=torch.float32)
    optimizer = torch.optim.Adam([*network.parameters(), *readout.parameters()], lr=0.001, eps=1e-7)
    inputs, labels = torch.randn(TRIALS, STEPS, INPUTS), torch.randint(OUTPUTS, (TRIALS,))
    off_diagonal = 1 - torch.eye(UNITS)

    def penalty() -> torch.Tensor:
        weights = recurrent.T.abs()
        if regularizer == "l1":
            return 0.01 * weights.sum()
        root = weights.sum(dim=1).sqrt()
        price = torch.linalg.matrix_exp(weights / root[:, None] / root[None, :]) * off_diagonal
        return 0.3 * (weights * distances * price).sum()

    def step() -> None:
        optimizer.zero_grad()
        states, _ = network(inputs + 0.05 * torch.randn_like(inputs))
        loss = torch.nn.functional.cross_entropy(readout(states[:, -1]), labels) + penalty()
        loss.backward()
        optimizer.step()

    return step


def geometry() -> StoredGeometry:
    return stored(Grid())


def our_step(regularizer: Both | L1, count: int = NETWORKS_PER_SHARD) -> Callable[[], None]:
    """Return an update of a shard as the toolkit makes it, noise and all."""
    seeds = tuple(range(count))
    training = Training(trials_per_epoch=TRIALS, validation_trials=8)  # one update is an epoch without its evaluation
    shard = Shard(0, "x", seeds, seeds, "grid", RNN(), regularizer, OneChoice(), training)
    trainer = Trainer(shard, geometry())
    batch = trainer.training_trials.batch(0, TRIALS)
    noise = generators(count)

    def step() -> None:
        drawn = torch.stack([torch.randn(batch.inputs.shape[1:], generator=generator) for generator in noise])
        trainer.update(batch._replace(inputs=batch.inputs + 0.05 * drawn))

    return step


def core() -> dict[str, float]:
    """The rnn core, forward and backward, against torch.nn.RNN with autograd, one network and one epoch, one thread."""
    network = torch.nn.RNN(INPUTS, UNITS, nonlinearity="relu", batch_first=True)
    single = torch.randn(TRIALS, STEPS, INPUTS)

    def baseline() -> None:
        network.zero_grad()
        network(single)[0][:, -1].square().sum().backward()

    programs: dict[str, Callable[[], Any]] = {"torch.nn.RNN": baseline}
    for count in (1, 2, 4, 8, 16):
        module: Any = RNN().build(INPUTS, UNITS, generators(count))
        inputs = torch.randn(count, TRIALS, STEPS, INPUTS)

        def ours(module: Any = module, inputs: torch.Tensor = inputs) -> None:
            module.zero_grad()
            module(inputs)[:, :, -1].square().sum().backward()

        programs[f"rnn, {count} networks"] = ours
    seconds = taking_turns(programs)
    epoch = {
        name: UPDATES_PER_EPOCH * value / (1 if name == "torch.nn.RNN" else int(name.split()[1]))
        for name, value in seconds.items()
    }
    return {
        **{f"seconds per network and epoch: {name}": value for name, value in epoch.items()},
        "ratio at the shard size": epoch["torch.nn.RNN"] / epoch[f"rnn, {NETWORKS_PER_SHARD} networks"],
    }


def series(n_units: int = 100) -> dict[str, float]:
    """Communicability forward and backward against autograd through matrix_exp, one thread."""
    found = {}
    for size in {100: 8, 360: 2, 1000: 1} if n_units > 360 else {100: 8, 360: 2}:
        count = {100: NETWORKS_PER_SHARD, 360: 2, 1000: 1}[size]
        weights = torch.rand(count, size, size).requires_grad_()
        price = torch.rand(size, size)

        def ours(weights: torch.Tensor = weights, price: torch.Tensor = price) -> None:
            torch.autograd.grad((price * communicability(weights)).sum(), weights)

        def exponential(weights: torch.Tensor = weights, price: torch.Tensor = price) -> None:
            root = weights.sum(dim=-1).sqrt()
            torch.autograd.grad(
                (price * torch.linalg.matrix_exp(weights / root[..., :, None] / root[..., None, :])).sum(), weights
            )

        seconds = taking_turns({"ours": ours, "matrix_exp": exponential}, repeats=5 if size < 1000 else 3)
        found[f"milliseconds per network: series, {size} units"] = 1000 * seconds["ours"] / count
        found[f"milliseconds per network: matrix_exp, {size} units"] = 1000 * seconds["matrix_exp"] / count
        found[f"ratio, {size} units"] = seconds["matrix_exp"] / seconds["ours"]
    return found


def penalty() -> dict[str, float]:
    """The share of a training step that goes into the `both` penalty, one thread."""
    weights = torch.rand(NETWORKS_PER_SHARD, UNITS, UNITS).requires_grad_()
    distances = torch.tensor(Grid().distances(), dtype=torch.float32)
    regularizer = Both(0.3)

    def alone() -> None:
        torch.autograd.grad(regularizer.penalty(Snapshot(weights, distances)).sum(), weights)

    seconds = taking_turns({"penalty": alone, "step": our_step(Both(0.3))})
    return {"share of a step": seconds["penalty"] / seconds["step"]}


def step() -> dict[str, float]:
    """A whole update, both groups, against one network at a time, one thread; and two processes against two threads."""
    programs = {
        "both": our_step(Both(0.3)),
        "l1": our_step(L1(0.01)),
        "one by one, both": one_by_one_step("both"),
        "one by one, l1": one_by_one_step("l1"),
    }
    seconds = taking_turns(programs)
    found = {}
    for group in ("both", "l1"):
        ours = UPDATES_PER_EPOCH * seconds[group] / NETWORKS_PER_SHARD
        theirs = UPDATES_PER_EPOCH * seconds[f"one by one, {group}"]
        found[f"seconds per network and epoch: {group}"] = ours
        found[f"seconds per network and epoch: one by one, {group}"] = theirs
        found[f"ratio, one thread, {group}"] = theirs / ours
    return found


def machine() -> dict[str, float]:
    """Both cores: two of our processes with a thread each against one baseline process with two threads."""
    command = [sys.executable, __file__, "--child"]
    found = {}
    for group in ("both", "l1"):
        ours = [subprocess.Popen([*command, f"ours-{group}"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        per_process = [float(process.communicate()[0]) for process in ours]
        baseline = subprocess.run([*command, f"baseline-{group}"], capture_output=True, text=True, check=True)
        ours_seconds = statistics.mean(per_process) * UPDATES_PER_EPOCH / NETWORKS_PER_SHARD / 2
        baseline_seconds = float(baseline.stdout) * UPDATES_PER_EPOCH
        found[f"seconds per network and epoch, two processes: {group}"] = ours_seconds
        found[f"seconds per network and epoch, one by one on two threads: {group}"] = baseline_seconds
        found[f"ratio, {group}"] = baseline_seconds / ours_seconds
    return found


def surface() -> dict[str, float]:
    """Distances of 400 units on fsaverage5 (10,242 vertices), against the exact algorithm from some of them."""
    from pygeodesic.geodesic import PyGeodesicAlgorithmExact

    exact_sources = 8
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPATIALNETS_CACHE"] = folder
        start = time.perf_counter()
        cortex = Cortex(source="fsaverage5_pial", n=400)
        distances = cortex.distances()
        first = time.perf_counter() - start
        cached = taking_turns({"x": lambda: Cortex(source="fsaverage5_pial", n=400).distances()})["x"]
    vertices, faces = cortex.surface()
    units = [int((vertices == position).all(axis=1).argmax()) for position in cortex.positions()]
    algorithm = PyGeodesicAlgorithmExact(np.array(vertices), faces.astype(np.int32))
    start = time.perf_counter()
    exact = np.array(
        [algorithm.geodesicDistances(np.array([unit], np.int32), None)[0][units] for unit in units[:exact_sources]]
    )
    exactly = (time.perf_counter() - start) * len(units) / exact_sources
    ratio = distances[:exact_sources][exact > 0] / exact[exact > 0]
    return {
        "seconds, first time": first,
        "seconds, cached": cached,
        "seconds, exact algorithm (from 8 units, times 50)": exactly,
        "ratio, exact algorithm to first time": exactly / first,
        "mean error, %": 100 * float(ratio.mean() - 1),
        "largest error, %": 100 * float(ratio.max() - 1),
    }


def size() -> dict[str, float]:
    """An update of one network of so many units, one thread: seconds and peak memory of its process."""
    found = {}
    for n_units in SIZES:
        for method in ("exact", "stochastic"):
            command = [sys.executable, __file__, "--child", f"size-{method}-{n_units}"]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds, gibibytes = (float(word) for word in said.split())
            found[f"seconds per update: {method}, {n_units} units"] = seconds
            found[f"peak memory, GiB: {method}, {n_units} units"] = gibibytes
        if n_units >= 1000:
            exact, stochastic = (
                found[f"seconds per update: {how}, {n_units} units"] for how in ("exact", "stochastic")
            )
            found[f"ratio, {n_units} units"] = exact / stochastic
    return found


def one_size(method: Literal["exact", "stochastic"], n_units: int) -> None:
    """Print the seconds of an update of a network of so many units on a sphere, and the process's peak memory."""
    training = Training(trials_per_epoch=32, batch_size=32, validation_trials=8)
    task, sphere = OneChoice(goal_steps=4, delay_steps=2, choice_steps=4), stored(Sphere(n_units))
    # what is kept before training is estimated for both, so that the exact one is timed once and not twice
    shard = Shard(0, "x", (0,), (0,), "x", RNN(), Both(0.001, method="stochastic"), task, training)
    trainer = Trainer(shard, sphere)
    trainer.terms = {"both": Both(0.001, method=method)}
    batch = trainer.training_trials.batch(0, 32)
    slow = method == "exact" and n_units > 1000  # an update takes so long that a first one changes little
    times = []
    for _ in range(1 if slow else 4):
        start = time.perf_counter()
        trainer.update(batch)
        times.append(time.perf_counter() - start)
    print(statistics.median(times[-3:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def draw_size(figures: Mapping[str, float], path: Path) -> None:
    """Draw what `size` measured: seconds and memory over the number of units, both axes logarithmic."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = (
        ("seconds per update", "seconds per update", (0.01, 0.1, 1, 10, 100)),
        ("peak memory, GiB", "peak memory of the process (GiB)", (0.25, 0.5, 1, 2, 4)),
    )
    for axes, (measured, label, ticks) in zip(figure.subplots(1, 2), panels, strict=True):
        for method, marker, color in (("exact", "s", "#D55E00"), ("stochastic", "o", "#0072B2")):
            known = {units: figures.get(f"{measured}: {method}, {units} units") for units in SIZES}
            points = {units: value for units, value in known.items() if value is not None}
            axes.loglog(list(points), list(points.values()), marker=marker, color=color, label=method)
        axes.set_xlabel("units of the network")
        axes.set_ylabel(label)
        axes.set_xticks(SIZES, [f"{units:,}" for units in SIZES])
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def child(task: str) -> None:
    """Time one program alone in this process and print the median seconds of a step."""
    kind, _, group = task.partition("-")
    if kind == "size":
        method, _, n_units = group.partition("-")
        torch.set_num_threads(1)
        one_size("exact" if method == "exact" else "stochastic", int(n_units))
        return
    torch.set_num_threads(1 if kind == "ours" else 2)
    regularizer: Both | L1 = Both(0.3) if group == "both" else L1(0.01)
    program = our_step(regularizer) if kind == "ours" else one_by_one_step(group)
    print(taking_turns({"x": program}, repeats=40)["x"])


def cores() -> dict[str, float]:
    """Every core, forward and backward, over a shard of networks; torch's own one by one; milliseconds, one thread."""
    inputs = torch.randn(NETWORKS_PER_SHARD, TRIALS, STEPS, INPUTS)
    programs: dict[str, Callable[[], Any]] = {}
    for name in (name for name in registry.names("core") if name not in ("imported", "wrapped")):
        blueprint = registry.load("core", name)()
        module: Any = blueprint.build(INPUTS, UNITS, generators(NETWORKS_PER_SHARD))

        def ours(blueprint: Any = blueprint, module: Any = module) -> None:
            module.zero_grad()
            blueprint.trace(module(inputs))[:, :, -1].square().sum().backward()

        programs[name] = ours
    for name in ("RNN", "GRU", "LSTM"):
        kind = getattr(torch.nn, name)
        networks = [kind(INPUTS, UNITS, batch_first=True) for _ in range(NETWORKS_PER_SHARD)]

        def theirs(networks: Any = networks) -> None:
            for network, own in zip(networks, inputs, strict=True):
                network.zero_grad()
                network(own)[0][:, -1].square().sum().backward()

        programs[f"torch.nn.{name}"] = theirs
    return {name: 1000 * seconds for name, seconds in taking_turns(programs).items()}


BENCHMARKS: dict[str, Callable[[], dict[str, float]]] = {
    "core": core,
    "cores": cores,
    "series": series,
    "penalty": penalty,
    "step": step,
    "machine": machine,
    "surface": surface,
    "size": size,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(BENCHMARKS)}; by default all")
    parser.add_argument("--large", action="store_true", help="communicability of 1,000 units, too")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--picture", type=Path, help="draw what `size` measures into this PNG")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }
    }
    for name in given.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        figures = series(1000) if name == "series" and given.large else benchmark()
        found[name] = figures
        print(f"\n{name}: {(benchmark.__doc__ or '').strip()}")
        for label, value in figures.items():
            print(f"  {label:65s} {value:8.3f}")
    if given.picture and "size" in found:
        draw_size(found["size"], given.picture)
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
