"""A message is sent over real HTTP to the sandbox's receivers, or fails as one of two errors."""

import socket
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import msgspec
import pytest
import structlog
from channel_messages import KINDS, MESSAGE_ID, VARIABLES, alert, channel, message

from relay import logs
from relay.errors import Rejected, Unavailable
from relay.sandbox.channels import PAGERDUTY_KEY, WEBHOOK_KEY
from relay.sandbox.wire import Body, Delay, HangUp, HangUpAfter, Status, TruncatedBody
from relay.settings import MessageSettings
from relay.vendors.channels import Senders

SECRETS = ("slackSandboxToken4relays", "teamsSandboxSignature4relay", PAGERDUTY_KEY, WEBHOOK_KEY)


def settings(environment):
    return MessageSettings.from_environment({"RELAY_HTTP_TIMEOUT": "1s", **environment})


@pytest.fixture(name="receivers")
def _receivers(sandbox):
    return sandbox.channels


@pytest.fixture(name="senders")
def _senders(receivers):
    return Senders(settings(receivers.environment))


@pytest.fixture(name="send")
def _send(senders, clock):
    def send(kind, given=None):
        return senders.send(channel(kind), given or message(), at=clock.now)

    return send


@contextmanager
def answering(head, body=b""):
    """A server that answers one request with these bytes, as far as the client reads them."""

    def serve():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head.encode() + b"\r\n\r\n" + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def at(url, kind="webhook"):
    """The environment with a channel of that kind at this URL, whose path is a secret."""
    given = dict.fromkeys(VARIABLES[kind].values(), f"{url}/hooks/{SECRETS[0]}?sig={SECRETS[1]}")
    keys = {"RELAY_NOTIFY_WEBHOOK_KEY": WEBHOOK_KEY, "RELAY_NOTIFY_PAGERDUTY_KEY": PAGERDUTY_KEY}
    return given | {name: key for name, key in keys.items() if name in given}


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_takes_the_message(send, receivers, kind):
    accepted = send(kind)
    assert accepted.http_status in (200, 202, 204)
    assert {received.kind for received in receivers.received} == {kind}
    assert len(receivers.received) == accepted.requests


def test_slacks_answer_is_passed_on(send):
    assert send("slack").answer == "ok"


def test_pagerduty_takes_an_event_for_each_alert(send, receivers):
    assert send("pagerduty").requests == 2
    keys = [received.body["dedup_key"] for received in receivers.received]
    assert keys == ["relay/default/5123/withheld", "relay/default/5124/withheld"]


def test_a_message_without_alerts_is_none_for_pagerduty(send, receivers):
    accepted = send("pagerduty", msgspec.structs.replace(message(), alerts=()))
    assert (accepted.requests, accepted.http_status) == (0, None)
    assert receivers.received == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "fault", [Status(500), Status(503), Status(408), HangUp(), HangUpAfter(), Delay(3)], ids=str
)
def test_what_passes_by_itself_may_be_sent_again(send, receivers, kind, fault):
    receivers.fail_next("POST", fault)
    with pytest.raises(Unavailable) as failed:
        send(kind)
    assert f"channel my-{kind}" in str(failed.value)
    assert send(kind).http_status in (200, 202, 204)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [429, 503])
def test_a_receiver_may_ask_for_patience(send, receivers, kind, code):
    receivers.fail_next("POST", Status(code, retry_after=7))
    with pytest.raises(Unavailable, match=f"HTTP {code}") as failed:
        send(kind)
    assert failed.value.retry_after == 7
    assert failed.value.http_status == code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413])
def test_a_refusal_is_final_and_says_what_to_look_at(send, receivers, kind, code):
    receivers.fail_next("POST", Status(code))
    with pytest.raises(Rejected, match=f"HTTP {code}") as refused:
        send(kind)
    assert refused.value.http_status == code
    assert all(name in str(refused.value) for name in VARIABLES[kind].values())


def test_slacks_reason_is_named(send, receivers):
    receivers.fail_next("POST", Body(b"channel_is_archived", 410, "text/html"))
    with pytest.raises(Rejected, match=r"HTTP 410 \(channel_is_archived\)"):
        send("slack")


def test_pagerdutys_reason_is_named_without_the_key(receivers, clock):
    wrong = "1" * 32
    environment = receivers.environment | {"RELAY_NOTIFY_PAGERDUTY_KEY": wrong}
    with pytest.raises(Rejected, match=r"HTTP 400 \('routing_key' is not valid\)"):
        Senders(settings(environment)).send(channel("pagerduty"), message(), at=clock.now)
    echo = b'{"errors": ["no such key: %s"]}' % PAGERDUTY_KEY.encode()
    receivers.fail_next("POST", Body(echo, 400))
    with pytest.raises(Rejected, match=r"no such key: \*\*\*"):
        Senders(settings(receivers.environment)).send(channel("pagerduty"), message(), at=clock.now)


def test_a_page_that_is_not_slacks_has_not_taken_the_message(send, receivers):
    receivers.fail_next("POST", Body(b"<html>Sign in</html>", 200, "text/html"))
    with pytest.raises(Rejected, match="RELAY_NOTIFY_SLACK"):
        send("slack")


@pytest.mark.parametrize("kind", ["teams", "webhook", "pagerduty"])
def test_an_answer_that_breaks_off_behind_its_status_is_one(send, receivers, kind):
    receivers.fail_next("POST", TruncatedBody())
    assert send(kind, message(alert())).requests == 1


def test_slacks_answer_that_breaks_off_is_one(send, receivers):
    receivers.fail_next("POST", TruncatedBody())
    assert send("slack").http_status == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_connection_may_be_tried_again(clock, kind):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unavailable, match=r"no connection to 127\.0\.0\.1:\d+: ") as failed:
        Senders(settings(at(url, kind))).send(channel(kind), message(), at=clock.now)
    assert not any(secret in str(failed.value) for secret in SECRETS)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(clock, receivers, code):
    head = f"HTTP/1.1 {code} Elsewhere\r\nLocation: {receivers.url}/webhook\r\nContent-Length: 0"
    with answering(head) as url, pytest.raises(Rejected, match="does not follow"):
        Senders(settings(at(url))).send(channel("webhook"), message(), at=clock.now)
    assert receivers.requests == []


@pytest.mark.parametrize("status", [200, 500])
def test_a_huge_answer_is_not_read_to_its_end(clock, status):
    head = f"HTTP/1.1 {status} S\r\nContent-Length: {2**40}"
    with answering(head, b"x" * 2**25) as url:
        senders = Senders(settings(at(url)))
        if status == 200:
            accepted = senders.send(channel("webhook"), message(), at=clock.now)
            assert accepted.answer == "x" * 300
        else:
            with pytest.raises(Unavailable, match="HTTP 500"):
                senders.send(channel("webhook"), message(), at=clock.now)


def test_a_server_that_accepts_and_says_nothing_is_given_up(clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match="no response from"):
            Senders(settings(at(url))).send(channel("webhook"), message(), at=clock.now)


def test_a_variable_that_is_missing_now_may_be_there_later(clock):
    with pytest.raises(Unavailable, match="RELAY_NOTIFY_SLACK: is not set"):
        Senders(settings({})).send(channel("slack"), message(), at=clock.now)


def test_a_key_in_a_file_may_be_replaced(receivers, clock, tmp_path):
    file = tmp_path / "key"
    file.write_text("1" * 32)
    given = receivers.environment
    del given["RELAY_NOTIFY_PAGERDUTY_KEY"]
    senders = Senders(settings(given | {"RELAY_NOTIFY_PAGERDUTY_KEY_FILE": str(file)}))
    with pytest.raises(Rejected):
        senders.send(channel("pagerduty"), message(), at=clock.now)
    file.write_text(PAGERDUTY_KEY)
    assert senders.send(channel("pagerduty"), message(), at=clock.now).requests == 2


def test_a_repeat_goes_on_behind_the_events_that_pagerduty_took(senders, receivers, clock):
    given = message(*(alert(number) for number in range(1, 6)))
    receivers.fail_next("POST", Delay(0.01), times=3)  # the first three pass
    receivers.fail_next("POST", Status(429, retry_after=1))
    with pytest.raises(Unavailable):
        senders.send(channel("pagerduty"), given, at=clock.now)
    assert len(receivers.received) == 3
    assert senders.send(channel("pagerduty"), given, at=clock.now).requests == 5
    assert len(receivers.received) == 5
    assert senders.send(channel("pagerduty"), given, at=clock.now).requests == 5
    assert len(receivers.received) == 10


def test_a_webhook_is_known_by_its_id_when_it_is_repeated(send, receivers):
    receivers.fail_next("POST", HangUpAfter())
    with pytest.raises(Unavailable):
        send("webhook")
    send("webhook")
    ids = [received.body["data"]["message_id"] for received in receivers.received]
    assert ids == [str(MESSAGE_ID)] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [Status(404), Status(500), HangUp(), Delay(3), None], ids=str)
def test_no_secret_is_in_an_error_or_a_line_of_the_log(receivers, clock, capsys, kind, fault):
    given = settings(receivers.environment | {"RELAY_LOG_LEVEL": "debug"})
    logs.configure(given)
    if fault is None:
        given = settings(at("https://127.0.0.1:1", kind))
    else:
        receivers.fail_next("POST", fault)
    with pytest.raises((Unavailable, Rejected)) as failed:
        Senders(given).send(channel(kind), message(), at=clock.now)
    for name in VARIABLES[kind].values():
        secret = given.environment[name]
        structlog.get_logger().error("x", whole=secret, path=urlsplit(secret).query or secret)
    said = capsys.readouterr().out + repr(failed.value) + repr(given) + repr(vars(Senders(given)))
    said = said.replace(repr(given.environment), "")
    assert not any(secret in said for secret in SECRETS)


def test_an_answer_that_repeats_the_url_does_not_show_it(receivers, send):
    receivers.fail_next("POST", Body(receivers.environment["RELAY_NOTIFY_TEAMS"].encode(), 202))
    assert "teamsSandboxSignature4relay" not in send("teams").answer
