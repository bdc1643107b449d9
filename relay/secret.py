"""A value that shows itself to nobody, and how each is read. No I/O here."""

import re

SHORTEST = 8  # characters; a vendor's are longer
UNFILLED = "replace-me"  # in config/relay.env.example
PLACEHOLDERS = frozenset({UNFILLED, "changeme", "change-me", "placeholder"})
VENDOR_PLACEHOLDERS = PLACEHOLDERS | {
    "your-api-key",
    "your-api-token",
    "your-key",
    "your-secret",
    "your-token",
}
_QUOTED = re.compile(r"""(["']).*\1""", re.DOTALL)
_UNFILLED = re.compile(r"\$\{.*\}|<.*>|x+", re.DOTALL | re.IGNORECASE)


class Secret:
    """A value that shows itself only to whom it is revealed: not in a repr, str or traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: for the wire, never for a log."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def read_secret(text: str) -> Secret:
    """A secret without the white space and the byte order mark that files have around it.

    Raises ValueError, which never repeats it, for one that no HTTP header can carry, and for what
    is only a placeholder.
    """
    value = without_padding(text)
    if not value:
        raise ValueError("is empty")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds characters that no HTTP header can carry")
    if len(value) < SHORTEST or value.casefold() in PLACEHOLDERS:
        raise ValueError(f"is a placeholder, or shorter than {SHORTEST} characters")
    return Secret(value)


def read_vendor_secret(text: str) -> Secret:
    """A secret that a vendor has made, as `read_secret` reads it.

    Raises ValueError also for what no vendor makes: quotation marks around it, which `docker
    --env-file` keeps, and what was to be filled in. Our own secret may look like that.
    """
    refuse_quoted(text)
    secret = read_secret(text)
    value = secret.reveal()
    if _UNFILLED.fullmatch(value) or value.casefold().replace("_", "-") in VENDOR_PLACEHOLDERS:
        raise ValueError("is a placeholder: write the secret itself")
    return secret


def refuse_unfilled(text: str) -> None:
    """Raise ValueError for a text of relay.env.example that was to be replaced."""
    if UNFILLED in text.casefold():
        raise ValueError(f"is a placeholder: write your own value in place of {UNFILLED!r}")


def refuse_quoted(text: str) -> None:
    """Raise ValueError for a text in quotation marks."""
    if _QUOTED.fullmatch(without_padding(text)):
        raise ValueError("has quotation marks around it: write it without them")


def without_padding(text: str) -> str:
    """The text without the white space and the byte order mark around it."""
    return text.strip().removeprefix("\ufeff").strip()
