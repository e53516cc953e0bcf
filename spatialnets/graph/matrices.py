"""Square matrices of one or many networks, and functions applied to each of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray

__all__ = ["adjacency", "inverse_factorials", "measure_each", "square_matrices"]


def adjacency(matrix: FloatArray) -> NDArray[np.bool_]:
    """Return which connections of a network exist, ``(pre, post)``: nonzero entries, without self-connections."""
    exists = matrix != 0
    np.fill_diagonal(exists, False)
    return exists


def square_matrices(values: ArrayLike, measure: str, nonnegative: bool = False) -> FloatArray:
    """Return matrices as float64, ``(…, pre, post)``, after checking their shape; `measure` names them in messages.

    Raises
    ------
    ValueError
        If matrices are not square, have no units, or have negative entries although ``nonnegative`` is set.

    Examples
    --------
    >>> square_matrices([[0, 1], [1, 0]], "modularity").dtype
    dtype('float64')
    """
    matrices = np.asarray(values, dtype=np.float64, order="C")  # contiguous, so that reshape() returns a view
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ValueError(f"{measure} needs square matrices (…, pre, post), not {matrices.shape}")
    if not matrices.shape[-1]:
        raise ValueError(f"{measure} needs networks of at least one unit, not matrices of shape {matrices.shape}")
    if nonnegative and (matrices < 0).any():
        raise ValueError(f"{measure} needs non-negative weights; pass their absolute values")
    return matrices


def measure_each(
    values: ArrayLike,
    measure: str,
    function: Callable[..., Any],
    shape: tuple[int, ...] = (),
    second: ArrayLike | None = None,
) -> FloatArray:
    """Apply a function to each matrix in turn; matrices that are not finite give NaN.

    Parameters
    ----------
    values
        ``(…, pre, post)``.
    measure
        Name of the measure, for the message if matrices are not square.
    function
        Takes one matrix, which it must not change, and returns an array of `shape`.
    shape
        Shape of the result for one matrix; by default a single number.
    second
        Second argument of the function, such as distances: one matrix for each network, or one for all.

    Returns
    -------
    ndarray
        ``(…, *shape)``, float64.

    Examples
    --------
    >>> measure_each([[[0, 1], [1, 0]], [[0, 1], [np.nan, 0]]], "the sum", np.sum).tolist()
    [2.0, nan]
    """
    matrices = square_matrices(values, measure)
    leading = matrices.shape[:-2]
    result = np.full((int(np.prod(leading, dtype=int)), *shape), np.nan)
    others = None if second is None else np.broadcast_to(np.asarray(second, dtype=np.float64), matrices.shape)
    for row, index in enumerate(np.ndindex(leading)):
        if np.isfinite(matrices[index]).all():
            result[row] = function(matrices[index]) if others is None else function(matrices[index], others[index])
    return result.reshape((*leading, *shape))


def inverse_factorials(degree: int) -> list[float]:
    """Return the Taylor coefficients :math:`1 / k!` of exp, `k` from 0 to `degree`."""
    return list(accumulate(range(1, degree + 1), operator.truediv, initial=1.0))
