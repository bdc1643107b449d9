"""What the documents say is so: every command in them runs, every list in them is whole."""

import ast
import contextlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import cli_reference
import click
import pytest
import yaml
from checkouts import copy_of_the_project
from click.testing import CliRunner
from documents import FENCE, blocks
from flask import Flask
from mappings import mapping_text, sync_entry

from relay import cli
from relay.census import sync_form
from relay.census.findings import Kind
from relay.census.sync_reader import read_sync
from relay.dashboard.application import install
from relay.dashboard.pages import PAGES
from relay.dbt.deliveries import Ignored
from relay.decision.gates import Reason
from relay.decision.mapping_form import json_schema
from relay.decision.mapping_reader import read_mapping
from relay.errors import BadSettings
from relay.postgres.server import server_of
from relay.sandbox.recordings import load
from relay.settings import DashboardSettings, ServiceSettings, describe
from relay.sync_runs import Outcome
from relay.variables import VARIABLES
from relay.web.metrics.catalogue import CATALOGUE as METRICS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted(DOCS.glob("*.md")),
]
OTHER_PAGES = [
    *sorted((ROOT / "bench").glob("*.md")),
    ROOT / "relay/sandbox/recordings/README.md",
    ROOT / "deploy/helm/relay/README.md",
]
README = (ROOT / "README.md").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SETTINGS_PAGE = (DOCS / "settings.md").read_text()
CLI_PAGE = (DOCS / "cli.md").read_text()


def rows(text):
    """The cells of every table row whose first cell begins with code."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(name="checkout")
def _checkout():
    """A copy of the project whose .venv is the one that runs this test, and so installed.

    Not in pytest's own folder: every session of pytest shuts that one again, also for the user
    that PostgreSQL is where we are root.
    """
    with tempfile.TemporaryDirectory(prefix="relay-docs-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield checked_out(Path(folder) / "relay")


def checked_out(copy):
    copy_of_the_project(copy)
    (copy / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        (copy / ".venv" / part.name).symlink_to(part)
    installed = copy / ".venv" / ".installed"  # newer than anything: make has nothing to install
    installed.unlink(missing_ok=True)
    installed.touch()
    return copy


@pytest.fixture(name="run")
def _run(checkout):
    """Run a script in the checkout, as a person would who has set nothing."""

    def run(script, **environment):
        said = checkout.parent / "said.txt"
        with said.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=checkout,
                env=clean_environment(checkout) | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout=50)
            finally:
                with contextlib.suppress(ProcessLookupError):  # usually it left nobody behind
                    os.killpg(process.pid, signal.SIGTERM)
        return status, said.read_text()

    return run


def clean_environment(checkout):
    path = f"{checkout}/.venv/bin:{os.environ['PATH']}"
    # relay may be installed from another folder than the one whose documents these are.
    code = {"PYTHONPATH": str(checkout)}
    return {"PATH": path, "HOME": str(checkout.parent), "LANG": "C.UTF-8", **code}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [str(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def need(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not on this machine")


def only_say_what_make_would_do(script):
    """`make test` is this very test; --dry-run still fails where there is no such target."""
    return re.sub(r"^make ([\w-]+)", r"make --dry-run \1", script, flags=re.MULTILINE)


class TestTheDemo:
    def test_the_first_command_of_the_readme_plays_it(self, run):
        """tests/test_wheel.py compares what it prints with what the README shows."""
        assert blocks(ROOT / "README.md", "sh")[0].strip() == "make demo"
        status, said = run("make --dry-run demo")
        assert status == 0, said
        assert said.splitlines()[-1] == ".venv/bin/relay demo"


class TestTheCommandsOfTheDocuments:
    def test_the_readme_on_the_sandbox(self, run):
        """The sandbox's own page first, for the rest of the README needs a relay that runs."""
        need("curl", "jq")
        *sandbox, stop = blocks(DOCS / "sandbox.md", "sh")
        _demo, *session = map(of_the_sandbox, blocks(ROOT / "README.md", "sh"))
        status, said = run(with_free_ports("\n".join([*sandbox, *session, stop, "wait"])))
        assert status == 0, said
        assert said.count('HTTP 202 {"status":"accepted"') == 2, said
        assert "withheld: model_failed" in said
        assert "sync 5123 was triggered for it already (sync run 9000" in said
        for line in answer_to_the_plan_of_the_readme():
            assert line in said

    def test_from_a_token_to_a_checked_mapping(self, run):
        """docs/census.md on the sandbox, and what it says that the check prints there."""
        need("curl")
        *sandbox, stop = blocks(DOCS / "sandbox.md", "sh")
        session = map(of_the_sandbox, blocks(DOCS / "census.md", "sh"))
        status, said = run(with_free_ports("\n".join([*sandbox, *session, stop, "wait"])))
        assert status == 0, said
        report = next(each for each in blocks(DOCS / "census.md", "text") if "derived.yml" in each)
        assert [line for line in report.splitlines() if line not in said] == []

    def test_the_outputs_of_the_commands(self, run):
        """docs/cli.md: each block that shows a command and what it prints, but for `--help`."""
        need("curl")
        *sandbox, stop = blocks(DOCS / "sandbox.md", "sh")
        shown = outputs(DOCS / "cli.md")
        commands = [f"echo '>>> {each}'; {each}" for each in shown]
        script = "\n".join([*sandbox, *commands, stop, "wait"])
        status, said = run(with_free_ports(script))
        assert status == 0, said
        printed = dict(re.findall(r"^>>> (.+)\n((?:(?!>>> ).*\n)*)", said, re.MULTILINE))
        for command, lines in shown.items():
            for line in lines:
                assert alike(line) in map(alike, printed[command].splitlines()), printed[command]

    def test_the_sections_of_status_are_those_it_prints(self):
        """Its rows depend on what happened: tests/commands/test_status.py has them."""
        shown = outputs(DOCS / "cli.md", of="relay status")["relay status --newest 5"]
        titles = [line for line in shown if not line.startswith(" ")][1:]
        assert len(titles) == 4
        code = (ROOT / "relay" / "commands" / "status_form.py").read_text()
        assert [title for title in titles if f'"{title}"' not in code] == []

    def test_the_data_of_the_dashboard(self, run):
        """docs/dashboard.md on the sandbox, where a model has failed."""
        need("curl", "jq")
        *sandbox, stop = blocks(DOCS / "sandbox.md", "sh")
        (session,) = blocks(DOCS / "dashboard.md", "sh")
        tokens = {"RELAY_ADMIN_TOKEN": "admin-" * 6, "RELAY_VIEWER_TOKEN": "viewer-" * 6}
        script = with_free_ports("\n".join([*sandbox, session, stop, "wait"]))
        status, said = run(script, **tokens)
        assert status == 0, said
        assert '"kind": "withheld"' in said
        (shown,) = (each for each in blocks(DOCS / "dashboard.md", "text") if "\t" in each)
        assert shown.splitlines()
        assert [line for line in shown.splitlines() if line not in said] == []

    def test_operations(self, run):
        session = "\n".join(blocks(DOCS / "operations.md", "sh"))
        status, said = run(while_relay_runs(session), PORT=free_ports(1)[0], **SETTINGS)
        assert status == 0, said
        assert "decided_at" in said
        assert "up to date" in said

    def test_mapping(self, run):
        status, said = run("\n".join(blocks(ROOT / "docs" / "mapping.md", "sh")))
        assert status == 0, said
        assert '"problems": []' in said

    def test_contributing_writes_the_schema_that_is_there(self, run, checkout):
        make, help_texts, schema = blocks(ROOT / "CONTRIBUTING.md", "sh")
        for name in ("syncs", "sync"):
            (checkout / "config" / f"{name}.schema.json").unlink()
        status, said = run(f"{only_say_what_make_would_do(make)}\n{help_texts}\n{schema}")
        assert status == 0, said
        for written in ("config/syncs.schema.json", "config/sync.schema.json", "docs/cli.md"):
            assert (checkout / written).read_text() == (ROOT / written).read_text()

    def test_no_document_has_commands_that_nothing_runs(self):
        with_commands = {each.name for each in DOCUMENTS if blocks(each, "sh")}
        run = {
            "README.md",
            "CONTRIBUTING.md",
            "sandbox.md",
            "census.md",
            "operations.md",
            "mapping.md",
            "dashboard.md",
        }
        assert with_commands == run
        assert not any(blocks(each, other) for each in DOCUMENTS for other in ("bash", "console"))
        # A file to write, and no command; tests/test_deploy.py runs it.
        assert [each.name for each in DOCUMENTS if blocks(each, "shell")] == ["deploy.md"]

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
    def test_every_command_is_one_of_relays(self, document):
        """Also in the blocks that are not run: those that need Docker, Heroku, another server."""
        text = document.read_text()
        spans = re.findall(r"`(?:[\w./]*/)?relay ([a-z][a-z-]*)", text)
        spans += re.findall(r"^## relay ([a-z][a-z-]*)$", text, re.MULTILINE)
        shown = [*blocks(document, "text"), *blocks(document, "ini")]
        blocks_ = "\n".join(each for each in shown if "--help" not in each.partition("\n")[0])
        in_blocks = re.findall(r"(?:^| |/bin/)relay (?!relay|gunicorn)([a-z][a-z-]*)", blocks_)
        assert {*spans, *in_blocks} <= {*cli.main.commands}

    def test_what_the_readme_says_is_not_there_is_not_there(self):
        line = next(each for each in README.splitlines() if each.startswith("- Not in version"))
        assert line.startswith(f"- Not in version {VERSION}: ")
        assert line.endswith("and an API that acts (its JSON only reads).")
        settings = ServiceSettings.from_environment(SETTINGS | {"RELAY_ADMIN_TOKEN": "a" * 32})
        app = Flask("relay", static_folder=None)
        install(app, server_of(settings), settings.extended_to(DashboardSettings), lambda: None)
        of_json = [rule for rule in app.url_map.iter_rules() if rule.rule.endswith(".json")]
        assert len(of_json) > len(PAGES)
        assert {method for rule in of_json for method in rule.methods} == {"GET", "HEAD", "OPTIONS"}

    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
    def test_every_target_of_make_exists(self, document):
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert set(re.findall(r"`?make ([\w-]+)`", document.read_text())) <= targets


SETTINGS = {
    "DBT_CLOUD_WEBHOOK_SECRETS": "a-secret",
    "DBT_CLOUD_URL": "http://127.0.0.1:9",
    "DBT_CLOUD_TOKEN": "a-token-of-yours",
    "DBT_CLOUD_ACCOUNT_ID": "66847",
    "CENSUS_API_KEY": "a-key-of-yours",
}


def with_free_ports(script):
    """The documented ports may be in use by anybody here."""
    for documented, port in zip(("8080", "8081", "8082", "8083"), free_ports(4), strict=True):
        script = script.replace(documented, port)
        if documented == "8080":
            script = f"export PORT={port}\n{script}"
    return only_say_what_make_would_do(script)


def outputs(document, *, of="relay (?!status)"):
    """The lines that a document shows of each command's output.

    Without rows that begin with a time, and without an account's own settings.
    """
    found = {}
    for text in blocks(document, "text"):
        command, *lines = text.splitlines()
        if re.match(rf"\$ {of}", command) and not command.endswith("--help"):
            own = (line for line in lines if not re.match(r"  20\d\d-|DBT_CLOUD_URL=|…", line))
            found[command.removeprefix("$ ")] = [line for line in own if line]
    return found


def alike(line):
    """A line without times and ids that Census gives out, and without the widths of columns."""
    line = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", line)
    line = re.sub(r"sync run \d+", "sync run ID", line)
    return re.sub(r"--+", "-", re.sub(r" +", " ", line)).strip()


def of_the_sandbox(script):
    """The account that a person would write is the one whose settings are in the environment."""
    return re.sub(r"^export (?:DBT_CLOUD|CENSUS)_\w+=.*\n?", "", script, flags=re.MULTILINE)


def answer_to_the_plan_of_the_readme():
    answer = next(
        text for text in blocks(ROOT / "README.md", "text") if text.startswith("dbt run 155144666:")
    )
    return [line.rstrip() for line in answer.splitlines()]


def while_relay_runs(script):
    return f"""
        relay migrate > migrated.txt
        relay worker > relay.log &
        until grep -q worker.started relay.log; do sleep 0.1; done
        {script}
        kill $(jobs -p)
        wait
    """


class TestSettings:
    def test_their_page_lists_all_of_them_in_order(self):
        assert [name for name, *_ in self._rows()] == [each.name for each in VARIABLES]

    @pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
    def test_their_page_has_the_default(self, variable):
        default = next(cells[2] for cells in self._rows() if cells[0] == variable.name)
        shown = variable.shown(variable.default)
        assert named(default) == ([str(shown)] if shown else [])

    @pytest.mark.parametrize("command", sorted(cli.main.commands))
    def test_their_page_says_what_each_command_requires(self, command):
        section = SETTINGS_PAGE.partition("\n## Which command requires what\n")[2]
        assert re.search(rf"`relay {command}\b", section)

    def test_the_example_file_names_exactly_these(self):
        text = (ROOT / "config" / "relay.env.example").read_text()
        assert sorted(name for name, _ in self._example(text)) == sorted(
            each.name for each in VARIABLES
        )

    def test_the_example_file_can_be_used_once_filled_in(self):
        text = (ROOT / "config" / "relay.env.example").read_text()
        set_ = {name: value for name, value in self._example(text) if f"\n{name}=" in text}
        with pytest.raises(BadSettings) as refused:
            ServiceSettings.from_environment(set_)
        assert {problem.where for problem in refused.value.problems} == set_.keys()
        set_ |= SETTINGS
        ServiceSettings.from_environment(set_)
        described = describe(set_)
        for name, shown in self._example(text):
            if name not in set_ and name != "RELAY_DATABASE_URL":
                assert shown == str(described[name] or "")

    @staticmethod
    def _rows():
        section = SETTINGS_PAGE.partition("\n## ")[0]
        return [[named(cells[0])[0], *cells[1:]] for cells in rows(section)]

    @staticmethod
    def _example(text):
        return re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE)


FILES = {"file", "mapping"}


class TestCommands:
    def test_their_page_has_the_help_of_each(self):
        """`.venv/bin/python tests/cli_reference.py` writes it."""
        assert cli_reference.updated(CLI_PAGE) == CLI_PAGE

    def test_every_help_on_their_page_is_of_a_command(self):
        shown = re.findall(r"^\$ relay ([\w -]+) --help$", CLI_PAGE, re.MULTILINE)
        assert sorted(shown) == sorted(cli_reference.commands())

    @pytest.mark.parametrize("name", sorted(cli_reference.commands()))
    def test_their_page_lists_each_with_its_arguments(self, name):
        usage = next(
            words
            for words in re.findall(r"\| \[`(relay .+?)`\]", CLI_PAGE)
            if f"{words} ".startswith(f"relay {name} ")
        )
        for parameter in cli_reference.commands()[name].params:
            if isinstance(parameter, click.Argument):
                placeholder = "FILE" if parameter.name in FILES else parameter.name.upper()
                assert placeholder in usage
            elif parameter.required:
                assert f"{parameter.opts[0]} " in usage

    def test_each_option_is_in_some_document(self):
        text = "".join(each.read_text() for each in DOCUMENTS)
        for command in cli_reference.commands().values():
            for option in command.params:
                if isinstance(option, click.Option):
                    assert option.opts[0] in text, f"{command.name} {option.opts[0]}"


class TestTheWorkflowForTheDbtProject:
    """docs/ci.md: GitHub and dbt are not run here, relay's command is."""

    WORKFLOW, PROFILES = map(yaml.safe_load, blocks(ROOT / "docs" / "ci.md", "yaml"))
    OURS = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    STEPS = WORKFLOW["jobs"]["check"]["steps"]

    def test_its_actions_are_pinned_and_used_as_our_own(self):
        ours = [step for job in self.OURS["jobs"].values() for step in job["steps"]]
        used = {step["uses"]: step.get("with", {}) for step in self.STEPS if "uses" in step}
        assert used.keys() <= {step.get("uses") for step in ours}
        (checkout,) = [inputs for name, inputs in used.items() if "checkout" in name]
        assert checkout == {"persist-credentials": False}
        assert self.WORKFLOW["permissions"] == {"contents": "read"}

    def test_it_parses_the_project_before_it_checks(self):
        runs = [step["run"] for step in self.STEPS if "run" in step]
        assert [run.split()[:2] for run in runs[-3:]] == [
            ["dbt", "deps"],
            ["dbt", "parse"],
            ["relay", "check"],
        ]

    def test_its_last_command_is_one_of_relays_and_works(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("target").mkdir()
        Path("target", "manifest.json").write_bytes(load("build").manifest)
        relay, *words = shlex.split(self.STEPS[-1]["run"])
        assert relay == "relay"
        Path("syncs.yml").write_text(mapping_text(sync_entry(1, "customers")))
        assert CliRunner().invoke(cli.main, words).exit_code == 0
        Path("syncs.yml").write_text(mapping_text(sync_entry(1, "custmers")))
        assert CliRunner().invoke(cli.main, words).exit_code == 1

    def test_the_other_command_has_options_that_exist(self):
        text = blocks(ROOT / "docs" / "ci.md", "text")[-1]
        relay, check, *words = shlex.split(text)
        assert [relay, check] == ["relay", "check"]
        read = cli.main.commands["check"].make_context("check", words).params
        assert read["manifest"] == Path("target/manifest.json")
        assert (read["most"], read["is_strict"], read["wants_json"]) == (50, True, True)

    def test_the_profile_has_the_target_it_names(self):
        (profile,) = self.PROFILES.values()
        assert profile["target"] in profile["outputs"]


LEVEL_OF = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}


class Logged(ast.NodeVisitor):
    """The events a module logs, each with its levels and the fields that are written there."""

    def __init__(self, tree, returned):
        """`returned` has the keys of the dictionaries that functions of any module return."""
        self.events = {}
        self._aliases, self._known = {}, dict(returned)
        self._note_what_is_spread(tree)
        self.visit(tree)

    def visit_Call(self, node):
        function, arguments = node.func, node.args
        if isinstance(function, ast.Name) and function.id == "partial":
            function, *arguments = arguments
        for level in self._levels(function):
            for event in self._texts(arguments[0]) if arguments else ():
                levels, fields = self.events.setdefault(event, (set(), set()))
                levels.add(level)
                for keyword in node.keywords:
                    name = "exception" if keyword.arg == "exc_info" else keyword.arg
                    fields |= {name} if name else self._keys(keyword.value)
        self.generic_visit(node)

    def _levels(self, function):
        match function:
            case ast.Attribute(value=ast.Name(id="log"), attr=method) if method in LEVEL_OF:
                return {LEVEL_OF[method]}
            case ast.Name(id=name):
                return self._aliases.get(name, set())
            case ast.IfExp(body=body, orelse=orelse):
                return self._levels(body) | self._levels(orelse)
        return set()

    def _texts(self, node):
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp(body=body, orelse=orelse):
                return self._texts(body) | self._texts(orelse)
        return set()

    def _keys(self, node):
        match node:
            case ast.Dict(keys=keys):
                return {key.value for key in keys if isinstance(key, ast.Constant)}
            case ast.IfExp(body=body, orelse=orelse):
                return self._keys(body) | self._keys(orelse)
            case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
                return self._known.get(name, set())
        return set()

    def _note_what_is_spread(self, tree):
        """What `**ids` stands for: a dictionary that was bound."""
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as value):
                    self._known[name] = self._keys(value)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    if levels := self._levels(value):
                        self._aliases[name] = levels

    @staticmethod
    def returned_by(tree):
        """What `**dbt_runs(…)` stands for: a dictionary that a function returns."""
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name, body=[*_, ast.Return(value=ast.Dict(keys=keys))]):
                    yield name, {key.value for key in keys if isinstance(key, ast.Constant)}


def logged_in_the_code():
    events = {}
    trees = [ast.parse(module.read_text()) for module in (ROOT / "relay").rglob("*.py")]
    returned = {name: keys for tree in trees for name, keys in Logged.returned_by(tree)}
    for tree in trees:
        # Two modules may have a function of one name: a module means its own.
        known = returned | dict(Logged.returned_by(tree))
        for event, (levels, fields) in Logged(tree, known).events.items():
            all_levels, all_fields = events.setdefault(event, (set(), set()))
            all_levels |= levels
            all_fields |= fields
    return events


LOGGED = logged_in_the_code()
CATALOGUE = (ROOT / "docs" / "log-events.md").read_text()
CATALOGUED = {
    named(cells[0])[0]: (set(cells[1].split(", ")), named(cells[3])) for cells in rows(CATALOGUE)
}
# Bound to every line of a job, or put there by logging itself.
ON_ANY_LINE = {"timestamp", "level", "event", "exception"} | {
    "dbt_account_id",
    "dbt_run_id",
    "event_id",
    "workspace",
    "sync_id",
    "sync_run_id",
}


class TestLogEvents:
    def test_the_catalogue_has_every_event_of_the_code_and_no_other(self):
        # A library's line is no call of ours: logs.py writes it.
        assert set(CATALOGUED) == set(LOGGED) | {"library.logged"}

    @pytest.mark.parametrize("event", sorted(LOGGED))
    def test_its_level_and_fields_are_the_codes(self, event):
        levels, fields = LOGGED[event]
        told_levels, told_fields = CATALOGUED[event]
        assert told_levels == levels
        assert fields <= set(told_fields)
        assert set(told_fields) <= fields | ON_ANY_LINE

    @pytest.mark.parametrize(
        "line",
        [line for each in DOCUMENTS for text in blocks(each, "json") for line in text.split("\n")],
    )
    def test_an_example_is_a_line_as_it_is_written(self, line):
        shown = json.loads(line)
        assert list(shown)[:3] == ["timestamp", "level", "event"]
        levels, fields = CATALOGUED[shown["event"]]
        assert shown["level"] in levels or levels == {"any"}
        assert set(shown) <= set(fields) | ON_ANY_LINE

    def test_the_reasons_to_ignore_a_delivery_are_all_there(self):
        assert all(f"`{reason}`" in CATALOGUE for reason in Ignored)

    def test_the_outcomes_are_all_there(self):
        # The other three have an event of their own.
        told = {*Outcome} - {Outcome.SKIPPED, Outcome.ABANDONED, Outcome.REFUSED}
        assert all(f"`{outcome}`" in CATALOGUE for outcome in told)


class TestMappings:
    @pytest.mark.parametrize(
        "text",
        [text for each in DOCUMENTS for text in blocks(each, "yaml") if "syncs:" in text],
    )
    def test_every_example_loads(self, text):
        read_mapping(text.encode(), file="example")

    def test_the_shipped_file_loads(self):
        mapping = read_mapping((ROOT / "config" / "syncs.yml").read_bytes(), file="syncs.yml")
        assert mapping.syncs

    def test_the_shipped_file_is_a_starter(self):
        text = (ROOT / "config" / "syncs.yml").read_text()
        assert len(text.splitlines()) <= 15
        # A job of staging that builds the same models must not trigger a production sync.
        assert yaml.safe_load(text)["defaults"]["environments"]

    def test_the_published_schema_is_the_forms_own(self):
        for name, schema in (("syncs", json_schema()), ("sync", sync_form.json_schema())):
            published = json.loads((ROOT / "config" / f"{name}.schema.json").read_text())
            assert published == schema

    def test_the_example_of_a_new_sync_is_one_without_a_warning(self):
        (example,) = blocks(DOCS / "census.md", "yaml")
        assert read_sync(example.encode(), file="example").warnings == ()

    @pytest.mark.parametrize("key", sorted(json_schema()["$defs"]["SyncForm"]["properties"]))
    def test_every_key_of_a_sync_is_in_the_manual(self, key):
        assert f"| `{key}` |" in (DOCS / "mapping.md").read_text()

    def test_the_reasons_are_listed_in_the_order_they_are_judged(self):
        text = (DOCS / "reasons.md").read_text()
        section = text.partition("\n## Reasons\n")[2].partition("\n## ")[0]
        assert [named(cells[0])[0] for cells in rows(section)] == list(Reason)


class TestAlerts:
    TEXT = (DOCS / "alerts.md").read_text()

    def test_every_event_that_is_an_error_is_there(self):
        section = self.TEXT.partition("\n## Log lines\n")[2].partition("\nWarnings ")[0]
        errors = {event for event, (levels, _) in CATALOGUED.items() if "error" in levels}
        assert {named(cells[0])[0] for cells in rows(section)} == errors

    def test_every_event_it_names_exists(self):
        section = self.TEXT.partition("\n## Log lines\n")[2].partition("\n## ")[0]
        events = {name for cells in rows(section) for name in named(cells[0]) if "." in name}
        assert events <= set(CATALOGUED)

    def test_the_rules_are_yaml_and_name_what_exists(self):
        rules = [
            rule
            for text in blocks(DOCS / "alerts.md", "yaml")
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
        ]
        assert all(rule["alert"] and rule["expr"] for rule in rules)
        metrics = {name for rule in rules for name in re.findall(r"relay_\w+", rule["expr"])}
        assert metrics
        assert metrics <= {each.name for each in METRICS}


class TestCensus:
    def test_every_kind_of_finding_is_listed(self):
        section = (DOCS / "census.md").read_text().partition("| kind in the JSON |")[2]
        table = section.partition("\n\n")[0]
        listed = {name for cells in rows(table) for name in named(cells[0])}
        assert listed == set(Kind)


class TestTheReadme:
    def test_it_is_short(self):
        assert len(README.splitlines()) <= 250

    def test_it_leads_to_every_document(self):
        """By itself, or by a document that it leads to."""
        seen, ahead = set(), [ROOT / "README.md"]
        while ahead:
            page = ahead.pop()
            seen.add(page)
            ahead += [each for each in linked_from(page) if each not in seen]
        assert {*DOCS.glob("*.md")} <= seen


class TestLinks:
    @pytest.mark.parametrize("document", [*DOCUMENTS, *OTHER_PAGES], ids=lambda path: path.name)
    def test_every_link_into_the_project_leads_somewhere(self, document):
        for target in links_of(document):
            path, _, heading = target.partition("#")
            page = document.parent / path if path else document
            assert page.exists(), target
            if heading:
                assert heading in slugs(page), target

    def test_every_document_that_the_code_names_is_there(self):
        folders = ("relay", "tests", "tools", "config", "deploy", "bench", ".github")
        files = [path for each in folders for path in (ROOT / each).rglob("*") if path.is_file()]
        files += [
            ROOT / "Dockerfile",
            ROOT / "Makefile",
            ROOT / "Procfile",
            ROOT / "pyproject.toml",
        ]
        for file in files:
            if file.suffix in ("", ".py", ".yml", ".toml", ".example", ".md"):
                for name in re.findall(r"(?<![\w./-])docs/[\w-]+\.md", file.read_text()):
                    assert (ROOT / name).exists(), f"{name} in {file}"

    def test_a_heading_in_a_block_of_code_is_none(self, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("# One\n\n```sh\n# Two\n```\n\n## One\n")
        assert slugs(page) == {"one", "one-1"}


def links_of(page):
    return re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", without_code(page.read_text()))


def linked_from(page):
    targets = {target.partition("#")[0] for target in links_of(page)}
    return [(page.parent / each).resolve() for each in targets if each.endswith(".md")]


def without_code(text):
    return FENCE.sub("", text)


def slugs(page):
    """As GitHub makes them: a heading that is there already gets a number."""
    found = set()
    for title in re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        numbered = (f"{slug}-{number}" for number in itertools.count(1))
        found.add(next(each for each in itertools.chain([slug], numbered) if each not in found))
    return found
