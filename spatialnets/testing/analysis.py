"""The contract of analyses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    from spatialnets.runs.run import Run

__all__ = ["check_analysis"]


def check_analysis(analysis: Analysis, run: Run) -> None:
    """Check that an analysis satisfies its contract on a run.

    - It returns measurements over network and epoch, with name and units, for all networks of the run.
    - Repeated measurements are identical.
    - It does not change the run.

    Parameters
    ----------
    analysis
        Any analysis.
    run
        Any run, ideally with a network that diverged.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from spatialnets import Run
    >>> from spatialnets.analyses import Wiring
    >>> check_analysis(Wiring(), Run.open("runs/sernn_demo-226944b3"))  # doctest: +SKIP
    """
    name = type(analysis).__name__
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    table, again = analysis.measure(run), analysis.measure(run)
    assert before == {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}, (
        f"{name} must not change the run"
    )
    assert table.identical(again), f"{name}: repeated measurements must be identical"
    assert table.data_vars, f"{name} must return at least one measurement"
    scores = run.map(lambda shard: shard[["loss"]])
    for coordinate in ("group", "network", "seed"):
        assert coordinate in table.coords, f"{name}: measurements need the coordinate '{coordinate}'"
        same = np.array_equal(table[coordinate].to_numpy(), scores[coordinate].to_numpy())
        assert same, f"{name}: '{coordinate}' must be the same as in the run, in the same order"
    epochs = set(scores["epoch"].to_numpy())
    for variable, values in table.data_vars.items():
        assert values.dims[:2] == ("network", "epoch"), (
            f"{name}: '{variable}' must have dimensions (network, epoch, ...)"
        )
        assert set(values["epoch"].to_numpy()) <= epochs, f"{name}: '{variable}' must have epochs of the run"
        assert values.attrs.get("long_name"), f"{name}: '{variable}' needs a long_name"
        assert values.attrs.get("units"), f"{name}: '{variable}' needs units ('1' if it is dimensionless)"
