"""`relay replay`: have a dbt run examined that was given up, or that no delivery told of."""

from relay.database import Server, asking
from relay.errors import BadSettings, Problem
from relay.settings import Settings
from relay.store import Replayed, replay

WORDS = {
    Replayed.DUE: "a worker will examine it",
    Replayed.UNDER_WAY: "it is being examined already",
    Replayed.DECIDED: "it was decided on already, nothing is done: see `relay status`",
}


def replay_run(server: Server, settings: Settings, dbt_run_id: int) -> Replayed:
    """Put the run into the workers' queue. Raises BadSettings, DatabaseUnavailable."""
    if settings.dbt_account_id is None:
        raise BadSettings((Problem("DBT_CLOUD_ACCOUNT_ID", "is not set"),))
    with asking(server) as connection:
        return replay(connection, settings.dbt_account_id, dbt_run_id)
