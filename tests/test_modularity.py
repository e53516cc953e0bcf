from itertools import product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph.modularity import modularity

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
WEIGHTS = np.abs(BCT["weights"]).astype(np.float64)


def same_partition(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


def symmetric(n_units: int, seed: int) -> NDArray[np.float64]:
    weights = np.random.default_rng(seed).exponential(size=(n_units, n_units))
    return np.asarray(np.where(weights + weights.T > 2.5, weights + weights.T, 0))


def test_it_is_that_of_the_brain_connectivity_toolbox() -> None:
    quality, modules = modularity(WEIGHTS)
    np.testing.assert_allclose(quality, BCT["modularity_und"], rtol=0, atol=1e-12)  # float64 sums of 10,000 terms
    for ours, theirs in zip(modules, BCT["modules_und"], strict=True):
        assert same_partition(ours, theirs.astype(np.int64))
    directed, _ = modularity(WEIGHTS, directed=True)
    np.testing.assert_allclose(directed, BCT["modularity_dir"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_quality_is_networkxs_for_the_partition_found(seed: int) -> None:
    weights = symmetric(20, seed)
    np.fill_diagonal(weights, 0)  # networkx counts a self-loop twice
    quality, modules = modularity(weights)
    communities = [set(np.flatnonzero(modules == label).tolist()) for label in np.unique(modules)]
    expected = nx.community.modularity(nx.from_numpy_array(weights), communities, weight="weight")
    assert abs(float(quality) - expected) < 1e-12  # float64 rounding
    assert abs(float(modularity(weights, directed=True)[0]) - float(quality)) < 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_it_never_exceeds_the_exact_maximum_and_is_near_it(seed: int) -> None:
    weights = symmetric(7, seed)
    surplus = weights - np.outer(weights.sum(0), weights.sum(0)) / weights.sum()
    best = max(surplus[np.equal.outer(labels, labels)].sum() / weights.sum() for labels in product(range(3), repeat=7))
    quality = float(modularity(weights)[0])
    assert quality <= best + 1e-12 or len(np.unique(modularity(weights)[1])) > 3
    assert quality >= 0.8 * best  # a heuristic; the worst of these eight reaches 0.85


def test_cliques_are_found() -> None:
    cliques = np.kron(np.eye(4), np.ones((5, 5)) - np.eye(5))
    for directed in (False, True):
        quality, modules = modularity(cliques, directed=directed)
        assert same_partition(modules, np.repeat(np.arange(4), 5))
        assert abs(float(quality) - 0.75) < 1e-12  # 1 - 1/4


def test_renumbering_units_changes_nothing() -> None:
    order = np.random.default_rng(0).permutation(100)
    for directed in (False, True):
        quality, modules = modularity(WEIGHTS[0], directed=directed)
        renumbered, others = modularity(WEIGHTS[0][np.ix_(order, order)], directed=directed)
        assert abs(float(quality) - float(renumbered)) < 1e-12
        assert same_partition(modules[order], others)


def test_scaling_weights_changes_nothing() -> None:
    np.testing.assert_allclose(modularity(7 * WEIGHTS[:2])[0], modularity(WEIGHTS[:2])[0], atol=1e-12)


def test_leading_dimensions_are_kept() -> None:
    quality, modules = modularity(WEIGHTS[:6].reshape(2, 3, 100, 100))
    assert quality.shape == (2, 3)
    assert modules.shape == (2, 3, 100)


def test_networks_without_weight_or_with_nan_have_none() -> None:
    weights = WEIGHTS[:3].copy()
    weights[1] = 0
    weights[2, 4, 5] = np.nan
    quality, modules = modularity(weights)
    assert np.isfinite(quality).tolist() == [True, False, False]
    assert (modules[1:] == 0).all()


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        modularity(np.ones((3, 4)))
    with pytest.raises(ValueError, match="not negative"):
        modularity(-np.ones((3, 3)))
