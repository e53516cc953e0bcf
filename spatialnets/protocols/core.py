"""RecurrentCore: the blueprint of a recurrent network, and the batched module that it builds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from spatialnets.errors import UserError
from spatialnets.protocols.constraint import Constraint
from spatialnets.validation import require_at_least

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Recurrent", "RecurrentCore", "SteppedRecurrent"]


class Recurrent(Protocol):
    """A built recurrent core, in practice a `torch.nn.Module`: it computes the states of many networks of one shape.

    Each projection is the parameter of that name, ``(network, gate, pre, post)``, or ``(network, pre, post)`` if there
    is one gate; constraints are applied to these parameters.
    """

    def __call__(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``.

        `noise`, of the shape of the states, is added to the input of each unit; only cores with `takes_noise` get it.
        """
        ...

    def projections(self) -> dict[str, Tensor]:
        """Return the blocks of weights by name (``recurrent``, ``input``), ``(network, gate, pre, post)``.

        They are views of the differentiable parameters.
        """
        ...

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Yield every parameter with its name, each with the network as first dimension."""
        ...


class SteppedRecurrent(Recurrent, Protocol):
    """A built core that also returns what the readout sees at the steps that the loss sees.

    The gradient with respect to all states is then needed only if a penalty uses them.
    """

    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return states ``(network, trial, time, unit)``, and their trace at steps ``(network, step, trial, unit)``."""
        ...


@dataclass(frozen=True)
class RecurrentCore(ABC):
    """The blueprint of a recurrent network.

    `gates` names the gates, in the order of the weights; `takes_noise` is True if the built module accepts noise;
    `takes_steps` is True if it is a `SteppedRecurrent`. A subclass that overrides `build` or `trace` has to declare
    `takes_steps` again, because its module or its trace may be another one.

    Parameters
    ----------
    n_units
        Number of units; by default that of the geometry, which it must equal if it is given.
    paying_gates
        The gates whose weights are penalized; by default all.
    constraints
        Constraints on the weights, applied in order, such as Dale's law or a fixed mask.

    Raises
    ------
    ValueError
        If `n_units` is less than 1 or a gate is unknown.
    """

    references: ClassVar[tuple[str, ...]] = ()
    gates: ClassVar[tuple[str, ...]] = ("recurrent",)
    takes_noise: ClassVar[bool] = False
    takes_steps: ClassVar[bool] = False

    n_units: int | None = field(default=None, kw_only=True)
    paying_gates: tuple[str, ...] | None = field(default=None, kw_only=True, repr=False)
    constraints: tuple[Constraint, ...] = field(default=(), kw_only=True, repr=False)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "takes_steps" not in cls.__dict__ and {"build", "trace"} & cls.__dict__.keys():
            cls.takes_steps = False

    def __post_init__(self) -> None:
        if self.n_units is not None:
            require_at_least("n_units", self.n_units, 1)
        if self.paying_gates is not None:
            object.__setattr__(self, "paying_gates", tuple(self.paying_gates))
            unknown = [gate for gate in self.paying_gates or () if gate not in self.gates]
            if unknown or not self.paying_gates:
                raise ValueError(f"paying_gates must be some of {', '.join(self.gates)}, not {self.paying_gates!r}")
        object.__setattr__(self, "constraints", tuple(self.constraints))

    @abstractmethod
    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        """Return an ensemble with one network for each generator; a network draws only from its own generator."""

    def trace(self, states: Tensor) -> Tensor:
        """Return what the readout sees of the states ``(network, trial, time, unit)``: by default the states."""
        return states

    def facts(self, n_inputs: int, n_units: int) -> dict[str, str]:
        """Return, by name, facts about how these networks are computed."""
        return {}

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        """Convert the first network of a built core to an ordinary PyTorch module with its weights.

        Its ``forward`` maps inputs ``(trial, time, input)`` to what the readout sees, ``(trial, time, unit)``, or to a
        tuple that begins with it.

        Raises
        ------
        UserError
            If `torch.nn` has no such module.
        """
        raise UserError(f"{type(self).__name__} has no counterpart in torch.nn")
