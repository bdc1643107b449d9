"""GitHub's workflows: pinned, with few permissions, and a release that follows from its tests."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
TOOLS = ROOT / ".venv-ci" / "bin"
# Our own workflow, of the same commit.
LOCAL = "./.github/workflows/"


def jobs():
    """Each job of each workflow, with its name for a person."""
    return [
        pytest.param(job, id=f"{file.stem}:{name}")
        for file in FILES
        for name, job in yaml.safe_load(file.read_text())["jobs"].items()
    ]


def steps_with(job, action):
    return [step for step in job.get("steps", ()) if step.get("uses", "").startswith(action)]


class TestEveryWorkflow:
    @pytest.mark.parametrize("file", [*FILES, ROOT / "docs" / "ci.md"], ids=lambda path: path.name)
    def test_an_action_is_a_commit_and_the_version_that_it_is(self, file):
        uses = re.findall(r"^ *(?:- )?uses: (.*)$", file.read_text(), re.MULTILINE)
        foreign = [each for each in uses if not each.startswith(LOCAL)]
        assert foreign
        pinned = r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert [each for each in foreign if not re.fullmatch(pinned, each)] == []

    def test_an_action_is_the_same_commit_wherever_it_is_used(self):
        text = "".join(file.read_text() for file in FILES)
        pins = set(re.findall(r"uses: ([\w-]+/[\w-]+)(@.*)", text))
        assert len(pins) == len({action for action, _ in pins})

    @pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
    def test_nothing_is_permitted_but_what_a_job_asks_for(self, file):
        assert yaml.safe_load(file.read_text())["permissions"] == {}

    @pytest.mark.parametrize("job", jobs())
    def test_a_job_names_its_permissions(self, job):
        assert isinstance(job["permissions"], dict)
        assert job["permissions"]

    @pytest.mark.parametrize("job", jobs())
    def test_a_job_ends(self, job):
        """One that calls a workflow may have no limit; the called one's jobs have."""
        assert ("timeout-minutes" in job) != job.get("uses", "").startswith(LOCAL)

    @pytest.mark.parametrize("job", jobs())
    def test_a_checkout_leaves_no_token_behind(self, job):
        for step in steps_with(job, "actions/checkout@"):
            assert step["with"]["persist-credentials"] is False

    @pytest.mark.parametrize("job", jobs())
    def test_a_shell_is_given_no_text_of_github(self, job):
        """An expression in a script is put in before a shell reads it; a variable is not."""
        assert [step["run"] for step in job.get("steps", ()) if "${{" in step.get("run", "")] == []

    @pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
    def test_a_script_is_one_that_bash_can_read(self, file):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            for step in job.get("steps", ()):
                script = step.get("run", "")
                done = subprocess.run(["bash", "-n", "-c", script], check=False)
                assert done.returncode == 0, script

    def test_every_target_of_make_exists(self):
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        text = "".join(file.read_text() for file in FILES)
        assert set(re.findall(r"run: make ([\w-]+)", text)) <= targets

    @pytest.mark.parametrize(
        "command",
        [
            ("zizmor", "--offline", "--quiet", *FILES),
            ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *FILES),
        ],
        ids=lambda command: command[0],
    )
    def test_the_tools_of_ci_find_nothing(self, command):
        program = shutil.which(command[0], path=TOOLS)
        if program is None:
            pytest.skip(
                f"{command[0]} is not in {TOOLS}: `make lint-workflows` installs and runs it"
            )
        done = subprocess.run(
            [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


class TestTheRelease:
    JOBS = RELEASE["jobs"]

    def test_a_tag_of_a_version_makes_it_and_nothing_else(self):
        assert RELEASE[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` so

    def test_its_tests_are_those_of_every_push(self):
        assert self.JOBS["tests"]["uses"] == f"{LOCAL}ci.yml"
        ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
        assert "workflow_call" in ci[True]

    def before(self, name):
        """The jobs that must have succeeded before this one."""
        needs = self.JOBS[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(self.before, direct))

    @pytest.mark.parametrize("name", sorted(RELEASE["jobs"].keys() - {"tests", "version"}))
    def test_nothing_is_published_before_tests_and_version_are_right(self, name):
        assert {"tests", "version"} <= self.before(name)

    def test_pypi_is_last_because_an_upload_is_final(self):
        assert self.before("pypi") == self.JOBS.keys() - {"pypi"}

    def test_pypi_is_told_who_uploads_by_github_and_only_if_somebody_wanted_it(self):
        job = self.JOBS["pypi"]
        assert job["environment"] == "pypi"
        assert job["if"] == "vars.PYPI == 'yes'"
        assert job["permissions"] == {"contents": "read", "id-token": "write"}
        assert "--trusted-publishing always" in job["steps"][-1]["run"]
        assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text()

    def test_only_the_page_may_write_to_the_repository(self):
        writers = {name for name, job in self.JOBS.items() if may_write(job, "contents")}
        assert writers == {"release"}

    def test_only_image_and_chart_may_be_pushed(self):
        writers = {name for name, job in self.JOBS.items() if may_write(job, "packages")}
        assert writers == {"image", "chart"}

    def test_the_image_is_for_both_architectures_with_sbom_and_provenance(self):
        (step,) = steps_with(self.JOBS["image"], "docker/build-push-action@")
        assert step["with"]["platforms"] == "linux/amd64,linux/arm64"
        assert step["with"]["sbom"] is True
        assert step["with"]["provenance"] == "mode=max"

    @pytest.mark.parametrize("name", ["image", "chart"])
    def test_what_is_pushed_is_signed_and_attested_by_digest(self, name):
        job = self.JOBS[name]
        (sign,) = [step for step in job["steps"] if "cosign sign" in step.get("run", "")]
        assert "@$DIGEST" in sign["run"]
        (attest,) = steps_with(job, "actions/attest@")
        assert attest["with"]["subject-digest"] == sign["env"]["DIGEST"]

    @pytest.mark.parametrize("name", sorted(RELEASE["jobs"].keys() - {"tests"}))
    def test_nothing_that_is_published_comes_from_a_cache(self, name):
        """A cache can be written by a run for any branch."""
        for step in steps_with(self.JOBS[name], "actions/setup-python@"):
            assert "cache" not in step["with"]

    def test_every_file_of_the_page_has_a_checksum(self):
        """A name of each kind, as `make dist` and `make sbom` write them."""
        (sums,) = [
            s["run"] for s in self.JOBS["packages"]["steps"] if "sha256sum" in s.get("run", "")
        ]
        for name in ("-py3-none-any.whl", ".tar.gz", ".cdx.json", "requirements.txt"):
            assert name in sums


def may_write(job, what):
    return job["permissions"].get(what) == "write"
