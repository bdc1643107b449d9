"""What tests of the pages about syncs let happen: nights, and how their sync runs end."""

from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

MODEL = "model.jaffle_crm.customers"
HOSTILE = "<script>alert(1)</script>\u202e' \" " + "x" * 10_000


def night_of(relay, number=0, **fields):
    """A nightly run, evaluated, with its sync runs started; its id."""
    relay.deliver(night(number, **fields))
    relay.work()
    return NIGHT + number


def end_sync_runs(relay, **fields):
    """End every running sync run, and let relay see it."""
    census = relay.sandbox.census
    for run in census.sync_runs:
        if run.end is None:
            census.finish(run.sync_run_id, **fields)
    relay.work_for(60)


def map_syncs(relay, *sync_ids, model="customers", **keys):
    """A mapping file with these syncs of a model."""
    relay.map(mapping_text(*(sync_entry(sync_id, model, **keys) for sync_id in sync_ids)))
