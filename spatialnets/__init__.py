"""Recurrent neural networks whose units have positions in space."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialnets.aliases import PerNetwork
    from spatialnets.errors import DeclarationError, RunError, UserError
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.protocols import (
        Analysis,
        Constraint,
        Geometry,
        PricedRegularizer,
        Projection,
        Recurrent,
        RecurrentCore,
        Regularizer,
        Snapshot,
        Surface,
        Task,
        Trials,
        WiringRegularizer,
    )
    from spatialnets.runs.plain_network import to_torch
    from spatialnets.runs.run import Run
    from spatialnets.workflow import compare, train

__version__ = "0.1.0"

# Names load on first use, so that `spatialnets --help` does not wait for NumPy, xarray and torch.
_HOME = {
    "errors": ("DeclarationError", "RunError", "UserError"),
    "experiments.experiment": ("Experiment",),
    "protocols": (
        *("Analysis", "Constraint", "Geometry", "PerNetwork", "PricedRegularizer", "Projection", "Recurrent"),
        *("RecurrentCore", "Regularizer", "Snapshot", "Surface", "Task", "Trials", "WiringRegularizer"),
    ),
    "runs.plain_network": ("to_torch",),
    "runs.run": ("Run",),
    "workflow": ("compare", "train"),
}

__all__ = [
    "Analysis",
    "Constraint",
    "DeclarationError",
    "Experiment",
    "Geometry",
    "PerNetwork",
    "PricedRegularizer",
    "Projection",
    "Recurrent",
    "RecurrentCore",
    "Regularizer",
    "Run",
    "RunError",
    "Snapshot",
    "Surface",
    "Task",
    "Trials",
    "UserError",
    "WiringRegularizer",
    "__version__",
    "compare",
    "to_torch",
    "train",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"spatialnets.{module}"), name)
    raise AttributeError(f"module 'spatialnets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
