"""The parts of the dbt Administrative API that relay needs."""

from relay.vendors.dbt_cloud.client import DbtCloud

__all__ = ["DbtCloud"]
