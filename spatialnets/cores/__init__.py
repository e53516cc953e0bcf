"""How the units of a network work."""

from spatialnets.cores.rnn import RNN
from spatialnets.cores.wrapped import Wrapped

__all__ = ["RNN", "Wrapped"]
