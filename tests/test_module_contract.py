"""The contract of a wrapped PyTorch module, and the messages about violations."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spatialnets import UserError
from spatialnets.cores import Wrapped

HERE = __name__


class Valid(nn.Module):
    """A module that fulfils the contract."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.cell = nn.ModuleDict({"ih": nn.Linear(n_inputs, n_units), "hh": nn.Linear(n_units, n_units, bias=False)})

    def forward(self, inputs: Tensor) -> Any:
        drive = self.cell["ih"](inputs)
        state, states = torch.zeros_like(drive[:, 0]), []
        for step in range(inputs.shape[1]):
            state = torch.tanh(drive[:, step] + self.cell["hh"](state))
            states.append(state)
        return torch.stack(states, dim=1)


def test_a_module_that_fulfils_the_contract_is_built() -> None:
    Wrapped(Valid, "cell.hh.weight", "cell.ih.weight").build(3, 5, [torch.Generator()])


def broken(change: Callable[[nn.Module], Any], output: Callable[[Any, nn.Module], Any] | None = None) -> Any:
    class Broken(Valid):
        def __init__(self, n_inputs: int, n_units: int) -> None:
            super().__init__(n_inputs, n_units)
            change(self)

        def forward(self, inputs: Tensor) -> Any:
            return output(super().forward(inputs), self) if output else super().forward(inputs)

    return Broken


def accumulate(states: Tensor, module: Any) -> Tensor:
    module.last = states.detach() + getattr(module, "last", 0)
    return module.last + states


def nothing(module: nn.Module) -> None:
    pass


BROKEN: dict[str, tuple[Any, str]] = {
    "no module": (lambda n_inputs, n_units: "no", "returned str; expected a torch.nn.Module"),
    "arguments": (lambda n_units: nn.Identity(), "raised TypeError"),
    "paths": (lambda i, n: nn.RNNCell(i, n), "no parameter 'weight_hh_l0' (weight) or 'weight_ih_l0' (input_weight)"),
    "shape": (lambda i, n: nn.GRU(i, n, batch_first=True), "expected (gates x post, pre) = (5, 5)"),
    "whole numbers": (
        broken(lambda module: setattr(module, "n", nn.Parameter(torch.ones(2, dtype=torch.int64), False))),
        "'n' is int64; parameters must be real",
    ),
    "lazy": (broken(lambda module: setattr(module, "lazy", nn.LazyLinear(2))), "has no shape yet"),
    "frozen": (broken(lambda module: module.cell.hh.weight.requires_grad_(False)), "it must be trainable"),  # type: ignore
    "raises": (broken(nothing, lambda states, module: 1 / 0), "raised ZeroDivisionError"),
    "not a tensor": (broken(nothing, lambda states, module: {"states": states}), "returned dict; expected states"),
    "last state": (broken(nothing, lambda states, module: states[:, -1]), "expected (trial, time, unit) = (3, 4, 5)"),
    "not finite": (broken(nothing, lambda states, module: states / 0), "not finite, before any training"),
    "dropout": (broken(nothing, lambda states, module: nn.functional.dropout(states)), "as dropout does"),
    "memory": (broken(nothing, accumulate), "keeps something between calls"),
    "batch norm": (
        broken(
            lambda module: setattr(module, "batch", nn.BatchNorm1d(5)),
            lambda states, module: module.get_submodule("batch")(states.mT).mT,
        ),
        "the statistics of batch norm",
    ),
    "time first": (lambda i, n: nn.RNN(i, n), "batch_first=True"),
    "looks ahead": (broken(nothing, lambda states, module: states + states.sum(1, True)), "must not look ahead"),
    "unused": (
        broken(lambda module: setattr(module, "head", nn.Linear(2, 2))),
        "no gradient flows from the states to head.weight, head.bias",
    ),
    "detached": (
        broken(nothing, lambda states, module: states.detach()),
        "no gradient flows from the states to cell.ih.weight",
    ),
    "own generator": (
        broken(lambda module: setattr(module, "n", nn.Parameter(torch.tensor(np.random.rand(2))))),  # noqa: NPY002
        "differs between two modules built with the same seed",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_violation_of_the_contract_is_refused_with_a_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    factory, message = BROKEN[name]
    monkeypatch.setattr(sys.modules[HERE], "mine", factory, raising=False)
    is_torch = name in ("paths", "shape", "time first")
    paths = ("weight_hh_l0", "weight_ih_l0") if is_torch else ("cell.hh.weight", "cell.ih.weight")
    core = Wrapped(f"{HERE}:mine", *paths)
    with pytest.raises(UserError) as error:
        core.build(3, 5, [torch.Generator()])
    assert message in str(error.value)
