"""The ids in vendors' answers: what relay's database can hold, or the answer cannot be read."""

from typing import Annotated, Any

import msgspec

from relay.notation import LARGEST_ID

VendorId = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]


class WrittenId(int):
    """An id from 1 on that is a number or, as some answers have it, text. See `id_decoder`."""


def id_decoder(form: Any) -> "msgspec.json.Decoder[Any]":
    """A decoder of a form with fields that are a WrittenId."""
    return msgspec.json.Decoder(form, dec_hook=_read_written_id)


def _read_written_id(form: type, written: object) -> WrittenId:
    if form is not WrittenId:
        raise NotImplementedError(form)
    is_text = isinstance(written, str) and written.isascii() and written.isdigit()
    if not is_text and type(written) is not int:
        raise ValueError("Expected an id")
    number = WrittenId(str(written)[: len(str(LARGEST_ID)) + 1])
    if not 1 <= number <= LARGEST_ID:
        raise ValueError(f"Expected an id from 1 to {LARGEST_ID}")
    return number
