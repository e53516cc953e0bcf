"""What happens to a run, and to what is stored of it: nothing is lost, doubled or silently wrong."""

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
from tiny import WORDS

from spatialnets import Experiment, Run, RunError
from spatialnets.analyses import Wiring
from spatialnets.engines.compute import compute
from spatialnets.engines.measure import MeasureJob, measure
from spatialnets.files.atomic import checksum_path, damage
from spatialnets.files.netcdf import DamagedFile
from spatialnets.runs.folder import open_or_create

SHELL = [sys.executable, "-m", "spatialnets"]
SMALL = (*WORDS, "networks=4", "geometry.shape=[2, 2, 2]", "training.epochs=2")
PAST, FUTURE = 10**8, 4 * 10**9  # 1973 and 2096


def experiment(*words: str) -> Experiment:
    return Experiment.from_preset("sernn_demo").override(*SMALL, *words)


def go_on(folder: Path, *words: str) -> Run:
    return compute(experiment(*words), folder, workers=1, networks_per_shard=2)


def same_bits(one: Run, other: Run) -> bool:
    return all(one[group].identical(other[group]) for group in one.groups)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run to which nothing has happened: two shards of each group."""
    return go_on(tmp_path_factory.mktemp("whole") / "run")


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


def put_another_there(path: Path) -> None:
    """With a checksum that matches."""
    other = path.with_name("00001.nc")
    path.write_bytes(other.read_bytes())
    checksum_path(path).write_text(checksum_path(other).read_text().replace(other.name, path.name))


# Shards


@pytest.mark.parametrize("spoil", [flip, cut, empty, spoil_checksum, put_another_there])
def test_a_damaged_shard_is_set_aside_and_computed_anew_to_the_same_bits(
    spoil: Callable[[Path], None], whole: Run, copy: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy.shards[0].path
    spoil(path)
    damaged = path.read_bytes()
    with pytest.raises(DamagedFile, match=r"00000\.nc cannot be read .*spatialnets resume"):
        copy["sernn"]
    capsys.readouterr()
    again = go_on(copy.folder)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{path} is damaged" in said[0]
    assert "set aside as 00000.nc.damaged" in said[0]
    assert path.with_name("00000.nc.damaged").read_bytes() == damaged
    assert same_bits(again, whole)
    assert not any(damage(shard.path) for shard in again.shards)


def test_a_deleted_shard_is_computed_anew_to_the_same_bits(whole: Run, copy: Run) -> None:
    copy.shards[1].path.unlink()  # its checksum stays, as after a kill between the two
    assert same_bits(go_on(copy.folder), whole)


def test_a_shard_without_a_checksum_counts_as_in_earlier_versions(whole: Run, copy: Run) -> None:
    checksum_path(copy.shards[1].path).unlink()
    before = copy.shards[1].path.stat().st_mtime_ns
    assert same_bits(go_on(copy.folder), whole)
    assert copy.shards[1].path.stat().st_mtime_ns == before


def test_a_bit_that_is_flipped_anywhere_in_a_shard_is_noticed(copy: Run) -> None:
    shard = copy.shards[0]
    content = shard.path.read_bytes()
    for place in np.random.default_rng(0).integers(len(content), size=150).tolist():
        flip(shard.path, place)
        with pytest.raises(DamagedFile):
            copy.check(shard)
        shard.path.write_bytes(content)


def test_the_checksums_of_a_run_are_those_of_sha256sum(copy: Run) -> None:
    measure(copy, "wiring", Wiring(), workers=1)
    checked = [path for path in copy.folder.rglob("*.sha256")]
    assert {path.parent.name for path in checked} == {"run", "shards", "geometries", "analyses"}
    for path in checked:
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", path.name], cwd=path.parent, check=True)


# What else a run holds


@pytest.mark.parametrize("spoil", [flip, cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["plan.json", "experiment.yaml", "geometry"])
def test_what_cannot_be_computed_again_is_named_and_left_alone(
    spoil: Callable[[Path], None], name: str, copy: Run
) -> None:
    path = next((copy.folder / "geometries").glob("*.npz")) if name == "geometry" else copy.folder / name
    spoil(path)
    before = {each: each.read_bytes() for each in copy.folder.rglob("*") if each.is_file()}
    with pytest.raises(RunError, match=path.name) as caught:
        go_on(copy.folder)
    assert len(str(caught.value).splitlines()) == 1
    assert "from a copy of the run" in str(caught.value)
    assert before == {each: each.read_bytes() for each in copy.folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("spoil", [flip, cut, empty, Path.unlink])
def test_a_lost_provenance_is_begun_anew_and_the_run_goes_on(
    spoil: Callable[[Path], None], whole: Run, copy: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copy.folder / "provenance.json")
    copy.shards[0].path.unlink()
    capsys.readouterr()
    again = go_on(copy.folder)
    assert same_bits(again, whole)
    assert "provenance was lost" in again.provenance["lost"]
    assert [session["shards"] for session in again.provenance["sessions"]] == [1]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "provenance.json" in said[0]
    assert (copy.folder / "provenance.json.damaged").exists() == (spoil is not Path.unlink)


class Told:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None: ...

    def advance(self, count: int, status: str) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)

    def end(self) -> None: ...


@pytest.mark.parametrize("spoil", [flip, cut, empty])
def test_a_damaged_analysis_is_measured_anew_and_said(spoil: Callable[[Path], None], copy: Run) -> None:
    first = measure(copy, "wiring", Wiring(), workers=1)
    path = copy.folder / "analyses" / "wiring.nc"
    spoil(path)
    with pytest.raises(DamagedFile, match=r"wiring\.nc cannot be read"):
        copy.measurement("wiring")
    told = Told()
    assert measure(copy, "wiring", Wiring(), workers=1, progress=told).identical(first)
    assert len(told.said) == 1
    assert "wiring.nc is damaged" in told.said[0]
    assert copy.measurement("wiring").identical(first)


# Clocks


def test_times_of_files_decide_nothing(whole: Run, copy: Run) -> None:
    first = measure(copy, "wiring", Wiring(), workers=1)
    for number, path in enumerate(sorted(copy.folder.rglob("*.*"))):
        os.utime(path, (when := (PAST, FUTURE)[number % 2], when))
    before = {path: path.stat().st_mtime_ns for path in copy.folder.rglob("*.*")}
    assert same_bits(go_on(copy.folder), whole)
    assert measure(copy, "wiring", Wiring(), workers=1).identical(first)
    assert before == {path: path.stat().st_mtime_ns for path in copy.folder.rglob("*.*")}


@pytest.mark.parametrize("shard_time", [PAST, FUTURE])
def test_a_kept_part_is_known_by_what_it_was_measured_of(shard_time: int, copy: Run, tmp_path: Path) -> None:
    shard = copy.shards[0]
    job = MeasureJob(shard, Wiring(), "wiring", 0, tmp_path / "part.nc", lambda data: data[["loss"]])
    job.work(copy, lambda count, status: None)
    os.utime(shard.path, (shard_time, shard_time))
    assert job.done(copy)
    data = copy.load_shard(shard)
    copy.write_shard(shard, data.assign(loss=data["loss"] + 1))
    os.utime(shard.path, (shard_time, shard_time))
    assert not job.done(copy)


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, where the system lets us have one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the system does not let us mount a small file system: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk: Path, free: int) -> Path:
    """Leave so many bytes."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - free))
    return filler


class Filling(Told):
    """Fills the disk after so many updates, counted over networks."""

    def __init__(self, disk: Path, updates: int, free: int) -> None:
        super().__init__()
        self.disk, self.left, self.free = disk, updates, free

    def advance(self, count: int, status: str) -> None:
        self.left -= count
        if self.left <= 0 and not (self.disk / "filler").exists():
            fill(self.disk, self.free)


def refused_for_want_of_room(folder: Path, words: str) -> str:
    """Return the folder in which there was no room; nothing half-written is left."""
    assert len(words.splitlines()) == 1
    assert "the disk is full" in words
    assert not list(folder.rglob("*.tmp"))
    assert not any(damage(path) for path in folder.rglob("*.nc"))
    return words.split(f"cannot write {folder}/")[1].split("/")[0]


def test_a_disk_that_is_full_while_training_is_said_and_the_same_command_ends_with_the_same_bits(
    whole: Run, disk: Path
) -> None:
    folder, full = disk / "run", set()
    nearly = whole.shards[0].path.stat().st_size - 4096  # room for a checkpoint, which is smaller, not for a shard
    # a shard has two networks, two epochs and two updates in each
    for updates, free in ((1, 8192), (8, 8192), (4, nearly)):
        progress = Filling(disk, updates, free)
        with pytest.raises(RunError) as caught:
            compute(experiment(), folder, workers=1, progress=progress, networks_per_shard=2)
        full.add(refused_for_want_of_room(folder, str(caught.value)))
        (disk / "filler").unlink()
    assert full == {"checkpoints", "shards"}
    assert same_bits(go_on(folder), whole)


def test_a_disk_that_is_full_when_a_run_begins_is_said_and_the_same_command_begins_it(whole: Run, disk: Path) -> None:
    folder = disk / "run"
    for free in (4096, 16384, 24576):
        filler = fill(disk, free)
        with pytest.raises(RunError) as caught:
            go_on(folder)
        refused_for_want_of_room(folder, str(caught.value))
        filler.unlink()
    assert same_bits(go_on(folder), whole)


def test_an_analysis_that_a_full_disk_stops_is_measured_when_there_is_room(whole: Run, disk: Path) -> None:
    run = Run.open(shutil.copytree(whole.folder, disk / "run"))
    filler = fill(disk, 4096)
    with pytest.raises(RunError, match=r"wiring\.nc: the disk is full"):
        measure(run, "wiring", Wiring(), workers=1)
    assert not [path for path in (run.folder / "analyses").rglob("*") if path.suffix in (".nc", ".tmp")]
    filler.unlink()
    measure(run, "wiring", Wiring(), workers=1)
    assert not damage(run.folder / "analyses" / "wiring.nc")


def test_a_read_only_folder_can_be_read_and_is_not_computed_in(whole: Run, disk: Path) -> None:
    run = Run.open(shutil.copytree(whole.folder, disk / "run"))
    run.shards[0].path.unlink()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert run["l1"].identical(whole["l1"])
    with pytest.raises(RunError, match="cannot write in .*[Rr]ead-only"):
        go_on(run.folder)


@pytest.mark.slow
def test_a_report_on_a_full_disk_is_refused_in_one_line_and_written_when_there_is_room(whole: Run, disk: Path) -> None:
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


def test_of_two_that_begin_a_run_at_the_same_moment_one_does(tmp_path: Path) -> None:
    both, declared = threading.Barrier(2), experiment()
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        outcomes: list[str] = []

        def begin(folder: Path = folder, outcomes: list[str] = outcomes) -> None:
            both.wait()
            try:
                with open_or_create(declared, folder):
                    both.wait()  # hold it until the other has tried
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
        assert sum("another process is computing" in said for said in outcomes) == 1
        assert not Run.open(folder).finished


def test_where_there_are_no_locks_work_goes_on_and_it_is_said(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert same_bits(go_on(tmp_path / "run"), whole)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "without locks" in said[0]


# The command line


def test_a_full_output_is_said_without_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*SHELL, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: the disk is full"]


def test_what_the_system_refuses_is_said_in_one_line(
    command: Callable[..., "object"], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialnets.cli import app

    def refuse(prog_name: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else")

    monkeypatch.setattr(app, "app", refuse)
    outcome = command("list")
    assert outcome.code == 2  # type: ignore[attr-defined]
    assert outcome.err == "error: /somewhere/else: this place is not writable for you\n"  # type: ignore[attr-defined]


# SIGKILL


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    words = ("preset=sernn_demo", *SMALL, *words, "--out", str(folder), "--workers", "1", "--no-report", "--quiet")
    return subprocess.Popen([*SHELL, "run", *words], start_new_session=True, stderr=subprocess.PIPE, text=True)


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


LONGER = ("training.epochs=30", "training.trials_per_epoch=640")


@pytest.mark.slow
def test_a_network_that_is_lost_does_not_change_its_neighbours_after_a_kill_either(tmp_path: Path) -> None:
    words = (*LONGER, "networks=1")
    strengths = "groups.sernn.regularizer.strength={list: [0.1, %s, 0.1, 0.1]}"
    declared = Experiment.from_preset("sernn_demo").override(*SMALL, *words, strengths % 0.1)
    calm = compute(declared, tmp_path / "calm", workers=1)["sernn"]
    lossy = (*words, strengths % "1.0e38")
    process = start(tmp_path / "run", *lossy)
    while not list(tmp_path.glob("run/checkpoints/*.npz")):
        assert process.poll() is None
        time.sleep(0.05)
    kill(process)
    assert not Run.open(tmp_path / "run").shards[0].done
    done = start(tmp_path / "run", *lossy)
    said = done.communicate()[1]
    assert done.returncode == 0, said
    lost = Run.open(tmp_path / "run")["sernn"]
    assert (lost["status"] == "diverged").to_numpy().tolist() == [False, True, False, False]
    for network in (0, 2, 3):
        for name in ("weights", "loss", "accuracy"):
            np.testing.assert_array_equal(lost[name].isel(network=network), calm[name].isel(network=network))


@pytest.mark.slow
def test_kills_and_damage_at_every_restart_end_with_the_same_bits_or_a_line_that_names_the_file(tmp_path: Path) -> None:
    whole = compute(Experiment.from_preset("sernn_demo").override(*SMALL, *LONGER), tmp_path / "whole", workers=1)
    random, folder = np.random.default_rng(3), tmp_path / "run"
    for _ in range(8):
        process = start(folder, *LONGER)
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
            refused = start(folder, *LONGER)
            said = refused.communicate()[1]
            assert "Traceback" not in said
            if refused.returncode:  # a lost checksum is none, and stops nobody
                assert refused.returncode == 2
                assert path.name.removesuffix(".sha256") in said
            path.write_bytes(content)
    done = start(folder, *LONGER)
    said = done.communicate()[1]
    assert done.returncode == 0, said
    assert same_bits(Run.open(folder), whole)
