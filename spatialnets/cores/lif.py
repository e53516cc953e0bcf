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
    r"""Leaky integrate-and-fire units: a spiking network.

    .. math::
        u_t = \beta \circ u_{t-1} + x_t W_x + s_{t-1} W + b - \theta \, s_{t-1}, \qquad
        s_t = [u_t > \theta], \qquad u_0 = s_0 = 0.

    States are the spikes :math:`s_t`, 0 or 1. The readout receives their leaky sum :math:`y_t = \kappa y_{t-1} + s_t`
    with :math:`\kappa = e^{-\Delta t / \tau_y}` (`trace`), the potential of a leaky readout unit without a threshold;
    with :math:`\kappa = 1` it receives spike counts.

    Every unit has a decay factor :math:`\beta = e^{-\Delta t / \tau}`. Initial time constants :math:`\tau` are drawn
    from a gamma distribution and clipped to limits, by default those of the spiking seRNN. :math:`\beta` is then
    learned; it is clipped to [0, 1] where it is used.

    A spike has no derivative. The backward pass replaces it by a surrogate, a function of the distance to threshold
    :math:`v = u_t - \theta` with slope :math:`k`, multiplied by `dampening`:

    - ``fast_sigmoid``: :math:`(1 + k |v|)^{-2}`, with :math:`k = 25`;
    - ``triangular``: :math:`\max(0, 1 - k |v|)`, with :math:`k = 1`;
    - ``arctan``: :math:`1 / (1 + (\pi k v / 2)^2)`, with :math:`k = 2`.

    No gradient flows through the reset. The dynamics are those of `snntorch.RLeaky`, with its two biases merged into
    one.

    Initial input weights are Glorot-uniform and recurrent weights orthogonal, so each recurrent weight has a standard
    deviation of :math:`1 / \sqrt n`. With the default threshold and time constants, 5 % of the units firing together
    then shift the potential of a unit by about the threshold; if a network is silent, increase `input_gain`. Noise is
    added to the input of the membrane potential at every step.

    Parameters
    ----------
    tau_ms
        Mean of the distribution of initial time constants, in milliseconds.
    tau_shape
        Shape of the gamma distribution; None gives every unit `tau_ms`.
    dt_ms
        Duration of one time step of the task, in milliseconds.
    tau_limits_ms
        Shortest and longest initial time constant, in milliseconds.
    learn_tau
        Whether time constants are learned.
    threshold
        Firing threshold :math:`\theta`.
    reset
        ``"subtract"`` subtracts the threshold from the potential of a unit that fired; ``"zero"`` sets its potential
        to zero at the next step, whatever its input.
    surrogate
        ``"fast_sigmoid"`` (SuperSpike), ``"triangular"`` or ``"arctan"``.
    slope
        Slope :math:`k`; the default depends on the surrogate, see above. The spiking seRNN uses 100.
    dampening
        Factor that scales the surrogate, such as 0.3 in Bellec et al. (2018).
    readout_tau_ms
        Time constant :math:`\tau_y` of the readout, in milliseconds; None counts spikes.
    gain
        Scale of the initial orthogonal recurrent weights.
    input_gain
        Scale of the initial input weights.

    Raises
    ------
    ValueError
        If `reset` or `surrogate` is unknown, or a number is out of range.

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
    takes_steps: ClassVar[bool] = True

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.lif import LIFModule

        return LIFModule(self, n_inputs, n_units, generators)
