"""The batch script of a job array, in which each task does one line of a file of orders."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

__all__ = ["CRASHES", "batch_script"]

CRASHES = 3
"""How often the script puts a task back into the queue after its process has died or failed."""

_SCRIPT = """\
#!/bin/bash
# Task i of this array does line i of
#   {orders}
# It was submitted with
#   {submitted}
# Results are stored continually, so a task may be stopped, requeued and repeated at any time.

task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
crashes={crashes}-$SLURM_ARRAY_TASK_ID.crashes
say() {{ echo "== $(date '+%F %T') Slurm job $task on ${{SLURMD_NODENAME:-$(hostname)}}: $*"; }}
say "start ${{SLURM_RESTART_COUNT:-0}}"
{setup}
# Before the time limit Slurm signals only this shell, and at the end of a job all its processes: forward the signal.
worker= stopping= interrupted=
forward() {{
    stopping=1 interrupted=1
    [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null
}}
trap forward TERM USR1
{command} "$SLURM_ARRAY_TASK_ID" &
worker=$!
[ -z "$stopping" ] || kill -TERM "$worker" 2>/dev/null
code=
while :; do
    interrupted=
    wait "$worker"
    status=$?
    [ "$status" = 127 ] && [ -n "$code" ] || code=$status  # 127 if a signal came after the end: the status is known
    [ -n "$interrupted" ] || break
done
if [ -n "$stopping" ] && {{ [ "$code" = 143 ] || [ "$code" = 138 ]; }}; then
    code=75  # stopped before it had begun
fi
say "ended with exit status $code"

# Requeue the task, unless Slurm is ending it: because it was cancelled, or because Slurm itself requeues it.
requeue() {{
    if [ "$(squeue -h -a -j "$task" -o %T 2>/dev/null)" = RUNNING ]; then
        say "returns to the queue: $1"
        scontrol requeue "$task"
    fi
}}
case $code in
    0 | 2 | 130) ;;  # done; refused, and would be refused again; cancelled
    75) requeue "stopped, stored results are kept" ;;
    *)
        printf x >>"$crashes"
        crashed=$(wc -c <"$crashes")
        if [ "$crashed" -le {limit} ]; then requeue "its process died, restart $crashed of {limit}"; fi
        ;;
esac
exit "$code"
"""


def batch_script(command: Sequence[str], orders: Path, submitted: Sequence[str], crashes: Path, setup: str) -> str:
    """Return the batch script.

    Parameters
    ----------
    command
        The command that does an order, without its last argument, the number of the order's line.
    orders
        The file of orders, quoted in a comment.
    submitted
        The command that submits the script, quoted in a comment.
    crashes
        Beginning of the paths of the files that count crashes; the number of the task and an ending are appended.
    setup
        Shell lines before the command.
    """
    return _SCRIPT.format(
        command=shlex.join(command),
        orders=orders,
        submitted=shlex.join(submitted),
        crashes=shlex.quote(str(crashes)),
        setup=f"\n{setup.strip()}\n" if setup.strip() else "",
        limit=CRASHES,
    )
