"""Routes to steer the stand-ins from another shell, on both their ports.

- `GET /sandbox/state`: dbt runs, syncs, sync runs, how many requests of each kind came, and the
  newest 10,000 of each stand-in
- `POST /sandbox/dbt_runs`, `{"recording": "build_model_error"}`: let there be a run of `story`, by
  default one where all is well; answers with the webhook body that tells of its end
- `POST /sandbox/finish/SYNC_RUN_ID`, `{"records_failed": 3}`: end a sync run; the keys are those
  of `SandboxCensus.finish`
- `POST /sandbox/fail`, `{"stand_in": "census", "path": "/trigger", "status": 503, "times": 2}`: let
  the next requests fail; `"hang_up": "before"` or `"after"` (the work) in place of a status
- `POST /sandbox/fail_at_random`, `{"stand_in": "both", "share": 0.1, "seed": 1}`: let from now on
  this share of the requests meet one of the faults that a patient client comes through, which the
  answer lists: 429, 5xx before and after the work, lost, late and broken answers; by default a
  tenth of both stand-ins' with the seed 1. `"share": 0` ends it
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from relay.sandbox import story
from relay.sandbox.census import SandboxCensus
from relay.sandbox.census_runs import SandboxSyncRun
from relay.sandbox.dbt_cloud import SandboxDbtCloud
from relay.sandbox.dbt_runs import HUMANIZED, SandboxRun
from relay.sandbox.wire import Fault, HangUp, HangUpAfter, Seen, StandIn, Status, as_json

T = TypeVar("T")


class _NewRun(msgspec.Struct, forbid_unknown_fields=True):
    recording: str = "build"


class _Fail(msgspec.Struct, forbid_unknown_fields=True):
    stand_in: Literal["dbt_cloud", "census"]
    path: str
    status: int | None = None
    retry_after: int | None = None
    hang_up: Literal["before", "after"] = "before"
    times: int = 1

    @property
    def fault(self) -> Fault:
        if self.status is not None:
            return Status(self.status, self.retry_after)
        return HangUp() if self.hang_up == "before" else HangUpAfter()


class _FailAtRandom(msgspec.Struct, forbid_unknown_fields=True):
    stand_in: Literal["dbt_cloud", "census", "both"] = "both"
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    seed: int = 1


def control(dbt_cloud: SandboxDbtCloud, census: SandboxCensus) -> Flask:
    """The routes above, for these two."""
    app = Flask(__name__, static_folder=None)
    app.register_error_handler(HTTPException, _in_one_line)

    @app.get("/sandbox/state")
    def state() -> Response:
        return as_json(_state(dbt_cloud, census))

    @app.post("/sandbox/dbt_runs")
    def add_run() -> Response:
        newest = max((run.dbt_run_id for run in dbt_cloud.runs), default=story.FIRST_DBT_RUN_ID - 1)
        try:
            run = story.nightly_run(newest + 1, recording=_read(_NewRun).recording)
        except LookupError as exc:
            abort(404, str(exc))
        dbt_cloud.add_run(run)
        event = dbt_cloud.completed_event(run.dbt_run_id)
        return Response(event, content_type="application/json")

    @app.post("/sandbox/finish/<int:sync_run_id>")
    def finish(sync_run_id: int) -> Response:
        try:
            census.finish(sync_run_id, **_read(dict[str, Any]))
        except LookupError:
            abort(404, f"there is no sync run {sync_run_id}")
        except (TypeError, ValueError) as exc:
            abort(400, str(exc))
        return as_json(_sync_run_state(census, census.sync_run(sync_run_id)))

    @app.post("/sandbox/fail")
    def fail() -> Response:
        asked = _read(_Fail)
        stand_in = census if asked.stand_in == "census" else dbt_cloud
        stand_in.fail_next(asked.path, asked.fault, times=asked.times)
        return as_json({"fault": str(asked.fault), "path": asked.path, "times": asked.times})

    @app.post("/sandbox/fail_at_random")
    def fail_at_random() -> Response:
        asked = _read(_FailAtRandom)
        both: dict[str, StandIn] = {"dbt_cloud": dbt_cloud, "census": census}
        chosen = {name: each for name, each in both.items() if asked.stand_in in (name, "both")}
        for stand_in in chosen.values():
            stand_in.fail_at_random(asked.share, stand_in.passing_faults, seed=asked.seed)
        faults = {name: list(map(str, each.passing_faults)) for name, each in chosen.items()}
        return as_json({"share": asked.share, "seed": asked.seed, "faults": faults})

    return app


def _in_one_line(exc: HTTPException) -> Response:
    return as_json({"error": exc.description}, exc.code or 500)


def _read(kind: type[T]) -> T:
    try:
        return msgspec.json.decode(request.get_data() or b"{}", type=kind)
    except msgspec.DecodeError as exc:
        abort(400, str(exc))


def _state(dbt_cloud: SandboxDbtCloud, census: SandboxCensus) -> dict[str, Any]:
    return {
        "dbt_runs": [_dbt_run_state(run) for run in dbt_cloud.runs],
        "syncs": [{"sync_id": sync.sync_id, "label": sync.label} for sync in census.syncs],
        "sync_runs": [_sync_run_state(census, run) for run in census.sync_runs],
        "request_counts": {
            "dbt_cloud": dbt_cloud.request_counts,
            "census": census.request_counts,
        },
        "requests": {
            "dbt_cloud": [_request_state(seen) for seen in dbt_cloud.requests],
            "census": [_request_state(seen) for seen in census.requests],
        },
    }


def _dbt_run_state(run: SandboxRun) -> dict[str, Any]:
    return {
        "dbt_run_id": run.dbt_run_id,
        "dbt_job_id": run.dbt_job_id,
        "status": HUMANIZED[run.status],
        "steps": [step.name for step in run.steps],
    }


def _sync_run_state(census: SandboxCensus, run: SandboxSyncRun) -> dict[str, Any]:
    return {
        "sync_run_id": run.sync_run_id,
        "sync_id": run.sync_id,
        "status": census.status(run),
    }


def _request_state(seen: Seen) -> str:
    return f"{seen.at.isoformat()} {seen.line}{'?' * bool(seen.query)}{seen.query}"
