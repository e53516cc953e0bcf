"""The words of a command line that name an experiment, and where it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.errors import UserError

if TYPE_CHECKING:
    from spatialnets.engine import Engine
    from spatialnets.experiment import Experiment

__all__ = ["EngineWords", "Trust", "Words", "WorkerCount", "engine_of", "experiment_of"]

Words = Annotated[
    list[str],
    typer.Argument(
        help="A file such as my.yaml, or preset=NAME; then any key=value, such as networks=16 or geometry=sphere; and "
        "where to compute, such as engine=processes engine.workers=8.",
        show_default=False,
    ),
]

EngineWords = Annotated[
    list[str] | None,
    typer.Argument(help="Where to compute, such as engine=processes engine.workers=8; by default here."),
]

WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", help="Jobs at work at the same time; by default one per core."),
]

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Import code that the run's folder names (module:Class); it can do all that you can."),
]


def experiment_of(words: Sequence[str]) -> Experiment:
    """Return the experiment that the words declare; those about the engine are left out."""
    from spatialnets.engines.choosing import is_of_engine
    from spatialnets.experiment import Experiment

    words = [word for word in words if not is_of_engine(word)]
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise UserError(f"expected one file at most, got {' and '.join(files)}; other words are key=value")
    if files and Path(files[0]).suffix not in (".yaml", ".yml") and not Path(files[0]).exists():
        from spatialnets.declaration import preset_names

        hint = f"; did you mean preset={files[0]}?" if files[0] in preset_names() else ""
        raise UserError(f"'{files[0]}' is no file and no key=value{hint}")
    return Experiment.from_command(Path(files[0]) if files else None, [word for word in words if word not in files])


def engine_of(words: Sequence[str] | None, workers: int | None, alone: bool = False) -> Engine:
    """Return the engine that words ask for.

    Parameters
    ----------
    words
        Of a command line.
    workers
        What ``--workers`` says.
    alone
        Whether words can be about nothing else.
    """
    from spatialnets.engines.choosing import engine_from, is_of_engine

    others = [word for word in words or () if not is_of_engine(word)]
    if alone and others:
        raise UserError(f"'{others[0]}' is not about the engine: expected engine=NAME or engine.FIELD=VALUE")
    return engine_from([word for word in words or () if is_of_engine(word)], workers)
