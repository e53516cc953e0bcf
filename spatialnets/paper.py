"""Conventions of the paper: distances on its grid, the accuracy that counts as learned, the epoch that is scored."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["PAPER_GRID_DISTANCES", "PASS_ACCURACY", "SCORED_EPOCH", "select_epoch"]

PAPER_GRID_DISTANCES = {"mean": 3.0576810180754688, "max": 41**0.5}
"""Mean and longest distance between two units of the paper's 5 x 5 x 4 grid, in steps (distances of neighbours)."""

PASS_ACCURACY = 0.9  # minimum validation accuracy of a network that counts as having learned its task
SCORED_EPOCH = 9  # of every statistic in the paper


def select_epoch(epochs: Iterable[int], epoch: int = SCORED_EPOCH) -> int:
    """Return the epoch at which networks are compared: `epoch` if it is stored, else the last one stored before it.

    If only the untrained state (epoch 0) is stored before it, the first stored epoch after it is returned.

    Examples
    --------
    >>> select_epoch(range(11)), select_epoch([0, 1, 2]), select_epoch([0, 10]), select_epoch([12, 15])
    (9, 2, 10, 12)
    """
    stored = sorted(int(number) for number in epochs)
    if epoch in stored:
        return epoch
    earlier = [number for number in stored if number < epoch]
    later = [number for number in stored if number > epoch]
    return earlier[-1] if earlier and (earlier[-1] > 0 or not later) else later[0]
