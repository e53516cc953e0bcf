"""The works that an experiment should cite, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment

__all__ = ["bibliography", "entries", "keys_of"]

ALWAYS = ("spatialnets", "achterberg2023", "kingma2015")  # the toolkit, the method, and Adam, which trains everything


def entries() -> dict[str, str]:
    """Return the BibTeX entries of the toolkit, by key."""
    text = files("spatialnets.report").joinpath("references.bib").read_text(encoding="utf-8")
    return {
        entry.partition("{")[2].partition(",")[0]: entry.strip()
        for entry in re.split(r"\n(?=@)", text)
        if entry.startswith("@")
    }


def keys_of(experiment: Experiment) -> list[str]:
    """Return the BibTeX keys of the works that every experiment or one of this experiment's components cites."""
    return list(dict.fromkeys([*ALWAYS, *(key for one in _components(experiment) for key in type(one).references)]))


def _components(experiment: Experiment) -> Iterator[Any]:
    for group in experiment.groups.values():
        for ensemble in group.ensembles:
            for component in (ensemble.geometry, ensemble.core, ensemble.task, ensemble.regularizer):
                yield from _nested(component)
    yield from experiment.analyses.values()


def _nested(component: Any) -> Iterator[Any]:
    """Yield a component and those it contains, such as the terms of a sum or the areas of a union."""
    yield component
    for field in fields(component):
        value = getattr(component, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if hasattr(type(inner), "references"):
                yield from _nested(inner)


def bibliography(experiment: Experiment) -> str:
    """Return BibTeX for everything that an experiment uses.

    Works that another package's component names and the toolkit does not know are listed as comments.
    """
    bibtex = entries()
    return "\n\n".join(bibtex.get(key, f"% {key}: cited by a component; no entry known") for key in keys_of(experiment))
