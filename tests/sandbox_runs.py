"""The runs that tests add to the sandbox's dbt Cloud."""

import dataclasses

from relay.sandbox import story
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load

NIGHT = story.FIRST_DBT_RUN_ID


def night(number=0, recording="build", **fields):
    """The nightly run NIGHT + number."""
    return nightly(NIGHT + number, recording=recording, **fields)


def nightly(dbt_run_id=NIGHT, *, recording="build", **fields):
    """`dbt build` and `dbt docs generate`; without docs where the recorded build failed."""
    return dataclasses.replace(story.nightly_run(dbt_run_id, recording=recording), **fields)


def build_run(*models, number=0, **fields):
    """The run NIGHT + number, which is `dbt build` alone: of these models, or of all."""
    build = load("build")
    if models:
        build = build.only(*(f"model.jaffle_crm.{model}" for model in models))
    return SandboxRun.of(invoke("dbt build", build), dbt_run_id=NIGHT + number, **fields)
