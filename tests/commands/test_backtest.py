"""`relay backtest`: what it prints, and how it ends."""

import json

import pytest
from past_week import NIGHT, Past

from relay.sandbox import story
from relay.sandbox.wire import Status


@pytest.fixture(name="past")
def _past():
    past = Past()
    with past.sandbox:
        past.runs = past.happen()
        yield past


@pytest.fixture(name="there")
def _there(past, tmp_path):
    (tmp_path / "syncs.yml").write_text(story.MAPPING)
    return past.settings(tmp_path)


def lines_of(result):
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


class TestItsOutput:
    def test_has_the_totals_then_a_row_for_each_sync_then_the_differences(self, command, there):
        result = command("backtest", "--since", "12h", **there)
        assert result.exit_code == 0, result.output
        lines = lines_of(result)
        assert "dbt runs: 4 ended, 4 read (0 from the cache), 0 could not be read;" in lines[2]
        places = [
            lines.index("sync runs 13 5"),
            next(at for at, line in enumerate(lines) if line.startswith("5123 customers to")),
            lines.index("Differences: 17"),
        ]
        assert places == sorted(places)

    def test_names_the_runs_and_the_reason_of_a_difference(self, command, there, past):
        lines = lines_of(command("backtest", "--since", "12h", **there))
        (line,) = [line for line in lines if f"{past.runs['model_failed']} its models" in line]
        assert "model failed" in line
        assert str(NIGHT + 1) in line
        assert "model.jaffle_crm.customers" in line
        assert any("h sooner" in line or "m sooner" in line for line in lines)

    def test_says_what_is_assumed(self, command, there):
        text = command("backtest", "--since", "12h", **there).stdout
        assert "relay hears of a dbt run 30s after its end" in text
        assert "3 syncs have no completed run" in text

    def test_lists_some_differences_and_all_if_asked(self, command, there, past):
        for number in range(40):
            past.dbt_run(10 + number)
            past.pass_by(20)
        short = command("backtest", "--since", "12h", **there).stdout
        long = command("backtest", "--since", "12h", "--all", **there).stdout
        assert "--all lists them" in short
        assert "--all lists them" not in long
        assert len(long.splitlines()) > len(short.splitlines()) + 20

    def test_is_the_whole_report_as_json(self, command, there, past):
        report = json.loads(command("backtest", "--since", "12h", "--json", **there).stdout)
        assert report["totals"]["real"] == 5
        assert report["totals"]["faults"]["unchanged"] == 3
        assert {one["sync_id"] for one in report["syncs"]} == {5123, 5124, 5125, 5126}
        assert report["decisions"][0]["dbt_run_id"] == NIGHT
        kinds = [one["kind"] for one in report["differences"] if one["sync_run_id"]]
        assert kinds[0] == "unchanged"


class TestItsEnd:
    def test_is_1_if_something_could_not_be_read_which_it_names(self, command, there, past):
        past.sandbox.dbt_cloud.fail_next(f"/runs/{NIGHT}/", Status(404), times=9)
        past.sandbox.census.fail_next("/syncs/5124/", Status(403), times=9)
        result = command("backtest", "--since", "12h", **there)
        assert result.exit_code == 1
        assert f"dbt run {NIGHT}, ended" in result.stdout
        assert "sync 5124" in result.stdout

    def test_is_1_with_a_sentence_if_the_runs_cannot_be_listed(self, command, there, past):
        past.sandbox.dbt_cloud.fail_next("/runs/", Status(401))
        result = command("backtest", "--since", "12h", **there)
        assert result.exit_code == 1
        assert "is DBT_CLOUD_TOKEN right?" in result.stderr

    @pytest.mark.parametrize("words", [(), ("--since", "soon")])
    def test_is_2_without_a_time(self, command, there, words):
        assert command("backtest", *words, **there).exit_code == 2

    def test_is_2_without_settings(self, command):
        assert command("backtest", "--since", "7d").exit_code == 2


def test_it_keeps_what_it_reads_and_makes_no_database(command, there, tmp_path):
    command("backtest", "--since", "12h", **there)
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["backtest"]
    named = {**there, "RELAY_DATA_DIR": str(tmp_path / "never")}
    command("backtest", "--since", "12h", "--cache", str(tmp_path / "mine"), **named)
    assert list((tmp_path / "mine").glob("*.run"))
    assert not (tmp_path / "never").exists()
