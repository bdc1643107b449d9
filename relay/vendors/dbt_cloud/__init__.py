"""The dbt Administrative API, as much of it as relay needs."""

from relay.vendors.dbt_cloud.client import DbtCloud

__all__ = ["DbtCloud"]
