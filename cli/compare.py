"""`spatialnets compare`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialnets.cli.tables import rows_of
from spatialnets.cli.words import engine_of, without_engine
from spatialnets.errors import RunError, nearest, printable

if TYPE_CHECKING:
    from spatialnets.report.comparison import Comparison
    from spatialnets.runs.run import Run


def compare(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="RUN or RUN:GROUP, two groups or more in all; a run alone stands for all of its groups.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for page and tables; by default RUN/comparison, or runs/comparison-<hash>."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Compare groups of networks, of one run or several: effects with intervals, nulls, a page."""
    from spatialnets.progress import NoProgress, terminal_progress
    from spatialnets.report.comparison import compare as compare_samples
    from spatialnets.report.comparison_page import write_comparison
    from spatialnets.report.samples import samples_of

    engine = engine_of(sources)
    chosen = [_source(word) for word in without_engine(sources)]
    progress = NoProgress() if quiet else terminal_progress()
    found = compare_samples(samples_of(chosen, progress, engine), progress)
    page = write_comparison(found, out or _folder(chosen))
    print_claims(page.parent)
    _print_effects(found)
    for reason in found.reasons:
        print(f"not compared: {printable(reason)}")
    print(f"comparison: {page}")


def _source(word: str) -> tuple[Run, str | None]:
    """Return the run, and the group if one is named, that a word stands for."""
    from spatialnets.runs.run import Run

    folder, colon, group = word.rpartition(":")
    if not colon or Path(word).is_dir():
        return Run.open(word), None
    run = Run.open(folder)
    if group not in run.groups:
        raise RunError(f"{folder} has no group '{group}': {nearest(group, run.groups)}")
    return run, group


def _folder(chosen: Sequence[tuple[Run, str | None]]) -> Path:
    folders = {run.folder.resolve() for run, _ in chosen}
    if len(folders) == 1 and all(group is None for _, group in chosen):
        return chosen[0][0].folder / "comparison"
    words = "\n".join(f"{run.folder.resolve()}:{group or ''}" for run, group in chosen)
    return Path("runs") / f"comparison-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def print_claims(folder: Path) -> None:
    """Print which of the paper's features hold where, if a comparison in this folder has found out."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = rows_of(folder / "claims.csv")
    if not rows:
        return
    selections = list(dict.fromkeys(row["selection"] for row in rows))
    cells = {(row["geometry"], row["claim"], row["selection"]): row for row in rows}
    table = Table(title="The paper's structural features: Hedges' g, spatial minus L1 (95 % interval)")
    for column in ("a spatial network ...", *selections):
        table.add_column(column, no_wrap=True)
    for place in dict.fromkeys(row["geometry"] for row in rows):
        table.add_section()
        table.add_row(f"[bold]{escape(place)}[/bold]")
        for claim in dict.fromkeys(row["claim"] for row in rows if row["geometry"] == place):
            own = [cells.get((place, claim, selection)) for selection in selections]
            table.add_row(f"  {claim}", *(_verdict(row) if row else "too few" for row in own))
    Console().print(table)


def _verdict(row: dict[str, str]) -> str:
    g, low, high = (float(row[name] or "nan") for name in ("g", "low", "high"))
    return row["verdict"] + ("" if math.isnan(g) else f"\n{g:.2f} [{low:.2f}, {high:.2f}]")


def _print_effects(found: Comparison) -> None:
    """Print the effects of each contrast at the scored epoch, but for those that the table of claims holds."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets.report.comparison_page import label_of, unclaimed

    for contrast in unclaimed(found):
        own = found.effects[
            (found.effects["first"] == contrast.first.label)
            & (found.effects["second"] == contrast.second.label)
            & (found.effects["epoch"] == found.epoch)
        ]
        if not len(own):
            continue
        table = Table(title=f"{contrast.label} at epoch {found.epoch}: Hedges' g (95 % interval)")
        table.add_column("measure", no_wrap=True)
        most: dict[str, str] = {}
        for selection, rows in own.groupby("selection", sort=False):
            most[str(selection)] = f"n {rows['n_first'].max()} + {rows['n_second'].max()}"
            table.add_column(f"{selection}\n{most[str(selection)]}")
        for measure in own["measure"].unique():
            rows = {row.selection: row for row in own[own["measure"] == measure].itertuples()}
            table.add_row(label_of(measure), *(_cell(rows[name], most[name]) for name in most))
        Console().print(table)


def _cell(row: Any, most: str) -> str:
    if math.isnan(row.g):
        return "-"
    count = f"n {row.n_first} + {row.n_second}"
    return f"{row.g:.2f}\n[{row.low:.2f}, {row.high:.2f}]" + (f"\n{count}" if count != most else "")
