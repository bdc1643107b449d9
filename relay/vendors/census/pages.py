"""A list of Census's, page by page: one page is held at a time, and no row is missed in silence.

Pages are small, because large ones are answered with 502: a sync is about 48 kB.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec

from relay.dbt.decoding import decode
from relay.errors import BadArtifact, Unavailable
from relay.notation import short_message
from relay.vendors.census.fields import mapping
from relay.vendors.census.reply import Reply
from relay.vendors.ids import read_count
from relay.vendors.transport import Answer

PER_PAGE = 25  # rows; the API's own default
_TOO_LARGE = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})

Ask = Callable[[str, Mapping[str, str]], Answer]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list to be read.

    `what` it is of, for messages; `order` is `asc` or `desc`; `not_found` is what to ask a person
    where Census says 404.
    """

    path: str
    what: str
    order: str
    not_found: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A page by its number, from 1, and its size in rows."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def halved(self) -> "_Place":
        """A page of at most half the size that begins with the same row."""
        size = next(size for size in range(self.size // 2, 0, -1) if self.offset % size == 0)
        return _Place(self.offset // size + 1, size)


def rows_of(ask: Ask, listing: Listing) -> Iterator[msgspec.Raw]:
    """The rows of a list, in Census's order, each of them once.

    Raises Unavailable, Rejected, BadArtifact: also for a page that repeats an earlier one or does
    not lead to the one that follows it.
    """
    place: _Place | None = _Place(1, PER_PAGE)
    seen: set[bytes] = set()
    while place is not None:
        place, reply = _ask_smaller(ask, listing, place)
        rows = reply.read(_rows, not_found=listing.not_found)
        place, fresh = _following(listing, place, reply, rows), _fresh(rows, seen)
        if rows and not fresh and _says_more(reply):
            raise BadArtifact(f"Census's list of {listing.what} repeats a page; ask again later")
        yield from fresh
        if not fresh:
            return


def _ask_smaller(ask: Ask, listing: Listing, place: _Place) -> tuple[_Place, Reply]:
    """A page's answer, asked for in smaller pages where it was too large for Census."""
    while True:
        params = {"order": listing.order, "page": str(place.page), "per_page": str(place.size)}
        try:
            reply = Reply.of(ask(listing.path, params))
        except Unavailable as exc:
            if exc.http_status not in _TOO_LARGE or place.size == 1:
                raise
            place = place.halved
        else:
            return _as_answered(listing, place, reply), reply


def _as_answered(listing: Listing, asked: _Place, reply: Reply) -> _Place:
    """The page that was answered; its size may be Census's own, from the first page on."""
    said = mapping(reply.pagination)
    page, size = read_count(said.get("page")), read_count(said.get("per_page"))
    if page not in (None, asked.page):
        raise BadArtifact(
            f"Census answered page {page} of its {listing.what} where page {asked.page} was asked"
        )
    if size in (None, 0, asked.size):
        return asked
    if asked.page > 1:
        raise BadArtifact(
            f"Census answered {size} rows a page of its {listing.what} where {asked.size} were"
            " asked: rows would be missed"
        )
    return replace(asked, size=size)


def _following(
    listing: Listing, place: _Place, reply: Reply, rows: list[msgspec.Raw]
) -> _Place | None:
    """The page after this one; None after the last."""
    following = place.page + 1
    if not _tells(reply):
        # The API of 2021 does not say whether there is another page.
        return replace(place, page=following) if len(rows) == place.size else None
    named = _named(reply, following)
    if named is None:
        return None
    if named != following or not rows:
        raise BadArtifact(
            f"Census's list of {listing.what} does not advance: page {place.page} of"
            f" {len(rows)} rows names page {named} as the next"
        )
    return replace(place, page=following)


def _named(reply: Reply, following: int) -> int | None:
    """The page that an answer names as the next, None for the last.

    Of the older `next`, a URL, only the page's number is taken: the URL itself is not followed.
    """
    if isinstance(reply.pagination, dict) and "next_page" in reply.pagination:
        written = reply.pagination["next_page"]
    elif isinstance(reply.next_url, str) and reply.next_url:
        written = _page_in(reply.next_url) or following
    else:
        written = None
    if written is None:
        return None
    number = read_count(written)
    if number is None:
        raise BadArtifact("Census names a next page that is no number")
    return number


def _page_in(url: str) -> str | None:
    try:
        numbers = parse_qs(urlsplit(url).query).get("page", [])
    except ValueError:
        return None
    return numbers[-1] if numbers else None


def _tells(reply: Reply) -> bool:
    """Whether the answer says if there is another page."""
    said_in_pages = isinstance(reply.pagination, dict) and "next_page" in reply.pagination
    return said_in_pages or reply.next_url is not msgspec.UNSET


def _says_more(reply: Reply) -> bool:
    return _tells(reply) and _named(reply, 1) is not None


def _fresh(rows: list[msgspec.Raw], seen: set[bytes]) -> list[msgspec.Raw]:
    """The rows that no earlier page had; while a list is read, new rows can move others on."""
    fresh = []
    for row in rows:
        key = _key(row)
        if key not in seen:
            seen.add(key)
            fresh.append(row)
    return fresh


def _key(row: msgspec.Raw) -> bytes:
    """What identifies a row: its type and id, else a digest of all of it."""
    named = _named_row_of(row)
    if named.id is None:
        return str(hash(bytes(row))).encode()
    return f"{named.type}:{named.id}".encode()


def name_of(row: msgspec.Raw) -> str:
    """What a message can call a row that cannot be read: its id or name, or that it has none."""
    named = _named_row_of(row)
    written = named.full_name if named.id is None else named.id
    return short_message(str(written)) if isinstance(written, str | int) else "without an id"


class _NamedRow(msgspec.Struct):
    id: object = None
    type: object = None
    full_name: object = None


def _named_row_of(row: msgspec.Raw) -> _NamedRow:
    try:
        return decode(_named_row, bytes(row))
    except BadArtifact:
        return _NamedRow()


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_named_row = msgspec.json.Decoder(_NamedRow)
