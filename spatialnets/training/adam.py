"""Adam for an ensemble, with one learning rate for each network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Adam"]


class Adam:
    r"""Adam as Keras computes it, on parameters whose first dimension is the network.

    .. math:: \theta \leftarrow \theta - \eta \frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t} \frac{m}{\sqrt{v} + \epsilon}

    PyTorch divides :math:`\sqrt{v}` by :math:`\sqrt{1-\beta_2^t}` before adding :math:`\epsilon`, and has one learning
    rate for all parameters; with the paper's :math:`\epsilon = 10^{-7}` the two differ where gradients are tiny.

    Parameters
    ----------
    parameters
        Parameters by name, each ``(network, …)``; their ``.grad`` is used by `step`.
    learning_rate
        One rate for each network, ``(network,)``.
    beta1, beta2, epsilon
        As in the formula.

    References
    ----------
    Kingma & Ba (2015), arXiv:1412.6980, section 2 (the form before Algorithm 1's last line is rearranged).
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        learning_rate: Tensor,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        self.parameters = dict(parameters)
        self.learning_rate = learning_rate
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.updates = 0
        self.first = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.parameters.items()}

    @torch.no_grad()
    def step(self) -> None:
        """Make one update of every parameter."""
        self.updates += 1
        correction = (1 - self.beta2**self.updates) ** 0.5 / (1 - self.beta1**self.updates)
        rates = self.learning_rate * correction
        for name, parameter in self.parameters.items():
            gradient = parameter.grad
            if gradient is None:
                continue
            first, second = self.first[name], self.second[name]
            # as in Keras: m + (1 - b1) (g - m)
            first.lerp_(gradient, 1 - self.beta1)
            second.lerp_(gradient.square(), 1 - self.beta2)
            update = rates.view(-1, *[1] * (parameter.ndim - 1)) * first
            parameter.sub_(update.div_(second.sqrt().add_(self.epsilon)))

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None
