"""`relay send`: a webhook's body is signed and delivered."""

import threading

import pytest
from sandbox_runs import night
from werkzeug.serving import make_server

from relay.sandbox import story
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder


class TestSend:
    @pytest.fixture(name="url")
    def _url(self, settings, database):
        recorder = Recorder(database)
        health = Health(database, settings)
        page = MetricsPage(database, settings, health)
        app = create_app(settings, recorder, health, page)
        server = make_server("127.0.0.1", 0, app)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.port}/webhooks/dbt"
        server.shutdown()
        thread.join()
        server.server_close()
        recorder.close()
        page.close()

    @pytest.fixture(name="event")
    def _event(self, sandbox, tmp_path):
        sandbox.dbt_cloud.add_run(night())
        path = tmp_path / "event.json"
        path.write_bytes(sandbox.dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID))
        return str(path)

    def test_delivers_an_event_as_dbt_cloud_does(self, command, url, event, required):
        result = command("send", event, "--to", url, **required)
        assert result.exit_code == 0
        assert 'HTTP 202 {"status":"accepted"' in result.stdout

    def test_exits_with_1_if_it_is_refused(self, command, url, event):
        result = command("send", event, "--to", url, DBT_CLOUD_WEBHOOK_SECRETS="another-secret")
        assert result.exit_code == 1
        assert "HTTP 401" in result.stdout

    def test_exits_with_1_if_nobody_answers(self, command, event, required):
        result = command("send", event, "--to", "http://127.0.0.1:1/webhooks/dbt", **required)
        assert result.exit_code == 1
        assert result.stderr == "Error: no connection to 127.0.0.1:1: Connection refused\n"

    @pytest.mark.parametrize("url", ["localhost:8080/webhooks/dbt", "x", "http://", "http://[::1"])
    def test_exits_with_2_for_what_is_no_url(self, command, event, required, url):
        result = command("send", event, "--to", url, **required)
        assert result.exit_code == 2
        assert "expected a URL, like https://relay.example.com/webhooks/dbt" in result.stderr

    def test_exits_with_2_without_a_secret_to_sign_with(self, command, event):
        result = command("send", event, "--to", "http://127.0.0.1:1/")
        assert result.exit_code == 2
        assert "DBT_CLOUD_WEBHOOK_SECRETS: is not set" in result.stderr

    @pytest.mark.parametrize("words", [["send"], ["send", "/no/such/file", "--to", "x"], ["dance"]])
    def test_exits_with_2_for_wrong_arguments(self, command, words):
        assert command(*words).exit_code == 2
