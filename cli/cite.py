"""`spatialnets cite`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from spatialnets.cli.arguments import Trust, argument, experiment_from


def cite(
    words: Annotated[
        list[str],
        argument("RUN|FILE.yaml|KEY=VALUE", "A run's folder, or an experiment as for run: a file or preset=NAME."),
    ],
    trust: Trust = False,
) -> None:
    """Print the references for everything that an experiment uses, as BibTeX."""
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.report.citations import bibliography

    if len(words) == 1 and Path(words[0]).is_dir():
        experiment = Experiment.from_run(words[0], trusted=trust)
    else:
        experiment = experiment_from(words)
    print(bibliography(experiment))
