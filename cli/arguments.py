"""Arguments that several commands share, and the experiments and engines that they name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialnets.errors import UserError
from spatialnets.progress import NoProgress, Progress, terminal_progress

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.experiments.experiment import Experiment

__all__ = [
    "Detach",
    "EngineOverrides",
    "Overrides",
    "Quiet",
    "RunFolder",
    "Trust",
    "WorkerCount",
    "argument",
    "engine_from",
    "experiment_from",
    "progress_for",
    "without_engine_overrides",
]


def argument(name: str, description: str) -> Any:
    """Return a positional argument for the signature of a command, under the name that its help shows."""
    return typer.Argument(metavar=name, help=description, show_default=False)


Overrides = Annotated[
    list[str],
    argument("FILE.yaml|KEY=VALUE", "A file or preset=NAME; then overrides such as networks=16 or geometry=sphere."),
]
RunFolder = Annotated[Path, argument("RUN", "The run's folder.")]
EngineOverrides = Annotated[
    list[str] | None, argument("engine=NAME", "Where to compute, such as engine=processes engine.workers=2.")
]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", help="Number of jobs at a time, like engine.workers=N; by default one per core."),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Submit the jobs and exit, like engine.detach=true; needs engine=slurm.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Do not show progress.")]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Import code that the run's folder names (module:Class); it can do whatever you can."),
]


def experiment_from(words: Sequence[str]) -> Experiment:
    """Return the experiment that a file or preset and overrides declare."""
    from spatialnets.experiments.experiment import Experiment

    words = without_engine_overrides(words)
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise UserError(f"expected at most one file, got {' and '.join(files)}; all other arguments must be key=value")
    if files and Path(files[0]).suffix not in (".yaml", ".yml") and not Path(files[0]).exists():
        raise UserError(f"'{files[0]}' is neither a file nor key=value{_suggestion(files[0])}")
    return Experiment.from_command(Path(files[0]) if files else None, [word for word in words if word not in files])


def _suggestion(name: str) -> str:
    from spatialnets import registry
    from spatialnets.experiments.declaration import preset_names

    keys = [family for family in registry.FAMILIES if name in registry.names(family)]
    keys = ["preset"] if name in preset_names() else keys
    return f". Did you mean {keys[0]}={name}?" if keys else ""


def without_engine_overrides(words: Sequence[str]) -> list[str]:
    """Return the arguments that do not concern the engine, which is not part of an experiment."""
    from spatialnets.engines.choice import is_engine_override

    return [word for word in words if not is_engine_override(word)]


def engine_from(words: Sequence[str] | None, only: bool = False, detach: bool = False) -> Engine | None:
    """Return the engine that the arguments of a command name, or None.

    Parameters
    ----------
    words
        The arguments.
    only
        Whether to refuse all other arguments.
    detach
        Whether ``--detach`` was given.
    """
    from spatialnets.engines.choice import is_engine_override, parse_engine

    words = words or []
    others = without_engine_overrides(words)
    if only and others:
        raise UserError(f"'{others[0]}': expected only overrides of the engine, such as engine=processes")
    engine = parse_engine([word for word in words if is_engine_override(word)])
    if not detach:
        return engine
    if engine is None or not engine.can_detach:
        raise UserError("--detach needs an engine whose jobs continue without this process: add engine=slurm")
    return dataclasses.replace(engine, detach=True)  # type: ignore[call-arg]


def progress_for(quiet: bool) -> Progress:
    """Return the progress display of a command, or one that shows nothing."""
    return NoProgress() if quiet else terminal_progress()
