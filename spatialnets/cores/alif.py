"""Leaky integrate-and-fire units with an adaptive threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.cores.spiking import Spiking
from spatialnets.protocols import Recurrent
from spatialnets.validation import require_not_negative, require_positive

if TYPE_CHECKING:
    import torch

__all__ = ["ALIF"]


@dataclass(frozen=True)
class ALIF(Spiking):
    r"""Spiking units with an adaptive threshold, which rises with every spike and decays slowly.

    .. math::
        a_t = \rho \, a_{t-1} + s_{t-1}, \qquad \theta_t = \theta + c \, a_t, \qquad
        \rho = e^{-\Delta t / \tau_a}, \qquad a_0 = 0,

    and :math:`\theta_t` replaces the :math:`\theta` of `LIF` in the spike condition, the reset by subtraction and the
    surrogate gradient. Gradients flow through :math:`\theta_t` but not through the reset. With :math:`c = 0`, the
    units are those of `LIF`.

    Parameters
    ----------
    adaptation
        Increase :math:`c` of the threshold per spike, :math:`\beta (1 - \rho)` in Bellec et al. (2018).
    adaptation_tau_ms
        Time constant :math:`\tau_a` of the adaptation, in milliseconds.
    tau_ms, tau_shape, dt_ms, tau_limits_ms, learn_tau, threshold, reset, surrogate, slope, dampening
        See `LIF`.
    readout_tau_ms, gain, input_gain
        See `LIF`.

    Raises
    ------
    ValueError
        As for `LIF`, or if `adaptation` is negative or `adaptation_tau_ms` is not positive.

    References
    ----------
    Bellec et al. (2018), arXiv:1803.09574, section 2; the notation follows Bellec et al. (2020),
    doi:10.1038/s41467-020-17236-y, Methods.

    Examples
    --------
    >>> import torch
    >>> def firing_rate(core):
    ...     recurrent = core.build(8, 100, [torch.Generator().manual_seed(0)])
    ...     return float(recurrent(torch.ones(1, 16, 50, 8)).detach().mean())
    >>> firing_rate(ALIF(adaptation=0.5)) < firing_rate(ALIF(adaptation=0.0))
    True
    """

    references: ClassVar[tuple[str, ...]] = (
        "bellec2018",
        "bellec2020",
        "sheeran2024",
        "perez_nieves2021",
        "zenke2018",
        "saxe2014",
        "glorot2010",
    )
    takes_steps: ClassVar[bool] = True

    adaptation: float = 0.2
    adaptation_tau_ms: float = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_not_negative("adaptation", self.adaptation)
        require_positive("adaptation_tau_ms", self.adaptation_tau_ms)

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.lif import Adaptation, LIFModule

        adaptation = Adaptation(self.adaptation, math.exp(-self.dt_ms / self.adaptation_tau_ms))
        return LIFModule(self, n_inputs, n_units, generators, adaptation)
