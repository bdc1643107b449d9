"""The mapping in force follows its file, but only to where it can be used."""

import os

import pytest

from relay.errors import BadMapping
from relay.mapping_file import MappingFile


def text(sync_id):
    return f"version: 1\nsyncs:\n  - {{sync_id: {sync_id}, depends_on: [a]}}\n"


@pytest.fixture(name="path")
def _path(tmp_path):
    path = tmp_path / "syncs.yml"
    path.write_text(text(1))
    return path


def in_force(file):
    file.refresh()
    return [sync.sync_id for sync in file.current.syncs]


def test_a_changed_file_is_taken_up(path, logged):
    file = MappingFile(path)
    path.write_text(text(22))
    assert in_force(file) == [22]
    assert [line["event"] for line in logged] == ["mapping.loaded", "mapping.loaded"]


def test_one_replaced_by_rename_is_too_whatever_its_time_and_size(path, tmp_path):
    file = MappingFile(path)
    before = path.stat()
    other = tmp_path / "new"
    other.write_text(text(2))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    assert in_force(file) == [2]


def test_a_broken_one_is_refused_once_and_the_last_good_one_stays(path, logged):
    file = MappingFile(path)
    path.write_text("version: 1\nsyncs:\n  - {sync_id: one}\n")
    assert in_force(file) == [1]
    assert in_force(file) == [1]
    (refused,) = [line for line in logged if line["event"] == "mapping.refused"]
    assert refused["log_level"] == "error"
    assert len(refused["problems"]) == 2
    path.write_text(text(3))
    assert in_force(file) == [3]


def test_one_that_is_gone_is_refused_and_may_come_back(path, logged):
    file = MappingFile(path)
    path.unlink()
    assert in_force(file) == [1]
    path.write_text(text(4))
    assert in_force(file) == [4]
    assert [line["event"] for line in logged] == [
        "mapping.loaded",
        "mapping.refused",
        "mapping.loaded",
    ]


def test_one_that_was_only_touched_is_not_told_again(path, logged):
    file = MappingFile(path)
    os.utime(path)
    in_force(file)
    assert [line["event"] for line in logged] == ["mapping.loaded"]


def test_a_service_does_not_start_without_one(tmp_path):
    with pytest.raises(BadMapping, match="is RELAY_MAPPING right"):
        MappingFile(tmp_path / "nowhere.yml")


def test_one_that_was_mended_to_what_it_was_is_told(path, logged):
    file = MappingFile(path)
    path.write_text("oops: 1\n")
    in_force(file)
    path.write_text(text(1))
    in_force(file)
    assert [line["event"] for line in logged] == [
        "mapping.loaded",
        "mapping.refused",
        "mapping.loaded",
    ]
