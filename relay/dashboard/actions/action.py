"""Actions: a preview, which is the confirmation, a form that does it once, and the result."""

import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import msgspec
from flask import Blueprint, Response, abort, g, make_response, redirect, render_template, request
from flask import url_for as flask_url_for
from werkzeug.wrappers import Response as AnyResponse

from relay.dashboard.database import Database
from relay.dashboard.visit import Visit, VisitWith
from relay.logs import get_logger
from relay.store import Action, ActionKind, ActionResult, Part, Through
from relay.store.requests import MOST_OPEN, NewRequest, RequestArguments, RequestKind

Given = Mapping[str, str]  # of the URL for a preview, of the form for the action itself

NONCE = "nonce"  # the field of a form that makes it one action
SEEN = "seen"  # the field with what a preview has shown: what is new since is not done unseen
LOOKING_ONLY = "You have logged in with the viewer token: it allows looking, not acting."

log = get_logger()


class CannotAct(Exception):
    """What was given cannot be done; the message says why, and the preview is shown again."""


class FieldKind(StrEnum):
    """How a field of a form is shown."""

    HIDDEN = "hidden"
    TEXT = "text"
    TICK = "tick"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the form of a preview."""

    name: str
    value: str = ""
    kind: FieldKind = FieldKind.HIDDEN
    label: str = ""
    help: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an action would do.

    `button` is None if there is nothing to do; `danger` is a warning beside it, None if an action
    needs none.
    """

    title: str
    would: tuple[Part, ...] = ()
    left_alone: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    button: str | None = None
    danger: str | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: `subject` says to what, in words."""

    what: ActionKind
    subject: str
    result: ActionResult


class Acting(Protocol):
    """Whatever has a preview and a form."""

    def add_routes(self, dashboard: Blueprint, database: Database, visit_with: VisitWith) -> None:
        """Add the preview, and the form's target."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """An action, done in one transaction with its record."""

    name: str
    preview: Callable[[Visit, Given], Preview]
    perform: Callable[[Visit, Given, uuid.UUID], Done]

    def add_routes(self, dashboard: Blueprint, database: Database, visit_with: VisitWith) -> None:
        """Add the preview, and the action itself."""

        def do() -> AnyResponse:
            return _redone(self.preview, database, visit_with, self._do)

        _add_preview(dashboard, self.name, self.preview, database, visit_with)
        dashboard.add_url_rule(f"/act/{self.name}", f"do_{self.name}", do, methods=["POST"])

    def _do(self, database: Database, visit_with: VisitWith, nonce: uuid.UUID) -> AnyResponse:
        done = None
        with database.writing() as connections:
            visit = visit_with(connections)
            action_id = visit.store.actions.begin(nonce, now=visit.now)
            if action_id is None:  # the form was sent before
                action_id = visit.store.actions.id_of(nonce)
            else:
                done = self.perform(visit, request.form, nonce)
                visit.store.actions.finish(action_id, _action(visit, done), done.result)
        if done is not None:
            _log(action_id, visit.visitor.name, done)
        return redirect(flask_url_for(".action", action_id=action_id), 303)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a worker; it changes nothing, so that it is not recorded as an action."""

    what: RequestKind
    preview: Callable[[Visit, Given], Preview]
    arguments: Callable[[Given], RequestArguments]

    def add_routes(self, dashboard: Blueprint, database: Database, visit_with: VisitWith) -> None:
        """Add the preview, and the form's target."""
        name = self.what.value

        def ask() -> AnyResponse:
            return _redone(self.preview, database, visit_with, self._ask)

        _add_preview(dashboard, name, self.preview, database, visit_with)
        dashboard.add_url_rule(f"/act/{name}", f"do_{name}", ask, methods=["POST"])

    def _ask(self, database: Database, visit_with: VisitWith, nonce: uuid.UUID) -> AnyResponse:
        with database.writing() as connections:
            ask(visit_with(connections), self.what, self.arguments(request.form), nonce)
        return redirect(flask_url_for(".request", request_id=nonce), 303)


def ask(visit: Visit, what: RequestKind, about: RequestArguments, nonce: uuid.UUID) -> None:
    """Ask a worker, once for each nonce. Raises CannotAct, also if too much is asked already."""
    requests = visit.store.requests
    asked = requests.get(nonce)
    if asked is not None and (asked.what, asked.arguments) != (what, about):
        raise CannotAct("this form was sent before, for something else: open its page again")
    is_limited = asked is None and what is not RequestKind.CANCEL
    if is_limited and requests.open_questions() >= MOST_OPEN:
        raise CannotAct(
            f"{MOST_OPEN} requests wait for a worker's answer already: try again when it has"
            " answered some of them"
        )
    requests.ask(
        NewRequest(
            request_id=nonce,
            what=what,
            arguments=about,
            who=visit.visitor.name,
            asked_at=visit.now,
        )
    )


def _action(visit: Visit, done: Done) -> Action:
    return Action(
        at=visit.now,
        who=visit.visitor.name,
        through=Through.DASHBOARD,
        what=done.what,
        subject=done.subject,
    )


def _log(action_id: int | None, who: str, done: Done) -> None:
    log.info(
        "admin.acted",
        action_id=action_id,
        who=who,
        what=done.what,
        subject=done.subject,
        done=len(done.result.done),
        left_alone=len(done.result.left_alone),
    )


def _add_preview(
    dashboard: Blueprint,
    name: str,
    preview: Callable[[Visit, Given], Preview],
    database: Database,
    visit_with: VisitWith,
) -> None:
    def show() -> Response:
        if not g.visitor.may_act:
            abort(403, LOOKING_ONLY)
        return _shown(preview, database, visit_with, request.args, uuid.uuid4())

    dashboard.add_url_rule(f"/act/{name}", f"act_{name}", show)


def _redone(
    preview: Callable[[Visit, Given], Preview],
    database: Database,
    visit_with: VisitWith,
    act: Callable[[Database, VisitWith, uuid.UUID], AnyResponse],
) -> AnyResponse:
    """Act; if that cannot be done, show the preview again with what was given and the problem."""
    nonce = _nonce()
    try:
        return act(database, visit_with, nonce)
    except CannotAct as exc:
        return _shown(preview, database, visit_with, request.form, nonce, problem=str(exc))


def _shown(
    preview: Callable[[Visit, Given], Preview],
    database: Database,
    visit_with: VisitWith,
    given: Given,
    nonce: uuid.UUID,
    *,
    problem: str | None = None,
) -> Response:
    with database.reading() as connections:
        shown = preview(visit_with(connections), given)
    page = render_template("act.html", preview=shown, nonce=nonce, problem=problem)
    return make_response(page, 200 if problem is None else 400)


def _nonce() -> uuid.UUID:
    try:
        return uuid.UUID(request.form.get(NONCE, ""))
    except ValueError:
        abort(400, "The form is not complete: open its page again.")
