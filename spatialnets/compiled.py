"""Loops compiled with numba where it is installed, and as they are where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["COMPILED", "compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    from numba import njit

    COMPILED = True
except ImportError:  # an extra: pip install "spatialnets[fast]"
    COMPILED = False


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays on its first call; the compiled code is kept between processes.

    Importing this module imports numba (half a second), so that modules with compiled functions are imported where
    they are needed.
    """
    return njit(cache=True, nogil=True)(function) if COMPILED else function
