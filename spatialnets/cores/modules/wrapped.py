"""Many networks of a user's own torch module at once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from spatialnets.cores.modules.module_contract import first_of, made
from spatialnets.cores.modules.orientation import as_projection, as_weight
from spatialnets.errors import UserError

if TYPE_CHECKING:
    from spatialnets.cores.wrapped import Wrapped

Compute: TypeAlias = Callable[[Mapping[str, Tensor], Tensor], Tensor]

__all__ = ["WrappedModule"]

TAKEN = frozenset({"recurrent", "input", "readout", "readout_bias", "positions"})
"""Names that mean something else in a run."""


class WrappedModule(nn.Module):
    """The networks of `Wrapped`.

    Each parameter and buffer of the module is one of this here, with the network first and ``_`` for ``.`` in its name.
    Recurrent and input weights lie as everywhere in the toolkit, and are turned on their way into the module.

    Parameters
    ----------
    core
        The blueprint.
    modules
        One for each network.
    n_inputs
        How many inputs.

    Attributes
    ----------
    recurrent
        ``(network, gate, pre, post)``.
    input
        ``(network, gate, input, post)``.
    """

    recurrent: Tensor
    input: Tensor

    def __init__(self, core: Wrapped, modules: Sequence[nn.Module], n_inputs: int) -> None:
        super().__init__()
        self.core, self.n_inputs = core, n_inputs
        self._template = (modules[0],)  # in a tuple, so that its parameters are not taken for ours
        self._names: dict[str, str] = {}
        self._obstacles: dict[tuple[str, torch.dtype], str] = {}
        blocks = {core.weight: "recurrent", core.input_weight: "input"}
        for path, like in modules[0].named_parameters():
            stacked = torch.stack([module.get_parameter(path).detach() for module in modules])
            if path in blocks:
                stacked = as_projection(stacked, len(core.gates), core.orientation).contiguous()
            name = self._names[path] = blocks.get(path) or self._free_name(path)
            if like.requires_grad:
                self.register_parameter(name, nn.Parameter(stacked))
            else:
                self.register_buffer(name, stacked)
        for path, _ in modules[0].named_buffers():
            name = self._names[path] = self._free_name(path)
            self.register_buffer(name, torch.stack([module.get_buffer(path) for module in modules]))
        self.way()

    def way(self) -> str:
        """Say how networks are computed on a processor: as one batch, or one by one and why."""
        inputs = torch.randn(2, 3, 4, self.n_inputs, generator=torch.Generator().manual_seed(0))
        obstacle = self.obstacle(inputs)
        return f"network by network ({obstacle})" if obstacle else "as one batch of networks"

    def _free_name(self, path: str) -> str:
        name = path.replace(".", "_")
        while name in TAKEN or name in self._names.values() or hasattr(self, name):
            name += "_"
        return name

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        if self.obstacle(inputs):
            return self._one_by_one(self._tensors(), inputs)
        return self._batched(self._tensors(), inputs)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}

    def train(self, mode: bool = True) -> WrappedModule:
        """Let the module, too, know whether it learns."""
        self._template[0].train(mode)
        return super().train(mode)

    def obstacle(self, inputs: Tensor) -> str:
        """Return why networks are not computed as one batch on such a device and in such a precision, or nothing.

        It is found out once, by computing a few steps of two networks both ways and comparing states and gradients.

        Raises
        ------
        UserError
            If the module does not work there at all.
        """
        where = (inputs.device.type, inputs.dtype)
        if where not in self._obstacles:
            two = [0, min(1, len(self.recurrent) - 1)]
            few = inputs[two, :3, :4].detach()
            tensors = {path: tensor.detach()[two] for path, tensor in self._tensors().items()}
            try:
                expected = self._tried(self._one_by_one, tensors, few)
            except RuntimeError as error:
                raise UserError(
                    f"the module of {self.core.module_factory} does not work in "
                    f"{str(inputs.dtype).removeprefix('torch.')} on {inputs.device}: {error}"
                ) from error
            self._obstacles[where] = self._difference(tensors, few, expected)
        return self._obstacles[where]

    def _difference(self, tensors: Mapping[str, Tensor], inputs: Tensor, expected: Sequence[Tensor]) -> str:
        with warnings.catch_warnings():
            # torch then goes through the batch one by one after all, and says so
            warnings.filterwarnings("error", message="There is a performance drop")
            try:
                found = self._tried(self._batched, tensors, inputs)
            except Exception as error:  # what a module cannot do in a batch, it says in its own way
                operation = re.search(r"aten::\w+", str(error))
                if operation is not None:
                    return f"torch has no batching rule for {operation.group()}"
                lines = str(error).strip().splitlines() or [type(error).__name__]
                return lines[0].partition(". ")[0].rstrip(".")
        # float32 rounding of sums in another order, over a few steps
        same = all(torch.allclose(*pair, rtol=1e-4, atol=1e-5) for pair in zip(found, expected, strict=True))
        return "" if same else "a batch gives other states or gradients"

    @staticmethod
    def _tried(compute: Compute, tensors: Mapping[str, Tensor], inputs: Tensor) -> list[Tensor]:
        """Return states, and the gradients of a number that depends on every state differently."""
        with torch.enable_grad():
            leaves = {
                path: tensor.clone().requires_grad_(tensor.is_floating_point()) for path, tensor in tensors.items()
            }
            states = compute(leaves, inputs)
            weights = torch.linspace(0.5, 1.5, states.numel(), dtype=states.dtype, device=states.device)
            wanted = [leaf for leaf in leaves.values() if leaf.requires_grad]
            gradients = torch.autograd.grad((states.flatten() * weights).sum(), wanted, allow_unused=True)
        return [states.detach(), *(gradient for gradient in gradients if gradient is not None)]

    def _tensors(self) -> dict[str, Tensor]:
        """Return what the module holds, by path, as it knows it but with the network first."""
        tensors = {path: getattr(self, name) for path, name in self._names.items()}
        for path in (self.core.weight, self.core.input_weight):
            assert path is not None  # the blueprint has seen to it
            tensors[path] = as_weight(tensors[path], self.core.orientation)
        return tensors

    def _call(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return first_of(functional_call(self._template[0], dict(tensors), (inputs,)))

    def _batched(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return vmap(self._call)(dict(tensors), inputs)

    def _one_by_one(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        each = [{path: tensor[place] for path, tensor in tensors.items()} for place in range(len(inputs))]
        return torch.stack([self._call(own, one) for own, one in zip(each, inputs, strict=True)])

    def plain(self, network: int) -> nn.Module:
        """Return one network as a module of the user's own, on the CPU."""
        module = made(self.core, self.n_inputs, self.recurrent.shape[-1], seed=0)
        tensors = self._tensors()
        with torch.no_grad():
            for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
                tensor.copy_(tensors[path][network])
        return module.eval()
