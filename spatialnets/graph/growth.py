"""Growth: a network that adds one connection after another, by length and by what the network is so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.errors import nearest
from spatialnets.protocols import FloatArray

__all__ = ["EPSILON", "FAMILIES", "RULES", "grow"]

EPSILON = 1e-5  # the Brain Connectivity Toolbox's, so that what is 0 so far can still grow

RULES = (
    "spatial",
    "neighbors",
    "matching",
    *(f"clu-{join}" for join in ("avg", "min", "max", "diff", "prod")),
    *(f"deg-{join}" for join in ("avg", "min", "max", "diff", "prod")),
)
"""The 13 rules, in the paper's order."""

FAMILIES = {
    rule: {"spatial": "spatial", "clu": "clustering", "deg": "degree"}.get(rule.split("-")[0], "homophily")
    for rule in RULES
}
"""What each rule goes by: length alone, homophily, clustering or degree."""

_KINDS = {"spatial": 0, "neighbors": 1, "matching": 2, "clu": 3, "deg": 4}  # as in growth_kernels
_JOINS = {"avg": 0, "min": 1, "max": 2, "diff": 3, "prod": 4}


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
    r"""Return a network grown by a wiring rule, one undirected connection after another.

    .. math:: P(u, v) \propto D_{uv}^{\eta} \, (K_{uv} + \epsilon)^{\gamma}

    over pairs that are not connected yet, with :math:`K` computed anew after each connection: with degrees :math:`k`
    and clustering coefficients :math:`c`,

    ===============================  ==========================================================================
    rule                             :math:`K_{uv}`
    ===============================  ==========================================================================
    ``spatial``                      none: :math:`P \propto D^{\eta}`
    ``neighbors``                    neighbours that both have
    ``matching``                     their share, twice :math:`K_{neighbors}` of :math:`k_u + k_v - 2 A_{uv}`
    ``clu-avg``, ``-min``, ``-max``  mean, smaller, larger of :math:`c_u` and :math:`c_v`
    ``clu-diff``, ``-prod``          their difference (magnitude), their product
    ``deg-avg``, … ``deg-prod``      the same of :math:`k_u` and :math:`k_v`
    ===============================  ==========================================================================

    Pairs of infinite probability (units at one place, with :math:`\eta < 0`) come first, each with the same chance.
    Pairs of no probability come last, each with the same chance, so that there are always as many connections as
    asked for.

    Parameters
    ----------
    distances
        :math:`D`, ``(unit, unit)``, symmetric, not negative, in any unit.
    rule
        One of `RULES`.
    n_edges
        How many undirected connections are added; those of `start` come on top (in the Brain Connectivity Toolbox
        they are counted in).
    eta
        Exponent of distance; short connections are likelier where it is negative.
    gamma
        Exponent of :math:`K`.
    seed
        Decides what is drawn: a number, or a generator that is drawn from.
    start
        Connections that are there at first, ``(unit, unit)``, symmetric, whatever is not zero; by default none.
    epsilon
        What is added to :math:`K` everywhere.

    Returns
    -------
    ndarray
        ``(unit, unit)``, 0 or 1, symmetric, no unit with itself.

    Raises
    ------
    ValueError
        If there is no such rule, distances are no symmetric matrix of numbers from 0 up, `start` does not fit, more
        connections are asked for than are possible, or `epsilon` is negative.

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
    if rule not in RULES:
        raise ValueError(f"there is no rule '{rule}': {nearest(rule, RULES)}")
    lengths = _lengths(distances)
    connected = _connections(start, len(lengths))
    possible = len(lengths) * (len(lengths) - 1) // 2 - int(connected.sum()) // 2
    if not 0 <= n_edges <= possible or n_edges != int(n_edges):
        raise ValueError(
            f"{n_edges} connections cannot be added: among {len(lengths)} units {possible} are possible"
            + (" besides those of start" if start is not None else "")
        )
    for name, exponent in (("eta", eta), ("gamma", gamma)):
        if not np.isfinite(exponent):
            raise ValueError(f"{name} must be a finite number, not {exponent}")
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise ValueError(f"epsilon must be finite and not negative, not {epsilon}")
    from spatialnets.graph.growth_kernels import grown

    kind, _, join = rule.partition("-")
    draws = np.random.default_rng(seed).random((int(n_edges), 2))
    with np.errstate(all="ignore"):  # powers of 0, where the loop is not compiled
        network, _ = grown(
            connected, _factor(lengths, eta), _KINDS[kind], _JOINS.get(join, 0), float(gamma), float(epsilon), draws
        )
    return network.astype(np.int64)


def _lengths(distances: ArrayLike) -> FloatArray:
    lengths = np.asarray(distances, dtype=np.float64)
    if lengths.ndim != 2 or lengths.shape[0] != lengths.shape[1]:
        raise ValueError(f"distances must be a square matrix (unit, unit), not of shape {lengths.shape}")
    if not np.isfinite(lengths).all() or (lengths < 0).any():
        raise ValueError("distances must be finite and not negative")
    if not np.allclose(lengths, lengths.T, rtol=1e-6, atol=1e-9 * lengths.max(initial=0)):
        raise ValueError("distances must be symmetric: connections are grown undirected")
    return (lengths + lengths.T) / 2  # to the last bit


def _connections(start: ArrayLike | None, n_units: int) -> NDArray[np.bool_]:
    if start is None:
        return np.zeros((n_units, n_units), dtype=np.bool_)
    connected: NDArray[np.bool_] = np.ascontiguousarray(np.asarray(start) != 0)
    if connected.shape != (n_units, n_units) or (connected != connected.T).any() or connected.diagonal().any():
        raise ValueError(
            f"start must be a symmetric matrix {(n_units, n_units)} without self-connections; "
            f"its shape is {connected.shape}"
        )
    return connected


def _factor(lengths: FloatArray, eta: float) -> FloatArray:
    """Return D^eta, but for a constant: the likeliest length has 1, so that no power overflows."""
    positive = lengths[lengths > 0]
    if not positive.size:
        return np.ones_like(lengths)  # all at one place: no length is likelier than another
    reference = positive.min() if eta < 0 else positive.max()
    with np.errstate(all="ignore"):  # 0 to a negative power is infinite, and meant to be
        return np.asarray((lengths / reference) ** eta)
