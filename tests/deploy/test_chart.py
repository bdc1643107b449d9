"""The Helm chart: what it says of itself is so, and what it renders is what Kubernetes accepts."""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from flask import Flask

from deploy import chart_tools
from relay import supervisor
from relay.dashboard.application import NO_PAGES, install
from relay.decision.mapping_reader import read_mapping
from relay.postgres.server import server_of
from relay.settings import DashboardSettings
from relay.variables import VARIABLES
from relay.worker import process as worker

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "relay"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
MINIMAL = CHART / "ci" / "minimal-values.yaml"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
README = (CHART / "README.md").read_text()
METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text())
PROCESSES = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line
)

SECRETS = {variable.name for variable in VARIABLES if variable.is_secret}
ALIVE_FILE = "RELAY_WORKER_ALIVE_FILE"
# Those that the chart sets itself, by what it mounts and opens.
OF_THE_CHART = {"RELAY_MAPPING", "RELAY_DATA_DIR", "PORT", ALIVE_FILE}
NAMED_BY_THE_MAPPING = {"CENSUS_API_KEY_EMEA", "RELAY_NOTIFY_DATA_ALERTS"}
OF_USERS = {"HTTPS_PROXY"}  # in `extraEnv` of a file of values


def leaves(values, above=""):
    """(dotted path, default) of each value; a group of resources or labels is one."""
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, dict) and value and name not in ("resources", "labels"):
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def objects(schema, above=""):
    """(dotted path, schema) of each object with named properties."""
    if "properties" in schema:
        yield above, schema
        for name, inner in schema["properties"].items():
            yield from objects(inner, f"{above}.{name}")


class TestWhatItSaysOfItself:
    def test_its_version_is_relays(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert METADATA["version"] == METADATA["appVersion"] == project["version"]
        assert METADATA["description"] == project["description"]

    def test_the_readme_has_every_value_with_its_default(self):
        rows = re.findall(r"^\| `([\w.]+)` \| .+ \| `(.+)` \|$", README, re.MULTILINE)
        assert {path: json.loads(default) for path, default in rows} == dict(leaves(VALUES))

    def test_the_schema_has_every_value_and_no_other(self):
        def with_free_names_left_out(schema, values):
            named = set(schema["properties"]) - {"global"}
            assert named == set(values)
            for name, inner in schema["properties"].items():
                if "properties" in inner and name not in ("settings", "secret", "resources"):
                    with_free_names_left_out(inner, values[name])

        with_free_names_left_out(SCHEMA, VALUES)

    def test_the_schema_refuses_what_it_does_not_name(self):
        loose = [path for path, each in objects(SCHEMA) if each["additionalProperties"]]
        assert loose == []

    def test_the_settings_are_relays_but_for_secrets_and_those_of_the_chart(self):
        named = set(SCHEMA["properties"]["settings"]["properties"])
        assert named == {each.name for each in VARIABLES} - SECRETS - OF_THE_CHART

    def test_the_secrets_are_relays(self):
        assert set(SCHEMA["properties"]["secret"]["properties"]) == SECRETS
        assert [name for name in SECRETS if f"`{name}`" not in README] == []

    def test_the_rules_and_the_dashboard_have_one_source(self):
        for file in ("relay.rules.yml", "relay-dashboard.json"):
            assert (CHART / "files" / file).resolve() == ROOT / "deploy" / "monitoring" / file

    def test_ci_renders_it_with_the_tools(self):
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
        assert workflow["jobs"]["chart"]["steps"][-1]["run"] == "make chart-test"
        assert "RELAY_CHART_TOOLS=required" in (ROOT / "Makefile").read_text()

    def test_there_are_four_files_of_values(self):
        assert len(CI) == 4


def tool(path):
    """The path, or a skipped test; `make chart-test` has fetched both."""
    if path is None:
        missing = "helm or kubernetes-validate is not here: `make chart-test` brings them"
        assert os.environ.get("RELAY_CHART_TOOLS") != "required", missing
        pytest.skip(missing)
    return path


def run_helm(*words):
    command = [tool(chart_tools.helm()), *map(str, words)]
    # Its own folders: no plugin or repository of the person who runs the tests.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def template(values, *words, chart=CHART):
    return run_helm("template", "demo", chart, "--namespace", "data", "-f", values, *words)


def render(values, *words):
    done = template(values, *words)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def of_kind(manifests, kind):
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests):
    """(name, spec) of every pod."""
    for each in manifests:
        spec = each.get("spec", {})
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, spec
        elif "template" in spec:
            yield name, spec["template"]["spec"]


def container(manifests, name):
    (spec,) = (spec for full, spec in pods(manifests) if full.endswith(name))
    (only,) = spec["containers"]
    return only


def environment(container):
    """Each variable's value, or `Secret/KEY`."""
    entries = {}
    for each in container.get("env", []):
        assert each["name"] not in entries
        source = each.get("valueFrom", {}).get("secretKeyRef")
        entries[each["name"]] = f"{source['name']}/{source['key']}" if source else each["value"]
    return entries


@pytest.fixture(name="manifests", params=CI, ids=lambda path: path.stem, scope="module")
def _manifests(request):
    return render(request.param)


@pytest.fixture(name="minimal", scope="module")
def _minimal():
    return render(MINIMAL)


@pytest.fixture(name="ingress", scope="module")
def _ingress():
    return render(CHART / "ci" / "ingress-values.yaml")


@pytest.fixture(name="monitored", scope="module")
def _monitored():
    return render(CHART / "ci" / "monitoring-values.yaml")


@pytest.fixture(name="locked", scope="module")
def _locked():
    return render(CHART / "ci" / "locked-down-values.yaml")


class TestEveryFileOfValues:
    @pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
    def test_lints_without_a_warning(self, values):
        done = run_helm("lint", "--strict", CHART, "-f", values)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
    def test_is_what_kubernetes_accepts(self, values, tmp_path):
        rendered = tmp_path / "rendered.yaml"
        rendered.write_text(template(values).stdout)
        command = [tool(chart_tools.validator()), "--strict", rendered]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        count = sum(each is not None for each in yaml.safe_load_all(rendered.read_text()))
        # The Prometheus Operator's kinds are not Kubernetes' own.
        assert said.count(" passed for resource ") + said.count("find schema for kind ") == count
        unknown = set(re.findall(r"find schema for kind (\w+)", said))
        assert unknown <= {"ServiceMonitor", "PrometheusRule"}

    def test_gives_every_pod_the_restricted_security(self, manifests):
        for name, spec in pods(manifests):
            assert spec["automountServiceAccountToken"] is False, name
            assert spec["enableServiceLinks"] is False, name
            assert spec["securityContext"]["runAsNonRoot"] is True, name
            assert spec["securityContext"]["runAsUser"] == 10001, name
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            for each in spec["containers"]:
                assert each["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, name
                assert {"cpu", "memory"} <= set(each["resources"]["requests"]), name
                assert "memory" in each["resources"]["limits"], name
                assert not each["image"].endswith(":latest"), name
            for volume in spec.get("volumes", []):
                assert "hostPath" not in volume
                assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name

    def test_names_only_variables_that_relay_reads(self, manifests):
        known = {each.name for each in VARIABLES} | NAMED_BY_THE_MAPPING | OF_USERS
        for name, spec in pods(manifests):
            for each in spec["containers"]:
                assert set(environment(each)) <= known, name

    def test_tells_no_secret_in_a_pod(self, manifests):
        for _, spec in pods(manifests):
            for each in spec["containers"]:
                given = environment(each)
                assert all("/" in given[name] for name in given if name in SECRETS)
                assert "password" not in json.dumps(each)

    def test_starts_what_the_procfile_starts(self, manifests):
        for process, name in (("release", "-migrate"), ("web", "-web"), ("worker", "-worker")):
            assert " ".join(container(manifests, name)["command"]) == PROCESSES[process]

    def test_gives_every_process_the_time_it_needs_to_end(self, manifests):
        for deployment in of_kind(manifests, "Deployment").values():
            grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            assert grace >= 30 > max(worker.EXIT_SECONDS, supervisor.DRAIN_SECONDS)

    def test_has_a_budget_and_a_spread_for_each_deployment(self, manifests):
        budgets = of_kind(manifests, "PodDisruptionBudget")
        deployments = of_kind(manifests, "Deployment")
        assert set(budgets) == set(deployments)
        for name, deployment in deployments.items():
            labels = deployment["spec"]["selector"]["matchLabels"]
            pod = deployment["spec"]["template"]
            assert labels.items() <= pod["metadata"]["labels"].items()
            assert budgets[name]["spec"]["maxUnavailable"] == 1
            assert budgets[name]["spec"]["selector"]["matchLabels"] == labels
            for spread in pod["spec"]["topologySpreadConstraints"]:
                assert spread["labelSelector"]["matchLabels"] == labels

    def test_probes_web_by_what_only_it_can_mend(self, manifests):
        web = container(manifests, "-web")
        paths = {
            probe: web[probe]["httpGet"]["path"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert paths == {
            "startupProbe": "/healthz",
            "livenessProbe": "/healthz",
            "readinessProbe": "/readyz/deliveries",
        }
        assert web["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
        assert "readinessProbe" not in container(manifests, "-worker")

    def test_mounts_the_mapping_as_a_folder(self, manifests):
        for name in ("-web", "-worker"):
            each = container(manifests, name)
            (mount,) = (mount for mount in each["volumeMounts"] if mount["name"] == "mapping")
            assert mount == {"name": "mapping", "mountPath": "/etc/relay", "readOnly": True}
            assert Path(environment(each)["RELAY_MAPPING"]).parent == Path("/etc/relay")

    def test_runs_the_migration_before_everything_else(self, manifests):
        (job,) = of_kind(manifests, "Job").values()
        notes = job["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert set(environment(container(manifests, "-migrate"))) - OF_USERS == {
            "RELAY_DATABASE_URL"
        }
        # What the Job needs of the chart comes before it.
        for each in manifests:
            hook = each["metadata"].get("annotations", {})
            if each["kind"] != "Job" and "helm.sh/hook-weight" in hook:
                assert int(hook["helm.sh/hook-weight"]) < int(notes["helm.sh/hook-weight"])


class TestATrial:
    def test_its_mapping_is_one_that_relay_reads(self, minimal):
        (config,) = of_kind(minimal, "ConfigMap").values()
        (name,) = config["data"]
        mapping = read_mapping(config["data"][name].encode(), file=name)
        assert [sync.sync_id for sync in mapping.syncs] == [5123]
        assert environment(container(minimal, "-worker"))["RELAY_MAPPING"] == f"/etc/relay/{name}"

    def test_a_large_number_stays_one(self, minimal):
        assert environment(container(minimal, "-web"))["DBT_CLOUD_ACCOUNT_ID"] == "70403103916848"

    def test_the_job_has_the_new_url_before_the_release_has_its_secret(self, minimal):
        secrets = of_kind(minimal, "Secret")
        source = environment(container(minimal, "-migrate"))["RELAY_DATABASE_URL"]
        name = source.partition("/")[0]
        assert "helm.sh/hook" in secrets[name]["metadata"]["annotations"]
        assert list(secrets[name]["stringData"]) == ["RELAY_DATABASE_URL"]

    def test_another_secret_restarts_the_pods_and_another_mapping_does_not(self, minimal):
        def pod_templates(manifests):
            deployments = of_kind(manifests, "Deployment")
            return [each["spec"]["template"] for each in deployments.values()]

        other = render(MINIMAL, "--set", "secret.CENSUS_API_KEY=another")
        assert pod_templates(other) != pod_templates(minimal)
        other = render(MINIMAL, "--set", "mapping.content=syncs: []")
        assert pod_templates(other) == pod_templates(minimal)
        assert other != minimal

    def test_has_two_of_each(self, minimal):
        replicas = [each["spec"]["replicas"] for each in of_kind(minimal, "Deployment").values()]
        assert replicas == [2, 2]

    def test_opens_nothing(self, minimal):
        kinds = {each["kind"] for each in minimal}
        assert not kinds & {"Ingress", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"}
        assert "HorizontalPodAutoscaler" not in kinds
        assert "RELAY_ADMIN_TOKEN" not in environment(container(minimal, "-web"))


class TestTheProbeOfAWorker:
    def probe(self, manifests, file):
        each = container(manifests, "-worker")
        command = each["livenessProbe"]["exec"]["command"]
        alive_file = environment(each)[ALIVE_FILE]
        assert alive_file in command[-1]
        assert "/tmp" in [mount["mountPath"] for mount in each["volumeMounts"]]
        words = [word.replace(alive_file, str(file)) for word in command]
        return subprocess.run(words, capture_output=True, check=False).returncode

    def test_fails_for_an_old_file_and_for_none(self, minimal, tmp_path):
        file = tmp_path / "alive"
        assert self.probe(minimal, file) != 0
        file.touch()
        assert self.probe(minimal, file) == 0
        changed = file.stat().st_mtime - 61
        os.utime(file, (changed, changed))
        assert self.probe(minimal, file) != 0


class TestAnIngress:
    def test_lets_in_the_webhook_and_nothing_else(self, ingress):
        (rule,) = of_kind(ingress, "Ingress")["demo-relay"]["spec"]["rules"]
        paths = [(each["path"], each["pathType"]) for each in rule["http"]["paths"]]
        assert paths == [("/webhooks/dbt", "Exact")]

    def test_the_dashboards_lets_in_every_page_and_nothing_else(self, ingress):
        """But for the JSON of lists, whose dot some controllers refuse in a path."""
        (rule,) = of_kind(ingress, "Ingress")["demo-relay-dashboard"]["spec"]["rules"]
        routes = {(each["path"], each["pathType"]) for each in rule["http"]["paths"]}

        def is_let_in(path):
            first = f"/{path.split('/')[1]}"
            return (path, "Exact") in routes or (first, "Prefix") in routes

        pages = {rule for rule in dashboard_rules() if not re.fullmatch(r"/[\w-]*\.json", rule)}
        assert [page for page in pages if not is_let_in(page)] == []
        assert [path for path in NO_PAGES if is_let_in(path)] == []
        firsts = {f"/{page.split('/')[1]}" for page in pages}
        assert {path for path, _ in routes} == firsts

    def test_the_dashboards_host_is_in_its_links(self, ingress):
        for name in ("-web", "-worker"):
            given = environment(container(ingress, name))
            assert given["RELAY_URL"] == "https://relay.internal.example.com"

    def test_secrets_come_from_where_the_values_say(self, ingress):
        web = environment(container(ingress, "-web"))
        assert web["RELAY_DATABASE_URL"] == "relay-db-app/uri"
        assert web["RELAY_ADMIN_TOKEN"] == "relay/RELAY_ADMIN_TOKEN"
        given = environment(container(ingress, "-worker"))
        assert given["RELAY_NOTIFY_DATA_ALERTS"] == "relay/RELAY_NOTIFY_DATA_ALERTS"
        assert of_kind(ingress, "Secret") == {}

    def test_web_which_the_internet_reaches_has_no_key_of_a_vendor(self, ingress):
        web = set(environment(container(ingress, "-web")))
        assert not web & {"DBT_CLOUD_TOKEN", "CENSUS_API_KEY", *NAMED_BY_THE_MAPPING}

    def test_an_image_may_be_named_by_its_digest(self, ingress):
        assert re.fullmatch(r"[\w./-]+@sha256:0{64}", container(ingress, "-web")["image"])


def dashboard_rules():
    """The routes of the dashboard."""
    settings = DashboardSettings.from_environment(
        {
            "DBT_CLOUD_ACCOUNT_ID": "66847",
            "RELAY_ADMIN_TOKEN": "a" * 32,
            "RELAY_DATABASE_URL": "postgresql:///nothing",
        }
    )
    app = Flask("relay", static_folder=None)
    install(app, server_of(settings), settings, lambda: None)
    return {rule.rule for rule in app.url_map.iter_rules()}


class TestMonitoring:
    def test_the_rules_are_those_of_the_repository(self, monitored):
        (rule,) = of_kind(monitored, "PrometheusRule").values()
        text = (ROOT / "deploy" / "monitoring" / "relay.rules.yml").read_text()
        text = text.replace("https://github.com/OWNER/relay", "https://github.com/example/relay")
        assert rule["spec"] == yaml.safe_load(text)
        assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"

    def test_the_dashboard_is_that_of_the_repository(self, monitored):
        config = of_kind(monitored, "ConfigMap")["demo-relay-dashboard"]
        text = (ROOT / "deploy" / "monitoring" / "relay-dashboard.json").read_text()
        assert json.loads(config["data"]["relay-dashboard.json"]) == json.loads(text)
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"

    def test_the_monitor_scrapes_every_web_with_the_token(self, monitored):
        (monitor,) = of_kind(monitored, "ServiceMonitor").values()
        (service,) = of_kind(monitored, "Service").values()
        selected = monitor["spec"]["selector"]["matchLabels"]
        assert selected.items() <= service["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] == service["spec"]["ports"][0]["name"]
        assert endpoint["path"] == "/metrics"
        key = endpoint["authorization"]["credentials"]
        web = environment(container(monitored, "-web"))
        assert web["RELAY_METRICS_TOKEN"] == f"{key['name']}/{key['key']}"

    def test_an_autoscaler_leaves_the_number_of_webs_to_itself(self, monitored):
        web = of_kind(monitored, "Deployment")["demo-relay-web"]
        assert "replicas" not in web["spec"]
        (scaler,) = of_kind(monitored, "HorizontalPodAutoscaler").values()
        assert scaler["spec"]["scaleTargetRef"]["name"] == "demo-relay-web"

    def test_the_package_holds_the_files_and_not_the_links(self, tmp_path):
        done = run_helm("package", CHART, "--destination", tmp_path)
        assert done.returncode == 0, done.stderr
        (package,) = tmp_path.glob("relay-*.tgz")
        with tarfile.open(package) as archive:
            for file in ("relay.rules.yml", "relay-dashboard.json"):
                packed = archive.extractfile(f"relay/files/{file}").read()
                assert packed == (ROOT / "deploy" / "monitoring" / file).read_bytes()
        values = CHART / "ci" / "monitoring-values.yaml"
        assert template(values, chart=package).stdout == template(values).stdout

    def test_a_copy_without_the_links_says_so(self, tmp_path):
        copy = tmp_path / "relay"
        shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("files"))
        done = template(CHART / "ci" / "monitoring-values.yaml", chart=copy)
        assert done.returncode != 0
        assert "files/relay.rules.yml is not in this copy of the chart" in done.stderr


def targets(policy):
    """The ports that a policy lets out, with whether that is to any address."""
    return {
        (port["port"], "to" not in rule)
        for rule in policy["spec"]["egress"]
        for port in rule["ports"]
    }


class TestNetworkPolicies:
    def test_only_a_worker_reaches_the_vendors(self, locked):
        policies = of_kind(locked, "NetworkPolicy")
        assert targets(policies["census-relay-web"]) == {(53, False), (6432, False)}
        assert targets(policies["census-relay-migrate"]) == {(53, False), (6432, False)}
        worker_targets = targets(policies["census-relay-worker"])
        assert worker_targets == {(53, False), (6432, False), (443, False), (3128, False)}

    def test_by_default_a_worker_reaches_any_address_on_443(self):
        peer = "networkPolicy.webFrom[0].podSelector.matchLabels.app=nginx"
        rendered = render(MINIMAL, "--set", "networkPolicy.enabled=true", "--set", peer)
        policy = of_kind(rendered, "NetworkPolicy")["demo-relay-worker"]
        assert targets(policy) == {(53, True), (5432, True), (443, True)}

    def test_nobody_reaches_a_worker(self, locked):
        spec = of_kind(locked, "NetworkPolicy")["census-relay-worker"]["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in spec

    def test_web_is_reached_by_those_named_and_the_test(self, locked):
        (rule,) = of_kind(locked, "NetworkPolicy")["census-relay-web"]["spec"]["ingress"]
        assert rule["ports"] == [{"port": "http"}]
        assert len(rule["from"]) == 3
        (test,) = of_kind(locked, "Pod").values()
        selected = rule["from"][-1]["podSelector"]["matchLabels"]
        assert selected.items() <= test["metadata"]["labels"].items()

    def test_every_pod_has_one(self, locked):
        policies = of_kind(locked, "NetworkPolicy").values()
        selectors = [each["spec"]["podSelector"]["matchLabels"] for each in policies]
        labels = [each["metadata"]["labels"] for each in of_kind(locked, "Pod").values()]
        labels += [
            each["spec"]["template"]["metadata"]["labels"]
            for each in locked
            if "template" in each.get("spec", {})
        ]
        assert len(labels) == 4
        for pod in labels:
            assert sum(each.items() <= pod.items() for each in selectors) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("image.repository=ghcr.io/OWNER/relay", "image.repository: replace OWNER"),
        ("image.tag=latest", "image.tag: name a version, not latest"),
        ("secret.RELAY_DATABASE_URL=", "this chart needs an external PostgreSQL"),
        ("secret.CENSUS_API_KEY=", "secret.CENSUS_API_KEY is not set"),
        ("existingSecret=relay", "existingSecret and secret: give only one of them"),
        ("secret=null", "existingSecret: name a Secret with the keys DBT_CLOUD_WEBHOOK_SECRETS"),
        ("extraSecretKeys={RELAY_NOTIFY_A}", "extraSecretKeys: RELAY_NOTIFY_A is not in secret"),
        ("extraSecretKeys={AWS_SECRET}", "'/extraSecretKeys/0': 'AWS_SECRET' does not match"),
        ("settings=null", "settings.DBT_CLOUD_URL is not set"),
        ("settings.DBT_CLOUD_URL=", "settings.DBT_CLOUD_URL is not set"),
        ("settings.DBT_CLOUD_TOKEN=a", "'/settings': additional properties 'DBT_CLOUD_TOKEN'"),
        ("settings.RELAY_DRYRUN=true", "'/settings': additional properties 'RELAY_DRYRUN'"),
        ("mapping.content=", "mapping: give the mapping file"),
        ("mapping.existingConfigMap=a", "mapping.content and mapping.existingConfigMap: give only"),
        ("mapping.content=syncs: [", "mapping.content is not a mapping file"),
        ("mapping.content=models: []", "mapping.content has no `syncs`"),
        ("ingress.enabled=true", "ingress.host is not set"),
        ("dashboard.enabled=true", "secret.RELAY_ADMIN_TOKEN is not set"),
        ("dashboard.ingress.enabled=true", "the dashboard is off"),
        ("metrics.authorization=true", "secret.RELAY_METRICS_TOKEN is not set"),
        ("networkPolicy.enabled=true", "networkPolicy.webFrom: say who may reach web"),
        ("terminationGracePeriodSeconds=10", "'/terminationGracePeriodSeconds': minimum: got 10"),
        ("embedded=true", "additional properties 'embedded' not allowed"),
        ("worker.replica=3", "'/worker': additional properties 'replica' not allowed"),
        ("web.replicas=two", "'/web/replicas': got string, want integer"),
        ("web.autoscaling.enabled=true,web.autoscaling.minReplicas=9", "larger than maxReplicas"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_do(changes, said):
    done = template(MINIMAL, "--set", changes)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_dashboard_may_not_share_the_webhooks_host():
    values = CHART / "ci" / "ingress-values.yaml"
    done = template(values, "--set", "dashboard.ingress.host=relay.example.com")
    assert "dashboard.ingress.host is the webhook's host" in done.stderr


def test_all_that_has_to_be_given_is_said_at_once():
    done = run_helm("template", "demo", CHART)
    missing = (
        *("image.repository: replace OWNER", "existingSecret: name a Secret"),
        *("settings.DBT_CLOUD_URL is", "settings.DBT_CLOUD_ACCOUNT_ID is", "mapping: give the"),
    )
    assert [each for each in missing if each not in done.stderr] == []


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_notes_name_what_is_there(values):
    done = run_helm("install", "demo", CHART, "-f", values, "--dry-run=client", "--hide-secret")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    deployments = set(re.findall(r"deploy/([\w-]+)", notes))
    assert deployments <= set(of_kind(render(values), "Deployment"))
    assert "relay check --online" in notes
