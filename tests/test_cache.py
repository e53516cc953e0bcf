"""The cache of computed arrays on disk."""

import inspect
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from spatialnets.files.atomic import digest_of
from spatialnets.files.cache import Arrays, cache_folder, cached
from spatialnets.geometries import on_surface


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPATIALNETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counted:
    """A computation that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"numbers": np.arange(1000.0) ** 0.5, "names": np.array(["left", "right"])}


def test_cached_arrays_are_not_computed_again(folder: Path) -> None:
    compute = Counted()
    first, again = (cached("square_roots", {"up to": 1000}, compute) for _ in range(2))
    assert compute.calls == 1
    for name in ("numbers", "names"):
        np.testing.assert_array_equal(first[name], again[name])
    assert [path.name[:13] for path in folder.iterdir()] == ["square_roots-"]


def test_every_key_and_kind_is_computed_separately(folder: Path) -> None:
    compute = Counted()
    for key in ({"n": 1}, {"n": 2}, {"n": 1, "seed": 0}):
        cached("kind", key, compute)
    cached("other", {"n": 1}, compute)
    assert compute.calls == 4


def test_the_order_of_a_key_does_not_matter(folder: Path) -> None:
    compute = Counted()
    cached("kind", {"a": 1, "b": 2}, compute)
    cached("kind", {"b": 2, "a": 1}, compute)
    assert compute.calls == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty", "folder"])
def test_a_damaged_file_is_recomputed(folder: Path, damage: str) -> None:
    compute = Counted()
    cached("kind", {"n": 1}, compute)
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "flipped":
            content[500] ^= 0xFF
            path.write_bytes(content)
        case "text":
            path.write_text("not an archive")
        case "empty":
            path.write_bytes(b"")
        case "folder":
            path.unlink()
            path.mkdir()
    if damage == "folder":  # cannot be overwritten: a warning, and no error
        with pytest.warns(UserWarning, match="cannot write .*SPATIALNETS_CACHE"):
            cached("kind", {"n": 1}, compute)
        assert compute.calls == 2
        return
    np.testing.assert_array_equal(cached("kind", {"n": 1}, compute)["numbers"], np.arange(1000.0) ** 0.5)
    assert compute.calls == 2
    cached("kind", {"n": 1}, compute)
    assert compute.calls == 2  # the file was replaced


def test_every_flipped_byte_is_detected_or_harmless(folder: Path) -> None:
    expected = Counted()()
    cached("kind", {"n": 1}, Counted())
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for index in np.random.default_rng(0).choice(len(whole), 60, replace=False):
        content = bytearray(whole)
        content[index] ^= 0x55
        path.write_bytes(content)
        arrays = cached("kind", {"n": 1}, Counted())
        for name, array in expected.items():
            np.testing.assert_array_equal(arrays[name], array)
        path.write_bytes(whole)


def test_a_cache_that_cannot_be_written_gives_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPATIALNETS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="part of the path is a file"):
        arrays = cached("kind", {"n": 1}, Counted())
    assert len(arrays["numbers"]) == 1000


def _fill(folder: str, barrier: object, answers: object) -> None:
    os.environ["SPATIALNETS_CACHE"] = folder
    for round_ in range(20):
        barrier.wait()  # type: ignore[attr-defined]
        numbers = cached("kind", {"round": round_}, Counted())["numbers"]
        answers.put(bool((numbers == np.arange(1000.0) ** 0.5).all()))  # type: ignore[attr-defined]


def test_several_processes_can_write_at_once(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_fill, args=(str(folder), barrier, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    assert all(answers.get(timeout=60) for _ in range(60))
    for process in processes:
        process.join()
    assert len(list(folder.iterdir())) == 20
    assert not list(folder.glob("*.tmp"))


def test_the_folder_is_the_users_cache_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIALNETS_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("SPATIALNETS_CACHE")
    assert cache_folder().name == "spatialnets"


def test_the_content_hash_does_not_depend_on_the_name(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("same")
    (tmp_path / "two").write_text("same")
    (tmp_path / "three").write_text("other")
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two") != digest_of(tmp_path / "three")


def test_results_are_cached_for_the_code_of_all_geometries_and_of_their_anatomy(tmp_path: Path) -> None:
    folder = Path(inspect.getfile(on_surface)).parent
    copy = Path(shutil.copytree(folder, tmp_path / "geometries", ignore=shutil.ignore_patterns("__pycache__")))
    assert on_surface.code_digest(copy) == on_surface.code_digest()
    for name in ("mesh.py", "anatomy/surface_lengths.py"):
        on_surface.code_digest.cache_clear()
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("# changed")
        assert on_surface.code_digest(copy) != on_surface.code_digest(folder)
        shutil.copy(folder / name, copy / name)
