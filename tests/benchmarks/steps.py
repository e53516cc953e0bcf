"""Benchmarks of training: cores, penalties and whole updates, compared with baselines.

The baseline, `baseline.py`, is a program without this toolkit: one network at a time, `torch.nn.RNN`, autograd,
`torch.linalg.matrix_exp` and `torch.optim.Adam`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from baseline import INPUTS, STEPS, TRIALS, UNITS, one_by_one_step
from peak import NETWORKS_PER_SHARD, UPDATES_PER_EPOCH
from targets import REFERENCES
from timing import Effort, Figures, baseline_child, child, printed_figures, time_alternately

from spatialnets import Snapshot, registry
from spatialnets.cores import RNN
from spatialnets.geometries import Grid
from spatialnets.graph.communicability import communicability
from spatialnets.graph.product_choice import choose_block_units
from spatialnets.graph.products import block_products
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import L1, Both
from spatialnets.tasks import OneChoice
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def geometry() -> StoredGeometry:
    return StoredGeometry.of(Grid())


def our_step(regularizer: Both | L1, count: int = NETWORKS_PER_SHARD) -> Callable[[], None]:
    """Return a function that makes one update of a shard as training does, with its noise and without evaluation."""
    seeds = tuple(range(count))
    # epochs of one update, of which only the last is evaluated and stored, and it is never reached
    training = Training(epochs=10**9, keep_every=10**9, trials_per_epoch=TRIALS, validation_trials=8)
    shard = Shard(0, "x", seeds, seeds, "grid", RNN(), regularizer, OneChoice(), training)
    trainer = Trainer(shard, geometry())
    return lambda: trainer.run_epoch(lambda updates, epoch: None)


def core(effort: Effort) -> Figures:
    """The rnn core, forward and backward, compared with torch.nn.RNN and autograd: one network, epoch and thread."""
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
            module.states_and_trace(inputs, None, [STEPS - 1])[1].square().sum().backward()

        programs[f"rnn, {count} networks"] = ours
    seconds = time_alternately(programs, effort.repeats)
    epoch = {
        name: UPDATES_PER_EPOCH * value / (1 if name == "torch.nn.RNN" else int(name.split()[1]))
        for name, value in seconds.items()
    }
    return {
        **{f"seconds per network and epoch: {name}": value for name, value in epoch.items()},
        "ratio at the shard size": epoch["torch.nn.RNN"] / epoch[f"rnn, {NETWORKS_PER_SHARD} networks"],
    }


def spiking_units(inputs: torch.Tensor) -> Callable[[], None]:
    """Return a function that runs recurrent leaky integrate-and-fire units of snntorch forward and backward."""
    import snntorch  # not above: processes that measure something else need not wait for it

    layer: Any = snntorch.RLeaky(beta=torch.full((UNITS,), 0.9), learn_beta=True, linear_features=UNITS)
    encoder = torch.nn.Linear(INPUTS, UNITS)

    def run() -> None:
        encoder.zero_grad()
        layer.zero_grad()
        spikes, potential = layer.reset_mem()
        total = torch.zeros(())
        for step in range(inputs.shape[1]):
            spikes, potential = layer(encoder(inputs[:, step]), spikes, potential)
            total = total + spikes
        total.square().sum().backward()

    return run


def cores(effort: Effort) -> Figures:
    """Every core, forward and backward, on a shard of networks; modules of PyTorch and snntorch one by one, one thread.

    Ratios compare a core with the module that does the same, or somewhat less (`leaky`, `alif`).
    """
    inputs = torch.randn(NETWORKS_PER_SHARD, TRIALS, STEPS, INPUTS)
    programs: dict[str, Callable[[], Any]] = {}
    for name in (name for name in registry.names("core") if name not in ("imported", "wrapped")):
        module: Any = registry.load("core", name)().build(INPUTS, UNITS, generators(NETWORKS_PER_SHARD))

        def ours(module: Any = module) -> None:
            module.zero_grad()
            module.states_and_trace(inputs, None, [STEPS - 1])[1].square().sum().backward()

        programs[name] = ours
    for name in ("RNN", "GRU", "LSTM"):
        kind = getattr(torch.nn, name)
        relu = {"nonlinearity": "relu"} if name == "RNN" else {}  # as ours
        networks = [kind(INPUTS, UNITS, batch_first=True, **relu) for _ in range(NETWORKS_PER_SHARD)]

        def theirs(networks: Any = networks) -> None:
            for network, trials in zip(networks, inputs, strict=True):
                network.zero_grad()
                network(trials)[0][:, -1].square().sum().backward()

        programs[f"torch.nn.{name}"] = theirs
    spiking = [spiking_units(trials) for trials in inputs]
    programs["snntorch.RLeaky"] = lambda: [run() for run in spiking]
    seconds = time_alternately(programs, effort.repeats)
    ratios = {name: seconds[REFERENCES[name]] / seconds[name] for name in programs if name in REFERENCES}
    return {
        **{f"milliseconds: {name}": 1000 * value for name, value in seconds.items()},
        **{f"ratio: {REFERENCES[name]} to {name}": value for name, value in ratios.items()},
        "ratio, least of all cores": min(ratios.values()),
    }


def series(effort: Effort) -> Figures:
    """Communicability, forward and backward, compared with autograd through matrix_exp, on one thread."""
    figures = {}
    for size in effort.series:
        count = NETWORKS_PER_SHARD if size <= 100 else 2 if size < 1000 else 1
        weights = torch.rand(count, size, size).requires_grad_()
        price = torch.rand(size, size)
        units = choose_block_units([size])

        def ours(weights: torch.Tensor = weights, price: torch.Tensor = price, units: Sequence[int] = units) -> None:
            with block_products(units):
                torch.autograd.grad((price * communicability(weights)).sum(), weights)

        def exponential(weights: torch.Tensor = weights, price: torch.Tensor = price) -> None:
            root = weights.sum(dim=-1).sqrt()
            torch.autograd.grad(
                (price * torch.linalg.matrix_exp(weights / root[..., :, None] / root[..., None, :])).sum(), weights
            )

        repeats = min(effort.repeats, 5 if size < 1000 else 3)
        seconds = time_alternately({"ours": ours, "matrix_exp": exponential}, repeats)
        figures[f"milliseconds per network: series, {size} units"] = 1000 * seconds["ours"] / count
        figures[f"milliseconds per network: matrix_exp, {size} units"] = 1000 * seconds["matrix_exp"] / count
        figures[f"ratio, {size} units"] = seconds["matrix_exp"] / seconds["ours"]
    return figures


def penalty(effort: Effort) -> Figures:
    """The share of a training step that the `both` penalty takes, on one thread."""
    weights = torch.rand(NETWORKS_PER_SHARD, UNITS, UNITS).requires_grad_()
    distances = torch.tensor(Grid().distances(), dtype=torch.float32)
    regularizer = Both(0.3)

    def penalty_alone() -> None:
        torch.autograd.grad(regularizer.penalty(Snapshot(weights, distances)).sum(), weights)

    seconds = time_alternately({"penalty": penalty_alone, "step": our_step(Both(0.3))}, effort.repeats)
    return {"share of a step": seconds["penalty"] / seconds["step"]}


def step(effort: Effort) -> Figures:
    """A whole update of both groups, compared with training one network at a time, on one thread."""
    programs = {
        "both": our_step(Both(0.3)),
        "l1": our_step(L1(0.01)),
        "one by one, both": one_by_one_step("both"),
        "one by one, l1": one_by_one_step("l1"),
    }
    seconds = time_alternately(programs, effort.repeats)
    figures = {}
    for group in ("both", "l1"):
        ours = UPDATES_PER_EPOCH * seconds[group] / NETWORKS_PER_SHARD
        theirs = UPDATES_PER_EPOCH * seconds[f"one by one, {group}"]
        figures[f"seconds per network and epoch: {group}"] = ours
        figures[f"seconds per network and epoch: one by one, {group}"] = theirs
        figures[f"ratio, one thread, {group}"] = theirs / ours
    return figures


def machine(effort: Effort) -> Figures:
    """Both cores: two processes of the toolkit, one thread each, compared with a baseline process with two threads."""
    figures = {}
    for group in ("both", "l1"):
        ours = [child(f"ours-{group}-{effort.alone}") for _ in range(2)]
        per_process = [printed_figures(process)[0] for process in ours]
        baseline = printed_figures(baseline_child(group, effort.alone))[0]
        ours_seconds = statistics.mean(per_process) * UPDATES_PER_EPOCH / NETWORKS_PER_SHARD / 2
        baseline_seconds = baseline * UPDATES_PER_EPOCH
        figures[f"seconds per network and epoch, two processes: {group}"] = ours_seconds
        figures[f"seconds per network and epoch, one by one on two threads: {group}"] = baseline_seconds
        figures[f"ratio, {group}"] = baseline_seconds / ours_seconds
    return figures


def print_step(group: str, repeats: int) -> None:
    """Print the seconds per update of a shard."""
    regularizer: Both | L1 = Both(0.3) if group == "both" else L1(0.01)
    print(time_alternately({"x": our_step(regularizer)}, repeats)["x"])
