"""A busy night while everything fails and is killed, again and again: nothing lost or doubled.

`make test-crash`. RELAY_STORM_SEED=… repeats the kills of a storm that went wrong, as far as the
machine does.
"""

import os
import random

import pytest

from crash.in_step import kept_in_step
from crash.stage import UP, WEB, WORKER
from crash.storm import (
    Count,
    Deliverer,
    Holder,
    Kept,
    Killer,
    Night,
    Orchestrator,
    all_about,
    clear_faults,
    kill_alone,
    kill_child,
    kill_database,
    kill_kept,
    wait_for_quiet,
)

DBT_RUNS = 200
STORM_IS_OVER_AFTER = 180.0  # seconds, of which it should take 60
QUIET_AFTER = 180.0  # seconds; a dead worker's jobs are taken up within 60

pytestmark = [pytest.mark.storm, pytest.mark.timeout(STORM_IS_OVER_AFTER + QUIET_AFTER + 60)]


@pytest.fixture(name="seed")
def _seed():
    return int(os.environ.get("RELAY_STORM_SEED") or random.randrange(10**6))


def survives(stage, seed, orchestrator, webs, victims):
    night = Night(DBT_RUNS)
    night.set_up(stage, seed)
    killer = Killer(random.Random(seed), victims)
    holder = Holder(stage, random.Random(seed))
    with orchestrator, Deliverer(stage, night, webs) as deliverer:
        with holder:
            killer.kill_until(lambda: deliverer.is_done, webs)
        clear_faults(stage)
        deliverer.raise_what_failed()
        wait_for_quiet(stage, QUIET_AFTER)
        count = Count.after(stage, night, deliverer, killer)
        began_held = holder.begun_while_held
        kept = kept_in_step(stage)
    told = (killer.summary, holder.summary, deliverer.summary, count.summary)
    print(f"RELAY_STORM_SEED={seed}", *told, sep="\n")  # noqa: T201
    assert set(killer.killed) == set(victims)
    assert count.wrong == set(), all_about(stage, count.wrong)
    assert began_held == []
    assert kept.states == kept.expected_states
    assert kept.tallies == kept.counted_rows
    assert kept.told
    assert set(kept.told.values()) == {1}
    assert kept.received == kept.messages
    assert holder.holds["holds of all"] > 0
    assert stage.logged("task.failed", level="error") == []


def test_a_storm_over_relay_up_loses_and_doubles_nothing(stage, seed):
    up = Kept(stage, "up", UP)
    victims = {
        "up": kill_kept(up),
        "up alone": kill_alone(up),
        "web": kill_child(up, "gunicorn"),
        "worker": kill_child(up, "worker"),
        "database": kill_database(stage),
    }
    survives(stage, seed, Orchestrator(up), [up], victims)


def test_a_storm_over_two_webs_and_two_workers_loses_and_doubles_nothing(stage, seed):
    stage.server.join()
    stage.use_external_database()
    webs = [Kept(stage, "web", WEB) for _ in range(2)]
    workers = [Kept(stage, "worker", WORKER) for _ in range(2)]
    victims = {
        **{f"web {number}": kill_kept(each) for number, each in enumerate(webs)},
        "web's child": kill_child(webs[0], "gunicorn"),
        **{f"worker {number}": kill_kept(each) for number, each in enumerate(workers)},
        "database": kill_database(stage),
    }
    orchestrator = Orchestrator(*webs, *workers, server=stage.server)
    survives(stage, seed, orchestrator, webs, victims)
    stage.server.leave()
