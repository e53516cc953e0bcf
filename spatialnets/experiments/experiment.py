"""An experiment: one declaration, checked as a whole before any network is trained."""

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
from spatialnets.experiments.blocks import block_of, take
from spatialnets.experiments.declaration import (
    Node,
    apply_word,
    from_plain,
    is_axis,
    load_file,
    load_preset,
)
from spatialnets.experiments.group import Group
from spatialnets.experiments.resolver import Kinds, Reading
from spatialnets.protocols import Analysis, Geometry, RecurrentCore, Regularizer, Task
from spatialnets.runs.metadata import declaration_of
from spatialnets.training.shard import Shard, Training

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.progress import Progress
    from spatialnets.runs.run import Run

__all__ = ["Experiment"]


class Experiment:
    """Groups of networks, declared in YAML or built from a preset; immutable.

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
        reader = Reading(root, self._classes, trusted)
        self.name: str = reader.name
        self.description: str = reader.description
        self.seed: int = reader.seed
        self.analyses: Mapping[str, Analysis] = reader.analyses
        self.groups: Mapping[str, Group] = reader.groups
        self._resolved = reader.resolved

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
        """Return the experiment that a run's folder holds.

        Parameters
        ----------
        folder
            The run's folder, perhaps a stranger's.
        trusted
            Whether code that it names (``module:Class``) is imported. Parts of installed packages always are.

        Raises
        ------
        RunError
            If the folder is no run's.
        DeclarationError
            With every mistake in it; code that is not trusted is one.
        """
        path = Path(folder) / "experiment.yaml"
        return cls(from_plain(declaration_of(Path(folder)), str(path)), trusted=trusted)

    @classmethod
    def from_declaration(cls, declaration: Mapping[str, Any]) -> Experiment:
        """Return the experiment declared by plain data, as YAML would give it."""
        return cls(from_plain(declaration, "declaration"))

    @classmethod
    def from_command(cls, file: Path | None, words: Sequence[str]) -> Experiment:
        """Return the experiment of a command line: a file or ``preset=NAME``, and words laid over it."""
        chosen = [word.partition("=")[2] for word in words if word.startswith("preset=")]
        rest = [word for word in words if not word.startswith("preset=")]
        if len(chosen) + (file is not None) != 1:
            raise UserError(
                "give one experiment: a file such as my.yaml, or preset=NAME such as preset=sernn_paper; "
                f"got {len(chosen) + (file is not None)}"
            )
        root = load_file(file) if file is not None else load_preset(chosen[0])
        return cls(_with_words(root, rest))

    def override(self, *words: str) -> Experiment:
        """Return the experiment with words such as ``"training.epochs=3"`` or ``"geometry=sphere"`` laid over it."""
        return Experiment(_with_words(self._root, words), self._classes, self._trusted)

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
        """Return the experiment with other parts, in all groups or in one.

        Parameters
        ----------
        geometry, core, regularizer, task, training
            Parts; their classes need not be registered.
        networks, seed, name
            As in the declaration.
        group
            The one group in which the parts are replaced.
        """
        classes, root = dict(self._classes), self._root
        assert isinstance(root.value, dict)
        content = dict(root.value)
        for key, scalar in (("networks", networks), ("seed", seed), ("name", name)):
            if scalar is not None:
                content[key] = Node(scalar, "replace()")
        if group is not None and group not in self.groups:
            raise UserError(f"no group is called '{group}': {nearest(group, self.groups)}")
        parts = {
            "geometry": geometry,
            "core": core,
            "regularizer": regularizer,
            "task": task,
            "training": training,
        }
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
        """How many networks in all groups together."""
        return sum(group.networks for group in self.groups.values())

    @property
    def updates(self) -> int:
        """How many network-updates training takes."""
        return sum(
            len(ensemble.numbers) * ensemble.training.epochs * ensemble.training.updates_per_epoch
            for group in self.groups.values()
            for ensemble in group.ensembles
        )

    @property
    def geometries(self) -> Mapping[str, Geometry]:
        """Every geometry, by its name in the run."""
        return {
            ensemble.geometry_name: ensemble.geometry for group in self.groups.values() for ensemble in group.ensembles
        }

    @property
    def geometry_blocks(self) -> dict[str, Any]:
        """The declaration of every geometry, every default written out, by its name in the run."""
        kind_of = Kinds(self._classes)
        return {name: block_of(part, "geometry", kind_of) for name, part in self.geometries.items()}

    def to_yaml(self) -> str:
        """Return the whole declaration, every default written out; `from_yaml` gives the same experiment again."""
        text: str = yaml.dump(
            self._resolved,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=110,
            default_flow_style=None,
        )
        return text

    @cached_property
    def digest(self) -> str:
        """A hash of all that shapes the networks: the same for the same experiment, however it was written.

        Analyses are no part of it: a run can be measured anew.
        """
        apart = ("description", "groups", "analyses")
        resolved = {key: value for key, value in self._resolved.items() if key not in apart}
        groups = [[name, _ordered(block)] for name, block in self._resolved["groups"].items()]
        return hashlib.sha256(json.dumps([resolved, groups], sort_keys=True).encode()).hexdigest()

    def shards(self, size: int) -> tuple[Shard, ...]:
        """Divide all networks into shards of at most `size` networks."""
        shards: list[Shard] = []
        for group in self.groups.values():
            for ensemble in group.ensembles:
                for start in range(0, len(ensemble.numbers), size):
                    networks = slice(start, start + size)
                    shards.append(
                        Shard(
                            index=len(shards),
                            group=group.name,
                            networks=ensemble.numbers[networks],
                            seeds=ensemble.seeds[networks],
                            geometry=ensemble.geometry_name,
                            core=take(ensemble.core, networks),
                            regularizer=take(ensemble.regularizer, networks),
                            task=take(ensemble.task, networks),
                            training=take(ensemble.training, networks),
                            axes={path: values[networks] for path, values in ensemble.axes.items()},
                        )
                    )
        return tuple(shards)

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        report: bool = True,
        networks_per_shard: int | None = None,
        engine: Engine | None = None,
    ) -> Run:
        """Train all networks that the folder does not hold yet, measure them and write the report.

        Parameters
        ----------
        out
            The run's folder; by default ``runs/<name>-<digest>``, the same for the same experiment.
        workers
            How many shards at a time; by default as the engine finds best.
        progress
            Where to report, such as `spatialnets.progress.terminal_progress()`; by default nowhere.
        report
            Whether to measure and to write ``report.html``.
        networks_per_shard
            How many networks are trained as one batch, if the run begins now; by default what fits the machine.
        engine
            Where networks are trained and measured, such as `spatialnets.engines.local.Processes()`; by default on
            this machine. It is no part of the experiment, and changes nothing in the result.
        """
        from spatialnets.engines.compute import compute

        place = out if out is not None else self.folder
        run = compute(self, place, workers, progress, networks_per_shard, engine)
        if report:
            from spatialnets.report.page import is_current, write_report

            if not is_current(run, self):
                write_report(run, self, progress, workers, engine)
        return run

    @property
    def folder(self) -> Path:
        """Where the run goes by default."""
        return Path("runs") / f"{self.name}-{self.digest[:8]}"


class _Dumper(yaml.SafeDumper):
    """Writes numbers so that YAML 1.1 readers, too, take them for numbers."""


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


def _with_words(root: Node, words: Sequence[str]) -> Node:
    problems: list[str] = []
    for word in words:
        try:
            root = apply_word(root, word)
        except DeclarationError as error:
            problems.extend(error.problems)
    if problems:
        raise DeclarationError(problems)
    return root


def _ordered(block: Any) -> Any:
    """Keep the order of axes, which decides how they are crossed, and of nothing else."""
    return {"block": block, "axes": _axis_paths(block)}


def _axis_paths(block: Any, path: str = "") -> list[str]:
    if isinstance(block, dict):
        if is_axis(from_plain(block, "")):
            return [path]
        return [found for key, value in block.items() for found in _axis_paths(value, f"{path}.{key}")]
    return []
