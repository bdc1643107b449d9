"""Record the run_results.json that releases of dbt write for the project in this folder.

    python tests/dbt_versions/record.py [release ...]

For each of RELEASES (or those named) it makes a virtual environment in the temporary folder (kept
for the next time), copies the project beside a new DuckDB file, runs each of INVOCATIONS that this
release knows, in order, and replaces recorded/<release>/: <invocation>.json, where dbt wrote a
run_results.json, and warehouse.json, the tables that each invocation built by the rows in them.

Core 1.12 has only a build and what compares it with Core 2 and Fusion: tests/dbt_project/record.py
records the rest with it.

Nothing of a release is replaced unless every invocation of it ended as expected. Times and
invocation ids differ each time. Each file stands as dbt wrote it, but for `compiled_code`, which is
null, and for paths: the folder of the project reads /project. Needs PyPI and about fifteen minutes.
It stops rather than write the name of a user, a machine or a folder outside the project.

Core 2 and Fusion need Linux on x86-64, and npm for DuckDB's library. Theirs are the last releases
that PyPI has as wheels: dbt-core from 2.0.0a5 and dbt from 2.0.0rc200 are source packages, which
download the engine from GitHub. No `reused` is recorded: without dbt's own state service every
build of theirs builds everything, with DBT_ENGINE_MANAGE_STATE=true too.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent
sys.path.append(str(PROJECT.parent))

from dbt_recording import Invocation, Workspace, as_text, install_dbt, publish  # noqa: E402

RECORDED = PROJECT / "recorded"
ENVIRONMENTS = Path(tempfile.gettempdir()) / "relay-dbt-versions"
DUCKDB = "duckdb==2.0.0"
DUCKDB_LIBRARY = "@duckdb/node-bindings-linux-x64@1.5.6-r.1"

# In the order of `since`.
RELEASES: dict[str, tuple[str | Path, ...]] = {
    "core-1.7": ("dbt-core==1.7.20", "dbt-duckdb==1.7.5", DUCKDB),
    "core-1.8": ("dbt-core==1.8.10", "dbt-duckdb==1.11.1", DUCKDB),
    "core-1.9": ("dbt-core==1.9.11", "dbt-duckdb==1.11.1", DUCKDB),
    "core-1.10": ("dbt-core==1.10.23", "dbt-duckdb==1.11.1", DUCKDB),
    "core-1.11": ("dbt-core==1.11.16", "dbt-duckdb==1.11.1", DUCKDB),
    "core-1.12": ("--no-deps", "-r", PROJECT.parent / "dbt_project" / "requirements.txt"),
    "core-2.0": ("--no-deps", "dbt-core==2.0.0a4", DUCKDB),
    "fusion-2.0": ("--no-deps", "dbt==2.0.0rc196", DUCKDB),
}
SECOND_ENGINE = ("core-2.0", "fusion-2.0")

# What ends otherwise there: DuckDB's views cannot be cloned, a microbatch that failed in part is
# nothing to retry, and a retry of `dbt run` runs tests.
FAILS_IN_THE_SECOND_ENGINE = {"clone", "retry_partial", "retry_run_test_fail"}

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
        since="core-1.9",
        broken="batch",
        models="microbatch",
        exit_code=1,
    ),
    Invocation(
        "retry_partial", ("retry",), since="core-1.9", state="build_partial", models="microbatch"
    ),
    Invocation(
        "build_partial_and_error",
        ("build", "--select", "daily_orders", "orders", "accounts", *THREE_DAYS),
        since="core-1.12",
        broken="batch model",
        models="microbatch",
        exit_code=1,
    ),
    Invocation(
        "retry_partial_and_error",
        ("retry",),
        since="core-1.12",
        state="build_partial_and_error",
        models="microbatch",
    ),
    Invocation("run_upstream_error", ("run",), since="core-1.12", broken="staging", exit_code=1),
    Invocation("retry_run", ("retry",), since="core-1.12", state="run_upstream_error"),
    Invocation(
        "retry_run_test_fail",
        ("retry",),
        since="core-1.12",
        broken="test",
        state="run_upstream_error",
    ),
    Invocation(
        "build_warn_error",
        ("build", "--select", "customers", "--warn-error-options", "{'error': ['LogTestResult']}"),
        since="core-1.12",
        exit_code=1,
    ),
    Invocation(
        "run_end_hook_error",
        ("run", "--select", "orders", "customers"),
        since="core-1.12",
        broken="end",
        exit_code=1,
    ),
    Invocation(
        "build_sample",
        ("build", "--sample", "{'start': '2024-01-02', 'end': '2024-01-04'}"),
        since="core-1.10",
    ),
    Invocation("build_empty", ("build", "--empty"), since="core-1.8"),
    Invocation(
        "build_empty_error",
        ("build", "--empty", "--select", "stg_orders", "paid_orders", "orders"),
        since="core-1.12",
        broken="staging",
        exit_code=1,
    ),
    Invocation("retry_empty", ("retry",), since="core-1.12", state="build_empty_error"),
)


def main() -> None:
    for release in sys.argv[1:] or RELEASES:
        dbt = install_dbt(ENVIRONMENTS / release, *RELEASES[release])
        with tempfile.TemporaryDirectory(prefix="relay-recording-") as folder:
            workspace = Workspace.copied_into(Path(folder).resolve(), PROJECT, dbt)
            recorded = workspace.root / "recorded"
            recorded.mkdir()
            built: dict[str, list[str]] = {}
            for invocation in known_to(release):
                print(release, invocation.name, flush=True)  # noqa: T201 - a script may talk
                run_results = run(invocation, workspace, release)
                if run_results is not None:
                    write(recorded / invocation.name, without_code(run_results))
                    built[invocation.name] = tables_built_by(run_results, workspace)
            write(recorded / "warehouse", built)
            publish(recorded, RECORDED / release, workspace)


def known_to(release: str) -> list[Invocation]:
    """The invocations this release has the commands and options for, and how they end there."""
    order = ["", *RELEASES]
    return [
        replace(invocation, exit_code=1)
        if release in SECOND_ENGINE and invocation.name in FAILS_IN_THE_SECOND_ENGINE
        else invocation
        for invocation in INVOCATIONS
        if order.index(invocation.since) <= order.index(release)
        and (release != "core-1.12" or invocation.since == release or invocation.name == "build")
    ]


def run(invocation: Invocation, workspace: Workspace, release: str) -> dict[str, Any] | None:
    workspace.run(
        invocation,
        SHOP_BREAK=invocation.broken,
        SHOP_MORE_MODELS=invocation.models,
        ADBC_DRIVER_PATH=duckdb_driver() if release in SECOND_ENGINE else "",
    )
    return workspace.read(invocation, "run_results.json")


def duckdb_driver() -> str:
    """A folder with DuckDB's library as an ADBC driver, which the second engine looks for."""
    folder = ENVIRONMENTS / "duckdb"
    library = folder / "package" / "libduckdb.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        packed = ("npm", "pack", "--silent", "--pack-destination", folder, DUCKDB_LIBRARY)
        subprocess.run(packed, check=True)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        driver = f'[Driver]\nentrypoint = "duckdb_adbc_init"\nshared.linux_amd64 = "{library}"\n'
        (folder / "duckdb.toml").write_text(f'manifest_version = 1\nname = "DuckDB"\n{driver}')
    return str(folder)


TABLES_BUILT_BY = """\
import sys, duckdb
shop = duckdb.connect("shop.duckdb", read_only=True)
models = shop.execute(
    "select table_name from information_schema.columns join information_schema.tables"
    " using (table_schema, table_name)"
    " where column_name = 'built_by' and table_schema = 'main' and table_type = 'BASE TABLE'"
    " order by table_name"
).fetchall()
for (model,) in models:
    if shop.execute(f"select 1 from main.{model} where built_by = ?", sys.argv[1:]).fetchone():
        print(model)
"""


def tables_built_by(run_results: dict[str, Any], workspace: Workspace) -> list[str]:
    """The tables in the job's own schema with rows of this invocation."""
    ask = (workspace.dbt.with_name("python"), "-c", TABLES_BUILT_BY)
    invocation_id = run_results["metadata"]["invocation_id"]
    told = subprocess.run(
        [*ask, invocation_id], cwd=workspace.project, capture_output=True, text=True, check=True
    )
    return told.stdout.split()


def without_code(run_results: dict[str, Any]) -> dict[str, Any]:
    for result in run_results["results"]:
        if "compiled_code" in result:
            result["compiled_code"] = None
    return run_results


def write(file: Path, content: dict[str, Any]) -> None:
    file.with_suffix(".json").write_text(as_text(content) + "\n")


if __name__ == "__main__":
    main()
