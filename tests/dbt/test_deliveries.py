"""A delivery becomes an Event only if it is genuine, and about a finished run of our account."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.deliveries import Event, sign
from relay.errors import NotForUs, NotGenuine
from relay.sandbox import story, webhooks

SECRET = b"the-secret"
ACCOUNT = story.DBT_ACCOUNT_ID
KEPT_SINCE = datetime(2023, 5, 1, tzinfo=UTC)

# A delivery captured in 2023, with the old word order and eight digits of a second.
CAPTURED = (
    b'{"accountId":66847,"eventId":"wev_2QSUzWMSv40ow7s8n8TfVPVnYua",'
    b'"timestamp":"2023-05-29T07:52:18.06660617Z","eventType":"job.run.completed",'
    b'"webhookId":"wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc","webhookName":"Flask app","data":'
    b'{"jobId":"278164","jobName":"Snowflake Project Job","runId":"155144666",'
    b'"environmentId":"187998","environmentName":"Deployment 1.4","dbtVersion":"1.4.6",'
    b'"projectName":"Snowflake 2","projectId":"241251","runStatus":"Success",'
    b'"runStatusCode":10,"runStatusMessage":"None","runReason":"Kicked off from UI",'
    b'"runStartedAt":"2023-05-29T07:51:56Z","runFinishedAt":"2023-05-29T07:52:15Z"}}'
)


def signature(body, secret=SECRET):
    return sign(body, secret)


def read(body, header=None, secrets=(SECRET,), account=ACCOUNT, not_before=KEPT_SINCE):
    header = signature(body) if header is None else header
    return Event.from_delivery(
        body, header, secrets=secrets, dbt_account_id=account, not_before=not_before
    )


def changed(**changes):
    """The captured payload with other top-level values; `data` is merged, None takes a key away."""
    payload = json.loads(CAPTURED)
    data = changes.pop("data", {})
    payload.update(changes)
    payload["data"] |= data
    for where in (payload, payload["data"]):
        for key in [key for key, value in where.items() if value is None]:
            del where[key]
    return json.dumps(payload).encode()


class TestSignature:
    def test_a_genuine_delivery_is_an_event(self):
        assert read(CAPTURED) == Event(
            event_id="wev_2QSUzWMSv40ow7s8n8TfVPVnYua",
            dbt_account_id=66847,
            dbt_run_id=155144666,
        )

    def test_any_of_several_secrets_proves_it(self):
        assert read(CAPTURED, secrets=(b"another", SECRET, b"third"))

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            ("", "malformed_signature"),
            ("0" * 64, "wrong_signature"),
            ("0" * 63, "malformed_signature"),
            ("0" * 62, "malformed_signature"),
            ("0" * 66, "malformed_signature"),
            ("é" * 64, "malformed_signature"),
            (" ".join(["00"] * 32), "malformed_signature"),
            ("00" * 32 + "\n", "malformed_signature"),
            (f"sha256={signature(CAPTURED)}", "malformed_signature"),
            (f"Bearer {signature(CAPTURED)}", "malformed_signature"),
            (signature(CAPTURED + b" "), "wrong_signature"),
            (signature(CAPTURED, b"another secret"), "wrong_signature"),
        ],
    )
    def test_anything_but_the_right_signature_is_refused(self, header, reason):
        with pytest.raises(NotGenuine) as refused:
            read(CAPTURED, header)
        assert refused.value.reason == reason

    def test_none_at_all_is_refused(self):
        with pytest.raises(NotGenuine, match="no_signature"):
            Event.from_delivery(
                CAPTURED,
                None,
                secrets=(SECRET,),
                dbt_account_id=ACCOUNT,
                not_before=KEPT_SINCE,
            )

    def test_the_right_signature_is_never_disclosed(self):
        with pytest.raises(NotGenuine) as refused:
            read(CAPTURED, "0" * 64)
        assert signature(CAPTURED) not in repr(refused.value)
        assert refused.value.__context__ is None

    @given(st.binary(max_size=200), st.text(max_size=80))
    def test_nothing_a_stranger_sends_is_an_event(self, body, header):
        with pytest.raises(NotGenuine):
            read(body, header)


class TestWhatIsNotForUs:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "unreadable"),
            (b"{", "unreadable"),
            (CAPTURED[:-1], "unreadable"),
            (b"\xff" + CAPTURED, "unreadable"),
            (b'{"eventType":"a","unknown":"\xff"}', "unreadable"),
            (b'{"deep":' + b"[" * 100_000, "unreadable"),
            (b"[]", "not_an_event"),
            (b"{}", "not_an_event"),
            (b'"job.run.completed"', "not_an_event"),
            (changed(eventType="job.run.started"), "other_event_type"),
            (changed(eventType="job.run.errored"), "other_event_type"),
            (changed(eventType="job.run.imagined"), "other_event_type"),
            (changed(accountId=[66847]), "not_an_event"),
            (changed(accountId=1), "other_account"),
            (changed(accountId="66848"), "other_account"),
            (changed(accountId=None), "other_account"),
            (changed(data={"runId": None}), "no_run_id"),
            (changed(data={"runId": ""}), "no_run_id"),
            (changed(data={"runId": "0"}), "no_run_id"),
            (changed(data={"runId": "-5"}), "no_run_id"),
            (changed(data={"runId": "12a"}), "no_run_id"),
            (changed(data={"runId": "٣"}), "no_run_id"),
            (changed(data={"runId": "9" * 40}), "no_run_id"),
            (changed(data={"runId": 2**63}), "no_run_id"),
            (changed(data={"runStatus": None, "runStatusCode": None}), "no_run_status"),
            (changed(timestamp="2023-04-30T23:59:59Z"), "too_old"),
            (changed(timestamp="2023-04-30 23:59:59.123456789+00:00"), "too_old"),
            (changed(data={"runFinishedAt": "2023-04-30T23:59:59Z"}), "too_old"),
            (changed(timestamp=None, data={"runFinishedAt": "2023-01-01T00:00:00Z"}), "too_old"),
        ],
    )
    def test_it_is_ignored_with_a_reason(self, body, reason):
        with pytest.raises(NotForUs) as ignored:
            read(body)
        assert ignored.value.reason == reason

    def test_the_test_button_of_dbt_cloud_is_ignored(self, clock):
        body = webhooks.endpoint_test_event(dbt_account_id=ACCOUNT, at=clock())
        with pytest.raises(NotForUs, match="no_run_status"):
            read(body)


class TestWhatIs:
    @pytest.mark.parametrize(
        "body",
        [
            changed(data={"runId": 155144666}),
            changed(accountId="66847"),
            changed(webhookId=None, webhooksID="wsu_old"),
            changed(data={"runStatus": "Errored", "runStatusCode": 20}),
            changed(data={"runStatus": "Canceled", "runStatusCode": 30, "runFinishedAt": None}),
            changed(data={"runStatus": None}),
            changed(somethingNew={"deep": [1]}),
            changed(timestamp="2023-05-01T00:00:00Z"),
            changed(data={"runFinishedAt": "1970-01-01T00:00:00Z"}),  # dbt Cloud's "not known"
            changed(timestamp=1685346738, data={"runFinishedAt": ["soon"]}),
            changed(timestamp="soon"),
            changed(data={"jobName": "a lone \ud83d surrogate"}),
        ],
    )
    def test_however_dbt_cloud_words_the_rest(self, body):
        assert read(body).dbt_run_id == 155144666

    @pytest.mark.parametrize("event_id", [None, "", "nul\0inside", "\u202e", "x" * 201])
    def test_one_without_a_usable_event_id_is_known_by_its_run(self, event_id):
        event = read(changed(eventId=event_id))
        assert (event.event_id, event.dbt_run_id) == (None, 155144666)
