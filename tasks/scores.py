"""Losses and accuracies: weighted means over trials and time steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spatialnets.protocols import Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ScoredTask",
    "cross_entropy",
    "decision_accuracy",
    "fraction_correct",
    "mean_squared_error",
    "require_weight_below_one",
    "variance_explained",
]


def cross_entropy(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    r"""Return the mean cross-entropy between targets and the softmax of outputs, for each network.

    .. math:: -\frac{\sum_{kt} m_{kt} \sum_o y_{kto} \log \mathrm{softmax}(z_{kt})_o}{\sum_{kt} m_{kt}}

    Parameters
    ----------
    outputs
        Outputs before the softmax, :math:`z`, ``(network, trial, time, output)``.
    targets
        Target probabilities, :math:`y`, same shape.
    mask
        Non-negative weights, :math:`m`, ``(network, trial, time)``: 0 where no response is required. The mask of a
        trial may also be multiplied by the number of identical trials that it stands for.

    Returns
    -------
    Tensor
        Cross-entropy in nats, ``(network,)``.

    Examples
    --------
    >>> import torch
    >>> cross_entropy(torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 0, 0, 0]]]]), torch.ones(1, 1, 1))
    tensor([1.3863])
    """
    surprise = -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)
    return (mask * surprise).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def fraction_correct(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return how often the largest output is correct, for each network; arguments as in `cross_entropy`.

    Examples
    --------
    >>> import torch
    >>> outputs, targets = torch.tensor([[[[0.2, 0.9]], [[0.8, 0.1]]]]), torch.tensor([[[[0.0, 1]], [[0.0, 1]]]])
    >>> fraction_correct(outputs, targets, torch.ones(1, 2, 1))
    tensor([0.5000])
    """
    correct = (outputs.argmax(dim=-1) == targets.argmax(dim=-1)).to(mask)
    return (mask * correct).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def decision_accuracy(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the fraction of correct decisions of each network; arguments as in `cross_entropy`.

    Only the steps with the largest mask within a trial are scored; steps with a smaller mask, such as the fixation
    period, are ignored. The score of a trial is the fraction of those steps at which the largest output is correct, and
    every trial has the same weight, whatever the length of its decision period.

    Examples
    --------
    >>> import torch
    >>> outputs = torch.tensor([[[[0.9, 0.2], [0.1, 0.8], [0.7, 0.3]]]])  # fixate, then answer
    >>> targets = torch.tensor([[[[1.0, 0], [0.0, 1], [0.0, 1]]]])
    >>> decision_accuracy(outputs, targets, torch.tensor([[[0.2, 1, 1]]]))
    tensor([0.5000])
    """
    largest = mask.amax(dim=-1, keepdim=True)
    scored = ((mask >= largest) & (largest > 0)).to(mask)
    correct = (outputs.argmax(dim=-1) == targets.argmax(dim=-1)).to(mask)
    scores = (scored * correct).sum(dim=-1) / scored.sum(dim=-1).clamp(min=1)
    counts = largest.squeeze(-1)  # a trial may stand for several identical ones
    return (counts * scores).sum(dim=-1) / counts.sum(dim=-1)


def mean_squared_error(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of each network, averaged over outputs; arguments as in `cross_entropy`.

    Examples
    --------
    >>> import torch
    >>> mean_squared_error(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[1.0, 0.0]]]]), torch.ones(1, 1, 1))
    tensor([2.])
    """
    error = (outputs - targets).square().mean(dim=-1)
    return (mask * error).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def variance_explained(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    r"""Return the fraction of target variance that each network explains, at least 0; arguments as in `cross_entropy`.

    .. math:: \max\left(0, 1 - \frac{\sum m (y - z)^2}{\sum m (y - \bar y)^2}\right)

    where :math:`\bar y` is the mean of each output over trials and steps, weighted by the mask. If the targets are
    constant, the result is 1 when the outputs equal them and 0 otherwise.

    Examples
    --------
    >>> import torch
    >>> targets = torch.tensor([[[[0.0]], [[2.0]]]])
    >>> variance_explained(torch.tensor([[[[0.0]], [[1.0]]]]), targets, torch.ones(1, 2, 1))
    tensor([0.5000])
    """
    weights = mask[..., None]
    mean = (weights * targets).sum(dim=(1, 2), keepdim=True) / weights.sum(dim=(1, 2), keepdim=True)
    residual = (weights * (targets - outputs).square()).sum(dim=(1, 2, 3))
    total = (weights * (targets - mean).square()).sum(dim=(1, 2, 3))
    return (1 - residual / total.clamp(min=1e-12)).clamp(min=0)


class ScoredTask(Task):
    """A task whose answers are decisions, each the largest output, or continuous values, which outputs must match."""

    @property
    def _continuous(self) -> bool:
        return False

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the `cross_entropy` of each network or, if answers are continuous, its `mean_squared_error`."""
        return (mean_squared_error if self._continuous else cross_entropy)(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the `decision_accuracy` of each network or, if answers are continuous, its `variance_explained`."""
        return (variance_explained if self._continuous else decision_accuracy)(outputs, targets, mask)


def require_weight_below_one(name: str, weight: float) -> None:
    """Raise a ValueError unless a weight is 0 or more and less than 1, the weight of a decision step.

    Examples
    --------
    >>> require_weight_below_one("fixation_weight", 1.0)
    Traceback (most recent call last):
        ...
    ValueError: fixation_weight must be at least 0 and less than 1 (the weight of a decision step), not 1.0
    """
    if not 0 <= weight < 1:
        raise ValueError(f"{name} must be at least 0 and less than 1 (the weight of a decision step), not {weight}")
