"""Experiments: from a YAML declaration to checked components."""
