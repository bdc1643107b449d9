"""Whatever the wire does becomes one of three errors, over real HTTP to the sandbox."""

import socket
import threading

import pytest

from relay.errors import Rejected, Unanswered, Unavailable
from relay.sandbox import story
from relay.sandbox.wire import Body, Delay, HangUp, HangUpAfter, Status, StatusAfter, TruncatedBody
from relay.settings import Secret
from relay.transport import Transport

TRIGGER = "/api/v1/syncs/5123/trigger"
RUN = "/api/v1/syncs/5123"


def transport(base_url, **fields):
    given = {"token": Secret(story.CENSUS_API_KEY), "read_seconds": 0.3, "connections": 2}
    return Transport(vendor="Census", base_url=base_url, **(given | fields))


@pytest.fixture(name="census")
def _census(sandbox):
    return transport(sandbox.census.url)


def test_an_answer_is_its_status_its_body_and_the_time_over_there(census, clock):
    answer = census.ask(RUN)
    assert answer.ok
    assert b'"success"' in answer.body
    assert abs((answer.vendor_now - clock.now).total_seconds()) <= 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_an_answer(census, sandbox, code):
    sandbox.census.fail_next("/syncs", Status(code), times=2)
    assert census.ask(RUN).http_status == code
    assert census.command(TRIGGER).http_status == code


@pytest.mark.parametrize(
    "fault", [Status(500), Status(503), HangUp(), HangUpAfter(), Delay(2), TruncatedBody()]
)
def test_a_question_without_an_answer_may_be_asked_again(census, sandbox, fault):
    sandbox.census.fail_next(RUN, fault)
    with pytest.raises(Unavailable):
        census.ask(RUN)


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(502),
        StatusAfter(504),
        HangUp(),
        HangUpAfter(),
        Delay(2),
        TruncatedBody(),
    ],
)
def test_a_command_without_an_answer_may_have_been_done(census, sandbox, fault):
    sandbox.census.fail_next(TRIGGER, fault)
    with pytest.raises(Unanswered):
        census.command(TRIGGER)


def test_a_command_is_never_sent_twice_by_itself(census, sandbox):
    sandbox.census.fail_next(TRIGGER, HangUpAfter())
    with pytest.raises(Unanswered):
        census.command(TRIGGER)
    assert len(sandbox.census.requests_to(TRIGGER)) == 1
    assert len(sandbox.census.sync_runs) == 1


@pytest.mark.parametrize("send", [Transport.ask, Transport.command])
def test_too_many_requests_did_nothing_and_says_when(census, sandbox, send):
    sandbox.census.fail_next("/syncs", Status(429, retry_after=7))
    with pytest.raises(Unavailable) as busy:
        send(census, TRIGGER)
    assert busy.value.retry_after == 7
    assert busy.value.http_status == 429


@pytest.mark.parametrize("send", [Transport.ask, Transport.command])
def test_where_nobody_listens_nothing_was_done(send):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unavailable, match="no connection"):
        send(transport(url), TRIGGER)


def test_a_redirect_is_not_followed(census, sandbox):
    sandbox.census.fail_next(RUN, Body(b"", status=302, content_type="text/html"))
    assert census.ask(RUN).http_status == 302


def test_an_answer_that_never_ends_is_cut_off(sandbox):
    sandbox.census.fail_next(RUN, Body(b"x" * 5000))
    with pytest.raises(Rejected, match="more than 1000 bytes"):
        transport(sandbox.census.url, largest_answer=1000).ask(RUN)


def test_the_token_goes_as_bearer_whatever_netrc_says(monkeypatch, tmp_path, sandbox):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert transport(sandbox.census.url).ask(RUN).ok


@pytest.mark.parametrize("fault", [HangUp(), Delay(2), Status(500), TruncatedBody()])
def test_no_error_tells_the_token(sandbox, fault):
    sandbox.census.fail_next(TRIGGER, fault)
    with pytest.raises(Unanswered) as lost:
        transport(sandbox.census.url).command(TRIGGER)
    told = f"{lost.value!r} {lost.value} {lost.value.__context__!r} {lost.value.__cause__!r}"
    assert story.CENSUS_API_KEY not in told
    assert lost.value.__context__ is None or lost.value.__suppress_context__


def test_it_may_be_used_by_several_threads(census):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(census.ask(RUN).ok)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
