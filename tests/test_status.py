"""What can be seen of a run from elsewhere, and jobs done by hand."""

import errno
import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from conftest import Outcome
from test_engines import WORDS, Recorder, experiment, same_weights

from spatialnets import Experiment, Run, RunError, UserError
from spatialnets.analyses import Wiring
from spatialnets.engines.choice import engine_of, words_of
from spatialnets.engines.claim import Cancelled, Claimed, claim, hold
from spatialnets.engines.compute import compute
from spatialnets.engines.driver import driving, is_driven
from spatialnets.engines.engine import Engine
from spatialnets.engines.local import Here, Processes
from spatialnets.engines.measure import Measuring, measure
from spatialnets.engines.orders import job_from, read_order, shard_jobs, write_orders
from spatialnets.engines.slurm.commands import Task
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.engines.slurm.queue import SlurmQueue
from spatialnets.engines.slurm.submissions import new
from spatialnets.engines.train_job import ShardJob
from spatialnets.errors import DeclarationError
from spatialnets.testing import check_engine


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("status") / "run"
    compute(experiment(), folder, networks_per_shard=3, engine=Here(workers=1))
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    shutil.copytree(trained, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.mark.parametrize("engine", [Here(workers=1), pytest.param(Processes(workers=2), marks=pytest.mark.slow)])
def test_the_engines_of_this_machine_keep_the_contract(engine: Here | Processes, tmp_path: Path) -> None:
    check_engine(engine, tmp_path)


def test_work_by_hand_gives_the_same_bits(command: Callable[..., Outcome], run: Run, trained: Path) -> None:
    for index in (1, 2):
        run.shards[index].path.unlink()
    done = command("work", str(run.folder), "1", "2", "0")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("is done") == 3
    assert same_weights(run, Run.open(trained))
    assert not list((run.folder / "engine" / "claims").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("9",), "has shards 0 to 3; there is no shard 9"),
        ((), "expected numbers of shards"),
        (("1", "--line", "0"), "expected numbers of shards"),
        (("--orders", "absent.jsonl", "--line", "0"), "cannot read absent.jsonl"),
    ],
)
def test_work_that_is_not_there_is_refused(
    command: Callable[..., Outcome], run: Run, words: tuple[str, ...], said: str
) -> None:
    outcome = command("work", str(run.folder), *words)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_refused_job_leaves_its_reason_until_it_is_done(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    checkpoints = run.checkpoint(1).parent
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.write_text("no folder")
    refused = command("work", str(run.folder), "1")
    reason = run.folder / "engine" / "refused" / "shard-00001.txt"
    assert refused.code == 2
    assert reason.read_text(encoding="utf-8").strip() in refused.err
    assert "refused: shard-00001: " in command("status", str(run.folder)).out
    checkpoints.unlink()
    assert command("work", str(run.folder), "1").code == 0
    assert not reason.exists()


def test_a_job_that_another_process_is_at_is_left_for_later(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    (job,) = shard_jobs(run, [1])
    with claim(run, job.key, job.name):
        outcome = command("work", str(run.folder), "1")
        with pytest.raises(Claimed, match="shard 1 .* is being computed by another process"):
            job.work(run, lambda count, status: None)
    assert outcome.code == 75
    assert "is being computed by another process" in outcome.err
    assert not (run.folder / "engine" / "refused").exists()
    assert command("work", str(run.folder), "1").code == 0


def test_where_there_are_no_locks_jobs_are_done_all_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    run.shards[1].path.unlink()
    (job,) = shard_jobs(run, [1])
    monkeypatch.setattr("fcntl.flock", refuse)
    job.work(run, lambda count, status: None)
    assert job.done(run)


def test_a_cancelled_run_stays_so_until_somebody_goes_on(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    assert "go on with: spatialnets resume" in command("cancel", str(run.folder)).out
    assert command("work", str(run.folder), "1").code == 130
    assert "it was cancelled" in command("status", str(run.folder)).out
    compute(experiment(), run.folder, engine=Here(workers=1))
    assert run.finished
    assert not (run.folder / "engine" / "cancelled").exists()
    assert "nothing to cancel" in command("cancel", str(run.folder)).out


def test_cancel_waits_for_jobs_by_hand_and_for_one_who_is_about_to_begin(
    command: Callable[..., Outcome], run: Run
) -> None:
    run.shards[1].path.unlink()
    (job,) = shard_jobs(run, [1])
    with claim(run, job.key, job.name):
        assert "processes are at shard-00001, and nobody" in command("status", str(run.folder)).out
        outcome = command("cancel", str(run.folder), "--timeout", "0.3")
    assert outcome.code == 2
    assert "has not stopped within 0.3 seconds" in outcome.err
    lock = hold(run.folder / ".lock")  # as while a run is opened, which takes long where much is stored
    assert lock is not None
    assert "computed now" in command("status", str(run.folder)).out
    assert command("cancel", str(run.folder), "--timeout", "0.3").code == 2
    os.close(lock)
    assert command("cancel", str(run.folder)).code == 0


def test_a_run_is_cancelled_also_where_its_scheduler_cannot_be_told(
    command: Callable[..., Outcome], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.shards[1].path.unlink()
    new(run, ["shard-00001"]).remember(run)
    (run.folder / "engine" / "engine.json").write_text(json.dumps({"engine": "slurm", "fields": {}}))
    monkeypatch.setenv("PATH", "")  # no squeue, as on a laptop that sees the folder
    outcome = command("cancel", str(run.folder))
    assert outcome.code == 2
    assert "this machine has no squeue" in outcome.err
    assert "The run is cancelled all the same" in outcome.err
    assert "it was cancelled" in command("status", str(run.folder)).out
    assert command("work", str(run.folder), "1").code == 130


def test_a_task_that_does_not_end_counts_as_lost_after_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = shard_jobs(run, [1])
    queue = SlurmQueue(Slurm(), run, [job], Recorder())
    ending, running = (Task("name", "1", 0, state, "") for state in ("COMPLETING", "RUNNING"))
    assert not queue._ends_for_long(job, ending)
    monkeypatch.setattr("spatialnets.engines.slurm.queue.ENDING_SECONDS", 0.0)
    assert queue._ends_for_long(job, ending)
    assert not queue._ends_for_long(job, running)


def test_a_process_that_computes_sees_the_cancellation(run: Run) -> None:
    run.shards[1].path.unlink()
    (job,) = shard_jobs(run, [1])

    def cancel(count: int, status: str) -> None:
        (run.folder / "engine" / "cancelled").touch()

    with pytest.raises(Cancelled):
        job.work(run, cancel)
    assert not job.done(run)


def test_status_says_who_computes_and_how_far_it_is(command: Callable[..., Outcome], run: Run) -> None:
    said = command("status", str(run.folder)).out
    assert "12 of 12 networks, in 4 shards" in said
    assert "resume" not in said
    run.shards[1].path.unlink()
    assert "nobody computes it" in command("status", str(run.folder)).out
    assert not is_driven(run)
    with driving(run, Processes(workers=2), 48, 36, "updates"):
        assert is_driven(run)
        found = json.loads(command("status", str(run.folder), "--json").out)
    assert (found["networks"], found["of"], found["computed"]) == (9, 12, True)
    assert found["by"]["engine"] == "processes"
    assert found["by"]["fields"] == {"workers": 2}
    assert found["by"]["pid"] == os.getpid()
    assert not is_driven(run)
    assert not (run.folder / "engine" / "engine.json").exists()


def test_orders_are_data_from_which_the_same_jobs_are_made(run: Run) -> None:
    jobs = shard_jobs(run, [2, 0])
    path = write_orders(run, jobs)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [{"shard": 2}, {"shard": 0}]
    again = [job_from(run, read_order(path, line)) for line in (0, 1)]
    assert again == jobs
    assert write_orders(run, jobs) != path
    with pytest.raises(RunError, match="has lines 0 to 1; there is no line 2"):
        read_order(path, 2)


def test_a_part_from_a_script_cannot_be_ordered_elsewhere(run: Run) -> None:
    @dataclass(frozen=True)
    class Local(Wiring):
        pass

    shard = shard_jobs(run, [0])[0]
    assert isinstance(shard, ShardJob)
    jobs: list[Any] = []
    kept = Measuring(run, "local", Local(), _Caught(jobs=(jobs,)))
    with pytest.raises(_Done):
        Local().measure(run.mapped_by(_heavy(kept)))
    with pytest.raises(UserError, match="'local' of shard 0: the analysis is defined in a script or notebook"):
        _ = jobs[0].order


class _Done(Exception):
    pass


@dataclass(frozen=True)
class _Caught(Here):
    """Catches jobs and does none."""

    jobs: tuple[list[Any], ...] = ()

    def do(self, run: Run, jobs: Any, progress: Any) -> None:
        self.jobs[0].extend(jobs)
        raise _Done


def _heavy(kept: Measuring) -> Measuring:
    kept._takes_long = lambda elapsed, measured, waiting: True  # type: ignore[method-assign]
    return kept


def test_an_order_to_measure_gives_what_the_analysis_gives(command: Callable[..., Outcome], run: Run) -> None:
    class Elsewhere(_Caught):
        """Does each job as another process would, from its order alone."""

        def do(self, run: Run, jobs: Any, progress: Any) -> None:
            path = write_orders(run, jobs)
            for line, job in enumerate(jobs):
                outcome = command("work", str(run.folder), "--orders", str(path), "--line", str(line))
                assert outcome.code == 0, outcome.err
                assert job.done(run)
                assert job.progress(run) == len(job.record.networks)

    analysis = Wiring()
    kept = _heavy(Measuring(run, "wiring", analysis, Elsewhere()))
    table = analysis.measure(run.mapped_by(kept))
    xr.testing.assert_identical(table, analysis.measure(run))


def test_an_order_of_another_state_of_the_run_is_refused(run: Run) -> None:
    jobs: list[Any] = []
    kept = _heavy(Measuring(run, "wiring", Wiring(), _Caught(jobs=(jobs,))))
    with pytest.raises(_Done):
        Wiring().measure(run.mapped_by(kept))
    order: Mapping[str, Any] = jobs[0].order
    assert json.loads(json.dumps(order)) == order
    run.shards[3].path.unlink()
    with pytest.raises(RunError, match="when .* held other networks; give the command that wrote it again"):
        job_from(run, order)
    strange = {**order, "declaration": {"kind": "strange_module:Strange"}}
    with pytest.raises(DeclarationError, match="this names code"):
        job_from(run, strange)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["engine=proceses"], "no engine is called 'proceses': did you mean 'processes'"),
        (["engine.worker=2"], "engine.worker: unknown key, did you mean 'workers'"),
        (["engine.workers=many"], "engine.workers: expected a whole number"),
        (["engine.workers=0"], "workers must be 1 or more, not 0"),
        (["engine.a.b=0"], "expected engine=NAME or engine.FIELD=VALUE"),
        (["engine=spatialnets.geometries:Grid"], "Grid is no engine"),
    ],
)
def test_an_engine_that_is_not_there_is_answered(words: list[str], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        engine_of(words)


def test_words_name_an_engine() -> None:
    assert engine_of([]) is None
    assert engine_of(["engine.workers=3", "engine=processes"]) == Processes(workers=3)
    assert engine_of(["engine.workers=3"]) == Here(workers=3)


@pytest.mark.parametrize(
    "engine",
    [
        Here(),
        Processes(workers=3),
        Slurm(
            partition="gpu",
            time="2:00:00",
            account="12",
            extra=("--mail-type=END", "--comment=a b"),
            setup="module load python\n. env/bin/activate",
            poll_seconds=0.5,
        ),
    ],
)
def test_an_engine_is_written_as_the_words_that_name_it(engine: Engine) -> None:
    assert engine_of(shlex.split(words_of(engine))) == engine


def test_the_engine_is_no_part_of_an_experiment(command: Callable[..., Outcome], tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="is no part of an experiment; it belongs on the command line"):
        Experiment.from_preset("sernn_demo").override("engine=here")
    (tmp_path / "mine.yaml").write_text("extends: sernn_demo\nengine: here\n", encoding="utf-8")
    outcome = command("run", "mine.yaml")
    assert outcome.code == 2
    assert "mine.yaml:2: engine: where networks are computed is no part of an experiment" in outcome.err


def test_a_command_line_names_the_engine(command: Callable[..., Outcome]) -> None:
    outcome = command(
        "run", "preset=sernn_demo", *WORDS, "engine=here", "engine.workers=1", "--no-report", "--quiet", "--out", "run"
    )
    assert outcome.code == 0, outcome.err
    sessions = Run.open("run").provenance["sessions"]
    assert [(sitting["engine"], sitting["workers"]) for sitting in sessions] == [("here", 1)]
    assert "'geometry=sphere': expected words about the engine alone" in command("resume", "run", "geometry=sphere").err


def test_a_stored_measurement_does_not_depend_on_the_engine(run: Run) -> None:
    recorder = Recorder()
    one = measure(run, "wiring", Wiring(), None, recorder, Processes(workers=2))
    xr.testing.assert_identical(one, measure(run, "wiring", Wiring(), 1))
