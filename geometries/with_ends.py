"""Places for inputs and outputs, beside those of units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialnets.geometries.grid import Grid
from spatialnets.protocols import FloatArray, Geometry, Surface

__all__ = ["WithEnds"]


@dataclass(frozen=True)
class WithEnds(Geometry):
    """Units of any geometry, with places where inputs come in and outputs go out.

    Input and readout weights then have a length, straight from place to place, and a regularizer of projection
    ``input`` or ``readout`` can price it.

    Parameters
    ----------
    units
        Where units live.
    inputs, outputs
        Where inputs come in, such as a sheet of as many places as the task has inputs, and where outputs go out;
        whichever is left out has no place.
    input_offset, output_offset
        How far each is shifted in space, in the unit of length.

    Raises
    ------
    ValueError
        If neither has a place, or their units of length differ.

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
        ends = [part for part in (self.inputs, self.outputs) if part is not None]
        if not ends:
            raise ValueError("inputs or outputs must have a place")
        unit_lengths = sorted({part.length_unit for part in (self.units, *ends)})
        if len(unit_lengths) > 1:
            raise ValueError(
                f"units, inputs and outputs must have one unit of length, not {' and '.join(unit_lengths)}"
            )

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # that of the units, known with them
        """The unit of length of the units."""
        return self.units.length_unit

    def positions(self) -> FloatArray:
        """Return where each unit lives, ``(unit, 3)``."""
        return _in_space(self.units.positions())

    def distances(self) -> FloatArray:
        return self.units.distances()

    def input_positions(self) -> FloatArray | None:
        return None if self.inputs is None else _in_space(self.inputs.positions()) + self.input_offset

    def output_positions(self) -> FloatArray | None:
        return None if self.outputs is None else _in_space(self.outputs.positions()) + self.output_offset

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


def _in_space(positions: FloatArray) -> FloatArray:
    if positions.shape[1] > 3:
        raise ValueError(f"places must be in space, not in {positions.shape[1]} dimensions")
    return np.pad(positions, ((0, 0), (0, 3 - positions.shape[1])))
