"""Requests that never reach the application are counted; a minute has one line of them."""

import pytest

from relay.web.client_refusals import ClientRefusals, Reason, error_response


@pytest.fixture(name="refusals")
def _refusals():
    return ClientRefusals()


def test_an_unforeseen_error_has_one_traceback_until_the_next_count(refusals, logged):
    for _ in range(3):
        refusals.count_failure(ValueError("what nobody sends"))
    assert [line["event"] for line in logged] == ["clients.request_failed"]
    assert isinstance(logged[0]["exc_info"], ValueError)
    refusals.log()
    assert logged[1]["reasons"] == {"failed": 3}
    assert logged[1]["problem"] == "ValueError: what nobody sends"


def test_a_second_line_waits_for_its_minute(refusals, logged):
    refusals.count(Reason.TOO_SLOW)
    refusals.log()
    refusals.count(Reason.TOO_SLOW)
    refusals.log()
    assert [line["reasons"] for line in logged] == [{"too_slow": 1}]


def test_an_unforeseen_error_is_answered_with_500():
    assert error_response(Reason.FAILED, None).startswith(b"HTTP/1.1 500 ")
