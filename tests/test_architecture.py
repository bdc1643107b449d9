"""The house stands as it is drawn: floors, doors, and a pure core."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import relay

ROOT = Path(relay.__file__).parent

# A module imports only from floors below its own.
FLOORS = [
    {"errors", "spelling"},
    {"notation", "events", "sync_runs"}
    | {"dbt.runs", "dbt.decoding", "dbt.selectors", "dbt.nodes"},
    {"dbt.node_index", "dbt.artifacts", "dbt.webhooks"},
    {"dbt.manifest"},
    {"dbt.views"},
    {"dbt.selection", "decision.mapping"},
    {"decision.history"},
    {"decision.freshness"},
    {"decision.judge"},
    {"decision.conditions"},
    {"decision.plan"},
    {"settings", "clock"},
    {"logs", "gunicorn_logs", "migrations"},
    {"transport", "embedded", "queue", "mapping_file", "exits", "backoff"},
    {"database", "store", "lineage_cache"},
    {"dbt_cloud", "census", "send", "status", "by_hand"},
    {"examine", "health", "recorder", "check"},
    {"services"},
    {"tasks", "explain"},
    {"worker", "replay"},
    {"web", "gunicorn_hooks", "up"},
    {"sandbox"},
    {"cli"},
    {"__main__"},
]
PURE = set().union(*FLOORS[: FLOORS.index({"decision.plan"}) + 1])
IMPURE_LIBRARIES = {"flask", "requests", "psycopg", "procrastinate", "structlog", "os", "time"} | {
    *("random", "socket", "subprocess", "threading", "logging", "psutil", "gunicorn", "click")
}
DOORS = {
    "requests": {"transport", "send", "sandbox"},
    "psycopg": {"database", "embedded", "store", "queue", "recorder", "health", "worker"}
    | {"migrations"},
    "procrastinate": {"queue", "worker", "database", "store"},
    "flask": {"web", "sandbox"},
    "gunicorn": {"gunicorn_logs"},
    "yaml": {"decision.mapping"},
    "sqlalchemy": {"migrations"},
    "alembic": {"migrations"},
    "hmac": set(),
}


PURE_ROOMS = ("dbt", "decision")  # their modules have floors of their own; other rooms stand on one


def module_of(path):
    return floor_of(path.relative_to(ROOT).with_suffix("").parts)


def floor_of(parts):
    return ".".join(parts[: 2 if parts[0] in PURE_ROOMS else 1])


def imports(path, *, at_import_time=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_import_time else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "relay":
                yield from (f"relay.{alias.name}" for alias in node.names)
            else:
                yield node.module


SOURCES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


def test_every_module_has_its_floor():
    modules = {module_of(path) for path in SOURCES}
    assert modules == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(modules)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_the_floors_below(path):
    module = module_of(path)
    if module in ("cli", "__main__"):
        return
    floor = next(number for number, floor in enumerate(FLOORS) if module in floor)
    below = set().union(*FLOORS[:floor]) | {module}
    used = {
        floor_of(name.split(".")[1:])
        for name in imports(path, at_import_time=True)
        if name.startswith("relay.")
    }
    assert used <= below


@pytest.mark.parametrize("module", sorted(PURE))
def test_the_core_does_no_io_and_knows_no_clock(module):
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    used = {name.split(".")[0] for name in imports(path)}
    assert not used & IMPURE_LIBRARIES
    assert "now()" not in path.read_text()


@pytest.mark.parametrize(("library", "doors"), DOORS.items(), ids=DOORS)
def test_a_foreign_thing_has_its_doors(library, doors):
    users = {
        module_of(path)
        for path in SOURCES
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users <= doors


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("relay.web", {"requests", "sqlalchemy", "alembic", "relay.tasks", "relay.worker"}),
        ("relay.worker", {"flask", "gunicorn", "sqlalchemy", "alembic"}),
    ],
)
def test_a_process_loads_nothing_it_does_not_need(module, never):
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not never & set(loaded.stdout.split())


def test_a_vendors_field_names_stay_at_its_door():
    theirs = {
        "runId": {"events", "sandbox"},
        "eventType": {"events", "sandbox"},
        "job.run.completed": {"events", "sandbox"},
        "job_definition_id": {"dbt_cloud", "sandbox"},
        "run_step_command": {"dbt_cloud", "sandbox"},
        "source_record_invalids": {"census", "sandbox"},
        "original_file_path": {"dbt.nodes", "sandbox"},
        "force_full_sync": {"census", "sandbox"},
    }
    for word, doors in theirs.items():
        users = {module_of(path) for path in SOURCES if word in path.read_text()}
        assert users <= doors, word


def test_only_the_store_speaks_sql():
    speaks = {
        module_of(path)
        for path in SOURCES
        if any(f"{verb} " in path.read_text() for verb in ("SELECT", "INSERT INTO", "UPDATE relay"))
    }
    # queue has the one statement that puts a job into a transaction.
    assert speaks <= {"store", "database", "migrations", "queue"}


def test_importing_relay_does_nothing():
    for path in SOURCES:
        if module_of(path) in ("gunicorn_hooks", "__main__"):
            continue  # what gunicorn runs, and `python -m relay`
        allowed = module_of(path) in ("sandbox", "embedded")  # what they pass on to a child
        assert "os.environ[" not in path.read_text() or allowed


def test_no_secret_is_signed_but_through_itsdangerous():
    for path in SOURCES:
        assert not any(name.split(".")[0] == "hmac" for name in imports(path))
