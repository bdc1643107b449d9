"""What a sync run answers applies to all its triggers together."""

from datetime import UTC, datetime

import pytest

from relay.store import Causes
from relay.store.triggers import Cause

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def cause(dbt_run_id=None, *because, through=None):
    return Cause(
        dbt_run_id=dbt_run_id,
        because=list(because),
        through=through or {},
        due_at=NOON,
        sendable_since=NOON,
    )


@pytest.mark.parametrize(
    ("causes", "newest", "all_of_them"),
    [
        ((), None, []),
        ((cause(),), None, []),
        ((cause(8),), 8, [8]),
        ((cause(9), cause(), cause(8)), 9, [9, 8]),
    ],
    ids=["none", "manual", "one run", "runs and a person"],
)
def test_the_newest_run_and_all_of_them(causes, newest, all_of_them):
    found = Causes(causes)
    assert (found.newest_dbt_run_id, found.dbt_run_ids) == (newest, all_of_them)


def test_models_are_named_once_and_sorted():
    assert Causes((cause(8, "b", "a"), cause(9, "c", "a"))).models == ["a", "b", "c"]


def test_what_was_rebuilt_behind_a_view_is_put_together():
    causes = Causes(
        (
            cause(8, "v", "a", through={"v": ["b", "a"]}),
            cause(9, "v", "w", through={"w": ["c"], "v": ["c", "a"]}),
        )
    )
    assert causes.through == {"v": ["a", "b", "c"], "w": ["c"]}
