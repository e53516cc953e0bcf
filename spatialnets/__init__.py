"""Recurrent neural networks whose units live somewhere."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialnets.errors import DeclarationError, RunError, UserError
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.protocols import (
        Analysis,
        Constraint,
        Geometry,
        PerNetwork,
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

__version__ = "0.1.0"

# Names load on first use, so that `spatialnets --help` does not wait for NumPy, xarray and torch.
_HOME = {
    "Analysis": "protocols",
    "Constraint": "protocols",
    "DeclarationError": "errors",
    "Experiment": "experiments.experiment",
    "Geometry": "protocols",
    "PerNetwork": "protocols",
    "PricedRegularizer": "protocols",
    "Projection": "protocols",
    "Recurrent": "protocols",
    "RecurrentCore": "protocols",
    "Regularizer": "protocols",
    "Run": "runs.run",
    "RunError": "errors",
    "Snapshot": "protocols",
    "Surface": "protocols",
    "Task": "protocols",
    "Trials": "protocols",
    "UserError": "errors",
    "WiringRegularizer": "protocols",
    "to_torch": "runs.plain_network",
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
    "to_torch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"spatialnets.{_HOME[name]}"), name)
    raise AttributeError(f"module 'spatialnets' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
