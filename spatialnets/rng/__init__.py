"""Random numbers: one stream for each network and purpose, derived only from the network's seed.

A network therefore gets the same initial weights, trials and noise alone or in an ensemble of fifty, in any shard and
on any engine, and a resumed run needs no stored generator state.
"""

from spatialnets.rng.streams import Stream, numpy_stream, torch_stream

__all__ = ["Stream", "numpy_stream", "torch_stream"]
