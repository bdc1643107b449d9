"""Census's management API: what a workspace holds, beside the syncs that relay starts.

https://fivetran.com/docs/activations/rest-api/api-reference, and of 2021 docs.getcensus.com "API".
Lists are read page by page: an iterator holds one page, and asks for the next when it is needed.
No answer's connection details or credentials are read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from typing import TypeVar

import msgspec

from relay.census.objects import (
    Dataset,
    Destination,
    DestinationObject,
    Source,
    SourceModel,
    SourceObject,
    SourceTable,
)
from relay.census.syncs import CensusSync
from relay.dbt.decoding import decode
from relay.errors import BadArtifact, Rejected, Unanswered, Unavailable
from relay.sync_runs import SyncRun
from relay.vendors.census import object_shapes as objects
from relay.vendors.census.pages import Listing, name_of, rows_of
from relay.vendors.census.paths import Paths
from relay.vendors.census.reply import REFUSALS, Reply
from relay.vendors.census.run_shapes import listed_run_decoder
from relay.vendors.census.sync_shapes import sync_decoder
from relay.vendors.census.version import ApiVersion
from relay.vendors.ids import WrittenId, id_decoder
from relay.vendors.observer import Operation
from relay.vendors.transport import Answer, Transport

OLDEST_FIRST, NEWEST_FIRST = "asc", "desc"

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCreation:
    """What Census answered to a sync that was sent to be created, or only to be validated.

    `word` is the status in its envelope, such as `created` or `error`; None where there is none.
    `sync_id` is None where the answer names no sync. `said` is Census's message, else how its
    answer begins, on one line.
    """

    http_status: int
    word: str | None
    sync_id: int | None
    said: str

    @property
    def is_refused(self) -> bool:
        """Whether Census said that it made no sync."""
        is_client_error = 400 <= self.http_status < 500  # noqa: PLR2004
        # A 408 is a gateway's that stopped waiting, which Census need not have done.
        is_final = is_client_error and self.http_status != HTTPStatus.REQUEST_TIMEOUT
        return is_final or (self.is_ok and self.word in REFUSALS)

    @property
    def is_ok(self) -> bool:
        """Whether the HTTP status is that of a success."""
        return 200 <= self.http_status < 300  # noqa: PLR2004


class CensusManagement:
    """The management API of one workspace.

    Every method raises Unavailable, Rejected and BadArtifact, an iterator while it is read.
    """

    def __init__(self, transport: Transport, *, api_version: ApiVersion) -> None:
        self._transport = transport
        self._version = api_version

    @property
    def _paths(self) -> Paths:
        return Paths(self._version.find())

    def syncs(self) -> Iterator[CensusSync]:
        """All syncs, oldest first."""
        listing = Listing(self._paths.syncs, "syncs", OLDEST_FIRST, "is CENSUS_URL right?")
        for shape in self._rows(listing, sync_decoder):
            yield shape.as_value()

    def sync(self, sync_id: int, *, read_seconds: float | None = None) -> CensusSync:
        """One sync; `read_seconds` is a time-out for this call alone."""
        asked = f"is sync_id {sync_id} right, and in this workspace?"
        answer = self._get(self._paths.sync(sync_id), read_seconds=read_seconds)
        return Reply.of(answer).read(sync_decoder, not_found=asked).as_value()

    def sync_runs(self, sync_id: int) -> Iterator[SyncRun]:
        """A sync's runs, newest first: they can be many, stop when there are enough."""
        asked = f"is sync_id {sync_id} right, and in this workspace?"
        path = self._paths.sync_runs(sync_id)
        listing = Listing(path, f"sync {sync_id}'s runs", NEWEST_FIRST, asked)
        for shape in self._rows(listing, listed_run_decoder):
            yield shape.as_value(shape.id)

    def sources(self) -> Iterator[Source]:
        """All warehouses that Census reads."""
        listing = Listing(self._paths.sources, "sources", OLDEST_FIRST, "is CENSUS_URL right?")
        for shape in self._rows(listing, objects.source_decoder):
            yield shape.as_value()

    def source(self, source_id: int) -> Source:
        """One warehouse."""
        path, asked = self._paths.source(source_id), _is_it_the_source(source_id)
        return self._one(path, objects.source_decoder, asked).as_value()

    def source_objects(self, source_id: int) -> Iterator[SourceObject]:
        """The tables, models and segments of a source."""
        paths = (self._paths.source_objects(source_id), self._paths.data_sources(source_id))
        for shape in self._rows_at_one_of(paths, source_id):
            yield shape.as_value()

    def source_model(self, source_id: int, model_id: int) -> SourceModel:
        """One model of a source, with its columns. Fivetran calls the path deprecated."""
        path = self._paths.source_model(source_id, model_id)
        asked = f"is there a model {model_id} in source {source_id}?"
        return self._one(path, objects.model_decoder, asked).as_model()

    def source_table(self, source_id: int, table_id: int) -> SourceTable:
        """One table of a source, with its columns."""
        path = self._paths.source_table(source_id, table_id)
        asked = f"is there a table {table_id} in source {source_id}?"
        return self._one(path, objects.table_decoder, asked).as_table()

    def datasets(self) -> Iterator[Dataset]:
        """All datasets. A key can be without the right to read them: Rejected, with 403."""
        asked = "does this workspace have datasets?"
        listing = Listing(self._paths.datasets, "datasets", OLDEST_FIRST, asked)
        for shape in self._rows(listing, objects.dataset_decoder):
            yield shape.as_value()

    def dataset(self, dataset_id: int) -> Dataset:
        """One dataset, with its query and columns."""
        asked = f"is there a dataset {dataset_id} in this workspace?"
        return self._one(self._paths.dataset(dataset_id), objects.dataset_decoder, asked).as_value()

    def destinations(self) -> Iterator[Destination]:
        """All business tools that Census writes to."""
        asked = "is CENSUS_URL right?"
        listing = Listing(self._paths.destinations, "destinations", OLDEST_FIRST, asked)
        for shape in self._rows(listing, objects.destination_decoder):
            yield shape.as_value()

    def destination(self, destination_id: int | str) -> Destination:
        """One business tool, with its objects where Census lists them here."""
        path, asked = self._paths.destination(destination_id), _is_it_the_tool(destination_id)
        return self._one(path, objects.destination_decoder, asked).as_value()

    def destination_objects(self, destination_id: int | str) -> Iterator[DestinationObject]:
        """The objects of a business tool."""
        path, asked = (
            self._paths.destination_objects(destination_id),
            _is_it_the_tool(destination_id),
        )
        listing = Listing(path, f"destination {destination_id}'s objects", OLDEST_FIRST, asked)
        for shape in self._rows(listing, objects.destination_object_decoder):
            yield shape.as_value()

    def destination_object(self, destination_id: int | str, full_name: str) -> DestinationObject:
        """One object of a business tool, with its fields."""
        path = self._paths.destination_object(destination_id, full_name)
        asked = f"has destination {destination_id} an object {full_name!r}?"
        return self._one(path, objects.destination_object_decoder, asked).as_value()

    def cancel_sync_run(self, sync_run_id: int) -> None:
        """Cancel a sync run. Raises Unanswered too: it may be cancelled."""
        reply = Reply.of(
            self._transport.post(self._paths.cancel(sync_run_id), operation=Operation.MANAGE)
        )
        asked = f"is sync run {sync_run_id} of this workspace?"
        try:
            if reply.is_refusal or reply.word not in ("cancelled", "canceled"):
                reply.read(_anything, not_found=asked)
        except BadArtifact as exc:
            raise Unanswered(str(exc), http_status=reply.http_status) from exc

    def create_sync(self, body: bytes, *, read_seconds: float) -> SyncCreation:
        """Send a new sync, as JSON, once; Census may take minutes to answer.

        Raises Unavailable (there is no new sync), Unanswered (there may be one).
        """
        answer = self._transport.submit(self._paths.syncs, body, read_seconds=read_seconds)
        reply = Reply.of(answer)
        return SyncCreation(
            http_status=reply.http_status,
            word=reply.word,
            sync_id=_created_id(reply),
            # All of it, data too: what a validation answers is not documented.
            said=reply.message or answer.excerpt,
        )

    def _one(self, path: str, decoder: "msgspec.json.Decoder[Shape]", not_found: str) -> Shape:
        return Reply.of(self._get(path)).read(decoder, not_found=not_found)

    def _get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        read_seconds: float | None = None,
    ) -> Answer:
        """GET. Raises Unavailable too if the key turns out to be one for the other version."""
        version = self._version.current
        answer = self._transport.get(
            path, params, operation=Operation.MANAGE, read_seconds=read_seconds
        )
        if self._version.reconsider_repeated(version, answer.http_status):
            raise Unavailable(
                f"Census answered HTTP {answer.http_status} to {version}: "
                f"its key is one for {self._version.current}; ask again",
                http_status=answer.http_status,
            )
        return answer

    def _rows(self, listing: Listing, decoder: "msgspec.json.Decoder[Shape]") -> Iterator[Shape]:
        for row in rows_of(self._get, listing):
            try:
                yield decode(decoder, bytes(row))
            except BadArtifact as exc:
                where = f"row {name_of(row)} of Census's list of {listing.what}"
                raise BadArtifact(f"{where} cannot be read: {exc}") from exc

    def _rows_at_one_of(
        self, paths: tuple[str, str], source_id: int
    ) -> "Iterator[objects.SourceObjectShape]":
        """The rows at the newer path or, where that is not found, at the older one."""
        asked = _is_it_the_source(source_id)
        newer, older = (
            self._rows(
                Listing(path, f"source {source_id}'s objects", OLDEST_FIRST, asked),
                objects.source_object_decoder,
            )
            for path in paths
        )
        try:
            # Only the first page: a 404 in the middle of a list says nothing of the path.
            first = list(islice(newer, 1))
        except Rejected as exc:
            if exc.http_status != HTTPStatus.NOT_FOUND:
                raise
            yield from older
        else:
            yield from chain(first, newer)


def _created_id(reply: Reply) -> int | None:
    """`data.sync_id`, and nothing else: `data.id` is what a validation could answer."""
    try:
        return int(decode(_created, bytes(reply.data)).sync_id)
    except BadArtifact:
        return None


def _is_it_the_source(source_id: int) -> str:
    return f"is there a source {source_id} in this workspace?"


def _is_it_the_tool(destination_id: int | str) -> str:
    return f"is there a destination {destination_id} in this workspace?"


class _Created(msgspec.Struct):
    sync_id: WrittenId


_created: "msgspec.json.Decoder[_Created]" = id_decoder(_Created)
_anything = msgspec.json.Decoder(msgspec.Raw)
