"""Mapping files on disk are written whole or not at all."""

import stat

import pytest
from entries import entry

from relay.census.mapping_text import Form, file_text
from relay.errors import BadMapping, CannotAppend, CannotWrite
from relay.mapping_file import stamp_of
from relay.operations.mapping_files import append_missing, write_new_mapping
from relay.workspaces import CENSUS_HOSTS

TEXT = "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [a]\n"


@pytest.fixture(name="file")
def _file(tmp_path):
    path = tmp_path / "syncs.yml"
    path.write_text(TEXT)
    return path


def append(path, *entries):
    return append_missing(path, entries, CENSUS_HOSTS)


def only_file_in(folder):
    (path,) = folder.iterdir()
    return path.name


def test_a_file_that_is_added_to_keeps_its_mode_and_nothing_else_is_left(file):
    file.chmod(0o640)
    append(file, entry(2, "b"))
    assert file.read_text() == TEXT + "  - sync_id: 2\n    depends_on:\n      - b\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert only_file_in(file.parent) == "syncs.yml"


def test_a_file_that_lacks_nothing_is_not_touched(file):
    before = stamp_of(file)  # without the time of reading it
    append(file, entry(1, "b"))
    assert stamp_of(file) == before


def test_a_symlink_stays_one(file):
    link = file.parent / "link.yml"
    link.symlink_to(file)
    append(link, entry(2, "b"))
    assert link.is_symlink()
    assert "sync_id: 2" in file.read_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nsyncs: [{sync_id: 1, depends_on: [a]}]\n", CannotAppend),
        ("version: 1\nsyncs: 5\n", BadMapping),
    ],
)
def test_a_file_that_cannot_be_added_to_is_as_it_was(file, text, problem):
    file.write_text(text)
    with pytest.raises(problem):
        append(file, entry(2, "b"))
    assert file.read_text() == text
    assert only_file_in(file.parent) == "syncs.yml"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CannotAppend, match=r"none\.yml cannot be read: No such file"):
        append(tmp_path / "none.yml", entry(2, "b"))


def test_a_new_file_is_never_written_over_another(file):
    with pytest.raises(CannotWrite, match="File exists"):
        write_new_mapping(file, file_text(["version: 1"], [entry(2, "b")]), CENSUS_HOSTS)
    assert file.read_text() == TEXT


def test_a_new_file_that_could_not_be_read_is_not_written(tmp_path):
    text = file_text(["version: 1"], [entry(2, form=Form.COMMENTED)])
    with pytest.raises(CannotWrite, match="could not read it"):
        write_new_mapping(tmp_path / "syncs.yml", text, CENSUS_HOSTS)
    assert list(tmp_path.iterdir()) == []
