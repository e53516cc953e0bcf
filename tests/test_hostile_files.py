"""Malicious and damaged files are refused with a message; no link is followed, no code run, no memory exhausted."""

import csv
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import nibabel
import numpy as np
import pytest
import trimesh
import xarray as xr
import yaml
from browser import needs_chromium, show
from conftest import Outcome
from scipy import sparse
from scipy.io import savemat
from tiny import CUBE, OVERRIDES, tiny

from spatialnets import Experiment, Run, RunError, UserError
from spatialnets.errors import DeclarationError
from spatialnets.files import limits
from spatialnets.files.matrix import read_matrix
from spatialnets.files.table import spreadsheet_safe
from spatialnets.files.yaml_nodes import parse, plain
from spatialnets.geometries import Points, Sphere
from spatialnets.geometries.anatomy.coordinates import read_coordinates
from spatialnets.geometries.anatomy.lookup import read_lookup
from spatialnets.geometries.anatomy.surfaces import read_surface
from spatialnets.geometries.anatomy.vertex_data import read_mask, read_parcels
from spatialnets.geometries.anatomy.volume import read_image
from spatialnets.importing import import_networks
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.report.geometry_page import write_geometry_page
from spatialnets.report.page import write_report
from spatialnets.runs.metadata import write_provenance
from spatialnets.runs.plan import plan_of
from spatialnets.tasks import Arrays, SequentialMNIST, SpikingDigits
from spatialnets.tasks.files import read_csv, read_idx, read_npz
from spatialnets.training.trainer import Trainer

GRID = ("geometry=grid", "geometry.shape=[2, 2, 2]")
MARKUP = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>{{7*7}}\x1b[31m"
DEADLINE_SECONDS = 80  # the slowest test, which writes a report, takes a few


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError("this reader hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(DEADLINE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def save(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of two groups, without measurements."""
    folder = tmp_path_factory.mktemp("original")
    weights = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    arrays = {f"{group}__weights": weights for group in ("sernn", "l1")}
    save(folder / "nets.npz", {**arrays, "sernn__strength": np.arange(4.0), "l1__strength": np.arange(4.0)})
    overrides = (*GRID, "analyses=[wiring]", "groups.sernn.regularizer=l1", "groups.l1.regularizer=l1")
    return import_networks([folder / "nets.npz"], overrides, out=folder / "run").folder


def without_checksums(folder: Path) -> Path:
    """Delete the checksums of a run, which reveal damage; an attacker can write valid ones."""
    for path in folder.rglob("*.sha256"):
        path.unlink()
    return folder


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test can change."""
    return without_checksums(Path(shutil.copytree(original, tmp_path / "run")))


def read_checkpoint(path: Path) -> None:
    Trainer(tiny(), CUBE).restore(path)


CORNERS = np.eye(3)
READERS: dict[str, Callable[[Path], Any]] = {
    "matrix.npy": read_matrix,
    "matrix.npz": read_matrix,
    "matrix.mat": read_matrix,
    "matrix.csv": read_matrix,
    "lookup.txt": read_lookup,
    "coordinates.npy": read_coordinates,
    "coordinates.csv": read_coordinates,
    "points.npy": lambda path: Points(str(path)),
    "points.csv": lambda path: Points(str(path)),
    "surface.gii": read_surface,
    "surface.gii.gz": read_surface,
    "surface.ply": read_surface,
    "surface.obj": read_surface,
    "surface.stl": read_surface,
    "surface.off": read_surface,
    "lh.pial": read_surface,
    "volume.nii": read_image,
    "volume.nii.gz": read_image,
    "volume.mgz": read_image,
    "parcels.annot": lambda path: read_parcels(path, CORNERS),
    "parcels.gii": lambda path: read_parcels(path, CORNERS),
    "parcels.npy": lambda path: read_parcels(path, CORNERS),
    "parcels.csv": lambda path: read_parcels(path, CORNERS),
    "cortex.label": lambda path: read_mask(path, CORNERS),
    "mask.gii": lambda path: read_mask(path, CORNERS),
    "task.npz": read_npz,
    "task.csv": read_csv,
    "images-idx3-ubyte": read_idx,
    "images-idx3-ubyte.gz": read_idx,
    "arrays.npz": lambda path: Arrays(str(path)),
    "arrays.npy": lambda path: Arrays(str(path)),
    "spikes.h5": lambda path: SpikingDigits(str(path)),
    "mnist.npz": lambda path: SequentialMNIST(source=str(path)).labels(),
    "experiment.yaml": Experiment.from_yaml,
    "import.npz": lambda path: import_networks([path], GRID, out=path.parent / "out"),
    "import.mat": lambda path: import_networks([path], GRID, out=path.parent / "out"),
    "import.csv": lambda path: import_networks([path], GRID, out=path.parent / "out"),
    "geometry.npz": StoredGeometry.read,
    "checkpoint.npz": read_checkpoint,
}
"""All readers of user files, by a name of a file that they accept."""


def assert_refused(read: Callable[[Path], Any], path: Path, part: str = "") -> None:
    """Assert that a file is refused with a short message that contains `part`."""
    with pytest.raises((ValueError, UserError)) as caught:
        read(path)
    message = str(caught.value)
    assert 0 < len(message.splitlines()) <= 20, message
    assert "Traceback" not in message
    assert part in message, message


# Paths that are not files


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_paths_that_are_not_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert_refused(READERS[name], path, "there is no file")
    path.mkdir()
    if name != "import.csv":  # a folder of tables is valid
        assert_refused(READERS[name], path)
    path.rmdir()
    os.mkfifo(path)  # reading it would wait forever
    assert_refused(READERS[name], path)
    path.unlink()
    path.symlink_to("/dev/zero")  # which has no end
    assert_refused(READERS[name], path)
    path.unlink()
    path.symlink_to(path.name)
    assert_refused(READERS[name], path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\0" * 4096,
        "UTF-16, perhaps".encode("utf-16"),
        b"\xff\xfe\x00\x81",
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00",
    ],
    ids=["empty", "a NUL", "zeros", "UTF-16", "not text", "truncated archive", "truncated array"],
)
def test_every_reader_refuses_files_without_content(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    if name == "lookup.txt" and not content:
        return  # an empty lookup table is valid
    assert_refused(READERS[name], tmp_path / name)


class Bomb:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith((".npy", ".npz"))])
def test_objects_in_arrays_are_never_unpickled(name: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    objects = np.array([Bomb(trace)] * 2, dtype=object)
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, objects, allow_pickle=True)
    else:
        keys = ("X", "y", "x_train", "y_train", "weights", "positions", "distances", "length_unit", "progress")
        save(path, dict.fromkeys(keys, objects))
    assert_refused(READERS[name], path, "objects")
    path.write_bytes(pickle.dumps(Bomb(trace)))  # NumPy also accepts a pickle as an array
    assert_refused(READERS[name], path)
    assert not trace.exists()


# Files that expand


def zeros_in_npz(path: Path, size: int) -> None:
    zeros = np.zeros(size // 8)
    np.savez_compressed(path, X=zeros, y=zeros, weights=zeros)


def zeros_in_checkpoint(path: Path, size: int) -> None:
    """Write zeros with a valid SHA-256 at the end, as a checkpoint has it."""
    zeros_in_npz(path, size)
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())


def zeros_in_gz(path: Path, size: int) -> None:
    path.write_bytes(gzip.compress(bytes(size)))


def zeros_in_gifti(path: Path, size: int) -> None:
    array = nibabel.gifti.GiftiDataArray(np.zeros((size // 12, 3), np.float32), intent="pointset", encoding="B64GZ")
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[array]), path)


def zeros_in_volume(path: Path, size: int) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((64, 512, size // 2**15), np.uint8), np.eye(4)), path)


def zeros_in_hdf5(path: Path, size: int) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("weights", (size // 8,), dtype=np.float64, chunks=(1000,), compression="gzip")


BOMBS: dict[str, Callable[[Path, int], None]] = {
    **dict.fromkeys(("matrix.npz", "task.npz", "arrays.npz", "import.npz", "geometry.npz"), zeros_in_npz),
    "checkpoint.npz": zeros_in_checkpoint,
    "images-idx3-ubyte.gz": zeros_in_gz,
    "surface.gii.gz": zeros_in_gz,
    "surface.gii": zeros_in_gifti,
    "volume.nii.gz": zeros_in_volume,
    "matrix.mat": lambda path, size: savemat(path, {"weights": np.zeros(size // 8)}, do_compression=True),
    "import.mat": lambda path, size: savemat(path, {"weights": np.zeros(size // 8)}, do_compression=True),
    "spikes.h5": zeros_in_hdf5,
}


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_expand_too_much_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNCHECKED_BYTES", 2**20)  # so that a small bomb suffices
    BOMBS[name](tmp_path / name, 16 * 2**20)
    assert_refused(READERS[name], tmp_path / name, "would expand")


def test_files_that_would_exhaust_the_memory_are_refused_unread(tmp_path: Path) -> None:
    """A process that is limited to 3 GB reads files that claim to contain 100 GB or more."""
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (12_500_000_000,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "matrix.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.npy", header.getvalue())
    content = (tmp_path / "matrix.npz").read_bytes()
    start = content.rindex(b"PK\x01\x02") + 24  # of the unpacked size, four bytes
    (tmp_path / "matrix.npz").write_bytes(content[:start] + b"\xfe\xff\xff\xff" + content[start + 4 :])
    (tmp_path / "matrix.npy").write_bytes(header.getvalue())
    zeros_in_hdf5(tmp_path / "matrix.mat", 10**12)
    savemat(tmp_path / "sparse.mat", {"weights": sparse.csc_matrix((10**5, 10**5))})
    volume = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.float64), np.eye(4))
    nibabel.save(volume, tmp_path / "volume.nii")
    changed = bytearray((tmp_path / "volume.nii").read_bytes())
    changed[42:48] = np.array([5000, 5000, 500], "<i2").tobytes()  # a size of 100 GB
    (tmp_path / "volume.nii").write_bytes(changed)
    (tmp_path / "volume.nii.gz").write_bytes(gzip.compress(bytes(changed)))
    (tmp_path / "idx").write_bytes(b"\0\0\x0e\x02" + np.array([2**31, 2**31], ">u4").tobytes())
    script = (
        "import resource, sys\nfrom pathlib import Path\nresource.setrlimit(resource.RLIMIT_AS, (3 * 2**30,) * 2)\n"
        "from spatialnets.files.matrix import read_matrix\n"
        "from spatialnets.geometries.anatomy.volume import read_image\n"
        "from spatialnets.tasks.files import read_idx\n"
        "for name in sys.argv[2:]:\n"
        "    read = {'v': read_image, 'i': read_idx}.get(name[0], read_matrix)\n"
        "    try:\n        read(Path(sys.argv[1]) / name)\n        print(name, 'was read')\n"
        "    except ValueError as error:\n        print(name, 'refused' if 'memory' not in str(error) else error)\n"
    )
    names = ["matrix.npz", "matrix.npy", "matrix.mat", "sparse.mat", "volume.nii", "volume.nii.gz", "idx"]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), *names],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.splitlines() == [f"{name} refused" for name in names], done.stderr


@pytest.mark.parametrize("name", ["matrix.mat", "import.mat", "spikes.h5"])
@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual", "external storage"])
def test_arrays_in_other_files_are_not_followed(name: str, kind: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["weights"] = np.eye(8)
    with h5py.File(tmp_path / name, "w") as file:
        match kind:
            case "external link":
                file["weights"] = h5py.ExternalLink("secret.h5", "weights")
            case "soft link":
                file["weights"] = h5py.SoftLink("/weights2")
            case "virtual":
                layout = h5py.VirtualLayout((8, 8), np.float64)
                layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "weights", (8, 8))
                file.create_virtual_dataset("weights", layout)
            case "external storage":
                file.create_dataset("weights", (8, 8), np.float64, external=[(str(tmp_path / "secret.h5"), 0, 512)])
    assert_refused(
        READERS[name],
        tmp_path / name,
        "is a link; expected a file that contains the data" if "link" in kind else "is stored in another file",
    )


def test_surfaces_read_no_other_files(tmp_path: Path) -> None:
    (tmp_path / "numbers").write_bytes(np.zeros((4, 3), np.float32).tobytes())
    points = nibabel.gifti.GiftiDataArray(np.zeros((4, 3), np.float32), intent="pointset")
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[points]), tmp_path / "surface.gii")
    text = (tmp_path / "surface.gii").read_text()
    text = text.replace("GZipBase64Binary", "ExternalFileBinary", 1)
    (tmp_path / "surface.gii").write_text(
        text.replace('ExternalFileName=""', f'ExternalFileName="{tmp_path}/numbers"', 1)
    )
    assert_refused(read_surface, tmp_path / "surface.gii", "in another file")
    for ending in (".gltf", ".glb", ".zip", ".xyz", ".dxf"):
        (tmp_path / f"surface{ending}").write_bytes(b"{}")
        assert_refused(read_surface, tmp_path / f"surface{ending}", "expected GIFTI")
    ball = trimesh.creation.icosphere(subdivisions=1)
    ball.export(tmp_path / "ball.ply")
    ply = (tmp_path / "ball.ply").read_bytes()
    (tmp_path / "ball.ply").write_bytes(ply.replace(b"comment", b"comment TextureFile absent.png\ncomment", 1))
    assert len(read_surface(tmp_path / "ball.ply")[1]) == 80
    ball.export(tmp_path / "ball.obj")
    (tmp_path / "ball.obj").write_text("mtllib ../../secret.mtl\n" + (tmp_path / "ball.obj").read_text())
    assert len(read_surface(tmp_path / "ball.obj")[1]) == 80


# YAML


def test_tags_construct_no_objects(tmp_path: Path) -> None:
    for text in (
        f"name: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'trace'}]",
        "name: !!python/name:os.system",
        "name: !mine 3",
        "networks: !!int abc",
        "networks: !!float x",
        "base: !!set {a}",
        "!!python/object:os.system {}",
    ):
        with pytest.raises(DeclarationError, match=r"x\.yaml:1: .* is not supported; remove "):
            parse(text, "x.yaml")
    assert not (tmp_path / "trace").exists()
    assert plain(parse("name: !!str 3", "x.yaml")) == {"name": "3"}


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9), "more than 500,000 values"),
        ("a: &a [*a]", "nested more than 40 deep"),
        ("a: &a {b: *a}", "nested more than 40 deep"),
        ("[" * 5000, "nested more than 40 deep"),
        ("{a: " * 5000, "nested more than 40 deep"),
        ("- " * 5000, "nested more than 40 deep"),
        ("a: " + "9" * 5000, "a number of 5,000 digits"),
        ("a: 0x" + "f" * 5000, "a number of 5,002 digits"),
        ("a: x\0y", "special characters are not allowed"),
        ('a: "\\ud800"', "an incomplete character (a lone surrogate)"),
        ("a: 1\na: 2", "given twice"),
        ("a: *b", "undefined alias"),
        ("a: 1\n---\nb: 2", "found another document"),
        ("a: " + "x" * 5_000_000, "characters; expected at most"),
        ("\n".join(f"a{n}: !x 3" for n in range(100)), "and 1 more mistake"),
    ],
    ids=range(15),
)
def test_malicious_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse(text, "x.yaml")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 20


def test_an_error_message_cannot_control_the_terminal(command: Callable[..., Outcome]) -> None:
    Path("my.yaml").write_text('name: x\n"\\e[31m\\u202eevil": 3\n')
    outcome = command("validate", "my.yaml")
    assert outcome.code == 2
    assert "\\x1b[31m\\u202eevil" in outcome.err
    assert "\x1b" not in outcome.err
    assert "\u202e" not in outcome.err


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/x", "a/b", "..", ".hidden", "a\nb", "x" * 300, "<script>", "{{7*7}}", "\x1b[31m", "", "-x"],
)
def test_invalid_names_of_experiments_and_groups_are_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="name: expected a name of letters, digits"):
        Experiment.from_declaration({"name": name})
    with pytest.raises(DeclarationError, match="name .*letters, digits, _ and -, at most 100"):
        Experiment.from_declaration({"groups": {name: {}}})


# Run folders


def modify(run: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change the content of a file of a run; the provenance gets a valid checksum, as an attacker would write it."""
    read, write = (json.loads, json.dumps) if name.endswith(".json") else (yaml.safe_load, yaml.safe_dump)
    content = read((run / name).read_text())
    changed = change(content)
    changed = content if changed is None else changed
    if name == "provenance.json" and isinstance(changed, dict):
        changed.pop("checksum")
        write_provenance(run, changed)
    else:
        (run / name).write_text(write(changed))


def ensemble(**changes: Any) -> Callable[[Any], None]:
    return lambda plan: plan["ensembles"][0].update(changes)


def shard(**changes: Any) -> Callable[[Any], Any]:
    """Return a plan of format 4, which lists shards, with another first shard."""

    def change(plan: Any) -> Any:
        listed = [
            {"index": index, "group": entry["group"], "networks": list(range(*entry["networks"][0]))}
            | {"geometry": entry["geometry"]}
            for index, entry in enumerate(plan["ensembles"])
        ]
        listed[0].update(changes)
        kept = {key: value for key, value in plan.items() if key != "ensembles"}
        return {**kept, "format": 4, "shards": listed}

    return change


def with_key(key: str, value: Any) -> Callable[[Any], Any]:
    return lambda plan: {**plan, key: value}


PLANS: dict[str, Callable[[Any], Any]] = {
    "a list": lambda plan: [],
    "a number": lambda plan: 3,
    "nothing": lambda plan: {},
    "no ensembles": lambda plan: {key: value for key, value in plan.items() if key != "ensembles"},
    "an ensemble that is a number": with_key("ensembles", [3]),
    "no format": lambda plan: {key: value for key, value in plan.items() if key != "format"},
    "a format that is a word": with_key("format", "5"),
    "shards but no ensembles": lambda plan: {**shard()(plan), "format": 5},
    "a group of an ensemble that is a path": ensemble(group="../../etc"),
    "a group of an ensemble that is not declared": ensemble(group="other"),
    "a geometry of an ensemble that is a path": ensemble(geometry="../../etc/passwd"),
    "a geometry of an ensemble that is not declared": ensemble(geometry="other"),
    "ranges that are a number": ensemble(networks=3),
    "no ranges": ensemble(networks=[]),
    "a range that is a number": ensemble(networks=[3]),
    "a range of words": ensemble(networks=[["0", "2"]]),
    "a range of true": ensemble(networks=[[False, True]]),
    "a range of fractions": ensemble(networks=[[0, 2.0]]),
    "a range of one number": ensemble(networks=[[2]]),
    "a range of four numbers": ensemble(networks=[[0, 2, 1, 1]]),
    "a negative range": ensemble(networks=[[-1, 2]]),
    "an empty range": ensemble(networks=[[0, 2], [2, 2]]),
    "a range backwards": ensemble(networks=[[2, 0]]),
    "a step of 0": ensemble(networks=[[0, 2, 0]]),
    "a huge range": ensemble(networks=[[0, 10**30]]),
    "a range of more networks than a group may have": ensemble(networks=[[0, 10**6 + 1]]),
    "ranges that overlap": ensemble(networks=[[0, 2], [1, 3]]),
    "ranges with steps that meet": ensemble(networks=[[0, 12, 3], [1, 12, 2], [2, 12, 6], [8, 12, 6]]),
    "ensembles that overlap": lambda plan: {**plan, "ensembles": [*plan["ensembles"], plan["ensembles"][0]]},
    "networks that are left out": ensemble(networks=[[0, 2], [3, 5]]),
    "the first network left out": ensemble(networks=[[1, 3]]),
    "shards of no network": with_key("networks_per_shard", 0),
    "shards of too many networks": with_key("networks_per_shard", 10**6 + 1),
    "a device that is a number": with_key("device", 3),
    "products that are a list": with_key("products", ["blocks"]),
    "products that hold a list": with_key("products", {"100": ["blocks"]}),
    "a listed shard that is a number": lambda plan: {**shard()(plan), "shards": [3]},
    "an index that is a path": shard(index="../../etc"),
    "a negative index": shard(index=-1),
    "an index out of order": shard(index=7),
    "a huge index": shard(index=10**30),
    "an index that is true": shard(index=False),
    "an index twice": lambda plan: {**shard()(plan), "shards": [shard()(plan)["shards"][0]] * 2},
    "a group that is a path": shard(group="../../etc"),
    "a group that is markup": shard(group="<script>"),
    "an undeclared group": shard(group="other"),
    "a geometry that is a path": shard(geometry="../../etc/passwd"),
    "an undeclared geometry": shard(geometry="other"),
    "networks that are words": shard(networks=["a"]),
    "networks that are negative": shard(networks=[-1]),
    "a network twice": shard(networks=[0, 0]),
    "no networks": shard(networks=[]),
    "threads that are words": lambda plan: {**plan, "threads": "x"},
    "no threads": lambda plan: {key: value for key, value in plan.items() if key != "threads"},
    "geometries that are a number": lambda plan: {**plan, "geometries": 3},
}


@pytest.mark.parametrize("what", PLANS)
def test_an_invalid_plan_is_refused(what: str, run: Path) -> None:
    modify(run, "plan.json", PLANS[what])
    with pytest.raises(RunError, match=r"is damaged: plan\.json"):
        Run.open(run)


DECLARATIONS: dict[str, Callable[[Any], Any]] = {
    "a list": lambda declared: [],
    "no name": lambda declared: {key: value for key, value in declared.items() if key != "name"},
    "a name that is a path": lambda declared: {**declared, "name": "../../x"},
    "groups that are a number": lambda declared: {**declared, "groups": 3},
    "a group that is a number": lambda declared: {**declared, "groups": {"l1": 3, "sernn": {}}},
    "a group without components": lambda declared: {**declared, "groups": {"l1": {}, "sernn": {}}},
    "analyses that are a string": lambda declared: {**declared, "analyses": "wiring"},
    "terms that are a string": lambda declared: declared["groups"]["l1"]["regularizer"].update(terms="abc"),
}


@pytest.mark.parametrize("what", DECLARATIONS)
def test_an_invalid_declaration_is_refused(what: str, run: Path) -> None:
    modify(run, "experiment.yaml", DECLARATIONS[what])
    with pytest.raises(RunError, match=r"is damaged: experiment\.yaml"):
        Run.open(run)


@pytest.mark.parametrize(
    "change", [{"sessions": 3}, {"machine": {}}, {"command": [3]}, {"imported": {"files": [1]}}, 3]
)
def test_an_invalid_provenance_is_refused(change: Any, run: Path, command: Callable[..., Outcome]) -> None:
    modify(run, "provenance.json", lambda content: {**content, **change} if isinstance(change, dict) else change)
    outcome = command("show", str(run))
    assert outcome.code == 2
    assert "is missing or has the wrong type" in outcome.err
    assert "damaged: provenance.json" in outcome.err


@pytest.mark.parametrize("name", ["experiment.yaml", "plan.json", "provenance.json"])
def test_unreadable_text_files_of_a_run_are_refused(name: str, run: Path, command: Callable[..., Outcome]) -> None:
    path = run / name
    for replace_file in (
        lambda: path.mkdir(),
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(b"\xff\xfe"),
        lambda: path.write_text("[" * 100_000),
        lambda: path.write_text("9" * 100_000),
    ):
        path.unlink() if not path.is_dir() else path.rmdir()
        replace_file()
        outcome = command("show", str(run))
        assert outcome.code == 2, outcome.err
        assert "Traceback" not in outcome.err


@pytest.mark.parametrize("name", ["experiment.yaml", "shards", "geometries", "analyses", "figures", "checkpoints"])
def test_links_out_of_a_run_folder_are_refused(name: str, run: Path, tmp_path: Path) -> None:
    path, elsewhere = run / name, tmp_path / "elsewhere"
    if path.exists():
        shutil.move(path, elsewhere)
    else:
        elsewhere.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(RunError, match="is a link out of the run folder"):
        Run.open(run)


def test_a_shard_or_geometry_that_is_a_link_is_refused(run: Path, tmp_path: Path) -> None:
    shard_path, geometry_path = run / "shards" / "00000.nc", next((run / "geometries").iterdir())
    for path, read in ((shard_path, "sernn"), (geometry_path, "geometry")):
        shutil.move(path, tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(RunError, match="is a link out of the run folder"):
            Run.open(run).geometry_of("sernn") if read == "geometry" else Run.open(run)[read]
        path.unlink()
        shutil.move(tmp_path / "elsewhere", path)
    shutil.move(shard_path, run / "shards" / "kept.nc")
    shard_path.symlink_to("kept.nc")  # a link within the folder is allowed
    Run.open(run)["sernn"]


SHARDS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "with a renamed dimension": lambda data: data.rename(pre="before"),
    "without scores": lambda data: data.drop_vars("validation_accuracy"),
    "of other networks": lambda data: data.assign_coords(network=[5, 6, 7, 8]),
    "with text as scores": lambda data: data.assign(loss=(("network", "epoch"), np.full((4, 3), "x", dtype=object))),
    "with epochs out of order": lambda data: data.assign_coords(epoch=[2, 1, 0]),
    "with text as epochs": lambda data: data.assign_coords(epoch=["a", "b", "c"]),
}


@pytest.mark.parametrize("what", SHARDS)
def test_a_shard_with_invalid_content_is_refused(what: str, run: Path) -> None:
    path = run / "shards" / "00000.nc"
    data = SHARDS[what](xr.load_dataset(path, engine="h5netcdf"))
    data.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(RunError, match="cannot be read"):
        Run.open(run).scores("sernn")


def test_a_shard_with_a_link_to_another_file_is_refused(run: Path) -> None:
    with h5py.File(run / "shards" / "00000.nc", "a") as file:
        file["mine"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(RunError, match="is a link; expected a file that contains the data"):
        Run.open(run)["sernn"]


def test_an_invalid_stored_geometry_is_refused(run: Path) -> None:
    path = next((run / "geometries").iterdir())
    content = dict(np.load(path))
    for changes in (
        {"distances": np.eye(3)},
        {"positions": np.full((8, 3), np.nan)},
        {"length_unit": np.array("<script>")},
        {"faces": np.array([[0, 1, 99]])},
        {"names": np.array(["one"])},
        {"steps_per_unit": np.array(np.nan)},
        {"positions": np.array(3.0)},
    ):
        np.savez(path, **{**content, **changes})
        with pytest.raises(RunError, match="cannot be read: (its|it has|it is damaged)"):
            Run.open(run).geometry_of("sernn")


# Code is not data


@pytest.fixture
def import_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a malicious module creates when it is imported."""
    (tmp_path / "evil_module.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'trace')!r}).touch()\n"
        "from spatialnets.geometries import Grid as Boom\nfrom spatialnets.analyses import Wiring as Look\n"
        "from torch.nn import GRU as factory\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("evil_module", None)
    return tmp_path / "trace"


CODE: dict[str, Callable[[Any], Any]] = {
    "a geometry": lambda declared: declared["groups"]["l1"]["geometry"].update(kind="evil_module:Boom"),
    "an analysis": lambda declared: declared.update(analyses=[{"kind": "evil_module:Look"}]),
    "a module's factory": lambda declared: declared["groups"]["l1"].update(
        core={"kind": "wrapped", "module_factory": "evil_module:factory", "weight": "a", "input_weight": "b"}
    ),
    "an environment": lambda declared: declared["groups"]["l1"].update(
        task={"kind": "neurogym", "env": "evil_module:PerceptualDecisionMaking-v0"}
    ),
    "a constraint": lambda declared: declared["groups"]["l1"]["core"].update(constraints=["evil_module:Boom"]),
    "an axis": lambda declared: declared["groups"]["l1"].update(geometry={"list": ["grid", "evil_module:Boom"]}),
}


@pytest.mark.parametrize("what", CODE)
def test_no_command_imports_code_that_a_run_folder_names(
    what: str, run: Path, import_trace: Path, command: Callable[..., Outcome]
) -> None:
    modify(run, "experiment.yaml", CODE[what])
    modify(
        run,
        "plan.json",
        lambda plan: {**plan, "geometries": {name: {"kind": "evil_module:Boom"} for name in plan["geometries"]}},
    )
    for arguments in (
        ("show",),
        ("export", "l1", "0"),
        ("compare",),
        ("report",),
        ("resume",),
        ("generative",),
        ("cite",),
    ):
        outcome = command(arguments[0], str(run), *arguments[1:])
        assert "Traceback" not in outcome.err
        assert not import_trace.exists(), arguments
        if arguments[0] in ("report", "resume", "cite", "generative"):
            assert outcome.code == 2
            if what != "an axis":  # refused for another reason
                assert "--trust" in outcome.err
    with pytest.raises(UserError):
        Run.open(run).parts("l1", 0)
    with pytest.raises(UserError):
        Run.open(run).to_torch("l1", 0)
    assert not import_trace.exists()


def test_code_of_a_trusted_run_is_imported(run: Path, import_trace: Path, command: Callable[..., Outcome]) -> None:
    modify(run, "experiment.yaml", CODE["a geometry"])
    outcome = command("cite", str(run), "--trust")
    assert outcome.code == 0, outcome.err
    assert import_trace.exists()


def test_running_an_experiment_in_a_modified_folder_imports_no_code(
    tmp_path: Path, import_trace: Path, command: Callable[..., Outcome]
) -> None:
    arguments = (
        "run",
        "preset=sernn_demo",
        *OVERRIDES,
        "geometry.shape=[2, 2, 2]",
        "--out",
        "theirs",
        "--workers",
        "1",
    )
    assert command(*arguments, "--no-report", "--quiet").code == 0
    modify(Path("theirs"), "experiment.yaml", CODE["a geometry"])
    Path("theirs/experiment.yaml.sha256").unlink()  # an attacker can write a valid one
    assert command(*arguments, "--quiet").code == 0
    assert not import_trace.exists()


# Pages and tables


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def assert_no_injection(page: Path) -> None:
    """Assert that a page has no element or attribute that text of a run has injected."""
    text = page.read_text(encoding="utf-8")
    elements = Elements()
    elements.feed(text)
    assert all(not name.startswith("on") for name, _ in elements.attributes)
    assert all((value or "").startswith("data:image/png") for name, value in elements.attributes if name == "src")
    assert all(not (value or "").startswith("javascript") for name, value in elements.attributes if name == "href")
    assert elements.tags.count("script") == text.count("<script")
    assert "<script>alert" not in text
    assert "<img src=x" not in text


@pytest.fixture(scope="module")
def reported(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with markup in all free text, and its report and comparison."""
    folder = without_checksums(Path(shutil.copytree(original, tmp_path_factory.mktemp("reported") / "run")))
    modify(folder, "experiment.yaml", lambda declared: declared.update(description=MARKUP))
    modify(
        folder,
        "provenance.json",
        lambda content: content.update(
            created=MARKUP,
            command=[MARKUP],
            versions={MARKUP: MARKUP},
            commit=MARKUP,
            machine={"system": MARKUP, "processor": MARKUP, "cores": 1},
            sessions=[{"started": MARKUP, "ended": MARKUP, "engine": MARKUP, "workers": 1, "shards": 1}],
            imported={**content["imported"], "files": {MARKUP: MARKUP}, "notes": [MARKUP]},
        ),
    )
    modify(
        folder,
        "plan.json",
        lambda plan: [block.update(source=MARKUP, shape=[MARKUP]) for block in plan["geometries"].values()] and None,
    )
    for path in (folder / "geometries").iterdir():
        geometry = dict(np.load(path))
        ball = trimesh.creation.icosphere(subdivisions=1)
        geometry["names"] = np.array([f"{MARKUP} {unit}" for unit in range(8)])
        geometry.update(vertices=np.asarray(ball.vertices), faces=np.asarray(ball.faces, dtype=np.int64))
        save(path, geometry)
    path = folder / "shards" / "00000.nc"
    data = xr.load_dataset(path, engine="h5netcdf")
    reasons = data["reason"].to_numpy().copy()
    reasons[0] = MARKUP
    data.assign(reason=("network", reasons)).to_netcdf(path, engine="h5netcdf")
    run = Run.open(folder)
    write_report(run, run.experiment(), workers=1)
    run.compare(out=folder / "comparison")
    return folder


def test_pages_escape_the_markup_of_a_malicious_run(reported: Path) -> None:
    for page in ("report.html", "comparison/comparison.html"):
        assert_no_injection(reported / page)
    text = (reported / "report.html").read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "{{7*7}}" in text
    for picture in reported.rglob("*.svg"):
        names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(picture).iter()}
        assert not names & {"script", "foreignObject", "img"}


@pytest.mark.slow  # starts a browser
@needs_chromium
def test_a_browser_runs_no_script_of_a_malicious_run(reported: Path, tmp_path: Path) -> None:
    seen = show(reported / "report.html", tmp_path)
    assert seen.errors == []
    assert "onerror=alert(1)" in seen.text  # as text
    assert '<img src="x"' not in seen.document


def test_the_text_of_a_malicious_run_cannot_control_the_terminal(
    reported: Path, command: Callable[..., Outcome]
) -> None:
    shown = command("show", str(reported))
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "\\x1b[31m" in shown.out


def test_an_exported_network_has_names_that_are_valid_in_xml(reported: Path, command: Callable[..., Outcome]) -> None:
    assert command("export", str(reported), "l1", "0").code == 0
    (file,) = (reported / "exports").glob("*.graphml")
    names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(file).iter()}
    assert names == {"graphml", "key", "graph", "data", "node", "edge"}


def test_a_geometry_page_escapes_the_names_of_units(tmp_path: Path) -> None:
    sphere = Sphere(n=6)
    names = np.array([MARKUP, "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "- left", "-3"])
    write_geometry_page(sphere, replace(StoredGeometry.of(sphere), names=names), MARKUP.replace("$", ""), tmp_path)
    assert_no_injection(tmp_path / "geometry.html")
    with open(tmp_path / "geometry.csv", newline="") as file:
        stored = [row["name"] for row in csv.DictReader(file)]
    assert stored == [MARKUP, "'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "'- left", "-3"]


def test_numbers_in_tables_are_unchanged_and_formulas_are_quoted() -> None:
    for cell in ("-3", "-0.25", "+1e-5", "-0.25 [-0.4, 0.1]", "-", "3 + 4", "sernn - l1"):
        assert spreadsheet_safe(cell) == cell
    for cell in (
        "-0.33 (-0.34 to -0.32), n = 399",
        "-0.25 (t = 21.4, CI -0.27 to -0.23); below 0",
        "-0.06; within 0.1 of 0",
    ):
        assert spreadsheet_safe(cell) == cell
    for cell in ("-1 +HYPERLINK(2)", "-1 LOG10(2)", "-2 cmd|' /C calc'!A0", "+1 Sheet!A1", "-left", "-1+A1"):
        assert spreadsheet_safe(cell) == f"'{cell}"


def test_the_plan_of_a_valid_run_is_accepted(original: Path) -> None:
    assert len(plan_of(original)["ensembles"]) == len(Run.open(original).shards) == 2


def test_a_valid_plan_of_an_earlier_format_is_accepted(run: Path) -> None:
    before = [(each.group, each.networks, each.geometry, each.path) for each in Run.open(run).shards]
    modify(run, "plan.json", shard())
    assert [(each.group, each.networks, each.geometry, each.path) for each in Run.open(run).shards] == before


def test_a_plan_may_name_products_and_steps(run: Path) -> None:
    modify(run, "plan.json", lambda plan: {**plan, "products": {"128x109x100": {"kernel": "blocks", "threads": 1}}})
    modify(run, "plan.json", ensemble(networks=[[0, 4, 2], [1, 4, 2]]))
    assert Run.open(run).shards[0].networks == (0, 2, 1, 3)


def test_a_small_plan_that_describes_too_many_networks_or_shards_is_refused_at_once(run: Path) -> None:
    block = json.loads((run / "plan.json").read_text())["ensembles"][0]
    groups = [{**block, "group": f"g{number}", "networks": [[0, 10**6]]} for number in range(2000)]
    modify(run, "plan.json", with_key("ensembles", groups))
    with pytest.raises(RunError, match=r"2,000,000,000 networks in .* expected at most 10,000,000 in 1,000,000"):
        Run.open(run)
    modify(run, "plan.json", lambda plan: {**plan, "ensembles": groups[:2], "networks_per_shard": 1})
    with pytest.raises(RunError, match="2,000,000 shards; expected at most"):
        Run.open(run)
