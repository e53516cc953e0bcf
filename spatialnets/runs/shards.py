"""What a shard's file must hold, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

__all__ = ["check_shard"]


def check_shard(dataset: xr.Dataset, networks: Sequence[int], scores: Sequence[str]) -> None:
    """Refuse a file that is not the shard its plan says it is.

    Parameters
    ----------
    dataset
        What was read; weights need not be loaded.
    networks
        The numbers of its networks, by the plan.
    scores
        The names of what is known of every network at every epoch, ``(network, epoch)``.

    Raises
    ------
    ValueError
        Saying what is not as it should be.
    """
    for name in ("network", "epoch", "strength", "seed", "status", "reason", "distances", "position", *scores):
        if name not in dataset.variables:
            raise ValueError(f"it has no {name}")
    found = dataset["network"]
    if found.dims != ("network",) or found.to_numpy().tolist() != list(networks):
        raise ValueError("it holds other networks than the plan says")
    epochs = dataset["epoch"]
    if epochs.dims != ("epoch",) or epochs.dtype.kind not in "iu" or not (np.diff(epochs.to_numpy()) > 0).all():
        raise ValueError("its epochs are no whole numbers in order")
    if not epochs.size or int(epochs[0]) < 0:
        raise ValueError("it has no epochs")
    shapes = {
        **dict.fromkeys(scores, ("network", "epoch")),
        **dict.fromkeys(("strength", "seed", "status", "reason"), ("network",)),
    }
    for name, dimensions in shapes.items():
        variable = dataset[name]
        words = name in ("status", "reason")
        if variable.dims != dimensions or (variable.dtype.kind in "OUST") != words or variable.dtype.kind in "mMc":
            raise ValueError(f"its {name} is {variable.dtype} {variable.dims}; expected {dimensions}")
    for name in ("weights", "distances"):
        if name in dataset and (dataset[name].dims[-2:] != ("pre", "post") or dataset[name].dtype.kind != "f"):
            raise ValueError(f"its {name} is {dataset[name].dtype} {dataset[name].dims}; expected (…, pre, post)")
