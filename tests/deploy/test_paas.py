"""deploy/paas: every platform starts what the Procfile says. Nothing of it is run here."""

import json
import tomllib
from pathlib import Path

import yaml

from relay import supervisor
from relay.settings import WebSettings, WorkerSettings
from relay.variables import VARIABLES

ROOT = Path(__file__).parents[2]
PAAS = ROOT / "deploy" / "paas"
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
RENDER = yaml.safe_load((PAAS / "render.yaml").read_text())
FLY = tomllib.loads((PAAS / "fly.toml").read_text())
HEROKU = yaml.safe_load((PAAS / "heroku.yml").read_text())
RAILWAY_WEB = json.loads((PAAS / "railway.json").read_text())
RAILWAY_WORKER = json.loads((PAAS / "railway.worker.json").read_text())
RENDER_WEB, RENDER_WORKER = RENDER["services"]
SETTINGS = {name for each in VARIABLES for name in (each.name, *each.aliases)}


def required(role):
    return {variable.name for variable in role.required_variables()}


def test_every_platform_starts_what_the_procfile_says():
    commands = {
        "render": {
            "release": RENDER_WEB["preDeployCommand"],
            "web": RENDER_WEB["dockerCommand"],
            "worker": RENDER_WORKER["dockerCommand"],
        },
        "fly": {"release": FLY["deploy"]["release_command"], **FLY["processes"]},
        "heroku": {
            "release": HEROKU["release"]["command"][0],
            "web": HEROKU["run"]["web"],
            "worker": HEROKU["run"]["worker"]["command"][0],
        },
        "railway": {
            "release": RAILWAY_WEB["deploy"]["preDeployCommand"][0],
            "web": RAILWAY_WEB["deploy"]["startCommand"],
            "worker": RAILWAY_WORKER["deploy"]["startCommand"],
        },
    }
    assert commands == dict.fromkeys(commands, PROCFILE)
    assert RAILWAY_WORKER["deploy"]["preDeployCommand"] == [PROCFILE["release"]]


def test_every_platform_builds_the_dockerfile():
    for service in RENDER["services"]:
        assert (service["runtime"], service["dockerfilePath"]) == ("docker", "./Dockerfile")
    for railway in (RAILWAY_WEB, RAILWAY_WORKER):
        assert railway["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    assert HEROKU["build"]["docker"] == {"web": "Dockerfile"}
    assert "build" not in FLY  # its --dockerfile is in the command, from the repository's root


def test_every_platform_asks_whether_web_lives_not_whether_all_is_well():
    """/readyz fails without a worker and with a broken mapping; webhooks must be stored then."""
    (fly,) = FLY["http_service"]["checks"]
    assert fly["path"] == RENDER_WEB["healthCheckPath"] == "/healthz"
    assert RAILWAY_WEB["deploy"]["healthcheckPath"] == "/healthz"
    assert "healthcheckPath" not in RAILWAY_WORKER["deploy"]


def test_every_platform_that_can_gives_relay_the_time_that_it_needs_to_end():
    """Heroku gives 30 seconds, and nothing says otherwise."""
    graces = [each["maxShutdownDelaySeconds"] for each in RENDER["services"]]
    graces += [each["deploy"]["drainingSeconds"] for each in (RAILWAY_WEB, RAILWAY_WORKER)]
    graces.append(int(FLY["kill_timeout"].removesuffix("s")))
    assert all(grace > supervisor.DRAIN_SECONDS for grace in graces)
    assert FLY["kill_signal"] == "SIGTERM"


def test_fly_sends_requests_to_the_port_that_web_listens_on():
    assert FLY["http_service"]["internal_port"] == int(FLY["env"]["PORT"])
    assert FLY["http_service"]["processes"] == ["web"]
    assert FLY["http_service"]["auto_stop_machines"] == "off"


def test_render_asks_for_each_required_setting_once():
    web, worker = (
        {each["key"]: each for each in service["envVars"]} for service in RENDER["services"]
    )
    assert web.keys() | worker.keys() <= SETTINGS
    assert web.keys() >= required(WebSettings) | required(WorkerSettings)
    assert worker.keys() >= required(WorkerSettings)
    asked = [name for name, each in web.items() if each.get("sync") is False]
    for name in asked:
        if name in worker:
            assert worker[name]["fromService"]["envVarKey"] == name
    assert not any(each.get("sync") is False for each in worker.values())


def test_each_that_can_brings_a_postgresql():
    (database,) = RENDER["databases"]
    for service in RENDER["services"]:
        (url,) = [each for each in service["envVars"] if each["key"] == "RELAY_DATABASE_URL"]
        assert url["fromDatabase"]["name"] == database["name"]
    assert {"plan": "heroku-postgresql"} in HEROKU["setup"]["addons"]


def test_the_documents_say_that_nothing_of_it_is_run_by_a_test():
    page = (ROOT / "docs" / "deploy.md").read_text()
    for file in PAAS.iterdir():
        assert f"deploy/paas/{file.name}" in page
    section = page.partition("## A platform with a Procfile")[2].partition("\n## ")[0]
    assert "only parsed by a test" in section
