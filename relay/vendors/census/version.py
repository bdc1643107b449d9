"""Which version of its API Census wants for a workspace's key.

A workspace API key opens v1, which is retired on V1_ENDS; an Activations personal access token
opens v2. https://fivetran.com/docs/activations/rest-api/api-reference/migrate-v1-to-v2
"""

import threading
from http import HTTPStatus
from typing import Final

from relay.clock import Stopwatch, stopwatch
from relay.errors import Unavailable
from relay.vendors.census.reply import Reply
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport
from relay.workspaces import AUTO, V1, V2

# Only v2 has it: https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis
_PROBE: Final = "/api/v2/activations"
_MEANS: dict[int, str] = {
    HTTPStatus.OK: V2,
    HTTPStatus.FORBIDDEN: V2,  # the token is known there, and may not list activations
    HTTPStatus.UNAUTHORIZED: V1,
    HTTPStatus.NOT_FOUND: V1,
}
_UNCERTAIN = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
_SECONDS_BETWEEN_PROBES = 60.0


class ApiVersion:
    """The API version of one workspace: as configured or, with `auto`, as its key shows.

    Until Census has shown it, it is v1. `current` never asks Census, so that it costs a trigger
    no time; the other methods do.
    """

    def __init__(
        self, transport: Transport, configured: str, stopwatch: Stopwatch = stopwatch
    ) -> None:
        self._transport = transport
        self._is_automatic = configured == AUTO
        self._found = None if self._is_automatic else configured
        self._stopwatch = stopwatch
        self._probed_at: float | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> str:
        """v1 or v2."""
        return self._found or V1

    def find(self) -> str:
        """v1 or v2; asks Census unless it is known. Raises Unavailable if it cannot tell."""
        with self._lock:
            return self._found or self._probe()

    def reconsider(self, version: str, http_status: int) -> bool:
        """Whether a call that `version` refused with this status should be made again.

        A 401 may mean that the key has been replaced by one for the other version. Before the
        version is known, a 403 or a 404 may mean that too.

        Raises Unavailable where Census does not show the version now.
        """
        return self._reconsider(version, http_status, at_most_every=0.0)

    def reconsider_repeated(self, version: str, http_status: int) -> bool:
        """The same for a call that is repeated anyway: Census is asked at most once a minute."""
        return self._reconsider(version, http_status, at_most_every=_SECONDS_BETWEEN_PROBES)

    def _reconsider(self, version: str, http_status: int, *, at_most_every: float) -> bool:
        if not self._is_automatic or not self._may_be_wrong(http_status):
            return False
        with self._lock:
            if self._found in (None, version) and self._may_probe(at_most_every):
                self._probe()
            return self.current != version

    def _may_be_wrong(self, http_status: int) -> bool:
        if http_status == HTTPStatus.UNAUTHORIZED:
            return True
        return self._found is None and http_status in _UNCERTAIN

    def _may_probe(self, at_most_every: float) -> bool:
        if self._found is None or self._probed_at is None:
            return True
        return self._stopwatch() - self._probed_at >= at_most_every

    def _probe(self) -> str:
        answer = self._transport.get(
            _PROBE, {"per_page": "1"}, operation=Operation.FIND_API_VERSION
        )
        self._probed_at = self._stopwatch()
        version = _MEANS.get(answer.http_status)
        is_a_page = answer.ok and not Reply.of(answer).is_success
        if version is None or is_a_page:
            raise Unavailable(
                f"GET {_PROBE} at Census: HTTP {answer.http_status} shows neither v1 nor v2; "
                "set CENSUS_API_VERSION, or `api_version` of the workspace, if this stays so",
                http_status=answer.http_status,
            )
        self._found = version
        return version
