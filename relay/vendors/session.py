"""A requests session that sends no credentials from the machine (~/.netrc, cookies)."""

import urllib.parse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from relay.notation import is_loopback
from relay.secret import Secret


class Session(requests.Session):
    """Follows no redirect, keeps no cookie, and uses no proxy for this machine itself.

    Other hosts are reached through the user's proxy (HTTPS_PROXY, ALL_PROXY, NO_PROXY).
    """

    def __init__(self, authorization: Secret | None = None) -> None:
        """`authorization` is the header's value; None sends none, and not ~/.netrc's either."""
        super().__init__()
        self.auth = _Authorization(authorization)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, whatever the response says.

        requests prepares the next request even if it is not to be sent: it reads the whole body for
        that, and raises ValueError for an invalid address, after a POST has been sent.
        """
        return None

    def merge_environment_settings(self, url: Any, proxies: Any, *others: Any) -> Any:
        """Use no proxy for this machine: it would reach its own loopback, and see the token."""
        settings = super().merge_environment_settings(url, proxies, *others)
        return {**settings, "proxies": {}} if _is_this_machine(url) else settings


class _Authorization(requests.auth.AuthBase):
    """Sets the Authorization header. With an auth set, requests does not read ~/.netrc."""

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
