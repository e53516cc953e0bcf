"""Parts that break a promise, one each; `tests/test_admission.py` names them as ``broken:Class``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from spatialnets.cores import RNN
from spatialnets.geometries import Grid
from spatialnets.protocols import FloatArray, Recurrent, Regularizer, Snapshot, Task, Trials, WiringRegularizer
from spatialnets.tasks import OneChoice


@dataclass(frozen=True)
class Place(Grid):
    """A grid with something wrong."""

    wrong: str = ""
    shape: tuple[int, ...] = (2, 2, 2)

    def positions(self) -> FloatArray:
        positions = super().positions()
        return positions.ravel() if self.wrong == "flat positions" else positions

    def distances(self) -> FloatArray:
        distances = Grid(self.shape).distances()
        match self.wrong:
            case "wrong shape":
                return np.asarray(distances[:-1])
            case "one way":
                return np.asarray(np.triu(distances))
            case "not finite":
                distances[2, 3] = np.nan
            case "negative":
                distances *= -1
            case "detour":
                distances[1, 6] = distances[6, 1] = 40.0
            case "refuses":
                raise ValueError("there is no such place")
        return distances


class _Built(torch.nn.Module):
    """Networks with something wrong."""

    def __init__(self, inner: Any, wrong: str) -> None:
        super().__init__()
        self.inner, self.wrong = inner, wrong
        if wrong == "network last":
            self.own = torch.nn.Parameter(torch.zeros(7))

    def forward(self, inputs: torch.Tensor) -> Any:
        states = self.inner(inputs)
        match self.wrong:
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
        match self.wrong:
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
    """A core with something wrong."""

    wrong: str = ""

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        if self.wrong == "refuses":
            raise ValueError("units must be even in number")
        return _Built(super().build(n_inputs, n_units, generators), self.wrong)

    def trace(self, states: torch.Tensor) -> torch.Tensor:
        return states[..., :2] if self.wrong == "short trace" else states


@dataclass(frozen=True)
class Problem(OneChoice):
    """A task with something wrong."""

    wrong: str = ""

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        trials = super().trials(count, generator)
        match self.wrong:
            case "no targets":
                return replace(trials, targets=None)  # type: ignore[arg-type]
            case "nothing asked":
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
        return replace(self, wrong="nan inputs") if self.wrong == "held out" else self

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        loss = super().loss(outputs, targets, mask)
        match self.wrong:
            case "one loss":
                return loss.mean()
            case "nan loss":
                return loss * torch.nan
        return loss


@dataclass(frozen=True)
class Penalty(Regularizer):
    """A penalty with something wrong."""

    wrong: str = ""

    def penalty(self, snapshot: Snapshot) -> Any:
        match self.wrong:
            case "one number":
                return snapshot.weights.abs().sum()
            case "no number":
                return None
        raise ValueError("this needs something that is not here")


@dataclass(frozen=True)
class Price(WiringRegularizer):
    """A price of the wrong shape."""

    def price(self, weights: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        return torch.ones(3, 5)
