"""Engines: where the shards of a run are trained and measured."""
