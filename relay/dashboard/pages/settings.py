"""The settings in effect in the web process, secrets masked."""

from collections.abc import Mapping

import msgspec

from relay.dashboard.visit import Visit
from relay.errors import BadSettings
from relay.settings import describe


class SettingsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Every variable with its value, None if it has none; and what cannot be read any more."""

    settings: Mapping[str, object]
    problems: tuple[str, ...]


def view(visit: Visit) -> SettingsPage:
    """What `relay config` prints, with the environment that web was started with."""
    try:
        return SettingsPage(settings=describe(visit.settings.environment), problems=())
    except BadSettings as exc:  # the file of a secret has changed meanwhile
        return SettingsPage(settings={}, problems=tuple(map(str, exc.problems)))
