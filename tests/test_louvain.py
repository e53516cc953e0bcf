"""Modules by Louvain, and the consensus of repeated runs."""

from itertools import product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph import modularity, modularity_of
from spatialnets.graph.modularity_kernels import louvain

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
WEIGHTS = np.abs(BCT["weights"]).astype(np.float64)
FloatArray = NDArray[np.float64]


def planted(n_units: int, n_modules: int, inside: float, outside: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """A directed network of modules, its units in random order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n_units) % n_modules)
    chance = np.where(labels[:, None] == labels, inside, outside)
    return (generator.random((n_units, n_units)) < chance) * generator.random((n_units, n_units)), labels


def test_its_quality_is_leicht_and_newmans_by_networkx() -> None:
    weights = WEIGHTS[:4].copy()
    weights[:, np.arange(100), np.arange(100)] = 0  # networkx counts a self-loop twice
    quality, modules = modularity(weights, "louvain")
    for network, found, label in zip(weights, quality, modules, strict=True):
        communities = [set(np.flatnonzero(label == number).tolist()) for number in np.unique(label)]
        graph = nx.from_numpy_array(network, create_using=nx.DiGraph)
        assert float(found) == pytest.approx(nx.community.modularity(graph, communities), abs=1e-12)


def test_planted_modules_are_found() -> None:
    for seed in range(5):
        weights, labels = planted(60, 4, inside=0.8, outside=0.05, seed=seed)
        modules = modularity(weights, "louvain")[1]
        np.testing.assert_array_equal(modules[:, None] == modules, labels[:, None] == labels)


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_the_exact_maximum_of_small_networks(seed: int) -> None:
    weights = np.random.default_rng(seed).exponential(size=(7, 7))
    weights[weights < 1] = 0
    best = max(float(modularity_of(weights, labels)) for labels in product(range(4), repeat=7) if labels[0] == 0)
    quality, modules = modularity(weights, "louvain")
    if modules.max() <= 4:
        assert float(quality) <= best + 1e-12
    assert float(quality) > 0.93 * best  # a heuristic; it misses one of these six by 6 %


def test_the_consensus_is_better_than_bisection_and_than_the_runs_it_is_made_of() -> None:
    quality, _ = modularity(WEIGHTS, "louvain")
    assert (quality > modularity(WEIGHTS, "directed")[0]).all()
    generator = np.random.default_rng(0)
    for weights, found in zip(WEIGHTS, quality, strict=True):
        surplus = weights - np.outer(weights.sum(1), weights.sum(0)) / weights.sum()
        surplus = (surplus + surplus.T) / (2 * weights.sum())
        runs = [modularity_of(weights, louvain(surplus, np.arange(100), generator)) for _ in range(20)]
        assert found > np.mean(runs)
        assert found > np.max(runs) - 0.01


def test_no_move_of_a_unit_or_of_a_module_gains() -> None:
    weights = WEIGHTS[6]
    quality, modules = modularity(weights, "louvain")
    for unit in range(100):
        for module in range(1, modules.max() + 2):  # an own one, too
            moved = modules.copy()
            moved[unit] = module
            assert float(modularity_of(weights, moved)) <= float(quality) + 2e-10  # least gain, in both directions
    for one, other in product(np.unique(modules), repeat=2):
        assert float(modularity_of(weights, np.where(modules == one, other, modules))) <= float(quality) + 2e-10


def test_it_is_the_same_every_time_and_in_whatever_batch() -> None:
    quality, modules = modularity(WEIGHTS[:3], "louvain", seed=4)
    again, same = modularity(WEIGHTS[2], "louvain", seed=4)
    assert float(quality[2]) == float(again)
    np.testing.assert_array_equal(modules[2], same)


def test_other_seeds_agree_where_single_runs_do_not() -> None:
    weights = WEIGHTS[1]
    consensus = [float(modularity(weights, "louvain", seed=seed)[0]) for seed in range(8)]
    single = [float(modularity(weights, "louvain", seed=seed, repeats=1)[0]) for seed in range(8)]
    assert np.std(consensus) < 0.5 * np.std(single)


def test_units_without_connections_are_alone() -> None:
    weights = np.zeros((6, 6))
    weights[:2, :2] = weights[2:4, 2:4] = 1 - np.eye(2)
    quality, modules = modularity(weights, "louvain")
    assert modules.tolist() == [1, 1, 2, 2, 3, 4]
    assert float(quality) == 0.5
