"""All measures of a run, in one table over networks and epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from spatialnets.engines.engine import Engine
from spatialnets.engines.measure import measure, measure_together
from spatialnets.errors import StorageError, UserError
from spatialnets.files.netcdf import DamagedFile
from spatialnets.paper import PASS_ACCURACY, select_epoch
from spatialnets.progress import Progress
from spatialnets.protocols import Analysis
from spatialnets.runs.run import Run
from spatialnets.training.shard import SCORES

__all__ = ["at_scored_epoch", "load_measurements", "metrics_table", "pass_accuracy", "passing_networks", "scored_epoch"]


def metrics_table(
    run: Run,
    analyses: Mapping[str, Analysis],
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> xr.Dataset:
    """Return the scores and analyses of a run over ``(network, epoch)``, and compute the analyses that are not stored.

    Measures by unit, window or rule are not in the table; see `Run.measurement`. Stored analyses are included even if
    they are not among `analyses`. Where an analysis does not apply to the run, ``attrs["not_measured"]`` says why.

    Parameters
    ----------
    run
        A run, finished or not.
    analyses
        Analyses by name.
    workers, progress, engine
        As in `spatialnets.engines.measure.measure`.
    """
    tables = [run.map(lambda shard: shard[list(SCORES)], scores_only=True)]
    begun = measure_together(run, analyses, workers, progress, engine)
    reasons, stored = [], [name for name in run.measurements() if name not in analyses]
    for name in (*analyses, *stored):
        try:
            if name in analyses:
                table = measure(run, name, analyses[name], workers, progress, engine, begun.pop(name, None))
            else:
                table = run.measurement(name)
        except StorageError as error:
            if name in analyses:  # the cause is a damaged shard or a full disk, not the analysis
                raise
            reasons.append(str(error))
            continue
        except UserError as error:  # the analysis does not apply, such as that of goals to a task without
            reasons.append(f"{name}: {error}")
            continue
        if not set(_networks(tables[0])) <= set(_networks(table)):
            continue  # it was measured when the run held fewer networks
        flat = [str(variable) for variable in table.data_vars if table[variable].dims == ("network", "epoch")]
        if flat:
            tables.append(table[flat])
    tables = _common_networks(tables)  # another process may have finished a shard in between
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


def load_measurements(run: Run, table: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the stored measurements, by name, that cover all networks of a table, in the table's order.

    Each has a single epoch: for every network the last one measured, since groups may be trained for different times.
    """
    measurements, networks = {}, _networks(table)
    for name in run.measurements():
        try:
            stored = run.measurement(name)
        except DamagedFile:  # `metrics_table` reports it
            continue
        places = {network: place for place, network in enumerate(_networks(stored))}
        if set(networks) <= set(places):
            measurements[name] = _last_epoch(stored.isel(network=[places[network] for network in networks]))
    return measurements


def _last_epoch(measurement: xr.Dataset) -> xr.Dataset:
    last = measurement.isel(epoch=[-1])
    for epoch in reversed(range(measurement.sizes["epoch"] - 1)):
        last = last.fillna(measurement.isel(epoch=[epoch]).assign_coords(epoch=last["epoch"]))
    return last


def at_scored_epoch(table: xr.Dataset, name: str) -> np.ndarray[tuple[int], np.dtype[Any]]:
    """Return a measure at the scored epoch, ``(network,)``, or at the last epoch of groups trained for less."""
    epochs, values = table["epoch"].to_numpy(), table[name].to_numpy()
    place, groups = int(np.flatnonzero(epochs == scored_epoch(table))[0]), table["group"].to_numpy()
    scored = values[:, place].copy()
    if values.dtype.kind == "f":
        for group in np.unique(groups):
            member = groups == group
            trained = np.flatnonzero(np.isfinite(values[member, : place + 1]).any(axis=0))
            if len(trained):
                scored[member] = values[member, trained[-1]]
    return scored


def _common_networks(tables: list[xr.Dataset]) -> list[xr.Dataset]:
    """Return tables restricted to the networks that all of them hold."""
    kept = set.intersection(*(set(_networks(table)) for table in tables))
    return [
        table.isel(network=[place for place, network in enumerate(_networks(table)) if network in kept])
        for table in tables
    ]


def _networks(table: xr.Dataset) -> list[tuple[str, int]]:
    """Return the group and number of each network of a table, in its order."""
    return list(zip(table["group"].to_numpy().tolist(), table["network"].to_numpy().tolist(), strict=True))


def scored_epoch(table: xr.Dataset) -> int:
    """Return the epoch at which networks are compared (see `spatialnets.paper.select_epoch`)."""
    return select_epoch(table["epoch"].to_numpy())


def pass_accuracy(table: xr.Dataset) -> float:
    """Return the validation accuracy that a network needs to pass: the threshold of `pass_rate`, or the paper's."""
    return float(table["passed"].attrs.get("threshold", PASS_ACCURACY)) if "passed" in table else PASS_ACCURACY


def passing_networks(table: xr.Dataset, epoch: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which networks have learned the task at an epoch, by default the scored one, ``(network,)``.

    In a group without any stored accuracy, such as imported networks, all networks pass.
    """
    accuracy = (
        at_scored_epoch(table, "validation_accuracy")
        if epoch is None
        else table["validation_accuracy"].sel(epoch=epoch).to_numpy()
    )
    with np.errstate(invalid="ignore"):
        passes = np.asarray(accuracy >= pass_accuracy(table))
    unknown = np.isnan(table["validation_accuracy"].to_numpy()).all(axis=1)
    groups = table["group"].to_numpy()
    finite = np.isfinite(at_scored_epoch(table, "total_weight")) if "total_weight" in table else unknown
    for group in np.unique(groups[unknown]):
        if unknown[groups == group].all():
            passes = passes | ((groups == group) & np.asarray(finite))
    return passes
