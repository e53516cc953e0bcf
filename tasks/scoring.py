"""How answers are scored: weighted means over trials and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "cross_entropy",
    "fraction_correct",
    "fraction_decided",
    "mean_squared_error",
    "refuse_heavy",
    "variance_explained",
]


def cross_entropy(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    r"""Return the mean cross-entropy between targets and the softmax of outputs, for each network.

    .. math:: -\frac{\sum_{kt} m_{kt} \sum_o y_{kto} \log \mathrm{softmax}(z_{kt})_o}{\sum_{kt} m_{kt}}

    Parameters
    ----------
    outputs
        :math:`z`, ``(network, trial, time, output)``, before the softmax.
    targets
        :math:`y`, probabilities, same shape.
    mask
        :math:`m`, ``(network, trial, time)``, not negative: 0 where nothing is asked; also counts of equal trials.

    Returns
    -------
    Tensor
        ``(network,)``, in nats.

    Examples
    --------
    >>> import torch
    >>> cross_entropy(torch.zeros(1, 1, 1, 4), torch.tensor([[[[1.0, 0, 0, 0]]]]), torch.ones(1, 1, 1))
    tensor([1.3863])
    """
    surprise = -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)
    return (mask * surprise).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def fraction_correct(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return how often the largest output is the right one, for each network; arguments as in `cross_entropy`.

    Examples
    --------
    >>> import torch
    >>> outputs, targets = torch.tensor([[[[0.2, 0.9]], [[0.8, 0.1]]]]), torch.tensor([[[[0.0, 1]], [[0.0, 1]]]])
    >>> fraction_correct(outputs, targets, torch.ones(1, 2, 1))
    tensor([0.5000])
    """
    right = (outputs.argmax(dim=-1) == targets.argmax(dim=-1)).to(mask)
    return (mask * right).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def fraction_decided(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the fraction of right decisions of each network; arguments as in `cross_entropy`.

    The decision of a trial is asked at the steps that count most in it; others, such as fixation before it, are left
    out. A trial scores the fraction of those steps at which the largest output is the right one, and every trial counts
    the same, however many steps it has to decide in.

    Examples
    --------
    >>> import torch
    >>> outputs = torch.tensor([[[[0.9, 0.2], [0.1, 0.8], [0.7, 0.3]]]])  # fixate, then answer
    >>> targets = torch.tensor([[[[1.0, 0], [0.0, 1], [0.0, 1]]]])
    >>> fraction_decided(outputs, targets, torch.tensor([[[0.2, 1, 1]]]))
    tensor([0.5000])
    """
    most = mask.amax(dim=-1, keepdim=True)
    asked = ((mask >= most) & (most > 0)).to(mask)
    right = (outputs.argmax(dim=-1) == targets.argmax(dim=-1)).to(mask)
    scores = (asked * right).sum(dim=-1) / asked.sum(dim=-1).clamp(min=1)
    counts = most.squeeze(-1)  # equal trials may be scored once and counted
    return (counts * scores).sum(dim=-1) / counts.sum(dim=-1)


def mean_squared_error(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of each network, over outputs too; arguments as in `cross_entropy`.

    Examples
    --------
    >>> import torch
    >>> mean_squared_error(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[1.0, 0.0]]]]), torch.ones(1, 1, 1))
    tensor([2.])
    """
    error = (outputs - targets).square().mean(dim=-1)
    return (mask * error).sum(dim=(1, 2)) / mask.sum(dim=(1, 2))


def variance_explained(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    r"""Return what fraction of the targets' variance each network explains, from 0; arguments as in `cross_entropy`.

    .. math:: \max\left(0, 1 - \frac{\sum m (y - z)^2}{\sum m (y - \bar y)^2}\right)

    with :math:`\bar y` the mean of each output over trials and steps, weighted by the mask. Targets that do not vary
    are explained if they are met.

    Examples
    --------
    >>> import torch
    >>> targets = torch.tensor([[[[0.0]], [[2.0]]]])
    >>> variance_explained(torch.tensor([[[[0.0]], [[1.0]]]]), targets, torch.ones(1, 2, 1))
    tensor([0.5000])
    """
    weights = mask[..., None]
    mean = (weights * targets).sum(dim=(1, 2), keepdim=True) / weights.sum(dim=(1, 2), keepdim=True)
    left = (weights * (targets - outputs).square()).sum(dim=(1, 2, 3))
    total = (weights * (targets - mean).square()).sum(dim=(1, 2, 3))
    return (1 - left / total.clamp(min=1e-12)).clamp(min=0)


def refuse_heavy(name: str, weight: float) -> None:
    """Raise a ValueError unless a weight is 0 or more and below 1, that of a decision.

    Examples
    --------
    >>> refuse_heavy("fixation_weight", 1.0)
    Traceback (most recent call last):
        ...
    ValueError: fixation_weight must be 0 or more and below 1, the weight of the decision, not 1.0
    """
    if not 0 <= weight < 1:
        raise ValueError(f"{name} must be 0 or more and below 1, the weight of the decision, not {weight}")
