"""Spatial null models: networks with shuffled weights, and unit maps with the same spatial autocorrelation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spatialnets.aliases import FloatArray
from spatialnets.graph.communicability import communicability
from spatialnets.graph.modularity import modularity
from spatialnets.graph.nulls import BINS, map_correlation, moran_surrogates, shuffle_within_distances, spin_permutations
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.report.contrasts import MIN_NETWORKS
from spatialnets.report.samples import Sample
from spatialnets.rng import numpy_stream
from spatialnets.statistics.effects import bootstrap

__all__ = ["CENTRALITY", "NULL_COLUMNS", "N_SHUFFLES", "map_table", "null_table", "passing_weights", "strength_map"]

MAX_NETWORKS = 20  # per sample: passing networks to shuffle, evenly spaced over their strengths
N_SHUFFLES = 20  # per network
N_SURROGATES = 999  # maps; the smallest possible p is 0.001
SEED = 2023

NULL_COLUMNS = [
    "sample", "measure", "n", "observed", "within_lengths", "anywhere", "explained", "low", "high", "outside",
]  # fmt: skip


def _mean_communicability(weights: FloatArray) -> FloatArray:
    import torch

    n_units = weights.shape[-1]
    total = communicability(torch.from_numpy(weights)).sum(dim=(-2, -1)).numpy()
    return np.asarray(total / (n_units * (n_units - 1)))


NULL_MEASURES: Mapping[str, Callable[[FloatArray], Any]] = {
    "modularity": lambda weights: modularity(weights)[0],
    "small_worldness": small_worldness,
    "mean_communicability": _mean_communicability,
}


def passing_weights(sample: Sample) -> FloatArray:
    """Return weight magnitudes of up to 20 passing networks at the compared epoch, ``(network, pre, post)``."""
    places = np.flatnonzero(sample.passes)
    places = places[np.argsort(sample.table["strength"].to_numpy()[places], kind="stable")]
    if len(places) > MAX_NETWORKS:
        places = places[np.linspace(0, len(places) - 1, MAX_NETWORKS).round().astype(int)]
    wanted = set(sample.table["network"].to_numpy()[places].tolist())
    magnitudes = []
    for shard in sample.run.shards:
        numbers = [number for number in shard.networks if number in wanted]
        if shard.group != sample.group or not numbers or not shard.done:
            continue
        weights = shard.load()["weights"].sel(network=numbers, epoch=sample.epoch)
        magnitude = abs(weights.astype(np.float64))
        magnitudes.append((magnitude.sum("gate") if "gate" in magnitude.dims else magnitude).to_numpy())
    return np.concatenate(magnitudes) if magnitudes else np.empty((0, 0, 0))


def null_table(sample: Sample, weights: FloatArray) -> pd.DataFrame:
    """Compare networks with the same networks after shuffling weights within classes of length, and over all lengths.

    Shuffling over all lengths keeps only the distribution of weights; shuffling within classes also keeps the relation
    between weight and length. The share of the difference that the latter preserves is what lengths explain.
    """
    generator = numpy_stream(SEED, f"shuffled networks of {sample.group}")
    distances = sample.geometry.distances
    within_lengths, over_all = (
        np.stack([shuffle_within_distances(weights, distances, generator, bins) for _ in range(N_SHUFFLES)])
        for bins in (BINS, 1)
    )  # (null, network, pre, post)
    rows = []
    for name, measure in NULL_MEASURES.items():
        observed, within, anywhere = (np.asarray(measure(networks)) for networks in (weights, within_lengths, over_all))
        defined = np.isfinite(observed) & np.isfinite(within).all(axis=0) & np.isfinite(anywhere).all(axis=0)
        if defined.sum() < MIN_NETWORKS:
            continue
        observed, within, anywhere = observed[defined], within[:, defined], anywhere[:, defined]
        values = (observed, within.mean(axis=0), anywhere.mean(axis=0))
        ends = bootstrap((values[0] - values[2],), np.mean)
        explained, low, high = np.nan, np.nan, np.nan
        if np.isfinite(ends).all() and ends[0] * ends[1] > 0:  # a share is defined only if there is a difference
            explained = float(_explained(*values))
            low, high = (float(end) for end in bootstrap(values, _explained, paired=True))
        outside = (observed > within.max(axis=0)) | (observed < within.min(axis=0))
        rows.append(
            [sample.label, name, int(defined.sum()), *(value.mean() for value in values), explained, low, high,
             float(outside.mean())]
        )  # fmt: skip
    return pd.DataFrame(rows, columns=NULL_COLUMNS)


def _explained(observed: FloatArray, within: FloatArray, anywhere: FloatArray, axis: int = -1) -> FloatArray:
    """Return the share of the difference between trained and fully shuffled networks that length classes preserve."""
    chance = anywhere.mean(axis=axis)
    return np.asarray((within.mean(axis=axis) - chance) / (observed.mean(axis=axis) - chance))


MAP_COLUMNS = ["first", "second", "r", "p", "null"]
CENTRALITY = "mean distance to all other units"


def strength_map(weights: FloatArray) -> FloatArray:
    """Return each unit's in- plus out-strength relative to its network's mean, averaged over networks, ``(unit,)``."""
    strength = weights.sum(axis=-1) + weights.sum(axis=-2)
    return np.asarray((strength / strength.mean(axis=-1, keepdims=True)).mean(axis=0))


def map_table(samples: Sequence[Sample], maps: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Correlate unit strength with centrality, and with unit strength of other samples on the same geometry."""
    rows: list[list[Any]] = []
    for index, sample in enumerate(samples):
        if sample.label not in maps:
            continue
        strength, distances = maps[sample.label], sample.geometry.distances
        surrogates, null = _surrogates(sample, strength)
        centrality = distances.sum(axis=1) / (len(distances) - 1)
        rows.append([sample.label, CENTRALITY, *map_correlation(strength, centrality, surrogates), null])
        for other in samples[index + 1 :]:
            others, second = other.geometry.distances, maps.get(other.label)
            if second is not None and others.shape == distances.shape and np.allclose(others, distances, rtol=1e-6):
                rows.append([sample.label, other.label, *map_correlation(strength, second, surrogates), null])
    return pd.DataFrame(rows, columns=MAP_COLUMNS)


def _surrogates(sample: Sample, values: FloatArray) -> tuple[FloatArray, str]:
    """Return surrogates of a map and their kind: spins if the units are on a sphere, otherwise Moran surrogates."""
    generator = numpy_stream(SEED, f"surrogates of {sample.group}")
    geometry = sample.geometry
    if len(geometry.sphere):
        parts = geometry.parts if len(geometry.parts) else None
        return values[spin_permutations(geometry.sphere, N_SURROGATES, generator, parts)], "spins"
    return moran_surrogates(values, geometry.distances, N_SURROGATES, generator), "Moran"
