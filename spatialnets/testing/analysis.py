"""What every analysis promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    from spatialnets.runs.run import Run

__all__ = ["check_analysis"]


def check_analysis(analysis: Analysis, run: Run) -> None:
    """Check that an analysis keeps its promises on a run.

    Measurements over network and epoch, for all networks that are there, each with a name to read; the same whenever
    it is asked; and the run left as it was.

    Parameters
    ----------
    analysis
        Any analysis.
    run
        Any run, best one with a network that diverged.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from spatialnets import Run
    >>> from spatialnets.analyses import Wiring
    >>> check_analysis(Wiring(), Run.open("runs/sernn_demo-226944b3"))  # doctest: +SKIP
    """
    name = type(analysis).__name__
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    table, again = analysis.measure(run), analysis.measure(run)
    assert before == {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}, f"{name} must only read"
    assert table.identical(again), f"{name}: the same run must always give the same measurements"
    assert table.data_vars, f"{name} must measure something"
    scores = run.map(lambda shard: shard[["loss"]])
    for coordinate in ("group", "network", "seed"):
        assert coordinate in table.coords, f"{name}: measurements need the coordinate '{coordinate}'"
        same = np.array_equal(table[coordinate].to_numpy(), scores[coordinate].to_numpy())
        assert same, f"{name}: '{coordinate}' must be that of the run's networks, in their order"
    epochs = set(scores["epoch"].to_numpy())
    for variable, values in table.data_vars.items():
        assert values.dims[:2] == ("network", "epoch"), f"{name}: '{variable}' must be over (network, epoch, ...)"
        assert set(values["epoch"].to_numpy()) <= epochs, f"{name}: '{variable}' must be of epochs of the run"
        assert values.attrs.get("long_name"), f"{name}: '{variable}' needs a long_name to be read by"
        assert values.attrs.get("units"), f"{name}: '{variable}' needs units ('1' if it has none)"
