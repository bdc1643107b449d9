"""Census's envelope around every response, read once: `{"status": "success", "data": …}`."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from relay.dbt.decoding import decode
from relay.errors import BadArtifact, Rejected
from relay.notation import short_message
from relay.vendors.transport import Answer

Data = TypeVar("Data")


class _Envelope(msgspec.Struct):
    status: Any = None  # "success", "error", or the number 404
    data: msgspec.Raw = msgspec.Raw(b"null")
    message: Any = None
    pagination: Any = None
    next: Any = msgspec.UNSET


REFUSALS = frozenset({"error", "not_found"})  # an envelope's words for "no"

_WRONG_KEY = "; is the API key right?"
_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: _WRONG_KEY,
    HTTPStatus.FORBIDDEN: _WRONG_KEY,
    HTTPStatus.NOT_FOUND: "; {not_found}",
}

_envelope = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of Census, or of a proxy in front of it; `said` is for a message.

    `message` is Census's own, empty without one; `word` is the envelope's status, None if it is not
    text. `pagination` and `next_url` are the links to a list's other pages, as they were sent;
    `next_url` is UNSET without such a key.
    """

    http_status: int
    is_success: bool
    is_refusal: bool
    said: str
    data: msgspec.Raw
    message: str = ""
    word: str | None = None
    pagination: object = None
    next_url: object = msgspec.UNSET

    @classmethod
    def of(cls, answer: Answer) -> "Reply":
        """Read a response; a 2xx without an envelope is neither a success nor a refusal."""
        try:
            envelope = decode(_envelope, answer.body)
        except BadArtifact:
            envelope = _Envelope()
        message = short_message(envelope.message) if isinstance(envelope.message, str) else ""
        return cls(
            http_status=answer.http_status,
            is_success=answer.ok and envelope.status == "success",
            is_refusal=not answer.ok or _is_error(envelope.status),
            said=message or _excerpt(answer, envelope),
            data=envelope.data,
            message=message,
            word=short_message(envelope.status) if isinstance(envelope.status, str) else None,
            pagination=envelope.pagination,
            next_url=envelope.next,
        )

    def read(self, decoder: msgspec.json.Decoder[Data], *, not_found: str) -> Data:
        """The data of a success; `not_found` is the hint for the user after a 404.

        Raises Rejected if Census refused, BadArtifact for data of another type and for a response
        that is neither a success nor a refusal.
        """
        said = f": {self.said.removesuffix('.')}" if self.said else ""
        hint = _HINTS.get(self.http_status, "").format(not_found=not_found)
        answered = f"Census answered HTTP {self.http_status}{said}{hint}"
        if self.is_refusal:
            raise Rejected(answered, http_status=self.http_status)
        if not self.is_success:
            raise BadArtifact(answered)
        try:
            return decode(decoder, bytes(self.data))
        except BadArtifact as exc:
            raise BadArtifact(
                f"Census answered HTTP {self.http_status}, but its data cannot be read: {exc}"
            ) from exc


def _excerpt(answer: Answer, envelope: _Envelope) -> str:
    """The response's text; with data only its status, because data holds records' values."""
    has_data = bytes(envelope.data) != b"null"
    return short_message(f"status {envelope.status!r}") if has_data else answer.excerpt


def _is_error(status: object) -> bool:
    """Whether an envelope's status, text or number, is a refusal."""
    is_number = isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST
    return status in REFUSALS or is_number
