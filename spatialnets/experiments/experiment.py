"""Experiment: one declaration, checked as a whole before any network is trained."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from spatialnets.errors import DeclarationError, UserError, nearest
from spatialnets.experiments.blocks import block_of, identity
from spatialnets.experiments.declaration import BLOCKS, apply_override, is_axis, load_file, load_preset
from spatialnets.experiments.group import EnsembleSpec, Group, shards_of
from spatialnets.experiments.resolver import Kinds, Resolver
from spatialnets.files.yaml_nodes import Node, from_plain
from spatialnets.protocols import Analysis, Geometry, RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training
from spatialnets.training.shard import Division, Shard

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.graph.product_speed import Products
    from spatialnets.progress import Progress
    from spatialnets.runs.run import Run

__all__ = ["Experiment"]


class Experiment:
    """Groups of networks and how they are trained, declared in YAML or built from a preset; immutable.

    Examples
    --------
    >>> experiment = Experiment.from_preset("sernn_paper").override("networks=16", "training.epochs=3")
    >>> experiment.networks
    32
    >>> from spatialnets.geometries import Sphere
    >>> experiment.replace(geometry=Sphere(n=100)).groups["l1"].ensembles[0].geometry
    Sphere(n=100, radius=1.0)
    """

    def __init__(self, root: Node, classes: Mapping[str, type[Any]] | None = None, trusted: bool = True) -> None:
        self._root, self._trusted = root, trusted
        self._classes = dict(classes or {})
        resolver = Resolver(root, self._classes, trusted)
        self.name: str = resolver.name
        self.description: str = resolver.description
        self.seed: int = resolver.seed
        self.analyses: Mapping[str, Analysis] = resolver.analyses
        self.groups: Mapping[str, Group] = resolver.groups
        self._resolved = resolver.resolved

    @classmethod
    def from_preset(cls, name: str) -> Experiment:
        """Return a preset, such as ``"sernn_paper"``."""
        return cls(load_preset(name))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Experiment:
        """Return the experiment declared in a file.

        Raises
        ------
        DeclarationError
            With every mistake in it, each with its line.
        """
        return cls(load_file(Path(path)))

    @classmethod
    def from_run(cls, folder: str | Path, trusted: bool = False) -> Experiment:
        """Return the experiment of a run; arguments as those of `Run.open`, of which this is `Run.experiment`."""
        from spatialnets.workflow import experiment_of

        return experiment_of(folder, trusted)

    @classmethod
    def from_declaration(cls, declaration: Mapping[str, Any]) -> Experiment:
        """Return the experiment declared by plain data, such as parsed YAML."""
        return cls(from_plain(declaration, "declaration"))

    @classmethod
    def from_command(cls, file: Path | None, arguments: Sequence[str]) -> Experiment:
        """Return the experiment of a command line: a file or ``preset=NAME``, with overrides ``key=value``."""
        presets = [argument.partition("=")[2] for argument in arguments if argument.startswith("preset=")]
        overrides = [argument for argument in arguments if not argument.startswith("preset=")]
        if len(presets) + (file is not None) != 1:
            raise UserError(
                "expected one experiment: a file such as my.yaml, or preset=NAME such as preset=sernn_paper; got "
                f"{len(presets) + (file is not None) or 'none'}"
            )
        root = load_file(file) if file is not None else load_preset(presets[0])
        return cls(_apply_overrides(root, overrides))

    def override(self, *overrides: str) -> Experiment:
        """Return the experiment with overrides such as ``"training.epochs=3"`` or ``"geometry=sphere"``."""
        return Experiment(_apply_overrides(self._root, overrides), self._classes, self._trusted)

    def replace(
        self,
        *,
        geometry: Geometry | None = None,
        core: RecurrentCore | None = None,
        regularizer: Regularizer | None = None,
        task: Task | None = None,
        training: Training | None = None,
        networks: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        group: str | None = None,
    ) -> Experiment:
        """Return the experiment with other components, in all groups or in one.

        Parameters
        ----------
        geometry, core, regularizer, task, training
            Components; their classes need not be registered.
        networks, seed, name
            As in the declaration.
        group
            The only group in which the components are replaced.
        """
        classes, root = dict(self._classes), self._root
        assert isinstance(root.value, dict)
        content = dict(root.value)
        for key, scalar in (("networks", networks), ("seed", seed), ("name", name)):
            if scalar is not None:
                content[key] = Node(scalar, "replace()")
        if group is not None and group not in self.groups:
            raise UserError(f"there is no group '{group}': {nearest(group, self.groups)}")
        parts = {"geometry": geometry, "core": core, "regularizer": regularizer, "task": task, "training": training}
        for family, part in parts.items():
            if part is None:
                continue
            kind_of = Kinds(classes)
            block = from_plain(block_of(part, family, kind_of), f"replace({family}=…)")
            if group is None:
                content["base"] = _with(content.get("base", Node({}, "")), family, block)
            groups = content["groups"].value if "groups" in content else {}
            assert isinstance(groups, dict)
            changed = {
                label: _with(node, family, block)
                if label == group or (group is None and isinstance(node.value, dict) and family in node.value)
                else node
                for label, node in groups.items()
            }
            if changed:
                content["groups"] = Node(changed, root.mark)
        return Experiment(Node(content, root.mark), classes, self._trusted)

    @property
    def trusted(self) -> bool:
        """Whether code that the declaration names (``module:Class``) may be imported."""
        return self._trusted

    @property
    def networks(self) -> int:
        """The number of networks in all groups."""
        return sum(group.networks for group in self.groups.values())

    @property
    def updates(self) -> int:
        """The number of updates of single networks that training takes."""
        return sum(
            len(ensemble.numbers) * ensemble.training.epochs * ensemble.training.updates_per_epoch
            for ensemble in self.ensembles
        )

    @property
    def ensembles(self) -> tuple[EnsembleSpec, ...]:
        """The ensembles of all groups."""
        return tuple(ensemble for group in self.groups.values() for ensemble in group.ensembles)

    @property
    def geometries(self) -> Mapping[str, Geometry]:
        """Every geometry, by its name in the run."""
        return {ensemble.geometry_name: ensemble.geometry for ensemble in self.ensembles}

    @property
    def geometry_blocks(self) -> dict[str, Any]:
        """The declaration of every geometry with all defaults, by its name in the run."""
        kind_of = Kinds(self._classes)
        return {name: block_of(part, "geometry", kind_of) for name, part in self.geometries.items()}

    def to_yaml(self) -> str:
        """Return the whole declaration with all defaults, from which `from_yaml` builds the same experiment."""
        options: dict[str, Any] = {"allow_unicode": True, "width": 110, "default_flow_style": None}
        return str(yaml.dump(self._resolved, Dumper=_Dumper, sort_keys=False, **options))

    @cached_property
    def digest(self) -> str:
        """A hash of everything that determines the networks: the same however the experiment was written.

        Analyses are not part of it, because a run can be measured again.
        """
        excluded = ("description", "groups", "analyses")
        resolved = {key: value for key, value in self._resolved.items() if key not in excluded}
        groups = [
            [
                name,
                _ordered(
                    {
                        key: identity(key, block, self._classes) if key in BLOCKS else block
                        for key, block in group.items()
                    }
                ),
            ]
            for name, group in self._resolved["groups"].items()
        ]
        return hashlib.sha256(json.dumps([resolved, groups], sort_keys=True).encode()).hexdigest()

    def shards(self, size: int) -> Division[tuple[str, EnsembleSpec], Shard]:
        """Return all networks divided into shards of at most `size` networks, each built when it is requested."""
        return shards_of([(group.name, each) for group in self.groups.values() for each in group.ensembles], size)

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        report: bool = True,
        networks_per_shard: int | None = None,
        engine: Engine | None = None,
        products: Products = "auto",
    ) -> Run:
        """Train, measure and report the experiment; arguments and result as those of `spatialnets.workflow.train`."""
        from spatialnets.workflow import train

        return train(
            self,
            out,
            workers=workers,
            progress=progress,
            report=report,
            networks_per_shard=networks_per_shard,
            engine=engine,
            products=products,
        )

    @property
    def folder(self) -> Path:
        """The default folder of the run."""
        return Path("runs") / f"{self.name}-{self.digest[:8]}"


class _Dumper(yaml.SafeDumper):
    """Writes numbers so that YAML 1.1 readers also read them as numbers."""


_Dumper.add_representer(
    float,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:float",
        re.sub(r"^(-?\d+)e", r"\1.0e", yaml.SafeDumper.represent_float(dumper, value).value),
    ),
)


def _with(node: Node, key: str, value: Node) -> Node:
    content = node.value if isinstance(node.value, dict) else {}
    return Node({**content, key: value}, node.mark)


def _apply_overrides(root: Node, overrides: Sequence[str]) -> Node:
    problems: list[str] = []
    for override in overrides:
        try:
            root = apply_override(root, override)
        except DeclarationError as error:
            problems.extend(error.problems)
    if problems:
        raise DeclarationError(problems)
    return root


def _ordered(block: Any) -> Any:
    """Return a block with the order of its axes, which determines how they are crossed; no other order matters."""
    return {"block": block, "axes": _axis_paths(block)}


def _axis_paths(block: Any, path: str = "") -> list[str]:
    if isinstance(block, dict):
        if is_axis(from_plain(block, "")):
            return [path]
        return [inner for key, value in block.items() for inner in _axis_paths(value, f"{path}.{key}")]
    return []
