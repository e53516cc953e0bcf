"""Everything that was measured of a run, in one table over networks and epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from spatialnets.engines.engine import Engine
from spatialnets.engines.measure import measure
from spatialnets.errors import StorageError, UserError
from spatialnets.files.netcdf import DamagedFile
from spatialnets.paper import PASS_ACCURACY, scored_among
from spatialnets.progress import Progress
from spatialnets.protocols import Analysis
from spatialnets.runs.run import SCORES, Run

__all__ = ["at_scored", "measured", "measurements", "pass_accuracy", "passing", "scored_epoch"]


def measured(
    run: Run,
    analyses: Mapping[str, Analysis],
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> xr.Dataset:
    """Return the scores and all analyses of a run over ``(network, epoch)``, measuring what is not yet stored.

    What an analysis has by unit, window or rule is not in the table; see `Run.measurement`. An analysis that cannot be
    made of this run is left out, with the reason in ``attrs["not_measured"]``; what was measured before is there, too.

    Parameters
    ----------
    run
        A run, finished or not.
    analyses
        By name.
    workers, progress, engine
        As in `spatialnets.engines.measure.measure`.
    """
    tables = [run.map(lambda shard: shard[list(SCORES)], scores_only=True)]
    reasons, stored = [], [name for name in run.measurements() if name not in analyses]
    for name in (*analyses, *stored):
        try:
            if name in analyses:
                table = measure(run, name, analyses[name], workers, progress, engine)
            else:
                table = run.measurement(name)
        except StorageError as error:
            if name in analyses:  # a damaged shard or a full disk says nothing of the analysis
                raise
            reasons.append(str(error))
            continue
        except UserError as error:  # a task without goals has no goal code; the rest can be measured
            reasons.append(f"{name}: {error}")
            continue
        if not set(_networks(tables[0])) <= set(_networks(table)):
            continue  # of an earlier, smaller state of the run
        flat = [str(variable) for variable in table.data_vars if table[variable].dims == ("network", "epoch")]
        if flat:
            tables.append(table[flat])
    tables = _common(tables)  # another process may have finished a shard between two of them
    scores = tables[0]
    return (
        xr.merge(
            [table.reset_coords(drop=True).drop_vars("network").reindex(epoch=scores["epoch"]) for table in tables],
            compat="override",
            join="override",
            combine_attrs="override",
        )
        .assign_coords({name: scores[name] for name in scores.coords})
        .assign_attrs(not_measured=reasons)
    )


def measurements(run: Run, table: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return every stored measurement of all networks of a table, in its order, by name.

    Each has one epoch: of every network the last that was measured, as groups may be trained for different times.
    """
    found = {}
    wanted = _networks(table)
    for name in run.measurements():
        try:
            stored = run.measurement(name)
        except DamagedFile:  # of an analysis that was not asked for; `measured` says so
            continue
        places = {network: place for place, network in enumerate(_networks(stored))}
        if set(wanted) <= set(places):
            found[name] = _last(stored.isel(network=[places[network] for network in wanted]))
    return found


def _last(measurement: xr.Dataset) -> xr.Dataset:
    last = measurement.isel(epoch=[-1])
    for epoch in reversed(range(measurement.sizes["epoch"] - 1)):
        last = last.fillna(measurement.isel(epoch=[epoch]).assign_coords(epoch=last["epoch"]))
    return last


def at_scored(table: xr.Dataset, name: str) -> np.ndarray[tuple[int], np.dtype[Any]]:
    """Return a measure at the scored epoch, ``(network,)``: in a group that was trained for less, at its last."""
    epochs, values = table["epoch"].to_numpy(), table[name].to_numpy()
    place, groups = int(np.flatnonzero(epochs == scored_epoch(table))[0]), table["group"].to_numpy()
    found = values[:, place].copy()
    if values.dtype.kind == "f":
        for group in np.unique(groups):
            own = groups == group
            known = np.flatnonzero(np.isfinite(values[own, : place + 1]).any(axis=0))
            if len(known):
                found[own] = values[own, known[-1]]
    return found


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
    """Return the epoch at which networks are compared (see `spatialnets.paper.scored_among`)."""
    return scored_among(table["epoch"].to_numpy())


def pass_accuracy(table: xr.Dataset) -> float:
    """Return the validation accuracy from which on networks pass: that of the analysis `pass_rate`, or the paper's."""
    return float(table["passed"].attrs.get("threshold", PASS_ACCURACY)) if "passed" in table else PASS_ACCURACY


def passing(table: xr.Dataset, epoch: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which networks have learned the task at an epoch, by default the scored one, ``(network,)``.

    Where nobody knows the accuracy of any network of a group, as of imported ones, all of them count.
    """
    accuracy = (
        at_scored(table, "validation_accuracy")
        if epoch is None
        else table["validation_accuracy"].sel(epoch=epoch).to_numpy()
    )
    with np.errstate(invalid="ignore"):
        passes = np.asarray(accuracy >= pass_accuracy(table))
    unknown = np.isnan(table["validation_accuracy"].to_numpy()).all(axis=1)
    groups = table["group"].to_numpy()
    finite = np.isfinite(at_scored(table, "total_weight")) if "total_weight" in table else unknown
    for group in np.unique(groups[unknown]):
        if unknown[groups == group].all():
            passes = passes | ((groups == group) & np.asarray(finite))
    return passes
