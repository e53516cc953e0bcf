"""Train an experiment and compare groups of networks; the command line, `Experiment` and `Run` call these functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spatialnets.experiments.experiment import Experiment
from spatialnets.runs.run import Run

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.graph.product_choice import Products
    from spatialnets.progress import Progress
    from spatialnets.report.comparison import Comparison

__all__ = ["compare", "experiment_of", "train"]


def train(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    report: bool = True,
    networks_per_shard: int | None = None,
    engine: Engine | None = None,
    products: Products = "auto",
) -> Run:
    """Train all networks that the run's folder does not contain yet, measure them and write the report.

    Parameters
    ----------
    experiment
        The experiment.
    out
        The run's folder; by default ``runs/<name>-<hash of the experiment>``.
    workers
        Number of shards computed at once; by default decided by the engine.
    progress
        Display of the progress, such as `spatialnets.progress.terminal_progress()`; by default none.
    report
        Whether to measure the networks and write ``report.html``.
    networks_per_shard
        Number of networks trained as one batch, if the run is new; by default chosen to suit the machine.
    engine
        Where networks are trained and measured, such as `spatialnets.engines.local.Processes()`; by default on this
        machine. It is not part of the experiment and does not change the result.
    products
        How matrices are multiplied on a CPU, if the run is new: ``"torch"`` by PyTorch's own products, ``"block"`` by
        oneDNN's block kernel, or ``"auto"`` by what is faster on this machine, for each number of units. The methods
        differ in rounding, so the choice is stored in the run's plan, and every process that continues the run follows
        it.
    """
    from spatialnets.engines.compute import compute

    run = compute(
        experiment,
        out if out is not None else experiment.folder,
        workers,
        progress,
        networks_per_shard,
        engine,
        products,
    )
    if report:
        from spatialnets.report.page import is_current, write_report

        if not is_current(run, experiment):
            write_report(run, experiment, progress, workers, engine)
    return run


def compare(
    *groups: Run | tuple[Run, str | None],
    out: str | Path | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> Comparison:
    """Compare groups of networks from one or several runs.

    Parameters
    ----------
    groups
        A run for all of its groups, or a run and the name of one group.
    out
        Folder for ``comparison.html``, figures and tables; by default nothing is written.
    progress, engine
        As in `train`.

    Returns
    -------
    spatialnets.report.comparison.Comparison
        Tables of means, effect sizes with confidence intervals, null models and maps.
    """
    from spatialnets.report.comparison import compare as compare_samples
    from spatialnets.report.comparison_page import write_comparison
    from spatialnets.report.samples import samples_of

    pairs: Sequence[tuple[Run, str | None]] = [group if isinstance(group, tuple) else (group, None) for group in groups]
    comparison = compare_samples(samples_of(pairs, progress, engine), progress)
    if out is not None:
        write_comparison(comparison, Path(out))
    return comparison


def experiment_of(folder: str | Path, trusted: bool = False) -> Experiment:
    """Return the experiment of the run in a folder; the arguments are those of `Run.open`."""
    return Run.open(folder, trusted).experiment()
