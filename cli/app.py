"""The command `spatialnets`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from spatialnets import __version__
from spatialnets.cli.cancel import cancel
from spatialnets.cli.cite import cite
from spatialnets.cli.compare import compare
from spatialnets.cli.describe import describe
from spatialnets.cli.export import export
from spatialnets.cli.generative import generative
from spatialnets.cli.geometry import geometry
from spatialnets.cli.import_networks import import_networks
from spatialnets.cli.list import list_components
from spatialnets.cli.new import new
from spatialnets.cli.report import report
from spatialnets.cli.resume import resume
from spatialnets.cli.run import run
from spatialnets.cli.show import show
from spatialnets.cli.status import status
from spatialnets.cli.validate import validate
from spatialnets.cli.work import work
from spatialnets.errors import Detached, UserError, printable
from spatialnets.files.atomic import reason_of

app = typer.Typer(
    name="spatialnets",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Recurrent neural networks whose units have positions in space. Start with: spatialnets run preset=sernn_demo",
)
for command in (
    run,
    resume,
    status,
    cancel,
    work,
    validate,
    geometry,
    compare,
    generative,
    describe,
    show,
    report,
    export,
    cite,
    new,
):
    app.command()(command)
app.command("import")(import_networks)
app.command("list")(list_components)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"spatialnets {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; exit codes: 0 success, 1 a bug, 2 unusable input, 130 stopped with Ctrl-C."""
    try:
        try:
            app(prog_name="spatialnets")
        finally:
            sys.stdout.flush()  # so that a full disk is reported here and not when Python exits
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {printable(line)}", file=sys.stderr)  # it may quote an untrusted file
        sys.exit(2)
    except Detached as detached:
        print(detached)
    except MemoryError as error:
        print(f"error: out of memory: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as exit_request:
        if exit_request.code == 130:  # typer's code for Ctrl-C
            print("stopped", file=sys.stderr, flush=True)
        raise
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader such as `head` has ended
        sys.exit(0)
    except OSError as error:  # that no other layer explains
        _drop_unwritable_output()
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {printable(where + reason_of(error))}", file=sys.stderr)
        sys.exit(2)


def _drop_unwritable_output() -> None:
    """Discard output that cannot be written, so that Python does not fail to write it when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
