"""The version of hubcheck: the one place that states it."""

__version__ = "0.1.0"
