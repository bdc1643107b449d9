"""`relay mapping`: what it prints, writes and leaves alone."""

import json

import pytest
import yaml
from sandbox_runs import night

from relay.decision.mapping_reader import read_mapping
from relay.sandbox.recordings import load

PRODUCTION = 187998


@pytest.fixture(name="manifest")
def _manifest(tmp_path):
    """A manifest.json whose exposures name two syncs, one of them with no id."""
    content = json.loads(load("build").manifest)
    exposures = content["exposures"]
    exposures["exposure.jaffle_crm.account_sync"]["config"]["meta"] = {"census": {"sync_id": 5200}}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(content))
    return path


class TestFromManifest:
    def test_prints_a_mapping_file_without_any_settings(self, command, manifest):
        result = command("mapping", "from-manifest", "--manifest", str(manifest))
        assert result.exit_code == 0
        (sync,) = read_mapping(result.stdout.encode(), file="x").syncs
        assert (sync.sync_id, sync.name) == (5200, "Accounts in the CRM")
        assert [selector.text for selector in sync.depends_on] == ["exposure:account_sync"]
        assert result.stderr == (
            "1 sync: 1 mapped, 0 of them by a guess; 0 to settle (# ask:); 0 not mapped\n"
        )

    def test_writes_a_new_file_and_no_other(self, command, manifest, tmp_path):
        out = tmp_path / "new.yml"
        words = ("mapping", "from-manifest", "--manifest", str(manifest), "--out", str(out))
        assert command(*words).exit_code == 0
        text = out.read_text()
        out.write_text("mine")
        again = command(*words)
        assert again.exit_code == 1
        assert "File exists" in again.stderr
        assert again.stdout == text
        assert out.read_text() == "mine"

    def test_adds_what_a_file_lacks(self, command, manifest, mapping):
        before = mapping.read_text()
        words = ("mapping", "from-manifest", "--manifest", str(manifest), "--append", str(mapping))
        assert command(*words).exit_code == 0
        assert mapping.read_text().startswith(before)
        assert command("check", str(mapping), "--manifest", str(manifest)).exit_code == 0
        again = command(*words)
        assert (again.exit_code, again.stderr) == (
            0,
            f"{mapping} lacks nothing: it is as it was.\n",
        )

    def test_prints_what_it_cannot_add(self, command, manifest, mapping):
        text = "version: 1\nsyncs: [{sync_id: 1, depends_on: [a]}]\n"
        mapping.write_text(text)
        words = ("mapping", "from-manifest", "--manifest", str(manifest), "--append", str(mapping))
        result = command(*words)
        assert result.exit_code == 1
        assert f"{mapping} cannot be added to" in result.stderr
        assert "  - sync_id: 5200\n" in result.stdout
        assert mapping.read_text() == text

    def test_names_an_exposure_with_no_id_and_exits_with_1(self, command, manifest):
        manifest.write_text(manifest.read_text().replace('"sync_id": 5200', '"sync_id": "x"'))
        result = command("mapping", "from-manifest", "--manifest", str(manifest))
        assert result.exit_code == 1
        assert "account_sync: meta.census.sync_id is 'x'" in result.stderr

    def test_takes_the_newest_manifest_of_dbt_cloud(self, command, here, sandbox):
        sandbox.dbt_cloud.add_run(night())
        result = command("mapping", "from-manifest", **here)
        assert result.exit_code == 0
        assert f"environments: [{PRODUCTION}]" in result.stdout

    @pytest.mark.parametrize("content", ["{", "[]"])
    def test_says_what_is_wrong_with_a_file(self, command, tmp_path, content):
        path = tmp_path / "manifest.json"
        path.write_text(content)
        result = command("mapping", "from-manifest", "--manifest", str(path))
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: {path}: ")

    def test_refuses_two_places_to_write_to(self, command):
        result = command("mapping", "from-manifest", "--out", "a.yml", "--append", "b.yml")
        assert result.exit_code == 2


class TestToExposures:
    @pytest.fixture(name="run")
    def _run(self, command, mapping, manifest):
        words = ("mapping", "to-exposures", str(mapping), "--manifest", str(manifest))
        return lambda *more, **variables: command(*words, *more, **variables)

    def test_prints_one_for_each_sync(self, run):
        result = run()
        assert result.exit_code == 0
        exposures = yaml.safe_load(result.stdout)["exposures"]
        assert [one["config"]["meta"]["census"]["sync_id"] for one in exposures] == [
            5123, 5124, 5125, 5126,
        ]  # fmt: skip
        assert exposures[0]["owner"] == {"name": "data team"}
        assert exposures[0]["url"] == "https://app.getcensus.com/syncs/5123"

    def test_takes_an_owner_and_the_address_of_census(self, run):
        eu = "https://app-eu.getcensus.com"
        result = run("--owner-email", "crm@example.com", CENSUS_URL=eu)
        exposure = yaml.safe_load(result.stdout)["exposures"][0]
        assert exposure["owner"] == {"email": "crm@example.com"}
        assert exposure["url"] == f"{eu}/syncs/5123"

    def test_says_what_it_leaves_out(self, run, mapping):
        mapping.write_text(mapping.read_text().replace("[customers]", "[nothing]"))
        result = run()
        assert result.stderr == (
            "left out: sync 5123: its `depends_on` selects nothing in this project\n"
        )

    def test_writes_a_new_file_and_no_other(self, run, tmp_path):
        out = tmp_path / "exposures.yml"
        assert run("--out", str(out)).exit_code == 0
        assert len(yaml.safe_load(out.read_text())["exposures"]) == 4
        assert run("--out", str(out)).exit_code == 1

    def test_refuses_a_mapping_file_that_cannot_be_read(self, run, mapping):
        mapping.write_text("version: 1\nsyncs: 5\n")
        assert run().exit_code == 1
