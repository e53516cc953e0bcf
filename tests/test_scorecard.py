import numpy as np
import pytest
import xarray as xr

from spatialnets.report.score import Score, table_of
from spatialnets.report.scorecard import scorecard
from spatialnets.statistics.effects import cohens_d, mean_interval

EPOCHS = 11


def table(
    sernn: dict[str, object],
    l1: dict[str, object],
    accuracy: tuple[object, object] = (1.0, 1.0),
    networks: tuple[int, int] = (10, 10),
    epochs: int = EPOCHS,
) -> xr.Dataset:
    """Return two groups with the given measures (one value, or one per network) from epoch 1 on, and 1 at epoch 0."""
    group = np.repeat(["sernn", "l1"], networks)
    columns = {
        "validation_accuracy": accuracy,
        **{name: (sernn.get(name, 1.0), l1.get(name, 1.0)) for name in {*sernn, *l1}},
    }
    variables = {}
    for name, values in columns.items():
        of_networks = np.concatenate(
            [
                np.broadcast_to(np.asarray(value, dtype=float), count)
                for value, count in zip(values, networks, strict=True)
            ]
        )
        over_epochs = np.repeat(of_networks[:, None], epochs, axis=1)
        over_epochs[:, 0] = 1.0
        variables[name] = (("network", "epoch"), over_epochs)
    return xr.Dataset(
        variables,
        {
            "group": ("network", group),
            "strength": (
                "network",
                np.r_[np.linspace(1e-6, 1, networks[0]), np.linspace(1e-5, 0.04, networks[1])],
            ),
            "network": np.concatenate([np.arange(count) for count in networks]),
            "epoch": np.arange(epochs),
        },
    )


def score(scores: list[Score], words: str) -> Score:
    matches = [one for one in scores if words in one.claim]
    assert len(matches) == 1, [one.claim for one in scores]
    return matches[0]


def spread(mean: float, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return values with exactly this mean and an unbiased variance of 1."""
    values = np.random.default_rng(count).normal(size=count)
    return mean + (values - values.mean()) / values.std(ddof=1)


# Closed forms


def test_cohens_d_pools_variances_with_equal_weights() -> None:
    # By hand: means 1 and 8, variances 2 and 20/3, so d = -7 / sqrt((2 + 20/3) / 2).
    d = cohens_d(np.array([0.0, 2.0]), np.array([5.0, 7.0, 9.0, 11.0]))
    assert float(d) == pytest.approx(-7 / np.sqrt(13 / 3), rel=1e-12)  # rounding in float64


def test_cohens_d_changes_sign_when_groups_are_swapped_and_ignores_units() -> None:
    one, other = spread(1, 12), spread(0, 9)
    assert float(cohens_d(one, other)) == pytest.approx(1.0, rel=1e-12)
    assert float(cohens_d(other, one)) == pytest.approx(-1.0, rel=1e-12)
    assert float(cohens_d(7 * one + 3, 7 * other + 3)) == pytest.approx(1.0, rel=1e-12)


def test_the_interval_of_a_pass_rate_is_wilsons() -> None:
    accuracy = np.where(np.arange(100) < 39, 0.95, 0.5)
    rate = score(scorecard(table({}, {}, (accuracy, accuracy), (100, 100))), "seRNNs that learn")
    assert rate.value == pytest.approx(39.0)
    assert rate.n == "100"
    # By hand: centre (p + z²/2n) / (1 + z²/n), half width z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n).
    p, n, z = 0.39, 100, 1.959963984540054
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert rate.interval is not None
    np.testing.assert_allclose(rate.interval, (100 * (centre - half), 100 * (centre + half)), rtol=1e-10)


def test_a_pass_rate_with_another_core_or_task_is_not_compared_with_the_published_one() -> None:
    accuracy = np.where(np.arange(100) < 39, 0.95, 0.5)
    example = table({}, {}, (accuracy, accuracy), (100, 100))
    example["strength"] = ("network", np.r_[np.linspace(1e-6, 1, 100), np.linspace(1e-5, 0.04, 100)])
    for as_published, verdict in ((True, "met"), (False, "other setting")):
        scores = scorecard(example, as_published=as_published)
        assert score(scores, "seRNNs that learn").verdict == verdict


def test_the_interval_of_a_mean_covers_it_nineteen_times_in_twenty() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        interval = mean_interval(generator.normal(3.0, 2.0, size=40))
        assert interval is not None
        covered += interval[0] <= 3.0 <= interval[1]
    # Binomial(200, 0.95) has a standard deviation of 3; the bootstrap of 40 values is one per cent too narrow.
    assert 178 <= covered <= 199


def test_the_interval_of_a_mean_narrows_with_the_root_of_n() -> None:
    widths = []
    for count in (50, 200, 800):
        interval = mean_interval(spread(0, count))
        assert interval is not None
        widths.append(interval[1] - interval[0])
    # 2 * 1.96 / sqrt(n); with 4,999 resamples, quantiles vary by about three per cent.
    np.testing.assert_allclose(widths, 3.92 / np.sqrt([50, 200, 800]), rtol=0.1)


def test_an_interval_is_reproducible() -> None:
    assert mean_interval(spread(0, 20)) == mean_interval(spread(0, 20))


# Claims


def test_a_known_effect_is_recovered() -> None:
    example = table({"modularity": spread(1.07, 390)}, {"modularity": spread(0, 479)}, networks=(390, 479))
    example["modularity_directed"] = example["modularity"]
    d = score(scorecard(example), "d of modularity")
    assert d.value == pytest.approx(1.07, rel=1e-12)
    assert d.interval is not None
    # d = 1.07 with 390 + 479 networks has standard error sqrt(1/390 + 1/479 + d²/(2·869)) = 0.073.
    np.testing.assert_allclose(d.interval, (1.07 - 1.96 * 0.073, 1.07 + 1.96 * 0.073), atol=0.03)
    assert d.met is True
    assert d.n == "390 + 479"


@pytest.mark.parametrize(
    ("words", "sernn", "l1", "met"),
    [
        ("d of modularity", {"modularity": spread(0.51, 10)}, {"modularity": spread(0, 10)}, True),
        ("d of modularity", {"modularity": spread(0.49, 10)}, {"modularity": spread(0, 10)}, False),
        ("seRNNs prune", {"weight_distance_correlation": -0.21}, {}, True),
        ("seRNNs prune", {"weight_distance_correlation": -0.19}, {}, False),
        ("L1 networks do not", {}, {"weight_distance_correlation": 0.04}, True),
        ("L1 networks do not", {}, {"weight_distance_correlation": -0.06}, False),
        ("lower communicability", {"communicability": spread(1, 10)}, {"communicability": spread(3, 10)}, True),
        ("lower communicability", {"communicability": spread(1, 10)}, {"communicability": spread(1.1, 10)}, False),
        ("lower communicability", {"communicability": spread(2, 10)}, {"communicability": spread(1, 10)}, False),
        ("weight of seRNNs falls", {"total_weight": 0.9}, {}, True),
        ("weight of seRNNs falls", {"total_weight": 1.1}, {}, False),
        ("weight of L1 networks falls", {}, {"total_weight": 0.5}, True),
    ],
)
def test_a_claim_is_met_only_on_one_side_of_its_criterion(
    words: str, sernn: dict[str, object], l1: dict[str, object], met: bool
) -> None:
    measured = table(sernn, l1)
    if "modularity" in measured:
        measured["modularity_directed"] = measured["modularity"]
    result = score(scorecard(measured), words)
    assert result.met is met
    assert result.verdict == ("met" if met else "direction only" if result.direction else "not met")


@pytest.mark.parametrize(
    ("passing", "sernn", "l1"), [(29, False, False), (30, True, False), (36, True, True), (51, False, True)]
)
def test_a_pass_rate_is_met_within_its_band(passing: int, sernn: bool, l1: bool) -> None:
    accuracy = np.where(np.arange(100) < passing, 0.9, 0.89)
    scores = scorecard(table({}, {}, (accuracy, accuracy), (100, 100)))
    assert score(scores, "seRNNs that learn").met is sernn
    assert score(scores, "L1 networks that learn").met is l1


def test_networks_that_fail_or_diverge_count_only_in_the_pass_rate() -> None:
    accuracy = np.array([1.0, 0.95, 0.9, 0.6, np.nan])
    correlation = np.array([-0.4, -0.3, -0.5, 9.0, np.nan])
    scores = scorecard(table({"weight_distance_correlation": correlation}, {}, (accuracy, 1.0), (5, 5)))
    assert score(scores, "seRNNs that learn").value == pytest.approx(60.0)
    pruned = score(scores, "seRNNs prune")
    assert pruned.value == pytest.approx(-0.4)
    assert pruned.n == "3"


def test_networks_are_compared_at_epoch_nine_or_the_last_epoch() -> None:
    long, short = table({"weight_distance_correlation": -0.4}, {}), table({}, {}, epochs=4)
    long["weight_distance_correlation"][:, 10] = 5.0
    assert score(scorecard(long), "seRNNs prune").value == pytest.approx(-0.4)
    short["weight_distance_correlation"] = short["validation_accuracy"] * 0 - 0.3
    short["weight_distance_correlation"][:, :3] = 5.0
    assert score(scorecard(short), "seRNNs prune").value == pytest.approx(-0.3)


def test_directed_modularity_has_no_verdict() -> None:
    measured = table({"modularity": spread(1, 10)}, {"modularity": spread(0, 10)})
    measured["modularity_directed"] = measured["modularity"]
    directed = score(scorecard(measured), "directed modularity")
    assert directed.met is None
    assert directed.value == pytest.approx(1.0)
    assert directed.verdict == "-"


# Missing verdicts


@pytest.mark.parametrize(("first", "last"), [(1e-6, 0.3), (0.1, 1.0)])
def test_a_pass_rate_over_another_range_of_strengths_has_no_verdict(first: float, last: float) -> None:
    measured = table({}, {})
    measured["strength"][:10] = np.linspace(first, last, 10)
    scores = scorecard(measured)
    rate = score(scores, "seRNNs that learn")
    assert rate.met is None
    assert rate.verdict == "other setting"
    assert rate.value == 100
    assert score(scores, "L1 networks that learn").met is False


@pytest.mark.parametrize("learned", [0, 1])
def test_fewer_than_two_passing_networks_are_too_few(learned: int) -> None:
    accuracy = np.where(np.arange(10) < learned, 1.0, 0.5)
    measured = table(
        {"modularity": spread(1, 10), "weight_distance_correlation": -0.4},
        {"modularity": spread(0, 10)},
        (accuracy, 1.0),
    )
    measured["modularity_directed"] = measured["modularity"]
    scores = scorecard(measured)
    for words in ("d of modularity", "seRNNs prune"):
        assert score(scores, words).met is None
        assert score(scores, words).verdict == score(scores, words).ours == "too few networks"
        assert score(scores, words).interval is None
    assert score(scores, "L1 networks do not").met is not None


@pytest.mark.parametrize("count", [2, 3])
def test_a_few_networks_give_a_value_without_a_warning(count: int) -> None:
    names = ("modularity", "modularity_directed", "communicability", "total_weight")
    measured = table(
        {name: spread(1, count) for name in names},
        {name: spread(0, count) for name in names},
        networks=(count, count),
    )
    for one in scorecard(measured):
        assert np.isfinite(one.value)
        if one.interval is not None:
            assert one.interval[0] <= one.value <= one.interval[1]


def test_identical_networks_have_no_d() -> None:
    names = ("modularity", "modularity_directed", "communicability")
    scores = scorecard(table(dict.fromkeys(names, 0.3), dict.fromkeys(names, 0.3)))
    assert score(scores, "d of modularity").met is None
    assert np.isnan(score(scores, "d of modularity").value)


def test_claims_that_were_not_measured_are_left_out() -> None:
    assert {one.figure for one in scorecard(table({}, {}))} == {"2a"}


def test_a_run_without_both_groups_has_no_scorecard() -> None:
    measured = table({}, {})
    measured["group"] = measured["group"].where(measured["group"] != "l1", "cortex")
    assert scorecard(measured) == []


def test_the_table_of_the_scorecard_has_every_score() -> None:
    measured = table({"modularity": spread(1.07, 10)}, {"modularity": spread(0, 10)})
    measured["modularity_directed"] = measured["modularity"]
    scores = scorecard(measured)
    frame = table_of(scores)
    assert frame["claim"].tolist() == [one.claim for one in scores]
    np.testing.assert_array_equal(frame["value"], [one.value for one in scores])
    assert frame["met"].tolist() == [one.verdict for one in scores]


# Measurements by window, unit or rule


def by_window(sernn: float, l1: float, name: str, over: str, labels: list[str], count: int = 10) -> xr.Dataset:
    """Return a measurement with these group medians for its first label in every window, and 0.5 for the others."""
    values = np.full((2 * count, 1, 10, len(labels)), 0.5)
    values[:count, ..., 0], values[count:, ..., 0] = sernn, l1
    values += np.linspace(-0.01, 0.01, count)[np.r_[:count, :count]][:, None, None, None]
    return xr.Dataset(
        {name: (("network", "epoch", "window", over), values)},
        {
            "network": np.r_[:count, :count],
            "group": ("network", np.repeat(["sernn", "l1"], count)),
            "epoch": [9],
            "window": np.arange(10),
            "window_start": ("window", 5 * np.arange(10)),
            over: labels,
        },
    )


@pytest.mark.parametrize(
    ("p", "verdict"), [(0.1, "met"), (0.4, "direction only"), (0.6, "not met")], ids=["near", "between", "far"]
)
def test_clustered_goal_units_are_recognised(p: float, verdict: str) -> None:
    coding = by_window(p, 0.5, "p", "code", ["goal", "choices"])
    coding["p_top"] = coding["p"]
    scores = scorecard(table({}, {}), {"spatial_coding": coding})
    result = score(scores, "Goal units of seRNNs cluster")
    assert result.verdict == verdict
    assert result.value == pytest.approx(p)
    assert result.picture == "where_coded"
    assert score(scores, "fifty best goal units").figure == "S12"
    assert score(scores, "Goal units of L1 networks").verdict == "met"
    assert score(scores, "Choice units of seRNNs spread out").verdict == "not met"


def test_l1_codes_at_positions_that_are_not_random_are_recognised() -> None:
    coding = by_window(0.1, 0.2, "p", "code", ["goal", "choices"])
    coding["p_top"] = coding["p"]
    scores = scorecard(table({}, {}), {"spatial_coding": coding})
    assert score(scores, "Goal units of L1 networks").verdict == "not met"


@pytest.mark.parametrize(
    ("sernn", "l1", "verdicts"),
    [
        (-0.057, -0.303, ("met", "met")),
        (-0.2, -0.303, ("direction only", "met")),
        (-0.057, -0.1, ("met", "direction only")),
        (-0.3, -0.1, ("not met", "not met")),
    ],
)
def test_selectivities_are_judged_in_both_groups(sernn: float, l1: float, verdicts: tuple[str, str]) -> None:
    selectivity = by_window(sernn, l1, "r", "predictor", ["goal"]).isel(predictor=0, drop=True)
    selectivity = selectivity.rename(r="selectivity_correlation")
    scores = scorecard(table({}, {}), {"selectivity": selectivity})
    results = score(scores, "seRNNs have mixed selectivity"), score(scores, "L1 networks have less mixed selectivity")
    assert tuple(result.verdict for result in results) == verdicts
    assert results[1].value == pytest.approx(l1)


def activity(effect: float, count: int = 10) -> xr.Dataset:
    """Return activity that increases with weight and differs by `effect` in the first group."""
    generator = np.random.default_rng(3)
    weight = generator.uniform(0.01, 0.05, 2 * count)
    mean = 1 + 10 * weight + effect * (np.arange(2 * count) < count) + 0.02 * generator.normal(size=2 * count)
    values = mean[:, None] + 0.3 * generator.normal(size=(2 * count, 50))
    return xr.Dataset(
        {
            "activity": (("network", "epoch", "unit"), values[:, None]),
            "mean_weight": (("network", "epoch"), weight[:, None]),
        },
        {"epoch": [9]},
    )


@pytest.mark.parametrize(("effect", "verdict"), [(-0.25, "met"), (0.25, "not met")])
def test_lower_activity_at_equal_weight_is_recognised(effect: float, verdict: str) -> None:
    scores = scorecard(table({}, {}), {"energy": activity(effect)})
    units, networks = score(scores, "samples: units"), score(scores, "samples: networks")
    for result in (units, networks):
        assert result.verdict == verdict
        assert result.value == pytest.approx(effect, abs=0.1)  # more than three standard errors
    assert units.interval is not None
    assert networks.interval is not None


@pytest.mark.parametrize(
    ("lowest", "verdict"),
    [(("neighbors", "matching"), "met"), (("matching",), "direction only"), (("deg-avg",), "not met")],
)
def test_the_best_wiring_rule_decides(lowest: tuple[str, ...], verdict: str) -> None:
    rules = ["spatial", "neighbors", "matching", "clu-avg", "deg-avg"]
    energy = 0.4 + 0.01 * np.random.default_rng(0).normal(size=(20, 1, len(rules)))
    for place, rule in enumerate(lowest):
        energy[..., rules.index(rule)] -= 0.2 - 0.1 * place
    generative = xr.Dataset({"energy": (("network", "epoch", "rule"), energy)}, {"rule": rules, "epoch": [9]})
    result = score(scorecard(table({}, {}), {"generative": generative}), "Homophily grows seRNNs best")
    assert result.verdict == verdict
    assert result.n == "10"


def test_a_direction_is_met_only_if_the_whole_interval_is_on_its_side() -> None:
    clear = scorecard(table({"weight_entropy": spread(-2, 30)}, {"weight_entropy": spread(0, 30)}, networks=(30, 30)))
    slight = scorecard(
        table({"weight_entropy": spread(-0.1, 30)}, {"weight_entropy": spread(0, 30)}, networks=(30, 30))
    )
    assert score(clear, "lower entropy").verdict == "met"
    assert score(slight, "lower entropy").verdict == "direction only"


def test_controls_are_compared_with_l1_and_unlearnable_ones_are_not_filtered() -> None:
    both = table({"modularity": spread(3, 20)}, {"modularity": spread(0, 20)}, (0.5, 1.0), (20, 20))
    both["modularity_directed"] = both["modularity"]
    groups = np.repeat(["shuffled_labels", "l1", "sernn"], [20, 10, 10])
    three = both.assign_coords(group=("network", groups))
    result = score(scorecard(three), "shuffled_labels is more modular than L1 networks")
    assert result.n == "20 + 10"
    assert result.verdict == "met"


def test_unknown_accuracies_have_no_pass_rate_and_the_authors_file_has_the_papers_strengths() -> None:
    both = table({}, {})
    both["validation_accuracy"][:10] = np.nan
    assert [one.claim for one in scorecard(both)] == ["L1 networks that learn the task"]
    strengths = np.r_[np.linspace(1e-6, 1, 11)[1:], np.linspace(1e-5, 0.04, 10)]
    strengths[0] = 0.001  # the first network of each set is left out, as in the authors' statistics
    authors = table({}, {}).assign_coords(strength=("network", strengths))
    assert score(scorecard(authors), "seRNNs that learn").comparable


@pytest.mark.parametrize(("networks", "verdict"), [(4, "too few networks"), (5, "met")])
def test_a_verdict_needs_five_networks(networks: int, verdict: str) -> None:
    pruned = table({"weight_distance_correlation": -0.4}, {}, networks=(networks, 10))
    result = score(scorecard(pruned), "seRNNs prune")
    assert result.verdict == verdict
    assert result.value == pytest.approx(-0.4)
