"""The tests on every Python that pyproject.toml names, one after the other.

Each Python has a virtual environment of its own in .venv-pythons, installed from the lock file. A
Python that is not on this machine is said, and no failure.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Tested:
    """A Python, and what became of it."""

    version: str
    result: str  # for people
    has_failed: bool = False


def versions_of(root: Path) -> list[str]:
    """The Pythons that relay promises, as `3.11`."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = (re.fullmatch(r".* :: (3\.\d+)", each) for each in project["classifiers"])
    return [found[1] for found in versions if found]


def interpreter_of(version: str) -> Path | None:
    """A program that is this Python: one on PATH, else the newest of pyenv. None: there is none."""
    return next((each for each in _candidates(version) if _is(each, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = (pyenv / "versions").glob(f"{version}.*/bin/python{version}")
    yield from sorted(found, key=lambda path: _numbers(path.parts[-3]), reverse=True)


def _numbers(version: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", version)]


def _is(program: Path, version: str) -> bool:
    """Whether it runs and can make environments; a program of pyenv's on PATH may lead nowhere."""
    question = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [program, "-c", question], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return done.stdout.strip() == version


def tested_on(version: str, tests: list[str]) -> Tested:
    """Run these tests, or all, on this Python if it is here."""
    program = interpreter_of(version)
    if program is None:
        return Tested(version, "not on this machine")
    print(f"\nPython {version}: {program}", flush=True)
    venv = f".venv-pythons/{version}"
    words = ("make", "tests", f"PYTHON={program}", f"VENV={venv}", f"TESTS={' '.join(tests)}")
    # A make that runs this one would pass its own variables on.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    has_failed = subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode != 0
    return Tested(version, "failed" if has_failed else "passed", has_failed)


if __name__ == "__main__":
    tested = [tested_on(version, sys.argv[1:]) for version in versions_of(ROOT)]
    print()
    for each in tested:
        print(f"Python {each.version}: {each.result}")
    sys.exit(any(each.has_failed for each in tested))
