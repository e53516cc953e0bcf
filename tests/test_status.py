"""Status, cancellation, orders and jobs done by hand."""

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
from test_engines import OVERRIDES, Recorder, experiment, same_weights

from spatialnets import Experiment, Run, RunError, UserError
from spatialnets.analyses import Wiring
from spatialnets.engines.choice import engine_options, parse_engine
from spatialnets.engines.claim import Cancelled, Claimed, claim
from spatialnets.engines.compute import compute
from spatialnets.engines.driver import has_driver, register_driver
from spatialnets.engines.engine import Engine
from spatialnets.engines.local import Here, Processes
from spatialnets.engines.measure import AnalysisMapper, measure
from spatialnets.engines.orders import job_from_order, read_order, train_jobs, write_orders
from spatialnets.engines.slurm.commands import Task
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.engines.slurm.queue import SlurmQueue
from spatialnets.engines.slurm.submissions import new_submission
from spatialnets.errors import DeclarationError
from spatialnets.files.locks import hold
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


def test_work_by_hand_gives_identical_results(command: Callable[..., Outcome], run: Run, trained: Path) -> None:
    for index in (1, 2):
        run.shards[index].path.unlink()
    done = command("work", str(run.folder), "1", "2", "0")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("is done") == 3
    assert same_weights(run, Run.open(trained))
    assert not list((run.folder / "engine" / "claims").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("9",), "has shards 0 to 3; there is no shard 9"),
        ((), "expected shard numbers"),
        (("1", "--line", "0"), "expected shard numbers"),
        (("--orders", "absent.jsonl", "--line", "0"), "cannot read absent.jsonl"),
    ],
)
def test_work_that_does_not_exist_is_refused(
    command: Callable[..., Outcome], run: Run, arguments: tuple[str, ...], message: str
) -> None:
    outcome = command("work", str(run.folder), *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_the_reason_of_a_refusal_is_stored_until_the_job_is_done(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    checkpoints = run.checkpoint(1).parent
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.write_text("not a folder")
    refused = command("work", str(run.folder), "1")
    reason = run.folder / "engine" / "refused" / "shard-00001.txt"
    assert refused.code == 2
    assert reason.read_text(encoding="utf-8").strip() in refused.err
    assert "Refused: shard-00001: " in command("status", str(run.folder)).out
    checkpoints.unlink()
    assert command("work", str(run.folder), "1").code == 0
    assert not reason.exists()


def test_a_job_that_another_process_is_doing_is_left_for_later(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    (job,) = train_jobs(run, [1])
    with claim(run, job.key, job.name):
        outcome = command("work", str(run.folder), "1")
        with pytest.raises(Claimed, match="shard 1 .* is being computed by another process"):
            job.work(run, lambda count, status: None)
    assert outcome.code == 75
    assert "is being computed by another process" in outcome.err
    assert not (run.folder / "engine" / "refused").exists()
    assert command("work", str(run.folder), "1").code == 0


def test_jobs_are_done_on_a_file_system_without_locks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    run.shards[1].path.unlink()
    (job,) = train_jobs(run, [1])
    monkeypatch.setattr("fcntl.flock", refuse)
    job.work(run, lambda count, status: None)
    assert job.done(run)


def test_a_cancelled_run_stays_cancelled_until_it_is_continued(command: Callable[..., Outcome], run: Run) -> None:
    run.shards[1].path.unlink()
    assert "Continue with: spatialnets resume" in command("cancel", str(run.folder)).out
    assert command("work", str(run.folder), "1").code == 130
    assert "This run was cancelled" in command("status", str(run.folder)).out
    compute(experiment(), run.folder, engine=Here(workers=1))
    assert run.finished
    assert not (run.folder / "engine" / "cancelled").exists()
    assert "nothing to cancel" in command("cancel", str(run.folder)).out


def test_cancel_waits_for_jobs_done_by_hand_and_for_a_process_that_is_starting(
    command: Callable[..., Outcome], run: Run
) -> None:
    run.shards[1].path.unlink()
    (job,) = train_jobs(run, [1])
    with claim(run, job.key, job.name):
        assert "Being computed: shard-00001; no process" in command("status", str(run.folder)).out
        outcome = command("cancel", str(run.folder), "--timeout", "0.3")
    assert outcome.code == 2
    assert "have not stopped within 0.3 seconds" in outcome.err
    lock = hold(run.folder / ".lock")  # as while a run is opened, which takes long if it is large
    assert lock is not None
    assert "A process is about to compute this run" in command("status", str(run.folder)).out
    assert command("cancel", str(run.folder), "--timeout", "0.3").code == 2
    os.close(lock)
    assert command("cancel", str(run.folder)).code == 0


def test_a_run_is_cancelled_even_if_its_scheduler_cannot_be_reached(
    command: Callable[..., Outcome], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.shards[1].path.unlink()
    new_submission(run, ["shard-00001"]).write(run)
    (run.folder / "engine" / "engine.json").write_text(json.dumps({"engine": "slurm", "fields": {}}))
    monkeypatch.setenv("PATH", "")  # no squeue, as on a laptop that sees the folder
    outcome = command("cancel", str(run.folder))
    assert outcome.code == 2
    assert "this machine has no squeue" in outcome.err
    assert "The run is cancelled anyway" in outcome.err
    assert "This run was cancelled" in command("status", str(run.folder)).out
    assert command("work", str(run.folder), "1").code == 130


def test_a_task_that_never_finishes_ending_counts_as_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = train_jobs(run, [1])
    queue = SlurmQueue(Slurm(), run, [job], Recorder())
    ending, running = (Task("name", "1", 0, state, "") for state in ("COMPLETING", "RUNNING"))
    assert not queue._is_stuck(job, ending)
    monkeypatch.setattr("spatialnets.engines.slurm.queue.STUCK_SECONDS", 0.0)
    assert queue._is_stuck(job, ending)
    assert not queue._is_stuck(job, running)


def test_a_process_that_computes_notices_the_cancellation(run: Run) -> None:
    run.shards[1].path.unlink()
    (job,) = train_jobs(run, [1])

    def cancel(count: int, status: str) -> None:
        (run.folder / "engine" / "cancelled").touch()

    with pytest.raises(Cancelled):
        job.work(run, cancel)
    assert not job.done(run)


def test_status_shows_the_progress_and_the_process_that_computes(command: Callable[..., Outcome], run: Run) -> None:
    finished = command("status", str(run.folder)).out
    assert "12 of 12 networks, in 4 shards" in finished
    assert "resume" not in finished
    run.shards[1].path.unlink()
    unfinished = command("status", str(run.folder)).out
    assert "No process is computing this run" in unfinished
    assert f"Continue with: spatialnets resume {run.folder}" in unfinished
    assert not has_driver(run)
    with register_driver(run, Processes(workers=2), 48, 36, "updates"):
        assert has_driver(run)
        status = json.loads(command("status", str(run.folder), "--json").out)
    assert (status["networks"], status["of"], status["computed"]) == (9, 12, True)
    assert status["by"]["engine"] == "processes"
    assert status["by"]["fields"] == {"workers": 2}
    assert status["by"]["pid"] == os.getpid()
    assert not has_driver(run)
    assert not (run.folder / "engine" / "engine.json").exists()


def test_orders_are_data_from_which_the_same_jobs_are_rebuilt(run: Run) -> None:
    jobs = train_jobs(run, [2, 0])
    path = write_orders(run, jobs)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [{"shard": 2}, {"shard": 0}]
    again = [job_from_order(run, read_order(path, line)) for line in (0, 1)]
    assert again == jobs
    assert write_orders(run, jobs) != path
    with pytest.raises(RunError, match="has lines 0 to 1; there is no line 2"):
        read_order(path, 2)


def test_a_component_defined_in_a_script_cannot_be_ordered_elsewhere(run: Run) -> None:
    @dataclass(frozen=True)
    class Local(Wiring):
        pass

    jobs: list[Any] = []
    mapper = AnalysisMapper(run, "local", Local(), _Collecting(jobs=(jobs,)))
    with pytest.raises(_Done):
        Local().measure(run.with_mapper(_on_engine(mapper)))
    with pytest.raises(UserError, match="'local' of shard 0 has a component that is defined in a script or notebook"):
        _ = jobs[0].order


class _Done(Exception):
    pass


@dataclass(frozen=True)
class _Collecting(Here):
    """Collects jobs and does none."""

    jobs: tuple[list[Any], ...] = ()

    def do(self, run: Run, jobs: Any, progress: Any) -> None:
        self.jobs[0].extend(jobs)
        raise _Done


def _on_engine(mapper: AnalysisMapper) -> AnalysisMapper:
    mapper._takes_long = lambda elapsed, measured, waiting: True  # type: ignore[method-assign]
    return mapper


def test_an_order_to_measure_gives_the_result_of_the_analysis(command: Callable[..., Outcome], run: Run) -> None:
    class FromOrders(_Collecting):
        """Does each job from its order alone, as another process would."""

        def do(self, run: Run, jobs: Any, progress: Any) -> None:
            path = write_orders(run, jobs)
            for line, job in enumerate(jobs):
                outcome = command("work", str(run.folder), "--orders", str(path), "--line", str(line))
                assert outcome.code == 0, outcome.err
                assert job.done(run)
                assert job.progress(run) == len(job.record.networks)

    analysis = Wiring()
    mapper = _on_engine(AnalysisMapper(run, "wiring", analysis, FromOrders()))
    table = analysis.measure(run.with_mapper(mapper))
    xr.testing.assert_identical(table, analysis.measure(run))


def test_an_order_from_another_state_of_the_run_is_refused(run: Run) -> None:
    jobs: list[Any] = []
    mapper = _on_engine(AnalysisMapper(run, "wiring", Wiring(), _Collecting(jobs=(jobs,))))
    with pytest.raises(_Done):
        Wiring().measure(run.with_mapper(mapper))
    order: Mapping[str, Any] = jobs[0].order
    assert json.loads(json.dumps(order)) == order
    run.shards[3].path.unlink()
    with pytest.raises(RunError, match="when .* held other networks; repeat the command that wrote it"):
        job_from_order(run, order)
    strange = {**order, "declaration": {"kind": "strange_module:Strange"}}
    with pytest.raises(DeclarationError, match="this names code"):
        job_from_order(run, strange)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["engine=proceses"], "there is no engine 'proceses': did you mean 'processes'"),
        (["engine.worker=2"], "engine.worker: unknown key: did you mean 'workers'"),
        (["engine.workers=many"], "engine.workers: expected a whole number"),
        (["engine.workers=0"], "workers must be 1 or more, not 0"),
        (["engine.a.b=0"], "expected engine=NAME or engine.FIELD=VALUE"),
        (["engine=spatialnets.geometries:Grid"], "Grid is not an engine"),
    ],
)
def test_mistakes_in_engine_overrides_are_explained(overrides: list[str], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        parse_engine(overrides)


def test_overrides_declare_an_engine() -> None:
    assert parse_engine([]) is None
    assert parse_engine(["engine.workers=3", "engine=processes"]) == Processes(workers=3)
    assert parse_engine(["engine.workers=3"]) == Here(workers=3)


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
def test_an_engine_is_written_as_the_overrides_that_declare_it(engine: Engine) -> None:
    assert parse_engine(shlex.split(engine_options(engine))) == engine


def test_the_engine_is_not_part_of_an_experiment(command: Callable[..., Outcome], tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="is not part of an experiment; give it on the command line"):
        Experiment.from_preset("sernn_demo").override("engine=here")
    (tmp_path / "mine.yaml").write_text("extends: sernn_demo\nengine: here\n", encoding="utf-8")
    outcome = command("run", "mine.yaml")
    assert outcome.code == 2
    assert "mine.yaml:2: engine: the engine is not part of an experiment" in outcome.err


def test_the_command_line_chooses_the_engine(command: Callable[..., Outcome]) -> None:
    engine = ("engine=here", "engine.workers=1")
    outcome = command("run", "preset=sernn_demo", *OVERRIDES, *engine, "--no-report", "--quiet", "--out", "run")
    assert outcome.code == 0, outcome.err
    sessions = Run.open("run").provenance["sessions"]
    assert [(session["engine"], session["workers"]) for session in sessions] == [("here", 1)]
    assert "'geometry=sphere': expected only overrides of the engine" in command("resume", "run", "geometry=sphere").err


def test_a_stored_measurement_does_not_depend_on_the_engine(run: Run) -> None:
    recorder = Recorder()
    one = measure(run, "wiring", Wiring(), None, recorder, Processes(workers=2))
    xr.testing.assert_identical(one, measure(run, "wiring", Wiring(), 1))
