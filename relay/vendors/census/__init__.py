"""The Census API, as much of it as relay needs."""

from relay.vendors.census.client import Census

__all__ = ["Census"]
