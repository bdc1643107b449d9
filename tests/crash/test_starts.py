"""How the processes start: warnings about their environment, and errors that stop them."""

import socket

from crash.stage import UP


def test_a_worker_and_web_log_a_variable_that_relay_does_not_read(stage):
    stage.worker(RELAY_LOGLEVEL="debug")
    stage.web(CENSUS_API_VERSON="v2")
    logged = stage.logged("settings.variable_unknown", level="warning")
    assert [(line["variable"], line["meant"]) for line in logged] == [
        ("RELAY_LOGLEVEL", "RELAY_LOG_LEVEL"),
        ("CENSUS_API_VERSON", "CENSUS_API_VERSION"),
    ]


def test_up_on_a_port_that_is_in_use_ends_at_once_with_one_line(stage):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = stage.start("up", *UP, PORT=str(port))
        assert up.wait() == 2
    assert up.stderr == (
        f"Error: invalid settings: PORT: web cannot listen on port {port}: "
        "Address already in use; set another\n"
    )
    assert up.stdout == ""
