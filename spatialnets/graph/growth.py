"""Growth of networks by wiring rules: connections are added one at a time, by distance and current topology."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.errors import nearest
from spatialnets.validation import require_not_negative

__all__ = ["EPSILON", "FAMILIES", "RULES", "check_rule", "grow"]

EPSILON = 1e-5  # added to K as in the Brain Connectivity Toolbox, so that pairs with K = 0 can be connected

RULES = (
    "spatial",
    "neighbors",
    "matching",
    *(f"clu-{combination}" for combination in ("avg", "min", "max", "diff", "prod")),
    *(f"deg-{combination}" for combination in ("avg", "min", "max", "diff", "prod")),
)
"""The 13 wiring rules, in the paper's order."""

FAMILIES = {
    rule: {"spatial": "spatial", "clu": "clustering", "deg": "degree"}.get(rule.split("-")[0], "homophily")
    for rule in RULES
}
"""Family of each rule: spatial (distance only), homophily, clustering or degree."""

_KINDS = {"spatial": 0, "neighbors": 1, "matching": 2, "clu": 3, "deg": 4}  # as in growth_kernels
_COMBINATIONS = {"avg": 0, "min": 1, "max": 2, "diff": 3, "prod": 4}


def check_rule(rule: str) -> None:
    """Raise a ValueError if there is no wiring rule of this name."""
    if rule not in RULES:
        raise ValueError(f"unknown wiring rule '{rule}': {nearest(rule, RULES)}")


def grow(
    distances: ArrayLike,
    rule: str,
    n_edges: int,
    eta: float,
    gamma: float,
    seed: int | np.random.Generator,
    *,
    start: ArrayLike | None = None,
    epsilon: float = EPSILON,
) -> NDArray[np.int64]:
    r"""Grow an undirected network by a wiring rule, one connection at a time.

    .. math:: P(u, v) \propto D_{uv}^{\eta} \, (K_{uv} + \epsilon)^{\gamma}

    for all unconnected pairs of units. :math:`K` is updated after each connection; it depends on the degrees :math:`k`
    and clustering coefficients :math:`c` of the growing network:

    ===============================  ==========================================================================
    rule                             :math:`K_{uv}`
    ===============================  ==========================================================================
    ``spatial``                      none: :math:`P \propto D^{\eta}`
    ``neighbors``                    number of common neighbours
    ``matching``                     matching index, :math:`2 K_{neighbors} / (k_u + k_v - 2 A_{uv})`
    ``clu-avg``, ``-min``, ``-max``  mean, minimum, maximum of :math:`c_u` and :math:`c_v`
    ``clu-diff``, ``-prod``          absolute difference, product of :math:`c_u` and :math:`c_v`
    ``deg-avg``, … ``deg-prod``      the same for :math:`k_u` and :math:`k_v`
    ===============================  ==========================================================================

    Pairs of infinite weight (units at the same position, if :math:`\eta < 0`) are connected first, with equal
    probability. Pairs of weight 0 are connected last, with equal probability, so the number of connections is always
    as requested.

    Parameters
    ----------
    distances
        :math:`D`, ``(unit, unit)``, symmetric and non-negative, in any unit.
    rule
        One of `RULES`.
    n_edges
        Number of undirected connections to add. Connections in `start` are not counted (unlike in the Brain
        Connectivity Toolbox).
    eta
        Exponent of distance; negative values favour short connections.
    gamma
        Exponent of :math:`K`.
    seed
        Seed or generator of the random draws.
    start
        Initial connections, ``(unit, unit)``, symmetric, nonzero where connected; by default none.
    epsilon
        Constant added to :math:`K`.

    Returns
    -------
    ndarray
        ``(unit, unit)``, 0 or 1, symmetric, without self-connections.

    Raises
    ------
    ValueError
        If the rule is unknown, distances are not a symmetric matrix of finite non-negative numbers, `start` does not
        match them, more connections are requested than are possible, or `epsilon` is negative.

    References
    ----------
    Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041; Vértes et al. (2012), doi:10.1073/pnas.1111738109;
    Akarca et al. (2021), doi:10.1038/s41467-021-24430-z; Achterberg, Akarca et al. (2023),
    doi:10.1038/s42256-023-00748-9, Fig. 3c.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(20.0), np.arange(20.0)))
    >>> network = grow(line, "matching", 40, -2.0, 0.3, seed=0)
    >>> int(network.sum()) // 2, bool((network == network.T).all())
    (40, True)
    """
    check_rule(rule)
    lengths = _lengths(distances)
    connected = _initial_connections(start, len(lengths))
    possible = len(lengths) * (len(lengths) - 1) // 2 - int(connected.sum()) // 2
    if not 0 <= n_edges <= possible or n_edges != int(n_edges):
        raise ValueError(
            f"n_edges must be a whole number from 0 to {possible}, the pairs of {len(lengths)} units"
            f"{' that start leaves unconnected' if start is not None else ''}, not {n_edges}"
        )
    for name, exponent in (("eta", eta), ("gamma", gamma)):
        if not np.isfinite(exponent):
            raise ValueError(f"{name} must be finite, not {exponent}")
    require_not_negative("epsilon", epsilon)
    from spatialnets.graph.growth_kernels import grow_network

    kind, _, combination = rule.partition("-")
    draws = np.random.default_rng(seed).random((int(n_edges), 2))
    code, factor = _COMBINATIONS.get(combination, 0), _distance_factor(lengths, eta)
    with np.errstate(all="ignore"):  # powers of 0, if the loop is not compiled
        network, _ = grow_network(connected, factor, _KINDS[kind], code, float(gamma), float(epsilon), draws)
    return network.astype(np.int64)


def _lengths(distances: ArrayLike) -> FloatArray:
    lengths = np.asarray(distances, dtype=np.float64)
    if lengths.ndim != 2 or lengths.shape[0] != lengths.shape[1]:
        raise ValueError(f"distances must be a square matrix (unit, unit), not of shape {lengths.shape}")
    if not np.isfinite(lengths).all() or (lengths < 0).any():
        raise ValueError("distances must be finite and not negative")
    if not np.allclose(lengths, lengths.T, rtol=1e-6, atol=1e-9 * lengths.max(initial=0)):
        raise ValueError("distances must be symmetric, because connections are grown undirected")
    return (lengths + lengths.T) / 2  # exactly symmetric


def _initial_connections(start: ArrayLike | None, n_units: int) -> NDArray[np.bool_]:
    if start is None:
        return np.zeros((n_units, n_units), dtype=np.bool_)
    connected: NDArray[np.bool_] = np.ascontiguousarray(np.asarray(start) != 0)
    if connected.shape != (n_units, n_units) or (connected != connected.T).any() or connected.diagonal().any():
        raise ValueError(
            f"start must be a symmetric matrix {(n_units, n_units)} without self-connections, "
            f"not one of shape {connected.shape}"
        )
    return connected


def _distance_factor(lengths: FloatArray, eta: float) -> FloatArray:
    """Return D^eta up to a constant: the most likely length gets 1, so that no power overflows."""
    positive = lengths[lengths > 0]
    if not positive.size:
        return np.ones_like(lengths)  # all units at the same position: all pairs are equally likely
    reference = positive.min() if eta < 0 else positive.max()
    with np.errstate(all="ignore"):  # 0 to a negative power is infinite, as intended
        return np.asarray((lengths / reference) ** eta)
