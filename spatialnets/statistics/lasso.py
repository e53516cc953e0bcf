"""Lasso: many targets on the same few predictors at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.compiled import COMPILED, compiled
from spatialnets.protocols import FloatArray

__all__ = ["Moments", "cross_validated_alpha", "lasso", "lasso_path", "moments"]

TOLERANCE = 1e-4  # these two as in scikit-learn, whose results they shape where predictors are collinear
SWEEPS = 1000
SMALLEST = float(np.finfo(np.float64).resolution)


class Moments(NamedTuple):
    """What a regression with an intercept needs to know of predictors and targets.

    Parameters
    ----------
    n_trials
        How many trials.
    predictor_means, target_means
        ``(predictor,)`` and ``(target,)``.
    gram
        Sums of products of centred predictors, ``(predictor, predictor)``.
    products
        Sums of products of centred targets and predictors, ``(target, predictor)``.
    squares
        Sums of squares of centred targets, ``(target,)``.
    """

    n_trials: int
    predictor_means: FloatArray
    target_means: FloatArray
    gram: FloatArray
    products: FloatArray
    squares: FloatArray

    def unexplained(self, weights: FloatArray) -> FloatArray:
        r"""Return the sum of squares of residuals around their own mean, ``(target,)``.

        .. math:: \sum_t (e_t - \bar e)^2, \quad e_t = y_t - x_t w

        Parameters
        ----------
        weights
            ``(target, predictor)``, not necessarily fitted to these trials.
        """
        fitted = weights @ self.gram
        return np.maximum(self.squares + (weights * (fitted - 2 * self.products)).sum(axis=-1), 0)


def moments(predictors: ArrayLike, targets: ArrayLike) -> Moments:
    """Return the moments of predictors ``(trial, predictor)`` and targets ``(trial, target)``.

    Raises
    ------
    ValueError
        If these are no two matrices with equally many rows, one or more.
    """
    x, y = np.asarray(predictors, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise ValueError(
            f"expected predictors (trial, predictor) and targets (trial, target), got {x.shape}, {y.shape}"
        )
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    return Moments(len(x), x_mean, y_mean, x.T @ x, y.T @ x, np.einsum("ij,ij->j", y, y))


def lasso(predictors: ArrayLike, targets: ArrayLike, alpha: ArrayLike) -> tuple[FloatArray, FloatArray]:
    r"""Return weights and intercepts of L1-penalized regressions of many targets on the same predictors.

    Each target :math:`y` by itself has the weights that minimize

    .. math:: \frac{1}{2n} \lVert y - b - X w \rVert^2 + \alpha \lVert w \rVert_1

    by cyclic coordinate descent on the Gram matrix, with scikit-learn's rule for when to stop (duality gap below
    :math:`10^{-4} \lVert y - \bar y \rVert^2`, 1,000 sweeps at most). Where predictors are collinear, as one-hot codes
    are, many weights are equally good, and it depends on the order of predictors and on that rule which are found.

    Parameters
    ----------
    predictors
        :math:`X`, ``(trial, predictor)``.
    targets
        :math:`y`, ``(trial, target)``.
    alpha
        :math:`\alpha`, above zero: one number, or ``(target,)``.

    Returns
    -------
    weights, intercepts
        ``(target, predictor)`` and ``(target,)``; NaN for a target that is not finite.

    Raises
    ------
    ValueError
        If shapes do not fit together, predictors are not finite, or an alpha is not above zero.

    References
    ----------
    Tibshirani (1996), doi:10.1111/j.2517-6161.1996.tb02080.x; Friedman et al. (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> weights, intercepts = lasso([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], alpha=0.1)
    >>> weights.round(6).tolist(), intercepts.round(6).tolist()
    ([[1.85]], [1.15])
    """
    known = moments(predictors, targets)
    path = _path(known, np.broadcast_to(_alphas(alpha, known), (1, len(known.squares))))[0]
    return path, known.target_means - path @ known.predictor_means


def lasso_path(predictors: ArrayLike, targets: ArrayLike, alphas: ArrayLike) -> FloatArray:
    """Return the weights of `lasso` for several alphas in turn, each begun from those of the one before.

    Parameters
    ----------
    predictors, targets
        As in `lasso`.
    alphas
        ``(alpha, target)`` or ``(alpha,)``, best in falling order.

    Returns
    -------
    ndarray
        ``(alpha, target, predictor)``.

    Examples
    --------
    >>> lasso_path([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]], [1.5, 0.1]).round(6).ravel().tolist()
    [0.0, 1.85]
    """
    known = moments(predictors, targets)
    grid = np.asarray(alphas, dtype=np.float64)
    grid = grid[:, None] if grid.ndim == 1 else grid
    return _path(known, np.stack([_alphas(row, known) for row in grid]))


def cross_validated_alpha(
    predictors: ArrayLike, targets: ArrayLike, folds: int = 5, alphas: int = 100, eps: float = 1e-3
) -> FloatArray:
    r"""Return for each target the alpha with the smallest error on trials left out.

    As scikit-learn's ``LassoCV``: of `alphas` values in geometric order from the smallest that leaves no predictor,
    :math:`\max_p |x_p \cdot y| / n`, to `eps` times that, the one with the smallest mean over folds of the mean squared
    error; of equals the largest. Folds are runs of consecutive trials.

    Parameters
    ----------
    predictors, targets
        As in `lasso`.
    folds
        In how many parts the trials are divided.
    alphas, eps
        How many alphas, and their smallest over their largest.

    Returns
    -------
    ndarray
        ``(target,)``; NaN for a target that is not finite.

    Raises
    ------
    ValueError
        As in `lasso`, or if there are fewer than two folds, or more than trials.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> codes = generator.integers(2, size=(50, 3)).astype(float)
    >>> cross_validated_alpha(codes, codes[:, :1] + generator.normal(size=(50, 1))).round(4).tolist()
    [0.081]
    """
    x, y = np.asarray(predictors, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    whole = moments(x, y)
    if not 2 <= folds <= len(x):
        raise ValueError(f"folds must be between 2 and the number of trials, {len(x)}, not {folds}")
    if alphas < 1 or not 0 < eps < 1:
        raise ValueError(f"expected one alpha or more and eps between 0 and 1, got {alphas} and {eps}")
    with np.errstate(invalid="ignore"):
        largest = np.abs(whole.products).max(axis=1) / whole.n_trials
    some = np.where(largest > SMALLEST, largest, SMALLEST)  # of a constant target, all alphas are equal
    grid = np.geomspace(some, np.where(largest > SMALLEST, some * eps, SMALLEST), alphas)
    errors = np.zeros_like(grid)
    for held in np.array_split(np.arange(len(x)), folds):
        kept = np.delete(np.arange(len(x)), held)
        train, test = moments(x[kept], y[kept]), moments(x[held], y[held])
        for place, weights in enumerate(_path(train, grid)):
            shift = (test.target_means - train.target_means) - weights @ (test.predictor_means - train.predictor_means)
            errors[place] += (test.unexplained(weights) / test.n_trials + shift**2) / folds
    chosen = np.asarray(grid[errors.argmin(axis=0), np.arange(grid.shape[1])])
    return np.where(np.isfinite(errors).all(axis=0), chosen, np.nan)


def _alphas(alpha: ArrayLike, known: Moments) -> FloatArray:
    values = np.asarray(alpha, dtype=np.float64)
    if values.shape not in ((), (1,), known.squares.shape):
        raise ValueError(f"expected one alpha, or one for each of {len(known.squares)} targets, got {values.shape}")
    if (values <= 0).any():
        raise ValueError(f"alpha must be above zero, not {values.min()}")
    return np.broadcast_to(values, known.squares.shape)


def _path(known: Moments, grid: FloatArray) -> FloatArray:
    """Return weights ``(alpha, target, predictor)`` for alphas ``(alpha, target)``; NaN for what is not finite."""
    if not np.isfinite(known.gram).all():
        raise ValueError("predictors must be finite")
    with np.errstate(invalid="ignore"):
        penalties = np.ascontiguousarray(grid.T) * known.n_trials
    finite = np.isfinite(known.products).all(axis=1) & np.isfinite(penalties).all(axis=1)
    weights = np.full((len(grid), *known.products.shape), np.nan)
    descend = descend_each if COMPILED else descend_together
    found = descend(known.gram, known.products[finite], known.squares[finite], penalties[finite], TOLERANCE, SWEEPS)
    weights[:, finite] = found.transpose(1, 0, 2)
    return weights


@compiled
def _gap(gram_weights: FloatArray, weights: FloatArray, products: FloatArray, square: float, penalty: float) -> float:
    """Return the duality gap: how much lower than now the least possible cost may be."""
    largest = 0.0
    residual = square
    along = square
    absolute = 0.0
    for place in range(len(weights)):
        largest = max(largest, abs(products[place] - gram_weights[place]))
        residual += weights[place] * (gram_weights[place] - 2 * products[place])
        along -= weights[place] * products[place]
        absolute += abs(weights[place])
    if largest <= penalty:
        return residual + penalty * absolute - along
    scale = penalty / largest  # by which the residual is shrunk to be dual feasible
    return 0.5 * residual * (1 + scale * scale) + penalty * absolute - scale * along


@compiled
def descend_each(
    gram: FloatArray,
    products: FloatArray,
    squares: FloatArray,
    penalties: FloatArray,
    tolerance: float,
    sweeps: int,
) -> FloatArray:
    r"""Return weights ``(target, penalty, predictor)``, target by target; `penalties` is ``(target, penalty)``.

    They minimize :math:`w G w / 2 - w p + \lambda |w|`, with Gram matrix :math:`G` and `products` :math:`p`.
    """
    n_targets, n_penalties = penalties.shape
    n_predictors = len(gram)
    found = np.zeros((n_targets, n_penalties, n_predictors))
    for target in range(n_targets):
        weights = np.zeros(n_predictors)
        gram_weights = np.zeros(n_predictors)
        product, square = products[target], squares[target]
        for step in range(n_penalties):
            penalty = penalties[target, step]
            if not 0 <= _gap(gram_weights, weights, product, square, penalty) <= tolerance * square:
                for sweep in range(sweeps):
                    size = 0.0
                    change = 0.0
                    for place in range(n_predictors):
                        if gram[place, place] == 0:
                            continue
                        before = weights[place]
                        pull = product[place] - gram_weights[place] + before * gram[place, place]
                        after = 0.0
                        if pull > penalty:
                            after = (pull - penalty) / gram[place, place]
                        elif pull < -penalty:
                            after = (pull + penalty) / gram[place, place]
                        if after != before:
                            for other in range(n_predictors):
                                gram_weights[other] += (after - before) * gram[place, other]
                            weights[place] = after
                        change = max(change, abs(after - before))
                        size = max(size, abs(after))
                    settled = size == 0 or change <= tolerance * size or sweep == sweeps - 1
                    if settled and _gap(gram_weights, weights, product, square, penalty) <= tolerance * square:
                        break
            found[target, step] = weights
    return found


def descend_together(
    gram: FloatArray,
    products: FloatArray,
    squares: FloatArray,
    penalties: FloatArray,
    tolerance: float,
    sweeps: int,
) -> FloatArray:
    """Return what `descend_each` returns, all targets abreast: for NumPy without a compiler."""
    n_targets, n_penalties = penalties.shape
    found = np.zeros((n_targets, n_penalties, len(gram)))
    weights = np.zeros((n_targets, len(gram)))
    diagonal = gram.diagonal()

    def gaps(which: NDArray[np.int64], penalty: FloatArray) -> FloatArray:
        w, product, square = weights[which], products[which], squares[which]
        gram_weights = w @ gram
        largest = np.abs(product - gram_weights).max(axis=1)
        residual = square + (w * (gram_weights - 2 * product)).sum(axis=1)
        along = square - (w * product).sum(axis=1)
        scale = penalty / np.maximum(largest, penalty)
        gap = 0.5 * residual * (1 + scale**2) + penalty * np.abs(w).sum(axis=1) - scale * along
        return np.asarray(gap)

    for step in range(n_penalties):
        penalty = penalties[:, step]
        gap = gaps(np.arange(n_targets), penalty)
        going = np.flatnonzero(~((gap >= 0) & (gap <= tolerance * squares)))
        for sweep in range(sweeps):
            if not len(going):
                break
            w, product, cost = weights[going], products[going], penalty[going]
            gram_weights = w @ gram
            change, size = np.zeros(len(going)), np.zeros(len(going))
            for place in np.flatnonzero(diagonal):
                before = w[:, place].copy()
                pull = product[:, place] - gram_weights[:, place] + before * diagonal[place]
                after = np.sign(pull) * np.maximum(np.abs(pull) - cost, 0) / diagonal[place]
                gram_weights += (after - before)[:, None] * gram[place]
                w[:, place] = after
                np.maximum(change, np.abs(after - before), out=change)
                np.maximum(size, np.abs(after), out=size)
            weights[going] = w
            settled = going[(size == 0) | (change <= tolerance * size) | (sweep == sweeps - 1)]
            done = settled[gaps(settled, penalty[settled]) <= tolerance * squares[settled]]
            going = np.setdiff1d(going, done, assume_unique=True)
        found[:, step] = weights
    return found
