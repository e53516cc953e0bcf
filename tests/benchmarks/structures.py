"""Benchmarks of network measures and of growing networks."""

from __future__ import annotations

import os
import time
from pathlib import Path

import networkx
import numpy as np
import xarray as xr
from timing import Effort, Figures, child, printed_figures, time_alternately

from spatialnets.aliases import FloatArray
from spatialnets.analyses import Modularity, SmallWorldness, Wiring
from spatialnets.geometries import Grid
from spatialnets.graph.growth import RULES, grow
from spatialnets.graph.threshold import threshold_proportional

N_MATRICES = 11_000  # in the paper: a thousand networks, before training and after each of ten epochs
EDGES = 400
ETA, GAMMA = -1.0, 0.3  # typical best-fitting parameters


def trained_weights(count: int) -> FloatArray:
    """Return weights ``(network, pre, post)`` of networks that were trained with the authors' code."""
    return np.load(Path(__file__).parents[1] / "data" / "bct.npz")["weights"][:count]


def measure_with_networkx(weights: FloatArray) -> None:
    """Compute modularity (Louvain), clustering and path lengths with NetworkX, the latter two also for a null model."""
    magnitudes = np.abs(weights)
    network = networkx.from_numpy_array(magnitudes, create_using=networkx.DiGraph)
    networkx.community.modularity(network, networkx.community.louvain_communities(network, seed=0))
    np.fill_diagonal(magnitudes, 0)
    strongest = networkx.from_numpy_array(threshold_proportional(magnitudes, 0.1) > 0, create_using=networkx.DiGraph)
    null = networkx.gnm_random_graph(len(strongest), strongest.number_of_edges(), seed=0, directed=True)
    for graph in (strongest, null):
        networkx.average_clustering(graph)
        list(networkx.all_pairs_shortest_path_length(graph))


def structure(effort: Effort) -> Figures:
    """Wiring statistics, modularity and small-worldness with exact null models, of trained matrices, on one thread.

    The baseline is NetworkX, as far as it has these measures, with one null model per matrix instead of 200 for all.
    """
    weights = trained_weights(effort.matrices)
    shard = xr.Dataset(
        {
            "weights": (("network", "epoch", "pre", "post"), weights[:, None]),
            "distances": (("pre", "post"), Grid().distances()),
        },
        {"network": np.arange(len(weights)), "epoch": [10]},
        {"length_unit": "step"},
    )
    analyses: dict[str, Wiring | Modularity | SmallWorldness] = {
        "wiring": Wiring(),
        "modularity": Modularity(),
        "small-worldness": SmallWorldness(),
    }
    start = time.perf_counter()
    for analysis in analyses.values():  # one-time work: load compiled loops, measure random networks
        analysis.of_shard(shard)
    once = time.perf_counter() - start
    programs = {name: lambda analysis=analysis: analysis.of_shard(shard) for name, analysis in analyses.items()}
    seconds = time_alternately({**programs, "NetworkX": lambda: measure_with_networkx(weights[0])}, effort.repeats)
    each = {name: seconds[name] / len(weights) for name in analyses}
    ours = sum(each.values())
    return {
        **{f"milliseconds per matrix: {name}": 1000 * value for name, value in each.items()},
        "milliseconds per matrix: NetworkX": 1000 * seconds["NetworkX"],
        "ratio": seconds["NetworkX"] / ours,
        "seconds, once": once,
        f"minutes for {N_MATRICES:,} matrices": (ours * N_MATRICES + once) / 60,
        f"minutes for {N_MATRICES:,} matrices: NetworkX": seconds["NetworkX"] * N_MATRICES / 60,
    }


def growth(effort: Effort) -> Figures:
    """One network of 100 units and 400 connections grown by each of the 13 rules, compared with the uncompiled loop."""
    compiled = printed_figures(child(f"growth-{effort.repeats}"))
    plain = printed_figures(child("growth-1", NUMBA_DISABLE_JIT="1"))
    figures = {f"milliseconds: {rule}": 1000 * value for rule, value in zip(RULES, compiled, strict=True)}
    figures |= {f"milliseconds: {rule}, not compiled": 1000 * value for rule, value in zip(RULES, plain, strict=True)}
    return {
        **figures,
        "milliseconds: slowest rule": 1000 * max(compiled),
        "ratio, least of all rules": min(slow / fast for slow, fast in zip(plain, compiled, strict=True)),
    }


def print_growth(repeats: int) -> None:
    """Print the seconds to grow a network with each rule."""
    distances = Grid().distances()
    if os.environ.get("NUMBA_DISABLE_JIT"):  # no compilation, so one repeat is enough
        for rule in RULES:
            start = time.perf_counter()
            grow(distances, rule, EDGES, ETA, GAMMA, 0)
            print(time.perf_counter() - start)
        return
    programs = {rule: lambda rule=rule: grow(distances, rule, EDGES, ETA, GAMMA, 0) for rule in RULES}
    print(*time_alternately(programs, repeats).values())
