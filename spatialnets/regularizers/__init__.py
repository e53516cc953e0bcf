"""Regularizers: what a network pays for connections, activity or positions."""

from spatialnets.protocols import Product, Sum
from spatialnets.regularizers.activity import Activity
from spatialnets.regularizers.both import Both
from spatialnets.regularizers.communicability import Communicability
from spatialnets.regularizers.distance import Distance
from spatialnets.regularizers.magnitude import L1, L2
from spatialnets.regularizers.nuclear import Nuclear
from spatialnets.regularizers.repulsion import Repulsion
from spatialnets.regularizers.target_connectome import TargetConnectome
from spatialnets.regularizers.weighted_activity import WeightedActivity

__all__ = [
    "L1",
    "L2",
    "Activity",
    "Both",
    "Communicability",
    "Distance",
    "Nuclear",
    "Product",
    "Repulsion",
    "Sum",
    "TargetConnectome",
    "WeightedActivity",
]
