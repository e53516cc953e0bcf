"""Compiled loops compute the same with numba and without."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spatialnets.compiled import HAS_NUMBA
from spatialnets.graph import kernels, modularity_kernels

pytestmark = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed, so there is nothing to compare")


def network() -> np.ndarray[Any, Any]:
    exists = np.random.default_rng(0).random((12, 12)) < 0.25
    np.fill_diagonal(exists, False)
    return exists


def direct() -> np.ndarray[Any, Any]:
    lengths = np.where(network(), np.random.default_rng(1).random((12, 12)), np.inf)
    np.fill_diagonal(lengths, 0)
    return lengths


def shortest() -> np.ndarray[Any, Any]:
    lengths = direct()
    kernels.floyd_warshall(lengths)
    return lengths


def modularity_matrix() -> np.ndarray[Any, Any]:
    weights = np.random.default_rng(2).random((12, 12)) * (network() | network().T)
    weights += weights.T
    return np.asarray((weights - np.outer(weights.sum(0), weights.sum(0)) / weights.sum()) / weights.sum())


def rewiring(columns: int) -> tuple[np.ndarray[Any, Any], ...]:
    exists = network() if columns == 2 else network() | network().T
    sources, targets = np.nonzero(exists if columns == 2 else np.triu(exists))
    picks = np.random.default_rng(3).integers(len(sources), size=(50, columns))
    picks[:, 2:] %= 2
    return exists, sources, targets, picks


ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "betweenness_binary": lambda: (network(),),
    "betweenness_weighted": lambda: (direct(), shortest()),
    "clustering_binary": lambda: (network() | network().T,),
    "floyd_warshall": lambda: (direct(),),
    "path_lengths_binary": lambda: (network(),),
    "rewire_directed": lambda: rewiring(2),
    "rewire_undirected": lambda: rewiring(3),
    "improve_division": lambda: (modularity_matrix() * (1 - np.eye(12)), np.where(np.arange(12) < 6, -1.0, 1.0), 0.01),
    "louvain": lambda: (modularity_matrix(), np.arange(12), np.random.default_rng(4)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_compiled_loops_give_bitwise_the_same_results_as_python(name: str) -> None:
    function: Any = getattr(kernels, name, None) or getattr(modularity_kernels, name)
    compiled, plain = ARGUMENTS[name](), ARGUMENTS[name]()
    before = ARGUMENTS[name]()
    results = function(*compiled), function.py_func(*plain)
    if results[0] is None:  # the function works in place
        assert any((after != start).any() for after, start in zip(compiled, before, strict=True))
    else:
        np.testing.assert_array_equal(*results)
    for with_numba, without in zip(compiled, plain, strict=True):
        if isinstance(with_numba, np.ndarray):
            np.testing.assert_array_equal(with_numba, without)


def test_shortest_paths_of_an_undirected_network_have_the_same_bits_from_half_of_the_matrix() -> None:
    halves = np.minimum(direct(), direct().T)
    whole = halves.copy()
    kernels.floyd_warshall(halves)
    for middle in range(len(whole)):
        whole = np.minimum(whole, whole[:, middle, None] + whole[middle])
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(halves, whole)


def test_every_compiled_loop_is_tested() -> None:
    loops = {*kernels.__all__, *modularity_kernels.__all__} - {"MIN_GAIN"}
    assert loops == set(ARGUMENTS)


MEASURE = """
import sys
import numpy as np
if "without" in sys.argv:
    sys.modules["numba"] = None
from spatialnets.graph import *
from spatialnets.compiled import HAS_NUMBA
assert HAS_NUMBA == ("without" not in sys.argv)
assert "torch" not in sys.modules
generator = np.random.default_rng(0)
weights = generator.random((2, 15, 15)) ** 3
few = threshold_proportional(weights, 0.3)
for values in (
    *modularity(weights), *modularity(weights, "directed"), *modularity(few, "louvain", repeats=4),
    path_lengths(few), path_lengths(few > 0), betweenness(few), betweenness(few > 0), efficiency(weights),
    small_worldness(weights, "paths", count=5), small_worldness(weights, "paths", "degree", count=3),
    small_world_propensity(weights), rich_club(few, directed=True, normalised=True, count=3),
):
    print(np.asarray(values).ravel().tolist())
"""


def test_every_measure_is_the_same_without_numba() -> None:
    with_numba, without = (
        subprocess.run([sys.executable, "-c", MEASURE, how], check=True, capture_output=True, text=True).stdout
        for how in ("with", "without")
    )
    assert with_numba.count("\n") == 15
    assert with_numba == without


def test_importing_graph_measures_imports_no_large_package() -> None:
    heavy = "'torch', 'scipy', 'numba', 'networkx', 'xarray', 'pandas'"
    code = f"import sys, spatialnets.graph; print([name for name in ({heavy}) if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "[]\n"
