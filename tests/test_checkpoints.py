"""Checkpoints: a small state that is replaced and a history that grows; a kill at any moment changes no result."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import xarray as xr
from tiny import CUBE, OVERRIDES, tiny

from spatialnets import Experiment, RunError
from spatialnets.engines.compute import compute
from spatialnets.engines.orders import train_jobs
from spatialnets.files.atomic import atomic_file, extended_file
from spatialnets.training import checkpoint as checkpoints
from spatialnets.training import trainer as training_loop
from spatialnets.training.checkpoint import HistoryMark, history_path, read_checkpoint, read_history, updates_in
from spatialnets.training.trainer import Trainer, train

SHARD = tiny({"epochs": 3})


def nothing(updates: int, epoch: int) -> None:
    pass


@pytest.fixture(scope="module")
def whole() -> xr.Dataset:
    """The shard trained without interruption."""
    return train(SHARD, CUBE)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes]]:
    """State and history after the first epoch and after the second, written by one process."""
    path = tmp_path_factory.mktemp("stored") / "checkpoint.npz"
    trainer, contents = Trainer(SHARD, CUBE), []
    for _ in range(2):
        trainer.run_epoch(nothing)
        trainer.save(path)
        contents.append((path.read_bytes(), history_path(path).read_bytes()))
    return contents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.npz"


def write(path: Path, state: bytes | None, history: bytes | None) -> None:
    for file, content in ((path, state), (history_path(path), history)):
        if content is not None:
            file.write_bytes(content)


def mark_of(path: Path) -> HistoryMark:
    return HistoryMark(*read_checkpoint(path)[0]["history"])


def continued(path: Path) -> tuple[xr.Dataset, list[str]]:
    """Train to the end from what is stored; return the dataset and the messages."""
    messages: list[str] = []
    return train(SHARD, CUBE, path, say=messages.append), messages


# Kills


class Killed(BaseException):
    """The process is killed: no handler of errors sees it."""


def kill_at(number: int, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    """Raise `Killed` before or after a system call that makes something permanent, the given one of all such calls."""
    calls = count()

    def killing(call: Callable[..., Any]) -> Callable[..., Any]:
        def replaced(*arguments: Any) -> Any:
            if next(calls) == number and not after:
                raise Killed
            result = call(*arguments)
            if next(calls) == number and after:
                raise Killed
            return result

        return replaced

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, killing(getattr(os, name)))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_before_or_after_any_write_to_disk_changes_no_result(
    path: Path, monkeypatch: pytest.MonkeyPatch, whole: xr.Dataset, after: bool
) -> None:
    monkeypatch.setattr(training_loop, "CHECKPOINT_SHARE", float("inf"))  # every epoch is stored
    for number in count(int(after), 2):
        with monkeypatch.context() as patched:
            kill_at(number, patched, after)
            try:
                train(SHARD, CUBE, path)
            except Killed:
                pass
            else:
                break
        data, messages = continued(path)
        assert data.identical(whole)
        assert not messages
        path.unlink()
        history_path(path).unlink()
    assert number // 2 >= 3 * 4  # three epochs: history, state, its new name and the folder


def test_whatever_a_killed_process_added_to_the_history_is_ignored_and_overwritten(
    path: Path, stored: list[tuple[bytes, bytes]], whole: xr.Dataset
) -> None:
    (state, before), (_, after) = stored
    record = after[len(before) :]
    header, digest = record.index(b"\n") + 1, hashlib.sha256().digest_size
    assert after.startswith(before)
    ends = (0, 1, header // 2, header, header + 5, len(record) - digest, len(record) - 1, len(record))
    tails = [record[:end] for end in ends] + [record * 2, b"\0" * 100, b"\n", record[::-1]]
    for tail in tails:
        write(path, state, before + tail)
        data, messages = continued(path)
        assert data.identical(whole)
        assert not messages
        assert len(list(read_history(history_path(path), mark_of(path)))) > 2


def test_a_history_that_another_process_has_shortened_or_removed_is_written_again(path: Path) -> None:
    trainer = Trainer(SHARD, CUBE)
    for size in (None, 0, 100, None):
        trainer.run_epoch(nothing) if not trainer.finished else None
        trainer.save(path)
        restored = Trainer(SHARD, CUBE)
        restored.restore(path)
        assert restored.dataset().identical(trainer.dataset())
        if size is None:
            history_path(path).unlink()
        else:
            os.truncate(history_path(path), size)


def test_a_checkpoint_within_an_epoch_adds_nothing_to_the_history(path: Path) -> None:
    trainer, sizes = Trainer(SHARD, CUBE), []

    def between() -> None:
        trainer.save(path)
        sizes.append(history_path(path).stat().st_size)

    trainer.run_epoch(nothing, between)
    trainer.run_epoch(nothing, between)
    assert len(sizes) == 4
    assert sizes[0] == sizes[1] < sizes[2] == sizes[3]


# Damage


def assert_starts_again(path: Path, whole: xr.Dataset) -> str:
    """Assert that what is stored is renamed and training starts again with the same result; return the message."""
    here = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    data, (message,) = continued(path)
    assert data.identical(whole)
    assert "was renamed to checkpoint.npz.damaged, and training of its networks starts again" in message
    for name, content in here.items():
        assert path.with_name(f"{name}.damaged").read_bytes() == content
    assert not [
        name
        for name in os.listdir(path.parent)
        if name.removesuffix(".damaged") not in {path.name, history_path(path).name}
    ]
    return message


def test_a_history_that_is_cut_or_changed_anywhere_is_noticed(path: Path, stored: list[tuple[bytes, bytes]]) -> None:
    state, history = stored[1]
    random = np.random.default_rng(0)
    for end in (0, 1, history.index(b"\n"), history.index(b"\n") + 1, len(history) // 2, len(history) - 1):
        write(path, state, history[:end])
        with pytest.raises(RunError, match=r"history .*checkpoint.history cannot be read"):
            Trainer(SHARD, CUBE).restore(path)
    trainer = Trainer(SHARD, CUBE)
    for position in random.integers(len(history), size=60):
        damaged = bytearray(history)
        damaged[position] ^= 1 << int(position) % 8
        write(path, state, bytes(damaged))
        with pytest.raises(RunError, match=r"history .*checkpoint.history cannot be read"):
            trainer.restore(path)


def test_a_damaged_history_is_renamed_with_its_state_and_training_starts_again(
    path: Path, stored: list[tuple[bytes, bytes]], whole: xr.Dataset
) -> None:
    state, history = stored[1]
    write(path, state, history[:-40])
    assert "checkpoint.history cannot be read" in assert_starts_again(path, whole)


def test_a_history_of_other_networks_is_refused(
    path: Path, stored: list[tuple[bytes, bytes]], whole: xr.Dataset
) -> None:
    other = Trainer(replace(SHARD, seeds=(5, 6)), CUBE)
    other.run_epoch(nothing)
    other.run_epoch(nothing)
    other.save(path)
    path.write_bytes(stored[1][0])
    assert len(history_path(path).read_bytes()) == len(stored[1][1])
    assert "it does not belong to the checkpoint" in assert_starts_again(path, whole)


def test_a_state_without_its_history_is_renamed_and_training_starts_again(
    path: Path, stored: list[tuple[bytes, bytes]], whole: xr.Dataset
) -> None:
    write(path, stored[1][0], None)
    assert "there is no file" in assert_starts_again(path, whole)


def test_a_history_without_its_state_is_replaced(
    path: Path, stored: list[tuple[bytes, bytes]], whole: xr.Dataset
) -> None:
    for history in (stored[1][1], stored[1][1] * 3, b"anything"):
        write(path, None, history)
        data, messages = continued(path)
        assert data.identical(whole)
        assert not messages
        assert len(list(read_history(history_path(path), mark_of(path)))) >= 2
        path.unlink()


def test_a_history_is_never_written_through_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    history_path(path).symlink_to(tmp_path / "precious")
    train(SHARD, CUBE, path)
    assert (tmp_path / "precious").read_text() == "mine"
    assert not history_path(path).is_symlink()


def record_of(header: bytes, values: bytes = b"") -> tuple[bytes, HistoryMark]:
    """Return a record with a valid digest and its mark."""
    digest = hashlib.sha256(header + values)
    content = header + values + digest.digest()
    return content, HistoryMark(1, len(content), digest.hexdigest())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"weights/weights": ["|O", [1]]}, "it cannot hold object (1,)"),
        ({"weights/weights": ["<M8[s]", [1]]}, "it cannot hold datetime64[s] (1,)"),
        ({"weights/weights": ["<f4", [10**15]]}, "it cannot hold float32 (1000000000000000,)"),
        ({"weights/weights": ["<f4", [-1, -1]]}, "it cannot hold float32 (-1, -1)"),
        ({"weights/weights": ["<f4", "many"]}, "cannot be read"),
        ({"weights/weights": 3}, "cannot be read"),
        ([1, 2], "cannot be read"),
        ("x" * 2**21, "cannot be read"),
    ],
    ids=["objects", "times", "too many", "negative", "no shape", "no type", "no names", "too long"],
)
def test_records_that_hold_anything_but_numbers_of_a_fitting_size_are_refused(
    path: Path, header: Any, message: str
) -> None:
    content, mark = record_of(json.dumps(header).encode() + b"\n", bytes(8))
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        list(read_history(path, mark))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_history_that_is_no_regular_file_is_refused(path: Path) -> None:
    mark = HistoryMark(1, 100, "00")
    os.mkfifo(path)  # reading it would wait forever
    with pytest.raises(RunError, match="is a pipe or a device"):
        list(read_history(path, mark))
    path.unlink()
    path.symlink_to("/dev/zero")  # which has no end
    with pytest.raises(RunError, match="is a pipe or a device"):
        list(read_history(path, mark))


@pytest.mark.parametrize("history", [[], [0, 0, ""], [1, "x", ""], None, [99, 10, "00"], [1, 2, 3, 4]], ids=repr)
def test_a_state_that_says_nonsense_about_its_history_is_refused(path: Path, history: Any) -> None:
    trainer = Trainer(SHARD, CUBE)
    trainer.run_epoch(nothing)
    trainer.save(path)
    progress, arrays = read_checkpoint(path)
    with open(path, "wb") as file:
        np.savez(file, progress=np.array(json.dumps({**progress, "history": history})), **arrays)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())
    with pytest.raises(RunError, match="checkpoint"):
        trainer.restore(path)


# What is written


def test_every_epoch_adds_the_same_number_of_bytes_whatever_came_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    @contextmanager
    def counted_file(path: Path) -> Iterator[Path]:
        with atomic_file(path) as temporary:
            yield temporary
            written.append(temporary.stat().st_size)

    @contextmanager
    def counted_extension(path: Path, start: int) -> Iterator[IO[bytes]]:
        with extended_file(path, start) as file:
            yield file
            written.append(file.tell() - start)

    monkeypatch.setattr(checkpoints, "atomic_file", counted_file)
    monkeypatch.setattr(checkpoints, "extended_file", counted_extension)
    trainer, amounts = Trainer(tiny({"epochs": 12}), CUBE), []
    while not trainer.finished:
        trainer.run_epoch(nothing)
        trainer.save(path)
        amounts.append(sum(written))
        written.clear()
    # the first also has epoch 0; numbers in the progress get longer, by four bytes a digit
    assert max(amounts[1:]) - min(amounts[1:]) <= 40
    assert amounts[0] < 2 * amounts[1]


def test_the_bytes_of_a_history_depend_on_nothing_but_its_epochs(path: Path, tmp_path: Path) -> None:
    """So that two processes which train the same networks without locks do not damage each other's history."""
    once, often = Trainer(SHARD, CUBE), Trainer(SHARD, CUBE)
    for _ in range(3):
        once.run_epoch(nothing)
        often.run_epoch(nothing)
        often.save(path)
    once.save(tmp_path / "once.npz")
    assert history_path(path).read_bytes() == history_path(tmp_path / "once.npz").read_bytes()


def test_stored_weights_are_held_in_memory_once() -> None:
    trainer = Trainer(SHARD, CUBE)
    trainer.run_epoch(nothing)
    weights = trainer.dataset()["weights"]
    assert weights.sizes["epoch"] == 2
    assert np.shares_memory(weights.to_numpy(), trainer.history.weights["weights"])


def test_the_updates_in_a_checkpoint_are_read_without_its_other_arrays(
    path: Path, stored: list[tuple[bytes, bytes]]
) -> None:
    write(path, stored[1][0], None)
    assert updates_in(path) == 6
    content = bytearray(stored[1][0])
    place = content.index(b"sums/loss.npy") + 100
    content[place : place + 30] = bytes(30)
    path.write_bytes(content)
    assert updates_in(path) == 6
    path.write_bytes(content[:1000])
    assert updates_in(path) == 0


def test_a_checkpoint_that_was_left_when_its_shard_was_complete_is_removed(
    tmp_path: Path, stored: list[tuple[bytes, bytes]]
) -> None:
    experiment = Experiment.from_preset("sernn_demo").override(*OVERRIDES)
    run = compute(experiment, tmp_path / "run", workers=1)
    path = run.checkpoint(0)
    assert not list(path.parent.iterdir())
    for state, history in (stored[0], (None, stored[0][1])):
        write(path, state, history)
        (job,) = train_jobs(run, [0])
        assert job.work(run, lambda updates, status: None) == []
        assert not list(path.parent.iterdir())


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file")
    with pytest.raises(RunError, match="cannot write .*checkpoint.history"):
        train(SHARD, CUBE, tmp_path / "checkpoint.npz")
