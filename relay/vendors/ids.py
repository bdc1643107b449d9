"""Ids and counts in vendors' responses, limited to what relay's database can store."""

from typing import Annotated, Any

import msgspec

from relay.notation import LARGEST_ID

VendorId = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]


class WrittenId(int):
    """An id from 1 up, sent as a number or, in some responses, as text. See `id_decoder`."""


def id_decoder(form: Any) -> "msgspec.json.Decoder[Any]":
    """A decoder for a type that has WrittenId fields."""
    return msgspec.json.Decoder(form, dec_hook=_read_written_id)


def read_count(written: Any) -> int | None:
    """A count, sent as a number or as text; None if it is neither or too large to store."""
    if isinstance(written, str) and _is_digits(written):
        written = int(written[: len(str(LARGEST_ID)) + 1])
    is_number = isinstance(written, int) and not isinstance(written, bool)
    return written if is_number and 0 <= written <= LARGEST_ID else None


def _read_written_id(form: type, written: object) -> WrittenId:
    if form is not WrittenId:
        raise NotImplementedError(form)
    if not _is_digits(written) and type(written) is not int:
        raise ValueError("Expected an id")
    number = WrittenId(str(written)[: len(str(LARGEST_ID)) + 1])
    if not 1 <= number <= LARGEST_ID:
        raise ValueError(f"Expected an id from 1 to {LARGEST_ID}")
    return number


def _is_digits(written: object) -> bool:
    return isinstance(written, str) and written.isascii() and written.isdigit()
