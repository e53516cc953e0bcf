"""What distance alone explains: networks against their shuffles, and maps of units against maps as smooth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spatialnets.graph.communicability import communicability
from spatialnets.graph.modularity import modularity
from spatialnets.graph.nulls import BINS, map_correlation, moran_surrogates, shuffle_within_distances, spin_permutations
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.protocols import FloatArray
from spatialnets.report.contrasts import FEWEST
from spatialnets.report.samples import Sample
from spatialnets.rng import numpy_stream
from spatialnets.statistics.effects import bootstrap

__all__ = ["CENTRALITY", "NULLS", "NULL_COLUMNS", "map_table", "null_table", "strength_map", "weights_of"]

NULL_NETWORKS = 20  # passing networks of each sample that are shuffled, evenly over their strengths
NULLS = 20  # shuffles of each
SURROGATES = 999  # maps; the smallest p is 0.001
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


def weights_of(sample: Sample) -> FloatArray:
    """Return magnitudes of passing networks at the scored epoch, evenly over strengths, ``(network, pre, post)``."""
    places = np.flatnonzero(sample.passes)
    places = places[np.argsort(sample.table["strength"].to_numpy()[places], kind="stable")]
    if len(places) > NULL_NETWORKS:
        places = places[np.linspace(0, len(places) - 1, NULL_NETWORKS).round().astype(int)]
    wanted = set(sample.table["network"].to_numpy()[places].tolist())
    found = []
    for shard in sample.run.shards:
        numbers = [number for number in shard.networks if number in wanted]
        if shard.group != sample.group or not numbers or not shard.done:
            continue
        weights = sample.run.load_shard(shard)["weights"].sel(network=numbers, epoch=sample.epoch)
        magnitude = abs(weights.astype(np.float64))
        found.append((magnitude.sum("gate") if "gate" in magnitude.dims else magnitude).to_numpy())
    return np.concatenate(found) if found else np.empty((0, 0, 0))


def null_table(sample: Sample, weights: FloatArray) -> pd.DataFrame:
    """Set networks against their shuffles within classes of length, and over all lengths.

    Shuffling everything leaves what the weights' sizes alone give; shuffling within lengths also keeps where they are
    long or short. The share of the way that this goes is what lengths explain.
    """
    generator = numpy_stream(SEED, f"shuffled networks of {sample.group}")
    kept, free = (
        np.stack([shuffle_within_distances(weights, sample.geometry.distances, generator, bins) for _ in range(NULLS)])
        for bins in (BINS, 1)
    )  # (null, network, pre, post)
    rows = []
    for name, measure in NULL_MEASURES.items():
        observed, within, anywhere = (np.asarray(measure(networks)) for networks in (weights, kept, free))
        known = np.isfinite(observed) & np.isfinite(within).all(axis=0) & np.isfinite(anywhere).all(axis=0)
        if known.sum() < FEWEST:
            continue
        observed, within, anywhere = observed[known], within[:, known], anywhere[:, known]
        three = (observed, within.mean(axis=0), anywhere.mean(axis=0))
        ends = bootstrap((three[0] - three[2],), np.mean)
        explained, low, high = np.nan, np.nan, np.nan
        if np.isfinite(ends).all() and ends[0] * ends[1] > 0:  # without a difference there is no share of it
            explained = float(_explained(*three))
            low, high = (float(end) for end in bootstrap(three, _explained, paired=True))
        outside = (observed > within.max(axis=0)) | (observed < within.min(axis=0))
        rows.append(
            [sample.label, name, int(known.sum()), *(part.mean() for part in three), explained, low, high,
             float(outside.mean())]
        )  # fmt: skip
    return pd.DataFrame(rows, columns=NULL_COLUMNS)


def _explained(observed: FloatArray, within: FloatArray, anywhere: FloatArray, axis: int = -1) -> FloatArray:
    """Return how far shuffling within lengths stays from shuffling anywhere, as a share of how far networks are."""
    chance = anywhere.mean(axis=axis)
    return np.asarray((within.mean(axis=axis) - chance) / (observed.mean(axis=axis) - chance))


MAP_COLUMNS = ["first", "second", "r", "p", "null"]
CENTRALITY = "mean distance to the other units"


def strength_map(weights: FloatArray) -> FloatArray:
    """Return the strength of each unit, in and out, relative to its network's mean, averaged over networks."""
    strength = weights.sum(axis=-1) + weights.sum(axis=-2)
    return np.asarray((strength / strength.mean(axis=-1, keepdims=True)).mean(axis=0))


def map_table(samples: Sequence[Sample], maps: Mapping[str, FloatArray]) -> pd.DataFrame:
    """Set the strength of units against how central they are, and against other samples on the same geometry."""
    rows: list[list[Any]] = []
    for place, sample in enumerate(samples):
        if sample.label not in maps:
            continue
        own, distances = maps[sample.label], sample.geometry.distances
        surrogates, null = _surrogates(sample, own)
        central = distances.sum(axis=1) / (len(distances) - 1)
        rows.append([sample.label, CENTRALITY, *map_correlation(own, central, surrogates), null])
        for other in samples[place + 1 :]:
            same = other.geometry.distances
            if other.label in maps and same.shape == distances.shape and np.allclose(same, distances, rtol=1e-6):
                rows.append([sample.label, other.label, *map_correlation(own, maps[other.label], surrogates), null])
    return pd.DataFrame(rows, columns=MAP_COLUMNS)


def _surrogates(sample: Sample, values: FloatArray) -> tuple[FloatArray, str]:
    """Return surrogates of a map, and how they were made: by spins where units lie on a sphere, else by Moran's."""
    generator = numpy_stream(SEED, f"surrogates of {sample.group}")
    geometry = sample.geometry
    if len(geometry.sphere):
        parts = geometry.parts if len(geometry.parts) else None
        return values[spin_permutations(geometry.sphere, SURROGATES, generator, parts)], "spins"
    return moran_surrogates(values, geometry.distances, SURROGATES, generator), "Moran"
