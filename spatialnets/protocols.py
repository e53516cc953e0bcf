"""The nouns of the toolkit: read this file first.

A `Geometry` says where units live, a `Regularizer` what a connection costs there, a `RecurrentCore` how
units work, a `Task` what they learn, an `Analysis` what became of them. Parts are frozen dataclasses that
check themselves in ``__post_init__``.

Weights are ``(network, gate, pre, post)`` everywhere: ``pre`` is the source and ``post`` the target, so that
states move by ``h @ W`` and row sums are out-strengths.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from torch import Tensor

    from spatialnets.run import Run

__all__ = [
    "Analysis",
    "FloatArray",
    "Geometry",
    "PerNetwork",
    "Product",
    "Recurrent",
    "RecurrentCore",
    "Regularizer",
    "Rescale",
    "Snapshot",
    "Sum",
    "Surface",
    "Task",
    "Trials",
    "WiringRegularizer",
]

FloatArray: TypeAlias = NDArray[np.float64]

PerNetwork: TypeAlias = Annotated[float | tuple[float, ...], "per network"]
"""One number for all networks of an ensemble, or one for each: a field of this type may be an axis that batches."""


class Surface(NamedTuple):
    """A triangle mesh; ``vertices, faces = surface`` takes it apart.

    Parameters
    ----------
    vertices
        Positions ``(vertex, 3)`` in the geometry's unit of length.
    faces
        Indices into `vertices`, ``(face, 3)``, counter-clockwise seen from outside.
    """

    vertices: FloatArray
    faces: NDArray[np.int64]


Rescale: TypeAlias = Literal["none", "mean", "max"]

PAPER_GRID = {"mean": 3.0576810180754688, "max": 41**0.5}
"""Mean and longest distance between two different units of the paper's 5 x 5 x 4 grid, in steps."""


@dataclass(frozen=True)
class Geometry(ABC):
    """Where the units of a network live, and how far apart.

    A subclass is a frozen dataclass that writes `positions` and `distances`; `length_unit` is ``"step"`` (the
    distance between neighbours of the paper's grid) or ``"mm"``. What else it knows of its units is optional.

    Parameters
    ----------
    rescale
        What a penalty takes a length for. ``"mean"`` or ``"max"``: lengths are multiplied so that the mean, or the
        longest, distance between two units is that of the paper's grid (3.058 and 6.403 steps); a strength then means
        the same on every geometry, and on the paper's grid nothing changes. ``"none"``: for itself, one step for one
        unit of length. `positions` and `distances` stay in `length_unit` always.
    """

    length_unit: ClassVar[str] = "step"
    references: ClassVar[tuple[str, ...]] = ()

    rescale: Rescale = field(default="mean", kw_only=True, repr=False)

    @abstractmethod
    def positions(self) -> FloatArray:
        """Return where each unit lives, ``(unit, 3)`` (or ``(unit, d)``), in `length_unit`."""

    @abstractmethod
    def distances(self) -> FloatArray:
        """Return the distance between units ``(pre, post)`` in `length_unit`, a metric: symmetric, zero on the
        diagonal, never longer than a detour.
        """  # noqa: D205

    @property
    def n_units(self) -> int:
        """How many units live here."""
        return len(self.positions())

    def steps_per_unit(self) -> float:
        """Return how many steps of the paper's grid one unit of length is taken for in a penalty.

        Raises
        ------
        ValueError
            If `rescale` is no known word, or all units share a place.
        """
        if self.rescale == "none":
            return 1.0
        if self.rescale not in PAPER_GRID:
            raise ValueError(f"rescale must be none, mean or max, not {self.rescale!r}")
        distances = self.distances()
        between = distances[~np.eye(len(distances), dtype=bool)]
        length = float(between.mean() if self.rescale == "mean" else between.max())
        factor = PAPER_GRID[self.rescale] / length if length > 0 else math.inf
        if not math.isfinite(factor):
            raise ValueError(f"units are {length:g} {self.length_unit} apart, which is no length to rescale")
        return 1.0 if math.isclose(factor, 1.0, rel_tol=1e-12) else factor  # the paper's own grid, to the last bit

    def surface(self) -> Surface | None:
        """Return the surface on which the units lie, if there is one."""
        return None

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each unit, such as its parcel's, if units have names."""
        return None

    def parts(self) -> NDArray[np.int64] | None:
        """Return which part each unit lives in, ``(unit,)``, such as 0 left and 1 right; None if there is but one."""
        return None

    def facts(self) -> dict[str, str]:
        """Return what else is worth knowing of how units and distances came about, in words, by name."""
        return {}

    def sphere(self) -> FloatArray | None:
        """Return where each unit lies on a sphere that the surface is registered to, ``(unit, 3)``, if there is one."""
        return None


@dataclass(frozen=True)
class Snapshot:
    """One projection of an ensemble at one moment: what a regularizer looks at.

    Parameters
    ----------
    weights
        Weights ``(network, gate, pre, post)``, a tensor or array; ``(network, pre, post)`` means one gate and
        ``(pre, post)`` one network of one gate.
    distances
        Distances ``(pre, post)`` or ``(network, pre, post)`` in the geometry's unit of length.
    states
        The states of the current batch ``(network, trial, time, unit)``, for penalties on activity.

    Raises
    ------
    ValueError
        If shapes do not fit together or distances are negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> Snapshot(weights=np.zeros((5, 5)), distances=np.ones((5, 5))).weights.shape
    torch.Size([1, 1, 5, 5])
    """

    weights: Tensor
    distances: Tensor | None = None
    states: Tensor | None = None

    def __post_init__(self) -> None:
        import torch

        weights = torch.as_tensor(self.weights)
        if not 2 <= weights.ndim <= 4:
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}; expected (network, gate, pre, post), "
                "(network, pre, post) or (pre, post)"
            )
        if not weights.is_floating_point():
            weights = weights.to(torch.get_default_dtype())
        if weights.ndim == 2:
            weights = weights[None]
        if weights.ndim == 3:
            weights = weights[:, None]
        object.__setattr__(self, "weights", weights)
        if self.distances is not None:
            distances = torch.as_tensor(self.distances).to(weights)
            pre_post = tuple(weights.shape[2:])
            if tuple(distances.shape) not in (pre_post, (len(weights), *pre_post)):
                raise ValueError(
                    f"distances have shape {tuple(distances.shape)}; the weights ask for {pre_post} or "
                    f"{(len(weights), *pre_post)}"
                )
            object.__setattr__(self, "distances", distances)


def _strengths(strength: PerNetwork) -> tuple[float, ...]:
    values = strength if isinstance(strength, tuple) else (strength,)
    for value in values:
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"strength must be finite and not negative, not {value}")
    return values


@dataclass(frozen=True)
class Regularizer(ABC):
    """What a network pays, besides its mistakes; a pure function of a `Snapshot`."""

    references: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return what each network pays, ``(network,)``, differentiable in the snapshot's tensors."""

    def __add__(self, other: Regularizer) -> Sum:
        """Add the penalties of two regularizers."""
        if not isinstance(other, Regularizer):
            return NotImplemented
        return Sum(terms=(*_terms(self), *_terms(other)))


def _terms(regularizer: Regularizer) -> tuple[Regularizer, ...]:
    return regularizer.terms if isinstance(regularizer, Sum) else (regularizer,)


@dataclass(frozen=True)
class WiringRegularizer(Regularizer):
    r"""A price on every connection.

    The penalty of a network is :math:`\gamma \sum_{ij} |w_{ij}| \, p_{ij}`, summed over gates, with strength
    :math:`\gamma` and price :math:`p`; a subclass writes `price` and nothing else.

    Parameters
    ----------
    strength
        :math:`\gamma`, not negative: one number, or one per network.
    """

    strength: PerNetwork

    def __post_init__(self) -> None:
        if isinstance(self.strength, (Sequence, np.ndarray)):
            object.__setattr__(self, "strength", tuple(float(value) for value in self.strength))
        _strengths(self.strength)

    @abstractmethod
    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        """Return the price of each connection, broadcastable to the shape of the weights.

        Parameters
        ----------
        weights
            Magnitudes :math:`|w|`, ``(network, gate, pre, post)``, not negative.
        distances
            Distances, ``(pre, post)`` or ``(network, 1, pre, post)``, in the geometry's unit of length.
        """

    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return the penalty ``(network,)``: strength times the sum of magnitude times price.

        Raises
        ------
        ValueError
            If there is one strength per network, but for another number of networks.
        """
        import torch

        magnitudes = snapshot.weights.abs()
        distances = snapshot.distances
        if distances is not None and distances.ndim == 3:
            distances = distances[:, None]
        strength = torch.tensor(_strengths(self.strength), dtype=magnitudes.dtype, device=magnitudes.device)
        if len(strength) not in (1, len(magnitudes)):
            raise ValueError(f"{len(strength)} strengths for {len(magnitudes)} networks")
        total = (magnitudes * self.price(magnitudes, distances)).sum(dim=(1, 2, 3))
        return strength * total

    def __mul__(self, other: WiringRegularizer) -> Product:
        """Multiply the prices (and the strengths) of two wiring regularizers."""
        if not isinstance(other, WiringRegularizer):
            return NotImplemented
        return Product(strength=_multiply(self.strength, other.strength), factors=(self, other))


def _multiply(one: PerNetwork, other: PerNetwork) -> PerNetwork:
    if isinstance(one, tuple) and isinstance(other, tuple):
        if len(one) != len(other):
            raise ValueError(f"{len(one)} strengths times {len(other)}: the numbers of networks differ")
        return tuple(a * b for a, b in zip(one, other, strict=True))
    if isinstance(one, tuple):
        return tuple(a * float(other) for a in one)  # type: ignore[arg-type]
    if isinstance(other, tuple):
        return tuple(one * b for b in other)
    return one * other


@dataclass(frozen=True)
class Product(WiringRegularizer):
    """Several prices multiplied; written ``a * b``.

    Parameters
    ----------
    strength
        The strength of the whole; ``a * b`` takes the product of both strengths.
    factors
        The regularizers whose prices are multiplied; their own strengths are not used again.
    """

    factors: tuple[WiringRegularizer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factors or not all(isinstance(factor, WiringRegularizer) for factor in self.factors):
            raise ValueError("factors must be one or more wiring regularizers")

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        prices = [factor.price(weights, distances) for factor in self.factors]
        return math.prod(prices[1:], start=prices[0])


@dataclass(frozen=True)
class Sum(Regularizer):
    """Several penalties added; written ``a + b``.

    Parameters
    ----------
    terms
        The regularizers whose penalties are added, each with its own strength.
    """

    terms: tuple[Regularizer, ...]

    def __post_init__(self) -> None:
        if not self.terms or not all(isinstance(term, Regularizer) for term in self.terms):
            raise ValueError("terms must be one or more regularizers")

    def penalty(self, snapshot: Snapshot) -> Tensor:
        penalties = [term.penalty(snapshot) for term in self.terms]
        return sum(penalties[1:], start=penalties[0])


class Recurrent(Protocol):
    """A built recurrent core: the states of many networks of one shape (in practice a `torch.nn.Module`)."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        ...

    def projections(self) -> dict[str, Tensor]:
        """Return the named blocks of weights ``(network, gate, pre, post)``, the differentiable parameters
        themselves: ``recurrent`` and ``input``.
        """  # noqa: D205
        ...

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield every parameter with its name, each with the network as first dimension."""
        ...


@dataclass(frozen=True)
class RecurrentCore(ABC):
    """The blueprint of a recurrent network.

    Parameters
    ----------
    n_units
        How many units; by default as many as the geometry holds. If given, it must be that number.
    """

    references: ClassVar[tuple[str, ...]] = ()

    n_units: int | None = field(default=None, kw_only=True)

    @abstractmethod
    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        """Return an ensemble with one network per generator; each draws from its own generator alone."""


@dataclass(frozen=True)
class Trials:
    """Trials of a task.

    Parameters
    ----------
    inputs
        What the network sees, ``(trial, time, input)``, float32.
    targets
        What it should answer, ``(trial, time, output)``, float32.
    mask
        How much each step counts, ``(trial, time)``, float32; 0 where nothing is asked.
    conditions
        What distinguishes the trials, by name, each ``(trial,)``.
    periods
        Named half-open ranges of steps, such as ``{"goal": (0, 20)}``.
    codes
        What a unit may represent, as numbers by name, each ``(trial, column)``, float32; where there are none, analyses
        take every condition one-hot.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    mask: NDArray[np.float32]
    conditions: Mapping[str, NDArray[Any]]
    periods: Mapping[str, tuple[int, int]]
    codes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Task(ABC):
    """What a network learns."""

    references: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """How many input channels."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """How many output channels."""

    @abstractmethod
    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        """Draw trials; every random choice comes from the generator."""

    def held_out(self) -> Task:
        """Return the task whose trials tell how well this one was learned: itself, unless its trials come from a
        finite set of data, of which some are kept apart.
        """  # noqa: D205
        return self

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of each network, ``(network,)``, a mean weighted by the mask.

        Parameters
        ----------
        outputs
            Readout before any nonlinearity, ``(network, trial, time, output)``.
        targets
            ``(network, trial, time, output)``.
        mask
            How much each step counts, ``(network, trial, time)``.
        """

    @abstractmethod
    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of correct answers of each network, ``(network,)``; arguments as in `loss`."""


@dataclass(frozen=True)
class Analysis(ABC):
    """A measurement of a finished run, which can be repeated years later.

    `heavy` says that one network may take seconds: shards are then measured in several processes from the start.
    """

    references: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False

    @abstractmethod
    def measure(self, run: Run) -> xr.Dataset:
        """Return the measurements over ``(network, epoch, ...)`` of all groups, with coordinates ``group``,
        ``strength`` and ``seed`` along ``network``; NaN where a network diverged. Epochs may be some of the run's.
        """  # noqa: D205
