"""The house, held against the code: rooms, floors, doors, and a core that does no I/O."""

import ast
import re
import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import relay

ROOT = Path(relay.__file__).parent
LONGEST_MODULE = 300
LONGEST_MEDIAN_FUNCTION = 6

# From the ground up: what a module imports is of its own room, or of a floor below.
FLOORS = [
    {"errors", "spelling", "secret", "sync_runs"},
    {"notation", "workspaces", "channels"},
    {"dbt"},
    {"decision"},
    {"backtest"},
    {"census", "freshness", "messages"},
    {"clock", "variables"},
    {"settings", "log_output"},
    {"logs", "store"},
    {"vendors"},
    {"mapping_file", "postgres", "terminal", "tokens"},
    {"evidence"},
    {"operations"},
    {"worker", "supervisor", "dashboard"},
    {"up"},
    {"web", "commands"},
    {"sandbox"},
    {"cli"},
    {"__main__"},
]
CORE = set().union(*FLOORS[: FLOORS.index({"census", "freshness", "messages"}) + 1])
FORBIDDEN_IN_THE_CORE = (
    *("flask", "requests", "psycopg", "procrastinate", "structlog", "gunicorn", "click", "psutil"),
    *("os", "io", "time", "random", "socket", "subprocess", "threading", "logging", "tempfile"),
)
# What the standard library and the core's own libraries load of it themselves does not count.
LOADED_FIRST = ("msgspec", "yaml", "itsdangerous", "shlex", "difflib", "ipaddress", "urllib.parse")
DOORS = {
    "requests": {"vendors", "operations", "sandbox"},
    "psycopg": {"dashboard", "postgres", "store", "web", "worker"},
    "procrastinate": {"postgres", "store", "worker"},
    "flask": {"dashboard", "web", "sandbox"},
    "gunicorn": {"web"},
    "yaml": {"census", "decision"},
    "sqlalchemy": {"postgres"},
    "sqlglot": {"census"},
    "alembic": {"postgres"},
    "hmac": set(),
}
SOURCES = sorted(ROOT.rglob("*.py"))
MODULES = [path for path in SOURCES if path.name != "__init__.py"]
CORE_MODULES = [path for path in SOURCES if path.relative_to(ROOT).parts[0].split(".")[0] in CORE]


def dotted(path):
    return ".".join(("relay", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


def room_of(module):
    """`store` of `relay.store.jobs`; of a module at the root its own name."""
    return module.split(".")[1] if "." in module else "relay"


def imports(path, *, at_import_time=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_import_time else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each if is_a_module(each) else node.module for each in submodules)


def is_a_module(name):
    path = ROOT.joinpath(*name.split(".")[1:])
    return name.startswith("relay.") and (path.with_suffix(".py").exists() or path.is_dir())


def rooms_using(library):
    return {
        room_of(dotted(path))
        for path in MODULES
        if any(name.split(".")[0] == library for name in imports(path))
    }


def rooms_with(word):
    return {room_of(dotted(path)) for path in MODULES if word in path.read_text()}


class TestTheRooms:
    def test_each_stands_on_one_floor(self):
        rooms = {room_of(dotted(path)) for path in MODULES}
        assert rooms == set().union(*FLOORS)
        assert sum(map(len, FLOORS)) == len(rooms)

    @pytest.mark.parametrize("path", MODULES, ids=dotted)
    def test_import_only_from_the_floors_below(self, path):
        room = room_of(dotted(path))
        floor = next(number for number, floor in enumerate(FLOORS) if room in floor)
        below = set().union(*FLOORS[:floor]) | {room, "relay"}
        used = {room_of(name) for name in imports(path) if name.split(".")[0] == "relay"}
        assert used <= below

    def test_have_no_circle_among_their_modules(self):
        graph = {
            dotted(path): [name for name in imports(path, at_import_time=True) if name in modules]
            for modules in [{dotted(each) for each in MODULES}]
            for path in MODULES
        }
        assert list(TopologicalSorter(graph).static_order())

    def test_have_modules_that_are_read_in_one_sitting(self):
        lines = {dotted(path): len(path.read_text().splitlines()) for path in MODULES}
        assert {name: many for name, many in lines.items() if many > LONGEST_MODULE} == {}

    def test_have_short_functions(self):
        functions = [
            node
            for path in MODULES
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        lengths = [body_lines(node) for node in functions]
        assert statistics.median(lengths) <= LONGEST_MEDIAN_FUNCTION


def called_in(path):
    """The last part of every name that is called: `now` of `datetime.now(UTC)`."""
    nodes = ast.walk(ast.parse(path.read_text()))
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    return {getattr(func, "attr", None) or getattr(func, "id", None) for func in called}


def names_imported(path):
    tree = ast.walk(ast.parse(path.read_text()))
    return {each.name for node in tree if isinstance(node, ast.ImportFrom) for each in node.names}


def body_lines(function):
    """The lines of its statements, its docstring not counted."""
    first, *others = function.body
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = others if is_docstring else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", CORE_MODULES, ids=dotted)
def test_the_core_loads_nothing_that_does_io_or_knows_the_time(path):
    """Not through another module of relay's either: each is loaded where that would fail."""
    script = (
        f"import sys, {', '.join(LOADED_FIRST)}\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {FORBIDDEN_IN_THE_CORE}: raise ImportError(name)\n"
        f"for name in {FORBIDDEN_IN_THE_CORE}: sys.modules.pop(name, None)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"import {dotted(path)}\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert called_in(path) & {"now", "today", "utcnow", "open", "read_text", "read_bytes"} == set()
    assert "Path" not in names_imported(path)  # PurePath is a value, Path is the disk


@pytest.mark.parametrize(("library", "doors"), DOORS.items(), ids=DOORS)
def test_a_foreign_thing_has_its_doors(library, doors):
    assert rooms_using(library) <= doors


@pytest.mark.parametrize(
    ("module", "never"),
    [
        (
            "relay.web.app",
            {
                *("requests", "sqlalchemy", "alembic", "relay.vendors", "relay.worker"),
                *("relay.dashboard", "relay.store.pages"),
            },
        ),
        (
            "relay.dashboard.application",
            {"requests", "sqlalchemy", "alembic", "sqlglot", "relay.vendors", "relay.worker"},
        ),
        ("relay.worker.process", {"flask", "gunicorn", "sqlalchemy", "alembic", "sqlglot"}),
        ("relay.cli", {"requests", "psycopg", "sqlglot", "relay.vendors"}),
        ("relay.census.matching", {"sqlglot"}),
    ],
)
def test_a_process_loads_nothing_it_does_not_need(module, never):
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not never & set(loaded.stdout.split())


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_python_child_imports_nothing_from_the_working_directory(path):
    """`-P` comes right after the interpreter, wherever one is started."""
    text = path.read_text()
    assert text.count("sys.executable") == text.count('sys.executable, "-P", ')


@pytest.mark.parametrize(
    ("word", "doors"),
    {
        "runId": {"dbt", "sandbox"},
        "eventType": {"dbt", "sandbox"},
        "job.run.completed": {"dbt", "sandbox"},
        "job_definition_id": {"vendors", "sandbox"},
        "run_step_command": {"vendors", "sandbox"},
        "source_record_invalids": {"vendors", "sandbox"},
        "business_object_source": {"vendors", "sandbox"},
        "original_file_path": {"dbt", "sandbox"},
        "force_full_sync": {"vendors", "sandbox"},
        "routing_key": {"vendors", "sandbox"},
        "dedup_key": {"vendors", "sandbox"},
        "mrkdwn": {"vendors", "sandbox"},
        "AdaptiveCard": {"vendors", "sandbox"},
        "webhook-signature": {"vendors", "sandbox"},
    }.items(),
)
def test_a_vendors_field_names_stay_at_its_door(word, doors):
    assert rooms_with(word) <= doors


def test_only_the_store_speaks_sql():
    verbs = ("SELECT ", "INSERT INTO ", "UPDATE relay")
    assert set().union(*map(rooms_with, verbs)) <= {"store", "postgres"}


def test_importing_relay_does_nothing():
    for path in MODULES:
        if dotted(path) in ("relay.web.gunicorn_hooks", "relay.__main__"):
            continue  # what gunicorn runs, and `python -m relay`
        allowed = room_of(dotted(path)) in ("sandbox", "postgres")  # what they pass on to a child
        assert "os.environ[" not in path.read_text() or allowed


def test_the_supervisor_of_relay_up_loads_nothing_but_the_standard_library():
    """It is there all the time: what it imports is memory that nobody uses."""
    show = "import sys; before = set(sys.modules); import relay.supervisor;"
    show += "print(*sorted(set(sys.modules) - before))"
    shown = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert {each.partition(".")[0] for each in loaded} <= {*sys.stdlib_module_names, "relay"}
    assert {each for each in loaded if each.startswith("relay")} == {"relay", "relay.supervisor"}
    assert not loaded & {"typing", "dataclasses", "inspect", "logging", "asyncio"}


class TestContributing:
    TEXT = (ROOT.parent / "CONTRIBUTING.md").read_text()

    def test_draws_every_room_on_its_floor(self):
        """A line may hold rooms of one floor only, and the floors stand in order."""
        drawn = self.TEXT.partition("```text\n")[2].partition("```")[0].splitlines()
        rooms = [re.findall(r"^(?:\w+(?:/|\.py) *)+", line)[0].split() for line in drawn]
        named = [{room.removesuffix("/").removesuffix(".py") for room in line} for line in rooms]
        floors = [floor_of(line) for line in named]
        assert floors == sorted(floors, reverse=True)
        assert set().union(*named) == set().union(*FLOORS) - {"__main__"}

    def test_names_no_file_that_is_not_there(self):
        way = self.TEXT.partition("## What happens to a delivery")[2].partition("\n## ")[0]
        named = re.findall(r"`([\w/]+(?:/|\.py))`", way)
        assert len(named) > 10
        assert [name for name in named if not (ROOT / name).exists()] == []

    def test_names_functions_that_are_in_the_files_beside_them(self):
        way = self.TEXT.partition("## What happens to a delivery")[2].partition("\n## ")[0]
        steps = [
            line.split(" | ") for line in way.splitlines() if "`, `" in line and ".py`" in line
        ]
        assert len(steps) > 8
        for _, files, functions, *_ in steps:
            code = "".join((ROOT / file).read_text() for file in re.findall(r"`(.+?)`", files))
            for name in re.findall(r"`(.+?)`", functions):
                assert re.search(rf"^ *(?:def|class) {name}\b", code, re.MULTILINE), name


def floor_of(rooms):
    (floor,) = {next(n for n, floor in enumerate(FLOORS) if room in floor) for room in rooms}
    return floor
