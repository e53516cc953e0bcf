"""What a connection costs."""

from spatialnets.protocols import Product, Sum
from spatialnets.regularizers.both import Both
from spatialnets.regularizers.communicability import Communicability
from spatialnets.regularizers.distance import Distance
from spatialnets.regularizers.magnitude import L1, L2

__all__ = ["L1", "L2", "Both", "Communicability", "Distance", "Product", "Sum"]
