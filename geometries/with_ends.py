"""Geometry with positions for inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.geometries.grid import Grid
from spatialnets.geometries.union import pad_to_3d
from spatialnets.protocols import Geometry, Surface

__all__ = ["WithEnds"]


@dataclass(frozen=True)
class WithEnds(Geometry):
    """Units of any geometry, with positions for the network's inputs and outputs.

    Input and readout weights then have lengths, those of the straight lines between units and inputs or outputs, and
    a regularizer with projection ``input`` or ``readout`` can penalize them.

    Parameters
    ----------
    units
        Geometry of the units.
    inputs, outputs
        Geometries with one position per input and per output of the task, such as a sheet. One of them may be left out.
    input_offset, output_offset
        Shift of the inputs and of the outputs in space, in the unit of length.

    Raises
    ------
    ValueError
        If neither `inputs` nor `outputs` is given, or their units of length differ.

    Examples
    --------
    >>> from spatialnets.geometries import Sheet
    >>> brain = WithEnds(Grid((2, 2, 2)), inputs=Sheet((1, 3)), input_offset=(0.0, 0.0, -1.0))
    >>> brain.input_positions().tolist()
    [[0.0, 0.0, -1.0], [0.0, 1.0, -1.0], [0.0, 2.0, -1.0]]
    """

    units: Geometry = field(default_factory=Grid)
    inputs: Geometry | None = None
    outputs: Geometry | None = None
    input_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    output_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        ends = [end for end in (self.inputs, self.outputs) if end is not None]
        if not ends:
            raise ValueError("neither inputs nor outputs is given: write a geometry for at least one of them")
        length_units = sorted({geometry.length_unit for geometry in (self.units, *ends)})
        if len(length_units) > 1:
            different = " and ".join(length_units)
            raise ValueError(f"units, inputs and outputs must have the same unit of length, not {different}")

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # depends on the field units
        """Unit of length of `units`."""
        return self.units.length_unit

    def positions(self) -> FloatArray:
        """Return the positions of the units, ``(unit, 3)``, in `length_unit`."""
        return pad_to_3d(self.units.positions())

    def distances(self) -> FloatArray:
        return self.units.distances()

    def input_positions(self) -> FloatArray | None:
        return None if self.inputs is None else pad_to_3d(self.inputs.positions()) + self.input_offset

    def output_positions(self) -> FloatArray | None:
        return None if self.outputs is None else pad_to_3d(self.outputs.positions()) + self.output_offset

    def surface(self) -> Surface | None:
        return self.units.surface()

    def unit_names(self) -> tuple[str, ...] | None:
        return self.units.unit_names()

    def parts(self) -> NDArray[np.int64] | None:
        return self.units.parts()

    def facts(self) -> dict[str, str]:
        return self.units.facts()

    def sphere(self) -> FloatArray | None:
        return self.units.sphere()
