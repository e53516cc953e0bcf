"""The nouns of the toolkit, one module each: read this package first.

A `Geometry` gives units positions and distances, a `Regularizer` gives connections a cost, a `RecurrentCore` is the
blueprint of a network, a `Constraint` limits its weights, a `Task` is what it learns, and an `Analysis` measures the
trained networks. Components are frozen dataclasses that validate themselves in ``__post_init__``.

During training weights are ``(network, gate, pre, post)``: ``pre`` is the source and ``post`` the target, so that
states are updated by ``h @ W`` and row sums are out-strengths.
"""

from spatialnets.aliases import FloatArray, PerNetwork
from spatialnets.protocols.analysis import Analysis
from spatialnets.protocols.constraint import Constraint, Projection
from spatialnets.protocols.core import Recurrent, RecurrentCore, SteppedRecurrent
from spatialnets.protocols.geometry import Geometry, Rescale, Surface
from spatialnets.protocols.regularizer import (
    PricedRegularizer,
    Product,
    Regularizer,
    Snapshot,
    Sum,
    WiringRegularizer,
)
from spatialnets.protocols.task import Task, Trials

__all__ = [
    "Analysis",
    "Constraint",
    "FloatArray",
    "Geometry",
    "PerNetwork",
    "PricedRegularizer",
    "Product",
    "Projection",
    "Recurrent",
    "RecurrentCore",
    "Regularizer",
    "Rescale",
    "Snapshot",
    "SteppedRecurrent",
    "Sum",
    "Surface",
    "Task",
    "Trials",
    "WiringRegularizer",
]
