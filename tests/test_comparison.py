"""Groups set against each other."""

import json
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
from spatialnets.errors import RunError
from spatialnets.graph.modularity import modularity
from spatialnets.report.comparison import CLAIMS, Comparison, _verdict, compare
from spatialnets.report.comparison_page import answers, write_comparison
from spatialnets.report.contrasts import FEWEST, Contrast, _matched, contrasts, pairings
from spatialnets.report.page import write_report
from spatialnets.report.samples import Sample, samples_of
from spatialnets.report.spatial_nulls import CENTRALITY, NULLS, null_table
from spatialnets.statistics.effects import effect, false_discovery

WORDS = (
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
        *WORDS,
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
def found(samples: list[Sample]) -> Comparison:
    return compare(samples)


# What is compared


def test_samples_are_groups_with_all_that_was_measured(samples: list[Sample]) -> None:
    assert [sample.label for sample in samples] == ["grid_sernn", "sphere_sernn", "grid_l1", "sphere_l1"]
    for sample in samples:
        assert sample.table.sizes["network"] == 12
        assert set(CLAIMS) <= set(sample.measures)
        assert "loss" not in sample.measures
        assert sample.kind("geometry") == sample.label.split("_")[0]
        assert sample.passes.sum() >= FEWEST  # the words above are such that there is something to compare
        assert sample.epoch == 3


def test_lengths_are_in_steps_whatever_the_geometry_measures_in(samples: list[Sample], run: Run) -> None:
    sphere = next(sample for sample in samples if sample.label == "sphere_sernn")
    measured = run.measurement("wiring")["weighted_edge_length"]
    own = measured.to_numpy()[measured["group"].to_numpy() == "sphere_sernn"]
    np.testing.assert_allclose(
        sphere.table["weighted_edge_length"], own * run.geometry_of("sphere_sernn").steps_per_unit, rtol=1e-12
    )


def test_groups_that_differ_in_one_part_are_set_against_each_other(samples: list[Sample]) -> None:
    chosen = {(contrast.first.label, contrast.second.label): contrast.family for contrast in contrasts(samples)}
    assert chosen == {
        ("grid_sernn", "sphere_sernn"): "geometry",
        ("grid_sernn", "grid_l1"): "regularizer",
        ("sphere_sernn", "sphere_l1"): "regularizer",
    }


def test_networks_that_know_nothing_of_distances_are_compared_between_geometries_if_one_insists(
    samples: list[Sample], found: Comparison
) -> None:
    *_, grid_l1, sphere_l1 = samples
    assert [contrast.family for contrast in contrasts([grid_l1, sphere_l1])] == ["geometry"]
    said = "grid_l1 - sphere_l1: the penalty knows nothing of distances, so that geometry makes no difference"
    assert said in found.reasons
    insisted = compare([grid_l1, sphere_l1])
    assert not any("knows nothing of distances" in reason for reason in insisted.reasons)
    # the same networks, whose connections are as strong as they are, wherever units lie; lengths are another matter
    same = insisted.effects.query("measure == 'modularity' and epoch == 3")
    assert len(same) == 3
    assert same["difference"].tolist() == [0.0] * 3
    assert same["p"].tolist() == [1.0] * 3
    lengths = insisted.effects.query("measure == 'weighted_edge_length' and epoch == 3 and selection == 'passing'")
    assert abs(float(lengths["difference"].iloc[0])) > 0


def test_groups_that_differ_in_several_parts_are_set_against_the_first(samples: list[Sample]) -> None:
    grid_sernn, _, _, sphere_l1 = samples
    (only,) = contrasts([sphere_l1, grid_sernn])
    assert (only.first.label, only.second.label, only.family) == ("sphere_l1", "grid_sernn", "")


# Which networks


def test_pairs_are_within_reach_and_as_many_as_there_can_be() -> None:
    one, other = np.array([0.0, 1.0, 2.0, 10.0]), np.array([2.05, 0.9, 5.0, 0.05])
    first, second = _matched(one, other, reach=0.11)
    assert sorted(zip(one[first].tolist(), other[second].tolist(), strict=True)) == [
        (0.0, 0.05),
        (1.0, 0.9),
        (2.0, 2.05),
    ]
    # the nearest of a is the only one of b: a takes its second best, so that both have a pair
    first, second = _matched(np.array([1.0, 1.1]), np.array([1.05, 0.95]), reach=0.06)
    assert len(first) == 2
    assert len(_matched(np.array([1.0]), np.array([2.0]), reach=0.5)[0]) == 0


def test_three_ways_to_choose_networks(samples: list[Sample]) -> None:
    grid, sphere, grid_l1, _ = samples
    passing, strength, weight = pairings(Contrast(grid, sphere, "geometry"))
    assert not passing.paired
    assert passing.first.tolist() == np.flatnonzero(grid.passes).tolist()
    assert strength.paired
    assert strength.first.tolist() == strength.second.tolist() == list(range(12))  # the same axis of strengths
    assert weight.paired
    totals = [sample.table["total_weight"].sel(epoch=sample.epoch).to_numpy() for sample in (grid, sphere)]
    assert np.abs(np.log(totals[0][weight.first] / totals[1][weight.second])).max() <= 0.1
    assert grid.passes[weight.first].all()
    assert sphere.passes[weight.second].all()
    _, strength, _ = pairings(Contrast(grid, grid_l1, "regularizer"))
    assert "the penalties differ" in strength.reason
    for factor, pairs in ((1.04, 12), (1.07, 0)):  # as a share of each, however wide the range
        own, moved = (
            replace(sample, table=sample.table.assign_coords(strength=("network", scale * np.geomspace(1e-4, 1, 12))))
            for sample, scale in ((grid, 1.0), (sphere, factor))
        )
        assert len(pairings(Contrast(own, moved, "geometry"))[1].first) == pairs


# What was found


def test_effects_are_those_of_the_networks_chosen(found: Comparison, samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    for pairing in pairings(Contrast(grid, sphere, "geometry")):
        row = found.effects.query(
            "first == 'grid_sernn' and second == 'sphere_sernn' and measure == 'modularity' and epoch == 3"
            f" and selection == '{pairing.selection}'"
        ).iloc[0]
        values = [sample.table["modularity"].sel(epoch=3).to_numpy() for sample in (grid, sphere)]
        one, other = values[0][pairing.first], values[1][pairing.second]
        expected = effect(one, other, pairing.paired)
        assert row["g"] == pytest.approx(float(expected.g), rel=1e-9)
        assert row["p"] == pytest.approx(float(expected.p), abs=1e-9)
        assert (row["low"], row["high"]) == pytest.approx((float(expected.low), float(expected.high)), rel=1e-9)
        assert (row["n_first"], row["n_second"]) == (len(one), len(other))
        assert row["mean_first"] == pytest.approx(one.mean())
        assert row["difference"] == pytest.approx(one.mean() - other.mean())
        assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_q_is_adjusted_within_each_selection_and_epoch(found: Comparison) -> None:
    for _, own in found.effects.groupby(["selection", "epoch"]):
        np.testing.assert_allclose(own["q"], false_discovery(own["p"].to_numpy(dtype=float)), rtol=1e-12)
        assert (own["q"].dropna() >= own["p"][own["q"].notna()] - 1e-12).all()


def test_means_have_their_intervals(found: Comparison, samples: list[Sample]) -> None:
    row = found.groups.query("sample == 'sphere_sernn' and measure == 'total_weight' and epoch == 2").iloc[0]
    sphere = samples[1]
    values = sphere.table["total_weight"].sel(epoch=2).to_numpy()[sphere.passes]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["low"] < row["mean"] < row["high"]
    assert row["n"] == len(values)


def test_the_papers_claims_are_tested_on_each_geometry(found: Comparison) -> None:
    claims = found.claims
    assert set(claims["geometry"]) == {"grid", "sphere"}
    assert set(claims["measure"]) == set(CLAIMS)
    correlation = claims.query("measure == 'weight_distance_correlation' and selection == 'passing'")
    assert (correlation["g"] < 0).all()  # the spatial penalty prunes long connections, here too
    assert set(correlation["verdict"]) <= {"holds", "open"}
    for _, own in claims.groupby("selection"):  # known beforehand, so adjusted for each other alone
        np.testing.assert_allclose(own["q"], false_discovery(own["p"].to_numpy(dtype=float)), rtol=1e-12)
    for row in claims.itertuples():
        assert row.verdict == _verdict(row.low, row.high, row.q, CLAIMS[row.measure].sign)
    sentences = answers(found)
    assert [sentence.split(":")[0] for sentence in sentences] == ["grid", "sphere"]
    assert all(f"of {len(CLAIMS)} hold" in sentence for sentence in sentences)


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
def test_a_claim_holds_where_interval_and_test_are_on_the_papers_side(
    interval: tuple[float, float], q: float, expected: int, verdict: str
) -> None:
    assert _verdict(*interval, q, expected) == verdict


def test_nulls_keep_the_relation_of_weight_and_length(found: Comparison, samples: list[Sample], run: Run) -> None:
    own = found.nulls.query("sample == 'grid_sernn' and measure == 'modularity'").iloc[0]
    grid = samples[0]
    weights = np.abs(run["grid_sernn"]["weights"].sel(epoch=3).to_numpy().astype(float))[grid.passes]
    assert own["observed"] == pytest.approx(float(modularity(weights)[0].mean()))
    assert own["n"] == grid.passes.sum()
    assert 0 <= own["outside"] <= 1
    assert set(found.nulls["measure"]) == {"modularity", "small_worldness", "mean_communicability"}


def test_lengths_explain_all_where_they_decide_and_nothing_where_they_do_not(samples: list[Sample]) -> None:
    grid = samples[0]
    distances = grid.geometry.distances
    generator = np.random.default_rng(3)
    near = np.where(distances <= 1, 1.0, 0.0) * generator.uniform(0.9, 1.1, size=(10, 18, 18))
    odd = generator.permutation(18) % 2  # two modules, wherever their units are
    apart = (odd[:, None] == odd) * generator.uniform(0.9, 1.1, size=(10, 18, 18))
    for weights, low, high in ((near, 0.9, 1.1), (apart, -0.1, 0.1)):
        np.einsum("nii->ni", weights)[:] = 0
        own = null_table(grid, weights).set_index("measure").loc["modularity"]
        assert own["observed"] > own["anywhere"]
        assert low < own["explained"] < high
        assert own["low"] <= own["explained"] <= own["high"]
    chance = generator.uniform(size=(10, 18, 18))
    assert np.isnan(null_table(grid, chance).set_index("measure").loc["modularity", "explained"])


def test_maps_are_compared_with_maps_as_smooth(found: Comparison) -> None:
    maps = found.maps.set_index(["first", "second"])
    assert maps.loc[("grid_sernn", CENTRALITY), "null"] == "Moran"
    assert maps.loc[("sphere_sernn", CENTRALITY), "null"] == "spins"
    assert ("grid_sernn", "grid_l1") in maps.index  # on one geometry
    assert ("grid_sernn", "sphere_sernn") not in maps.index  # on two
    assert maps["p"].dropna().between(0.001, 1).all()


def test_a_network_that_misses_a_measure_is_left_out_of_that_measure_alone(samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    table = grid.table.copy(deep=True)
    place = int(np.flatnonzero(grid.passes)[0])
    table["modularity"][place, 1] = np.nan
    found = compare([replace(grid, table=table), sphere])
    sizes = found.effects.query("selection == 'passing' and epoch == 1").set_index("measure")["n_first"]
    assert sizes["modularity"] == grid.passes.sum() - 1
    assert sizes["total_weight"] == grid.passes.sum()
    later = found.effects.query("selection == 'passing' and epoch == 3").set_index("measure")["n_first"]
    assert later["modularity"] == grid.passes.sum()  # what is missing at one epoch is there at another


def test_without_networks_that_pass_there_are_reasons_instead(samples: list[Sample]) -> None:
    none = [
        replace(
            sample, table=sample.table.assign(validation_accuracy=xr.zeros_like(sample.table["validation_accuracy"]))
        )
        for sample in samples[:2]
    ]
    found = compare(none)
    assert set(found.effects["selection"]) == {"equal strength"}
    assert not len(found.nulls)
    assert "grid_sernn: 0 networks pass, and 8 are needed to shuffle or to map them" in found.reasons
    assert "grid_sernn - sphere_sernn, passing: too few: 0 networks in a group, and 8 are needed" in found.reasons
    assert "grid_sernn - sphere_sernn, equal total weight: too few: 0 pairs, and 8 are needed" in found.reasons


def test_few_networks_have_no_interval(samples: list[Sample]) -> None:
    few = [replace(sample, table=sample.table.isel(network=slice(0, 7))) for sample in samples[:2]]
    found = compare(few)
    assert not len(found.effects)
    assert found.groups["mean"].notna().any()
    assert found.groups["low"].isna().all()


# Groups of several geometries, runs of several kinds


@pytest.fixture(scope="module")
def radii(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One group on spheres of two sizes and on a grid."""
    declared = Experiment.from_preset("sernn_demo").override(
        *WORDS,
        "networks=8",
        "training.epochs=2",
        "geometry={list: [{kind: sphere, n: 18, radius: 30.0}, {kind: sphere, n: 18, radius: 60.0}, "
        "{kind: grid, shape: [3, 3, 2]}]}",
        "regularizer.strength=linspace(0.0001, 0.004)",
        "groups.l1=null",
    )
    return declared.run(tmp_path_factory.mktemp("radii") / "run", workers=1, report=False)


def test_a_group_on_several_geometries_is_a_sample_on_each(radii: Run) -> None:
    samples = samples_of([(radii, None)])
    assert [sample.label for sample in samples] == [
        "sernn (sphere, n 18, radius 30.0)",
        "sernn (sphere, n 18, radius 60.0)",
        "sernn (grid, shape 3 x 3 x 2)",
    ]
    assert [len(sample.table["network"]) for sample in samples] == [8, 8, 8]
    assert len({sample.identity("geometry") for sample in samples}) == 3
    assert [contrast.family for contrast in contrasts(samples)] == ["geometry"] * 2
    # rescaled, the two spheres are one: the same lengths in steps, the same networks
    small, large, _ = samples
    assert large.geometry.distances.max() == pytest.approx(2 * small.geometry.distances.max())
    np.testing.assert_allclose(
        large.table["weighted_edge_length"], small.table["weighted_edge_length"], rtol=1e-4
    )  # float32


@pytest.mark.slow
def test_claims_on_geometries_of_one_kind_are_told_apart(radii: Run) -> None:
    """Networks stand in for L1 networks here: it is about names, and about what is no claim of the paper's."""
    spheres = [
        replace(
            sample, table=sample.table.assign(validation_accuracy=xr.ones_like(sample.table["validation_accuracy"]))
        )
        for sample in samples_of([(radii, None)])[:2]
    ]
    for kind, names in (("l1", ["sphere, n 18, radius 30.0", "sphere, n 18, radius 60.0"]), ("l2", [])):
        rest = [
            replace(sample, label=f"{kind} {sample.label}", blocks={**sample.blocks, "regularizer": {"kind": kind}})
            for sample in spheres
        ]
        assert compare([*spheres, *rest]).claims["geometry"].unique().tolist() == names


def with_part(sample: Sample, label: str, **blocks: dict[str, Any]) -> Sample:
    return replace(sample, label=label, blocks={**sample.blocks, **blocks})


def test_penalties_of_blind_parts_alone_are_blind(samples: list[Sample]) -> None:
    kinds: dict[str, dict[str, Any]] = {
        name: {"kind": name} for name in ("l1", "l2", "communicability", "distance", "both", "my_own")
    }
    for kind in ("product", "sum"):
        parts = {"product": "factors", "sum": "terms"}[kind]
        kinds[f"{kind} blind"] = {"kind": kind, parts: [kinds["l1"], kinds["communicability"]]}
        kinds[f"{kind} seeing"] = {"kind": kind, parts: [kinds["l1"], kinds["distance"]]}
    blind = {name for name, block in kinds.items() if with_part(samples[0], name, regularizer=block).blind}
    assert blind == {"l1", "l2", "communicability", "product blind", "sum blind"}


def test_every_spatial_penalty_is_compared_with_l1(samples: list[Sample]) -> None:
    grid = samples[0]
    kinds = ("both", "distance", "l2", "l1")
    chosen = contrasts([with_part(grid, kind, regularizer={"kind": kind}) for kind in kinds])
    assert [contrast.label for contrast in chosen] == ["both - distance", "both - l2", "both - l1", "distance - l1"]
    assert {contrast.family for contrast in chosen} == {"regularizer"}


def test_blind_penalties_on_other_numbers_of_units_are_compared(samples: list[Sample]) -> None:
    grid_l1 = samples[2]
    geometry = grid_l1.geometry
    smaller = replace(geometry, positions=geometry.positions[:-1], distances=geometry.distances[:-1, :-1])
    other = replace(with_part(grid_l1, "smaller", geometry={"kind": "grid", "shape": [17, 1, 1]}), geometry=smaller)
    labels = [contrast.label for contrast in contrasts([*samples, other])]
    assert "grid_l1 - smaller" in labels
    assert "grid_l1 - sphere_l1" not in labels


def test_equal_strengths_need_equal_scales(samples: list[Sample]) -> None:
    grid, sphere = samples[:2]
    assert [pairing.reason for pairing in pairings(Contrast(grid, sphere, "geometry"))] == [""] * 3
    as_it_is = replace(
        with_part(sphere, "as it is", geometry={**sphere.blocks["geometry"], "rescale": "none"}),
        geometry=replace(sphere.geometry, steps_per_unit=1.0),
    )
    (_, strength, _) = pairings(Contrast(grid, as_it_is, "geometry"))
    assert re.fullmatch(
        r"the mean distance counts for 3.06 and [\d.]+ steps \(rescale mean and none\), .*", strength.reason
    )
    assert len(strength.first) == 0
    one, other = (with_part(sample, sample.label, regularizer={"kind": "l1"}) for sample in (grid, as_it_is))
    assert pairings(Contrast(one, other, "geometry"))[1].reason == ""  # whatever lengths count for


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A group on two geometries that have one description, in mm that nothing rescales; the last shard is missing."""
    generator = np.random.default_rng(3)
    first, second = (
        {"kind": "points", "coordinates": (20 * generator.random((8, 3))).round(3).tolist(), "rescale": "none"}
        for _ in range(2)
    )
    declared = Experiment.from_preset("sernn_demo").override(
        *WORDS, "networks=2", "training.epochs=1", f"geometry={{list: {[first, second]}}}", "groups.l1=null"
    )
    return declared.run(tmp_path_factory.mktemp("unlike") / "run", workers=1, report=False)


def test_geometries_of_one_description_are_told_apart_and_lengths_are_in_steps(unlike: Run) -> None:
    samples = samples_of([(unlike, None)])
    assert [sample.label for sample in samples] == [
        f"sernn (points, rescale none, coordinates of 8), {number}" for number in (1, 2)
    ]
    for sample in samples:
        before = float(sample.table["weighted_edge_length"].sel(epoch=0).mean())
        # before training, connections are as long as distances are; their mean is that of the paper's grid
        assert before == pytest.approx(3.058, rel=0.15)


def test_what_is_not_computed_yet_is_left_out_with_a_reason(unlike: Run, tmp_path: Path, command: Any) -> None:
    folder = tmp_path / "run"
    shutil.copytree(unlike.folder, folder)
    run = Run.open(folder)
    name = run.shards[-1].geometry
    for shard in run.shards:
        if shard.geometry == name:
            shard.path.unlink()
    with pytest.raises(UserError, match="a comparison needs two groups or more, not one"):
        samples_of([(run, None)])
    found = compare(samples_of([(run, None), (unlike, None)]))
    assert len(found.samples) == 3
    assert f"sernn_demo: sernn on {name}: none of its networks has been computed yet" in found.reasons


@pytest.mark.slow
def test_the_report_tells_of_all_geometries_of_a_group(radii: Run) -> None:
    page = Page(write_report(radii, radii.experiment()))
    for words in ("sphere, n 18, radius 30.0", "sphere, n 18, radius 60.0", "grid, shape 3 x 3 x 2"):
        assert words in page.text
    assert (radii.folder / "comparison" / "comparison.html").exists()
    with xr.open_dataset(radii.folder / "analyses" / "wiring.nc", engine="h5netcdf") as measured:
        lengths = measured["weighted_edge_length"].isel(epoch=-1).to_numpy()
    table = pd.read_csv(radii.folder / "figures" / "curves.csv")
    drawn = table.query("measure == 'weighted_edge_length' and epoch == 2")["mean"].iloc[0]
    own = radii.geometries_of("sernn")
    steps = np.repeat([geometry.steps_per_unit for _, _, geometry in own], 8)
    passes = radii.scores("sernn")["validation_accuracy"].isel(epoch=-1).to_numpy() >= 0.9
    expected = lengths * (steps if len({geometry.length_unit for _, _, geometry in own}) > 1 else 1)
    assert drawn == pytest.approx(expected[passes].mean(), rel=1e-5)


def test_runs_of_one_name_are_told_apart_by_their_folders(run: Run, tmp_path: Path) -> None:
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


def test_runs_are_compared_at_an_epoch_that_both_have(run: Run, radii: Run) -> None:
    samples = samples_of([(run, "grid_sernn"), (radii, None)])
    assert [sample.epoch for sample in samples] == [2] * 4
    found = compare(samples)
    assert found.epoch == 2
    assert found.effects["epoch"].max() == 2
    long = samples[0]
    accuracy = long.table["validation_accuracy"].sel(epoch=2).to_numpy()
    assert long.passes.tolist() == (accuracy >= 0.9).tolist()
    own = found.nulls.set_index(["sample", "measure"]).loc[(long.label, "modularity"), "observed"]
    weights = np.abs(run["grid_sernn"]["weights"].sel(epoch=2).to_numpy().astype(float))[long.passes]
    assert own == pytest.approx(float(modularity(weights)[0].mean()))


def as_first_format(run: Run, folder: Path) -> Run:
    """Return a copy of a run as version 0.1 wrote it."""
    shutil.copytree(run.folder, folder)
    shutil.rmtree(folder / "comparison", ignore_errors=True)
    shutil.rmtree(folder / "geometries")
    plan = json.loads((folder / "plan.json").read_text())
    del plan["geometries"]
    for shard in plan["shards"]:
        del shard["geometry"]
    (folder / "plan.json").write_text(json.dumps({**plan, "format": 1}))
    for checksum in folder.rglob("*.sha256"):  # there were none
        checksum.unlink()
    text = (folder / "experiment.yaml").read_text()
    (folder / "experiment.yaml").write_text(re.sub(r"^ *rescale: .*\n", "", text, flags=re.MULTILINE))
    return Run.open(folder)


@pytest.mark.slow
def test_runs_of_the_first_format_are_read_compared_and_reported(run: Run, tmp_path: Path, command: Any) -> None:
    old = as_first_format(run, tmp_path / "old")
    sphere, new_sphere = old.geometry_of("sphere_sernn"), run.geometry_of("sphere_sernn")
    assert sphere.steps_per_unit == 1
    np.testing.assert_allclose(sphere.distances, new_sphere.distances)
    with pytest.raises(RunError, match="knows no geometry of a network 99 of group 'sphere_sernn'"):
        old.geometry_of("sphere_sernn", network=99)
    found = old.compare((run, "sphere_sernn"))
    assert len(found.samples) == 5
    lengths = found.groups.query("measure == 'weighted_edge_length' and epoch == 3").set_index("sample")["mean"]
    old_label, label = (f"geometry_comparison: sphere_sernn ({name})" for name in ("old", "run"))
    assert lengths[old_label] == pytest.approx(lengths[label], rel=1e-5)
    done = command("report", str(old.folder))
    assert (done.code, (old.folder / "report.html").exists()) == (0, True), done.err
    assert command("show", str(old.folder)).code == 0
    done = command("resume", str(old.folder))
    assert done.code == 2
    assert "was begun by another version (format 1, not 4) and cannot go on" in done.err


@pytest.mark.slow
def test_an_unfinished_run_of_the_first_format_is_reported(run: Run, tmp_path: Path, command: Any) -> None:
    old = as_first_format(run, tmp_path / "old")
    for shard in old.shards:
        if shard.group == "sphere_l1":
            shard.path.unlink()
    shutil.rmtree(old.folder / "analyses")
    assert old.geometries_of("sphere_l1") == []
    assert len(samples_of([(old, None)])) == 3
    with pytest.raises(RunError, match="no network of group 'sphere_l1' has been computed yet"):
        samples_of([(old, "sphere_l1"), (run, None)])
    done = command("report", str(old.folder))
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_papers_grid_of_the_first_format_is_that_of_today(tmp_path: Path) -> None:
    words = ("networks=2", "training.epochs=1", "training.trials_per_epoch=128", "groups.l1=null")
    now = Experiment.from_preset("sernn_paper").override(*words).run(tmp_path / "now", workers=1, report=False)
    old = as_first_format(now, tmp_path / "old")
    one, other = samples_of([(now, None), (old, None)])
    assert one.identity("geometry") == other.identity("geometry")


def test_several_geometries_of_a_group_of_the_first_format_are_refused(
    unlike: Run, tmp_path: Path, command: Any
) -> None:
    old = as_first_format(unlike, tmp_path / "old")
    done = command("report", str(old.folder))
    assert done.code == 2
    assert "does not say which networks of group 'sernn' live on which of its geometries" in done.err


# Written


def test_a_comparison_is_written_with_its_values(found: Comparison, tmp_path: Path) -> None:
    path = write_comparison(found, tmp_path / "c")
    names = {item.name for item in (tmp_path / "c").iterdir()}
    assert names == {
        "comparison.html", "figures", "groups.csv", "effects.csv", "claims.csv", "nulls.csv", "maps.csv",
    }  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "c" / "nulls.csv"), found.nulls.reset_index(drop=True), check_dtype=False
    )
    page = Page(path)
    assert page.open == []
    for word in ("holds where", "What was compared", "What distance alone explains", "Networks where they live"):
        assert word in page.text
    assert not [tag for tag in page.all("script") if "src" in tag]
    assert all(str(image["src"]).startswith("data:") for image in page.all("img"))
    assert {figure.stem for figure in (tmp_path / "c" / "figures").glob("*.csv")} == {
        "claims", "effects_geometry", "groups", "nulls",
    }  # fmt: skip
    assert f"their {NULLS} shuffles" in page.text


@pytest.mark.slow
def test_the_report_of_several_geometries_leads_to_their_comparison(run: Run) -> None:
    experiment = Experiment.from_yaml(run.folder / "experiment.yaml")
    page = Page(write_report(run, experiment))
    assert {"href": "comparison/comparison.html"} in page.all("a")
    assert (run.folder / "comparison" / "comparison.html").exists()
    assert "One step" in page.text


@pytest.mark.slow
def test_a_run_compares_its_groups_and_others(run: Run, tmp_path: Path) -> None:
    found = run.compare("grid_sernn", "grid_l1", out=tmp_path / "c")
    assert [sample.label for sample in found.samples] == ["grid_sernn", "grid_l1"]
    assert (tmp_path / "c" / "comparison.html").exists()
    again = Run.open(run.folder)
    found = run.compare("grid_sernn", (again, "sphere_sernn"))
    assert [contrast.label for contrast in found.contrasts] == ["grid_sernn - sphere_sernn"]
    assert len(run.compare().samples) == 4


def test_one_group_alone_is_no_comparison(run: Run) -> None:
    with pytest.raises(UserError, match=r"needs two groups or more, not one \(grid_l1\); write RUN:GROUP RUN:GROUP"):
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
    ("words", "said"),
    [
        (("RUN:grid_sern",), "run has no group 'grid_sern': did you mean 'grid_sernn'"),
        (("RUN:grid_l1",), "needs two groups or more"),
        (("absent",), "there is no run folder absent"),
        (("absent:sernn", "RUN"), "there is no run folder absent"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_compared_is_answered_in_a_line(
    words: tuple[str, ...], said: str, run: Run, command: Callable[..., Outcome]
) -> None:
    done = command("compare", *(word.replace("RUN", str(run.folder)) for word in words))
    assert done.code == 2
    assert said in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


@pytest.mark.slow
@needs_chromium
def test_the_page_shows_in_a_browser(found: Comparison, tmp_path: Path) -> None:
    shown = show(write_comparison(found, tmp_path / "c"), tmp_path, height=6000)
    assert shown.errors == []
    assert shown.document.count("gl-container") >= 4  # a scene for each group
    assert shown.scene_widths
    assert max(shown.scene_widths) <= 488  # two abreast in a page of 62 rem, with 16 pixels between
    after = shown.words.split("Lengths below")[1]  # strengths are above
    assert not re.findall(r"\de[+-]\d|nan|-0(?:\.0*)?[\s,\]]", after)
    assert shown.picture.std() > 0.05
