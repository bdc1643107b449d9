"""An account with a past, for tests of `relay backtest`: dbt runs, and sync runs of Census."""

from datetime import UTC, datetime, timedelta

from clocks import Clock
from sandbox_runs import NIGHT, night

from relay.sandbox import open_sandbox
from relay.sandbox.command import environment

SYNC_RUNS_TAKE = timedelta(seconds=120)
HOUR = 3600


class Past:
    """The sandbox from ten hours ago on. Sync 5123 depends on `customers`."""

    def __init__(self):
        self.clock = Clock(datetime.now(UTC) - timedelta(hours=10))
        self.sandbox = open_sandbox(runs_take=SYNC_RUNS_TAKE, clock=self.clock)

    def dbt_run(self, number, recording="build", **fields):
        """The nightly run NIGHT + number ends now."""
        return self.sandbox.dbt_cloud.add_run(night(number, recording=recording, **fields))

    def sync_run(self, sync_id=5123):
        """Census starts a sync run now; returns its id."""
        return self.sandbox.census.trigger(sync_id).sync_run_id

    def pass_by(self, seconds):
        self.clock.tick(seconds)

    def happen(self):
        """Four dbt runs, and five sync runs of 5123; returns these by what is the matter with each.

        5124, which depends on crm_orders, is never run by Census.
        """
        runs = {}
        self.dbt_run(0)
        self.pass_by(60)
        runs["good"] = self.sync_run()
        self.pass_by(HOUR)
        runs["unchanged"] = self.sync_run()
        self.pass_by(HOUR)
        self.dbt_run(1, "build_model_error")
        self.pass_by(60)
        runs["model_failed"] = self.sync_run()
        self.pass_by(HOUR)
        self.dbt_run(2)
        self.pass_by(2 * HOUR)
        runs["late"] = self.sync_run()
        self.pass_by(HOUR)
        runs["before_rebuild"] = self.sync_run()
        self.pass_by(40)  # the dbt run began 54 seconds before its end
        self.dbt_run(3)
        self.pass_by(HOUR)
        return runs

    def settings(self, folder):
        """The environment of a command whose mapping file and data are in this folder."""
        return {
            **environment(self.sandbox.dbt_cloud.url, self.sandbox.census.url),
            "CENSUS_API_VERSION": "v1",
            "RELAY_MAPPING": str(folder / "syncs.yml"),
            "RELAY_DATA_DIR": str(folder / "data"),
        }


__all__ = ["NIGHT", "Past"]
