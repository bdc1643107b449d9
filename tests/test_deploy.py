"""What a deployment starts is there, and is started as it should be."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from every_python import versions_of

from relay import cli, supervisor
from relay.decision.mapping_reader import read_mapping
from relay.worker import process as worker

ROOT = Path(__file__).parents[1]
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
GRACE_SECONDS = 30  # what most platforms give after SIGTERM, and what the documents ask for


def assert_exists(command):
    """A command whose program is installed with relay, and whose words relay knows."""
    program, *words = command
    assert shutil.which(program, path=str(Path(sys.executable).parent)), program
    if program == "relay":
        assert words[0] in cli.main.commands
    if program == "gunicorn":
        assert words[0] == "-c"
        assert (ROOT / words[1]).exists()


PROCESSES = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line
)


class TestProcfile:
    def test_it_names_release_web_and_worker(self):
        assert list(PROCESSES) == ["release", "web", "worker"]

    @pytest.mark.parametrize("command", PROCESSES.values())
    def test_what_it_starts_exists(self, command):
        assert_exists(shlex.split(command))


def printed_config(command, folder, **environment):
    """gunicorn's configuration, by name, as the command would start it in this folder."""
    done = subprocess.run(
        [*command, "--print-config"],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DBT_CLOUD_WEBHOOK_SECRETS": "a-secret",
            "DBT_CLOUD_ACCOUNT_ID": "66847",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


class TestGunicornsConfiguration:
    PROCFILE = shlex.split(PROCESSES["web"])

    def test_the_procfiles_file_says_what_the_packages_says(self):
        of_procfile = printed_config(self.PROCFILE, ROOT)
        of_up = printed_config(supervisor.WEB, ROOT)
        assert of_procfile.pop("config") == "config/gunicorn.conf.py"
        assert of_up.pop("config") == "python:relay.web.gunicorn_conf"
        assert of_procfile == of_up

    def test_an_edit_of_the_procfiles_file_counts_there_and_nowhere_else(self, tmp_path):
        edited = tmp_path / "config" / "gunicorn.conf.py"
        edited.parent.mkdir()
        shutil.copy(ROOT / "config" / "gunicorn.conf.py", edited)
        with edited.open("a") as file:
            file.write("threads = 7\n")
        assert printed_config(self.PROCFILE, tmp_path)["threads"] == "7"
        assert printed_config(supervisor.WEB, tmp_path)["threads"] == "256"

    @pytest.mark.parametrize("command", [PROCFILE, supervisor.WEB], ids=["Procfile", "relay up"])
    def test_gunicorns_own_variable_changes_a_value_in_both(self, command):
        config = printed_config(command, ROOT, GUNICORN_CMD_ARGS="--threads 7")
        assert config["threads"] == "7"


def instructions():
    """(word, rest) of each of the Dockerfile's, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def last(word):
    return [rest for each, rest in instructions() if each == word][-1]


class TestDockerfile:
    def test_its_base_is_one_python_pinned_by_version_and_digest(self):
        """Dependabot updates both; its pull request's CI runs the image."""
        froms = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
        base, *stages = froms
        assert re.fullmatch(r"python:3\.13\.\d+-slim-trixie@sha256:[0-9a-f]{64}", base)
        assert stages == ["base", "base", "scratch"]

    def test_its_labels_say_what_pyproject_says(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))
        assert labels["title"] == project["name"]
        assert labels["description"] == project["description"]
        assert labels["licenses"] == project["license"]
        assert (labels["version"], labels["revision"]) == ("$VERSION", "$REVISION")

    def test_it_runs_everything_by_default(self):
        command = yaml.safe_load(last("CMD"))
        assert command == ["relay", "up"]
        assert_exists(command)

    def test_it_runs_as_a_user_with_a_name_and_a_number(self):
        assert last("USER") == "10001:10001"
        assert "--uid 10001" in DOCKERFILE

    def test_what_it_copies_exists_and_is_let_in(self):
        ignore = (ROOT / ".dockerignore").read_text().splitlines()
        copied = [
            source
            for word, rest in instructions()
            if word == "COPY" and "--from" not in rest
            for source in rest.split()[:-1]
        ]
        assert copied
        for source in copied:
            assert (ROOT / source).exists()
            assert any(source.startswith(line[1:]) for line in ignore if line[:1] == "!")

    def test_nothing_is_let_in_but_by_name(self):
        rules = [
            line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"
        ]
        assert rules[0] == "*"
        assert "!.git" not in rules
        assert not any(rule.startswith("!*") for rule in rules)

    def test_every_dependency_is_held_against_its_hash(self):
        installs = [rest for word, rest in instructions() if word == "RUN" and "/pip " in rest]
        found = re.findall(r"/pip [^&]*install ([^&]*)", " && ".join(installs))
        assert len(found) == 3
        for each in found:
            assert "--require-hashes" in each or re.search("--no-deps +dist/", each)

    def test_what_builds_relay_is_the_locked_setuptools(self):
        script = re.search(r"sed -n '[^']+' requirements/dev.txt", DOCKERFILE)[0]
        lines = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert lines[0].startswith("setuptools==")
        assert all(line.strip().startswith("--hash=") for line in lines[1:])
        assert len(lines) > 1

    def test_the_health_check_is_the_program_that_is_tested(self):
        command = yaml.safe_load(last("HEALTHCHECK").partition("CMD ")[2])
        assert command == ["python", "-I", "-S", "/opt/relay/healthcheck.py"]
        assert ("COPY", "deploy/image/healthcheck.py /opt/relay/") in instructions()

    def test_it_stops_by_the_signal_that_relay_ends_on(self):
        assert last("STOPSIGNAL") == "SIGTERM"

    def test_relays_own_data_is_on_the_volume(self):
        assert last("VOLUME") == "/data"
        assert "RELAY_DATA_DIR=/data" in last("ENV")

    def test_a_worker_in_it_shows_that_it_is_alive(self):
        assert "RELAY_WORKER_ALIVE_FILE=/tmp/relay-worker" in last("ENV")

    def test_its_port_is_the_default_one(self):
        assert last("EXPOSE") == "8080"


class TestTheOperatorsCommand:
    SCRIPT = re.search(r"```shell\n(.*?)```", DEPLOY, re.DOTALL)[1]

    def run(self, folder, settings, *words):
        """The script with this machine's paths, and as this user."""
        (folder / "relay.env").write_text(settings)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        script = self.SCRIPT.replace("/etc/relay/relay.env", str(folder / "relay.env"))
        script = script.replace("/opt/relay", str(folder))
        script, changes = re.subn(r"setpriv .*--init-groups ", "", script)
        assert changes == 1
        script, changes = re.subn(r"^\[.*sudo.*\n", "", script, flags=re.MULTILINE)
        assert changes == 1
        return subprocess.run(
            ["sh", "-c", script, "relay", *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_it_passes_the_settings_on_as_they_are_written(self, tmp_path):
        """A shell that read the file would take `&` and `(` for its own."""
        settings = "# a comment\n\nDBT_CLOUD_TOKEN=a-secret&(of-yours\n#PORT=1\n"
        settings += "CENSUS_API_KEY='a-key(of-yours)'\n"  # as `relay init` writes it
        settings += "RELAY_MAPPING=/etc/a & b.yml"  # the last line, which need not end in a newline
        done = self.run(tmp_path, settings, "config", "--json")
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        assert shown["RELAY_MAPPING"] == "/etc/a & b.yml"
        assert shown["RELAY_DATA_DIR"] == "/var/lib/relay"
        assert shown["DBT_CLOUD_TOKEN"]
        assert shown["PORT"] == 8080

    UNIT = (ROOT / "relay" / "operations" / "relay.service").read_text()

    def test_its_data_is_the_services(self):
        (data,) = re.findall(r"^Environment=(RELAY_DATA_DIR=.+)$", self.UNIT, re.MULTILINE)
        assert f"export {data}\n" in self.SCRIPT

    def test_its_settings_are_the_services(self):
        (options,) = (cli.main.commands["systemd-unit"].params,)
        defaults = {each.name: str(each.default) for each in options}
        assert f"done < {defaults['env_file']}\n" in self.SCRIPT
        assert f"export RELAY_MAPPING={defaults['mapping']}\n" in self.SCRIPT


def recipe(target):
    """The commands that `make` would run."""
    return subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


class TestMake:
    def test_a_server_gets_no_test_tools(self):
        installs = re.findall(r"pip install .*", recipe("install-prod"))
        assert "-r requirements/run.txt" in installs[0]
        assert not any("requirements/dev.txt" in each for each in installs)
        assert all("--require-hashes" in each or "--no-deps" in each for each in installs)

    def test_clean_deletes_no_data(self):
        assert "var" not in recipe("clean").split()
        assert "var" in recipe("clean-data").split()


class TestStopping:
    def test_the_documented_grace_is_enough(self):
        assert worker.EXIT_SECONDS < supervisor.DRAIN_SECONDS < GRACE_SECONDS
        graces = re.findall(r"--stop-timeout (\d+)", DEPLOY)
        assert graces
        assert all(int(each) >= GRACE_SECONDS for each in graces)


class TestCi:
    RUN = ROOT / ".ci" / "run"

    def test_it_is_a_program_that_bash_can_read(self):
        assert os.access(self.RUN, os.X_OK)
        assert subprocess.run(["bash", "-n", self.RUN], check=False).returncode == 0

    def test_it_tests_and_then_plays_the_demo_and_asks_nothing(self):
        lines = self.RUN.read_text().splitlines()
        assert [line.split()[1] for line in lines if line.startswith("make ")] == ["test", "demo"]
        assert "exec </dev/null" in lines
        assert "set -euo pipefail" in lines

    WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())

    def test_the_workflow_runs_it_on_every_python_relay_promises(self):
        job = self.WORKFLOW["jobs"]["test"]
        assert job["strategy"]["matrix"]["python"] == versions_of(ROOT)
        assert job["steps"][-1]["run"] == ".ci/run"

    def test_the_workflow_tests_on_the_oldest_postgresql_too(self):
        job = self.WORKFLOW["jobs"]["named-postgres"]
        assert job["services"]["postgres"]["image"] == "postgres:14"
        assert "RELAY_TEST_DATABASE_URL" in job["env"]
        assert "RELAY_TEST_DATABASE_URL" in (ROOT / "tests" / "conftest.py").read_text()
        assert job["steps"][-1]["run"] == "make tests"

    def test_the_workflow_lets_a_storm_go_over_it(self):
        job = self.WORKFLOW["jobs"]["storm"]
        assert job["timeout-minutes"] <= 20
        assert job["steps"][-1]["run"] == "make test-crash"

    def test_the_workflow_builds_the_image_and_runs_it(self):
        job = self.WORKFLOW["jobs"]["image"]
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert "make image-test ENGINE=docker" in commands
        assert "make lint-image" in commands[1]
        assert commands[-1] == "tests/image/compose.sh"


class TestTheMappingInTheImage:
    def test_it_is_the_shipped_one(self):
        """Until somebody puts their own in its place it names the sandbox's syncs."""
        mapping = read_mapping((ROOT / "config" / "syncs.yml").read_bytes(), file="syncs.yml")
        assert {sync.sync_id for sync in mapping.syncs} == {5123, 5124}
