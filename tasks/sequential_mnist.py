"""Sequential classification of MNIST, or of other images in its format, from local files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.reading import InvalidFile
from spatialnets.tasks.files import file_version, read_idx, read_npz
from spatialnets.tasks.images import Images, SequentialImages
from spatialnets.tasks.samples import Part

__all__ = ["SequentialMNIST"]

IDX_PREFIX = {"training": "train", "validation": "t10k"}
NPZ_SUFFIX = {"training": "train", "validation": "test"}


@dataclass(frozen=True)
class SequentialMNIST(SequentialImages):
    """Classify MNIST digits of 28 x 28 pixels, presented row by row or pixel by pixel.

    Inputs are the columns (or a single one), from 0 to 1; outputs are the ten classes. Networks are trained on the
    training set and validated on the test set. Nothing is downloaded. Other images in the same format work too, such as
    Fashion-MNIST.

    Parameters
    ----------
    source
        A folder with the four files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, uncompressed or as ``.gz``; or an NPZ file with
        ``x_train``, ``y_train``, ``x_test`` and ``y_test``.
    by
        ``"row"``: 28 steps of 28 inputs. ``"pixel"``: 784 steps of one input.
    part, answer_steps
        ``"training"`` or ``"validation"``; and the number of final steps at which the class must be reported.

    Raises
    ------
    ValueError
        If a file is missing or has unexpected contents, or a value is out of range.

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
            return _from_npz(source, file_version(source), self.part)
        names = (f"{IDX_PREFIX[self.part]}-images-idx3-ubyte", f"{IDX_PREFIX[self.part]}-labels-idx1-ubyte")
        pixels, labels = (_find_file(source, name) for name in names)
        return _from_idx(pixels, labels, (file_version(pixels), file_version(labels)))


def _find_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise ValueError(f"there is no file {name} or {name}.gz in {folder}")


@lru_cache(maxsize=4)
def _from_npz(path: Path, version: tuple[int, int], part: Part) -> Images:
    x, y = f"x_{NPZ_SUFFIX[part]}", f"y_{NPZ_SUFFIX[part]}"
    arrays = read_npz(path, x, y)
    return _images(arrays[x], arrays[y], f"{path}, {x}", f"{path}, {y}")


@lru_cache(maxsize=4)
def _from_idx(pixels: Path, labels: Path, versions: tuple[tuple[int, int], ...]) -> Images:
    return _images(read_idx(pixels), read_idx(labels), str(pixels), str(labels))


def _images(pixels: NDArray[np.generic], labels: NDArray[np.generic], pixels_name: str, labels_name: str) -> Images:
    """Check shapes and values and return the images; the names are those of the arrays in error messages."""
    if pixels.ndim != 3 or pixels.dtype.kind not in "iuf" or not pixels.size:
        raise InvalidFile(f"{pixels_name}: expected numbers (image, row, column), not {pixels.dtype} {pixels.shape}")
    if labels.shape != pixels.shape[:1] or labels.dtype.kind not in "iu":
        raise InvalidFile(f"{labels_name}: expected {len(pixels)} whole numbers, one per image, not {labels.shape}")
    classes = labels.astype(np.int64)
    if classes.min() < 0 or classes.max() > 9:
        raise InvalidFile(f"{labels_name}: expected classes 0 to 9, not {classes.min()} to {classes.max()}")
    return Images(pixels, classes, max_brightness=255.0)
