"""What networks learn."""

from spatialnets.tasks.one_choice import OneChoice

__all__ = ["OneChoice"]
