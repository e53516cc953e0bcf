"""The jobs of a run in Slurm's queue: submitted once, followed by what they store, and submitted again if lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from spatialnets.engines.claim import Cancelled, cancellation_file, refusal_file, refused_jobs
from spatialnets.engines.job import Job
from spatialnets.engines.orders import work_command, write_orders
from spatialnets.engines.slurm import commands
from spatialnets.engines.slurm.commands import NoAnswer, Task
from spatialnets.engines.slurm.script import CRASHES, batch_script
from spatialnets.engines.slurm.submissions import (
    Submission,
    describe_tasks,
    find_tasks,
    new_submission,
    read_submissions,
    slurm_folder,
)
from spatialnets.engines.train_job import MAX_LOOK_SHARE, results_of
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.progress import Progress
from spatialnets.runs.run import Run

if TYPE_CHECKING:
    from spatialnets.engines.slurm.engine import Slurm

__all__ = ["SlurmQueue"]

ATTEMPTS = 3  # to submit a lost job again without progress in between
MAX_LOOKS = 3  # at a job that is neither queued nor done, until it counts as lost: results may become visible late
ENDING_WAIT_SECONDS = 60.0  # for tasks that are ending when this process starts: they end, or return to the queue
STUCK_SECONDS = 600.0  # that a task may be ending; then its node hangs or is down, and the task counts as lost
NO_ANSWER_SECONDS = 900.0  # enough for a controller to restart or to be moved

Answer = TypeVar("Answer")


class SlurmQueue:
    """The jobs of a run, and their tasks in the queue.

    Parameters
    ----------
    engine
        The engine.
    run
        The run.
    jobs
        The jobs to do.
    progress
        Receives progress reports.
    """

    def __init__(self, engine: Slurm, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        self._engine, self._run, self._progress = engine, run, progress
        results = results_of(run, jobs)
        self._stored = {job.key: progress for job, (_, progress) in zip(jobs, results, strict=True)}
        self._jobs = {job.key: job for job in jobs}  # those that are not done
        self._places: dict[str, tuple[Submission, int]] = {}  # submission and line of each job
        self._looks: dict[str, int] = {}  # since a job was last seen in the queue
        self._attempts: dict[str, tuple[int, int]] = {}  # since a job made progress, and its progress then
        self._ending: dict[str, float] = {}  # since when the task of a job has been ending
        self._warned: set[str] = set()
        self._no_answer_since: float | None = None
        self._status = ""

    def submit(self) -> None:
        """Submit the jobs that are neither done nor in the queue already."""
        self._attach()
        jobs = [job for key, job in self._jobs.items() if key not in self._places]
        results = results_of(self._run, jobs)
        self._submit_jobs([job for job, (done, _) in zip(jobs, results, strict=True) if not done])

    @property
    def submitted(self) -> str:
        """The jobs in the queue, for messages: "Slurm job 12 continues"; empty if there are none."""
        tasks = self._retry(lambda: find_tasks(read_submissions(self._run)))
        mine = {key: tasks.get((submission.name, line)) for key, (submission, line) in self._places.items()}
        active = {key: task for key, task in mine.items() if task is not None and task.active}
        if not active:
            return ""
        several = len({task.job for task in active.values()}) > 1
        return f"{describe_tasks(active).partition(':')[0]} {'continue' if several else 'continues'}"

    def wait(self) -> None:
        """Wait until all jobs are done, and submit lost ones again.

        Raises
        ------
        RunError
            If a job cannot be done.
        Cancelled
            If the run is cancelled.
        """
        while self._jobs:
            self._stop_if_cancelled()
            begun = time.monotonic()
            self._look()
            if self._jobs:
                time.sleep(max(self._engine.poll_seconds, (time.monotonic() - begun) / MAX_LOOK_SHARE))
        for submission in self._submissions():
            if all(key in self._stored for key in submission.keys):  # all its jobs are done
                submission.remove(self._run)

    def _submissions(self) -> tuple[Submission, ...]:
        return tuple({submission.name: submission for submission, _ in self._places.values()}.values())

    # -- finding earlier jobs ------------------------------------------------------------------------------------

    def _attach(self) -> None:
        """Find the jobs of earlier submissions."""
        tasks = self._retry(lambda: self._settled_tasks(read_submissions(self._run)))
        for submission in read_submissions(self._run):
            array = [tasks.get((submission.name, line)) for line in range(len(submission.keys))]
            lines = [line for line, task in enumerate(array) if task is not None and task.active]
            for line in lines:
                if submission.keys[line] in self._jobs:
                    self._places[submission.keys[line]] = submission, line
            ours = any(key in self._jobs for key in submission.keys)
            # a younger one may belong to another process that is about to submit it
            if not lines and (ours or submission.age(self._run) > 2 * NO_ANSWER_SECONDS):
                submission.remove(self._run)
        if self._places:
            earlier = {key: tasks[submission.name, line] for key, (submission, line) in self._places.items()}
            self._progress.say(f"{describe_tasks(earlier)}; submitted earlier, not submitted again")

    def _settled_tasks(self, submissions: Sequence[Submission]) -> dict[tuple[str, int], Task]:
        """Return the tasks of some submissions once none of them is ending: it may return to the queue."""
        until = time.monotonic() + ENDING_WAIT_SECONDS
        while True:
            self._stop_if_cancelled()
            tasks = find_tasks(submissions)
            ending = [task for task in tasks.values() if task.state == "COMPLETING"]
            if not ending or time.monotonic() > until:
                return tasks
            time.sleep(min(self._engine.poll_seconds, 1.0))

    def _stop_if_cancelled(self) -> None:
        if cancellation_file(self._run.folder).exists():
            raise Cancelled(f"{self._run.folder} was cancelled")

    def _retry(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request to Slurm until it is answered."""
        while True:
            try:
                answer = request()
            except NoAnswer as error:
                self._note_no_answer(error)
                self._stop_if_cancelled()
                time.sleep(self._engine.poll_seconds)
            else:
                self._no_answer_since = None
                return answer

    def _note_no_answer(self, error: NoAnswer) -> None:
        """Report once that Slurm does not answer, and give up after a while."""
        if self._no_answer_since is None:
            self._no_answer_since = time.monotonic()
            self._progress.say(f"Slurm does not answer ({error}); its jobs continue, and requests are repeated")
        if time.monotonic() - self._no_answer_since > NO_ANSWER_SECONDS:
            raise RunError(
                f"Slurm has not answered for {NO_ANSWER_SECONDS / 60:g} minutes ({error}); its jobs may continue. "
                "Repeat the command later"
            )

    # -- submitting ----------------------------------------------------------------------------------------------

    def _submit_jobs(self, jobs: Sequence[Job]) -> None:
        """Submit jobs, in several arrays if Slurm's limit requires it."""
        if not jobs:
            return
        size, refused = commands.max_array_size(), refused_jobs(self._run)
        arrays = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        for array in arrays:
            submission = new_submission(self._run, [job.key for job in array])
            for line, job in enumerate(array):
                if job.key in refused:
                    refusal_file(self._run, job).unlink(missing_ok=True)
                self._places[job.key] = submission, line
                self._looks.pop(job.key, None)
            number = self._sbatch(submission, array, len(arrays))
            count = "1 job" if len(array) == 1 else f"{len(array)} jobs"
            self._progress.say(f"Slurm job {number}: {count} submitted, logs in {slurm_folder(self._run)}")

    def _sbatch(self, submission: Submission, jobs: Sequence[Job], arrays: int) -> str:
        """Submit one array; return its number."""
        run, engine = self._run, self._engine
        orders = write_orders(run, jobs)
        throttle = f"%{max(engine.workers // arrays, 1)}" if engine.workers else ""
        script = submission.path(run, ".sh")
        arguments = [
            f"--job-name={submission.name}",
            f"--array=0-{len(jobs) - 1}{throttle}",
            f"--output={str(submission.path(run, '')).replace('%', '%%')}-%a.log",
            *engine.options(run.plan["threads"]),
            str(script),
        ]
        command, crashes = work_command(run, orders, engine.interpreter()), submission.path(run, "")
        write_text(script, batch_script(command, orders, ["sbatch", *arguments], crashes, engine.setup))
        submission.write(run)

        def submit() -> str:
            if self._no_answer_since is not None:  # the job may have been submitted although the answer was lost
                for task in commands.list_tasks([submission.name]):
                    return task.job
            return commands.submit(arguments)

        try:
            return self._retry(submit)
        except RunError:
            if self._no_answer_since is None:
                submission.remove(run)
            raise

    # -- following -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look once at the queue and at what is stored."""
        tasks: dict[tuple[str, int], Task] | None = None
        try:  # the queue first: a task that has left it has stored its result before
            tasks = find_tasks(self._submissions())
            self._no_answer_since = None
        except NoAnswer as error:
            self._note_no_answer(error)
        _refresh(self._run)
        advanced, active, lost = 0, {}, []
        jobs = list(self._jobs.items())
        results = results_of(self._run, [job for _, job in jobs])
        for (key, job), (done, progress) in zip(jobs, results, strict=True):
            stored = max(progress, self._stored[key])
            advanced += stored - self._stored[key]
            self._stored[key] = stored
            if done:
                del self._jobs[key]
                continue
            if tasks is None:
                continue
            submission, line = self._places[key]
            task = tasks.get((submission.name, line))
            if task is not None and task.active and not self._is_stuck(job, task):
                self._looks.pop(key, None)
                active[key] = task
                self._warn_if_held(job, task)
                continue
            self._looks[key] = self._looks.get(key, 0) + 1
            if self._looks[key] >= MAX_LOOKS:
                self._note_lost(job, task)
                lost.append(job)
        if active:
            self._status = describe_tasks(active)
        if advanced:
            self._progress.advance(advanced, self._status)
        self._submit_jobs(lost)

    def _is_stuck(self, job: Job, task: Task) -> bool:
        """Tell whether a task has been ending for so long that its node must have failed."""
        if task.state != "COMPLETING":
            self._ending.pop(job.key, None)
            return False
        since = self._ending.setdefault(job.key, time.monotonic())
        return time.monotonic() - since > STUCK_SECONDS

    def _warn_if_held(self, job: Job, task: Task) -> None:
        if "held" in task.reason.lower() and job.key not in self._warned:
            self._warned.add(job.key)
            number = f"{task.job}_{task.line}"
            self._progress.say(
                f"Slurm holds job {number} ({job.name}): {task.reason}; release it with: scontrol release {number}"
            )

    def _note_lost(self, job: Job, task: Task | None) -> None:
        """Raise an error that explains why a job is not done, unless it was merely lost and can be submitted again."""
        submission, line = self._places[job.key]
        state = task.state if task is not None else "gone"
        log = f"its log is {submission.log(self._run, line)}"
        try:
            reason = refusal_file(self._run, job).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            reason = ""
        if reason:
            raise RunError(reason)
        if state == "CANCELLED":
            raise RunError(
                f"Slurm's job for {job.name} was cancelled; stored results are kept. To continue, repeat the "
                f"command; {log}"
            )
        if submission.crashes(self._run, line) > CRASHES:
            raise RunError(
                f"the process for {job.name} died {CRASHES + 1} times, perhaps for lack of memory (engine.memory). To "
                f"continue, repeat the command; {log}"
            )
        stored = self._stored[job.key]
        attempts, stored_before = self._attempts.get(job.key, (0, stored))
        attempts = 1 if stored > stored_before else attempts + 1
        if attempts > ATTEMPTS:
            raise RunError(
                f"Slurm's job for {job.name} was lost {attempts} times (now: {state}) without progress; {log}"
            )
        self._attempts[job.key] = attempts, stored
        self._progress.say(
            f"Slurm's job for {job.name} was lost ({state}); it is submitted again and continues from its last state"
        )


def _refresh(run: Run) -> None:
    """List the folders of results, which makes a network file system show new files at once."""
    for name in ("shards", "checkpoints", "analyses", "engine/refused"):
        try:
            os.listdir(run.folder / name)
        except OSError:
            continue
