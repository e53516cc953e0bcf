from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph.modularity import modularity, modularity_of

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
WEIGHTS = np.abs(BCT["weights"]).astype(np.float64)
Method: TypeAlias = Literal["newman", "directed", "louvain"]
METHODS: tuple[Method, ...] = ("newman", "directed", "louvain")


def same_partition(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    return bool(((first[:, None] == first) == (second[:, None] == second)).all())


def symmetric(n_units: int, seed: int) -> NDArray[np.float64]:
    weights = np.random.default_rng(seed).exponential(size=(n_units, n_units))
    return np.asarray(np.where(weights + weights.T > 2.5, weights + weights.T, 0))


def test_modularity_equals_that_of_the_brain_connectivity_toolbox() -> None:
    quality, modules = modularity(WEIGHTS)
    np.testing.assert_allclose(quality, BCT["modularity_und"], rtol=0, atol=1e-12)  # float64 sums of 10,000 terms
    for ours, theirs in zip(modules, BCT["modules_und"], strict=True):
        assert same_partition(ours, theirs.astype(np.int64))
    directed, _ = modularity(WEIGHTS, "directed")
    np.testing.assert_allclose(directed, BCT["modularity_dir"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_quality_equals_that_of_networkx_for_the_same_partition(seed: int) -> None:
    weights = symmetric(20, seed)
    np.fill_diagonal(weights, 0)  # networkx counts a self-loop twice
    quality, modules = modularity(weights)
    communities = [set(np.flatnonzero(modules == label).tolist()) for label in np.unique(modules)]
    expected = nx.community.modularity(nx.from_numpy_array(weights), communities, weight="weight")
    assert abs(float(quality) - expected) < 1e-12  # float64 rounding
    assert abs(float(modularity(weights, "directed")[0]) - float(quality)) < 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_modularity_is_close_to_the_exact_maximum_and_never_above_it(seed: int) -> None:
    weights = symmetric(7, seed)
    matrix = weights - np.outer(weights.sum(0), weights.sum(0)) / weights.sum()
    best = max(matrix[np.equal.outer(labels, labels)].sum() / weights.sum() for labels in product(range(3), repeat=7))
    quality = float(modularity(weights)[0])
    assert quality <= best + 1e-12 or len(np.unique(modularity(weights)[1])) > 3
    assert quality >= 0.8 * best  # a heuristic; the worst of these eight networks reaches 0.85


def test_cliques_are_found() -> None:
    cliques = np.kron(np.eye(4), np.ones((5, 5)) - np.eye(5))
    for method in METHODS:
        quality, modules = modularity(cliques, method)
        assert same_partition(modules, np.repeat(np.arange(4), 5))
        assert abs(float(quality) - 0.75) < 1e-12  # 1 - 1/4


def test_renumbering_units_does_not_change_modularity() -> None:
    order = np.random.default_rng(0).permutation(100)
    for method in METHODS[:2]:  # Louvain visits units in random order and may find different modules
        quality, modules = modularity(WEIGHTS[0], method)
        renumbered, others = modularity(WEIGHTS[0][np.ix_(order, order)], method)
        assert abs(float(quality) - float(renumbered)) < 1e-12
        assert same_partition(modules[order], others)


def test_scaling_weights_does_not_change_modularity() -> None:
    np.testing.assert_allclose(modularity(7 * WEIGHTS[:2])[0], modularity(WEIGHTS[:2])[0], atol=1e-12)


def test_leading_dimensions_are_kept() -> None:
    quality, modules = modularity(WEIGHTS[:6].reshape(2, 3, 100, 100))
    assert quality.shape == (2, 3)
    assert modules.shape == (2, 3, 100)


@pytest.mark.parametrize("method", METHODS)
def test_networks_without_weights_or_with_nan_have_no_modularity(method: Method) -> None:
    weights = WEIGHTS[:3].copy()
    weights[1] = 0
    weights[2, 4, 5] = np.nan
    quality, modules = modularity(weights, method)
    assert np.isfinite(quality).tolist() == [True, False, False]
    assert (modules[1:] == 0).all()
    assert np.isfinite(modularity_of(weights, modules)).tolist() == [True, False, False]


def test_invalid_matrices_methods_and_modules_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        modularity(np.ones((3, 4)))
    with pytest.raises(ValueError, match="non-negative"):
        modularity(-np.ones((3, 3)))
    with pytest.raises(ValueError, match="method must be newman, directed or louvain, not 'spectral'"):
        modularity(np.ones((3, 3)), "spectral")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="repeats must be 1 or more"):
        modularity(np.ones((3, 3)), "louvain", repeats=0)
    with pytest.raises(ValueError, match="one entry for each of 3 units"):
        modularity_of(np.ones((3, 3)), [1, 1])
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\) or \(3,\)"):
        modularity_of(np.ones((2, 3, 3)), np.ones((4, 3), dtype=int))


# Modularity of given modules


def test_quality_of_given_modules_equals_that_of_the_toolbox_and_of_networkx() -> None:
    quality = modularity_of(WEIGHTS, BCT["modules_und"], directed=False)
    np.testing.assert_allclose(quality, BCT["modularity_und"], rtol=0, atol=1e-12)  # float64 sums of 10,000 terms
    weights = WEIGHTS[2].copy()
    np.fill_diagonal(weights, 0)
    halves = np.arange(100) % 2
    communities = [set(np.flatnonzero(halves == label).tolist()) for label in (0, 1)]
    expected = nx.community.modularity(nx.from_numpy_array(weights, create_using=nx.DiGraph), communities)
    assert float(modularity_of(weights, halves)) == pytest.approx(expected, abs=1e-12)


def test_one_module_has_modularity_0_and_labels_are_arbitrary() -> None:
    np.testing.assert_allclose(modularity_of(WEIGHTS, np.zeros(100, dtype=int)), 0, atol=1e-12)
    quality, modules = modularity(WEIGHTS, "directed")
    np.testing.assert_allclose(modularity_of(WEIGHTS, -3 * modules + 7), quality, rtol=1e-12)


# Errors of bctpy 0.6.1


def test_moving_single_units_improves_on_the_signs_of_eigenvectors() -> None:
    # in bctpy, the best state and the moving state share one array, so that nothing is ever improved
    def by_signs(matrix: NDArray[np.float64], units: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        within = matrix[np.ix_(units, units)]
        within = within - np.diag(within.sum(axis=0))
        sides = np.linalg.eigh(within)[1][:, -1] < 0
        sign = np.where(sides, -1, 1)
        if sign @ within @ sign <= 1e-10 or sides.all() or not sides.any():
            return [units]
        return by_signs(matrix, units[sides]) + by_signs(matrix, units[~sides])

    gains = []
    for seed in range(30):
        weights = symmetric(40, seed)
        matrix = weights - np.outer(weights.sum(0), weights.sum(0)) / weights.sum()
        labels = np.zeros(40, dtype=np.int64)
        for number, units in enumerate(by_signs(matrix, np.arange(40))):
            labels[units] = number
        gains.append(float(modularity(weights)[0] - modularity_of(weights, labels)))
    assert np.mean(gains) > 0.02
    assert np.mean(np.array(gains) > 0) > 0.9


def test_modules_of_different_sizes_work_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    # bctpy fails on modules of different sizes with numpy 1.24 or later
    assert 1 < modularity(WEIGHTS[3])[1].max() < 100
    assert capsys.readouterr() == ("", "")
