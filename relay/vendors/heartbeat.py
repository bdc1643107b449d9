"""The heartbeat: a GET that tells a service elsewhere that relay is well.

https://healthchecks.io/docs/http_api/ and https://deadmanssnitch.com/docs: a GET of a secret URL.
"""

from relay.secret import Secret
from relay.vendors.secret_url import Request, raise_for

READ_SECONDS = 5.0
_WHAT = "RELAY_HEARTBEAT_URL"


def send_beat(url: Secret) -> None:
    """Ask for the URL. Raises Unavailable, or Rejected if the answer is a refusal."""
    reply = Request("GET", url, _WHAT, READ_SECONDS).send()
    raise_for(reply, _WHAT, hint="is it right?")
