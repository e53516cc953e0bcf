"""`spatialnets import`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from spatialnets.errors import UserError, printable


def import_networks(
    words: Annotated[
        list[str],
        typer.Argument(
            help="A file (several, or a folder, of tables); then any key=value, such as geometry=sphere, "
            "groups.theirs.regularizer=l1 or name=theirs.",
            show_default=False,
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="rate_data: the authors' rate_data.mat; npz; mat: one array of a MATLAB file; csv: a matrix a file. "
            "By default as the file suggests.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; by default runs/<name>-<hash>.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Which groups of the file; where it names none, what to call its one."),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            "--epochs", help="Which epochs, such as 9 or 0,9; where the file does not say it, of which it is."
        ),
    ] = None,
    variable: Annotated[
        str | None, typer.Option("--variable", help="Which array of a mat or npz file; a.b is b in the struct a.")
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(
            "--orientation", help="pre_post: entry (i, j) leads from unit i to unit j; post_pre: from j to i."
        ),
    ] = "pre_post",
    keep_first: Annotated[
        bool,
        typer.Option("--keep-first", help="Keep the first network of each of the authors' sets (rate_data)."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Make a run of networks that were trained elsewhere, to measure, report and compare like any other."""
    from spatialnets.importing import Wanted
    from spatialnets.importing import import_networks as import_files
    from spatialnets.progress import NoProgress, terminal_progress

    wanted = Wanted(
        groups=tuple(group or ()),
        epochs=_numbers(epochs),
        variable=variable,
        orientation=orientation,  # type: ignore[arg-type]  # which checks it
        keep_first=keep_first,
    )
    run = import_files(
        [word for word in words if _is_file(word)],
        [word for word in words if not _is_file(word)],
        format=format,
        out=out,
        wanted=wanted,
        progress=NoProgress() if quiet else terminal_progress(),
    )
    imported = run.provenance["imported"]
    for name, known in imported["groups"].items():
        said = ", ".join(map(str, known["epochs"]))
        print(f"{name}: {known['networks']:,} networks of {known['units']:,} units, epoch {said}")
    for note in imported["notes"]:
        print(f"note: {printable(note)}")
    print(f"run: {run.folder}")
    print(f"go on with: spatialnets report {run.folder}")


def _is_file(word: str) -> bool:
    return "=" not in word or os.path.exists(word)  # which is False, not an error, of a name too long for any file


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        raise UserError(f"--epochs is whole numbers parted by commas, such as 0,9; not {text!r}") from None
