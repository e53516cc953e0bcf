"""`spatialnets validate`."""

from __future__ import annotations

from spatialnets.cli.run import WorkerCount
from spatialnets.cli.words import Words, experiment_of


def validate(words: Words, workers: WorkerCount = None) -> None:
    """Check an experiment and say how long it will take and how much disk it needs; train nothing."""
    experiment = experiment_of(words)
    from rich.console import Console
    from rich.table import Table

    from spatialnets.engines.compute import estimate_bytes, estimate_seconds

    table = Table(title=experiment.name)
    for column in ("group", "networks", "geometry", "core", "regularizer", "task", "epochs"):
        table.add_column(column, justify="right" if column in ("networks", "epochs") else "left")
    for name, group in experiment.groups.items():
        for ensemble in group.ensembles:
            table.add_row(
                name,
                f"{len(ensemble.numbers):,}",
                f"{type(ensemble.geometry).__name__} of {ensemble.geometry.n_units:,}",
                *(type(part).__name__ for part in (ensemble.core, ensemble.regularizer, ensemble.task)),
                str(ensemble.training.epochs),
            )
    Console().print(table)
    for name, group in experiment.groups.items():
        for said in group.core_facts.values():
            print(f"{name}: {said}")
    seconds = estimate_seconds(experiment, workers)
    print(f"networks: {experiment.networks:,}; updates: {experiment.updates:,} (each of one network)")
    print(f"time: about {_duration(seconds)} on this machine, from a few timed updates")
    print(f"disk: about {estimate_bytes(experiment) / 1e6:,.0f} MB in {experiment.folder}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
