"""Lasso regression of many targets on the same few predictors, compiled, or by scikit-learn without numba."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.compiled import HAS_NUMBA, jit

__all__ = ["cross_validated_alpha", "lasso", "squared_residuals"]

TOLERANCE, MAX_SWEEPS = 1e-4, 1000  # scikit-learn's, on which the weights of collinear predictors depend
MIN_ALPHA = float(np.finfo(np.float64).resolution)  # what scikit-learn uses for a target that does not vary


def lasso(predictors: ArrayLike, targets: ArrayLike, alpha: ArrayLike) -> tuple[FloatArray, FloatArray]:
    r"""Return weights and intercepts of L1-penalized regressions of many targets on the same predictors.

    The weights of each target :math:`y` minimize

    .. math:: \frac{1}{2n} \lVert y - b - X w \rVert^2 + \alpha \lVert w \rVert_1

    and are found by cyclic coordinate descent on the Gram matrix, as in `sklearn.linear_model.lasso_path`. With
    collinear predictors, such as one-hot codes, many weights are equally good; which of them are returned depends on
    the order of the predictors and on scikit-learn's stopping rule, which is followed to the step.

    Parameters
    ----------
    predictors
        :math:`X`, ``(trial, predictor)``.
    targets
        :math:`y`, ``(trial, target)``.
    alpha
        :math:`\alpha`, positive: one number, or ``(target,)``.

    Returns
    -------
    weights, intercepts
        ``(target, predictor)`` and ``(target,)``; NaN for targets with values or an alpha that are not finite.

    Raises
    ------
    ValueError
        If the shapes do not match, predictors are not finite, or an alpha is not positive.

    References
    ----------
    Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x; Friedman et al. (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> weights, intercepts = lasso([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], alpha=0.1)
    >>> weights.round(6).tolist(), intercepts.round(6).tolist()
    ([[1.85]], [1.15])
    """
    x, y = _matrices(predictors, targets)
    alphas = np.asarray(alpha, dtype=np.float64)
    if alphas.shape not in ((), (1,), y.shape[1:]):
        raise ValueError(f"expected one alpha, or one for each of {y.shape[1]} targets, got shape {alphas.shape}")
    if (alphas <= 0).any():
        raise ValueError(f"alpha must be positive, not {alphas.min()}")
    weights = _path(x, y, np.broadcast_to(alphas, (1, y.shape[1])))[0]
    return weights, y.mean(axis=0) - weights @ x.mean(axis=0)


def cross_validated_alpha(
    predictors: ArrayLike, targets: ArrayLike, folds: int = 5, alphas: int = 100, eps: float = 1e-3
) -> FloatArray:
    r"""Return the alpha with the smallest error on held-out trials for each target, as ``LassoCV`` of scikit-learn.

    The candidates are a geometric sequence from :math:`\max_p |x_p \cdot y| / n`, the smallest alpha for which all
    weights are zero, to `eps` times that. The error is the mean over folds of the mean squared error; of equal errors,
    the largest alpha is chosen. Each fold is a block of consecutive trials.

    Parameters
    ----------
    predictors, targets
        As in `lasso`.
    folds
        Number of folds.
    alphas, eps
        Number of candidates, and the ratio of the smallest to the largest.

    Returns
    -------
    ndarray
        ``(target,)``; NaN for targets that are not finite.

    Raises
    ------
    ValueError
        As in `lasso`, or if there are fewer than two folds or more folds than trials.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> codes = generator.integers(2, size=(50, 3)).astype(float)
    >>> cross_validated_alpha(codes, codes[:, :1] + generator.normal(size=(50, 1))).round(4).tolist()
    [0.081]
    """
    x, y = _matrices(predictors, targets)
    if not 2 <= folds <= len(x):
        raise ValueError(f"folds must be between 2 and the number of trials, {len(x)}, not {folds}")
    if alphas < 1 or not 0 < eps < 1:
        raise ValueError(f"expected one alpha or more and eps between 0 and 1, got {alphas} and {eps}")
    finite = np.isfinite(y).all(axis=0)
    chosen, y = np.full(y.shape[1], np.nan), y[:, finite]
    largest = np.abs((x - x.mean(axis=0)).T @ (y - y.mean(axis=0))).max(axis=0) / len(x)
    start, stop = np.maximum(largest, MIN_ALPHA), np.where(largest > MIN_ALPHA, largest * eps, MIN_ALPHA)
    grid = np.geomspace(start, stop, alphas)
    errors = np.zeros_like(grid)
    for test in np.array_split(np.arange(len(x)), folds):
        train = np.delete(np.arange(len(x)), test)
        weights = _path(x[train], y[train], grid)
        x_test, y_test = x[test] - x[train].mean(axis=0), y[test] - y[train].mean(axis=0)
        errors += squared_residuals(x_test, y_test, weights) / len(test) / folds
    chosen[finite] = grid[errors.argmin(axis=0), np.arange(grid.shape[1])]
    return chosen


def squared_residuals(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    r"""Return :math:`\sum_t (y_t - x_t w)^2` of each target, ``(…, target)``.

    It is computed from sums of products, without the residuals of each trial, which would take longer than fitting.

    Parameters
    ----------
    x, y
        Predictors ``(trial, predictor)`` and targets ``(trial, target)``, centred.
    weights
        ``(…, target, predictor)``.
    """
    products = weights @ (x.T @ x) - 2 * (y.T @ x)
    return np.asarray(np.maximum(np.square(y).sum(axis=0) + np.einsum("...p,...p->...", weights, products), 0))


def _matrices(predictors: ArrayLike, targets: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(predictors, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise ValueError(
            f"expected predictors (trial, predictor) and targets (trial, target), got {x.shape} and {y.shape}"
        )
    if not np.isfinite(x).all():
        raise ValueError("predictors must be finite")
    return x, y


def _path(x: FloatArray, y: FloatArray, grid: FloatArray) -> FloatArray:
    """Return weights ``(alpha, target, predictor)`` for falling alphas ``(alpha, target)``; NaN where not finite."""
    weights = np.full((*grid.shape, x.shape[1]), np.nan)
    finite = np.flatnonzero(np.isfinite(y).all(axis=0) & np.isfinite(grid).all(axis=0))
    x, y = x - x.mean(axis=0), np.ascontiguousarray((y[:, finite] - y[:, finite].mean(axis=0)).T)
    gram, products, alphas = x.T @ x, y @ x, np.ascontiguousarray(grid[:, finite].T)
    if HAS_NUMBA:
        weights[:, finite] = _descend(gram, products, np.square(y).sum(axis=1), alphas * len(x)).transpose(1, 0, 2)
        return weights
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import lasso_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 1,000 sweeps are precise enough
        for place, values in enumerate(y):
            weights[:, finite[place]] = lasso_path(
                x, values, alphas=alphas[place], precompute=gram, Xy=products[place], check_input=False
            )[1].T
    return weights


@jit
def _duality_gap(
    gram_weights: FloatArray, weights: FloatArray, products: FloatArray, square: float, penalty: float
) -> float:
    """Return an upper bound on how far the cost of some weights is above its minimum."""
    correlation, absolute, residual, along = 0.0, 0.0, square, square
    for place in range(len(weights)):
        correlation = max(correlation, abs(products[place] - gram_weights[place]))
        absolute += abs(weights[place])
        residual += weights[place] * (gram_weights[place] - 2 * products[place])
        along -= weights[place] * products[place]
    scale = penalty / max(correlation, penalty)  # makes the residual dual feasible
    return 0.5 * residual * (1 + scale**2) + penalty * absolute - scale * along


@jit
def _descend(gram: FloatArray, products: FloatArray, squares: FloatArray, penalties: FloatArray) -> FloatArray:
    r"""Return weights ``(target, penalty, predictor)`` that minimize :math:`w G w / 2 - w p + \lambda |w|`.

    Parameters are the Gram matrix :math:`G`, the products :math:`p`, ``(target, predictor)``, the sums of squares of
    the targets, and :math:`\lambda`, ``(target, penalty)``; each penalty starts from the weights of the one before.
    """
    n_targets, n_penalties = penalties.shape
    n_predictors = len(gram)
    path = np.zeros((n_targets, n_penalties, n_predictors))
    for target in range(n_targets):
        weights, gram_weights = np.zeros(n_predictors), np.zeros(n_predictors)
        product, square = products[target], squares[target]
        for step in range(n_penalties):
            penalty = penalties[target, step]
            sweep = 0
            converged = 0 <= _duality_gap(gram_weights, weights, product, square, penalty) <= TOLERANCE * square
            while not converged and sweep < MAX_SWEEPS:
                sweep += 1
                largest = change = 0.0
                for place in range(n_predictors):
                    if gram[place, place] == 0:
                        continue
                    before = weights[place]
                    pull = product[place] - gram_weights[place] + before * gram[place, place]
                    after = np.sign(pull) * max(abs(pull) - penalty, 0.0) / gram[place, place]
                    if after != before:
                        for other in range(n_predictors):  # a temporary array would take most of the time
                            gram_weights[other] += (after - before) * gram[place, other]
                        weights[place] = after
                    change, largest = max(change, abs(after - before)), max(largest, abs(after))
                if largest == 0 or change <= TOLERANCE * largest or sweep == MAX_SWEEPS:
                    converged = _duality_gap(gram_weights, weights, product, square, penalty) <= TOLERANCE * square
            path[target, step] = weights
    return path
