"""Core that trains a PyTorch module of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from spatialnets.errors import UserError
from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spatialnets.cores.modules.module_contract import ModuleSpec

__all__ = ["Wrapped"]

# modules of torch.nn whose parameter names and gates are known
TORCH_GATES = {
    "torch.nn:RNN": ("recurrent",),
    "torch.nn:GRU": ("reset", "update", "candidate"),
    "torch.nn:LSTM": ("input", "forget", "cell", "output"),
}


@dataclass(frozen=True)
class Wrapped(RecurrentCore):
    """Recurrent PyTorch module of your own, trained as it is under any regularizer.

    Its ``forward`` maps inputs ``(trial, time, input)`` to states ``(trial, time, unit)``, or to a tuple whose first
    element is the states. Trials must be independent, and states must not depend on later inputs. The module must not
    draw random numbers or keep anything between calls (dropout, batch norm): a network must compute the same alone and
    in a batch of networks. Parameters with ``requires_grad=False`` keep their initial values.

    Parameters
    ----------
    module_factory
        Function that builds the module from the number of inputs and the number of units: its import name
        ``"package.module:function"`` or, in Python, the function itself, which other processes must be able to import.
        ``"torch.nn:RNN"``, ``"torch.nn:GRU"`` and ``"torch.nn:LSTM"`` need no other fields.
    weight
        Path of the recurrent weights in the module, such as ``"cell.hh.weight"``; the matrices of several gates are
        concatenated along post.
    input_weight
        Path of the input weights, with the same gates.
    orientation
        Orientation of both matrices: ``"post_pre"``, ``(gate * post, pre)``, as in `torch.nn`, or ``"pre_post"``,
        ``(pre, gate * post)``.
    gates
        Names of the gates, in the order in which they are concatenated.

    Raises
    ------
    ValueError
        If the factory cannot be imported by its name, or a field is missing or invalid.
    UserError
        If an import name cannot be imported.

    Examples
    --------
    >>> core = Wrapped("torch.nn:GRU")
    >>> core.gates
    ('reset', 'update', 'candidate')
    >>> import torch
    >>> recurrent = core.build(8, 100, [torch.Generator().manual_seed(seed) for seed in range(3)])
    >>> recurrent(torch.zeros(3, 16, 50, 8)).shape
    torch.Size([3, 16, 50, 100])
    >>> recurrent.projections()["recurrent"].shape
    torch.Size([3, 3, 100, 100])
    """

    references: ClassVar[tuple[str, ...]] = ()

    module_factory: str | Callable[[int, int], Any] = field(metadata={"imports": tuple(TORCH_GATES)})
    weight: str | None = None
    input_weight: str | None = None
    orientation: Literal["post_pre", "pre_post"] = "post_pre"
    # a field here, where other cores have a class variable
    gates: tuple[str, ...] = field(default=(), kw_only=True)  # type: ignore[misc]

    def __post_init__(self) -> None:
        name = self.module_factory if isinstance(self.module_factory, str) else _import_name(self.module_factory)
        name = name.replace("torch.nn.modules.rnn:", "torch.nn:")  # the module in which torch.nn.GRU is defined
        _import_factory(name)
        object.__setattr__(self, "module_factory", name)
        object.__setattr__(self, "gates", tuple(self.gates) or TORCH_GATES.get(name, ("recurrent",)))
        for path_field, default in (("weight", "weight_hh_l0"), ("input_weight", "weight_ih_l0")):
            if name in TORCH_GATES and getattr(self, path_field) is None:
                object.__setattr__(self, path_field, default)
        if not self.weight or not self.input_weight:
            raise ValueError(self._missing_paths())
        if self.weight == self.input_weight:
            raise ValueError(f"weight and input_weight are both {self.weight!r}; expected two different parameters")
        if self.orientation not in ("post_pre", "pre_post"):
            raise ValueError(f"orientation must be post_pre or pre_post, not {self.orientation!r}")
        if len(set(self.gates)) < len(self.gates):
            raise ValueError(f"gates must have different names, not {self.gates!r}")
        super().__post_init__()

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        import torch

        from spatialnets.cores.modules.module_contract import check_module
        from spatialnets.cores.modules.wrapped import WrappedModule

        spec = self._spec()
        check_module(spec, n_inputs, n_units)
        seeds = [int(torch.randint(2**63 - 1, (), generator=generator)) for generator in generators]
        return WrappedModule(spec, [spec.build(n_inputs, n_units, seed) for seed in seeds], n_inputs)

    def facts(self, n_inputs: int, n_units: int) -> dict[str, str]:
        import torch

        recurrent: Any = self.build(n_inputs, n_units, [torch.Generator().manual_seed(0)])
        return {"module": f"{self.module_factory} is computed {recurrent.execution()}"}

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        wrapped: Any = recurrent
        return wrapped.to_module(0)

    def _spec(self) -> ModuleSpec:
        from spatialnets.cores.modules.module_contract import ModuleSpec

        name = str(self.module_factory)
        weight, input_weight = self.weight or "", self.input_weight or ""
        return ModuleSpec(name, _import_factory(name), weight, input_weight, self.orientation, self.gates)

    def _missing_paths(self) -> str:
        """Return the message about missing paths of weights, with the parameters of an example module."""
        roles = {
            "weight": "recurrent weights, such as 'cell.hh.weight'",
            "input_weight": "input weights, such as 'cell.ih.weight'",
        }
        missing = " and ".join(f"{name} ({role})" for name, role in roles.items() if not getattr(self, name))
        message = f"missing {missing}; expected names of parameters of the module"
        try:
            module = self._spec().build(n_inputs=8, n_units=64, seed=0)
        except UserError:  # the factory may fail with these numbers, and work with those of the task
            return message
        names = ", ".join(name for name, _ in module.named_parameters())
        return f"{message}, which are {names or 'none'}"


def _import_name(factory: Callable[[int, int], Any]) -> str:
    """Return the name by which a function or class can be imported."""
    name = f"{getattr(factory, '__module__', None)}:{getattr(factory, '__qualname__', None)}"
    try:
        importable = _import_factory(name) is factory
    except UserError:
        importable = False
    if not importable:
        raise ValueError(
            f"module_factory {factory!r} cannot be imported by name, which is needed to write the experiment to a file "
            "and to train it in other processes; define it with def or class at the top level of a module (no lambda, "
            "nested function or partial)"
        )
    return name


def _import_factory(name: str) -> Callable[[int, int], Any]:
    module, _, path = name.partition(":")
    if not module or not path:
        raise UserError(f"module_factory {name!r} is not an import name; expected package.module:function")
    try:
        factory: Any = import_module(module)
        for attribute in path.split("."):
            factory = getattr(factory, attribute)
    except Exception as error:  # importing runs the user's code
        raise UserError(
            f"module_factory '{name}' cannot be imported ({type(error).__name__}: {error}); expected "
            "package.module:function, with the package installed or its folder in PYTHONPATH"
        ) from error
    if not callable(factory):
        raise UserError(f"module_factory '{name}' is of type {type(factory).__name__}; expected a function or a class")
    return factory
