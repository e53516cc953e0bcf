"""Whom to cite for an experiment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment

__all__ = ["bibliography", "entries", "keys_of"]

ALWAYS = (
    "spatialnets",
    "achterberg2023",
    "kingma2015",
)  # the toolkit, the method, and Adam that trains everything


def entries() -> dict[str, str]:
    """Return every BibTeX entry that comes with the toolkit, by key."""
    text = files("spatialnets.report").joinpath("references.bib").read_text(encoding="utf-8")
    return {
        entry.partition("{")[2].partition(",")[0]: entry.strip()
        for entry in re.split(r"\n(?=@)", text)
        if entry.startswith("@")
    }


def keys_of(experiment: Experiment) -> list[str]:
    """Return the keys of the works that an experiment's parts name, and of what every experiment uses."""
    keys = dict.fromkeys(ALWAYS)
    for part in _parts(experiment):
        keys |= dict.fromkeys(type(part).references)
    return list(keys)


def _parts(experiment: Experiment) -> Iterator[Any]:
    for group in experiment.groups.values():
        for ensemble in group.ensembles:
            for part in (ensemble.geometry, ensemble.core, ensemble.task, ensemble.regularizer):
                yield from _with_inner(part)
    yield from experiment.analyses.values()


def _with_inner(part: Any) -> Iterator[Any]:
    """Give a part, and the parts that it is made of: terms of a sum, areas of a union."""
    yield part
    for field in fields(part):
        value = getattr(part, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if hasattr(type(inner), "references"):
                yield from _with_inner(inner)


def bibliography(experiment: Experiment) -> str:
    """Return BibTeX for everything an experiment uses.

    A part from elsewhere may name works that are not in the toolkit's list; they are given as comments.
    """
    known = entries()
    return "\n\n".join(known.get(key, f"% {key}: named by a part, not in this list") for key in keys_of(experiment))
