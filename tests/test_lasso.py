import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LassoCV
from sklearn.linear_model import lasso_path as their_path

from spatialnets.compiled import COMPILED
from spatialnets.protocols import FloatArray
from spatialnets.statistics.lasso import (
    SWEEPS,
    TOLERANCE,
    cross_validated_alpha,
    descend_each,
    descend_together,
    lasso,
    lasso_path,
)
from spatialnets.statistics.lasso import moments as moments_of
from spatialnets.tasks import OneChoice


def problem(noise: float, targets: int = 12, trials: int = 320) -> tuple[FloatArray, FloatArray]:
    """One-hot codes, which are collinear, and targets of which some follow every problem and some a few columns."""
    generator = np.random.default_rng(0)
    drawn = OneChoice().trials(trials, generator)
    codes = np.concatenate(list(drawn.codes.values()), axis=1).astype(float)
    sparse = generator.normal(size=(12, targets)) * (generator.random((12, targets)) < 0.5)
    each = generator.normal(size=(8, targets)) * (np.arange(targets) % 2)
    return codes, codes @ sparse + each[drawn.conditions["problem"]] + noise * generator.normal(size=(trials, targets))


# Oracle: scikit-learn, which does one target at a time


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_alphas_and_weights_are_those_of_scikit_learn(noise: float) -> None:
    codes, targets = problem(noise)
    targets[:, 0] = 3  # does not vary
    alpha = cross_validated_alpha(codes, targets)
    weights, intercepts = lasso(codes, targets, alpha)
    for place, target in enumerate(targets.T):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of the constant target
            theirs = LassoCV(cv=5).fit(codes, target)
        assert alpha[place] == pytest.approx(theirs.alpha_, rel=1e-10)  # float64 sums in another order
        # weights are not unique here: equal ones mean that every step to them was equal
        np.testing.assert_allclose(weights[place], theirs.coef_, atol=1e-8)
        assert intercepts[place] == pytest.approx(theirs.intercept_, abs=1e-8)


def test_a_path_is_that_of_scikit_learn() -> None:
    codes, targets = problem(0.3, targets=3)
    alphas = np.geomspace(0.5, 0.0005, 20)
    found = lasso_path(codes, targets, alphas)
    for place, target in enumerate(targets.T):
        centred = codes - codes.mean(axis=0)
        _, theirs, _ = their_path(centred, target - target.mean(), alphas=alphas, precompute=True)
        np.testing.assert_allclose(found[:, place], theirs.T, atol=1e-8)


def test_other_folds_and_alphas_are_those_of_scikit_learn() -> None:
    codes, targets = problem(1.0, targets=4, trials=103)  # no multiple of the number of folds
    found = cross_validated_alpha(codes, targets, folds=4, alphas=15, eps=0.01)
    theirs = [LassoCV(cv=4, alphas=15, eps=0.01).fit(codes, target).alpha_ for target in targets.T]
    np.testing.assert_allclose(found, theirs, rtol=1e-10)


# Closed form


def test_with_orthogonal_predictors_weights_are_thresholded() -> None:
    predictors = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    weights, intercepts = lasso(predictors, predictors @ [[2.0, -0.1], [-0.5, 3.0]] + 7, alpha=[0.2, 0.3])
    np.testing.assert_allclose(weights, [[1.8, -0.3], [0.0, 2.7]], atol=1e-12)
    np.testing.assert_allclose(intercepts, 7)


def test_at_the_optimum_no_weight_can_be_moved() -> None:
    codes, targets = problem(0.5, targets=6)
    alpha = np.linspace(0.01, 0.1, 6)
    weights, intercepts = lasso(codes, targets, alpha)
    pull = codes.T @ (targets - codes @ weights.T - intercepts) / len(codes)  # (predictor, target)
    assert (np.abs(pull) < alpha * 1.05).all()  # to the tolerance of the duality gap
    held = weights.T != 0
    assert np.abs(pull - alpha * np.sign(weights.T))[held].max() < 0.05 * alpha.max()


# Properties


@pytest.mark.parametrize("descend", [descend_each, descend_together, getattr(descend_each, "py_func", descend_each)])
def test_compiled_plain_and_vectorised_loops_agree(descend: Callable[..., FloatArray]) -> None:
    codes, targets = problem(0.3, targets=5)
    codes[:, 3] = 1  # says nothing
    known = moments_of(codes, targets)
    alphas = np.abs(known.products).max(axis=1)[:, None] * np.geomspace(1, 0.001, 12)
    arguments: tuple[Any, ...] = (known.gram, known.products, known.squares, alphas, TOLERANCE, SWEEPS)
    # sums in another order
    np.testing.assert_allclose(descend(*arguments), descend_each(*arguments), atol=1e-9)


@pytest.mark.skipif(not COMPILED, reason="without numba there is but one way")
def test_without_a_compiler_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, targets = problem(0.3, targets=5)
    compiled = cross_validated_alpha(codes, targets, alphas=20)
    monkeypatch.setattr("spatialnets.statistics.lasso.COMPILED", False)
    np.testing.assert_allclose(cross_validated_alpha(codes, targets, alphas=20), compiled, rtol=1e-10)


def test_targets_that_are_not_finite_disturb_nobody() -> None:
    codes, targets = problem(0.3, targets=3)
    alpha, (weights, _) = cross_validated_alpha(codes, targets), lasso(codes, targets, 0.1)
    targets[5, 1] = np.nan
    damaged, (some, bases) = cross_validated_alpha(codes, targets), lasso(codes, targets, 0.1)
    assert np.isnan(damaged).tolist() == [False, True, False]
    assert np.isnan(some).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(bases).tolist() == [False, True, False]
    # a product of other width may be summed in another order
    np.testing.assert_allclose(damaged[[0, 2]], alpha[[0, 2]], rtol=1e-12)
    np.testing.assert_allclose(some[[0, 2]], weights[[0, 2]], rtol=0, atol=1e-12)


def test_what_is_left_unexplained_is_the_variance_of_the_residuals() -> None:
    codes, targets = problem(0.3, targets=4)
    weights = np.random.default_rng(1).normal(size=(4, 12))
    residual = targets - codes @ weights.T
    np.testing.assert_allclose(moments_of(codes, targets).unexplained(weights), residual.var(axis=0) * len(codes))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: lasso([[1.0], [2.0]], [[1.0]], 0.1), "expected predictors"),
        (lambda: lasso([1.0, 2.0], [1.0, 2.0], 0.1), "expected predictors"),
        (lambda: lasso([[1.0], [2.0]], [[1.0], [2.0]], 0.0), "above zero"),
        (lambda: lasso([[1.0], [2.0]], [[1.0], [2.0]], [0.1, 0.2]), "one for each of 1 targets"),
        (lambda: lasso([[np.nan], [2.0]], [[1.0], [2.0]], 0.1), "predictors must be finite"),
        (lambda: cross_validated_alpha([[1.0], [2.0]], [[1.0], [2.0]], folds=3), "folds must be between 2"),
        (lambda: cross_validated_alpha([[1.0], [2.0]], [[1.0], [2.0]], folds=2, eps=2), "eps between 0 and 1"),
    ],
)
def test_regressions_that_cannot_be_are_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.slow
def test_many_targets_at_once_are_many_times_faster_than_one_at_a_time() -> None:
    import time

    codes, targets = problem(0.0, targets=100, trials=640)
    cross_validated_alpha(codes, targets[:, :2])  # compiles
    start = time.perf_counter()
    cross_validated_alpha(codes, targets)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    for target in targets.T[:5]:
        LassoCV(cv=5).fit(codes, target)
    theirs = 20 * (time.perf_counter() - start)
    assert theirs / ours > (10 if COMPILED else 2)  # 50 on an idle machine


def test_one_fit_is_that_of_scikit_learn_without_a_gram_matrix() -> None:
    codes, targets = problem(0.0, targets=4)
    weights, _ = lasso(codes, targets, 0.002)
    for place, target in enumerate(targets.T):
        np.testing.assert_allclose(weights[place], Lasso(alpha=0.002).fit(codes, target).coef_, atol=1e-8)
