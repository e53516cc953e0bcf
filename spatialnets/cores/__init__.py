"""Recurrent cores: blueprints (frozen dataclasses) that build batched PyTorch modules."""

from spatialnets.cores.alif import ALIF
from spatialnets.cores.gru import GRU
from spatialnets.cores.leaky import Leaky
from spatialnets.cores.lif import LIF
from spatialnets.cores.lstm import LSTM
from spatialnets.cores.rnn import RNN
from spatialnets.cores.wrapped import Wrapped

__all__ = ["ALIF", "GRU", "LIF", "LSTM", "RNN", "Leaky", "Wrapped"]
