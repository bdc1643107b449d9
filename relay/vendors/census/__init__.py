"""The parts of the Census API that relay needs."""

from relay.vendors.census.client import Census

__all__ = ["Census"]
