"""How templates write times, durations, numbers and ids."""

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from relay.decision.gates import Reason
from relay.notation import printable
from relay.workspaces import display_id as display_id  # noqa: PLC0414 - for templates

NOTHING = "—"
LONGEST_TEXT = 300  # characters of a text from outside, in one place
FEW = 10  # of a unit: less are told with the next smaller unit
LONGEST_LABEL = 36  # characters in a box of a drawing
_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def when(at: datetime | None, now: datetime) -> Markup:
    """A time as `<time>`: how long ago, with the time itself in its title."""
    if at is None:
        return Markup(NOTHING)  # noqa: S704 - a constant
    utc = at.astimezone(UTC)
    passed = (now - at).total_seconds()
    ago = f"{_roughly(passed)} ago" if passed >= 0 else f"in {_roughly(-passed)}"
    day, second = f"{utc:%Y-%m-%d}", f"{utc:%H:%M:%S}"
    return Markup(  # noqa: S704 - only of numbers; Markup.format is ten times as slow
        f'<time datetime="{day}T{second}Z" title="{day} {second} UTC">{ago}</time>'
    )


def exactly(at: datetime | None) -> Markup:
    """A time as `<time>`, written out."""
    if at is None:
        return Markup(NOTHING)  # noqa: S704 - a constant
    utc = at.astimezone(UTC)
    day, second = f"{utc:%Y-%m-%d}", f"{utc:%H:%M:%S}"
    return Markup(  # noqa: S704 - as above
        f'<time datetime="{day}T{second}Z" class="exact">{day} {second} UTC</time>'
    )


def span(seconds: float | timedelta | None) -> str:
    """A duration in its two largest units: `2 h 5 min`, `340 ms`."""
    if seconds is None:
        return NOTHING
    left = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if 0 < left < 1:
        return f"{left * 1000:.0f} ms"
    left = round(left)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:  # noqa: PLR2004
            break
    return " ".join(filter(None, parts)) or "0 s"


def _roughly(seconds: float) -> str:
    """A duration in its largest unit, with the next one if there are few of it."""
    parts = span(max(round(seconds), 1)).split(" ")
    return " ".join(parts[:2] if int(parts[0]) >= FEW else parts)


def number(value: float | None) -> str:
    """A number with its thousands apart."""
    return NOTHING if value is None else f"{value:,}"


def text(value: object) -> str:
    """A text from outside: printable, cut, and `—` if there is none."""
    if value is None or value == "":
        return NOTHING
    shown = printable(str(value))
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}…"


def shortened(label: str) -> str:
    """A text cut to what fits into a box of a drawing."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def model(unique_id: str) -> str:
    """A node's unique_id without its kind and package, where that is a model: `customers`."""
    kind, _, rest = unique_id.partition(".")
    name = rest.partition(".")[2]
    return text(name if kind == "model" and name else unique_id)


# The kind of a state: its color and shape. A word that is not here is neutral.
_KINDS = {
    "good": (
        *("triggered", "rebuilt", "completed", "planned", "success", "fresh", "ok", "done"),
        *("pass", "reused"),
    ),
    "bad": (
        *("failed", "error", "given up", "refused", "abandoned", "stale", "failing", "canceled"),
        *("cancelled", "fail", "problem", "failed a test", "missing"),
    ),
    "warning": (
        *("completed_with_rejects", "behind", "partly", "warning", "warn", "late"),
        *("partial", "skipped", "sampled", "no row", "selects nothing", "names several"),
    ),
    "waiting": (
        *("waiting", "held", "cooling down", "cooling_down", "running", "sending", "recorded"),
        *("muted", "asked", "queued"),
    ),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}


def kind_of(state: object) -> str:
    """The kind of a state: `good`, `bad`, `warning`, `waiting` or `neutral`."""
    return _KIND_OF.get(str(state), "neutral")


_REASONS = frozenset(Reason)


def is_reason(word: object) -> bool:
    """Whether a word is a reason code, which the page of reasons explains."""
    return word in _REASONS
