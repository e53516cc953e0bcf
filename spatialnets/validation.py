"""Checks of the numbers that a component is given; each raises a ValueError that names the field and its value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

__all__ = ["require_at_least", "require_fraction", "require_not_negative", "require_positive"]


MAX_SHOWN = 10  # numbers in a message


def _require_each(name: str, value: float | Iterable[float], expected: str, fits: Callable[[float], bool]) -> None:
    numbers = list(value) if isinstance(value, Iterable) else [value]
    wrong = next((place for place, number in enumerate(numbers) if not fits(number)), None)
    if wrong is None:
        return
    if len(numbers) > MAX_SHOWN:
        raise ValueError(f"{name} must {expected}, not {numbers[wrong]} (number {wrong + 1:,} of {len(numbers):,})")
    raise ValueError(f"{name} must {expected}, not {value}")


def require_positive(name: str, value: float | Iterable[float]) -> None:
    """Raise a ValueError unless a number, or each of several, is finite and greater than 0.

    Examples
    --------
    >>> require_positive("radius", -1.0)
    Traceback (most recent call last):
    ValueError: radius must be positive and finite, not -1.0
    """
    _require_each(name, value, "be positive and finite", lambda number: 0 < number < math.inf)


def require_not_negative(name: str, value: float | Iterable[float]) -> None:
    """Raise a ValueError unless a number, or each of several, is finite and 0 or greater.

    Examples
    --------
    >>> require_not_negative("strength", (0.1, float("inf")))
    Traceback (most recent call last):
    ValueError: strength must be finite and not negative, not (0.1, inf)
    """
    _require_each(name, value, "be finite and not negative", lambda number: 0 <= number < math.inf)


def require_fraction(name: str, value: float | Iterable[float]) -> None:
    """Raise a ValueError unless a number, or each of several, lies between 0 and 1, both included.

    Examples
    --------
    >>> require_fraction("excitatory", 1.5)
    Traceback (most recent call last):
    ValueError: excitatory must lie between 0 and 1, not 1.5
    """
    _require_each(name, value, "lie between 0 and 1", lambda number: 0 <= number <= 1)


def require_at_least(name: str, value: float, minimum: float) -> None:
    """Raise a ValueError unless a number is `minimum` or more.

    Examples
    --------
    >>> require_at_least("n", 0, 1)
    Traceback (most recent call last):
    ValueError: n must be 1 or more, not 0
    """
    if not value >= minimum:
        raise ValueError(f"{name} must be {minimum} or more, not {value}")
