"""Microsoft Teams: an Adaptive Card for a Workflows URL. No I/O here.

https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
(a `message` with the card) and https://learn.microsoft.com/en-us/connectors/teams/ (28 kB). The
texts are runs of a RichTextBlock, which wraps and takes them literally: a TextBlock would read
`[a](b)` as Markdown. https://adaptivecards.io/explorer/TextRun.html
"""

from collections.abc import Iterator

import msgspec

from relay.messages.message import Message
from relay.vendors.channels.rendering import (
    LONGEST_LINE,
    LONGEST_TITLE,
    Outgoing,
    and_more,
    line_of,
    links_of,
    one_line,
    shortened,
    those_that_fit,
    title_of,
)

CARD = "application/vnd.microsoft.card.adaptive"
LINES_TOGETHER = 12_000  # bytes; with the rest, and the JSON around it, less than 28 kB
LONGEST_TEXT = 1000
LONGEST_LABEL = 80
LONGEST_LINK = 500
AROUND_A_LINE = 100  # bytes of JSON


class _Run(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    text: str
    weight: str = ""
    size: str = ""


class _RichText(msgspec.Struct, frozen=True):
    type: str
    inlines: tuple[_Run, ...]


class _OpenUrl(msgspec.Struct, frozen=True):
    type: str
    title: str
    url: str


class _Wide(msgspec.Struct, frozen=True):
    width: str = "Full"


class _Card(msgspec.Struct, frozen=True, kw_only=True):
    schema: str = msgspec.field(
        name="$schema", default="http://adaptivecards.io/schemas/adaptive-card.json"
    )
    type: str = "AdaptiveCard"
    version: str = "1.4"
    msteams: _Wide = _Wide()
    fallback: str = msgspec.field(name="fallbackText")
    body: tuple[_RichText, ...]
    actions: tuple[_OpenUrl, ...]


class _Attachment(msgspec.Struct, frozen=True, rename={"content_type": "contentType"}):
    content: _Card
    content_type: str = CARD


class _Body(msgspec.Struct, frozen=True):
    attachments: tuple[_Attachment, ...]
    type: str = "message"


def render(message: Message) -> Outgoing:
    """The message as a card."""
    title = shortened(title_of(message), LONGEST_TITLE)
    card = _Card(
        fallback=title,
        body=(
            _rich(_Run("TextRun", title, weight="Bolder", size="Medium")),
            *(_rich(_Run("TextRun", text)) for text in _paragraphs(message)),
        ),
        actions=tuple(
            _OpenUrl("Action.OpenUrl", shortened(label, LONGEST_LABEL), url)
            for label, url in links_of(message)
            if len(url) <= LONGEST_LINK
        ),
    )
    return Outgoing(msgspec.json.encode(_Body((_Attachment(card),))))


def _rich(run: _Run) -> _RichText:
    return _RichText("RichTextBlock", (run,))


def _paragraphs(message: Message) -> Iterator[str]:
    if message.text:
        yield shortened(one_line(message.text), LONGEST_TEXT)
    lines = [f"• {shortened(line_of(alert), LONGEST_LINE)}" for alert in message.alerts]
    kept, left_out = those_that_fit(lines, LINES_TOGETHER, _bytes)
    yield from kept
    if left_out:
        yield and_more(left_out)


def _bytes(line: str) -> int:
    return len(msgspec.json.encode(line)) + AROUND_A_LINE
