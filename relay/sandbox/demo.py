"""`relay demo`: the real service with the sandbox, one nightly run, and the results.

Web, worker and database are started by `relay up` as separate processes; the output is their log
lines.
"""

import contextlib
import html
import secrets
import statistics
import tempfile
import textwrap
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import click

from relay.commands.tables import table
from relay.sandbox import story
from relay.sandbox.demo_service import FellShort, Line, Service, service_of
from relay.sandbox.server import Sandbox, open_sandbox

RUNS_TAKE = timedelta(seconds=1)
TIMED_DELIVERIES = 5
SLOWEST_MEDIAN = 0.3  # seconds from delivery to sync.triggered


class Then(StrEnum):
    """What the demo does when it has played."""

    END = "end"
    STAY = "stay"  # with its dashboard, until Ctrl-C


def run(then: Then = Then.END) -> int:
    """Run the demo; return 0 if every result was as expected, otherwise 1."""
    began = time.monotonic()
    token = secrets.token_urlsafe(24) if then is Then.STAY else None
    with tempfile.TemporaryDirectory(prefix="relay-demo-") as folder:
        Path(folder).chmod(0o711)  # run by root, PostgreSQL is another user, who needs this folder
        with (
            open_sandbox(runs_take=RUNS_TAKE) as sandbox,
            service_of(sandbox, folder, {"RELAY_ADMIN_TOKEN": token} if token else {}) as service,
        ):
            try:
                failures = _play(sandbox, service)
                if token is not None and not failures:
                    _stay(service, token)
            except FellShort as exc:
                failures = [str(exc)]
        failures += service.left_behind()
    for failure in failures:
        click.echo(f"FAILED: {failure}")
    click.echo(f"\n{'Failed' if failures else 'Done'} in {time.monotonic() - began:.1f} s.")
    return 1 if failures else 0


def _play(sandbox: Sandbox, service: Service) -> list[str]:
    _say(f"A simulated dbt Cloud at {sandbox.dbt_cloud.url}, Census at {sandbox.census.url}.")
    _say("Starting relay: its database, web and worker.")
    service.wait_until_ready()

    _say("First run: `dbt build`, then `dbt docs generate`. Every model succeeds.")
    good = _deliver(sandbox, service, story.FIRST_DBT_RUN_ID, "build")
    good_ends = _until_all_ended(service, good)

    _say("Second run: a model fails, so the syncs that read it are withheld.")
    bad = _deliver(sandbox, service, story.FIRST_DBT_RUN_ID + 1, "build_model_error")
    bad_ends = _until_all_ended(service, bad)

    _say("The message about it, as Slack gets it:")
    click.echo(textwrap.indent(_message(sandbox, service), "  "))

    _say("Results:")
    rows = [*_rows(service, good, good_ends), *_rows(service, bad, bad_ends)]
    heading = ("dbt run", "model", "sync", "sync run id", "outcome")
    click.echo("\n".join(table(heading, rows)))

    median = _time_deliveries(sandbox, service)
    click.echo(
        f"\nDelivery to sync.triggered, idle service: median {median * 1000:.0f} ms "
        f"of {TIMED_DELIVERIES}."
    )
    return list(_failures(sandbox, good, good_ends, bad, median))


def _stay(service: Service, token: str) -> None:
    _say(f"The dashboard: {service.url}/")
    click.echo(f"Log in with any name, and this token: {token}\nCtrl-C ends the demo.")
    with contextlib.suppress(KeyboardInterrupt):
        service.watch()


def _message(sandbox: Sandbox, service: Service) -> str:
    """The text of the message that Slack has received about the second run."""
    sent = service.wait_for(lambda line: line["event"] == "notify.sent", "the message to Slack")
    received = next(each for each in sandbox.channels.received if each.kind == sent["kind"])
    blocks = received.body["blocks"]
    texts = (block["text"]["text"] for block in blocks if "text" in block)
    return "\n".join(html.unescape(text) for text in texts)


def _failures(
    sandbox: Sandbox, good: Line, good_ends: list[Line], bad: Line, median: float
) -> Iterator[str]:
    expected = sorted(sync.sync_id for sync in story.SYNCS)
    if sorted(good["triggers"]) != expected:
        yield f"the good night triggered {good['triggers']}, not {expected}"
    if any(end["outcome"] != "completed" for end in good_ends):
        yield "a sync run of the good night did not complete"
    if not bad["withheld"]:
        yield "the bad night withheld nothing"
    if median > SLOWEST_MEDIAN:
        yield f"a median of {median:.2f} s from delivery to sync.triggered, over {SLOWEST_MEDIAN}"
    skipped = [run for run in sandbox.census.sync_runs if sandbox.census.status(run) == "skipped"]
    if skipped:
        yield f"{len(skipped)} sync runs were triggered while another was running"


def _deliver(sandbox: Sandbox, service: Service, dbt_run_id: int, recording: str) -> Line:
    """Deliver the webhook of a run's end, and wait for relay's plan."""
    sandbox.dbt_cloud.add_run(story.nightly_run(dbt_run_id, recording=recording))
    service.post(sandbox.dbt_cloud.completed_event(dbt_run_id))
    return service.wait_for(
        lambda line: line["event"] == "dbt_run.planned" and line["dbt_run_id"] == dbt_run_id,
        f"the plan for dbt run {dbt_run_id}",
    )


def _until_all_ended(service: Service, plan: Line) -> list[Line]:
    return [
        service.wait_for(
            lambda line, sync_id=sync_id: (  # type: ignore[misc]
                line["event"] == "sync_run.finished"
                and line["sync_id"] == sync_id
                and plan["dbt_run_id"] in line["dbt_run_ids"]
            ),
            f"the end of sync {sync_id}'s run",
        )
        for sync_id in plan["triggers"]
    ]


def _rows(service: Service, plan: Line, ends: list[Line]) -> Iterator[tuple[object, ...]]:
    """A row for each affected sync: dbt run, model, sync, sync run id, outcome."""
    names = {sync.sync_id: f"{sync.sync_id} {sync.label}" for sync in story.SYNCS}
    outcomes = {end["sync_run_id"]: end["outcome"] for end in ends}
    dbt_run_id = plan["dbt_run_id"]
    for line in service.seen:
        if line.get("dbt_run_id") != dbt_run_id:
            continue
        if line["event"] == "sync.triggered":
            sync_run_id = line["sync_run_id"]
            models, outcome = line["because"], outcomes.get(sync_run_id, "?")
        elif line["event"] == "sync.withheld":
            sync_run_id = None
            models, outcome = line["models"], f"withheld: {line['reason']}"
        else:
            continue
        yield dbt_run_id, ", ".join(models), names[line["sync_id"]], sync_run_id, outcome


def _time_deliveries(sandbox: Sandbox, service: Service) -> float:
    """The median seconds from a delivery's first byte to its log line sync.triggered."""
    seconds = []
    service.show = False
    for number in range(TIMED_DELIVERIES):
        dbt_run_id = story.FIRST_DBT_RUN_ID + 10 + number
        began = time.time()
        plan = _deliver(sandbox, service, dbt_run_id, "run_tables_under_view")
        triggered = service.wait_for(
            lambda line, wanted=dbt_run_id: (  # type: ignore[misc]
                line["event"] == "sync.triggered" and line["dbt_run_id"] == wanted
            ),
            f"sync.triggered for dbt run {dbt_run_id}",
        )
        seconds.append(datetime.fromisoformat(triggered["timestamp"]).timestamp() - began)
        _until_all_ended(service, plan)
    return statistics.median(seconds)


def _say(words: str) -> None:
    click.echo(f"\n{click.style(words, bold=True)}")
