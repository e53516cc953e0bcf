"""The words of a command line that name an experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.errors import UserError

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.experiments.experiment import Experiment

__all__ = ["Detach", "EngineWords", "Trust", "Words", "engine_of", "experiment_of", "without_engine"]

Words = Annotated[
    list[str],
    typer.Argument(
        help="A file such as my.yaml, or preset=NAME; then any key=value, such as networks=16 or geometry=sphere.",
        show_default=False,
    ),
]


EngineWords = Annotated[
    list[str] | None,
    typer.Argument(help="Where it is computed, such as engine=processes engine.workers=2.", show_default=False),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Submit jobs and leave, as engine.detach=true: with engine=slurm.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Import code that the run's folder names (module:Class); it can do all that you can."),
]


def experiment_of(words: Sequence[str]) -> Experiment:
    """Return the experiment that the words declare."""
    from spatialnets.experiments.experiment import Experiment

    words = without_engine(words)
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise UserError(f"expected one file at most, got {' and '.join(files)}; other words are key=value")
    if files and Path(files[0]).suffix not in (".yaml", ".yml") and not Path(files[0]).exists():
        from spatialnets.experiments.declaration import preset_names

        hint = f"; did you mean preset={files[0]}?" if files[0] in preset_names() else ""
        raise UserError(f"'{files[0]}' is no file and no key=value{hint}")
    return Experiment.from_command(Path(files[0]) if files else None, [word for word in words if word not in files])


def without_engine(words: Sequence[str]) -> list[str]:
    """Return the words that are not about the engine, which is no part of an experiment."""
    from spatialnets.engines.choice import is_engine_word

    return [word for word in words if not is_engine_word(word)]


def engine_of(words: Sequence[str] | None, only: bool = False, detach: bool = False) -> Engine | None:
    """Return the engine that the words name, or None.

    Parameters
    ----------
    words
        Of a command line.
    only
        Whether no other words are expected.
    detach
        Whether --detach was given.
    """
    from spatialnets.engines.choice import engine_of, is_engine_word

    words = words or []
    others = without_engine(words)
    if only and others:
        raise UserError(f"'{others[0]}': expected words about the engine alone, such as engine=processes")
    engine = engine_of([word for word in words if is_engine_word(word)])
    if not detach:
        return engine
    if not hasattr(engine, "detach"):
        raise UserError("--detach: jobs go on by themselves only where a scheduler has them; add engine=slurm")
    return dataclasses.replace(engine, detach=True)  # type: ignore[type-var]
