"""Comparison of groups of networks."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from browser import needs_chromium, show
from conftest import Outcome
from test_report import Page

from spatialnets import Experiment, Run, UserError
from spatialnets.graph.modularity import modularity
from spatialnets.report.comparison import CLAIMS, Comparison, claim_verdict, compare
from spatialnets.report.comparison_page import answers, write_comparison
from spatialnets.report.contrasts import MIN_NETWORKS, Contrast, contrasts, match_pairs, pairings
from spatialnets.report.page import write_report
from spatialnets.report.samples import Sample, samples_of
from spatialnets.report.spatial_nulls import CENTRALITY, N_SHUFFLES, null_table
from spatialnets.statistics.effects import effect, false_discovery

OVERRIDES = (
    "networks=12",
    "training.epochs=3",
    "training.trials_per_epoch=1280",
    "training.validation_trials=128",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
    "training.learning_rate=0.01",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two geometries, each with the spatial penalty and with L1."""
    declared = Experiment.from_preset("geometry_comparison").override(
        *OVERRIDES,
        "groups.grid_sernn.geometry.shape=[3, 3, 2]",
        "groups.grid_l1.geometry.shape=[3, 3, 2]",
        "groups.sphere_sernn.geometry.n=18",
        "groups.sphere_l1.geometry.n=18",
        *(
            f"groups.{place}_{kind}=null"
            for place in ("cortex", "fsaverage5", "random_box")
            for kind in ("sernn", "l1")
        ),
        "regularizer.strength=linspace(0.0001, 0.004)",
    )
    folder = tmp_path_factory.mktemp("comparison") / "run"
    return declared.run(folder, workers=1, report=False)


@pytest.fixture(scope="module")
def samples(run: Run) -> list[Sample]:
    return samples_of([(run, None)])


@pytest.fixture(scope="module")
def comparison(samples: list[Sample]) -> Comparison:
    return compare(samples)


# Samples and contrasts


def test_samples_are_groups_with_all_of_their_measures(samples: list[Sample]) -> None:
    assert [sample.label for sample in samples] == ["grid_sernn", "sphere_sernn", "grid_l1", "sphere_l1"]
    for sample in samples:
        assert sample.table.sizes["network"] == 12
        assert set(CLAIMS) <= set(sample.measures)
        assert "loss" not in sample.measures
        assert sample.kind("geometry") == sample.label.split("_")[0]
        assert sample.passes.sum() >= MIN_NETWORKS  # the settings above make enough networks pass
        assert sample.epoch == 3


def test_lengths_are_in_steps_whatever_the_unit_of_the_geometry(samples: list[Sample], run: Run) -> None:
    sphere = next(sample for sample in samples if sample.label == "sphere_sernn")
    measured = run.measurement("wiring")["weighted_edge_length"]
    in_mm = measured.to_numpy()[measured["group"].to_numpy() == "sphere_sernn"]
    in_steps = in_mm * run.geometry_of("sphere_sernn").steps_per_unit
    np.testing.assert_allclose(sphere.table["weighted_edge_length"], in_steps, rtol=1e-12)


def test_groups_that_differ_in_one_component_are_compared(samples: list[Sample]) -> None:
    chosen = {(contrast.first.label, contrast.second.label): contrast.family for contrast in contrasts(samples)}
    assert chosen == {
        ("grid_sernn", "sphere_sernn"): "geometry",
        ("grid_sernn", "grid_l1"): "regularizer",
        ("sphere_sernn", "sphere_l1"): "regularizer",
    }


def test_non_spatial_penalties_are_compared_between_geometries_only_if_there_is_nothing_else(
    samples: list[Sample], comparison: Comparison
) -> None:
    *_, grid_l1, sphere_l1 = samples
    assert [contrast.family for contrast in contrasts([grid_l1, sphere_l1])] == ["geometry"]
    reason = "grid_l1 - sphere_l1: the penalty does not depend on distance, so the geometry makes no difference"
    assert reason in comparison.reasons
    only_l1 = compare([grid_l1, sphere_l1])
    assert not any("does not depend on distance" in reason for reason in only_l1.reasons)
    # the networks are identical, so weights do not differ; only the lengths of their connections do
    same = only_l1.effects.query("measure == 'modularity' and epoch == 3")
    assert len(same) == 3
    assert same["difference"].tolist() == [0.0] * 3
    # in pairs, every permutation gives 0; unpaired, half of 4,999 random ones fall on either side, give or take 35
    assert same["p"][same["selection"] != "passing"].tolist() == [1.0] * 2
    assert (same["p"] > 0.9).all()
    lengths = only_l1.effects.query("measure == 'weighted_edge_length' and epoch == 3 and selection == 'passing'")
    assert abs(float(lengths["difference"].iloc[0])) > 0


def test_groups_that_differ_in_several_components_are_compared_with_the_first(samples: list[Sample]) -> None:
    grid_sernn, _, _, sphere_l1 = samples
    (only,) = contrasts([sphere_l1, grid_sernn])
    assert (only.first.label, only.second.label, only.family) == ("sphere_l1", "grid_sernn", "")


# Selection of networks


def test_pairs_are_within_the_tolerance_and_as_many_as_possible() -> None:
    one, other = np.array([0.0, 1.0, 2.0, 10.0]), np.array([2.05, 0.9, 5.0, 0.05])
    first, second = match_pairs(one, other, tolerance=0.11)
    assert sorted(zip(one[first].tolist(), other[second].tolist(), strict=True)) == [
        (0.0, 0.05),
        (1.0, 0.9),
        (2.0, 2.05),
    ]
    # the nearest partner of 1.0 is the only partner of 1.1: 1.0 gets its second nearest, so that both are paired
    first, second = match_pairs(np.array([1.0, 1.1]), np.array([1.05, 0.95]), tolerance=0.06)
    assert len(first) == 2
    assert len(match_pairs(np.array([1.0]), np.array([2.0]), tolerance=0.5)[0]) == 0


def test_networks_are_selected_in_three_ways(samples: list[Sample]) -> None:
    grid, sphere, grid_l1, _ = samples
    passing, strength, weight = pairings(Contrast(grid, sphere, "geometry"))
    assert not passing.paired
    assert passing.first.tolist() == np.flatnonzero(grid.passes).tolist()
    assert strength.paired
    assert strength.first.tolist() == strength.second.tolist() == list(range(12))  # both groups have the same strengths
    assert weight.paired
    totals = [sample.table["total_weight"].sel(epoch=sample.epoch).to_numpy() for sample in (grid, sphere)]
    assert np.abs(np.log(totals[0][weight.first] / totals[1][weight.second])).max() <= 0.1
    assert grid.passes[weight.first].all()
    assert sphere.passes[weight.second].all()
    _, strength, _ = pairings(Contrast(grid, grid_l1, "regularizer"))
    assert "the penalties differ" in strength.reason
    for factor, pairs in ((1.04, 12), (1.07, 0)):  # relative to each strength, however wide the range
        original, scaled = (
            replace(sample, table=sample.table.assign_coords(strength=("network", scale * np.geomspace(1e-4, 1, 12))))
            for sample, scale in ((grid, 1.0), (sphere, factor))
        )
        assert len(pairings(Contrast(original, scaled, "geometry"))[1].first) == pairs


# Results


def test_effects_are_those_of_the_selected_networks(comparison: Comparison, samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    for pairing in pairings(Contrast(grid, sphere, "geometry")):
        row = comparison.effects.query(
            "first == 'grid_sernn' and second == 'sphere_sernn' and measure == 'modularity' and epoch == 3"
            f" and selection == '{pairing.selection}'"
        ).iloc[0]
        values = [sample.table["modularity"].sel(epoch=3).to_numpy() for sample in (grid, sphere)]
        one, other = values[0][pairing.first], values[1][pairing.second]
        expected = effect(one, other, pairing.paired)
        assert row["g"] == pytest.approx(float(expected.g), rel=1e-9)
        # the measures of the table are resampled together, with sums in another order: of 4,096 permutations, one or
        # two whose difference equals the observed one but for rounding may count or not
        assert row["p"] == pytest.approx(float(expected.p), abs=4.5 / 4096)
        assert (row["low"], row["high"]) == pytest.approx((float(expected.low), float(expected.high)), rel=1e-9)
        assert (row["n_first"], row["n_second"]) == (len(one), len(other))
        assert row["mean_first"] == pytest.approx(one.mean())
        assert row["difference"] == pytest.approx(one.mean() - other.mean())
        assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_q_is_adjusted_within_each_selection_and_epoch(comparison: Comparison) -> None:
    for _, tests in comparison.effects.groupby(["selection", "epoch"]):
        np.testing.assert_allclose(tests["q"], false_discovery(tests["p"].to_numpy(dtype=float)), rtol=1e-12)
        assert (tests["q"].dropna() >= tests["p"][tests["q"].notna()] - 1e-12).all()


def test_means_have_intervals(comparison: Comparison, samples: list[Sample]) -> None:
    row = comparison.groups.query("sample == 'sphere_sernn' and measure == 'total_weight' and epoch == 2").iloc[0]
    sphere = samples[1]
    values = sphere.table["total_weight"].sel(epoch=2).to_numpy()[sphere.passes]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["low"] < row["mean"] < row["high"]
    assert row["n"] == len(values)


def test_the_papers_claims_are_tested_on_each_geometry(comparison: Comparison) -> None:
    claims = comparison.claims
    assert set(claims["geometry"]) == {"grid", "sphere"}
    assert set(claims["measure"]) == set(CLAIMS)
    correlation = claims.query("measure == 'weight_distance_correlation' and selection == 'passing'")
    assert (correlation["g"] < 0).all()  # the spatial penalty prunes long connections on both geometries
    assert set(correlation["verdict"]) <= {"holds", "open"}
    for _, tests in claims.groupby("selection"):  # claims were fixed in advance, so q is adjusted for claims only
        np.testing.assert_allclose(tests["q"], false_discovery(tests["p"].to_numpy(dtype=float)), rtol=1e-12)
    for row in claims.itertuples():
        assert row.verdict == claim_verdict(row.low, row.high, row.q, CLAIMS[row.measure].sign)
    texts = answers(comparison)
    assert [text.split(":")[0] for text in texts] == ["grid", "sphere"]
    assert all(f"of {len(CLAIMS)} features hold" in text for text in texts)


@pytest.mark.parametrize(
    ("interval", "q", "expected", "verdict"),
    [
        ((0.2, 0.9), 0.01, 1, "holds"),
        ((0.2, 0.9), 0.01, -1, "reversed"),
        ((-0.9, -0.2), 0.01, -1, "holds"),
        ((-0.1, 0.9), 0.04, 1, "open"),
        ((0.2, 0.9), 0.06, 1, "open"),
        ((float("nan"), 0.9), 0.01, 1, "no verdict"),
    ],
)
def test_a_claim_holds_if_interval_and_test_are_on_the_papers_side(
    interval: tuple[float, float], q: float, expected: int, verdict: str
) -> None:
    assert claim_verdict(*interval, q, expected) == verdict


def test_nulls_are_computed_from_the_passing_networks(comparison: Comparison, samples: list[Sample], run: Run) -> None:
    row = comparison.nulls.query("sample == 'grid_sernn' and measure == 'modularity'").iloc[0]
    grid = samples[0]
    weights = np.abs(run["grid_sernn"]["weights"].sel(epoch=3).to_numpy().astype(float))[grid.passes]
    assert row["observed"] == pytest.approx(float(modularity(weights)[0].mean()))
    assert row["n"] == grid.passes.sum()
    assert 0 <= row["outside"] <= 1
    assert set(comparison.nulls["measure"]) == {"modularity", "small_worldness", "mean_communicability"}


def test_lengths_explain_everything_if_weights_depend_on_them_and_nothing_otherwise(samples: list[Sample]) -> None:
    grid = samples[0]
    distances = grid.geometry.distances
    generator = np.random.default_rng(3)
    near = np.where(distances <= 1, 1.0, 0.0) * generator.uniform(0.9, 1.1, size=(10, 18, 18))
    module = generator.permutation(18) % 2  # two modules, independent of position
    modular = (module[:, None] == module) * generator.uniform(0.9, 1.1, size=(10, 18, 18))
    for weights, low, high in ((near, 0.9, 1.1), (modular, -0.1, 0.1)):
        np.einsum("nii->ni", weights)[:] = 0
        row = null_table(grid, weights).set_index("measure").loc["modularity"]
        assert row["observed"] > row["anywhere"]
        assert low < row["explained"] < high
        assert row["low"] <= row["explained"] <= row["high"]
    random = generator.uniform(size=(10, 18, 18))
    assert np.isnan(null_table(grid, random).set_index("measure").loc["modularity", "explained"])


def test_maps_are_compared_with_surrogates_of_the_same_autocorrelation(comparison: Comparison) -> None:
    maps = comparison.maps.set_index(["first", "second"])
    assert maps.loc[("grid_sernn", CENTRALITY), "null"] == "Moran"
    assert maps.loc[("sphere_sernn", CENTRALITY), "null"] == "spins"
    assert ("grid_sernn", "grid_l1") in maps.index  # same geometry
    assert ("grid_sernn", "sphere_sernn") not in maps.index  # different geometries
    assert maps["p"].dropna().between(0.001, 1).all()


def test_a_network_with_a_missing_value_is_left_out_of_that_measure_and_epoch_only(samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    table = grid.table.copy(deep=True)
    network = int(np.flatnonzero(grid.passes)[0])
    table["modularity"][network, 1] = np.nan
    comparison = compare([replace(grid, table=table), sphere])
    sizes = comparison.effects.query("selection == 'passing' and epoch == 1").set_index("measure")["n_first"]
    assert sizes["modularity"] == grid.passes.sum() - 1
    assert sizes["total_weight"] == grid.passes.sum()
    later = comparison.effects.query("selection == 'passing' and epoch == 3").set_index("measure")["n_first"]
    assert later["modularity"] == grid.passes.sum()


def test_without_passing_networks_the_comparison_gives_reasons(samples: list[Sample]) -> None:
    failing = [
        replace(
            sample, table=sample.table.assign(validation_accuracy=xr.zeros_like(sample.table["validation_accuracy"]))
        )
        for sample in samples[:2]
    ]
    comparison = compare(failing)
    assert set(comparison.effects["selection"]) == {"equal strength"}
    assert not len(comparison.nulls)
    assert "grid_sernn: only 0 networks pass; spatial nulls and unit maps need at least 8" in comparison.reasons
    for reason in ("passing: only 0 networks in one group", "equal total weight: only 0 pairs"):
        assert f"grid_sernn - sphere_sernn, {reason}; at least 8 are needed" in comparison.reasons


def test_fewer_than_eight_networks_have_no_interval(samples: list[Sample]) -> None:
    few = [replace(sample, table=sample.table.isel(network=slice(0, 7))) for sample in samples[:2]]
    comparison = compare(few)
    assert not len(comparison.effects)
    assert comparison.groups["mean"].notna().any()
    assert comparison.groups["low"].isna().all()


# Groups on several geometries, and several runs


@pytest.fixture(scope="module")
def radii(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One group on spheres of two sizes and on a grid."""
    declared = Experiment.from_preset("sernn_demo").override(
        *OVERRIDES,
        "networks=8",
        "training.epochs=2",
        "geometry={list: [{kind: sphere, n: 18, radius: 30.0}, {kind: sphere, n: 18, radius: 60.0}, "
        "{kind: grid, shape: [3, 3, 2]}]}",
        "regularizer.strength=linspace(0.0001, 0.004)",
        "groups.l1=null",
    )
    return declared.run(tmp_path_factory.mktemp("radii") / "run", workers=1, report=False)


def test_a_group_on_several_geometries_is_one_sample_per_geometry(radii: Run) -> None:
    samples = samples_of([(radii, None)])
    assert [sample.label for sample in samples] == [
        "sernn (sphere, n 18, radius 30.0)",
        "sernn (sphere, n 18, radius 60.0)",
        "sernn (grid, shape 3 x 3 x 2)",
    ]
    assert [len(sample.table["network"]) for sample in samples] == [8, 8, 8]
    assert len({sample.identity("geometry") for sample in samples}) == 3
    assert [contrast.family for contrast in contrasts(samples)] == ["geometry"] * 2
    # after rescaling, the two spheres are the same: equal lengths in steps, equal networks
    small, large, _ = samples
    assert large.geometry.distances.max() == pytest.approx(2 * small.geometry.distances.max())
    np.testing.assert_allclose(
        large.table["weighted_edge_length"], small.table["weighted_edge_length"], rtol=1e-4
    )  # float32


@pytest.mark.slow
def test_claims_name_each_of_several_geometries_of_one_kind(radii: Run) -> None:
    """The same networks are relabelled as L1 or L2: only names matter here, and that L2 is not part of a claim."""
    spheres = [
        replace(
            sample, table=sample.table.assign(validation_accuracy=xr.ones_like(sample.table["validation_accuracy"]))
        )
        for sample in samples_of([(radii, None)])[:2]
    ]
    for kind, labels in (("l1", ["sphere, n 18, radius 30.0", "sphere, n 18, radius 60.0"]), ("l2", [])):
        relabelled = [
            replace(sample, label=f"{kind} {sample.label}", blocks={**sample.blocks, "regularizer": {"kind": kind}})
            for sample in spheres
        ]
        assert compare([*spheres, *relabelled]).claims["geometry"].unique().tolist() == labels


def with_component(sample: Sample, label: str, **blocks: dict[str, Any]) -> Sample:
    return replace(sample, label=label, blocks={**sample.blocks, **blocks})


def test_a_penalty_is_spatial_if_one_of_its_components_is(samples: list[Sample]) -> None:
    kinds: dict[str, dict[str, Any]] = {
        name: {"kind": name} for name in ("l1", "l2", "communicability", "distance", "both", "my_own")
    }
    for kind in ("product", "sum"):
        operands = {"product": "factors", "sum": "terms"}[kind]
        kinds[f"{kind} without distance"] = {"kind": kind, operands: [kinds["l1"], kinds["communicability"]]}
        kinds[f"{kind} with distance"] = {"kind": kind, operands: [kinds["l1"], kinds["distance"]]}
    spatial = {name for name, block in kinds.items() if with_component(samples[0], name, regularizer=block).spatial}
    assert spatial == {"distance", "both", "my_own", "product with distance", "sum with distance"}


def test_every_spatial_penalty_is_compared_with_l1(samples: list[Sample]) -> None:
    grid = samples[0]
    kinds = ("both", "distance", "l2", "l1")
    chosen = contrasts([with_component(grid, kind, regularizer={"kind": kind}) for kind in kinds])
    assert [contrast.label for contrast in chosen] == ["both - distance", "both - l2", "both - l1", "distance - l1"]
    assert {contrast.family for contrast in chosen} == {"regularizer"}


def test_non_spatial_penalties_on_different_numbers_of_units_are_compared(samples: list[Sample]) -> None:
    grid_l1 = samples[2]
    geometry = grid_l1.geometry
    smaller = replace(geometry, positions=geometry.positions[:-1], distances=geometry.distances[:-1, :-1])
    row = {"kind": "grid", "shape": [17, 1, 1]}
    other = replace(with_component(grid_l1, "smaller", geometry=row), geometry=smaller)
    labels = [contrast.label for contrast in contrasts([*samples, other])]
    assert "grid_l1 - smaller" in labels
    assert "grid_l1 - sphere_l1" not in labels


def test_equal_strengths_need_equal_scales(samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    assert [pairing.reason for pairing in pairings(Contrast(grid, sphere, "geometry"))] == [""] * 3
    in_mm = replace(
        with_component(sphere, "in mm", geometry={**sphere.blocks["geometry"], "rescale": "none"}),
        geometry=replace(sphere.geometry, steps_per_unit=1.0),
    )
    (_, strength, _) = pairings(Contrast(grid, in_mm, "geometry"))
    expected = r"the mean distances are 3.06 and [\d.]+ steps \(rescale: mean and none\), .*"
    assert re.fullmatch(expected, strength.reason)
    assert len(strength.first) == 0
    one, other = (with_component(sample, sample.label, regularizer={"kind": "l1"}) for sample in (grid, in_mm))
    assert pairings(Contrast(one, other, "geometry"))[1].reason == ""  # L1 does not depend on the scale


@pytest.fixture(scope="module")
def twin_geometries(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A group on two geometries with the same short description, in mm and without rescaling."""
    generator = np.random.default_rng(3)
    first, second = (
        {"kind": "points", "coordinates": (20 * generator.random((8, 3))).round(3).tolist(), "rescale": "none"}
        for _ in range(2)
    )
    declared = Experiment.from_preset("sernn_demo").override(
        *OVERRIDES, "networks=2", "training.epochs=1", f"geometry={{list: {[first, second]}}}", "groups.l1=null"
    )
    return declared.run(tmp_path_factory.mktemp("twins") / "run", workers=1, report=False)


def test_geometries_with_the_same_description_are_numbered_and_lengths_are_in_steps(twin_geometries: Run) -> None:
    samples = samples_of([(twin_geometries, None)])
    assert [sample.label for sample in samples] == [
        f"sernn (points, rescale none, coordinates of 8), {number}" for number in (1, 2)
    ]
    for sample in samples:
        before = float(sample.table["weighted_edge_length"].sel(epoch=0).mean())
        # before training, the mean connection length equals the mean distance, which is that of the paper's grid
        assert before == pytest.approx(3.058, rel=0.15)


def test_groups_without_trained_networks_are_left_out_with_a_reason(twin_geometries: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(twin_geometries.folder, folder)
    run = Run.open(folder)
    name = run.shards[-1].geometry
    for shard in run.shards:
        if shard.geometry == name:
            shard.path.unlink()
    with pytest.raises(UserError, match="a comparison needs at least two groups, got only one"):
        samples_of([(run, None)])
    comparison = compare(samples_of([(run, None), (twin_geometries, None)]))
    assert len(comparison.samples) == 3
    assert f"sernn_demo: sernn on {name}: no network has been trained yet" in comparison.reasons


@pytest.mark.slow
def test_the_report_shows_all_geometries_of_a_group(radii: Run) -> None:
    page = Page(write_report(radii, radii.experiment()))
    for label in ("sphere, n 18, radius 30.0", "sphere, n 18, radius 60.0", "grid, shape 3 x 3 x 2"):
        assert label in page.text
    assert (radii.folder / "comparison" / "comparison.html").exists()
    with xr.open_dataset(radii.folder / "analyses" / "wiring.nc", engine="h5netcdf") as measured:
        lengths = measured["weighted_edge_length"].isel(epoch=-1).to_numpy()
    table = pd.read_csv(radii.folder / "figures" / "curves.csv")
    drawn = table.query("measure == 'weighted_edge_length' and epoch == 2")["mean"].iloc[0]
    geometries = [geometry for _, _, geometry in radii.geometries_of("sernn")]
    steps = np.repeat([geometry.steps_per_unit for geometry in geometries], 8)
    passes = radii.scores("sernn")["validation_accuracy"].isel(epoch=-1).to_numpy() >= 0.9
    expected = lengths * (steps if len({geometry.length_unit for geometry in geometries}) > 1 else 1)
    assert drawn == pytest.approx(expected[passes].mean(), rel=1e-5)


def test_runs_with_the_same_name_are_labelled_by_their_folders(run: Run, tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    for folder in folders:
        folder.parent.mkdir()
        shutil.copytree(run.folder, folder)
    one, other = map(Run.open, folders)
    samples = samples_of([(one, "grid_sernn"), (other, "grid_sernn"), (one, "grid_l1")])
    assert [sample.label for sample in samples] == [
        "geometry_comparison: grid_sernn (a/run)",
        "geometry_comparison: grid_sernn (b/run)",
        "geometry_comparison: grid_l1",
    ]
    with pytest.raises(UserError, match="run:grid_sernn is given twice"):
        samples_of([(one, None), (Run.open(one.folder), "grid_sernn")])


def test_runs_are_compared_at_an_epoch_that_all_of_them_have(run: Run, radii: Run) -> None:
    samples = samples_of([(run, "grid_sernn"), (radii, None)])
    assert [sample.epoch for sample in samples] == [2] * 4
    comparison = compare(samples)
    assert comparison.epoch == 2
    assert comparison.effects["epoch"].max() == 2
    long = samples[0]
    accuracy = long.table["validation_accuracy"].sel(epoch=2).to_numpy()
    assert long.passes.tolist() == (accuracy >= 0.9).tolist()
    observed = comparison.nulls.set_index(["sample", "measure"]).loc[(long.label, "modularity"), "observed"]
    weights = np.abs(run["grid_sernn"]["weights"].sel(epoch=2).to_numpy().astype(float))[long.passes]
    assert observed == pytest.approx(float(modularity(weights)[0].mean()))


# Output


def test_a_comparison_is_written_with_all_values(comparison: Comparison, tmp_path: Path) -> None:
    path = write_comparison(comparison, tmp_path / "c")
    names = {item.name for item in (tmp_path / "c").iterdir()}
    assert names == {
        "comparison.html", "figures", "groups.csv", "effects.csv", "claims.csv", "nulls.csv", "maps.csv",
    }  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "c" / "nulls.csv"), comparison.nulls.reset_index(drop=True), check_dtype=False
    )
    page = Page(path)
    assert page.open == []
    for phrase in ("A claim holds if", "Groups", "What distance alone explains", "Interactive 3-D view"):
        assert phrase in page.text
    assert not [tag for tag in page.all("script") if "src" in tag]
    assert all(str(image["src"]).startswith("data:") for image in page.all("img"))
    assert {figure.stem for figure in (tmp_path / "c" / "figures").glob("*.csv")} == {
        "claims", "effects_geometry", "groups", "nulls",
    }  # fmt: skip
    assert f"their {N_SHUFFLES} shuffles" in page.text


@pytest.mark.slow
def test_the_report_of_several_geometries_links_to_their_comparison(run: Run) -> None:
    experiment = Experiment.from_yaml(run.folder / "experiment.yaml")
    page = Page(write_report(run, experiment))
    assert {"href": "comparison/comparison.html"} in page.all("a")
    assert (run.folder / "comparison" / "comparison.html").exists()
    assert "One step" in page.text


@pytest.mark.slow
def test_a_run_is_compared_by_its_groups_and_with_other_runs(run: Run, tmp_path: Path) -> None:
    comparison = run.compare("grid_sernn", "grid_l1", out=tmp_path / "c")
    assert [sample.label for sample in comparison.samples] == ["grid_sernn", "grid_l1"]
    assert (tmp_path / "c" / "comparison.html").exists()
    again = Run.open(run.folder)
    comparison = run.compare("grid_sernn", (again, "sphere_sernn"))
    assert [contrast.label for contrast in comparison.contrasts] == ["grid_sernn - sphere_sernn"]
    assert len(run.compare().samples) == 4


def test_a_comparison_needs_two_groups(run: Run) -> None:
    with pytest.raises(UserError, match=r"at least two groups, got only one \(grid_l1\); write RUN:GROUP RUN:GROUP"):
        run.compare("grid_l1")


def test_the_command_compares_runs_and_groups(run: Run, command: Callable[..., Outcome], tmp_path: Path) -> None:
    done = command("compare", f"{run.folder}:grid_sernn", f"{run.folder}:sphere_sernn", "--quiet")
    assert done.code == 0, done.err
    assert "Modularity Q" in done.out
    assert "equal strength" in done.out
    assert len(list(tmp_path.glob("runs/comparison-*/comparison.html"))) == 1
    done = command("compare", str(run.folder), "--out", "all")
    assert done.code == 0, done.err
    assert "prunes long connections" in done.out
    assert "steps" in done.err


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("RUN:grid_sern",), "run has no group 'grid_sern': did you mean 'grid_sernn'"),
        (("RUN:grid_l1",), "needs at least two groups"),
        (("absent",), "there is no run folder absent"),
        (("absent:sernn", "RUN"), "there is no run folder absent"),
        ((), "Missing argument"),
    ],
)
def test_the_command_reports_invalid_sources_in_one_line(
    sources: tuple[str, ...], message: str, run: Run, command: Callable[..., Outcome]
) -> None:
    done = command("compare", *(source.replace("RUN", str(run.folder)) for source in sources))
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


@pytest.mark.slow
@needs_chromium
def test_the_page_shows_in_a_browser(comparison: Comparison, tmp_path: Path) -> None:
    shown = show(write_comparison(comparison, tmp_path / "c"), tmp_path, height=6000)
    assert shown.errors == []
    assert shown.document.count("gl-container") >= 4  # one scene per group
    assert shown.scene_widths
    assert max(shown.scene_widths) <= 488  # two columns on a page of 62 rem, 16 pixels apart
    after = shown.text.split("Lengths below")[1]  # strengths in the table above may have an exponent
    assert not re.findall(r"\de[+-]\d|nan|-0(?:\.0*)?[\s,\]]", after)
    assert shown.picture.std() > 0.05
