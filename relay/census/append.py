"""Adds entries to a mapping file as text, and changes nothing of what is there. No I/O here."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import yaml

from relay.errors import CannotAppend

_FIRST_ENTRY = re.compile(r"^( *)-", re.MULTILINE)


class Place(NamedTuple):
    """Where entries may be added: an offset in the text, and the indentation of its entries."""

    offset: int
    indent: str


def find_place(text: str) -> Place:
    """The end of the list under `syncs:`.

    Comments right behind it, further in than the list, stay with its last entry. Raises
    CannotAppend for a list that is not written entry by entry.
    """
    try:
        begin, end = _list_of_syncs(yaml.parse(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as exc:
        raise CannotAppend(f"it is no YAML that relay can add to: {type(exc).__name__}") from None
    indent = _indentation(text, begin)
    offset = end if text[end - 1] == "\n" else _line_end(text, end)
    return Place(_after_comments(text, offset, indent), indent)


def insert(text: str, place: Place, lines: Iterable[str]) -> str:
    """The text with these lines at the place, in the text's own line ends."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before, after = text[: place.offset], text[place.offset :]
    gap = "" if before.endswith("\n") else newline
    return "".join([before, gap, *(f"{line}{newline}" for line in lines), after])


def _list_of_syncs(events: Iterator[yaml.Event]) -> tuple[int, int]:
    """Where the list begins, and where its last value ends."""
    keys = _top_level_values(events)
    for key, value in keys:
        if key == "syncs":
            if not isinstance(value, yaml.SequenceStartEvent) or value.flow_style:
                raise CannotAppend(
                    "`syncs:` is not a list with an entry on each `- sync_id:`, as relay writes it"
                )
            return _span(value)[0], _end_of_list(events)
    raise CannotAppend("it has no `syncs:`")


def _top_level_values(events: Iterator[yaml.Event]) -> Iterator[tuple[str, yaml.Event]]:
    """Each key of the file with the event that its value begins with; reads on behind it."""
    depth = 0
    key: str | None = None
    for event in events:
        if depth == 1 and isinstance(event, yaml.NodeEvent):
            if key is None:
                key = event.value if isinstance(event, yaml.ScalarEvent) else ""
            else:
                yield key, event
                key = None
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _end_of_list(events: Iterator[yaml.Event]) -> int:
    """Where the last thing ends that is written in the list; what only ends has no width."""
    depth, end = 1, None
    for event in events:
        begins, ends = _span(event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 0:
            break
        if begins < ends:
            end = ends
    if end is None:
        raise CannotAppend("its list of syncs is empty")
    return end


def _span(event: yaml.Event) -> tuple[int, int]:
    begin, end = event.start_mark, event.end_mark
    assert begin is not None
    assert end is not None
    return begin.index, end.index


def _indentation(text: str, begin: int) -> str:
    """What stands in front of the `-` of the first entry."""
    line_begin = text.rfind("\n", 0, begin) + 1
    match = _FIRST_ENTRY.search(text, line_begin)
    if match is None:
        raise CannotAppend("no line of its `syncs:` begins with `-`")
    return match[1]


def _line_end(text: str, index: int) -> int:
    """Where the next line begins, or the text ends."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _after_comments(text: str, offset: int, indent: str) -> int:
    while (line := text[offset : _line_end(text, offset)]).lstrip(" ").startswith("#"):
        if len(line) - len(line.lstrip(" ")) <= len(indent):
            break
        offset += len(line)
    return offset
