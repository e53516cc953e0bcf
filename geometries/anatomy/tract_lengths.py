"""From a matrix of tract lengths, as files have them, to distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spatialnets.files.reading import some
from spatialnets.protocols import FloatArray

__all__ = ["both_ways", "region", "shortest_ways"]

DIFFERENCE = 0.01  # of the longer: two directions that differ by more are two lengths
SHOWN = 5  # regions of an island, and islands, in a message


def region(number: int, names: Sequence[str] | None = None) -> str:
    """Return what to call a region in a message: its number from 1 on, as in the file, and its name.

    Examples
    --------
    >>> region(2, ("V1", "V2", "MT"))
    '3 (MT)'
    """
    return f"{number + 1}" if names is None else f"{number + 1} ({names[number]})"


def both_ways(values: FloatArray, name: str, names: Sequence[str] | None = None) -> FloatArray:
    """Return lengths that are the same there and back, 0 where there is none.

    The diagonal, and entries that are 0, NaN or infinite, are no lengths. Of two directions the one that is given is
    taken, or the mean of both.

    Parameters
    ----------
    values
        Lengths ``(region, region)``, in any unit.
    name
        What to call the matrix in messages.
    names
        Of the regions.

    Raises
    ------
    ValueError
        If an entry is negative, or two directions differ by more than 1 % of the longer.

    Examples
    --------
    >>> both_ways(np.array([[0, 3, np.nan], [0, 0, 4.01], [0, 3.99, 9]]), "lengths").tolist()
    [[0.0, 3.0, 0.0], [3.0, 0.0, 4.0], [0.0, 4.0, 0.0]]
    """
    apart = ~np.eye(len(values), dtype=bool)
    negative = np.argwhere(apart & (values < 0))
    if len(negative):
        row, column = negative[0].tolist()
        raise ValueError(
            f"{name}: row {region(row, names)}, column {region(column, names)} is {values[row, column]:g}; lengths "
            "must be positive, or 0 where there is no tract"
        )
    lengths = np.where(apart & np.isfinite(values), values, 0.0)
    longer, shorter = np.maximum(lengths, lengths.T), np.minimum(lengths, lengths.T)
    differ = np.argwhere((shorter > 0) & (longer - shorter > DIFFERENCE * longer))
    if len(differ):
        one, other = differ[0].tolist()
        raise ValueError(
            f"{name}: from region {region(one, names)} to {region(other, names)} it is {lengths[one, other]:g}, and "
            f"{lengths[other, one]:g} back; lengths must be the same there and back, within 1 %"
        )
    return np.where(shorter > 0, (longer + shorter) / 2, longer)


def shortest_ways(lengths: FloatArray, name: str, names: Sequence[str] | None = None) -> FloatArray:
    """Return the length of the shortest way between each two regions, by the algorithm of Floyd (1962).

    Parameters
    ----------
    lengths
        The same there and back, 0 where there is none, ``(region, region)``; see `both_ways`.
    name
        What to call the matrix in messages.
    names
        Of the regions.

    Raises
    ------
    ValueError
        If no way leads from some regions to others.

    References
    ----------
    Floyd (1962), doi:10.1145/367766.368168.

    Examples
    --------
    >>> shortest_ways(np.array([[0.0, 3, 9], [3, 0, 4], [9, 4, 0]]), "lengths")[0].tolist()
    [0.0, 3.0, 7.0]
    """
    from scipy.sparse.csgraph import connected_components, floyd_warshall

    count, island = connected_components(lengths, directed=False)
    if count > 1:
        islands = [
            some([region(number, names) for number in np.flatnonzero(island == which).tolist()], SHOWN)
            for which in np.argsort(-np.bincount(island), kind="stable")
        ]
        raise ValueError(
            f"{name}: regions fall into {count} islands that no lengths connect: {some(islands, SHOWN, '; ')}; add a "
            "length between them, or leave the smaller ones out"
        )
    return np.asarray(floyd_warshall(lengths, directed=False))
