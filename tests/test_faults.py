"""Damaged files, full disks, kills and lost locks: no result is lost, computed twice or silently wrong."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import OVERRIDES

from spatialnets import Experiment, Run, RunError
from spatialnets.analyses import Wiring
from spatialnets.engines.compute import compute
from spatialnets.engines.measure import MeasureJob, measure
from spatialnets.files.atomic import checksum_error, checksum_path
from spatialnets.files.netcdf import DamagedFile
from spatialnets.runs.folder import open_or_create

SHELL = [sys.executable, "-m", "spatialnets"]
SMALL = (*OVERRIDES, "networks=4", "geometry.shape=[2, 2, 2]", "training.epochs=2")
PAST, FUTURE = 10**8, 4 * 10**9  # 1973 and 2096


def experiment(*overrides: str) -> Experiment:
    return Experiment.from_preset("sernn_demo").override(*SMALL, *overrides)


def resume(folder: Path, *overrides: str) -> Run:
    return compute(experiment(*overrides), folder, workers=1, networks_per_shard=2)


def same_bits(one: Run, other: Run) -> bool:
    return all(one[group].identical(other[group]) for group in one.groups)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An undamaged run with two shards of each group."""
    return resume(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copy(whole: Run, tmp_path: Path) -> Run:
    return Run.open(shutil.copytree(whole.folder, tmp_path / "run"))


def flip(path: Path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 16
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_checksum(path: Path) -> None:
    flip(checksum_path(path), 0)


def replace_by_another(path: Path) -> None:
    """Put another shard there, with a checksum that matches."""
    other = path.with_name("00001.nc")
    path.write_bytes(other.read_bytes())
    checksum_path(path).write_text(checksum_path(other).read_text().replace(other.name, path.name))


# Shards


@pytest.mark.parametrize("spoil", [flip, cut, empty, spoil_checksum, replace_by_another])
def test_a_damaged_shard_is_renamed_and_computed_again_with_identical_results(
    spoil: Callable[[Path], None], whole: Run, copy: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy.shards[0].path
    spoil(path)
    damaged = path.read_bytes()
    with pytest.raises(DamagedFile, match=r"00000\.nc cannot be read .*spatialnets resume"):
        copy["sernn"]
    capsys.readouterr()
    again = resume(copy.folder)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert f"{path} is damaged" in warnings[0]
    assert "was renamed to 00000.nc.damaged" in warnings[0]
    assert path.with_name("00000.nc.damaged").read_bytes() == damaged
    assert same_bits(again, whole)
    assert not any(checksum_error(shard.path) for shard in again.shards)


def test_a_deleted_shard_is_computed_again_with_identical_results(whole: Run, copy: Run) -> None:
    copy.shards[1].path.unlink()  # its checksum stays, as after a kill between the two
    assert same_bits(resume(copy.folder), whole)


def test_a_shard_without_a_checksum_is_accepted(whole: Run, copy: Run) -> None:
    checksum_path(copy.shards[1].path).unlink()
    before = copy.shards[1].path.stat().st_mtime_ns
    assert same_bits(resume(copy.folder), whole)
    assert copy.shards[1].path.stat().st_mtime_ns == before


def test_a_flipped_bit_anywhere_in_a_shard_is_detected(copy: Run) -> None:
    shard = copy.shards[0]
    content = shard.path.read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=150).tolist():
        flip(shard.path, place)
        with pytest.raises(DamagedFile):
            shard.check()
        shard.path.write_bytes(content)


def test_sha256sum_accepts_the_checksums_of_a_run(copy: Run) -> None:
    measure(copy, "wiring", Wiring(), workers=1)
    checked = [path for path in copy.folder.rglob("*.sha256")]
    assert {path.parent.name for path in checked} == {"run", "shards", "geometries", "analyses"}
    for path in checked:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", path.name], cwd=path.parent, check=True)


# Other files of a run


@pytest.mark.parametrize("spoil", [flip, cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["plan.json", "experiment.yaml", "geometry"])
def test_a_damaged_file_that_cannot_be_computed_again_is_named_and_not_changed(
    spoil: Callable[[Path], None], name: str, copy: Run
) -> None:
    path = next((copy.folder / "geometries").glob("*.npz")) if name == "geometry" else copy.folder / name
    spoil(path)
    before = {each: each.read_bytes() for each in copy.folder.rglob("*") if each.is_file()}
    with pytest.raises(RunError, match=path.name) as caught:
        resume(copy.folder)
    assert len(str(caught.value).splitlines()) == 1
    assert "from a copy of the run" in str(caught.value)
    assert before == {each: each.read_bytes() for each in copy.folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("spoil", [flip, cut, empty, Path.unlink])
def test_a_lost_provenance_is_started_again_and_the_run_continues(
    spoil: Callable[[Path], None], whole: Run, copy: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copy.folder / "provenance.json")
    copy.shards[0].path.unlink()
    capsys.readouterr()
    again = resume(copy.folder)
    assert same_bits(again, whole)
    assert "provenance was lost" in again.provenance["lost"]
    assert [session["shards"] for session in again.provenance["sessions"]] == [1]
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert "provenance.json" in warnings[0]
    assert (copy.folder / "provenance.json.damaged").exists() == (spoil is not Path.unlink)


class Recorder:
    """Records messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None: ...

    def advance(self, count: int, status: str) -> None: ...

    def say(self, text: str) -> None:
        self.messages.append(text)

    def end(self) -> None: ...


@pytest.mark.parametrize("spoil", [flip, cut, empty])
def test_a_damaged_analysis_is_reported_and_measured_again(spoil: Callable[[Path], None], copy: Run) -> None:
    first = measure(copy, "wiring", Wiring(), workers=1)
    path = copy.folder / "analyses" / "wiring.nc"
    spoil(path)
    with pytest.raises(DamagedFile, match=r"wiring\.nc cannot be read"):
        copy.measurement("wiring")
    recorder = Recorder()
    assert measure(copy, "wiring", Wiring(), workers=1, progress=recorder).identical(first)
    assert len(recorder.messages) == 1
    assert "wiring.nc is damaged" in recorder.messages[0]
    assert copy.measurement("wiring").identical(first)


# Clocks


def test_modification_times_have_no_effect(whole: Run, copy: Run) -> None:
    first = measure(copy, "wiring", Wiring(), workers=1)
    for number, path in enumerate(sorted(copy.folder.rglob("*.*"))):
        os.utime(path, (when := (PAST, FUTURE)[number % 2], when))
    paths = [path for path in copy.folder.rglob("*.*") if not path.name.startswith("scores.nc")]  # it keeps the times
    before = {path: path.stat().st_mtime_ns for path in paths}
    assert same_bits(resume(copy.folder), whole)
    assert measure(copy, "wiring", Wiring(), workers=1).identical(first)
    assert before == {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.parametrize("shard_time", [PAST, FUTURE])
def test_the_stored_result_of_a_shard_is_used_only_while_the_shard_is_unchanged(
    shard_time: int, copy: Run, tmp_path: Path
) -> None:
    shard = copy.shards[0]
    job = MeasureJob(shard, Wiring(), "wiring", 0, tmp_path / "part.nc", lambda data: data[["loss"]])
    job.work(copy, lambda count, status: None)
    os.utime(shard.path, (shard_time, shard_time))
    assert job.done(copy)
    data = shard.load()
    shard.write(data.assign(loss=data["loss"] + 1))
    os.utime(shard.path, (shard_time, shard_time))
    assert not job.done(copy)


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, if the system permits mounting one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"the system does not permit mounting a small file system: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path, free: int) -> Path:
    """Fill the disk except for some bytes."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - free))
    return filler


class Filling(Recorder):
    """Fills the disk after some updates, summed over networks."""

    def __init__(self, disk: Path, updates: int, free: int) -> None:
        super().__init__()
        self.disk, self.left, self.free = disk, updates, free

    def advance(self, count: int, status: str) -> None:
        self.left -= count
        if self.left <= 0 and not (self.disk / "filler").exists():
            fill(self.disk, self.free)


def folder_without_space(folder: Path, message: str) -> str:
    """Return the subfolder that the message names, after checking that no incomplete file is left."""
    assert len(message.splitlines()) == 1
    assert "the disk is full" in message
    assert not list(folder.rglob("*.tmp"))
    assert not any(checksum_error(path) for path in folder.rglob("*.nc"))
    return message.split(f"cannot write {folder}/")[1].split("/")[0]


def test_a_disk_that_fills_up_while_training_is_reported_and_the_same_command_gives_identical_results(
    whole: Run, disk: Path
) -> None:
    folder, full = disk / "run", set()
    nearly = whole.shards[0].path.stat().st_size - 4096  # space for a checkpoint, but not for a shard
    # a shard has two networks, two epochs and two updates in each
    for updates, free in ((1, 8192), (8, 8192), (4, nearly)):
        progress = Filling(disk, updates, free)
        with pytest.raises(RunError) as caught:
            compute(experiment(), folder, workers=1, progress=progress, networks_per_shard=2)
        full.add(folder_without_space(folder, str(caught.value)))
        (disk / "filler").unlink()
    assert full == {"checkpoints", "shards"}
    assert same_bits(resume(folder), whole)


def test_a_disk_that_is_full_when_a_run_begins_is_reported_and_the_same_command_begins_it(
    whole: Run, disk: Path
) -> None:
    folder = disk / "run"
    for free in (4096, 16384, 24576):
        filler = fill(disk, free)
        with pytest.raises(RunError) as caught:
            resume(folder)
        folder_without_space(folder, str(caught.value))
        filler.unlink()
    assert same_bits(resume(folder), whole)


def test_an_analysis_that_a_full_disk_stops_is_measured_once_there_is_space(whole: Run, disk: Path) -> None:
    run = Run.open(shutil.copytree(whole.folder, disk / "run"))
    filler = fill(disk, 4096)
    with pytest.raises(RunError, match=r"wiring\.nc: the disk is full"):
        measure(run, "wiring", Wiring(), workers=1)
    assert not [path for path in (run.folder / "analyses").rglob("*") if path.suffix in (".nc", ".tmp")]
    filler.unlink()
    measure(run, "wiring", Wiring(), workers=1)
    assert not checksum_error(run.folder / "analyses" / "wiring.nc")


def test_a_read_only_run_can_be_read_but_not_continued(whole: Run, disk: Path) -> None:
    run = Run.open(shutil.copytree(whole.folder, disk / "run"))
    run.shards[0].path.unlink()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert run["l1"].identical(whole["l1"])
    with pytest.raises(RunError, match="cannot write in .*[Rr]ead-only"):
        resume(run.folder)


@pytest.mark.slow
def test_a_report_on_a_full_disk_is_refused_in_one_line_and_written_once_there_is_space(whole: Run, disk: Path) -> None:
    folder = shutil.copytree(whole.folder, disk / "run")
    command = [*SHELL, "report", str(folder), "--workers", "1"]
    for free in (4096, 262_144):
        filler = fill(disk, free)
        refused = subprocess.run(command, capture_output=True, text=True)
        assert refused.returncode == 2, refused.stderr
        assert "the disk is full" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not list(folder.rglob("*.tmp"))
        filler.unlink()
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


# Several processes


def test_of_two_processes_that_begin_a_run_at_the_same_time_only_one_does(tmp_path: Path) -> None:
    both, declared = threading.Barrier(2), experiment()
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        outcomes: list[str] = []

        def begin(folder: Path = folder, outcomes: list[str] = outcomes) -> None:
            both.wait()
            try:
                with open_or_create(declared, folder, lambda: 4):
                    both.wait()  # hold the lock until the other thread has tried
                    outcomes.append("begun")
            except RunError as error:
                both.wait()
                outcomes.append(str(error))

        threads = [threading.Thread(target=begin) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("begun") == 1
        assert sum("another process is computing" in outcome for outcome in outcomes) == 1
        assert not Run.open(folder).finished


def test_a_run_without_locks_is_computed_with_a_warning(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert same_bits(resume(tmp_path / "run"), whole)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1
    assert "without locks" in warnings[0]


# The command line


def test_output_to_a_full_disk_is_reported_without_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SHELL, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: the disk is full"]


def test_errors_of_the_system_are_reported_in_one_line(
    command: Callable[..., "object"], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialnets.cli import app

    def refuse(prog_name: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else")

    monkeypatch.setattr(app, "app", refuse)
    outcome = command("list")
    assert outcome.code == 2  # type: ignore[attr-defined]
    assert outcome.err == "error: /somewhere/else: you have no permission to write here\n"  # type: ignore[attr-defined]


# SIGKILL


def start(folder: Path, *overrides: str) -> "subprocess.Popen[str]":
    options = ("--out", str(folder), "--workers", "1", "--no-report", "--quiet")
    argv = [*SHELL, "run", "preset=sernn_demo", *SMALL, *overrides, *options]
    return subprocess.Popen(argv, start_new_session=True, stderr=subprocess.PIPE, text=True)


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


LONGER = ("training.epochs=30", "training.trials_per_epoch=640")
RANDOM = ("training.recurrent_noise=0.05", "groups.sernn.regularizer.method=stochastic")


@pytest.mark.slow
def test_a_diverging_network_does_not_change_its_neighbours_even_after_a_kill(tmp_path: Path) -> None:
    overrides = (*LONGER, "networks=1")
    strengths = "groups.sernn.regularizer.strength={list: [0.1, %s, 0.1, 0.1]}"
    declared = Experiment.from_preset("sernn_demo").override(*SMALL, *overrides, strengths % 0.1)
    undisturbed = compute(declared, tmp_path / "undisturbed", workers=1)["sernn"]
    diverging = (*overrides, strengths % "1.0e38")
    process = start(tmp_path / "run", *diverging)
    while not list(tmp_path.glob("run/checkpoints/*.npz")):
        assert process.poll() is None
        time.sleep(0.05)
    kill(process)
    assert not Run.open(tmp_path / "run").shards[0].done
    done = start(tmp_path / "run", *diverging)
    err = done.communicate()[1]
    assert done.returncode == 0, err
    group = Run.open(tmp_path / "run")["sernn"]
    assert (group["status"] == "diverged").to_numpy().tolist() == [False, True, False, False]
    for network in (0, 2, 3):
        for name in ("weights", "loss", "accuracy"):
            np.testing.assert_array_equal(group[name].isel(network=network), undisturbed[name].isel(network=network))


@pytest.mark.slow
def test_kills_and_damage_at_every_restart_give_identical_results_or_a_line_that_names_the_file(tmp_path: Path) -> None:
    overrides = (*LONGER, *RANDOM)
    whole = compute(Experiment.from_preset("sernn_demo").override(*SMALL, *overrides), tmp_path / "whole", workers=1)
    random, folder = np.random.default_rng(3), tmp_path / "run"
    for _ in range(8):
        process = start(folder, *overrides)
        time.sleep(random.uniform(3.0, 6.0))  # from the imports into the training
        kill(process)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
        if not files:
            continue
        path = files[random.integers(len(files))]
        content = path.read_bytes()
        spoils: tuple[Callable[[Path], None], ...] = (cut, Path.unlink, flip)
        spoils[random.integers(3)](path)
        if path.parent.name == "geometries" or path.name.startswith(("plan.json", "experiment.yaml")):
            refused = start(folder, *overrides)
            err = refused.communicate()[1]
            assert "Traceback" not in err
            if refused.returncode:  # a missing checksum is not an error
                assert refused.returncode == 2
                assert path.name.removesuffix(".sha256") in err
            path.write_bytes(content)
    done = start(folder, *overrides)
    err = done.communicate()[1]
    assert done.returncode == 0, err
    assert same_bits(Run.open(folder), whole)
