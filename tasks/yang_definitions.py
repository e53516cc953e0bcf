"""Definitions and stimuli of the 20 tasks of Yang et al. (2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["TASKS", "Columns", "Definition", "Stimuli", "columns", "draw_stimuli"]

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""The fields of the definition of each trial's task, by name, each ``(trial,)`` or ``(trial, limit)``."""


class Definition(NamedTuple):
    """Durations (ms) and rule of one of the 20 tasks."""

    family: Literal["reach", "choose", "compare", "match"]
    fixation: tuple[float, float] = (500, 500)  # limits of a uniform distribution
    stimulus: tuple[float, float, float] = (500, 500, 500)  # equally probable durations
    delay: float = 0
    test: float = 0
    decision: float = 500
    anti: bool = False  # respond in the opposite direction
    reaction: bool = False  # the stimulus appears at the start of the decision
    shown: tuple[bool, bool] = (True, True)  # rings with a stimulus
    relevant: tuple[bool, bool] = (True, True)  # rings whose evidence determines the response
    category: bool = False  # match halves of the ring instead of directions
    go_on_match: bool = True


CHOICE = Definition("choose", fixation=(200, 500), decision=200)
COMPARISON = Definition("compare", fixation=(200, 500), delay=1000, test=500, decision=200)
MATCH = Definition("match", fixation=(300, 300), delay=1000, test=500, decision=900)
ONE, TWO = (True, False), (False, True)

TASKS: Mapping[str, Definition] = {
    "go": Definition("reach"),
    "rtgo": Definition("reach", stimulus=(0, 0, 0), reaction=True),
    "dlygo": Definition("reach", delay=500),
    "anti": Definition("reach", anti=True),
    "rtanti": Definition("reach", stimulus=(0, 0, 0), reaction=True, anti=True),
    "dlyanti": Definition("reach", delay=500, anti=True),
    "dm1": CHOICE._replace(shown=ONE, relevant=ONE, stimulus=(200, 400, 600)),
    "dm2": CHOICE._replace(shown=TWO, relevant=TWO),
    "ctxdm1": CHOICE._replace(relevant=ONE),
    "ctxdm2": CHOICE._replace(relevant=TWO),
    "multidm": CHOICE,
    "dlydm1": COMPARISON._replace(shown=ONE, relevant=ONE),
    "dlydm2": COMPARISON._replace(shown=TWO, relevant=TWO),
    "ctxdlydm1": COMPARISON._replace(relevant=ONE),
    "ctxdlydm2": COMPARISON._replace(relevant=TWO),
    "multidlydm": COMPARISON,
    "dms": MATCH,
    "dnms": MATCH._replace(go_on_match=False),
    "dmc": MATCH._replace(category=True),
    "dnmc": MATCH._replace(category=True, go_on_match=False),
}
"""Definitions by task name, in the order of Yang et al., with the durations of neurogym 2.3.1."""

COHERENCES = np.array([0.08, 0.16, 0.32, 0.64])
PAIRS = np.array([(a, b) for a in (0.3, 0.6, 1.0) for b in (0.3, 0.6, 1.0) if a != b])


class Stimuli(NamedTuple):
    """Stimuli and correct answers of several trials."""

    first: NDArray[np.int64]  # direction, (trial,)
    second: NDArray[np.int64]  # direction, -1 if there is none
    strengths: NDArray[np.float32]  # (trial, stimulus or test, ring, first or second direction)
    evidence: NDArray[np.float64]  # for the first direction over the second; 0 if they are not compared
    answer: NDArray[np.int64]  # direction, -1 for fixation


def columns(definitions: list[Definition], task_index: NDArray[np.int64]) -> Columns:
    """Return the fields of the definition of each trial's task, given its index, ``(trial,)``."""
    fields = zip(Definition._fields, zip(*definitions, strict=True), strict=True)
    return {name: np.array(values)[task_index] for name, values in fields}


def draw_stimuli(trials: Columns, directions: int, generator: np.random.Generator) -> Stimuli:
    """Draw the stimuli and correct answers of trials, given their tasks' definitions and the number of directions."""
    count = len(trials["family"])
    stimuli = Stimuli(
        first=np.zeros(count, dtype=np.int64),
        second=np.full(count, -1, dtype=np.int64),
        strengths=np.zeros((count, 2, 2, 2), dtype=np.float32),
        evidence=np.zeros(count),
        answer=np.full(count, -1, dtype=np.int64),
    )
    for family, draw in (("reach", _reach), ("choose", _choose), ("compare", _choose), ("match", _match)):
        rows = np.flatnonzero(trials["family"] == family)
        if len(rows):
            drawn = draw({name: values[rows] for name, values in trials.items()}, directions, generator)
            for name in Stimuli._fields:
                getattr(stimuli, name)[rows] = getattr(drawn, name)
    return stimuli


def _reach(trials: Columns, directions: int, generator: np.random.Generator) -> Stimuli:
    """Show one direction on one ring; the answer is this direction or the opposite one."""
    count = len(trials["anti"])
    first, ring = generator.integers(directions, size=count), generator.integers(2, size=count)
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    strengths[np.arange(count), 0, ring, 0] = 1
    answer = (first + trials["anti"] * (directions // 2)) % directions
    return Stimuli(first, np.full(count, -1), strengths, np.zeros(count), answer)


def _choose(trials: Columns, directions: int, generator: np.random.Generator) -> Stimuli:
    """Show two directions on one or both rings, together or in sequence; the answer is the stronger one."""
    count, shown, relevant = len(trials["shown"]), trials["shown"], trials["relevant"]
    first = generator.integers(directions, size=count)
    second = (first + generator.integers(1, directions, size=count)) % directions
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    if trials["family"][0] == "choose":
        coherence = generator.choice(COHERENCES, size=(count, 2)) * generator.choice([-1, 1], size=(count, 2))
        pair = 0.5 + coherence[..., None] * [0.5, -0.5]
        strengths[:, 0] = pair * shown[..., None]
    else:
        pair = PAIRS[generator.integers(len(PAIRS), size=(count, 2))]
        strengths[:, 0, :, 0] = pair[..., 0] * shown
        strengths[:, 1, :, 1] = pair[..., 1] * shown
    evidence = ((pair[..., 0] - pair[..., 1]) * relevant).sum(axis=1)
    evidence[np.abs(evidence) < 1e-9] = 0  # equal evidence from opposing rings: the answer is random
    first_wins = evidence + generator.uniform(-1e-6, 1e-6, size=count) > 0
    return Stimuli(first, second, strengths, evidence, np.where(first_wins, first, second))


def _match(trials: Columns, directions: int, generator: np.random.Generator) -> Stimuli:
    """Show two directions in sequence on one ring; the answer depends on whether they match."""
    count, half = len(trials["category"]), directions // 2
    first, ring = generator.integers(directions, size=count), generator.integers(2, size=count)
    match = generator.integers(2, size=count).astype(bool)
    opposite = (first + half) % directions
    in_half = generator.integers(half, size=count) + half * ((first >= half) == match)
    second = np.where(trials["category"], in_half, np.where(match, first, opposite))
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    for interval in range(2):
        strengths[np.arange(count), interval, ring, interval] = 1
    return Stimuli(first, second, strengths, np.zeros(count), np.where(match == trials["go_on_match"], second, -1))
