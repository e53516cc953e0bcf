"""What became of a network."""

from spatialnets.analyses.modularity import Modularity
from spatialnets.analyses.pass_rate import PassRate
from spatialnets.analyses.small_worldness import SmallWorldness
from spatialnets.analyses.wiring import Wiring

__all__ = ["Modularity", "PassRate", "SmallWorldness", "Wiring"]
