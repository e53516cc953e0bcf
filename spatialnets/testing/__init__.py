"""Contracts that every geometry, regularizer, core, constraint, task, analysis and engine must satisfy.

A package that provides components calls them in its tests: ``check_geometry(Helix())``.
"""

from spatialnets.testing.analysis import check_analysis
from spatialnets.testing.constraint import check_constraint
from spatialnets.testing.core import check_core
from spatialnets.testing.engine import check_engine
from spatialnets.testing.geometry import check_geometry
from spatialnets.testing.regularizer import check_regularizer
from spatialnets.testing.task import check_task

__all__ = [
    "check_analysis",
    "check_constraint",
    "check_core",
    "check_engine",
    "check_geometry",
    "check_regularizer",
    "check_task",
]
