"""Import networks that were trained elsewhere as a run, to be analysed, reported and compared."""

from spatialnets.importing.source import FORMATS, Wanted
from spatialnets.importing.writing import import_networks

__all__ = ["FORMATS", "Wanted", "import_networks"]
