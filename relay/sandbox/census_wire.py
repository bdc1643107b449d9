"""Whom Census's API lets in, in which versions, and how it words an error and a list."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from http.client import responses
from typing import Any, TypeVar

from flask import abort, request
from werkzeug.wrappers import Response

from relay.clock import Clock
from relay.sandbox.census_answers import paged
from relay.sandbox.wire import TRANSIENT, Body, Simulator, as_json

VERSIONS = ("v1", "v2")
API = "/api/<any(v1, v2):version>"

T = TypeVar("T")


class Paging(StrEnum):
    """How a response links a list's other pages."""

    BOTH = "both"  # `pagination` and the older `next`, as today
    NEXT_URL = "next_url"  # only the older one: until August 2023
    NOTHING = "nothing"  # 2021: not at all
    REPEATING = "repeating"  # wrong: every page is the first one again


@dataclass(frozen=True, slots=True)
class CensusOptions:
    """How this Census answers. `largest_page` is in rows: larger ones are answered with 502.

    A version that is not among `versions` does not know the key: a workspace's key is one of v1, a
    personal access token one of v2.
    """

    versions: tuple[str, ...] = VERSIONS
    largest_page: int | None = None
    paging: Paging = Paging.BOTH


class CensusWire(Simulator):
    """Credentials, errors and pages of one workspace's API."""

    # Not with 200: as the answer to a trigger that would be a refusal, and those do not pass.
    transient_faults = (*TRANSIENT, Body(b"<html>Back soon</html>", 503, "text/html"))

    def __init__(self, api_key: str, *, clock: Clock) -> None:
        super().__init__(clock)
        self.options = CensusOptions()
        self._api_key = api_key

    def success(self, answer: Any) -> Response:
        """An answer that is no list."""
        return as_json({"status": "success", "data": answer})

    def page(self, oldest_first: Sequence[T], as_row: Callable[[T], dict[str, Any]]) -> Response:
        """The page of a list that the request asks for."""
        args = request.args.copy()
        rows = oldest_first if args.get("order") == "asc" else oldest_first[::-1]
        if self.options.paging is Paging.REPEATING:
            args["page"] = "1"
        page = paged(rows, args, request.base_url)
        largest = self.options.largest_page
        if largest is not None and page["pagination"]["per_page"] > largest:
            abort(HTTPStatus.BAD_GATEWAY)
        unsaid = {
            Paging.NEXT_URL: ("pagination",),
            Paging.NOTHING: ("pagination", "next"),
        }.get(self.options.paging, ())
        said = {key: value for key, value in page.items() if key not in unsaid}
        return as_json(said | {"data": [as_row(row) for row in page["data"]]})

    def _check_credentials(self) -> Response | None:
        # "Authorization: Bearer", and until February 2023 https://bearer:TOKEN@host, which is
        # HTTP Basic with the user `bearer`.
        basic = base64.b64encode(f"bearer:{self._api_key}".encode()).decode()
        said = request.headers.get("Authorization", "")
        right = (f"Bearer {self._api_key}", f"Basic {basic}")
        if said in right and self._knows_the_key_at(request.path):
            return None
        return self._error(HTTPStatus.UNAUTHORIZED, request.path)

    def _knows_the_key_at(self, path: str) -> bool:
        refused = [version for version in VERSIONS if version not in self.options.versions]
        return not any(path.startswith(f"/api/{version}/") for version in refused)

    def _error(self, code: int, path: str, detail: str | None = None) -> Response:
        if code == HTTPStatus.UNAUTHORIZED and path.startswith("/api/v2/"):
            # https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis/
            # webhooks/create-webhook; the pages of v1 have no 401.
            return as_json({"status": code}, code)
        if code == HTTPStatus.UNAUTHORIZED:
            # Undocumented. Rails' text; Census's clients look for "Access denied" in it.
            answer = Response("HTTP Basic: Access denied.\n", code, content_type="text/html")
            answer.headers["WWW-Authenticate"] = 'Basic realm="Application"'
            return answer
        if code == HTTPStatus.NOT_FOUND:
            # developers.getcensus.com/openapi/compiled/workspace_management.yaml, NotFound
            return as_json({"status": code}, code)
        if code == HTTPStatus.BAD_REQUEST and path.startswith("/api/v2/"):
            # The same page of v2 has `message`, "The reason the request failed".
            return as_json({"status": code, "message": detail}, code)
        if code == HTTPStatus.FORBIDDEN and path.startswith("/api/v2/"):
            return as_json({"status": code, "message": _FORBIDDEN}, code)
        # Others are undocumented: a page, as whatever stands before the API would send.
        page = f"<html><body><h1>{code} {responses.get(code, '')}</h1></body></html>"
        return Response(page, code, content_type="text/html")

    def _not_served(self, code: int, said: str) -> Response:
        return as_json({"status": code, "message": said}, code)


_FORBIDDEN = (
    "You are not authorized to use this feature or the feature is not available for your"
    " organization."
)
