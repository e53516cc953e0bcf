import errno
import os
from pathlib import Path

import pytest

from spatialnets.errors import RunError
from spatialnets.storage import remove_leftovers, whole_file, write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "text.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["text.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    write_text(path, "old")

    def write_half() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.txt"]


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the disk is full"), whole_file(tmp_path / "text.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_text(tmp_path / "file" / "text.txt", "x")


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / ".00001.nc.123.tmp").write_text("half")
    (tmp_path / "shards" / "00000.nc").write_text("whole")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["00000.nc"]


def test_leftovers_that_another_process_may_be_writing_stay(tmp_path: Path) -> None:
    fresh, old = tmp_path / ".a.npz.1-1.tmp", tmp_path / ".b.npz.2-2.tmp"
    for path in (fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path, quiet_seconds=600)
    assert [path.name for path in tmp_path.iterdir()] == [fresh.name]
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
