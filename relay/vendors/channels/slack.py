"""Slack: a message for an incoming webhook. No I/O here.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://docs.slack.dev/reference/block-kit/blocks (50 blocks, 3,000 characters a section)
https://docs.slack.dev/messaging/formatting-message-text (& < > are escaped). All blocks together
are refused above some 13,200 characters, which is not documented:
https://github.com/slackapi/bolt-js/issues/2509
"""

import re
from collections.abc import Iterator, Sequence

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

LONGEST_SECTION = 3000
# Characters, which together are less than what is refused.
LONGEST_TEXT = 2000
LINES_TOGETHER = 7000
LINKS_TOGETHER = 2500
_A_WORD = re.compile("[a-z_]{1,60}")


class _Text(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    text: str
    verbatim: bool = False  # no names, channels or URLs are made links


class _Block(msgspec.Struct, frozen=True):
    type: str
    text: _Text


class _Body(msgspec.Struct, frozen=True):
    text: str
    blocks: tuple[_Block, ...]


def render(message: Message) -> Outgoing:
    """The message as blocks; its `text` is for notifications, and for clients without blocks."""
    title = shortened(title_of(message), LONGEST_TITLE, written=_escaped)
    texts = (f"*{title}*", *_sections(message))
    blocks = tuple(_Block("section", _Text("mrkdwn", text, verbatim=True)) for text in texts)
    return Outgoing(msgspec.json.encode(_Body(title, blocks)))


def reason_of(answer: bytes) -> str | None:
    """Slack's word for why it refused, like `no_service`; None if there is none."""
    word = answer.decode(errors="replace").strip()
    return word if _A_WORD.fullmatch(word) else None


def _sections(message: Message) -> Iterator[str]:
    if message.text:
        yield shortened(one_line(message.text), LONGEST_TEXT, written=_escaped)
    yield from _packed(_lines(message))
    if links := [f"<{_in_link(url)}|{_label(label)}>" for label, url in links_of(message)]:
        kept, _ = those_that_fit(links, LINKS_TOGETHER, lambda link: len(link) + 3)
        yield " · ".join(kept)


def _lines(message: Message) -> list[str]:
    lines = [
        "• " + shortened(line_of(alert), LONGEST_LINE, written=_escaped) for alert in message.alerts
    ]
    kept, left_out = those_that_fit(lines, LINES_TOGETHER)
    return [*kept, and_more(left_out)] if left_out else kept


def _packed(lines: Sequence[str]) -> Iterator[str]:
    """The lines in as few sections as hold them."""
    section = ""
    for line in lines:
        if section and len(section) + 1 + len(line) > LONGEST_SECTION:
            yield section
            section = ""
        section = f"{section}\n{line}" if section else line
    if section:
        yield section


def _label(text: str) -> str:
    return shortened(text, LONGEST_LINE, written=_escaped)


def _in_link(url: str) -> str:
    return _escaped(url).replace("|", "%7C")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
