"""A requests session whose requests carry what relay gives them, and nothing of the machine's."""

import urllib.parse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from relay.notation import is_loopback
from relay.secret import Secret


class Session(requests.Session):
    """Follows no redirect, keeps no cookie, and reaches this machine itself without a proxy.

    Other hosts are reached through the user's proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY).
    """

    def __init__(self, authorization: Secret | None = None) -> None:
        """`authorization` is the header's value; None sends none, and not ~/.netrc's either."""
        super().__init__()
        self.auth = _Authorization(authorization)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, whatever the answer says.

        requests prepares the next request also where it is not to be sent: it takes all of the body
        for that, and an address that it cannot read is a ValueError after a POST has been sent.
        """
        return None

    def merge_environment_settings(self, url: Any, proxies: Any, *others: Any) -> Any:
        """Use no proxy for this machine: it would reach another loopback, and see the token."""
        settings = super().merge_environment_settings(url, proxies, *others)
        return {**settings, "proxies": {}} if _is_this_machine(url) else settings


class _Authorization(requests.auth.AuthBase):
    """An auth of the session's own also keeps requests from reading ~/.netrc instead."""

    def __init__(self, value: Secret | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value is not None:
            request.headers["Authorization"] = self._value.reveal()
        return request


def bearer(token: Secret) -> Secret:
    """The header's value for a token."""
    return Secret(f"Bearer {token.reveal()}")


def _is_this_machine(url: str | bytes | None) -> bool:
    text = url.decode() if isinstance(url, bytes) else url or ""
    return is_loopback(urllib.parse.urlsplit(text).hostname or "")
