"""A request for a page, with what a page is made of."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from relay.dashboard.access import Visitor
from relay.decision.mapping import SyncMapping
from relay.errors import Problem
from relay.settings import DashboardSettings
from relay.store import Store
from relay.store.pages.pages import Pages
from relay.store.transactions import Connections
from relay.workspaces import SyncKey


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for which part of a page, and when; `query` is that of the URL.

    `mapping` is the last valid one that web has read, None if there was none; `mapping_problems`
    are those of the file as it is now, none if it is that one.
    """

    visitor: Visitor
    store: Store
    pages: Pages
    mapping: SyncMapping | None
    mapping_problems: tuple[Problem, ...] = ()
    settings: DashboardSettings
    query: Mapping[str, str]
    now: datetime

    @property
    def account_id(self) -> int:
        """The dbt Cloud account that relay works for."""
        return self.settings.dbt_account_id

    @property
    def sync_names(self) -> Mapping[SyncKey, str | None]:
        """The name of every mapped sync, for many rows; None for one that has none."""
        return {} if self.mapping is None else {sync.key: sync.name for sync in self.mapping.syncs}

    def sync_name(self, key: SyncKey) -> str | None:
        """The sync's name in the mapping file; None if it has none, or is not mapped."""
        sync = None if self.mapping is None else self.mapping.sync(*key)
        return None if sync is None else sync.name


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page: its route, its template, and the function that returns what it shows.

    `view` gets the visit and the ids of the route, and returns a frozen Struct: it is what the
    template shows as `page`, and, encoded, the answer to the route with `.json` behind it.
    """

    rule: str
    name: str
    view: Callable[..., Any]

    @property
    def template(self) -> str:
        """The template's file."""
        return f"{self.name}.html"

    @property
    def json_rule(self) -> str:
        """The route of its data."""
        return f"{self.rule}.json"


VisitWith = Callable[[Connections], Visit]  # a visit that reads and writes over this connection
