import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

from spatialnets import Experiment
from spatialnets.aliases import FloatArray
from spatialnets.engines.compute import block_units
from spatialnets.geometries import Sphere

SMALL = (
    "networks=1",
    "training.epochs=1",
    "training.trials_per_epoch=128",
    "training.validation_trials=64",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
    "geometry.shape=[2, 2, 2]",
    "analyses=[wiring, pass_rate]",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its report."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    argv = [sys.executable, "-m", "spatialnets", "run", "preset=sernn_demo", *SMALL, "--out", str(folder)]
    done = subprocess.run([*argv, "--workers", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout
    assert "updates" in done.stderr  # plain lines, because stderr is not a terminal
    return folder


# Valid commands


def test_help_and_version_import_nothing_slow() -> None:
    for option in ("--help", "--version"):
        script = (
            "import sys\nsys.argv = ['spatialnets', sys.argv[1]]\nfrom spatialnets.cli.app import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "heavy = {'torch', 'numpy', 'xarray', 'scipy', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = subprocess.run([sys.executable, "-c", script, option], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "spatialnets" in done.stdout


def test_reading_an_experiment_does_not_import_torch() -> None:
    script = (
        "import sys\nfrom spatialnets import Experiment\nExperiment.from_preset('sernn_paper')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_driver_imports_torch_only_in_its_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALNETS_CACHE", str(tmp_path / "cache"))
    block_units(Experiment.from_preset("sernn_demo").override(*SMALL))  # measured with torch, once for each machine
    words = [
        "run",
        "preset=sernn_demo",
        *SMALL,
        "--workers",
        "2",
        "--no-report",
        "--quiet",
        "--out",
        str(tmp_path / "run"),
    ]
    script = (
        "import sys\nfrom spatialnets.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run" / "shards").glob("*.nc"))) > 1, "one shard would be trained by the driver itself"


def test_repeating_a_finished_run_changes_nothing(finished: Path, command: Callable[..., Outcome]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.*")}
    assert "report: " in command("run", "preset=sernn_demo", *SMALL, "--out", str(finished)).out
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*.*")}


def test_the_same_command_finds_its_default_folder(command: Callable[..., Outcome]) -> None:
    for _ in range(2):
        outcome = command("run", "preset=sernn_demo", *SMALL, "--workers", "1", "--no-report", "--quiet")
        assert outcome.code == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("sernn_demo-")


def test_an_experiment_file_runs(command: Callable[..., Outcome]) -> None:
    Path("my.yaml").write_text("extends: sernn_demo\nname: mine\nnetworks: 1\n")
    outcome = command("run", "my.yaml", *SMALL, "--workers", "1", "--no-report", "--quiet")
    assert outcome.code == 0
    assert [path.name.split("-")[0] for path in Path("runs").iterdir()] == ["mine"]


def test_show_report_resume_and_cite_accept_a_run(finished: Path, command: Callable[..., Outcome]) -> None:
    shown = command("show", str(finished))
    assert shown.code == 0
    assert "2 of 2 networks" in shown.out
    assert "report.html" in shown.out
    assert "; 1 session; " in shown.out
    assert "report: " in command("report", str(finished)).out
    assert command("resume", str(finished)).code == 0
    assert "achterberg2023" in command("cite", str(finished)).out


def test_show_report_and_resume_accept_an_unfinished_run(
    finished: Path, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "half")
    (tmp_path / "half" / "shards" / "00001.nc").unlink()
    shown = command("show", "half")
    assert shown.code == 0
    assert "1 of 2 networks (unfinished)" in shown.out
    assert command("report", "half").code == 0
    assert "not finished: this page shows the 1 of 2 networks" in (Path("half") / "report.html").read_text()
    assert command("resume", "half", "--workers", "1").code == 0
    assert "2 of 2 networks" in command("show", "half").out


def test_detach_requires_an_engine_with_a_scheduler(command: Callable[..., Outcome]) -> None:
    outcome = command("run", "preset=sernn_demo", "engine=processes", "--detach")
    assert outcome.code == 2
    assert "--detach needs an engine whose jobs continue without this process: add engine=slurm" in outcome.err


def test_validate_estimates_time_and_disk_space_without_training(command: Callable[..., Outcome]) -> None:
    outcome = command("validate", "preset=sernn_demo", *SMALL)
    assert outcome.code == 0
    for text in ("networks: 2", "updates: 2", "time: about", "disk: about"):
        assert text in outcome.out
    assert not Path("runs").exists()


def test_list_and_describe_include_components_and_presets(command: Callable[..., Outcome]) -> None:
    listed = command("list").out
    for word in ("grid", "sphere", "points", "l1", "both", "rnn", "one_choice", "wiring", "sernn_controls"):
        assert word in listed
        assert command("describe", word).code == 0
    assert "one_choice" not in command("list", "geometries").out
    described = command("describe", "regularizer:both").out
    assert "strength: number, or one per network (required)" in described
    assert "10.1038/s42256-023-00748-9" in described
    assert "linspace" in command("describe", "sernn_paper").out


def test_cite_prints_the_references_of_the_components(command: Callable[..., Outcome]) -> None:
    paper, sphere = command("cite", "preset=sernn_paper").out, command("cite", "preset=sernn_sphere").out
    for key in ("achterberg2023", "kingma2015", "estrada2008", "newman2006"):
        assert f"{{{key}," in paper
    assert "{gonzalez2010," in sphere
    assert "{gonzalez2010," not in paper


# Invalid commands: exit code 2, a helpful message, no traceback, and nothing is written

RUN = ("run", "preset=sernn_demo", *SMALL)
WRONG: list[tuple[tuple[str, ...], str]] = [
    (("runn",), "run"),
    (("run",), "Missing argument"),
    (("run", "--outt", "x"), "No such option"),
    (("run", "networks=3"), "expected one experiment"),
    (("run", "preset=sernn_papre"), "did you mean 'sernn_paper'"),
    (("run", "sernn_paper"), "Did you mean preset=sernn_paper?"),
    (("run", "sphere"), "Did you mean geometry=sphere?"),
    (("run", "absent.yaml"), "there is no file absent.yaml"),
    (("run", "empty.yaml"), "this file is empty"),
    (("run", "broken.yaml"), "broken.yaml:2: not valid YAML"),
    (("run", "binary.yaml"), "it is not UTF-8 text"),
    (("run", "a.yaml", "b.yaml"), "expected at most one file"),
    ((*RUN, "netwroks=3"), "did you mean 'networks'"),
    ((*RUN, "training.epocs=3"), "did you mean 'epochs'"),
    ((*RUN, "training.epochs=three"), "expected a whole number, got 'three'"),
    ((*RUN, "training.epochs=0"), "epochs must be 1 or more"),
    ((*RUN, "geometry=sfere"), "did you mean 'sphere'"),
    ((*RUN, "geometry={kind: points, coordinates: absent.csv}"), "there is no file absent.csv"),
    ((*RUN, "geometry={kind: points, coordinates: nan.csv}"), "unit 1 has coordinate nan"),
    ((*RUN, "geometry={kind: points, coordinates: words.csv}"), "words.csv:3: expected numbers"),
    ((*RUN, "geometry={kind: points, coordinates: same.csv}"), "units 0 and 1 have the same position"),
    ((*RUN, "core.n_units=100"), "100 units, but the geometry grid has 8"),
    ((*RUN, "regularizer.strength=-1"), "strength must be finite and not negative"),
    ((*RUN, "regularizer.strength=.nan"), "strength must be finite"),
    ((*RUN, "regularizer.strength=[1, 2, 3]"), "expected 1 values, one for each network, got 3"),
    ((*RUN, "regularizer.strength=1e38", "--workers", "1"), "every network of group 'sernn' diverged"),
    ((*RUN, "task.delay_steps=-5"), "delay_steps must be 0 or more"),
    ((*RUN, "analyses=[wring]"), "did you mean 'wiring'"),
    ((*RUN, "training.device=warp"), "device must be auto, cpu"),
    ((*RUN, "training.device=mps"), "finds no such device here"),
    ((*RUN, "--workers", "0"), "workers must be 1 or more"),
    ((*RUN, "--out", "notes"), "holds other files and is not a run folder"),
    ((*RUN, "--out", "words.csv"), "is a file; expected a folder"),
    ((*RUN, "--out", "words.csv/below"), "cannot write"),
    ((*RUN, "task.delay_steps=100000000000", "--workers", "1"), "out of memory"),
    (("show", "absent"), "there is no run folder absent"),
    (("show", "notes"), "is not a run folder"),
    (("resume", "notes"), "is not a run folder"),
    (("report", "torn"), "torn is damaged"),
    (("describe", "spere"), "did you mean 'sphere'"),
    (("list", "geometrie"), "did you mean"),
    (("cite", "notes"), "is not a run folder"),
    (("validate", "preset=sernn_demo", *SMALL, "training.device=mps"), "finds no such device here"),
    (("validate", "preset=sernn_demo", "networks=-1"), "expected a whole number, 1 or more, got -1"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_an_invalid_command_prints_a_message_and_writes_nothing(
    words: tuple[str, ...], message: str, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    contents = {
        "empty.yaml": "",
        "broken.yaml": "name: x\nbase: [1, 2",
        "a.yaml": "name: a",
        "b.yaml": "name: b",
        "nan.csv": "0,0,0\nnan,0,0\n",
        "words.csv": "x,y\n0,0\n1,one\n",
        "same.csv": "0 0\n0 0\n",
        "notes/thesis.tex": "precious",
        "torn/experiment.yaml": "name: x",
        "torn/plan.json": "{",
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    before = sorted(tmp_path.rglob("*"))
    outcome = command(*words)
    assert outcome.code == 2
    assert message in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.out + outcome.err
    if "diverged" not in message and "memory" not in message:  # these have started training
        assert sorted(path for path in tmp_path.rglob("*") if "runs" not in path.parts) == before
        assert not list(tmp_path.glob("runs/*/shards/*"))


def test_a_folder_without_write_permission_is_reported(command: Callable[..., Outcome]) -> None:
    outcome = command(*RUN, "--out", "/proc/nowhere/run")
    assert outcome.code == 2
    assert "cannot write in /proc/nowhere/run" in outcome.err


def test_a_full_disk_is_reported_and_stored_results_are_kept(finished: Path, tmp_path: Path) -> None:
    """A limit on the size of files simulates a full disk."""
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "shards" / "00001.nc").unlink()
    kept = (tmp_path / "run" / "shards" / "00000.nc").read_bytes()
    script = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "sys.argv = ['spatialnets', 'resume', sys.argv[1], '--workers', '1']\n"
        "from spatialnets.cli.app import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "shards" / "00000.nc").read_bytes() == kept
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_ctrl_c_stops_a_run_and_prints_how_to_continue(tmp_path: Path) -> None:
    import signal
    import time

    words = ["run", "preset=sernn_demo", "networks=4", "training.epochs=40", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "spatialnets", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background processes ignore it
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    while process.poll() is None and not (checkpoints.is_dir() and list(checkpoints.iterdir())):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("stopped\n")
    assert f"Stored results are kept. Continue with: spatialnets resume {tmp_path / 'run'}" in err
    assert "Traceback" not in err
    assert list(checkpoints.iterdir())


@pytest.mark.parametrize(
    "words",
    [("run", "preset=sernn_demo", "geometry={kind: sphere, n: 12}"), ("geometry", "geometry=sphere")],
    ids=["run", "geometry"],
)
def test_ctrl_c_while_a_geometry_is_measured_writes_nothing(
    words: tuple[str, ...], command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_: Sphere) -> FloatArray:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sphere, "distances", interrupted)
    done = command(*words, "--out", "folder")
    assert done.code == 130
    assert done.err.endswith("stopped\n")
    assert "resume" not in done.err  # nothing is stored yet
    assert not list(tmp_path.rglob("plan.json"))
    assert not list(tmp_path.rglob("*.html"))
