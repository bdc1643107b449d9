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

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent
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


@dataclass(frozen=True, slots=True)
class Invocation:
    """One dbt command to record."""

    name: str
    command: tuple[str, ...]
    since: str = "1.7"
    broken: str = ""  # the part of the project that fails in it: macros/broken.sql
    state: str = ""  # the invocation whose artifacts the command starts from
    models: str = ""  # a folder of models that only this command is to see
    exit_code: int = 0


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
        dbt = install_dbt(version)
        with tempfile.TemporaryDirectory(prefix="relay-recording-") as folder:
            workspace = Workspace.copied_into(Path(folder).resolve(), dbt)
            recorded = workspace.root / "recorded"
            recorded.mkdir()
            for invocation in known_to(version):
                print(version, invocation.name, flush=True)  # noqa: T201 - a script may talk
                record(invocation, workspace, recorded)
            refuse_personal_words(recorded, workspace)
            replace(RECORDED / f"core-{version}", recorded)


def known_to(version: str) -> list[Invocation]:
    """The invocations this release of dbt has the commands and options for."""
    order = list(VERSIONS)
    return [each for each in INVOCATIONS if order.index(each.since) <= order.index(version)]


def install_dbt(version: str) -> Path:
    """Return the dbt command of a virtual environment of this version's own."""
    environment = ENVIRONMENTS / version
    venv.create(environment, with_pip=True)
    pip = (environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "install", *VERSIONS[version], DUCKDB], check=True)
    return environment / "bin" / "dbt"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A copy of the project with a database and a home folder of its own."""

    root: Path
    dbt: Path

    @classmethod
    def copied_into(cls, root: Path, dbt: Path) -> Workspace:
        shutil.copytree(
            PROJECT,
            root / "project",
            ignore=shutil.ignore_patterns("target", "logs", "*.duckdb", "recorded", "*.py"),
        )
        return cls(root, dbt)

    @property
    def project(self) -> Path:
        return self.root / "project"

    def target(self, name: str) -> Path:
        return self.project / "target" / name

    def run_dbt(self, invocation: Invocation) -> subprocess.CompletedProcess[str]:
        """Run dbt with a target folder of its own, so that no artifact can be an earlier command's.

        Environment variables rather than options say so: the recorded `invocation_command` then
        reads as a person types it.
        """
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.root),
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",  # the order of `args`
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": f"target/{invocation.name}",
            "SHOP_BREAK": invocation.broken,
            "SHOP_MORE_MODELS": invocation.models,
        }
        if invocation.state:
            environment["DBT_STATE"] = f"target/{invocation.state}"
        return subprocess.run(
            [self.dbt, *invocation.command],
            cwd=self.project,
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def record(invocation: Invocation, workspace: Workspace, folder: Path) -> None:
    ended = workspace.run_dbt(invocation)
    if ended.returncode != invocation.exit_code:
        sys.exit(f"{invocation.name}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    written = workspace.target(invocation.name) / "run_results.json"
    if written.exists():
        text = written.read_text().replace(str(workspace.project), "/project")
        artifact = without_code(json.loads(text))
        (folder / f"{invocation.name}.json").write_text(
            json.dumps(artifact, separators=(",", ":")) + "\n"
        )


def without_code(run_results: dict[str, Any]) -> dict[str, Any]:
    for result in run_results["results"]:
        result["compiled_code"] = None
    return run_results


def refuse_personal_words(recorded: Path, workspace: Workspace) -> None:
    """Stop rather than publish where, by whom or on what machine this was recorded."""
    words = (str(workspace.root), str(Path.home()), getpass.getuser(), socket.gethostname())
    personal = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
    for file in recorded.glob("*.json"):
        if found := personal.search(file.read_text()):
            sys.exit(f"{file.name} says {found.group()!r}")


def replace(old: Path, new: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(new, old)


if __name__ == "__main__":
    main()
