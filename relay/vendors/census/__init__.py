"""The Census API, as much of it as relay needs."""

from relay.vendors.census.client import Census
from relay.vendors.census.management import CensusManagement, SyncCreation

__all__ = ["Census", "CensusManagement", "SyncCreation"]
