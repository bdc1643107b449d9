"""Copies of the project as a clone has it: without what was installed, built or left there."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
# In the root only: a recording of dbt is named `build`.
LEFT_THERE = {"var", "build", "dist", ".git", ".venv", ".venv-ci", ".venv-pythons"}


def copy_of_the_project(folder):
    """Make it, as a new folder."""
    anywhere = shutil.ignore_patterns("__pycache__", ".*cache", "*.egg-info")

    def unwanted(path, names):
        here = LEFT_THERE if Path(path) == ROOT else set()
        return anywhere(path, names) | here.intersection(names)

    return shutil.copytree(ROOT, folder, ignore=unwanted)
