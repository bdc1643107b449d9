"""Writes the bytecode of relay and of all that it imports.

Nobody can write it later: the image's files belong to root, and its root may be read-only. Without
it each process would compile what it imports, anew at every start. It is not compared with the
sources, whose times a build may change.
"""

import compileall
import importlib
import os
import pkgutil
import py_compile
import sys
from pathlib import Path

import relay

# What relay imports only when it is needed, and what others import by a name in a string.
LATER = (
    "alembic.command",
    "alembic.migration",
    "click._textwrap",
    "gunicorn.app.wsgiapp",
    "psycopg.adapt",
    "procrastinate.builtin_tasks",
    "psycopg_binary",
    "sqlalchemy.dialects.postgresql.psycopg",
)
NEVER = ("relay.__main__", "relay.web.__main__")  # they run something
SETTINGS = {"DBT_CLOUD_WEBHOOK_SECRETS": "of-no-use", "DBT_CLOUD_ACCOUNT_ID": "1"}


def main() -> None:
    """Import everything, and compile each source that was read."""
    os.environ.update(SETTINGS)
    names = [each.name for each in pkgutil.walk_packages(relay.__path__, "relay.")]
    for name in (*names, *LATER):
        if name not in NEVER and ".migrations." not in name:
            importlib.import_module(name)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for file in sorted(sources()):
        py_compile.compile(file, doraise=True, invalidation_mode=unchecked)
    ours = Path(relay.__file__).parent
    compileall.compile_dir(ours, quiet=1, force=True, invalidation_mode=unchecked)


def sources() -> set[str]:
    """The Python files of all modules that are loaded."""
    files = (getattr(module, "__file__", None) for module in sys.modules.values())
    return {file for file in files if file and file.endswith(".py")}


if __name__ == "__main__":
    main()
