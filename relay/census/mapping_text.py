"""A mapping file as text, with comments for the person who settles it. No I/O here.

The reader is `decision/mapping_reader.py`: what is written here it must be able to read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import yaml

from relay.notation import printable
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, Workspace, display_id

LONGEST_COMMENT = 300  # characters
UNKNOWN_MODEL = "MODEL"  # stands where a person has to write one

_PLAIN = re.compile(r"[A-Za-z_][\w.+()/&-]*(?:[ :,][\w.+()/&*-]+)*", re.ASCII)
_NO_YAML = re.compile("[\ufeff\ufffe\uffff]")  # printable to Python; YAML takes them nowhere
_TITLE = re.compile(r"^[ \t]*# sync (\S+)", re.MULTILINE)
_COMMENTED_OUT = re.compile(
    r"^[ \t]*#[# \t]*(?:-[ \t]*)?sync_id:[ \t]*([0-9]{1,19})\b", re.MULTILINE
)


class Form(Enum):
    """How an entry is written."""

    ACTIVE = "active"
    COMMENTED = "commented"  # to be completed or confirmed by a person
    LEFT_OUT = "left out"  # only named, with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sync for the mapping file, and what a person should know about it.

    `depends_on` are selectors; `comments` lines without a `#`; `name` is None where the sync has
    none. `reason` is why the entry is not active, and empty if it is. `environments` are those of
    dbt that count for it, empty for what the file's defaults say.
    """

    workspace: str
    sync_id: int
    name: str | None
    depends_on: tuple[str, ...]
    form: Form = Form.ACTIVE
    reason: str = ""
    comments: tuple[str, ...] = ()
    environments: tuple[int, ...] = ()

    @property
    def key(self) -> SyncKey:
        """What identifies the sync: its workspace and its id."""
        return self.workspace, self.sync_id

    @property
    def title(self) -> str:
        """The sync for a person: `sync 5123 (customers to Salesforce)`."""
        name = f" ({self.name})" if self.name else ""
        return f"sync {display_id(*self.key)}{name}"


def file_text(
    head: Iterable[str], entries: Sequence[Entry], workspaces: Iterable[Workspace] = ()
) -> str:
    """A whole file: the head's lines, such as `defaults:`, then the entries.

    `workspaces` are those of the mapping that is in force; only those of some entry are written.
    """
    used = {entry.workspace for entry in entries if entry.form is Form.ACTIVE}
    named = [workspace for workspace in workspaces if workspace.name in used]
    lines = [*head, "", "syncs:", *entry_lines(entries), *_workspaces(named)]
    return "\n".join([*lines, ""])


def entry_lines(
    entries: Sequence[Entry], *, indent: str = "  ", workspace: str = DEFAULT_WORKSPACE
) -> Iterator[str]:
    """The lines of entries: first those that a person need not touch, last those left out.

    `workspace` is the one that entries of this file are of if they do not say another.
    """
    for form in Form:
        of_form = sorted((one for one in entries if one.form is form), key=_order)
        if form is Form.LEFT_OUT and of_form:
            yield f"{indent}# Not mapped:"
        for entry in of_form:
            yield from (f"{indent}{line}" for line in _lines(entry, workspace))


def noted_in(text: str) -> frozenset[str]:
    """The syncs that comments of a file name by their title, as `display_id` shows them."""
    return frozenset(match[1].rstrip(":") for match in _TITLE.finditer(text))


def commented_out_in(text: str) -> frozenset[int]:
    """The sync ids of entries that are comments in a file, of whatever workspace."""
    return frozenset(int(match[1]) for match in _COMMENTED_OUT.finditer(text))


def comment(text: str) -> str:
    """One line of a comment, whatever the text holds."""
    line = " ".join(_in_yaml(text).split())
    cut = line if len(line) <= LONGEST_COMMENT else f"{line[: LONGEST_COMMENT - 1]}…"
    return f"# {cut}".rstrip()


def scalar(text: str) -> str:
    """A text as YAML on one line, in quotation marks where it needs them."""
    line = printable(text)
    if _PLAIN.fullmatch(line) and yaml.safe_load(line) == line:
        return line
    quoted = json.dumps(line, ensure_ascii=False)
    return _NO_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _order(entry: Entry) -> tuple[bool, str, int]:
    return (entry.workspace != DEFAULT_WORKSPACE, *entry.key)


def _lines(entry: Entry, workspace: str) -> Iterator[str]:
    match entry.form:
        case Form.ACTIVE:
            yield from map(comment, entry.comments)
            yield from _item(entry, workspace)
        case Form.COMMENTED:
            yield comment(entry.title)
            yield from map(comment, (*entry.comments, f"ask: {entry.reason}"))
            yield comment("Once it is settled, remove the # and one blank in front of these lines:")
            yield from (f"# {line}" for line in _item(entry, workspace))
        case Form.LEFT_OUT:
            yield comment(f"{entry.title[: LONGEST_COMMENT // 2]}: {entry.reason}")


def _item(entry: Entry, workspace: str) -> Iterator[str]:
    yield f"- sync_id: {entry.sync_id}"
    if entry.name and entry.name.strip():
        yield f"  name: {scalar(entry.name)}"
    if entry.workspace != workspace:
        yield f"  workspace: {scalar(entry.workspace)}"
    if entry.environments:
        yield f"  environments: [{', '.join(map(str, entry.environments))}]"
    yield "  depends_on:"
    for selector in entry.depends_on or (UNKNOWN_MODEL,):
        yield f"    - {scalar(selector)}"


def _workspaces(workspaces: Sequence[Workspace]) -> Iterator[str]:
    if workspaces:
        yield from ("", "workspaces:")
    for workspace in workspaces:
        yield f"  {scalar(workspace.name)}:"
        yield f"    url: {scalar(workspace.url)}"
        yield f"    api_key_env: {scalar(workspace.api_key_env)}"
        yield f"    api_version: {scalar(workspace.api_version)}"


def _in_yaml(text: str) -> str:
    return _NO_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", printable(text))
