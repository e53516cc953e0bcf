"""How the units of a network work."""

from spatialnets.cores.leaky import Leaky
from spatialnets.cores.rnn import RNN

__all__ = ["RNN", "Leaky"]
