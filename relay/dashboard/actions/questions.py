"""What is asked of a worker, because it needs a vendor: a plan, and a check of the mapping."""

from relay.dashboard.actions.action import Field, Given, Preview
from relay.dashboard.actions.given import id_given
from relay.dashboard.visit import Visit
from relay.store import Part
from relay.store.requests import RequestArguments


def preview_plan(visit: Visit, given: Given) -> Preview:
    """Of `run=ID`: what would be decided on it now."""
    dbt_run_id = id_given(given, "run")
    says = "a worker reads what it did from dbt Cloud, and decides as it would now; nothing is done"
    return Preview(
        title=f"What would be decided on dbt run {dbt_run_id} now?",
        would=(Part(dbt_run_id=dbt_run_id, says=says),),
        fields=(Field(name="run", value=str(dbt_run_id)),),
        button="Ask a worker",
    )


def plan_arguments(given: Given) -> RequestArguments:
    """The dbt run."""
    return RequestArguments(dbt_run_id=id_given(given, "run"))


def preview_check(visit: Visit, given: Given) -> Preview:
    """How the mapping differs from dbt Cloud and Census now."""
    says = "a worker asks dbt Cloud and Census, as `relay check --online` does; nothing is changed"
    return Preview(
        title="Compare the mapping with dbt Cloud and Census",
        would=(Part(says=says),),
        button="Ask a worker",
    )


def check_arguments(given: Given) -> RequestArguments:
    """None."""
    return RequestArguments()
