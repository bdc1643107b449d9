"""The mapping in force follows its file, but only to where it can be used."""

import os
import shutil

import pytest
from mappings import mapping_text, sync_entry

from relay import mapping_file
from relay.errors import BadMapping
from relay.mapping_file import MappingFile
from relay.workspaces import CENSUS_HOSTS

EMEA = {"api_key_env": "CENSUS_API_KEY_EMEA"}
BROKEN = "version: 1\nsyncs:\n  - {sync_id: one}\n"


def entries(*sync_ids, **keys):
    return [sync_entry(sync_id, "a", **keys) for sync_id in sync_ids]


def text(*sync_ids):
    return mapping_text(*entries(*sync_ids))


@pytest.fixture(name="path")
def _path(tmp_path):
    path = tmp_path / "syncs.yml"
    path.write_text(text(1))
    return path


@pytest.fixture(name="volume")
def _volume(tmp_path):
    """A folder as Kubernetes mounts a ConfigMap: what is in it is behind one symlink."""
    return Volume(tmp_path / "config")


class Volume:
    def __init__(self, folder):
        self._folder = folder
        self._number = 0
        self.path = folder / "syncs.yml"
        folder.mkdir()
        self.update(text(1))
        self.path.symlink_to("..data/syncs.yml")

    def update(self, content):
        """The way of the kubelet: all anew in a folder beside, then one rename."""
        before, self._number = self._number, self._number + 1
        (self._folder / f"..2026_{self._number}").mkdir()
        (self._folder / f"..2026_{self._number}" / "syncs.yml").write_text(content)
        (self._folder / "..data_tmp").symlink_to(f"..2026_{self._number}")
        (self._folder / "..data_tmp").rename(self._folder / "..data")
        if before:
            shutil.rmtree(self._folder / f"..2026_{before}")


def events(logged):
    return [line["event"] for line in logged]


def told(logged):
    """What the last line says of the syncs."""
    return {name: logged[-1].get(name) for name in ("added", "removed", "changed")}


def in_force(file):
    file.refresh()
    return [sync.sync_id for sync in file.current.syncs]


def test_a_changed_file_is_taken_up(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    path.write_text(text(22))
    assert in_force(file) == [22]
    assert events(logged) == ["mapping.loaded", "mapping.loaded"]


def test_one_replaced_by_rename_is_too_whatever_its_time_and_size(path, tmp_path):
    file = MappingFile(path, CENSUS_HOSTS)
    before = path.stat()
    other = tmp_path / "new"
    other.write_text(text(2))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)
    assert in_force(file) == [2]


def test_a_broken_one_is_refused_once_and_the_last_good_one_stays(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    path.write_text(BROKEN)
    assert in_force(file) == [1]
    assert in_force(file) == [1]
    os.utime(path)
    assert in_force(file) == [1]
    (refused,) = [line for line in logged if line["event"] == "mapping.refused"]
    assert refused["log_level"] == "error"
    assert len(refused["problems"]) == 2
    path.write_text(text(3))
    assert in_force(file) == [3]


def test_one_that_is_gone_is_refused_and_may_come_back(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    path.unlink()
    assert in_force(file) == [1]
    path.write_text(text(4))
    assert in_force(file) == [4]
    assert events(logged) == ["mapping.loaded", "mapping.refused", "mapping.loaded"]


def test_one_that_was_only_touched_is_not_told_again(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    os.utime(path)
    in_force(file)
    assert events(logged) == ["mapping.loaded"]


def test_one_replaced_by_its_like_is_not_told_again(path, tmp_path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    (tmp_path / "new").write_text(text(1))
    (tmp_path / "new").rename(path)
    in_force(file)
    assert events(logged) == ["mapping.loaded"]


class TestAConfigMap:
    def test_is_taken_up_when_it_changes(self, volume, logged):
        file = MappingFile(volume.path, CENSUS_HOSTS)
        for sync_id in (2, 3):
            volume.update(text(sync_id))
            assert in_force(file) == [sync_id]
        assert events(logged) == ["mapping.loaded"] * 3
        assert told(logged) == {"added": [3], "removed": [2], "changed": []}

    def test_with_the_same_content_is_not_told_again(self, volume, logged):
        file = MappingFile(volume.path, CENSUS_HOSTS)
        volume.update(text(1))
        assert in_force(file) == [1]
        assert events(logged) == ["mapping.loaded"]

    def test_that_is_broken_is_refused_once_however_often_it_comes(self, volume, logged):
        file = MappingFile(volume.path, CENSUS_HOSTS)
        volume.update(BROKEN)
        assert in_force(file) == [1]
        volume.update(BROKEN)
        assert in_force(file) == [1]
        assert events(logged) == ["mapping.loaded", "mapping.refused"]
        volume.update(BROKEN + "more: 1\n")
        assert in_force(file) == [1]
        volume.update(text(1))
        assert in_force(file) == [1]
        assert events(logged)[2:] == ["mapping.refused", "mapping.loaded"]


class TestWhatIsTold:
    """Which syncs a new file adds, removes and changes."""

    def test_at_a_start_nothing_for_nobody_knows_what_was_before(self, path, logged):
        MappingFile(path, CENSUS_HOSTS)
        assert logged[-1]["syncs"] == 1
        assert not {"added", "removed", "changed"} & set(logged[-1])

    def test_each_sync_that_is_not_as_it_was(self, path, logged):
        path.write_text(text(1, 2, 30, 4))
        file = MappingFile(path, CENSUS_HOSTS)
        path.write_text(mapping_text(*entries(4, 200, 100), sync_entry(30, "b")))
        in_force(file)
        assert told(logged) == {"added": [100, 200], "removed": [1, 2], "changed": [30]}

    def test_a_new_order_changes_none(self, path, logged):
        path.write_text(text(1, 2))
        file = MappingFile(path, CENSUS_HOSTS)
        path.write_text("# sorted\n" + text(2, 1))
        in_force(file)
        assert told(logged) == {"added": [], "removed": [], "changed": []}

    def test_a_new_default_changes_those_that_take_it(self, path, logged):
        syncs = [*entries(1, 2), *entries(9, tests="block")]
        path.write_text(mapping_text(*syncs))
        file = MappingFile(path, CENSUS_HOSTS)
        path.write_text(mapping_text(*syncs, defaults={"tests": "ignore"}))
        in_force(file)
        assert told(logged) == {"added": [], "removed": [], "changed": [1, 2]}

    def test_a_sync_of_another_workspace_with_its_workspace(self, path, logged):
        workspaces = {"emea": EMEA}
        path.write_text(mapping_text(*entries(1), workspaces=workspaces))
        file = MappingFile(path, CENSUS_HOSTS)
        more = [*entries(1, 7), *entries(1, workspace="emea")]
        path.write_text(mapping_text(*more, workspaces=workspaces))
        in_force(file)
        assert told(logged) == {"added": [7, "emea/1"], "removed": [], "changed": []}

    def test_those_of_a_workspace_with_another_address(self, path, logged):
        syncs = entries(1, workspace="emea")
        path.write_text(mapping_text(*syncs, workspaces={"emea": EMEA}))
        file = MappingFile(path, CENSUS_HOSTS)
        elsewhere = EMEA | {"url": "https://app-eu.getcensus.com"}
        path.write_text(mapping_text(*syncs, workspaces={"emea": elsewhere}))
        in_force(file)
        assert told(logged) == {"added": [], "removed": [], "changed": ["emea/1"]}

    def test_after_a_broken_file_what_differs_from_the_last_good_one(self, path, logged):
        file = MappingFile(path, CENSUS_HOSTS)
        path.write_text(BROKEN)
        in_force(file)
        path.write_text(text(1, 2))
        in_force(file)
        assert told(logged) == {"added": [2], "removed": [], "changed": []}


def test_one_that_is_gone_and_comes_back_as_it_was_is_told(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    path.unlink()
    in_force(file)
    path.write_text(text(1))
    in_force(file)
    assert events(logged) == ["mapping.loaded", "mapping.refused", "mapping.loaded"]


def test_a_service_does_not_start_without_one(tmp_path):
    with pytest.raises(BadMapping, match="is RELAY_MAPPING right"):
        MappingFile(tmp_path / "nowhere.yml", CENSUS_HOSTS)


def test_one_that_was_mended_to_what_it_was_is_told(path, logged):
    file = MappingFile(path, CENSUS_HOSTS)
    path.write_text("oops: 1\n")
    in_force(file)
    path.write_text(text(1))
    in_force(file)
    assert events(logged) == ["mapping.loaded", "mapping.refused", "mapping.loaded"]


def test_one_that_sends_a_key_to_a_host_nobody_has_listed_is_refused(path, logged):
    file = MappingFile(path, CENSUS_HOSTS | {"census.example.com"})
    for host in ("census.example.com", "keys.example.com"):
        emea = EMEA | {"url": f"https://{host}"}
        path.write_text(mapping_text(*entries(2, workspace="emea"), workspaces={"emea": emea}))
        assert in_force(file) == [2]
    assert events(logged) == ["mapping.loaded", "mapping.loaded", "mapping.refused"]
    assert file.current.workspaces["emea"].url == "https://census.example.com"


def test_one_that_cannot_be_read_for_a_reason_nobody_foresaw_is_refused(path, logged, monkeypatch):
    """Or the worker would look at no file any more, and evaluate no run."""
    file = MappingFile(path, CENSUS_HOSTS)
    with monkeypatch.context() as patched:
        patched.setattr(mapping_file, "read_mapping", fail_to_read)
        path.write_text(text(22))
        assert in_force(file) == [1]
        assert in_force(file) == [1]
    (refused,) = [line for line in logged if line["event"] == "mapping.refused"]
    assert refused["problems"] == [f"{path}: relay failed to read it: KeyError"]
    assert refused["exc_info"]
    path.write_text(text(333))
    assert in_force(file) == [333]


def fail_to_read(*_, **__):
    raise KeyError("maybe")
