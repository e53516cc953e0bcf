"""Analyses of trained networks: connectivity, topology, activity and task performance."""

from spatialnets.analyses.decoding import Decoding
from spatialnets.analyses.energy import Energy
from spatialnets.analyses.entropy import Entropy
from spatialnets.analyses.functional_connectivity import FunctionalConnectivity
from spatialnets.analyses.generative import Generative
from spatialnets.analyses.modularity import Modularity
from spatialnets.analyses.pass_rate import PassRate
from spatialnets.analyses.selectivity import Selectivity
from spatialnets.analyses.small_worldness import SmallWorldness
from spatialnets.analyses.spatial_coding import SpatialCoding
from spatialnets.analyses.topology import Topology
from spatialnets.analyses.wiring import Wiring

__all__ = [
    "Decoding",
    "Energy",
    "Entropy",
    "FunctionalConnectivity",
    "Generative",
    "Modularity",
    "PassRate",
    "Selectivity",
    "SmallWorldness",
    "SpatialCoding",
    "Topology",
    "Wiring",
]
