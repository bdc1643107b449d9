"""One box that takes any id, and goes to the page of what has it."""

import re
import uuid

import msgspec
from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from relay.dashboard.database import Database
from relay.dashboard.visit import Visit, VisitWith
from relay.notation import LARGEST_ID
from relay.store.pages.ids import Kind, Match

LONGEST_ID = 200  # characters; an event id has at most as many
_NUMBER = re.compile(r"[0-9]{1,19}")
_OF_WORKSPACE = re.compile(r"(.+)/([0-9]{1,19})")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What has an id; `looked_at` is where it was looked for, in words."""

    wanted: str
    matches: tuple[Match, ...]
    looked_at: tuple[str, ...]


def add_find(dashboard: Blueprint, database: Database, visit_with: VisitWith) -> None:
    """Add the routes of the box. They change nothing."""

    def find() -> tuple[Found, Visit]:
        with database.reading() as connections:
            visit = visit_with(connections)
            return found(visit, request.args.get("id", "")), visit

    @dashboard.get("/find", endpoint="find")
    def show() -> AnyResponse:
        answer, visit = find()
        if len(answer.matches) == 1:
            return redirect(page_of(answer.matches[0]), 303)
        shown = [(match, page_of(match)) for match in answer.matches]
        return Response(render_template("find.html", found=answer, shown=shown, visit=visit))

    @dashboard.get("/find.json", endpoint="find_json")
    def data() -> Response:
        encoded = msgspec.json.encode(find()[0], enc_hook=str)
        return Response(encoded, content_type="application/json")


def page_of(it: Match) -> str:
    """The URL of its page."""
    match Kind(it.kind):
        case Kind.DELIVERY:
            return url_for(".delivery", delivery_id=it.delivery_id)
        case Kind.DBT_RUN:
            return url_for(".dbt_run", dbt_run_id=it.dbt_run_id)
        case Kind.SYNC:
            return url_for(".sync", workspace=it.workspace, sync_id=it.sync_id)
        case Kind.SYNC_RUN:
            return url_for(".sync_run", attempt_id=it.attempt_id)


def found(visit: Visit, text: str) -> Found:
    """What has this id: it is looked for by its form."""
    wanted = text.strip()
    if not wanted or not wanted.isprintable() or len(wanted) > LONGEST_ID:
        return Found(wanted=wanted[:LONGEST_ID], matches=(), looked_at=())
    if _NUMBER.fullmatch(wanted):
        return _numbered(visit, wanted)
    if _OF_WORKSPACE.fullmatch(wanted):
        return _sync(visit, wanted)
    return _delivery(visit, wanted)


def _numbered(visit: Visit, wanted: str) -> Found:
    number = int(wanted)
    known = visit.pages.ids.numbered(visit.account_id, number) if number <= LARGEST_ID else []
    decided = {(match.workspace, match.sync_id) for match in known if match.kind == Kind.SYNC}
    mapped = () if visit.mapping is None else visit.mapping.syncs
    undecided = (
        Match(kind=Kind.SYNC, workspace=sync.workspace, sync_id=sync.sync_id)
        for sync in mapped
        if sync.sync_id == number and sync.key not in decided
    )
    looked_at = ("dbt runs", "syncs", "sync runs")
    return Found(wanted=wanted, matches=(*known, *undecided), looked_at=looked_at)


def _sync(visit: Visit, wanted: str) -> Found:
    workspace, _, digits = wanted.rpartition("/")
    number = int(digits)
    known = visit.pages.ids.syncs(workspace, number) if number <= LARGEST_ID else []
    if not known and visit.mapping is not None and visit.mapping.sync(workspace, number):
        known = [Match(kind=Kind.SYNC, workspace=workspace, sync_id=number)]
    looked_at = (f"syncs of the workspace {workspace}",)
    return Found(wanted=wanted, matches=tuple(known), looked_at=looked_at)


def _delivery(visit: Visit, wanted: str) -> Found:
    matches = visit.pages.ids.deliveries_by_event(wanted)
    if (delivery_id := _uuid_in(wanted)) is not None:
        matches += visit.pages.ids.deliveries_by_id(delivery_id)
    looked_at = ("event ids of deliveries", "deliveries")
    return Found(wanted=wanted, matches=tuple(matches), looked_at=looked_at)


def _uuid_in(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
