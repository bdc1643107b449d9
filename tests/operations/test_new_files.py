"""New files are all written or none is, and nothing that is there is ever overwritten."""

import stat

import pytest

from relay.errors import CannotWrite
from relay.operations.new_files import NewFile, write_new


def test_they_are_written_with_their_folders_and_modes(tmp_path):
    path = tmp_path / "config" / "relay.env"
    write_new([NewFile(path, "A=1\n", 0o600)])
    assert path.read_text() == "A=1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_is_there_is_kept_and_no_other_is_left(tmp_path):
    first, second = tmp_path / "relay.env", tmp_path / "syncs.yml"
    second.write_text("a person's own")
    with pytest.raises(CannotWrite, match=r"syncs\.yml cannot be written: File exists"):
        write_new([NewFile(first, "A=1\n", 0o600), NewFile(second, "version: 1\n", 0o644)])
    assert second.read_text() == "a person's own"
    assert not first.exists()
