"""Known vulnerabilities of locked packages, by pip-audit, which asks PyPI.

pip-audit ends well if PyPI knows none of the packages, as where only a mirror can be reached. So
its report is read here: a package that was not looked up is no package without vulnerabilities.
"""

import json
import subprocess
import sys
from typing import Any

VULNERABLE, NOT_AUDITED = 1, 2  # exit statuses
DATABASE = "https://pypi.org/pypi/NAME/VERSION/json"

Report = dict[str, Any]


def verdict(lock: str, report: Report) -> tuple[str, int]:
    """What to print of pip-audit's report, and the exit status."""
    packages = report["dependencies"]
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, {_fix(found['fix_versions'])}"
        for each in packages
        for found in each.get("vulns", ())
    ]
    skipped = [each for each in packages if "skip_reason" in each]
    if skipped:
        lines.append(
            f"Error: {len(skipped)} of the {len(packages)} packages of {lock} were not audited. "
            f"PyPI's database of vulnerabilities ({DATABASE}) did not answer for them: "
            f"{skipped[0]['skip_reason']}. Run this where pypi.org itself is reached, and not a "
            f"mirror of it."
        )
        return "\n".join(lines), NOT_AUDITED
    if lines:
        return "\n".join([*lines, f"Error: {lock} has known vulnerabilities."]), VULNERABLE
    return f"{len(packages)} packages of {lock}: no known vulnerabilities", 0


def _fix(versions: list[str]) -> str:
    if not versions:
        return "no fixed version yet"
    return f"fixed in {', '.join(versions)}: raise it in pyproject.toml and run `make lock`"


def audit(lock: str, *options: str) -> tuple[str, int]:
    """The same, of a lock file with hashes. `options` are pip-audit's own."""
    how = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    command = (sys.executable, "-m", "pip_audit", *how, *options, "--requirement", lock)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return verdict(lock, json.loads(done.stdout))
    except json.JSONDecodeError:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return (
            f"Error: {lock} was not audited: pip-audit got no answer from PyPI's database of "
            f"vulnerabilities ({DATABASE}): {last}. Run this where pypi.org is reached."
        ), NOT_AUDITED


if __name__ == "__main__":
    text, status = audit(*sys.argv[1:])
    print(text, file=sys.stderr if status else sys.stdout)
    sys.exit(status)
