"""Energy, search, fingerprints, and the generative analysis of a run."""

import dataclasses
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import xarray as xr
from conftest import Outcome
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chisquare, f_oneway, ks_2samp, tukey_hsd

from spatialnets import Experiment, Run
from spatialnets.analyses.generative import Generative
from spatialnets.cli.generative import generative
from spatialnets.errors import RunError, UserError
from spatialnets.geometries import Grid
from spatialnets.graph.fingerprint import fingerprint, fingerprint_dissimilarity
from spatialnets.graph.generative import (
    MIN_ENERGY,
    STATISTICS,
    _within_cells,
    energy,
    rule_statistics,
    search,
    target_network,
)
from spatialnets.graph.growth import RULES, grow
from spatialnets.testing import check_analysis

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
DISTANCES = Grid().distances()
SMALL = Grid((3, 3, 2)).distances()


# Target


def test_the_target_equals_that_of_the_authors() -> None:
    np.testing.assert_array_equal(target_network(BCT["weights"]), BCT["top5_union"])
    edges = target_network(BCT["weights"]).sum(axis=(-2, -1)) // 2
    assert ((edges >= 248) & (edges <= 495)).all()


def test_the_target_is_undirected_and_ignores_signs_and_self_connections() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 20, 20))
    target = target_network(weights)
    np.testing.assert_array_equal(target, np.swapaxes(target, -1, -2))
    np.testing.assert_array_equal(target_network(-weights + 9 * np.eye(20)), target)
    weights[1, 0, 0] = np.nan
    assert target_network(weights).any(axis=(-2, -1)).tolist() == [True, False, True]


# Energy


def test_energy_is_the_largest_scipy_statistic_of_networkx_measures() -> None:
    networks = [grow(DISTANCES, rule, 300, -1.0, 0.4, 1) for rule in ("spatial", "matching", "deg-avg")]
    networks += list(BCT["top5_union"][:2])

    def measures(network: NDArray[Any]) -> list[Any]:
        graph = networkx.from_numpy_array((network > 0).astype(int))
        betweenness = networkx.betweenness_centrality(graph, normalized=False)
        # betweenness is a sum of fractions; values that differ in the last digits count as equal
        return [
            [degree for _, degree in graph.degree],
            list(networkx.clustering(graph).values()),
            np.round([2 * value for value in betweenness.values()], 9),
            [DISTANCES[edge] for edge in graph.edges],
        ]

    measured = [measures(network) for network in networks]
    for i, target in enumerate(networks):
        result = energy(np.stack(networks), target, DISTANCES)
        for j, of_network in enumerate(measured):
            expected = [ks_2samp(*pair).statistic for pair in zip(of_network, measured[i], strict=True)]
            np.testing.assert_allclose(result.ks[j], expected, atol=1e-12)  # differences of the same two quotients
            assert result.energy[j] == result.ks[j].max()


def test_energy_compares_the_measures_of_the_brain_connectivity_toolbox() -> None:
    result = energy(BCT["top5_union"][1:], BCT["top5_union"][0], DISTANCES)
    for column, name in enumerate(("degree", "clustering", "betweenness")):
        measured = np.round(BCT[name].reshape(len(BCT["top5_union"]), -1), 9)
        expected = [ks_2samp(values, measured[0]).statistic for values in measured[1:]]
        np.testing.assert_allclose(result.ks[:, column], expected, atol=1e-12)
    assert STATISTICS == ("degree", "clustering", "betweenness", "edge_length")


def test_energy_is_0_for_the_same_network_and_symmetric() -> None:
    a, b = BCT["top5_union"][0], BCT["top5_union"][5]
    assert energy(a, a, DISTANCES).energy == 0
    np.testing.assert_array_equal(energy(a, a, DISTANCES).ks, np.zeros(4))
    forward, backward = energy(a, b, DISTANCES), energy(b, a, DISTANCES)
    assert 0 < forward.energy <= 1
    np.testing.assert_allclose(forward.ks, backward.ks, atol=1e-12)
    order = np.random.default_rng(2).permutation(100)
    renumbered = energy(a[np.ix_(order, order)], a, DISTANCES)
    assert renumbered.ks[:3].tolist() == [0, 0, 0]  # the same topology
    assert renumbered.ks[3] > 0  # but different lengths
    both = energy(a[np.ix_(order, order)], b[np.ix_(order, order)], DISTANCES[np.ix_(order, order)])
    np.testing.assert_allclose(both.ks, forward.ks, atol=1e-12)


def test_simple_networks_have_known_statistics() -> None:
    empty, full = np.zeros((6, 6)), 1 - np.eye(6)
    lengths = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    assert energy(empty, empty, lengths).energy == 0
    assert energy(empty, full, lengths).ks.tolist() == [1, 1, 0, 1]
    path = (lengths == 1).astype(int)
    # degrees 1 2 2 2 2 1 against 5; no triangles against all; betweenness 0 at the ends; 5 of 15 pairs have length 1
    np.testing.assert_allclose(energy(path, full, lengths).ks, [1, 1, 4 / 6, 10 / 15])
    assert energy(np.stack([path, full])[None], full, lengths).energy.shape == (1, 2)


def test_directed_networks_and_wrong_shapes_are_refused() -> None:
    full, lengths = 1 - np.eye(4), np.ones((4, 4))
    with pytest.raises(ValueError, match="adjacency must be undirected"):
        energy(np.triu(full), full, lengths)
    with pytest.raises(ValueError, match="target must be undirected"):
        energy(full, np.triu(full), lengths)
    with pytest.raises(ValueError, match=r"adjacency must have shape \(…, 4, 4\), like distances"):
        energy(np.zeros((3, 3)), full, lengths)
    with pytest.raises(ValueError, match="target must be one network"):
        energy(full, full[None], lengths)


# Voronoi cells


def test_new_points_are_in_the_selected_cell() -> None:
    generator = np.random.default_rng(3)
    for free in (1, 2):
        # some points close together, one on the edge
        points = np.vstack([generator.random((40, free)), 0.5 + 1e-4 * generator.random((40, free)), [[0.0] * free]])
        cells = generator.integers(len(points), size=2000)
        drawn = _within_cells(points, cells, generator)
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        nearest = cKDTree(points).query(drawn)[1]
        assert (nearest != cells).sum() == 0


def test_points_are_uniform_in_a_cell() -> None:
    generator = np.random.default_rng(4)
    points, cell, count = generator.random((6, 2)), 2, 4000
    drawn = _within_cells(points, np.full(count, cell), generator)
    # reference: uniform points of the square that are nearest to the selected one
    square = generator.random((200_000, 2))
    inside = square[cKDTree(points).query(square)[1] == cell]
    edges = [np.quantile(inside[:, axis], np.linspace(0, 1, 6))[1:-1] for axis in range(2)]

    def bin_counts(points: NDArray[Any]) -> NDArray[Any]:
        bins = sum(np.searchsorted(edges[axis], points[:, axis]) * 5**axis for axis in range(2))
        return np.bincount(bins, minlength=25)

    fraction, counts = bin_counts(inside) / len(inside), bin_counts(drawn)
    kept = fraction > 0.005
    assert chisquare(counts[kept], counts[kept].sum() * fraction[kept] / fraction[kept].sum()).pvalue > 0.001
    whole = _within_cells(np.array([[0.3, 0.9]]), np.zeros(2000, dtype=np.int64), generator)  # one cell: the square
    assert ks_2samp(whole[:, 0], generator.random(2000)).pvalue > 0.001
    line = _within_cells(np.array([[0.2], [0.4], [0.9]]), np.full(2000, 1), generator)
    np.testing.assert_allclose([line.min(), line.max(), line.mean()], [0.3, 0.65, 0.475], atol=0.01)


# Search


def planted(rule: str, seed: int = 0) -> NDArray[np.int64]:
    return grow(SMALL, rule, 40, -2.0, 0.5, seed)


def test_every_simulation_can_be_repeated() -> None:
    target = planted("matching")
    for rule in ("matching", "spatial"):
        fit = search(target, SMALL, rule, 3, 10, seed=5)
        assert fit.energy.shape == fit.eta.shape == fit.gamma.shape == fit.seed.shape == (30,)
        for i in range(30):
            network = grow(SMALL, rule, 40, fit.eta[i], fit.gamma[i], int(fit.seed[i]))
            np.testing.assert_array_equal(energy(network, target, SMALL).ks, fit.ks[i])
        np.testing.assert_array_equal(fit.energy, fit.ks.max(axis=1))
        assert fit.best == int(fit.energy.argmin())


def test_a_search_is_reproducible() -> None:
    target = planted("matching")
    fit, same, other = (search(target, SMALL, "matching", 3, 8, seed=seed) for seed in (6, 6, 7))
    for first, second in zip(fit, same, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (fit.eta != other.eta).all()
    generator = np.random.default_rng(6)
    np.testing.assert_array_equal(search(target, SMALL, "matching", 3, 8, seed=generator).energy, fit.energy)


def test_later_levels_sample_where_energies_are_low() -> None:
    target = planted("spatial", seed=8)
    fit = search(target, SMALL, "spatial", 5, 40, seed=9, power=4.0)
    levels = fit.energy.reshape(5, 40).mean(axis=1)
    assert levels[-1] < 0.8 * levels[0]
    unguided = search(target, SMALL, "spatial", 5, 40, seed=9, power=0.0)
    assert unguided.energy.reshape(5, 40)[-1].mean() > 1.1 * levels[-1]
    np.testing.assert_array_equal(unguided.eta[:40], fit.eta[:40])  # the first level does not depend on energies
    assert abs(fit.eta[:40].mean()) < 3 * np.sqrt(36 / 12 / 40)  # uniform from -3 to 3
    assert (fit.gamma == 0).all()  # spatial has no gamma


def test_exponents_stay_within_limits() -> None:
    for method in ("voronoi", "grid"):
        fit = search(planted("matching"), SMALL, "matching", 3, 12, limits=(-1.0, 0.5), seed=10, method=method)
        for exponents in (fit.eta, fit.gamma):
            assert exponents.min() >= -1
            assert exponents.max() <= 0.5
            assert np.ptp(exponents) > 1


def test_a_grid_is_regular_and_has_at_most_the_requested_number_of_simulations() -> None:
    fit = search(planted("matching"), SMALL, "matching", 2, 15, method="grid")
    assert len(fit.energy) == 25
    np.testing.assert_allclose(np.unique(fit.eta), np.linspace(-3, 3, 5))
    np.testing.assert_allclose(np.unique(fit.gamma), np.linspace(-3, 3, 5))
    assert len({*zip(fit.eta, fit.gamma, strict=True)}) == 25
    line = search(planted("matching"), SMALL, "spatial", 2, 15, method="grid")
    np.testing.assert_allclose(line.eta, np.linspace(-3, 3, 30))
    assert search(planted("matching"), SMALL, "matching", 1, 1, method="grid").eta.tolist() == [0]


def test_a_perfect_fit_does_not_stop_a_search() -> None:
    full = 1 - np.eye(6)
    fit = search(full, np.ones((6, 6)) - np.eye(6), "matching", 4, 10)
    assert (fit.energy == 0).all()
    assert MIN_ENERGY > 0


def test_invalid_search_settings_are_refused() -> None:
    target = planted("matching")
    for arguments, message in (
        ({"rule": "deg-sum"}, "unknown wiring rule 'deg-sum': did you mean"),
        ({"method": "random"}, "method must be voronoi or grid, not 'random'"),
        ({"levels": 0}, "levels must be 1 or more, not 0"),
        ({"power": -1.0}, "power must be"),
        ({"limits": (1.0, -1.0)}, "limits must be two finite numbers, the smaller first"),
        ({"target": np.zeros((18, 18))}, "at least one connection"),
        ({"target": np.triu(target)}, "target must be undirected"),
    ):
        full: dict[str, Any] = {"target": target, "distances": SMALL, "rule": "matching", "per_level": 3, **arguments}
        with pytest.raises(ValueError, match=message):
            search(**full)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted_rule", "eta", "gamma"),
    [("matching", -2.0, 0.6), ("neighbors", -1.5, 0.5), ("spatial", -2.5, 0.0), ("deg-avg", -1.0, 2.0)],
)
def test_the_rule_that_grew_a_network_fits_best_among_thirteen(planted_rule: str, eta: float, gamma: float) -> None:
    distances = Grid((4, 4, 4)).distances()
    energies = np.zeros((4, len(RULES)))
    for seed in range(4):
        target = grow(distances, planted_rule, 180, eta, gamma, seed)
        for column, rule in enumerate(RULES):
            energies[seed, column] = search(target, distances, rule, 4, 50, seed=seed + 100).energy.min()
    assert rule_statistics(energies).best == planted_rule


# Fingerprint


def test_the_fingerprint_equals_that_of_networkx_measures() -> None:
    network = BCT["top5_union"][0]
    graph = networkx.from_numpy_array((network > 0).astype(int))
    near = [set(graph[unit]) for unit in range(100)]  # neighbours
    totals = [[len(near[u] - {v}) + len(near[v] - {u}) for v in range(100)] for u in range(100)]
    matching = [
        [2 * len(near[u] & near[v]) / totals[u][v] if u != v and totals[u][v] else 0 for v in range(100)]
        for u in range(100)
    ]
    measures = [
        [graph.degree[unit] for unit in range(100)],
        list(networkx.clustering(graph).values()),
        list(networkx.betweenness_centrality(graph, normalized=False).values()),
        (DISTANCES * network).sum(axis=1),
        [networkx.global_efficiency(graph.subgraph(near[unit])) if near[unit] else 0 for unit in range(100)],
        np.sum(matching, axis=1),
    ]
    # the order of sums differs
    np.testing.assert_allclose(fingerprint(network, DISTANCES), np.corrcoef(measures), atol=1e-9)


def test_dissimilarity_is_0_for_the_same_network_and_nan_if_units_do_not_differ() -> None:
    a, b = BCT["top5_union"][:2]
    assert fingerprint_dissimilarity(a, a, DISTANCES) == 0
    expected = np.linalg.norm(fingerprint(a, DISTANCES) - fingerprint(b, DISTANCES), 2)
    assert fingerprint_dissimilarity(a, b, DISTANCES) == pytest.approx(expected)
    order = np.random.default_rng(11).permutation(100)
    renumbered = fingerprint_dissimilarity(a[np.ix_(order, order)], a, DISTANCES[np.ix_(order, order)])
    assert renumbered > 0.01  # the distances of a unit change
    assert np.isnan(fingerprint(1 - np.eye(5), np.ones((5, 5)))).all()
    assert np.isnan(fingerprint_dissimilarity(1 - np.eye(5), 1 - np.eye(5), np.ones((5, 5))))


# Rules


SOME = ("spatial", "neighbors", "matching", "clu-avg", "deg-min")


def energies_of(means: dict[str, float], count: int = 12) -> NDArray[np.float64]:
    noise = 0.01 * np.random.default_rng(12).normal(size=(count, len(SOME)))
    return noise + np.array([means.get(rule, 0.4) for rule in SOME])


def test_rule_statistics_equal_those_of_scipy() -> None:
    energies = energies_of({"matching": 0.1, "neighbors": 0.15})
    result = rule_statistics(energies, SOME)
    assert (result.n, result.best, result.homophily_lowest) == (12, "matching", True)
    np.testing.assert_allclose([result.f, result.p], f_oneway(*energies.T))
    expected = tukey_hsd(*energies.T).pvalue
    np.testing.assert_array_equal(result.tukey, expected)
    assert result.homophily_p == expected[1:3][:, [0, 3, 4]].max() < 1e-3
    best_other = energies[:, [0, 3, 4]].mean(axis=0).min()
    assert result.advantage == pytest.approx(energies[:, 1:3].mean() - best_other)
    assert result.interval is not None
    assert result.interval[0] < result.advantage < result.interval[1] < 0


def test_homophily_is_lowest_only_if_both_of_its_rules_are() -> None:
    assert not rule_statistics(energies_of({"matching": 0.1, "neighbors": 0.45}), SOME).homophily_lowest
    spatial = rule_statistics(energies_of({"spatial": 0.05, "matching": 0.1, "neighbors": 0.1}), SOME)
    assert (spatial.best, spatial.homophily_lowest) == ("spatial", False)
    assert spatial.advantage > 0


def test_statistics_are_nan_if_there_is_too_little_to_compare() -> None:
    energies = energies_of({"matching": 0.1})
    energies[1:] = np.nan
    one = rule_statistics(energies, SOME)
    assert (one.n, one.best, one.interval) == (1, "matching", None)
    assert np.isnan([one.f, one.p, one.homophily_p]).all()
    assert np.isfinite(one.advantage)
    none = rule_statistics(energies[1:], SOME)
    assert (none.n, none.best, none.homophily_lowest) == (0, "", False)
    assert np.isnan(none.advantage)
    only = rule_statistics(np.random.default_rng(13).random((5, 2)), ("neighbors", "matching"))
    assert np.isnan([only.homophily_p, only.advantage]).all()
    assert np.isfinite(only.p)
    assert np.isnan(rule_statistics(np.ones((4, 5)), SOME).p)
    with pytest.raises(ValueError, match="with 13 rules"):
        rule_statistics(energies)
    with pytest.raises(ValueError, match="unknown wiring rule 'x'"):
        rule_statistics(energies[:, :1], ("x",))


# Analysis

QUICK = Generative(rules=("spatial", "matching"), density=0.2, levels=2, per_level=4, ranks=(0.0, 1.0))


def shard(count: int = 3, epochs: int = 2, group: str = "sernn", first: int = 0) -> xr.Dataset:
    weights = np.random.default_rng(14).normal(size=(7, epochs, 18, 18)).astype(np.float32)[first : first + count]
    numbers = np.arange(first, first + count)
    return xr.Dataset(
        {"weights": (("network", "epoch", "pre", "post"), weights), "distances": (("pre", "post"), SMALL)},
        {"network": numbers, "epoch": np.arange(epochs), "seed": ("network", numbers + 40)},
        attrs={"length_unit": "step", "group": group},
    )


def test_the_analysis_reports_the_best_fit_of_each_search() -> None:
    table = QUICK.of_shard(shard())
    assert table["energy"].dims == ("network", "epoch", "rule")
    assert table["epoch"].to_numpy().tolist() == [1]  # training was shorter than nine epochs
    assert table["rule"].to_numpy().tolist() == ["spatial", "matching"]
    assert table["statistic"].to_numpy().tolist() == list(STATISTICS)
    for network in range(3):
        target = target_network(shard()["weights"][network, 1].to_numpy(), 0.2)
        for column, rule in enumerate(QUICK.rules):
            fit = search(target, SMALL, rule, 2, 4, seed=np.random.default_rng((0, network + 40, 1, RULES.index(rule))))
            entry = table.isel(network=network, epoch=0, rule=column)
            assert float(entry["energy"]) == fit.energy.min() == float(entry["ks"].max())
            assert (float(entry["eta"]), float(entry["gamma"])) == (fit.eta[fit.best], fit.gamma[fit.best])
            n_edges = target.sum() // 2
            best = grow(SMALL, rule, n_edges, fit.eta[fit.best], fit.gamma[fit.best], int(fit.seed[fit.best]))
            assert float(entry["fingerprint_dissimilarity"]) == fingerprint_dissimilarity(best, target, SMALL)
    for values in table.data_vars.values():
        assert values.attrs["long_name"]
        assert values.attrs["units"] == "1"
        assert np.isfinite(values).all()


def test_measurements_do_not_depend_on_the_shard_or_on_other_rules() -> None:
    together = QUICK.of_shard(shard(4))
    alone = QUICK.of_shard(shard(1, first=2))
    xr.testing.assert_identical(together.isel(network=[2]), alone)
    swapped = dataclasses.replace(QUICK, rules=("matching", "deg-avg", "spatial")).of_shard(shard(4))
    np.testing.assert_array_equal(swapped["energy"].sel(rule=["spatial", "matching"]), together["energy"])
    other = dataclasses.replace(QUICK, seed=1).of_shard(shard(4))
    assert (other["eta"] != together["eta"]).all()


def test_the_homophily_advantage_is_the_ratio_of_mean_energies() -> None:
    rules = ("clu-avg", "neighbors", "spatial", "matching", "deg-min")
    table = dataclasses.replace(QUICK, rules=rules).of_shard(shard(2))
    energies = table["energy"].to_numpy()
    expected = energies[..., [0, 2, 4]].mean(axis=-1) / energies[..., [1, 3]].mean(axis=-1)
    np.testing.assert_allclose(table["homophily_advantage"], expected)
    for rule in ("spatial", "matching"):
        assert np.isnan(dataclasses.replace(QUICK, rules=(rule,)).of_shard(shard(1))["homophily_advantage"]).all()


def test_unselected_and_diverged_networks_are_nan_and_do_not_affect_others() -> None:
    whole = QUICK.of_shard(shard())
    part = QUICK.of_shard(shard(), selected=frozenset({("sernn", 1), ("l1", 0)}))
    damaged = shard()
    damaged["weights"][0] = np.nan
    damaged["weights"][2] = 0
    for table in (part, QUICK.of_shard(damaged)):
        for name, values in table.data_vars.items():
            np.testing.assert_array_equal(values[1], whole[name][1])
            assert np.isnan(values[[0, 2]]).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run of two groups of four networks that learn next to nothing; one network diverges."""
    folder = tmp_path_factory.mktemp("generative")
    (folder / "my.yaml").write_text(
        "extends: sernn_demo\nname: tiny\nnetworks: 1\nanalyses: [{kind: generative, accuracy: 0.0, density: 0.2, "
        "ranks: [0, 1], levels: 2, per_level: 3, networks_per_group: 2, rules: [spatial, matching, deg-avg]}]\n"
    )
    overrides = (
        "groups.sernn.regularizer.strength={list: [0.3, 0.1, 1e38, 0.2]}",
        "groups.l1.regularizer.strength={list: [0.04, 0.03, 0.02, 0.01]}",
        "training.learning_rate=0.02",
        "training.epochs=2",
        "training.trials_per_epoch=128",
        "training.validation_trials=64",
        "task.goal_steps=2",
        "task.delay_steps=1",
        "task.choice_steps=2",
        "geometry.shape=[3, 2, 2]",
    )
    experiment = Experiment.from_yaml(folder / "my.yaml").override(*overrides)
    return experiment.run(folder / "run", workers=1, report=False)


def test_passing_networks_are_selected_evenly_by_strength(run: Run) -> None:
    def selected_strengths(**fields: Any) -> dict[str, list[float]]:
        selected = dataclasses.replace(QUICK, **fields).select_networks(run)
        strengths = {group: run.scores(group)["strength"] for group in run.groups}
        return {
            group: sorted(float(strengths[group].sel(network=number)) for name, number in selected if name == group)
            for group in run.groups
        }

    assert not any(selected_strengths(accuracy=1.0).values())
    all_passing = selected_strengths(accuracy=0.0, networks_per_group=None)
    assert all_passing["sernn"] == [0.1, 0.2, 0.3]  # without the one that diverged
    assert all_passing["l1"] == [0.01, 0.02, 0.03, 0.04]
    assert selected_strengths(accuracy=0.0, networks_per_group=1)["sernn"] == [0.2]
    two = selected_strengths(accuracy=0.0, networks_per_group=2)
    assert two["l1"] == [0.02, 0.04]
    assert selected_strengths(accuracy=0.0) == all_passing  # there are fewer than the default of 20
    assert selected_strengths(accuracy=0.0, ranks=(0.25, 0.75))["l1"] == [0.02, 0.03]
    assert Generative().ranks == (0.2, 0.6)  # networks 200 to 600 of the paper's 1,000


def test_the_generative_analysis_satisfies_its_contract(run: Run) -> None:
    analysis = dataclasses.replace(QUICK, accuracy=0.0, networks_per_group=2, epochs=(0, 9))
    check_analysis(analysis, run)
    table = analysis.measure(run)
    assert table["epoch"].to_numpy().tolist() == [0, 2]
    assert np.isfinite(table["energy"].to_numpy()).all(axis=(1, 2)).sum() == 4
    assert np.isnan(Generative().measure(run)["energy"]).all()  # no network passes
    unpickled = pickle.loads(pickle.dumps(partial(analysis.of_shard, selected=analysis.select_networks(run))))
    xr.testing.assert_identical(run.map(unpickled), table)


def test_invalid_settings_are_refused() -> None:
    for fields, message in (
        ({"rules": ("matchin",)}, "unknown wiring rule 'matchin': did you mean 'matching'"),
        ({"rules": ()}, "rules must contain at least one entry and no duplicates"),
        ({"epochs": (9, 9)}, "epochs must contain at least one entry and no duplicates"),
        ({"networks_per_group": 0}, "networks_per_group must be 1 or more"),
        ({"epochs": (-1,)}, "epochs must be finite and not negative"),
        ({"density": 1.5}, "density must lie between 0 and 1"),
        ({"accuracy": -0.5}, "accuracy must lie between 0 and 1"),
        ({"method": "random"}, "method must be voronoi or grid"),
        ({"per_level": 0}, "per_level must be 1 or more"),
        ({"limits": (3.0, 3.0)}, "limits must be"),
    ):
        with pytest.raises(ValueError, match=message):
            Generative(**fields)


def test_the_number_of_simulations_and_the_time_are_estimated() -> None:
    assert Generative().simulations == 13 * 1000
    assert Generative(method="grid").simulations == 1000 + 12 * 31**2
    seconds = dataclasses.replace(QUICK, per_level=1000, epochs=(3, 5)).estimate_seconds(10, 18)
    assert 0 < seconds < 10 * 2 * 4000 * 1.0  # less than a second per grown network


# Command line


def test_the_command_prints_the_estimated_time_and_the_result(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    generative(run.folder, networks=None, full=False, all_strengths=False, simulations=None, workers=1, quiet=True)
    out = capsys.readouterr().out
    assert "4 networks (2 sernn, 2 l1) x 3 rules, 18 simulations per network: about 0:0" in out
    assert "homophily" in out
    assert "sernn: lowest mean energy: " in out
    assert "largest Tukey p = " in out
    table = run.measurement("generative")
    assert np.isfinite(table["energy"].to_numpy()).all(axis=(1, 2)).sum() == 4
    assert f"measurement: {run.folder / 'analyses' / 'generative.nc'}" in out
    energies = table["energy"].sel(epoch=2).to_numpy()[(table["group"] == "l1").to_numpy()]
    assert f"{np.nanmedian(energies[:, 1]):.3f}" in next(line for line in out.splitlines() if "matching" in line)

    generative(run.folder, networks=1, full=False, all_strengths=False, simulations=2, workers=1, quiet=True)
    assert "2 networks (1 sernn, 1 l1) x 3 rules, 6 simulations" in capsys.readouterr().out
    generative(run.folder, networks=None, full=True, all_strengths=False, simulations=2, workers=1, quiet=True)
    assert "7 networks (3 sernn, 4 l1)" in capsys.readouterr().out
    with pytest.raises(UserError, match="leave out --networks"):
        generative(run.folder, networks=1, full=True, all_strengths=False, simulations=None, workers=1, quiet=True)


def test_a_run_without_passing_networks_is_refused(tmp_path: Path, command: Callable[..., Outcome]) -> None:
    overrides = (
        "networks=1", "training.epochs=1", "training.trials_per_epoch=128", "training.validation_trials=64",
        "task.goal_steps=2", "task.delay_steps=1", "task.choice_steps=2", "geometry.shape=[2, 2, 2]",
    )  # fmt: skip
    outcome = command(
        "run", "preset=sernn_demo", *overrides, "--out", "run", "--workers", "1", "--no-report", "--quiet"
    )
    assert outcome.code == 0
    with pytest.raises(RunError, match="no network of run has learned its task: none has a validation accuracy of 0.9"):
        generative(Path("run"), networks=None, full=False, all_strengths=False, simulations=None, workers=1, quiet=True)
