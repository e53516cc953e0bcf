"""`spatialnets validate`."""

from __future__ import annotations

import math
from collections import Counter

from spatialnets.cli.arguments import Overrides, WorkerCount, experiment_from

MAX_ROWS = 40  # ensembles of a group that differ only in other fields share a row


def validate(words: Overrides, workers: WorkerCount = None) -> None:
    """Check an experiment without training it; print its networks, updates, estimated time and disk space."""
    experiment = experiment_from(words)
    from rich.console import Console
    from rich.table import Table

    from spatialnets.engines.compute import estimate_bytes, estimate_seconds

    table = Table(title=experiment.name)
    for column in ("group", "networks", "geometry", "core", "regularizer", "task", "epochs"):
        table.add_column(column, justify="right" if column in ("networks", "epochs") else "left")
    rows: Counter[tuple[str, ...]] = Counter()
    for name, group in experiment.groups.items():
        for ensemble in group.ensembles:
            components = (ensemble.core, ensemble.regularizer, ensemble.task)
            geometry = f"{type(ensemble.geometry).__name__}, {ensemble.geometry.n_units:,} units"
            epochs = str(ensemble.training.epochs)
            rows[name, geometry, *(type(each).__name__ for each in components), epochs] += len(ensemble.numbers)
    for (name, *cells), networks in list(rows.items())[:MAX_ROWS]:
        table.add_row(name, f"{networks:,}", *cells)
    Console().print(table)
    if len(rows) > MAX_ROWS:
        print(f"and {len(rows) - MAX_ROWS:,} further rows")
    for name, group in experiment.groups.items():
        for fact in group.core_facts.values():
            print(f"{name}: {fact}")
    seconds = estimate_seconds(experiment, workers)
    print(f"networks: {experiment.networks:,}; updates: {experiment.updates:,} (summed over networks)")
    print(f"time: about {_duration(seconds)} on this machine, estimated from a few timed updates")
    print(f"disk: about {math.ceil(estimate_bytes(experiment) / 1e6):,} MB in {experiment.folder}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
