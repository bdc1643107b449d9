"""Common to all kinds of channels: requests, and texts cut to a vendor's limits. No I/O here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from relay.messages.message import AlertLine, Message, Says, Severity
from relay.notation import printable

LONGEST_LINE = 600  # characters of an alert's line, and of a link's label
LONGEST_TITLE = 250
LONGEST_URL = 2000
MOST_LINKS = 5

_SIGNS = {
    Severity.CRITICAL: "🔴",
    Severity.ERROR: "🔴",
    Severity.WARNING: "🟠",
    Severity.INFO: "🔵",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a channel: its JSON body, and headers beside Content-Type."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def title_of(message: Message) -> str:
    """The title on one line, behind a sign that shows how much it matters."""
    sign = "✅" if message.says is Says.RESOLVED else _SIGNS[message.severity]
    return f"{sign} {one_line(message.title)}"


def line_of(alert: AlertLine) -> str:
    """The line of an alert: the sync's id, and the text."""
    text = one_line(alert.text)
    return text if alert.about is None else f"{one_line(str(alert.about))}: {text}"


def links_of(message: Message) -> list[tuple[str, str]]:
    """The label and URL of each link that can be opened, the first MOST_LINKS."""
    links = [
        (shortened(one_line(link.label), LONGEST_LINE) or "Link", link.url)
        for link in message.links
        if link.url.startswith(("https://", "http://"))
        and link.url.isascii()
        and link.url.isprintable()
        and " " not in link.url
        and len(link.url) <= LONGEST_URL
    ]
    return links[:MOST_LINKS]


def one_line(text: str) -> str:
    """The text printable and on one line."""
    return " ".join(printable(text).split())


def _as_it_is(text: str) -> str:
    return text


def shortened(text: str, limit: int, *, written: Callable[[str], str] = _as_it_is) -> str:
    """The text as `written` (escaped) writes it, of at most `limit` characters.

    Only whole characters are cut, never an escape sequence.
    """
    whole = written(text[: limit + 1])
    if len(text) <= limit and len(whole) <= limit:
        return whole
    kept: list[str] = []
    left = limit - 1
    for character in map(written, text[:limit]):
        if len(character) > left:
            break
        kept.append(character)
        left -= len(character)
    return "".join(kept) + "…"


def those_that_fit(
    lines: Iterable[str], budget: int, cost: Callable[[str], int] = len
) -> tuple[list[str], int]:
    """The first lines that together cost at most `budget`, and how many are left out."""
    kept: list[str] = []
    all_lines = list(lines)
    for line in all_lines:
        budget -= cost(line)
        if budget < 0:
            break
        kept.append(line)
    return kept, len(all_lines) - len(kept)


def and_more(left_out: int) -> str:
    """The last line, where some are left out."""
    return f"… and {left_out} more"
