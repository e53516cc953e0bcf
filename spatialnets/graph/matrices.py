"""Matrices of many networks, taken one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.protocols import FloatArray

__all__ = ["measure_each", "square_matrices"]


def square_matrices(values: ArrayLike, measure: str) -> FloatArray:
    """Return matrices as float64, ``(…, pre, post)``, or say for which measure they are none.

    Raises
    ------
    ValueError
        If matrices are not square, or have no units.

    Examples
    --------
    >>> square_matrices([[0, 1], [1, 0]], "modularity").dtype
    dtype('float64')
    """
    matrices = np.asarray(values, dtype=np.float64, order="C")  # so that a reshaped one is the same memory
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ValueError(f"{measure} needs square matrices (…, pre, post), not {matrices.shape}")
    if not matrices.shape[-1]:
        raise ValueError(f"{measure} needs one unit or more, not matrices {matrices.shape}")
    return matrices


def measure_each(
    values: ArrayLike,
    measure: str,
    function: Callable[..., Any],
    shape: tuple[int, ...] = (),
    beside: ArrayLike | None = None,
) -> FloatArray:
    """Return what a function says of each matrix, one after another; NaN of a matrix that is not finite.

    Parameters
    ----------
    values
        ``(…, pre, post)``.
    measure
        What is measured, for the message if matrices are not square.
    function
        Takes one matrix, which it must not change, and returns an array of `shape`.
    shape
        Of the result for one matrix; a single number by default.
    beside
        Another matrix for each, such as distances, or one for all, ``(pre, post)``: the function's second argument.

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
    others = None if beside is None else np.broadcast_to(np.asarray(beside, dtype=np.float64), matrices.shape)
    for place, which in enumerate(np.ndindex(leading)):
        if np.isfinite(matrices[which]).all():
            result[place] = function(matrices[which]) if others is None else function(matrices[which], others[which])
    return result.reshape((*leading, *shape))
