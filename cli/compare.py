"""`spatialnets compare`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialnets.cli.arguments import Quiet, argument, engine_from, progress_for, without_engine_overrides
from spatialnets.cli.tables import read_rows
from spatialnets.errors import RunError, nearest, printable

if TYPE_CHECKING:
    from spatialnets.report.comparison import Comparison
    from spatialnets.runs.run import Run


def compare(
    sources: Annotated[
        list[str],
        argument("RUN[:GROUP]", "At least two groups: RUN:GROUP is one group, RUN all groups of a run."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for page and tables; by default RUN/comparison, or runs/comparison-<hash>."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare groups of networks from one or several runs: effect sizes with intervals, null models, and a page."""
    from spatialnets import workflow

    engine = engine_from(sources)
    groups = [_parse_source(source) for source in without_engine_overrides(sources)]
    folder = out or _default_folder(groups)
    comparison = workflow.compare(*groups, out=folder, progress=progress_for(quiet), engine=engine)
    print_claims(folder)
    _print_effects(comparison)
    for reason in comparison.reasons:
        print(f"not compared: {printable(reason)}")
    print(f"comparison: {folder / 'comparison.html'}")


def _parse_source(source: str) -> tuple[Run, str | None]:
    """Return the run of ``RUN`` or ``RUN:GROUP``, and the group or None."""
    from spatialnets.runs.run import Run

    folder, colon, group = source.rpartition(":")
    if not colon or Path(source).is_dir():
        return Run.open(source), None
    run = Run.open(folder)
    if group not in run.groups:
        raise RunError(f"{folder} has no group '{group}': {nearest(group, run.groups)}")
    return run, group


def _default_folder(groups: Sequence[tuple[Run, str | None]]) -> Path:
    folders = {run.folder.resolve() for run, _ in groups}
    if len(folders) == 1 and all(group is None for _, group in groups):
        return groups[0][0].folder / "comparison"
    sources = "\n".join(f"{run.folder.resolve()}:{group or ''}" for run, group in groups)
    return Path("runs") / f"comparison-{hashlib.sha256(sources.encode()).hexdigest()[:8]}"


def print_claims(folder: Path) -> None:
    """Print which of the paper's structural features hold on which geometry, if the comparison in a folder says so."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = read_rows(folder / "claims.csv")
    if not rows:
        return
    selections = list(dict.fromkeys(row["selection"] for row in rows))
    cells = {(row["geometry"], row["claim"], row["selection"]): _verdict(row) for row in rows}
    table = Table(title="The paper's structural features: Hedges' g, spatial minus L1 (95 % interval)")
    for column in ("a spatial network ...", *selections):
        table.add_column(column, no_wrap=True)
    for geometry in dict.fromkeys(row["geometry"] for row in rows):
        table.add_section()
        table.add_row(f"[bold]{escape(geometry)}[/bold]")
        for claim in dict.fromkeys(row["claim"] for row in rows if row["geometry"] == geometry):
            table.add_row(f"  {claim}", *(cells.get((geometry, claim, each), "too few") for each in selections))
    Console().print(table)


def _verdict(row: dict[str, str]) -> str:
    g, low, high = (float(row[name] or "nan") for name in ("g", "low", "high"))
    return row["verdict"] + ("" if math.isnan(g) else f"\n{g:.2f} [{low:.2f}, {high:.2f}]")


def _print_effects(comparison: Comparison) -> None:
    """Print the effects at the scored epoch, except those of contrasts that the table of claims contains."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets.report.comparison_page import contrasts_without_claims, label_of

    for contrast in contrasts_without_claims(comparison):
        effects = comparison.effects[
            (comparison.effects["first"] == contrast.first.label)
            & (comparison.effects["second"] == contrast.second.label)
            & (comparison.effects["epoch"] == comparison.epoch)
        ]
        if not len(effects):
            continue
        table = Table(title=f"{contrast.label} at epoch {comparison.epoch}: Hedges' g (95 % interval)")
        table.add_column("measure", no_wrap=True)
        counts: dict[str, str] = {}
        for selection, rows in effects.groupby("selection", sort=False):
            counts[str(selection)] = f"n {rows['n_first'].max()} + {rows['n_second'].max()}"
            table.add_column(f"{selection}\n{counts[str(selection)]}")
        for measure in effects["measure"].unique():
            rows = {row.selection: row for row in effects[effects["measure"] == measure].itertuples()}
            table.add_row(label_of(measure), *(_cell(rows[name], counts[name]) for name in counts))
        Console().print(table)


def _cell(row: Any, usual_count: str) -> str:
    if math.isnan(row.g):
        return "-"
    count = f"n {row.n_first} + {row.n_second}"
    return f"{row.g:.2f}\n[{row.low:.2f}, {row.high:.2f}]" + (f"\n{count}" if count != usual_count else "")
