"""An answer of dbt Cloud, decoded; or what it says is wrong."""

from http import HTTPStatus
from typing import Generic, TypeVar

import msgspec

from relay.dbt.decoding import decode
from relay.errors import BadArtifact, Rejected
from relay.notation import short_message
from relay.vendors.transport import Answer, Download

Read = TypeVar("Read")
Row = TypeVar("Row")

PAGE = 100  # rows of a list that are asked for at once; the API's own most
MOST_PAGES = 1100  # of an hour in which an account did all that its API limit allows to follow


def decoded(
    answer: Answer, decoder: msgspec.json.Decoder[Read], what: str, *, of: str = "runs"
) -> Read:
    """The answer's body in its form. Raises Rejected, BadArtifact."""
    must_be_good(answer, what, of=of)
    try:
        return decode(decoder, answer.body)
    except BadArtifact as exc:
        raise BadArtifact(f"dbt Cloud's answer for {what} cannot be read: {exc}") from exc


def folded(kind: str | None) -> str | None:
    """A kind of job, cause or environment in small letters; None for an empty one."""
    return (kind or "").strip().casefold() or None


_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; is DBT_CLOUD_TOKEN right?",
    HTTPStatus.FORBIDDEN: "; may the token read this account's {of}?",
    HTTPStatus.NOT_FOUND: "; dbt Cloud also responds with 404 if the token lacks permission",
}


def must_be_good(answer: Answer | Download, what: str, *, of: str = "runs") -> None:
    """Raise Rejected, in dbt Cloud's own words, unless the answer is a success."""
    if answer.ok:
        return
    said = _own_words(answer.body if isinstance(answer, Answer) else bytes(answer.content))
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


def _own_words(body: bytes) -> str:
    """What dbt Cloud says itself, such as that this address is not on the account's list."""
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
    """A page of a list, and how many rows all pages have."""

    data: list[Row]
    extra: _Extra | None = None

    def ends_at(self, offset: int) -> bool:
        """Whether nothing comes after this page, which was asked for at `offset`."""
        # A page may be shorter than was asked for: the docs' own sample of a list has 10 a page.
        end = offset + len(self.data)
        pagination = self.extra.pagination if self.extra else None
        total = pagination.total_count if pagination else None
        return not self.data or (len(self.data) < PAGE and end >= (total or 0))
