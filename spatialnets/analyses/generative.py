"""Generative models of the trained networks: which wiring rules reproduce their topology."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.analyses.selection import passing_mask, scored_epoch
from spatialnets.analyses.wiring import build_dataset, distances_of, magnitudes
from spatialnets.graph.fingerprint import fingerprint_dissimilarity
from spatialnets.graph.generative import STATISTICS, SearchMethod, check_search, energy, search, target_network
from spatialnets.graph.growth import FAMILIES, RULES, check_rule, grow
from spatialnets.paper import PASS_ACCURACY
from spatialnets.protocols import Analysis
from spatialnets.validation import require_fraction, require_not_negative

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Generative"]


@dataclass(frozen=True)
class Generative(Analysis):
    """Measure how well each of 13 wiring rules, with its best exponents, reproduces the topology of trained networks.

    The target is the undirected network of the strongest connections
    (`spatialnets.graph.generative.target_network`). Each rule grows networks over the distances of the network's own
    geometry; see `spatialnets.graph.growth.grow` for the rules and `spatialnets.graph.generative.search` for the search
    for eta and gamma.

    Over ``(network, epoch, rule)``: ``energy``, the lowest of all simulations (0 is a perfect fit), with its ``eta``
    and ``gamma`` (0 for ``spatial``, which has no gamma), its four components ``ks`` and
    ``fingerprint_dissimilarity``. ``homophily_advantage`` is the mean energy of the other rules divided by that of the
    homophily rules.

    As in the paper's Fig. 3c, passing networks are selected from the middle of a group, between one fifth and three
    fifths of the way from the weakest to the strongest regularization: networks 200 to 600 of 1,000. By default 20 of
    them, evenly spaced, are measured, because each takes about half a minute; the paper measured all
    (``networks_per_group: null``). Other networks are NaN.

    Parameters
    ----------
    rules
        Names of the wiring rules.
    networks_per_group
        Number of networks to measure in each group; None for all that pass.
    ranks
        Range of a group to select from, as fractions of its order by regularization strength; (0, 1) is the whole
        group. Networks of unknown strength are ordered by number.
    epochs
        Epochs to measure; the last one if training was shorter.
    density
        Fraction of all directed connections to keep in the target.
    levels, per_level, power, limits, method
        See `spatialnets.graph.generative.search`.
    epoch, accuracy
        A network passes if it reaches this validation accuracy at this epoch (or the last).
    seed
        Combined with the network's seed, the epoch and the rule to seed all random draws.

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
            check_rule(rule)
        for name, values in (("rules", self.rules), ("epochs", self.epochs)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must contain at least one entry and no duplicates, not {values}")
        if self.networks_per_group is not None and self.networks_per_group < 1:
            raise ValueError(f"networks_per_group must be 1 or more, or null for all, not {self.networks_per_group}")
        if not 0 <= self.ranks[0] < self.ranks[1] <= 1:
            raise ValueError(f"ranks must be two fractions from 0 to 1, the smaller first, not {self.ranks}")
        for name in ("epochs", "epoch", "seed"):
            require_not_negative(name, getattr(self, name))
        require_fraction("density", self.density)
        require_fraction("accuracy", self.accuracy)
        if self.method not in ("voronoi", "grid"):
            raise ValueError(f"method must be voronoi or grid, not {self.method!r}")
        check_search(self.levels, self.per_level, self.power, self.limits)

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, selected=self.select_networks(run)))

    def select_networks(self, run: Run) -> frozenset[tuple[str, int]]:
        """Return the networks to measure, as group and number."""
        table = run.map(self._passing_networks, scores_only=True)
        groups, numbers, passed = (table[name].to_numpy() for name in ("group", "network", "passed"))
        strengths = table["strength"].to_numpy() if "strength" in table.coords else numbers
        selected: set[tuple[str, int]] = set()
        for group in dict.fromkeys(groups.tolist()):
            rows = np.flatnonzero(groups == group)
            rows = rows[np.lexsort((numbers[rows], strengths[rows]))]
            first, last = (round(rank * len(rows)) for rank in self.ranks)
            rows = rows[first:last]
            rows = rows[passed[rows] > 0]
            count = min(len(rows), self.networks_per_group or len(rows))
            # divide the order into this many equal intervals and take the middle network of each
            rows = rows[((np.arange(count) + 0.5) * len(rows) / max(count, 1)).astype(np.int64)]
            selected |= {(group, number) for number in numbers[rows].tolist()}
        return frozenset(selected)

    def _passing_networks(self, shard: xr.Dataset) -> xr.Dataset:
        import xarray as xr

        passed = passing_mask(shard, scored_epoch(shard, self.epoch), self.accuracy)
        unknown = np.isnan(shard["validation_accuracy"].to_numpy()).all(axis=1)  # imported networks
        passed = passed | (unknown & (shard["status"].to_numpy() == "trained"))
        return xr.Dataset({"passed": ("network", passed)}, {"network": shard["network"]})

    def of_shard(self, shard: xr.Dataset, selected: frozenset[tuple[str, int]] | None = None) -> xr.Dataset:
        """Measure the selected networks of a shard, by default all."""
        epochs = sorted({scored_epoch(shard, epoch) for epoch in self.epochs})
        scored = shard.sel(epoch=epochs)
        weights, distances = magnitudes(scored), distances_of(scored)
        group, numbers = str(shard.attrs.get("group", "")), shard["network"].to_numpy().tolist()
        shape = (len(numbers), len(epochs), len(self.rules))
        lowest, eta, gamma, dissimilarity = (np.full(shape, np.nan) for _ in range(4))
        ks = np.full((*shape, len(STATISTICS)), np.nan)
        settings = (self.levels, self.per_level, self.power, self.limits)
        for row, number in enumerate(numbers):
            if selected is not None and (group, number) not in selected:
                continue
            for column, epoch in enumerate(epochs):
                target, lengths = target_network(weights[row, column], self.density), distances[row, column]
                if not target.any():  # diverged, or without weights
                    continue
                n_edges = int(target.sum()) // 2
                for layer, rule in enumerate(self.rules):
                    generator = np.random.default_rng((self.seed, int(shard["seed"][row]), epoch, RULES.index(rule)))
                    fit = search(target, lengths, rule, *settings, generator, method=self.method)
                    index, best = (row, column, layer), fit.best
                    lowest[index], ks[index] = fit.energy[best], fit.ks[best]
                    eta[index], gamma[index] = fit.eta[best], fit.gamma[best]
                    network = grow(lengths, rule, n_edges, fit.eta[best], fit.gamma[best], int(fit.seed[best]))
                    dissimilarity[index] = fingerprint_dissimilarity(network, target, lengths)
        dims, advantage = ("network", "epoch", "rule"), self._advantage(lowest)
        return build_dataset(
            {
                "energy": (dims, lowest, "lowest energy of a wiring rule", "1"),
                "eta": (dims, eta, "exponent of distance at the lowest energy", "1"),
                "gamma": (dims, gamma, "exponent of K at the lowest energy", "1"),
                "ks": ((*dims, "statistic"), ks, "Kolmogorov-Smirnov statistic at the lowest energy", "1"),
                "fingerprint_dissimilarity": (
                    dims, dissimilarity, "dissimilarity of fingerprints at the lowest energy", "1",
                ),
                "homophily_advantage": (
                    dims[:2], advantage, "mean energy of other rules divided by that of homophily rules", "1",
                ),
            },
            {
                "network": shard["network"],
                "epoch": epochs,
                "rule": np.array(self.rules, dtype=object),
                "statistic": np.array(STATISTICS, dtype=object),
            },
        )  # fmt: skip

    def _advantage(self, lowest: FloatArray) -> FloatArray:
        homophily = np.array([FAMILIES[rule] == "homophily" for rule in self.rules])
        if homophily.all() or not homophily.any():
            return np.full(lowest.shape[:-1], np.nan)
        of_homophily = lowest[..., homophily].mean(axis=-1)
        of_others = lowest[..., ~homophily].mean(axis=-1)
        return np.divide(of_others, of_homophily, out=np.full_like(of_homophily, np.nan), where=of_homophily > 0)

    @property
    def simulations(self) -> int:
        """Number of networks to grow for one network at one epoch."""
        total = self.levels * self.per_level
        two_exponents = total if self.method == "voronoi" else int(np.sqrt(total)) ** 2
        return sum(total if rule == "spatial" else two_exponents for rule in self.rules)

    def estimate_seconds(self, n_networks: int, n_units: int = 100) -> float:
        """Return the approximate time for a number of networks on one core, measured by growing a few of that size."""
        positions = np.random.default_rng(0).random((n_units, 3))
        distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        # the two directions of a pair are rarely both among the strongest
        n_edges = min(round(self.density * n_units * (n_units - 1)), n_units * (n_units - 1) // 2)
        target = grow(distances, "spatial", n_edges, -1.0, 0.0, 0)
        seconds = []
        for rule in self.rules:
            for seed in range(3):  # the first includes compilation
                start = time.perf_counter()
                energy(grow(distances, rule, n_edges, -1.0, 0.5, seed), target, distances)
                duration = time.perf_counter() - start
            seconds.append(duration)
        return float(np.mean(seconds)) * self.simulations * len(self.epochs) * n_networks
