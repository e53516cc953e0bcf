"""`spatialnets validate`."""

from __future__ import annotations

from spatialnets.cli.run import WorkerCount
from spatialnets.cli.words import Words, experiment_of


def validate(words: Words, workers: WorkerCount = None) -> None:
    """Check an experiment and say how long it will take and how much disk it needs; train nothing."""
    experiment = experiment_of(words)
    from rich.console import Console
    from rich.table import Table

    from spatialnets.engines.here import estimate_bytes, estimate_seconds
    from spatialnets.engines.progress import clock_words

    table = Table(title=experiment.name)
    for column in ("group", "networks", "geometry", "units", "core", "regularizer", "task", "epochs"):
        table.add_column(column, justify="right" if column in ("networks", "units", "epochs") else "left")
    for name, group in experiment.groups.items():
        for ensemble in group.ensembles:
            table.add_row(
                name,
                f"{len(ensemble.numbers):,}",
                ensemble.geometry_name,
                f"{ensemble.geometry.n_units:,}",
                *(type(part).__name__ for part in (ensemble.core, ensemble.regularizer, ensemble.task)),
                str(ensemble.training.epochs),
            )
    Console().print(table)
    seconds = estimate_seconds(experiment, workers)
    print(f"networks: {experiment.networks:,}; updates: {experiment.updates:,} (each of one network)")
    print(f"time: about {clock_words(seconds)} (hours:minutes:seconds) on this machine, from a few timed updates")
    print(f"disk: about {estimate_bytes(experiment) / 1e6:,.0f} MB in {experiment.folder}")
