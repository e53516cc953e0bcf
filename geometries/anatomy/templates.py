"""Template surfaces and volumes from the files of nilearn; nothing is downloaded."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from spatialnets.geometries.anatomy.surfaces import read_surface
from spatialnets.geometries.anatomy.volume import Volume, half, read_image, voxels_inside
from spatialnets.protocols import Surface

__all__ = ["TEMPLATES", "Hemisphere", "template_files", "template_surface", "template_volume"]

Hemisphere = Literal["left", "right"]

SURFACES = {"fsaverage5_pial": "pial", "fsaverage5_white": "white", "fsaverage5_inflated": "infl"}
VOLUMES = {"mni152_wm": ("wm",), "mni152_gm": ("wm", "gm")}  # the grey matter surface encloses white and grey matter
TEMPLATES = (*VOLUMES, *SURFACES)
DILATION = 2  # voxels (of 1 mm) by which the pial surface is dilated before it masks the volume


def _data(name: str) -> Path:
    package = importlib.util.find_spec("nilearn")
    if package is None or package.origin is None:
        raise ValueError("templates are read from the package nilearn, which is not installed: pip install nilearn")
    path = Path(package.origin).parent / "datasets" / "data" / name
    if not path.is_file():
        raise ValueError(f"the installed nilearn does not contain {name}: install nilearn 0.11 or later")
    return path


def _fsaverage5(kind: str, hemisphere: Hemisphere) -> Path:
    return _data(f"fsaverage5/{kind}_{hemisphere}.gii.gz")


def _mni152(tissue: str) -> Path:
    return _data(f"mni_icbm152_{tissue}_tal_nlin_sym_09a_converted.nii.gz")


def template_files(name: str, hemisphere: Hemisphere) -> list[Path]:
    """Return the files from which one hemisphere of a template is computed."""
    if name in VOLUMES:
        return [*(_mni152(tissue) for tissue in VOLUMES[name]), _fsaverage5("pial", hemisphere)]
    return [_fsaverage5(SURFACES[name], hemisphere), _fsaverage5("sphere", hemisphere)]


def template_volume(name: str, hemisphere: Hemisphere) -> Volume:
    """Return one hemisphere of a template volume, without cerebellum and brainstem.

    Voxels outside the pial surface of fsaverage, dilated by 2 mm, or on the other side of the midline are removed.
    """
    from scipy import ndimage

    pial = Surface(*read_surface(_fsaverage5("pial", hemisphere)))
    images = [read_image(_mni152(tissue)) for tissue in VOLUMES[name]]
    fraction = np.minimum(sum(data.astype(np.float32) for data, _ in images) / 255, 1)
    whole = Volume(np.asarray(fraction, dtype=np.float32), images[0][1])
    mask = ndimage.binary_dilation(voxels_inside(pial, whole), iterations=DILATION)
    return half(replace(whole, inside=np.where(mask, whole.inside, 0)), hemisphere)


def template_surface(name: str, hemisphere: Hemisphere) -> tuple[Surface, Surface]:
    """Return one hemisphere of a template surface, and the sphere to which its vertices are registered."""
    surface, sphere = (Surface(*read_surface(_fsaverage5(kind, hemisphere))) for kind in (SURFACES[name], "sphere"))
    if name == "fsaverage5_inflated":  # both hemispheres are centred at 0: move them side by side
        shift = -surface.vertices[:, 0].max() if hemisphere == "left" else -surface.vertices[:, 0].min()
        surface = surface._replace(vertices=surface.vertices + np.array([shift, 0, 0]))
    return surface, sphere
