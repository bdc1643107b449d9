"""Every answer of Census becomes a value or a clear error."""

import contextlib
import json
from datetime import UTC, datetime

import pytest

from relay.errors import BadArtifact, Rejected, Unanswered, Unavailable
from relay.notation import LARGEST_ID, LONGEST_MESSAGE, printable
from relay.sandbox import story
from relay.sandbox.census import SandboxCensus
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.wire import Body, Status
from relay.secret import Secret
from relay.sync_runs import Outcome, SyncRun
from relay.vendors.census import ApiVersion, Census
from relay.vendors.transport import Transport


def census_of(sandbox, *, version="v1", key=story.CENSUS_API_KEY):
    transport = Transport(
        vendor="Census",
        setting="CENSUS_URL",
        base_url=sandbox.census.url,
        token=Secret(key),
        read_seconds=5,
        connections=1,
    )
    return Census(transport, api_version=ApiVersion(transport, version))


@pytest.fixture(name="census", params=["v1", "v2"])
def _census(request, sandbox):
    return census_of(sandbox, version=request.param)


class TestTriggering:
    def test_returns_the_sync_run_id(self, census, sandbox):
        sync_run_id = census.trigger_sync(5123)
        assert sandbox.census.sync_run(sync_run_id).sync_id == 5123

    def test_asks_for_a_full_sync_only_when_told(self, census, sandbox):
        census.trigger_sync(5123)
        census.trigger_sync(5124, full_sync=True)
        plain, full = sandbox.census.requests_to("/trigger")
        assert plain.query == ""
        assert full.query == "force_full_sync=true"

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Body(b'{"status":"error","message":"The sync is paused"}'), "The sync is paused"),
            (
                Body(b'{"status": 404}', status=404),
                'HTTP 404: {"status": 404}; is sync_id 5123 right, and in this workspace?',
            ),
            (Body(b"", 404), "HTTP 404; is sync_id 5123 right"),
            (Body(b"", 403), "HTTP 403; is the API key right?"),
            (Body(b"HTTP Basic: Access denied.", 401, "text/plain"), "is the API key right?"),
            (Body(b'{"status": 404}'), "HTTP 200"),
            (Body(b'{"status":"not_found","data":null}'), "HTTP 200: "),
            (Body(b'{"status":"success","data":{"sync_run_id":9}}', 422), "HTTP 422"),
            (Status(400), "HTTP 400"),
            (Status(403), "is the API key right?"),
            (Status(409), "HTTP 409"),
            (Body(b"", 302), "redirected to an address that the response does not contain"),
            (Body(b"", 304), "is CENSUS_URL right?"),
        ],
    )
    def test_a_refusal_is_told_in_census_own_words(self, census, sandbox, answer, said):
        sandbox.census.fail_next("/trigger", answer)
        with pytest.raises(Rejected) as refused:
            census.trigger_sync(5123)
        assert said in str(refused.value)

    @pytest.mark.parametrize(
        "answer",
        [
            Body(b""),
            Body(b"<html>Welcome</html>", 200, "text/html"),
            Body(b'{"status":"success","data":{}}'),
            Body(b'{"status":"success","data":{"sync_run_id":true}}'),
            Body(b'{"status":"success","data":{"sync_run_id":0}}'),
            Body(b'{"status":"success","data":{"sync_run_id":-9}}'),
            Body(b'{"status":"success","data":{"sync_run_id":9.0}}'),
            Body(b'{"status":"success","data":{"sync_run_id":9223372036854775808}}'),
            Body(b'{"status":"success","data":{"sync_run_id":"9223372036854775808"}}'),
            Body(b'{"status":"success","data":{"sync_run_id":"%s"}}' % (b"9" * 5000)),
            Body(b'{"status":"success","data":{"sync_run_id":"0"}}'),
            Body(b'{"status":"success","data":{"sync_run_id":" 9"}}'),
            Body(b'{"status":"success","data":{"sync_run_id":"-9"}}'),
            Body(b'{"status":"success","data":{"sync_run_id":"1e3"}}'),
            Body('{"status":"success","data":{"sync_run_id":"\u0669"}}'.encode()),
            Body(b'{"status":"success","data":null}'),
            Body(b'{"status":"success","data":{"sync_run_id":9'),
            Body(b'{"status":"created","data":{"sync_run_id":9}}'),
            Body(b'{"status":"success","data":{"sync_run_id":"\xff"}}'),
            Body(b'{"data":' + b"[" * 9999),
        ],
    )
    def test_a_success_without_a_run_may_have_started_one(self, census, sandbox, answer):
        sandbox.census.fail_next("/trigger", answer)
        with pytest.raises(Unanswered, match="HTTP 200"):
            census.trigger_sync(5123)

    @pytest.mark.parametrize("data", [b'{"sync_run_id":"90004"}', b'{"sync_run_id":90004}'])
    def test_the_id_may_come_as_text(self, census, sandbox, data):
        answer = Body(b'{"status":"success","data":%s}' % data)
        sandbox.census.fail_next("/trigger", answer)
        assert census.trigger_sync(5123) == 90004

    def test_the_largest_id_is_what_the_database_holds(self, census, sandbox):
        answer = Body(b'{"status":"success","data":{"sync_run_id":9223372036854775807}}')
        sandbox.census.fail_next("/trigger", answer)
        assert census.trigger_sync(5123) == LARGEST_ID

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (
                rb'{"status":"error","message":"no\u0000thing\n\u202edone"}',
                r": no\x00thing \u202edone",
            ),
            (rb'{"status":"error","message":"cut \ud83d"}', r": cut \ud83d"),
            (b"\x1b]0;title\x07 refused", r": \x1b]0;title\x07 refused"),
        ],
    )
    def test_a_refusal_can_be_stored_and_printed(self, census, sandbox, answer, said):
        sandbox.census.fail_next("/trigger", Body(answer, 422))
        with pytest.raises(Rejected) as refused:
            census.trigger_sync(5123)
        assert str(refused.value).endswith(said)

    def test_a_long_refusal_is_cut(self, census, sandbox):
        answer = Body(b'{"status":"error","message":"%s"}' % (b"no " * 5000))
        sandbox.census.fail_next("/trigger", answer)
        with pytest.raises(Rejected) as refused:
            census.trigger_sync(5123)
        assert len(str(refused.value)) < LONGEST_MESSAGE + 50

    def test_a_run_is_started_whatever_else_its_answer_holds(self, census, sandbox):
        """A lone surrogate is no JSON to a strict reader."""
        answer = Body(rb'{"status":"success","message":"\ud83d","data":{"sync_run_id":9}}')
        sandbox.census.fail_next("/trigger", answer)
        assert census.trigger_sync(5123) == 9

    def test_a_paused_sync_says_so(self, census, sandbox):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=6000,
                label="paused",
                source="customers",
                destination_object="Contact",
                paused=True,
            )
        )
        with pytest.raises(Rejected, match="paused"):
            census.trigger_sync(6000)

    def test_a_5xx_may_have_started_one(self, census, sandbox):
        sandbox.census.fail_next("/trigger", Status(502))
        with pytest.raises(Unanswered):
            census.trigger_sync(5123)


class TestASyncRun:
    @pytest.mark.parametrize(
        ("end", "outcome"),
        [
            ({}, Outcome.COMPLETED),
            ({"records_failed": 1}, Outcome.COMPLETED_WITH_REJECTS),
            ({"records_invalid": 1}, Outcome.COMPLETED_WITH_REJECTS),
            ({"status": "failed"}, Outcome.FAILED),
            ({"canceled": True}, Outcome.CANCELED),
        ],
    )
    def test_ends_in_an_outcome(self, census, sandbox, end, outcome):
        sync_run_id = census.trigger_sync(5123)
        sandbox.census.finish(sync_run_id, **end)
        assert census.get_sync_run(sync_run_id).outcome is outcome

    def test_goes_on_until_then(self, census, clock):
        sync_run_id = census.trigger_sync(5123)
        assert census.get_sync_run(sync_run_id).status == "queued"
        clock.tick(5)
        run = census.get_sync_run(sync_run_id)
        assert (run.status, run.outcome) == ("working", None)

    def test_is_skipped_while_another_one_goes(self, census):
        census.trigger_sync(5123)
        assert census.get_sync_run(census.trigger_sync(5123)).outcome is Outcome.SKIPPED

    @pytest.mark.parametrize("word", ["canceled", "cancelled"])
    def test_a_word_for_canceled_ends_it_without_the_flag(self, census, sandbox, word):
        data = b'{"status":"success","data":{"id":7,"status":"%s"}}' % word.encode()
        sandbox.census.fail_next("/sync_runs/7", Body(data))
        run = census.get_sync_run(7)
        assert (run.outcome, run.has_unknown_status) == (Outcome.CANCELED, False)

    @pytest.mark.parametrize(
        "escape", [r"\u0000", r"\ud83d", r"\u001b[2J", r"\u202e", r"\udc00\ud800"]
    )
    def test_what_it_says_can_be_stored_and_printed(self, census, sandbox, escape):
        said = "x".join(["a", escape, "b" * 1000])
        data = json.dumps({"id": 7, "status": "@", "error_code": "@", "error_message": "@"})
        body = f'{{"status":"success","data":{data}}}'.replace("@", said)
        sandbox.census.fail_next("/sync_runs/7", Body(body.encode()))
        run = census.get_sync_run(7)
        for text in (run.status, run.error_code, run.error_message):
            assert printable(text) == text
            assert text.startswith("ax\\")
            assert len(text) <= LONGEST_MESSAGE

    def test_the_details_of_an_error_are_not_read(self, census, sandbox):
        """They hold values of records."""
        data = b'{"id":7,"status":"failed","error_message":"no","error_detail":"jane@example.com"}'
        sandbox.census.fail_next("/sync_runs/7", Body(b'{"status":"success","data":%s}' % data))
        assert "jane" not in repr(census.get_sync_run(7))

    @pytest.mark.parametrize("word", ["preparing", "unknown", "retrying", "reticulating"])
    def test_an_unknown_word_is_no_end(self, census, sandbox, word):
        sync_run_id = census.trigger_sync(5123)
        sandbox.census.set_status(sync_run_id, word)
        run = census.get_sync_run(sync_run_id)
        assert run.outcome is None
        assert run.has_unknown_status

    def test_the_oldest_documented_answer_has_no_id(self, census, sandbox):
        old = (
            b'{"status":"success","data":{"error_message":null,"records_failed":15,'
            b'"records_invalid":5,"records_processed":100,"records_updated":80,'
            b'"status":"completed"}}'
        )
        sandbox.census.fail_next("/sync_runs/7", Body(old))
        run = census.get_sync_run(7)
        assert run.outcome is Outcome.COMPLETED_WITH_REJECTS
        assert (run.sync_run_id, run.records_updated, run.records_invalid) == (7, 80, 5)

    def test_the_newest_name_of_the_invalid_records_is_read_too(self, census, sandbox):
        new = (
            b'{"status":"success","data":{"id":7,"status":"completed","source_record_invalids":2}}'
        )
        sandbox.census.fail_next("/sync_runs/7", Body(new))
        assert census.get_sync_run(7).records_invalid == 2

    def test_one_nobody_knows_is_rejected(self, sandbox):
        census = census_of(sandbox, version="v1")
        with pytest.raises(Rejected) as unknown:
            census.get_sync_run(404404)
        assert unknown.value.http_status == 404

    @pytest.mark.parametrize(
        "data",
        [
            b'{"id":1}',
            b'{"status":5}',
            b'{"id":1,"status":"completed","canceled":"perhaps"}',
            b'{"id":1,"status":"completed","canceled":1}',
            b'{"id":0,"status":"completed"}',
            b'{"id":9223372036854775808,"status":"completed"}',
            b'{"id":"x","status":"completed"}',
        ],
    )
    def test_one_of_another_shape_is_a_bad_artifact(self, census, sandbox, data):
        sandbox.census.fail_next("/sync_runs/1", Body(b'{"status":"success","data":' + data + b"}"))
        with pytest.raises(BadArtifact):
            census.get_sync_run(1)

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            ("success", r"its data cannot be read: .*canceled"),
            ("fine", r"^Census answered HTTP 200: status 'fine'$"),
            ("error", r"^Census answered HTTP 200: status 'error'$"),
        ],
    )
    def test_records_in_an_answer_that_cannot_be_read_are_not_repeated(
        self, census, sandbox, status, said
    ):
        """`error_detail` holds values of records, and problems are logged and stored."""
        run = {"error_detail": "ada@example.com", "id": 1, "status": "failed", "canceled": 1}
        body = json.dumps({"status": status, "data": run}).encode()
        sandbox.census.fail_next("/sync_runs/1", Body(body))
        with pytest.raises((BadArtifact, Rejected), match=said) as told:
            census.get_sync_run(1)
        assert "ada@example.com" not in str(told.value)

    @pytest.mark.parametrize(
        "odd",
        [
            b'"error_message":{"a":1}',
            b'"error_code":{}',
            b'"error_code":1.5',
            b'"created_at":1700000000',
            b'"created_at":["soon"]',
            b'"records_processed":1.5',
            b'"records_processed":-1',
            b'"records_processed":"many"',
            b'"records_processed":true',
            b'"records_processed":10000000000000000000',
            b'"records_processed":1%s' % (b"0" * 500),
            b'"records_processed":"1%s"' % (b"0" * 5000),
        ],
    )
    def test_its_end_is_read_whatever_is_told_beside_it(self, census, sandbox, odd):
        row = b'{"id":7,"status":"failed",%s}' % odd
        sandbox.census.fail_next("/sync_runs/7", Body(b'{"status":"success","data":%s}' % row))
        sandbox.census.fail_next("/syncs/", Body(b'{"status":"success","data":[%s]}' % row))
        (listed,), _ = census.list_sync_runs(5123)
        for run in (census.get_sync_run(7), listed):
            assert run == SyncRun(sync_run_id=7, status="failed")

    @pytest.mark.parametrize(
        ("told", "outcome"),
        [
            (b'"status":"completed","records_failed":"1"', Outcome.COMPLETED_WITH_REJECTS),
            (b'"status":"completed","records_failed":"0"', Outcome.COMPLETED),
            (b'"status":"completed","canceled":"true"', Outcome.CANCELED),
            (b'"status":"completed","canceled":"false"', Outcome.COMPLETED),
            (b'"status":"CANCELLED"', Outcome.CANCELED),
            (b'"status":"Completed"', Outcome.COMPLETED),
        ],
    )
    def test_a_number_or_a_flag_may_come_as_text_and_a_word_in_capitals(
        self, census, sandbox, told, outcome
    ):
        body = b'{"status":"success","data":{"id":7,%s}}' % told
        sandbox.census.fail_next("/sync_runs/7", Body(body))
        run = census.get_sync_run(7)
        assert (run.outcome, run.has_unknown_status) == (outcome, False)

    @pytest.mark.parametrize("written", [b"7", b'"7"'])
    def test_its_id_may_come_as_text(self, census, sandbox, written):
        run = b'{"id":%s,"status":"working","created_at":"2026-11-01T05:00:00"}' % written
        sandbox.census.fail_next("/sync_runs/7", Body(b'{"status":"success","data":%s}' % run))
        sandbox.census.fail_next("/syncs/", Body(b'{"status":"success","data":[%s]}' % run))
        assert census.get_sync_run(7).sync_run_id == 7
        (listed,), _ = census.list_sync_runs(5123)
        assert (listed.sync_run_id, listed.created_at) == (7, datetime(2026, 11, 1, 5, tzinfo=UTC))

    @pytest.mark.parametrize("written", [b"0", b'"0"', b"9223372036854775808", b"null", b'"x"'])
    def test_a_list_with_an_impossible_id_cannot_be_read(self, census, sandbox, written):
        run = b'{"id":%s,"status":"working"}' % written
        sandbox.census.fail_next("/syncs/", Body(b'{"status":"success","data":[%s]}' % run))
        with pytest.raises(BadArtifact):
            census.list_sync_runs(5123)

    @pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b'{"status":"success"}'])
    def test_an_answer_that_is_not_census_own_is_no_refusal(self, census, sandbox, body):
        sandbox.census.fail_next("/sync_runs", Body(body), times=2)
        with pytest.raises(BadArtifact):
            census.get_sync_run(1)
        with pytest.raises(BadArtifact):
            census.list_sync_runs(5123)

    def test_all_of_a_sync_come_newest_first_with_the_time_over_there(self, census, sandbox, clock):
        first = census.trigger_sync(5123)
        sandbox.census.finish(first)
        clock.tick(60)
        second = census.trigger_sync(5123)
        runs, now = census.list_sync_runs(5123)
        assert [run.sync_run_id for run in runs] == [second, first]
        assert (runs[0].created_at - runs[1].created_at).total_seconds() == 60
        assert abs((now - clock.now).total_seconds()) <= 1


def test_a_wrong_key_is_told_as_such(sandbox):
    with pytest.raises(Rejected, match="is the API key right"):
        census_of(sandbox, key="wrong").get_sync_run(1)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "completed", "records_failed": 0, "records_invalid": None}, "completed"),
        ({"status": "completed", "records_failed": 3}, "completed_with_rejects"),
        ({"status": "completed", "canceled": True}, "canceled"),
        ({"status": "working", "canceled": True}, "canceled"),
        ({"status": "failed"}, "failed"),
        ({"status": "skipped"}, "skipped"),
        ({"status": "canceled"}, "canceled"),
        ({"status": "cancelled"}, "canceled"),
        ({"status": "queued"}, None),
        ({"status": "working"}, None),
        ({"status": "Completed"}, "completed"),
        ({"status": "FAILED"}, "failed"),
        ({"status": "CANCELLED"}, "canceled"),
        ({"status": ""}, None),
    ],
)
def test_a_status_and_its_flag_have_one_meaning(fields, outcome):
    assert SyncRun(sync_run_id=1, **fields).outcome == outcome


@pytest.mark.parametrize("fault", SandboxCensus.transient_faults, ids=str)
def test_a_fault_that_passes_is_never_taken_for_a_refusal(sandbox, fault):
    sync_run_id = census_of(sandbox).trigger_sync(5124)
    sandbox.census.fail_next("/trigger", fault)
    sandbox.census.fail_next("GET", fault, times=2)
    with contextlib.suppress(Unavailable, Unanswered):
        census_of(sandbox).trigger_sync(5123)
    with contextlib.suppress(Unavailable, BadArtifact):
        census_of(sandbox).get_sync_run(sync_run_id)
    with contextlib.suppress(Unavailable, BadArtifact):
        census_of(sandbox).list_sync_runs(5124)
    assert census_of(sandbox).get_sync_run(sync_run_id).outcome is None
