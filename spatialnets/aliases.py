"""Names of types that many modules share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatArray", "PerNetwork"]

FloatArray: TypeAlias = NDArray[np.float64]

PerNetwork: TypeAlias = Annotated[float | tuple[float, ...], "per network"]
"""One number for all networks of an ensemble, or one for each; such a field may be an axis within one batch."""
