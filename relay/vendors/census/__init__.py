"""The parts of the Census API that relay needs."""

from relay.vendors.census.client import Census
from relay.vendors.census.management import CensusManagement, SyncCreation
from relay.vendors.census.version import ApiVersion

__all__ = ["ApiVersion", "Census", "CensusManagement", "SyncCreation"]
