"""Compiled loops compute the same with numba and without."""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spatialnets
from spatialnets.compiled import HAS_NUMBA
from spatialnets.graph import growth_kernels, kernels

with_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed, so there is nothing to compare")


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


def regression() -> tuple[np.ndarray[Any, Any], ...]:
    """Return the Gram matrix of three predictors, their products with two targets, and the targets' squares."""
    generator = np.random.default_rng(5)
    predictors, targets = generator.normal(size=(20, 3)), generator.normal(size=(20, 2))
    return predictors.T @ predictors, targets.T @ predictors, np.square(targets).sum(axis=0)


def gap() -> tuple[Any, ...]:
    gram, products, squares = regression()
    weights = np.array([0.5, -0.2, 0.0])
    return gram @ weights, weights, products[0], squares[0], 2.0


def growing(kind: int) -> tuple[Any, ...]:
    """Return the arguments of `grow_network`; gamma of 2 is a product of two factors on both paths."""
    distances = np.random.default_rng(6).random((12, 12)) + 0.1
    draws = np.random.default_rng(7).random((20, 2))
    return network() | network().T, distances + distances.T, kind, growth_kernels.AVERAGE, 2.0, 1e-5, draws


UNITS = np.arange(12)
ARGUMENTS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "graph.kernels._neighbours": lambda: (network(),),
    "graph.kernels.betweenness_binary": lambda: (network(),),
    "graph.kernels.betweenness_weighted": lambda: (direct(), shortest()),
    "graph.kernels.clustering_binary": lambda: (network() | network().T,),
    "graph.kernels.floyd_warshall": lambda: (direct(),),
    "graph.kernels.path_lengths_binary": lambda: (network(),),
    "graph.kernels.rewire_directed": lambda: rewiring(2),
    "graph.kernels.rewire_undirected": lambda: rewiring(3),
    "graph.modularity_kernels.improve_division": lambda: (
        modularity_matrix() * (1 - np.eye(12)),
        np.where(UNITS < 6, -1.0, 1.0),
        0.01,
    ),
    "graph.modularity_kernels.louvain": lambda: (modularity_matrix(), UNITS.copy(), np.random.default_rng(4)),
    "graph.growth_kernels._symmetric_sums": lambda: (modularity_matrix(),),
    "graph.growth_kernels._draw_index": lambda: (np.cumsum(np.random.default_rng(8).random(12)), 0.4),
    "graph.growth_kernels._draw_pair": lambda: (np.abs(modularity_matrix()), network(), np.array([0.3, 0.8])),
    "graph.growth_kernels._combine": lambda: (modularity_matrix()[0], 3, growth_kernels.DIFFERENCE),
    "graph.growth_kernels._powers": lambda: (
        np.random.default_rng(9).random(12),
        2.0,
        np.full(growth_kernels.CACHE_SIZE, -1.0),
        np.zeros(growth_kernels.CACHE_SIZE),
    ),
    "graph.growth_kernels.grow_network": lambda: growing(growth_kernels.MATCHING),
    "statistics.lasso._duality_gap": gap,
    "statistics.lasso._descend": lambda: (*regression(), np.array([[5.0, 1.0], [4.0, 0.5]])),
}
"""Arguments of every compiled function, by its module and name; they are made again for each call."""
ELSEWHERE = ("rng.philox_kernels",)
"""Modules whose counterpart without numba is another program: tests/test_rng.py compares their bits."""


@with_numba
@pytest.mark.parametrize("name", ARGUMENTS)
def test_compiled_loops_give_bitwise_the_same_results_as_python(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    function: Any = getattr(importlib.import_module(f"spatialnets.{module}"), attribute)
    compiled, plain = ARGUMENTS[name](), ARGUMENTS[name]()
    before = ARGUMENTS[name]()
    results = function(*compiled), function.py_func(*plain)
    if results[0] is None:  # the function works in place
        assert any((after != start).any() for after, start in zip(compiled, before, strict=True))
    for result, expected in zip(*(each if isinstance(each, tuple) else (each,) for each in results), strict=True):
        np.testing.assert_array_equal(result, expected)
    for after_compiled, after_plain in zip(compiled, plain, strict=True):
        if isinstance(after_compiled, np.ndarray):
            np.testing.assert_array_equal(after_compiled, after_plain)


def test_shortest_paths_of_an_undirected_network_have_the_same_bits_from_half_of_the_matrix() -> None:
    halves = np.minimum(direct(), direct().T)
    whole = halves.copy()
    kernels.floyd_warshall(halves)
    for middle in range(len(whole)):
        whole = np.minimum(whole, whole[:, middle, None] + whole[middle])
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(halves, whole)


def test_every_compiled_loop_is_tested() -> None:
    root = Path(spatialnets.__file__).parent
    loops = set()
    linked = [path for link in ("geometries", "tasks", "cli") for path in (root / link).rglob("*.py")]
    for path in {*root.rglob("*.py"), *linked}:
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        source = path.read_text(encoding="utf-8")
        if module in ELSEWHERE:
            continue
        loops |= {f"{module}.{name}" for name in re.findall(r"^@jit\ndef (\w+)", source, re.MULTILINE)}
        assert source.count("@jit") == len(re.findall(r"^@jit\ndef ", source, re.MULTILINE)), path
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


@with_numba
def test_every_measure_is_the_same_without_numba() -> None:
    compiled, plain = (
        subprocess.run([sys.executable, "-c", MEASURE, how], check=True, capture_output=True, text=True).stdout
        for how in ("with", "without")
    )
    assert compiled.count("\n") == 15
    assert compiled == plain


def test_importing_graph_measures_imports_no_large_package() -> None:
    heavy = "'torch', 'scipy', 'numba', 'networkx', 'xarray', 'pandas'"
    code = f"import sys, spatialnets.graph; print([name for name in ({heavy}) if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "[]\n"


@pytest.mark.parametrize("words", ["--help", "list", "validate preset=sernn_demo networks=1"])
def test_commands_that_compute_nothing_import_no_numba(words: str) -> None:
    code = (
        "import sys, spatialnets\nfrom spatialnets.cli.app import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert not end.code\nassert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, *words.split()], check=True, capture_output=True)
