"""What networks learn."""

from spatialnets.tasks.one_choice import OneChoice
from spatialnets.tasks.yang import Yang

__all__ = ["OneChoice", "Yang"]
