"""Which wiring rules grow networks like the trained ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.selection import passing, scored_epoch
from spatialnets.analyses.wiring import distances_of, magnitudes
from spatialnets.errors import nearest
from spatialnets.graph.fingerprint import fingerprint_dissimilarity
from spatialnets.graph.generative import STATISTICS, SearchMethod, check_search, energy, search, target_network
from spatialnets.graph.growth import FAMILIES, RULES, grow
from spatialnets.paper import PASS_ACCURACY
from spatialnets.protocols import Analysis, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Generative"]


@dataclass(frozen=True)
class Generative(Analysis):
    """How well each of 13 wiring rules grows networks like the trained ones, at its best exponents.

    Of each network the strongest connections, undirected (`spatialnets.graph.generative.target_network`), are what
    each rule is to grow, over the distances of the network's own geometry; see `spatialnets.graph.growth.grow` for
    rules and `spatialnets.graph.generative.search` for how eta and gamma are looked for.

    ``energy``, lowest of all simulations (0 fits perfectly), with the ``eta`` and ``gamma`` that gave it (gamma is 0
    for ``spatial``, which has none), its four parts ``ks`` and ``fingerprint_dissimilarity``, over ``(network, epoch,
    rule)``; ``homophily_advantage``, mean energy of the other rules over that of the homophily rules.

    As in the paper's Fig. 3c, networks that pass are taken from the middle of a group, between a fifth and three fifths
    of the way from the weakest penalty to the strongest: networks 200 to 600 of 1,000. By default 20 of them, evenly
    spaced, as each takes about half a minute; the paper took all: ``networks_per_group: null``. Others are NaN.

    Parameters
    ----------
    rules
        Names of rules.
    networks_per_group
        How many networks of each group; None for all that pass.
    ranks
        From which part of a group, in the order of strengths; (0, 1) is the whole. Where strengths are not known, the
        order is that of numbers.
    epochs
        After which epochs; the last one where training was shorter.
    density
        Share of all directed connections that makes the target.
    levels, per_level, power, limits, method
        As in `spatialnets.graph.generative.search`.
    epoch, accuracy
        A network passes if its validation accuracy is that high after this epoch (or the last).
    seed
        With the network's own seed, the epoch and the rule it decides all that is drawn.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3c.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "betzel2016", "akarca2021")
    heavy: ClassVar[bool] = True

    rules: tuple[str, ...] = RULES
    networks_per_group: int | None = 20
    ranks: tuple[float, float] = (0.2, 0.6)
    epochs: tuple[int, ...] = (9,)
    density: float = 0.05
    levels: int = 5
    per_level: int = 200
    power: float = 2.0
    limits: tuple[float, float] = (-3.0, 3.0)
    method: SearchMethod = "voronoi"
    epoch: int = 9
    accuracy: float = PASS_ACCURACY
    seed: int = 0

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule not in RULES:
                raise ValueError(f"there is no rule '{rule}': {nearest(rule, RULES)}")
        for name, values in (("rules", self.rules), ("epochs", self.epochs)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be one or more that differ, not {values}")
        if self.networks_per_group is not None and self.networks_per_group < 1:
            raise ValueError(f"networks_per_group must be 1 or more, or null for all, not {self.networks_per_group}")
        if not 0 <= self.ranks[0] < self.ranks[1] <= 1:
            raise ValueError(f"ranks must be two shares from 0 to 1, the smaller first, not {self.ranks}")
        if min(*self.epochs, self.epoch, self.seed) < 0:
            raise ValueError("epochs, epoch and seed must not be negative")
        for name, share in (("density", self.density), ("accuracy", self.accuracy)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {share}")
        if self.method not in ("voronoi", "grid"):
            raise ValueError(f"method must be voronoi or grid, not {self.method!r}")
        check_search(self.levels, self.per_level, self.power, self.limits)

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, chosen=self.chosen(run)))

    def chosen(self, run: Run) -> frozenset[tuple[str, int]]:
        """Return which networks are measured, as group and number."""
        passed = run.map(self._passed, scores_only=True)
        groups, numbers = passed["group"].to_numpy(), passed["network"].to_numpy()
        strengths = passed["strength"].to_numpy() if "strength" in passed.coords else numbers
        found: set[tuple[str, int]] = set()
        for group in dict.fromkeys(groups.tolist()):
            own = np.flatnonzero(groups == group)
            own = own[np.lexsort((numbers[own], strengths[own]))]
            first, last = (round(share * len(own)) for share in self.ranks)
            own = own[first:last]
            own = own[passed["passed"].to_numpy()[own] > 0]
            count = min(len(own), self.networks_per_group or len(own))
            # the middle ones of so many equal parts
            own = own[((np.arange(count) + 0.5) * len(own) / max(count, 1)).astype(np.int64)]
            found |= {(group, number) for number in numbers[own].tolist()}
        return frozenset(found)

    def _passed(self, shard: xr.Dataset) -> xr.Dataset:
        import xarray as xr

        passed = passing(shard, scored_epoch(shard, self.epoch), self.accuracy)
        unknown = np.isnan(shard["validation_accuracy"].to_numpy()).all(axis=1)  # of imported networks
        passed = passed | (unknown & (shard["status"].to_numpy() == "trained"))
        return xr.Dataset({"passed": ("network", passed)}, {"network": shard["network"]})

    def of_shard(self, shard: xr.Dataset, chosen: frozenset[tuple[str, int]] | None = None) -> xr.Dataset:
        """Measure those networks of a shard that are chosen, by default all."""
        import xarray as xr

        epochs = sorted({scored_epoch(shard, epoch) for epoch in self.epochs})
        scored = shard.sel(epoch=epochs)
        weights, distances = magnitudes(scored), distances_of(scored)
        group, numbers = str(shard.attrs.get("group", "")), shard["network"].to_numpy().tolist()
        shape = (len(numbers), len(epochs), len(self.rules))
        lowest, eta, gamma, unlike = (np.full(shape, np.nan) for _ in range(4))
        ks = np.full((*shape, len(STATISTICS)), np.nan)
        for place, number in enumerate(numbers):
            if chosen is not None and (group, number) not in chosen:
                continue
            for when, epoch in enumerate(epochs):
                target, lengths = target_network(weights[place, when], self.density), distances[place, when]
                if not target.any():  # diverged, or without weights
                    continue
                for which, rule in enumerate(self.rules):
                    own = (self.seed, int(shard["seed"][place]), epoch, RULES.index(rule))
                    settings = (self.levels, self.per_level, self.power, self.limits)
                    fit = search(
                        target, lengths, rule, *settings, np.random.default_rng(own), method=self.method
                    )  # fmt: skip
                    at, best = (place, when, which), fit.best
                    lowest[at], ks[at] = fit.energy[best], fit.ks[best]
                    eta[at], gamma[at] = fit.eta[best], fit.gamma[best]
                    n_edges = int(target.sum()) // 2
                    again = grow(lengths, rule, n_edges, fit.eta[best], fit.gamma[best], int(fit.seed[best]))
                    unlike[at] = fingerprint_dissimilarity(again, target, lengths)
        over = ("network", "epoch", "rule")
        variables: dict[str, tuple[tuple[str, ...], FloatArray, str]] = {
            "energy": (over, lowest, "lowest energy of a generative rule"),
            "eta": (over, eta, "exponent of distance at the lowest energy"),
            "gamma": (over, gamma, "exponent of the rule's value at the lowest energy"),
            "ks": ((*over, "statistic"), ks, "Kolmogorov-Smirnov statistic at the lowest energy"),
            "fingerprint_dissimilarity": (over, unlike, "dissimilarity of fingerprints at the lowest energy"),
            "homophily_advantage": (over[:2], self._advantage(lowest), "energy of other rules over that of homophily"),
        }
        return xr.Dataset(
            {
                name: (dims, values, {"long_name": long_name, "units": "1"})
                for name, (dims, values, long_name) in variables.items()
            },
            {
                "network": shard["network"],
                "epoch": epochs,
                "rule": np.array(self.rules, dtype=object),
                "statistic": np.array(STATISTICS, dtype=object),
            },
        )

    def _advantage(self, lowest: FloatArray) -> FloatArray:
        homophily = np.array([FAMILIES[rule] == "homophily" for rule in self.rules])
        if homophily.all() or not homophily.any():
            return np.full(lowest.shape[:-1], np.nan)
        own = lowest[..., homophily].mean(axis=-1)
        others = lowest[..., ~homophily].mean(axis=-1)
        return np.divide(others, own, out=np.full_like(own, np.nan), where=own > 0)

    @property
    def simulations(self) -> int:
        """How many networks are grown for one network, at one epoch."""
        total = self.levels * self.per_level
        other = total if self.method == "voronoi" else int(np.sqrt(total)) ** 2
        return sum(total if rule == "spatial" else other for rule in self.rules)

    def estimated_seconds(self, n_networks: int, n_units: int = 100) -> float:
        """Return about how long so many networks take on one core, by growing a few of that size now."""
        positions = np.random.default_rng(0).random((n_units, 3))
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        # two directions of one connection are seldom both among the strongest
        n_edges = min(round(self.density * n_units * (n_units - 1)), n_units * (n_units - 1) // 2)
        target = grow(distances, "spatial", n_edges, -1.0, 0.0, 0)
        seconds = []
        for rule in self.rules:
            for seed in range(3):  # the first is compiled
                began = time.perf_counter()
                energy(grow(distances, rule, n_edges, -1.0, 0.5, seed), target, distances)
                taken = time.perf_counter() - began
            seconds.append(taken)
        return float(np.mean(seconds)) * self.simulations * len(self.epochs) * n_networks
