"""Tokens that a request brings, compared in constant time."""

import secrets

from itsdangerous import HMACAlgorithm

from relay.secret import Secret

BEARER = "bearer"


class TokenCheck:
    """Compares what is given with a token, by MACs with a key that nobody knows."""

    def __init__(self, token: Secret) -> None:
        self._token = token.reveal().encode()
        self._key = secrets.token_bytes(32)
        self._algorithm = HMACAlgorithm()

    def is_right(self, given: bytes) -> bool:
        """Whether it is the token."""
        mac = self._algorithm.get_signature(self._key, given)
        return self._algorithm.verify_signature(self._key, self._token, mac)


def bearer_token(authorization: str | None) -> bytes | None:
    """The token of an `Authorization` header, None if it has none; WSGI decodes it as latin-1."""
    scheme, _, given = (authorization or "").partition(" ")
    return given.strip().encode("latin-1") if scheme.lower() == BEARER else None
