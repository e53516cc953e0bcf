"""Parameters and readout trace shared by all spiking cores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.protocols import RecurrentCore
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Spiking"]

DEFAULT_SLOPES = {"fast_sigmoid": 25.0, "triangular": 1.0, "arctan": 2.0}


@dataclass(frozen=True)
class Spiking(RecurrentCore):
    """Base of the spiking cores; `LIF` documents the fields."""

    takes_noise: ClassVar[bool] = True

    tau_ms: float = 20.0
    tau_shape: float | None = 3.0
    dt_ms: float = 0.5
    tau_limits_ms: tuple[float, float] = (1.5, 100.0)
    learn_tau: bool = True
    threshold: float = 1.0
    reset: Literal["subtract", "zero"] = "subtract"
    surrogate: Literal["fast_sigmoid", "triangular", "arctan"] = "fast_sigmoid"
    slope: float | None = None
    dampening: float = 1.0
    readout_tau_ms: float | None = 20.0
    gain: float = 1.0
    input_gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tau_limits_ms", tuple(float(limit) for limit in self.tau_limits_ms))
        positive = ("tau_ms", "tau_shape", "dt_ms", "threshold", "slope", "dampening", "readout_tau_ms", "gain")
        for name in (*positive, "input_gain"):
            value = getattr(self, name)
            if value is not None:
                require_positive(name, value)
        if self.reset not in ("subtract", "zero"):
            raise ValueError(f"reset must be subtract or zero, not {self.reset!r}")
        if self.surrogate not in DEFAULT_SLOPES:
            raise ValueError(f"surrogate must be one of {', '.join(DEFAULT_SLOPES)}, not {self.surrogate!r}")
        limits = self.tau_limits_ms
        if len(limits) != 2 or not 0 < limits[0] <= limits[1]:
            raise ValueError(f"tau_limits_ms must be the shortest and the longest time constant in ms, not {limits}")

    @property
    def slope_or_default(self) -> float:
        """Slope of the surrogate: `slope`, or the default of the chosen surrogate."""
        return DEFAULT_SLOPES[self.surrogate] if self.slope is None else self.slope

    @property
    def readout_decay(self) -> float:
        """Factor by which the trace shrinks in one step; 1 if the readout counts spikes."""
        return 1.0 if self.readout_tau_ms is None else math.exp(-self.dt_ms / self.readout_tau_ms)

    def trace(self, states: Tensor) -> Tensor:
        """Return the input of the readout: spike counts, or leaky sums with the time constant `readout_tau_ms`.

        Parameters
        ----------
        states
            Spikes, ``(network, trial, time, unit)``.
        """
        from spatialnets.cores.modules.filtering import leaky_sum

        return leaky_sum(states, self.readout_decay)
