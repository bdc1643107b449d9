"""The file of a new sync is read whole, or every problem in it is told at once, with its place."""

import json
import textwrap

import msgspec
import pytest

from relay.census.sync_form import json_schema
from relay.census.sync_reader import read_sync
from relay.errors import BadSyncFile

GOOD = """\
label: customers to CRM
operation: upsert
source_attributes:
  connection_id: 4
  object: {type: table, table_catalog: A, table_schema: B, table_name: C}
destination_attributes: {connection_id: 15, object: user}
mappings:
  - {from: {type: column, data: ID}, to: external_id, is_primary_identifier: true}
"""
# "Create a new sync" of https://developers.getcensus.com/api-reference
DOCUMENTED = """\
{
  "label": "New Signups to Leads",
  "operation": "mirror",
  "destination_attributes": {"connection_id": 15, "object": "user_data"},
  "alert_attributes": [
    {
      "type": "FailureAlertConfiguration",
      "send_for": "first_time",
      "should_send_recovery": true,
      "options": null
    },
    {
      "type": "InvalidRecordPercentAlertConfiguration",
      "send_for": "every_time",
      "should_send_recovery": false,
      "options": {"threshold": 10}
    }
  ],
  "mappings": [
    {
      "from": {"type": "column", "data": "hashed_email"},
      "to": "user_identifier.hashed_email_PREHASHED",
      "is_primary_identifier": true
    },
    {
      "from": {"type": "column", "data": "list_id"},
      "to": "list_id",
      "lookup_object": "user_list",
      "lookup_field": "name"
    },
    {
      "from": {"type": "constant_value", "data": {"value": "cohort_1", "basic_type": "text"}},
      "to": "cohort"
    }
  ],
  "advanced_configuration": {"data_source_country": "US, GB", "bulk_id_lookup": true},
  "mode": {
    "type": "triggered",
    "triggers": {"schedule": {"frequency": "daily", "hour": 10, "minute": 30}}
  },
  "paused": false,
  "field_behavior": "sync_all_properties",
  "field_normalization": "snake_case",
  "field_order": "alphabetical_column_name",
  "sync_behavior_family": "activateEvents",
  "high_water_mark_attribute": "updated_at",
  "high_water_mark_attributes": {
    "use_high_water_mark_diff_type": true,
    "column_name": "updated_at"
  },
  "validate_only": true,
  "failed_run_notifications_enabled": false,
  "failed_record_notifications_enabled": false,
  "failed_record_notifications_threshold_percent": 10,
  "historical_sync_operation": "backfill_all_records",
  "mirror_strategy": "sync_updates_and_deletes",
  "source_attributes": {"connection_id": 12, "object": {"type": "dataset", "id": 123}}
}
"""
# The same of 2021, docs.getcensus.com "API"
OF_2021 = """\
{
    "label": "New Signups to Leads",
    "operation": "mirror",
    "schedule_frequency": "daily",
    "destination_attributes": {"connection_id": 15, "object": "user_data"},
    "source_attributes": {
        "connection_id": 12,
        "data_source": {"type": "model", "name": "test_ads"}
    },
    "mappings": [
        {"from": "hashed_email", "to": "x", "is_primary_identifier": true},
        {"from": {"value": "cohort_1", "type": "text"}, "to": "cohort"}
    ]
}
"""


def read(text):
    return read_sync(textwrap.dedent(text).encode(), file="sync.yml")


def sent(text):
    return json.loads(msgspec.json.encode(read(text).sync))


def problems(text):
    with pytest.raises(BadSyncFile) as refused:
        read(text)
    return [str(problem) for problem in refused.value.problems]


def warnings(text):
    return [str(warning) for warning in read(text).warnings]


def with_source(source):
    return GOOD.replace("{type: table, table_catalog: A, table_schema: B, table_name: C}", source)


def with_from(value):
    return GOOD.replace("{type: column, data: ID}", value)


def scheduled(frequency, cron_expression):
    schedule = f"      frequency: {frequency}\n      cron_expression: {cron_expression}\n"
    return f"{GOOD}mode:\n  type: triggered\n  triggers:\n    schedule:\n{schedule}"


def test_what_is_sent_says_of_itself_that_it_is_paused_and_has_no_alerts():
    assert sent(GOOD) == {
        "label": "customers to CRM",
        "operation": "upsert",
        "source_attributes": {
            "connection_id": 4,
            "object": {
                "type": "table",
                "table_catalog": "A",
                "table_schema": "B",
                "table_name": "C",
            },
        },
        "destination_attributes": {"connection_id": 15, "object": "user"},
        "mappings": [
            {
                "from": {"type": "column", "data": "ID"},
                "to": "external_id",
                "is_primary_identifier": True,
            }
        ],
        "alert_attributes": [],
        "paused": True,
        "validate_only": False,
    }


def test_the_documented_example_is_sent_as_it_is_written():
    assert sent(DOCUMENTED) == json.loads(DOCUMENTED)


def test_the_example_of_2021_is_sent_as_it_is_written():
    defaults = {"alert_attributes": [], "paused": True, "validate_only": False}
    assert sent(OF_2021) == json.loads(OF_2021) | defaults


@pytest.mark.parametrize(
    "source",
    [
        {"type": "table", "id": 902},
        {"type": "dataset", "id": 77},
        {"type": "model", "id": 15},
        {"type": "model", "name": "dim_customers"},
        {"type": "topic", "id": 3},
        {"type": "topic", "name": "clicks"},
    ],
)
def test_every_kind_of_source_is_sent(source):
    assert sent(with_source(json.dumps(source)))["source_attributes"]["object"] == source


@pytest.mark.parametrize("key", ["filter_segment_id", "cohort_id"])
def test_a_segment_or_cohort_is_named_beside_its_dataset(key):
    text = with_source(f"{{type: dataset, id: 77}}\n  {key}: 31")
    assert sent(text)["source_attributes"][key] == 31


@pytest.mark.parametrize(
    "value",
    [
        "ID",
        {"type": "column", "data": "ID"},
        {"type": "constant_value", "data": {"value": 5, "basic_type": "number"}},
        {"type": "constant_value", "data": {"value": None, "basic_type": "text"}},
        {"type": "sync_metadata", "data": "sync_run_id"},
        {"type": "segment_membership", "data": {"identify_by": "name"}},
        {"type": "liquid_template", "data": "{{ record['first_name'] | upcase }}"},
        {"type": "compound_key", "data": ["a", "b"]},
        {"type": "text", "value": "cohort_1"},
        {"type": "number", "value": 4.5},
        {"type": "boolean", "value": False},
        {"type": "datetime", "value": "2026-11-27T00:00:00Z"},
    ],
)
def test_every_form_of_a_value_is_sent(value):
    assert sent(with_from(json.dumps(value)))["mappings"][0]["from"] == value


def test_v2_names_the_destination_by_its_activation():
    text = GOOD.replace("connection_id: 15, ", "") + "activation_id: glimmering_donkey\n"
    assert sent(text)["activation_id"] == "glimmering_donkey"


@pytest.mark.parametrize(
    "mode",
    [
        {"schedule": {"frequency": "never"}},
        {"schedule": {"frequency": "weekly", "day": "Monday", "hour": 24, "minute": 59}},
        {"schedule": {"frequency": "expression", "cron_expression": "30 6 * * 1-5"}},
        {"schedule": {"frequency": "daily", "day": None, "hour": 3, "cron_expression": None}},
        {"dbt_cloud": {"project_id": "12345", "job_id": "278164"}},
        {"fivetran": {"job_id": "abc", "job_name": "load"}},
        {"sync_sequence": {"sync_id": 123}},
    ],
)
def test_every_trigger_is_sent(mode):
    written = {"type": "triggered", "triggers": mode}
    assert sent(f"{GOOD}mode: {json.dumps(written)}\n")["mode"] == written


def test_json_may_be_indented_with_tabs_and_write_a_character_as_two():
    text = DOCUMENTED.replace("  ", "\t").replace("New Signups", "\\ud83d\\ude00 \\\\ud83d")
    assert sent(text)["label"] == "\U0001f600 \\ud83d to Leads"


def test_a_problem_in_json_has_its_line_and_column():
    text = '{\n\t"label": "\\ud83d\\ude00",\n\t"operation": "mirro"\n}'
    assert problems(text)[-1].startswith("sync.yml:3:2: operation: invalid enum value 'mirro'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "sync.yml:1:1: the file is empty"),
        ("- a\n", "sync.yml:1:1: the file: expected keys and values, got a list"),
        ("label: [", "sync.yml:2:1: invalid YAML: "),
        ("[" * 2000, "sync.yml:1:1: invalid YAML: nested more than 50 levels deep"),
        (f"{GOOD}lable: x\n", "sync.yml:9:1: lable: unknown key; did you mean `label`?"),
        (f"{GOOD}label: x\n", "sync.yml:9:1: label: this key is written twice"),
        (
            GOOD.replace("upsert", "upsertt"),
            "sync.yml:2:1: operation: invalid enum value 'upsertt'; did you mean `upsert`?",
        ),
        (f"{GOOD}paused: 1\n", "sync.yml:9:1: paused: expected true or false, got a number"),
        (
            f"{GOOD}advanced_configuration: {{5: x}}\n",
            "sync.yml:9:1: advanced_configuration: a key: expected text, got a number",
        ),
        (
            GOOD.replace("connection_id: 4", "connection_id: 0"),
            "sync.yml:4:3: source_attributes.connection_id: expected a number >= 1",
        ),
        (
            GOOD.replace("connection_id: 4", "connection_id: 04"),
            "sync.yml:4:18: source_attributes.connection_id: YAML reads 04 as 4",
        ),
        (
            GOOD.replace("  connection_id: 4\n", ""),
            "sync.yml:3:1: source_attributes: `connection_id` is missing",
        ),
        (
            "\n".join(line for line in GOOD.splitlines() if "object: {type" not in line),
            "sync.yml:3:1: source_attributes: `object` is missing",
        ),
        (
            with_source("{id: 5}"),
            "sync.yml:5:3: source_attributes.object: `type` is missing: one of `table`, `dataset`",
        ),
        (
            with_source("{type: tabel, id: 5}"),
            "sync.yml:5:12: source_attributes.object.type: unknown type; did you mean `table`?",
        ),
        (
            with_source("{type: [table], id: 5}"),
            "sync.yml:5:12: source_attributes.object.type: unknown type; ",
        ),
        (
            with_source("{type: segment, id: 77}"),
            "sync.yml:5:12: source_attributes.object.type: unknown type; known are `table`, `dat",
        ),
        (
            with_source("{type: table, table_name: C, table_schema: B}"),
            "sync.yml:5:3: source_attributes.object: a table needs `id`, or all of `table_catalog`",
        ),
        (with_source("{type: dataset}"), "sync.yml:5:3: source_attributes.object: `id` is missing"),
        (
            with_source("{type: model}"),
            "sync.yml:5:3: source_attributes.object: a model needs `id` or `name`",
        ),
        (
            with_source("{type: topic}"),
            "sync.yml:5:3: source_attributes.object: a topic needs `id` or `name`",
        ),
        (
            with_source("{type: dataset, id: 1}\n  filter_segment_id: 3\n  cohort_id: 4"),
            "sync.yml:7:3: source_attributes.cohort_id: a sync reads a segment or a cohort",
        ),
        (
            with_source("{type: topic, id: 1}\n  cohort_id: 4"),
            "sync.yml:6:3: source_attributes.cohort_id: it goes with a dataset, and `object` is a",
        ),
        (
            GOOD.replace("connection_id: 15, ", ""),
            "sync.yml:6:1: destination_attributes: `connection_id` is missing (with v2",
        ),
        (
            GOOD.replace("object: user", 'object: ""'),
            "sync.yml:6:45: destination_attributes.object: expected text that is not empty",
        ),
        (
            GOOD.replace(", is_primary_identifier: true", ""),
            "sync.yml:7:1: mappings: one of them needs `is_primary_identifier: true`",
        ),
        (
            GOOD + "  - {from: a, to: b, is_primary_identifier: true}\n",
            "sync.yml:9:22: mappings[1].is_primary_identifier: mappings[0] is the primary",
        ),
        (
            GOOD.partition("mappings:")[0] + "mappings: []\n",
            "sync.yml:7:1: mappings: expected at least one item",
        ),
        (GOOD + "  - a\n", "sync.yml:9:5: mappings[1]: expected keys and values, got text"),
        (GOOD + "  - {to: b}\n", "sync.yml:9:5: mappings[1]: `from` is missing"),
        (with_from("5"), "sync.yml:8:6: mappings[0].from: expected text, or keys and values, got"),
        (with_from("{data: ID}"), "sync.yml:8:6: mappings[0].from: `type` is missing: one of"),
        (
            with_from("{type: colum, data: ID}"),
            "sync.yml:8:13: mappings[0].from.type: unknown type; did you mean `column`?",
        ),
        (
            with_from("{type: constant_value, data: x}"),
            "sync.yml:8:35: mappings[0].from.data: expected keys and values, got text",
        ),
        (
            with_from("{type: constant_value, data: {value: x}}"),
            "sync.yml:8:35: mappings[0].from.data: `basic_type` is missing",
        ),
        (
            f"{GOOD}alert_attributes: [{{type: Failure}}]\n",
            "sync.yml:9:21: alert_attributes[0].type: invalid enum value 'Failure'; known are",
        ),
        (
            f"{GOOD}mode: {{type: triggered, triggers: {{schedule: {{frequency: expression}}}}}}\n",
            "sync.yml:9:36: mode.triggers.schedule: `frequency: expression` needs",
        ),
        (
            scheduled("daily", "0 6 * * *"),
            "sync.yml:14:7: mode.triggers.schedule.cron_expression: it goes with",
        ),
        (
            scheduled("expression", "0 6 * *"),
            "sync.yml:14:7: mode.triggers.schedule.cron_expression: expected the five fields",
        ),
        (
            f"{GOOD}mode: {{type: triggered, triggers: {{dbt_cloud: {{job_id: 5}}}}}}\n",
            "sync.yml:9:36: mode.triggers.dbt_cloud: `project_id` is missing",
        ),
    ],
)
def test_a_problem_is_told_with_its_place(text, expected):
    assert any(problem.startswith(expected) for problem in problems(text)), problems(text)


def test_an_unknown_source_says_how_a_segment_is_written():
    (problem,) = problems(with_source("{type: segment, id: 77}"))
    assert problem.endswith("with `filter_segment_id` or `cohort_id` beside `object`")


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    lines = [
        "operation: mirro",
        "mappings:",
        "  - {from: {type: colum, data: a}, to: 5, is_primary_identifier: true}",
        "  - {from: {type: constant_value, data: 5}, is_primary_identifier: true}",
        "paused: 1",
    ]
    places = [problem.split(": ")[:2] for problem in problems("\n".join(lines))]
    assert [":".join(place) for place in places] == [
        "sync.yml:1:1:operation",
        "sync.yml:1:1:the file",
        "sync.yml:1:1:the file",
        "sync.yml:3:13:mappings[0].from.type",
        "sync.yml:3:36:mappings[0].to",
        "sync.yml:4:5:mappings[1]",
        "sync.yml:4:35:mappings[1].from.data",
        "sync.yml:4:45:mappings[1].is_primary_identifier",
        "sync.yml:5:1:paused",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "schedule_frequency: daily",
            "schedule_frequency: deprecated: write `mode.triggers.schedule.frequency`",
        ),
        ("schedule_day: Monday", "schedule_day: deprecated: write"),
        ("schedule_hour: 3", "schedule_hour: deprecated: write"),
        ("schedule_minute: 3", "schedule_minute: deprecated: write"),
        ('cron_expression: "0 6 * * *"', "cron_expression: deprecated: write"),
        ("trigger_on_dbt_cloud_rebuild: true", "trigger_on_dbt_cloud_rebuild: deprecated: leave"),
        ("high_water_mark_attributes: {}", "high_water_mark_attributes: deprecated: write"),
        (
            "failed_run_notifications_enabled: true",
            "failed_run_notifications_enabled: deprecated: no effect, because relay always sends",
        ),
        ("failed_record_notifications_enabled: true", "failed_record_notifications_enabled: "),
        (
            "failed_record_notifications_threshold_percent: 5",
            "failed_record_notifications_threshold_percent: ",
        ),
        (
            "mirror_strategy: upload_and_swap",
            "mirror_strategy: no effect: it counts only with `operation: mirror`",
        ),
        ("historical_sync_operation: skip_current_records", "historical_sync_operation: no effect"),
        ("high_water_mark_attribute: a", "high_water_mark_attribute: no effect"),
        ("field_normalization: snake_case", "field_normalization: no effect"),
        ("paused: false", "paused: the new sync may start at once"),
        ("mode: {type: live}", "mode.type: Census has retired live syncs"),
    ],
)
def test_what_a_person_should_know_is_a_warning_with_its_place(lines, expected):
    (warning,) = warnings(f"{GOOD}{lines}\n")
    assert warning.partition(": ")[0].startswith("sync.yml:9:")
    assert warning.partition(": ")[2].startswith(expected)


@pytest.mark.parametrize("trigger", ["dbt_cloud", "fivetran", "sync_sequence", "schedule"])
def test_a_trigger_of_its_own_would_run_the_sync_twice(trigger):
    triggers = {
        "dbt_cloud": {"project_id": "1", "job_id": "2"},
        "fivetran": {"job_id": "1", "job_name": "a"},
        "sync_sequence": {"sync_id": 1},
        "schedule": {"frequency": "hourly"},
    }
    mode = json.dumps({"type": "triggered", "triggers": {trigger: triggers[trigger]}})
    (warning,) = warnings(f"{GOOD}mode: {mode}\n")
    assert f"mode.triggers.{trigger}: Census starts this sync itself" in warning


def test_the_source_of_2021_says_what_to_write():
    text = GOOD.replace("object: {type: table", "data_source: {type: table")
    assert warnings(text) == [
        "sync.yml:5:3: source_attributes.data_source: deprecated: write `object`"
    ]


def test_a_good_file_has_no_warning():
    never = '{"type": "triggered", "triggers": {"schedule": {"frequency": "never"}}}'
    assert warnings(f"{GOOD}mode: {never}\n") == []


class TestTheJsonSchema:
    def test_knows_every_key_and_no_other(self):
        sync = json_schema()["$defs"]["NewSyncForm"]
        assert sync["additionalProperties"] is False
        assert set(json.loads(DOCUMENTED)) <= set(sync["properties"])
        assert sorted(sync["required"]) == [
            "destination_attributes",
            "mappings",
            "operation",
            "source_attributes",
        ]

    def test_says_what_is_deprecated_and_what_to_write_instead(self):
        key = json_schema()["$defs"]["NewSyncForm"]["properties"]["schedule_hour"]
        assert key["deprecated"] is True
        assert "mode.triggers.schedule.hour" in key["description"]
