"""The routes of Census's management API: sources, datasets, destinations, and new syncs.

docs.getcensus.com "API" (October 2021), https://developers.getcensus.com/api-reference, and of v2
https://fivetran.com/docs/activations/rest-api/api-reference/migrate-v1-to-v2: destinations are
activations there. `data_sources` is the older name of a source's `objects`.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from flask import Flask, abort, request
from werkzeug.wrappers import Response

from relay.sandbox import census_object_answers as answers
from relay.sandbox.census_creation import Accepted, Refusal, judge
from relay.sandbox.census_objects import (
    CensusObjects,
    SandboxDestination,
    SandboxSource,
    by_id,
)
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.census_wire import API, CensusWire
from relay.sandbox.wire import as_json

Item = TypeVar("Item")


class ManagementRoutes:
    """The routes, for one workspace."""

    def __init__(
        self, wire: CensusWire, objects: CensusObjects, create: Callable[[SandboxSync], SandboxSync]
    ) -> None:
        """`create` keeps a new sync, and gives it its id."""
        self._wire = wire
        self._objects = objects
        self._create = create

    def add_to(self, app: Flask) -> None:
        """Serve them."""
        self._add_source_routes(app)
        self._add_destination_routes(app, "/api/<any(v1):version>/destinations")
        self._add_destination_routes(app, "/api/<any(v2):version>/activations")
        app.add_url_rule(f"{API}/syncs", view_func=self._create_sync, methods=["POST"])

    def _add_source_routes(self, app: Flask) -> None:
        add, source = app.add_url_rule, f"{API}/sources/<int:source_id>"
        add(f"{API}/sources", view_func=self._sources)
        add(source, view_func=self._source)
        add(f"{source}/objects", view_func=self._source_objects)
        add(f"{source}/data_sources", view_func=self._source_objects)
        add(f"{source}/models", view_func=self._models)
        add(f"{source}/models/<int:model_id>", view_func=self._model)
        add(f"{source}/tables/<int:table_id>", view_func=self._table)
        add(f"{source}/filter_segments", view_func=self._segments)
        add(f"{source}/filter_segments/<int:segment_id>", view_func=self._segment)
        add(f"{API}/datasets", view_func=self._datasets)
        add(f"{API}/datasets/<int:dataset_id>", view_func=self._dataset)

    def _add_destination_routes(self, app: Flask, root: str) -> None:
        add, named_object = app.add_url_rule, "<named>/objects/<path:full_name>"
        add(root, view_func=self._destinations)
        add(f"{root}/<named>", view_func=self._destination)
        add(f"{root}/<named>/objects", view_func=self._destination_objects)
        add(f"{root}/{named_object}", view_func=self._destination_object)

    def _sources(self, version: str) -> Response:
        sources = by_id(self._objects.sources)
        return self._wire.page(sources, lambda source: answers.source_json(source, version))

    def _source(self, version: str, source_id: int) -> Response:
        source = self._existing_source(source_id)
        return self._wire.success(answers.source_json(source, version))

    def _source_objects(self, version: str, source_id: int) -> Response:
        self._existing_source(source_id)
        return self._wire.page(self._objects.of_source(source_id), answers.object_json)

    def _models(self, version: str, source_id: int) -> Response:
        self._existing_source(source_id)
        models = by_id(self._objects.models)
        mine = [model for model in models if model.source.source_id == source_id]
        return self._wire.page(mine, answers.model_json)

    def _model(self, version: str, source_id: int, model_id: int) -> Response:
        model = _existing(self._objects.models, model_id)
        return self._wire.success(answers.model_json(model))

    def _table(self, version: str, source_id: int, table_id: int) -> Response:
        table = _existing(self._objects.tables, table_id)
        return self._wire.success(answers.table_json(table))

    def _segments(self, version: str, source_id: int) -> Response:
        self._existing_source(source_id)
        segments = by_id(self._objects.segments)
        mine = [segment for segment in segments if segment.source.source_id == source_id]
        return self._wire.page(mine, answers.segment_json)

    def _segment(self, version: str, source_id: int, segment_id: int) -> Response:
        segment = _existing(self._objects.segments, segment_id)
        return self._wire.success(answers.segment_json(segment))

    def _datasets(self, version: str) -> Response:
        return self._wire.page(by_id(self._objects.datasets), answers.dataset_json)

    def _dataset(self, version: str, dataset_id: int) -> Response:
        dataset = _existing(self._objects.datasets, dataset_id)
        return self._wire.success(answers.dataset_json(dataset))

    def _destinations(self, version: str) -> Response:
        return self._wire.page(
            by_id(self._objects.destinations),
            lambda each: answers.destination_json(each, self._names_in(each), version),
        )

    def _destination(self, version: str, named: str) -> Response:
        destination = self._existing_destination(version, named)
        names = self._names_in(destination)
        return self._wire.success(answers.destination_json(destination, names, version))

    def _destination_objects(self, version: str, named: str) -> Response:
        names = self._names_in(self._existing_destination(version, named))
        return self._wire.page(names, answers.destination_object_json)

    def _destination_object(self, version: str, named: str, full_name: str) -> Response:
        if full_name not in self._names_in(self._existing_destination(version, named)):
            abort(404)
        return self._wire.success(answers.destination_object_json(full_name))

    def _create_sync(self, version: str) -> Response:
        # As Rails does: a body that does not call itself JSON is not read as JSON.
        body = request.get_data() if request.is_json else b""
        judged = judge(body, self._objects, version)
        match judged:
            case Refusal(message):
                # Only the body is documented, no code to go with it.
                return as_json({"status": "error", "message": message}, 400)
            case Accepted(sync, validate_only=True):
                # What Census answers is not documented: a guess.
                return as_json({"status": "success", "data": {}})
            case Accepted(sync):
                made = self._create(sync)
                return as_json({"status": "created", "data": {"sync_id": made.sync_id}}, 201)

    def _existing_source(self, source_id: int) -> SandboxSource:
        return _existing(self._objects.sources, source_id)

    def _existing_destination(self, version: str, named: str) -> SandboxDestination:
        try:
            destination = self._objects.destination(named)
        except LookupError:
            abort(404)
        if named.isdecimal() is (version == "v2"):
            abort(404)
        return destination

    def _names_in(self, destination: SandboxDestination) -> list[str]:
        return self._objects.destination_objects[destination.destination_id]


def _existing(things: Mapping[int, Item], number: int) -> Item:
    if number not in things:
        abort(404)
    return things[number]
