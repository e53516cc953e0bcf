"""What is timed of wiring and of networks that are grown."""

from __future__ import annotations

import os
import time
from pathlib import Path

import networkx
import numpy as np
import xarray as xr
from timing import Effort, Figures, child, said, taking_turns

from spatialnets.analyses import Modularity, SmallWorldness, Wiring
from spatialnets.geometries import Grid
from spatialnets.graph.growth import RULES, grow
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import FloatArray

PAPER = 11_000  # matrices: a thousand networks, before training and after each of ten epochs
EDGES = 400
ETA, GAMMA = -1.0, 0.3  # in the middle of where networks are found


def trained(count: int) -> FloatArray:
    """Return weights ``(network, pre, post)`` of networks that the authors' own code trained."""
    return np.load(Path(__file__).parents[1] / "data" / "bct.npz")["weights"][:count]


def of_networkx(weights: FloatArray) -> None:
    """Measure with NetworkX what it has of the same: Louvain's modularity, clustering, paths, each of one null."""
    magnitudes = np.abs(weights)
    network = networkx.from_numpy_array(magnitudes, create_using=networkx.DiGraph)
    networkx.community.modularity(network, networkx.community.louvain_communities(network, seed=0))
    np.fill_diagonal(magnitudes, 0)
    strongest = networkx.from_numpy_array(threshold_proportional(magnitudes, 0.1) > 0, create_using=networkx.DiGraph)
    null = networkx.gnm_random_graph(len(strongest), strongest.number_of_edges(), seed=0, directed=True)
    for each in (strongest, null):
        networkx.average_clustering(each)
        list(networkx.all_pairs_shortest_path_length(each))


def structure(effort: Effort) -> Figures:
    """All wiring statistics, modularity and small-worldness against exact nulls, of trained matrices, one thread.

    The baseline is NetworkX for what it has of that, with one null for each matrix instead of two hundred for all.
    """
    weights = trained(effort.matrices)
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
    for analysis in analyses.values():  # what is made once: compiled loops are loaded, random networks measured
        analysis.of_shard(shard)
    once = time.perf_counter() - start
    programs = {name: lambda analysis=analysis: analysis.of_shard(shard) for name, analysis in analyses.items()}
    seconds = taking_turns({**programs, "NetworkX": lambda: of_networkx(weights[0])}, effort.repeats)
    each = {name: seconds[name] / len(weights) for name in analyses}
    ours = sum(each.values())
    return {
        **{f"milliseconds per matrix: {name}": 1000 * value for name, value in each.items()},
        "milliseconds per matrix: NetworkX": 1000 * seconds["NetworkX"],
        "ratio": seconds["NetworkX"] / ours,
        "seconds, once": once,
        f"minutes for {PAPER:,} matrices": (ours * PAPER + once) / 60,
        f"minutes for {PAPER:,} matrices: NetworkX": seconds["NetworkX"] * PAPER / 60,
    }


def growth(effort: Effort) -> Figures:
    """One network of 100 units and 400 connections grown by each of the 13 rules, against the loop not compiled."""
    compiled = said(child(f"growth-{effort.repeats}"))
    plain = said(child("growth-1", NUMBA_DISABLE_JIT="1"))
    found = {f"milliseconds: {rule}": 1000 * value for rule, value in zip(RULES, compiled, strict=True)}
    found |= {f"milliseconds: {rule}, not compiled": 1000 * value for rule, value in zip(RULES, plain, strict=True)}
    return {
        **found,
        "milliseconds: slowest rule": 1000 * max(compiled),
        "ratio, least of all rules": min(slow / fast for slow, fast in zip(plain, compiled, strict=True)),
    }


def print_growth(repeats: int) -> None:
    """Print the seconds of a network of each rule."""
    distances = Grid().distances()
    if os.environ.get("NUMBA_DISABLE_JIT"):  # nothing to compile, so that once is enough
        for rule in RULES:
            start = time.perf_counter()
            grow(distances, rule, EDGES, ETA, GAMMA, 0)
            print(time.perf_counter() - start)
        return
    programs = {rule: lambda rule=rule: grow(distances, rule, EDGES, ETA, GAMMA, 0) for rule in RULES}
    print(*taking_turns(programs, repeats).values())
