"""`spatialnets cite`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.words import experiment_of
from spatialnets.errors import UserError


def cite(
    words: Annotated[
        list[str],
        typer.Argument(help="A run's folder, or an experiment as for run: a file or preset=NAME.", show_default=False),
    ],
) -> None:
    """Print BibTeX for everything that an experiment uses."""
    from spatialnets.report.citations import bibliography

    if len(words) == 1 and Path(words[0]).is_dir():
        if not (Path(words[0]) / "experiment.yaml").exists():
            raise UserError(f"{words[0]} is no run folder: it has no experiment.yaml")
        words = [str(Path(words[0]) / "experiment.yaml")]
    print(bibliography(experiment_of(words)))
