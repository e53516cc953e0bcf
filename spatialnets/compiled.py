"""Just-in-time compilation of loops with numba, if numba is installed; otherwise they run as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["HAS_NUMBA", "jit"]

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    from numba import njit

    HAS_NUMBA = True
except ImportError:  # a platform for which numba has no wheels (see pyproject.toml)
    HAS_NUMBA = False


def jit(function: Function) -> Function:
    """Compile a function of numbers and arrays on its first call and cache the compiled code on disk.

    Importing this module imports numba, which takes half a second. Modules with compiled functions are therefore
    imported inside the functions that need them.
    """
    return njit(cache=True, nogil=True)(function) if HAS_NUMBA else function
