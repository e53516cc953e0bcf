"""What the 20 tasks of Yang et al. (2019) show and ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TASKS", "Definition", "Stimuli", "draw"]


class Definition(NamedTuple):
    """One of the 20 tasks: its times in ms, and what of its family's rule is its own."""

    family: Literal["reach", "choose", "compare", "match"]
    fixation: tuple[float, float] = (500, 500)  # uniform between the two
    stimulus: tuple[float, float, float] = (500, 500, 500)  # one of the three
    delay: float = 0
    test: float = 0
    decision: float = 500
    anti: bool = False  # reach to the opposite direction
    reaction: bool = False  # the stimulus comes with the decision
    shown: tuple[bool, bool] = (True, True)  # rings with a stimulus
    counts: tuple[bool, bool] = (True, True)  # rings whose evidence decides
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
    "dm1": CHOICE._replace(shown=ONE, counts=ONE, stimulus=(200, 400, 600)),
    "dm2": CHOICE._replace(shown=TWO, counts=TWO),
    "ctxdm1": CHOICE._replace(counts=ONE),
    "ctxdm2": CHOICE._replace(counts=TWO),
    "multidm": CHOICE,
    "dlydm1": COMPARISON._replace(shown=ONE, counts=ONE),
    "dlydm2": COMPARISON._replace(shown=TWO, counts=TWO),
    "ctxdlydm1": COMPARISON._replace(counts=ONE),
    "ctxdlydm2": COMPARISON._replace(counts=TWO),
    "multidlydm": COMPARISON,
    "dms": MATCH,
    "dnms": MATCH._replace(go_on_match=False),
    "dmc": MATCH._replace(category=True),
    "dnmc": MATCH._replace(category=True, go_on_match=False),
}
"""Every task by name, in the order of Yang et al., with the times of neurogym 2.3.1."""

COHERENCES = np.array([0.08, 0.16, 0.32, 0.64])
PAIRS = np.array([(a, b) for a in (0.3, 0.6, 1.0) for b in (0.3, 0.6, 1.0) if a != b])


class Stimuli(NamedTuple):
    """What is shown and asked in some trials."""

    first: NDArray[np.int64]  # direction, (trial,)
    second: NDArray[np.int64]  # direction, -1 where there is none
    strengths: NDArray[np.float32]  # (trial, stimulus or test, ring, first or second direction)
    evidence: NDArray[np.float64]  # for the first direction against the second; 0 where nothing is compared
    answer: NDArray[np.int64]  # direction, -1 where the answer is to fixate


def draw(
    definitions: list[Definition], which: NDArray[np.int64], directions: int, generator: np.random.Generator
) -> Stimuli:
    """Return what trials show and ask.

    Parameters
    ----------
    definitions
        Tasks.
    which
        Which of them each trial is of, ``(trial,)``.
    directions
        How many directions there are around the ring.
    generator
        Of every choice.
    """
    count = len(which)
    found = Stimuli(
        first=np.zeros(count, dtype=np.int64),
        second=np.full(count, -1, dtype=np.int64),
        strengths=np.zeros((count, 2, 2, 2), dtype=np.float32),
        evidence=np.zeros(count),
        answer=np.full(count, -1, dtype=np.int64),
    )
    families = np.array([definition.family for definition in definitions])[which]
    for family, drawn_by in (("reach", _reach), ("choose", _choose), ("compare", _choose), ("match", _match)):
        rows = np.flatnonzero(families == family)
        if len(rows):
            drawn = drawn_by(definitions, which[rows], directions, generator)
            for name in Stimuli._fields:
                getattr(found, name)[rows] = getattr(drawn, name)
    return found


def _reach(
    definitions: list[Definition], which: NDArray[np.int64], directions: int, generator: np.random.Generator
) -> Stimuli:
    """One direction on one ring; answer with it, or with the opposite one."""
    count = len(which)
    anti = np.array([definition.anti for definition in definitions])[which]
    first, ring = generator.integers(directions, size=count), generator.integers(2, size=count)
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    strengths[np.arange(count), 0, ring, 0] = 1
    answer = (first + anti * (directions // 2)) % directions
    return Stimuli(first, np.full(count, -1), strengths, np.zeros(count), answer)


def _choose(
    definitions: list[Definition], which: NDArray[np.int64], directions: int, generator: np.random.Generator
) -> Stimuli:
    """Two directions on one ring or both, together or one after the other; answer with the stronger one."""
    count = len(which)
    shown = np.array([definition.shown for definition in definitions])[which]
    counts = np.array([definition.counts for definition in definitions])[which]
    first = generator.integers(directions, size=count)
    second = (first + generator.integers(1, directions, size=count)) % directions
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    if definitions[which[0]].family == "choose":
        coherence = generator.choice(COHERENCES, size=(count, 2)) * generator.choice([-1, 1], size=(count, 2))
        pair = 0.5 + coherence[..., None] * [0.5, -0.5]
        strengths[:, 0] = pair * shown[..., None]
    else:
        pair = PAIRS[generator.integers(len(PAIRS), size=(count, 2))]
        strengths[:, 0, :, 0] = pair[..., 0] * shown
        strengths[:, 1, :, 1] = pair[..., 1] * shown
    evidence = ((pair[..., 0] - pair[..., 1]) * counts).sum(axis=1)
    evidence[np.abs(evidence) < 1e-9] = 0  # rings that say the opposite: any answer
    first_wins = evidence + generator.uniform(-1e-6, 1e-6, size=count) > 0
    return Stimuli(first, second, strengths, evidence, np.where(first_wins, first, second))


def _match(
    definitions: list[Definition], which: NDArray[np.int64], directions: int, generator: np.random.Generator
) -> Stimuli:
    """One direction after another on one ring; answer with the second if they match, or if they do not."""
    count, half = len(which), directions // 2
    category = np.array([definition.category for definition in definitions])[which]
    go_on_match = np.array([definition.go_on_match for definition in definitions])[which]
    first, ring = generator.integers(directions, size=count), generator.integers(2, size=count)
    match = generator.integers(2, size=count).astype(bool)
    opposite = (first + half) % directions
    in_half = generator.integers(half, size=count) + half * ((first >= half) == match)
    second = np.where(category, in_half, np.where(match, first, opposite))
    strengths = np.zeros((count, 2, 2, 2), dtype=np.float32)
    for place in range(2):
        strengths[np.arange(count), place, ring, place] = 1
    return Stimuli(first, second, strengths, np.zeros(count), np.where(match == go_on_match, second, -1))
