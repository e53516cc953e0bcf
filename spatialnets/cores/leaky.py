"""Rate units with a time constant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    import torch

__all__ = ["Leaky"]

NAMES = ("relu", "tanh", "softplus", "sigmoid")


@dataclass(frozen=True)
class Leaky(RecurrentCore):
    r"""Units that move towards what drives them with a time constant: a continuous-time rate network.

    .. math::
        \tau \dot r = -r + f(x W_x + r W + b + \sqrt{2 \tau} \, \sigma \xi),

    in Euler steps of :math:`\Delta t`,

    .. math::
        r_t = (1 - \alpha) \, r_{t-1} + \alpha f(x_t W_x + r_{t-1} W + b + \sqrt{2 / \alpha} \, \sigma \epsilon_t),
        \qquad r_0 = 0, \quad \alpha = \Delta t / \tau,

    with :math:`\epsilon_t` standard normal and :math:`\sigma` the ``recurrent_noise`` of the training. With
    :math:`\alpha = 1` and without noise it is `RNN`. Weights start as those of `RNN` do.

    Parameters
    ----------
    nonlinearity
        :math:`f`: ``"relu"``, ``"tanh"``, ``"softplus"`` or ``"sigmoid"``.
    tau_ms
        Time constant :math:`\tau` of every unit, in milliseconds.
    dt_ms
        How long a step of the task is, :math:`\Delta t`, in milliseconds; at most `tau_ms`.
    gain
        Factor of the initial orthogonal recurrent weights; Yang et al. take 0.5 with softplus.

    Raises
    ------
    ValueError
        If the nonlinearity is no such word, or a time or the gain is out of its range.

    References
    ----------
    Yang et al. (2019), doi:10.1038/s41593-018-0310-2, Methods, "Network structure"; Song, Yang & Wang (2016),
    doi:10.1371/journal.pcbi.1004792, eqs 2-5, where the leak is on the current instead of the rate.

    Examples
    --------
    >>> import torch
    >>> generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    >>> recurrent = Leaky(tau_ms=100.0, dt_ms=20.0).build(n_inputs=8, n_units=100, generators=generators)
    >>> recurrent(torch.zeros(3, 16, 50, 8)).shape
    torch.Size([3, 16, 50, 100])
    """

    references: ClassVar[tuple[str, ...]] = ("yang2019", "saxe2014", "glorot2010")
    takes_noise: ClassVar[bool] = True

    nonlinearity: Literal["relu", "tanh", "softplus", "sigmoid"] = "relu"
    tau_ms: float = 100.0
    dt_ms: float = 20.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in NAMES:
            raise ValueError(f"nonlinearity must be one of {', '.join(NAMES)}, not {self.nonlinearity!r}")
        for name in ("tau_ms", "gain"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive, not {value}")
        if not 0 < self.dt_ms <= self.tau_ms:
            raise ValueError(f"dt_ms must be positive and at most tau_ms = {self.tau_ms:g}, not {self.dt_ms}")

    @property
    def alpha(self) -> float:
        """By which share of the way a unit moves in one step, above 0 and at most 1."""
        return self.dt_ms / self.tau_ms

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.rnn import LeakyModule

        return LeakyModule(n_inputs, n_units, generators, self.nonlinearity, self.gain, self.alpha)
