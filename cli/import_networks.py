"""`spatialnets import`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.arguments import Quiet, argument, progress_for
from spatialnets.cli.tables import counted
from spatialnets.errors import UserError, printable


def import_networks(
    words: Annotated[
        list[str],
        argument(
            "FILE|KEY=VALUE",
            "A file, or several tables or their folder; then key=value, such as geometry=sphere, "
            "groups.theirs.regularizer=l1 or name=theirs.",
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="rate_data (the authors' rate_data.mat), npz, mat (one array of a MATLAB file) or csv (one matrix per "
            "file); by default determined from the file.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; by default runs/<name>-<hash>.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group of the file to import; or, if the file has no groups, a name for one."),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            "--epochs", help="Epochs to import, such as 9 or 0,9; or, if the file has no epochs, those of its networks."
        ),
    ] = None,
    variable: Annotated[
        str | None, typer.Option("--variable", help="Array of a mat or npz file; a.b is field b of the struct a.")
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(
            "--orientation",
            help="pre_post: entry (i, j) is the connection from unit i to unit j; post_pre: from unit j to unit i.",
        ),
    ] = "pre_post",
    keep_first: Annotated[
        bool, typer.Option("--keep-first", help="Keep the first network of each of the authors' sets (rate_data).")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Create a run from networks that were trained elsewhere, to measure, report and compare like any other."""
    from spatialnets.importing import Wanted
    from spatialnets.importing import import_networks as import_files

    wanted = Wanted(
        groups=tuple(group or ()),
        epochs=_parse_epochs(epochs),
        variable=variable,
        orientation=orientation,  # type: ignore[arg-type]  # checked there
        keep_first=keep_first,
    )
    run = import_files(
        [word for word in words if _is_file(word)],
        [word for word in words if not _is_file(word)],
        format=format,
        out=out,
        wanted=wanted,
        progress=progress_for(quiet),
    )
    imported = run.provenance["imported"]
    for name, facts in imported["groups"].items():
        stored = f"epoch{'s' if len(facts['epochs']) > 1 else ''} {', '.join(map(str, facts['epochs']))}"
        print(f"{name}: {counted(facts['networks'], 'network')} of {counted(facts['units'], 'unit')}, {stored}")
    for note in imported["notes"]:
        print(f"note: {printable(note)}")
    print(f"run: {run.folder}")
    print(f"next: spatialnets report {run.folder}")


def _is_file(word: str) -> bool:
    return "=" not in word or os.path.exists(word)  # False, not an error, if the name is too long for a file


def _parse_epochs(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",")) if text is not None else ()
    except ValueError:
        raise UserError(f"--epochs: expected whole numbers separated by commas, such as 0,9, got {text!r}") from None
