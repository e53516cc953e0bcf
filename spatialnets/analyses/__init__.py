"""What became of a network."""

from spatialnets.analyses.modularity import Modularity
from spatialnets.analyses.pass_rate import PassRate
from spatialnets.analyses.wiring import Wiring

__all__ = ["Modularity", "PassRate", "Wiring"]
