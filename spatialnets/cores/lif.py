"""Leaky integrate-and-fire units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.cores.spiking import Spiking
from spatialnets.protocols import Recurrent

if TYPE_CHECKING:
    import torch

__all__ = ["LIF"]


@dataclass(frozen=True)
class LIF(Spiking):
    r"""Units that integrate with a leak, and fire above a threshold: a spiking network.

    .. math::
        u_t = \beta \circ u_{t-1} + x_t W_x + s_{t-1} W + b - \theta \, s_{t-1}, \qquad
        s_t = [u_t > \theta], \qquad u_0 = s_0 = 0.

    States are the spikes :math:`s_t`, 0 or 1. The readout sees them through a leaky sum :math:`y_t = \kappa y_{t-1} +
    s_t` with :math:`\kappa = e^{-\Delta t / \tau_y}` (`trace`), which is what a readout unit with a membrane but
    without a threshold makes of them; or their count, :math:`\kappa = 1`.

    Every unit has a time constant of its own, :math:`\beta = e^{-\Delta t / \tau}`. At first it is drawn from a gamma
    distribution and kept within limits, by default those of the spiking seRNN; then :math:`\beta` is learned, and taken
    as 0 below 0 and as 1 above 1.

    A spike has no derivative. On the way back a surrogate stands for it, a function of the distance to threshold
    :math:`v = u_t - \theta` with slope :math:`k`, times `dampening`:

    - ``fast_sigmoid``: :math:`(1 + k |v|)^{-2}`, with :math:`k = 25`;
    - ``triangular``: :math:`\max(0, 1 - k |v|)`, with :math:`k = 1`;
    - ``arctan``: :math:`1 / (1 + (\pi k v / 2)^2)`, with :math:`k = 2`.

    No gradient flows through the reset. It is `snntorch.RLeaky` step by step, whose two biases are added here into one.

    Input weights start Glorot-uniform and recurrent weights orthogonal, so that each weight has a standard deviation of
    :math:`1 / \sqrt n`. With the default threshold and time constants, a twentieth of the units firing at a time then
    moves the potential of a unit by about as much as the threshold; if a network is silent, `input_gain` is what to
    raise. Noise is added to what enters the potential at every step.

    Parameters
    ----------
    tau_ms
        Mean of the distribution of initial time constants, in milliseconds.
    tau_shape
        Shape of that gamma distribution; None gives every unit `tau_ms`.
    dt_ms
        How long a step of the task is, in milliseconds.
    tau_limits_ms
        Shortest and longest initial time constant, in milliseconds.
    learn_tau
        Whether time constants are learned.
    threshold
        :math:`\theta`.
    reset
        ``"subtract"``: the threshold is taken from the potential of a unit that fired. ``"zero"``: its potential is
        zero at the next step, whatever enters.
    surrogate
        ``"fast_sigmoid"`` (SuperSpike), ``"triangular"`` or ``"arctan"``.
    slope
        :math:`k`; by default that given above. The spiking seRNN had 100.
    dampening
        Factor of the surrogate, such as 0.3 in Bellec et al. (2018).
    readout_tau_ms
        Time constant of the readout, :math:`\tau_y`, in milliseconds; None counts spikes.
    gain
        Factor of the initial orthogonal recurrent weights.
    input_gain
        Factor of the initial input weights.

    Raises
    ------
    ValueError
        If a word is not one of these, or a number out of its range.

    References
    ----------
    Sheeran et al. (2024), arXiv:2409.17693; Perez-Nieves et al. (2021), doi:10.1038/s41467-021-26022-3, for time
    constants; Zenke & Ganguli (2018), doi:10.1162/neco_a_01086, for the surrogate; Eshraghian et al. (2023),
    doi:10.1109/JPROC.2023.3308088, for the order of operations.

    Examples
    --------
    >>> import torch
    >>> core = LIF()
    >>> recurrent = core.build(n_inputs=8, n_units=100, generators=[torch.Generator().manual_seed(0)])
    >>> spikes = recurrent(torch.ones(1, 16, 50, 8))
    >>> spikes.shape, spikes.detach().unique()
    (torch.Size([1, 16, 50, 100]), tensor([0., 1.]))
    >>> bool((core.trace(spikes) >= spikes).all())
    True
    """

    references: ClassVar[tuple[str, ...]] = (
        "sheeran2024",
        "perez_nieves2021",
        "zenke2018",
        "eshraghian2023",
        "saxe2014",
        "glorot2010",
    )

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.lif import LIFModule

        return LIFModule(self, n_inputs, n_units, generators)
