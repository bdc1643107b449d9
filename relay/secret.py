"""A value that shows itself to nobody, and how each is read. No I/O here."""

SHORTEST = 8  # characters; a vendor's are longer
PLACEHOLDERS = frozenset({"replace-me", "changeme", "change-me", "placeholder"})


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
    value = text.strip().removeprefix("\ufeff").strip()
    if not value:
        raise ValueError("is empty")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds characters that no HTTP header can carry")
    if len(value) < SHORTEST or value.casefold() in PLACEHOLDERS:
        raise ValueError(f"is a placeholder, or shorter than {SHORTEST} characters")
    return Secret(value)
