"""Tasks whose trials are samples of a data set."""

import pickle
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tiny_data import write_idx, write_mnist, write_spikes

from spatialnets.protocols import Task
from spatialnets.tasks import Arrays, SequentialDigits, SequentialMNIST, SpikingDigits
from spatialnets.tasks.samples import subset_rows
from spatialnets.tasks.scores import mean_squared_error, variance_explained

DATA = Path(__file__).parent / "data"
TASKS: list[Task] = [
    Arrays(str(DATA / "tiny_arrays.npz")),
    SequentialDigits(),
    SequentialMNIST(str(DATA / "tiny_mnist.npz")),
    SpikingDigits(str(DATA / "tiny_spikes.h5"), n_steps=20, channels=7),
]


def test_training_and_validation_samples_are_disjoint_and_complete() -> None:
    for count in (2, 3, 10, 1797):
        training, validation = subset_rows(count, "training", 0.2), subset_rows(count, "validation", 0.2)
        assert sorted([*training, *validation]) == list(range(count))
        assert len(validation) == max(1, round(0.2 * count))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_held_out_samples_never_appear_in_training_trials(task: Task) -> None:
    def samples(task: Task) -> set[bytes]:
        trials = task.trials(2000, np.random.default_rng(0))
        return {one.tobytes() + label.tobytes() for one, label in zip(trials.inputs, trials.targets, strict=True)}

    training, validation = samples(task), samples(task.held_out())
    assert len(training) > 1
    assert not training & validation
    assert task.held_out().held_out() == task.held_out()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_does_not_hold_its_data(task: Task) -> None:
    task.trials(2, np.random.default_rng(0))
    pickled = pickle.dumps(task)
    assert len(pickled) < 1000
    assert pickle.loads(pickled) == task
    assert hash(pickle.loads(pickled)) == hash(task)


def test_a_digit_is_presented_row_by_row_from_the_top() -> None:
    digits = load_digits()
    rows, pixels = (SequentialDigits(by=by).trials(100, np.random.default_rng(0)) for by in ("row", "pixel"))
    np.testing.assert_array_equal(rows.inputs.reshape(100, 64), pixels.inputs[:, :, 0])
    images = digits.images.astype(np.float32)
    labels = {image.tobytes(): label for image, label in zip(images, digits.target, strict=True)}
    for row in range(100):
        assert labels[(rows.inputs[row] * 16).tobytes()] == rows.conditions["label"][row]
    np.testing.assert_array_equal(rows.targets[:, -1].argmax(axis=1), rows.conditions["label"])
    assert (rows.mask == [0] * 7 + [1]).all()


def test_mnist_is_read_from_compressed_and_uncompressed_idx_files(tmp_path: Path) -> None:
    with np.load(DATA / "tiny_mnist.npz") as file:
        write_idx(tmp_path / "train-images-idx3-ubyte", file["x_train"])
        write_idx(tmp_path / "train-labels-idx1-ubyte.gz", file["y_train"])
        write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", file["x_test"])
        write_idx(tmp_path / "t10k-labels-idx1-ubyte", file["y_test"])
        brightest = file["x_train"].max() / 255
    one, other = SequentialMNIST(str(tmp_path)), SequentialMNIST(str(DATA / "tiny_mnist.npz"))
    for first, second in ((one, other), (one.held_out(), other.held_out())):
        trials, expected = (task.trials(50, np.random.default_rng(0)) for task in (first, second))
        np.testing.assert_array_equal(trials.inputs, expected.inputs)
        np.testing.assert_array_equal(trials.targets, expected.targets)
    assert (one.n_inputs, one.steps) == (3, 4)
    assert one.trials(1000, np.random.default_rng(0)).inputs.max() == np.float32(brightest)


def test_spikes_are_counted_per_step_and_channel_pool() -> None:
    task = SpikingDigits(str(DATA / "tiny_spikes.h5"), n_steps=10, duration_s=1.0, channels=7)
    trials = task.trials(40, np.random.default_rng(0))
    samples = subset_rows(12, "training", 0.2)[trials.conditions["sample"]]
    with h5py.File(DATA / "tiny_spikes.h5") as file:
        for row, sample in enumerate(samples):
            expected = np.zeros((10, 7))
            for time, unit in zip(file["spikes/times"][sample], file["spikes/units"][sample], strict=True):
                if time < 1:
                    expected[int(np.float32(time) * 10), unit // 100] += 1
            np.testing.assert_array_equal(trials.inputs[row], expected)
            assert file["labels"][sample] == trials.conditions["label"][row]


def test_a_separate_test_file_is_held_out(tmp_path: Path) -> None:
    write_spikes(tmp_path / "train.h5")
    write_spikes(tmp_path / "test.h5", count=5, seed=1)
    task = SpikingDigits(str(tmp_path / "train.h5"), str(tmp_path / "test.h5"))
    assert len(task.labels()) == 12
    assert len(task.held_out().labels()) == 5


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mine.npz")
    task = SequentialMNIST(str(tmp_path / "mine.npz"))
    assert task.n_inputs == 3
    write_mnist(tmp_path / "mine.npz", columns=5)
    assert task.n_inputs == 5


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "mine.npz", **arrays)
    return str(folder / "mine.npz")


X = np.random.default_rng(0).normal(size=(10, 6, 2))


def test_arrays_are_presented_unchanged(tmp_path: Path) -> None:
    labels = np.arange(10) % 3
    task = Arrays(saved(tmp_path, X=X, y=labels))
    trials = task.trials(30, np.random.default_rng(0))
    which = trials.conditions["sample"]
    np.testing.assert_array_equal(trials.inputs, X[which].astype(np.float32))
    np.testing.assert_array_equal(trials.targets[:, -1].argmax(axis=1), labels[which])
    assert (trials.mask == [0, 0, 0, 0, 0, 1]).all()
    assert trials.periods == {"sample": (0, 6), "answer": (5, 6)}
    np.savetxt(tmp_path / "x.csv", X.reshape(10, -1), delimiter=",", header="a,b", comments="")
    np.savetxt(tmp_path / "y.csv", labels, fmt="%d")
    text_task = Arrays(str(tmp_path / "x.csv"), str(tmp_path / "y.csv"), channels=2)
    from_text = text_task.trials(30, np.random.default_rng(0))
    np.testing.assert_array_equal(from_text.inputs, trials.inputs)
    np.testing.assert_array_equal(from_text.targets, trials.targets)


@pytest.mark.parametrize(
    ("problem", "y", "answer_steps", "outputs"),
    [
        ("classification", np.arange(10) % 2, [5], 2),
        ("classification", np.arange(60).reshape(10, 6) % 4, range(6), 4),
        ("regression", X[:, 0, 0], [5], 1),
        ("regression", X[:, 0], [5], 2),
        ("regression", X, range(6), 2),
    ],
)
def test_answer_steps_follow_from_shape(problem: Any, y: Any, answer_steps: Any, outputs: int, tmp_path: Path) -> None:
    task = Arrays(saved(tmp_path, X=X, y=y), problem=problem)
    trials = task.trials(20, np.random.default_rng(0))
    assert task.n_outputs == outputs
    assert np.flatnonzero(trials.mask[0]).tolist() == list(answer_steps)
    answers = y[trials.conditions["sample"]]
    expected = np.eye(outputs)[answers] if problem == "classification" else answers
    np.testing.assert_allclose(trials.targets[:, answer_steps].reshape(20, -1), expected.reshape(20, -1), rtol=1e-6)


def test_a_mask_selects_the_answer_steps(tmp_path: Path) -> None:
    trials = Arrays(saved(tmp_path, X=X, y=np.arange(10) % 2, mask=[0, 0, 0.5, 1, 1, 0])).trials(
        20, np.random.default_rng(0)
    )
    assert (trials.mask == np.array([0, 0, 0.5, 1, 1, 0], dtype=np.float32)).all()
    assert (trials.targets[:, 2:5].argmax(axis=2) == trials.conditions["label"][:, None]).all()
    assert not trials.targets[:, [0, 1, 5]].any()


@pytest.mark.parametrize(
    ("arrays", "arguments", "message"),
    [
        ({"X": X}, {}, "has no array y; it has X"),
        ({"X": X, "y": np.arange(9)}, {}, "expected one row for each of the 10 samples"),
        ({"X": X, "y": np.full(10, 0.5)}, {}, "expected classes"),
        ({"X": X, "y": np.zeros((10, 5), int)}, {}, "expected classes"),
        ({"X": np.full_like(X, np.nan), "y": np.arange(10)}, {}, "not finite"),
        ({"X": X[:, :, 0], "y": np.arange(10)}, {"channels": 4}, "a multiple of 4 columns"),
        ({"X": X, "y": np.zeros((10, 5, 2))}, {"problem": "regression"}, "expected (sample, output)"),
        ({"X": X, "y": np.arange(10), "mask": np.ones(5)}, {}, "mask has shape (5,)"),
        ({"X": X, "y": np.arange(10), "mask": np.zeros(6)}, {}, "above 0 at some step of each sample"),
        ({"X": np.array([{}] * 10), "y": np.arange(10)}, {}, "X contains Python objects"),
        ({"X": X[:1], "y": np.arange(1)}, {}, "two or more"),
        ({"X": X, "y": np.arange(10)}, {"validation_share": 1.0}, "validation_share"),
        ({"X": X, "y": np.arange(10)}, {"targets": "y.txt"}, "there is no file y.txt"),
    ],
)
def test_inconsistent_arrays_are_refused(
    arrays: dict[str, Any], arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Arrays(saved(tmp_path, **arrays), **arguments)


def test_unreadable_files_are_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "mine.csv"
    text.write_text("one,two\nthree,four\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine.csv cannot be read as a table of numbers"):
        Arrays(str(text), str(text))
    text.write_text("one,two\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine.csv contains no numbers"):
        Arrays(str(text), str(text))
    with pytest.raises(ValueError, match=r"mine.csv cannot be read as an HDF5 file of spikes"):
        SpikingDigits(str(text))
    with pytest.raises(ValueError, match=r"mine.csv cannot be read as an NPZ file"):
        SequentialMNIST(str(text))
    with pytest.raises(ValueError, match=r"there is no file train-images-idx3-ubyte"):
        SequentialMNIST(str(tmp_path))
    images = np.zeros((3, 2, 2), dtype=np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([1, 2, 30], dtype=np.uint8))
    with pytest.raises(ValueError, match=r"expected classes 0 to 9, not 1 to 30"):
        SequentialMNIST(str(tmp_path))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([1, 2], dtype=np.uint8))
    with pytest.raises(ValueError, match=r"expected 3 whole numbers"):
        SequentialMNIST(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(20))
    with pytest.raises(ValueError, match=r"idx3-ubyte has 24 bytes; expected 16 for shape \(0, 0, 0\)"):
        SequentialMNIST(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"is not an IDX file"):
        SequentialMNIST(str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, "has no labels"),
        ({"labels": np.arange(11)}, "12 samples of times, 12 of units and 11 labels"),
        ({"labels": np.full(12, 20)}, "expected labels from 0 to 19"),
        ({"spikes__units": np.zeros((12, 3), int)}, "times and 3 units"),
    ],
)
def test_inconsistent_spike_files_are_refused(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_spikes(tmp_path / "bad.h5", **changed)
    with pytest.raises(ValueError, match=message):
        SpikingDigits(str(tmp_path / "bad.h5")).labels()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 3}, "must be a divisor of 700"),
        ({"n_steps": 0}, "n_steps must be"),
        ({"duration_s": 0.0}, "duration_s must be"),
        ({"answer_steps": 101}, "answer_steps must lie between 1 and 100"),
        ({"part": "test"}, "part must be training or validation"),
        ({"classes": 1}, "classes must be"),
    ],
)
def test_invalid_settings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpikingDigits(str(DATA / "tiny_spikes.h5"), **arguments)
    with pytest.raises(ValueError, match="by must be"):
        SequentialDigits(by="column")  # type: ignore[arg-type]


def test_variance_explained_matches_scikit_learn() -> None:
    from sklearn.metrics import r2_score

    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(3, 20, 5, 1, generator=generator, dtype=torch.float64)
    outputs = targets + 0.4 * torch.randn(targets.shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 20, 5, generator=generator, dtype=torch.float64)
    explained, error = variance_explained(outputs, targets, mask), mean_squared_error(outputs, targets, mask)
    for network in range(3):
        y, z, m = (values[network].flatten().numpy() for values in (targets, outputs, mask))
        assert float(explained[network]) == pytest.approx(r2_score(y, z, sample_weight=m))
        assert float(error[network]) == pytest.approx(np.average((y - z) ** 2, weights=m))
    assert (variance_explained(-targets, targets, mask) == 0).all()
