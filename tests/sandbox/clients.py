"""HTTP clients of the simulators, with the right credentials unless a test changes them."""

import requests

from relay.sandbox import story


class Client:
    """Sends requests below one root of a simulator's URL."""

    def __init__(self, simulator, root, authorization):
        self.simulator, self.root, self.authorization = simulator, root, authorization

    def ask(self, method, path, **kwargs):
        kwargs.setdefault("headers", {"Authorization": self.authorization})
        kwargs.setdefault("timeout", 10)
        return requests.request(method, self.simulator.url + self.root + path, **kwargs)

    def get(self, path, **params):
        return self.ask("GET", path, params=params)

    def post(self, path, **params):
        return self.ask("POST", path, params=params)


class DbtCloudClient(Client):
    def __init__(self, dbt_cloud, root=f"/api/v2/accounts/{story.DBT_ACCOUNT_ID}"):
        super().__init__(dbt_cloud, root, f"Token {story.DBT_TOKEN}")

    def run_results(self, dbt_run_id, **params):
        return self.get(f"/runs/{dbt_run_id}/artifacts/run_results.json", **params)

    def run_steps(self, dbt_run_id):
        run = self.get(f"/runs/{dbt_run_id}/", include_related="run_steps").json()["data"]
        return run["run_steps"]


class CensusClient(Client):
    def __init__(self, census):
        super().__init__(census, "/api/v1", f"Bearer {story.CENSUS_API_KEY}")

    def trigger(self, sync_id=5123):
        """Trigger a sync; the sync run's id."""
        return self.post(f"/syncs/{sync_id}/trigger").json()["data"]["sync_run_id"]

    def sync_run(self, sync_run_id):
        return self.get(f"/sync_runs/{sync_run_id}").json()["data"]
