"""Routes to steer the simulators from another shell, on both their ports.

Each takes a JSON body, whose keys are optional unless said otherwise; a wrong body is answered with
400 and what is wrong with it.

- `GET /sandbox/state`: dbt runs, syncs, sync runs, how many requests of each kind came, and the
  newest 10,000 of each simulator
- `POST /sandbox/dbt_runs`, `{"recording": "build_model_error"}`: let there be a dbt run, by default
  one where all is well. `"pull_request": 42` makes it a CI run; `"status": "running"` leaves it in
  the middle of its build, and `"cancelled"` cancels it there. Answers with the webhook body that
  tells of its end, or, while it is running, of its start
- `POST /sandbox/dbt_runs/DBT_RUN_ID/finish`, `{"status": "success"}`: end a dbt run that is
  running; also `"error"` or `"cancelled"`, by default as its steps ended. Answers with its webhook
- `GET /sandbox/dbt_runs/DBT_RUN_ID/event`: the newest webhook body of a dbt run, for one that was
  started with `POST /jobs/ID/run/`
- `POST /sandbox/syncs/SYNC_ID`, `{"paused": true}` or `{"refuses": "Not now"}`: let a sync be
  paused, or refuse every trigger with this text; `false` and `null` let it start again. Also
  `label`, what it reads, `"source": {"type": "table", "id": 905, "catalog": "jaffle_crm",
  "schema": "analytics", "name": "orders"}` (or a `model`, `dataset` or `topic`, see
  `control_requests`), and what lets Census itself start it: `"schedule_frequency": "hourly"`
- `POST /sandbox/census`, `{"versions": ["v2"], "largest_page": 10, "paging": "next_url"}`: let
  Census know its key in these versions of its API only, answer pages of more rows with 502, and
  tell of a list's other pages as it did earlier; what is not given is as it was at the start
- `POST /sandbox/finish/SYNC_RUN_ID`, `{"records_failed": 3}`: end a sync run; the keys are those
  of `SandboxCensus.finish`
- `POST /sandbox/fail`, `{"simulator": "census", "path": "/trigger", "status": 503, "times": 2}`:
  let the next requests fail; `simulator` and `path` are required, and one of `status` (with it
  `retry_after`, seconds), `status_after`, which fails after the work was done, or `hang_up`,
  `"before"` or `"after"` the work
- `POST /sandbox/fail_at_random`, `{"simulator": "both", "share": 0.1, "seed": 1}`: let from now on
  this share of the requests meet one of the faults that a patient client comes through, which the
  answer lists: 429, 5xx before and after the work, lost, late and broken answers; by default a
  tenth of both simulators' with the seed 1. `"share": 0` ends it
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

# How long a run that is put in the middle of its build has been there.
_INTO_BUILD = QUEUE_TAKES + STEP_TAKES * len(PREPARATIONS) + STEP_TAKES / 2


def control(dbt_cloud: SandboxDbtCloud, census: SandboxCensus) -> Flask:
    """The routes above, for these two."""
    app = Flask(__name__, static_folder=None)
    app.register_error_handler(HTTPException, _in_one_line)
    _add_dbt_routes(app, dbt_cloud)
    _add_census_routes(app, census)
    _add_fault_routes(app, {"dbt_cloud": dbt_cloud, "census": census})

    @app.get("/sandbox/state")
    def state() -> Response:
        return as_json(state_json(dbt_cloud, census))

    return app


def _add_dbt_routes(app: Flask, dbt_cloud: SandboxDbtCloud) -> None:
    @app.post("/sandbox/dbt_runs")
    def add_run() -> Response:
        asked = read(NewRun)
        with _problems_answered():
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
        with _problems_answered(f"there is no dbt run {dbt_run_id}"):
            dbt_cloud.finish_run(dbt_run_id, read(RunEnd).code)
        return _event(dbt_cloud, dbt_run_id)

    @app.get("/sandbox/dbt_runs/<int:dbt_run_id>/event")
    def event(dbt_run_id: int) -> Response:
        with _problems_answered(f"there is no dbt run {dbt_run_id}"):
            return _event(dbt_cloud, dbt_run_id)


def _add_census_routes(app: Flask, census: SandboxCensus) -> None:
    @app.post("/sandbox/syncs/<int:sync_id>")
    def change_sync(sync_id: int) -> Response:
        change = read(SyncChange)
        with _problems_answered(f"there is no sync {sync_id}"):
            return as_json(sync_json(census.change_sync(sync_id, **change.given)))

    @app.post("/sandbox/census")
    def change_census() -> Response:
        census.options = read(CensusChange).options
        return as_json(census.options)

    @app.post("/sandbox/finish/<int:sync_run_id>")
    def finish(sync_run_id: int) -> Response:
        with _problems_answered(f"there is no sync run {sync_run_id}"):
            census.finish(sync_run_id, **msgspec.structs.asdict(read(SyncRunEnd)))
        return as_json(sync_run_json(census, census.sync_run(sync_run_id)))


def _add_fault_routes(app: Flask, simulators: Mapping[str, Simulator]) -> None:
    @app.post("/sandbox/fail")
    def fail() -> Response:
        asked = read(Fail)
        simulators[asked.simulator].fail_next(asked.path, asked.fault, times=asked.times)
        return as_json({"fault": str(asked.fault), "path": asked.path, "times": asked.times})

    @app.post("/sandbox/fail_at_random")
    def fail_at_random() -> Response:
        asked = read(FailAtRandom)
        names = tuple(simulators) if asked.simulator == "both" else (asked.simulator,)
        chosen = {name: simulators[name] for name in names}
        for simulator in chosen.values():
            simulator.fail_at_random(asked.share, simulator.passing_faults, seed=asked.seed)
        faults = {name: list(map(str, chosen[name].passing_faults)) for name in chosen}
        return as_json({"share": asked.share, "seed": asked.seed, "faults": faults})


def _new_run(asked: NewRun, dbt_run_id: int) -> SandboxRun:
    """Raises LookupError where there is no such recording."""
    if asked.pull_request is None:
        return story.nightly_run(dbt_run_id, recording=asked.recording)
    return story.ci_run(dbt_run_id, pull_request_id=asked.pull_request, recording=asked.recording)


def _event(dbt_cloud: SandboxDbtCloud, dbt_run_id: int) -> Response:
    return Response(dbt_cloud.newest_event(dbt_run_id), content_type="application/json")


@contextmanager
def _problems_answered(nothing_found: str | None = None) -> Iterator[None]:
    """Answer with 404 where something is not there, with 400 where it cannot be done."""
    try:
        yield
    except LookupError as exc:
        abort(404, nothing_found or str(exc))
    except ValueError as exc:
        abort(400, str(exc))


def _in_one_line(exc: HTTPException) -> Response:
    return as_json({"error": exc.description}, exc.code or 500)
