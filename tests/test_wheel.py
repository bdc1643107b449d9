"""relay as a wheel: complete, and at work where nothing but it is there.

As on a server: the user is not root, whose home cannot be written, and the working directory holds
only what would shadow a module that is looked for there first.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import tomllib
import zipfile
from contextlib import contextmanager
from email.message import Message
from email.parser import Parser
from http.client import HTTPConnection
from pathlib import Path

import pytest
from checkouts import copy_of_the_project
from documents import blocks

from relay.postgres.migrations import HEAD
from relay.sandbox import story
from relay.sandbox.command import environment

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HOSTILE = ("relay.py", "click.py", "gunicorn.py", "gunicorn.conf.py", "config/gunicorn.conf.py")
PIP = (sys.executable, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check")
WHEEL = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir")
SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# For an interpreter below /root, which nobody else may look for: it may read, and not write.
MAY_READ = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
# That setpriv could start it says little: it has root's capabilities until then.
STARTS_ITSELF = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', '']))"
READY_SECONDS = 30


@pytest.fixture(name="folder", scope="module")
def _folder():
    """Not pytest's: as root it closes that to PostgreSQL's user whenever another pytest starts."""
    with tempfile.TemporaryDirectory(prefix="relay-wheel-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(name="source", scope="module")
def _source(folder):
    """A copy: a build leaves folders behind, and takes up what an earlier one left."""
    return copy_of_the_project(folder / "source")


@pytest.fixture(name="sdist", scope="module")
def _sdist(folder, source):
    subprocess.run(
        [sys.executable, "-P", "-c", SDIST, folder / "sdist"],
        cwd=source,
        capture_output=True,
        check=True,
    )
    (sdist,) = (folder / "sdist").iterdir()
    return sdist


@pytest.fixture(name="wheel", scope="module")
def _wheel(folder, source):
    subprocess.run([*WHEEL, folder / "dist", source], check=True)
    (wheel,) = (folder / "dist").iterdir()
    return wheel


@pytest.fixture(name="programs", scope="module")
def _programs(folder, wheel):
    """The programs of a virtual environment with the wheel, and the tests' own dependencies."""
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    programs = venv / "bin"
    install = ("--python", programs / "python", "install", "--no-deps", "--no-index")
    subprocess.run([*PIP, *install, wheel], check=True)
    # A .pth file leads to the packages there and not to the checkout, which is a .pth file itself.
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return programs


@pytest.fixture(name="user", scope="module")
def _user(programs):
    """The words that make a command's user one who is not root."""
    if os.geteuid() != 0:
        return ()
    for words in (AS_NOBODY, (*AS_NOBODY, *MAY_READ)):
        can_start = [*words, programs / "python", "-P", "-c", STARTS_ITSELF]
        if subprocess.run(can_start, capture_output=True, check=False).returncode == 0:
            return words
    pytest.skip("this root cannot become another user who may run this Python")


class Place:
    """A folder with nothing but hostile files, for one user who can write there and not at home."""

    def __init__(self, folder, programs, user):
        self.path = Path(tempfile.mkdtemp(dir=folder))
        self.home = self.path / "home"
        self.home.mkdir(mode=0o500)
        self._programs, self._user = programs, user
        for name in HOSTILE:
            file = self.path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"raise SystemExit('hostile: {name}')\n")
        if user:
            for each in (self.path, *self.path.rglob("*")):
                os.chown(each, NOBODY, NOBODY)

    def run(self, program, *words, **settings):
        how = self._how(settings)
        return subprocess.run(
            self._command(program, *words), capture_output=True, text=True, check=False, **how
        )

    @contextmanager
    def running(self, *words, **settings):
        """A command of relay's while the block lasts, and its output so far as a file."""
        output = self.path / f"{words[0]}.txt"
        with output.open("w") as file:
            process = subprocess.Popen(
                self._command("relay", *words),
                stdout=file,
                stderr=subprocess.STDOUT,
                **self._how(settings),
            )
        try:
            yield output
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, output.read_text()
        finally:
            process.kill()
            process.wait()

    def _command(self, program, *words):
        return [*self._user, self._programs / program, *words]

    def _how(self, settings):
        variables = {"PATH": os.environ["PATH"], "HOME": str(self.home), **settings}
        return {"cwd": self.path, "env": variables, "stdin": subprocess.DEVNULL}


@pytest.fixture(name="place", scope="module")
def _place(folder, programs, user):
    return Place(folder, programs, user)


@pytest.fixture(name="mapping", scope="module")
def _mapping(place):
    mapping = place.path / "syncs.yml"
    mapping.write_text(story.MAPPING)
    return mapping


@pytest.fixture(name="migrated", scope="module")
def _migrated(place):
    """What `relay migrate` said of the new database that `relay up` then finds."""
    return place.run("relay", "migrate")


@pytest.fixture(name="metadata", scope="module")
def _metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def packed(wheel):
    """The checksum of each file but of the list of files, whose order is its own."""
    with zipfile.ZipFile(wheel) as archive:
        files = archive.infolist()
    return {each.filename: each.CRC for each in files if not each.filename.endswith("/RECORD")}


class TestThePackages:
    def test_the_wheel_has_every_file_of_the_package_and_no_other(self, wheel):
        files = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "relay").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert {name for name in packed(wheel) if ".dist-info/" not in name} == files

    def test_the_wheel_of_the_sdist_is_that_of_the_tree(self, sdist, wheel, folder):
        subprocess.run([*WHEEL, folder / "again", sdist], check=True)
        (again,) = (folder / "again").iterdir()
        assert again.name == wheel.name
        assert packed(again) == packed(wheel)

    def test_the_sdist_has_what_builds_and_tells_of_relay_and_no_tests(self, sdist):
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()}
        written = {"PKG-INFO", "relay.egg-info", "setup.cfg"}
        told = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"}
        assert names - {""} == {"relay", "MANIFEST.in"} | told | written

    def test_they_say_which_pythons_and_licence_they_are_for(self, metadata):
        assert metadata["Requires-Python"] == PROJECT["requires-python"]
        assert metadata["License-Expression"] == "MIT"
        assert metadata.get_all("Classifier") == PROJECT["classifiers"]
        assert metadata["Description-Content-Type"] == "text/markdown"

    def test_no_classifier_speaks_of_a_python_that_pip_refuses(self, metadata):
        pythons = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
        assert metadata["Requires-Python"] == f">={pythons[0]}"


class TestAsAnotherUser:
    def test_it_is_not_root_and_cannot_write_at_home(self, place):
        script = "import os; print(os.geteuid()); open(os.path.expanduser('~/file'), 'w')"
        done = place.run("python", "-P", "-c", script)
        assert done.stdout.strip() != "0"
        assert "PermissionError" in done.stderr

    def test_relay_is_the_wheels_and_not_the_checkouts(self, place, programs):
        script = "import relay, click; print(relay.__file__, click.__file__)"
        relay, click = map(Path, place.run("python", "-P", "-c", script).stdout.split())
        assert relay.is_relative_to(programs.parent)
        assert click.is_relative_to(sysconfig.get_path("purelib"))

    def test_it_knows_its_version(self, place):
        assert place.run("relay", "--version").stdout == f"relay, version {PROJECT['version']}\n"

    def test_check_checks(self, place, mapping):
        settings = environment("http://127.0.0.1:9", "http://127.0.0.1:9")
        done = place.run("relay", "check", RELAY_MAPPING=str(mapping), **settings)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"OK: {len(story.SYNCS)} syncs in {mapping}\n"

    @pytest.mark.parametrize(
        ("form", "published"),
        [
            ("relay.decision.mapping_form", "syncs.schema.json"),
            ("relay.census.sync_form", "sync.schema.json"),
        ],
    )
    def test_the_schemas_are_the_published_ones(self, place, form, published):
        script = f"import json; from {form} import json_schema; print(json.dumps(json_schema()))"
        done = place.run("python", "-P", "-c", script)
        assert json.loads(done.stdout) == json.loads((ROOT / "config" / published).read_text())

    def test_migrate_migrates(self, migrated):
        assert migrated.returncode == 0, migrated.stderr
        assert migrated.stdout.startswith("applied: procrastinate, ")
        assert migrated.stdout.endswith(f"{HEAD}\n")

    def test_up_serves_what_the_sandbox_recorded(self, place, mapping, migrated):
        """The database of `relay migrate`, web and its dashboard, a worker, and both vendors."""
        ports = ("--dbt-port", "0", "--census-port", "0", "--channels-port", "0")
        with place.running("sandbox", *ports) as printed:
            settings = until(lambda: exported(printed.read_text()))
            settings |= {"RELAY_MAPPING": str(mapping), "RELAY_ADMIN_TOKEN": "admin-" * 6}
            port = free_port()
            with place.running("up", PORT=str(port), **settings) as log:
                until(lambda: log.exists() and asked(port, "/readyz")[0] == 200, log)
                status, page = asked(port, "/login")
                assert status == 200
                for kind in ("css", "js", "svg"):
                    (path, *_) = re.findall(rf'"(/static/[^"]+\.{kind}[^"]*)"', page)
                    assert asked(port, path)[0] == 200
                done = self.plan_of_a_recorded_run(place, settings)
                assert done.returncode == 0, done.stderr
                assert "model.jaffle_crm.customers" in done.stdout

    @staticmethod
    def plan_of_a_recorded_run(place, settings):
        dbt_cloud = HTTPConnection(settings["DBT_CLOUD_URL"].removeprefix("http://"))
        dbt_cloud.request("POST", "/sandbox/dbt_runs")
        run = json.load(dbt_cloud.getresponse())["data"]["runId"]
        return place.run("relay", "plan", "--run", run, **settings)

    def test_the_demo_plays_the_story_that_the_readme_shows(self, place):
        done = place.run("relay", "demo")
        # On a machine busy with tests only the time it takes may fall short.
        failures = [line for line in done.stdout.splitlines() if "FAILED" in line]
        assert all("a median of" in line for line in failures), done.stdout + done.stderr
        assert done.returncode == 0 or failures, done.stdout + done.stderr
        shown = next(each for each in blocks(ROOT / "README.md", "text") if "First run" in each)
        for line in shown.splitlines():
            if line.startswith(("First ", "Second ", "Results:", "  dbt run")):
                assert line in done.stdout
            elif re.match(r"  15514466\d", line):
                dbt_run_id, model, sync_id, *_, outcome = line.split()
                assert re.search(rf"{dbt_run_id} +{model} +{sync_id} .*{outcome}", done.stdout)


def exported(text):
    """The settings that the sandbox prints, once it has printed all."""
    if "Requests received" not in text:
        return None
    return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", text, re.MULTILINE))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def asked(port, path):
    """The status and text of an answer; no status while nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return None, ""
    finally:
        connection.close()


def until(condition, log=None):
    """The first true value. A machine busy with tests may take long."""
    deadline = time.monotonic() + READY_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, log and log.read_text()
        time.sleep(0.05)
    return value
