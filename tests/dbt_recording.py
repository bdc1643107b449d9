"""Run dbt in a copy of a project and keep what it writes: what the two record.py share."""

from __future__ import annotations

import getpass
import gzip
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """One dbt command to record."""

    name: str
    command: tuple[str, ...]
    about: str = ""
    since: str = ""  # the first release of dbt that has the command and its options
    broken: str = ""  # the part of the project that fails in it: macros/broken.sql
    state: str = ""  # the invocation whose artifacts the command starts from
    models: str = ""  # a folder of models that only this command is to see
    exit_code: int = 0


def install_dbt(environment: Path, *requirements: str | Path) -> Path:
    """Return the dbt command of a virtual environment that holds what pip installs for these."""
    venv.create(environment, with_pip=True)
    pip = (environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "install", *requirements], check=True)
    return environment / "bin" / "dbt"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A copy of a project with a database and a home folder of its own."""

    root: Path
    dbt: Path

    @classmethod
    def copied_into(cls, root: Path, project: Path, dbt: Path) -> Workspace:
        left_out = shutil.ignore_patterns("target", "logs", "*.duckdb", "recorded", "record.py")
        shutil.copytree(project, root / "project", ignore=left_out)
        return cls(root, dbt)

    @property
    def project(self) -> Path:
        return self.root / "project"

    def run(self, invocation: Invocation, **variables: str) -> str:
        """Run dbt and return what it printed; stop if it ended otherwise than expected.

        Its target folder is its own, so that no artifact can be an earlier command's. Environment
        variables rather than options say so: the recorded `invocation_command` then reads as a
        person types it.
        """
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.root),
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",  # the order of `args`
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_TARGET_PATH": f"target/{invocation.name}",
            "DBT_STATE": f"target/{invocation.state}" if invocation.state else "",
            **variables,
        }
        ended = subprocess.run(
            [self.dbt, *invocation.command],
            cwd=self.project,
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if ended.returncode != invocation.exit_code:
            command = shlex.join(("dbt", *invocation.command))
            sys.exit(f"{command}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    def read(self, invocation: Invocation, artifact: str) -> dict[str, Any] | None:
        """What an invocation wrote, its paths below /project; None if it wrote no such artifact."""
        path = self.project / "target" / invocation.name / artifact
        if not path.exists():
            return None
        content: dict[str, Any] = json.loads(
            path.read_text().replace(str(self.project), "/project")
        )
        return content


def as_text(artifact: dict[str, Any]) -> str:
    return json.dumps(artifact, separators=(",", ":"))


def publish(recorded: Path, to: Path, workspace: Workspace) -> None:
    """Replace a folder of recordings; stop if one says where, by whom or on what machine."""
    words = (str(workspace.root), str(Path.home()), getpass.getuser(), socket.gethostname())
    personal = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
    for file in recorded.glob("**/*.*"):
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        if found := personal.search(content.decode()):
            sys.exit(f"{file.relative_to(recorded)} says {found.group()!r}")
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(recorded, to)
