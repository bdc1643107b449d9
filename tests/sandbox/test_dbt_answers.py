"""How dbt Cloud words a run: what is computed of its times."""

from sandbox_runs import nightly

from relay.sandbox.dbt_runs import QUEUED, RUNNING

DURATIONS = ("duration", "queued_duration", "run_duration")


def durations(dbt):
    run = dbt.get("/runs/1/").json()["data"]
    humanized = [run[f"{name}_humanized"] for name in DURATIONS]
    since = (run["created_at_humanized"], run["finished_at_humanized"])
    return [run[name] for name in DURATIONS], humanized, since


class TestDurations:
    def test_a_run_that_has_ended_took_a_time(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1))
        clock.tick(6)
        assert durations(dbt) == (
            ["00:00:54", "00:00:04", "00:00:50"],
            ["54 seconds", "4 seconds", "50 seconds"],
            ("1 minute ago", "6 seconds ago"),
        )

    def test_one_that_is_running_counts_up_to_now(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1, status=RUNNING))
        clock.tick(3661)
        assert durations(dbt) == (
            ["01:01:05", "00:00:04", "01:01:01"],
            ["1 hour, 1 minute", "4 seconds", "1 hour, 1 minute"],
            ("1 hour, 1 minute ago", "0 minutes from now"),
        )

    def test_one_that_is_queued_has_not_run(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly(1, status=QUEUED))
        clock.tick(9)
        assert durations(dbt) == (
            ["00:00:09", "00:00:09", "00:00:00"],
            ["9 seconds", "9 seconds", "0 minutes"],
            ("9 seconds ago", "0 minutes from now"),
        )

    def test_steps_took_a_time_too(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(1))
        assert {step["duration"] for step in dbt.run_steps(1)} == {"00:00:10"}
        assert {step["duration_humanized"] for step in dbt.run_steps(1)} == {"10 seconds"}
