"""Integrate-and-fire units that adapt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.cores.spiking import Spiking
from spatialnets.protocols import Recurrent

if TYPE_CHECKING:
    import torch

__all__ = ["ALIF"]


@dataclass(frozen=True)
class ALIF(Spiking):
    r"""Spiking units whose threshold rises with every spike, and falls back slowly: a memory of their own activity.

    .. math::
        a_t = \rho \, a_{t-1} + s_{t-1}, \qquad \theta_t = \theta + c \, a_t, \qquad
        \rho = e^{-\Delta t / \tau_a}, \qquad a_0 = 0,

    and :math:`\theta_t` takes the place of :math:`\theta` in `LIF`: in the spike, in the reset by subtraction and in
    the surrogate. Gradients flow through :math:`\theta_t` but not through the reset. With :math:`c = 0` it is `LIF`.

    Parameters
    ----------
    adaptation
        :math:`c`, by how much a spike raises the threshold. Bellec et al. (2018) write :math:`\beta (1 - \rho)` for it.
    adaptation_tau_ms
        :math:`\tau_a`, in milliseconds.
    tau_ms, tau_shape, dt_ms, tau_limits_ms, learn_tau, threshold, reset, surrogate, slope, dampening
        As in `LIF`.
    readout_tau_ms, gain, input_gain
        As in `LIF`.

    Raises
    ------
    ValueError
        As `LIF`, or if the adaptation is negative or its time constant not positive.

    References
    ----------
    Bellec et al. (2018), arXiv:1803.09574, section 2; in this notation Bellec et al. (2020),
    doi:10.1038/s41467-020-17236-y, Methods.

    Examples
    --------
    >>> import torch
    >>> def drawn(core):
    ...     return core.build(8, 100, [torch.Generator().manual_seed(0)])
    >>> inputs = torch.ones(1, 16, 50, 8)
    >>> adapting, steady = (drawn(ALIF(adaptation=c))(inputs).mean() for c in (0.5, 0.0))
    >>> bool(adapting < steady)
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

    adaptation: float = 0.2
    adaptation_tau_ms: float = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.adaptation) and self.adaptation >= 0):
            raise ValueError(f"adaptation must be finite and not negative, not {self.adaptation}")
        if not (math.isfinite(self.adaptation_tau_ms) and self.adaptation_tau_ms > 0):
            raise ValueError(f"adaptation_tau_ms must be finite and positive, not {self.adaptation_tau_ms}")

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.lif import Adaptation, LIFModule

        adaptation = Adaptation(self.adaptation, math.exp(-self.dt_ms / self.adaptation_tau_ms))
        return LIFModule(self, n_inputs, n_units, generators, adaptation)
