"""Any input is accepted or refused with a message: never with a traceback, and without hanging."""

import contextlib
import dataclasses
import gzip
import os
import pkgutil
import string
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import nibabel
import numpy as np
import pytest
import trimesh
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from scipy.io import savemat
from test_hostile_files import READERS
from tiny import CUBE, OVERRIDES, tiny
from tiny_data import write_idx, write_mnist, write_spikes

import spatialnets
from spatialnets import Experiment, Run, UserError, registry
from spatialnets.experiments.declaration import BLOCKS, TOP, load_preset, preset_names
from spatialnets.files.yaml_nodes import plain
from spatialnets.importing import import_networks
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.training.settings import Training
from spatialnets.training.trainer import Trainer, train

# Hypothesis draws constants from the source of loaded modules, so that examples would depend on what is loaded.
for _module in pkgutil.walk_packages(spatialnets.__path__, "spatialnets."):
    if not _module.name.endswith("__main__"):
        import_module(_module.name)

EFFORT = 1 if os.environ.get("SPATIALNETS_EFFORT") is None else int(os.environ["SPATIALNETS_EFFORT"])
DEADLINE_MS = 20_000  # for one example; the slowest takes one or two seconds on a busy machine


def small(examples: int) -> settings:
    """Return settings of a quick search that has the same examples every time."""
    return settings(
        max_examples=examples * EFFORT,
        derandomize=True,
        database=None,
        deadline=DEADLINE_MS,
        # on a busy machine, drawing an example may be slow
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=False,
    )


def large(examples: int) -> settings:
    """Return settings of a longer search with different examples every time."""
    return settings(small(examples), derandomize=False)


@contextlib.contextmanager
def only_helpful_errors() -> Iterator[None]:
    """Accept no exception but a UserError with a helpful message."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the largest numbers overflow, and are refused
            yield
    except UserError as error:
        assert_helpful(str(error))


def assert_helpful(message: str) -> None:
    lines = message.splitlines()
    assert 1 <= len(lines) <= 20, message
    assert all(len(line) < 2000 for line in lines), message[:3000]
    for word in ("Traceback", "KeyError(", "TypeError(", "AttributeError", "object has no attribute", "<class '"):
        assert word not in message, message


# Experiments

NUMBERS: SearchStrategy[Any] = st.one_of(
    st.integers(-3, 12),
    st.sampled_from([0, -1, 2**31, 2**63, 10**30, 0.0, -0.0, 1e-300, 1e300, 0.5, 1e-3]),
    st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    st.floats(),
)
WORD = st.one_of(
    st.sampled_from(["", "x", "../../x", "CON", "a\nb", "<script>", "{{7*7}}", "\x1b[31m", "\u202ex", "😀", "x" * 300]),
    st.sampled_from(["grid", "sphere", "rnn", "l1", "both", "mean", "dale", "yes", "null", "~", "1e3", "nowhere.csv"]),
    st.text(max_size=8).filter(lambda text: ":" not in text),  # a colon would name code
)
SCALAR = st.one_of(NUMBERS, WORD, st.booleans(), st.none())
AXIS = st.one_of(
    st.builds(lambda kind, values: {kind: values}, st.sampled_from(["linspace", "logspace", "range", "list"]),
              st.lists(st.one_of(NUMBERS, WORD), max_size=4)),
)  # fmt: skip
VALUE = st.recursive(
    st.one_of(SCALAR, AXIS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(WORD, st.sampled_from(["kind", *BLOCKS])), inner, max_size=3),
    ),
    max_leaves=6,
)
EXCLUDED = {
    ("geometry", "cortex"),  # takes seconds to read a brain
    ("task", "neurogym"),  # needs another package
    ("task", "sequential_digits"),  # reads images
}


def kinds(family: str) -> list[str]:
    return [name for name in registry.names(family) if (family, name) not in EXCLUDED]


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a field as YAML data; None if it is not plain data."""
    if field.default is dataclasses.MISSING or not isinstance(field.default, (int, float, str, tuple)):
        return None
    return list(field.default) if isinstance(field.default, tuple) else field.default


@st.composite
def component(draw: DrawFn, family: str) -> Any:
    """A block of a component with some of its fields, at their default or not; sometimes arbitrary data instead."""
    if draw(st.integers(0, 19)) == 0:
        return draw(VALUE)
    kind = None if family == "training" else draw(st.sampled_from(kinds(family)))
    cls = Training if kind is None else registry.load(family, kind)
    block: dict[str, Any] = {} if kind is None else {"kind": kind}
    for field in fields(cls):
        if field.init and draw(st.integers(0, 3)) == 0:
            nested = field.name in ("terms", "factors", "constraints", "areas")
            block[field.name] = draw(
                st.lists(component("constraint" if field.name == "constraints" else family), max_size=2)
                if nested and draw(st.booleans())
                else st.one_of(st.just(default_of(field)), VALUE)
            )
    if draw(st.integers(0, 19)) == 0:
        block[draw(WORD)] = draw(VALUE)
    return block


@st.composite
def experiments(draw: DrawFn) -> Any:
    """A declaration with some keys, valid or not."""
    groups = st.dictionaries(
        st.one_of(st.sampled_from(["a", "b"]), WORD),
        st.one_of(st.none(), st.fixed_dictionaries({}, optional={name: component(name) for name in BLOCKS}), VALUE),
        max_size=2,
    )
    strategies: dict[str, SearchStrategy[Any]] = {
        "name": st.one_of(st.just("mine"), WORD),
        "description": WORD,
        "networks": st.one_of(st.integers(1, 3), NUMBERS),
        "seed": st.one_of(st.integers(0, 3), AXIS, NUMBERS),
        "base": st.fixed_dictionaries({}, optional={name: component(name) for name in BLOCKS}),
        "groups": groups,
        "analyses": st.one_of(st.lists(component("analysis"), max_size=2), VALUE),
    }
    declared = {key: draw(strategy) for key, strategy in strategies.items() if draw(st.integers(0, 2))}
    if draw(st.integers(0, 9)) == 0:
        declared[draw(WORD)] = draw(VALUE)
    return declared


@contextlib.contextmanager
def in_empty_folder() -> Iterator[Path]:
    """Work in an empty folder within the block."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def read_experiment(text: str, overrides: tuple[str, ...] = ()) -> None:
    """Read an experiment, and read it again from its own YAML."""
    with in_empty_folder() as folder, only_helpful_errors():
        (folder / "my.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
        experiment = Experiment.from_command(folder / "my.yaml", overrides)
        assert experiment.networks > 0
        assert len(experiment.digest) == 64
        again = Experiment.from_declaration(yaml.safe_load(experiment.to_yaml()))
        assert again.digest == experiment.digest


def to_yaml(declared: Any) -> str:
    return str(yaml.safe_dump(declared, allow_unicode=True))


@small(70)
@given(experiments())
def test_declared_experiments_are_accepted_or_refused(declared: Any) -> None:
    read_experiment(to_yaml(declared))


@st.composite
def mutations(draw: DrawFn) -> Any:
    """A preset in which one or two values are deleted, renamed, duplicated or replaced."""
    declared = plain(load_preset(draw(st.sampled_from(["sernn_demo", "sernn_paper", "sernn_controls", "sersnn"]))))
    for _ in range(draw(st.integers(1, 2))):
        items = list(_items(declared))
        parent, key = items[draw(st.integers(0, len(items) - 1))]
        match draw(st.sampled_from(["delete", "rename", "duplicate", "replace", "wrap"])):
            case "delete":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(WORD)] = parent.pop(key)
            case "duplicate" if isinstance(parent, list):
                parent.insert(0, parent[key])
            case "wrap":
                parent[key] = [parent[key]]
            case _:
                parent[key] = draw(VALUE)
    return declared


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container within a value with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _items(inner)


@small(70)
@given(mutations())
def test_presets_with_a_mistake_are_accepted_or_refused(declared: Any) -> None:
    read_experiment(to_yaml(declared), ("networks=2",))


YAML = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="-:{}[],&*!|>'\"%@#? \n\tab0.", max_size=60),
    st.lists(
        st.sampled_from(
            ["a: ", "- ", "&x ", "*x", "!!int ", "{", "}", "[", "]", "\n", "  ", "1e9", "<<: ", "base:", "? ", "|\n"]
        ),
        max_size=20,
    ).map("".join),
)


@small(150)
@given(YAML)
def test_any_text_is_accepted_or_refused(text: str) -> None:
    read_experiment(text)


KEYS = st.one_of(
    st.sampled_from([*BLOCKS, *TOP, "geometry.shape", "task.delay_steps", "training.epochs", "groups.l1.regularizer"]),
    st.text(alphabet=string.ascii_letters + "._ \u202e", max_size=12),
)
TEXTS = st.one_of(
    st.text(alphabet="-:{}[],&*!'\"()# 0123456789.eabkind", max_size=20).filter(lambda text: "module" not in text),
    st.sampled_from(
        ["linspace(0,1)", "range(3)", "list(1,2)", "range(0,1" + "0" * 30 + ")", "logspace(0,1)", "9" * 5000]
    ),
    SCALAR.map(str),
)


@small(150)
@given(st.lists(st.one_of(st.tuples(KEYS, TEXTS).map("=".join), st.text(max_size=10)), min_size=1, max_size=3))
def test_any_overrides_are_accepted_or_refused(overrides: list[str]) -> None:
    others = [override for override in overrides if not override.startswith("preset=")]
    with in_empty_folder(), only_helpful_errors():
        Experiment.from_command(None, ["preset=sernn_demo", *others])


REFUSED: list[list[str]] = [
    ["preset=sernn_demo", "geometry.shape=[100000, 100000, 100000]"],
    ["preset=sernn_demo", "geometry={kind: sphere, n: 1000000000000}"],
    ["preset=sernn_demo", "networks=1000001"],
    ["preset=sernn_demo", "seed=18446744073709551616"],
    ["preset=sernn_demo", "task={kind: copy_memory, length: 100000000000}"],
    ["preset=sernn_demo", "task={kind: n_back, items: 100000000000}"],
    ["preset=sernn_demo", "regularizer.strength=linspace(0, 1, 100000000000)"],
    ["preset=sernn_demo", "seed=range(1000000)", "regularizer.strength=linspace(0, 1, 1000000)"],
    ["preset=sernn_demo", "name=../../x"],
    ["preset=sernn_demo", "description=\ud800"],
    ["preset=\x1b[31m"],
    ["\x1b[31m.yaml"],
    ["x" * 5000 + ".yaml"],
    ["a\0b.yaml"],
    ["/dev/zero"],
    ["."],
]


@pytest.mark.parametrize("arguments", REFUSED, ids=range(len(REFUSED)))
def test_validate_refuses_excessive_values_and_invalid_names(arguments: list[str], command: Callable[..., Any]) -> None:
    outcome = command("validate", *arguments)
    assert outcome.code == 2, outcome.out
    assert_helpful(outcome.err)
    assert "\x1b" not in outcome.err


# Training


@st.composite
def tiny_experiments(draw: DrawFn) -> list[str]:
    """Overrides that give a small experiment with any components."""
    names = {
        "geometry": ["grid", "sphere", "random_box", "ring", "torus", "sheet", "ellipsoid"],
        "regularizer": ["l1", "l2", "distance", "communicability", "both", "nuclear", "activity", "weighted_activity"],
        "core": [name for name in kinds("core") if name not in ("imported", "wrapped")],
        "task": ["one_choice", "go_no_go", "n_back", "delayed_match_to_sample", "perceptual_decision"],
    }
    geometry = draw(st.sampled_from(names["geometry"]))
    size = {"grid": "shape: [2, 2, 2]", "sheet": "shape: [2, 4]", "torus": "n: 8"}.get(geometry, "n: 8")
    strength = draw(st.sampled_from([0, 1e-3, 1.0, 1e30]))
    overrides = [
        f"geometry={{kind: {geometry}, {size}}}",
        f"regularizer={{kind: {draw(st.sampled_from(names['regularizer']))}, strength: {strength}}}",
        f"core={{kind: {draw(st.sampled_from(names['core']))}}}",
        f"task={{kind: {draw(st.sampled_from(names['task']))}}}",
        f"training.learning_rate={draw(st.sampled_from([1e-3, 1e-30, 1e30]))}",
        f"seed={draw(st.sampled_from([0, 7, 2**62]))}",
    ]
    return [override for override in OVERRIDES if not override.startswith("task.")] + overrides


def train_experiment(overrides: list[str]) -> None:
    with only_helpful_errors():
        experiment = Experiment.from_command(None, ["preset=sernn_demo", *overrides])
        shard = experiment.shards(4)[0]
        shard = dataclasses.replace(
            shard, training=dataclasses.replace(shard.training, trials_per_epoch=4, batch_size=4, validation_trials=4)
        )
        dataset = train(shard, StoredGeometry.of(experiment.geometries[shard.geometry]))
        assert dataset.sizes["epoch"] == 2


@small(8)
@given(tiny_experiments())
def test_tiny_experiments_train_or_are_refused(overrides: list[str]) -> None:
    train_experiment(overrides)


# Files


def _surface(path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=0)
    arrays = [
        nibabel.gifti.GiftiDataArray(np.asarray(ball.vertices, np.float32), intent="pointset"),
        nibabel.gifti.GiftiDataArray(np.asarray(ball.faces, np.int32), intent="triangle"),
    ]
    nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), path)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["weights"] = np.eye(8)


def _networks(path: Path) -> None:
    np.savez(path, weights=np.random.default_rng(0).normal(size=(2, 8, 8)))


def _annotation(path: Path) -> None:
    table = np.array([[1, 2, 3, 0, 197121], [4, 5, 6, 0, 394500]])
    nibabel.freesurfer.write_annot(path, np.array([0, 1, 1]), table, ["one", "two"])


VALID: dict[str, Callable[[Path], Any]] = {
    "matrix.npy": lambda path: np.save(path, np.eye(8)),
    "matrix.npz": lambda path: np.savez_compressed(path, a=np.eye(8)),
    "matrix.mat": lambda path: savemat(path, {"a": np.eye(8)}, do_compression=True),
    "matrix.csv": lambda path: path.write_text("".join(f'"r{n}",{n},1,2\n' for n in range(3))),
    "import.mat": _hdf5,
    "import.npz": _networks,
    "import.csv": lambda path: path.write_text("0 1\n2 3\n"),
    "coordinates.csv": lambda path: path.write_text("name,x,y,z\na,1,2,3\nb,4,5,6\n"),
    "lookup.txt": lambda path: path.write_text("1 one 0 0 0 0\n2 two 0 0 0 0\n"),
    "points.npy": lambda path: np.save(path, np.eye(3)),
    "surface.gii": _surface,
    "surface.ply": lambda path: trimesh.creation.icosphere(subdivisions=0).export(path),
    "surface.stl": lambda path: trimesh.creation.icosphere(subdivisions=0).export(path),
    "surface.obj": lambda path: trimesh.creation.icosphere(subdivisions=0).export(path),
    "lh.pial": lambda path: nibabel.freesurfer.write_geometry(path, np.eye(3), np.array([[0, 1, 2]])),
    "volume.nii": lambda path: nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path),
    "volume.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4)), path),
    "volume.mgz": lambda path: nibabel.save(nibabel.MGHImage(np.ones((3, 3, 3), np.uint8), np.eye(4)), path),
    "parcels.annot": _annotation,
    "images-idx3-ubyte": lambda path: write_idx(path, np.zeros((3, 2, 2), np.uint8)),
    "images-idx3-ubyte.gz": lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")),
    "spikes.h5": write_spikes,
    "mnist.npz": write_mnist,
    "experiment.yaml": lambda path: path.write_text("extends: sernn_demo\nname: mine\n"),
    "geometry.npz": CUBE.write,
    "checkpoint.npz": lambda path: Trainer(tiny(), CUBE).save(path),
}
"""A function that writes a valid file for each reader."""


class Files(dict[str, bytes]):
    """Contents of files by name, with a short repr for reports of failures."""

    def __repr__(self) -> str:
        return f"<{len(self)} files>"


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("valid")
    for name, write in VALID.items():
        write(folder / name)
    return Files({name: (folder / name).read_bytes() for name in VALID})


@pytest.fixture(scope="module")
def run_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a run, by their relative path."""
    folder = tmp_path_factory.mktemp("run")
    _networks(folder / "nets.npz")
    run = import_networks([folder / "nets.npz"], ("geometry=grid", "geometry.shape=[2, 2, 2]"), out=folder / "run")
    run.write_measurement("wiring", run["imported"][["accuracy"]])
    files = [path for path in run.folder.rglob("*.*") if path.is_file()]
    return Files({str(path.relative_to(run.folder)): path.read_bytes() for path in files})


Damage: TypeAlias = Callable[[bytes], bytes]


@st.composite
def damages(draw: DrawFn) -> Damage:
    """A function that damages a file: it truncates it, flips bits, or removes, repeats or replaces a section."""
    where, other = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    how, foreign = (
        draw(st.sampled_from(["truncate", "flip", "remove", "repeat", "replace"])),
        draw(st.binary(max_size=8)),
    )
    flips = draw(st.integers(1, 8))

    def damage(content: bytes) -> bytes:
        first, last = sorted((int(where * len(content)), int(other * len(content))))
        match how:
            case "truncate":
                return content[:first]
            case "remove":
                return content[:first] + content[last:]
            case "repeat":
                return content[:last] + content[first:]
            case "replace":
                return content[:first] + foreign + content[first + len(foreign) :]
        flipped = bytearray(content)
        for index in range(flips):
            flipped[(first + index * 7919) % len(content)] ^= 1 << (index % 8)
        return bytes(flipped)

    return damage


@contextlib.contextmanager
def only_helpful_errors_of_readers() -> Iterator[None]:
    """Also accept a ValueError, which components and readers raise and the experiment turns into a UserError."""
    try:
        with only_helpful_errors():
            yield
    except ValueError as error:
        assert_helpful(str(error))


def read_damaged_file(name: str, valid_files: Files, damage: Damage) -> None:
    with in_empty_folder() as folder, only_helpful_errors_of_readers():
        (folder / name).write_bytes(damage(valid_files[name]))
        READERS[name](folder / name)


def read_damaged_run(run_files: Files, which: int, damage: Damage) -> None:
    damaged = sorted(run_files)[which % len(run_files)]
    with in_empty_folder() as folder:
        for name, content in run_files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(damage(content) if name == damaged else content)
        reads: tuple[Callable[[Run], Any], ...] = (
            lambda run: run["imported"],
            lambda run: run.geometry_of("imported"),
            lambda run: run.provenance,
            lambda run: run.measurement("wiring"),
            lambda run: run.experiment(),
        )
        for read in reads:
            with only_helpful_errors():
                read(Run.open(folder))


@small(8)
@given(damage=damages())
@pytest.mark.parametrize("name", VALID)
def test_damaged_files_are_read_or_refused(name: str, valid_files: Files, damage: Damage) -> None:
    read_damaged_file(name, valid_files, damage)


@small(40)
@given(which=st.integers(0, 99), damage=damages())
def test_damaged_runs_are_read_or_refused(run_files: Files, which: int, damage: Damage) -> None:
    read_damaged_run(run_files, which, damage)


# The same with more examples


@pytest.mark.slow
@large(1500)
@given(experiments())
def test_many_declared_experiments_are_accepted_or_refused(declared: Any) -> None:
    read_experiment(to_yaml(declared))


@pytest.mark.slow
@large(1500)
@given(mutations())
def test_many_presets_with_a_mistake_are_accepted_or_refused(declared: Any) -> None:
    read_experiment(to_yaml(declared), ("networks=2",))


@pytest.mark.slow
@large(2000)
@given(YAML)
def test_many_texts_are_accepted_or_refused(text: str) -> None:
    read_experiment(text)


@pytest.mark.slow
@large(60)
@given(tiny_experiments())
def test_many_tiny_experiments_train_or_are_refused(overrides: list[str]) -> None:
    train_experiment(overrides)


@pytest.mark.slow
@large(150)
@given(damage=damages())
@pytest.mark.parametrize("name", VALID)
def test_many_damaged_files_are_read_or_refused(name: str, valid_files: Files, damage: Damage) -> None:
    read_damaged_file(name, valid_files, damage)


@pytest.mark.slow
@large(600)
@given(which=st.integers(0, 99), damage=damages())
def test_many_damaged_runs_are_read_or_refused(run_files: Files, which: int, damage: Damage) -> None:
    read_damaged_run(run_files, which, damage)


def test_every_preset_can_be_read() -> None:
    for name in preset_names():
        assert Experiment.from_command(None, [f"preset={name}"]).networks > 0
    assert "evil_module" not in sys.modules
