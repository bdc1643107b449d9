"""Record the run_results.json that older releases of dbt write for the project in this folder.

    python tests/dbt_versions/record.py [version ...]

For each of VERSIONS (or those named) it makes a virtual environment in the temporary folder (kept
for the next time), copies the project beside a new DuckDB file, runs each of INVOCATIONS that this
release knows, in order, and replaces recorded/core-<version>/: <invocation>.json, where dbt wrote
a run_results.json.

The newest release has recordings of its own: tests/dbt_project/record.py.

Nothing of a version is replaced unless every invocation of it ended as expected. Times and
invocation ids differ each time. Each file stands as dbt wrote it, but for `compiled_code`, which is
null, and for paths: the folder of the project reads /project. Needs PyPI and about fifteen minutes.
It stops rather than write the name of a user, a machine or a folder outside the project.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent
sys.path.append(str(PROJECT.parent))

from dbt_recording import Invocation, Workspace, as_text, install_dbt, publish  # noqa: E402

RECORDED = PROJECT / "recorded"
ENVIRONMENTS = Path(tempfile.gettempdir()) / "relay-dbt-versions"

VERSIONS = {
    "1.7": ("dbt-core==1.7.20", "dbt-duckdb==1.7.5"),
    "1.8": ("dbt-core==1.8.10", "dbt-duckdb==1.11.1"),
    "1.9": ("dbt-core==1.9.11", "dbt-duckdb==1.11.1"),
    "1.10": ("dbt-core==1.10.23", "dbt-duckdb==1.11.1"),
    "1.11": ("dbt-core==1.11.16", "dbt-duckdb==1.11.1"),
}
DUCKDB = "duckdb==2.0.0"


THREE_DAYS = ("--event-time-start", "2024-01-01", "--event-time-end", "2024-01-04")

# In this order, on one database: each finds what those before it left.
INVOCATIONS = (
    Invocation("build", ("build",)),
    Invocation("build_model_error", ("build",), broken="model", exit_code=1),
    Invocation("retry", ("retry",), state="build_model_error"),
    Invocation("build_test_fail", ("build",), broken="test", exit_code=1),
    Invocation("build_fail_fast", ("build", "--fail-fast"), broken="model", exit_code=1),
    Invocation("run", ("run",)),
    Invocation("test", ("test",)),
    Invocation("seed", ("seed",)),
    Invocation("snapshot", ("snapshot",)),
    Invocation("compile", ("compile", "--select", "raw_orders", "orders+", "orders_history")),
    Invocation("docs_generate", ("docs", "generate", "--select", "orders+")),
    Invocation("clone", ("clone", "--target", "copy"), state="build"),
    Invocation("clone_again", ("clone", "--target", "copy", "--select", "orders"), state="build"),
    Invocation("build_select_nothing", ("build", "--select", "tag:nobody")),
    Invocation("run_operation", ("run-operation", "greet")),
    Invocation(
        "build_partial",
        ("build", "--select", "daily_orders", *THREE_DAYS),
        since="1.9",
        broken="batch",
        models="microbatch",
        exit_code=1,
    ),
    Invocation(
        "retry_partial", ("retry",), since="1.9", state="build_partial", models="microbatch"
    ),
    Invocation(
        "build_sample",
        ("build", "--sample", "{'start': '2024-01-02', 'end': '2024-01-04'}"),
        since="1.10",
    ),
    Invocation("build_empty", ("build", "--empty"), since="1.8"),
)


def main() -> None:
    for version in sys.argv[1:] or VERSIONS:
        dbt = install_dbt(ENVIRONMENTS / version, *VERSIONS[version], DUCKDB)
        with tempfile.TemporaryDirectory(prefix="relay-recording-") as folder:
            workspace = Workspace.copied_into(Path(folder).resolve(), PROJECT, dbt)
            recorded = workspace.root / "recorded"
            recorded.mkdir()
            for invocation in known_to(version):
                print(version, invocation.name, flush=True)  # noqa: T201 - a script may talk
                record(invocation, workspace, recorded)
            publish(recorded, RECORDED / f"core-{version}", workspace)


def known_to(version: str) -> list[Invocation]:
    """The invocations this release of dbt has the commands and options for."""
    order = ["", *VERSIONS]
    return [
        invocation
        for invocation in INVOCATIONS
        if order.index(invocation.since) <= order.index(version)
    ]


def record(invocation: Invocation, workspace: Workspace, folder: Path) -> None:
    workspace.run(invocation, SHOP_BREAK=invocation.broken, SHOP_MORE_MODELS=invocation.models)
    if run_results := workspace.read(invocation, "run_results.json"):
        content = as_text(without_code(run_results)) + "\n"
        (folder / f"{invocation.name}.json").write_text(content)


def without_code(run_results: dict[str, Any]) -> dict[str, Any]:
    for result in run_results["results"]:
        result["compiled_code"] = None
    return run_results


if __name__ == "__main__":
    main()
