"""Tasks that networks are trained on."""

from spatialnets.tasks.arrays import Arrays
from spatialnets.tasks.context_decision import ContextDecision
from spatialnets.tasks.copy_memory import CopyMemory
from spatialnets.tasks.declared_phases import Phases, Rule
from spatialnets.tasks.delayed_match_to_sample import DelayedMatchToSample
from spatialnets.tasks.go_no_go import GoNoGo
from spatialnets.tasks.n_back import NBack
from spatialnets.tasks.neurogym import Neurogym
from spatialnets.tasks.one_choice import OneChoice
from spatialnets.tasks.parametric_working_memory import ParametricWorkingMemory
from spatialnets.tasks.perceptual_decision import PerceptualDecision
from spatialnets.tasks.phases import Phase, PhasedTask
from spatialnets.tasks.sequential_digits import SequentialDigits
from spatialnets.tasks.sequential_mnist import SequentialMNIST
from spatialnets.tasks.spiking_digits import SpikingDigits
from spatialnets.tasks.yang import Yang

__all__ = [
    "Arrays",
    "ContextDecision",
    "CopyMemory",
    "DelayedMatchToSample",
    "GoNoGo",
    "NBack",
    "Neurogym",
    "OneChoice",
    "ParametricWorkingMemory",
    "PerceptualDecision",
    "Phase",
    "PhasedTask",
    "Phases",
    "Rule",
    "SequentialDigits",
    "SequentialMNIST",
    "SpikingDigits",
    "Yang",
]
