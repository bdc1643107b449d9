"""Simulators of dbt Cloud's Administrative API and the Census API, over real loopback HTTP.

`relay sandbox`, `relay demo` and the tests use the same ones. What they serve is recorded
(recordings/) or has the shape the vendor documents; the page or document is named beside each.
"""

from relay.sandbox.server import Sandbox, open_sandbox

__all__ = ["Sandbox", "open_sandbox"]
