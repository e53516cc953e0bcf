"""Everything that was measured of a run, in one table over networks and epochs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from spatialnets.errors import RunError
from spatialnets.protocols import Analysis
from spatialnets.run import SCORES, Run

__all__ = ["PASS_ACCURACY", "measured", "passing", "scored_epoch"]

PASS_ACCURACY = 0.9  # the paper's threshold
SCORED_EPOCH = 9  # the paper's epoch for every statistic; the last one where training was shorter


def measured(run: Run, analyses: Mapping[str, Analysis]) -> xr.Dataset:
    """Return the scores and all analyses of a run over ``(network, epoch)``, measuring what is not yet stored.

    Parameters
    ----------
    run
        A run, finished or not.
    analyses
        By name; a stored analysis is taken as it is if it covers all networks that have been computed.
    """
    scores = run.map(lambda shard: shard[list(SCORES)], scores_only=True)
    tables = [scores]
    for name, analysis in analyses.items():
        if name in run.measurements():
            try:
                stored = run.measurement(name)
            except RunError:  # cut short; it can be measured again
                stored = None
            if stored is not None and _networks(stored) == _networks(scores):
                tables.append(stored)
                continue
        table = analysis.measure(run)
        run.write_measurement(name, table)
        tables.append(table)
    tables = _common(tables)  # another process may have finished a shard between two of them
    scores = tables[0]
    return xr.merge(
        [table.reset_coords(drop=True).drop_vars("network") for table in tables],
        compat="override",
        join="override",
        combine_attrs="override",
    ).assign_coords({name: scores[name] for name in scores.coords})


def _common(tables: list[xr.Dataset]) -> list[xr.Dataset]:
    """Return tables of the networks that all of them hold, in one order."""
    kept = set.intersection(*(set(_networks(table)) for table in tables))
    return [
        table.isel(network=[place for place, network in enumerate(_networks(table)) if network in kept])
        for table in tables
    ]


def _networks(table: xr.Dataset) -> list[tuple[str, int]]:
    """Return which networks a table holds, in its order: tables are joined by place."""
    return list(zip(table["group"].to_numpy().tolist(), table["network"].to_numpy().tolist(), strict=True))


def scored_epoch(table: xr.Dataset) -> int:
    """Return the epoch at which networks are compared: the paper's ninth, or the last."""
    return min(SCORED_EPOCH, int(table["epoch"][-1]))


def passing(table: xr.Dataset, epoch: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which networks have learned the task at an epoch, by default the scored one, ``(network,)``."""
    accuracy = table["validation_accuracy"].sel(epoch=scored_epoch(table) if epoch is None else epoch).to_numpy()
    with np.errstate(invalid="ignore"):
        return np.asarray(accuracy >= PASS_ACCURACY)
