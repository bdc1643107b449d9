"""Decodes a response of dbt Cloud, or raises its error message."""

from http import HTTPStatus
from typing import Generic, TypeVar

import msgspec

from relay.dbt.decoding import decode
from relay.errors import BadArtifact, Rejected
from relay.notation import short_message
from relay.vendors.transport import Answer, Download

Read = TypeVar("Read")
Row = TypeVar("Row")

PAGE = 100  # rows requested at once; the API's maximum
MOST_PAGES = 1100  # more than the runs that the API rate limit allows to evaluate in an hour


def decoded(
    answer: Answer, decoder: msgspec.json.Decoder[Read], what: str, *, of: str = "runs"
) -> Read:
    """The decoded body. Raises Rejected, BadArtifact."""
    require_success(answer, what, of=of)
    try:
        return decode(decoder, answer.body)
    except BadArtifact as exc:
        raise BadArtifact(f"dbt Cloud's answer for {what} cannot be read: {exc}") from exc


def normalized(kind: str | None) -> str | None:
    """A type of job, cause or environment in lower case; None if it is empty."""
    return (kind or "").strip().casefold() or None


_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; is DBT_CLOUD_TOKEN right?",
    HTTPStatus.FORBIDDEN: "; may the token read this account's {of}?",
    HTTPStatus.NOT_FOUND: "; dbt Cloud also responds with 404 if the token lacks permission",
}


def require_success(answer: Answer | Download, what: str, *, of: str = "runs") -> None:
    """Raise Rejected, with dbt Cloud's own message, unless the response is a success."""
    if answer.ok:
        return
    said = _user_message(answer.body if isinstance(answer, Answer) else bytes(answer.content))
    hint = _HINTS.get(answer.http_status, "").format(of=of)
    raise Rejected(
        f"dbt Cloud answered HTTP {answer.http_status} for {what}{said}{hint}",
        http_status=answer.http_status,
    )


class _Status(msgspec.Struct):
    user_message: str = ""


class _Error(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_error_decoder = msgspec.json.Decoder(_Error)


def _user_message(body: bytes) -> str:
    """Dbt Cloud's own message, such as that this address is not on the account's allow list."""
    try:
        said = short_message(decode(_error_decoder, body).status.user_message)
    except BadArtifact:
        return ""
    return f": {said.removesuffix('.')}" if said else ""


class _Pagination(msgspec.Struct):
    total_count: int | None = None


class _Extra(msgspec.Struct):
    pagination: _Pagination | None = None


class Page(msgspec.Struct, Generic[Row]):
    """A page of a list, and the number of rows of all pages."""

    data: list[Row]
    extra: _Extra | None = None

    def ends_at(self, offset: int) -> bool:
        """Whether this page, requested at `offset`, is the last one."""
        # A page may be shorter than requested: the docs' own sample has 10 rows a page.
        end = offset + len(self.data)
        pagination = self.extra.pagination if self.extra else None
        total = pagination.total_count if pagination else None
        return not self.data or (len(self.data) < PAGE and end >= (total or 0))
