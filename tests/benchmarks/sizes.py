"""Benchmarks of size: networks of many units, and surfaces."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from typing import Literal

import numpy as np
from timing import Effort, Figures, child, peak_gibibytes, printed_figures, time_alternately

from spatialnets.cores import RNN
from spatialnets.geometries import Cortex, Sphere
from spatialnets.graph.product_choice import choose_block_units
from spatialnets.graph.products import block_products
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import Both
from spatialnets.tasks import OneChoice
from spatialnets.training import penalties
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer


def surface(effort: Effort) -> Figures:
    """Distances between 400 units on fsaverage5 (10,242 vertices); the exact algorithm is timed from some of them."""
    from pygeodesic.geodesic import PyGeodesicAlgorithmExact

    exact_sources = min(8, effort.surface_units)
    before = os.environ.get("SPATIALNETS_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPATIALNETS_CACHE"] = folder
        start = time.perf_counter()
        cortex = Cortex(source="fsaverage5_pial", n=effort.surface_units)
        distances = cortex.distances()
        first = time.perf_counter() - start
        cached = time_alternately(
            {"x": lambda: Cortex(source="fsaverage5_pial", n=effort.surface_units).distances()}, effort.repeats
        )["x"]
    del os.environ["SPATIALNETS_CACHE"]
    if before is not None:
        os.environ["SPATIALNETS_CACHE"] = before
    vertices, faces = cortex.surface()
    units = [int((vertices == position).all(axis=1).argmax()) for position in cortex.positions()]
    algorithm = PyGeodesicAlgorithmExact(np.array(vertices), faces.astype(np.int32))
    start = time.perf_counter()
    exact = np.array(
        [algorithm.geodesicDistances(np.array([unit], np.int32), None)[0][units] for unit in units[:exact_sources]]
    )
    exact_seconds = (time.perf_counter() - start) * len(units) / exact_sources
    ratio = distances[:exact_sources][exact > 0] / exact[exact > 0]
    return {
        "seconds, first time": first,
        "seconds, cached": cached,
        "seconds, exact algorithm (from 8 units, scaled to all)": exact_seconds,
        "ratio, exact algorithm to first time": exact_seconds / first,
        "mean error, %": 100 * float(ratio.mean() - 1),
        "largest error, %": 100 * float(ratio.max() - 1),
    }


def size(effort: Effort) -> Figures:
    """One update of one network with more and more units, on one thread: seconds and peak memory of the process."""
    figures = {}
    runs = [(method, n_units) for n_units in effort.sizes for method in ("exact", "stochastic")]
    if effort.largest is not None:
        runs.append(("stochastic", effort.largest))
    for method, n_units in runs:
        seconds, gibibytes = printed_figures(child(f"size-{method}-{n_units}-{min(effort.repeats, 3)}"))
        figures[f"seconds per update: {method}, {n_units} units"] = seconds
        figures[f"peak memory, GiB: {method}, {n_units} units"] = gibibytes
    for n_units in effort.sizes:
        if n_units >= 1000:
            exact, stochastic = (
                figures[f"seconds per update: {method}, {n_units} units"] for method in ("exact", "stochastic")
            )
            figures[f"ratio, {n_units} units"] = exact / stochastic
    return figures


def print_size(method: Literal["exact", "stochastic"], n_units: int, updates: int) -> None:
    """Print the seconds per update of a network on a sphere, and the peak memory of this process."""
    # epochs of one update, of which only the last is evaluated and stored, and it is never reached
    training = Training(epochs=10**9, keep_every=10**9, trials_per_epoch=32, batch_size=32, validation_trials=8)
    task, sphere = OneChoice(goal_steps=4, delay_steps=2, choice_steps=4), StoredGeometry.of(Sphere(n_units))
    # stored penalties are estimated in both cases, because computing them exactly would determine the peak memory
    penalties.EXACT_UNITS = 0
    shard = Shard(0, "x", (0,), (0,), "x", RNN(), Both(0.001, method="stochastic"), task, training)
    trainer = Trainer(shard, sphere)
    trainer.penalties.terms = {"both": Both(0.001, method=method)}
    slow = n_units > (1000 if method == "exact" else 4000)  # one update, and for the exact method no warm-up
    times = []
    with block_products(choose_block_units([n_units])):
        for _ in range((1 if slow else updates) + (not slow or method == "stochastic")):
            start = time.perf_counter()
            trainer.run_epoch(lambda updates, epoch: None)
            times.append(time.perf_counter() - start)
    print(statistics.median(times[-1:] if slow else times[-updates:]), peak_gibibytes())
