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
    from torch import Tensor, nn

    from spatialnets.runs.run import Run

__all__ = [
    "Analysis",
    "Constraint",
    "FloatArray",
    "Geometry",
    "PerNetwork",
    "PricedRegularizer",
    "Product",
    "Projection",
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
    learnable: ClassVar[bool] = False

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

    def input_positions(self) -> FloatArray | None:
        """Return where each input comes in, ``(input, 3)`` in `length_unit`, if inputs have a place."""
        return None

    def output_positions(self) -> FloatArray | None:
        """Return where each output goes out, ``(output, 3)`` in `length_unit`, if outputs have a place."""
        return None

    def keeping_apart(self) -> float:
        """Return how strongly units repel each other where positions are learned (`spatialnets.graph.repulsion`)."""
        return 0.0


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
    positions
        Where units are, ``(network, unit, d)`` in steps, if positions are learned.
    probes
        One generator for each network, from which penalties that are estimated draw; without them they are exact.

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
    positions: Tensor | None = None
    probes: Sequence[torch.Generator] | None = None

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

    def distances_by_gate(self) -> Tensor | None:
        """Return distances that broadcast to the weights, ``(pre, post)`` or ``(network, 1, pre, post)``."""
        return self.distances[:, None] if self.distances is not None and self.distances.ndim == 3 else self.distances


def _strengths(strength: PerNetwork) -> tuple[float, ...]:
    values = strength if isinstance(strength, tuple) else (strength,)
    for value in values:
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"strength must be finite and not negative, not {value}")
    return values


@dataclass(frozen=True)
class Regularizer(ABC):
    """What a network pays, besides its mistakes; a pure function of a `Snapshot`.

    `needs_states` says that it looks at the states of the batch.

    Parameters
    ----------
    projection
        Which weights it looks at: ``"recurrent"``, ``"input"``, ``"readout"``, or another projection of the core.
    schedule
        By which factor the penalty is multiplied in the course of training: points ``(epoch, factor)`` in order, with
        straight lines between them and the first and last factor before and after. ``((0, 0), (3, 1))`` is a warm-up
        over three epochs; empty means 1 throughout.

    Raises
    ------
    ValueError
        If epochs of the schedule do not rise, or a factor is negative.
    """

    references: ClassVar[tuple[str, ...]] = ()
    needs_states: ClassVar[bool] = False

    projection: str = field(default="recurrent", kw_only=True, repr=False)
    schedule: tuple[tuple[float, float], ...] = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        points = tuple((float(epoch), float(factor)) for epoch, factor in self.schedule)
        object.__setattr__(self, "schedule", points)
        epochs = [epoch for epoch, _ in points]
        if any(not math.isfinite(epoch) or epoch < 0 for epoch in epochs) or epochs != sorted(set(epochs)):
            raise ValueError(f"schedule must have rising epochs, 0 or later, not {epochs}")
        for _, factor in points:
            if not (math.isfinite(factor) and factor >= 0):
                raise ValueError(f"schedule must have factors that are finite and not negative, not {factor}")

    @property
    def estimated(self) -> bool:
        """Whether penalties are estimates, which draw from the probes of a snapshot."""
        return False

    @abstractmethod
    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return what each network pays, ``(network,)``, differentiable in the snapshot's tensors."""

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        """Return that of an estimated penalty, ``(network,)``, from as many probes; 0 where the penalty is exact."""
        return snapshot.weights.new_zeros(len(snapshot.weights))

    def factor_at(self, epoch: float) -> float:
        """Return the factor of the schedule after so many epochs, which need not be whole.

        Examples
        --------
        >>> from spatialnets.regularizers import L1
        >>> L1(0.1, schedule=((0, 0), (4, 1))).factor_at(1.0)
        0.25
        """
        if not self.schedule:
            return 1.0
        epochs, factors = zip(*self.schedule, strict=True)
        return float(np.interp(epoch, epochs, factors))

    def addends(self) -> tuple[Regularizer, ...]:
        """Return the regularizers whose penalties are added: itself alone, or the terms of a sum."""
        return (self,)

    def __add__(self, other: Regularizer) -> Sum:
        """Add the penalties of two regularizers."""
        if not isinstance(other, Regularizer):
            return NotImplemented
        return Sum(terms=(*self.addends(), *other.addends()))


@dataclass(frozen=True)
class PricedRegularizer(Regularizer):
    r"""A strength times a cost; a subclass writes `cost`.

    Parameters
    ----------
    strength
        :math:`\gamma`, not negative: one number, or one per network.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.
    """

    strength: PerNetwork

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.strength, (Sequence, np.ndarray)):
            object.__setattr__(self, "strength", tuple(float(value) for value in self.strength))
        _strengths(self.strength)

    @abstractmethod
    def cost(self, snapshot: Snapshot) -> Tensor:
        """Return what each network would pay at strength 1, ``(network,)``, differentiable."""

    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return the penalty ``(network,)``: strength times cost.

        Raises
        ------
        ValueError
            If there is one strength per network, but for another number of networks.
        """
        return self.strengths(snapshot) * self.cost(snapshot)

    def strengths(self, snapshot: Snapshot) -> Tensor:
        """Return the strength as a tensor like the weights, ``(network,)`` or ``(1,)``.

        Raises
        ------
        ValueError
            If there is one strength per network, but for another number of networks.
        """
        import torch

        weights = snapshot.weights
        strength = torch.tensor(_strengths(self.strength), dtype=weights.dtype, device=weights.device)
        if len(strength) not in (1, len(weights)):
            raise ValueError(f"{len(strength)} strengths for {len(weights)} networks")
        return strength


@dataclass(frozen=True)
class WiringRegularizer(PricedRegularizer):
    r"""A price on every connection.

    The penalty of a network is :math:`\gamma \sum_{ij} |w_{ij}| \, p_{ij}`, summed over gates, with strength
    :math:`\gamma` and price :math:`p`; a subclass writes `price` and nothing else.
    """

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

    def cost(self, snapshot: Snapshot) -> Tensor:
        """Return the sum of magnitude times price, ``(network,)``."""
        magnitudes = snapshot.weights.abs()
        return (magnitudes * self.price(magnitudes, snapshot.distances_by_gate())).sum(dim=(1, 2, 3))

    def __mul__(self, other: WiringRegularizer) -> Product:
        """Multiply the prices (and the strengths) of two wiring regularizers."""
        if not isinstance(other, WiringRegularizer):
            return NotImplemented
        if (self.projection, self.schedule) != (other.projection, other.schedule):
            raise ValueError("prices can be multiplied if projection and schedule are the same")
        return Product(
            strength=_multiply(self.strength, other.strength),
            factors=(self, other),
            projection=self.projection,
            schedule=self.schedule,
        )


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
        if any(factor.estimated for factor in self.factors):
            raise ValueError(
                "a product multiplies the price of each connection, which method=stochastic never has: write "
                "method=exact, or, for length times communicability, kind: both with method: stochastic"
            )

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        prices = [factor.price(weights, distances) for factor in self.factors]
        return math.prod(prices[1:], start=prices[0])


@dataclass(frozen=True)
class Sum(Regularizer):
    """Several penalties added; written ``a + b``.

    In training each term looks at its own projection and follows its own schedule, and what it costs is kept by its
    name; `penalty` adds all terms for one snapshot.

    Parameters
    ----------
    terms
        The regularizers whose penalties are added, each with its own strength.
    """

    terms: tuple[Regularizer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule or self.projection != "recurrent":
            raise ValueError("projection and schedule belong to the terms of a sum, not to the sum")
        if not self.terms or not all(isinstance(term, Regularizer) for term in self.terms):
            raise ValueError("terms must be one or more regularizers")

    def addends(self) -> tuple[Regularizer, ...]:
        """Return the terms, those of sums among them one by one."""
        return tuple(addend for term in self.terms for addend in term.addends())

    @property
    def estimated(self) -> bool:
        return any(term.estimated for term in self.terms)

    def penalty(self, snapshot: Snapshot) -> Tensor:
        penalties = [term.penalty(snapshot) for term in self.terms]
        return sum(penalties[1:], start=penalties[0])

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        squares = [term.standard_error(snapshot).square() for term in self.terms]
        return sum(squares[1:], start=squares[0]).sqrt()


@dataclass(frozen=True)
class Projection:
    """A named block of weights between two populations: what a constraint knows of it.

    Parameters
    ----------
    name
        ``"recurrent"``, ``"input"`` or ``"readout"``.
    shape
        How many there are before and after, ``(pre, post)``.
    distances
        ``(pre, post)`` in steps; None where one of the populations has no place.
    parts
        Which part of its geometry each unit lives in, ``(unit,)``, 0 throughout where there is but one.
    """

    name: str
    shape: tuple[int, int]
    distances: Tensor | None
    parts: NDArray[np.int64]


@dataclass(frozen=True)
class Constraint(ABC):
    """What weights may be, at every moment of training: a parametrisation.

    What is learned are free parameters, and `constrained` makes weights of them; a subclass writes that, and `free`
    where the free parameters are not simply weights. Constraining what is already as it must be changes nothing.
    `projections` are the blocks that it is asked about.
    """

    references: ClassVar[tuple[str, ...]] = ()
    projections: ClassVar[tuple[str, ...]] = ("recurrent",)

    @abstractmethod
    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        """Return weights ``(network, gate, pre, post)``, differentiable in the free parameters.

        Parameters
        ----------
        free
            What `free` returns, each with the network first.
        projection
            Which weights.
        """

    def free(self, weights: Tensor, projection: Projection) -> tuple[Tensor, ...]:
        """Return free parameters of which `constrained` makes these weights, or near ones if they may not be."""
        return (weights,)

    def initial(self, weights: Tensor, projection: Projection) -> Tensor:
        """Return what weights to begin with, given those that a network without constraints begins with."""
        return self.constrained(self.free(weights, projection), projection)


class Recurrent(Protocol):
    """A built recurrent core: the states of many networks of one shape (in practice a `torch.nn.Module`).

    Its projections are its parameters of the same name, ``(network, gate, pre, post)``, or ``(network, pre, post)``
    where there is one gate; constraints are put on them there.
    """

    def __call__(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``.

        `noise`, of the shape of the states, is added to what enters each unit; it is given to cores that take it.
        """
        ...

    def projections(self) -> dict[str, Tensor]:
        """Return the named blocks of weights ``(network, gate, pre, post)``, views of the differentiable parameters
        themselves: ``recurrent`` and ``input``.
        """  # noqa: D205
        ...

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield every parameter with its name, each with the network as first dimension."""
        ...


@dataclass(frozen=True)
class RecurrentCore(ABC):
    """The blueprint of a recurrent network.

    `gates` names the gates, in the order of the weights; `takes_noise` says that what it builds takes noise.

    Parameters
    ----------
    n_units
        How many units; by default as many as the geometry holds. If given, it must be that number.
    paying_gates
        The gates whose weights a regularizer looks at; by default all.
    constraints
        What the weights may be, in order, such as Dale's law or a fixed mask.

    Raises
    ------
    ValueError
        If `n_units` is less than 1 or a gate has another name.
    """

    references: ClassVar[tuple[str, ...]] = ()
    gates: ClassVar[tuple[str, ...]] = ("recurrent",)
    takes_noise: ClassVar[bool] = False

    n_units: int | None = field(default=None, kw_only=True)
    paying_gates: tuple[str, ...] | None = field(default=None, kw_only=True, repr=False)
    constraints: tuple[Constraint, ...] = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.n_units is not None and self.n_units < 1:
            raise ValueError(f"n_units must be 1 or more, not {self.n_units}")
        if self.paying_gates is not None:
            object.__setattr__(self, "paying_gates", tuple(self.paying_gates))
            unknown = [gate for gate in self.paying_gates or () if gate not in self.gates]
            if unknown or not self.paying_gates:
                raise ValueError(f"paying_gates must be some of {', '.join(self.gates)}, not {self.paying_gates!r}")
        object.__setattr__(self, "constraints", tuple(self.constraints))

    @abstractmethod
    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        """Return an ensemble with one network per generator; each draws from its own generator alone."""

    def trace(self, states: Tensor) -> Tensor:
        """Return what the readout sees of the states ``(network, trial, time, unit)``: by default the states."""
        return states

    def facts(self, n_inputs: int, n_units: int) -> dict[str, str]:
        """Return what is worth knowing of how such networks are computed, in words, by name."""
        return {}

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        """Return the first network of what `build` returned as a plain module of torch, with its weights.

        Its ``forward`` maps inputs ``(trial, time, input)`` to what the readout sees ``(trial, time, unit)``, or to a
        tuple of which that is the first. A core that has no counterpart in `torch.nn` does not write it.

        Raises
        ------
        UserError
            If this core has no such counterpart.
        """
        from spatialnets.errors import UserError

        raise UserError(f"{type(self).__name__} has no counterpart in torch.nn")


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
        Named half-open ranges of steps, such as ``{"goal": (0, 20)}``. All trials of a task have as many steps; those
        that end sooner are filled up with steps at which nothing is asked.
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
