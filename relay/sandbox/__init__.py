"""Simulators of dbt Cloud's Administrative API and the Census API, over real loopback HTTP.

`relay sandbox`, `relay demo` and the tests use the same ones. What they serve is recorded
(recordings/) or follows the vendor's documentation; each page or document is cited.
"""

from relay.sandbox.server import Sandbox, open_sandbox

__all__ = ["Sandbox", "open_sandbox"]
