"""Jobs in Slurm's queue: submitted once, watched by what they have stored, and given again where they were lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from spatialnets.engines.claim import Cancelled, cancellation
from spatialnets.engines.job import Job
from spatialnets.engines.orders import refusal, work_command, write_orders
from spatialnets.engines.slurm import commands
from spatialnets.engines.slurm.commands import Silence, Task
from spatialnets.engines.slurm.script import CRASHES, batch_script
from spatialnets.engines.slurm.submissions import Submission, counted, folder_of, known_tasks, new, remembered
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.progress import Progress
from spatialnets.runs.run import Run

if TYPE_CHECKING:
    from spatialnets.engines.slurm.engine import Slurm

__all__ = ["SlurmQueue"]

ATTEMPTS = 3  # new submissions of a job that was lost, unless it has come farther in between
LOOKS = 3  # at a job that is gone and not done, before it counts as lost: results reach us late over a network
SETTLING_SECONDS = 60.0  # for tasks on their way out when this process comes: they end, or come back
ENDING_SECONDS = 600.0  # on its way out after which a task counts as lost: its node hangs, or is down
SILENT_SECONDS = 900.0  # a controller that restarts, or is moved, is back by then

Answer = TypeVar("Answer")


class SlurmQueue:
    """What is to be done of a run, and where in the queue it is.

    Parameters
    ----------
    engine
        How to submit.
    run
        Whose jobs.
    jobs
        What is to be done.
    progress
        Where to report.
    """

    def __init__(self, engine: Slurm, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        self._engine, self._run, self._progress = engine, run, progress
        self._stored = {job.key: job.progress(run) for job in jobs}
        self._jobs = {job.key: job for job in jobs}
        self._places: dict[str, tuple[Submission, int]] = {}  # the submission and line of each job
        self._gone: dict[str, int] = {}  # looks since a job was last seen in the queue
        self._attempts: dict[str, tuple[int, int]] = {}  # submissions since a job came farther, and how far it was
        self._ending: dict[str, float] = {}  # since when a job's task has been on its way out
        self._warned: set[str] = set()
        self._silent_since: float | None = None
        self._status = ""

    def submit(self) -> None:
        """Submit what is not done and not in the queue already."""
        self._attach()
        self._give([job for key, job in self._jobs.items() if key not in self._places and not job.done(self._run)])

    @property
    def submitted(self) -> str:
        """What is in the queue and goes on, for messages; empty if there is nothing."""
        found = self._living()
        jobs = counted(found).partition(":")[0]
        several = len({task.job for task in found.values()}) > 1
        return f"{jobs} {'go' if several else 'goes'} on" if found else ""

    def wait(self) -> None:
        """Wait until everything is done, and see to what is lost on the way.

        Raises
        ------
        RunError
            If something cannot be done.
        Cancelled
            If the run is cancelled.
        """
        while self._jobs:
            self._stop_if_cancelled()
            self._look()
            if self._jobs:
                time.sleep(self._engine.poll_seconds)
        for submission in {submission.name: submission for submission, _ in self._places.values()}.values():
            if all(key in self._stored for key in submission.keys):  # all of it is done
                submission.forget(self._run)

    # -- what is there -------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        """Find the jobs of earlier submissions."""
        known = self._patiently(lambda: self._settled(remembered(self._run)))
        for submission in remembered(self._run):
            lines = [line for line in range(len(submission.keys)) if _lives(known.get((submission.name, line)))]
            for line in lines:
                if submission.keys[line] in self._jobs:
                    self._places[submission.keys[line]] = submission, line
            ours = any(key in self._jobs for key in submission.keys)
            if not lines and (ours or submission.age(self._run) > 2 * SILENT_SECONDS):
                submission.forget(self._run)  # a younger one may be another process's, which is about to submit it
        if self._places:
            found = {key: known[submission.name, line] for key, (submission, line) in self._places.items()}
            self._progress.say(f"{counted(found)}, from before; they are not submitted again")

    def _settled(self, submissions: Sequence[Submission]) -> dict[tuple[str, int], Task]:
        """Return the tasks of some submissions once none is on its way out: it may end, or come back."""
        until = time.monotonic() + SETTLING_SECONDS
        while True:
            self._stop_if_cancelled()
            known = known_tasks(submissions)
            ending = [task for task in known.values() if task.state == "COMPLETING"]
            if not ending or time.monotonic() > until:
                return known
            time.sleep(min(self._engine.poll_seconds, 1.0))

    def _stop_if_cancelled(self) -> None:
        if cancellation(self._run.folder).exists():
            raise Cancelled(f"{self._run.folder} was cancelled")

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask Slurm until it answers."""
        while True:
            try:
                answer = ask()
            except Silence as silence:
                self._hear(silence)
                self._stop_if_cancelled()
                time.sleep(self._engine.poll_seconds)
            else:
                self._silent_since = None
                return answer

    def _hear(self, silence: Silence) -> None:
        """Say once that Slurm does not answer, and give up when that has lasted."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            self._progress.say(f"Slurm does not answer ({silence}); jobs go on, and it is asked again")
        if time.monotonic() - self._silent_since > SILENT_SECONDS:
            raise RunError(
                f"Slurm has not answered for {SILENT_SECONDS / 60:g} minutes ({silence}); its jobs may go on. Give the "
                "same command again later"
            )

    def _living(self) -> dict[str, Task]:
        known = self._patiently(lambda: known_tasks(remembered(self._run)))
        tasks = {key: known.get((submission.name, line)) for key, (submission, line) in self._places.items()}
        return {key: task for key, task in tasks.items() if task is not None and task.alive}

    # -- submitting ----------------------------------------------------------------------------------------------

    def _give(self, jobs: Sequence[Job]) -> None:
        """Submit jobs, in as many arrays as Slurm's limit on their size asks for."""
        if not jobs:
            return
        size = commands.largest_array()
        arrays = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        for array in arrays:
            submission = new(self._run, [job.key for job in array])
            for line, job in enumerate(array):
                refusal(self._run, job).unlink(missing_ok=True)
                self._places[job.key] = submission, line
                self._gone.pop(job.key, None)
            number = self._sbatch(submission, array, len(arrays))
            self._progress.say(f"Slurm job {number}: {_jobs(len(array))} submitted, logs in {folder_of(self._run)}")

    def _sbatch(self, submission: Submission, jobs: Sequence[Job], arrays: int) -> str:
        """Submit one array; return its number."""
        run, engine = self._run, self._engine
        orders = write_orders(run, jobs)
        throttle = f"%{max(engine.workers // arrays, 1)}" if engine.workers else ""
        script = submission.path(run, ".sh")
        words = [
            f"--job-name={submission.name}",
            f"--array=0-{len(jobs) - 1}{throttle}",
            f"--output={str(submission.path(run, '')).replace('%', '%%')}-%a.log",
            *engine.options(run.plan["threads"]),
            str(script),
        ]
        command = work_command(run, orders, engine.interpreter())
        write_text(script, batch_script(command, orders, ["sbatch", *words], submission.path(run, ""), engine.setup))
        submission.remember(run)

        def submit() -> str:
            if self._silent_since is not None:  # the answer may have been lost, not the job
                for task in commands.tasks([submission.name]):
                    return task.job
            return commands.submit(words)

        try:
            return self._patiently(submit)
        except RunError:
            if self._silent_since is None:
                submission.forget(run)
            raise

    # -- watching ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look once at the queue and at what is stored."""
        known: dict[tuple[str, int], Task] | None = None
        try:  # the queue first: what has left it has stored its result before
            known = known_tasks(
                tuple({submission.name: submission for submission, _ in self._places.values()}.values())
            )
            self._silent_since = None
        except Silence as silence:
            self._hear(silence)
        _refresh(self._run)
        came, alive, lost = 0, {}, []
        for key, job in list(self._jobs.items()):
            done = job.done(self._run)
            far = max(job.progress(self._run), self._stored[key])
            came += far - self._stored[key]
            self._stored[key] = far
            if done:
                del self._jobs[key]
                continue
            if known is None:
                continue
            submission, line = self._places[key]
            task = known.get((submission.name, line))
            if task is not None and task.alive and not self._ends_for_long(job, task):
                self._gone.pop(key, None)
                alive[key] = task
                self._warn_if_held(job, task)
                continue
            self._gone[key] = self._gone.get(key, 0) + 1
            if self._gone[key] >= LOOKS:
                self._judge(job, task)
                lost.append(job)
        if alive:
            self._status = counted(alive)
        if came:
            self._progress.advance(came, self._status)
        self._give(lost)

    def _ends_for_long(self, job: Job, task: Task) -> bool:
        """Tell whether a task has been ending for so long that its node cannot be well."""
        if task.state != "COMPLETING":
            self._ending.pop(job.key, None)
            return False
        since = self._ending.setdefault(job.key, time.monotonic())
        return time.monotonic() - since > ENDING_SECONDS

    def _warn_if_held(self, job: Job, task: Task) -> None:
        if "held" in task.reason.lower() and job.key not in self._warned:
            self._warned.add(job.key)
            where = f"{task.job}_{task.line}"
            self._progress.say(
                f"Slurm holds job {where} ({job.name}) back: {task.reason}; it goes on after: scontrol release {where}"
            )

    def _judge(self, job: Job, task: Task | None) -> None:
        """Say why a job is not done, or that it will be submitted again."""
        submission, line = self._places[job.key]
        state = task.state if task is not None else "gone"
        log = f"its log is {submission.log(self._run, line)}"
        try:
            refused = refusal(self._run, job).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            refused = ""
        if refused:
            raise RunError(refused)
        if state == "CANCELLED":
            raise RunError(
                f"Slurm's job for {job.name} was cancelled; what was computed is kept. Give the same command again to "
                f"go on; {log}"
            )
        if submission.crashes(self._run, line) > CRASHES:
            raise RunError(
                f"the process for {job.name} died {CRASHES + 1} times; memory may be short (engine.memory). Give the "
                f"same command again to go on; {log}"
            )
        far = self._stored[job.key]
        attempts, before = self._attempts.get(job.key, (0, far))
        attempts = 1 if far > before else attempts + 1
        if attempts > ATTEMPTS:
            raise RunError(
                f"Slurm's job for {job.name} was lost {attempts} times (now: {state}) and came no farther; {log}"
            )
        self._attempts[job.key] = attempts, far
        self._progress.say(f"Slurm's job for {job.name} was lost ({state}); it is submitted again and goes on")


def _lives(task: Task | None) -> bool:
    return task is not None and task.alive


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _refresh(run: Run) -> None:
    """List the folders of results: on a network's file system that makes new files visible at once."""
    for name in ("shards", "checkpoints", "analyses", "engine/refused"):
        try:
            os.listdir(run.folder / name)
        except OSError:
            continue
