"""`relay check`: settings, mapping file and workspace keys, and selectors against a manifest."""

import json

import pytest
import yaml
from mappings import mapping_text, sync_entry

from relay.sandbox.recordings import load

PRODUCTION = {"environments": [187998]}
OF_A_WORKSPACE = mapping_text(
    sync_entry(1, "a", workspace="emea"),
    workspaces={"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}},
)


def of_production(mapping):
    """The same file, with the environment whose runs count."""
    content = yaml.safe_load(mapping.read_text()) | {"defaults": PRODUCTION}
    mapping.write_text(yaml.safe_dump(content))


class TestCheck:
    def test_reports_no_problem_if_there_is_none(self, command, mapping, required):
        result = command("check", RELAY_MAPPING=str(mapping), **required)
        assert result.exit_code == 0
        assert result.stdout == f"OK: 4 syncs in {mapping}\n"

    def test_reports_bad_settings_and_a_bad_mapping_together_and_exits_with_2(
        self, command, mapping
    ):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("check", RELAY_MAPPING=str(mapping), PORT="none")
        assert result.exit_code == 2
        for said in (
            "PORT:",
            "DBT_CLOUD_TOKEN: is not set",
            f"{mapping}:2:1: syncs: expected a list",
        ):
            assert said in result.stderr

    def test_exits_with_1_for_a_bad_mapping(self, command, mapping, required):
        mapping.write_text("version: 1\nsyncs: 5\n")
        assert command("check", RELAY_MAPPING=str(mapping), **required).exit_code == 1

    def test_requires_the_keys_of_the_workspaces(self, command, mapping, required):
        mapping.write_text(OF_A_WORKSPACE)
        result = command("check", RELAY_MAPPING=str(mapping), **required)
        assert result.exit_code == 1
        assert "CENSUS_API_KEY_EMEA: is not set" in result.stderr
        whole = required | {"CENSUS_API_KEY_EMEA": "a-key-of-emea", "RELAY_MAPPING": str(mapping)}
        assert command("check", **whole).exit_code == 0

    def test_reports_a_workspaces_key_that_cannot_be_read(self, command, mapping, required):
        mapping.write_text(OF_A_WORKSPACE)
        here = required | {"RELAY_MAPPING": str(mapping), "CENSUS_API_KEY_EMEA_FILE": "/no/such"}
        result = command("check", **here)
        assert result.exit_code == 1
        assert result.stderr.startswith("CENSUS_API_KEY_EMEA_FILE: /no/such cannot be read")

    @pytest.mark.parametrize("alone", [True, False])
    def test_refuses_a_workspace_at_a_host_that_the_operator_has_not_listed(
        self, command, mapping, required, alone
    ):
        mapping.write_text(
            mapping_text(
                sync_entry(1, "a", workspace="emea"),
                workspaces={
                    "emea": {"api_key_env": "CENSUS_API_KEY", "url": "https://keys.example.com"}
                },
            )
        )
        words = ["check", str(mapping)] if alone else ["check"]
        here = required | {"RELAY_MAPPING": str(mapping)}
        result = command(*words, **here)
        assert result.exit_code == 1
        assert "workspaces.emea.url: 'keys.example.com' is no host of Census" in result.stderr
        assert command(*words, **here, RELAY_CENSUS_HOSTS="keys.example.com").exit_code == 0

    def test_reports_the_keys_of_the_workspaces_with_all_other_problems(self, command, mapping):
        mapping.write_text(OF_A_WORKSPACE)
        result = command("check", RELAY_MAPPING=str(mapping), PORT="none", CENSUS_API_KEY="short")
        assert result.exit_code == 2
        said = [line.partition(":")[0] for line in result.stderr.splitlines()]
        assert {"PORT", "DBT_CLOUD_TOKEN", "CENSUS_API_KEY", "CENSUS_API_KEY_EMEA"} <= set(said)
        assert said.count("CENSUS_API_KEY") == 1

    def test_warns_of_a_variable_that_is_nearly_one_of_relays(self, command, mapping, required):
        here = required | {"RELAY_MAPPING": str(mapping), "RELAY_LOGLEVEL": "debug"}
        for settings, status in ((here, 0), ({**here, "PORT": "none"}, 2)):
            result = command("check", **settings)
            assert result.exit_code == status
            assert (
                "warning: RELAY_LOGLEVEL: relay reads no such variable; did you mean"
                " `RELAY_LOG_LEVEL`?\n" in result.stderr
            )

    def test_names_the_setting_only_where_the_setting_names_the_file(self, command, required):
        by_setting = command("check", RELAY_MAPPING="no/such.yml", **required)
        assert "no/such.yml: cannot be read: No such file or directory; is RELAY_MAPPING" in (
            by_setting.stderr
        )
        mistyped = command("check", "no/such.yml")
        assert mistyped.stderr == "no/such.yml: cannot be read: No such file or directory\n"

    def test_checks_only_the_file_that_is_named(self, command, mapping):
        assert command("check", str(mapping)).exit_code == 0
        assert command("check", str(mapping) + ".gone").exit_code == 1

    def test_treats_a_warning_as_a_problem_if_strict(self, command, mapping, required):
        of_production(mapping)
        here = required | {"RELAY_MAPPING": str(mapping)}
        result = command("check", "--strict", **here | {"CENSUS_API_VERSION": "v1"})
        assert result.exit_code == 1
        assert result.stderr.startswith("CENSUS_API_VERSION: v1 ")
        assert "2027-01-15" in result.stderr
        assert command("check", "--strict", **here).exit_code == 0
        assert command("check", "--strict", **here | {"PORT": "none"}).exit_code == 2

    def test_warns_of_v2_in_europe_where_the_sources_disagree(self, command, mapping, required):
        of_production(mapping)
        eu = {"RELAY_MAPPING": str(mapping), "CENSUS_URL": "https://app-eu.getcensus.com"}
        result = command("check", **required | eu | {"CENSUS_API_VERSION": "v2"})
        assert result.exit_code == 0
        assert result.stderr.startswith("warning: CENSUS_API_VERSION: v2 at https://app-eu.")
        assert "warning" not in command("check", **required | eu).stderr

    def test_prints_json(self, command, mapping):
        of_production(mapping)
        output = json.loads(command("check", str(mapping), "--json").stdout)
        assert output == {
            "mapping": str(mapping),
            "syncs": 4,
            "problems": [],
            "warnings": [],
            "exit_status": 0,
        }


class TestSyncsOfEveryEnvironment:
    """A job of staging builds the same models, and would trigger the production sync."""

    UNBOUND = (sync_entry(1, "a"), sync_entry(2, "a", enabled=False), sync_entry(3, "a"))

    def check(self, command, mapping, *entries, words=(), **sections):
        mapping.write_text(mapping_text(*entries, **sections))
        return command("check", str(mapping), *words)

    def test_are_one_warning_and_no_problem(self, command, mapping):
        result = self.check(command, mapping, *self.UNBOUND)
        assert result.exit_code == 0
        assert result.stderr.startswith(
            "warning: syncs 1, 3: neither `jobs` nor `environments` is set"
        )
        assert "write `defaults: {environments: [ID]}`" in result.stderr
        assert len(result.stderr.splitlines()) == 1

    def test_are_a_problem_if_strict(self, command, mapping):
        assert self.check(command, mapping, *self.UNBOUND, words=["--strict"]).exit_code == 1

    @pytest.mark.parametrize("defaults", [PRODUCTION, {"jobs": [278164]}])
    def test_are_none_where_the_defaults_say_which_runs_count(self, command, mapping, defaults):
        result = self.check(command, mapping, *self.UNBOUND, defaults=defaults)
        assert (result.exit_code, result.stderr) == (0, "")

    def test_nor_where_each_sync_says_so(self, command, mapping):
        bound = (sync_entry(1, "a", jobs=[5]), sync_entry(2, "a", environments=[6]))
        assert self.check(command, mapping, *bound).stderr == ""

    def test_are_named_up_to_twenty(self, command, mapping):
        result = self.check(command, mapping, *(sync_entry(n, "a") for n in range(1, 31)))
        assert "syncs 1, 2, 3, " in result.stderr
        assert " 20 and 10 more: neither" in result.stderr


class TestCheckWithAManifest:
    @pytest.fixture(name="manifest")
    def _manifest(self, tmp_path):
        path = tmp_path / "manifest.json"
        path.write_bytes(load("build").manifest)
        return path

    def check(self, command, mapping, manifest, *words, options=""):
        listed = ", ".join(f"'{word}'" for word in words)
        mapping.write_text(
            "defaults: {environments: [187998]}\n"
            "version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [customers]\n"
            f"  - sync_id: 2\n    depends_on: [{listed}]\n"
        )
        return command("check", str(mapping), "--manifest", str(manifest), *options.split())

    def test_reports_no_problem_if_every_selector_selects_something(
        self, command, mapping, manifest
    ):
        result = self.check(command, mapping, manifest, "tag:crm", "+fct_revenue", "dim_accounts")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_exits_with_1_for_selectors_that_select_nothing(self, command, mapping, manifest):
        result = self.check(command, mapping, manifest, "no_such", "tag:crm,tag:nobody")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [
            f"{mapping}:7:{place}: '{word}' selects nothing in this project"
            for place, word in (
                ("18: syncs[1].depends_on[0]", "no_such"),
                ("29: syncs[1].depends_on[1]", "tag:crm,tag:nobody"),
            )
        ]

    @pytest.mark.parametrize(
        ("word", "meant"),
        [
            ("custmers", "customers"),
            ("CUSTOMERS", "customers"),
            ("+custmers", "customers"),
            ("tag:crm,custmers", "customers"),
            ("model.jaffle_crm.custmers", "model.jaffle_crm.customers"),
        ],
    )
    def test_suggests_a_similar_name(self, command, mapping, manifest, word, meant):
        result = self.check(command, mapping, manifest, word)
        assert result.stderr.endswith(
            f"'{word}' selects nothing in this project; did you mean '{meant}'?\n"
        )

    @pytest.mark.parametrize("word", ["cust*ers_", "tag:custmers", "tag:nobody,customers"])
    def test_suggests_nothing_else(self, command, mapping, manifest, word):
        result = self.check(command, mapping, manifest, word)
        assert result.stderr.endswith(f"'{word}' selects nothing in this project\n")

    def test_warns_of_a_name_that_two_packages_have(self, command, mapping, manifest):
        with_another = json.loads(manifest.read_text())
        copy = dict(with_another["nodes"]["model.jaffle_crm.customers"])
        copy |= {"unique_id": "model.shop.customers", "package_name": "shop"}
        with_another["nodes"]["model.shop.customers"] = copy
        manifest.write_text(json.dumps(with_another))
        result = self.check(command, mapping, manifest, "model.shop.customers", "dim_accounts")
        assert result.exit_code == 0
        assert result.stderr == (
            f"warning: {mapping}:5:18: syncs[0].depends_on[0]: 'customers' is the name of several: "
            "model.jaffle_crm.customers, model.shop.customers; "
            "write the unique_id if you mean one\n"
        )

    @pytest.mark.parametrize(
        ("word", "said"),
        [
            ("legacy_customers", "is disabled"),
            ("model.jaffle_crm.legacy_customers", "is disabled"),
            ("legacy_*", "selects only what is disabled"),
            ("path:models/marts/legacy_customers.sql", "selects only what is disabled"),
        ],
    )
    def test_reports_a_selector_of_disabled_nodes_only(
        self, command, mapping, manifest, word, said
    ):
        result = self.check(command, mapping, manifest, "path:models/marts", word)
        assert result.exit_code == 1
        place = f"{mapping}:7:39: syncs[1].depends_on[1]"
        assert result.stderr == f"{place}: '{word}' {said} in this project\n"

    @pytest.mark.parametrize("disabled", [{}, None])
    def test_needs_no_list_of_disabled_nodes(self, command, mapping, manifest, disabled):
        with_another = json.loads(manifest.read_text()) | {"disabled": disabled}
        manifest.write_text(json.dumps(with_another))
        result = self.check(command, mapping, manifest, "legacy_customers")
        assert "'legacy_customers' selects nothing in this project" in result.stderr

    def test_warns_of_a_selector_that_selects_very_many(self, command, mapping, manifest):
        words = ["tag:crm", "resource_type:seed"]
        result = self.check(command, mapping, manifest, *words, options="--most 1")
        assert result.exit_code == 0
        assert [line.partition("depends_on")[2] for line in result.stderr.splitlines()] == [
            "[0]: 'tag:crm' selects 6 nodes, more than 1",
            "[1]: 'resource_type:seed' selects 2 nodes, more than 1",
        ]
        assert result.stderr.startswith(f"warning: {mapping}:7:18: syncs[1].depends_on[0]: ")
        assert self.check(command, mapping, manifest, *words, options="--most 6").stderr == ""

    def test_treats_warnings_as_problems_if_strict(self, command, mapping, manifest):
        strictly = "--most 1 --strict"
        result = self.check(command, mapping, manifest, "tag:crm", options=strictly)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{mapping}:7:18: syncs[1].depends_on[0]: 'tag:crm'")
        assert "OK" not in result.stdout
        fine = self.check(command, mapping, manifest, "customers", options=strictly)
        assert (fine.exit_code, fine.stderr) == (0, "")

    def test_prints_problems_and_warnings_as_json(self, command, mapping, manifest):
        words = ["tag:crm", "custmers", "legacy_customers"]
        result = self.check(command, mapping, manifest, *words, options="--most 1 --json")
        output = json.loads(result.stdout)
        assert (result.exit_code, output["exit_status"], output["syncs"]) == (1, 1, 2)
        assert [problem.partition("]: ")[2] for problem in output["problems"]] == [
            "'custmers' selects nothing in this project; did you mean 'customers'?",
            "'legacy_customers' is disabled in this project",
        ]
        (warning,) = output["warnings"]
        assert "'tag:crm' selects " in warning

    @pytest.mark.parametrize("options", ["--most 0", "--most many"])
    def test_exits_with_2_for_an_invalid_bound(self, command, mapping, manifest, options):
        assert self.check(command, mapping, manifest, "a", options=options).exit_code == 2

    @pytest.mark.parametrize("content", [b"<html>", b"{}", None])
    def test_exits_with_1_for_an_invalid_manifest(self, command, mapping, manifest, content):
        manifest.unlink() if content is None else manifest.write_bytes(content)
        result = self.check(command, mapping, manifest, "customers")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"{manifest}: ")

    def test_reports_a_bad_mapping_once(self, command, mapping, manifest):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("check", str(mapping), "--manifest", str(manifest))
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
