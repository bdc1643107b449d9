"""Secret values, which do not appear in a repr or log, and how they are read. No I/O here."""

import re
from urllib.parse import unquote

SHORTEST = 8  # characters; a vendor's are longer
SHORTEST_TOKEN = 32  # characters of a token that opens relay itself: it must not be guessed
_TOKEN = 16  # characters of a part of a URL; a shorter one may be an ordinary word
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
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})|%00")
_NO_PORT = re.compile(r":(?!\d*(?:,|$))[^\]:]*(?:,|$)")
_IN_QUERY = ("password", "sslpassword")
_UNFILLED = re.compile(r"\$\{.*\}|<.*>|x+", re.DOTALL | re.IGNORECASE)


class Secret:
    """A value that does not appear in a repr, str or traceback; `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: for a request, never for a log."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def read_secret(text: str) -> Secret:
    """A secret, without surrounding white space and byte order mark.

    Raises ValueError, which never repeats it, if an HTTP header cannot contain it, or if it is a
    placeholder.
    """
    value = without_padding(text)
    if not value:
        raise ValueError("is empty")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("has characters that an HTTP header cannot contain")
    if len(value) < SHORTEST or value.casefold() in PLACEHOLDERS:
        raise ValueError(f"is a placeholder, or shorter than {SHORTEST} characters")
    return Secret(value)


def read_long_secret(text: str) -> Secret:
    """A token that opens relay itself, as `read_secret` reads it, of SHORTEST_TOKEN characters."""
    secret = read_secret(text)
    if len(secret.reveal()) < SHORTEST_TOKEN:
        raise ValueError(
            f"is shorter than {SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes one"
        )
    return secret


def viewer_token_problem(admin_token: Secret | None, viewer_token: Secret | None) -> str | None:
    """Why a viewer token would open nothing, or too much; None if it is as it should be."""
    if viewer_token is None:
        return None
    if admin_token is None:
        return "needs RELAY_ADMIN_TOKEN, too: without it there is no dashboard"
    if admin_token == viewer_token:
        return "is the same as RELAY_ADMIN_TOKEN: who may only look needs another one"
    return None


def read_vendor_secret(text: str) -> Secret:
    """A secret issued by a vendor, as `read_secret` reads it.

    Raises ValueError also for what no vendor issues: quotation marks around it, which `docker
    --env-file` keeps, and template text. A user's own secret may look like that.
    """
    refuse_quoted(text)
    secret = read_secret(text)
    value = secret.reveal()
    if _UNFILLED.fullmatch(value) or value.casefold().replace("_", "-") in VENDOR_PLACEHOLDERS:
        raise ValueError("is a placeholder: write the secret itself")
    return secret


def read_token(text: str) -> Secret:
    """A token, without the scheme, which relay adds to the header."""
    refuse_quoted(text)
    scheme = without_padding(text).partition(" ")[0]
    if scheme in ("Token", "Bearer", "token", "bearer"):
        raise ValueError(f"begins with {scheme!r}: write the token alone")
    return read_vendor_secret(text)


def read_webhook_secrets(text: str) -> tuple[Secret, ...]:
    """Secrets separated by commas or line ends. An empty one is refused: anyone could sign."""
    refuse_quoted(text)
    return tuple(map(_one_webhook_secret, re.split(r"[,\n]", text.strip())))


def _one_webhook_secret(text: str) -> Secret:
    """One secret; with another separator it would be two, and verify no signature."""
    if re.search(r"[;\s]", without_padding(text)):
        raise ValueError("has a semicolon or a blank: write a comma between two secrets")
    return read_vendor_secret(text)


def refuse_unfilled(text: str) -> None:
    """Raise ValueError for a text of relay.env.example that was not replaced."""
    if UNFILLED in text.casefold():
        raise ValueError(f"is a placeholder: write your own value in place of {UNFILLED!r}")


def refuse_quoted(text: str) -> None:
    """Raise ValueError for a text in quotation marks."""
    if _QUOTED.fullmatch(without_padding(text)):
        raise ValueError("has quotation marks around it: write it without them")


def refuse_unescaped(url: str) -> None:
    """Raise ValueError, without repeating the URL, for one that libpq would misread.

    It would take a part of a password with an `@` for the host, look it up by DNS and log it.
    """
    if _NO_ESCAPE.search(url):
        raise ValueError("has a % that begins no escape: write it as %25")
    credentials, behind = _split_as_libpq(url)
    hosts, _, query = behind.partition("?")
    if "@" in hosts:
        character, escape = ("/", "%2F") if credentials is None else ("@", "%40")
        raise ValueError(
            f"has an unescaped {character} in its user or password: write it as {escape}"
        )
    is_cut = _NO_PORT.search(hosts.partition("/")[0])
    if is_cut or not all("=" in pair for pair in query.split("&") if query):
        raise ValueError(
            "is cut by a / or ? or @ in its user or password: write them as %2F, %3F, %40"
        )


def passwords_in(url: str) -> tuple[Secret, ...]:
    """The passwords in a database URL, as written and percent-decoded."""
    credentials, behind = _split_as_libpq(url)
    written = [(credentials or "").partition(":")[2]]
    for pair in behind.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if name in _IN_QUERY:
            written.append(value)
    return tuple(Secret(each) for text in written if text for each in {text, unquote(text)})


def _split_as_libpq(url: str) -> tuple[str | None, str]:
    """User and password, None if there are none, and the rest of the URL."""
    rest = url.partition("://")[2]
    before = re.split("[@/]", rest, maxsplit=1)[0]
    has_credentials = rest[len(before) :].startswith("@")
    return (before, rest[len(before) + 1 :]) if has_credentials else (None, rest)


def parts_of(url: Secret) -> tuple[Secret, ...]:
    """The URL, and those parts of its path and query that may be what is secret about it."""
    whole = url.reveal()
    parts = re.split("[/?&=]", whole.partition("://")[2].partition("/")[2])
    tokens = {text for part in parts for text in (part, unquote(part)) if len(part) >= _TOKEN}
    return (url, *map(Secret, sorted(tokens)))


def without_padding(text: str) -> str:
    """The text without surrounding white space and byte order mark."""
    return text.strip().removeprefix("\ufeff").strip()
