"""Experiments that come with the toolkit, as YAML."""
