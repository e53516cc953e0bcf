from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import linregress, ttest_ind

from spatialnets import Experiment, Run
from spatialnets.aliases import FloatArray
from spatialnets.analyses.energy import Energy, activity_regression, choice_period
from spatialnets.cores import RNN
from spatialnets.networks.recording import record
from spatialnets.protocols import Trials
from spatialnets.tasks import OneChoice

LEVELS: tuple[Literal["unit", "network"], ...] = ("unit", "network")


def networks(count: int = 30, units: int = 8) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Networks whose activity grows with weight; spatial networks are 0.25 less active."""
    generator = np.random.default_rng(0)
    spatial = np.arange(count) % 2 == 0
    weight = generator.uniform(size=count) + 0.2 * spatial
    shared = 0.3 * generator.normal(size=count)  # by the units of one network
    noise = 0.2 * generator.normal(size=(count, units))
    return 1 + 0.8 * weight[:, None] - 0.25 * spatial[:, None] + shared[:, None] + noise, weight, spatial


# Reference: closed forms and SciPy


def test_the_coefficient_solves_the_normal_equations() -> None:
    activity, weight, spatial = networks()
    for level in LEVELS:
        y = activity.ravel() if level == "unit" else activity.mean(axis=1)
        repeats = 8 if level == "unit" else 1
        x = np.ones((len(y), 3))
        x[:, 1], x[:, 2] = np.repeat(spatial, repeats), np.repeat(weight, repeats)
        inverse = np.linalg.inv(x.T @ x)
        coefficients = inverse @ x.T @ y
        residual = y - x @ coefficients
        error = np.sqrt(residual @ residual / (len(y) - 3) * inverse[1, 1])
        result = activity_regression(activity, weight, spatial, level=level)
        assert result.coefficient == pytest.approx(coefficients[1])
        assert result.t == pytest.approx(coefficients[1] / error)
        assert result.degrees_of_freedom == len(y) - 3


def test_the_effect_equals_that_of_two_simple_regressions() -> None:
    # Frisch-Waugh-Lovell theorem: regress both on weight; the slope between the residuals is the coefficient
    activity, weight, spatial = networks()
    y, x = activity.mean(axis=1), spatial.astype(float)
    a, b = linregress(weight, y), linregress(weight, x)
    residual = linregress(x - b.intercept - b.slope * weight, y - a.intercept - a.slope * weight)
    result = activity_regression(activity, weight, spatial)
    assert result.coefficient == pytest.approx(residual.slope)
    # SciPy's regression has one coefficient less
    assert result.t == pytest.approx(residual.slope / residual.stderr * np.sqrt(27 / 28))


def test_with_uninformative_weights_the_effect_is_a_two_sample_difference() -> None:
    generator = np.random.default_rng(1)
    spatial = np.repeat([True, False], 20)
    weight = np.tile([1.0, -1.0], 20)
    values = generator.normal(size=(40, 1)) - 0.5 * spatial[:, None]
    values -= weight[:, None] * (values[:, 0] @ weight) / 40  # weights explain nothing
    result = activity_regression(values, weight, spatial)
    expected = ttest_ind(values[spatial, 0], values[~spatial, 0])
    assert result.coefficient == pytest.approx(values[spatial].mean() - values[~spatial].mean())
    assert result.t == pytest.approx(expected.statistic * np.sqrt(37 / 38))  # one more coefficient
    assert result.low < result.coefficient < result.high


# Properties


def test_treating_units_as_independent_narrows_the_interval_around_the_same_effect() -> None:
    activity, weight, spatial = networks()
    unit, network = (activity_regression(activity, weight, spatial, level) for level in LEVELS)
    assert unit.coefficient == pytest.approx(network.coefficient)
    assert unit.high - unit.low < 0.5 * (network.high - network.low)
    assert network.p > unit.p


def test_network_intervals_have_the_nominal_coverage_and_unit_intervals_do_not() -> None:
    generator = np.random.default_rng(2)
    covered = dict.fromkeys(LEVELS, 0)
    for _ in range(200):
        spatial, weight = np.arange(24) % 2 == 0, generator.uniform(size=24)
        activity = 1 - 0.25 * spatial[:, None] + generator.normal(size=(24, 1)) + generator.normal(size=(24, 20))
        for level in LEVELS:
            result = activity_regression(activity, weight, spatial, level)
            covered[level] += result.low <= -0.25 <= result.high
    assert 182 <= covered["network"] <= 198  # 190 expected, standard deviation 3
    assert covered["unit"] < 130  # units of a network are correlated


def test_missing_values_are_left_out() -> None:
    activity, weight, spatial = networks()
    before = activity_regression(activity, weight, spatial)
    missing = np.full((3, 8), np.nan)
    after = activity_regression(
        np.concatenate([activity, missing]), np.append(weight, [1, 2, np.nan]), np.append(spatial, [True, False, True])
    )
    assert after == pytest.approx(before)
    activity[4, 3] = np.nan
    assert activity_regression(activity, weight, spatial, "unit").degrees_of_freedom == 30 * 8 - 1 - 3
    assert activity_regression(activity, weight, spatial).degrees_of_freedom == 27


@pytest.mark.parametrize(
    ("spatial", "weight"), [([True, True, True, True], [1, 2, 3, 4]), ([True, False, True, False], [1, 1, 1, 1])]
)
def test_the_effect_is_nan_if_regressors_do_not_vary(spatial: list[bool], weight: list[float]) -> None:
    result = activity_regression(np.random.default_rng(0).normal(size=(4, 2)), weight, spatial)
    assert np.isnan([result.coefficient, result.t, result.p, result.low, result.high]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activity_regression([1.0, 2.0], [1.0, 2.0], [True, False]), "expected activity"),
        (lambda: activity_regression([[1.0], [2.0]], [1.0], [True, False]), "expected activity"),
        (lambda: activity_regression([[1.0]], [1.0], [True], level="trial"), "level must be"),  # type: ignore[arg-type]
    ],
)
def test_invalid_regressions_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# The analysis


def test_energy_is_the_mean_state_in_the_choice_period(tmp_path: object) -> None:
    overrides = ("networks=1", "training.epochs=1", "training.trials_per_epoch=128", "geometry.shape=[3, 2]")
    run: Run = Experiment.from_preset("sernn_demo").override(*overrides).run(f"{tmp_path}/run", workers=1, report=False)
    table = Energy(trials=40, accuracy=0.0).measure(run)
    shard = run["l1"].isel(network=[0])
    states = record(shard, 1, RNN(), run.parts("l1", 0).task, trials=40).states[0]
    row = int(np.flatnonzero(table["group"].to_numpy() == "l1")[0])
    activity = table["activity"][row, 0].to_numpy()
    np.testing.assert_allclose(activity, states[:, 7:12].mean(axis=(0, 1)), rtol=1e-5)  # float32 sums
    assert float(table["mean_activity"][row, 0]) == pytest.approx(activity.mean())
    weights = shard["weights"].sel(epoch=1).to_numpy()
    assert float(table["mean_weight"][row, 0]) == pytest.approx(np.abs(weights).mean(), rel=1e-6)


def test_the_choice_period_is_the_period_choice_or_else_the_last_one() -> None:
    trials = OneChoice().each_problem()
    assert choice_period(trials) == (30, 50)
    other = {"go": (30, 40), "sample": (0, 30)}
    assert choice_period(Trials(trials.inputs, trials.targets, trials.mask, trials.conditions, other)) == (30, 40)
