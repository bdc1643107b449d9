"""Who may see the dashboard, and who may act: two tokens, and a signed session after login."""

import hashlib
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any

import msgspec
from itsdangerous import Signer

from relay.secret import Secret
from relay.settings import DashboardSettings
from relay.tokens import TokenCheck, bearer_token

LONGEST_NAME = 100  # characters


class Role(StrEnum):
    """What a visitor may do."""

    ADMIN = "admin"
    VIEWER = "viewer"  # look only


class Visitor(msgspec.Struct, frozen=True):
    """Who asks: the name given at login, or `token` for a request with a token alone."""

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether actions are allowed."""
        return self.role is Role.ADMIN


class Access:
    """Tells visitors by their token, or by the session that a login has opened.

    The session's key is derived from the admin token: a new token ends every session. A viewer's
    session holds a signature of the viewer token, so that a new one ends it, too.
    """

    def __init__(self, admin_token: Secret, viewer_token: Secret | None) -> None:
        self.session_key = hashlib.sha256(b"relay dashboard session" + _bytes(admin_token)).digest()
        self._tokens = {Role.ADMIN: admin_token}
        if viewer_token is not None:
            self._tokens[Role.VIEWER] = viewer_token
        self._checks = {role: TokenCheck(token) for role, token in self._tokens.items()}

    @classmethod
    def of(cls, settings: DashboardSettings) -> "Access":
        """With the tokens of the settings, whose admin token is set."""
        assert settings.admin_token is not None
        return cls(settings.admin_token, settings.viewer_token)

    def role_of(self, token: bytes) -> Role | None:
        """The role of who has this token; None if it is wrong. Each token is compared."""
        right = [role for role, check in self._checks.items() if check.is_right(token)]
        return right[0] if right else None

    def visitor_of_token(self, authorization: str | None) -> Visitor | None:
        """The visitor with this `Authorization` header; None without a right token."""
        token = bearer_token(authorization)
        role = None if token is None else self.role_of(token)
        return None if role is None else Visitor("token", role)

    def open_session(self, session: MutableMapping[str, Any], role: Role, name: str) -> None:
        """Keep who has logged in."""
        session.clear()
        session.update(name=name, role=role.value, token=self._fingerprint(role))

    def visitor_of_session(self, session: MutableMapping[str, Any]) -> Visitor | None:
        """Who has logged in; None if nobody has, or the token has changed since."""
        role, name = session.get("role"), session.get("name")
        if role not in set(self._tokens) or not isinstance(name, str):
            return None
        if session.get("token") != self._fingerprint(Role(role)):
            return None
        return Visitor(name, Role(role))

    def _fingerprint(self, role: Role) -> str:
        return Signer(self.session_key).get_signature(_bytes(self._tokens[role])).decode()


def _bytes(token: Secret) -> bytes:
    return token.reveal().encode()
