"""Where each version of Census's API has what relay asks for: all that differs between them.

v2's trigger and cancel are documented. That syncs and sync runs are read at v1's paths is inferred
from those, and from the vendor's table of renamed paths, which lists neither.
https://fivetran.com/docs/activations/rest-api/api-reference/migrate-v1-to-v2
"""


def path_of(version: str, path: str) -> str:
    """The whole path of `/syncs/5123/trigger` in v1 or v2."""
    return f"/api/{version}{path}"
