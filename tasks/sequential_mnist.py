"""MNIST, or another set of images in its format, row by row, from files of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.reading import UnfitFile
from spatialnets.tasks.files import read_idx, read_npz, state_of
from spatialnets.tasks.images import Images, SequentialImages
from spatialnets.tasks.samples import Part

__all__ = ["SequentialMNIST"]

IDX = {"training": "train", "validation": "t10k"}
NPZ = {"training": "train", "validation": "test"}


@dataclass(frozen=True)
class SequentialMNIST(SequentialImages):
    """Say which digit it is: 28 x 28 pixels, seen row by row, or pixel by pixel.

    Inputs are the columns (or one), from 0 to 1; outputs are the ten classes. Training takes the training set, and
    validation the test set. Nothing is downloaded; any images in this format will do, such as Fashion-MNIST.

    Parameters
    ----------
    source
        A folder with the four files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each as it is or as ``.gz``; or an NPZ file with
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``.
    by
        ``"row"``: 28 steps on 28 inputs. ``"pixel"``: 784 steps on one.
    part, answer_steps
        As for all samples: ``"training"`` or ``"validation"``; and at how many of the last steps the class is asked.

    Raises
    ------
    ValueError
        If a file is not there or does not hold what it should, or one of the others cannot be.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner (1998), doi:10.1109/5.726791; as a sequence, Le, Jaitly & Hinton (2015),
    arXiv:1504.00941, section 4.2, pixel by pixel.
    """

    references: ClassVar[tuple[str, ...]] = ("lecun1998", "le2015")

    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", str(self.source))
        super().__post_init__()

    def images(self) -> Images:
        source = Path(self.source)
        if not source.is_dir():
            return _from_npz(source, state_of(source), self.part)
        names = (f"{IDX[self.part]}-images-idx3-ubyte", f"{IDX[self.part]}-labels-idx1-ubyte")
        pixels, labels = (_file(source, name) for name in names)
        return _from_idx(pixels, labels, (state_of(pixels), state_of(labels)))


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise ValueError(f"there is no file {name} (or {name}.gz) in {folder}")


@lru_cache(maxsize=4)
def _from_npz(path: Path, state: tuple[int, int], part: Part) -> Images:
    arrays = read_npz(path)
    names = (f"x_{NPZ[part]}", f"y_{NPZ[part]}")
    for name in names:
        if name not in arrays:
            raise UnfitFile(f"{path} has no array {name}; it has {', '.join(arrays) or 'none'}")
    return _checked(arrays[names[0]], arrays[names[1]], f"{path}, {names[0]}", f"{path}, {names[1]}")


@lru_cache(maxsize=4)
def _from_idx(pixels: Path, labels: Path, states: tuple[tuple[int, int], ...]) -> Images:
    return _checked(read_idx(pixels), read_idx(labels), str(pixels), str(labels))


def _checked(pixels: NDArray[np.generic], labels: NDArray[np.generic], one: str, other: str) -> Images:
    """Return images, if these are some; `one` and `other` say where they were found."""
    if pixels.ndim != 3 or pixels.dtype.kind not in "iuf" or not pixels.size:
        raise UnfitFile(f"{one}: expected images (image, row, column) of numbers, not {pixels.dtype} {pixels.shape}")
    if labels.shape != pixels.shape[:1] or labels.dtype.kind not in "iu":
        raise UnfitFile(f"{other}: expected {len(pixels)} whole numbers, a class for each image, not {labels.shape}")
    classes = labels.astype(np.int64)
    if classes.min() < 0 or classes.max() > 9:
        raise UnfitFile(f"{other}: expected classes 0 to 9, not {classes.min()} to {classes.max()}")
    return Images(pixels, classes, brightest=255.0)
