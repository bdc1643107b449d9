"""A request to a vendor, before it is sent."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from relay.vendors.observer import Operation


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `json` is its body. `read_seconds` is None for the transport's own.

    From `answers_below` up, a status is trouble and no answer.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    json: bytes | None = None
    read_seconds: float | None = None
    answers_below: int = 500
    operation: Operation = Operation.OTHER

    def __str__(self) -> str:
        query = f"?{urllib.parse.urlencode(self.params)}" if self.params else ""
        return f"{self.method} {self.path}{query}"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.json is None else {"Content-Type": "application/json"}
