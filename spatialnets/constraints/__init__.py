"""Constraints on weights that hold throughout training."""

from spatialnets.constraints.dale import Dale
from spatialnets.constraints.layers import Layers
from spatialnets.constraints.low_rank import LowRank
from spatialnets.constraints.mask import Mask
from spatialnets.constraints.no_self import NoSelf

__all__ = ["Dale", "Layers", "LowRank", "Mask", "NoSelf"]
