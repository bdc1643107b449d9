"""What makes a release: its version, its notes, its SBOM, and the Pythons it is tested on."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from audit import NOT_AUDITED, VULNERABLE, verdict
from every_python import interpreter_of, versions_of
from release_notes import NotReleasable, release_notes, section_of, version_of

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "run.txt"
TOOLS = ROOT / ".venv-ci" / "bin"
CHANGELOG = """\
# Changelog

## [Unreleased]

- Not yet.

## [1.2.3] - 2026-11-27

### Added

- This, [documented](docs/ci.md), [there](https://example.com/) and [here](#added).

## [1.2.2] - 2026-10-01

- That.
"""


@pytest.fixture(name="project")
def _project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


class TestTheVersion:
    def test_no_other_file_of_the_package_has_it(self):
        version = version_of(ROOT)
        for path in (ROOT / "relay").rglob("*.py"):
            assert f'"{version}"' not in path.read_text(), path

    def test_every_lock_file_has_the_same_version_of_a_package(self):
        pins = {}
        for lock in (ROOT / "requirements").glob("*.txt"):
            for name, version in re.findall(
                r"^([\w.-]+)==([^ ;]+)", lock.read_text(), re.MULTILINE
            ):
                assert pins.setdefault(name, version) == version, f"{name} in {lock.name}"

    def test_the_page_on_security_speaks_of_this_one(self):
        text = (ROOT / "SECURITY.md").read_text()
        version = version_of(ROOT)
        assert set(re.findall(r"\b\d+\.\d+\.\d+\b", text)) == {version}
        assert f"today {version.rpartition('.')[0]}." in text

    @pytest.mark.parametrize(
        "page",
        [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")],
        ids=lambda path: path.name,
    )
    def test_no_page_installs_the_other_project_of_this_name(self, page):
        """PyPI's `relay` is not this one."""
        assert not re.search(
            r"pip install (?:-\S+ )*['\"]?relay\b(?![-\w]*\.whl)", page.read_text()
        )


class TestTheNotes:
    def test_they_are_the_section_of_the_version(self, project):
        notes = release_notes(project, "v1.2.3", None)
        assert notes.startswith("### Added\n\n- This")
        assert "That" not in notes
        assert "Not yet" not in notes

    def test_their_links_lead_to_the_files_at_the_tag(self, project):
        notes = release_notes(project, "v1.2.3", "https://github.com/somebody/relay")
        assert "[documented](https://github.com/somebody/relay/blob/v1.2.3/docs/ci.md)" in notes
        assert "[there](https://example.com/)" in notes
        assert "[here](#added)" in notes

    @pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "v1.2.3rc1"])
    def test_a_tag_of_another_version_is_refused(self, project, tag):
        with pytest.raises(
            NotReleasable, match=r"pyproject\.toml has version 1\.2\.3: tag v1\.2\.3"
        ):
            release_notes(project, tag, None)

    @pytest.mark.parametrize(
        "changelog",
        [
            CHANGELOG.replace("[1.2.3]", "[1.2.4]"),
            CHANGELOG.replace("## [1.2.3] - 2026-11-27", "## [1.2.3]"),
        ],
        ids=["another version", "no date"],
    )
    def test_a_version_that_the_changelog_does_not_have_is_refused(self, changelog):
        with pytest.raises(NotReleasable, match=r"no heading `## \[1.2.3\] - YYYY-MM-DD`"):
            section_of(changelog, "1.2.3")

    def test_a_section_without_a_word_is_refused(self):
        with pytest.raises(NotReleasable, match=r"says nothing about 1\.2\.3"):
            section_of("## [1.2.3] - 2026-11-27\n\n## [1.2.2] - 2026-10-01\n", "1.2.3")

    def test_the_command_of_the_workflow_says_what_is_wrong_in_a_sentence(self):
        program = [sys.executable, ROOT / "tools" / "release_notes.py", "v0.0.1"]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: the tag is v0.0.1, and pyproject.toml has version ")

    def test_the_changelog_begins_with_what_is_next_or_with_this_version(self):
        """Either the work since the last release, or the release that is being made."""
        text = (ROOT / "CHANGELOG.md").read_text()
        first = re.search(r"^## \[(.+?)\]", text, re.MULTILINE)[1]
        assert first in {"Unreleased", version_of(ROOT)}

    def test_the_changelogs_sections_are_those_of_the_format(self):
        text = (ROOT / "CHANGELOG.md").read_text()
        kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
        assert set(kinds) <= {"Added", "Changed", "Fixed", "Upgrading"}


# As pip-audit writes it.
CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
FOUND = {
    "name": "flask",
    "version": "0.5",
    "vulns": [{"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": []}],
}
UNKNOWN = {"name": "relay", "skip_reason": "Dependency not found on PyPI: relay (0.2.0)"}


class TestTheAudit:
    def test_no_vulnerability_is_told_with_how_many_were_looked_up(self):
        text, status = verdict("run.txt", {"dependencies": [CLEAN]})
        assert (text, status) == ("1 packages of run.txt: no known vulnerabilities", 0)

    def test_a_vulnerability_is_told_with_what_fixes_it(self):
        text, status = verdict("run.txt", {"dependencies": [CLEAN, FOUND]})
        assert status == VULNERABLE
        assert "flask 0.5: PYSEC-2019-179, fixed in 1.0: raise it in pyproject.toml" in text

    def test_a_package_that_was_not_looked_up_is_not_taken_for_a_good_one(self):
        text, status = verdict("run.txt", {"dependencies": [CLEAN, UNKNOWN]})
        assert status == NOT_AUDITED
        assert "1 of the 2 packages of run.txt were not audited" in text
        assert "Run this where pypi.org itself is reached" in text

    def test_a_vulnerability_is_told_also_if_another_package_was_not_looked_up(self):
        text, _ = verdict("run.txt", {"dependencies": [FOUND, UNKNOWN]})
        assert "PYSEC-2019-179" in text


class TestTheSbom:
    def test_it_lists_the_locked_packages_of_this_version(self, tmp_path):
        if not (TOOLS / "cyclonedx-py").exists():
            pytest.skip(f"cyclonedx-py is not in {TOOLS}: `make sbom` installs and runs it")
        # The tools are installed, so make has nothing to install.
        words = ("make", "sbom", f"DIST={tmp_path}", f"PYTHON={sys.executable}")
        subprocess.run([*words, "--assume-old=requirements/ci.txt"], cwd=ROOT, check=True)
        sbom = json.loads((tmp_path / f"relay-{version_of(ROOT)}.cdx.json").read_text())
        root = sbom["metadata"]["component"]
        assert (root["name"], root["version"]) == ("relay", version_of(ROOT))
        pins = dict(re.findall(r"^([\w.-]+)==([^ ;]+)", LOCK.read_text(), re.MULTILINE))
        assert {each["name"]: each["version"] for each in sbom["components"]} == pins


class TestThePythons:
    def test_they_are_those_that_the_package_promises(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert project["requires-python"] == f">={versions_of(ROOT)[0]}"
        assert versions_of(ROOT) == ["3.11", "3.12", "3.13", "3.14"]

    def test_a_program_on_path_that_does_not_run_is_not_taken(self, tmp_path, monkeypatch):
        """As a shim of pyenv's that has no such version behind it."""
        shim = tmp_path / "python3.98"
        shim.write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
        shim.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert interpreter_of("3.98") is None

    def test_the_newest_of_pyenv_is_taken_if_none_is_on_path(self, tmp_path, monkeypatch):
        for version in ("3.99.9", "3.99.10"):
            program = tmp_path / "versions" / version / "bin" / "python3.99"
            program.parent.mkdir(parents=True)
            program.write_text("#!/bin/sh\necho 3.99\n")
            program.chmod(0o755)
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
        assert interpreter_of("3.99").parts[-3] == "3.99.10"

    def test_each_is_told_and_one_that_is_not_here_is_no_failure(self, tmp_path):
        """With programs in place of Pythons and of make: of the real ones `make tests` is made."""
        for name, script in (
            ("python3.11", "echo 3.11"),
            ("python3.12", "echo 3.12"),
            ("make", 'echo "$@" >&2; case "$*" in *3.12*) exit 2; esac'),
        ):
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        done = subprocess.run(
            [sys.executable, ROOT / "tools" / "every_python.py", "tests/dbt"],
            env={"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.splitlines()[-4:] == [
            "Python 3.11: passed",
            "Python 3.12: failed",
            "Python 3.13: not on this machine",
            "Python 3.14: not on this machine",
        ]
        assert f"PYTHON={tmp_path}/python3.11" in done.stderr
        assert "TESTS=tests/dbt" in done.stderr
        assert done.returncode == 1
