"""Which networks count, and at which epoch: the paper's 0.9 and its ninth."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["PASS_ACCURACY", "SCORED_EPOCH", "scored_among"]

PASS_ACCURACY = 0.9  # validation accuracy from which on a network has learned its task
SCORED_EPOCH = 9  # of every statistic in the paper


def scored_among(epochs: Iterable[int], epoch: int = SCORED_EPOCH) -> int:
    """Return the epoch at which networks are compared: this one, or the last one stored before it.

    Where that is the state before training and there are later ones, the first of those.

    Examples
    --------
    >>> scored_among(range(11)), scored_among([0, 1, 2]), scored_among([0, 10]), scored_among([12, 15])
    (9, 2, 10, 12)
    """
    stored = sorted(int(one) for one in epochs)
    if epoch in stored:
        return epoch
    early = [one for one in stored if one <= epoch]
    late = [one for one in stored if one > epoch]
    return early[-1] if early and (early[-1] > 0 or not late) else late[0]
