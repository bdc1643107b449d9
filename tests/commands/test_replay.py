"""`relay replay`: which runs are evaluated again, and what is left alone."""

import json
import uuid

import pytest
from sandbox_runs import night

from relay.postgres.connections import single_connection
from relay.store import Delivery, Store


class TestReplay:
    @pytest.fixture(name="decided")
    def _decided(self, relay):
        """A good night's run, its four syncs triggered; its delivery."""
        relay.deliver(night())
        relay.work()
        ((delivery_id,),) = relay.sql("SELECT delivery_id FROM relay.deliveries")
        return str(delivery_id)

    def test_shows_the_result(self, command, relay, sandbox, here):
        sandbox.dbt_cloud.add_run(night())
        output = command("replay", "--run", "155144666", **here)
        assert output.exit_code == 0
        assert output.stdout == "dbt run 155144666: a worker will evaluate it\n"
        (again,) = json.loads(command("replay", "--run", "155144666", "--json", **here).stdout)
        assert again == {"dbt_run_id": 155144666, "replay": "under_way", "left_alone": []}

    def test_exits_with_1_for_a_run_that_dbt_cloud_does_not_know(self, command, relay, here):
        output = command("replay", "--run", "7", **here)
        assert output.exit_code == 1
        assert "HTTP 404 for dbt run 7" in output.stderr
        assert relay.sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]

    def test_names_what_it_leaves_alone(self, command, decided, here):
        output = command("replay", "--run", "155144666", **here)
        assert "sync 5123 was triggered for it already (sync run 9000" in output.stdout

    def test_accepts_a_delivery_or_a_time_too(self, command, decided, here):
        by_delivery = command("replay", "--delivery", decided, **here)
        assert by_delivery.stdout.startswith("dbt run 155144666: a worker will evaluate it\n")
        by_time = command("replay", "--since", "1h", **here)
        assert by_time.stdout.startswith("dbt run 155144666: it is being evaluated already\n")
        before = command("replay", "--since", "2d", "--until", "1d", **here)
        assert (before.exit_code, before.stdout) == (0, "no dbt run was reported in that time\n")

    def test_exits_with_1_for_a_delivery_without_a_run(self, command, database, here):
        ignored = Delivery(delivery_id=uuid.uuid4(), body=b"{}", ignored_because="other_account")
        with single_connection(database) as connections:
            Store(connections).deliveries.record([ignored])
        output = command("replay", "--delivery", str(ignored.delivery_id), **here)
        assert output.exit_code == 1
        assert "was ignored: other_account" in output.stderr
        unknown = command("replay", "--delivery", str(uuid.uuid4()), **here)
        assert unknown.exit_code == 1
        assert "there is no delivery" in unknown.stderr

    @pytest.mark.parametrize(("words", "triggers"), [([], 0), (["--again"], 4)])
    def test_dry_run_shows_it_and_does_nothing(
        self, command, relay, decided, here, words, triggers
    ):
        output = command("replay", "--run", "155144666", "--dry-run", *words, **here)
        assert output.stdout.count(" trigger ") == triggers
        assert output.stdout.count("already") == 4 - triggers
        assert relay.sql("SELECT count(*) FROM relay.triggers WHERE superseded") == [(0,)]
        assert relay.sql("SELECT planned_at IS NOT NULL FROM relay.dbt_runs") == [(True,)]

    def test_exits_with_2_if_the_account_is_not_set(self, command, here):
        result = command("replay", "--run", "9", **here | {"DBT_CLOUD_ACCOUNT_ID": ""})
        assert result.exit_code == 2
        assert "DBT_CLOUD_ACCOUNT_ID" in result.stderr

    @pytest.mark.parametrize(
        "words",
        [
            *([], ["--run", "0"], ["--run", "last"], ["--run", "1", "--since", "6h"]),
            *(["--since", "yesterday"], ["--run", "1", "--until", "1h"], ["--delivery", "1"]),
        ],
    )
    def test_exits_with_2_for_wrong_arguments(self, command, words):
        assert command("replay", *words).exit_code == 2
