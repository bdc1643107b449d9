"""A mapping file with the syncs that it lacks, every byte of a person's left alone. No I/O here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from relay.census.append import find_place, insert
from relay.census.mapping_text import Entry, Form, commented_out_in, entry_lines, noted_in
from relay.decision.mapping import SyncMapping
from relay.decision.mapping_reader import read_mapping
from relay.decision.yaml_document import read_yaml
from relay.errors import BadMapping, CannotAppend
from relay.workspaces import CENSUS_HOSTS, DEFAULT_WORKSPACE, display_id


@dataclass(frozen=True, slots=True)
class Addition:
    """A file's new content, and what is new in it.

    `added` are all entries that are new, those in comments too; `left_alone` those that a person
    has put into comments. The content is the old one where nothing is added.
    """

    content: bytes
    added: tuple[Entry, ...]
    left_alone: tuple[Entry, ...]


def add_missing(
    body: bytes,
    entries: Iterable[Entry],
    *,
    file: str,
    census_hosts: Collection[str] = CENSUS_HOSTS,
) -> Addition:
    """Add the entries that a mapping file lacks at the end of its syncs.

    Raises BadMapping where relay cannot read the file as it is, CannotAppend where it could not
    read it afterwards, or the file's form has no place for an entry.
    """
    before = read_mapping(body, file=file, census_hosts=census_hosts)
    text = _decoded(body)
    missing, left_alone = _missing(entries, before, text)
    if not missing:
        return Addition(body, (), left_alone)
    place = find_place(text)
    lines = entry_lines(missing, indent=place.indent, workspace=_inherited_workspace(body, file))
    content = insert(text, place, lines).encode()
    _must_read_as(content, before, missing, file=file, census_hosts=census_hosts)
    return Addition(content, tuple(missing), left_alone)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise CannotAppend("it is not written in UTF-8") from None


def _missing(
    entries: Iterable[Entry], mapping: SyncMapping, text: str
) -> tuple[list[Entry], tuple[Entry, ...]]:
    """The entries to add, and those that a person has put into comments."""
    mapped = {sync.key for sync in mapping.syncs}
    commented_out, noted = commented_out_in(text), noted_in(text)
    new = [entry for entry in entries if entry.key not in mapped]
    left = [entry for entry in new if entry.sync_id in commented_out]
    missing = [
        entry
        for entry in new
        if entry.sync_id not in commented_out
        and (entry.form is Form.ACTIVE or str(display_id(*entry.key)) not in noted)
    ]
    return missing, tuple(left)


def _inherited_workspace(body: bytes, file: str) -> str:
    """The workspace of an entry that names none."""
    content = read_yaml(body, file=file).content
    defaults = content.get("defaults", {}) if isinstance(content, Mapping) else {}
    return str(defaults.get("workspace", DEFAULT_WORKSPACE))


def _must_read_as(
    content: bytes,
    before: SyncMapping,
    added: Iterable[Entry],
    *,
    file: str,
    census_hosts: Collection[str],
) -> None:
    """Raise CannotAppend unless the content means what it meant, and the new entries."""
    try:
        after = read_mapping(content, file=file, census_hosts=census_hosts)
    except BadMapping as exc:
        raise CannotAppend(f"with the new entries it could not be read: {exc}") from None
    many = len(before.syncs)
    new = {sync.key for sync in after.syncs[many:]}
    expected = {entry.key for entry in added if entry.form is Form.ACTIVE}
    if after.syncs[:many] != before.syncs or new != expected:
        raise CannotAppend("with the new entries its other syncs would not mean what they do")
