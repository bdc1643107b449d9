"""Routes to control the simulators from another shell, on each port.

Each takes a JSON body, whose keys are optional unless marked as required; for an invalid body the
response is 400 and the problem.

- `GET /sandbox/state`: dbt runs, syncs, sync runs, the number of requests of each kind, and the
  newest 10,000 of each simulator
- `POST /sandbox/dbt_runs`, `{"recording": "build_model_error"}`: add a dbt run, by default
  one that succeeded. `"pull_request": 42` makes it a CI run; `"status": "running"` stops it in
  the middle of its build, and `"cancelled"` cancels it there. Returns the webhook body that
  reports its end, or, while it is running, its start
- `POST /sandbox/dbt_runs/DBT_RUN_ID/finish`, `{"status": "success"}`: end a dbt run that is
  running; also `"error"` or `"cancelled"`, by default as its steps ended. Returns its webhook
- `GET /sandbox/dbt_runs/DBT_RUN_ID/event`: the newest webhook body of a dbt run, for one that was
  started with `POST /jobs/ID/run/`
- `POST /sandbox/syncs/SYNC_ID`, `{"paused": true}` or `{"refuses": "Not now"}`: pause a
  sync, or refuse every trigger with this message; `false` and `null` undo it. Also
  `label`, what it reads, `"source": {"type": "table", "id": 905, "catalog": "jaffle_crm",
  "schema": "analytics", "name": "orders"}` (or a `model`, `dataset` or `topic`, see
  `control_requests`), and what starts it in Census itself: `"schedule_frequency": "hourly"`
- `POST /sandbox/census`, `{"versions": ["v2"], "largest_page": 10, "paging": "next_url"}`: accept
  the key in these versions of the API only, respond to larger pages with 502, and link a list's
  pages as the API did earlier; what is not given is reset
- `POST /sandbox/finish/SYNC_RUN_ID`, `{"records_failed": 3}`: end a sync run; the keys are those
  of `SandboxCensus.finish`
- `GET /sandbox/messages`: the messages that channels received, oldest first: `kind`, `at`, `body`
- `POST /sandbox/fail`, `{"simulator": "census", "path": "/trigger", "status": 503, "times": 2}`:
  the next requests fail; `simulator` (`dbt_cloud`, `census` or `channels`) and `path` are required,
  and one of `status` (with it `retry_after`, seconds), `status_after`, which fails after the
  request was processed, `hang_up`, `"before"` or `"after"` processing, or `slow`, the seconds until
  the response
- `POST /sandbox/fail_at_random`, `{"simulator": "both", "share": 0.1, "seed": 1}`: from now on
  this share of the requests gets a transient fault; the response lists them: 429, 5xx before and
  after processing, lost, late and broken responses; by default a tenth of the requests to dbt Cloud
  and Census with the seed 1. `"share": 0` ends it
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import msgspec
from flask import Flask, abort
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from relay.sandbox import story
from relay.sandbox.census import SandboxCensus
from relay.sandbox.channels import SandboxChannels
from relay.sandbox.control_requests import (
    CensusChange,
    Fail,
    FailAtRandom,
    NewRun,
    RunEnd,
    SyncChange,
    SyncRunEnd,
    read,
)
from relay.sandbox.control_state import state_json, sync_json, sync_run_json
from relay.sandbox.dbt_cloud import SandboxDbtCloud
from relay.sandbox.dbt_runs import PREPARATIONS, QUEUE_TAKES, RUNNING, STEP_TAKES, SandboxRun
from relay.sandbox.wire import Simulator, as_json

# Since when a run that is added as running has been in the middle of its build.
_INTO_BUILD = QUEUE_TAKES + STEP_TAKES * len(PREPARATIONS) + STEP_TAKES / 2


def control(dbt_cloud: SandboxDbtCloud, census: SandboxCensus, channels: SandboxChannels) -> Flask:
    """The routes above, for these simulators."""
    app = Flask(__name__, static_folder=None)
    app.register_error_handler(HTTPException, _as_text)
    _add_dbt_routes(app, dbt_cloud)
    _add_census_routes(app, census)
    _add_fault_routes(app, {"dbt_cloud": dbt_cloud, "census": census}, channels)

    @app.get("/sandbox/state")
    def state() -> Response:
        return as_json(state_json(dbt_cloud, census))

    @app.get("/sandbox/messages")
    def messages() -> Response:
        return as_json({"messages": channels.received})

    return app


def _add_dbt_routes(app: Flask, dbt_cloud: SandboxDbtCloud) -> None:
    @app.post("/sandbox/dbt_runs")
    def add_run() -> Response:
        asked = read(NewRun)
        with _errors_as_responses():
            run = _new_run(asked, dbt_cloud.next_run_id)
        if asked.status is None:
            dbt_cloud.add_run(run)
        else:
            created_at = dbt_cloud.now() - _INTO_BUILD
            dbt_cloud.add_run(replace(run, status=RUNNING, created_at=created_at))
        if asked.status == "cancelled":
            dbt_cloud.cancel_run(run.dbt_run_id)
        return _event(dbt_cloud, run.dbt_run_id)

    @app.post("/sandbox/dbt_runs/<int:dbt_run_id>/finish")
    def finish_run(dbt_run_id: int) -> Response:
        with _errors_as_responses(f"there is no dbt run {dbt_run_id}"):
            dbt_cloud.finish_run(dbt_run_id, read(RunEnd).code)
        return _event(dbt_cloud, dbt_run_id)

    @app.get("/sandbox/dbt_runs/<int:dbt_run_id>/event")
    def event(dbt_run_id: int) -> Response:
        with _errors_as_responses(f"there is no dbt run {dbt_run_id}"):
            return _event(dbt_cloud, dbt_run_id)


def _add_census_routes(app: Flask, census: SandboxCensus) -> None:
    @app.post("/sandbox/syncs/<int:sync_id>")
    def change_sync(sync_id: int) -> Response:
        change = read(SyncChange)
        with _errors_as_responses(f"there is no sync {sync_id}"):
            return as_json(sync_json(census.change_sync(sync_id, **change.given)))

    @app.post("/sandbox/census")
    def change_census() -> Response:
        census.options = read(CensusChange).options
        return as_json(census.options)

    @app.post("/sandbox/finish/<int:sync_run_id>")
    def finish(sync_run_id: int) -> Response:
        with _errors_as_responses(f"there is no sync run {sync_run_id}"):
            census.finish(sync_run_id, **msgspec.structs.asdict(read(SyncRunEnd)))
        return as_json(sync_run_json(census, census.sync_run(sync_run_id)))


def _add_fault_routes(
    app: Flask, simulators: Mapping[str, Simulator], channels: SandboxChannels
) -> None:
    @app.post("/sandbox/fail")
    def fail() -> Response:
        asked = read(Fail)
        {**simulators, "channels": channels}[asked.simulator].fail_next(
            asked.path, asked.fault, times=asked.times
        )
        return as_json({"fault": str(asked.fault), "path": asked.path, "times": asked.times})

    @app.post("/sandbox/fail_at_random")
    def fail_at_random() -> Response:
        asked = read(FailAtRandom)
        names = tuple(simulators) if asked.simulator == "both" else (asked.simulator,)
        chosen = {name: simulators[name] for name in names}
        for simulator in chosen.values():
            simulator.fail_at_random(asked.share, simulator.transient_faults, seed=asked.seed)
        faults = {name: list(map(str, chosen[name].transient_faults)) for name in chosen}
        return as_json({"share": asked.share, "seed": asked.seed, "faults": faults})


def _new_run(asked: NewRun, dbt_run_id: int) -> SandboxRun:
    """Raises LookupError for an unknown recording."""
    if asked.pull_request is None:
        return story.nightly_run(dbt_run_id, recording=asked.recording)
    return story.ci_run(dbt_run_id, pull_request_id=asked.pull_request, recording=asked.recording)


def _event(dbt_cloud: SandboxDbtCloud, dbt_run_id: int) -> Response:
    return Response(dbt_cloud.newest_event(dbt_run_id), content_type="application/json")


@contextmanager
def _errors_as_responses(nothing_found: str | None = None) -> Iterator[None]:
    """Respond with 404 for an unknown id, with 400 for an impossible change."""
    try:
        yield
    except LookupError as exc:
        abort(404, nothing_found or str(exc))
    except ValueError as exc:
        abort(400, str(exc))


def _as_text(exc: HTTPException) -> Response:
    return as_json({"error": exc.description}, exc.code or 500)
