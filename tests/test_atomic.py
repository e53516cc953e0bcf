import errno
import os
import subprocess
from pathlib import Path

import pytest

from spatialnets.errors import RunError
from spatialnets.files.atomic import (
    atomic_file,
    checksum_error,
    remove_leftovers,
    rename_damaged,
    write_checked,
    write_text,
)


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "text.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["text.txt"]


def test_a_failed_write_leaves_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    write_text(path, "old")

    def write_half() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.txt"]


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the disk is full"), atomic_file(tmp_path / "text.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_text(tmp_path / "file" / "text.txt", "x")


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    process = subprocess.Popen(["true"])
    process.wait()
    with atomic_file(tmp_path / "shards" / "00001.nc") as temporary:
        temporary.write_text("half")
        leftover = temporary.with_name(temporary.name.replace(f"-{os.getpid()}-", f"-{process.pid}-"))
        leftover.write_text("half")
        remove_leftovers(tmp_path)
        assert temporary.exists()
        assert not leftover.exists()
    (tmp_path / "shards" / "00001.nc").unlink()
    (tmp_path / "shards" / "00000.nc").write_text("whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["00000.nc"]


def test_every_flipped_bit_and_every_truncation_is_detected(tmp_path: Path) -> None:
    path, content = tmp_path / "numbers.nc", bytes(range(256)) * 2
    write_checked(path, content)
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        assert checksum_error(path)
        path.write_bytes(content[:position])
        assert checksum_error(path)
    write_checked(path, content)
    assert checksum_error(path) == ""


def test_renamed_damaged_files_are_neither_deleted_nor_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "00003.nc"
    for content in ("first", "second"):
        path.write_text(content)
        rename_damaged(path)
    kept = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert kept == {"00003.nc.damaged": "first", "00003.nc.damaged-2": "second"}
