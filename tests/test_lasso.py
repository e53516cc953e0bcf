"""Lasso of many targets, compared with scikit-learn's estimators, which fit one target at a time."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LassoCV

from spatialnets.aliases import FloatArray
from spatialnets.compiled import HAS_NUMBA
from spatialnets.statistics.lasso import cross_validated_alpha, lasso, squared_residuals
from spatialnets.tasks import OneChoice


def problem(noise: float, targets: int = 12, trials: int = 320) -> tuple[FloatArray, FloatArray]:
    """Return one-hot codes, which are collinear, and targets: linear in a few columns, every other one nonlinear."""
    generator = np.random.default_rng(0)
    drawn = OneChoice().trials(trials, generator)
    codes = np.concatenate(list(drawn.codes.values()), axis=1).astype(float)
    sparse = generator.normal(size=(12, targets)) * (generator.random((12, targets)) < 0.5)
    each = generator.normal(size=(8, targets)) * (np.arange(targets) % 2)
    return codes, codes @ sparse + each[drawn.conditions["problem"]] + noise * generator.normal(size=(trials, targets))


@pytest.fixture(params=["compiled", "scikit-learn"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with the compiled descent and, as where numba is not installed, with scikit-learn's."""
    if request.param == "compiled" and not HAS_NUMBA:
        pytest.skip("numba is not installed")
    monkeypatch.setattr("spatialnets.statistics.lasso.HAS_NUMBA", request.param == "compiled")


# Reference: scikit-learn's estimators


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_alphas_and_weights_match_scikit_learn(noise: float) -> None:
    codes, targets = problem(noise)
    targets[:, 0] = 3  # does not vary
    alpha = cross_validated_alpha(codes, targets)
    weights, intercepts = lasso(codes, targets, alpha)
    for place, target in enumerate(targets.T):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of the constant target
            reference = LassoCV(cv=5).fit(codes, target)
        # float64: the same steps, with sums of 320 terms in another order
        assert alpha[place] == pytest.approx(reference.alpha_, rel=1e-10)
        np.testing.assert_allclose(weights[place], reference.coef_, atol=1e-8)
        assert intercepts[place] == pytest.approx(reference.intercept_, abs=1e-8)


def test_other_numbers_of_folds_and_alphas_match_scikit_learn() -> None:
    codes, targets = problem(1.0, targets=4, trials=103)  # not a multiple of the number of folds
    alpha = cross_validated_alpha(codes, targets, folds=4, alphas=15, eps=0.01)
    expected = [LassoCV(cv=4, alphas=15, eps=0.01).fit(codes, target).alpha_ for target in targets.T]
    np.testing.assert_allclose(alpha, expected, rtol=1e-10)


def test_weights_match_scikit_learn_without_a_gram_matrix() -> None:
    codes, targets = problem(0.0, targets=4)
    weights, _ = lasso(codes, targets, 0.002)
    for place, target in enumerate(targets.T):
        np.testing.assert_allclose(weights[place], Lasso(alpha=0.002).fit(codes, target).coef_, atol=1e-8)


def test_alphas_and_weights_equal_those_of_the_former_implementation() -> None:
    codes, targets = problem(0.3, targets=3)
    alpha = cross_validated_alpha(codes, targets)
    weights, _ = lasso(codes, targets, alpha)
    # stored values of an earlier implementation; weights are not unique, so every step is the same
    np.testing.assert_allclose(alpha, [0.0008694859, 0.0005909249, 0.0007713446], rtol=1e-6)  # digits given
    expected = [
        *(-0.8618428774, -0.8950368394, 1.8873694485, 0.0023683948),
        *(0.5031609283, 2.6144976166, -0.7455371786, 0.0),
        *(0.7959513972, -0.8490867175, 0.4832730873, -0.0153197583),
    ]
    np.testing.assert_allclose(weights[1], expected, atol=1e-8)


# Closed form


def test_with_orthogonal_predictors_weights_are_thresholded() -> None:
    predictors = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    weights, intercepts = lasso(predictors, predictors @ [[2.0, -0.1], [-0.5, 3.0]] + 7, alpha=[0.2, 0.3])
    np.testing.assert_allclose(weights, [[1.8, -0.3], [0.0, 2.7]], atol=1e-12)
    np.testing.assert_allclose(intercepts, 7)


def test_weights_satisfy_the_optimality_conditions() -> None:
    codes, targets = problem(0.5, targets=6)
    alpha = np.linspace(0.01, 0.1, 6)
    weights, intercepts = lasso(codes, targets, alpha)
    gradient = codes.T @ (targets - codes @ weights.T - intercepts) / len(codes)  # (predictor, target)
    # descent stops at a duality gap of 1e-4 of the variance; the gradient is accurate to its root (measured: 0.2 %)
    assert (np.abs(gradient) < alpha * 1.05).all()
    active = weights.T != 0
    assert np.abs(gradient - alpha * np.sign(weights.T))[active].max() < 0.05 * alpha.max()


# Properties


def test_squared_residuals_equal_those_of_each_trial() -> None:
    codes, targets = problem(0.3, targets=4)
    x, y = codes - codes.mean(axis=0), targets - targets.mean(axis=0)
    weights = np.random.default_rng(1).normal(size=(3, 4, 12))
    expected = [np.square(y - x @ each.T).sum(axis=0) for each in weights]
    np.testing.assert_allclose(squared_residuals(x, y, weights), expected, rtol=1e-10)  # float64 sums of 320 terms


def test_targets_that_are_not_finite_do_not_affect_others() -> None:
    codes, targets = problem(0.3, targets=3)
    alpha, (weights, _) = cross_validated_alpha(codes, targets), lasso(codes, targets, 0.1)
    targets[5, 1] = np.nan
    damaged, (some, intercepts) = cross_validated_alpha(codes, targets), lasso(codes, targets, 0.1)
    assert np.isnan(damaged).tolist() == [False, True, False]
    assert np.isnan(some).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(intercepts).tolist() == [False, True, False]
    # a product with fewer columns may be summed in another order
    np.testing.assert_allclose(damaged[[0, 2]], alpha[[0, 2]], rtol=1e-12)
    np.testing.assert_allclose(some[[0, 2]], weights[[0, 2]], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lasso([[1.0], [2.0]], [[1.0]], 0.1), "expected predictors"),
        (lambda: lasso([1.0, 2.0], [1.0, 2.0], 0.1), "expected predictors"),
        (lambda: lasso([[1.0], [2.0]], [[1.0], [2.0]], 0.0), "alpha must be positive, not 0.0"),
        (lambda: lasso([[1.0], [2.0]], [[1.0], [2.0]], [0.1, 0.2]), "one for each of 1 targets"),
        (lambda: lasso([[np.nan], [2.0]], [[1.0], [2.0]], 0.1), "predictors must be finite"),
        (lambda: cross_validated_alpha([[1.0], [2.0]], [[1.0], [2.0]], folds=3), "folds must be between 2"),
        (lambda: cross_validated_alpha([[1.0], [2.0]], [[1.0], [2.0]], folds=2, eps=2), "eps between 0 and 1"),
    ],
)
def test_invalid_arguments_are_rejected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
