"""Task: how trials are drawn and how outputs are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Task", "Trials"]


@dataclass(frozen=True)
class Trials:
    """Trials of a task.

    Parameters
    ----------
    inputs
        Inputs ``(trial, time, input)``, float32.
    targets
        Desired outputs ``(trial, time, output)``, float32.
    mask
        Weight of each time step in loss and accuracy, ``(trial, time)``, float32; 0 where no output is required.
    conditions
        The conditions of each trial by name, each ``(trial,)``.
    periods
        Named half-open ranges of time steps, such as ``{"goal": (0, 20)}``. All trials of a task have the same number
        of steps; shorter ones are padded with steps whose mask is 0.
    codes
        Numerical variables that a unit may encode, by name, each ``(trial, column)``, float32; if empty, analyses use
        every condition, one-hot encoded.
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
    """The task that networks learn: how trials are drawn, and how outputs are scored."""

    references: ClassVar[tuple[str, ...]] = ()

    draws_numbers: ClassVar[bool] = False
    """Whether `draw_numbers` draws the trials that `trials` draws; determined for each class when it is defined."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        trials, numbers = (
            next(place for place, base in enumerate(cls.__mro__) if name in vars(base))
            for name in ("trials", "draw_numbers")
        )
        # a subclass may draw other trials than the task that it extends, whose numbers it inherits
        cls.draws_numbers = numbers <= trials and cls.draw_numbers is not Task.draw_numbers

    @property
    @abstractmethod
    def n_inputs(self) -> int:
        """The number of input channels."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """The number of output channels."""

    @abstractmethod
    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        """Return trials; every random choice is drawn from the generator."""

    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the numbers of the trials that `trials` would draw, ``(trial,)``; for trials from a finite set.

        A task with such a set implements this method and `numbered`, and `trials` as
        ``self.numbered(self.draw_numbers(count, generator))``. Training then builds each trial once for all networks.

        Raises
        ------
        NotImplementedError
            If trials have no numbers, which is the default.
        """
        raise NotImplementedError(f"trials of {type(self).__name__} have no numbers")

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        """Return the trials with the given numbers, ``(trial,)``; a trial depends on nothing but its number.

        Raises
        ------
        NotImplementedError
            As `draw_numbers`.
        """
        raise NotImplementedError(f"trials of {type(self).__name__} have no numbers")

    def held_out(self) -> Task:
        """Return the task from which validation trials are drawn.

        By default the task itself; a task with a finite data set returns a task over its held-out data.
        """
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
            Weight of each time step, ``(network, trial, time)``.
        """

    @abstractmethod
    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of correct answers of each network, ``(network,)``; arguments as in `loss`."""
