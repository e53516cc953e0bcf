"""Choose the method of multiplying matrices for the networks of a run, without importing PyTorch once it is known."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from spatialnets.errors import UserError
from spatialnets.files.cache import Arrays, cached
from spatialnets.validation import require_at_least

__all__ = ["Products", "choose_block_units"]

Products: TypeAlias = Literal["auto", "block", "torch"]

MAX_BLOCK_UNITS = 1024  # larger matrices outgrow the caches of common processors, and would take long to measure
MIN_SPEED_UP = 1.1  # from which the block kernel is chosen: PyTorch's products are the default where both are similar
VERSION = 2  # of the measurement, in the cache's key


def choose_block_units(units: Iterable[int], products: Products = "auto") -> list[int]:
    """Return the numbers of units for which the block kernel is to be used, see `block_products`.

    Parameters
    ----------
    units
        Numbers of units of networks.
    products
        ``"auto"`` chooses the block kernel where it is at least 10 % faster than PyTorch's products for matrices as in
        training, on one thread. This is measured once for each processor, version of PyTorch and number of units, in a
        few milliseconds for 100 units and 0.1 s for 1,000, and cached on disk. Above 1,024 units it chooses PyTorch's
        products. ``"block"`` and ``"torch"`` choose one for all.

    Raises
    ------
    UserError
        If `products` is unknown, or ``"block"`` is not available on this machine.
    ValueError
        If a number is less than 1.
    """
    if products not in get_args(Products):
        raise UserError(f"products must be auto, block or torch, not {products!r}")
    numbers = sorted(set(units))
    require_at_least("units", min(numbers, default=1), 1)
    if products == "torch":
        return []
    if products == "block":
        from spatialnets.graph.products import block_kernel

        if numbers and block_kernel() is None:
            raise UserError(
                f"PyTorch {version('torch')} does not have oneDNN's block kernel on this machine; "
                "write --products torch (in Python, products='torch')"
            )
        return numbers
    return [number for number in numbers if number <= MAX_BLOCK_UNITS and _is_faster(number)]


def _is_faster(units: int) -> bool:
    key = {"version": VERSION, "units": units, **_processor()}

    def compute() -> Arrays:
        from spatialnets.graph import product_speed

        return {name: np.asarray(seconds) for name, seconds in product_speed.measure_products(units).items()}

    seconds = cached("products", key, compute)
    return bool(MIN_SPEED_UP * seconds["block"] < seconds["torch"])


def _processor() -> dict[str, str | dict[str, str]]:
    """Return what decides how fast a product is, apart from its size."""
    facts = {}
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    except OSError:
        pass
    names = ("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "flags")
    # settings with which MKL, oneDNN and PyTorch choose other instructions
    prefixes = ("MKL_", "DNNL_", "ONEDNN_", "ATEN_", "LD_PRELOAD")
    settings = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(prefixes) and not name.endswith("NUM_THREADS")
    }
    return {
        **{name: facts.get(name, "") for name in names},
        "machine": platform.machine(),
        "torch": version("torch"),
        "settings": settings,
    }
