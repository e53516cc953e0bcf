"""The batch script of a job array: one task does one line of a file of orders."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

__all__ = ["CRASHES", "batch_script"]

CRASHES = 3
"""How often a task whose process was killed or broke is put back into the queue by itself."""

_SCRIPT = """\
#!/bin/bash
# Task i of this array does line i of
#   {orders}
# It was submitted as
#   {submitted}
# What is computed is stored as it goes, so a task may be stopped, put back and repeated at any time.

task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
crashes={crashes}-$SLURM_ARRAY_TASK_ID.crashes
say() {{ echo "== $(date '+%F %T') Slurm job $task on ${{SLURMD_NODENAME:-$(hostname)}}: $*"; }}
say "start ${{SLURM_RESTART_COUNT:-0}}"
{setup}
# Before the time limit Slurm signals this shell alone, at the end of a job all its processes: pass on what comes.
worker= told= interrupted=
pass_on() {{
    told=1 interrupted=1
    [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null
}}
trap pass_on TERM USR1
{command} "$SLURM_ARRAY_TASK_ID" &
worker=$!
[ -z "$told" ] || kill -TERM "$worker" 2>/dev/null
code=
while :; do
    interrupted=
    wait "$worker"
    ended=$?
    [ "$ended" = 127 ] && [ -n "$code" ] || code=$ended  # a signal after its end: its status was read before
    [ -n "$interrupted" ] || break
done
if [ -n "$told" ] && {{ [ "$code" = 143 ] || [ "$code" = 138 ]; }}; then
    code=75  # stopped before it had begun
fi
say "ended with exit status $code"

# Put the task back, unless Slurm itself is ending it: cancelled is cancelled, and whom Slurm requeues, Slurm requeues.
again() {{
    if [ "$(squeue -h -a -j "$task" -o %T 2>/dev/null)" = RUNNING ]; then
        say "goes back into the queue: $1"
        scontrol requeue "$task"
    fi
}}
case $code in
    0 | 2 | 130) ;;  # done; refused, and would be again; cancelled
    75) again "stopped, what was computed is kept" ;;
    *)
        printf x >>"$crashes"
        crashed=$(wc -c <"$crashes")
        if [ "$crashed" -le {limit} ]; then again "its process died, time $crashed"; fi
        ;;
esac
exit "$code"
"""


def batch_script(command: Sequence[str], orders: Path, submitted: Sequence[str], crashes: Path, setup: str) -> str:
    """Write the script.

    Parameters
    ----------
    command
        What does an order, all but the number of its line, which comes last.
    orders
        The file of orders, for the reader.
    submitted
        The words it is submitted with, for the reader.
    crashes
        Where crashes are counted: a path to which task and ending are added.
    setup
        Lines of shell that come before the command.
    """
    return _SCRIPT.format(
        command=shlex.join(command),
        orders=orders,
        submitted=shlex.join(submitted),
        crashes=shlex.quote(str(crashes)),
        setup=f"\n{setup.strip()}\n" if setup.strip() else "",
        limit=CRASHES,
    )
