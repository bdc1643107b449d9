"""`relay config`: the settings in effect."""

import json

from relay.sandbox import story


class TestConfig:
    def test_shows_the_settings_with_secrets_redacted(self, command, required):
        result = command("config", **required)
        assert result.exit_code == 0
        assert "DBT_CLOUD_TOKEN=***" in result.stdout
        assert "RELAY_FOLLOW_DEADLINE=6h" in result.stdout
        assert story.DBT_TOKEN not in result.output

    def test_prints_json(self, command, required):
        output = json.loads(command("config", "--json", **required).stdout)
        assert output["CENSUS_API_KEY"] == "***"
        assert output["PORT"] == 8080

    def test_exits_with_2_and_an_explanation_for_bad_settings(self, command):
        result = command("config", PORT="none", RELAY_LOG_FORMAT="xml")
        assert result.exit_code == 2
        assert "PORT: expected a positive number" in result.stderr
        assert "RELAY_LOG_FORMAT: expected one of" in result.stderr
        assert "Traceback" not in result.output
