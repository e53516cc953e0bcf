"""`spatialnets cite`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.words import Trust, experiment_of


def cite(
    words: Annotated[
        list[str],
        typer.Argument(help="A run's folder, or an experiment as for run: a file or preset=NAME.", show_default=False),
    ],
    trust: Trust = False,
) -> None:
    """Print BibTeX for everything that an experiment uses."""
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.report.citations import bibliography

    if len(words) == 1 and Path(words[0]).is_dir():
        experiment = Experiment.from_run(words[0], trusted=trust)
    else:
        experiment = experiment_of(words)
    print(bibliography(experiment))
