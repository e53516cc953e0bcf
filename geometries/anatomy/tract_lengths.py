"""Conversion of a matrix of tract lengths to distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.files.reading import first_few

__all__ = ["region_label", "shortest_paths", "symmetric_lengths"]

MAX_DIFFERENCE = 0.01  # between the two directions, relative to the longer
MAX_SHOWN = 5  # components, and regions of a component, in a message


def region_label(index: int, names: Sequence[str] | None = None) -> str:
    """Return a label of a region for messages: its number, from 1 as in the file, and its name.

    Examples
    --------
    >>> region_label(2, ("V1", "V2", "MT"))
    '3 (MT)'
    """
    return f"{index + 1}" if names is None else f"{index + 1} ({names[index]})"


def symmetric_lengths(values: FloatArray, name: str, names: Sequence[str] | None = None) -> FloatArray:
    """Return a symmetric matrix of tract lengths, 0 where there is no tract.

    The diagonal, and entries that are 0, NaN or infinite, count as missing. If one direction is missing, the length of
    the other is used, otherwise the mean of both.

    Parameters
    ----------
    values
        Lengths ``(region, region)``, in any unit.
    name
        Name of the matrix in error messages.
    names
        Names of the regions.

    Raises
    ------
    ValueError
        If an entry is negative, or two directions differ by more than 1 % of the longer.

    Examples
    --------
    >>> symmetric_lengths(np.array([[0, 3, np.nan], [0, 0, 4.01], [0, 3.99, 9]]), "lengths").tolist()
    [[0.0, 3.0, 0.0], [3.0, 0.0, 4.0], [0.0, 4.0, 0.0]]
    """
    off_diagonal = ~np.eye(len(values), dtype=bool)
    negative = np.argwhere(off_diagonal & (values < 0))
    if len(negative):
        row, column = negative[0].tolist()
        raise ValueError(
            f"{name}: row {region_label(row, names)}, column {region_label(column, names)} is "
            f"{values[row, column]:g}; lengths must be positive, or 0 where there is no tract"
        )
    lengths = np.where(off_diagonal & np.isfinite(values), values, 0.0)
    longer, shorter = np.maximum(lengths, lengths.T), np.minimum(lengths, lengths.T)
    differ = np.argwhere((shorter > 0) & (longer - shorter > MAX_DIFFERENCE * longer))
    if len(differ):
        one, other = differ[0].tolist()
        raise ValueError(
            f"{name}: the length from region {region_label(one, names)} to {region_label(other, names)} is "
            f"{lengths[one, other]:g}, and {lengths[other, one]:g} in the other direction; expected a matrix that is "
            "symmetric within 1 %"
        )
    return np.where(shorter > 0, (longer + shorter) / 2, longer)


def shortest_paths(lengths: FloatArray, name: str, names: Sequence[str] | None = None) -> FloatArray:
    """Return the length of the shortest path between every two regions, ``(region, region)`` (Floyd, 1962).

    Parameters
    ----------
    lengths
        Symmetric lengths ``(region, region)``, 0 where there is no tract; see `symmetric_lengths`.
    name
        Name of the matrix in error messages.
    names
        Names of the regions.

    Raises
    ------
    ValueError
        If no path connects some of the regions.

    References
    ----------
    Floyd (1962), doi:10.1145/367766.368168.

    Examples
    --------
    >>> shortest_paths(np.array([[0.0, 3, 9], [3, 0, 4], [9, 4, 0]]), "lengths")[0].tolist()
    [0.0, 3.0, 7.0]
    """
    from scipy.sparse.csgraph import connected_components, floyd_warshall

    count, component = connected_components(lengths, directed=False)
    if count > 1:
        labels = [
            first_few([region_label(index, names) for index in np.flatnonzero(component == number).tolist()], MAX_SHOWN)
            for number in np.argsort(-np.bincount(component), kind="stable")
        ]
        raise ValueError(
            f"{name}: no path connects these {count} groups of regions: {first_few(labels, MAX_SHOWN, '; ')}; add a "
            "length between them, or remove the smaller groups"
        )
    return np.asarray(floyd_warshall(lengths, directed=False))
