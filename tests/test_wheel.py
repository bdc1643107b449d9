"""relay as a wheel: complete, and not shadowed by anything in the working directory."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

import pytest

from relay.postgres.migrations import HEAD
from relay.sandbox import story
from relay.sandbox.command import environment

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "relay")  # as in the Dockerfile
HOSTILE = ("relay.py", "click.py", "gunicorn.py", "gunicorn.conf.py", "config/gunicorn.conf.py")
PIP = (sys.executable, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check")


@pytest.fixture(name="folder", scope="module")
def _folder():
    """Not pytest's: as root it closes that to PostgreSQL's user whenever another pytest starts."""
    with tempfile.TemporaryDirectory(prefix="relay-wheel-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(name="wheel", scope="module")
def _wheel(folder):
    """Built from a copy: a build leaves folders behind, and takes up what an earlier one left."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir")
    subprocess.run([*PIP, *build, folder / "dist", source], check=True)
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


@pytest.fixture(name="run")
def _run(folder, programs):
    """Run a program of the virtual environment in a folder with nothing but hostile files."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as working_directory:
        for name in HOSTILE:
            file = Path(working_directory, name)
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"raise SystemExit('hostile: {name}')\n")

        def run(program, *words, **settings):
            return subprocess.run(
                [programs / program, *words],
                cwd=working_directory,
                env={"PATH": os.environ["PATH"], "HOME": str(folder), **settings},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

        yield run


def test_it_holds_every_file_of_the_package(wheel):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "relay").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == files


def test_relay_is_the_wheels_and_not_the_checkouts(run, programs):
    done = run("python", "-P", "-c", "import relay, click; print(relay.__file__, click.__file__)")
    relay, click = map(Path, done.stdout.split())
    assert relay.is_relative_to(programs.parent)
    assert click.is_relative_to(sysconfig.get_path("purelib"))


def test_check_checks(run, folder):
    mapping = folder / "syncs.yml"
    mapping.write_text(story.MAPPING)
    settings = environment("http://127.0.0.1:9", "http://127.0.0.1:9")
    done = run("relay", "check", RELAY_MAPPING=str(mapping), **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"OK: {len(story.SYNCS)} syncs in {mapping}\n"


def test_migrate_migrates(run):
    done = run("relay", "migrate")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("applied: procrastinate, ")
    assert done.stdout.endswith(f"{HEAD}\n")


def test_the_demo_plays(run):
    """Database, web, worker and migrations, each in a process of its own."""
    done = run("relay", "demo")
    # On a machine busy with tests only the time it takes may fall short.
    failures = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert all("a median of" in line for line in failures), done.stdout + done.stderr
    assert done.returncode == 0 or failures, done.stdout + done.stderr
