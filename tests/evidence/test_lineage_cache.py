"""Lineages on disk: what was put comes back; whatever is wrong is as if it were not there."""

import dataclasses
import os
from datetime import timedelta

import pytest
from cases import dbt_run

from relay.dbt.artifacts import read_run_results
from relay.dbt.invocations import Invocation
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.nodes import Node
from relay.dbt.runs import SUCCESS, Step
from relay.evidence.lineage_cache import LineageCache, ProjectState
from relay.sandbox import recordings

LINEAGE = read_manifest(recordings.load("build").manifest)
RUN = dbt_run(git_sha="8d1ef1b", target="prod")
STEP = Step(index=4, name="", status=SUCCESS, command="dbt build")
BUILD = Invocation(RUN, STEP, read_run_results(recordings.load("build").run_results))
STATE = ProjectState.of(BUILD)


def of_run(run):
    return dataclasses.replace(BUILD, run=run)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return tmp_path / "data" / "lineages"


@pytest.fixture(name="cache")
def _cache(folder):
    return LineageCache(folder)


def test_what_was_put_comes_back_whole_also_to_another_worker(cache, folder, clock):
    cache.put(STATE, LINEAGE, now=clock())
    for each in (cache, LineageCache(folder)):
        assert each.get(STATE, now=clock()) == LINEAGE


def test_the_last_one_is_in_memory_and_no_other(cache, folder, clock):
    """With its indexes. Two would be too much for a small container."""
    other = dataclasses.replace(STATE, git_sha="other")
    cache.put(STATE, LINEAGE, now=clock())
    assert cache.get(STATE, now=clock()) is LINEAGE
    cache.put(other, Lineage({}), now=clock())
    again = cache.get(STATE, now=clock())
    assert again == LINEAGE
    assert again is not LINEAGE
    assert cache.get(STATE, now=clock()) is again


def test_what_was_not_put_is_not_there(cache, clock):
    assert cache.get(STATE, now=clock()) is None


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ProjectState)])
def test_it_is_not_taken_for_another_states(cache, clock, field):
    cache.put(STATE, LINEAGE, now=clock())
    another = dataclasses.replace(STATE, **{field: "another"})
    assert cache.get(another, now=clock()) is None


@pytest.mark.parametrize("field", ["git_sha", "target", "dbt_job_id", "project_id"])
def test_a_state_is_of_the_runs_own(field):
    assert ProjectState.of(of_run(dataclasses.replace(RUN, **{field: "another"}))) != STATE


@pytest.mark.parametrize("command", ["dbt build --vars '{all: true}'", "dbt test", None])
def test_a_state_is_of_the_steps_own_command(command):
    other = dataclasses.replace(BUILD, step=dataclasses.replace(STEP, command=command))
    assert ProjectState.of(other) != STATE


def test_a_run_that_does_not_tell_its_commit_has_no_state():
    assert ProjectState.of(of_run(dataclasses.replace(RUN, git_sha=None))) is None


def test_a_day_later_it_is_too_old(cache, folder, clock):
    cache.put(STATE, LINEAGE, now=clock())
    for each in (cache, LineageCache(folder)):
        assert each.get(STATE, now=clock() + timedelta(hours=23)) is not None
        assert each.get(STATE, now=clock() + timedelta(hours=25)) is None


@pytest.mark.parametrize("content", [b"", b"x\x9c\x03", b"no lineage", None])
def test_a_broken_file_is_as_none_and_is_replaced(cache, folder, clock, content):
    cache.put(STATE, LINEAGE, now=clock())
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-20] if content is None else content)
    another = LineageCache(folder)
    assert another.get(STATE, now=clock()) is None
    another.put(STATE, LINEAGE, now=clock())
    assert LineageCache(folder).get(STATE, now=clock()) == LINEAGE


def test_the_least_lately_used_goes_first(folder, clock):
    lineage = Lineage({name: Node(name) for name in ("model.p.a", "model.p.b")})
    size = kept_bytes(folder / "probe", lineage, clock)
    cache = LineageCache(folder, most_bytes=2 * size)
    first, second, third = (dataclasses.replace(STATE, git_sha=sha) for sha in "abc")
    for age, state in ((20, first), (10, second)):
        cache.put(state, lineage, now=clock())
        used(folder, seconds_ago=age)
    cache.get(first, now=clock())
    cache.put(third, lineage, now=clock())
    kept = [state for state in (first, second, third) if cache.get(state, now=clock())]
    assert kept == [first, third]


def kept_bytes(folder, lineage, clock):
    LineageCache(folder).put(STATE, lineage, now=clock())
    return next(folder.iterdir()).stat().st_size


def used(folder, *, seconds_ago):
    """Let the file that was just put have been used so long ago."""
    newest = max(folder.glob("*.lineage"), key=lambda file: file.stat().st_mtime)
    at = newest.stat().st_mtime - seconds_ago
    os.utime(newest, (at, at))


def test_its_folder_is_its_users_only(cache, folder, clock):
    cache.put(STATE, LINEAGE, now=clock())
    assert {each.stat().st_mode & 0o777 for each in (folder, folder.parent)} == {0o700}
    assert [file.stat().st_mode & 0o077 for file in folder.iterdir()] == [0]


def test_where_nothing_can_be_written_relay_does_without(tmp_path, clock, logged):
    (tmp_path / "data").write_text("a file, no folder")
    cache = LineageCache(tmp_path / "data" / "lineages")
    cache.put(STATE, LINEAGE, now=clock())
    assert LineageCache(tmp_path / "data" / "lineages").get(STATE, now=clock()) is None
    assert [line["event"] for line in logged] == ["lineage.not_kept"]


def test_what_could_not_be_written_whole_leaves_nothing_behind(cache, folder, clock, logged):
    cache.put(STATE, LINEAGE, now=clock())
    (file,) = folder.iterdir()
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    cache.put(STATE, LINEAGE, now=clock())
    assert list(folder.iterdir()) == [file]
    assert [line["event"] for line in logged] == ["lineage.not_kept"]


def test_it_is_a_small_part_of_the_manifest(cache, folder, clock):
    cache.put(STATE, LINEAGE, now=clock())
    (file,) = folder.iterdir()
    assert file.stat().st_size < 0.03 * len(recordings.load("build").manifest)


def test_one_from_a_clock_that_was_far_ahead_is_not_kept_for_longer(cache, clock):
    cache.put(STATE, LINEAGE, now=clock() + timedelta(days=3))
    assert cache.get(STATE, now=clock()) is None
