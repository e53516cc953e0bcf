"""Units on a real cortex."""

from __future__ import annotations

import json
import math
import numbers
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import nearest
from spatialnets.files.cache import cached, content_of
from spatialnets.files.reading import VOLUME_ENDINGS
from spatialnets.geometries.anatomy.surfaces import clean, read_surface
from spatialnets.geometries.anatomy.templates import (
    SURFACES,
    TEMPLATES,
    VOLUMES,
    Hemisphere,
    template_files,
    template_surface,
    template_volume,
)
from spatialnets.geometries.anatomy.vertex_data import read_mask, read_parcels
from spatialnets.geometries.anatomy.volume import half, is_one_sided, read_volume, surface_of
from spatialnets.geometries.on_surface import Metric, OnSurface, Placed, Placement, check_words, code, place
from spatialnets.geometries.union import Across, check_across, joined, shortened
from spatialnets.protocols import FloatArray, Surface

__all__ = ["Cortex"]

SIDES: tuple[Hemisphere, Hemisphere] = ("left", "right")


@dataclass(frozen=True)
class Cortex(OnSurface):
    """Units on the surface of a cerebral hemisphere, as far apart as along it, in mm.

    A volume becomes a closed surface of one piece without handles (see
    `spatialnets.geometries.anatomy.volume.surface_of`); a surface is taken as it is. Lengths along it are those of
    `Mesh`. Both are kept on disk by the contents of the files, and reading them again takes a moment.

    Parameters
    ----------
    source
        A template that comes with nilearn (nothing is downloaded): ``mni152_wm`` and ``mni152_gm``, the outer borders
        of white and of grey matter in the MNI ICBM152 volume; ``fsaverage5_pial``, ``fsaverage5_white``,
        ``fsaverage5_inflated``. Or a file: NIfTI (a mask, a probability map from 0 to 1 or to `full`, or a label image
        with `mask_labels`), GIFTI, or a FreeSurfer surface such as ``lh.pial``; or two such files, left and right.
    hemisphere
        ``"left"``, ``"right"`` or ``"both"``. A NIfTI file is cut at x = 0 of its world coordinates, unless it holds
        one hemisphere alone, which is taken whatever the word; ``"whole"`` cuts nothing.
    n
        How many units, where there are no `labels`; of both hemispheres, the left has one more if the number is odd.
    metric
        ``"geodesic"``, along the surface; or ``"euclidean"``, straight through space.
    voxel_mm
        Edge of the cubes to which a volume is resampled, mm: 3 gives about 10,000 vertices a hemisphere, 2 about
        27,000, 1.5 about 50,000.
    labels
        A file with parcels: GIFTI labels or FreeSurfer ``.annot`` (for a source with those vertices), or a labelled
        NIfTI volume in the same world coordinates; for both hemispheres one volume, or two files. There is then one
        unit in each parcel, at the vertex nearest to its mean, and it has its name.
    across
        For both hemispheres, how far apart units of different ones are. ``"euclidean"``: wires across run straight. A
        number: every wire across is that long, mm (or straight, where that is longer), as by the corpus callosum.
        ``"refused"``: there is no rule, and there are no distances.
    placement
        ``"farthest"``: each unit at the vertex that is farthest from those before. ``"poisson_disk"``: at random, but
        none closer to another than a radius that leaves room for just `n`.
    seed
        Of the random placement.
    mask
        A file that says which vertices are cortex: for a surface, FreeSurfer ``.label``, GIFTI, text or ``.npy``, two
        for both hemispheres; or a NIfTI volume in the same world coordinates. Units and ways keep off the others, such
        as the medial wall, and off small islands. Without a mask, a surface made from a volume has no medial wall:
        units lie on the cut between the hemispheres, too.
    mask_labels
        Which labels of a label image are inside, such as ``[2, 41]`` for the cerebral white matter of FreeSurfer's
        ``aseg.mgz``.
    full
        What stands for 1 in a probability map of whole numbers, such as 255.
    names
        A table with the name of each label (columns index and name, or as ``FreeSurferColorLUT.txt``), for `labels`
        that have none, such as those of a NIfTI volume.

    Raises
    ------
    ValueError
        If the source is no template and no file, or words and numbers mean nothing; and, once positions are asked for,
        if a file does not hold what is expected of it (the message says what was found and what to do).

    References
    ----------
    Fonov et al. (2011), doi:10.1016/j.neuroimage.2010.07.033, for the MNI ICBM152 volume; Fischl et al. (1999),
    doi:10.1002/(sici)1097-0193(1999)8:4<272::aid-hbm10>3.0.co;2-4, for fsaverage; Bertrand & Malandain (1994),
    doi:10.1016/0167-8655(94)90046-9, and Latecki et al. (1995), doi:10.1006/cviu.1995.1006, for the topology; Mitchell
    et al. (1987), doi:10.1137/0216045, for lengths.

    Examples
    --------
    >>> cortex = Cortex(source="fsaverage5_pial", n=100)
    >>> cortex.positions().shape
    (100, 3)
    >>> vertices, faces = cortex.surface()
    >>> len(vertices), len(faces)
    (10242, 20480)
    """

    references: ClassVar[tuple[str, ...]] = (
        "fonov2011",
        "fischl1999",
        "bertrand1994",
        "latecki1995",
        "mitchell1987",
        "gonzalez1985",
    )

    source: str | tuple[str, str] = "mni152_wm"
    hemisphere: Literal["left", "right", "both", "whole"] = "left"
    n: int = 100
    metric: Metric = "geodesic"
    voxel_mm: float = 2.0
    labels: str | tuple[str, str] | None = None
    across: Across = "refused"
    placement: Placement = "farthest"
    seed: int = 0
    mask: str | tuple[str, str] | None = None
    mask_labels: tuple[int, ...] = ()
    full: float | None = None
    names: str | None = None

    def __post_init__(self) -> None:
        for name in ("source", "labels", "mask", "names"):
            given = getattr(self, name)
            if isinstance(given, (list, tuple)):
                if len(given) != 2 or name == "names":
                    or_two = "" if name == "names" else ", or two (left and right)"
                    raise ValueError(f"{name} must be one file{or_two}, not {len(given)}")
                object.__setattr__(self, name, (str(given[0]), str(given[1])))
            elif given is not None:
                object.__setattr__(self, name, str(given))
            for path in self._files(name):
                if not Path(path).is_file():
                    raise ValueError(_absent(name, path))
        self._check_words()
        object.__setattr__(self, "mask_labels", tuple(int(label) for label in self.mask_labels))
        self._check_volume()
        self._check_both()

    def _check_words(self) -> None:
        if self.hemisphere not in ("left", "right", "both", "whole"):
            raise ValueError(f"hemisphere must be left, right, both or whole, not {self.hemisphere!r}")
        if self.hemisphere == "whole" and self.source in TEMPLATES:
            raise ValueError(f"the template {self.source} is of two hemispheres: write left, right or both")
        if self.hemisphere == "whole" and isinstance(self.source, tuple):
            raise ValueError("source names two files, left and right: write left, right or both")
        for name, value in {"voxel_mm": self.voxel_mm, "full": 1.0 if self.full is None else self.full}.items():
            if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and positive, not {value!r}")
        if not all(isinstance(label, numbers.Integral) for label in self.mask_labels):
            raise ValueError(f"mask_labels must be whole numbers, not {list(self.mask_labels)}")
        if self.names is not None and self.labels is None:
            raise ValueError("names are those of labels, and there are no labels")
        check_words(self.n, self.metric, self.placement)
        check_across(self.across)

    def _check_volume(self) -> None:
        """Refuse words on the values of a volume where there are none to speak of."""
        if self.mask_labels and self.full is not None:
            raise ValueError("mask_labels are for a label image, and full for a probability map: write one of them")
        for name in ("mask_labels", "full"):
            if not getattr(self, name):
                continue
            if self.source in TEMPLATES:
                raise ValueError(f"{name} is for a volume of your own; {self.source} is a template")
            if not self._is_volume():
                raise ValueError(f"{name} is for a volume; {self._files('source')[0]} is a surface")

    def _check_both(self) -> None:
        if self.hemisphere != "both":
            return
        if self.across == "refused":
            raise ValueError(
                "two hemispheres need a rule for distances across: write across: euclidean (wires run straight), or "
                "across: a length in mm (of every wire across, as by the corpus callosum)"
            )
        if self.across == "euclidean" and self.source == "fsaverage5_inflated":
            raise ValueError("inflated hemispheres do not lie where they are in the head: write across: a length in mm")
        if self.labels is None and self.n < 4:
            raise ValueError(f"n must be 4 or more for two hemispheres, not {self.n}")
        one_file = isinstance(self.source, str) and self.source not in TEMPLATES and not _is_volume(self.source)
        if one_file:
            raise ValueError(f"{self.source} is one hemisphere: write source: [left file, right file]")

    def _files(self, name: str) -> tuple[str, ...]:
        given = getattr(self, name)
        if given is None or (name == "source" and given in TEMPLATES):
            return ()
        return given if isinstance(given, tuple) else (given,)

    @property
    def n_units(self) -> int:
        """How many units live here."""
        return self.n if self.labels is None else len(self.positions())

    def _sides(self) -> tuple[Hemisphere, ...]:
        if self.hemisphere == "both":
            return SIDES
        return ("right",) if self.hemisphere == "right" else ("left",)

    @staticmethod
    def _of_side(given: str | tuple[str, str] | None, side: Hemisphere) -> Path | None:
        if given is None:
            return None
        return Path(given[SIDES.index(side)] if isinstance(given, tuple) else given)

    def _is_volume(self) -> bool:
        return self.source in VOLUMES or any(_is_volume(path) for path in self._files("source"))

    def _source_key(self) -> dict[str, Any]:
        if self.source in TEMPLATES:
            assert isinstance(self.source, str)
            files = [path for side in self._sides() for path in template_files(self.source, side)]
        else:
            files = [Path(path) for path in self._files("source")]
        contents = [self.source if self.source in TEMPLATES else None, *map(content_of, files)]
        if not self._is_volume():
            return {"source": contents, "hemisphere": self.hemisphere}
        cut = {
            "hemisphere": self.hemisphere, "voxel_mm": self.voxel_mm, "mask_labels": self.mask_labels, "full": self.full
        }  # fmt: skip
        return {"source": contents, **cut}

    def _key(self) -> dict[str, Any]:
        units = [self.n, self.placement, self.seed] if self.labels is None else None
        return {
            **self._source_key(),
            "units": units or [content_of(path) for path in (*self._files("labels"), *self._files("names"))],
            "mask": [content_of(path) for path in self._files("mask")],
            "metric": self.metric,
            "across": self.across if self.hemisphere == "both" else None,
        }

    # Surfaces

    def _compute(self) -> dict[str, NDArray[Any]]:
        sides = self._sides()
        surfaces = [self._side_surface(side) for side in sides]
        placed = [self._place(surface, side) for side, (surface, _, _) in zip(sides, surfaces, strict=True)]
        spheres = [sphere for _, sphere, _ in surfaces]
        facts = [fact for _, _, fact in surfaces]
        made: dict[str, NDArray[Any]] = {
            "vertices": np.vstack([part.surface.vertices for part in placed]),
            "faces": np.vstack(_shifted_faces([part.surface for part in placed])),
            "positions": np.vstack([part.positions for part in placed]),
        }
        if all(sphere is not None for sphere in spheres):
            made["sphere"] = np.vstack(
                [sphere[part.units] for sphere, part in zip(spheres, placed, strict=True) if sphere is not None]
            )
        if len(placed) == 1:
            made["distances"] = placed[0].distances
            names = placed[0].names
        else:
            own = [part.distances for part in placed]
            made["distances"] = joined([part.positions for part in placed], own, self.across)
            facts = [{**fact, "shortened": shortened(made["distances"], own)} for fact in facts]
            made["parts"] = np.repeat(np.arange(2, dtype=np.int64), [len(part.units) for part in placed])
            names = tuple(f"{side} {name}" for side, part in zip(sides, placed, strict=True) for name in part.names)
        if names:
            made["names"] = np.array(names)
        facts = [{**fact, **part.facts} for fact, part in zip(facts, placed, strict=True)]
        if any(facts):
            made["facts"] = np.array(json.dumps({name: max(fact[name] for fact in facts) for name in facts[0]}))
        return made

    def _side_surface(self, side: Hemisphere) -> tuple[Surface, FloatArray | None, dict[str, float]]:
        """Return one hemisphere's surface, its vertices on a sphere if it is registered to one, and facts on both."""
        if self.source in SURFACES:
            assert isinstance(self.source, str)
            surface, sphere = template_surface(self.source, side)
            return surface, sphere.vertices, {}
        if not self._is_volume():
            path = self._of_side(self.source, side)
            assert path is not None
            return Surface(*read_surface(path)), None, {}
        key = {"code": code(), "side": side, **self._source_key()}
        made = cached("surface", key, lambda: self._from_volume(side))
        return Surface(made["vertices"], made["faces"]), None, json.loads(str(made["facts"]))

    def _from_volume(self, side: Hemisphere) -> dict[str, NDArray[Any]]:
        if self.source in VOLUMES:
            assert isinstance(self.source, str)
            name, volume = self.source, template_volume(self.source, side)
        else:
            path = self._of_side(self.source, side)
            assert path is not None
            name, volume = str(path), read_volume(path, self.mask_labels, self.full)
            if isinstance(self.source, str) and self.hemisphere != "whole":
                if not is_one_sided(volume):
                    volume = half(volume, side)
                elif self.hemisphere == "both":
                    raise ValueError(f"{name} lies on one side of x = 0: it has no two hemispheres to be cut into")
        surface, facts = surface_of(volume, self.voxel_mm, name)
        return {"vertices": surface.vertices, "faces": surface.faces, "facts": np.array(json.dumps(facts))}

    def _place(self, surface: Surface, side: Hemisphere) -> Placed:
        name = str(self._of_side(self.source, side))
        parcels_from, mask_from = self._of_side(self.labels, side), self._of_side(self.mask, side)
        lookup = None if self.names is None else Path(self.names)
        for what, path in (("labels", parcels_from), ("mask", mask_from)):
            if self._is_volume() and path is not None and not _is_volume(str(path)):
                raise ValueError(
                    f"{what}: {path} is for the vertices of another surface; a surface made from a volume takes its "
                    f"{what} from a volume (.nii)"
                )
        n = self.n
        if self.hemisphere == "both":
            n = self.n // 2 if side == "right" else self.n - self.n // 2
        cleaned = clean(surface.vertices, surface.faces, name)
        if self.source in SURFACES and len(cleaned.surface.vertices) != len(surface.vertices):
            raise RuntimeError(f"{name} has vertices that cannot be used")  # its sphere goes by their numbers
        return place(
            cleaned,
            n,
            self.metric,
            self.placement,
            self.seed,
            name,
            read_parcels(parcels_from, surface.vertices, lookup) if parcels_from else None,
            read_mask(mask_from, surface.vertices) if mask_from else None,
        )


def _is_volume(path: str) -> bool:
    return path.endswith(VOLUME_ENDINGS)


def _absent(name: str, path: str) -> str:
    said = f"{name}: there is no file {path}"
    if name == "source":
        said += f", and no template of that name: {nearest(path, TEMPLATES)}"
    return said


def _shifted_faces(surfaces: list[Surface]) -> list[NDArray[np.int64]]:
    starts = np.cumsum([0, *(len(surface.vertices) for surface in surfaces[:-1])])
    return [surface.faces + start for surface, start in zip(surfaces, starts, strict=True)]
