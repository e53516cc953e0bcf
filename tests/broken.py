"""Components that violate one rule each; `tests/test_checks.py` names them as ``broken:Class``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from spatialnets.aliases import FloatArray
from spatialnets.cores import RNN
from spatialnets.geometries import Grid
from spatialnets.protocols import Recurrent, Regularizer, Snapshot, Task, Trials, WiringRegularizer
from spatialnets.tasks import OneChoice


@dataclass(frozen=True)
class Place(Grid):
    """A grid with a defect."""

    defect: str = ""
    shape: tuple[int, ...] = (2, 2, 2)

    def positions(self) -> FloatArray:
        positions = super().positions()
        return positions.ravel() if self.defect == "flat positions" else positions

    def distances(self) -> FloatArray:
        distances = Grid(self.shape).distances()
        match self.defect:
            case "wrong shape":
                return np.asarray(distances[:-1])
            case "asymmetric":
                return np.asarray(np.triu(distances))
            case "not finite":
                distances[2, 3] = np.nan
            case "negative":
                distances *= -1
            case "detour":
                distances[1, 6] = distances[6, 1] = 40.0
            case "refuses":
                raise ValueError("this place does not exist")
        return distances


class _BrokenModule(torch.nn.Module):
    """Networks with a defect."""

    def __init__(self, inner: Any, defect: str) -> None:
        super().__init__()
        self.inner, self.defect = inner, defect
        if defect == "network last":
            self.extra = torch.nn.Parameter(torch.zeros(7))

    def forward(self, inputs: torch.Tensor) -> Any:
        states = self.inner(inputs)
        match self.defect:
            case "short states":
                return states[:, :, :-1]
            case "nan states":
                return states * torch.nan
            case "no states":
                return None
            case "raises":
                return inputs @ states
        return states

    def projections(self) -> Any:
        blocks = self.inner.projections()
        match self.defect:
            case "no weights":
                return {}
            case "no recurrent":
                return {"input": blocks["input"]}
            case "no gate":
                return {name: block[:, 0] for name, block in blocks.items()}
            case "a list":
                return list(blocks.values())
        return blocks


@dataclass(frozen=True)
class Core(RNN):
    """A core with a defect."""

    defect: str = ""

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        if self.defect == "refuses":
            raise ValueError("the number of units must be even")
        return _BrokenModule(super().build(n_inputs, n_units, generators), self.defect)

    def trace(self, states: torch.Tensor) -> torch.Tensor:
        return states[..., :2] if self.defect == "short trace" else states


@dataclass(frozen=True)
class Problem(OneChoice):
    """A task with a defect."""

    defect: str = ""

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        trials = super().trials(count, generator)
        match self.defect:
            case "no targets":
                return replace(trials, targets=None)  # type: ignore[arg-type]
            case "empty mask":
                return replace(trials, mask=np.zeros_like(trials.mask))
            case "nan inputs":
                trials.inputs[1, 0] = np.nan
            case "nan targets":
                trials.targets[2, -1] = np.nan
            case "rare nan" if count > 10:
                trials.targets[7, -1] = np.inf
            case "few outputs":
                return replace(trials, targets=trials.targets[..., :-1])
            case "no trials":
                return None  # type: ignore[return-value]
        return trials

    def held_out(self) -> Task:
        return replace(self, defect="nan inputs") if self.defect == "held out" else self

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        loss = super().loss(outputs, targets, mask)
        match self.defect:
            case "one loss":
                return loss.mean()
            case "nan loss":
                return loss * torch.nan
        return loss


@dataclass(frozen=True)
class Penalty(Regularizer):
    """A penalty with a defect."""

    defect: str = ""

    def penalty(self, snapshot: Snapshot) -> Any:
        match self.defect:
            case "one number":
                return snapshot.weights.abs().sum()
            case "none":
                return None
        raise ValueError("this penalty needs states")


@dataclass(frozen=True)
class Price(WiringRegularizer):
    """A regularizer whose price has the wrong shape."""

    def price(self, weights: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        return torch.ones(3, 5)
