"""The experiments of the toolkit, as YAML files."""
