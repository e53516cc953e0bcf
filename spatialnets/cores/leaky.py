"""Leaky rate units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.protocols import Recurrent, RecurrentCore
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    import torch

__all__ = ["Leaky"]

NONLINEARITIES = ("relu", "tanh", "softplus", "sigmoid")


@dataclass(frozen=True)
class Leaky(RecurrentCore):
    r"""Leaky rate units with a time constant: a continuous-time rate network.

    .. math::
        \tau \dot r = -r + f(x W_x + r W + b + \sqrt{2 \tau} \, \sigma \xi),

    integrated in Euler steps of :math:`\Delta t`,

    .. math::
        r_t = (1 - \alpha) \, r_{t-1} + \alpha f(x_t W_x + r_{t-1} W + b + \sqrt{2 / \alpha} \, \sigma \epsilon_t),
        \qquad r_0 = 0, \quad \alpha = \Delta t / \tau,

    where :math:`\epsilon_t` is standard normal noise and :math:`\sigma` is ``training.recurrent_noise``. With
    :math:`\alpha = 1` and no noise, the network is an `RNN`. Initial weights are drawn as for `RNN`.

    Parameters
    ----------
    nonlinearity
        :math:`f`: ``"relu"``, ``"tanh"``, ``"softplus"`` or ``"sigmoid"``.
    tau_ms
        Time constant :math:`\tau` of every unit, in milliseconds.
    dt_ms
        Duration :math:`\Delta t` of one time step of the task, in milliseconds; at most `tau_ms`.
    gain
        Scale of the initial orthogonal recurrent weights; Yang et al. use 0.5 with softplus.

    Raises
    ------
    ValueError
        If `nonlinearity` is unknown, or a time or `gain` is out of range.

    References
    ----------
    Yang et al. (2019), doi:10.1038/s41593-018-0310-2, Methods, "Network structure"; Song, Yang & Wang (2016),
    doi:10.1371/journal.pcbi.1004792, eqs 2-5, which apply the leak to the current instead of the rate.

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
    takes_steps: ClassVar[bool] = True

    nonlinearity: Literal["relu", "tanh", "softplus", "sigmoid"] = "relu"
    tau_ms: float = 100.0
    dt_ms: float = 20.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity must be one of {', '.join(NONLINEARITIES)}, not {self.nonlinearity!r}")
        require_positive("tau_ms", self.tau_ms)
        require_positive("gain", self.gain)
        if not 0 < self.dt_ms <= self.tau_ms:
            raise ValueError(f"dt_ms must be positive and at most tau_ms = {self.tau_ms:g}, not {self.dt_ms}")

    @property
    def alpha(self) -> float:
        """Step size relative to the time constant, dt_ms / tau_ms: above 0 and at most 1."""
        return self.dt_ms / self.tau_ms

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.rnn import LeakyModule

        return LeakyModule(n_inputs, n_units, generators, self.nonlinearity, self.gain, self.alpha)
