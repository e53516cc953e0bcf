"""A core that is the user's own torch module."""

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

__all__ = ["Wrapped"]

# how torch.nn names its weights and orders its gates
TORCH_GATES = {
    "torch.nn:RNN": ("recurrent",),
    "torch.nn:GRU": ("reset", "update", "candidate"),
    "torch.nn:LSTM": ("input", "forget", "cell", "output"),
}


@dataclass(frozen=True)
class Wrapped(RecurrentCore):
    """Units of a torch module of your own, which is trained as it is, under any regularizer.

    Its ``forward`` maps inputs ``(trial, time, input)`` to states ``(trial, time, unit)``, or to a tuple of which the
    first are the states. Trials must not know of each other, nor the past of the future. It must not draw random
    numbers or keep anything between calls (dropout, batch norm): a network would not be the same alone and among
    others. A parameter that needs no gradient stays what it was.

    Parameters
    ----------
    module_factory
        What builds the module, called with the number of inputs and of units: ``"package.module:function"``, or in
        Python a function that other processes can import by such a name. ``"torch.nn:RNN"``, ``"torch.nn:GRU"`` and
        ``"torch.nn:LSTM"`` need nothing else.
    weight
        Where the recurrent weights are in the module, such as ``"cell.hh.weight"``; the matrices of several gates are
        stacked along post.
    input_weight
        The same of the input weights, with as many gates.
    orientation
        How these matrices lie: ``"post_pre"``, ``(gate * post, pre)``, as in `torch.nn`, or ``"pre_post"``,
        ``(pre, gate * post)``.
    gates
        The names of the gates, in the order in which they are stacked.

    Raises
    ------
    ValueError
        If the factory has no name that can be imported, or a field makes no sense.
    UserError
        If the factory cannot be imported.

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
    # of this core each has its own
    gates: tuple[str, ...] = field(default=(), kw_only=True)  # type: ignore[misc]

    def __post_init__(self) -> None:
        name = self.module_factory if isinstance(self.module_factory, str) else _name_of(self.module_factory)
        name = name.replace("torch.nn.modules.rnn:", "torch.nn:")  # where torch.nn.GRU says that it is from
        of_torch = name in TORCH_GATES
        _imported(name)
        object.__setattr__(self, "module_factory", name)
        object.__setattr__(self, "gates", tuple(self.gates) or TORCH_GATES.get(name, ("recurrent",)))
        if of_torch and self.weight is None:
            object.__setattr__(self, "weight", "weight_hh_l0")
        if of_torch and self.input_weight is None:
            object.__setattr__(self, "input_weight", "weight_ih_l0")
        for which, example in (("weight", "cell.hh.weight"), ("input_weight", "cell.ih.weight")):
            if not getattr(self, which):
                weights = "input weights" if which == "input_weight" else "recurrent weights"
                raise ValueError(f"{which} is where the {weights} are in the module, such as '{example}'")
        if self.weight == self.input_weight:
            raise ValueError(f"weight and input_weight are both {self.weight!r}; they must be two matrices")
        if self.orientation not in ("post_pre", "pre_post"):
            raise ValueError(f"orientation must be post_pre or pre_post, not {self.orientation!r}")
        if len(set(self.gates)) < len(self.gates):
            raise ValueError(f"gates must have different names, not {self.gates!r}")
        super().__post_init__()

    def factory(self) -> Callable[[int, int], Any]:
        """Return what builds the module.

        Raises
        ------
        UserError
            If it cannot be imported.
        """
        return _imported(str(self.module_factory))

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        import torch

        from spatialnets.cores.modules.module_contract import check_module, made
        from spatialnets.cores.modules.wrapped import WrappedModule

        check_module(self, n_inputs, n_units)
        seeds = [int(torch.randint(2**63 - 1, (), generator=generator)) for generator in generators]
        return WrappedModule(self, [made(self, n_inputs, n_units, seed) for seed in seeds], n_inputs)

    def facts(self, n_inputs: int, n_units: int) -> dict[str, str]:
        import torch

        built: Any = self.build(n_inputs, n_units, [torch.Generator().manual_seed(0)])
        return {"module": f"{self.module_factory} is computed {built.way()}"}

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        built: Any = recurrent
        return built.plain(0)


def _name_of(factory: Callable[[int, int], Any]) -> str:
    """Return the name by which a function or class can be imported."""
    name = f"{getattr(factory, '__module__', None)}:{getattr(factory, '__qualname__', None)}"
    try:
        same = _imported(name) is factory
    except UserError:
        same = False
    if not same:
        raise ValueError(
            f"module_factory {factory!r} has no name that it can be imported by, which an experiment needs to be "
            "written down and to be trained in other processes: define it with def at the top of a module (no lambda, "
            "no function in a function, no partial)"
        )
    return name


def _imported(name: str) -> Callable[[int, int], Any]:
    module, _, path = name.partition(":")
    if not module or not path:
        raise UserError(f"module_factory {name!r} is no name of a function: expected package.module:function")
    try:
        found: Any = import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except Exception as error:  # importing runs the user's code
        raise UserError(
            f"module_factory '{name}' cannot be imported ({type(error).__name__}: {error}); write "
            "package.module:function, with the package installed or its folder in PYTHONPATH"
        ) from error
    if not callable(found):
        raise UserError(f"module_factory '{name}' is no function but {type(found).__name__}")
    return found
