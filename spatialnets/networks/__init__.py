"""Ensembles of networks on a geometry: the batched module, its checks and its recordings."""
