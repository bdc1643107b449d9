"""Signs an event as dbt Cloud does, and delivers it."""

from dataclasses import dataclass

import requests

from relay.dbt.deliveries import sign
from relay.errors import Unavailable
from relay.secret import Secret
from relay.vendors.failures import describe_failure
from relay.vendors.session import Session

ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Delivered:
    """The response of the service."""

    http_status: int
    body: str

    @property
    def accepted(self) -> bool:
        return self.http_status == ACCEPTED


def deliver(body: bytes, url: str, secret: Secret) -> Delivered:
    """Send a body, signed with the secret. Raises Unavailable."""
    signature = Secret(sign(body, secret.reveal().encode()))
    try:
        with Session(signature) as session:
            answer = session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(3.05, 10),
                allow_redirects=False,
            )
    except requests.RequestException as exc:
        raise Unavailable(describe_failure(exc, url)) from None
    return Delivered(answer.status_code, answer.text.strip())
