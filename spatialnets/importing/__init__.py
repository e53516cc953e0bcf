"""Other people's networks, as a run: nothing is trained, everything can be measured."""

from spatialnets.importing.source import FORMATS, Wanted
from spatialnets.importing.writing import import_networks

__all__ = ["FORMATS", "Wanted", "import_networks"]
