"""The unit that `relay systemd-unit` prints: as hardened as it says, and what relay needs.

`make service-test` runs it.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from relay import cli, supervisor
from relay.errors import CannotRunAsService
from relay.operations.systemd_unit import Installation, write_unit
from relay.postgres.data_folder import SETTINGS as POSTGRES

ROOT = Path(__file__).parents[2]
HOMES = ("/home/", "/root/", "/run/user/")
ENV_FILE, MAPPING = Path("/etc/relay/relay.env"), Path("/etc/relay/syncs.yml")
is_in_a_home = str(Path(sys.base_prefix).resolve()).startswith(HOMES)


def program_in(folder):
    program = folder / "relay"
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def unit_of(folder, *, user="relay", env_file=ENV_FILE, mapping=MAPPING):
    installation = Installation(program_in(folder), (folder,))
    return write_unit(installation, user=user, env_file=env_file, mapping=mapping)


@pytest.fixture(name="unit")
def _unit(tmp_path):
    return unit_of(tmp_path / "bin")


def values(unit, key):
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def value(unit, key):
    (only,) = values(unit, key)
    return only


@pytest.fixture(name="analyze")
def _analyze(tmp_path):
    """`systemd-analyze` on the text of a unit: its exit status and what it says."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")

    def analyze(unit, *words):
        file = tmp_path / "relay.service"
        file.write_text(unit)
        command = ["systemd-analyze", *words, "--no-pager", file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return analyze


class TestSystemd:
    def test_rates_it_as_hardly_exposed(self, unit, analyze):
        """2.5 of 10; the unit that the documents had before was at 8.7."""
        status, said = analyze(unit, "security", "--offline=true", "--threshold=25")
        assert status == 0, said
        assert "Overall exposure level" in said

    def test_finds_nothing_wrong_in_it(self, unit, analyze):
        assert analyze(unit, "verify") == (0, "")

    @pytest.mark.parametrize("name", ["a b", "100%n", "a$HOME", "a;b", "ä"])
    def test_takes_a_path_as_it_is(self, tmp_path, analyze, name):
        """`verify` says so if there is no such program."""
        unit = unit_of(tmp_path / name, mapping=Path(f"/etc/{name}.yml"))
        assert analyze(unit, "verify") == (0, "")

    def test_would_say_that_a_program_is_not_there(self, unit, analyze):
        status, said = analyze(unit.replace("/relay up", "/absent up"), "verify")
        assert status != 0
        assert "absent" in said


class TestTheUnit:
    def test_has_no_place_left_to_fill_in(self, unit):
        assert "@" not in re.sub(r"@(system-service|privileged|resources)", "", unit)

    def test_starts_everything(self, unit, tmp_path):
        program, command = value(unit, "ExecStart").split()
        assert program == str(tmp_path / "bin" / "relay")
        assert command in cli.main.commands

    def test_only_relay_is_told_to_stop_and_is_given_the_time_it_needs(self, unit):
        assert value(unit, "KillMode") == "mixed"
        assert int(value(unit, "TimeoutStopSec")) > supervisor.DRAIN_SECONDS

    def test_its_data_has_a_folder_of_its_own(self, unit):
        folder = f"/var/lib/{value(unit, 'StateDirectory')}"
        assert f"RELAY_DATA_DIR={folder}" in values(unit, "Environment")
        assert value(unit, "WorkingDirectory") == folder
        assert value(unit, "StateDirectoryMode") == "0700"

    def test_is_started_again_however_often_it_ended(self, unit):
        assert value(unit, "Restart") == "always"
        assert value(unit, "StartLimitIntervalSec") == "0"

    def test_forbids_executable_memory_which_postgresql_would_use_for_jit(self, unit):
        assert value(unit, "MemoryDenyWriteExecute") == "true"
        assert POSTGRES["jit"] == "off"

    def test_lets_in_what_the_options_say(self, tmp_path):
        unit = unit_of(
            tmp_path, user="census", env_file=Path("/srv/a.env"), mapping=Path("/srv/a.yml")
        )
        assert value(unit, "User") == "census"
        assert value(unit, "EnvironmentFile") == "/srv/a.env"
        assert "RELAY_MAPPING=/srv/a.yml" in values(unit, "Environment")

    def test_settings_of_the_file_come_last_and_so_replace_its_own(self, unit):
        assert unit.rindex("\nEnvironment=") < unit.index("\nEnvironmentFile=")


class TestAnInstallationThatCannotRunAsAService:
    @pytest.mark.parametrize("home", HOMES)
    def test_its_python_is_in_a_home_folder(self, tmp_path, home):
        python = Path(home, "somebody", "python")
        installation = Installation(program_in(tmp_path), (Path("/opt/relay"), python))
        with pytest.raises(CannotRunAsService, match=f"Python is in {python}, a home folder"):
            write_unit(installation, user="relay", env_file=ENV_FILE, mapping=MAPPING)

    def test_its_mapping_is_in_a_home_folder(self, tmp_path):
        mapping = Path(HOMES[0], "somebody", "syncs.yml")
        with pytest.raises(CannotRunAsService, match=f"{mapping} is in a home folder"):
            unit_of(tmp_path, mapping=mapping)

    @pytest.mark.parametrize("character", ['"', "'", "\\", "\n"])
    def test_its_path_is_one_that_systemd_refuses(self, tmp_path, character):
        with pytest.raises(CannotRunAsService, match="a character that systemd does not take"):
            unit_of(tmp_path / f"a{character}b")

    def test_it_has_no_program(self, tmp_path):
        installation = Installation(tmp_path / "relay", (tmp_path,))
        with pytest.raises(CannotRunAsService, match=r"there is no .*/relay: install relay"):
            write_unit(installation, user="relay", env_file=ENV_FILE, mapping=MAPPING)


class TestTheCommand:
    def run(self, *words):
        return CliRunner().invoke(cli.main, ["systemd-unit", *words])

    @pytest.mark.skipif(is_in_a_home, reason="the Python of this test is in a home folder")
    def test_prints_the_unit_of_the_relay_that_runs(self):
        done = self.run("--mapping", "a.yml")
        assert done.exit_code == 0, done.output
        assert value(done.stdout, "ExecStart") == f"{Path(sys.executable).with_name('relay')} up"
        assert f"RELAY_MAPPING={Path.cwd()}/a.yml" in values(done.stdout, "Environment")

    @pytest.mark.skipif(not is_in_a_home, reason="the Python of this test is in no home folder")
    def test_prints_nothing_but_the_problem_where_the_service_could_not_start(self):
        done = self.run()
        assert (done.exit_code, done.stdout) == (1, "")
        assert "install relay elsewhere, such as in /opt/relay" in done.stderr

    @pytest.mark.parametrize("user", ["root", "a b", "", "-relay"])
    def test_refuses_a_user_that_is_none_or_all_powerful(self, user):
        done = self.run("--user", user)
        assert done.exit_code == 2
        assert "expected" in done.stderr


class TestTheRealThing:
    def test_is_run_by_ci(self):
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
        assert workflow["jobs"]["service"]["steps"][-1]["run"] == "sudo make service-test"

    @pytest.mark.parametrize("script", ["run", "install", "session", "boot"])
    def test_its_scripts_are_programs_that_bash_can_read(self, script):
        path = ROOT / "tests" / "deploy" / "systemd" / script
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
        assert path.stat().st_mode & 0o111
